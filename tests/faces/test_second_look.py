"""The second look: its network, its file and its vote."""
import cv2
import numpy as np
import pytest

from picture_ranknet.errors import InputError
from picture_ranknet.faces import detector, second_look
from picture_ranknet.faces.second_look import Layer, SecondLook
from support.media_samples import CASCADE


def draw_layers(rng, widths=(3, 4, 5, 4), sizes=(5, 4, 3, 4), strides=(2, 2, 1, 1)):
    """A small network of random weights; window 32 -> 14 -> 6 -> 4 -> 1."""
    inputs = [1, *widths]
    return [Layer.quantise(rng.standard_normal((n, m, k, k)).astype(np.float32) / k,
                           rng.standard_normal(n).astype(np.float32), stride)
            for m, n, k, stride in zip(inputs, widths, sizes, strides)]


def draw_windows(rng, n):
    return rng.integers(0, 256, (n, second_look.SIDE, second_look.SIDE), np.uint8)


def slow_forward(layers, window):
    """The network again, number by number, channels first."""
    h = window.astype(float)
    h = (h - h.mean()) / (h.std() + 8)
    h = h[None]
    for number, (weights, scales, biases, stride) in enumerate(layers):
        if number:
            h = np.maximum(h, 0)
        k = weights.shape[2]
        side = (h.shape[1] - k) // stride + 1
        out = np.empty((len(weights), side, side))
        for c in range(len(weights)):
            for y in range(side):
                for x in range(side):
                    part = h[:, y * stride:y * stride + k, x * stride:x * stride + k]
                    out[c, y, x] = (part * (weights[c] * float(scales[c]))).sum() + biases[c]
        h = out
    return h.ravel() * [1, .1, .1, .1]


def constant(*outputs):
    """A network that says the same of every window."""
    return SecondLook([Layer(np.zeros((4, 1, 32, 32), np.int8), np.ones(4, np.float32),
                            np.array(outputs, np.float32), 1)])


# The network

def test_the_network_agrees_with_a_slow_second_implementation():
    rng = np.random.default_rng(0)
    layers, windows = draw_layers(rng), draw_windows(rng, 5)
    expected = [slow_forward(layers, window) for window in windows]
    np.testing.assert_allclose(SecondLook(layers)(windows), expected, rtol=1e-4, atol=1e-5)


def test_windows_do_not_depend_on_the_others_beside_them(monkeypatch):
    rng = np.random.default_rng(1)
    check, windows = SecondLook(draw_layers(rng)), draw_windows(rng, 7)
    together = check(windows)
    monkeypatch.setattr(second_look, 'CHUNK', 2)
    np.testing.assert_allclose(check(windows), together, rtol=1e-4, atol=1e-5)
    assert check(windows[:0]).shape == (0, 4)


def test_quantised_weights_are_off_by_half_a_step_at_most():
    W = np.random.default_rng(2).standard_normal((3, 2, 4, 4)).astype(np.float32)
    W[2] = 0
    layer = Layer.quantise(W, np.zeros(3), 1)
    error = abs(layer.weights * layer.scales[:, None, None, None] - W)
    assert (error.reshape(3, -1).max(axis=1) <= layer.scales * .501).all()
    assert (abs(layer.weights[:2].astype(int)).reshape(2, -1).max(axis=1) == 127).all()
    assert not layer.weights[2].any()


def test_windows_are_normalised_by_hand():
    window = np.zeros((1, 32, 32), np.uint8)
    window[:, :16] = 64
    np.testing.assert_allclose(second_look.normalise(window)[0, [0, 31], 0], [.8, -.8])  # 32 / 40
    assert not second_look.normalise(np.full((1, 32, 32), 200, np.uint8)).any()


@pytest.mark.parametrize('change', [
    lambda layers: layers[:-1],                                        # 5 outputs of 4 x 4
    lambda layers: layers[1:],                                         # takes 3 channels
    lambda layers: [],
    lambda layers: [layers[0]._replace(stride=0), *layers[1:]],
    lambda layers: [layers[0]._replace(stride=1), *layers[1:]],
    lambda layers: [layers[0]._replace(weights=layers[0].weights[..., :4]), *layers[1:]],
    lambda layers: [layers[0]._replace(weights=layers[0].weights[0]), *layers[1:]],
    lambda layers: [layers[0]._replace(weights=np.zeros((3, 1, 33, 33), np.int8)), *layers[1:]],
    lambda layers: [layers[0]._replace(scales=np.ones(4, np.float32)), *layers[1:]],
    lambda layers: [layers[0]._replace(biases=np.full(3, np.nan, np.float32)), *layers[1:]],
    lambda layers: [layers[0]._replace(scales=np.full(3, np.inf, np.float32)), *layers[1:]],
])
def test_layers_that_do_not_fit_are_refused(change):
    layers = draw_layers(np.random.default_rng(3))
    SecondLook(layers)
    with pytest.raises(ValueError, match='layers that do not'):
        SecondLook(change(layers))


# Boxes

def test_boxes_are_cut_and_resized():
    gray = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64).astype(np.uint8)
    gray[10:42, 20:52] = 100
    gray[42:, :] = 7
    windows = second_look.cut(gray, np.array([[20, 10, 32, 32], [19.6, 10.4, 32, 32],
                                             [0, 42, 64, 22], [63, 63, .4, .4]]), 32)
    assert windows.shape == (4, 32, 32) and windows.dtype == np.uint8
    assert (windows[0] == 100).all() and (windows[1] == 100).all() and (windows[2:] == 7).all()


