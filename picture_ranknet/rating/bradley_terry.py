"""A ranking from comparisons of two pictures, and the comparison that teaches most.

The model is that of Bradley and Terry: picture ``i`` beats ``j`` with the
probability ``1 / (1 + exp(s_j - s_i))``.  A tie is half a win for each.
Strengths have a normal prior, and are as uncertain as the curvature at their
best values says (Laplace's approximation): Bradley and Terry, *Rank Analysis
of Incomplete Block Designs*, Biometrika 1952; MacKay, *Information-Based
Objective Functions for Active Data Selection*, Neural Computation 1992.
"""
import math

import numpy as np

MOST_PICTURES = 2000  # more pairs than a person compares in years
PRIOR_VARIANCE = 4.
LOWEST, HIGHEST = 1, 5  # ratings that strengths are written as


class Ranking:

    """Strengths of pictures, from comparisons.

    Args:
        n (int): The number of pictures, at most ``MOST_PICTURES``.
        order (numpy.ndarray): All of them, in the order in which they come
            into the ranking.

    Attributes:
        strengths (numpy.ndarray): Shape ``(n,)``; higher is better.
    """

    def __init__(self, n, order=None):
        self.n = n
        self.order = np.arange(n) if order is None else np.asarray(order)
        self.strengths = np.zeros(n)
        self.covariance = PRIOR_VARIANCE * np.eye(n)
        self.told = {}  # pair: how often it was compared

    def fit(self, comparisons):
        """Take in all comparisons anew, each ``(left, right, better)`` with ``None`` for a tie."""
        import choix  # here, since SciPy is slow to start

        self.told = {}
        data = []
        for left, right, better in comparisons:
            self._count(left, right)
            data += [(left, right), (right, left)] if better is None else [
                (better, left + right - better)] * 2
        # All is counted twice, so that a half becomes one; so is the prior.
        self.strengths = choix.opt_pairwise(
            self.n, data, alpha=1 / PRIOR_VARIANCE, initial_params=self.strengths)
        precision = np.eye(self.n) / PRIOR_VARIANCE
        for left, right, _ in comparisons:
            p = self._probability(left, right)
            precision[(left, right), (left, right)] += p * (1 - p)
            precision[(left, right), (right, left)] -= p * (1 - p)
        self.covariance = np.linalg.inv(precision)

    def add(self, left, right, better):
        """Take in one more comparison by a single step of Newton's, which is at once."""
        self._count(left, right)
        won = .5 if better is None else float(better == left)
        p = self._probability(left, right)
        column = self.covariance[:, left] - self.covariance[:, right]
        weight = p * (1 - p)
        self.covariance -= np.outer(column, column) * (
            weight / (1 + weight * (column[left] - column[right])))
        self.strengths += (self.covariance[:, left] - self.covariance[:, right]) * (won - p)

    def next_pair(self):
        """The two pictures whose comparison teaches most; new ones come in first.

        Returns:
            tuple: Two rows, or ``None`` if all pairs have been compared.
        """
        if self.n < 2 or len(self.told) == self.n * (self.n - 1) // 2:
            return None
        compared = self._compared()
        new = self.order[~compared[self.order]]
        if not compared.any():
            return int(new[0]), int(new[1])
        gains = self._gains(new[:1] if len(new) else np.arange(self.n))
        gains[:, ~compared] = -1
        if not len(new):
            for left, right in self.told:
                gains[left, right] = gains[right, left] = -1
            np.fill_diagonal(gains, -1)
        first, second = np.unravel_index(gains.argmax(), gains.shape)
        return int(new[0] if len(new) else first), int(second)

    def is_complete(self):
        """Whether each picture has its place in the ranking."""
        return bool(self._compared().all())

    def expected_error(self):
        """The share of all pairs that are expected to be in the wrong order, 0 to .5."""
        rows = np.linspace(0, self.n - 1, min(self.n, 400)).astype(int)
        left, right = np.triu_indices(len(rows), 1)
        left, right = rows[left], rows[right]
        deviations = np.sqrt(self._variances(left, right))
        z = np.abs(self.strengths[left] - self.strengths[right]) / deviations
        return sum(.5 * math.erfc(value / math.sqrt(2)) for value in z) / max(1, len(z))

    def ratings(self):
        """Strengths as ratings from 1 to 5; ``nan`` for what was never compared."""
        compared = self._compared()
        if not compared.any():
            return np.full(self.n, np.nan)
        found = self.strengths[compared]
        span = np.ptp(found) or 1
        return np.where(compared, LOWEST + (HIGHEST - LOWEST) * (
            self.strengths - found.min()) / span, np.nan)

    def _count(self, left, right):
        pair = min(left, right), max(left, right)
        self.told[pair] = self.told.get(pair, 0) + 1

    def _compared(self):
        compared = np.zeros(self.n, bool)
        for pair in self.told:
            compared[list(pair)] = True
        return compared

    def _probability(self, left, right):
        return 1 / (1 + math.exp(min(self.strengths[right] - self.strengths[left], 500)))

    def _variances(self, left, right):
        diagonal = np.diag(self.covariance)
        return np.maximum(diagonal[left] + diagonal[right] - 2 * self.covariance[left, right], 1e-9)

    def _gains(self, rows):
        """How much comparing each of ``rows`` with each picture is expected to tell."""
        with np.errstate(over='ignore'):
            p = 1 / (1 + np.exp(self.strengths - self.strengths[rows, None]))
        return p * (1 - p) * self._variances(rows[:, None], np.arange(self.n))
