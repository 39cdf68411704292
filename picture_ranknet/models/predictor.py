"""Base of all scoring networks: a trunk that extracts features, and a head that scores them.

A network, called a predictor, has two parts: ``trunk(x)`` computes features of
pictures, ``head(h, f)``, two fully connected layers, turns them into scores.
Additional features ``f`` of each picture enter at the hidden layer of the head.
"""
import numpy as np

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer
import chainer.functions as F
import chainer.links as L

from picture_ranknet.fast.conv_pool import linear

SMALLEST = 13  # pixels; after the second pooling of the article's network nothing is left of 12


def check_image_size(image_size: tuple) -> None:
    """Raise ``ValueError`` if a side of a picture is below ``SMALLEST``."""
    if min(image_size) < SMALLEST:
        raise ValueError(f'pictures must be at least {SMALLEST} x {SMALLEST} pixels, '
                         f'got a side of {min(image_size)}')


class Predictor(chainer.Chain):

    """A network that scores pictures; subclasses have a ``trunk`` and the layers ``l1``, ``l2``."""

    n_features = 0    # additional features of each picture
    has_steps = True  # it is trained step by step

    def trunk(self, x):
        """Compute features of pictures: ``(B, 3, H, W)`` to ``(B, ...)``."""
        raise NotImplementedError

    def n_seen(self, image_size: tuple) -> int:
        """The number of features that the trunk computes from a picture of this size."""
        return self.l1.W.shape[1]  # the same for all sizes, unless a subclass says otherwise

    def add_features(self, n_features: int) -> None:
        """Let scores also depend on ``n_features`` additional features of each picture."""
        self.n_features = n_features
        with self.init_scope():
            self.features = Features(n_features, self.l2.W.shape[1])

    def forward(self, x, f=None):                        # (B, 3, H, W), (B, n_features)
        return self.head(self.trunk(x), f)               # (B, 1)

    def head(self, h, f=None):
        return linear(self.hidden(h, f), self.l2)

    def hidden(self, h, f=None):
        h = linear(h, self.l1)
        return F.relu(h + self.features(f) if self.n_features else h)


class Features(chainer.Chain):

    """Standardises additional features and maps them to the hidden layer, which adds them.

    A linear layer on several inputs is a sum of linear layers, so this equals
    concatenating the features to the input of the hidden layer.

    Args:
        n_features (int): Number of features of each picture.
        hidden (int): Units of the hidden layer.
    """

    def __init__(self, n_features, hidden):
        super().__init__()
        with self.init_scope():
            self.l = L.Linear(n_features, hidden, nobias=True)
        self.add_persistent('mean', np.zeros(n_features, np.float32))
        self.add_persistent('deviation', np.ones(n_features, np.float32))

    def standardize_by(self, features: np.ndarray) -> None:
        """Take mean and standard deviation from features, shape ``(N, n_features)``."""
        features = features.astype(np.float64)
        self.mean[...] = features.mean(axis=0)
        is_constant = np.ptp(features, axis=0) == 0  # its deviation may be rounding error
        self.deviation[...] = np.where(is_constant, 1, features.std(axis=0))

    def forward(self, f):
        return self.l((f - self.mean) / self.deviation)
