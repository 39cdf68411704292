"""A second look: a detection head on a pretrained network, on the whole picture in colour.

A cascade is fast because it sees little: grey levels, one window at a time, and
upright faces.  EfficientNet-Lite0 sees the whole picture once
(:mod:`picture_ranknet.models.efficientnet`).  For each cell of 8 x 8 pixels, a
head of three layers predicts from its feature maps the log odds that a face is
centred there, the exact centre, and the size of the face: one prediction per
cell, anchor-free, as in Tian et al., *FCOS: Fully Convolutional One-Stage
Object Detection*, ICCV 2019, section 3.  Cells that predict the same face vote
on its box, and the cascade's windows around it are further evidence.

The head is stored in the file of the cascade, after what OpenCV reads;
``train_cascade.py`` trains it.  Its weights are ``int8``, with one scale for
each output, as in Jacob et al., *Quantization and Training of Neural Networks
for Efficient Integer-Arithmetic-Only Inference*, CVPR 2018, section 2.1; it
computes in ``float32``.

A box is ``(x, y, w, h)`` in pixels.
"""
from collections.abc import Sequence
from typing import NamedTuple, Optional

import numpy as np

from picture_ranknet.faces.boxes import iou, share_of_smaller
from picture_ranknet.faces.cascade_file import SECOND_LOOK
from picture_ranknet.machine.opencv import cv2
from picture_ranknet.models import efficientnet

CELL = 8            # side in pixels
MAPS = {8: (4,), 16: (7, 10), 32: (14, 15)}  # stride: the blocks whose feature maps are read
BLOCKS = [block for blocks in MAPS.values() for block in blocks]
CHANNELS = 40, 80, 112, 192, 320             # of their maps
INPUTS = sum(CHANNELS)
OUTPUTS = 4         # the log odds of a face, its centre, and its size
UNIT = 48           # pixels; sizes are predicted as the logarithm of a multiple of this
MIDDLE, SCALE = 127, 128  # input normalisation of the network, in grey levels
FLOOR = .05         # cells below this probability do not vote
SAME = .2           # cells whose boxes have this IoU predict the same face,
INSIDE = .45        # or if this fraction of the smaller box lies in the larger one
NEAR = .35          # IoU from which a window of the cascade counts for a face
VOTES = 10          # of a face with probability 1
EVEN = 4.4          # log odds at which half of the votes are for a face; --min_neighbors decides


class Layer(NamedTuple):

    """A fully connected layer.

    Attributes:
        weights (numpy.ndarray): ``int8``, shape ``(outputs, inputs)``.
        scales (numpy.ndarray): ``float32``, shape ``(outputs,)``: factors of
            the weights of each output.
        biases (numpy.ndarray): ``float32``, shape ``(outputs,)``.
    """

    weights: np.ndarray
    scales: np.ndarray
    biases: np.ndarray

    @classmethod
    def quantise(cls, W: np.ndarray, b: np.ndarray) -> 'Layer':
        """Make a layer from ``float32`` weights ``(outputs, inputs)`` and biases."""
        scales = np.maximum(abs(W).max(axis=1), 1e-12).astype(np.float32) / 127
        return cls(np.rint(W / scales[:, None]).astype(np.int8), scales, b.astype(np.float32))

    def matrix(self) -> np.ndarray:
        """The weights, ``float32``, shape ``(inputs, outputs)``."""
        return self.weights.T * self.scales


