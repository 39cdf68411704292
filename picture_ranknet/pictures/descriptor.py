"""An image descriptor: histograms of oriented gradients (HOG) and colours.

Dalal and Triggs, *Histograms of Oriented Gradients for Human Detection*, CVPR
2005.
"""
import functools

import numpy as np

from picture_ranknet.machine.opencv import cv2

SIDE = 80        # pixels; pictures are resized to this before
COLOURS = 8      # colours are averaged over a grid of 8 x 8
LENGTH = 1956    # of a description


def describe(pictures: np.ndarray) -> np.ndarray:
    """Compute oriented gradients and colours of pictures.

    Args:
        pictures (numpy.ndarray): Shape ``(B, 3, H, W)``, RGB, 0 to 255.

    Returns:
        numpy.ndarray: float32, shape ``(B, 1956)``: 7 x 7 blocks of 2 x 2
        cells of 9 directions, and Lab on a grid of 8 x 8, 0 to 1.
    """
    descriptions = []
    for picture in pictures:
        img = np.clip(np.rint(picture), 0, 255).astype(np.uint8).transpose(1, 2, 0)  # CHW -> HWC
        img = cv2.resize(img, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        lab = cv2.resize(cv2.cvtColor(img, cv2.COLOR_RGB2LAB), (COLOURS, COLOURS),
                         interpolation=cv2.INTER_AREA)
        descriptions.append(np.concatenate([
            _gradients().compute(img).ravel(), lab.ravel() / np.float32(255)]))
    return np.array(descriptions)


@functools.cache
def _gradients():
    return cv2.HOGDescriptor((SIDE, SIDE), (20, 20), (10, 10), (10, 10), 9)
