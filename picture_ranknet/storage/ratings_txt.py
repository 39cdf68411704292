"""Ratings and scores: text files with one number a line, in the order of the pictures."""
import math

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.storage.atomic import replacing

LINE_LIMIT = 1000       # characters; a rating needs no more than a few
SURPLUS = 100000        # lines that a file of ratings may have besides: comments, blank ones


def read_ratings(path, n):
    """Read one rating a line.

    Blank lines and what follows a ``#`` are passed over, as
    :func:`numpy.loadtxt` does.

    Args:
        path (str): A text file; higher is better liked, ``nan`` stands for a
            picture that is not rated.
        n (int): The number of pictures, and so of ratings.

    Returns:
        numpy.ndarray: Ratings, shape ``(n,)``, float64.

    Raises:
        InputError: If a line is not a number, or there are not ``n`` of them.
    """
    ratings = []
    for number, line in _numbered_lines(path, n):
        text = line.split('#', 1)[0].strip()
        if text:
            ratings.append(_parse_rating(path, number, text))
    if len(ratings) != n:
        raise InputError(
            '{}: expected {} ratings, one a line for each picture, got {}; '
            'write nan for a picture that is not rated'.format(path, n, len(ratings)))
    return np.array(ratings)


def drop_ratings(path, n, rows):
    """The text of a file of ``n`` ratings without those of some rows; comments stay.

    Raises:
        InputError: As :func:`read_ratings` does.
    """
    return ''.join(line for row, line in rating_lines(path, n) if row not in rows)


def rating_lines(path, n):
    """The lines of a file of ``n`` ratings as they stand.

    Returns:
        list of tuple: Row, from 0, and line; ``None`` and line where a line
        is blank or only a comment.

    Raises:
        InputError: As :func:`read_ratings` does.
    """
    read_ratings(path, n)
    lines, row = [], 0
    for _, line in _numbered_lines(path, n):
        is_rating = bool(line.split('#', 1)[0].strip())
        lines.append((row if is_rating else None, line))
        row += is_rating
    return lines


def _numbered_lines(path, n):
    with open(path, encoding='utf-8-sig') as f:  # -sig: Windows editors add a BOM
        try:
            for number, line in enumerate(iter(lambda: f.readline(LINE_LIMIT), ''), 1):
                if len(line) == LINE_LIMIT:
                    raise InputError('{}, line {}: expected one number, got over {} characters; '
                                     'write one rating a line'.format(path, number, LINE_LIMIT - 1))
                if number > n + SURPLUS:
                    raise InputError('{}: expected {} ratings, one a line for each picture, got '
                                     'over {:,} lines; is it another file?'.format(
                                         path, n, n + SURPLUS))
                yield number, line
        except UnicodeDecodeError as e:
            raise InputError('{}: expected text in UTF-8, got other bytes; save it as plain text'
                             .format(path)) from e


def _parse_rating(path, number, text):
    try:
        rating = float(text)
    except ValueError as e:
        shown = text if len(text) <= 40 else text[:40] + '...'
        remedy = ('write decimals with a point' if ',' in text else
                  'write one rating a line, nan for a picture that is not rated')
        raise InputError('{}, line {}: expected a number, got {!r}; {}'
                         .format(path, number, shown, remedy)) from e
    if math.isinf(rating):
        raise InputError('{}, line {}: expected a finite number, got {!r}; '
                         'use a scale such as 1 to 5'.format(path, number, text))
    return rating


def write_scores(path, scores):
    """Write one score a line, in input order, as the article does."""
    with replacing(path) as part:
        np.savetxt(part, scores)
