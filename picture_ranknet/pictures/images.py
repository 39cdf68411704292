"""Reading pictures with Pillow: upright, in sRGB, on white.

A file holds a picture, several pages, or an animation.  An ``img`` is HWC,
BGR, ``uint8``, as in OpenCV.
"""
import contextlib
import functools
import io
import os
import struct
import warnings
from collections.abc import Iterator
from typing import Callable, Optional

import numpy as np
from PIL import AvifImagePlugin, Image

from picture_ranknet.errors import InputError
from picture_ranknet.machine import threads
from picture_ranknet.pictures import apng, kinds, mending, pixels
from picture_ranknet.pictures.limits import ANIMATED, MAX_PIXELS, check_size

ANIMATIONS = 'AVIF', 'GIF', 'PNG', 'WEBP'
PAGES = 'HEIF', 'TIFF'  # for other formats, only the first picture: MPO's others are depth or gain
LOSSLESS = 0xc3, 0xc7, 0xcb, 0xcf  # JPEG codings that Pillow does not support
USUAL_PAUSE = 1 / 25    # seconds, where an animation does not say
BYTES = 8               # per pixel, at most: four channels of 16 bits
SUBFILE, SUB_IFDS = 254, 330  # tags of TIFF
SHRUNK, MASK = 1, 4     # bits of SUBFILE

warnings.filterwarnings('ignore', module=r'PIL\.')  # about damaged EXIF and the like
Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit, which would warn about sizes limits.py allows


class Pictures:

    """The pictures in an open file.

    Attributes:
        n (int): The number of pictures.
        size (tuple): Width and height of the first in pixels, upright.
        is_animation (bool): Whether they are frames of an animation.
    """

    def __init__(self, path: str, image: Image.Image, max_pixels: int, n_bits: int = 8):
        self.path = path
        self.size = image.size[::-1] if pixels.is_turned(image) else image.size
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
                f'pixels, got {width} x {height} in {self.n:,} frames; shorten it, or raise '
                '--max_pixels, a hundredth of that')

    def __iter__(self) -> Iterator[tuple[Optional[float], Callable[[], np.ndarray]]]:
        """Yield the time of each picture in seconds, ``None`` for a page, and how to get its img.

        Raises:
            InputError: If the first cannot be read, or one is too large.
        """
        seconds = 0. if self.is_animation else None
        for position, index in enumerate(self._frames):
            try:
                if self._image.format in ANIMATIONS + PAGES:
                    self._image.seek(index)  # in PSD, this would be a layer
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

    def _img(self, image=None):
        try:
            return pixels.to_img(image or self._image, self._n_bits)
        except InputError as e:
            raise InputError(f'{self.path}: {e}') from e
        except MemoryError:
            raise
        except Exception as e:
            raise _damaged(self.path, self._image.format, e) from e


class _AnimatedPng(Pictures):

    """The same, for an animated PNG, composed by :mod:`.apng`."""

    def __init__(self, path, image, max_pixels, data):
        super().__init__(path, image, max_pixels)
        self._data = data

    def __iter__(self):
        seconds, n = 0., 0
        try:
            for duration, rgba in apng.compose(self._data, _decode_part):
                image = Image.fromarray(rgba)
                image.format, image.info, image.nclx = 'PNG', self._image.info, self._image.nclx
                yield seconds, functools.partial(self._img, image)
                seconds += duration or USUAL_PAUSE
                n += 1
        except (InputError, MemoryError):
            raise
        except Exception as e:  # what has been read is used
            if n == 0:
                raise _damaged(self.path, 'PNG', e) from e


def _decode_part(png):
    with Image.open(io.BytesIO(png), formats=['PNG']) as image:
        plain, alpha = pixels.to_8_bits(image, png[24])
        image = plain.convert('RGB')
        image.putalpha(alpha or 255)
        return np.asarray(image)


