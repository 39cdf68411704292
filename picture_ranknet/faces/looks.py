"""Two measures of a crop: a perceptual hash, and how sharp it is."""
import numpy as np
from PIL import Image

from picture_ranknet.machine.opencv import cv2

SIDE = 12     # a hash has SIDE * SIDE bits
DETAIL = 4    # a picture is shrunk to DETAIL * SIDE pixels a side before the transform


def perceptual_hash(img: np.ndarray) -> np.ndarray:
    """The perceptual hash of a picture: nearly the same for pictures that look alike.

    The bits tell which of the low frequencies of the grey picture are above
    their median: pHash, after Zauner, *Implementation and Benchmarking of
    Perceptual Image Hash Functions*, 2010.

    Args:
        img: HWC, RGB, ``uint8``.

    Returns:
        ``bool``, shape ``(144,)``.
    """
    side = DETAIL * SIDE
    gray = Image.fromarray(img).convert('L').resize((side, side), Image.Resampling.LANCZOS)
    frequencies = cv2.dct(np.asarray(gray, np.float64))[:SIDE, :SIDE]
    # cv2.dct is orthonormal; the hash compares the frequencies of the plain transform.
    frequencies[0] *= np.sqrt(2)
    frequencies[:, 0] *= np.sqrt(2)
    return (frequencies > np.median(frequencies)).ravel()


def measure_sharpness(crop: np.ndarray) -> float:
    """How sharp a crop is: the deviation of its Laplacian, in grey levels.

    Reference: Pech-Pacheco et al., *Diatom autofocusing in brightfield
    microscopy*, ICPR 2000.

    Args:
        crop: CHW, RGB, ``uint8``.
    """
    img = np.ascontiguousarray(crop.transpose(1, 2, 0))  # CHW -> HWC
    return float(cv2.Laplacian(cv2.cvtColor(img, cv2.COLOR_RGB2GRAY), cv2.CV_32F).std())
