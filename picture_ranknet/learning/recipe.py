"""How a model is trained: the options of ``train.py``, with their defaults."""
from typing import NamedTuple, Optional

import numpy as np

ALPHA = .001  # Adam's learning rate: Chainer's default, and so the article's
LOSSES = 'ranknet', 'magnitude'
SCHEDULES = 'linear', 'constant'


class Recipe(NamedTuple):

    """The options of a training run.

    A step learns from all pairs of a batch of ``batchsize`` pictures.
    ``loss`` is ``'ranknet'``, or ``'magnitude'`` to learn also how far apart
    ratings are (:meth:`net.RankNet.loss_of_scores`).  With the ``schedule``
    ``'linear'`` the learning rate decays to 0 at step ``n_iter``.  ``augment``
    and ``mirror`` control data augmentation (:func:`augment.vary`).  With
    ``freeze`` only the head learns, and pictures are mirrored but not otherwise
    varied.  ``patience``: stop after this many lines of output without
    improvement.  Batches, augmentation and samples follow from ``seed``.
    """

    n_iter: int = 1000
    batchsize: int = 32
    loss: str = 'ranknet'
    schedule: str = 'linear'
    augment: float = 1.
    mirror: bool = True
    freeze: bool = False
    patience: Optional[int] = None
    seed: int = 0

    def alpha(self, step: int) -> float:
        """Adam's learning rate in a step, counted from 1."""
        if self.schedule == 'constant':
            return ALPHA
        share = (step - 1) / self.n_iter
        return ALPHA + share * (0 - ALPHA)

    def unit(self, ratings: np.ndarray) -> Optional[float]:
        """The unit of rating differences for the loss: their mean; ``None`` for RankNet's."""
        if self.loss == 'ranknet':
            return None
        ratings = np.sort(ratings)
        n = len(ratings)
        # In this order, number k (from 0) is the higher one of k pairs, the lower one of n - 1 - k.
        return float((2 * np.arange(n) - n + 1) @ ratings / (n * (n - 1) / 2))


ARTICLE = Recipe(batchsize=2, schedule='constant', augment=0., mirror=False)
