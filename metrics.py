"""How well scores rank pictures that a person has rated.

Ratings and scores are arrays of ``N`` numbers of any shape and real type, at
least one, in the same order; higher is better.
"""
from collections.abc import Callable
from typing import Optional

import numpy as np


def ndcg(y_true: np.ndarray, y_score: np.ndarray, k: Optional[int] = None) -> float:
    """Normalised discounted cumulative gain of one ranking.

    The gain of a picture rated ``r`` is ``2**r - 1``; position ``p`` (from 1)
    is discounted by ``log2(p + 1)``.  The sum of discounted gains is divided
    by that of the ideal order.  Equal scores count as the average over their
    orders, so a network that scores all pictures the same gets what random
    order gets on average.

    If a rating is negative, all are first shifted so that the lowest is 0:
    only differences matter to RankNet, and the result stays in [0, 1].  Large
    ratings do not overflow.

    Args:
        y_true: Ratings.
        y_score: Predicted scores.
        k: Only the first ``k`` positions count; ``None`` or ``k > N`` counts
            all.

    Returns:
        float: In ``[0, 1]``; 0 if every rating is 0, or all are equal and
        negative.

    Raises:
        ValueError: If the sizes differ, the arrays are empty, a rating or a
            score is not finite, or ``k < 1``.

    Reference: Järvelin and Kekäläinen, *Cumulated Gain-Based Evaluation of
    IR Techniques*, TOIS 2002; gain after Burges et al., ICML 2005; ties after
    McSherry and Najork, *Computing Information Retrieval Performance Measures
    Efficiently in the Presence of Tied Scores*, ECIR 2008.
    """
    y_true, y_score = _check(y_true, y_score)
    if k is not None and k < 1:
        raise ValueError(f'k must be at least 1, got {k}')
    gains = _gains(y_true)
    order = np.argsort(-y_score, kind='stable')
    averaged = _average_ties(gains[order], y_score[order])

    discounts = 1 / np.log2(np.arange(len(gains)) + 2)
    ideal = np.sort(gains)[::-1][:k] @ discounts[:k]
    if ideal == 0:
        return 0.
    return min(1., float(averaged[:k] @ discounts[:k] / ideal))  # 1 + 2e-16 is rounding


def _gains(y_true):
    """Gains in units of ``2**max``, which the quotient does not depend on."""
    with np.errstate(over='ignore'):  # an infinite difference gives the right gain
        ratings = y_true - min(y_true.min(), 0)
        # (2**r - 1) / 2**max, without computing either power
        return -np.expm1(-ratings * np.log(2)) * np.exp2(y_true - y_true.max())


def _average_ties(values, sorted_scores):
    """Replace the values of each run of equal scores by their mean."""
    starts = np.flatnonzero(np.r_[True, np.diff(sorted_scores) != 0])
    lengths = np.diff(np.r_[starts, len(values)])
    return np.repeat(np.add.reduceat(values, starts) / lengths, lengths)


def pair_accuracy(y_true: np.ndarray, y_score: np.ndarray) -> float:
    """Fraction of the pairs with different ratings that the scores put in the right order.

    A pair with equal scores counts one half: constant scores get 0.5.

    Args:
        y_true: Ratings.
        y_score: Predicted scores.

    Returns:
        float: In ``[0, 1]``; ``nan`` if all ratings are equal.

    Raises:
        ValueError: If the sizes differ, the arrays are empty, or a value is
            not finite.
    """
    concordant, discordant, tied_score, _ = _count_pairs(*_check(y_true, y_score))
    rated_apart = concordant + discordant + tied_score
    return (concordant + tied_score / 2) / rated_apart if rated_apart else float('nan')


def kendall_tau(y_true: np.ndarray, y_score: np.ndarray) -> float:
    """Kendall's rank correlation tau-b, which accounts for ties; in O(N log^2 N).

    Args:
        y_true: Ratings.
        y_score: Predicted scores.

    Returns:
        float: In ``[-1, 1]``; ``nan`` if all ratings or all scores are equal.

    Raises:
        ValueError: If the sizes differ, the arrays are empty, or a value is
            not finite.

    Reference: Kendall, *The Treatment of Ties in Ranking Problems*,
    Biometrika 1945.
    """
    concordant, discordant, tied_score, tied_rating = _count_pairs(*_check(y_true, y_score))
    agreement = concordant - discordant
    pairs = concordant + discordant
    scale = ((pairs + tied_score) * (pairs + tied_rating)) ** .5
    return agreement / scale if scale else float('nan')


def spearman(y_true: np.ndarray, y_score: np.ndarray) -> float:
    """Spearman's rank correlation; equal values share the mean of their ranks.

    Arguments, result and errors are those of :func:`pearson`.
    """
    y_true, y_score = _check(y_true, y_score)
    return pearson(_mean_ranks(y_true), _mean_ranks(y_score))


