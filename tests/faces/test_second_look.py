"""The second look: its head, its file and its vote."""
import cv2
import numpy as np
import pytest

from picture_ranknet.errors import InputError
from picture_ranknet.faces import detector, second_look
from picture_ranknet.faces.second_look import CHANNELS, INPUTS, Layer, SecondLook
from picture_ranknet.models import efficientnet
from support.media_samples import CASCADE

DIGEST = '5' * 64


def draw_layers(rng, *hidden):
    """Random layers; a head that fits by default."""
    sizes = INPUTS, *(hidden or (7, 6)), second_look.OUTPUTS
    return [Layer.quantise(rng.standard_normal((n, m)).astype(np.float32) / m ** .5,
                           rng.standard_normal(n).astype(np.float32))
            for m, n in zip(sizes, sizes[1:])]


def draw_look(seed):
    rng = np.random.default_rng(seed)
    return SecondLook(draw_layers(rng), rng.uniform(.5, 2, INPUTS).astype(np.float32), DIGEST)


def draw_maps(rng, rows, columns):
    """Maps of the blocks for a picture of this many times 32 pixels."""
    shapes = [(rows * 32 // stride, columns * 32 // stride)
              for stride, blocks in second_look.MAPS.items() for _ in blocks]
    return [rng.standard_normal((1, *shape, n)).astype(np.float32)
            for shape, n in zip(shapes, CHANNELS)]


def slow_enlarge(maps, factor):
    """Linear interpolation again, place by place."""
    h, w = maps.shape[:2]
    out = np.empty((h * factor, w * factor, maps.shape[2]))
    for i in range(h * factor):
        for j in range(w * factor):
            y, x = ((n + .5) / factor - .5 for n in (i, j))
            out[i, j] = sum(
                max(0, 1 - abs(y - a)) * max(0, 1 - abs(x - b))
                * maps[min(max(a, 0), h - 1), min(max(b, 0), w - 1)]
                for a in range(-1, h + 1) for b in range(-1, w + 1))
    return out


# The head

def test_the_head_agrees_with_a_slow_second_implementation():
    look, maps = draw_look(0), draw_maps(np.random.default_rng(1), 2, 3)
    x = np.concatenate([slow_enlarge(m[0].astype(float), 8 // m.shape[1]) for m in maps], axis=2)
    h = x / look.deviations
    for number, (weights, scales, biases) in enumerate(look.layers):
        if number:
            h = np.maximum(h, 0)
        h = np.einsum('ijk,nk->ijn', h, weights * scales[:, None].astype(float)) + biases
    out = look.read(maps)
    assert out.shape == (1, 8, 12, 4)
    np.testing.assert_allclose(out[0], h, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(look(x.reshape(-1, INPUTS)), h.reshape(-1, 4), rtol=1e-4, atol=1e-4)


def test_quantised_weights_are_off_by_half_a_step_at_most():
    W = np.random.default_rng(2).standard_normal((3, 32)).astype(np.float32)
    W[2] = 0
    layer = Layer.quantise(W, np.zeros(3))
    error = abs(layer.matrix().T - W)
    assert (error.max(axis=1) <= layer.scales * .501).all()
    assert (abs(layer.weights[:2].astype(int)).max(axis=1) == 127).all()
    assert not layer.weights[2].any()


@pytest.mark.parametrize('change', [
    lambda layers: layers[:-1],
    lambda layers: layers[1:],
    lambda layers: [],
    lambda layers: [*layers[:2], layers[1]],
    lambda layers: [layers[0]._replace(weights=layers[0].weights[:, :-1]), *layers[1:]],
    lambda layers: [layers[0]._replace(weights=layers[0].weights[0]), *layers[1:]],
    lambda layers: [layers[0]._replace(scales=np.ones(4, np.float32)), *layers[1:]],
    lambda layers: [layers[0]._replace(biases=np.full(7, np.nan, np.float32)), *layers[1:]],
    lambda layers: [layers[0]._replace(scales=np.full(7, np.inf, np.float32)), *layers[1:]],
])
def test_layers_that_do_not_fit_are_refused(change):
    layers, deviations = draw_layers(np.random.default_rng(3)), np.ones(INPUTS, np.float32)
    SecondLook(layers, deviations, DIGEST)
    with pytest.raises(ValueError, match='layers'):
        SecondLook(change(layers), deviations, DIGEST)


@pytest.mark.parametrize('deviations', [np.ones(3), np.zeros(INPUTS), np.full(INPUTS, np.nan)])
def test_deviations_that_do_not_fit_are_refused(deviations):
    with pytest.raises(ValueError, match='deviations'):
        SecondLook(draw_layers(np.random.default_rng(3)), deviations.astype(np.float32), DIGEST)


def test_a_picture_is_made_ready_by_hand():
    img = np.full((20, 40, 3), [255, 127, 0], np.uint8)  # BGR
    x = second_look.prepare(img)
    assert x.shape == (1, 32, 64, 3) and x.dtype == np.float32
    np.testing.assert_array_equal(x[0, :20, :40], np.broadcast_to([-127 / 128, 0, 1], (20, 40, 3)))
    assert (x[0, 20:] == -127 / 128).all() and (x[0, :, 40:] == -127 / 128).all()


# Boxes

def test_cells_say_where_the_face_is_by_hand():
    out = np.full((5, 5, 4), -50, np.float32)
    out[1, 3] = 2, .25, -.5, np.log(2)  # middle of the cell: 28, 12; side: 96
    boxes, odds = second_look.boxes_of(out)
    np.testing.assert_allclose(boxes, [[28 + 24 - 48, 12 - 48 - 48, 96, 96]], rtol=1e-6)
    np.testing.assert_array_equal(odds, [2])
    out[2, 2] = -50, 1e30, -1e30, 1e30
    assert len(second_look.boxes_of(out)[0]) == 1


def test_findings_of_the_same_face_vote_by_hand():
    boxes = np.array([[100., 0, 10, 10], [0, 0, 10, 10], [2, 0, 10, 10], [4, 4, 2, 2]])
    odds = np.log([1, 3, 1, .25])  # probabilities of 1/2, 3/4, 1/2 and 1/5
    faces, best = second_look.vote(boxes, odds)
    np.testing.assert_allclose(best, np.log([3, 1]))
    # The second and third share 80 of 120; the fourth lies in the second.
    weights = np.array([3 / 4, 1 / 2, 1 / 5]) ** 2
    np.testing.assert_allclose(faces, [weights @ boxes[1:] / weights.sum(), boxes[0]])


def test_neighbours_that_hardly_touch_stay_two_faces():
    boxes = np.array([[0., 0, 10, 10], [7, 0, 10, 10]])  # share 30 of 170
    faces, odds = second_look.vote(boxes, np.zeros(2))
    np.testing.assert_array_equal(faces, boxes)
    np.testing.assert_array_equal(odds, [0, 0])
    assert [len(part) for part in second_look.vote(boxes[:0], np.ones(0))] == [0, 0]


def test_a_vote_does_not_depend_on_the_order():
    rng = np.random.default_rng(4)
    boxes = np.concatenate([rng.uniform(0, 100, (60, 2)), rng.uniform(10, 40, (60, 2))], axis=1)
    odds, order = rng.normal(0, 3, 60), rng.permutation(60)
    faces, best = second_look.vote(boxes, odds)
    again = second_look.vote(boxes[order], odds[order])
    np.testing.assert_allclose(again[0], faces)
    np.testing.assert_allclose(again[1], best)
    assert 1 < len(faces) < 60


def test_windows_of_the_cascade_are_evidence_by_hand(monkeypatch):
    out = np.full((1, 4, 8, 4), -50, np.float32)
    out[0, 1, 1] = 4, 0, 0, np.log(20 / 48)    # a face of 20 pixels around 12, 12
    out[0, 1, 6] = 5, 0, 0, np.log(20 / 48)    # ... around 52, 12
    look = draw_look(5)
    monkeypatch.setattr(look, 'network', lambda x, keep, alone: None)
    monkeypatch.setattr(look, 'read', lambda maps: out)
    windows = np.array([[2., 2, 20, 20], [4, 2, 20, 20], [42, 20, 20, 20]])  # two on the first
    faces, votes = look.find(np.zeros((32, 64, 3), np.uint8), windows)
    np.testing.assert_allclose(faces, [[2, 2, 20, 20], [42, 2, 20, 20]], atol=1e-5)
    odds = np.array([4 + np.log(3), 5]) - second_look.EVEN
    np.testing.assert_allclose(votes, 10 / (1 + np.exp(-odds)), rtol=1e-6)
    faces, votes = look.find(np.zeros((32, 64, 3), np.uint8), np.zeros((0, 4)))
    np.testing.assert_allclose(faces, [[42, 2, 20, 20], [2, 2, 20, 20]], atol=1e-5)
    out[:] = -50
    assert [part.shape for part in look.find(np.zeros((32, 64, 3), np.uint8), windows)] == [
        (0, 4), (0,)]


# The network

def test_a_missing_network_is_reported(monkeypatch):
    def missing():
        raise efficientnet.MissingWeights('not here')

    monkeypatch.setattr(efficientnet, 'weights_path', missing)
    assert draw_look(6).load() == 'not here'


def test_other_weights_are_refused():
    with pytest.raises(InputError, match='expected the weights 55555555'):
        draw_look(6).load()


# The file

def with_look(xml, text=CASCADE):
    return text.replace('</opencv_storage>', xml + '</opencv_storage>')


def test_what_is_written_is_read_back(tmp_path):
    look = draw_look(7)
    (tmp_path / 'c.xml').write_text(with_look(look.to_xml()))
    cascade, again = detector.read_cascade(str(tmp_path / 'c.xml'))
    for ours, theirs in zip(look.layers, again.layers):
        for a, b in zip(ours, theirs):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(again.deviations, look.deviations)
    assert len(again.layers) == len(look.layers) and again.digest == DIGEST
    assert cascade.getOriginalWindowSize() == (24, 24)
    assert not cv2.CascadeClassifier(str(tmp_path / 'c.xml')).empty()


def test_a_file_without_a_second_look_has_none(tmp_path):
    (tmp_path / 'c.xml').write_text(CASCADE)
    assert detector.read_cascade(str(tmp_path / 'c.xml'))[1] is None


@pytest.mark.parametrize('old, new', [
    ('<dt>c</dt>', '<dt>f</dt>'),
    ('<dt>f</dt>', '<dt>i</dt>'),
    ('<sizes>7 744</sizes>', '<sizes>7 743</sizes>'),
    ('<sizes>7 744</sizes>', '<sizes>5208</sizes>'),
    ('<sizes>7 744</sizes>', '<sizes>-7 -744</sizes>'),
    ('<sizes>7 744</sizes>', '<sizes>30000 10000</sizes>'),
    ('biases', 'bias'),
    ('deviations', 'deviation'),
    (f'"{DIGEST}"', '"5555"'),
    (f'"{DIGEST}"', ''),
    ('<layers>\n', '<layers>\n<_>1</_>'),
])
def test_a_damaged_second_look_is_refused(tmp_path, old, new):
    xml = draw_look(8).to_xml()
    assert old in xml
    (tmp_path / 'c.xml').write_text(with_look(xml.replace(old, new)))
    with pytest.raises(InputError, match='c.xml: expected an OpenCV cascade'):
        detector.read_cascade(str(tmp_path / 'c.xml'))
