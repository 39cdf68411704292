"""Training the stages of a cascade by Gentle AdaBoost.

Each stage is trained to pass most faces and few other windows; those other
windows are false positives of the previous stages in scenes without faces.  A
fifth of both is held out, to decide when a stage is good enough, and its
threshold.

Reference: Friedman, Hastie and Tibshirani, *Additive Logistic Regression: a
Statistical View of Boosting*, Annals of Statistics 2000, section 4.4.
"""
import math
import time
from collections.abc import Callable, Sequence

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.faces.training import lbp
from picture_ranknet.faces.training.lbp import CODES, Cascade, Stage
from picture_ranknet.faces.training.mining import mine
from picture_ranknet.faces.training.samples import Scene
from picture_ranknet.faces.training.settings import ENOUGH, VALIDATION, Goal
from picture_ranknet.text import silent

TRIM = .99      # fraction of the total weight that weak classifiers are fitted to


class Trainer:

    """Adds stages to a cascade.

    Args:
        cascade: The stages so far; new ones are added to it.
        faces: Windows of faces, ``uint8``, shape ``(N, height, width)``.
        held_out: Windows of held-out faces.
        scenes: Where to mine windows that are not faces.
        n_others: The number of such windows to train a stage on.
        search: Maximum number of windows to search for them.
        seed: Random seed.
        false_alarm: Fraction of other windows that pass the stages so far.

    Attributes:
        hit_rate (float): Fraction of the held-out faces that pass all stages.
        false_alarm (float): Estimated fraction of other windows that do.
    """

    def __init__(self, cascade: Cascade, faces: np.ndarray, held_out: np.ndarray,
                 scenes: Sequence[Scene], n_others: int, search: float, seed: int,
                 false_alarm: float = 1.):
        self.cascade, self.faces, self.held_out, self.scenes = cascade, faces, held_out, scenes
        self.n_others, self.search, self.seed = n_others, search, seed
        self.false_alarm = false_alarm
        self.features = lbp.all_features(cascade.width, cascade.height)
        self._n_held_out = len(held_out)
        self._pass_rate = self._seconds = 0
        self._keep_passing()
        self._codes = lbp.codes_of(self.faces, self.features)

    @property
    def hit_rate(self) -> float:
        return len(self.held_out) / self._n_held_out

    @property
    def n_mined(self) -> int:
        """The number of windows to mine for a stage, including held-out ones."""
        return math.ceil(self.n_others * (1 + VALIDATION))

    def add_stages(self, n: int, goal: Goal, save: Callable[[], object],
                   say: Callable[[str], object] = silent,
                   progress: Callable[[int, int], object] = silent) -> None:
        """Train stages until there are ``n``, or too few windows pass them.

        Args:
            n: Number of stages, including existing ones.
            goal: What each is trained for.
            save: Called after each stage.
            say: Called with a line about each stage.
            progress: As for :meth:`mine`.

        Raises:
            InputError: If the scenes have too few windows for a first stage.
        """
        stages = self.cascade.stages
        while len(stages) < n:
            windows = self.mine(progress)
            if len(windows) < ENOUGH:
                break
            say(self.add_stage(windows, goal))
            save()
        if not stages:
            raise InputError(f'--no_faces: expected at least {ENOUGH} windows, got {len(windows)}; '
                             'give more pictures')

    def mine(self, progress: Callable[[int, int], object] = silent) -> np.ndarray:
        """Mine windows for the next stage; fewer than ``ENOUGH`` are too few.

        Args:
            progress: Called with the number of windows found, and the number wanted.

        Returns:
            ``uint8``, shape ``(up to n_mined, height, width)``.
        """
        start = time.monotonic()
        windows, self._pass_rate = mine(
            self.cascade, self.scenes, self.n_mined, self.search,
            [self.seed, 2, len(self.cascade.stages)], progress=progress)
        if len(windows) < ENOUGH:
            self.false_alarm = self._pass_rate
        self._seconds = time.monotonic() - start
        return windows

    def add_stage(self, windows: np.ndarray, goal: Goal) -> str:
        """Train a stage to reject mined windows; return a line about its performance."""
        start, number = time.monotonic(), len(self.cascade.stages)
        n_held_out = math.ceil(len(windows) * VALIDATION / (1 + VALIDATION))
        stage, hits, alarms = train_stage(
            self.features, self._codes, lbp.codes_of(windows[n_held_out:], self.features),
            self.held_out, windows[:n_held_out], goal,
            np.random.default_rng([self.seed, 3, number]))
        self.cascade.stages.append(stage)
        self.false_alarm = self._pass_rate * alarms
        self._codes = self._codes[:, self._keep_passing()]
        seconds = time.monotonic() - start + self._seconds
        return (f'stage {number:2}: {len(stage.features):3} weak classifiers; {hits:.4f} of the '
                f'faces and {alarms:.3f} of {len(windows):,} other windows pass (all stages: '
                f'{self.hit_rate:.4f}, {self.false_alarm:.1e}); {seconds:.0f} s, '
                f'{self._seconds:.0f} of them mining')

    def _keep_passing(self):
        """Drop the faces that the stages reject; return a mask of those kept."""
        kept, kept_held_out = (self.cascade.evaluate(windows)[0] == len(self.cascade.stages)
                               for windows in (self.faces, self.held_out))
        self.faces, self.held_out = self.faces[kept], self.held_out[kept_held_out]
        return kept


