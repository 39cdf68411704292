"""The networks: those that score one picture, and RankNet, which trains them.

A network, called a predictor, is two parts: ``trunk(x)`` looks at pictures;
``head(h, f)``, two fully connected layers, makes scores of what the trunk has
seen and, where there are any, of features ``f`` that are known of the pictures.
"""
import numpy as np

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer
import chainer.functions as F
import chainer.links as L

from picture_ranknet.fast.conv_pool import conv_pool, linear
from picture_ranknet.machine import ranks, threads
from picture_ranknet.storage import arrays

SMALLEST = 13  # pixels; of 12, the second pooling leaves nothing


class Predictor(chainer.Chain):

    """A network that scores pictures; a subclass has a ``trunk`` and the layers ``l1``, ``l2``."""

    n_features = 0   # how many numbers are known of each picture
    n_trained = 0    # weights that others have trained
    at_once = 64     # pictures that it is shown at once, at most, to score them

    def n_seen(self, image_size):
        """How many numbers the trunk makes of a picture: mostly the same of any."""
        return self.l1.W.shape[1]

    def add_features(self, n_features):
        """Let scores depend on ``n_features`` numbers that are known of each picture as well."""
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

    """What is known of a picture, for a hidden layer to add up with what is seen.

    A linear layer on several inputs is a sum of linear layers, so adding this
    is the same as joining the features to the hidden layer's input.

    Args:
        n_features (int): How many numbers are known of each picture.
        hidden (int): Units of the hidden layer.
    """

    def __init__(self, n_features, hidden):
        super().__init__()
        with self.init_scope():
            self.l = L.Linear(n_features, hidden, nobias=True)
        self.add_persistent('mean', np.zeros(n_features, np.float32))
        self.add_persistent('deviation', np.ones(n_features, np.float32))

    def standardize_by(self, features):
        """Take mean and standard deviation from features, shape ``(N, n_features)``."""
        features = features.astype(np.float64)
        self.mean[...] = features.mean(axis=0)
        is_constant = np.ptp(features, axis=0) == 0  # its deviation may be a rounding error
        self.deviation[...] = np.where(is_constant, 1, features.std(axis=0))

    def forward(self, f):
        return self.l((f - self.mean) / self.deviation)


class CNN(Predictor):

    """The article's: two convolutions, two fully connected layers.

    Args:
        image_size (tuple): Height and width of a picture in pixels, each at
            least 13.  The article's, and the default, is ``(80, 80)``; the
            shapes below are for it.
    """

    def __init__(self, image_size=(80, 80)):
        super().__init__()
        with self.init_scope():
            self.conv1 = L.Convolution2D(3, 20, 5)
            self.conv2 = L.Convolution2D(20, 50, 5)
            self.l1 = L.Linear(self.n_seen(image_size), 500)
            self.l2 = L.Linear(500, 1)

    def n_seen(self, image_size):
        height, width = (_size_after_pooling(side) for side in image_size)
        return 50 * height * width

    def trunk(self, x):                                  # (B, 3, 80, 80)
        h = conv_pool(x, self.conv1)                     # (B, 20, 38, 38)
        return conv_pool(h, self.conv2)                  # (B, 50, 17, 17)


def _normalize(h, bn):
    """``bn(h)`` for what lies in memory channel last."""
    B, C, H, W = h.shape
    h = bn(F.reshape(F.transpose(h, (0, 2, 3, 1)), (B * H * W, C)))
    return F.transpose(F.reshape(h, (B, H, W, C)), (0, 3, 1, 2))


def _pad(h):
    """Two rows and columns of zeros around, in memory channel last."""
    h = F.pad(F.transpose(h, (0, 2, 3, 1)), ((0, 0), (2, 2), (2, 2), (0, 0)), 'constant')
    return F.transpose(h, (0, 3, 1, 2))


def _size_after_pooling(side):
    if side < SMALLEST:
        raise ValueError('pictures must be at least {0} x {0} pixels, got a side of {1}'.format(
            SMALLEST, side))
    for _ in range(2):
        side = (side - 4 + 1) // 2  # 5 x 5 without padding; pooling covers an odd border
    return side


