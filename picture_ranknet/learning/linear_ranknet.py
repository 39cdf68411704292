"""Linear RankNet over fixed features: the loss of all pairs, minimised exactly.

Where only a linear layer is learnt, RankNet's loss is convex and needs no
stochastic steps.  The features come in groups.  The weight of each group and
the strength of regularisation are learnt from the ratings by leave-one-out
cross-validation, where near-duplicates are left out together; for a Gaussian
process the predictions have a closed form (Rasmussen and Williams, *Gaussian
Processes for Machine Learning*, 2006, section 5.4.2).  Choices that predict
about equally well are averaged, and few ratings leave the result near a prior.
"""
from collections.abc import Sequence
from typing import NamedTuple, Optional

import numpy as np

STRENGTHS = 10. ** np.arange(-1.5, 2.1, .25)  # noise variance over the variance of the scores
USUAL_STRENGTH, SPREAD = 3., 1.  # their prior is log-normal
LOGIT = 1.2            # a logistic function with this slope is close to the normal CDF
WEIGHT = 1.4           # of a picture's pairs, so that their curvature is that of one rating
MOST_COMPARED = 1000   # ratings used to choose between the groups of features
MOST_LANDMARKS = 3000  # ratings whose span holds the solution
MOST_RATINGS = 10 ** 5  # ratings to learn from; a larger set is subsampled
MOST_AT_ONCE = 512     # pictures whose features are in memory at once
ALL_PAIRS = 1500       # pictures up to which all pairs are used
MOST_PAIRS = 2 ** 21   # pairs used otherwise, but at least 100 partners per picture
NEAR = .2              # of the mean squared distance; closer pictures are near-duplicates


class Choice(NamedTuple):

    """Weights of the groups of features, which sum to 1, and their prior probability."""

    shares: tuple
    prior: float


def products(features: Sequence, n: int) -> list:
    """The products of the features of ``n`` rows with each other, ``(n, n)`` for each group."""
    return [h @ h.T for h in (f(np.arange(n)) for f in features)]


def learn(features: Sequence, ratings: np.ndarray, choices: Sequence, groups: Sequence = None,
          seed: int = 0, kernels: list = None) -> list:
    """Learn linear weights of each group of features.

    Args:
        features: A function for each group, which returns the features of some
            rows, shape ``(len(rows), D)``, mean 0 and mean squared norm 1.
        ratings: Shape ``(n,)``, at least two different ones.
        choices: The choices to average over; see :class:`Choice`.
        groups: A label for each picture; pictures with the same label are left
            out together.  ``None``: those with very similar features are.
        seed: For subsampling where there are too many ratings.
        kernels: The :func:`products` of up to ``MOST_COMPARED`` ratings, if
            they are known.

    Returns:
        list: Weights of each group, shape ``(D,)``.
    """
    n = len(ratings)
    if n <= MOST_COMPARED:
        variances, dual = learn_of_kernels(kernels or products(features, n), ratings, choices,
                                           groups)
        return [variance * (dual @ f(np.arange(n))) for variance, f in zip(variances, features)]
    if n > MOST_RATINGS:
        some = np.sort(np.random.default_rng(seed).permutation(n)[:MOST_RATINGS])
        return learn([lambda rows, f=f: f(some[rows]) for f in features], ratings[some], choices,
                     groups and [groups[row] for row in some], seed)
    landmarks = np.sort(np.random.default_rng(seed).permutation(n)[:MOST_LANDMARKS])
    compared = np.sort(np.random.default_rng(seed).permutation(len(landmarks))[:MOST_COMPARED])
    at_landmarks = [f(landmarks) for f in features]
    kernels = [h[compared] @ h[compared].T for h in at_landmarks]
    variances = weigh_groups(kernels, ratings[landmarks[compared]], _left_out_together(
        kernels, groups and [groups[row] for row in landmarks[compared]]), choices)
    to_span = _span(sum(v * (h @ h.T) for v, h in zip(variances, at_landmarks)))
    Z = np.empty((n, to_span.shape[1]), np.float32)
    for start in range(0, n, MOST_AT_ONCE):
        rows = np.arange(start, min(start + MOST_AT_ONCE, n))
        Z[rows] = sum(v * (f(rows) @ h.T) for v, f, h in zip(
            variances, features, at_landmarks)) @ to_span
    dual = to_span @ _solve_centred(Z, ratings)
    return [variance * (dual @ h) for variance, h in zip(variances, at_landmarks)]


