import importlib.util
import sys

import cv2
import numpy as np
import pytest

from picture_ranknet.errors import InputError
from picture_ranknet.faces.training import lbp
from picture_ranknet.faces.training.lbp import Cascade, Stage, all_features, codes_of, integrals
from support.lbp_samples import draw_cascade, draw_windows


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


# Numba

def test_without_numba_commands_say_so(monkeypatch):
    lbp.check_numba()
    monkeypatch.setattr(lbp, 'njit', None)
    with pytest.raises(InputError, match='Numba; python -m pip install "numba'):
        lbp.check_numba()


def test_without_numba_the_loops_are_slow_but_right(monkeypatch):
    rng = np.random.default_rng(9)
    cascade, windows = draw_cascade(rng, [3, 3]), draw_windows(rng, 20)
    features = cascade.stages[0].features
    integral = cv2.integral(rng.integers(0, 256, (28, 28), np.uint8))
    expected = codes_of(windows, features), cascade.evaluate(windows), cascade.scan(integral)[0]

    monkeypatch.setitem(sys.modules, 'numba', None)
    spec = importlib.util.spec_from_file_location('plain', lbp.__file__)
    plain = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plain)
    assert plain.njit is None
    without = plain.Cascade(24, 24, cascade.stages)
    np.testing.assert_array_equal(plain.codes_of(windows, features), expected[0])
    np.testing.assert_array_equal(without.evaluate(windows), expected[1])
    np.testing.assert_array_equal(without.scan(integral)[0], expected[2])
