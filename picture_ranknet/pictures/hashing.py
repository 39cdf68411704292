"""Perceptual hashes, to recognise the same picture."""
import numpy as np
from PIL import Image

from picture_ranknet.machine.opencv import cv2

HASH_SIZE = 12    # a hash has HASH_SIZE x HASH_SIZE bits
OVERSAMPLING = 4  # pixels per bit, on each side


def perceptual_hash(img: np.ndarray, size: int = HASH_SIZE) -> np.ndarray:
    """Which of the lowest frequencies of a picture are stronger than their median.

    The same bits as ``imagehash.phash(..., hash_size=12)``.

    Args:
        img (numpy.ndarray): HWC, RGB, ``uint8``.
        size (int): Frequencies per axis.

    Returns:
        numpy.ndarray: bool, shape ``(size * size,)``.

    Reference: Zauner, *Implementation and Benchmarking of Perceptual Image
    Hash Functions*, 2010, section 3.2.1 (the DCT).
    """
    side = OVERSAMPLING * size
    grey = Image.fromarray(np.ascontiguousarray(img)).convert('L').resize(
        (side, side), Image.Resampling.LANCZOS)
    low = cv2.dct(np.asarray(grey, np.float64))[:size, :size]
    low[0] *= 2 ** .5     # an unnormalised DCT, in which the mean of the picture
    low[:, 0] *= 2 ** .5  # has more weight than in OpenCV's orthonormal one
    return (low > np.median(low)).ravel()