def learn_of_kernels(kernels: list, ratings: np.ndarray, choices: Sequence,
                     groups: Optional[Sequence] = None) -> tuple:
    """The same for few pictures, in the dual: from kernel matrices.

    Args:
        kernels: A kernel matrix for each group of features, shape ``(n, n)``,
            mean diagonal 1.
        ratings, choices, groups: As for :func:`learn`.

    Returns:
        tuple: The variance of each group, and ``dual``, shape ``(n,)``.  A
        picture's score is ``dual`` times its kernel with these pictures, summed
        over the groups with their variances, plus a constant.
    """
    variances = weigh_groups(kernels, ratings, _left_out_together(kernels, groups), choices)
    K = sum(variance * kernel for variance, kernel in zip(variances, kernels))
    to_span = _span(K)
    return variances, to_span @ _solve_centred(K @ to_span, ratings)


def _left_out_together(kernels, groups):
    return near_duplicates(sum(kernels)) if groups is None else _members(groups)


def _span(K):
    """The map from kernel values with the pictures to coordinates in their span, ``(n, r)``."""
    values, vectors = np.linalg.eigh(K)
    kept = values > 1e-6 * max(values[-1], 1e-9)
    return vectors[:, kept] / np.sqrt(values[kept])


def _solve_centred(Z, ratings):
    """As :func:`solve`, for any ``Z``, which is overwritten: with many ratings it is large."""
    Z -= Z.mean(axis=0, dtype=np.float64).astype(Z.dtype)
    values, vectors = np.linalg.eigh((Z.T @ Z).astype(np.float64))
    kept = values > 1e-6 * max(values[-1:], default=0)
    vectors = vectors[:, kept].astype(Z.dtype)
    for start in range(0, len(Z), MOST_AT_ONCE):
        rows = slice(start, start + MOST_AT_ONCE)
        Z[rows, :vectors.shape[1]] = Z[rows] @ vectors
    return vectors @ solve(Z[:, :vectors.shape[1]], ratings)


def near_duplicates(K: np.ndarray) -> list:
    """Clusters (single linkage) of near-duplicates by a kernel matrix, shape ``(n, n)``."""
    square = np.diag(K)
    distance = square[:, None] + square - 2 * K
    near = distance <= NEAR * distance.mean()
    np.fill_diagonal(near, True)
    labels = np.arange(len(K))
    while True:
        spread = np.array([labels[row].min() for row in near])
        if (spread == labels).all():
            return _members(labels.tolist())
        labels = spread


def _members(labels):
    rows = {}
    for row, label in enumerate(labels):
        rows.setdefault(label, []).append(row)
    return [np.array(part) for part in rows.values()]


def leave_out(K: np.ndarray, y: np.ndarray, members: list) -> np.ndarray:
    """Leave-one-out error for each strength; near-duplicates are left out together.

    Args:
        K (numpy.ndarray): Kernel of the rated pictures, shape ``(n, n)``, mean
            diagonal about 1.
        y (numpy.ndarray): Their ratings, mean 0.
        members (list of numpy.ndarray): Rows to leave out together.

    Returns:
        numpy.ndarray: The negative log-likelihood for each of ``STRENGTHS``.
    """
    values, vectors = np.linalg.eigh(K + 1)  # 1: the mean rating is unknown, too
    values = np.maximum(values, 0)
    seen = vectors.T @ y
    alone = np.array([rows[0] for rows in members if len(rows) == 1], int)
    together = [rows for rows in members if len(rows) > 1]
    squares = vectors ** 2
    costs = []
    for strength in STRENGTHS:
        inverse = 1 / (values + strength)
        dual = vectors @ (inverse * seen)
        variance = 1 / (squares @ inverse)[alone]
        square, log_variance = np.sum(dual[alone] ** 2 * variance), np.sum(np.log(variance))
        for rows in together:  # each group counts as one rating
            covariance = np.linalg.inv((vectors[rows] * inverse) @ vectors[rows].T)
            variance = np.diag(covariance)
            square += np.mean((covariance @ dual[rows]) ** 2 / variance)
            log_variance += np.mean(np.log(variance))
        costs.append(.5 * len(members) * np.log(square / len(members)) + .5 * log_variance)
    return np.array(costs)


