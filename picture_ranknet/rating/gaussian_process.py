"""Predicts all ratings from some, how accurate that is, and which rating would tell most.

A Gaussian process on features of pictures, whose kernel is the sum of a
Gaussian one (similar pictures are liked alike) and a linear one on the
principal components (along a component, from round to long, say, pictures are
liked more and more, or less and less).  Active learning: the next picture is
the one whose rating is expected to leave the smallest error over all pictures:
first among many others, then far out on a principal component, where
differences are largest.

Seo, Wallat, Graepel and Obermayer, *Gaussian Process Regression: Active Data
Selection and Test Point Rejection*, IJCNN 2000, section 3 (after Cohn);
Rasmussen and Williams, *Gaussian Processes for Machine Learning*, 2006, section
5.4.2 on leave-one-out cross-validation; Airola, Pahikkala, Waegeman, De Baets
and Salakoski, *An Experimental Comparison of Cross-Validation Techniques for
Estimating the Area Under the ROC Curve*, CSDA 2011, on leave-pair-out.
"""
import math
from collections.abc import Iterable
from typing import Optional

import numpy as np

EXPECTED_NOISE = 2      # noise variance relative to the taste's, before there are ratings
DIRECTIONS = 30         # principal components
LIKENESS = .7           # weight of the Gaussian kernel; the rest is that of the linear one
NOISES = 10. ** np.arange(-1.5, 2.1, .25)
SCORE_WEIGHT = 4        # of a model's scores, relative to the features
FEWEST = 8              # ratings for a first estimate of the accuracy
AT_ONCE = 256           # pictures, so that what is computed of them stays small


class Taste:

    """The prior of a person's taste in some pictures.

    Args:
        looks (numpy.ndarray): Features from :mod:`looks`, float32, shape ``(M, D)``, mean
            about 0.
        scores (numpy.ndarray): Scores of a trained model, shape ``(M,)``,
            higher is better; ``None`` without a model.

    Attributes:
        kernel (numpy.ndarray): Covariance of the taste before any rating,
            shape ``(M, M)``, float32.
        prior (numpy.ndarray): Expected ratings before any, shape ``(M,)``.
    """

    def __init__(self, looks: np.ndarray, scores: Optional[np.ndarray] = None):
        self._known = looks
        self._width = _median_square(self._known)
        self._directions = _main_directions(self._known)
        along = self._known @ self._directions
        self._spread = max(np.einsum('ij,ij->', along, along) / len(along), 1e-6)
        self._usual_score = None
        if scores is not None and np.ptp(scores) > 0:
            self._usual_score = scores.mean(), scores.std()
        self.prior = self._standardize_scores(scores, len(looks))
        self.kernel = self._covariance(self._known, self.prior, self._known, self.prior)
        self._count_on_nothing()

    def _standardize_scores(self, scores, n):
        if self._usual_score is None:
            return np.zeros(n)
        mean, deviation = self._usual_score
        return (scores - mean) / deviation

    def _covariance(self, x, x_prior, y, y_prior):
        kernel = np.empty((len(x), len(y)), np.float32)
        along_y = (y @ self._directions).T
        for start in range(0, len(x), AT_ONCE):  # without a second matrix
            part = slice(start, start + AT_ONCE)
            kernel[part] = _gaussian(x[part], y, self._width)
            kernel[part] *= LIKENESS
            along = x[part] @ self._directions * np.float32((1 - LIKENESS) / self._spread)
            kernel[part] += along @ along_y
            if self._usual_score is not None:
                kernel[part] += SCORE_WEIGHT * np.outer(x_prior[part].astype(np.float32),
                                                        y_prior.astype(np.float32))
        return kernel

    def add(self, looks: np.ndarray, scores: Optional[np.ndarray] = None) -> None:
        """Add pictures, which get the last indices.

        Args:
            looks (numpy.ndarray): Shape ``(K, D)``.
            scores (numpy.ndarray): Shape ``(K,)``; needed if the first ones have scores.
        """
        known = np.concatenate([self._known, looks])
        prior = np.concatenate([self.prior, self._standardize_scores(scores, len(looks))])
        n = len(self)
        rows = self._covariance(known[n:], prior[n:], known, prior)
        self._known, self.prior = known, prior
        self.kernel = _bordered(self.kernel, rows)
        taken_in = self._taken_in
        self._count_on_nothing()
        self.take_in(taken_in)

    def _count_on_nothing(self):
        self._taken_in = []
        # What is not known yet has the covariance kernel - told.T @ told, of which only the
        # diagonal and the squares of its rows are needed: there is no second matrix.
        self._told = np.empty((0, len(self)), np.float32)
        self._variances = np.diag(self.kernel).astype(float)
        self._squares = np.einsum('ij,ij->i', self.kernel, self.kernel).astype(float)

    def __len__(self):
        return len(self.kernel)

    def take_in(self, indices: Iterable):
        """Count on knowing the ratings of these pictures when the next one is chosen."""
        indices = list(indices)
        for start in range(0, len(indices), AT_ONCE):
            few = indices[start:start + AT_ONCE]
            left = self.kernel[few] - self._told[:, few].T @ self._told
            certain = left[:, few] + EXPECTED_NOISE * np.eye(len(few))
            more = np.linalg.solve(np.linalg.cholesky(certain), left).astype(np.float32)
            across = more @ self.kernel - (more @ self._told.T) @ self._told
            self._squares += np.einsum('ij,ij->j', more, (more @ more.T) @ more - 2 * across)
            self._variances -= np.einsum('ij,ij->j', more, more)
            self._told = np.concatenate([self._told, more])
            self._taken_in += few

    def most_telling(self, candidates: np.ndarray) -> int:
        """The picture, of an array of indices, whose rating is most informative about all."""
        gains = self._squares[candidates] / (self._variances[candidates] + EXPECTED_NOISE)
        return int(candidates[gains.argmax()])

    def learn(self, indices: np.ndarray, ratings: np.ndarray) -> 'Lesson':
        """Learn from some ratings.

        Args:
            indices (numpy.ndarray): Pictures that are rated, shape ``(R,)``.
            ratings (numpy.ndarray): Shape ``(R,)``.

        Returns:
            Lesson: Expected ratings of all pictures, and how good these are.
        """
        return Lesson(self, indices, ratings)


