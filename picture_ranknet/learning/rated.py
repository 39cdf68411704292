"""Rated pictures to learn from, and to validate with."""
import os
from collections.abc import Callable, Sequence

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.models.predictor import SMALLEST
from picture_ranknet.pictures import xmp_ratings
from picture_ranknet.storage import arrays, ratings_txt, sidecars, tables
from picture_ranknet.storage.arrays import RatedPictures
from picture_ranknet.text import count, silent

GROUP = 'group'  # the column of scene and track


def load(X_path: str, ratings_path: str, features_path: str = None, image_size: tuple = None,
         n_features: int = None, note: Callable[[str], object] = silent,
         from_xmp: bool = False) -> RatedPictures:
    """Read pictures, their ratings and, if there is a path, their features.

    Args:
        X_path, ratings_path, features_path: The files; ``features_path`` may be ``None``.
        image_size: Height and width that the pictures must have; ``None`` for any.
        n_features: Features that each picture must have; ``None`` or 0 for any number.
        note: Called with each line for the user.
        from_xmp: Whether XMP says what ``ratings_path`` does not; there need not be such a
            file then.

    Raises:
        InputError: If a file is not as it should be, a picture is below 13 x 13,
            or no two ratings differ.
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
                         f'got {len(rows)} rated alike; rate more of them')
    features = arrays.read_features(features_path, len(X), n_features) if features_path else None
    return RatedPictures(X, ratings, rows, features)


def _read_with_xmp(X_path, ratings_path, n, note):
    """Ratings, where the file has none those of XMP; it stays as it is."""
    ratings, rejected = np.full(n, np.nan), []
    if os.path.exists(ratings_path):
        ratings = ratings_txt.read_ratings(ratings_path, n)
        rejected = [row for row, line in ratings_txt.rating_lines(ratings_path, n)
                    if line.strip() == ratings_txt.REJECTED]
    said = np.array(xmp_ratings.read_ratings_of_set(X_path, n, note))
    said[rejected] = np.nan
    is_other_scale = (ratings < 1) | (ratings > sidecars.MOST_STARS)
    if is_other_scale.any():
        raise InputError(f'{ratings_path}: expected ratings from 1 to 5, which XMP has, got '
                         f'{ratings[is_other_scale][0]:g}; leave --from_xmp out')
    taken = np.isnan(ratings) & (said > 0)  # neither unknown nor rejected
    note(f'{ratings_path}: {count(int(np.isfinite(ratings).sum()), "rating")}; '
         f'{taken.sum():,} more from XMP')
    return np.where(taken, said, ratings)


def load_sets(train: Sequence, model=None, valid: Sequence = None, ratio: float = None,
              seed: int = 0, note: Callable[[str], object] = silent,
              from_xmp: bool = False, valid_by: str = GROUP) -> tuple:
    """Rated pictures to train on, and to validate with: ``None`` if there are none of these.

    Args:
        train: Paths of pictures, ratings and features; the last may be ``None``.
        model (net.RankNet): What training starts from, if anything: the
            pictures must be of its size, the features of its number.
        valid: Paths as in ``train``, or ``None``.
        ratio: Without ``valid``, the share of ``train`` to validate with, if any.
        seed: Of this split.
        note: Called with each line for the user.
        from_xmp: Whether ratings to train on are taken from XMP, too.
        valid_by: The column of the table whose groups this split leaves whole.

    Raises:
        InputError: As of :func:`load`, :func:`read_groups` and :func:`hold_out`.
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
    """Split rated pictures at random: to train on, and to validate with.

    Args:
        pictures: All of them.
        ratio: Share to validate with.
        seed: Of the split.
        groups: The group of each picture; no group is split.
        note: Called with a line if there are groups.
        by: The column that says the groups.

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
    for part, purpose in (train, 'to train on'), (valid, 'to validate with'):
        if len(np.unique(pictures.ratings[part])) < 2:
            raise InputError(
                f'--valid_ratio {ratio}: of {len(pictures.rows)} rated pictures in '
                f'{count(len(members), "group")}, {len(part)} are {purpose}, and no two of them '
                'are rated differently; rate more or choose another ratio')
    if len(members) < len(pictures.rows):
        what = 'face that was followed through a scene' if by == GROUP else by
        note(f'{count(len(valid), "picture")} held out to validate with; no {what} is in both '
             'parts')
    return tuple(pictures._replace(rows=np.sort(part)) for part in (train, valid))


def read_groups(X_path: str, n: int, by: str = GROUP) -> list:
    """The group of each of ``n`` pictures, as a column of the table beside them says.

    Pictures of a scene and track show the same face: a network that has learnt
    from one knows the others.

    Args:
        X_path: The pictures.
        n: How many there are.
        by: The column.  Where it says nothing, it is what it says of others of
            the same scene and track, or these are the group, if the table has
            them; otherwise a picture is one by itself.

    Raises:
        InputError: If the table is not as it should be, or the column, unless
            it is ``GROUP``, is missing or empty.
    """
    table = tables.table_path(X_path)
    columns, rows = [], [[]] * n
    if os.path.exists(table):
        columns, rows = tables.read_table(table, n, [GROUP, by])
    elif by != GROUP:
        raise InputError(f'{table}: there is no such table; --valid_by {by} expects one with the '
                         f'columns row and {by}, a line for each picture')
    if by != GROUP and by not in columns:
        raise InputError(f'{table}: expected a column {by} for --valid_by; add it, and fill it in '
                         'for each picture')
    rows = [dict(zip(columns, map(str.strip, row))) for row in rows]
    if by != GROUP and not any(row[by] for row in rows):
        raise InputError(f'{table}: expected the column {by} to say something for --valid_by, got '
                         'empty cells only; fill it in')
    of_track = {row.get(GROUP): row[by] for row in rows if row.get(by)}
    return [row.get(by) or row.get(GROUP) and of_track.get(row[GROUP], row[GROUP]) or number
            for number, row in enumerate(rows)]


def add_features(model, train: RatedPictures) -> None:
    """Let a model without features learn from those of ``train``."""
    model.predictor.add_features(train.features.shape[1])
    model.predictor.features.standardize_by(train.features[train.rows])
    model.predictor.features.to_device(model.device)
