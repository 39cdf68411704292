"""Learns one person's taste from few ratings, on features of a pretrained network."""
import contextlib
import copy
from collections.abc import Callable, Sequence
from typing import Optional

import numpy as np

import net
from picture_ranknet.errors import InputError
from picture_ranknet.learning import linear_ranknet, rated, report
from picture_ranknet.learning.linear_ranknet import Choice
from picture_ranknet.machine import ranks, threads
from picture_ranknet.models import brought, efficientnet, scoring
from picture_ranknet.models.pretrained import Pretrained
from picture_ranknet.storage.arrays import RatedPictures
from picture_ranknet.text import silent

FOLDS = 5               # of the cross-validation
FEW = linear_ranknet.MOST_COMPARED  # ratings of which all folds are held out in turn
MOST_MEASURED = 3000    # pictures from which means and deviations are computed
LEAST_DEVIATION = 1e-3  # of the mean; less is rounding error
ENOUGH = 3000           # ratings with which the article's network is about as good
CHOICES = (             # weights of low, middle, late, texture and look, and their prior
    Choice((.02, .15, .40, .43, .00), 1),
    Choice((.02, .13, .40, .35, .10), .5),
    Choice((.05, .20, .20, .35, .20), .1),
    Choice((.10, .20, .10, .20, .40), .02),
    Choice((.30, .20, .10, .20, .20), .02),
    Choice((.02, .10, .78, .10, .00), .1),
    Choice((.02, .10, .10, .78, .00), .1))
BROUGHT = (             # weights of a network that the user supplies and of look
    Choice((1., 0.), .5), Choice((.9, .1), 1), Choice((.7, .3), .5), Choice((.4, .6), .1))
WITHOUT = Choice((1.,), 1),
OWN = (.1, .5), (.3, 1), (.6, .5)    # weights of the user's own features, and their prior
START = (.3, .3), (.6, 1), (.9, 1)   # weights of the scores of a model to start from


def is_pretrained(model: net.RankNet) -> bool:
    """Whether a model was made by :func:`make`."""
    return isinstance(model.predictor, Pretrained)


def train(pictures: RatedPictures, valid: Optional[RatedPictures], X_path: str,
          start: Optional[net.RankNet] = None, start_path: Optional[str] = None,
          image_scale: Optional[float] = None, network: Optional[brought.Sight] = None,
          seed: int = 0, note: Callable[[str], object] = silent,
          progress: Callable[[int], object] = silent) -> tuple:
    """Train a model on rated pictures of a file.

    Args:
        pictures: Those to train on.
        valid: Pictures to validate on; with ``None``, ratings are
            cross-validated.
        X_path: The file of the pictures.
        start: A model to start from, if any.
        start_path: Its file.
        image_scale: Factor applied to pixel values; ``None`` for 1/255, or what
            ``start`` was trained with.
        network: A network that the user supplies, if any.
        seed: Random seed.
        note: Called with each line for the user.
        progress: Called with the number of pictures just done.

    Returns:
        tuple: The model, and cross-validated scores of the rated pictures
        (:meth:`Task.score_held_out`); ``None`` with ``valid``.

    Raises:
        InputError: If ``mpiexec`` has started several processes, or the model
            to start from is of another kind.
    """
    if ranks.size() > 1:
        raise InputError('--arch pretrained: trains in one process on all cores; start it without '
                         'mpiexec')
    report.warn_of_confounders(X_path, pictures, note)
    scale = image_scale or (start.image_scale if start else scoring.ARTICLE_SCALE)
    kind = (pictures.X.shape[2:], scale,
            0 if pictures.features is None else pictures.features.shape[1])
    if start and start.predictor.network and not network:
        network = start.predictor.eye()
    model = make(*kind, note, network)
    if start:
        check_start(start, start_path, model)
    scoring.warn_if_odd_scale(X_path, pictures.X, scale, note)
    with threads.single_blas() if len(pictures.rows) <= FEW else contextlib.nullcontext():
        task = Task(model, pictures.X, pictures.rows, pictures.ratings[pictures.rows],
                    pictures.features, rated.read_groups(X_path, len(pictures.X)), seed, start,
                    progress)
        task.learn()
        return model, None if valid else task.score_held_out()


