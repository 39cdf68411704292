"""Ranked pictures and where they come from: items, best first, and the score of each file."""
import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Optional

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.pictures.thumbnails import Place
from picture_ranknet.ranking.library import Files
from picture_ranknet.storage import sidecars, tables

COLUMNS = ['source', 'frame', 'time', 'x', 'y', 'w', 'h', 'margin']


class Item(NamedTuple):
    """A scored picture.

    Attributes:
        source: The file that it was cropped from.
        row: Its row in ``X``.
        score: The model's score.
        place: Where it is in the file.
        time: Seconds into a video; ``None`` for a picture.
        is_best: Whether no other picture of the same file has a better score.
    """

    source: str
    row: int
    score: float
    place: Place
    time: Optional[float]
    is_best: bool


def of_files(files: Files, X_path: str, scores: np.ndarray) -> list[Item]:
    """Items of files of a library, best first.

    Args:
        files: What the library knows about them.
        X_path: Its pictures; their table lies beside them.
        scores: Scores of its pictures, shape ``(N,)``.
    """
    table = _read_table(X_path, len(scores))
    return _rank((path, row, table[row], scores[row])
                 for path, rows in zip(files.paths, files.rows) for row in rows or ())


def of_set(X_path: str, scores: np.ndarray) -> list[Item]:
    """Items of a set of pictures, best first; those whose source exists.

    Args:
        X_path: The pictures; the table beside them names their sources.
        scores: Shape ``(N,)``.

    Raises:
        InputError: If there is no table, or no picture's source exists.
    """
    is_table = os.path.exists(tables.table_path(X_path))
    table = _read_table(X_path, len(scores)) if is_table else []
    names = [values.get('source') for values in table]
    found = {name: sidecars.find_source(name, X_path) for name in set(names) if name}
    items = _rank((found[name], row, table[row], scores[row])
                  for row, name in enumerate(names) if found.get(name))
    if not items:
        raise InputError(f'{X_path}: --gallery, --sort_into and --xmp need the files that the '
                         'pictures were cropped from; its table names none that exists')
    return items


def _read_table(X_path, n):
    columns, rows = tables.read_table(tables.table_path(X_path), n, COLUMNS)
    return [dict(zip(columns, row)) for row in rows]


def _rank(entries: Iterable) -> list[Item]:
    entries = sorted(entries, key=lambda entry: -entry[3])  # equal ones stay in order
    items, seen = [], set()
    for source, row, values, score in entries:
        box = [_number(values.get(side)) for side in 'xywh']
        box = None if None in box else tuple(map(int, box))
        place = Place(source, int(_number(values.get('frame')) or 0), box,
                      _number(values.get('margin')) or 0.)
        items.append(Item(source, row, float(score), place, _number(values.get('time')),
                          source not in seen))
        seen.add(source)
    return items


def best_of_files(items: Iterable[Item]) -> dict:
    """The best item of each file, by file, best first."""
    return {item.source: item for item in items if item.is_best}


def scores_of(paths: Sequence[str], items: Iterable[Item]) -> np.ndarray:
    """The best score of each file, shape ``(len(paths),)``; ``nan`` where nothing is known."""
    best = best_of_files(items)
    return np.array([best[path].score if path in best else np.nan for path in paths], np.float32)


def write_table(path: str, items: Sequence[Item], marks: tuple) -> None:
    """Write a table of items.

    Args:
        path: The file to write.
        items: Best first.
        marks: From :func:`~picture_ranknet.ranking.marks.marks`, for the items.
    """
    columns, values = marks
    header = ['rank', 'score', *columns, 'source', 'frame', 'time', 'x', 'y', 'w', 'h', 'is_best']
    tables.write_table(path, header, (
        [rank, item.score, *marked, item.source, item.place.frame,
         '' if item.time is None else f'{item.time:.3f}', *(item.place.box or [''] * 4),
         int(item.is_best)]
        for rank, (item, marked) in enumerate(zip(items, values), 1)))


def _number(text):
    try:
        number = float(text)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) and abs(number) < 1e9 else None
