"""The model that training starts from."""
from collections.abc import Sequence
from typing import Optional

import net
from picture_ranknet.errors import InputError
from picture_ranknet.models import networks, pretrained, scoring


def load(path: Optional[str], arch: Optional[str] = None, image_scale: Optional[float] = None,
         features_path: Optional[str] = None,
         network_paths: Sequence[str] = ()) -> Optional[net.RankNet]:
    """Load a trained model to start from; ``None`` if there is no path.

    Args:
        path: A model file, or ``None``.
        arch: The architecture that the user requested, if any.
        image_scale: Factor applied to pixel values; ``None`` for what the model
            was trained with.
        features_path: The additional features of the training pictures, if any.
        network_paths: ONNX networks that the user supplies.

    Raises:
        InputError: If the file is not a model, has another architecture, or
            needs features and there are none.
    """
    if path is None:
        return None
    model = scoring.load(path, image_scale, network_paths=network_paths)
    architectures = {**networks.ARCHITECTURES, 'pretrained': pretrained.Pretrained}
    if arch and type(model.predictor) is not architectures[arch]:
        raise InputError(f'{path}: expected a model of --arch {arch}, got '
                         f'{type(model.predictor).__name__}; leave --arch out')
    scoring.check_features(model, path, features_path)
    return model