@contextlib.contextmanager
def opened(path: str, max_pixels: int = MAX_PIXELS,
           side: Optional[int] = None) -> Iterator[Pictures]:
    """Open a picture, a file of pages, or an animation.

    Args:
        path (str): Its name need not indicate the format.
        max_pixels (int): Larger pictures are not decoded.
        side (int): A sufficient length of the shorter side.  A JPEG may then
            be decoded at a half, a quarter or an eighth of its size, which
            takes a fraction of the time; ``None`` for all pixels.

    Raises:
        InputError: If it is not a picture, cannot be read, or is larger.
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
            f = io.BytesIO(mending.jpeg(f.read()))
        elif kind.name == 'PNG' and os.path.getsize(path) <= most:
            f = io.BytesIO(mending.png(f.read()))
        elif kind.name == 'JPEG2000' and _is_deep_colour(head):  # Pillow turns white into black
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
        if kind.name == 'JPEG2000':
            image.info['icc_profile'] = _icc_of_jpeg_2000(f, head)
        with image:
            image.nclx = _coded_colours(kind.name, head)
            try:
                pictures = Pictures(path, image, max_pixels, head[24] if kind.name == 'PNG' else 8)
                if side and kind.name == 'JPEG':
                    image.draft(None, (side, side))
                if kind.name == 'PNG' and pictures.is_animation and isinstance(f, io.BytesIO):
                    pictures = _AnimatedPng(path, image, max_pixels, f.getvalue())
            except (InputError, MemoryError):
                raise
            except Exception as e:  # Pillow counts the frames of some formats by reading them
                raise _damaged(path, kind.name, e) from e
            yield pictures


def read_picture(path: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Read a picture, the first one of its file.

    Args:
        path (str): A picture of any format that Pillow recognises by its
            content; docs/formats.md lists them.
        max_pixels (int): Larger pictures are not decoded.

    Returns:
        numpy.ndarray: HWC, BGR, ``uint8``; upright, in sRGB, on white.

    Raises:
        InputError: If it cannot be read, or is larger.
    """
    with opened(path, max_pixels) as pictures:
        for _, get in pictures:
            return get()


def _frames(path, image):
    """The numbers of the pictures in a file that are shown."""
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
                         'read; convert it to JPEG, PNG or TIFF')
    pages = []
    for i in range(n):
        with contextlib.suppress(Exception):  # a damaged page, reported when it is read
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


def _is_deep_colour(head):
    """Whether a JPEG 2000 has colours of more than 8 bits, by its marker SIZ."""
    at = head.find(b'\xff\x4f\xff\x51') + 40
    return at >= 40 and len(head) > at + 2 and head[at + 1] >= 3 and head[at + 2] % 128 > 7


def _is_unknown(name, file):
    """Whether Pillow supports a format, but not with this bit depth or colour type."""
    try:
        file.seek(0)
        if name == 'JPEG':
            marker, bits, *_ = kinds.jpeg_frame(file.read(), 0) or (0, 0)
            return bits > 8 or marker in LOSSLESS
        Image.OPEN[name][0](file, '')
    except SyntaxError as e:
        return isinstance(e.__cause__, KeyError)  # in its table of modes
    except Exception:
        return False
    return False


def _unread(path, what):
    return InputError(f'{path}: {what} is not read; {pixels.SAVE_AS}')


def _damaged(path, name, error):
    detail = str(error).strip().split('\n')[0]
    return InputError(f'{path}: expected a whole {name} picture, got a damaged or incomplete one'
                      + f' ({detail})' * bool(detail))


def _icc_of_jpeg_2000(f, head):
    """The ICC profile in its box ``colr``, or ``None``; Pillow ignores it."""
    at = head.find(b'colr\2')
    if at < 4:
        return None
    f.seek(at + 7)
    return f.read(int.from_bytes(head[at - 4:at], 'big') - 11)


def _coded_colours(name, head):
    """H.273 numbers of primaries and transfer in an AVIF, a HEIC or a PNG, or ``None``."""
    if name == 'PNG':
        at = head.find(b'cICP', 0, head.find(b'IDAT'))
        return tuple(head[at + 4:at + 6]) if at >= 0 else None
    at = head.find(b'colrnclx') if name in ('AVIF', 'HEIF') else -1
    if at < 0 or len(head) < at + 12:
        return None
    return struct.unpack_from('>HH', head, at + 8)
