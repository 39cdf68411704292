"""The network of the second look, and what it learns from."""
import numpy as np
import pytest

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer

from picture_ranknet.faces import second_look
from picture_ranknet.faces.training import second_look as training


def test_the_network_that_runs_is_the_one_that_was_trained():
    np.random.seed(0)
    net = training.SecondLookNet()
    windows = np.random.default_rng(2).integers(0, 256, (20, 32, 32), np.uint8)
    with chainer.using_config('train', False), chainer.no_backprop_mode():
        expected = net(second_look.normalise(windows)[:, None]).array
    expected[:, 1:] *= second_look.OFFSET_UNIT
    look = net.quantise()
    assert abs(look(windows) - expected).max() < .2 * expected.std()
    for layer, name in zip(look.layers, sorted(name for name, _ in net.namedparams()
                                                if name.endswith('W'))):
        conv = net[name.split('/')[1]]
        conv.W.array[:] = layer.weights * layer.scales[:, None, None, None]
    with chainer.using_config('train', False), chainer.no_backprop_mode():
        exact = net(second_look.normalise(windows)[:, None]).array
    exact[:, 1:] *= second_look.OFFSET_UNIT
    np.testing.assert_allclose(look(windows), exact, rtol=1e-3, atol=1e-5)


def test_half_of_a_batch_are_faces_and_their_offsets_are_told():
    faces, others = np.full((3, 76, 76), 250, np.uint8), np.zeros((5, 48, 48), np.uint8)
    x, offsets = training.draw_batch(faces, (48, 48), others, 21, np.random.default_rng(0))
    assert x.shape == (21, 32, 32) and x.dtype == np.uint8 and offsets.shape == (10, 3)
    assert (np.median(x[:10], axis=(1, 2)) > 100).all()
    assert (np.median(x[10:], axis=(1, 2)) < 150).all()
    assert (abs(offsets[:, :2]) <= .18).all() and (abs(offsets[:, 2]) <= .28).all()


def test_the_loss_by_hand():
    out = np.zeros((4, 4), np.float32)
    loss = training.loss_of(out, np.zeros((2, 3), np.float32)).array
    assert loss == pytest.approx(np.log(2))
    # Off by .05, .1 and .3: .05^2 / 2, .1^2 / 2 and .1 (.3 - .05); the second is not off at all.
    offsets = np.array([[.05, .1, .3], [0, 0, 0]], np.float32)
    loss = training.loss_of(out, offsets).array
    distance = (.00125 + .005 + .025) / 6
    assert loss == pytest.approx(np.log(2) + training.OFFSET_WEIGHT * distance, rel=1e-5)
    out[0, 1:] = [.5, 1, 3]
    assert training.loss_of(out, offsets).array == pytest.approx(np.log(2))
    out[:, 0] = [50, 50, -50, -50]
    assert training.loss_of(out, offsets).array == pytest.approx(0, abs=1e-6)


def test_the_learning_rate_rises_and_falls():
    rates = [training.learning_rate(i, 1000) for i in range(1000)]
    assert rates[0] == pytest.approx(2e-5) and rates[500] == pytest.approx(1e-3)
    assert max(rates) == rates[99] and rates[-1] < 1e-8
    assert rates[99:] == sorted(rates[99:], reverse=True)