class SecondLook:

    """The head, and the network whose feature maps it reads.

    Args:
        layers: Three, from ``INPUTS`` to ``OUTPUTS`` units, with ReLUs in
            between.
        deviations: The inputs are divided by these, ``float32``, ``(INPUTS,)``.
        digest: Of the weights of the network that it was trained with.

    Raises:
        ValueError: If they do not fit together.
    """

    def __init__(self, layers: Sequence[Layer], deviations: np.ndarray, digest: str):
        n = INPUTS
        if len(layers) != 3 or deviations.shape != (n,) or not (deviations > 0).all():
            raise ValueError('layers or deviations of other sizes')
        for layer in layers:
            outputs = len(layer.biases)
            if (layer.weights.shape != (outputs, n) or layer.scales.shape != (outputs,)
                    or not np.isfinite(layer.scales).all()
                    or not np.isfinite(layer.biases).all()):
                raise ValueError('layers that do not fit together')
            n = outputs
        if n != OUTPUTS:
            raise ValueError(f'layers that do not end in {OUTPUTS} numbers')
        self.layers, self.deviations, self.digest = list(layers), deviations, digest
        self.network = None
        first, *self._later = [(layer.matrix(), layer.biases) for layer in layers]
        parts = np.split(first[0] / deviations[:, None], np.cumsum(CHANNELS)[:-1])
        self._first, self._bias = dict(zip(BLOCKS, parts)), first[1]

    def load(self) -> Optional[str]:
        """Load the network; return the reason if its package is not installed.

        Raises:
            InputError: If the weights are not those that it was trained with.
        """
        try:
            self.network = efficientnet.shared(self.digest)
        except efficientnet.MissingWeights as e:
            return str(e)

    def find(self, img: np.ndarray, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the faces in a picture.

        Args:
            img: BGR, ``uint8``, shape ``(height, width, 3)``.
            windows: Detections of the cascade, shape ``(N, 4)``, in pixels of
                ``img``.

        Returns:
            The faces, ``float64``, shape ``(n, 4)``, and the votes of each, 0 to
            ``VOTES``, ``(n,)``, the most confident first.
        """
        out = self.read(self.network(prepare(img), BLOCKS, alone=True))[0]
        faces, odds = vote(*boxes_of(out))
        near = [np.count_nonzero(iou(windows, face) > NEAR) if len(windows) else 0
                for face in faces]
        odds = odds + np.log1p(near) - EVEN
        order = np.argsort(-odds, kind='stable')
        return faces[order], VOTES * probability(odds[order])

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """As :meth:`read`, for the features of single cells: ``(N, INPUTS)`` to ``(N, 4)``."""
        h = x @ np.concatenate(list(self._first.values())) + self._bias
        return self._finish(h)

    def read(self, maps: Sequence[np.ndarray]) -> np.ndarray:
        """The head's predictions for each cell.

        Args:
            maps: Feature maps of ``BLOCKS``, shapes ``(B, h, w, K)``.

        Returns:
            ``float32``, shape ``(B, rows, columns, 4)``: the log odds of a face;
            the offset of its centre from the cell's, to the right and down, as
            fractions of its side; and the logarithm of its side in ``UNIT``.
        """
        maps = dict(zip(BLOCKS, maps))
        h = self._bias
        for stride, blocks in MAPS.items():
            part = sum(_multiply(maps[block], self._first[block]) for block in blocks)
            h = h + enlarge(part, stride // CELL)
        return self._finish(h)

    def _finish(self, h):
        for W, b in self._later:
            h = _multiply(np.maximum(h, 0), W) + b
        return h

    def to_xml(self) -> str:
        """The head as OpenCV's ``FileStorage`` reads it, to put after ``</cascade>``."""
        text = [f'<{SECOND_LOOK}>\n  <network>"{self.digest}"</network>\n',
                _vector('deviations', self.deviations), '    <layers>\n']
        for layer in self.layers:
            sizes = ' '.join(map(str, layer.weights.shape))
            weights = _wrap(map(str, layer.weights.ravel().tolist()))
            text.append(
                f'  <_><weights type_id="opencv-nd-matrix"><sizes>{sizes}</sizes><dt>c</dt><data>\n'
                f'{weights}\n    </data></weights>\n'
                f'{_vector("scales", layer.scales)}{_vector("biases", layer.biases)}  </_>\n')
        text.append(f'    </layers></{SECOND_LOOK}>\n')
        return ''.join(text)

    @classmethod
    def from_storage(cls, storage: 'cv2.FileStorage') -> Optional['SecondLook']:
        """Read the head from an open ``cv2.FileStorage``; ``None`` if it has none.

        Raises:
            ValueError: If it is damaged.
        """
        node = storage.getNode(SECOND_LOOK)
        if node.empty():
            return None
        deviations, entries = node.getNode('deviations').mat(), node.getNode('layers')
        layers = []
        for i in range(entries.size()):
            weights, scales, biases = (entries.at(i).getNode(name).mat()
                                       for name in ('weights', 'scales', 'biases'))
            if any(mat is None for mat in (weights, scales, biases)):
                raise ValueError('a layer with missing parts')
            if weights.dtype != np.int8 or scales.dtype != np.float32 != biases.dtype:
                raise ValueError('a layer with numbers of another type')
            layers.append(Layer(weights, scales.ravel(), biases.ravel()))
        if deviations is None or deviations.dtype != np.float32:
            raise ValueError('a second look without deviations')
        return cls(layers, deviations.ravel(), node.getNode('network').string())


def _vector(name, values):
    numbers = _wrap(f'{value:.9g}' for value in values.tolist())
    return (f'    <{name} type_id="opencv-matrix"><rows>1</rows><cols>{len(values)}</cols>'
            f'<dt>f</dt><data>\n{numbers}\n    </data></{name}>\n')


def _wrap(words, width=96):
    lines, line = [], ''
    for word in words:
        if len(line) + len(word) >= width:
            lines.append(line)
            line = ''
        line += f' {word}' if line else word
    return '\n'.join([*lines, line])


def prepare(img: np.ndarray) -> np.ndarray:
    """Prepare a picture as input of the network, padded with black below and on the right.

    Args:
        img: BGR, ``uint8``, shape ``(height, width, 3)``.

    Returns:
        RGB, ``float32``, shape ``(1, H, W, 3)``, sides divisible by 32.
    """
    height, width = img.shape[:2]
    step = max(MAPS)
    x = np.zeros((1, height + -height % step, width + -width % step, 3), np.float32)
    x[0, :height, :width] = img[..., ::-1]
    x -= MIDDLE
    x /= SCALE
    return x


def _multiply(maps, W):
    """Multiply the last axis, by one matrix product, which is faster than many."""
    return (maps.reshape(-1, len(W)) @ W).reshape(*maps.shape[:-1], -1)


def enlarge(maps: np.ndarray, factor: int) -> np.ndarray:
    """Enlarge maps ``(B, h, w, K)`` by bilinear interpolation between pixel centres."""
    for axis in (1, 2) if factor > 1 else ():
        n = maps.shape[axis]
        place = np.clip((np.arange(factor * n) + .5) / factor - .5, 0, n - 1)
        before = place.astype(int)
        share = (place - before).astype(np.float32).reshape([-1 if i == axis else 1
                                                             for i in range(4)])
        maps = (maps.take(before, axis) * (1 - share)
                + maps.take(np.minimum(before + 1, n - 1), axis) * share)
    return maps


def boxes_of(out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The boxes that cells vote for.

    Args:
        out: Output of :meth:`SecondLook.read` for one picture.

    Returns:
        ``float64``, shape ``(N, 4)``, and the log odds of a face, ``(N,)``.
    """
    rows, columns = np.nonzero(out[..., 0] > np.log(FLOOR / (1 - FLOOR)))
    odds, across, down, size = out[rows, columns].T.astype(float)
    side = UNIT * np.exp(np.clip(size, -3, 3))
    left = CELL * (columns + .5) + (across - .5) * side
    top = CELL * (rows + .5) + (down - .5) * side
    return np.stack([left, top, side, side], axis=1), odds


def probability(odds: np.ndarray) -> np.ndarray:
    """Convert log odds to probabilities."""
    return 1 / (1 + np.exp(-np.clip(odds, -30, 30)))


def vote(boxes: np.ndarray, odds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Merge detections of the same face.

    The most confident detection starts a face, and all remaining ones of the
    same face join it; then the most confident of the rest, and so on.

    Args:
        boxes: Shape ``(N, 4)``.
        odds: Log odds of a face, shape ``(N,)``.

    Returns:
        The means of the boxes, weighted by the squares of the probabilities,
        shape ``(n, 4)``, and the largest log odds of each, ``(n,)``.
    """
    free, faces, best = np.ones(len(boxes), bool), [], []
    weights = probability(odds) ** 2
    for i in np.argsort(-odds, kind='stable'):
        if not free[i]:
            continue
        same = free & ((iou(boxes, boxes[i]) >= SAME)
                       | (share_of_smaller(boxes, boxes[i]) >= INSIDE))
        free[same] = False
        faces.append(np.average(boxes[same], axis=0, weights=weights[same]))
        best.append(odds[i])
    return np.array(faces).reshape(-1, 4), np.array(best)
