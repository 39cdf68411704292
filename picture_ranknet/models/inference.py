"""Applies a model to any number of pictures in batches, optionally on all processes.

The next batch is read while one is computed.
"""
from collections.abc import Callable
from typing import Optional

import numpy as np

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer

from picture_ranknet.machine import ranks, threads
from picture_ranknet.storage import arrays
from picture_ranknet.text import silent

BATCHSIZE = 64


def scale(pictures: np.ndarray, image_scale: float) -> np.ndarray:
    """Multiply pictures, shape ``(B, 3, H, W)``, of any real type, by a factor.

    Returns:
        numpy.ndarray: float32, of the same shape, in channels-last memory layout.
    """
    B, C, *size = pictures.shape
    x = np.moveaxis(np.empty((B, *size, C), np.float32), -1, 1)
    with np.errstate(over='ignore'):  # gives infinite scores, which are reported
        return np.multiply(pictures, np.float32(image_scale), out=x, dtype=np.float32,
                           casting='same_kind')


def score(model, X: np.ndarray, rows: Optional[np.ndarray] = None,
          features: Optional[np.ndarray] = None, batchsize: int = BATCHSIZE,
          progress: Optional[Callable[[int], object]] = None, mirror: bool = False,
          is_shared: bool = False) -> np.ndarray:
    """Score pictures.

    Args:
        model (net.RankNet): On its device.
        X: Pictures, shape ``(N, 3, H, W)``, as in ``X.npy``; a memory map is
            read as it is needed.
        rows: Which pictures, in which order; ``None`` for all.
        features: Shape ``(N, n_features)``, float32; ``None`` for a model
            without features.
        batchsize: Pictures per forward pass.  Scores depend on it in their
            last digit.
        progress: Called with the number of pictures after each batch.
        mirror: Whether a score is the mean of those of the picture and of its
            mirror image.
        is_shared: Whether all processes share the batches; all of them must
            call this.

    Returns:
        numpy.ndarray: A score for each row, shape ``(len(rows),)``, float32.
    """
    known = features if features is None or rows is None else features[rows]
    score_set = getattr(getattr(model, 'predictor', None), 'score_set', None)
    if score_set and ranks.size() == 1:  # it keeps what it has seen of a file of pictures
        return score_set(X, model.image_scale, rows, known, progress or silent)

    def predict(x, part):
        f = known if known is None else model.device.send(known[part])
        scores = model.predict(x, f)
        return (scores + model.predict(x[..., ::-1], f)) / 2 if mirror else scores

    return _apply(model, predict, X, rows, batchsize, progress, is_shared).ravel()


def look(model, X: np.ndarray, rows: Optional[np.ndarray] = None,
         mirror: bool = False) -> np.ndarray:
    """The trunk's features of pictures, or of their mirror images.

    All processes must call this; they share the batches.

    Returns:
        numpy.ndarray: float32, shape ``(len(rows), ...)``.
    """
    def look(x, part):
        return model.predictor.trunk(x[..., ::-1] if mirror else x)

    return _apply(model, look, X, rows, BATCHSIZE, None, is_shared=True)


def _apply(model, function, X, rows, batchsize, progress, is_shared):
    n = len(X) if rows is None else len(rows)
    parts = [slice(i, min(i + batchsize, n)) for i in range(0, n, batchsize)]
    if is_shared:  # whole batches, for results that are bit-identical to those of one process
        parts = parts[ranks.part(len(parts))]
    inputs = threads.read_ahead(
        lambda part: model.scale(X[part] if rows is None else arrays.take(X, rows[part])), parts)
    results = np.empty(0, np.float32)
    with chainer.using_config('train', False), chainer.no_backprop_mode():
        for part, x in zip(parts, inputs):
            y = chainer.as_array(function(model.device.send(x), part))
            first = parts[0].start
            if part.start == first:
                results = np.empty((parts[-1].stop - first, *y.shape[1:]), np.float32)
            results[part.start - first:part.stop - first] = chainer.get_device('@numpy').send(y)
            if progress:
                progress(len(x))
    return ranks.gather(results) if is_shared else results
