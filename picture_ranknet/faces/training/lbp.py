"""Cascades of multi-block LBP features: windows, codes, stages.

A window is ``uint8``, shape ``(height, width)``; windows are stacked as ``(N,
height, width)``.  A feature is ``(x, y, w, h)``: the upper left block, in
pixels of the window, of a grid of 3 x 3 blocks of that size.  Its code, 0 to
255, has one bit for each block around the middle one, clockwise from the upper
left (128) to the left (1), which is set where the block's sum of pixels is not
below the middle's.

Codes, sums and decisions equal those of ``cv2.CascadeClassifier`` bit by bit;
the tests compare them.  Numba compiles the loops.  Without it they run as
plain Python, correct but a thousand times slower: commands call
:func:`check_numba` first.

References: Liao, Zhu, Lei, Zhang and Li, *Learning Multi-scale Block Local
Binary Patterns for Face Recognition*, ICB 2007 (the features); Viola and
Jones, *Rapid Object Detection using a Boosted Cascade of Simple Features*,
CVPR 2001 (integral image and cascade).
"""
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from picture_ranknet.errors import InputError

try:
    from numba import njit, prange
except ImportError:  # check_numba() tells the user
    njit, prange = None, range

CODES = 256
# OpenCV reads a threshold and lowers it by this, in float32.
THRESHOLD_EPSILON = np.float32(1e-5)


def kernel(**options: object) -> Callable[[Callable], Callable]:
    """A decorator: ``numba.njit``, or the identity without Numba."""
    return njit(nogil=True, **options) if njit else lambda function: function


def check_numba() -> None:
    """Raise :class:`InputError` if the loops would run as plain Python."""
    if njit is None:
        raise InputError('training a cascade needs Numba; python -m pip install "numba>=0.59,<1"')


class Stage(NamedTuple):

    """Weak classifiers that vote, and the sum of votes that a face needs.

    A weak classifier votes with the first of its two leaves if the code of its
    feature is in a subset of the 256 codes, else with the second.  A window
    passes if the sum of the votes reaches the threshold.

    Attributes:
        features (numpy.ndarray): ``int32``, shape ``(M, 4)``.
        subsets (numpy.ndarray): ``bool``, shape ``(M, 256)``.
        leaves (numpy.ndarray): ``float32``, shape ``(M, 2)``, in [-1, 1].
        threshold (numpy.float32): As it is in the file.
    """

    features: np.ndarray
    subsets: np.ndarray
    leaves: np.ndarray
    threshold: np.float32


