"""Loads the models that score together, and checks that they fit the pictures and each other."""
from collections.abc import Callable, Sequence
from typing import Optional

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.models import scoring
from picture_ranknet.ranking.settings import Scoring
from picture_ranknet.text import silent


def inputs(how: Scoring) -> dict:
    """The files that are read, by their options, as of :func:`.atomic.check_outputs`."""
    return {'model_pkl': how.models[0], '--ensemble': how.models[1:],
            '--pretrained': how.networks}


def load_models(how: Scoring, features_path: Optional[str] = None, X_path: Optional[str] = None,
                X: Optional[np.ndarray] = None,
                note: Callable[[str], object] = silent) -> list:
    """Load trained models.

    Args:
        how: Their files, and the device that they are moved to.
        features_path: Of the features of the pictures, if there are any.
        X_path, X: The pictures, shape ``(N, 3, H, W)``, which the models must
            fit; ``None`` if they have yet to be prepared, which requires models
            for square pictures of one kind.
        note: Called with a line for the user.

    Returns:
        list of net.RankNet: In the order of ``how.models``.

    Raises:
        InputError: If a file is not a model, or does not fit.
    """
    models = []
    for path in how.models:
        model = scoring.load(path, how.image_scale, note, how.networks)
        if X is not None:
            scoring.check_image_size(model, path, X)
            scoring.warn_if_odd_scale(X_path, X, model.image_scale, note)
        else:
            check_square(model, path, models)
        scoring.check_features(model, path, features_path)
        model.to_device(how.device)
        models.append(model)
    return models


def check_square(model, path: str, others: Sequence) -> None:
    """Refuse a model for which files cannot be prepared, or not in the same way as for the others.

    Args:
        model (net.RankNet): The model to check.
        path: Its file, for messages.
        others: Models loaded before.

    Raises:
        InputError: If its pictures are not square, or not like those of the first model.
    """
    height, width = model.image_size
    if height != width:
        raise InputError(f'{path}: expected a model for square pictures, got {width} x {height}; '
                         'prepare an X.npy')
    if others and others[0].image_size != model.image_size:
        raise InputError(f'{path}: is for pictures of {width} x {height}, the first model for '
                         'another size')
    if others and None not in (model.preparation, others[0].preparation) \
            and model.preparation != others[0].preparation:
        raise InputError(f'{path}: is for pictures that were cropped differently than those of '
                         'the first model')
