"""Features of pictures from EfficientNet-Lite0, oriented gradients and colours, in groups.

Features are averaged over four views of a picture: the whole and its centre
crop (0.6 of its sides), and both mirrored.  From each stage of the network:
mean and standard deviation of each channel; from the middle ones also means
over 3 x 3 cells; from the stage with 112 channels also the covariance of its
channels, which describes texture.  On single people's ratings the centre crop
and the covariances are worth about as much as half as many ratings again.
"""
import functools

import numpy as np

from picture_ranknet.machine.opencv import cv2
from picture_ranknet.models import efficientnet
from picture_ranknet.pictures import descriptor

MIDDLE = .6             # of the sides; the centre crop
VERSION = 1             # of the features; cached ones of another version are computed again
GRID = 3                # cells per side
WITH_GRID = 3, 4, 5, 6  # stages
TEXTURE = 4             # stage
STAGES_OF = {'low': (0, 1, 2), 'middle': (3, 4), 'late': (5, 6, 7)}


def _sizes():
    channels = efficientnet.CHANNELS
    sizes = {name: sum(channels[i] * (2 + GRID ** 2 * (i in WITH_GRID)) for i in stages)
             for name, stages in STAGES_OF.items()}
    sizes['texture'] = channels[TEXTURE] * (channels[TEXTURE] + 1) // 2
    return sizes


LOOK = descriptor.LENGTH                # numbers of gradients and colours
SIZES = {**_sizes(), 'look': LOOK}      # of each group, with the network
SIZES_WITHOUT = {'look': LOOK}          # ... and without it


def groups(sizes: dict) -> dict:
    """The columns of each group, as slices."""
    ends = np.cumsum(list(sizes.values())).tolist()
    return {name: slice(end - size, end) for (name, size), end in zip(sizes.items(), ends)}


class Sight:

    """A feature extractor.

    Args:
        digest (str): Of the weights of the network; empty for gradients and
            colours only.

    Raises:
        MissingWeights: If the network's package is not installed.
        InputError: If it has other weights.
    """

    def __init__(self, digest: str):
        self.digest = digest
        self.sizes = SIZES if digest else SIZES_WITHOUT
        self.n_columns = sum(self.sizes.values())
        self.kind = f'{VERSION} {digest}'
        self._network = None
        if digest:
            efficientnet.check(digest)

    def see(self, pictures: np.ndarray) -> np.ndarray:
        """Compute the features of pictures.

        Args:
            pictures: Shape ``(B, 3, H, W)``, RGB, 0 to 255, any size.

        Returns:
            numpy.ndarray: float32, shape ``(B, n_columns)``.
        """
        look = (descriptor.describe(pictures) + descriptor.describe(pictures[..., ::-1])) / 2
        if not self.digest:
            return look
        if self._network is None:
            self._network = efficientnet.shared(self.digest)
        views = _views(pictures)
        seen = [0] * (len(STAGES_OF) + 1)
        keep = [*efficientnet.STAGE_ENDS, len(self._network.blocks)]
        described = [end for stage, end in enumerate(keep) if stage < min(WITH_GRID)]
        for x in views, np.ascontiguousarray(views[:, :, ::-1]):
            for i, part in enumerate(_describe(self._network(x, keep, described))):
                seen[i] = seen[i] + part.reshape(2, len(pictures), -1).sum(axis=0) / 4
        return np.concatenate([*seen, look], axis=1)


@functools.lru_cache(2)
def get(digest: str) -> Sight:
    """The shared :class:`Sight` with this digest."""
    return Sight(digest)


def _views(pictures):
    """All whole pictures, then all centre crops; shape ``(2 B, 160, 160, 3)``."""
    side = efficientnet.SIDE
    views = np.empty((2, len(pictures), side, side, 3), np.float32)
    for i, picture in enumerate(pictures):
        img = np.clip(picture, 0, 255).transpose(1, 2, 0)  # CHW -> HWC
        img = np.ascontiguousarray(img, img.dtype if img.dtype == np.uint8 else np.float32)
        height, width = (max(1, round(MIDDLE * n)) for n in img.shape[:2])
        top, left = (img.shape[0] - height) // 2, (img.shape[1] - width) // 2
        for view, part in zip(views, (img, img[top:top + height, left:left + width])):
            view[i] = cv2.resize(np.ascontiguousarray(part), (side, side),
                                 interpolation=cv2.INTER_CUBIC)
    views -= 127
    views /= 128
    return views.reshape(-1, side, side, 3)


def _describe(maps):
    """Features of each group, ``(B, ...)``, from maps ``(B, h, w, K)`` or their statistics."""
    means, deviations, cells = [], [], []
    for i, h in enumerate(maps):
        if isinstance(h, tuple):
            for known, part in zip((means, deviations), h):
                known.append(part)
            cells.append(None)
            continue
        flat = h.reshape(len(h), -1, h.shape[3])
        means.append(flat.mean(axis=1))
        centred = flat - means[-1][:, None]
        deviations.append(np.sqrt(np.einsum('bpk,bpk->bk', centred, centred) / flat.shape[1]))
        cells.append(_grid(h) if i in WITH_GRID else None)
        if i == TEXTURE:
            together = np.matmul(centred.transpose(0, 2, 1), centred) / flat.shape[1]
            row, column = np.triu_indices(h.shape[3])
            texture = together[:, row, column]
    for stages in STAGES_OF.values():
        yield np.concatenate([
            *(means[i] for i in stages), *(deviations[i] for i in stages),
            *(cells[i] for i in stages if i in WITH_GRID)], axis=1)
    yield np.sign(texture) * np.sqrt(np.abs(texture))


def _grid(h):
    """Means over cells, channel by channel."""
    rows, columns = (_cells(side) for side in h.shape[1:3])
    return np.einsum('ij,bjkc,lk->bcil', rows, h, columns, optimize=True).reshape(len(h), -1)


@functools.lru_cache
def _cells(side):
    """A matrix that averages over cells of equal size, shape ``(3, side)``."""
    at = np.arange(side)
    edges = np.arange(GRID + 1)[:, None] * side / GRID
    shares = np.clip(np.minimum(edges[1:], at + 1) - np.maximum(edges[:-1], at), 0, None)
    return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
