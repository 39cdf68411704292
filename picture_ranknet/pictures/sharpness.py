"""Sharpness of pictures."""
import numpy as np

from picture_ranknet.machine.opencv import cv2


def measure_sharpness(picture: np.ndarray, relative: bool = False) -> float:
    """The standard deviation of the Laplacian of a picture.

    Args:
        picture (numpy.ndarray): Shape ``(3, H, W)``, RGB; ``uint8``, or of any
            range if ``relative``.
        relative (bool): Divide by the standard deviation of the picture, so
            that neither its range nor its contrast matters.

    Returns:
        float: In levels of 255, or without a unit; 0 for a flat picture.

    Reference: Pech-Pacheco et al., *Diatom autofocusing in brightfield
    microscopy*, ICPR 2000.
    """
    if not relative:
        img = np.ascontiguousarray(picture.transpose(1, 2, 0))  # CHW -> HWC
        return float(cv2.Laplacian(cv2.cvtColor(img, cv2.COLOR_RGB2GRAY), cv2.CV_32F).std())
    grey = np.asarray(picture, np.float64).mean(axis=0)
    grey = grey / (np.abs(grey).max() or 1)  # so that no square overflows
    spread = grey.std()
    return float(cv2.Laplacian(grey, cv2.CV_64F).std() / spread) if spread else 0.
