"""Converts Pillow images to ``img``: upright, in sRGB, 8 bits, on white."""
import contextlib
import functools
import io
from typing import Optional

import numpy as np
from PIL import Image, ImageCms, ImageOps

from picture_ranknet.errors import InputError
from picture_ranknet.machine.opencv import cv2
from picture_ranknet.pictures import colours

SAVE_AS = 'save it as PNG or JPEG with 8 bits per channel'
ORIENTATION, INTEROPERABILITY, EXIF, COLOUR_SPACE = 0x0112, 0xa005, 0x8769, 0xa001
BITS, PHOTOMETRIC, PLANES, SAMPLES, ICC = 258, 262, 284, 339, 34675  # tags of TIFF
DARKER = 0              # a value of PHOTOMETRIC: higher values are darker
SEPARATE, SIGNED = 2, 2  # a value of PLANES, and one of SAMPLES
SRGB_GAMMA = .45455     # in PNG; a gamma this close is taken for sRGB:
NEAR_GAMMA = .01


def is_turned(image: Image.Image) -> bool:
    """Whether a picture is stored rotated by 90 degrees."""
    with contextlib.suppress(Exception):  # damaged EXIF
        return image.getexif().get(ORIENTATION, 1) >= 5
    return False


def to_img(image: Image.Image, n_bits: int = 8) -> np.ndarray:
    """Pixels of a picture: upright, in sRGB, 8 bits, on white.

    Args:
        image (PIL.Image.Image): In any mode.
        n_bits (int): Bits per value in the file, if it is a PNG.

    Returns:
        numpy.ndarray: HWC, BGR, ``uint8``.

    Raises:
        InputError: If it has floating values of an unknown range.
    """
    profile = image.tag_v2.get(ICC) if image.format == 'TIFF' else image.info.get('icc_profile')
    nclx = getattr(image, 'nclx', None)
    gamma, is_png = _gamma(image), image.format == 'PNG'
    is_darker = image.format == 'TIFF' and image.tag_v2.get(PHOTOMETRIC) == DARKER
    if image.format == 'TIFF':
        n_bits = _bits_of_tiff(image.tag_v2)
    exif = Image.Exif()
    with contextlib.suppress(Exception):  # damaged EXIF
        exif = image.getexif()
        if exif.get(ORIENTATION, 1) != 1:
            image = ImageOps.exif_transpose(image)
    is_deep = image.mode.startswith('I') or image.mode == 'F'
    plain, alpha = to_8_bits(image, n_bits)
    if alpha and image.format in ('BMP', 'DIB') and not alpha.getextrema()[1]:
        alpha = None  # some programs leave the fourth byte empty
    if is_darker and is_deep:  # Pillow inverts only 8-bit ones
        plain = ImageOps.invert(plain)
    rgb = _by_profile(plain, profile) if profile and not (nclx and is_png) else None
    img = cv2.cvtColor(np.asarray(rgb or plain.convert('RGB')), cv2.COLOR_RGB2BGR)
    if rgb is None:
        primaries, transfer = nclx or (_by_exif(exif), None)
        if gamma and not nclx:
            img = cv2.LUT(img, colours.curve(1 / gamma))
        elif not colours.is_srgb(primaries, transfer):
            img = colours.to_srgb(img, primaries, colours.GAMMA if primaries == 'Adobe'
                                  else transfer)
    return img if alpha is None else colours.on_white(img, np.asarray(alpha))


def _bits_of_tiff(tags):
    """Bits per value where they matter: 12, unsigned 32, else 8."""
    bits = tags.get(BITS, (1,))
    if tags.get(PLANES) == SEPARATE and max(bits) > 8:  # Pillow mixes the planes up
        raise InputError(f'TIFF with separate planes of {max(bits)} bits is not read; {SAVE_AS}')
    if bits == (32,) and SIGNED in tags.get(SAMPLES, ()):
        return 8
    return bits[0] if bits in ((12,), (32,)) else 8


