"""A set of pictures on disk: ``X.npy``, the table ``X.csv`` beside it, and ratings.

Their rows belong together, so they are changed together: all new files are
complete before the first one takes its place.  What is about to take its place
is noted beside them, so that :func:`finish` can go on after a crash.
"""
import contextlib
import json
import os

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.storage import arrays, atomic, ratings_txt, tables

COLUMNS = ['row', 'source', 'frame', 'time', 'x', 'y', 'w', 'h', 'group', 'confidence',
           'sharpness']


def write(path, pictures, table, ratings=None):
    """Write pictures, their table and, if given, the lines of their ratings.

    Args:
        path (str): The ``.npy`` file; the table goes beside it.
        pictures (iterable): At least one, each of shape ``(3, H, W)`` and of
            the same type.  They are written as they come.
        table (list): Column names, without ``row``, and a list of values for
            each picture.
        ratings (tuple): Path and text of the ratings.
    """
    columns, *rows = table
    names = [path, tables.table_path(path), *([ratings[0]] if ratings else [])]
    targets = list(map(os.path.realpath, names))  # a link keeps pointing where it points
    parts = list(map(atomic.part_of, targets))
    try:
        with atomic.naming(parts[0], path):
            n = _write_pictures(parts[0], pictures)
            atomic.sync(parts[0])
        if n != len(rows):
            raise ValueError('expected {} pictures, got {}'.format(len(rows), n))
        with atomic.naming(parts[1], names[1]):
            tables.write_rows(parts[1], ['row', *columns],
                             ([number, *row] for number, row in enumerate(rows)))
            atomic.sync(parts[1])
        if ratings:
            with atomic.naming(parts[2], names[2]):
                with open(parts[2], 'w', encoding='utf-8', newline='') as f:
                    f.write(ratings[1])
                atomic.sync(parts[2])
        _move(path, parts, targets, names)
    finally:
        if not os.path.exists(arrays.moves_path(path)):  # else finish() needs them
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


def _move(path, parts, targets, names):
    moves = arrays.moves_path(path)
    with atomic.replacing(moves) as part, open(part, 'w', encoding='utf-8') as f:
        json.dump([os.path.basename(part) for part in parts] + targets, f)
    try:
        finish(path)
    except OSError as e:
        e.filename = dict(zip(parts, names)).get(e.filename, e.filename)
        if all(map(os.path.exists, parts)):  # nothing has changed, and nothing shall
            os.remove(moves)
        raise


def finish(path):
    """Complete a change of a set that a crash has cut short; without one, do nothing.

    Args:
        path (str): The ``.npy`` file.
    """
    moves = arrays.moves_path(path)
    if not os.path.exists(moves):
        return
    for part, target in _read_moves(moves):
        with contextlib.suppress(FileNotFoundError):  # moved before
            os.replace(part, target)
    os.remove(moves)


def _read_moves(path):
    """Pairs of a part and its place; a part lies beside its place, whatever the file says."""
    try:
        with open(path, encoding='utf-8') as f:
            names = json.loads(f.read(tables.ROW_LIMIT))
        parts, targets = names[:len(names) // 2], names[len(names) // 2:]
        if not all(map(atomic.is_part_of, parts, targets)):
            raise ValueError('other names')
    except (ValueError, TypeError, RecursionError) as e:
        raise InputError('{}: expected what crop_faces.py wrote, got something else; remove '
                               'it'.format(path)) from e
    return [(os.path.join(os.path.dirname(target), part), target)
            for part, target in zip(parts, targets)]


def read_table(path, n):
    """The table of ``n`` pictures: column names without ``row``, and a list of values for each.

    Where there is none, all that is known is how many there are.
    """
    table = tables.table_path(path)
    if not os.path.exists(table):
        return [COLUMNS[1:], *([''] * (len(COLUMNS) - 1) for _ in range(n))]
    columns, rows = tables.read_table(table, n)
    kept = [number for number, column in enumerate(columns) if column != 'row']
    return [[columns[number] for number in kept],
            *([row[number] for number in kept] for row in rows)]


def drop(path, rows, ratings_path=None):
    """Remove rows of a set, from its ratings as well.

    Args:
        path (str): The ``.npy`` file.
        rows (set of int): Which, from 0.
        ratings_path (str): A file with a rating for each row.

    Raises:
        InputError: If there is no such row, or no other.
    """
    X = arrays.read_pictures(path)
    wrong = sorted(row for row in rows if row >= len(X))
    if wrong:
        raise InputError('{}: expected rows from 0 to {}, got {}; see the numbers on the '
                               'sheet'.format(path, len(X) - 1, wrong[0]))
    if len(rows) == len(X):
        raise InputError('{}: no picture would be left; remove the file'.format(path))
    kept = [row for row in range(len(X)) if row not in rows]
    columns, *table = read_table(path, len(X))
    ratings = None
    if ratings_path:
        ratings = ratings_path, ratings_txt.drop_ratings(ratings_path, len(X), rows)
    write(path, arrays.walk(X, kept),
          [columns, *(table[row] for row in kept)], ratings)


class NpyWriter:

    """A ``.npy`` file that grows by one array at a time.

    NumPy pads the header so that the length of the first axis has room to
    grow: it is written again, in its place, at the end.

    Args:
        path (str): The file to write.
        shape (tuple of int): Of each array.
        dtype (numpy.dtype): Of each array.
    """

    def __init__(self, path, shape, dtype=np.uint8):
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.length = 0
        self.file = open(path, 'wb')
        self._write_header()

    def append(self, array):
        if array.shape != self.shape or array.dtype != self.dtype:
            raise ValueError('expected {} of shape {}, got {} of shape {}'.format(
                self.dtype, self.shape, array.dtype, array.shape))
        self.file.write(array.tobytes())
        self.length += 1

    def _write_header(self):
        np.lib.format.write_array_header_1_0(self.file, {
            'descr': np.lib.format.dtype_to_descr(self.dtype), 'fortran_order': False,
            'shape': (self.length, *self.shape)})

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            with contextlib.suppress(OSError):  # what went wrong is on its way already
                self.file.close()
            return
        with self.file:
            self.file.seek(0)
            self._write_header()
