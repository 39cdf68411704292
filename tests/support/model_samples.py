"""Small models, snapshots and weights of others, for tests and benchmarks/fuzz_models.py."""
import struct

import numpy as np

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer
import chainer.links as L

import net
from picture_ranknet.learning import trainer
from picture_ranknet.models import networks, predictor
from picture_ranknet.storage import arrays

SIZE = predictor.SMALLEST, predictor.SMALLEST


def fill(model):
    """Give a model weights of a short pattern, so that its file packs well."""
    for _, link in sorted(model.namedlinks()):
        for name in sorted(link._params | link._persistent):
            array = chainer.as_array(getattr(link, name))
            if isinstance(array, np.ndarray):
                pattern = np.resize(np.float32([3, -1, 2, 1, -2, 4, -3]) / 64, array.shape)
                array[...] = abs(pattern) + .5 if name in ('avg_var', 'deviation') else pattern


def model(arch='cnn', n_features=0, size=SIZE):
    """A filled ranker for pictures of such a size."""
    ranknet = net.RankNet(networks.ARCHITECTURES[arch](size), size, 1 / 255)
    if n_features:
        ranknet.predictor.add_features(n_features)
    fill(ranknet)
    return ranknet


def rated(n=8, n_features=0, size=SIZE):
    """Pictures, all rated and no two alike."""
    X = (np.arange(n * 3 * size[0] * size[1]).reshape(n, 3, *size) % 251).astype(np.uint8)
    features = np.arange(n * n_features, dtype=np.float32).reshape(n, -1) if n_features else None
    return arrays.RatedPictures(X, np.arange(n) % 5 + 1., np.arange(n), features)


def trainer_for(ranknet, out, same_run=True):
    """What :func:`trainer.run` sets up, to take snapshots and to load them."""
    recipe = trainer.Recipe(n_iter=4, batchsize=4)
    train, valid = rated(8), rated(4)
    monitor = trainer.Monitor(ranknet, train, valid, 100)
    loop = trainer.build_trainer(ranknet, train, recipe, out, monitor.best)
    if same_run:
        loop.extend(trainer.SameRun(recipe, ranknet, train, valid))
    trainer.extend_trainer(loop, monitor, 2, trainer.SnapshotWriter())
    return loop


class Block(chainer.Chain):

    def __init__(self):
        super().__init__()
        with self.init_scope():
            self.conv1 = L.Convolution2D(2, 2, 1, nobias=True)
            self.bn1 = L.BatchNormalization(2)


class Predictor(chainer.Chain):

    """The first layers of a residual network, and small."""

    def __init__(self, seed=0):
        super().__init__()
        rng = np.random.default_rng(seed)
        with self.init_scope():
            self.layers = chainer.Chain()
        with self.layers.init_scope():
            self.layers.conv1 = L.Convolution2D(3, 2, 3)
            self.layers.bn1 = L.BatchNormalization(2)
            self.layers.res2 = chainer.Chain()
        with self.layers.res2.init_scope():
            self.layers.res2.a = Block()
        for array in self.weights().values():
            array[...] = rng.random(array.shape)

    def weights(self):
        """Arrays by their names, as Chainer saves them."""
        target = {}
        for prefix, link in self.layers.namedlinks():
            for name in link._params | link._persistent:
                array = chainer.as_array(getattr(link, name))
                if isinstance(array, np.ndarray):
                    target[(prefix + '/' + name).lstrip('/')] = array
        return target


def varint(number):
    more, rest = number >> 7, number & 127
    return bytes([rest | 128]) + varint(more) if more else bytes([rest])


def message(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def blob(array):
    shape = b''.join(varint(1 << 3) + varint(side) for side in array.shape)
    return message(7, message(1, shape)) + message(5, array.astype('<f4').tobytes())


def loose_blob(array):
    """As old writers have it: each number a field of its own."""
    return b''.join(varint(5 << 3 | 5) + struct.pack('<f', value) for value in array.flat)


def caffemodel(weights, layer_field=100, name_field=1, blobs_field=7, blob=blob):
    factor = np.array([4.])  # Caffe keeps sums of means and variances, and their number
    parts = {
        'conv1': ['conv1/W', 'conv1/b'],
        'bn_conv1': ['bn1/avg_mean', 'bn1/avg_var', factor],
        'scale_conv1': ['bn1/gamma', 'bn1/beta'],
        'res2a_branch2a': ['res2/a/conv1/W'],
        'bn2a_branch2a': ['res2/a/bn1/avg_mean', 'res2/a/bn1/avg_var', factor],
        'scale2a_branch2a': ['res2/a/bn1/gamma', 'res2/a/bn1/beta']}
    content = message(1, b'small')
    for layer, keys in parts.items():
        arrays = [weights[key] * (4 if 'avg' in key else 1) if isinstance(key, str) else key
                  for key in keys]
        content += message(layer_field, message(name_field, layer.encode())
                           + varint(10 << 3) + varint(1)  # its phase, a number
                           + b''.join(message(blobs_field, blob(array)) for array in arrays))
    return content
