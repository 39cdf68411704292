"""Calibrates scores to a person's own scale: stars, probability of a high rating, threshold.

It is fitted to held-out pictures: their ratings, and scores of a model that was
not trained on them.  Scores of training pictures would be over-confident.
"""
import math
from typing import NamedTuple, Optional

import numpy as np

STARS = 5
LIKED = 4       # stars from which a picture counts as liked
FEWEST = 20     # held-out pictures needed to estimate a share
Z = 1.959964    # quantile of the normal distribution, for 95 % intervals


class Threshold(NamedTuple):
    """A score at or above which pictures are kept.

    A fraction ``share`` of the ``n`` held-out pictures above it are liked; the
    95 % confidence interval is ``low`` to ``high``.
    """

    score: float
    share: float
    low: float
    high: float
    n: int


def to_stars(ratings: np.ndarray) -> np.ndarray:
    """Convert ratings on any scale to stars.

    Args:
        ratings: Shape ``(N,)``, finite.  Whole numbers from 1 to 5 are kept;
            other scales are stretched so that the lowest rating becomes 1 and
            the highest 5, and rounded.

    Returns:
        Integers 1 to 5, shape ``(N,)``.
    """
    ratings = np.asarray(ratings, float)
    if np.all((ratings >= 1) & (ratings <= STARS) & (ratings == np.round(ratings))):
        return ratings.astype(int)
    low, high = ratings.min(), ratings.max()
    return np.floor(1 + (ratings - low) / (high - low) * (STARS - 1) + .5).astype(int)


class Scale:

    """A person's scale for the scores of one model.

    Stars are assigned with the frequencies with which the person gives them;
    the probability that a picture is liked, 4 stars or more, is logistic in its
    score (Platt scaling: Platt, *Probabilistic Outputs for Support Vector
    Machines*, 1999, with his smoothed targets).

    Args:
        scores: Of held-out pictures, shape ``(N,)``, finite.
        ratings: Of the same pictures, shape ``(N,)``, finite, not all equal.

    Raises:
        ValueError: If there are no two different ratings, or the shapes differ.
    """

    def __init__(self, scores: np.ndarray, ratings: np.ndarray):
        scores, ratings = np.asarray(scores, float), np.asarray(ratings, float)
        if scores.shape != ratings.shape or scores.ndim != 1:
            raise ValueError(f'expected as many scores as ratings, got {scores.shape} and '
                             f'{ratings.shape}')
        if len(ratings) == 0 or np.ptp(ratings) == 0:
            raise ValueError('expected two different ratings or more')
        self.scores = scores
        self.stars_given = to_stars(ratings)
        at_most = [np.mean(self.stars_given <= stars) for stars in range(1, STARS)]
        self.bounds = np.quantile(scores, at_most)
        self.bounds[np.array(at_most) == 0] = -math.inf  # levels below the lowest given one
        self.bounds[np.array(at_most) == 1] = math.inf
        self.center, self.width = scores.mean(), scores.std() or 1.
        self.slope, self.offset = _fit_logistic((scores - self.center) / self.width,
                                                self.stars_given >= LIKED)

    def stars(self, scores: np.ndarray) -> np.ndarray:
        """Stars, 1 to 5, for scores of shape ``(N,)``."""
        return 1 + np.searchsorted(self.bounds, np.asarray(scores, float), side='left')

    def probability(self, scores: np.ndarray) -> np.ndarray:
        """The probability, 0 to 1, that the person would give 4 stars or more; shape ``(N,)``."""
        z = (np.asarray(scores, float) - self.center) / self.width
        return np.exp(-np.logaddexp(0, -(self.slope * z + self.offset)))

    def keep(self, share: float) -> Optional[Threshold]:
        """The lowest score above which at least ``share`` of the held-out pictures are liked.

        Args:
            share: From 0 to 1.

        Returns:
            ``None`` if there are fewer than ``FEWEST`` held-out pictures above
            any such score.
        """
        order = np.argsort(-self.scores, kind='stable')
        scores, liked = self.scores[order], self.stars_given[order] >= LIKED
        n = np.arange(1, len(scores) + 1)
        shares = np.cumsum(liked) / n
        is_last = np.append(scores[:-1] > scores[1:], True)  # equal scores are kept together
        good = np.flatnonzero((shares >= share) & is_last & (n >= FEWEST))
        if not len(good):
            return None
        i = good[-1]
        return Threshold(float(scores[i]), float(shares[i]), *wilson(shares[i], n[i]), int(n[i]))


def wilson(share: float, n: int) -> tuple:
    """The 95 % Wilson score interval of a share of ``n`` (*Probable Inference*, JASA 1927)."""
    center = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    return max(0., center - half), min(1., center + half)


def _fit_logistic(z, liked):
    """Slope, at least 0, and offset of a logistic regression, by Newton's method."""
    n_liked, n = int(liked.sum()), len(liked)
    target = np.where(liked, (n_liked + 1) / (n_liked + 2), 1 / (n - n_liked + 2))
    inputs, weights = np.stack([z, np.ones(n)], 1), np.zeros(2)
    ridge = np.diag([1e-3, 0])
    for _ in range(50):
        p = 1 / (1 + np.exp(-inputs @ weights))
        gradient = inputs.T @ (p - target) + ridge @ weights
        hessian = (inputs * (p * (1 - p))[:, None]).T @ inputs + ridge
        step = np.linalg.solve(hessian, gradient)
        weights -= step * min(1, 5 / max(np.abs(step).max(), 1e-12))
        if np.abs(step).max() < 1e-9:
            break
    if weights[0] < 0:  # uninformative scores: all pictures are equally likely
        return 0., math.log(target.mean() / (1 - target.mean()))
    return float(weights[0]), float(weights[1])
