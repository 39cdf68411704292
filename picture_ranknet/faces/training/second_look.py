"""Training the second look (:mod:`picture_ranknet.faces.second_look`) with Chainer.

The network is frozen, so each picture is passed through it only a few times,
augmented, and the head is trained on its outputs at single cells: at all faces,
at random places, and, in a second round, at false positives of the first
round's head (hard negatives).
"""
import itertools
import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer
import chainer.functions as F
import chainer.links as L

from picture_ranknet.errors import InputError
from picture_ranknet.faces import second_look
from picture_ranknet.faces.second_look import BLOCKS, CELL, INPUTS, UNIT, Layer, SecondLook
from picture_ranknet.faces.training.samples import read_boxes
from picture_ranknet.faces.training.settings import VALIDATION
from picture_ranknet.machine import threads
from picture_ranknet.machine.opencv import cv2
from picture_ranknet.models import efficientnet
from picture_ranknet.text import silent

SIDE = 288            # of an augmented picture, in pixels
LONG_SIDE = 256       # of a picture before augmentation, as the second look sees it
ZOOM = .5, 2.         # ... and its range of random scales
STORED = 640          # pixels; pictures with a longer long side are shrunk to it
ROUNDS = 1, 2         # views of each picture in the first round, and in the second
WITH_FACES = 2        # times as many views of pictures with faces
MIDDLE, LEAST = .16, 5.7  # positive cells are this close to a face, in its sides, or in pixels
AROUND, MORE = .36, 4     # cells farther away are negative; those between are ignored
SMALLEST = 18         # pixels; smaller faces are ignored
CELLS = 24            # positive cells per picture, at most
OTHERS = 36           # negative cells per picture, at most: the hardest ones if there is a head
UNMARKED = .6         # in pictures with boxes, likelier negatives may be faces without a box
HIDDEN = 128, 64      # units of the head's layers
BATCHSIZE = 2048
FACES = 3             # one in FACES samples of a batch is a face
OFFSET_WEIGHT = 10    # of the loss of the offsets, which are small numbers
FACE, NO_FACE, UNSAID = 1, 0, -1


class Picture(NamedTuple):

    """A training picture.

    Attributes:
        img (numpy.ndarray): BGR, ``uint8``, shape ``(height, width, 3)``.
        faces (numpy.ndarray): Boxes of the faces in it, ``float64``, ``(n, 4)``.
        ignored (numpy.ndarray): Boxes to ignore, ``(m, 4)``.
    """

    img: np.ndarray
    faces: np.ndarray
    ignored: np.ndarray


class Head(chainer.Chain):

    """The layers of :class:`SecondLook`, to be trained on standardised features."""

    def __init__(self):
        super().__init__()
        with self.init_scope():
            self.l1 = L.Linear(INPUTS, HIDDEN[0])
            self.l2 = L.Linear(*HIDDEN)
            self.l3 = L.Linear(HIDDEN[1], second_look.OUTPUTS)

    def forward(self, x):                                      # (B, INPUTS)
        h = F.relu(self.l1(F.dropout(x, .05)))                 # (B, 128)
        h = F.relu(self.l2(F.dropout(h, .2)))                  # (B, 64)
        return self.l3(h)                                      # (B, 4)

    def quantise(self, mean: np.ndarray, deviation: np.ndarray, digest: str) -> SecondLook:
        """Quantise the head for features with this mean and deviation."""
        first, *later = [(layer.W.array, layer.b.array) for layer in (self.l1, self.l2, self.l3)]
        W, b = first
        layer = Layer.quantise(W, b)
        layer = layer._replace(biases=layer.biases - mean / deviation @ layer.matrix())
        return SecondLook([layer, *(Layer.quantise(*pair) for pair in later)], deviation, digest)


