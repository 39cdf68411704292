"""Reading pictures, by Pillow: upright, in the colours of a screen, on white.

A file holds a picture, several pages, or an animation.  An ``img`` is HWC,
BGR, ``uint8``, as OpenCV has it.
"""
import contextlib
import functools
import io
import os
import struct
import zlib
from collections.abc import Iterator
from typing import Callable, Optional

import numpy as np
from PIL import AvifImagePlugin, Image, ImageCms, ImageOps

from picture_ranknet.errors import InputError
from picture_ranknet.machine import threads
from picture_ranknet.machine.opencv import cv2
from picture_ranknet.pictures import colours, kinds
from picture_ranknet.pictures.limits import ANIMATED, MAX_PIXELS, check_size

ANIMATIONS = 'AVIF', 'GIF', 'PNG', 'WEBP'
PAGES = 'HEIF', 'TIFF'  # of all other formats, the first picture: MPO's others are depth or gain
USUAL_PAUSE = 1 / 25    # seconds, where an animation does not say
BYTES = 8               # of a pixel, at most: four channels of 16 bits
ORIENTATION, INTEROPERABILITY, EXIF, COLOUR_SPACE = 0x0112, 0xa005, 0x8769, 0xa001
SUBFILE, BITS, PHOTOMETRIC, SUB_IFDS, ICC = 254, 258, 262, 330, 34675  # tags of TIFF
SHRUNK, MASK = 1, 4     # bits of SUBFILE
DARKER = 0              # a PHOTOMETRIC: the larger a value, the darker
SRGB_GAMMA = .45455     # of PNG; one this near is that of sRGB:
NEAR_GAMMA = .01
# Chunks of PNG that tell how a picture looks; texts may be longer than Pillow likes.
CHUNKS = frozenset(b'IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP cICP eXIf acTL fcTL fdAT'.split())
TEXTS = b'Raw profile type', b'XML:com.adobe.xmp'  # in which some programs hide EXIF
LONG_TEXT = 2 ** 16     # bytes

Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit, which would warn of what limits.py allows


class Pictures:

    """The pictures in an open file.

    Attributes:
        n (int): How many there are.
        is_animation (bool): Whether they are shown one after the other.
    """

    def __init__(self, path: str, image: Image.Image, max_pixels: int, n_bits: int = 8):
        self.path = path
        self._image = image
        self._n_bits = n_bits
        self._max_pixels = max_pixels
        self._frames = _frames(path, image)
        self.n = len(self._frames)
        self.is_animation = self.n > 1 and image.format in ANIMATIONS
        check_size(path, *image.size, max_pixels)
        if self.is_animation:
            self._check_length()

    def _check_length(self):
        width, height = self._image.size
        if width * height * self.n > ANIMATED * self._max_pixels:
            raise InputError(
                f'{self.path}: expected an animation of up to {ANIMATED * self._max_pixels:,} '
                f'pixels, got {width} x {height} in {self.n:,} frames; cut it, or raise '
                '--max_pixels, a hundredth of that')

    def __iter__(self) -> Iterator[tuple[Optional[float], Callable[[], np.ndarray]]]:
        """Yield the time of each picture in seconds, ``None`` of a page, and how to get its img.

        Raises:
            InputError: If the first cannot be read, or one is too large.
        """
        seconds = 0. if self.is_animation else None
        for position, index in enumerate(self._frames):
            try:
                if self._image.format in ANIMATIONS + PAGES:
                    self._image.seek(index)  # of PSD, this would be a layer
                check_size(self.path, *self._image.size, self._max_pixels)
                self._image.load()
                check_size(self.path, *self._image.size, self._max_pixels)
            except (InputError, MemoryError):
                raise
            except Exception as e:  # Pillow's formats raise many kinds
                if position:
                    return  # what has been read is used
                raise _damaged(self.path, self._image.format, e) from e
            yield seconds, self._img
            if self.is_animation:
                seconds += self._image.info.get('duration', 0) / 1000 or USUAL_PAUSE

    def _img(self):
        try:
            return to_img(self._image, self._n_bits)
        except InputError as e:
            raise InputError(f'{self.path}: {e}') from e
        except MemoryError:
            raise
        except Exception as e:
            raise _damaged(self.path, self._image.format, e) from e