class Cascade:

    """Stages that a window has to pass one after the other.

    Args:
        width, height: Of the window, in pixels; at least 3.
        stages: In order; there may be none yet.
    """

    def __init__(self, width: int, height: int, stages: Iterable[Stage] = ()):
        self.width, self.height = width, height
        self.stages = list(stages)

    def evaluate(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Run all windows through the stages.

        Args:
            windows: ``uint8``, shape ``(N, height, width)``.

        Returns:
            The number of stages each window passes, ``int32``, and the sum of
            its votes in the last stage that it reached, ``float64``; both of
            shape ``(N,)``.
        """
        sums, levels = np.zeros(len(windows)), np.zeros(len(windows), np.int32)
        if self.stages and len(windows):
            _evaluate(integrals(windows), *self.arrays(), levels, sums)
        return levels, sums

    def scan(self, integral: np.ndarray, step: int = 1) -> tuple[np.ndarray, int]:
        """Find the windows of a picture that pass all stages.

        Args:
            integral: Integral image from ``cv2.integral``: ``int32``, shape
                ``(rows + 1, columns + 1)``.
            step: Stride of the windows, in pixels.

        Returns:
            The upper left corners ``(x, y)`` of those that pass, ``int32``,
            shape ``(n, 2)``, and the number of windows evaluated.
        """
        rows = max(0, (integral.shape[0] - 1 - self.height) // step + 1)
        columns = max(0, (integral.shape[1] - 1 - self.width) // step + 1)
        passed = np.zeros((rows, columns), np.bool_)
        if passed.size:
            _scan(integral, step, *self.arrays(), passed)
        return np.argwhere(passed)[:, ::-1].astype(np.int32) * step, passed.size

    def arrays(self) -> tuple[np.ndarray, ...]:
        """The stages, concatenated, as the kernels take them."""
        ends = np.cumsum([len(stage.features) for stage in self.stages], dtype=np.int64)
        thresholds = np.array([stage.threshold - THRESHOLD_EPSILON for stage in self.stages],
                              np.float32)
        if not self.stages:
            return (ends, thresholds, np.zeros((0, 4), np.int32),
                    np.zeros((0, CODES), np.bool_), np.zeros((0, 2), np.float32))
        return (ends, thresholds,
                np.concatenate([stage.features for stage in self.stages]),
                np.concatenate([stage.subsets for stage in self.stages]),
                np.concatenate([stage.leaves for stage in self.stages]))


def all_features(width: int, height: int) -> np.ndarray:
    """Every feature that fits a window, ``int32``, shape ``(n, 4)``; 8,464 at 24 x 24."""
    return np.array([(x, y, w, h)
                     for h in range(1, height // 3 + 1) for w in range(1, width // 3 + 1)
                     for y in range(height - 3 * h + 1) for x in range(width - 3 * w + 1)],
                    np.int32)


def integrals(windows: np.ndarray) -> np.ndarray:
    """Integral images of windows, ``int32``, shape ``(N, height + 1, width + 1)``."""
    sums = np.zeros((len(windows), windows.shape[1] + 1, windows.shape[2] + 1), np.int32)
    np.cumsum(windows, axis=1, out=sums[:, 1:, 1:])
    np.cumsum(sums[:, 1:, 1:], axis=2, out=sums[:, 1:, 1:])
    return sums


def codes_of(windows: np.ndarray, features: np.ndarray, chunk: int = 4096) -> np.ndarray:
    """The code of each feature in each window, ``uint8``, shape ``(features, N)``."""
    codes = np.empty((len(features), len(windows)), np.uint8)
    for start in range(0, len(windows), chunk):
        _codes(integrals(windows[start:start + chunk]), features,
               codes[:, start:start + chunk])
    return codes


def codes_of_integrals(sums: np.ndarray, features: np.ndarray) -> np.ndarray:
    """The same, for windows whose :func:`integrals` are known."""
    codes = np.empty((len(features), len(sums)), np.uint8)
    _codes(sums, features, codes)
    return codes


# The loops

@kernel(inline='always')
def _code(s, top, left, x, y, w, h):
    """The code of a feature in the window at ``(top, left)`` of an integral image ``s``."""
    y0, x0 = top + y, left + x
    y1, y2, y3 = y0 + h, y0 + 2 * h, y0 + 3 * h
    x1, x2, x3 = x0 + w, x0 + 2 * w, x0 + 3 * w
    a, b, c, d = s[y0, x0], s[y0, x1], s[y0, x2], s[y0, x3]
    e, f, g, i = s[y1, x0], s[y1, x1], s[y1, x2], s[y1, x3]
    j, k, m, n = s[y2, x0], s[y2, x1], s[y2, x2], s[y2, x3]
    o, p, q, r = s[y3, x0], s[y3, x1], s[y3, x2], s[y3, x3]
    middle = m - k - g + f
    return ((a - b - e + f >= middle) << 7 | (b - c - f + g >= middle) << 6
            | (c - d - g + i >= middle) << 5 | (g - i - m + n >= middle) << 4
            | (m - n - q + r >= middle) << 3 | (k - m - p + q >= middle) << 2
            | (j - k - o + p >= middle) << 1 | (e - f - j + k >= middle) << 0)


@kernel(cache=True, parallel=True)
def _codes(sums, features, codes):
    block = 32  # integral images that stay in the cache together
    for chunk in prange((len(sums) + block - 1) // block):
        end = min(len(sums), (chunk + 1) * block)
        for j in range(len(features)):
            x, y, w, h = features[j]
            for i in range(chunk * block, end):
                codes[j, i] = _code(sums[i], 0, 0, x, y, w, h)


@kernel(cache=True)
def _pass(s, top, left, ends, thresholds, features, subsets, leaves):
    """The number of stages that a window passes, and its sum in the last one it reached."""
    weak, total = 0, np.float64(0)
    for stage in range(len(ends)):
        total = np.float64(0)
        while weak < ends[stage]:
            code = _code(s, top, left, features[weak, 0], features[weak, 1],
                         features[weak, 2], features[weak, 3])
            total += leaves[weak, 0] if subsets[weak, code] else leaves[weak, 1]
            weak += 1
        if total < thresholds[stage]:
            return stage, total
    return len(ends), total


@kernel(cache=True, parallel=True)
def _evaluate(sums, ends, thresholds, features, subsets, leaves, levels, totals):
    for i in prange(len(sums)):
        levels[i], totals[i] = _pass(sums[i], 0, 0, ends, thresholds, features, subsets, leaves)


@kernel(cache=True)
def _scan(s, step, ends, thresholds, features, subsets, leaves, passed):
    for row in range(passed.shape[0]):
        for column in range(passed.shape[1]):
            level, _ = _pass(s, row * step, column * step, ends, thresholds, features, subsets,
                             leaves)
            passed[row, column] = level == len(ends)
