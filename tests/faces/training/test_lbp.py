import importlib.util
import re
import sys

import cv2
import numpy as np
import pytest

from picture_ranknet.errors import InputError
from picture_ranknet.faces.training import lbp as lbp_cascade
from picture_ranknet.faces.training.lbp import Cascade, Stage, all_features, codes_of, integrals
from support.media_samples import CASCADE

CLASSIC = 'lbpcascade_animeface.xml'


def draw_windows(rng, n, width=24, height=24):
    """Windows of all kinds: noise, smooth noise, black and white, and flat."""
    noise = rng.integers(0, 256, (n, height, width), np.uint8)
    for i, window in enumerate(noise):
        if i % 4 == 1:
            window[:] = cv2.normalize(cv2.GaussianBlur(window, (0, 0), 4), None, 0, 255,
                                      cv2.NORM_MINMAX)
        elif i % 4 == 2:
            window[:] = np.where(cv2.GaussianBlur(window, (0, 0), 2) > 127, 255, 0)
        elif i % 40 == 3:
            window[:] = rng.choice([0, 1, 128, 255])
    return noise


def draw_cascade(rng, sizes, width=24, height=24):
    """A random cascade; each stage, ``sizes`` weak classifiers, lets half of all windows pass."""
    features, cascade = all_features(width, height), Cascade(width, height)
    windows = draw_windows(rng, 100, width, height)
    for size in sizes:
        stage = Stage(rng.choice(features, size), rng.random((size, 256)) < .5,
                      rng.uniform(-1, 1, (size, 2)).astype(np.float32), np.float32(0))
        _, sums = Cascade(width, height, [stage]).evaluate(windows)
        cascade.stages.append(stage._replace(threshold=np.float32(np.median(sums))))
    return cascade


def slow_code(window, feature):
    x, y, w, h = feature
    blocks = window[y:y + 3 * h, x:x + 3 * w].astype(int).reshape(3, h, 3, w).sum((1, 3))
    around = blocks.ravel()[[0, 1, 2, 5, 8, 7, 6, 3]]  # clockwise
    return int(np.packbits(around >= blocks[1, 1])[0])


def slow_evaluate(cascade, window):
    level, total = 0, 0.
    for stage in cascade.stages:
        total = 0.
        for feature, subset, leaves in zip(stage.features, stage.subsets, stage.leaves):
            total += float(leaves[0 if subset[slow_code(window, feature)] else 1])
        if total < np.float32(stage.threshold - np.float32(1e-5)):
            break
        level += 1
    return level, total


def assert_same(ours, theirs):
    assert (ours.width, ours.height) == (theirs.width, theirs.height)
    assert len(ours.stages) == len(theirs.stages)
    for one, other in zip(ours.stages, theirs.stages):
        for name, a, b in zip(Stage._fields, one, other):
            assert a.dtype == b.dtype, name
            np.testing.assert_array_equal(a, b, name)


# Codes

@pytest.mark.parametrize('window, code', [
    ([[9, 0, 0], [0, 5, 0], [0, 0, 0]], 128),  # clockwise from the upper left
    ([[0, 9, 0], [0, 5, 0], [0, 0, 0]], 64),
    ([[0, 0, 9], [0, 5, 0], [0, 0, 0]], 32),
    ([[0, 0, 0], [0, 5, 9], [0, 0, 0]], 16),
    ([[0, 0, 0], [0, 5, 0], [0, 0, 9]], 8),
    ([[0, 0, 0], [0, 5, 0], [0, 9, 0]], 4),
    ([[0, 0, 0], [0, 5, 0], [9, 0, 0]], 2),
    ([[0, 0, 0], [9, 5, 0], [0, 0, 0]], 1),
    ([[5, 4, 5], [4, 5, 4], [6, 4, 4]], 128 + 32 + 2),  # a tie sets the bit
    ([[7, 7, 7], [7, 7, 7], [7, 7, 7]], 255),
    ([[0, 0, 0], [0, 0, 0], [0, 0, 0]], 255),
    ([[254, 254, 254], [254, 255, 254], [254, 254, 254]], 0),
])
@pytest.mark.parametrize('w, h', [(1, 1), (2, 1), (3, 4)])
def test_codes_by_hand(window, code, w, h):
    window = np.kron(np.array(window, np.uint8), np.ones((h, w), np.uint8))
    window = np.pad(window, ((2, 0), (1, 3)), constant_values=200)
    assert codes_of(window[None], np.array([[1, 2, w, h]], np.int32)).tolist() == [[code]]