@contextlib.contextmanager
def opened(path: str, max_pixels: int = MAX_PIXELS) -> Iterator[Pictures]:
    """Open a picture, a file of pages, or an animation.

    Args:
        path (str): Its name need not tell the format.
        max_pixels (int): What is larger is not decoded.

    Raises:
        InputError: If it is no picture, cannot be read, or is larger.
    """
    head = kinds.read_head(path)
    kind = kinds.tell(head)
    if kind is None or kind.kind != kinds.PICTURE:
        raise InputError(f'{path}: expected a picture, got '
                         f'{kind.name if kind else kinds.describe(head)}')
    most = BYTES * max_pixels + 2 ** 20
    if os.path.getsize(path) > most and kind.name not in ('GIF', 'PNG', 'TIFF'):  # read in parts
        raise InputError(f'{path}: expected up to {most:,} bytes, got {os.path.getsize(path):,}; '
                         'shrink it, or raise --max_pixels')
    with open(path, 'rb') as f:
        if kind.name == 'JPEG':
            f = _mended(f.read())
        elif kind.name == 'PNG' and os.path.getsize(path) <= most:
            f = _bare(f.read())
        elif kind.name == 'JPEG2000' and _is_deep_colour(head):  # Pillow makes white black
            raise _unread(path, 'JPEG 2000 of more than 8 bits')
        AvifImagePlugin.DEFAULT_MAX_THREADS = threads.count()
        try:
            image = _heif(f) if kind.name == 'HEIF' else Image.open(f, formats=[kind.name])
        except (InputError, MemoryError):
            raise
        except Exception as e:  # Pillow's formats raise many kinds
            if _is_unknown(kind.name, f):
                raise _unread(path, f'{kind.name} of this kind') from e
            raise _damaged(path, kind.name, e) from e
        with image:
            image.nclx = _coded_colours(kind.name, head)
            yield Pictures(path, image, max_pixels, head[24] if kind.name == 'PNG' else 8)


def read_picture(path: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Read a picture, the first one of its file.

    Args:
        path (str): A picture of any format that Pillow can tell by its
            content; docs/formats.md lists them.
        max_pixels (int): What is larger is not decoded.

    Returns:
        numpy.ndarray: HWC, BGR, ``uint8``; upright, in sRGB, on white.

    Raises:
        InputError: If it cannot be read, or is larger.
    """
    with opened(path, max_pixels) as pictures:
        for _, get in pictures:
            return get()


def _frames(path, image):
    """Which of a file's pictures are shown, by their numbers."""
    n = getattr(image, 'n_frames', 1)
    if image.format == 'PNG' and n > 1 and getattr(image, 'default_image', False):
        return range(1, n)  # the first is for programs that show no animation
    if image.format == 'TIFF':
        return _pages(path, image, n)
    return range(n if image.format in ANIMATIONS + PAGES else 1)


def _pages(path, image, n):
    """The pages of a TIFF without previews and masks."""
    tags = image.tag_v2
    if image.tag_v2.get(SUBFILE, 0) & SHRUNK and SUB_IFDS in tags:
        raise InputError(f"{path}: a camera's raw file, of which only a small preview could be "
                         'read; save it as JPEG, PNG or TIFF')
    pages = []
    for i in range(n):
        with contextlib.suppress(Exception):  # a damaged page, which is told when it is read
            image.seek(i)
        if not image.tag_v2.get(SUBFILE, 0) & (SHRUNK | MASK):
            pages.append(i)
    return pages or [0]


def _heif(file):
    try:
        import pillow_heif  # here, since few files need it
    except ImportError as e:
        raise InputError(f'{file.name}: HEIC is not read; python -m pip install pillow-heif') from e
    pillow_heif.options.DECODE_THREADS = threads.count()
    return pillow_heif.HeifImageFile(file)


def _mended(data):
    """A JPEG; with its end, if nothing but that is missing."""
    end = b'\xff\xd9'
    if end not in data[-2 ** 10:]:
        # Where every pixel is there, the decoder does not care for what follows.
        with contextlib.suppress(Exception):
            one, other = (Image.open(io.BytesIO(data + more + end), formats=['JPEG']).tobytes()
                          for more in (b'', b'\x55\x2a' * 500))
            if one == other:
                data += end
    return io.BytesIO(data)


def _bare(data):
    """A PNG of the chunks that tell how it looks; the last one may be cut short."""
    kept, at = [data[:8]], 8
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at:at + 4], 'big')
        name, content = data[at + 4:at + 8], data[at + 8:end - 4]
        is_right = end > len(data) or zlib.crc32(data[at + 4:end - 4]) == int.from_bytes(
            data[end - 4:end], 'big')
        is_text = content.startswith(TEXTS) and len(content) < LONG_TEXT
        if name[:1].isupper() or is_right and (name in CHUNKS or is_text):
            kept.append(data[at:end])
        at = end
    return io.BytesIO(b''.join(kept))


def _is_deep_colour(head):
    """Whether a JPEG 2000 has colours of more than 8 bits, by its marker SIZ."""
    at = head.find(b'\xff\x4f\xff\x51') + 40
    return at >= 40 and len(head) > at + 2 and head[at + 1] >= 3 and head[at + 2] % 128 > 7


def _is_unknown(name, file):
    """Whether Pillow knows a format, but not files of this depth or these colours."""
    try:
        file.seek(0)
        Image.OPEN[name][0](file, '')
    except SyntaxError as e:
        return isinstance(e.__cause__, KeyError)  # in its table of modes
    except Exception:
        return False
    return False


