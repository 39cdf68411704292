"""A second look at what the cascade takes for faces: a small network, and a vote.

A cascade is fast because it sees little.  The windows that pass it, a few
dozen in a picture and many of them around the same face, are cut out at a
higher resolution and shown to a network of five convolutions.  For each window
it gives the probability of a face, and where in the window the face is.
Windows that mean the same face vote with their probabilities, and the face
lies at their weighted mean.

The network is stored in the file of the cascade, after what OpenCV reads, and
runs here in NumPy; ``train_cascade.py`` trains it.  Its weights are ``int8``,
with one scale for each output, as in Jacob et al., *Quantization and Training
of Neural Networks for Efficient Integer-Arithmetic-Only Inference*, CVPR 2018,
section 2.1; it computes in ``float32``.

A box is ``(x, y, w, h)`` in pixels.
"""
from typing import NamedTuple, Optional

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from picture_ranknet.faces.boxes import iou, share_of_smaller
from picture_ranknet.machine.opencv import cv2

SIDE = 32           # of a window as the network sees it, in pixels
OUTPUTS = 4         # the log odds of a face, and its offset from the window
OFFSET_UNIT = .1    # of the outputs that are offsets
SAME = .3           # findings with this IoU mean the same face,
INSIDE = .6         # or if this share of the smaller one lies in the larger one
CHUNK = 256         # windows at a time, to bound the memory
NODE = 'face_check'  # in the file of the cascade


class Layer(NamedTuple):

    """A convolution without padding.

    Attributes:
        weights (numpy.ndarray): ``int8``, shape ``(outputs, inputs, k, k)``.
        scales (numpy.ndarray): ``float32``, shape ``(outputs,)``: what the
            weights of an output are multiplied by.
        biases (numpy.ndarray): ``float32``, shape ``(outputs,)``.
        stride (int): In both directions.
    """

    weights: np.ndarray
    scales: np.ndarray
    biases: np.ndarray
    stride: int

    @classmethod
    def quantise(cls, W: np.ndarray, b: np.ndarray, stride: int) -> 'Layer':
        """Make a layer of ``float32`` weights ``(outputs, inputs, k, k)`` and biases."""
        scales = np.maximum(abs(W).max(axis=(1, 2, 3)), 1e-12).astype(np.float32) / 127
        weights = np.rint(W / scales[:, None, None, None]).astype(np.int8)
        return cls(weights, scales, b.astype(np.float32), stride)


