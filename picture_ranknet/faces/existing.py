"""An existing set: adding to it, and removing rows from it."""
import os
from collections.abc import Iterator, Set
from typing import NamedTuple, Optional

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.storage import arrays, picture_set, ratings_txt
from picture_ranknet.text import count


class ExistingSet(NamedTuple):
    """A set that faces are added to.

    Attributes:
        X: The pictures, ``uint8``, shape ``(N, 3, size, size)``.
        columns: Column names of its table, without ``row``.
        rows: The table, a list of values for each picture.
        ratings: The text of its ratings, if they are kept in step.
    """

    X: np.ndarray
    columns: list
    rows: list
    ratings: Optional[str] = None

    def pictures(self) -> Iterator[np.ndarray]:
        """Yield the pictures one by one."""
        return arrays.walk(self.X)

    def next_scene(self) -> int:
        """The first scene number that is not in the table yet."""
        if 'group' not in self.columns:
            return 0
        column = self.columns.index('group')
        scenes = [picture_set.scene_of(row[column]) for row in self.rows]
        return 1 + max((scene for scene in scenes if scene is not None), default=-1)


NOTHING = ExistingSet(np.zeros((0, 3, 1, 1), np.uint8), picture_set.COLUMNS[1:], [])


def read_existing(path: str, size: int, ratings_path: Optional[str] = None) -> ExistingSet:
    """Read the set to add to; if there is none, ``NOTHING``.

    Args:
        path: The ``.npy`` file; its table lies beside it.
        size: Side of its pictures in pixels.
        ratings_path: Its ratings, one per line.

    Raises:
        InputError: If it has another size or type, or table or ratings do not
            fit it.
    """
    if not os.path.exists(path):
        return NOTHING
    X = arrays.read_pictures(path, (size, size))
    if X.dtype != np.uint8:
        raise InputError(f"{path}: expected uint8 pictures to add to, got {X.dtype}; save "
                         "X.astype('uint8')")
    ratings = ratings_txt.drop_ratings(ratings_path, len(X), ()) if ratings_path else None
    columns, *rows = picture_set.read_table(path, len(X))
    return ExistingSet(X, columns, rows, ratings)


def read_to_append(path: str, size: int, ratings_path: Optional[str] = None,
                   append: bool = True) -> ExistingSet:
    """As :func:`read_existing`, but first check that no ratings would become invalid.

    Without ``append``, return ``NOTHING``.
    """
    if not append:
        return NOTHING
    if not ratings_path:
        check_no_ratings(path, 'move it away')
    return read_existing(path, size, ratings_path)


def check_no_ratings(path: str, way_out: str) -> None:
    """Raise :class:`InputError` if ratings beside a set would no longer fit its rows.

    Args:
        path: The ``.npy`` file.
        way_out: What to do if the ratings should not be changed.
    """
    ratings = os.path.join(os.path.dirname(path), 'ratings.txt')
    if not os.path.exists(ratings) or not os.path.exists(path):
        return
    n = len(arrays.read_pictures(path))
    try:
        ratings_txt.read_ratings(ratings, n)
    except InputError:
        return  # they belong to something else
    raise InputError(f'{ratings}: has a rating for each of the {count(n, "picture")} and would no '
                     f'longer fit; update it as well with --ratings {ratings}, or {way_out}')


def remove_rows(path: str, rows: Set, ratings_path: Optional[str] = None,
                force: bool = False) -> None:
    """Remove rows from a set, and from its ratings.

    Args:
        path: The ``.npy`` file.
        rows: A set of row numbers, from 0.
        ratings_path: A file with a rating for each row.
        force: Without ``ratings_path``, leave ``ratings.txt`` beside the set
            unchanged, though it no longer fits.

    Raises:
        InputError: If there is no such row, no row would be left, or ratings
            would no longer fit.
    """
    if not ratings_path and not force:
        check_no_ratings(path, 'use --force to leave it unchanged')
    picture_set.drop(path, rows, ratings_path)
