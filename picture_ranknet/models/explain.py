"""What in a picture raised its score: the score is taken again with a part of it hidden."""

import numpy as np

from picture_ranknet.machine.opencv import cv2

HIDDEN = 1 / 5   # side of the part that is hidden, in parts of the picture's
STEP = 1 / 10    # ... and of the step from one to the next
VAGUE = 1 / 8    # a hidden part is blurred by a Gaussian of this deviation


def occlude(model, picture, features=None, mirror=False):
    """How much each part of a picture raises its score: occlusion.

    One part after the other is blurred beyond recognition; what the score
    loses by that is what the part gave.

    Args:
        model (net.RankNet or scoring.Ensemble): Scores pictures.
        picture (numpy.ndarray): Shape ``(3, H, W)``, as in ``X.npy``.
        features (numpy.ndarray): What is known of it, shape ``(n_features,)``;
            ``None`` where nothing is.
        mirror (bool): See :meth:`net.RankNet.score`.

    Returns:
        numpy.ndarray: Shape ``(H, W)``, float32, the mean loss over the
        hidings of each pixel, in units of the score; below 0 where a part
        lowers the score.

    Reference: Zeiler and Fergus, *Visualizing and Understanding Convolutional
    Networks*, ECCV 2014, section 4.2.
    """
    picture = np.asarray(picture, np.float32)
    _, height, width = picture.shape
    img = np.ascontiguousarray(picture.transpose(1, 2, 0))  # CHW -> HWC
    vague = cv2.GaussianBlur(img, (0, 0), VAGUE * max(height, width)).transpose(2, 0, 1)
    masks = [_mask(height, width, y, x) for y in _middles(height) for x in _middles(width)]
    views = np.stack([picture, *(picture + mask * (vague - picture) for mask in masks)])
    known = None if features is None else np.tile(features, (len(views), 1))
    whole, *others = model.score(views, features=known, mirror=mirror).tolist()
    lost, seen = np.zeros((2, height, width), np.float32)
    for mask, score in zip(masks, others):
        lost += mask * (whole - score)
        seen += mask
    return lost / seen


def _middles(side):
    return np.linspace(0, side - 1, round(1 / STEP) + 1)


def _mask(height, width, y, x):
    """1 where a part is hidden, falling to 0 softly: an edge would be something to see."""
    rows, columns = np.ogrid[:height, :width]
    distance = ((rows - y) / (HIDDEN * height)) ** 2 + ((columns - x) / (HIDDEN * width)) ** 2
    return np.exp(-4 * distance).astype(np.float32)
