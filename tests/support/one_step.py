"""A step of training on the processes of mpiexec, and the same in each alone: are they equal?

Run by test_mpi.py; says ``equal`` for each network.
"""
import numpy as np

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer

import net
from picture_ranknet.console.command import shared_command
from picture_ranknet.learning import loop, parallel
from picture_ranknet.learning.batches import Batch
from picture_ranknet.learning.recipe import Recipe
from picture_ranknet.machine import ranks
from picture_ranknet.models import networks

RECIPE = Recipe(n_iter=2, schedule='constant')
B = 10  # pictures; no number of processes but 1, 2, 5 and 10 divides it


def train(model, optimizer, parts):
    """Make a step of each batch."""
    def read(*_):
        yield from parts

    for _ in loop.learn(model, optimizer, None, RECIPE, read=read, unit=2.):
        pass


def make(arch, n_features):
    np.random.seed(0)
    chainer.config.dtype = np.float64  # of rounding, next to nothing is left
    model = net.RankNet(networks.ARCHITECTURES[arch]((20, 20)), (20, 20), 1 / 255)
    if n_features:
        model.predictor.add_features(n_features)
    return model


def arrays(model):
    serializer = chainer.serializers.DictionarySerializer()
    serializer.save(model)
    return {name: array for name, array in serializer.target.items()
            if isinstance(array, np.ndarray)}


@shared_command
def main(argv=None):
    rng = np.random.default_rng(0)
    communicator = parallel.connect('naive', chainer.get_device('@numpy'))
    for arch, n_features in ('cnn', 0), ('cnn', 3), ('deep', 0):
        together, alone = make(arch, n_features), make(arch, n_features)
        before = arrays(make(arch, n_features))
        optimizer = parallel.share_gradients(
            chainer.optimizers.SGD(.5).setup(together), communicator)
        expected = chainer.optimizers.SGD(.5).setup(alone)
        whole = [Batch(rng.random((B, 3, 20, 20)), rng.permutation(B),
                       rng.normal(size=(B, n_features)) if n_features else None)
                 for _ in range(2)]
        part = ranks.part(B)
        train(together, optimizer,
              [Batch(x[part], t, f if f is None else f[part]) for x, t, f in whole])
        for x, t, f in whole:
            expected.update(alone.loss_of_all_pairs, x, t, f, 2.)
        for name, array in arrays(together).items():
            moved = abs(arrays(alone)[name] - before[name]).max()
            np.testing.assert_allclose(array, arrays(alone)[name], 0, 1e-9 * moved + 1e-12, name)
        same, = {array.tobytes() for array in ranks.collect(together.predictor.l1.W.array)}
        print(arch, n_features, 'equal')


if __name__ == '__main__':
    main()