class Lesson:

    """The posterior of all ratings, given some.

    Attributes:
        scores (numpy.ndarray): Expected ratings, shape ``(M,)``.
        noise (float): Variance of ratings, relative to that of the taste.
    """

    def __init__(self, taste, indices, ratings):
        self.indices = np.asarray(indices)
        self.ratings = np.asarray(ratings, float)
        self.noise = EXPECTED_NOISE
        if len(self.indices) < 2 or np.ptp(self.ratings) == 0:
            mean = self.ratings.mean() if len(self.ratings) else 0
            self.scores = taste.prior + mean
            self._inverse = self._dual = None
            return
        kernel = taste.kernel[np.ix_(self.indices, self.indices)].astype(float)
        values, vectors = np.linalg.eigh(kernel)
        mean, best = self.ratings.mean(), np.inf
        for noise in NOISES:
            inverse = (vectors / (np.maximum(values, 0) + noise)) @ vectors.T
            dual = inverse @ (self.ratings - mean)
            errors = dual / np.diag(inverse)
            if (errors ** 2).mean() < best:
                best, self.noise = (errors ** 2).mean(), noise
                self._inverse, self._dual = inverse, dual
        self.scores = mean + taste.kernel[:, self.indices] @ self._dual

    def left_out(self) -> np.ndarray:
        """Leave-one-out predictions of the rated pictures, shape ``(R,)``."""
        if self._dual is None:
            return self.ratings.copy()
        return self.ratings - self._dual / np.diag(self._inverse)

    def pair_accuracy(self) -> float:
        """Pair accuracy by leave-pair-out cross-validation.

        Only pairs that were rated differently count.  Leave-one-out would be
        biased: without the best picture the mean of the others is lower.

        Returns:
            float: ``nan`` if there are too few ratings.
        """
        if len(self.ratings) < FEWEST or self._dual is None:
            return math.nan
        i, j = np.triu_indices(len(self.ratings), 1)
        told = np.sign(self.ratings[i] - self.ratings[j])
        i, j, told = i[told != 0], j[told != 0], told[told != 0]
        own = np.diag(self._inverse)
        across = self._inverse[i, j]
        determinant = own[i] * own[j] - across ** 2
        error_i = (own[j] * self._dual[i] - across * self._dual[j]) / determinant
        error_j = (own[i] * self._dual[j] - across * self._dual[i]) / determinant
        expected = (self.ratings[i] - error_i) - (self.ratings[j] - error_j)
        return float(np.mean((1 + told * np.sign(expected)) / 2))

    def expected_gain(self, taste: Taste, n_more: int, seed: int = 0) -> float:
        """Expected increase of the pair accuracy over all pictures from ``n_more`` ratings."""
        known = np.zeros(len(taste), bool)
        known[self.indices] = True
        others = np.random.default_rng(seed).permutation(np.flatnonzero(~known))
        more = np.concatenate([self.indices, others[:n_more]])
        return (self._expected_accuracy(taste.kernel, more)
                - self._expected_accuracy(taste.kernel, self.indices))

    def _expected_accuracy(self, kernel, indices, most=500):
        """The pair accuracy that follows from the explained variance of the taste."""
        looked_at = np.linspace(0, len(kernel) - 1, min(most, len(kernel))).astype(int)
        across = kernel[np.ix_(indices, looked_at)].astype(float)
        known = kernel[np.ix_(indices, indices)] + self.noise * np.eye(len(indices))
        told = (across * np.linalg.solve(known, across)).sum(axis=0)
        share = np.clip(told.sum() / kernel[looked_at, looked_at].sum(), 0, 1)
        return .5 + math.asin(math.sqrt(share)) / math.pi


def _main_directions(x, sweeps=8):
    """Principal directions, by orthogonal power iteration; shape ``(D, K)``."""
    directions = np.random.default_rng(0).normal(size=(x.shape[1], min(DIRECTIONS, *x.shape)))
    for _ in range(sweeps):
        directions, _ = np.linalg.qr(x.T @ (x @ directions.astype(np.float32)))
    return directions.astype(np.float32)


def _median_square(x, most=500):
    """The median squared distance among the first ``most`` pictures."""
    few = x[:most]
    distances = _squared_distances(few, few)
    others = distances[~np.eye(len(few), dtype=bool)]
    return max(np.median(others), 1e-6) if len(others) else 1.


def _squared_distances(x, y):
    distances = x @ y.T
    distances *= -2
    distances += np.einsum('ij,ij->i', x, x)[:, None]
    distances += np.einsum('ij,ij->i', y, y)
    return distances


def _gaussian(x, y, width):
    """Kernel ``exp(-|x - y|^2 / width)``, float32."""
    kernel = _squared_distances(x, y)
    kernel /= -width
    return np.exp(kernel, out=kernel)


def _bordered(matrix, rows):
    """A symmetric matrix with more rows and columns appended."""
    n, size = len(matrix), rows.shape[1]
    bordered = np.empty((size, size), matrix.dtype)
    bordered[:n, :n] = matrix
    bordered[n:] = rows
    bordered[:n, n:] = rows[:, :n].T
    return bordered