def read_pictures(faces: Sequence[str], others: Sequence[str], fps: float,
                  note: Callable[[str], None] = silent,
                  progress: Callable[[int, int], None] = silent) -> list[Picture]:
    """Read the training pictures.

    Args:
        faces: Tables (.csv) of pictures and boxes of all faces in them.
        others: Pictures and videos without faces, folders of them, and tables
            of boxes to ignore.
        fps: Frames to take per second of video.
        note: Called with a line for the user, such as about a skipped file.
        progress: Called with the number of pictures read, and the expected total.
    """
    none = np.empty((0, 4))
    pictures = []
    for sources, are_faces in (faces, True), (others, False):
        for img, boxes in read_boxes(sources, fps, note, progress):
            boxes = np.array([] if boxes is None else boxes, float).reshape(-1, 4)
            shrink = min(1, STORED / max(img.shape))
            if shrink < 1:
                img = cv2.resize(img, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
            boxes *= shrink
            pictures.append(Picture(img, boxes if are_faces else none,
                                    none if are_faces else boxes))
    return pictures


def train(pictures: Sequence[Picture], n_iter: int, seed: int,
          progress: Callable[[int, int], None] = silent) -> tuple[SecondLook, str]:
    """Train the second look.

    Args:
        pictures: A fifth of them is held out for the test.
        n_iter: Batches; a third of them in the first round.
        seed: Random seed.
        progress: Called with the number of steps done, and the total.

    Returns:
        The second look, and a line about its performance.

    Raises:
        InputError: If the pictures contain no faces, or nothing else.
        MissingWeights: If the network's package is not installed.
    """
    start = time.monotonic()
    digest = efficientnet.digest(efficientnet.weights_path())
    network = efficientnet.shared(digest)
    order = np.random.default_rng([seed, 5]).permutation(len(pictures))
    n_held_out = math.ceil(VALIDATION * len(pictures))
    learnt = [pictures[i] for i in order[n_held_out:]]
    held_out = [pictures[i] for i in order[:n_held_out]]
    views = [sum(n * (WITH_FACES if len(picture.faces) else 1) for picture in learnt)
             for n in ROUNDS]
    done, total = itertools.count(1), sum(views) + n_iter // 3 + n_iter

    def step():
        progress(next(done), total)

    look, samples = None, []
    for number, n in enumerate(ROUNDS):
        samples += sample(learnt, n, network, look, [seed, 6, number], step)
        x, kinds, offsets = map(np.concatenate, zip(*samples))
        if not (kinds == FACE).any() or not (kinds == NO_FACE).any():
            raise InputError('--pictures: expected faces and other places to learn from, got '
                             f'{np.count_nonzero(kinds == FACE)} and '
                             f'{np.count_nonzero(kinds == NO_FACE)}; give more pictures')
        look = fit(x, kinds, offsets, n_iter if look else n_iter // 3, [seed, 7, number], digest,
                   step)
    x, kinds, _ = map(np.concatenate, zip(*sample(held_out, 1, network, None, [seed, 8])))
    passed = look(x.astype(np.float32))[:, 0] > second_look.EVEN
    report = (f'second look: {_share(passed[kinds == FACE])} of the held-out cells with a face and '
              f'{_share(passed[kinds == NO_FACE])} of other cells pass; '
              f'{time.monotonic() - start:.0f} s')
    return look, report


def _share(passed):
    return f'{passed.mean():.4f}' if len(passed) else 'none'


def sample(pictures: Sequence[Picture], n: int, network, look, seed: list,
           step: Callable[[], None] = silent) -> list[tuple]:
    """Vary pictures, show them to the network, and keep what it puts out at some cells.

    Args:
        pictures: Any number.
        n: Views of each; ``WITH_FACES`` times as many of those with faces.
        network: A :class:`~picture_ranknet.fast.mobile.Network`.
        look: Finds the hard cells; ``None`` draws them at random.
        seed: Random seed; the result does not depend on the number of threads.
        step: Called after each view.

    Returns:
        For each view: features, ``float16``, shape ``(c, INPUTS)``; labels,
        ``(c,)``; and the offsets of a face, ``float32``, ``(c, 3)``.
    """
    shown = [(i, turn) for i, picture in enumerate(pictures)
             for turn in range(n * (WITH_FACES if len(picture.faces) else 1))]

    def work(part):
        found = []
        for i, turn in shown[part]:
            rng = np.random.default_rng([*seed, i, turn])
            found.append(_sample(pictures[i], network, look, rng))
            step()
        return found

    parts = threads.run(work, threads.split(len(shown), threads.count()))
    return [cells for part in parts for cells in part]


def _sample(picture, network, look, rng):
    img, faces, ignored = vary(picture, rng)
    kinds, offsets = targets(faces, ignored)
    maps = network(second_look.prepare(img), BLOCKS, alone=True)
    places = np.flatnonzero(kinds == FACE)
    places = [rng.permutation(places)[:CELLS]]
    others = np.flatnonzero(kinds == NO_FACE)
    if look is None:
        around = cv2.dilate((kinds != NO_FACE).astype(np.uint8), np.ones((5, 5))) > 0
        places += [rng.permutation(others)[:OTHERS],
                   rng.permutation(np.flatnonzero(around & (kinds == NO_FACE)))[:OTHERS // 3]]
    else:
        sure = second_look.probability(look.read(maps)[0, ..., 0].ravel()[others])
        if len(picture.faces):
            others, sure = others[sure < UNMARKED], sure[sure < UNMARKED]
        hardest = others[np.argsort(-sure, kind='stable')]
        places += [hardest[:OTHERS][np.sort(sure)[::-1][:OTHERS] > .02],
                   rng.permutation(others)[:OTHERS // 5]]
    places = np.unique(np.concatenate(places))
    x = np.concatenate([second_look.enlarge(m, SIDE // CELL // m.shape[1])[0].reshape(
        -1, m.shape[3])[places] for m in maps], axis=1)
    return x.astype(np.float16), kinds.ravel()[places], offsets.reshape(-1, 3)[places]


def vary(picture: Picture, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rotate, zoom, mirror and relight a picture at random, and hide parts of faces.

    Arguments and result are those of :func:`place`.
    """
    img, faces, ignored = place(picture, rng)
    return _light(_hide(img, faces, rng), rng), faces, ignored


def place(picture: Picture, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rotate, zoom and mirror a picture at random, mostly around one of its faces.

    Returns:
        BGR, ``uint8``, shape ``(SIDE, SIDE, 3)``; the faces and the boxes to
        ignore, each as ``x, y`` of the centre and the side, in its pixels,
        shapes ``(n, 3)`` and ``(m, 3)``.
    """
    img = picture.img
    height, width = img.shape[:2]
    zoom = LONG_SIDE / max(img.shape) * math.exp(rng.uniform(*np.log(ZOOM)))
    turn = (0 if rng.random() < .25 else
            rng.normal(0, 14) if rng.random() < .6 else rng.uniform(-45, 45))
    middle = rng.uniform(0, [width, height])
    if len(picture.faces) and rng.random() < .8:
        x, y, w, h = picture.faces[rng.integers(len(picture.faces))]
        zoom = min(zoom, SIDE / w)
        middle = [x + w / 2, y + h / 2] + rng.uniform(-.34, .34, 2) * SIDE / zoom
    half = SIDE / 2 / zoom
    middle = [np.clip(m, min(half, n / 2), max(n - half, n / 2))
              for m, n in zip(middle, (width, height))]
    if zoom < .6:  # an affine map would pick single pixels
        shrink = 1.5 * zoom
        img = cv2.resize(img, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    else:
        shrink = 1
    angle = math.radians(turn)
    rotation = np.array([[math.cos(angle), -math.sin(angle)],
                         [math.sin(angle), math.cos(angle)]])
    matrix = rotation @ np.diag([-zoom if rng.random() < .5 else zoom, zoom])
    shift = SIDE / 2 - matrix @ middle
    border = cv2.BORDER_REPLICATE if rng.random() < .3 else cv2.BORDER_CONSTANT
    img = cv2.warpAffine(img, np.c_[matrix / shrink, shift], (SIDE, SIDE), flags=cv2.INTER_LINEAR,
                         borderMode=border, borderValue=[255 * float(rng.random() < .5)] * 3)
    faces, ignored = (_move(boxes, matrix, shift, zoom)
                      for boxes in (picture.faces, picture.ignored))
    return img, faces, ignored


def _move(boxes, matrix, shift, zoom):
    middles = (boxes[:, :2] + boxes[:, 2:] / 2) @ matrix.T + shift
    return np.c_[middles, zoom * np.sqrt(boxes[:, 2:].prod(axis=1))]


def _hide(img, faces, rng):
    """Paint over a part of some faces."""
    for x, y, side in faces:
        if rng.random() < .12:
            size = side * rng.uniform(.25, .5)
            left, top = [x, y] + rng.uniform([-.5, 0], .5) * side - size / 2
            corners = np.clip([top, top + size, left, left + size], 0, SIDE).astype(int)
            img[slice(*corners[:2]), slice(*corners[2:])] = rng.integers(256, size=3)
    return img


def _light(img, rng):
    """Jitter contrast, brightness and tint; make some pictures grey, blurred or a poor JPEG."""
    img = img.astype(np.float32)
    mean = img.mean()
    img = (img - mean) * rng.uniform(.6, 1.25) + mean * rng.uniform(.55, 1.2)
    if rng.random() < .5:
        img *= rng.uniform(.85, 1.15, 3)
    if rng.random() < .2:
        img[:] = img.mean(axis=2, keepdims=True)
    if rng.random() < .15:
        img = cv2.GaussianBlur(img, (0, 0), rng.uniform(.5, 1.5))
    img = np.clip(img, 0, 255).astype(np.uint8)
    if rng.random() < .2:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 80))]
        img = cv2.imdecode(cv2.imencode('.jpg', img, quality)[1], cv2.IMREAD_COLOR)
    return img


def targets(faces: np.ndarray, ignored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The training targets of each cell of an augmented picture.

    Args:
        faces, ignored: From :func:`vary`.

    Returns:
        ``FACE``, ``NO_FACE`` or ``UNSAID``, shape ``(rows, columns)``, and the
        offsets of the faces, ``float32``, ``(rows, columns, 3)``.
    """
    n = SIDE // CELL
    middles = CELL * (np.arange(n) + .5)
    kinds, offsets = np.full((n, n), NO_FACE), np.zeros((n, n, 3), np.float32)

    def distance(x, y):
        return np.maximum(abs(middles - x), abs(middles - y)[:, None])

    for x, y, side in ignored:
        kinds[distance(x, y) < side / 2] = UNSAID
    for x, y, side in faces[np.argsort(-faces[:, 2], kind='stable')]:
        far = distance(x, y)
        kinds[(far < AROUND * side + MORE) & (kinds != FACE)] = UNSAID
        if side < SMALLEST:
            kinds[far < side / 2] = UNSAID
        elif min(x, y) >= 0 and max(x, y) < SIDE:
            near = far < max(MIDDLE * side, LEAST)
            kinds[near] = FACE
            offsets[near] = np.stack(np.broadcast_arrays(
                (x - middles) / side, ((y - middles) / side)[:, None],
                math.log(side / UNIT)), axis=-1)[near]
    return kinds, offsets


def fit(x: np.ndarray, kinds: np.ndarray, offsets: np.ndarray, n_iter: int, seed: list,
        digest: str, step: Callable[[], None] = silent) -> SecondLook:
    """Train a head.

    Args:
        x: Features of cells, shape ``(N, INPUTS)``.
        kinds: Labels, ``(N,)``.
        offsets: Of the faces, ``(N, 3)``.
        n_iter: Number of batches.
        seed: Random seed.
        digest: Of the network's weights.
        step: Called after each batch.
    """
    some = x[::-(-len(x) // 50000)].astype(np.float32)
    mean, deviation = some.mean(axis=0), some.std(axis=0) + np.float32(.05)
    rng = np.random.default_rng(seed)
    np.random.seed(seed)  # Chainer draws weights and dropout from it
    head = Head()
    optimizer = chainer.optimizers.Adam()
    optimizer.setup(head)
    optimizer.add_hook(chainer.optimizer_hooks.WeightDecay(2e-5))
    faces, others = np.flatnonzero(kinds == FACE), np.flatnonzero(kinds == NO_FACE)
    n_faces = BATCHSIZE // FACES

    def draw(_):
        rows = np.concatenate([rng.choice(faces, n_faces),
                               rng.choice(others, BATCHSIZE - n_faces)])
        return (x[rows].astype(np.float32) - mean) / deviation, offsets[rows[:n_faces]]

    for iteration, batch in enumerate(threads.read_ahead(draw, range(n_iter))):
        optimizer.alpha = learning_rate(iteration, n_iter)
        loss = loss_of(head(batch[0]), batch[1])
        head.cleargrads()
        loss.backward()
        optimizer.update()
        step()
    return head.quantise(mean, deviation, digest)


def loss_of(out: chainer.Variable, offsets: np.ndarray) -> chainer.Variable:
    """Cross-entropy of a batch, plus Huber loss of the offsets of its faces.

    Args:
        out: Output of the head, shape ``(B, 4)``; the first ``n`` rows are faces.
        offsets: Of the faces, shape ``(n, 3)``.
    """
    n_faces = len(offsets)
    labels = (np.arange(len(out)) < n_faces).astype(np.int32)
    cross_entropy = F.sigmoid_cross_entropy(out[:, :1], labels[:, None])
    distance = F.huber_loss(out[:n_faces, 1:], offsets, .1, reduce='no')
    return cross_entropy + OFFSET_WEIGHT * F.mean(distance)


def learning_rate(iteration: int, n_iter: int, most: float = 2e-3, warm_up: int = 100) -> float:
    """Learning rate: linear warm-up over ``warm_up`` batches, then cosine decay to 0."""
    return most * min(1, (iteration + 1) / warm_up) * (
        .5 + .5 * math.cos(math.pi * iteration / n_iter))
