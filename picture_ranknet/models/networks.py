"""Networks by name: the article's, and a deeper one with 1/19 of its weights."""
import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer
import chainer.functions as F
import chainer.links as L

import net
from picture_ranknet.fast.conv_pool import conv_pool
from picture_ranknet.models.batch_normalization import BatchNormalization
from picture_ranknet.models.predictor import Predictor, check_image_size


class DeepCNN(Predictor):

    """Four convolutions with batch normalisation, global average pooling, two small layers.

    Args:
        image_size (tuple): Height and width of a picture in pixels, each at
            least 13.  The weights fit all sizes; the shapes below are for
            80 x 80.
    """

    def __init__(self, image_size=(80, 80)):
        super().__init__()
        check_image_size(image_size)
        init = chainer.initializers.HeNormal()
        with self.init_scope():
            self.conv1 = L.Convolution2D(3, 32, 5, initialW=init)
            self.bn1 = BatchNormalization(32)
            self.conv2 = L.Convolution2D(32, 64, 5, initialW=init)
            self.bn2 = BatchNormalization(64)
            self.conv3 = L.Convolution2D(64, 64, 5, initialW=init)
            self.bn3 = BatchNormalization(64)
            self.conv4 = L.Convolution2D(64, 128, 5, initialW=init)
            self.bn4 = BatchNormalization(128)
            self.l1 = L.Linear(128, 128)
            self.l2 = L.Linear(128, 1)

    def trunk(self, x):                                           # (B, 3, 80, 80)
        h = _normalize(conv_pool(x, self.conv1), self.bn1)        # (B, 32, 38, 38)
        h = _normalize(conv_pool(_pad(h), self.conv2), self.bn2)  # (B, 64, 19, 19)
        h = _normalize(conv_pool(_pad(h), self.conv3), self.bn3)  # (B, 64, 10, 10)
        h = _normalize(conv_pool(_pad(h), self.conv4), self.bn4)  # (B, 128, 5, 5)
        return F.mean(h, axis=(2, 3))                             # (B, 128)


def _normalize(h, bn):
    """``bn(h)`` for an array in channels-last memory layout."""
    B, C, H, W = h.shape
    h = bn(F.reshape(F.transpose(h, (0, 2, 3, 1)), (B * H * W, C)))
    return F.transpose(F.reshape(h, (B, H, W, C)), (0, 3, 1, 2))


def _pad(h):
    """Pad an array in channels-last layout with two rows and columns of zeros on each side."""
    h = F.pad(F.transpose(h, (0, 2, 3, 1)), ((0, 0), (2, 2), (2, 2), (0, 0)), 'constant')
    return F.transpose(h, (0, 3, 1, 2))


ARCHITECTURES = {'cnn': net.CNN, 'deep': DeepCNN}


def make(arch: str, image_size: tuple, image_scale: float) -> net.RankNet:
    """An untrained model; its weights follow from NumPy's global seed.

    Args:
        arch: One of ``ARCHITECTURES``.
        image_size: Height and width of the pictures in pixels.
        image_scale: Factor applied to pixel values, such as 1/255.
    """
    return net.RankNet(ARCHITECTURES[arch](image_size), image_size, image_scale)
