"""Scores of a trained model, which help to choose what to rate next."""
from collections.abc import Callable

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.models import checks

ARTICLE_SCALE = 1 / 255


def load(path: str, X: np.ndarray) -> Callable:
    """A function that scores rows of ``X`` by a trained model.

    Args:
        path (str): A model that train.py wrote.
        X (numpy.ndarray): Pictures, shape ``(N, 3, H, W)``.

    Returns:
        callable: Takes rows, returns as many scores, higher is better.

    Raises:
        InputError: If it is not a model of such pictures.
    """
    from picture_ranknet.models import model_file  # here, since Chainer is slow to import

    model = model_file.load(path)
    checks.check_features(model.predictor.n_features, None, path)
    if tuple(model.image_size or X.shape[2:]) != X.shape[2:]:
        expected, came = (f'{width} x {height}' for height, width in (
            model.image_size, X.shape[2:]))
        raise InputError(f'{path}: was trained on pictures of {expected} pixels, these are {came}')
    if model.image_scale is None:
        model.image_scale = ARTICLE_SCALE
    return lambda rows: model.score(X, rows)
