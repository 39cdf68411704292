"""Size limits: a small file may decode to a huge picture that fills the memory.

The size in a file's header is checked before anything is decoded.
"""
from picture_ranknet.errors import InputError

MAX_PIXELS = 50_000_000   # of a picture or a frame, by default
LARGEST = 2 ** 28         # ... and at most
ANIMATED = 100            # times the limit, for all frames of an animation together


def check_size(path: str, width: int, height: int, max_pixels: int) -> None:
    """Raise :class:`InputError` if a picture or a frame is larger than ``max_pixels``."""
    if width * height > max_pixels:
        raise InputError(f'{path}: expected up to {max_pixels:,} pixels, got {width} x {height}; '
                         'shrink it, or raise --max_pixels')
