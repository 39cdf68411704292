"""Training the second look (:mod:`picture_ranknet.faces.second_look`) with Chainer."""
import math
import time
from collections.abc import Callable, Sequence

import numpy as np

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer
import chainer.functions as F
import chainer.links as L

from picture_ranknet.faces import second_look
from picture_ranknet.faces.second_look import Layer, SecondLook
from picture_ranknet.faces.training import mining, samples
from picture_ranknet.faces.training.lbp import Cascade
from picture_ranknet.faces.training.samples import Scene
from picture_ranknet.faces.training.settings import VALIDATION, Augmentation
from picture_ranknet.machine import threads

FACE = 48, 48         # width and height of a face in a window before it is varied
AUGMENTATION = Augmentation(turn=30, shift=.18, scale=.28, light=.35, hidden=.25)
EASY = .6             # half of the other windows pass this share of the stages;
HARD = 2              # the other half pass all but this many
SEARCH = 4            # times as many windows to search as before a stage
OFFSET_WEIGHT = 30    # of the loss of the offsets, whose numbers are small
BATCHSIZE = 256
TESTED = 4000         # windows that the result is tested with


class SecondLookNet(chainer.Chain):

    """The network of :class:`SecondLook`, to be trained."""

    STRIDES = 2, 2, 1, 1, 1

    def __init__(self):
        super().__init__()
        with self.init_scope():
            self.conv1 = L.Convolution2D(1, 16, 5, self.STRIDES[0])
            self.conv2 = L.Convolution2D(16, 32, 4, self.STRIDES[1])
            self.conv3 = L.Convolution2D(32, 48, 3, self.STRIDES[2])
            self.conv4 = L.Convolution2D(48, 64, 4, self.STRIDES[3])
            self.conv5 = L.Convolution2D(64, second_look.OUTPUTS, 1, self.STRIDES[4])

    def forward(self, x):                    # (B, 1, 32, 32)
        h = F.relu(self.conv1(x))            # (B, 16, 14, 14)
        h = F.relu(self.conv2(h))            # (B, 32, 6, 6)
        h = F.relu(self.conv3(h))            # (B, 48, 4, 4)
        h = F.relu(self.conv4(h))            # (B, 64, 1, 1)
        h = self.conv5(F.dropout(h, .2))     # (B, 4, 1, 1)
        return h.reshape(len(x), -1)         # (B, 4)

    def quantise(self) -> SecondLook:
        """The network as it runs."""
        convs = [self.conv1, self.conv2, self.conv3, self.conv4, self.conv5]
        return SecondLook([Layer.quantise(conv.W.array, conv.b.array, stride)
                           for conv, stride in zip(convs, self.STRIDES)])


def mine_others(cascade: Cascade, scenes: Sequence[Scene], n: int, search: float, seed: int,
                progress: Callable[[int, int], None] = lambda done, total: None) -> np.ndarray:
    """Find windows that pass some of the stages, and as many that pass all but the last few.

    Args:
        cascade: All stages.
        scenes: Where to search.
        n: How many windows of each kind to find.
        search: Windows to look at before a stage; here, ``SEARCH`` times as many.
        seed: The same gives the same.
        progress: Called with the number of windows found, and of those wanted.

    Returns:
        ``uint8``, shape ``(up to 2 * n, 48, 48)``, in random order.
    """
    def cut(gray, boxes):
        return second_look.cut(gray, boxes, FACE[0])

    stages = len(cascade.stages)
    parts = []
    for number, passed in enumerate([math.ceil(EASY * stages), max(1, stages - HARD)]):
        first = Cascade(cascade.width, cascade.height, cascade.stages[:passed])
        windows, _ = mining.mine(
            first, scenes, n, SEARCH * search, [seed, 5, passed], cut,
            lambda done, total, before=number * n: progress(before + done, 2 * total))
        parts.append(windows.reshape(-1, *FACE))
    return np.random.default_rng([seed, 5]).permutation(np.concatenate(parts))


