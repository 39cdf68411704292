"""Rated pictures to train on, and to validate on."""
import os
from collections.abc import Callable, Sequence
from typing import Optional

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.models.predictor import SMALLEST
from picture_ranknet.pictures import xmp_ratings
from picture_ranknet.storage import arrays, ratings_txt, sidecars, tables
from picture_ranknet.storage.arrays import RatedPictures
from picture_ranknet.text import count, silent

GROUP = 'group'  # the column of scene and track


def load(X_path: str, ratings_path: str, features_path: Optional[str] = None,
         image_size: Optional[tuple] = None, n_features: Optional[int] = None,
         note: Callable[[str], object] = silent, from_xmp: bool = False) -> RatedPictures:
    """Read pictures, their ratings and, if there is a path, their features.

    Args:
        X_path, ratings_path, features_path: The files; ``features_path`` may be ``None``.
        image_size: Height and width that the pictures must have; ``None`` for any.
        n_features: Features that each picture must have; ``None`` or 0 for any number.
        note: Called with each line for the user.
        from_xmp: Whether to fill in missing ratings from XMP; ``ratings_path`` need not
            exist then.

    Raises:
        InputError: If a file is invalid, a picture is smaller than 13 x 13, or
            no two ratings differ.
    """
    X = arrays.read_pictures(X_path, image_size)
    if min(X.shape[2:]) < SMALLEST:
        raise InputError(f'{X_path}: expected pictures of at least {SMALLEST} x {SMALLEST} pixels, '
                         f'got {X.shape[3]} x {X.shape[2]}; see --size of crop_faces.py')
    arrays.check_finite(X_path, X)
    if from_xmp:
        ratings = _read_with_xmp(X_path, ratings_path, len(X), note)
    else:
        ratings = ratings_txt.read_ratings(ratings_path, len(X))
    rows = np.flatnonzero(~np.isnan(ratings))
    note(arrays.describe(X_path, X))
    if len(rows) < len(X):
        note(f'{ratings_path}: {len(X) - len(rows)} of {len(X)} pictures are not rated (nan) and '
             'are skipped')
    if len(np.unique(ratings[rows])) < 2:
        raise InputError(f'{ratings_path}: expected at least two pictures with different ratings, '
                         f'got {len(rows)} with equal ratings; rate more of them')
    features = arrays.read_features(features_path, len(X), n_features) if features_path else None
    return RatedPictures(X, ratings, rows, features)


def _read_with_xmp(X_path, ratings_path, n, note):
    """Ratings of the file, which stays unchanged, filled in from XMP."""
    ratings, rejected = np.full(n, np.nan), []
    if os.path.exists(ratings_path):
        ratings = ratings_txt.read_ratings(ratings_path, n)
        rejected = [row for row, line in ratings_txt.rating_lines(ratings_path, n)
                    if line.strip() == ratings_txt.REJECTED]
    said = np.array(xmp_ratings.read_ratings_of_set(X_path, n, note))
    said[rejected] = np.nan
    is_other_scale = (ratings < 1) | (ratings > sidecars.MOST_STARS)
    if is_other_scale.any():
        raise InputError(f'{ratings_path}: expected ratings from 1 to 5, as in XMP, got '
                         f'{ratings[is_other_scale][0]:g}; leave --from_xmp out')
    taken = np.isnan(ratings) & (said > 0)  # neither unknown nor rejected
    note(f'{ratings_path}: {count(int(np.isfinite(ratings).sum()), "rating")}; '
         f'{taken.sum():,} more from XMP')
    return np.where(taken, said, ratings)


