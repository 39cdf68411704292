"""Asks some pictures a second time, to measure how consistent a person's ratings are."""
from typing import Optional

import numpy as np

import metrics
from picture_ranknet.rating.entries import NOT_RATED, Rating

AFTER = 10  # other answers, at the earliest


def choose(history: list, ratings: np.ndarray, every: int, leave_out: list,
           rng: np.random.Generator) -> Optional[int]:
    """Choose a picture to ask again, if it is time to.

    Args:
        history (list): The history of a :class:`Journal`.
        ratings (numpy.ndarray): Current rating of each picture, ``nan`` for none.
        every (int): One in this many answers is a repeat.
        leave_out (list of int): Rows not to ask.
        rng (numpy.random.Generator): Source of random numbers.

    Returns:
        int: A row that was rated over ``AFTER`` answers ago, and never asked
        again; ``None`` if it is not time to, or there is none.
    """
    said = [one for one in history if isinstance(one, Rating)]
    last = max((number for number, one in enumerate(said) if one.is_repeat), default=-1)
    if len(said) - last < every:
        return None
    recent = {one.row for one in said[-AFTER:]}
    repeated = {one.row for one in said if one.is_repeat}
    rows = sorted({one.row for one in said if np.isfinite(ratings[one.row])}
                  - recent - repeated - set(leave_out))
    return rows[rng.integers(len(rows))] if rows else None


def self_agreement(history: list) -> Optional[dict]:
    """How often a person orders two pictures the same way when asked a second time.

    Args:
        history (list): The history of a :class:`Journal`.

    Returns:
        dict: ``repeats``, the number of repeated pictures; ``pairs``, those of
        their pairs that were rated differently the first or the second time
        (counted once for each); and ``share``, the fraction of them ordered the
        same way the other time, where a tie is half right.  ``None`` if there
        are none.
    """
    repeats = [said for said in history if isinstance(said, Rating) and said.is_repeat
               and NOT_RATED not in (said.text[:3], said.was[:3])]
    first = np.array([float(said.was) for said in repeats])
    second = np.array([float(said.text) for said in repeats])
    parts = [(metrics.pair_accuracy(one, other), _n_different(one))
             for one, other in ((first, second), (second, first)) if _n_different(one)]
    n_pairs = sum(n for _, n in parts)
    if not n_pairs:
        return None
    return {'share': sum(share * n for share, n in parts) / n_pairs,
            'pairs': n_pairs, 'repeats': len(repeats)}


def _n_different(ratings):
    """How many pairs of pictures were rated differently."""
    return int(np.count_nonzero(np.triu(ratings[:, None] != ratings)))
