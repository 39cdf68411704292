"""How large a picture may be: a small file may claim to be huge and fill the memory.

The size that a file's header gives is checked before anything is decoded.
"""
from picture_ranknet.errors import InputError

MAX_PIXELS = 50_000_000   # of a picture or a frame, by default
LARGEST = 2 ** 28         # ... and at most
ANIMATED = 100            # times the limit: all frames of an animation together


def check_size(path: str, width: int, height: int, max_pixels: int) -> None:
    """Raise :class:`InputError` if a picture or a frame is larger than ``max_pixels``."""
    if width * height > max_pixels:
        raise InputError(f'{path}: expected up to {max_pixels:,} pixels, got {width} x {height}; '
                         'shrink it, or raise --max_pixels')
