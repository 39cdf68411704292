"""Random changes to pictures that leave a person's rating of them as it is."""
import cv2
import numpy as np

TURN = 5         # degrees, to either side
SHIFT = .05      # of a picture's sides
SCALE = .08      # enlarged or shrunk by up to this part
CONTRAST = .15   # of each picture, by up to this part
BRIGHTNESS = .3  # up to so many standard deviations of a picture's values
COLOUR = .1      # contrast of each channel, by up to this part
DRAWN_TO_MIRROR, DRAWN_TO_VARY = 1, 9  # random numbers that a picture takes


def vary(x, rng, strength=1, mirror=True, before=0):
    """Turn, shift, scale and perhaps mirror pictures; vary their light and colours.

    What comes into a picture from beyond its border is mirrored there.
    Changes of light refer to the mean and the spread of the picture, so that
    the range of its values does not matter.

    Args:
        x (numpy.ndarray): Pictures, shape ``(B, 3, H, W)``, float32, which lie
            in memory channel last.  They are changed in place.
        rng (numpy.random.Generator): Where chance comes from.
        strength (float): 1 is what suits crops of faces; 0 changes nothing
            but, perhaps, right and left.
        mirror (bool): Whether half of the pictures are mirrored.
        before (int): How many pictures come before these in their batch: what
            would have fallen to them is drawn, and not used.
    """
    if before:
        rng.random(before * (DRAWN_TO_MIRROR * mirror + DRAWN_TO_VARY * bool(strength)))
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
