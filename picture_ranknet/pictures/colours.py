"""Converts the colours of a file for a screen: sRGB, 8 bits, on white.

A file describes its colours by the numbers of ITU-T H.273: the primaries (its
pure red, green and blue) and the transfer function (how bright a value is).
Phones write Display P3, and videos of high dynamic range (HDR) BT.2020 with
PQ or HLG (ITU-R BT.2100), of which a screen shows only a part.
"""
import functools
from typing import Optional, Union

import numpy as np

from picture_ranknet.machine.opencv import cv2

WHITE = .3127, .3290  # D65
PRIMARIES = {         # x and y of red, green and blue in CIE 1931
    1: ((.640, .330), (.300, .600), (.150, .060)),    # BT.709, sRGB
    9: ((.708, .292), (.170, .797), (.131, .046)),    # BT.2020
    11: ((.680, .320), (.265, .690), (.150, .060)),   # P3
    12: ((.680, .320), (.265, .690), (.150, .060)),   # Display P3
    'Adobe': ((.640, .330), (.210, .710), (.150, .060)),
}
PQ, HLG, LINEAR, GAMMA = 16, 18, 8, 4  # transfers; all others are taken for sRGB's
PAPER = 203.          # cd/m2 of white in HDR: ITU-R BT.2408
BRIGHTEST = 1000.     # cd/m2, nominal peak of HLG
KNEE = .6             # of white; brighter parts of HDR are compressed


def is_srgb(primaries: Optional[int], transfer: Optional[int]) -> bool:
    """Whether colours can be shown unchanged; ``None`` means unknown."""
    return PRIMARIES.get(primaries, PRIMARIES[1]) == PRIMARIES[1] and transfer not in (
        PQ, HLG, LINEAR)


def to_srgb(img: np.ndarray, primaries: Union[int, str, None],
            transfer: Optional[int]) -> np.ndarray:
    """Convert colours to sRGB.

    Colours outside sRGB are clipped channel by channel; in HDR, parts brighter
    than ``KNEE`` are compressed to fit, and the rest keeps its brightness.

    Args:
        img (numpy.ndarray): HWC, BGR, ``uint8`` or ``uint16`` over its whole
            range.
        primaries: A key of ``PRIMARIES``; others are taken for sRGB's.
        transfer (int): H.273's number.

    Returns:
        numpy.ndarray: HWC, BGR, ``uint8``.
    """
    light = _light(transfer, img.dtype.itemsize)[img]
    if transfer == HLG:  # its system gamma: 1.2
        luminance = light @ np.float32([.0593, .6780, .2627])  # BGR of BT.2020
        light *= (BRIGHTEST / PAPER * luminance ** .2)[..., None]
    light = cv2.transform(light, _matrix(primaries))
    if transfer in (PQ, HLG):
        peak = np.maximum(light.max(axis=2, keepdims=True), 1e-6)
        over = np.maximum(peak - KNEE, 0) / (1 - KNEE)
        light *= np.where(over > 0, (KNEE + (1 - KNEE) * over / (1 + over)) / peak, 1)
    light = np.clip(light, 0, 1)
    return _values()[np.uint16(np.rint(light * 65535))]


@functools.lru_cache(maxsize=8)
def _matrix(primaries):
    """Matrix from linear light in the primaries to sRGB, both in BGR order; float32, (3, 3)."""
    def to_xyz(corners):
        corners = np.array([[x / y, 1, (1 - x - y) / y] for x, y in corners]).T
        white = np.array([WHITE[0] / WHITE[1], 1, (1 - sum(WHITE)) / WHITE[1]])
        return corners * np.linalg.solve(corners, white)

    rgb = np.linalg.solve(to_xyz(PRIMARIES[1]), to_xyz(PRIMARIES.get(primaries, PRIMARIES[1])))
    return np.float32(rgb[::-1, ::-1])


@functools.lru_cache(maxsize=8)
def _light(transfer, n_bytes):
    """Brightness of each value relative to white; float32, shape ``(256,)`` or ``(65536,)``."""
    v = np.linspace(0, 1, 256 ** n_bytes)
    if transfer == PQ:
        root = v ** (1 / 78.84375)
        light = (np.maximum(root - .8359375, 0) / (18.8515625 - 18.6875 * root)) ** (
            1 / .1593017578125) * 10000 / PAPER
    elif transfer == HLG:
        light = np.where(v <= .5, v ** 2 / 3,
                         (np.exp((v - .55991073) / .17883277) + .28466892) / 12)
    elif transfer == LINEAR:
        light = v
    elif transfer == GAMMA:
        light = v ** 2.2
    else:
        light = np.where(v <= .04045, v / 12.92, ((v + .055) / 1.055) ** 2.4)
    return np.float32(light)


@functools.cache
def _values():
    """sRGB values of linear light 0 to 1 in steps of 1 / 65535; ``uint8``."""
    light = np.linspace(0, 1, 65536)
    values = np.where(light <= .0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - .055)
    return np.uint8(np.rint(255 * values))


def curve(gamma: float) -> np.ndarray:
    """Lookup table from values with this gamma to sRGB; ``uint8``, shape ``(256,)``."""
    light = np.linspace(0, 1, 256) ** gamma
    return _values()[np.uint16(np.rint(light * 65535))]


def on_white(img: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Blend a picture onto white.

    Args:
        img (numpy.ndarray): HWC, ``uint8``.
        alpha (numpy.ndarray): HW, ``uint8``; 255 is opaque.

    Returns:
        numpy.ndarray: HWC, ``uint8``.
    """
    if alpha.min() == 255:
        return img
    share = alpha[..., None].astype(np.uint16)
    return ((img * share + 255 * (255 - share) + 127) // 255).astype(np.uint8)