class DeepCNN(Predictor):

    """Four convolutions with batch normalisation, global average pooling, two small layers.

    A nineteenth of the article's weights.

    Args:
        image_size (tuple): Height and width of a picture in pixels, each at
            least 13.  The shapes below are for 80 x 80; the weights serve
            for any.
    """

    def __init__(self, image_size=(80, 80)):
        super().__init__()
        for side in image_size:
            _size_after_pooling(side)  # raises where a side is too small
        init = chainer.initializers.HeNormal()
        with self.init_scope():
            self.conv1 = L.Convolution2D(3, 32, 5, initialW=init)
            self.bn1 = L.BatchNormalization(32)
            self.conv2 = L.Convolution2D(32, 64, 5, initialW=init)
            self.bn2 = L.BatchNormalization(64)
            self.conv3 = L.Convolution2D(64, 64, 5, initialW=init)
            self.bn3 = L.BatchNormalization(64)
            self.conv4 = L.Convolution2D(64, 128, 5, initialW=init)
            self.bn4 = L.BatchNormalization(128)
            self.l1 = L.Linear(128, 128)
            self.l2 = L.Linear(128, 1)

    def trunk(self, x):                                  # (B, 3, 80, 80)
        h = _normalize(conv_pool(x, self.conv1), self.bn1)        # (B, 32, 38, 38)
        h = _normalize(conv_pool(_pad(h), self.conv2), self.bn2)  # (B, 64, 19, 19)
        h = _normalize(conv_pool(_pad(h), self.conv3), self.bn3)  # (B, 64, 10, 10)
        h = _normalize(conv_pool(_pad(h), self.conv4), self.bn4)  # (B, 128, 5, 5)
        return F.mean(h, axis=(2, 3))                             # (B, 128)


class ResNet50(Predictor):

    """Two small layers on the features of a residual network that others have trained.

    He et al., *Deep Residual Learning for Image Recognition*, CVPR 2016.

    Args:
        image_size (tuple): Any; pictures are enlarged to 224 x 224, as those
            that it was trained on.
    """

    MEAN = 103.063, 115.903, 123.152  # of the pictures it was trained on; blue, green, red
    n_trained = 23508096

    def __init__(self, image_size=(80, 80)):
        super().__init__()
        with self.init_scope():
            self.layers = L.ResNet50Layers(pretrained_model=None)
            del self.layers.fc6  # 1,000 classes
            self.layers.fc6 = None  # ... which it names all the same
            self.l1 = L.Linear(2048, 128)
            self.l2 = L.Linear(128, 1)

    def trunk(self, x):
        x = _prepare(x, self.MEAN)                       # (B, 3, 224, 224)
        return self.layers(x, layers=['pool5'])['pool5']  # (B, 2048)


class VGG16(Predictor):

    """Two small layers on the convolutions of a network that others have trained.

    Simonyan and Zisserman, *Very Deep Convolutional Networks for Large-Scale
    Image Recognition*, ICLR 2015.

    Args:
        image_size (tuple): Any; pictures are enlarged to 224 x 224, as those
            that it was trained on.
    """

    MEAN = 103.939, 116.779, 123.68  # of the pictures it was trained on; blue, green, red
    n_trained = 14714688
    at_once = 4  # each takes 315 MB

    def __init__(self, image_size=(80, 80)):
        super().__init__()
        with self.init_scope():
            self.layers = VGG16Layers()
            self.l1 = L.Linear(512, 128)
            self.l2 = L.Linear(128, 1)

    def trunk(self, x):
        h = self.layers(_prepare(x, self.MEAN))          # (B, 512, 7, 7)
        return F.mean(h, axis=(2, 3))                    # (B, 512)


class VGG16Layers(chainer.Chain):

    """The convolutions of Chainer's, without the 120 million weights behind them."""

    BLOCKS = (2, 64), (2, 128), (3, 256), (3, 512), (3, 512)

    def __init__(self):
        super().__init__()
        C = 3
        with self.init_scope():
            for block, (depth, K) in enumerate(self.BLOCKS, 1):
                for number in range(1, depth + 1):
                    setattr(self, 'conv{}_{}'.format(block, number), L.Convolution2D(C, K, 3, 1, 1))
                    C = K

    def forward(self, h):
        for block, (depth, _) in enumerate(self.BLOCKS, 1):
            for number in range(1, depth + 1):
                h = F.relu(self['conv{}_{}'.format(block, number)](h))
            h = F.max_pooling_2d(h, 2)
        return h


