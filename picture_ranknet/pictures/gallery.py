"""A gallery of ranked pictures: a folder with a page for any browser and sheets of thumbnails.

The page loads nothing from elsewhere and sends nothing anywhere.  Thumbnails
lie a hundred to a sheet, so that ten thousand of them are a hundred files, of
which the browser reads those that it shows.
"""
import html
import json
import os
import pathlib
import shutil
from collections.abc import Iterable
from typing import NamedTuple, Optional

import numpy as np
from PIL import Image

from picture_ranknet.errors import InputError
from picture_ranknet.storage import atomic

SIDE = 192      # pixels; the longer side of a thumbnail
COLUMNS = 10    # thumbnails to a row of a sheet, and rows to a sheet
QUALITY = 85
TEMPLATE = pathlib.Path(__file__).parent / 'gallery_page' / 'gallery.html'
MARK = '<meta name="generator" content="picture-ranknet gallery">'


class Entry(NamedTuple):
    """A picture of a gallery.

    ``thumbnail`` is RGB, ``uint8``, shape ``(H, W, 3)``, or a callable that
    returns it; ``source`` is the path of the picture or the video, ``time``
    the second of the video, ``score`` the model's.  ``stars``, 1 to 5, and
    ``probability``, 0 to 1, that the person would give 4 or more, are
    ``None`` where nobody knows.
    """

    thumbnail: object
    source: str
    score: float
    time: Optional[float] = None
    stars: Optional[int] = None
    probability: Optional[float] = None


def check_folder(folder: str) -> None:
    """Raise :class:`InputError` if a folder holds something else than a gallery of ours."""
    if not os.path.lexists(folder):
        parent = os.path.dirname(os.path.abspath(folder))
        if not os.path.isdir(parent):
            raise InputError(f'{folder}: there is no folder {parent}; make it first')
        return
    if not os.path.isdir(folder):
        raise InputError(f'{folder}: expected a folder for the gallery, got a file')
    names = set(os.listdir(folder))
    if names and not (names == {'index.html', 'thumbs'} and _is_ours(folder)):
        raise InputError(f'{folder}: expected a new or empty folder, or one with a gallery to '
                         'replace, got one with other files in it; choose another')


def _is_ours(folder):
    with open(os.path.join(folder, 'index.html'), encoding='utf-8', errors='replace') as f:
        return MARK in f.read(2000)


def write(folder: str, entries: Iterable[Entry], title: str) -> None:
    """Write a gallery.

    Args:
        folder: New, empty, or a gallery to replace.
        entries: Best first; read one after the other, so that they may be many.
        title: What stands above.

    Raises:
        InputError: If there is something else in the folder.
    """
    check_folder(folder)
    folder = os.path.abspath(folder)
    part = atomic.part_of(folder)
    try:
        os.makedirs(os.path.join(part, 'thumbs'))
        items = list(_draw_sheets(os.path.join(part, 'thumbs'), entries))
        page = TEMPLATE.read_text(encoding='utf-8')
        data = json.dumps(items, separators=(',', ':')).replace('<', '\\u003c')
        page = page.replace('{{title}}', html.escape(title)).replace('{{items}}', data)
        with open(os.path.join(part, 'index.html'), 'w', encoding='utf-8') as f:
            f.write(page)
        if os.path.isdir(folder):
            shutil.rmtree(folder)
        os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _draw_sheets(folder, entries):
    """Draw the thumbnails; yield what the page knows of each entry."""
    sheet, number = None, 0
    for n, entry in enumerate(entries):
        place = n % COLUMNS ** 2
        if place == 0:
            if sheet:
                _save(sheet, folder, number)
                number += 1
            sheet = Image.new('RGB', (SIDE * COLUMNS, SIDE * COLUMNS))
        thumbnail = entry.thumbnail() if callable(entry.thumbnail) else entry.thumbnail
        picture = Image.fromarray(np.ascontiguousarray(thumbnail))
        scale = SIDE / max(picture.size)
        width, height = (max(1, round(side * scale)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
        sheet.paste(picture, (place % COLUMNS * SIDE, place // COLUMNS * SIDE))
        yield {'u': pathlib.Path(os.path.abspath(entry.source)).as_uri(), 'n': entry.source,
               's': round(float(entry.score), 4), 't': entry.time, 'k': entry.stars,
               'p': entry.probability and round(float(entry.probability), 3),
               'w': width, 'h': height}
    if sheet:
        _save(sheet, folder, number)


def _save(sheet, folder, number):
    sheet.save(os.path.join(folder, f'{number:04}.jpg'), quality=QUALITY, subsampling=0)
