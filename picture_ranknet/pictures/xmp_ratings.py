"""Ratings that a person gave in other programs: XMP in sidecars, or in the pictures.

digiKam, darktable and Lightroom write ``xmp:Rating`` into sidecars
(:mod:`picture_ranknet.storage.sidecars`) or, like Windows, into the files
themselves.  Stars that we predicted do not count as ratings.
"""
import math
import os
import warnings
from collections.abc import Callable, Iterable
from typing import Optional

from PIL import Image

from picture_ranknet.errors import InputError
from picture_ranknet.pictures import kinds
from picture_ranknet.storage import sidecars, tables
from picture_ranknet.text import silent

FORMATS = 'JPEG', 'PNG', 'TIFF', 'WEBP'  # that may contain XMP


def rating_of(path: str) -> Optional[float]:
    """A person's rating of a picture: 1 to 5 stars, -1 if rejected, ``None`` if not rated.

    The sidecar takes precedence over the picture itself.

    Raises:
        InputError: If there is XMP that cannot be read.
        OSError: If a file cannot be read.
    """
    sidecar = sidecars.find_sidecar(path)
    said = sidecars.read(sidecar) if sidecar else sidecars.Sidecar()
    return said.rating if said.rating and not said.is_ours else embedded_rating(path)


def embedded_rating(path: str) -> Optional[float]:
    """As :func:`rating_of`, but only from the picture itself."""
    kind = kinds.tell(kinds.read_head(path))
    if kind is None or kind.name not in FORMATS:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # about its size: nothing is decoded
            with Image.open(path, formats=[kind.name]) as image:
                packet = image.info.get('xmp')
    except Exception:  # Pillow's formats raise many kinds; reported where the pixels are needed
        return None
    if not packet:
        return None
    packet = packet.encode() if isinstance(packet, str) else packet
    return sidecars.read_packet(packet, path).rating or None


def read_ratings(paths: Iterable[str], note: Callable[[str], object] = silent) -> list:
    """People's ratings of pictures, from sidecars or the pictures.

    Args:
        paths: The pictures.
        note: Called with a line for each that cannot be read.

    Returns:
        list of float: Stars 1 to 5, or -1 for rejected; ``nan`` where there
        is no rating (or 0), or only stars that we predicted.
    """
    ratings = []
    for path in paths:
        rating = None
        try:
            rating = rating_of(path)
        except (InputError, OSError) as e:
            note(f'skipped {e}' if isinstance(e, InputError)
                 else f'skipped {e.filename or path}: {e.strerror or e}')
        ratings.append(math.nan if rating is None else rating)
    return ratings


def read_ratings_of_set(X_path: str, n: int, note: Callable[[str], object] = silent) -> list:
    """People's ratings of the files that ``n`` pictures were cropped from.

    Each picture has the rating of its file; crops from a video have none.

    Args:
        X_path: The pictures; the table beside them names their files.
        n: The number of pictures.
        note: Called with a line for each rating that cannot be read.

    Returns:
        list of float: As from :func:`read_ratings`; ``nan`` also where the
        file no longer exists.

    Raises:
        InputError: If there is no table, or it does not fit.
    """
    table = tables.table_path(X_path)
    if not os.path.exists(table):
        raise InputError(f'{table}: --from_xmp needs this table, which names the files that the '
                         f'pictures of {X_path} were cropped from, but it does not exist')
    columns, rows = tables.read_table(table, n, ['source', 'time'])
    rows = [dict(zip(columns, row)) for row in rows]
    names = [None if row.get('time') else row.get('source') for row in rows]
    found = {name: sidecars.find_source(name, X_path) for name in set(names) if name}
    paths = sorted(filter(None, found.values()))
    ratings = dict(zip(paths, read_ratings(paths, note)))
    return [ratings.get(found.get(name), math.nan) for name in names]
