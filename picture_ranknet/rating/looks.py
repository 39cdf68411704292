"""Features of pictures whose distances tell how similar they are.

At first gradients and colours, which are available at once; later features of a
pretrained network (:mod:`~picture_ranknet.models.sight`), which take a few
seconds for a hundred pictures.  For a set of up to ``MOST_KEPT`` pictures they
are cached beside it, where ``train.py --arch pretrained`` finds them, too.
"""
import math
import os
import sys
import threading
from collections.abc import Callable
from typing import Optional

import numpy as np

from picture_ranknet.pictures import drawing
from picture_ranknet.pictures.descriptor import LENGTH, describe
from picture_ranknet.storage import arrays, feature_cache
from picture_ranknet.text import silent

LEAST_DEVIATION = .02   # of gradients and colours; smaller deviations are not scaled up further
SHARES = {'low': .02, 'middle': .13, 'late': .40, 'texture': .35, 'look': .10}
MOST_MEASURED = 600     # pictures from which means and principal components are computed
MOST_DIRECTIONS = 400
MOST_KEPT = 4000        # pictures whose features are cached beside them
PATIENCE = 10           # nice value of the feature thread; 19 is the maximum
AT_ONCE = 64            # pictures per batch
BLOCK = 1024            # feature columns in memory at once


class Ended(Exception):

    """The session has ended; the computation is no longer needed."""


def describe_rows(X: np.ndarray, rows: np.ndarray, is_over: Callable[[], bool]) -> np.ndarray:
    """Gradients and colours of some pictures.

    Args:
        X: Pictures, shape ``(N, 3, H, W)``.
        rows: Which of them.
        is_over: Checked now and then.

    Returns:
        numpy.ndarray: float32, shape ``(len(rows), D)``.

    Raises:
        Ended: If it is over.
    """
    descriptions = np.empty((len(rows), LENGTH), np.float32)
    for start in range(0, len(rows), AT_ONCE):
        if is_over():
            raise Ended
        descriptions[start:start + AT_ONCE] = describe(np.stack([
            np.asarray(drawing.to_image(X[row])).transpose(2, 0, 1)  # HWC -> CHW
            for row in rows[start:start + AT_ONCE]]))
        arrays.release(X)
    return descriptions


class Plain:

    """Gradients and colours, standardised.

    Args:
        X: Pictures, shape ``(N, 3, H, W)``.
        rows: Those to standardise by, and to compute first.
        is_over: Checked now and then.

    Attributes:
        first (numpy.ndarray): float32, shape ``(len(rows), D)``.

    Raises:
        Ended: If it is over.
    """

    def __init__(self, X: np.ndarray, rows: np.ndarray, is_over: Callable[[], bool]):
        self._X, self._is_over = X, is_over
        descriptions = describe_rows(X, rows, is_over)
        self._center = descriptions.mean(axis=0)
        self._deviation = np.maximum(descriptions.std(axis=0), LEAST_DEVIATION)
        self.first = self._standardize(descriptions)

    def _standardize(self, descriptions):
        descriptions -= self._center
        descriptions /= self._deviation
        return descriptions

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """The features of more pictures."""
        return self._standardize(describe_rows(self._X, rows, self._is_over))