class SecondLook:

    """The network, ready to run.

    Args:
        layers: From a window of ``SIDE`` pixels and one channel to
            ``OUTPUTS``, with a ReLU between each two.

    Raises:
        ValueError: If they do not fit together.
    """

    def __init__(self, layers: list[Layer]):
        channels, side = 1, SIDE
        for layer in layers:
            shape, n = layer.weights.shape, len(layer.weights)
            if (len(shape) != 4 or shape[1] != channels or shape[2] != shape[3]
                    or not 1 <= shape[2] <= side or layer.stride < 1
                    or layer.scales.shape != (n,) or layer.biases.shape != (n,)
                    or not np.isfinite(layer.scales).all()
                    or not np.isfinite(layer.biases).all()):
                raise ValueError('layers that do not fit together')
            channels, side = n, (side - shape[2]) // layer.stride + 1
        if (channels, side) != (OUTPUTS, 1):
            raise ValueError(f'layers that do not end in {OUTPUTS} numbers')
        self.layers = list(layers)
        # (outputs, inputs, k, k) -> (k * k * inputs, outputs)
        self._matrices = [
            (layer.weights.transpose(2, 3, 1, 0).reshape(-1, len(layer.weights))
             * layer.scales) for layer in layers]

    def __call__(self, windows: np.ndarray) -> np.ndarray:
        """Score windows.

        Args:
            windows: ``uint8``, shape ``(N, SIDE, SIDE)``.

        Returns:
            ``float32``, shape ``(N, 4)``: the log odds of a face; the offset
            of its middle from the window's, to the right and down, as
            fractions of the window's sides; and the logarithm of its size as a
            fraction of the window's.
        """
        out = np.empty((len(windows), OUTPUTS), np.float32)
        for start in range(0, len(windows), CHUNK):
            out[start:start + CHUNK] = self._forward(normalise(windows[start:start + CHUNK]))
        out[:, 1:] *= OFFSET_UNIT
        return out

    def _forward(self, x):                                  # (N, SIDE, SIDE)
        h = x[..., None]                                    # (N, H, W, C)
        for number, (layer, W) in enumerate(zip(self.layers, self._matrices)):
            if number:
                h = np.maximum(h, 0)
            k, stride = layer.weights.shape[2], layer.stride
            patches = sliding_window_view(h, (k, k), axis=(1, 2))[:, ::stride, ::stride]
            patches = patches.transpose(0, 1, 2, 4, 5, 3)   # (N, H, W, k, k, C)
            n, height, width = patches.shape[:3]
            h = patches.reshape(n * height * width, -1) @ W + layer.biases
            h = h.reshape(n, height, width, -1)
        return h.reshape(len(x), OUTPUTS)

    def find(self, gray: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Turn the windows that passed the cascade into faces.

        Args:
            gray: The picture, ``uint8``, shape ``(height, width)``.
            boxes: The windows, shape ``(N, 4)``, in pixels of ``gray``.

        Returns:
            The faces, ``float64``, shape ``(n, 4)``, and their votes, ``(n,)``,
            most votes first.
        """
        boxes = np.asarray(boxes, float).reshape(-1, 4)
        out = self(cut(gray, boxes, SIDE))
        faces, votes = vote(move(boxes, out[:, 1:]), 1 / (1 + np.exp(-out[:, 0].astype(float))))
        order = np.argsort(-votes, kind='stable')
        return faces[order], votes[order]

    def to_xml(self) -> str:
        """The layers as OpenCV's ``FileStorage`` reads them, to put after ``</cascade>``."""
        text = [f'<{NODE}>\n']
        for layer in self.layers:
            sizes = ' '.join(map(str, layer.weights.shape))
            weights = _wrap(map(str, layer.weights.ravel().tolist()))
            text.append(
                f'  <_><stride>{layer.stride}</stride>\n'
                f'    <weights type_id="opencv-nd-matrix"><sizes>{sizes}</sizes><dt>c</dt><data>\n'
                f'{weights}\n    </data></weights>\n'
                f'{_vector("scales", layer.scales)}{_vector("biases", layer.biases)}  </_>\n')
        text.append(f'</{NODE}>\n')
        return ''.join(text)

    @classmethod
    def from_storage(cls, storage: 'cv2.FileStorage') -> Optional['SecondLook']:
        """Read the layers from an open ``cv2.FileStorage``; ``None`` if it has none.

        Raises:
            ValueError: If they are damaged.
        """
        node = storage.getNode(NODE)
        if node.empty():
            return None
        layers = []
        for i in range(node.size()):
            weights, scales, biases = (node.at(i).getNode(name).mat()
                                       for name in ('weights', 'scales', 'biases'))
            stride = node.at(i).getNode('stride')
            if any(mat is None for mat in (weights, scales, biases)) or not stride.isInt():
                raise ValueError('a layer without its parts')
            if weights.dtype != np.int8 or scales.dtype != np.float32 != biases.dtype:
                raise ValueError('a layer of other numbers')
            layers.append(Layer(weights, scales.ravel(), biases.ravel(), int(stride.real())))
        return cls(layers)


def _vector(name, values):
    numbers = _wrap(f'{value:.9g}' for value in values.tolist())
    return (f'    <{name} type_id="opencv-matrix"><rows>1</rows><cols>{len(values)}</cols>'
            f'<dt>f</dt><data>\n{numbers}\n    </data></{name}>\n')


def _wrap(words, width=96):
    lines = [[]]
    for word in words:
        if len(' '.join(lines[-1])) + len(word) >= width:
            lines.append([])
        lines[-1].append(word)
    return '\n'.join(map(' '.join, lines))


def normalise(windows: np.ndarray) -> np.ndarray:
    """Give windows a mean of 0 and, unless they are flat, a deviation near 1; ``float32``."""
    x = windows.astype(np.float32)
    x -= x.mean(axis=(1, 2), keepdims=True)
    x /= x.std(axis=(1, 2), keepdims=True) + 8
    return x


def cut(gray: np.ndarray, boxes: np.ndarray, side: int) -> np.ndarray:
    """Cut boxes, which must lie in the picture, out of it and resize them to squares.

    Returns:
        ``uint8``, shape ``(N, side, side)``.
    """
    windows = np.empty((len(boxes), side, side), np.uint8)
    for i, (x, y, w, h) in enumerate(boxes):
        left, top = round(x), round(y)
        crop = gray[top:max(top + 1, round(y + h)), left:max(left + 1, round(x + w))]
        windows[i] = cv2.resize(crop, (side, side), interpolation=(
            cv2.INTER_AREA if crop.shape[1] > side else cv2.INTER_LINEAR))
    return windows


def move(boxes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Move boxes to where the network says that the faces are."""
    size = boxes[:, 2:] * np.exp(offsets[:, 2:])
    centre = boxes[:, :2] + boxes[:, 2:] * (.5 + offsets[:, :2])
    return np.concatenate([centre - size / 2, size], axis=1)


def vote(boxes: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Join the findings that mean the same face.

    The heaviest finding starts a face, and all that are still free and mean
    the same one join it; then the heaviest of the rest, and so on.

    Args:
        boxes: Shape ``(N, 4)``.
        weights: Above 0, shape ``(N,)``.

    Returns:
        The weighted means of the boxes, shape ``(n, 4)``, and the sums of the
        weights, ``(n,)``.
    """
    free, faces, votes = np.ones(len(boxes), bool), [], []
    for i in np.argsort(-weights, kind='stable'):
        if not free[i]:
            continue
        same = free & ((iou(boxes, boxes[i]) >= SAME)
                       | (share_of_smaller(boxes, boxes[i]) >= INSIDE))
        free[same] = False
        faces.append(np.average(boxes[same], axis=0, weights=weights[same]))
        votes.append(weights[same].sum())
    return np.array(faces).reshape(-1, 4), np.array(votes)
