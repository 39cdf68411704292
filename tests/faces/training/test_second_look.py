"""The head of the second look, and what it learns from."""
import numpy as np
import pytest

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer

from picture_ranknet.faces import second_look
from picture_ranknet.faces.second_look import INPUTS
from picture_ranknet.faces.training import second_look as training
from picture_ranknet.faces.training.second_look import FACE, NO_FACE, UNSAID, Picture

NONE = np.empty((0, 4))


def test_the_head_that_runs_is_the_one_that_was_trained():
    np.random.seed(0)
    head, rng = training.Head(), np.random.default_rng(2)
    mean = rng.standard_normal(INPUTS).astype(np.float32)
    deviation = rng.uniform(.5, 2, INPUTS).astype(np.float32)
    x = (rng.standard_normal((20, INPUTS)) * deviation + mean).astype(np.float32)

    def trained():
        with chainer.using_config('train', False), chainer.no_backprop_mode():
            return head((x - mean) / deviation).array

    look = head.quantise(mean, deviation, '0' * 64)
    assert abs(look(x) - trained()).max() < .2 * trained().std()
    for layer, link in zip(look.layers, (head.l1, head.l2, head.l3)):
        link.W.array[:] = layer.matrix().T
    np.testing.assert_allclose(look(x), trained(), rtol=1e-3, atol=1e-4)


def test_targets_of_cells_by_hand():
    faces = np.array([[100., 60, 96], [20, 200, 12], [150, 250, 30], [300, 100, 50]])
    ignored = np.array([[250., 250, 40]])
    kinds, offsets = training.targets(faces, ignored)
    assert kinds.shape == (36, 36) and offsets.shape == (36, 36, 3)
    # Row 7 has its middle at 60, column 12 at 100.
    assert kinds[7, 12] == kinds[8, 13] == kinds[6, 11] == FACE  # .16 of 96 pixels are 15
    assert kinds[7, 15] == UNSAID and kinds[7, 17] == NO_FACE    # .36 of them and 4 are 39
    np.testing.assert_allclose(offsets[7, 12], [0, 0, np.log(2)], atol=1e-6)
    np.testing.assert_allclose(offsets[8, 13], [-8 / 96, -8 / 96, np.log(2)], rtol=1e-5)
    assert kinds[24, 2] == UNSAID and kinds[27, 2] == NO_FACE    # too small
    assert kinds[31, 18] == FACE and kinds[30, 18] == UNSAID     # a small one: 5.7 pixels
    assert (kinds[:, 35] != FACE).all() and kinds[12, 35] == UNSAID  # its middle lies outside
    assert kinds[31, 31] == UNSAID and kinds[28, 28] == NO_FACE
    assert not offsets[kinds != FACE].any()


def test_boxes_move_with_the_picture():
    img = np.full((200, 300, 3), 90, np.uint8)
    img[60:120, 100:160] = 250
    picture = Picture(img, np.array([[100., 60, 60, 60]]), np.array([[200., 100, 20, 20]]))
    inside = 0
    for seed in range(40):
        varied, faces, ignored = training.vary(picture, np.random.default_rng(seed))
        assert varied.shape == (training.SIDE, training.SIDE, 3) and varied.dtype == np.uint8
        ((x, y, side),), ((_, _, other),) = faces, ignored
        assert side == pytest.approx(3 * other) and side <= training.SIDE
        inside += 0 < min(x, y) and max(x, y) < training.SIDE
    assert inside > 30
    again = [training.vary(picture, np.random.default_rng(0))[0] for _ in range(2)]
    np.testing.assert_array_equal(*again)


def test_the_middle_of_a_face_is_where_its_box_says():
    img = np.zeros((200, 300, 3), np.uint8)
    img[85:95, 125:135] = 255
    picture = Picture(img, np.array([[100., 60, 60, 60]]), NONE)
    for seed in range(30):
        varied, ((x, y, side),), _ = training.place(picture, np.random.default_rng(seed))
        if side / 2 < min(x, y) and max(x, y) < training.SIDE - side / 2:
            rows, columns = np.mgrid[:training.SIDE, :training.SIDE]
            near = (abs(columns - x) < side / 2) & (abs(rows - y) < side / 2)
            weights = varied[..., 0] * near
            found = [(weights * at).sum() / weights.sum() for at in (columns, rows)]
            np.testing.assert_allclose(found, [x, y], atol=1.5)


def test_the_loss_by_hand():
    out = np.zeros((4, 4), np.float32)
    loss = training.loss_of(out, np.zeros((2, 3), np.float32)).array
    assert loss == pytest.approx(np.log(2))
    # Off by .05, .1 and .3: .05^2 / 2, .1^2 / 2 and .1 (.3 - .05); the second is not off at all.
    offsets = np.array([[.05, .1, .3], [0, 0, 0]], np.float32)
    loss = training.loss_of(out, offsets).array
    distance = (.00125 + .005 + .025) / 6
    assert loss == pytest.approx(np.log(2) + training.OFFSET_WEIGHT * distance, rel=1e-5)
    out[0, 1:] = .05, .1, .3
    assert training.loss_of(out, offsets).array == pytest.approx(np.log(2))
    out[:, 0] = 50, 50, -50, -50
    assert training.loss_of(out, offsets).array == pytest.approx(0, abs=1e-6)


def test_the_learning_rate_rises_and_falls():
    rates = [training.learning_rate(i, 1000) for i in range(1000)]
    assert rates[0] == pytest.approx(2e-5) and rates[500] == pytest.approx(1e-3)
    assert max(rates) == rates[99] and rates[-1] < 1e-8
    assert rates[99:] == sorted(rates[99:], reverse=True)


def test_a_head_learns_to_tell_cells_apart(monkeypatch):
    monkeypatch.setattr(training, 'BATCHSIZE', 128)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3000, INPUTS)).astype(np.float16)
    x[:, 1:99], x[:, 100:] = x[:, :1], x[:, 99:100]
    kinds = np.where(x[:, 0] > 0, FACE, NO_FACE)
    offsets = np.zeros((3000, 3), np.float32)
    offsets[:, 2] = x[:, 99] / 4
    look = training.fit(x, kinds, offsets, 120, [0], '0' * 64)
    out = look(x[:500].astype(np.float32))
    assert ((out[:, 0] > 0) == (kinds[:500] == FACE)).mean() > .9
    faces = kinds[:500] == FACE
    assert np.corrcoef(out[faces, 3], x[:500][faces, 99])[0, 1] > .7


def test_sampled_cells_do_not_depend_on_the_number_of_threads(monkeypatch):
    rng = np.random.default_rng(1)
    pictures = [Picture(rng.integers(0, 256, (90, 120, 3), np.uint8), boxes, NONE)
                for boxes in (np.array([[30., 30, 40, 40]]), NONE, NONE)]

    def network(x, keep, alone):
        return [np.full((1, 288 // stride, 288 // stride, n), x.mean() + stride, np.float32)
                for n, stride in zip(second_look.CHANNELS, (8, 16, 16, 32, 32))]

    parts = []
    for n in 1, 3:
        monkeypatch.setattr(training.threads, 'count', lambda n=n: n)
        parts.append(training.sample(pictures, 2, network, None, [4]))
    assert len(parts[0]) == 2 * (training.WITH_FACES + 2)
    for one, three in zip(*parts):
        for a, b in zip(one, three):
            np.testing.assert_array_equal(a, b)
    x, kinds, _ = parts[0][0]
    assert x.shape == (len(kinds), INPUTS) and set(kinds) == {FACE, NO_FACE}