def pearson(y_true: np.ndarray, y_score: np.ndarray) -> float:
    """Pearson's correlation: how close scores are to a linear function of the ratings.

    Args:
        y_true: Ratings.
        y_score: Predicted scores.

    Returns:
        float: In ``[-1, 1]``; ``nan`` if all ratings or all scores are equal.

    Raises:
        ValueError: If the sizes differ, the arrays are empty, or a value is
            not finite.
    """
    unit = []
    for values in _check(y_true, y_score):
        if values.min() == values.max():
            return float('nan')
        scaled = values / np.abs(values).max()  # its squares neither overflow nor vanish
        centred = scaled - scaled.mean()
        unit.append(centred / np.linalg.norm(centred))
    return float(np.clip(unit[0] @ unit[1], -1, 1))


def _mean_ranks(values):
    _, number, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[number]


def bootstrap_interval(metric: Callable[[np.ndarray, np.ndarray], float], y_true: np.ndarray,
                       y_score: np.ndarray, level: float = .95, n: int = 1000, seed: int = 0,
                       most: Optional[int] = None) -> tuple[float, float]:
    """Percentile bootstrap: how much a metric depends on which pictures were rated.

    Each of ``n`` samples draws ``N`` pictures with replacement.  Draws for
    which the metric is ``nan`` are skipped.

    Args:
        metric: Takes ratings and scores, such as :func:`pair_accuracy`.
        y_true: Ratings, shape ``(N,)``.
        y_score: Predicted scores, shape ``(N,)``.
        level: Fraction of the samples that the interval covers.
        n: The number of samples.
        seed: Same seed, same interval.
        most: Draw at most this many pictures per sample, and narrow the
            interval by ``sqrt(most / N)``: faster, and valid for means over
            pictures or pairs and for correlations, but not for NDCG@k.

    Returns:
        tuple of float: Lower and upper bound; ``nan`` if the metric is ``nan``
        for every sample.

    Reference: Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993,
    section 13.3; smaller samples: Bickel et al., *Resampling Fewer Than n
    Observations*, Statistica Sinica 1997.
    """
    rng = np.random.default_rng(seed)
    N = len(y_true)
    size = min(N, most or N)
    draws = (rng.integers(0, N, size) for _ in range(n))
    values = np.array([metric(y_true[rows], y_score[rows]) for rows in draws])
    values = values[~np.isnan(values)]
    if not len(values):
        return float('nan'), float('nan')
    bounds = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    if size < N:
        value = metric(y_true, y_score)
        bounds = value + (bounds - value) * (size / N) ** .5
    low, high = bounds
    return float(low), float(high)


def rank(values: np.ndarray) -> np.ndarray:
    """Row numbers from the highest value to the lowest; equal ones stay in input order."""
    return np.argsort(-values, kind='stable')


def _check(y_true, y_score):
    y_true = np.asarray(y_true, float).ravel()
    y_score = np.asarray(y_score, float).ravel()
    if len(y_true) != len(y_score):
        raise ValueError(f'expected as many scores as ratings, got {len(y_score)} and '
                         f'{len(y_true)}')
    if not len(y_true):
        raise ValueError('expected at least one rating')
    for name, values in (('rating', y_true), ('score', y_score)):
        if not np.isfinite(values).all():
            row = np.isfinite(values).argmin()
            raise ValueError(f'{name} {row} (from 0) is {values[row]}')
    return y_true, y_score


def _count_pairs(y_true, y_score):
    """Count the pairs that are concordant, discordant, tied only in score, tied only in rating."""
    n = len(y_true)
    if n <= 400:  # faster one by one
        higher, scored_higher = (values[:, None] > values for values in (y_true, y_score))
        concordant = int(np.count_nonzero(higher & scored_higher))
        discordant = int(np.count_nonzero(higher & scored_higher.T))
        tied_score, tied_rating = (int(np.count_nonzero(apart)) - concordant - discordant
                                   for apart in (higher, scored_higher))
        return concordant, discordant, tied_score, tied_rating

    order = np.lexsort((y_score, y_true))
    ratings = np.unique(y_true, return_inverse=True)[1][order]
    scores = np.unique(y_score, return_inverse=True)[1][order]

    discordant = _count_inversions(scores)
    tied_in_both = _count_ties(ratings * n + scores)  # both ranks are below n
    tied_rating = _count_ties(ratings) - tied_in_both
    tied_score = _count_ties(scores) - tied_in_both
    concordant = n * (n - 1) // 2 - discordant - tied_rating - tied_score - tied_in_both
    return concordant, discordant, tied_score, tied_rating


def _count_ties(values):
    counts = np.unique(values, return_counts=True)[1]
    return int((counts * (counts - 1) // 2).sum())


def _count_inversions(ranks):
    """Count the pairs in which a higher rank comes before a lower one.

    The highest bit in which two ranks differ says which is higher.  So for each
    bit, count the pairs that agree above it and have a 1 before a 0.
    """
    inversions = 0
    for bit in reversed(range(int(ranks.max()).bit_length())):
        ranks = ranks[np.argsort(ranks >> (bit + 1), kind='stable')]
        groups = ranks >> (bit + 1)
        ones = ranks >> bit & 1
        ones_before = np.cumsum(ones) - ones
        starts = np.flatnonzero(np.r_[True, np.diff(groups) != 0])
        ones_before -= np.repeat(ones_before[starts], np.diff(np.r_[starts, len(ranks)]))
        inversions += int(ones_before[ones == 0].sum())
    return inversions
