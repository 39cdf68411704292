"""A ranking from comparisons of two pictures, and the comparison that is most informative.

The model of Bradley and Terry: picture ``i`` beats ``j`` with probability
``1 / (1 + exp(s_j - s_i))``.  A tie counts as half a win for each.  Strengths
have a normal prior, and their uncertainty is the inverse curvature at the
optimum (Laplace's approximation): Bradley and Terry, *Rank Analysis of
Incomplete Block Designs*, Biometrika 1952; MacKay, *Information-Based
Objective Functions for Active Data Selection*, Neural Computation 1992.

A picture that is placed between two others by hand gets the mean of their
strengths.  From then on it counts as a new one: its earlier comparisons still
rank the others, but do not pull it back.
"""
import math
from collections.abc import Iterable
from typing import NamedTuple, Optional, Union

import numpy as np

MOST_PICTURES = 2000     # the covariance takes 8 bytes per pair
PRIOR_VARIANCE = 4.
PLACING_VARIANCE = .25   # of a picture's strength around its place
BEYOND = .5              # strength by which a picture placed at an end surpasses the last one
LOWEST, HIGHEST = 1, 5   # range of ratings that strengths are mapped to
NEWTON_STEPS = 50
LONGEST_STEP = 2.        # of a strength, so that Newton's method cannot overshoot


class Comparison(NamedTuple):

    """Two pictures, and the better one of them; ``None`` for a tie."""

    left: int
    right: int
    better: Optional[int]


class Placing(NamedTuple):

    """A picture that was placed below one and above another; ``None`` at an end."""

    row: int
    above: Optional[int]
    below: Optional[int]


