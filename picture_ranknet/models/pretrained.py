"""A linear layer on features from a pretrained network.

Only the layer is in a model file; the network comes from an installed package,
and the file says which.
"""
from typing import Union

import numpy as np

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer
import chainer.functions as F
import chainer.links as L

from picture_ranknet.machine import threads
from picture_ranknet.models import brought, sight
from picture_ranknet.storage import feature_cache
from picture_ranknet.text import silent

WHITE = 255
AT_ONCE = 16  # pictures whose features fit into the processor's cache


class Pretrained(chainer.Chain):

    """Scores pictures by a linear layer on features from :mod:`sight`, and additional ones if any.

    Features are standardised and squashed by arctan, so that none dominates.

    Args:
        digest (str): Of the network's weights; empty for none.
        n_features (int): Number of additional features of each picture.
        network (brought.Network): A network that the user supplies; ``None``
            for EfficientNet-Lite0.
    """

    network = None
    has_steps = False  # it is solved exactly

    def __init__(self, digest='', n_features=0, network=None):
        super().__init__()
        self.digest = digest
        self.n_features = n_features
        if network is not None:
            self.network = tuple(network)  # a plain tuple, which model files may contain
        n = sum(self.sizes.values())
        with self.init_scope():
            self.l = L.Linear(n, 1, initialW=0)
        self.add_persistent('mean', np.zeros(n, np.float32))
        self.add_persistent('deviation', np.ones(n, np.float32))

    @property
    def sizes(self) -> dict:
        """The number of features in each group, by name."""
        sizes = dict(brought.sizes(self.network) if self.network else
                     sight.SIZES if self.digest else sight.SIZES_WITHOUT)
        return {**sizes, 'features': self.n_features} if self.n_features else sizes

    def eye(self) -> Union[brought.Sight, sight.Sight]:
        """The feature extractor.

        Raises:
            InputError: If the network is not available.
        """
        return brought.get(self.digest, self.network) if self.network else sight.get(self.digest)

    def forward(self, x, f=None):                        # (B, 3, H, W), 0 to 1; (B, n_features)
        return self.head(self.trunk(x), f)               # (B, 1)

    def trunk(self, x):
        """Features of pictures, as an array: the trunk is not trained."""
        pictures = chainer.get_device('@numpy').send(chainer.as_array(x)) * np.float32(WHITE)
        return self.device.send(self.eye().see(pictures).astype(np.float32))

    def head(self, h, f=None):
        if self.n_features:
            h = self.xp.concatenate([h, f], axis=1)
        return self.l(F.arctan((h - self.mean) / self.deviation))

    def see_set(self, X, image_scale, rows=None, progress=silent):
        """What is seen of many pictures, kept beside their file: :mod:`feature_cache`.

        Args:
            X (numpy.ndarray): Shape ``(N, 3, H, W)``, as in ``X.npy``.
            image_scale (float): Factor that scales pixel values to 0 to 1.
            rows (numpy.ndarray): Which of them; ``None`` for all.
            progress (callable): Called with the number of pictures just done.

        Returns:
            numpy.ndarray: float16, shape ``(len(rows), D)``.
        """
        eye = self.eye()
        scale = np.float32(image_scale * WHITE)

        def see(pictures):
            return eye.see(pictures if scale == 1 else pictures * scale)

        return feature_cache.rows_of(X, f'{eye.kind} {scale}', eye.n_columns, see, rows, progress)

    def score_set(self, X, image_scale, rows=None, features=None, progress=silent):
        """Scores of many pictures, float32, shape ``(len(rows),)``; arguments as above.

        ``features`` are those of the pictures of ``rows``.
        """
        seen = self.see_set(X, image_scale, rows, progress)
        scores = np.empty(len(seen), np.float32)
        parts = [slice(start, start + AT_ONCE) for start in range(0, len(seen), AT_ONCE)]

        def score(part):
            h = self.device.send(np.asarray(seen[part], np.float32))
            f = None if features is None else self.device.send(features[part])
            with chainer.no_backprop_mode():
                scores[part] = chainer.get_device('@numpy').send(self.head(h, f).array)[:, 0]

        if self.xp is np:
            threads.run(score, parts)
        else:
            for part in parts:
                score(part)
        return scores
