"""A few features of pictures from EfficientNet-Lite0, computed fast, to tell pictures apart.

They come from one view, the whole picture, at the end of the last stage of
blocks.  :mod:`sight` uses four views, and computes thirty times as many.  If
the weights are not installed, gradients and colours are used instead.
"""
import os
from collections.abc import Callable

import numpy as np

from picture_ranknet.machine.opencv import cv2
from picture_ranknet.models import efficientnet
from picture_ranknet.pictures import descriptor
from picture_ranknet.text import silent

SIZE = efficientnet.STAGES[-1].channels  # 320 features of each picture
EARLY = 3        # the stage that best describes layout and colours of a face
LOOK = SIZE + 9 * efficientnet.STAGES[EARLY].channels  # 1,040 features of each face
USUAL = os.path.join(os.path.dirname(__file__), 'usual_faces.npy')  # examples/usual_faces.py


def open_eye(note: Callable[[str], object] = silent) -> Callable[[np.ndarray], np.ndarray]:
    """Open the feature extractor.

    Args:
        note: Called with a line if the weights are not installed.

    Returns:
        callable: Computes float32, shape ``(B, SIZE)``, from pictures,
        ``uint8``, shape ``(B, 3, H, W)``, RGB.
    """
    try:
        network = efficientnet.shared()
    except efficientnet.MissingWeights as e:
        note(f'{e}; until then pictures are compared by gradients and colours only')
        return _describe

    def see(pictures):
        last = efficientnet.STAGE_ENDS[-1:]
        (means, _), = network(_prepare(pictures), last, last)
        return means
    return see


def open_eye_for_faces() -> Callable[[np.ndarray], np.ndarray]:
    """Open the feature extractor for faces, where cosine similarity indicates the same character.

    Features are standardised by those of typical faces, so that also a set of
    similar faces is recognised as such.

    Returns:
        callable: As from :func:`open_eye`, float32, shape ``(B, LOOK)``; rows
        have length 1.

    Raises:
        MissingWeights: If the weights are not installed.
    """
    see = open_raw_eye()
    center, deviation = np.load(USUAL).astype(np.float32)

    def compare(pictures):
        seen = np.arctan((see(pictures) - center) / deviation)
        for part in seen[:, :SIZE], seen[:, SIZE:]:  # equal weights
            part /= np.linalg.norm(part, axis=1, keepdims=True) * np.float32(2 ** .5)
        return seen
    return compare


def open_raw_eye() -> Callable[[np.ndarray], np.ndarray]:
    """As :func:`open_eye_for_faces`, but raw features."""
    network = efficientnet.shared()
    stages = [efficientnet.STAGE_ENDS[i] for i in (EARLY, -1)]

    def see(pictures):
        early, (means, _) = network(_prepare(pictures), stages, stages[1:])
        return np.concatenate([means, _grid(early)], axis=1)
    return see


def _grid(maps):
    """Means over 3 x 3 cells, which may overlap by a row or a column."""
    cells = [[slice(i * n // 3, -(-(i + 1) * n // 3)) for i in range(3)] for n in maps.shape[1:3]]
    return np.concatenate([maps[:, rows, columns].mean(axis=(1, 2))
                           for rows in cells[0] for columns in cells[1]], axis=1)


def _prepare(pictures):
    side = efficientnet.SIDE
    views = np.empty((len(pictures), side, side, 3), np.float32)
    for view, picture in zip(views, pictures):
        img = np.ascontiguousarray(picture.transpose(1, 2, 0))  # CHW -> HWC
        view[...] = cv2.resize(img, (side, side), interpolation=cv2.INTER_CUBIC)
    return (views - 127) / 128


def _describe(pictures):
    """Gradients and colours, randomly projected to ``SIZE``, which nearly preserves distances.

    Johnson and Lindenstrauss, *Extensions of Lipschitz mappings into a Hilbert
    space*, Contemporary Mathematics 26, 1984.
    """
    seen = descriptor.describe(pictures)
    return seen @ np.random.default_rng(0).standard_normal((seen.shape[1], SIZE), np.float32)
