"""A gallery of ranked pictures: a folder with a page for any browser and sheets of thumbnails.

The page loads nothing from elsewhere and sends nothing anywhere.  A sheet holds
a hundred thumbnails, so ten thousand of them are a hundred files, of which the
browser reads only those that it shows.
"""
import html
import json
import os
import pathlib
import re
import shutil
from collections.abc import Iterable
from typing import NamedTuple, Optional

import numpy as np
from PIL import Image

from picture_ranknet.errors import InputError
from picture_ranknet.storage import atomic

SIDE = 192      # pixels; the longer side of a thumbnail
COLUMNS = 10    # thumbnails per row of a sheet, and rows per sheet
QUALITY = 85
TEMPLATE = pathlib.Path(__file__).parent / 'gallery_page' / 'gallery.html'
THUMBS = 'thumbs', 'thumbs-2'  # alternate when a gallery is replaced
MARK = '<meta name="generator" content="picture-ranknet gallery">'


class Entry(NamedTuple):
    """A picture of a gallery.

    ``thumbnail`` is RGB, ``uint8``, shape ``(H, W, 3)``, or a callable that
    returns it; ``source`` is the path of the picture or the video, ``time``
    the time in the video in seconds, ``score`` the model's score.  ``stars``,
    1 to 5, and ``probability``, 0 to 1, that the person would give 4 or more,
    are ``None`` if unknown.
    """

    thumbnail: object
    source: str
    score: float
    time: Optional[float] = None
    stars: Optional[int] = None
    probability: Optional[float] = None


def check_folder(folder: str) -> None:
    """Raise :class:`InputError` if a folder holds anything other than a gallery of ours."""
    if not os.path.lexists(folder):
        parent = os.path.dirname(os.path.abspath(folder))
        if not os.path.isdir(parent):
            raise InputError(f'{folder}: there is no folder {parent}; create it first')
        return
    if not os.path.isdir(folder):
        raise InputError(f'{folder}: expected a folder for the gallery, got a file')
    names = [name for name in os.listdir(folder) if not name.startswith('.')]
    if names and not (set(names) <= {'index.html', *THUMBS} and _thumbs_of(folder)):
        raise InputError(f'{folder}: expected a new or empty folder, or one with a gallery to '
                         'replace, got one with other files in it; choose another folder')


def _thumbs_of(folder):
    """Where the thumbnails of a gallery are, one of ``THUMBS``; ``None`` if it is not ours."""
    try:
        with open(os.path.join(folder, 'index.html'), encoding='utf-8', errors='replace') as f:
            head = f.read(2000)
    except FileNotFoundError:
        return None
    found = re.search('<meta name="thumbnails" content="(.*?)">', head)
    return found[1] if MARK in head and found and found[1] in THUMBS else None


def write(folder: str, entries: Iterable[Entry], title: str) -> None:
    """Write a gallery.

    A killed process leaves the old gallery or the new one.

    Args:
        folder: New, empty, or a gallery to replace.
        entries: Best first; read one at a time, so there may be many.
        title: Title of the page.

    Raises:
        InputError: If the folder holds something else, or another process is
            replacing the gallery.
    """
    check_folder(folder)
    place = os.path.abspath(folder)
    if _thumbs_of(place):
        _replace(folder, place, entries, title)
        return
    part = atomic.part_of(place)
    try:
        with atomic.naming(part, folder):
            _make_anew(part)
            thumbs = os.path.join(part, THUMBS[0])
            os.mkdir(thumbs)
            page = _render(_draw_sheets(thumbs, entries), THUMBS[0], title)
            with open(os.path.join(part, 'index.html'), 'w', encoding='utf-8') as f:
                f.write(page)
            if os.path.isdir(place):
                os.rmdir(place)
            os.replace(part, place)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _replace(folder, place, entries, title):
    """Write new thumbnails beside the old ones, then replace the page, which names its folder."""
    with open(os.path.join(place, '.lock'), 'ab') as lock:
        atomic.lock(lock, f'{folder}: another predict.py is writing to it; wait for it, or choose '
                          'another --gallery')
        new = next(name for name in THUMBS if name != _thumbs_of(place))
        shutil.rmtree(os.path.join(place, new), ignore_errors=True)  # left by a killed run
        part = atomic.part_of(os.path.join(place, new))
        try:
            with atomic.naming(part, folder):
                _make_anew(part)
                page = _render(_draw_sheets(part, entries), new, title)
                os.replace(part, os.path.join(place, new))
            with atomic.replacing(os.path.join(place, 'index.html')) as page_part, \
                    open(page_part, 'w', encoding='utf-8') as f:
                f.write(page)
        finally:
            is_shown = _thumbs_of(place)
            for left in part, *(os.path.join(place, name) for name in THUMBS if name != is_shown):
                shutil.rmtree(left, ignore_errors=True)


def _make_anew(part):
    shutil.rmtree(part, ignore_errors=True)  # left by a killed process with our process ID
    os.mkdir(part)


def _render(items, thumbs, title):
    """The page; iterating over ``items`` draws the thumbnails."""
    data = f"[{','.join(json.dumps(item, separators=(',', ':')) for item in items)}]"
    data = data.replace('<', '\\u003c')
    values = {'title': html.escape(title), 'thumbs': thumbs, 'items': data}
    return re.sub('{{(title|thumbs|items)}}', lambda found: values[found[1]],
                  TEMPLATE.read_text(encoding='utf-8'))


def _draw_sheets(folder, entries):
    """Draw the thumbnails; yield the page's data about each entry."""
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