def test_a_code_compares_sums_of_blocks():
    window = np.zeros((6, 6), np.uint8)
    window[2:4, 2:4] = 10, 11               # 42
    window[0:2, 0:2] = [0, 0], [0, 41]      # 41
    window[4:6, 4:6] = [21, 0], [0, 21]     # 42
    assert codes_of(window[None], np.array([[0, 0, 2, 2]], np.int32)).tolist() == [[8]]


@pytest.mark.parametrize('width, height', [(24, 24), (20, 28), (9, 64), (3, 3)])
def test_codes_agree_with_a_slow_second_implementation(width, height):
    rng = np.random.default_rng(0)
    windows = draw_windows(rng, 40, width, height)
    features = rng.choice(all_features(width, height), 60)
    codes = codes_of(windows, features)
    assert codes.dtype == np.uint8
    np.testing.assert_array_equal(
        codes, [[slow_code(window, feature) for window in windows] for feature in features])


def test_codes_do_not_depend_on_the_chunks():
    rng = np.random.default_rng(1)
    windows, features = draw_windows(rng, 100), rng.choice(all_features(24, 24), 20)
    np.testing.assert_array_equal(codes_of(windows, features, chunk=33),
                                  codes_of(windows, features))
    assert codes_of(windows[:0], features).shape == (20, 0)


@pytest.mark.parametrize('width, height, n', [
    (24, 24, 8464),
    (3, 3, 1),
    (4, 3, 2),
    (6, 3, 5),      # 4 places for blocks of 1 x 1, 1 for 2 x 1
    (2, 24, 0),
])
def test_all_features_are_counted_by_hand(width, height, n):
    assert len(all_features(width, height)) == n


def test_all_features_lie_inside_and_differ():
    x, y, w, h = all_features(20, 28).T
    assert x.min() == y.min() == 0 and w.min() == h.min() == 1
    assert (x + 3 * w).max() == 20 and (y + 3 * h).max() == 28
    assert len(np.unique(all_features(20, 28), axis=0)) == len(x)


@pytest.mark.parametrize('width, height', [(24, 24), (20, 28), (64, 9)])
def test_integrals_are_those_of_opencv(width, height):
    windows = draw_windows(np.random.default_rng(2), 20, width, height)
    windows[0] = 255
    ours = integrals(windows)
    assert ours.dtype == np.int32
    np.testing.assert_array_equal(ours, [cv2.integral(window) for window in windows])


# Cascades

def ones(threshold, leaves=(1, -1)):
    """A stage of one weak classifier that votes with its first leaf where all is flat."""
    return Stage(np.array([[0, 0, 1, 1]], np.int32), np.arange(256)[None] == 255,
                 np.array([leaves], np.float32), np.float32(threshold))


FLAT = np.zeros((3, 3), np.uint8)
PEAK = np.array([[0, 0, 0], [0, 9, 0], [0, 0, 0]], np.uint8)


@pytest.mark.parametrize('window, thresholds, level, total', [
    (FLAT, [], 0, 0),
    (FLAT, [1], 1, 1),                # reached
    (FLAT, [1.000005], 1, 1),         # ... within 1e-5
    (FLAT, [1.00002], 0, 1),
    (PEAK, [1], 0, -1),
    (PEAK, [-1], 1, -1),
    (FLAT, [1, 2, 0], 1, 1),          # what comes after a stage that fails is not looked at
    (FLAT, [1, .5, 0], 3, 1),         # each stage counts for itself
])
def test_stages_by_hand(window, thresholds, level, total):
    levels, sums = Cascade(3, 3, map(ones, thresholds)).evaluate(window[None])
    assert (levels.tolist(), sums.tolist()) == ([level], [total])
    assert (levels.dtype, sums.dtype) == (np.int32, np.float64)


def test_the_sum_is_that_of_the_last_stage_a_window_came_to():
    cascade = Cascade(3, 3, [ones(0, [.5, .25]), ones(0, [.125, -.75]), ones(0, [0, 1])])
    levels, sums = cascade.evaluate(np.array([FLAT, PEAK]))
    assert levels.tolist() == [3, 1]
    assert sums.tolist() == [0, -.75]


