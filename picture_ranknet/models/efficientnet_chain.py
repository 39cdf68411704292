"""EfficientNet-Lite0 as a Chainer ``Chain``, for fine-tuning.

:mod:`efficientnet` has its stages and weights, and the same network for the CPU.
"""
import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer
import chainer.functions as F
import chainer.links as L

from picture_ranknet.models import efficientnet
from picture_ranknet.models.efficientnet import HEAD, STAGE_ENDS, STAGES, STEM


class Block(chainer.Chain):

    """An inverted residual: expand, depthwise convolution, project."""

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

    """The network up to its last convolution, with random weights; see :func:`load`."""

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
        """The feature maps of each stage.

        Args:
            x: Pictures, normalised, channel first: shape ``(B, 3, H, W)``.

        Returns:
            list of chainer.Variable: Maps with 16, 24, 40, 80, 112, 192, 320
            and 1,280 channels.
        """
        h = _relu6(self.stem(_pad(x, 3, 2)))                  # (B, 32, 80, 80)
        seen = []
        for block in self.blocks:
            h = block(h)
            seen.append(h)
        return [seen[i] for i in STAGE_ENDS] + [_relu6(self.head(h))]


def _relu6(h):
    return F.clipped_relu(h, 6.)


def _pad(h, ksize, stride):
    """Zero padding as in TensorFlow's ``SAME``: if odd, one more below and on the right."""
    if isinstance(ksize, tuple):
        ksize = ksize[0]
    padding = []
    for side in h.shape[2:]:
        total = max(0, (-(-side // stride) - 1) * stride + ksize - side)
        padding.append((total // 2, total - total // 2))
    return F.pad(h, [(0, 0), (0, 0), *padding], 'constant')


def load(path: str) -> EfficientNetLite0:
    """The trained network; ``path`` and errors as for :func:`.efficientnet.read`."""
    layers = efficientnet.read(path)
    network = EfficientNetLite0()
    _fill(network.stem, layers.stem)
    for block, weights in zip(network.blocks, layers.blocks):
        for name in 'expand', 'depthwise', 'project':
            if getattr(weights, name) is not None:
                _fill(block[name], getattr(weights, name))
    _fill(network.head, layers.head)
    return network


def _fill(conv, layer):
    conv.W.array[...], conv.b.array[...] = layer
