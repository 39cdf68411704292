"""Small models and pictures for the tests and for benchmarks/fuzz_models.py."""
import numpy as np

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer

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
    """A model for pictures of this size, with weights of a short pattern."""
    ranknet = networks.make(arch, size, 1 / 255)
    if n_features:
        ranknet.predictor.add_features(n_features)
    fill(ranknet)
    return ranknet


def rated(n=8, n_features=0, size=SIZE):
    """Pictures, all rated and all different."""
    X = (np.arange(n * 3 * size[0] * size[1]).reshape(n, 3, *size) % 251).astype(np.uint8)
    features = np.arange(n * n_features, dtype=np.float32).reshape(n, -1) if n_features else None
    return arrays.RatedPictures(X, np.arange(n) % 5 + 1., np.arange(n), features)


def train_a_step(model, optimizer=chainer.optimizers.Adam, n_features=0):
    """One step, after which the model has gradients and the hooks of an optimizer."""
    pictures = rated(8, n_features, model.image_size)
    optimizer().setup(model).update(
        model.loss_of_all_pairs, model.to_input(pictures.X), pictures.ratings, pictures.features)
