"""Loads trained models so that they are ready to score, and checks their scores.

>>> from picture_ranknet.models import scoring
>>> model = scoring.load('model.pkl')
>>> scores = model.score(np.load('X_test.npy'))
"""
from collections.abc import Callable, Sequence
from typing import Optional

import numpy as np

import net
from picture_ranknet.errors import InputError
from picture_ranknet.machine import ranks
from picture_ranknet.models import inference, model_file
from picture_ranknet.storage import arrays
from picture_ranknet.text import silent

ARTICLE_SCALE = 1 / 255  # of pixel values, where neither model nor user says otherwise
DARKEST, BRIGHTEST = .02, 50  # plausible range of the brightest pixel after scaling


def load(path: str, image_scale: Optional[float] = None, note: Callable[[str], object] = silent,
         network_paths: Sequence[str] = ()) -> net.RankNet:
    """Load a model, on the CPU, and determine the scale of its pictures.

    Args:
        path: A model file of ``train.py`` or of the article's own script.
        image_scale: Factor applied to pixel values; ``None`` for what the model
            was trained with.
        note: Called with a line if that is unknown and the article's 1/255 is
            used.
        network_paths: ONNX networks that the user supplies.

    Raises:
        InputError: If the file is not a model.
    """
    model = model_file.load(path, network_paths)
    if image_scale is not None:
        model.image_scale = image_scale
    elif model.image_scale is None:
        model.image_scale = ARTICLE_SCALE
        note(f"{path}: does not say how its pictures were scaled; using the article's 1/255, "
             'see --image_scale')
    return model


def load_scorer(path: str, X: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A function that scores rows of ``X``, shape ``(N, 3, H, W)``, with a trained model.

    Raises:
        InputError: If the file is not a model for such pictures, or its model
            needs features.
    """
    model = load(path)
    check_image_size(model, path, X)
    check_features(model, path, None)
    return lambda rows: model.score(X, rows)


def check_image_size(model: net.RankNet, path: str, X: np.ndarray) -> None:
    """Raise :class:`InputError` if the model of a file is for pictures of another size."""
    if model.image_size and tuple(model.image_size) != X.shape[2:]:
        height, width = model.image_size
        raise InputError(f'{path}: was trained on pictures of {width} x {height}, these are '
                         f'{X.shape[3]} x {X.shape[2]}; see --size of crop_faces.py')


def check_features(model: net.RankNet, path: str, features_path: Optional[str] = None) -> None:
    """Raise :class:`InputError` if the model of a file needs features and there are none."""
    n = model.predictor.n_features
    if n and not features_path:
        raise InputError(f'{path}: was trained with {n} features of each picture; use --features')


class Ensemble:

    """An ensemble of models: a score is their mean.

    Args:
        models: For pictures of one size; those without features ignore them.
    """

    def __init__(self, models: Sequence[net.RankNet]):
        self.models = models

    def score(self, X, features=None, batchsize=inference.BATCHSIZE, progress=None, mirror=False,
              is_shared=False):
        """Scores of all pictures; arguments as for :func:`inference.score`."""
        scores = [model.score(X, None, features if model.predictor.n_features else None,
                              batchsize=batchsize, progress=progress, mirror=mirror,
                              is_shared=is_shared) for model in self.models]
        return np.mean(scores, axis=0)


def score_set(ensemble: Ensemble, X: np.ndarray, path: str, features: Optional[np.ndarray] = None,
              batchsize: int = inference.BATCHSIZE, mirror: bool = False,
              progress: Callable[[int], object] = silent) -> np.ndarray:
    """Score all pictures of a file on all processes, releasing memory as they are read.

    Returns:
        numpy.ndarray: Shape ``(N,)``, float32.

    Raises:
        InputError: If a score is not finite, because a picture is not.
    """
    def done(n):
        progress(n)
        arrays.release(X)

    scores = ensemble.score(X, features, batchsize, done, mirror, is_shared=True)
    finite = np.isfinite(scores)
    if not finite.all():
        row = finite.argmin()
        raise InputError(f'{path}, row {row} (from 0): expected finite pixel values, its score is '
                         f'{scores[row]}; fix or remove that picture')
    return scores


def n_to_score(X: np.ndarray, n_models: int = 1) -> int:
    """About how many pictures ``progress`` of :func:`score_set` counts in this process."""
    return len(X) * n_models // ranks.size()


def warn_if_collapsed(scores: np.ndarray, note: Callable[[str], object]) -> None:
    """Warn if a model gives all pictures the same score."""
    if len(scores) > 1 and np.ptp(scores) < 1e-6 * max(1, np.abs(scores).max()):
        note('warning: all pictures have the same score: the model has learnt nothing; train '
             'again with more ratings or another --seed')


def warn_if_odd_scale(path: str, X: np.ndarray, image_scale: float,
                      note: Callable[[str], object]) -> None:
    """Warn if ``image_scale`` does not bring pixels to about 0 to 1."""
    top = X[:100].max() * image_scale
    if top <= DARKEST or top >= BRIGHTEST:  # nan is reported elsewhere
        note(f'warning: {path}: the brightest pixel is {top:.3g} after scaling, but networks learn '
             'best from 0 to 1; see --image_scale')
