"""Batches of random pictures, each read while the one before is learnt from.

A batch follows from the seed and the number of its step alone, so a resumed
run goes on as if it had never stopped.  Of processes that work together, each
reads its part of the pictures, and the ratings of all.
"""
from collections.abc import Callable, Iterator
from typing import NamedTuple, Optional

import numpy as np

from picture_ranknet.learning import augment
from picture_ranknet.learning.recipe import Recipe
from picture_ranknet.machine import ranks, threads
from picture_ranknet.storage import arrays
from picture_ranknet.storage.arrays import RatedPictures


class Batch(NamedTuple):

    """Pictures ``x``, ready for the network, ratings ``t`` and features ``f``, if there are any."""

    x: np.ndarray
    t: np.ndarray
    f: Optional[np.ndarray]


def draw(rows: np.ndarray, batchsize: int, seed: int, step: int) -> tuple:
    """The rows of a step, counted from 1, all different; and a generator for what else is random.

    Of fewer than ``batchsize`` rows, a batch has all.
    """
    rng = np.random.default_rng([seed, step - 1])
    n = min(batchsize, len(rows))
    return rows[rng.choice(len(rows), n, replace=False, shuffle=False)], rng


def batches(pictures: RatedPictures, recipe: Recipe, scale: Callable, first: int = 1) -> Iterator:
    """The batches of the steps from ``first`` to the last.

    Args:
        pictures: Those to learn from.
        recipe: How to train.
        scale: Makes input for the network of pictures: :meth:`net.RankNet.scale`.
        first: The first step.

    Yields:
        Batch: On the CPU.
    """
    def read(step):
        rows, rng = draw(pictures.rows, recipe.batchsize, recipe.seed, step)
        part = ranks.part(len(rows))
        mine = rows[part]
        x = scale(arrays.take(pictures.X, mine))
        augment.vary(x, rng, recipe.augment, recipe.mirror, before=part.start)
        return Batch(x, pictures.ratings[rows],
                     None if pictures.features is None else pictures.features[mine])

    return threads.read_ahead(read, range(first, recipe.n_iter + 1))