class Seen:

    """Principal components of the features of a network.

    Each feature is standardised and squashed by arctan, and each group of
    features has its share of the variance, as in ``train.py --arch
    pretrained``.

    Args:
        X, rows, is_over, first: As for :class:`Plain`.
        eye (sight.Sight): Computes the features.
    """

    def __init__(self, X: np.ndarray, rows: np.ndarray, is_over: Callable[[], bool], eye):
        self._X, self._is_over, self._eye = X, is_over, eye
        self._kept = self._look(None) if len(X) <= MOST_KEPT else None
        measured = self._see(np.sort(rows[:MOST_MEASURED]))
        self._groups = []
        stop = 0
        for name, size in eye.sizes.items():
            share = SHARES[name] if len(eye.sizes) > 1 else 1.
            self._groups.append(_Group(measured, slice(stop, stop + size), share))
            stop += size
        centred = sum(np.square(group.size) for group in self._groups)
        self._directions = self._find_directions(measured) if centred else None
        del measured  # before all others are looked at
        self.first = self(rows)

    def _find_directions(self, measured):
        """The projection of features to principal components: for each group, ``(size, K)``."""
        n = len(measured)
        kernel = np.zeros((n, n))
        for group in self._groups:
            for part in group.parts():
                h = group.bend(measured, part)
                kernel += h @ h.T
        values, vectors = np.linalg.eigh(kernel)
        kept = values > 1e-6 * values[-1]
        kept[:-MOST_DIRECTIONS] = False
        to_span = (vectors[:, kept] / np.sqrt(values[kept])).astype(np.float32)
        return [[group.bend(measured, part).T @ to_span for part in group.parts()]
                for group in self._groups]

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """The components of some pictures, float32, shape ``(len(rows), K)``."""
        if self._directions is None:  # all pictures are the same
            return np.zeros((len(rows), 1), np.float32)
        return np.concatenate([
            self._project(self._see(rows[start:start + AT_ONCE]))
            for start in range(0, len(rows), AT_ONCE)])

    def _project(self, features):
        return sum(group.bend(features, part) @ directions
                   for group, all_directions in zip(self._groups, self._directions)
                   for part, directions in zip(group.parts(), all_directions))

    def _see(self, rows):
        """Features of some pictures, float16."""
        if self._kept is None:
            return self._look(rows)
        seen = self._kept[rows]
        arrays.release(self._kept)
        return seen

    def _look(self, rows):
        """Compute features of new pictures; ``None`` for all, which are cached."""
        def see(pictures):
            if self._is_over():
                raise Ended
            return self._eye.see(pictures)

        kind = f'{self._eye.kind} {np.float32(1)}'  # as of models.pretrained
        seen = feature_cache.rows_of(self._X, kind, self._eye.n_columns, see, rows)
        arrays.release(self._X)
        return seen


class _Group:

    """A group of features: standardised, squashed, with mean 0 and a share of the variance."""

    def __init__(self, measured, columns, share):
        self._columns = columns
        self._mean, self._deviation, self._center = ([] for _ in range(3))
        square = 0.
        for part in self.parts():
            h = np.asarray(measured[:, part], np.float32)
            mean, deviation = h.mean(axis=0), h.std(axis=0)
            deviation[deviation <= 1e-3 * np.abs(mean)] = np.inf  # rounding
            deviation[deviation == 0] = np.inf
            bent = np.arctan((h - mean) / deviation)
            self._mean.append(mean)
            self._deviation.append(deviation)
            self._center.append(bent.mean(axis=0))
            square += float(np.square(bent - self._center[-1]).sum()) / len(h)
        self.size = math.sqrt(share / square) if square else 0.  # of NumPy it would make float64

    def parts(self):
        """The columns in blocks, so that few of them are in memory at once."""
        return [slice(start, min(start + BLOCK, self._columns.stop))
                for start in range(self._columns.start, self._columns.stop, BLOCK)]

    def bend(self, features, part):
        """Some columns, transformed; float32."""
        i = (part.start - self._columns.start) // BLOCK
        h = np.asarray(features[:, part], np.float32)
        return self.size * (np.arctan((h - self._mean[i]) / self._deviation[i]) - self._center[i])


def see(X: np.ndarray, rows: np.ndarray, is_over: Callable[[], bool], find_eye: Callable,
        note: Callable[[str], object]) -> Optional[Seen]:
    """Compute network features of pictures, at low priority.

    Args:
        X, rows, is_over: As for :class:`Plain`.
        find_eye: As :func:`find_eye`.
        note: Called with a line if that fails: rating can continue without it.

    Returns:
        Seen: ``None`` if there is no network, it fails, or the session is over.
    """
    if sys.platform == 'linux':  # elsewhere this affects the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), PATIENCE)
    try:
        eye = find_eye(note)
        return eye and Seen(X, rows, is_over, eye)
    except Ended:
        return None
    except Exception as e:
        note('warning: pictures are chosen by gradients and colours only, which requires more '
             f'ratings: {type(e).__name__}: {(str(e).splitlines() or [""])[0]}')
        return None


def find_eye(note: Callable[[str], object] = silent) -> Optional[object]:
    """What sees; ``None``, and it is noted, where the weights of its network are not installed."""
    from picture_ranknet.models import efficientnet, sight

    try:
        return sight.get(efficientnet.digest(efficientnet.weights_path()))
    except efficientnet.MissingWeights as e:
        note(f'{e}; until then pictures are chosen by gradients and colours only, which requires '
             'more ratings')
        return None
