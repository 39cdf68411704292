"""Training only the head of a model, on the features from its frozen trunk.

The trunk computes them once per picture, so this is fast.
"""
from collections.abc import Callable, Iterator
from typing import Optional

import numpy as np

import net
from picture_ranknet.learning import batches
from picture_ranknet.learning.recipe import Recipe
from picture_ranknet.machine import ranks, threads
from picture_ranknet.models import inference
from picture_ranknet.storage.arrays import RatedPictures
from picture_ranknet.text import count

MOST_BYTES = 2 * 10 ** 9  # of the trunk's features of the training pictures


class Head:

    """The head of a model: takes the trunk's features in place of pictures."""

    def __init__(self, model: net.RankNet):
        self.predictor = model.predictor
        self.device = model.device

    def predict(self, h, f=None):
        return self.predictor.head(h, f)

    def scale(self, seen: np.ndarray) -> np.ndarray:
        return inference.scale(seen, 1)


def freeze(model: net.RankNet) -> None:
    """Freeze the trunk; call this after the optimizer's ``setup``."""
    model.predictor.disable_update()
    for name in 'l1', 'l2', 'features':
        if hasattr(model.predictor, name):
            getattr(model.predictor, name).enable_update()


def look(model: net.RankNet, pictures: RatedPictures) -> RatedPictures:
    """The trunk's features of the rated pictures, in place of the pictures."""
    X, ratings, rows, features = pictures
    return RatedPictures(inference.look(model, X, rows), ratings[rows], np.arange(len(rows)),
                         None if features is None else features[rows])


def look_to_learn(model: net.RankNet, pictures: RatedPictures, recipe: Recipe,
                  note: Callable[[str], object]) -> tuple:
    """The trunk's features of the training pictures and of their mirror images.

    If they would take more than ``MOST_BYTES``, as many pictures as fit are
    drawn at random.

    Returns:
        tuple: The result of :func:`look`, and an array of the features of the
        mirror images, in the same order; ``None`` unless the recipe mirrors.
    """
    views = 2 if recipe.mirror else 1
    most = MOST_BYTES // (inference.look(model, pictures.X, pictures.rows[:1]).nbytes * views)
    if len(pictures.rows) > most:
        note(f'--freeze: learns from {most:,} of the {count(len(pictures.rows), "picture")}, drawn '
             f'at random: the outputs of the frozen layers for more would not fit into '
             f'{MOST_BYTES / 1e9:.0f} GB')
        pictures = sample(pictures, most, recipe.seed)
    seen = look(model, pictures)
    mirrored = None
    if recipe.mirror:
        mirrored = inference.look(model, pictures.X, pictures.rows, mirror=True)
    return seen, mirrored


def batches_of(seen: RatedPictures, mirrored: Optional[np.ndarray], recipe: Recipe,
               scale: Callable, first: int = 1) -> Iterator:
    """As :func:`batches.batches`, from the result of :func:`look_to_learn`."""
    def read(step):
        rows, rng = batches.draw(seen.rows, recipe.batchsize, recipe.seed, step)
        part = ranks.part(len(rows))
        mine = rows[part]
        h = seen.X[mine]
        if mirrored is not None:
            turned = rng.random(len(rows))[part] < .5
            h[turned] = mirrored[mine[turned]]
        return batches.Batch(scale(h), seen.ratings[rows],
                             None if seen.features is None else seen.features[mine])

    return threads.read_ahead(read, range(first, recipe.n_iter + 1))


def sample(pictures: RatedPictures, n: int, seed: int) -> RatedPictures:
    """``n`` of the rated pictures, drawn at random."""
    rows = np.random.default_rng(seed).choice(pictures.rows, n, replace=False)
    return pictures._replace(rows=np.sort(rows))