def describe(rows: Sequence, k: int) -> str:
    """The line of output about the final metrics, the rows from :func:`report.write`."""
    return f'NDCG@{k} | ' + ' | '.join(f'{row.pictures}: {row.value:.4f}' for row in rows
                                       if row.metric == f'NDCG@{k}')


def make(image_size: tuple, image_scale: float, n_features: int = 0,
         note: Callable[[str], object] = silent,
         network: Optional[brought.Sight] = None) -> net.RankNet:
    """An untrained model, with a network that the user supplies, or EfficientNet-Lite0.

    If the package of the latter is not installed, it has no network, which is noted.
    """
    if network:
        return net.RankNet(Pretrained(network.digest, n_features, network.network), image_size,
                           image_scale)
    try:
        digest = efficientnet.digest(efficientnet.weights_path())
    except efficientnet.MissingWeights as e:
        note(f'{e}; until then only gradients and colours are used, which rank unseen pictures '
             'less well')
        digest = ''
    return net.RankNet(Pretrained(digest, n_features), image_size, image_scale)


class Task:

    """Rated pictures, and a model of :func:`make` that learns from them.

    Args:
        model: Its linear layer is set by :meth:`learn`.
        X: Pictures, shape ``(N, 3, H, W)``; features are standardized over all
            of them, rated or not.
        rows: Those to train on, sorted.
        ratings: Their ratings, shape ``(len(rows),)``.
        features: Additional features, shape ``(N, n_features)``.
        groups: A label for each of the ``N``; pictures with the same label
            count as duplicates.  If all labels differ, similar pictures do.
        seed: For sampling from many pictures.
        start: A model of the same kind, trained on other people's ratings; its
            weight, and the difference from it, are learnt.
        progress: Called with the number of pictures just done.
    """

    def __init__(self, model: net.RankNet, X: np.ndarray, rows: np.ndarray, ratings: np.ndarray,
                 features: np.ndarray = None, groups: Sequence = None, seed: int = 0,
                 start: net.RankNet = None, progress: Callable[[int], object] = silent):
        self._model, self._ratings, self._seed, self._start = model, ratings, seed, start
        self._known = X, rows, features, groups
        predictor = model.predictor
        seen = predictor.see_set(X, model.image_scale, None, progress)
        some = np.sort(np.random.default_rng(seed).permutation(len(X))[:MOST_MEASURED])
        self._parts = []
        stop = 0
        for name, size in predictor.sizes.items():
            columns = slice(stop, stop + size)
            known = features if name == 'features' else seen
            offset = seen.shape[1] if name == 'features' else 0
            self._parts.append(_Part(predictor, known, columns, offset, some, rows, start))
            stop = columns.stop
        self._inputs = [part.of_rows for part in self._parts]
        self._choices = BROUGHT if predictor.network else CHOICES if predictor.digest else WITHOUT
        if predictor.n_features:
            self._choices = _with_share(self._choices, OWN)
        if start is not None:
            self._choices = _with_share(self._choices, START)
            scores = start.score(X, features=features if start.predictor.n_features else None)
            self._spread = scores[some].std() or 1.
            base = (scores[rows] - scores[some].mean())[:, None] / self._spread
            self._inputs.append(lambda at: base[at])
        self._groups = None if groups is None else [groups[row] for row in rows]
        self._kernels = None
        if len(rows) <= FEW:
            self._kernels = linear_ranknet.products(self._inputs, len(rows))

    def learn(self) -> None:
        """Fit the model to the ratings, exactly."""
        weights = linear_ranknet.learn(self._inputs, self._ratings, self._choices,
                                       self._apart(self._groups), self._seed, self._kernels)
        layer, bias = self._model.predictor.l, 0.
        for part, w in zip(self._parts, weights):
            layer.W.array[0, part.columns] = w / part.size
            bias -= part.centre @ w / part.size
        if self._start is not None:
            counts = float(weights[-1][0]) / self._spread
            layer.W.array += counts * self._start.predictor.l.W.array
            bias += counts * float(self._start.predictor.l.b.array[0])
        layer.b.array[...] = bias

    def score_held_out(self) -> np.ndarray:
        """Cross-validated scores of the rated pictures.

        Each of ``FOLDS`` models is trained on the other folds; with many ratings,
        one fold is enough.  No group is split.

        Returns:
            numpy.ndarray: Shape ``(len(rows),)``; ``nan`` where nothing was held out.
        """
        X, rows, features, groups = self._known
        scores = np.full(len(rows), np.nan)
        names = list(range(len(rows))) if self._groups is None else self._groups
        order = np.random.default_rng(self._seed).permutation(len(set(names)))
        fold_of = dict(zip(dict.fromkeys(names), order % FOLDS))
        folds = np.array([fold_of[name] for name in names])

        def score(fold):
            out, known = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
            if len(np.unique(self._ratings[known])) > 1:
                weights, dual = linear_ranknet.learn_of_kernels(
                    [K[np.ix_(known, known)] for K in self._kernels], self._ratings[known],
                    self._choices, self._apart(self._groups and [names[i] for i in known]))
                scores[out] = sum(w * K[np.ix_(out, known)]
                                  for w, K in zip(weights, self._kernels)) @ dual

        if self._kernels:
            with threads.single_blas():
                threads.run(score, range(FOLDS))
        else:
            model, out = copy.deepcopy(self._model), folds == 0
            Task(model, X, rows[~out], self._ratings[~out], features, groups, self._seed,
                 self._start).learn()
            scores[out] = model.score(X, rows[out], features)
        return scores

    def _apart(self, groups):
        """The groups, or ``None`` if each picture has its own."""
        return None if groups is None or len(set(groups)) == len(groups) else groups