def to_8_bits(image: Image.Image, n_bits: int) -> tuple[Image.Image, Optional[Image.Image]]:
    """The picture in 8 bits without transparency, and its alpha channel or ``None``."""
    if image.mode.startswith('I') or image.mode == 'F':
        return _deep_to_8_bits(image, n_bits)
    if not image.has_transparency_data:
        return image, None
    key = image.info.get('transparency')
    if image.mode == 'L' and n_bits in (2, 4):  # Pillow scales the pixels, but not the key
        image.info['transparency'] = key * 255 // (2 ** n_bits - 1)
    elif image.mode == 'RGB' and n_bits == 16 and isinstance(key, tuple):
        image.info['transparency'] = tuple(value >> 8 for value in key)
    is_grey = image.mode in ('L', 'LA', 'La', '1')
    rgba = image.convert('RGBA')
    return rgba.convert('L' if is_grey else 'RGB'), rgba.getchannel('A')


def _deep_to_8_bits(image, n_bits):
    """As :func:`to_8_bits`, for grey with more than 8 bits or floating values."""
    grey = np.asarray(image)
    key = image.info.get('transparency')
    alpha = None if key is None else Image.fromarray(np.uint8(255 * (grey != key)))
    if image.mode == 'F':
        low, high = float(np.nanmin(grey)), float(np.nanmax(grey))
        if not 0 <= low <= high <= 255:
            raise InputError('expected floating values from 0 to 1 or 0 to 255, got '
                             f'{low:g} to {high:g}; save it as PNG or JPEG')
        grey = grey * (255 if high <= 1 else 1)
    elif image.mode == 'I' and n_bits == 32 and grey.view(np.uint32).max() > 65535:
        grey = grey.view(np.uint32) / ((2 ** 32 - 1) / 255)
    elif image.mode == 'I' and grey.max() > 65535:
        grey = grey / 2 ** 23
    elif n_bits == 12:
        grey = grey / (4095 / 255)
    else:
        grey = grey / 257
    return Image.fromarray(np.uint8(np.clip(np.rint(grey), 0, 255))), alpha


def _by_profile(image, profile):
    """Convert colours by an ICC profile; ``None`` if it does not fit or changes nothing."""
    if image.mode not in ('L', 'RGB', 'CMYK', 'LAB'):
        image = image.convert('L' if image.mode == '1' else 'RGB')
    transform = _transform(profile, image.mode)
    return transform and ImageCms.applyTransform(image, transform)


@functools.lru_cache(maxsize=16)
def _transform(profile, mode):
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)), _srgb(), mode, 'RGB')
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None  # damaged, or for another colour space
    if mode in ('L', 'RGB'):
        levels = np.linspace(0, 255, 16).round().astype(np.uint8)
        cube = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(16, 256, 3)
        some = Image.fromarray(cube).convert(mode)
        change = np.int16(ImageCms.applyTransform(some, transform)) - np.asarray(
            some.convert('RGB'))
        if np.abs(change).max() <= 1:
            return None
    return transform


@functools.cache
def _srgb():
    return ImageCms.createProfile('sRGB')


def _by_exif(exif):
    """Primaries that a camera declares without a profile: Adobe RGB, by DCF 2.0."""
    with contextlib.suppress(Exception):  # damaged EXIF
        space = exif.get_ifd(EXIF).get(COLOUR_SPACE)
        if space == 2 or space == 65535 and exif.get_ifd(INTEROPERABILITY).get(1) == 'R03':
            return 'Adobe'
    return None


def _gamma(image):
    """The gAMA of a PNG, unless it has a better colour description; ``None`` if it is sRGB's."""
    gamma = image.info.get('gamma') if image.format == 'PNG' and 'srgb' not in image.info else None
    return gamma if gamma and abs(gamma - SRGB_GAMMA) > NEAR_GAMMA else None