def weigh_groups(kernels: list, ratings: np.ndarray, members: list,
                 choices: Sequence) -> np.ndarray:
    """The prior variance of each group of features, in units of the noise.

    Args:
        kernels (list of numpy.ndarray): A kernel matrix for each group, shape
            ``(n, n)``, mean diagonal 1.
        ratings (numpy.ndarray): Shape ``(n,)``.
        members (list of numpy.ndarray): Rows that are left out together.
        choices (list of Choice): The choices to average over.

    Returns:
        numpy.ndarray: Prior variance of the scores for each group.
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


def loss_gradient(scores: np.ndarray, ratings: np.ndarray) -> np.ndarray:
    """Gradient with respect to the scores of RankNet's loss: each picture's mean over its pairs.

    With more than ``ALL_PAIRS`` pictures, each is paired with a few hundred others.
    """
    n = len(scores)
    if n <= ALL_PAIRS:
        gradient = np.zeros(n)
        for start in range(0, n, 256):
            rows = slice(start, start + 256)
            gradient[rows] = _pair_gradient(scores[rows, None], scores, ratings[rows, None],
                                            ratings).sum(axis=1)
        return 2 / (n - 1) * gradient
    shifts = max(50, min(n // 2, MOST_PAIRS // n))
    gradient = np.zeros(n)
    for shift in range(1, shifts + 1):
        g = _pair_gradient(scores, np.roll(scores, shift), ratings, np.roll(ratings, shift))
        gradient += g - np.roll(g, -shift)
    return gradient / shifts


def _pair_gradient(s_i, s_j, t_i, t_j):
    wanted = .5 + .5 * (t_i > t_j) - .5 * (t_i < t_j)
    return .5 * (1 + np.tanh((s_i - s_j) / 2)) - wanted


def solve(Z: np.ndarray, ratings: np.ndarray, tolerance: float = 1e-3,
          most: int = 300) -> np.ndarray:
    """Minimise RankNet's loss of scores ``Z w``, plus ``|w|^2 / 2``.

    The curvature of a pair's loss is at most 1/4, so a quadratic upper bound
    with that curvature is minimised repeatedly (Böhning and Lindsay,
    *Monotonicity of quadratic-approximation algorithms*, 1988), with Nesterov
    momentum, which is reset where the loss would rise.

    Args:
        Z (numpy.ndarray): Shape ``(n, r)``; columns are orthogonal and have mean 0.
        ratings (numpy.ndarray): Shape ``(n,)``.
        tolerance (float): Largest change of a score in the last step.
        most (int): Maximum number of steps.

    Returns:
        numpy.ndarray: ``w``, shape ``(r,)``.
    """
    n = len(Z)
    ratings = ratings.astype(np.float32)
    curvature = WEIGHT / 2 * n / (n - 1) * np.einsum('ij,ij->j', Z, Z, dtype=np.float64) + 1
    w = ahead = np.zeros(Z.shape[1])
    momentum = 1.
    for _ in range(most):
        scores = (Z @ ahead.astype(Z.dtype)).astype(np.float32)
        gradient = WEIGHT * (Z.T @ loss_gradient(scores, ratings).astype(Z.dtype)) + ahead
        new = ahead - gradient / curvature
        step = new - w
        if gradient @ step > 0:
            momentum = 1.
        following = (1 + np.sqrt(1 + 4 * momentum ** 2)) / 2
        ahead = new + (momentum - 1) / following * step
        w, momentum = new, following
        if np.abs(Z @ step.astype(Z.dtype)).max() < tolerance:
            break
    return w
