"""Ratings and scores: text files with one number per line, in the order of the pictures."""
import math
from collections.abc import Iterator, Set

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.storage.atomic import replacing

LINE_LIMIT = 1000   # characters; a rating needs no more than a few
REJECTED = 'nan  # no face'  # the line of a rejected picture
SURPLUS = 100000    # additional lines that a ratings file may have: comments, blank ones


def read_ratings(path: str, n: int) -> np.ndarray:
    """Read one rating per line.

    Blank lines and what follows a ``#`` are skipped, as :func:`numpy.loadtxt`
    does.

    Args:
        path: A text file; higher is liked better, ``nan`` is not rated.
        n: The number of pictures, and so of ratings.

    Returns:
        numpy.ndarray: Ratings, shape ``(n,)``, float64.

    Raises:
        InputError: If a line is not a number, or there are not ``n`` of them.
    """
    ratings = []
    for number, line in _numbered_lines(path, n):
        text = _strip(line)
        if text:
            ratings.append(_parse(path, number, text))
    if len(ratings) != n:
        raise InputError(f'{path}: expected {n} ratings, one per line for each picture, got '
                         f'{len(ratings)}; write nan for a picture that is not rated')
    return np.array(ratings)


def drop_ratings(path: str, n: int, rows: Set) -> str:
    """The text of a file of ``n`` ratings without some rows; comments stay.

    Raises:
        InputError: As :func:`read_ratings` does.
    """
    return ''.join(line for row, line in rating_lines(path, n) if row not in rows)


def rating_lines(path: str, n: int) -> list:
    """The lines of a file of ``n`` ratings, unchanged.

    Returns:
        list of tuple: Row, from 0, and line; the row is ``None`` where a line
        is blank or only a comment.

    Raises:
        InputError: As :func:`read_ratings` does.
    """
    read_ratings(path, n)
    lines, row = [], 0
    for _, line in _numbered_lines(path, n):
        if _strip(line):
            lines.append((row, line))
            row += 1
        else:
            lines.append((None, line))
    return lines


def _strip(line: str) -> str:
    return line.split('#', 1)[0].strip()


def _numbered_lines(path, n) -> Iterator:
    with open(path, encoding='utf-8-sig') as f:  # -sig: Windows editors add a byte order mark
        try:
            for number, line in enumerate(iter(lambda: f.readline(LINE_LIMIT), ''), 1):
                if len(line) == LINE_LIMIT:
                    raise InputError(f'{path}, line {number}: expected one number, got over '
                                     f'{LINE_LIMIT - 1} characters; write one rating per line')
                if number > n + SURPLUS:
                    raise InputError(
                        f'{path}: expected {n} ratings, one per line for each picture, got over '
                        f'{n + SURPLUS:,} lines; is it another file?')
                yield number, line
        except UnicodeDecodeError as e:
            raise InputError(f'{path}: expected text in UTF-8, got another encoding; save it as '
                             'plain text in UTF-8') from e


def _parse(path, number, text):
    try:
        rating = float(text)
    except ValueError as e:
        shown = text if len(text) <= 40 else text[:40] + '...'
        remedy = 'write one rating per line, nan for a picture that is not rated'
        if ',' in text or ';' in text:  # 2,5 or a row and its rating: do not guess
            remedy = 'write nothing but the rating, with a decimal point, such as 2.5'
        raise InputError(f'{path}, line {number}: expected a number, got {shown!r}; '
                         f'{remedy}') from e
    if math.isinf(rating):
        raise InputError(f'{path}, line {number}: expected a finite number, got {text!r}; '
                         'use a scale such as 1 to 5')
    return rating


def write_scores(path: str, scores: np.ndarray) -> None:
    """Write one score per line, in the order of the pictures, as the article does."""
    with replacing(path) as part:
        np.savetxt(part, scores)