class Ranking:

    """Strengths of pictures, from comparisons and placings.

    Each picture is a node; one that is placed becomes another node, and its
    former node stays for what was said before.

    Args:
        n (int): The number of pictures, at most ``MOST_PICTURES``.
        order (numpy.ndarray): All of them, in the order in which they enter
            the ranking.

    Attributes:
        told (numpy.ndarray): How often two pictures were compared, shape ``(n, n)``.
        is_out (numpy.ndarray): Pictures that are left out, bool, shape ``(n,)``.
    """

    def __init__(self, n: int, order: Optional[np.ndarray] = None):
        self.n = n
        self.order = np.arange(n) if order is None else np.array(order)
        self.is_out = np.zeros(n, bool)
        self._start()

    def _start(self):
        self.told = np.zeros((self.n, self.n), np.int32)
        self._mentions = np.zeros(self.n, int)
        self._node = np.arange(self.n)  # of each picture
        self._former = []               # nodes of pictures before they were placed
        self._strengths = np.zeros(self.n)
        self._covariance = PRIOR_VARIANCE * np.eye(self.n)

    @property
    def strengths(self) -> np.ndarray:
        """Of each picture, shape ``(n,)``; higher is better."""
        return self._strengths[self._node]

    @property
    def covariance(self) -> np.ndarray:
        """Of the strengths, shape ``(n, n)``."""
        if not self._former:
            return self._covariance
        return self._covariance[np.ix_(self._node, self._node)]

    def fit(self, said: Iterable[Union[Comparison, Placing]]) -> None:
        """Fit all comparisons and placings from scratch, in the order in which they were made.

        Newton's method on the log posterior, which is concave.
        """
        before = self.strengths
        self._start()
        self._strengths[:] = before  # close to the optimum, mostly
        pairs, wins, placings = [], [], []
        for one in said:
            self._count(one, 1)
            if isinstance(one, Placing):
                placings.append(self._nodes_of(one))
                self._add_node(one)
            else:
                pairs.append(self._node[[one.left, one.right]])
                wins.append(_won(one))
        if pairs or placings:
            self._solve(np.array(pairs, int).reshape(-1, 2), np.array(wins), placings)

    def _solve(self, pairs, wins, placings):
        left, right = pairs.T
        size = len(self._strengths)
        prior = np.full(size, 1 / PRIOR_VARIANCE)
        prior[self.n:] = 0
        constant, pull = np.diag(prior), np.zeros(size)
        for number, (others, beyond) in enumerate(placings):
            u = np.zeros(size)
            u[self.n + number] = 1
            u[others] -= 1 / len(others)
            constant += np.outer(u, u) / PLACING_VARIANCE
            pull += beyond * u / PLACING_VARIANCE
        s = self._strengths
        for _ in range(NEWTON_STEPS):
            p = _sigmoid(s[left] - s[right])
            slope = pull - constant @ s
            np.add.at(slope, left, wins - p)
            np.add.at(slope, right, p - wins)
            precision, weight = constant.copy(), p * (1 - p)
            np.add.at(precision, (left, left), weight)
            np.add.at(precision, (right, right), weight)
            np.add.at(precision, (left, right), -weight)
            np.add.at(precision, (right, left), -weight)
            step = np.linalg.solve(precision, slope)
            s += step * min(1, LONGEST_STEP / max(np.abs(step).max(), LONGEST_STEP))
            if np.abs(step).max() < 1e-6:
                break
        self._covariance = np.linalg.inv(precision)

    def add(self, one: Union[Comparison, Placing]) -> None:
        """Add one comparison or placing by a single Newton step, in about 10 ms."""
        self._count(one, 1)
        if isinstance(one, Placing):
            self._add_node(one)
        else:
            self._step(one, 1)

    def remove(self, one: Union[Comparison, Placing]) -> None:
        """Remove the last one that was added, again by a single Newton step."""
        self._count(one, -1)
        if isinstance(one, Placing):
            self._node[one.row] = self._former.pop()
            self._strengths = self._strengths[:-1].copy()
            self._covariance = self._covariance[:-1, :-1].copy()
        else:
            self._step(one, -1)

    def _step(self, one, sign):
        left, right = self._node[[one.left, one.right]]
        p = _sigmoid(self._strengths[left] - self._strengths[right])
        weight = sign * p * (1 - p)
        column = self._covariance[:, left] - self._covariance[:, right]
        # Sherman-Morrison formula; the bound keeps the variance finite on removal.
        shrink = max(1 + weight * (column[left] - column[right]), .05)
        self._covariance -= np.outer(column, column * (weight / shrink))
        self._strengths += column * (sign * (_won(one) - p) / shrink)

    def _nodes_of(self, placing):
        """The nodes whose mean strength a placed picture gets, and what is added to it."""
        others = [row for row in (placing.above, placing.below) if row is not None]
        beyond = 0 if len(others) == 2 else BEYOND if placing.above is None else -BEYOND
        return self._node[others], beyond

    def _add_node(self, placing):
        others, beyond = self._nodes_of(placing)
        size = len(self._strengths)
        self._strengths = np.append(self._strengths, self._strengths[others].mean() + beyond)
        covariance = np.empty((size + 1, size + 1))
        covariance[:size, :size] = self._covariance
        covariance[size, :size] = covariance[:size, size] = self._covariance[others].mean(axis=0)
        covariance[size, size] = (
            self._covariance[np.ix_(others, others)].mean() + PLACING_VARIANCE)
        self._covariance = covariance
        self._former.append(self._node[placing.row])
        self._node[placing.row] = size

    def _count(self, one, change):
        if isinstance(one, Placing):
            self._mentions[one.row] += change
            return
        self.told[one.left, one.right] += change
        self.told[one.right, one.left] += change
        self._mentions[[one.left, one.right]] += change

    def postpone(self, row: int) -> None:
        """Let a picture enter the ranking after all others."""
        self.order = np.append(self.order[self.order != row], row)

    def is_ranked(self) -> np.ndarray:
        """Which pictures have a place in the ranking, bool, shape ``(n,)``."""
        return (self._mentions > 0) & ~self.is_out

    def is_complete(self) -> bool:
        """Whether each picture that is not left out has its place in the ranking."""
        return bool((self.is_ranked() | self.is_out).all())

    def next_pair(self, avoid: Iterable = ()) -> Optional[tuple]:
        """The most informative comparison; new pictures come in first.

        Args:
            avoid (iterable of tuple): Pairs of rows, the smaller first, that
                should not come now.

        Returns:
            tuple: Two rows; ``None`` if all pairs have been compared.
        """
        is_closed = self.told > 0
        np.fill_diagonal(is_closed, True)
        is_closed[self.is_out] = is_closed[:, self.is_out] = True
        for left, right in avoid:
            is_closed[left, right] = is_closed[right, left] = True
        is_ranked = self.is_ranked()
        new = self.order[~(is_ranked | self.is_out)[self.order]]
        for row in new:
            others = is_ranked if is_ranked.any() else np.isin(np.arange(self.n), new)
            is_open = others & ~is_closed[row]
            if is_open.any():
                if not is_ranked.any():  # the first pair of all
                    return int(row), int(new[is_open[new]][0])
                gains = np.where(is_open, self._gains(np.array([row]))[0], -1)
                return int(row), int(gains.argmax())
        if is_closed.all():
            return None
        gains = self._gains(np.arange(self.n))
        gains[is_closed] = -1
        first, second = np.unravel_index(gains.argmax(), gains.shape)
        return int(first), int(second)

    def partner(self, row: int) -> Optional[int]:
        """The best picture to compare a given one with; ``None`` if there is none."""
        is_open = self.is_ranked()
        if not (is_open & (np.arange(self.n) != row)).any():
            is_open = ~self.is_out
        is_open = is_open & (np.arange(self.n) != row)
        if not is_open.any():
            return None
        return int(np.where(is_open, self._gains(np.array([row]))[0], -1).argmax())

    def expected_error(self) -> float:
        """The expected fraction of pairs in the wrong order, 0 to .5."""
        rows = np.flatnonzero(~self.is_out)
        rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), 200)).astype(int)]
        left, right = np.triu_indices(len(rows), 1)
        left, right = rows[left], rows[right]
        strengths, deviations = self.strengths, np.sqrt(self._variances(left, right))
        z = np.abs(strengths[left] - strengths[right]) / deviations / math.sqrt(2)
        return sum(map(math.erfc, z.tolist())) / 2 / max(1, len(z))

    def ratings(self) -> np.ndarray:
        """Strengths as ratings from 1 to 5; ``nan`` for pictures without a place in the ranking."""
        is_ranked, strengths = self.is_ranked(), self.strengths
        if not is_ranked.any():
            return np.full(self.n, np.nan)
        found = strengths[is_ranked]
        span = np.ptp(found) or 1
        return np.where(is_ranked, LOWEST + (HIGHEST - LOWEST) * (
            strengths - found.min()) / span, np.nan)

    def _variances(self, left, right):
        left, right = self._node[left], self._node[right]
        diagonal = np.diag(self._covariance)
        return np.maximum(
            diagonal[left] + diagonal[right] - 2 * self._covariance[left, right], 1e-9)

    def _gains(self, rows):
        """Expected information gain of comparing each of ``rows`` with each picture."""
        p = _sigmoid(self.strengths[rows, None] - self.strengths)
        return p * (1 - p) * self._variances(rows[:, None], np.arange(self.n))


def _won(comparison):
    return .5 if comparison.better is None else float(comparison.better == comparison.left)


def _sigmoid(x):
    return 1 / (1 + np.exp(-np.clip(x, -500, 500)))
