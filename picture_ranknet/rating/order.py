"""Which picture to rate next, so that few ratings tell much, and what they tell so far.

A Gaussian process on what pictures look like: those that look alike are
expected to be liked alike, and what goes on along a main direction of their
looks, from round to long, say, is expected to be liked more and more, or less
and less.  The next picture is the one whose rating makes the expected error
over all pictures smallest: first it lies among many others, then far out on a
main direction, since there the most is to be told apart.

Seo, Wallat, Graepel and Obermayer, *Gaussian Process Regression: Active Data
Selection and Test Point Rejection*, IJCNN 2000, section 3 (after Cohn);
Rasmussen and Williams, *Gaussian Processes for Machine Learning*, 2006, section
5.4.2 for what is left out one at a time; Airola, Pahikkala, Waegeman, De Baets
and Salakoski, *An Experimental Comparison of Cross-Validation Techniques for
Estimating the Area Under the ROC Curve*, CSDA 2011, on leaving out pairs.
"""
import math

import numpy as np

LEAST_DEVIATION = .02   # what varies less is not told apart by more
EXPECTED_NOISE = 2      # of a rating, before there is any: its variance in parts of the taste's
DIRECTIONS = 30         # in which pictures differ most
LIKENESS = .7           # share of the taste that is for what looks alike, not for a direction
NOISES = 10. ** np.arange(-1.5, 2.1, .25)
SCORE_WEIGHT = 4        # of a model's scores, beside what pictures look like
FEWEST = 8              # ratings from which anything is said


class Taste:

    """What is known of a person's taste in some pictures.

    Args:
        descriptions (numpy.ndarray): Shape ``(M, D)``; :func:`descriptor.describe` makes such.
        scores (numpy.ndarray): Shape ``(M,)``, of a trained model, higher is
            better; ``None`` if there is none.
    """

    def __init__(self, descriptions, scores=None):
        deviation = np.maximum(descriptions.std(axis=0), LEAST_DEVIATION)
        known = ((descriptions - descriptions.mean(axis=0)) / deviation).astype(np.float32)
        self.prior = np.zeros(len(known))
        self.kernel = _gaussian(known)
        self.kernel *= LIKENESS
        self.kernel += (1 - LIKENESS) * _linear(_along_main_directions(known))
        if scores is not None and np.ptp(scores) > 0:
            self.prior = (scores - scores.mean()) / scores.std()
            line = self.prior.astype(np.float32)
            self.kernel += SCORE_WEIGHT * np.outer(line, line)
        self._left = self.kernel.copy()  # covariance of what is not known yet

    def __len__(self):
        return len(self.kernel)

    def take_in(self, indices):
        """Count on knowing the ratings of these pictures when the next one is chosen."""
        for index in indices:
            column = self._left[index].copy()
            column /= math.sqrt(column[index] + EXPECTED_NOISE)
            for start in range(0, len(column), 256):  # in the cache, and without a second matrix
                self._left[start:start + 256] -= np.outer(column[start:start + 256], column)

    def most_telling(self, candidates):
        """The picture, of an array of indices, whose rating tells most about all of them."""
        chosen = self._left[candidates]
        gains = np.einsum('ij,ij->i', chosen, chosen)
        gains /= self._left[candidates, candidates] + EXPECTED_NOISE
        return int(candidates[gains.argmax()])

    def learn(self, indices, ratings):
        """What some ratings tell.

        Args:
            indices (numpy.ndarray): Pictures that are rated, shape ``(R,)``.
            ratings (numpy.ndarray): Shape ``(R,)``.

        Returns:
            Lesson: Scores of all pictures, and how good they are.
        """
        return Lesson(self, indices, ratings)


class Lesson:

    """What some ratings tell about all pictures.

    Attributes:
        scores (numpy.ndarray): Expected ratings, shape ``(M,)``.
        noise (float): Variance of ratings in parts of that of the taste.
    """

    def __init__(self, taste, indices, ratings):
        self._taste = taste
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

    def pair_accuracy(self):
        """The share of pairs in the right order when both of a pair are left out.

        Only pairs that were rated differently count.  To leave out one at a
        time would mislead: without the best one the others' mean is lower.

        Returns:
            float: ``nan`` where there are too few ratings to tell.
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

    def expected_gain(self, n_more, seed=0):
        """How much the pair accuracy over all pictures is expected to grow by more ratings."""
        known = np.zeros(len(self._taste), bool)
        known[self.indices] = True
        others = np.random.default_rng(seed).permutation(np.flatnonzero(~known))
        now = self._expected_accuracy(self.indices)
        return self._expected_accuracy(np.concatenate([self.indices, others[:n_more]])) - now

    def _expected_accuracy(self, indices, most=500):
        """Expected of scores whose correlation with the taste follows from what is left unknown."""
        kernel = self._taste.kernel
        looked_at = np.linspace(0, len(kernel) - 1, min(most, len(kernel))).astype(int)
        across = kernel[np.ix_(indices, looked_at)].astype(float)
        known = kernel[np.ix_(indices, indices)] + self.noise * np.eye(len(indices))
        told = (across * np.linalg.solve(known, across)).sum(axis=0)
        share = np.clip(told.sum() / kernel[looked_at, looked_at].sum(), 0, 1)
        return .5 + math.asin(math.sqrt(share)) / math.pi


def _along_main_directions(x, sweeps=8):
    """Where pictures are along the directions in which they differ most, by power iteration."""
    directions = np.random.default_rng(0).normal(size=(x.shape[1], min(DIRECTIONS, *x.shape)))
    for _ in range(sweeps):
        directions, _ = np.linalg.qr(x.T @ (x @ directions.astype(np.float32)))
    return x @ directions.astype(np.float32)


def _linear(x):
    """Kernel ``x . y``, float32, with a mean of 1 on its diagonal."""
    return x @ (x.T / max(np.einsum('ij,ij->', x, x) / len(x), 1e-6))


def _gaussian(x):
    """Kernel ``exp(-|x - y|^2 / m)``, float32, with ``m`` the median of the squared distances."""
    squares = np.einsum('ij,ij->i', x, x)
    kernel = x @ x.T
    kernel *= -2
    kernel += squares[:, None]
    kernel += squares
    few = kernel[:500, :500]
    median = np.median(few[~np.eye(len(few), dtype=bool)]) if len(few) > 1 else 1
    kernel /= -max(median, 1e-6)
    return np.exp(kernel, out=kernel)