def test_no_windows_give_no_levels():
    levels, sums = draw_cascade(np.random.default_rng(0), [2]).evaluate(
        np.zeros((0, 24, 24), np.uint8))
    assert (len(levels), len(sums)) == (0, 0)


@pytest.mark.parametrize('width, height', [(24, 24), (20, 28)])
def test_stages_agree_with_a_slow_second_implementation(width, height):
    rng = np.random.default_rng(3)
    cascade = draw_cascade(rng, [3, 5, 8], width, height)
    windows = draw_windows(rng, 60, width, height)
    levels, sums = cascade.evaluate(windows)
    assert list(zip(levels, sums)) == [slow_evaluate(cascade, window) for window in windows]
    assert set(levels) == {0, 1, 2, 3}


@pytest.mark.parametrize('step', [1, 2, 3])
@pytest.mark.parametrize('columns, rows', [(24, 24), (25, 26), (41, 33), (30, 60)])
def test_a_scan_looks_at_every_window(step, columns, rows):
    rng = np.random.default_rng(4)
    cascade = draw_cascade(rng, [4, 4])
    picture = cv2.GaussianBlur(rng.integers(0, 256, (rows, columns), np.uint8), (0, 0), 2)
    windows = np.lib.stride_tricks.sliding_window_view(picture, (24, 24))[::step, ::step]
    levels, _ = cascade.evaluate(windows.reshape(-1, 24, 24))
    y, x = np.nonzero(levels.reshape(windows.shape[:2]) == 2)
    corners, looked_at = cascade.scan(cv2.integral(picture), step)
    assert corners.tolist() == np.column_stack([x, y]).dot(step).tolist()
    assert corners.dtype == np.int32 and looked_at == len(levels)
    assert len(levels) < 40 or 0 < len(corners) < len(levels)


@pytest.mark.parametrize('columns, rows', [(23, 24), (24, 23), (100, 3), (1, 1)])
def test_a_picture_smaller_than_the_window_has_none(columns, rows):
    cascade = draw_cascade(np.random.default_rng(0), [2])
    corners, looked_at = cascade.scan(cv2.integral(np.zeros((rows, columns), np.uint8)))
    assert (corners.shape, looked_at) == ((0, 2), 0)


def test_all_windows_pass_where_there_are_no_stages():
    corners, looked_at = Cascade(20, 28).scan(cv2.integral(np.zeros((30, 23), np.uint8)), 2)
    assert corners.tolist() == [[0, 0], [2, 0], [0, 2], [2, 2]] and looked_at == 4


# OpenCV

def assert_opencv_agrees(path, windows):
    """Hold decisions, levels and sums of a file against OpenCV's, without any tolerance.

    Returns the number of windows that pass.  Of the others, OpenCV tells
    nothing, or, by its version, levels and sums of some.
    """
    classifier = cv2.CascadeClassifier(str(path))
    cascade, _ = lbp_cascade.read(path)
    levels, sums = cascade.evaluate(windows)
    passed = levels == len(cascade.stages)
    for window, level, total, face in zip(windows, levels, sums, passed):
        assert len(classifier.detectMultiScale(window, 1.1, 0)) == face
        boxes, their_levels, their_sums = classifier.detectMultiScale3(
            window, 1.1, 0, outputRejectLevels=True)
        assert len(boxes) or not face
        if len(boxes):
            assert (their_levels[0], their_sums[0]) == (level, total)
    return passed.sum()


def assert_opencv_agrees_on_each_stage(folder, cascade, windows):
    levels, _ = cascade.evaluate(windows)
    for n in range(1, len(cascade.stages) + 1):
        lbp_cascade.write(folder / 'c.xml', Cascade(
            cascade.width, cascade.height, cascade.stages[:n]))
        assert assert_opencv_agrees(folder / 'c.xml', windows) == (levels >= n).sum()


