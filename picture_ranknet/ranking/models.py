"""Loads the models that score together, and checks that they fit the pictures and each other."""
from collections.abc import Callable, Sequence
from typing import Optional

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.models import scoring
from picture_ranknet.text import silent


def load_models(paths: Sequence[str], device, image_scale: Optional[float] = None,
                features_path: Optional[str] = None, X_path: Optional[str] = None,
                X: Optional[np.ndarray] = None,
                note: Callable[[str], object] = silent) -> list:
    """The trained models; checked against the pictures ``X``, if there are any yet."""
    models = []
    for path in paths:
        model = scoring.load(path, image_scale, note)
        if X is not None:
            scoring.check_image_size(model, path, X)
            scoring.warn_if_odd_scale(X_path, X, model.image_scale, note)
        else:
            check_square(model, path, models)
        scoring.check_features(model, path, features_path)
        model.to_device(device)
        models.append(model)
    return models


def check_square(model, path: str, others: Sequence) -> None:
    """Refuse a model that pictures cannot be prepared for, or not for the others as well."""
    height, width = model.image_size
    if height != width:
        raise InputError(f'{path}: expected a model of square pictures, got {width} x {height}; '
                         'prepare an X.npy')
    if others and others[0].image_size != model.image_size:
        raise InputError(f'{path}: is for pictures of {width} x {height}, the first model for '
                         'others')
    if others and None not in (model.preparation, others[0].preparation) \
            and model.preparation != others[0].preparation:
        raise InputError(f'{path}: is for pictures that were cut in another way than those of the '
                         'first model')
