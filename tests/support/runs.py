"""Short training runs for tests."""
import numpy as np

from picture_ranknet.models import networks


def fresh_model(arch='cnn', n_features=0, device=None):
    """An untrained model for pictures of 20 x 20, with the same weights at each call."""
    np.random.seed(0)
    model = networks.make(arch, (20, 20), 1 / 255)
    if n_features:
        model.predictor.add_features(n_features)
    if device:
        model.to_device(device)
    return model


def weights_of(model):
    """Copies of a model's weights, in the order of their names."""
    return [param.array.copy() for _, param in sorted(model.namedparams())]


def assert_same(a, b):
    """Check that two lists of arrays are equal to the bit."""
    assert len(a) == len(b)
    for array, expected in zip(a, b):
        np.testing.assert_array_equal(array, expected)


def assert_close(a, b):
    """Check that two lists of arrays are equal, except for rounding."""
    assert len(a) == len(b)
    for array, expected in zip(a, b):
        np.testing.assert_allclose(array, expected, rtol=1e-3, atol=1e-5)
