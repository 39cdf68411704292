import struct

import numpy as np
import pytest

import chainer_compat  # noqa: F401  (before chainer)
import chainer
import chainer.links as L
from chainer.links.model.vision import resnet

import files
import net
import pretrained


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


def assert_same_weights(a, b):
    assert len(a.weights()) == 11
    for name, array in a.weights().items():
        np.testing.assert_array_equal(array, b.weights()[name], name)


def test_weights_that_chainer_saved(tmp_path):
    theirs, ours = Predictor(1), Predictor(2)
    chainer.serializers.save_npz(tmp_path / 'weights.npz', theirs.layers)
    pretrained.load(tmp_path / 'weights.npz', ours)
    assert_same_weights(ours, theirs)


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


def caffemodel(weights, layer_field, name_field, blobs_field, blob=blob):
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


@pytest.mark.parametrize('layout, blob', [
    ((100, 1, 7), blob), ((2, 4, 6), blob), ((100, 1, 7), loose_blob)])
def test_weights_of_caffe(tmp_path, layout, blob):
    theirs, ours = Predictor(1), Predictor(2)
    (tmp_path / 'net.caffemodel').write_bytes(caffemodel(theirs.weights(), *layout, blob))
    pretrained.load(tmp_path / 'net.caffemodel', ours)
    assert_same_weights(ours, theirs)


class Recorder:

    """Writes down which attribute is copied from which."""

    def __init__(self, path='', copies=None):
        self.path = path
        self.copies = copies

    def __getattr__(self, name):
        return Recorder(self.path + '/' + name, self.copies)

    def __setitem__(self, _, source):
        self.copies[self.path] = source.path


def test_names_of_caffe_are_those_that_chainer_reads():
    copies = {}
    resnet._transfer_resnet50(Recorder(), Recorder('', copies))
    numbers = {'W': 0, 'b': 1, 'avg_mean': 0, 'avg_var': 1}
    ours = {(prefix + '/' + name)[len('/layers'):]
            for prefix, link in net.ResNet50().namedlinks() if prefix.startswith('/layers')
            for name in (link._params | link._persistent) - {'N'}}
    theirs = {path.replace('/array', ''): source.replace('/array', '')
              for path, source in copies.items() if '/fc6' not in path}
    assert ours == set(theirs)
    for path, source in theirs.items():
        _, layer, *_, name = source.split('/')
        assert pretrained.caffe_name(path[1:]) == (layer, numbers[name])


def test_names_of_caffe_for_vgg():
    for prefix, _ in net.VGG16Layers().namedlinks(skipself=True):
        assert pretrained.caffe_name(prefix[1:] + '/W') == (prefix[1:], 0)
        assert pretrained.caffe_name(prefix[1:] + '/b') == (prefix[1:], 1)


def npz(**changes):
    def write(path):
        weights = dict(Predictor(1).weights(), **changes)
        np.savez(path, **{name: array for name, array in weights.items() if array is not None})
    return write


def text(content):
    return lambda path: path.write_bytes(content)


CAFFE = caffemodel(Predictor(1).weights(), 100, 1, 7)


@pytest.mark.parametrize('write, words', [
    (text(b''), 'but '),
    (text(b'hello, this is a text'), 'but it is '),
    (text(b'PK\3\4 and no more'), 'but '),
    (text(CAFFE[:200]), 'but it is cut short'),
    (text(CAFFE.replace(b'scale_conv1', b'other_conv1')), 'but it has no bn1/beta'),
    (text(message(1, b'an empty net')), 'but there are no layers in it'),
    (text(b'\x80' * 30), 'but it is something else'),
    (npz(**{'conv1/b': None}), 'but it has no conv1/b'),
    (npz(**{'conv1/b': np.zeros(3)}), 'but conv1/b is float64 of shape (3,), not (2,)'),
    (npz(**{'conv1/b': np.zeros(2, int)}), 'but conv1/b is int64 of shape (2,), not (2,)'),
    (npz(**{'conv1/b': np.array([0, np.nan])}), 'but conv1/b holds nan or inf'),
    (npz(**{'conv1/b': np.array([print, print])}), 'but '),
])
def test_what_is_no_such_file_is_said_in_one_line(tmp_path, write, words):
    path = tmp_path / 'weights.npz'
    write(path)
    with pytest.raises(files.InputError) as e:
        pretrained.load(path, Predictor())
    assert str(e.value).startswith('{}: expected weights of Predictor as a .npz of Chainer or a '
                                   '.caffemodel, but '.format(path))
    assert words in str(e.value) and '\n' not in str(e.value)


def test_what_is_not_there_is_not_found(tmp_path):
    with pytest.raises(FileNotFoundError):
        pretrained.load(tmp_path / 'none.npz', Predictor())