def load_sets(train: Sequence, model=None, valid: Optional[Sequence] = None,
              ratio: Optional[float] = None, seed: int = 0, note: Callable[[str], object] = silent,
              from_xmp: bool = False, valid_by: str = GROUP) -> tuple:
    """Rated pictures to train on, and to validate on; ``None`` if there are none of the latter.

    Args:
        train: Paths of pictures, ratings and features; the last may be ``None``.
        model (net.RankNet): The model that training starts from, if any: the
            pictures and the number of features must fit it.
        valid: Paths as in ``train``, or ``None``.
        ratio: Without ``valid``, the fraction of ``train`` to hold out, if any.
        seed: Random seed of this split.
        note: Called with each line for the user.
        from_xmp: Whether to take training ratings from XMP, too.
        valid_by: The column of the table whose groups are not split.

    Raises:
        InputError: As :func:`load`, :func:`read_groups` and :func:`hold_out` do.
    """
    pictures = load(*train, model and model.image_size, model and model.predictor.n_features, note,
                    from_xmp)
    if ratio:
        groups = read_groups(train[0], len(pictures.X), valid_by)
        return hold_out(pictures, ratio, seed, groups, note, valid_by)
    if not valid:
        return pictures, None
    n_features = None if pictures.features is None else pictures.features.shape[1]
    return pictures, load(*valid, pictures.X.shape[2:], n_features, note)


def hold_out(pictures: RatedPictures, ratio: float, seed: int, groups: Sequence,
             note: Callable[[str], object] = silent, by: str = GROUP) -> tuple:
    """Split rated pictures at random: to train on, and to validate on.

    Args:
        pictures: All of them.
        ratio: Fraction to hold out.
        seed: Random seed of the split.
        groups: The group of each picture; no group is split.
        note: Called with a line if there are groups.
        by: The column that holds the groups.

    Raises:
        InputError: If no two ratings of a part differ.
    """
    members = {}
    for row in np.random.default_rng(seed).permutation(pictures.rows):
        members.setdefault(groups[row], []).append(row)
    wanted = max(1, round(ratio * len(pictures.rows)))
    train, valid = [], []
    for rows in members.values():
        comes_nearer = abs(wanted - len(valid) - len(rows)) < abs(wanted - len(valid))
        (valid if comes_nearer else train).extend(rows)
    for part, purpose in (train, 'to train on'), (valid, 'to validate on'):
        if len(np.unique(pictures.ratings[part])) < 2:
            raise InputError(
                f'--valid_ratio {ratio}: of {len(pictures.rows)} rated pictures in '
                f'{count(len(members), "group")}, {len(part)} are {purpose}, and no two of them '
                'have different ratings; rate more or choose another ratio')
    if len(members) < len(pictures.rows):
        what = 'face tracked through a scene' if by == GROUP else by
        note(f'{count(len(valid), "picture")} held out for validation; no {what} is in both parts')
    return tuple(pictures._replace(rows=np.sort(part)) for part in (train, valid))


def read_groups(X_path: str, n: int, by: str = GROUP) -> list:
    """The group of each of ``n`` pictures, from a column of the table beside them.

    Pictures of one track in a scene show the same face: a network trained on
    one of them knows the others.

    Args:
        X_path: The pictures.
        n: The number of pictures.
        by: The column.  An empty cell takes the value of another picture of
            the same track; failing that, the track is the group, if the table
            has it; otherwise the picture is a group by itself.

    Raises:
        InputError: If the table is invalid, or the column, unless it is
            ``GROUP``, is missing or empty.
    """
    table = tables.table_path(X_path)
    columns, rows = [], [[]] * n
    if os.path.exists(table):
        columns, rows = tables.read_table(table, n, [GROUP, by])
    elif by != GROUP:
        raise InputError(f'{table}: there is no such table; --valid_by {by} needs one with the '
                         f'columns row and {by}, a line for each picture')
    if by != GROUP and by not in columns:
        raise InputError(f'{table}: expected a column {by} for --valid_by; add it, and fill it in '
                         'for each picture')
    rows = [dict(zip(columns, map(str.strip, row))) for row in rows]
    if by != GROUP and not any(row[by] for row in rows):
        raise InputError(f'{table}: expected values in the column {by} for --valid_by, got empty '
                         'cells only; fill it in')
    of_track = {row.get(GROUP): row[by] for row in rows if row.get(by)}
    return [row.get(by) or row.get(GROUP) and of_track.get(row[GROUP], row[GROUP]) or number
            for number, row in enumerate(rows)]


def add_features(model, train: RatedPictures) -> None:
    """Add an input for the features of ``train`` to a model without features."""
    model.predictor.add_features(train.features.shape[1])
    model.predictor.features.standardize_by(train.features[train.rows])
    model.predictor.features.to_device(model.device)