@pytest.mark.parametrize('width, height', [(24, 24), (20, 28)])
@pytest.mark.parametrize('sizes', [[2], [7], [3, 5], [2, 4, 9], [4, 2, 3, 4, 5]])
def test_opencv_agrees_on_random_cascades(tmp_path, sizes, width, height):
    rng = np.random.default_rng(10 * len(sizes) + sizes[0])
    cascade = draw_cascade(rng, sizes, width, height)
    windows = draw_windows(rng, 200, width, height)
    assert set(cascade.evaluate(windows)[0]) == set(range(len(sizes) + 1))
    assert_opencv_agrees_on_each_stage(tmp_path, cascade, windows)


def test_opencv_agrees_on_all_sums(tmp_path):
    rng = np.random.default_rng(5)
    stage, windows = draw_cascade(rng, [50]).stages[0], draw_windows(rng, 200)
    lbp_cascade.write(tmp_path / 'c.xml', Cascade(24, 24, [stage._replace(
        threshold=np.float32(-100))]))
    assert assert_opencv_agrees(tmp_path / 'c.xml', windows) == 200


@pytest.mark.parametrize('above', [0, 5e-6, 9.9e-6, 1e-5, 1.01e-5, 2e-5])
def test_opencv_agrees_on_thresholds_that_are_just_reached(tmp_path, above):
    rng = np.random.default_rng(5)
    cascade, windows = draw_cascade(rng, [6]), draw_windows(rng, 20)
    _, sums = cascade.evaluate(windows)
    passed = 0
    for i, total in enumerate(sums):
        stage = cascade.stages[0]._replace(threshold=np.float32(total + above))
        lbp_cascade.write(tmp_path / 'c.xml', Cascade(24, 24, [stage]))
        passed += assert_opencv_agrees(tmp_path / 'c.xml', windows[i:i + 1])
    assert passed == 20 or above >= 9.9e-6
    assert passed == 0 or above <= 1.01e-5


def test_opencv_agrees_on_the_classic_cascade(tmp_path, real_data):
    rng = np.random.default_rng(6)
    windows = []
    for path in sorted((real_data / 'anime_heads').rglob('*.jpg'))[:60]:
        gray = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        for scale in rng.uniform(.3, .8, 5):
            side = round(min(gray.shape) * scale)
            y, x = rng.integers(0, np.array(gray.shape) - side + 1)
            windows.append(cv2.resize(gray[y:y + side, x:x + side], (24, 24),
                                      interpolation=cv2.INTER_AREA))
    cascade, _ = lbp_cascade.read(real_data / CLASSIC)
    assert (cascade.evaluate(np.array(windows))[0] > 5).sum() > 5
    assert_opencv_agrees(real_data / CLASSIC, np.array(windows))
    assert_opencv_agrees_on_each_stage(tmp_path, cascade, np.array(windows))


def test_the_classic_cascade_stays_what_it_is(tmp_path, real_data):
    cascade, _ = lbp_cascade.read(real_data / CLASSIC)
    lbp_cascade.write(tmp_path / 'c.xml', cascade)
    assert_same(lbp_cascade.read(tmp_path / 'c.xml')[0], cascade)


# The file

@pytest.mark.parametrize('comment', [
    '',
    'one line',
    'train_cascade.py face.xml --faces a --no_faces b\nsecond line',
    'a---b ----',
    'ends in -',
    '->',
    'R&D &amp; <b>',
    'アニメ',
], ids=ascii)
@pytest.mark.parametrize('width, height', [(24, 24), (20, 28)])
def test_what_is_written_is_read_again(tmp_path, comment, width, height):
    rng = np.random.default_rng(7)
    cascade = draw_cascade(rng, [1, 4, 9], width, height)
    cascade.stages[0].leaves[:] = 1, 1e-6
    cascade.stages[1].subsets[:] = [np.ones(256), np.zeros(256), np.arange(256) % 32 == 31,
                                    np.arange(256) == 0]
    lbp_cascade.write(tmp_path / 'c.xml', cascade, comment)
    again, comment_again = lbp_cascade.read(tmp_path / 'c.xml')
    assert_same(again, cascade)
    assert comment_again == comment
    assert not cv2.CascadeClassifier(str(tmp_path / 'c.xml')).empty()


def test_a_feature_is_written_once(tmp_path):
    cascade = draw_cascade(np.random.default_rng(8), [5, 5])
    cascade.stages[1].features[:] = cascade.stages[0].features[::-1]
    lbp_cascade.write(tmp_path / 'c.xml', cascade)
    assert (tmp_path / 'c.xml').read_text().count('<rect>') == 5
    assert_same(lbp_cascade.read(tmp_path / 'c.xml')[0], cascade)