def train_stage(features: np.ndarray, faces: np.ndarray, others: np.ndarray,
                faces_held_out: np.ndarray, others_held_out: np.ndarray, goal: Goal,
                rng: np.random.Generator) -> tuple[Stage, float, float]:
    """Boost weak classifiers until they are good enough on held-out windows.

    Args:
        features: All features, shape ``(F, 4)``.
        faces: Their codes in the faces, ``uint8``, shape ``(F, N)``.
        others: Their codes in the other windows, shape ``(F, M)``.
        faces_held_out: Windows to measure the hit rate on.
        others_held_out: Windows to measure the false alarm rate on.
        goal: What is good enough.
        rng: Draws the features to choose from.

    Returns:
        The stage, its hit rate and its false alarm rate.
    """
    held_out = [lbp.integrals(windows) for windows in (faces_held_out, others_held_out)]
    votes = [np.zeros(len(windows)) for windows in held_out]
    weights = [np.full(codes.shape[1], .5 / codes.shape[1]) for codes in (faces, others)]
    chosen, subsets, leaves = [], [], []
    hits = alarms = 1.
    while len(chosen) < goal.most:
        n_drawn = math.ceil(len(features) * goal.share)
        drawn = np.sort(rng.choice(len(features), n_drawn, replace=False))
        heavy_faces, heavy_others = trim(weights)
        gains = np.empty(len(drawn))
        _gains(faces, others, drawn, heavy_faces, heavy_others, weights[0][heavy_faces],
               weights[1][heavy_others], gains)
        best = drawn[np.argmax(gains)]
        subset, pair = weak_classifier(faces[best], others[best], *weights)
        for codes, label, w in zip((faces, others), (1, -1), weights):
            w *= np.exp(-label * np.where(subset[codes[best]], *pair))
        total = sum(w.sum() for w in weights)
        for w in weights:
            w /= total
        chosen.append(best)
        subsets.append(subset)
        leaves.append(pair)

        for windows, sums in zip(held_out, votes):
            codes = lbp.codes_of_integrals(windows, features[best:best + 1])
            sums += np.where(subset[codes[0]], *pair)
        threshold = threshold_for(votes[0], goal.hit_rate)
        hits, alarms = (np.mean(sums >= threshold - lbp.THRESHOLD_EPSILON)
                        for sums in votes)
        if alarms <= goal.false_alarm:
            break
    return Stage(features[chosen], np.array(subsets), np.array(leaves, np.float32),
                 threshold), hits, alarms


def threshold_for(sums: np.ndarray, hit_rate: float) -> np.float32:
    """The highest threshold that a fraction ``hit_rate`` of the sums reaches."""
    misses = int((1 - hit_rate) * len(sums))
    return np.float32(np.sort(sums)[misses])


def trim(weights: Sequence[np.ndarray], share: float = TRIM) -> list[np.ndarray]:
    """Weight trimming: indices of each class's heaviest samples, with that share of all weight."""
    everything = np.sort(np.concatenate(weights))
    light = np.searchsorted(np.cumsum(everything), (1 - share) * everything.sum())
    return [np.flatnonzero(w >= everything[light]) for w in weights]


def weak_classifier(faces: np.ndarray, others: np.ndarray, face_weights: np.ndarray,
                    other_weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit two leaves to the codes of one feature by weighted least squares.

    Args:
        faces: Codes of the feature in faces, ``uint8``.
        others: Codes in other windows.
        face_weights, other_weights: Weights of the windows; they sum to 1
            together.

    Returns:
        The subset of codes, ``bool``, shape ``(256,)``, and the votes inside and
        outside it, ``float32``: the mean labels, 1 for a face and -1 otherwise.
    """
    a = np.bincount(faces, face_weights, CODES)
    b = np.bincount(others, other_weights, CODES)
    subset = np.zeros(CODES, np.bool_)
    _best_cut(a, b, subset)
    pair = np.array([(a[s].sum() - b[s].sum()) / max(a[s].sum() + b[s].sum(), 1e-300)
                     for s in (subset, ~subset)], np.float32)
    return subset, pair


@lbp.kernel(cache=True)
def _best_cut(a, b, subset):
    """Split the codes in two so that mean labels fit best; ``subset`` gets the lower ones.

    For two classes the best split is one of those in the order of the mean
    label (Breiman et al., *Classification and Regression Trees*, 1984, section
    4.2.2).  Returns the decrease of the squared error, up to a constant.
    """
    weight = a + b
    label = np.zeros(CODES)
    for code in range(CODES):
        if weight[code] > 0:
            label[code] = (a[code] - b[code]) / weight[code]
    order = np.argsort(label)
    total, total_label = weight.sum(), a.sum() - b.sum()
    best, cut, low, low_label = -1., 0, 0., 0.
    for i in range(CODES - 1):
        code = order[i]
        low += weight[code]
        low_label += a[code] - b[code]
        high, high_label = total - low, total_label - low_label
        if low > 1e-12 and high > 1e-12:
            gain = low_label * low_label / low + high_label * high_label / high
            if gain > best:
                best, cut = gain, i + 1
    for i in range(CODES):
        subset[order[i]] = i < cut
    return best


@lbp.kernel(cache=True, parallel=True)
def _gains(faces, others, drawn, face_index, other_index, face_weights, other_weights, gains):
    for j in lbp.prange(len(drawn)):
        a, b = np.zeros(CODES), np.zeros(CODES)
        row = faces[drawn[j]]
        for k in range(len(face_index)):
            a[row[face_index[k]]] += face_weights[k]
        row = others[drawn[j]]
        for k in range(len(other_index)):
            b[row[other_index[k]]] += other_weights[k]
        gains[j] = _best_cut(a, b, np.zeros(CODES, np.bool_))
