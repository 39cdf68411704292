"""RankNet over features that stay as they are: its loss of all pairs, minimised exactly.

Where only a linear layer is learnt, RankNet's loss is convex, and no steps at
random are needed.  Features come in groups.  How much each group counts, and
how much the layer is held back, follow from the ratings: by how well each
picture is told from the others when its near-twins are left out with it, which
a Gaussian process says in closed form (Rasmussen and Williams, *Gaussian
Processes for Machine Learning*, 2006, section 5.4.2).  What several choices
explain about as well is averaged, and few ratings leave it near a prior.
"""
from typing import NamedTuple

import numpy as np

STRENGTHS = 10. ** np.arange(-1.5, 2.1, .25)  # of the noise, in variances of the taste
USUAL_STRENGTH, SPREAD = 3., 1.               # their prior is log-normal
LOGIT = 1.2          # scores in units of the noise: a logistic function of this slope is a normal one
MOST_COMPARED = 1000  # ratings that the groups' weights are learnt from
MOST_LANDMARKS = 2000  # ratings whose span holds the solution
MOST_PARTNERS = 1000   # pairs of a picture, where there are more
TWIN = .2              # of the mean squared distance between pictures; nearer ones are near-twins


class Choice(NamedTuple):

    """Shares of the groups of features, and how likely they are before a rating is seen."""

    shares: tuple
    prior: float


def learn(kernels_of, groups_of_pictures, ratings, choices, seed=0):
    raise NotImplementedError


def leave_out(K, y, members):
    """How badly each strength explains ratings that are left out, with their near-twins.

    Args:
        K (numpy.ndarray): Kernel of the rated pictures, shape ``(n, n)``, mean
            diagonal about 1.
        y (numpy.ndarray): Their ratings, mean 0.
        members (list of numpy.ndarray): Rows to leave out together.

    Returns:
        numpy.ndarray: For each of ``STRENGTHS`` the negative log-likelihood.
    """
    values, vectors = np.linalg.eigh(K + 1)  # 1: the mean rating is not known, either
    values = np.maximum(values, 0)
    seen = vectors.T @ y
    alone = np.array([rows[0] for rows in members if len(rows) == 1], int)
    together = [rows for rows in members if len(rows) > 1]
    squares = vectors ** 2
    costs = []
    for strength in STRENGTHS:
        inverse = 1 / (values + strength)
        dual = vectors @ (inverse * seen)
        diagonal = (squares @ inverse)[alone]
        square, log_det = np.sum(dual[alone] ** 2 / diagonal), np.sum(np.log(diagonal))
        for rows in together:
            block = (vectors[rows] * inverse) @ vectors[rows].T
            square += dual[rows] @ np.linalg.solve(block, dual[rows])
            log_det += np.linalg.slogdet(block)[1]
        costs.append(.5 * len(y) * np.log(square / len(y)) - .5 * log_det)
    return np.array(costs)


def weigh_groups(kernels, ratings, members, choices):
    """How much each group of features counts, in units of the noise.

    Args:
        kernels (list of numpy.ndarray): Of each group, shape ``(n, n)``, of
            mean diagonal 1.
        ratings (numpy.ndarray): Shape ``(n,)``.
        members (list of numpy.ndarray): Rows that are left out together.
        choices (list of Choice): Among which to weigh.

    Returns:
        numpy.ndarray: Prior variance of the scores by each group.
    """
    y = ratings - ratings.mean()
    costs = np.array([
        leave_out(sum(share * K for share, K in zip(choice.shares, kernels) if share), y, members)
        + .5 * (np.log(STRENGTHS / USUAL_STRENGTH) / SPREAD) ** 2 - np.log(choice.prior)
        for choice in choices])
    likely = np.exp(costs.min() - costs)
    likely /= likely.sum()
    shares = np.array([choice.shares for choice in choices])
    return LOGIT ** 2 * (likely / STRENGTHS).sum(axis=1) @ shares


def loss_gradient(scores, ratings):
    """Gradient of ``n`` times RankNet's mean loss of pairs, by the scores.

    All pairs of up to ``MOST_PARTNERS`` pictures; of more, each picture with
    so many others.
    """
    n = len(scores)
    gradient = np.zeros(n)
    if n <= MOST_PARTNERS:
        for start in range(0, n, 512):
            rows = slice(start, start + 512)
            gradient[rows] = _pair_gradient(scores[rows, None], scores[None], ratings[rows, None],
                                            ratings[None]).sum(axis=1)
        return gradient * 2 / (n - 1)
    for shift in range(1, MOST_PARTNERS // 2 + 1):
        g = _pair_gradient(scores, np.roll(scores, shift), ratings, np.roll(ratings, shift))
        gradient += g - np.roll(g, -shift)
    return gradient / (MOST_PARTNERS // 2)


def _pair_gradient(s_i, s_j, t_i, t_j):
    wanted = .5 + .5 * (t_i > t_j) - .5 * (t_i < t_j)
    return .5 * (1 + np.tanh((s_i - s_j) / 2)) - wanted


def solve(Z, ratings, tolerance=1e-4, most=500):
    """Minimise RankNet's loss of scores ``Z w``, each picture's pairs counting once, and ``|w|^2 / 2``.

    A pair's loss is nowhere more curved than 1/4, so a quadratic bound of the
    same curvature everywhere can be minimised again and again: Böhning and
    Lindsay, *Monotonicity of quadratic-approximation algorithms*, 1988.

    Args:
        Z (numpy.ndarray): Features, shape ``(n, r)``, whose columns are
            orthogonal and have mean 0.
        ratings (numpy.ndarray): Shape ``(n,)``.

    Returns:
        numpy.ndarray: ``w``, shape ``(r,)``.
    """
    n = len(Z)
    curvature = (Z ** 2).sum(axis=0) * n / (n - 1) / 2 * SHARP + 1
    w = np.zeros(Z.shape[1])
    for _ in range(most):
        scores = Z @ w
        step = (SHARP * Z.T @ loss_gradient(scores, ratings) + w) / curvature
        w -= step
        if np.abs(Z @ step).max() < tolerance:
            break
    return w


SHARP = 1.4