def test_the_file_of_another_maker_is_read(tmp_path):
    (tmp_path / 'c.xml').write_text(CASCADE)
    cascade, comment = lbp_cascade.read(tmp_path / 'c.xml')
    assert comment == ''
    assert_same(cascade, Cascade(24, 24, [Stage(
        np.array([[0, 0, 8, 8]], np.int32), np.arange(256)[None] == 0,
        np.array([[1, -1]], np.float32), np.float32(.5))]))


@pytest.mark.parametrize('old, new', [
    (CASCADE, ''),
    (CASCADE, 'no XML'),
    (CASCADE, '<opencv_storage/>'),
    ('cascade>', 'svm>'),
    ('>LBP<', '>HAAR<'),
    ('<height>24</height>', ''),
    ('<height>24<', '<height>23<'),               # the feature does not fit any more
    ('<rect>0 0 8 8<', '<rect>1 0 8 8<'),
    ('<rect>0 0 8 8<', '<rect>-1 0 8 8<'),
    ('<rect>0 0 8 8<', '<rect>0 0 8<'),
    ('<rect>0 0 8 8<', '<rect>0 0 8 99999999999<'),
    ('<rect>0 0 8 8</rect>', ''),
    ('0 -1 0 1', '0 -1 1 1'),                     # there is no feature 1
    ('0 -1 0 1', '0 -1 -1 1'),
    ('0 -1 0 1', '1 -2 0 0 0 0 0 0 0 0 0 0 -1 0 1'),  # a tree
    ('0 -1 0 1', '0 -1 0 one'),
    ('1. -1.', '1.'),
    ('1. -1.', '1. -1. 1.'),
    ('<stageThreshold>0.5</stageThreshold>', ''),
    ('<stages>', '<stages/><none>'),
    (CASCADE[-200:], ''),
    (CASCADE[400:], ''),
])
def test_what_is_no_cascade_is_said(tmp_path, old, new):
    assert old in CASCADE
    (tmp_path / 'c.xml').write_text(CASCADE.replace(old, new))
    with pytest.raises(InputError, match='^' + re.escape(str(tmp_path / 'c.xml')) + ': '):
        lbp_cascade.read(tmp_path / 'c.xml')


def test_a_picture_is_no_cascade(tmp_path):
    (tmp_path / 'c.xml').write_bytes(b'\x89PNG\xff\xfe')
    with pytest.raises(InputError, match='c.xml: '):
        lbp_cascade.read(tmp_path / 'c.xml')


def test_a_failure_leaves_the_old_file(tmp_path):
    (tmp_path / 'c.xml').write_text('old')
    stage = draw_cascade(np.random.default_rng(0), [2]).stages[0]
    with pytest.raises(TypeError):
        lbp_cascade.write(tmp_path / 'c.xml', Cascade(24, 24, [stage._replace(subsets=None)]))
    assert [path.name for path in tmp_path.iterdir()] == ['c.xml']
    assert (tmp_path / 'c.xml').read_text() == 'old'


# Numba

def test_without_numba_commands_say_so(monkeypatch):
    lbp_cascade.check_numba()
    monkeypatch.setattr(lbp_cascade, 'njit', None)
    with pytest.raises(InputError, match='Numba; python -m pip install "numba'):
        lbp_cascade.check_numba()


def test_without_numba_the_loops_are_slow_but_right(monkeypatch):
    monkeypatch.setitem(sys.modules, 'numba', None)
    spec = importlib.util.spec_from_file_location('plain', lbp_cascade.__file__)
    plain = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plain)
    assert plain.njit is None
    rng = np.random.default_rng(9)
    cascade, windows = draw_cascade(rng, [3, 3]), draw_windows(rng, 20)
    features = cascade.stages[0].features
    np.testing.assert_array_equal(plain.codes_of(windows, features), codes_of(windows, features))
    without = plain.Cascade(24, 24, cascade.stages)
    np.testing.assert_array_equal(without.evaluate(windows), cascade.evaluate(windows))
    integral = cv2.integral(rng.integers(0, 256, (28, 28), np.uint8))
    np.testing.assert_array_equal(without.scan(integral)[0], cascade.scan(integral)[0])
