"""Explains a score by occlusion: each part of a picture is hidden in turn, and it is rescored.

Zeiler and Fergus, *Visualizing and Understanding Convolutional Networks*, ECCV
2014, section 4.2.
"""
from collections.abc import Callable, Sequence
from typing import Optional

import numpy as np

from picture_ranknet.machine.opencv import cv2
from picture_ranknet.text import silent

HIDDEN = 1 / 5   # width of the hidden part, as a fraction of the side of the picture
STEP = 1 / 10    # distance between hidden parts, likewise
BLUR = 1 / 8     # standard deviation of the blur that hides, as a fraction of the longer side


def occlude(model, picture: np.ndarray, features: Optional[np.ndarray] = None,
            mirror: bool = False) -> np.ndarray:
    """How much each part of a picture raises its score.

    One part after another is blurred beyond recognition.  The drop of the
    score is the contribution of the part.

    Args:
        model (net.RankNet or scoring.Ensemble): Scores pictures.
        picture: Shape ``(3, H, W)``, as in ``X.npy``.
        features: Its features, shape ``(n_features,)``; ``None`` for a model
            without features.
        mirror: Whether a score is the mean of those of the picture and of its
            mirror image.

    Returns:
        numpy.ndarray: Shape ``(H, W)``, float32, in units of the score: for
        each pixel, the mean drop over the views in which it is hidden;
        negative where a part lowers the score.
    """
    picture = np.asarray(picture, np.float32)
    _, height, width = picture.shape
    img = np.ascontiguousarray(picture.transpose(1, 2, 0))  # CHW -> HWC
    blurred = cv2.GaussianBlur(img, (0, 0), BLUR * max(height, width)).transpose(2, 0, 1)
    masks = [_mask(height, width, y, x) for y in _centres(height) for x in _centres(width)]
    views = np.stack([picture, *(picture + mask * (blurred - picture) for mask in masks)])
    known = None if features is None else np.tile(features, (len(views), 1))
    whole, *others = model.score(views, features=known, mirror=mirror).tolist()
    lost, hidden = np.zeros((2, height, width), np.float32)
    for mask, score in zip(masks, others):
        lost += mask * (whole - score)
        hidden += mask
    return lost / hidden


def occlude_rows(model, X: np.ndarray, rows: Sequence[int], features: np.ndarray = None,
                 mirror: bool = False, progress: Callable[[int], object] = silent) -> list:
    """:func:`occlude` each of some pictures.

    Args:
        model (net.RankNet or scoring.Ensemble): Scores pictures.
        X: Pictures, shape ``(N, 3, H, W)``.
        rows: Which of them.
        features: Shape ``(N, n_features)``; ``None`` for a model without
            features.
        mirror: As for :func:`occlude`.
        progress: Called with 1 after each picture.

    Returns:
        list of numpy.ndarray: A map of shape ``(H, W)`` for each row.
    """
    maps = []
    for row in rows:
        maps.append(occlude(model, X[row], None if features is None else features[row], mirror))
        progress(1)
    return maps


def _centres(side):
    return np.linspace(0, side - 1, round(1 / STEP) + 1)


def _mask(height, width, y, x):
    """1 where the part is hidden, fading smoothly to 0: a hard edge would be a new feature."""
    rows, columns = np.ogrid[:height, :width]
    distance = ((rows - y) / (HIDDEN * height)) ** 2 + ((columns - x) / (HIDDEN * width)) ** 2
    return np.exp(-4 * distance).astype(np.float32)
