"""Data augmentation: random changes that do not change how a person would rate a picture."""
import numpy as np

from picture_ranknet.machine.opencv import cv2

TURN = 5         # degrees, in either direction
SHIFT = .05      # as a fraction of the sides
SCALE = .08      # enlarged or shrunk by up to this fraction
CONTRAST = .15   # changed by up to this fraction
BRIGHTNESS = .3  # up to this many standard deviations of a picture's values
COLOUR = .1      # contrast of each channel, changed by up to this fraction
DRAWN_TO_MIRROR, DRAWN_TO_VARY = 1, 9  # random numbers per picture


def vary(x: np.ndarray, rng: np.random.Generator, strength: float = 1, mirror: bool = True,
         before: int = 0) -> None:
    """Rotate, shift, scale and mirror pictures at random; jitter brightness, contrast and colour.

    Pictures are extended by reflection at their borders.  Colour jitter is
    relative to a picture's mean and standard deviation, so its range of values
    does not matter.

    Args:
        x: Pictures, shape ``(B, 3, H, W)``, float32, in channels-last memory
            layout.  They are changed in place.
        rng: Source of random numbers.
        strength: From 0 to 5; 1 suits crops of faces, 0 at most mirrors.
        mirror: Whether to mirror half of the pictures.
        before: How many pictures of the batch precede these, in other
            processes: random numbers for them are drawn and discarded.
    """
    n_drawn = (DRAWN_TO_MIRROR if mirror else 0) + (DRAWN_TO_VARY if strength else 0)
    rng.random(before * n_drawn)
    for img in x.transpose(0, 2, 3, 1):                  # CHW -> HWC
        if mirror and rng.random() < .5:
            img[...] = img[:, ::-1].copy()
        if strength:
            _vary_place(img, rng, strength)
            _vary_light(img, rng, strength)


def _vary_place(img, rng, strength):
    height, width = img.shape[:2]
    turn = np.deg2rad(TURN) * strength * rng.uniform(-1, 1)
    scale = np.exp(SCALE * strength * rng.uniform(-1, 1))
    shift = SHIFT * strength * rng.uniform(-1, 1, 2) * (width, height)
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    A = np.array([[cos, -sin], [sin, cos]])
    middle = np.array([width - 1, height - 1]) / 2
    img[...] = cv2.warpAffine(
        img, np.c_[A, middle + shift - A @ middle], (width, height), flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101)


def _vary_light(img, rng, strength):
    contrast = np.exp(strength * (CONTRAST * rng.uniform(-1, 1)
                                  + COLOUR * rng.uniform(-1, 1, 3))).astype(np.float32)
    brightness = np.float32(BRIGHTNESS * strength * rng.uniform(-1, 1))
    mean, spread = img.mean(), img.std()
    img -= mean
    img *= contrast
    img += mean + brightness * spread
