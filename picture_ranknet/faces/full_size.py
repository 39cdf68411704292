"""The pictures of a set at the full resolution of their sources, or at any other size.

They are cut from the sources again, at the places in the set's table.  So they
take no disk space during a search, and can still be made years later.
"""
import bisect
import collections
import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.faces.crops import crop_box
from picture_ranknet.pictures import drawing, frames
from picture_ranknet.storage import arrays, picture_set
from picture_ranknet.text import count, silent

DIFFERENT = 25  # mean difference in levels of 255 from which a crop shows something else


class Place(NamedTuple):
    """Where a picture of a set comes from: a frame, a box in it and the margin around it."""

    row: int
    frame: int
    box: tuple
    margin: float


def cut_again(path: str, size: int, max_pixels: int, note: Callable = silent,
              progress: Callable[[int, int], None] = silent) -> Iterator[tuple[int, np.ndarray]]:
    """Cut all pictures of a set from their sources again.

    If a source is gone, cannot be read or has changed, the pictures of the set
    are used instead.

    Args:
        path: The ``.npy`` file; its table lies beside it.
        size: Side of the pictures in pixels; 0: original resolution.
        max_pixels: Sources whose frames are larger are not read.
        note: Called with a line for the user: which source cannot be read, and
            how many pictures were taken from the set.
        progress: Called with the number of pictures done, and the total.

    Yields:
        Each row once, in the order of the sources, and its picture, CHW, RGB:
        ``(3, size, size)``, or ``(3, H, W)`` if ``size`` is 0.
    """
    X = arrays.read_pictures(path)
    left = set(range(len(X)))
    for source, places in find_places(path, len(X)).items():
        if os.path.isfile(source):
            for row, cut in _cut_source(X, source, places, size, max_pixels, note):
                left.discard(row)
                yield row, cut
                progress(len(X) - len(left), len(X))
        arrays.release(X)
    if left:
        note(f'{path}: {count(len(left), "crop")} of {len(X):,} made from the pictures in the set: '
             'their sources are gone or have changed')
    for row in sorted(left):
        yield row, _resize(X[row], size)
        progress(len(X), len(X))


def _resize(picture, size):
    img = drawing.to_image(picture)
    return np.asarray(img.resize((size, size)) if size else img).transpose(2, 0, 1)  # HWC -> CHW


def find_places(path: str, n: int) -> dict[str, list[Place]]:
    """The places of the ``n`` pictures of a set in each existing source."""
    columns, *rows = picture_set.read_table(path, n)
    found = collections.defaultdict(list)
    for row, values in enumerate(rows):
        values = dict(zip(columns, values))
        try:
            box = tuple(int(values[side]) for side in 'xywh')
            place = Place(row, int(values['frame'] or 0), box, float(values.get('margin') or 0))
        except (KeyError, ValueError):
            continue
        # Names in the table are relative to where crop_faces.py ran.
        names = values['source'], os.path.join(os.path.dirname(path), values['source'])
        source = next(filter(os.path.isfile, names), None)
        if source and min(box[2:]) > 0 and 0 <= place.margin <= picture_set.MOST_MARGIN:
            found[source].append(place)
    return found


def _cut_source(X, source, places, size, max_pixels, note):
    by_frame = collections.defaultdict(list)
    for place in places:
        by_frame[place.frame].append(place)
    wanted = sorted(by_frame)
    reader = frames.FrameReader([source], lambda index, _: bisect.bisect_right(wanted, index),
                                max_pixels, note=note)
    try:
        for frame in reader:
            for place in by_frame.get(frame.index, []):  # the first one is read in any case
                if _is_inside(place.box, frame.img) and _is_same(X[place.row], frame.img, place):
                    yield place.row, crop_box(frame.img, place.box, size, place.margin)
            if frame.index == wanted[-1]:
                break
    except InputError as e:
        note(f'skipped {e}')


def _is_inside(box, img):
    x, y, w, h = box
    return 0 <= x <= x + w <= img.shape[1] and 0 <= y <= y + h <= img.shape[0]


def _is_same(picture, img, place):
    again = crop_box(img, place.box, picture.shape[2], place.margin)
    before = np.asarray(drawing.to_image(picture), np.float32).transpose(2, 0, 1)  # HWC -> CHW
    return again.shape == before.shape and np.abs(again - before).mean() < DIFFERENT
