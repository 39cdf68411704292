"""A set of pictures: ``X.npy``, the table ``X.csv`` beside it, and optionally its ratings.

Row *i* of each refers to the same picture, so they are changed together: after
a crash either all are old or all are new (:mod:`.replacing`).
"""
import contextlib
import os
import re
from collections.abc import Iterable, Set
from typing import NamedTuple, Optional

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.storage import arrays, atomic, ratings_txt, replacing, tables
from picture_ranknet.storage.npy import NpyWriter
from picture_ranknet.storage.replacing import finish

__all__ = ['COLUMNS', 'FACE', 'NpyWriter', 'PICTURE', 'Preparation', 'drop', 'finish', 'group_id',
           'read_preparation', 'read_table', 'scene_of', 'write']

COLUMNS = ['row', 'source', 'frame', 'time', 'x', 'y', 'w', 'h', 'group', 'confidence',
           'sharpness', 'kind', 'margin']
MOST_MARGIN = 1000          # of --margin
FACE, PICTURE = 'face', 'picture'  # what a row shows: a face, or a whole picture


class Preparation(NamedTuple):
    """How the pictures of a set were cropped.

    ``kind`` is ``FACE`` or ``PICTURE``; ``margin`` is the padding around a
    face, as a fraction of its side.
    """

    kind: str
    margin: float


def group_id(scene: int, track: int) -> str:
    """The ``group`` of pictures that show one face in one scene, such as ``s0t10``.

    It is not a number: a spreadsheet or pandas would save 0.10 as 0.1, which
    is another track.
    """
    return f's{scene}t{track}'


def scene_of(group: str) -> Optional[int]:
    """The scene of a ``group``; ``None`` if :func:`group_id` did not make it."""
    found = re.fullmatch(r's([0-9]{1,15})t[0-9]+', group)
    return int(found[1]) if found else None


def write(path: str, pictures: Iterable[np.ndarray], table: list,
          ratings: Optional[tuple] = None) -> None:
    """Write pictures, their table and, if given, their ratings.

    Args:
        path: The ``.npy`` file; the table goes beside it.
        pictures: At least one, each of shape ``(3, H, W)`` and of the same
            type; written one at a time.
        table: Column names, without ``row``, then a list of values for each
            picture.
        ratings: Path and text of the ratings.

    Raises:
        ValueError: If table and pictures differ in number.
    """
    columns, *rows = table
    names = [path, tables.table_path(path), *([ratings[0]] if ratings else [])]
    targets = list(map(os.path.realpath, names))  # a link keeps pointing where it points
    parts = list(map(atomic.part_of, targets))
    try:
        with atomic.naming(parts[0], path):
            n = _write_pictures(parts[0], pictures)
        if n != len(rows):
            raise ValueError(f'expected {len(rows)} pictures, got {n}')
        with atomic.naming(parts[1], names[1]):
            tables.write_rows(parts[1], ['row', *columns],
                              ([number, *row] for number, row in enumerate(rows)))
        if ratings:
            with atomic.naming(parts[2], names[2]), \
                    open(parts[2], 'w', encoding='utf-8', newline='') as f:
                f.write(ratings[1])
        for part, target, name in zip(parts, targets, names):
            with atomic.naming(part, name):
                atomic.complete(part, target)
        replacing.replace_all(path, parts, targets, names)
    finally:
        if not os.path.exists(replacing.note_path(path)):  # else finish() needs them
            for part in parts:
                with contextlib.suppress(FileNotFoundError):
                    os.remove(part)


def _write_pictures(path, pictures):
    pictures = iter(pictures)
    first = next(pictures)
    with NpyWriter(path, first.shape, first.dtype) as writer:
        writer.append(first)
        for picture in pictures:
            writer.append(picture)
    return writer.length


def read_table(path: str, n: int) -> list:
    """Read the table of ``n`` pictures.

    Args:
        path: The ``.npy`` file.
        n: The number of pictures.

    Returns:
        list: Column names without ``row``, then a list of values for each
        picture; all empty if there is no table.

    Raises:
        InputError: As :func:`tables.read_table` does.
    """
    table = tables.table_path(path)
    if not os.path.exists(table):
        return [COLUMNS[1:], *([''] * (len(COLUMNS) - 1) for _ in range(n))]
    columns, rows = tables.read_table(table, n)
    kept = [number for number, column in enumerate(columns) if column != 'row']
    return [[columns[number] for number in kept],
            *([row[number] for number in kept] for row in rows)]


def read_preparation(path: str, n: int) -> Optional[Preparation]:
    """How the ``n`` pictures of a set were cropped.

    Returns:
        ``None`` if there is no table, or it does not say, or its rows differ.
    """
    table = tables.table_path(path)
    if not os.path.exists(table):
        return None
    columns, rows = tables.read_table(table, n, ['kind', 'margin'])
    found = {tuple(row) for row in rows}
    if sorted(columns) != ['kind', 'margin'] or len(found) != 1:
        return None
    values = dict(zip(columns, found.pop()))
    try:
        margin = float(values['margin'])
    except ValueError:
        return None
    is_known = values['kind'] in (FACE, PICTURE) and 0 <= margin <= MOST_MARGIN
    return Preparation(values['kind'], margin) if is_known else None


def drop(path: str, rows: Set, ratings_path: Optional[str] = None) -> None:
    """Remove rows from a set and from its ratings.

    Args:
        path: The ``.npy`` file.
        rows: The rows, from 0.
        ratings_path: A file with a rating for each row.

    Raises:
        InputError: If there is no such row, or no row would be left.
    """
    X = arrays.read_pictures(path)
    wrong = next((row for row in rows if row >= len(X)), None)
    if wrong is not None:
        raise InputError(f'{path}: expected rows from 0 to {len(X) - 1}, got {wrong}; see the '
                         'numbers on the sheet')
    if len(rows) == len(X):
        raise InputError(f'{path}: no picture would be left; remove the file instead')
    kept = [row for row in range(len(X)) if row not in rows]
    columns, *table = read_table(path, len(X))
    ratings = None
    if ratings_path:
        ratings = ratings_path, ratings_txt.drop_ratings(ratings_path, len(X), rows)
    write(path, arrays.walk(X, kept), [columns, *(table[row] for row in kept)], ratings)
