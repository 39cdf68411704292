"""Batches of random pictures, each read while the network trains on the previous one.

A batch depends only on the seed and its step number, so a resumed run continues
as if it had never stopped.  Each of several processes reads its part of the
pictures, and all ratings.
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

    """Pictures ``x``, ready for the network, ratings ``t`` and features ``f``, if any."""

    x: np.ndarray
    t: np.ndarray
    f: Optional[np.ndarray]


def draw(rows: np.ndarray, batchsize: int, seed: int, step: int) -> tuple:
    """Distinct rows for a step, counted from 1, and a generator for further random numbers.

    With fewer than ``batchsize`` rows, a batch has them all.
    """
    rng = np.random.default_rng([seed, step - 1])
    n = min(batchsize, len(rows))
    return rows[rng.choice(len(rows), n, replace=False, shuffle=False)], rng


def batches(pictures: RatedPictures, recipe: Recipe, scale: Callable, first: int = 1) -> Iterator:
    """The batches of the steps from ``first`` to the last.

    Args:
        pictures: Those to train on.
        recipe: How to train.
        scale: Turns pictures into network input: :meth:`net.RankNet.scale`.
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
