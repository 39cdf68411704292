"""The article's network, and RankNet, the loss that trains it.

:class:`CNN` gives each picture one score.  :class:`RankNet` holds such a
network and makes the better rated picture of a pair score higher.
"""
from typing import Optional

import numpy as np

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer
import chainer.functions as F
import chainer.links as L

from picture_ranknet.fast.conv_pool import conv_pool
from picture_ranknet.models import inference
from picture_ranknet.models.predictor import Predictor, check_image_size


class CNN(Predictor):

    """Two convolutions with pooling, two fully connected layers; the last two are its head.

    Args:
        image_size (tuple): Height and width of a picture in pixels, each at
            least 13.  The article's, and the default, is ``(80, 80)``; the
            shapes below are for it.
    """

    def __init__(self, image_size: tuple = (80, 80)):
        super().__init__()
        with self.init_scope():
            self.conv1 = L.Convolution2D(3, 20, 5)
            self.conv2 = L.Convolution2D(20, 50, 5)
            self.l1 = L.Linear(self.n_seen(image_size), 500)
            self.l2 = L.Linear(500, 1)

    def trunk(self, x):                                  # (B, 3, 80, 80)
        h = conv_pool(x, self.conv1)                     # (B, 20, 38, 38)
        return conv_pool(h, self.conv2)                  # (B, 50, 17, 17)

    def n_seen(self, image_size: tuple) -> int:
        check_image_size(image_size)
        height, width = image_size
        for _ in range(2):  # 5 x 5 without padding; pooling covers an odd border
            height, width = (height - 4 + 1) // 2, (width - 4 + 1) // 2
        return 50 * height * width


class RankNet(chainer.Chain):

    """Pairwise ranking loss of a scoring network.

    With ``d = s_i - s_j`` and ``S`` = 1, 0, -1 for a pair whose first picture
    is rated higher, equal, lower, a pair costs ``(1 - S) d / 2 +
    log(1 + exp(-d))``; a batch costs the mean over its pairs.  Burges et al.,
    *Learning to Rank using Gradient Descent*, ICML 2005.

    Args:
        predictor (chainer.Chain): Maps pictures ``(B, 3, H, W)`` to scores
            ``(B, 1)``.
        image_size (tuple): Height and width of the pictures in pixels.
        image_scale (float): Factor applied to pixel values before they enter
            the predictor.

    ``image_size`` and ``image_scale`` are ``None`` if unknown: in a model that
    the article's own script pickled.
    """

    image_size = None
    image_scale = None
    preparation = None  # of its pictures: ('face' or 'picture', margin)
    held_out = None     # (scores, ratings) of pictures that it was not trained on

    def __init__(self, predictor, image_size=None, image_scale=None):
        super().__init__()
        self.image_size = image_size
        self.image_scale = image_scale
        with self.init_scope():
            self.predictor = predictor

    def forward(self, x_i, x_j, t_i, t_j) -> chainer.Variable:
        """Loss of one pair of pictures, or of a batch of pairs, as in the article.

        Args:
            x_i, x_j: Pictures, already scaled, shape ``(B, 3, H, W)``.
            t_i, t_j: Their ratings, ``B`` numbers.

        Returns:
            chainer.Variable: The mean loss, shape ``()``.
        """
        loss = F.mean(self._losses(self.predictor(x_i) - self.predictor(x_j), t_i, t_j))
        chainer.report({'loss': loss}, self)
        return loss

    def loss_of_all_pairs(self, x, t, f=None, unit: Optional[float] = None) -> chainer.Variable:
        """Loss of all ``B (B - 1) / 2`` pairs of a batch; each picture is scored once.

        Args:
            x: Pictures, already scaled, shape ``(B, 3, H, W)``, at least 2.
            t: Their ratings, ``B`` numbers.
            f: Features of the pictures, shape ``(B, n_features)``, float32;
                ``None`` for a model without features.
            unit: See :meth:`loss_of_scores`.

        Returns:
            chainer.Variable: The mean loss, shape ``()``.
        """
        return self.loss_of_scores(self.predict(x, f), t, unit)

    def loss_of_scores(self, s, t, unit: Optional[float] = None) -> chainer.Variable:
        """Loss of all pairs of scores ``s``, shape ``(B, 1)``, whose ratings are ``t``.

        Args:
            unit (float): ``None`` for RankNet's loss, which depends on the
                order only.  With a number, scores should differ as ratings
                do, in this unit: a pair costs ``(d - (t_i - t_j) / unit) ** 2``.
                Cortes, Mohri and Rastogi, *Magnitude-Preserving Ranking
                Algorithms*, ICML 2007.

        Returns:
            chainer.Variable: The mean loss, shape ``()``.
        """
        i, j = self.device.send(np.triu_indices(len(s), 1))
        t = self.xp.asarray(chainer.as_array(t), np.float64)  # unsigned ones would wrap
        d = s[i] - s[j]
        if unit is None:
            return F.mean(self._losses(d, t[i], t[j]))
        return F.mean((d - ((t[i] - t[j]) / unit).astype(np.float32)[:, None]) ** 2)

    def _losses(self, d, t_i, t_j):
        t_i, t_j = (self.xp.asarray(chainer.as_array(t)).reshape(-1, 1) for t in (t_i, t_j))
        # Compared, not subtracted: ratings may be unsigned.
        S = (t_i > t_j).astype(np.float32) - (t_i < t_j).astype(np.float32)
        # log(1 + exp(-d)) + d is log(1 + exp(d)): in this form neither term
        # overflows, nor loses digits to the other.
        return (1 + S) / 2 * F.softplus(-d) + (1 - S) / 2 * F.softplus(d)

    def predict(self, x, f=None) -> chainer.Variable:
        """Scores ``(B, 1)`` of pictures ``x``, already scaled, with features ``f`` if any."""
        return self.predictor(x) if f is None else self.predictor(x, f)

    def scale(self, pictures: np.ndarray) -> np.ndarray:
        """Multiply pictures as in ``X.npy`` by ``image_scale``.

        Returns:
            numpy.ndarray: float32, shape ``(B, 3, H, W)``, in channels-last
            memory layout, as the convolutions of this project need it.
        """
        return inference.scale(pictures, self.image_scale)

    def to_input(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures as in ``X.npy``, scaled and on the device of the model."""
        return self.device.send(self.scale(pictures))

    def score(self, X: np.ndarray, rows=None, features=None, **options) -> np.ndarray:
        """Scores of pictures as in ``X.npy``: :func:`inference.score`."""
        return inference.score(self, X, rows, features, **options)
