"""Thumbnails from the sources of pictures; each video is read only once."""
import bisect
import concurrent.futures
import io
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple, Optional

import numpy as np
from PIL import Image

from picture_ranknet.errors import InputError
from picture_ranknet.machine import threads
from picture_ranknet.pictures.cuts import with_margin
from picture_ranknet.pictures.frames import FrameReader
from picture_ranknet.text import silent

QUALITY = 90  # of JPEG


class Place(NamedTuple):
    """Where a picture comes from.

    ``source`` is a file, ``frame`` counts from 0; ``box``, ``(x, y, w, h)`` in
    pixels, is cropped with a ``margin``, a fraction of its sides; ``None`` for
    the whole frame.
    """

    source: str
    frame: int = 0
    box: Optional[tuple] = None
    margin: float = 0.


def read(places: Sequence[Place], side: int,
         progress: Callable[[int], object] = silent) -> list:
    """Read pictures from their sources and shrink them.

    Args:
        places: In any order.
        side: Longer side of a thumbnail in pixels, at most.
        progress: Called with the number of pictures just done.

    Returns:
        list of bytes: A JPEG for each place; ``None`` where the source no
        longer exists, cannot be read or has changed.
    """
    by_source = {}
    for number, place in enumerate(places):
        by_source.setdefault(place.source, []).append(number)
    thumbnails = [None] * len(places)

    def read_source(numbers):
        frames = {}
        for number in numbers:
            frames.setdefault(places[number].frame, []).append(number)
        for index, img in _read_frames(places[numbers[0]].source, sorted(frames)):
            for number in frames[index]:
                thumbnails[number] = _shrink(img, places[number], side)
        return len(numbers)

    with concurrent.futures.ThreadPoolExecutor(threads.count(), 'thumbnails') as executor:
        for done in concurrent.futures.as_completed(
                [executor.submit(read_source, numbers) for numbers in by_source.values()]):
            progress(done.result())
    return thumbnails


def open_thumbnail(jpeg: bytes) -> np.ndarray:
    """The pixels of a thumbnail: RGB, ``uint8``, shape ``(H, W, 3)``."""
    with Image.open(io.BytesIO(jpeg)) as image:
        return np.asarray(image.convert('RGB'))


def _read_frames(path, wanted):
    """Yield number and pixels (BGR) of the wanted frames that can be read; sorted numbers."""
    if not os.path.isfile(path):
        return

    def slot(index, seconds):  # changes at each wanted frame
        return bisect.bisect_right(wanted, index) or None

    try:
        for frame in FrameReader([path], slot):
            if frame.index in wanted:
                yield frame.index, frame.img
            if frame.index >= wanted[-1]:
                return
    except (InputError, OSError):
        return


def _shrink(img, place, side):
    height, width = img.shape[:2]
    if place.box is not None:
        x, y, w, h = place.box
        if not (0 <= x < x + w <= width and 0 <= y < y + h <= height):
            return None
        left, top, w, h = with_margin(place.box, place.margin, width, height)
        img = img[top:top + h, left:left + w]
    image = Image.fromarray(np.ascontiguousarray(img[:, :, ::-1]))  # BGR -> RGB
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, 'JPEG', quality=QUALITY)
    return buffer.getvalue()