def train(faces: np.ndarray, faces_held_out: np.ndarray, face: tuple[int, int],
          others: np.ndarray, n_iter: int, seed: int,
          progress: Callable[[int, int], None] = lambda done, total: None) -> tuple[
              SecondLook, str]:
    """Train the second look to tell faces from other windows, and where the faces are.

    Args:
        faces: Patches of faces.
        faces_held_out: Patches to test with.
        face: Width and height of the face in a patch.
        others: Windows that are no faces, shape ``(N, 48, 48)``.
        n_iter: Number of batches; half of each are faces.
        seed: The same gives the same.
        progress: Called with the number of batches done, and ``n_iter``.

    Returns:
        The second look, and a line on how well it does.
    """
    start = time.monotonic()
    n_held_out = math.ceil(VALIDATION * len(others))
    others, others_held_out = others[n_held_out:], others[:n_held_out]
    np.random.seed(seed)  # Chainer draws weights and dropout from it
    net = SecondLookNet()
    optimizer = chainer.optimizers.Adam()
    optimizer.setup(net)
    optimizer.add_hook(chainer.optimizer_hooks.WeightDecay(1e-5))

    def draw(iteration):
        rng = np.random.default_rng([seed, 7, iteration])
        return draw_batch(faces, face, others, BATCHSIZE, rng)

    for iteration, (x, offsets) in enumerate(threads.read_ahead(draw, range(n_iter))):
        optimizer.alpha = learning_rate(iteration, n_iter)
        loss = loss_of(net(second_look.normalise(x)[:, None]), offsets)
        net.cleargrads()
        loss.backward()
        optimizer.update()
        progress(iteration + 1, n_iter)

    look = net.quantise()
    x, offsets = draw_batch(faces_held_out, face, others_held_out, TESTED,
                            np.random.default_rng([seed, 8]))
    passed = look(x)[:, 0] > 0
    n_faces = len(offsets)
    report = (f'second look: {np.mean(passed[:n_faces]):.4f} of the faces and '
              f'{np.mean(passed[n_faces:]):.4f} of {len(others) + n_held_out:,} other windows '
              f'pass; {time.monotonic() - start:.0f} s')
    return look, report


def draw_batch(faces: np.ndarray, face: tuple[int, int], others: np.ndarray, n: int,
               rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw windows, the first half of them faces, and vary them.

    Returns:
        Windows, ``uint8``, shape ``(n, 32, 32)``, and the offsets of the faces,
        ``float32``, shape ``(n // 2, 3)``; see :func:`samples.augment`.
    """
    size = second_look.SIDE, second_look.SIDE
    drawn = [samples.augment(faces[i], face, size, AUGMENTATION, rng)
             for i in rng.integers(len(faces), size=n // 2)]
    drawn += [samples.augment(others[i], FACE, size, AUGMENTATION, rng)
              for i in rng.integers(len(others), size=n - n // 2)]
    return (np.array([window for window, _ in drawn]),
            np.array([offset for _, offset in drawn[:n // 2]], np.float32))


def loss_of(out: chainer.Variable, offsets: np.ndarray) -> chainer.Variable:
    """Cross entropy of a batch, plus Huber's loss of the offsets of its faces.

    Args:
        out: Of the network, shape ``(B, 4)``; the first ``n`` rows are faces.
        offsets: Of the faces, shape ``(n, 3)``.
    """
    n_faces = len(offsets)
    labels = (np.arange(len(out)) < n_faces).astype(np.int32)
    cross_entropy = F.sigmoid_cross_entropy(out[:, :1], labels[:, None])
    distance = F.huber_loss(out[:n_faces, 1:] * second_look.OFFSET_UNIT, offsets,
                            second_look.OFFSET_UNIT, reduce='no')
    return cross_entropy + OFFSET_WEIGHT * F.mean(distance)


def learning_rate(iteration: int, n_iter: int, most: float = 2e-3, warm_up: int = 100) -> float:
    """Rises over the first ``warm_up`` batches, and falls to 0 along a cosine."""
    return most * min(1, (iteration + 1) / warm_up) * (
        .5 + .5 * math.cos(math.pi * iteration / n_iter))

