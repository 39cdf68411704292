"""Self-supervised pretraining: a network learns to describe pictures before it ranks any.

From an augmented picture, a predictor's trunk and hidden layer learn to
predict its histograms of oriented gradients and its colours.  That needs no
ratings, so unrated crops can be used too.  Dalal and Triggs, *Histograms of
Oriented Gradients for Human Detection*, CVPR 2005; as a target of pretraining:
Wei et al., *Masked Feature Prediction for Self-Supervised Visual
Pre-Training*, CVPR 2022.  The targets are the first principal components: the
many small ones are mostly noise.
"""
from collections.abc import Callable, Sequence
from typing import Optional

import numpy as np

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer
import chainer.functions as F
import chainer.links as L

from picture_ranknet.fast import fused_adam
from picture_ranknet.learning import augment, parallel
from picture_ranknet.learning.recipe import Recipe
from picture_ranknet.machine import ranks, threads
from picture_ranknet.models import scoring
from picture_ranknet.models.batch_normalization import sharing_batches
from picture_ranknet.pictures.descriptor import describe
from picture_ranknet.storage import arrays
from picture_ranknet.text import count, silent

N_ITER = 1000
BATCHSIZE = 32
ALPHA = .001     # Adam's learning rate; decays to 0
COMPONENTS = 256
MIDDLE = np.float32(.5)  # of the range of pixel values that the predictor gets
MOST_MEASURED = 2000  # pictures from which the principal components are computed


class Describer(chainer.Chain):

    """A predictor that outputs a description instead of a score.

    Learning is faster with pictures of mean 0, so ``MIDDLE`` is subtracted;
    :meth:`fold` moves that into the first bias afterwards.

    Args:
        predictor (models.predictor.Predictor): Its trunk and hidden layer learn.
        size (int): Dimension of a description.
    """

    def __init__(self, predictor, size):
        super().__init__()
        with self.init_scope():
            self.predictor = predictor
            self.out = L.Linear(len(predictor.l1.W), size)

    def forward(self, x):
        return self.out(self.predictor.hidden(self.predictor.trunk(x - MIDDLE)))

    def fold(self):
        """Move the subtraction of ``MIDDLE`` into the bias of the first, unpadded convolution."""
        conv1 = self.predictor.conv1
        conv1.b.array -= conv1.W.array.sum(axis=(1, 2, 3)) * MIDDLE


class Task:

    """Batches of random, augmented pictures of several sets, with their descriptions.

    Each of several processes reads its part of a batch.

    Args:
        model (net.RankNet): Scales the pictures.
        sets: Pairs of pictures, shape ``(N, 3, H, W)``, and the rows to use.
        seed: Determines the batches.
        strength, mirror: See :func:`augment.vary`.
    """

    def __init__(self, model, sets: Sequence, seed: int, strength: float = 1,
                 mirror: bool = True):
        self.model = model
        self.sets = sets
        self.seed = seed
        self.strength = strength
        self.mirror = mirror
        self.ends = np.cumsum([len(rows) for _, rows in sets])
        rng = np.random.default_rng(seed)
        numbers = self._draw(rng, MOST_MEASURED)
        known = np.concatenate([self._read(rng, numbers[i:i + BATCHSIZE])[1]
                                for i in range(0, len(numbers), BATCHSIZE)])
        self.mean = known.mean(axis=0)
        _, S, V = np.linalg.svd(known - self.mean, full_matrices=False)
        variances = S[:COMPONENTS] ** 2 / len(known)
        self.components = V[:COMPONENTS].T / max(np.sqrt(variances.mean()), 1e-6)

    def read(self, number: int) -> tuple:
        """Input for the predictor, and principal components of mean 0 and mean variance 1."""
        rng = np.random.default_rng([self.seed, number])
        numbers = self._draw(rng, BATCHSIZE)
        part = ranks.part(len(numbers))
        x, known = self._read(rng, numbers[part], part.start)
        return x, (known - self.mean) @ self.components

    def _draw(self, rng, n):
        n_all = int(self.ends[-1])
        return rng.choice(n_all, min(n, n_all), replace=False, shuffle=False)

    def _read(self, rng, numbers, before=0):
        x = self.model.scale(np.stack(self._pictures(numbers)))
        augment.vary(x, rng, self.strength, self.mirror, before)
        return x, describe(x * 255)

    def _pictures(self, numbers):
        pictures = [None] * len(numbers)
        indices = np.searchsorted(self.ends, numbers, side='right')
        for index, (X, rows) in enumerate(self.sets):
            places = np.flatnonzero(indices == index)
            # Counted from the end of the rows.
            taken = arrays.take(X, rows[numbers[places] - self.ends[index]])
            for place, picture in zip(places, taken):
                pictures[place] = picture
        return pictures


def learn(model, task: Task, n_iter: int = N_ITER,
          progress: Optional[Callable[[int], object]] = None, communicator=None) -> list:
    """Train a model's predictor to describe pictures; its last layer does not change.

    Args:
        model (net.RankNet): On its device.
        task: What it learns from.
        n_iter: Steps of Adam.
        progress: Called with 1 after each.
        communicator: ChainerMN's, from :func:`parallel.connect`.

    Returns:
        list of float: The loss at each step; predicting the mean description
        gives a loss of 1.
    """
    describer = Describer(model.predictor, task.components.shape[1])
    describer.to_device(model.device)
    parallel.check_batch(min(BATCHSIZE, int(task.ends[-1])))
    optimizer = parallel.share_gradients(fused_adam.Adam().setup(describer), communicator)
    losses = []
    batches = threads.read_ahead(task.read, range(n_iter))
    with sharing_batches():
        for number, (x, known) in enumerate(batches):
            optimizer.alpha = ALPHA * (1 - number / n_iter)
            loss = F.mean_squared_error(parallel.gather(describer(model.device.send(x))),
                                        model.device.send(ranks.gather(known)))
            describer.cleargrads()
            loss.backward()
            optimizer.update()
            losses.append(float(loss.array))
            if progress:
                progress(1)
    describer.fold()
    return losses


def learn_from_files(paths: Sequence[str], model, train: arrays.RatedPictures,
                     held_out: Sequence[int], recipe: Recipe, communicator=None,
                     note: Callable[[str], object] = silent,
                     progress: Optional[Callable[[int], object]] = None) -> None:
    """Pretrain a model on the pictures of some files and those of ``train``.

    Args:
        paths: Pictures, ``.npy``.
        model (net.RankNet): On its device.
        train: Its pictures, rated or not, are used except for the rows ``held_out``.
        held_out: Rows of ``train`` to leave out.
        recipe: Gives seed, strength of augmentation and mirroring.
        communicator: ChainerMN's, from :func:`parallel.connect`.
        note: Called with each line for the user.
        progress: Called with 1 after each of ``N_ITER`` steps.
    """
    sets = [(train.X, np.setdiff1d(np.arange(len(train.X)), held_out))]
    for path in paths:
        X = arrays.read_pictures(path, model.image_size)
        arrays.check_finite(path, X)
        note(arrays.describe(path, X))
        scoring.warn_if_odd_scale(path, X, model.image_scale, note)
        sets.append((X, np.arange(len(X))))
    task = Task(model, sets, recipe.seed, recipe.augment, recipe.mirror)
    losses = learn(model, task, N_ITER, progress, communicator)
    note(f'pretraining: {1 - np.mean(losses[-50:]):.0%} of the variance of gradients and colours '
         f'explained, {count(int(task.ends[-1]), "picture")}')