def _prepare(x, mean):
    """Pictures in RGB, 0 to 1, as networks from Caffe were trained: BGR, 0 to 255, 224 x 224."""
    x = F.resize_images(x, (224, 224))
    return x[:, ::-1] * 255 - x.xp.array(mean, np.float32)[:, None, None]


ARCHITECTURES = {'cnn': CNN, 'deep': DeepCNN, 'resnet50': ResNet50, 'vgg16': VGG16}


class Head(chainer.Chain):

    """A predictor that is handed what a trunk has seen; only its head is trained.

    Args:
        predictor (Predictor): Whose head it is.
    """

    def __init__(self, predictor):
        super().__init__()
        with self.init_scope():
            self.l1, self.l2 = predictor.l1, predictor.l2
            if predictor.n_features:
                self.features = predictor.features
        self._head = predictor.head

    def forward(self, h, f=None):
        return self._head(h, f)


class RankNet(chainer.Chain):

    """Pairwise ranking loss of a scoring network.

    With ``d = s_i - s_j`` and ``S`` = 1, 0, -1 for a pair whose first picture
    is rated higher, equal, lower, a pair costs ``(1 - S) d / 2 +
    log(1 + exp(-d))``; a batch costs the mean of its pairs.  Burges et al.,
    *Learning to Rank using Gradient Descent*, ICML 2005.  Where it is told a
    unit of ratings, scores are to be as far apart as ratings, not only in
    their order: Cortes, Mohri and Rastogi, *Magnitude-Preserving Ranking
    Algorithms*, ICML 2007.

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
        loss = F.mean(self._losses(self.predictor(x_i) - self.predictor(x_j), t_i, t_j))
        chainer.report({'loss': loss}, self)
        return loss

    def loss_of_all_pairs(self, x, t, f=None, unit=None, gather=lambda s: s):
        """Loss of all ``B (B - 1) / 2`` pairs of a batch, from one look at each picture.

        Args:
            x: Pictures, already scaled, shape ``(B, 3, H, W)``, at least 2.
            t: Their ratings, ``B`` numbers.
            f: What is known of them, shape ``(B, n_features)``, float32;
                ``None`` where nothing is.
            unit (float): A pair costs the square of what ``d`` is away from
                the difference of the ratings in this unit; ``None``: what
                RankNet says.
            gather (callable): Makes scores of the whole batch of those of
                ``x``, which may be a part of it: :func:`parallel.gather`.

        Returns:
            chainer.Variable: The mean loss, shape ``()``.
        """
        loss = self.loss_of_scores(gather(self._predict(x, f)), t, unit)
        chainer.report({'loss': loss}, self)
        return loss

    def loss_of_scores(self, s, t, unit=None):
        """Mean loss of all pairs of scores ``s``, shape ``(B, 1)``; else as above."""
        i, j = self.device.send(np.triu_indices(len(s), 1))
        t = self.xp.asarray(chainer.as_array(t), np.float64)  # unsigned ones have no differences
        d = s[i] - s[j]
        if unit is None:
            return F.mean(self._losses(d, t[i], t[j]))
        return F.mean((d - ((t[i] - t[j]) / unit).astype(np.float32)[:, None]) ** 2)

    def _losses(self, d, t_i, t_j):
        S = self._preference(t_i, t_j)                   # (pairs, 1), as d
        # log(1 + exp(-d)) + d is log(1 + exp(d)): written so, neither term
        # overflows, nor loses its digits to the other.
        return (1 + S) / 2 * F.softplus(-d) + (1 - S) / 2 * F.softplus(d)

    def _preference(self, t_i, t_j):
        t_i, t_j = (self.xp.asarray(chainer.as_array(t)).reshape(-1, 1) for t in (t_i, t_j))
        # Compared, not subtracted: ratings may be unsigned.
        return (t_i > t_j).astype(np.float32) - (t_i < t_j).astype(np.float32)

    def _predict(self, x, f):
        return self.predictor(x) if f is None else self.predictor(x, f)

    def scale(self, pictures):
        """Pictures as they are in ``X.npy``, times ``image_scale``.

        Args:
            pictures (numpy.ndarray): Shape ``(B, 3, H, W)``, any real type.

        Returns:
            numpy.ndarray: float32; lies in memory channel last, as
            :mod:`conv_pool` wants it.
        """
        B, C, *size = pictures.shape
        x = np.moveaxis(np.empty((B, *size, C), np.float32), -1, 1)
        with np.errstate(over='ignore'):  # what is infinite has no finite score, which is said
            return np.multiply(pictures, np.float32(self.image_scale), out=x, dtype=np.float32,
                               casting='same_kind')

    def to_input(self, pictures):
        """What the predictor sees of pictures: :meth:`scale`, on the device of the model."""
        return self.device.send(self.scale(pictures))

    def score(self, X, rows=None, features=None, batchsize=64, progress=None, mirror=False,
              is_shared=False):
        """Score pictures, a batch at a time, each read while the one before is scored.

        Args:
            X (numpy.ndarray): Pictures, shape ``(N, 3, H, W)``, as in
                ``X.npy``; a memory map is read as far as it is needed.
            rows (numpy.ndarray): Which pictures, in which order; ``None``
                stands for all, as they come.
            features (numpy.ndarray): What is known of the ``N``, shape ``(N,
                n_features)``, float32; ``None`` where nothing is.
            batchsize (int): Pictures to a forward pass.  Scores depend on it
                in their last digit.
            progress: Called with the number of pictures after each batch.
            mirror (bool): Whether a score is the mean of those of the picture
                and of its mirror image.
            is_shared (bool): Whether each of the processes that work
                together (:mod:`ranks`) scores some of the batches; all of
                them must call this.

        Returns:
            numpy.ndarray: A score for each row, shape ``(len(rows),)``,
            float32.
        """
        def score(x, part):
            known = f if f is None else self.device.send(f[part])
            scores = self._predict(x, known)
            return (scores + self._predict(x[..., ::-1], known)) / 2 if mirror else scores

        f = features if features is None or rows is None else features[rows]
        return self._apply(score, X, rows, batchsize, progress, is_shared).ravel()

    def look(self, X, rows=None, mirror=False):
        """What the trunk sees of such pictures, or of their mirror images.

        Of processes that work together, each looks at some of the batches.

        Returns:
            numpy.ndarray: float32, shape ``(len(rows), ...)``.
        """
        def look(x, part):
            return self.predictor.trunk(x[..., ::-1] if mirror else x)

        return self._apply(look, X, rows, is_shared=True)

    def _apply(self, function, X, rows, batchsize=64, progress=None, is_shared=False):
        n = len(X) if rows is None else len(rows)
        batchsize = min(batchsize, getattr(self.predictor, 'at_once', batchsize))
        parts = [slice(i, min(i + batchsize, n)) for i in range(0, n, batchsize)]
        if is_shared:  # whole batches: the results are then those of one process, to the bit
            parts = parts[ranks.part(len(parts))]
        inputs = threads.read_ahead(
            lambda part: self.scale(X[part] if rows is None else arrays.take(X, rows[part])), parts)
        results = np.empty(0, np.float32)
        with chainer.using_config('train', False), chainer.no_backprop_mode():
            for part, x in zip(parts, inputs):
                y = chainer.as_array(function(self.device.send(x), part))
                first = parts[0].start
                if part.start == first:
                    results = np.empty((parts[-1].stop - first, *y.shape[1:]), np.float32)
                results[part.start - first:part.stop - first] = (
                    chainer.get_device('@numpy').send(y))
                if progress:
                    progress(len(x))
        return ranks.gather(results) if is_shared else results


class Ensemble:

    """Several models that score together: a score is the mean of theirs.

    Args:
        models (list): :class:`RankNet` chains, for pictures of one size; those
            that know no features are not shown them.
    """

    def __init__(self, models):
        self.models = models

    def score(self, X, features=None, batchsize=64, progress=None, mirror=False,
              is_shared=False):
        """Score all pictures, as :meth:`RankNet.score`; ``progress`` is told of each model's."""
        scores = [model.score(X, None, features if model.predictor.n_features else None,
                              batchsize, progress, mirror, is_shared) for model in self.models]
        return np.mean(scores, axis=0)