def _unread(path, what):
    return InputError(f'{path}: {what} is not read; save it as PNG or JPEG, with 8 bits a channel')


def _damaged(path, name, error):
    detail = str(error).strip().split('\n')[0]
    return InputError(f'{path}: expected a whole {name} picture, got a damaged or incomplete one'
                      + f' ({detail})' * bool(detail))


# Pixels

def to_img(image: Image.Image, n_bits: int = 8) -> np.ndarray:
    """Pixels of a picture: upright, in sRGB, 8 bits, on white.

    Args:
        image (PIL.Image.Image): Of any mode.
        n_bits (int): Of a value in its file, where that is a PNG or a TIFF.

    Returns:
        numpy.ndarray: HWC, BGR, ``uint8``.

    Raises:
        InputError: If its values are floating ones of no known range.
    """
    profile = image.tag_v2.get(ICC) if image.format == 'TIFF' else image.info.get('icc_profile')
    nclx = getattr(image, 'nclx', None)
    gamma, is_png = _gamma(image), image.format == 'PNG'
    is_darker = image.format == 'TIFF' and image.tag_v2.get(PHOTOMETRIC) == DARKER
    if image.format == 'TIFF' and image.tag_v2.get(BITS) == (12,):
        n_bits = 12
    exif = Image.Exif()
    with contextlib.suppress(Exception):  # a damaged table says nothing
        exif = image.getexif()
        if exif.get(ORIENTATION, 1) != 1:
            image = ImageOps.exif_transpose(image)
    is_deep = image.mode.startswith('I') or image.mode == 'F'
    plain, alpha = _to_8_bits(image, n_bits)
    if is_darker and is_deep:  # Pillow turns only shallow ones
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


def _to_8_bits(image, n_bits):
    """A picture of 8 bits without transparency, and its alpha or ``None``."""
    if image.mode.startswith('I') or image.mode == 'F':
        return _deep_to_8_bits(image, n_bits)
    if not image.has_transparency_data:
        return image, None
    key = image.info.get('transparency')
    if image.mode == 'L' and n_bits in (2, 4):  # Pillow widens the pixels, but not the key
        image.info['transparency'] = key * 255 // (2 ** n_bits - 1)
    elif image.mode == 'RGB' and n_bits == 16 and isinstance(key, tuple):
        image.info['transparency'] = tuple(value >> 8 for value in key)
    is_grey = image.mode in ('L', 'LA', 'La', '1')
    rgba = image.convert('RGBA')
    return rgba.convert('L' if is_grey else 'RGB'), rgba.getchannel('A')


def _deep_to_8_bits(image, n_bits):
    """Grey of more than 8 bits, or of floating values."""
    grey = np.asarray(image)
    key = image.info.get('transparency')
    alpha = None if key is None else Image.fromarray(np.uint8(255 * (grey != key)))
    if image.mode == 'F':
        low, high = float(np.nanmin(grey)), float(np.nanmax(grey))
        if not 0 <= low <= high <= 255:
            raise InputError('expected floating values of 0 to 1 or to 255, got '
                             f'{low:g} to {high:g}; save it as PNG or JPEG')
        grey = grey * (255 if high <= 1 else 1)
    elif image.mode == 'I' and grey.max() > 65535:
        grey = grey / 2 ** 23
    elif n_bits == 12:
        grey = grey / (4095 / 255)
    else:
        grey = grey / 257
    return Image.fromarray(np.uint8(np.clip(np.rint(grey), 0, 255))), alpha


def _by_profile(image, profile):
    """Convert colours by an ICC profile; ``None`` if that does not fit or changes nothing."""
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
        return None  # damaged, or of other colours than those of the picture
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
    """Primaries that a camera gives without a profile: Adobe RGB, by DCF 2.0."""
    with contextlib.suppress(Exception):  # a damaged table says nothing
        space = exif.get_ifd(EXIF).get(COLOUR_SPACE)
        if space == 2 or space == 65535 and exif.get_ifd(INTEROPERABILITY).get(1) == 'R03':
            return 'Adobe'
    return None


def _gamma(image):
    """The gAMA of a PNG, if nothing in it tells its colours better; ``None`` if it is sRGB's."""
    gamma = image.info.get('gamma') if image.format == 'PNG' and 'srgb' not in image.info else None
    return gamma if gamma and abs(gamma - SRGB_GAMMA) > NEAR_GAMMA else None


def _coded_colours(name, head):
    """Primaries and transfer that an AVIF, a HEIC or a PNG names by number, or ``None``."""
    if name == 'PNG':
        at = head.find(b'cICP', 0, head.find(b'IDAT'))
        return tuple(head[at + 4:at + 6]) if at >= 0 else None
    at = head.find(b'colrnclx') if name in ('AVIF', 'HEIF') else -1
    if at < 0 or len(head) < at + 12:
        return None
    return struct.unpack_from('>HH', head, at + 8)
