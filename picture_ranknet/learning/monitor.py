"""Validation during training: measures how well pictures are ranked, and keeps the best weights."""
from collections.abc import Callable
from typing import Optional

import numpy as np

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer

import metrics
import net
from picture_ranknet.errors import InputError
from picture_ranknet.learning.freezing import sample
from picture_ranknet.models import inference
from picture_ranknet.storage import arrays
from picture_ranknet.storage.arrays import RatedPictures
from picture_ranknet.text import count

SAMPLE = 5000      # pictures that a line of output measures, at most
MOST_PAIRED = 1000  # held-out pictures for the loss of all their pairs, at most


def score_pictures(model, pictures: RatedPictures, rows: Optional[np.ndarray] = None,
                   progress: Optional[Callable[[int], object]] = None) -> np.ndarray:
    """Score pictures, or some rows of them, on all processes; all of them must call this.

    Args:
        model: A :class:`net.RankNet`, or a :class:`freezing.Head`.
        pictures: The pictures; their ratings are not used.
        rows: Which pictures; ``None`` for all.
        progress: Called with the number of pictures after each batch.

    Raises:
        InputError: If a score is not finite.
    """
    def done(n):
        arrays.release(pictures.X)
        if progress:
            progress(n)

    scores = inference.score(model, pictures.X, rows, pictures.features, progress=done,
                             is_shared=True)
    if not np.isfinite(scores).all():
        raise InputError('the network has diverged: a score is not finite; choose --image_scale so '
                         'that pixel values lie between 0 and 1')
    return scores


def draw_sample(pictures: Optional[RatedPictures], seed: int, name: str,
                note: Callable[[str], object]) -> Optional[RatedPictures]:
    """The rated pictures to measure: all, or a fixed random sample of ``SAMPLE``."""
    if not pictures or len(pictures.rows) <= SAMPLE:
        return pictures
    note(f'{name}: lines of output measure {SAMPLE:,} of the '
         f'{count(len(pictures.rows), "picture")}, drawn at random; the final metrics use all of '
             'them')
    return sample(pictures, SAMPLE, seed)


class Monitor:

    """Scores training and held-out pictures and measures how well they are ranked.

    Args:
        model (net.RankNet): The model being trained.
        scorer: Scores the pictures: the model, or a :class:`freezing.Head` of it.
        train, valid: ``valid`` may be ``None``.
        k: Top positions that count for NDCG@k.
        unit: Unit of the loss, see :meth:`net.RankNet.loss_of_scores`.
    """

    def __init__(self, model: net.RankNet, scorer, train: RatedPictures,
                 valid: Optional[RatedPictures], k: int, unit: Optional[float] = None):
        self.model = model
        self.scorer = scorer
        self.sets = {'train': train}
        if valid:
            self.sets['valid'] = valid
        self.k = k
        self.unit = unit

    def __call__(self) -> dict:
        """NDCG and pair accuracy of each set, and the loss of held-out pictures, by name."""
        measured = {}
        for name, pictures in self.sets.items():
            ratings = pictures.ratings[pictures.rows]
            scores = score_pictures(self.scorer, pictures, pictures.rows)
            measured[f'{name}/ndcg'] = metrics.ndcg(ratings, scores, self.k)
            measured[f'{name}/pair_accuracy'] = metrics.pair_accuracy(ratings, scores)
            if name == 'valid':
                measured['valid/loss'] = self._loss(scores[:MOST_PAIRED], ratings[:MOST_PAIRED])
        return measured

    def _loss(self, scores, ratings):
        with chainer.no_backprop_mode():
            loss = self.model.loss_of_scores(
                self.model.device.send(scores[:, None]), ratings, self.unit)
        return float(loss.array)

    def line(self, step: int, measured: dict) -> str:
        """The article's line of output."""
        return ' | '.join([f'step: {step}', f'NDCG@{self.k}'] + [
            f'{name}: {measured[name + "/ndcg"]:.4f}' for name in self.sets])


class Best:

    """The weights that validated best so far.

    Attributes:
        step (int): The step after which they were kept; 0 before the first validation.
        accuracy (float): Their pair accuracy.
        waited (int): Validations since then without improvement.
    """

    def __init__(self, model: chainer.Chain):
        self.model = model
        self.step = 0
        self.accuracy = -1.
        self.waited = 0
        self._weights = {}

    def offer(self, step: int, accuracy: float) -> None:
        """Keep the current weights, if they are better than those kept."""
        if accuracy > self.accuracy:
            self.step, self.accuracy, self.waited = step, accuracy, 0
            self._weights = self._copy_weights()
        else:
            self.waited += 1

    def restore(self) -> None:
        """Restore the model's best weights, if it was ever validated."""
        if self.step:
            chainer.serializers.NpzDeserializer(self._weights).load(self.model)

    def serialize(self, serializer) -> None:
        for name in 'step', 'accuracy', 'waited':
            setattr(self, name, serializer(name, getattr(self, name)))
        if self.step and not self._weights:  # read from a snapshot
            self._weights = self._copy_weights()
        for name, array in self._weights.items():
            self._weights[name] = serializer(name, array)

    def _copy_weights(self):
        serializer = chainer.serializers.DictionarySerializer()
        serializer.save(self.model)
        return {name: np.array(chainer.get_device('@numpy').send(array))
                for name, array in serializer.target.items()}