def check_start(start: net.RankNet, path: str, model: net.RankNet) -> None:
    """Raise :class:`InputError` unless a model can start from the one in a file.

    Args:
        start: The model in the file.
        path: The file, for messages.
        model: The model to be trained.
    """
    kind, wanted = type(start.predictor), model.predictor
    if kind is not Pretrained:
        raise InputError(f'{path}: expected a model of --arch pretrained, got {kind.__name__}')
    if any(getattr(start.predictor, name) != getattr(wanted, name)
           for name in ('digest', 'n_features', 'sizes')):
        raise InputError(f'{path}: was trained with a different network or different '
                         '--features')


def _with_share(choices, shares):
    """Choices in which one more group has some weight."""
    return tuple(Choice((*(share * (1 - own) for share in choice.shares), own),
                        choice.prior * prior)
                 for choice in choices for own, prior in shares)


class _Part:

    """A group of features: standardised, squashed by arctan, with mean 0, mean squared norm 1."""

    def __init__(self, predictor, known, columns, offset, some, rows, start=None):
        self.predictor, self.known, self.columns = predictor, known, columns
        self.here = slice(columns.start - offset, columns.stop - offset)
        self.rows = rows
        h = np.asarray(known[some, self.here], np.float32)
        if start is None:
            mean, deviation = (f(h, axis=0, dtype=np.float64) for f in (np.mean, np.std))
            is_constant = deviation <= LEAST_DEVIATION * np.abs(mean)
            predictor.mean[columns], predictor.deviation[columns] = mean, np.where(
                is_constant, 1, deviation)
        else:
            predictor.mean[columns] = start.predictor.mean[columns]
            predictor.deviation[columns] = start.predictor.deviation[columns]
        bent = self._bend(h)
        self.centre = bent.mean(axis=0, dtype=np.float64)
        self.size = np.sqrt(((bent - self.centre) ** 2).sum() / len(bent)) or 1.

    def _bend(self, h):
        return np.arctan((h - self.predictor.mean[self.columns])
                         / self.predictor.deviation[self.columns])

    def of_rows(self, at):
        h = np.asarray(self.known[self.rows[at], self.here], np.float32)
        return (self._bend(h) - self.centre.astype(np.float32)) / np.float32(self.size)
