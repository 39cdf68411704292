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
                note: Callable[[str], object] = silent,
                network_paths: Sequence[str] = ()) -> list:
    """Load trained models.

    Args:
        paths: Their files.
        device: A Chainer device; models are moved there.
        image_scale: Factor applied to pixel values; ``None`` for what each was
            trained with.
        features_path: The additional features of the pictures, if any.
        X_path, X: The pictures, shape ``(N, 3, H, W)``, which the models must
            fit; ``None`` if they have yet to be prepared, which requires models
            for square pictures of one kind.
        note: Called with a line for the user.
        network_paths: ONNX networks that the user supplies.

    Returns:
        list of net.RankNet: In the order of ``paths``.

    Raises:
        InputError: If a file is not a model, or does not fit.
    """
    models = []
    for path in paths:
        model = scoring.load(path, image_scale, note, network_paths)
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
