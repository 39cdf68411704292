"""The networks: a CNN that scores one picture, and RankNet, which trains it."""
import numpy as np

import chainer_compat  # noqa: F401  (before chainer)
import chainer
import chainer.functions as F
import chainer.links as L

import threads
from conv_pool import conv_pool, linear

SMALLEST = 13  # pixels; of 12, the second pooling leaves nothing


class CNN(chainer.Chain):

    """Scores pictures: two convolutions, two fully connected layers.

    Args:
        image_size (tuple): Height and width of a picture in pixels, each at
            least 13.  The article's, and the default, is ``(80, 80)``; the
            shapes below are for it.
    """

    def __init__(self, image_size=(80, 80)):
        super().__init__()
        height, width = (_size_after_pooling(side) for side in image_size)
        with self.init_scope():
            self.conv1 = L.Convolution2D(3, 20, 5)
            self.conv2 = L.Convolution2D(20, 50, 5)
            self.l1 = L.Linear(50 * height * width, 500)
            self.l2 = L.Linear(500, 1)

    def forward(self, x):                                # (B, 3, 80, 80)
        h = conv_pool(x, self.conv1)                     # (B, 20, 38, 38)
        h = conv_pool(h, self.conv2)                     # (B, 50, 17, 17)
        h = F.relu(linear(h, self.l1))                   # (B, 500)
        return linear(h, self.l2)                        # (B, 1)


def _size_after_pooling(side):
    if side < SMALLEST:
        raise ValueError('pictures must be at least {0} x {0} pixels, got a side of {1}'.format(
            SMALLEST, side))
    for _ in range(2):
        side = (side - 4 + 1) // 2  # 5 x 5 without padding; pooling covers an odd border
    return side


class RankNet(chainer.Chain):

    """Pairwise ranking loss of a scoring network.

    With ``d = s_i - s_j`` and ``S`` = 1, 0, -1 for a pair whose first picture
    is rated higher, equal, lower, a pair costs ``(1 - S) d / 2 +
    log(1 + exp(-d))``; a batch costs the mean of its pairs.  Burges et al.,
    *Learning to Rank using Gradient Descent*, ICML 2005.

    Args:
        predictor (chainer.Chain): Maps pictures ``(B, 3, H, W)`` to scores
            ``(B, 1)``.
        image_size (tuple): Height and width of the pictures in pixels.
        image_scale (float): What pixel values are multiplied by before the
            predictor sees them.

    ``image_size`` and ``image_scale`` are ``None`` where nobody knows them:
    in a model that the article's own script has pickled.
    """

    image_size = None
    image_scale = None

    def __init__(self, predictor, image_size=None, image_scale=None):
        super().__init__()
        self.image_size = image_size
        self.image_scale = image_scale
        with self.init_scope():
            self.predictor = predictor

    def forward(self, x_i, x_j, t_i, t_j):
        """Loss of one pair of pictures, or of a batch of pairs, as the article has it.

        Args:
            x_i, x_j: Pictures, already scaled, shape ``(B, 3, H, W)``.
            t_i, t_j: Their ratings, ``B`` numbers.

        Returns:
            chainer.Variable: The mean loss, shape ``()``.
        """
        return self._loss(self.predictor(x_i) - self.predictor(x_j), t_i, t_j)

    def loss_of_all_pairs(self, x, t):
        """Loss of all ``B (B - 1) / 2`` pairs of a batch, from one look at each picture.

        Args:
            x: Pictures, already scaled, shape ``(B, 3, H, W)``, at least 2.
            t: Their ratings, ``B`` numbers.

        Returns:
            chainer.Variable: The mean loss, shape ``()``.
        """
        s = self.predictor(x)                            # (B, 1)
        i, j = self.device.send(np.triu_indices(len(s), 1))
        return self._loss(s[i] - s[j], t[i], t[j])

    def _loss(self, d, t_i, t_j):
        S = self._preference(t_i, t_j)                   # (pairs, 1), as d
        # log(1 + exp(-d)) + d is log(1 + exp(d)): written so, neither term
        # overflows, nor loses its digits to the other.
        loss = F.mean((1 + S) / 2 * F.softplus(-d) + (1 - S) / 2 * F.softplus(d))
        chainer.report({'loss': loss}, self)
        return loss

    def _preference(self, t_i, t_j):
        t_i, t_j = (self.xp.asarray(chainer.as_array(t)).reshape(-1, 1) for t in (t_i, t_j))
        # Compared, not subtracted: ratings may be unsigned.
        return (t_i > t_j).astype(np.float32) - (t_i < t_j).astype(np.float32)

    def scale(self, pictures):
        """Pictures as they are in ``X.npy``, times ``image_scale``.

        Args:
            pictures (numpy.ndarray): Shape ``(B, 3, H, W)``, any real type.

        Returns:
            numpy.ndarray: float32; lies in memory channel last, as
            :mod:`conv_pool` wants it.
        """
        B, C, H, W = pictures.shape
        x = np.empty((B, H, W, C), np.float32).transpose(0, 3, 1, 2)
        return np.multiply(pictures, np.float32(self.image_scale), out=x, dtype=np.float32,
                           casting='same_kind')

    def to_input(self, pictures):
        """What the predictor sees of pictures: :meth:`scale`, on the device of the model."""
        return self.device.send(self.scale(pictures))

    def score(self, X, rows=None, batchsize=64, progress=None):
        """Score pictures, a batch at a time, each read while the one before is scored.

        Args:
            X (numpy.ndarray): Pictures, shape ``(N, 3, H, W)``, as in
                ``X.npy``; a memory map is read as far as it is needed.
            rows (numpy.ndarray): Which pictures, in which order; ``None``
                stands for all, as they come.
            batchsize (int): Pictures to a forward pass.  Scores depend on it
                in their last digit.
            progress: Called with the number of pictures after each batch.

        Returns:
            numpy.ndarray: A score for each row, shape ``(len(rows),)``,
            float32.
        """
        n = len(X) if rows is None else len(rows)
        scores = np.empty(n, np.float32)
        batches = [slice(i, i + batchsize) for i in range(0, n, batchsize)]
        inputs = threads.read_ahead(
            lambda batch: self.scale(X[batch] if rows is None else X[rows[batch]]), batches)
        with chainer.using_config('train', False), chainer.no_backprop_mode():
            for batch, x in zip(batches, inputs):
                y = self.predictor(self.device.send(x))
                scores[batch] = chainer.get_device('@numpy').send(y.array).ravel()
                if progress:
                    progress(len(y))
        return scores