def test_offsets_move_boxes_by_hand():
    boxes = np.array([[10., 20, 40, 40], [0, 0, 10, 20]])
    moved = second_look.move(boxes, np.array([[.1, -.2, 0], [0, .5, np.log(2)]]))
    np.testing.assert_allclose(moved, [[14, 12, 40, 40], [-5, 0, 20, 40]])


def test_findings_of_the_same_face_vote_by_hand():
    boxes = np.array([[100., 0, 10, 10], [0, 0, 10, 10], [2, 0, 10, 10], [4, 4, 2, 2]])
    faces, votes = second_look.vote(boxes, np.array([.5, .9, .6, .3]))
    # The second and third share 80 of 120; the fourth lies in the second.
    np.testing.assert_allclose(votes, [1.8, .5])
    mean = (.9 * boxes[1] + .6 * boxes[2] + .3 * boxes[3]) / 1.8
    np.testing.assert_allclose(faces, [mean, boxes[0]])


def test_neighbours_that_hardly_touch_stay_two_faces():
    boxes = np.array([[0., 0, 10, 10], [6, 0, 10, 10]])  # share 40 of 160
    faces, votes = second_look.vote(boxes, np.ones(2))
    np.testing.assert_array_equal(faces, boxes)
    np.testing.assert_array_equal(votes, [1, 1])
    assert [len(part) for part in second_look.vote(boxes[:0], np.ones(0))] == [0, 0]


def test_a_vote_does_not_depend_on_the_order():
    rng = np.random.default_rng(4)
    boxes = np.concatenate([rng.uniform(0, 100, (60, 2)), rng.uniform(10, 40, (60, 2))], axis=1)
    weights, order = rng.uniform(.1, 1, 60), rng.permutation(60)
    faces, votes = second_look.vote(boxes, weights)
    again = second_look.vote(boxes[order], weights[order])
    np.testing.assert_allclose(again[0], faces)
    np.testing.assert_allclose(again[1], votes)
    assert votes.sum() == pytest.approx(weights.sum()) and 1 < len(faces) < 60


def test_the_votes_of_windows_on_a_face_add_up():
    check = constant(0, 2, 0, 0)  # odds of 1 : 1, and 0.2 to the right
    gray = np.zeros((100, 100), np.uint8)
    boxes = [[10, 10, 20, 20], [10, 10, 20, 20], [70, 70, 10, 10]]
    faces, votes = check.find(gray, boxes)
    np.testing.assert_allclose(faces, [[14, 10, 20, 20], [72, 70, 10, 10]], atol=1e-5)
    np.testing.assert_allclose(votes, [1, .5])
    assert len(check.find(gray, [])[0]) == len(check.find(gray, np.zeros((0, 4)))[0]) == 0


def test_odds_that_overflow_are_no_face_or_a_whole_vote():
    gray, boxes = np.zeros((40, 40), np.uint8), [[0, 0, 40, 40]]
    for odds, expected in (1000, 1), (-700, 0):
        votes = constant(odds, 0, 0, 0).find(gray, boxes)[1]
        np.testing.assert_allclose(votes, [expected], atol=1e-9)


# The file

def with_check(xml, text=CASCADE):
    return text.replace('</opencv_storage>', xml + '</opencv_storage>')


def test_what_is_written_is_read_again(tmp_path):
    check = SecondLook(draw_layers(np.random.default_rng(5)))
    (tmp_path / 'c.xml').write_text(with_check(check.to_xml()))
    cascade, again = detector.read_cascade(str(tmp_path / 'c.xml'))
    for ours, theirs in zip(check.layers, again.layers):
        for a, b in zip(ours, theirs):
            np.testing.assert_array_equal(a, b)
    assert len(again.layers) == len(check.layers)
    assert cascade.getOriginalWindowSize() == (24, 24)
    assert not cv2.CascadeClassifier(str(tmp_path / 'c.xml')).empty()


def test_a_file_without_a_second_look_has_none(tmp_path):
    (tmp_path / 'c.xml').write_text(CASCADE)
    assert detector.read_cascade(str(tmp_path / 'c.xml'))[1] is None


@pytest.mark.parametrize('old, new', [
    ('<stride>2</stride>', ''),
    ('<stride>2</stride>', '<stride>two</stride>'),
    ('<stride>2</stride>', '<stride>2000000000000</stride>'),
    ('<stride>2</stride>', '<stride>-2</stride>'),
    ('<dt>c</dt>', '<dt>f</dt>'),
    ('<dt>f</dt>', '<dt>i</dt>'),
    ('<sizes>3 1 5 5</sizes>', '<sizes>3 1 5 7</sizes>'),
    ('<sizes>3 1 5 5</sizes>', '<sizes>75</sizes>'),
    ('<sizes>3 1 5 5</sizes>', '<sizes>3 1 -5 -5</sizes>'),
    ('<sizes>3 1 5 5</sizes>', '<sizes>30000 10000 50000 50000</sizes>'),
    ('<biases', '<bias'),
    ('face_check>\n', 'face_check>\n<_>1</_>'),
])
def test_a_damaged_second_look_is_said(tmp_path, old, new):
    xml = SecondLook(draw_layers(np.random.default_rng(6))).to_xml()
    assert old in xml
    if old == '<biases':
        xml = xml.replace('</biases>', '</bias>')
    (tmp_path / 'c.xml').write_text(with_check(xml.replace(old, new)))
    with pytest.raises(InputError, match='c.xml: expected an OpenCV cascade'):
        detector.read_cascade(str(tmp_path / 'c.xml'))
