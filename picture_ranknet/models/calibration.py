"""From scores to a person's own scale: stars, the probability of a high rating, a threshold.

All of it is learnt from held-out pictures: their ratings, and scores of a
model that had not learnt those ratings.  Scores of pictures that a model was
trained on say more than it knows.
"""
import math
from typing import NamedTuple, Optional

import numpy as np

STARS = 5
LIKED = 4       # stars from which a picture counts as liked
FEWEST = 20     # held-out pictures for anything to be said of a share
Z = 1.959964    # of the normal distribution, for intervals of 95 %


class Threshold(NamedTuple):
    """A score from which on pictures are kept.

    ``share`` of the ``n`` held-out pictures above it are liked; with 95 %
    confidence the true share lies from ``low`` to ``high``.
    """

    score: float
    share: float
    low: float
    high: float
    n: int


def to_stars(ratings: np.ndarray) -> np.ndarray:
    """Ratings of any scale as stars.

    Args:
        ratings: Shape ``(N,)``, finite.  Whole numbers from 1 to 5 stay as
            they are; other scales are stretched so that the lowest rating
            becomes 1 and the highest 5, and rounded.

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

    Stars are given in the shares in which the person gives them; the
    probability that a picture is liked, 4 stars or more, is logistic in its
    score (Platt, *Probabilistic Outputs for Support Vector Machines*, 1999,
    with his smoothed targets).

    Args:
        scores: Of held-out pictures, shape ``(N,)``, finite.
        ratings: Theirs, shape ``(N,)``, finite, not all the same.

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
        self.bounds[np.array(at_most) == 0] = -math.inf  # levels below the first that was given
        self.bounds[np.array(at_most) == 1] = math.inf
        self.center, self.width = scores.mean(), scores.std() or 1.
        self.slope, self.offset = _fit_logistic((scores - self.center) / self.width,
                                                self.stars_given >= LIKED)

    def stars(self, scores: np.ndarray) -> np.ndarray:
        """Stars 1 to 5 of scores, shape ``(N,)``."""
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
            ``None`` if there are fewer than ``FEWEST`` held-out pictures above any
            such score: then there are too few ratings to tell.
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
    """The 95 % interval of a share of ``n`` (Wilson, *Probable Inference*, JASA 1927)."""
    center = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    return max(0., center - half), min(1., center + half)


def _fit_logistic(z, liked):
    """Slope, not below 0, and offset of the likeliest logistic curve, by Newton's method."""
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
    if weights[0] < 0:  # the scores say nothing: all pictures are as likely
        return 0., math.log(target.mean() / (1 - target.mean()))
    return float(weights[0]), float(weights[1])
