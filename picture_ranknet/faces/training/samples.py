"""Training data of a cascade: patches of faces, their augmentation, and scenes without faces.

A *patch* is a face in the middle of a grey picture, padded for the rotations
and shifts that make several faces from one.  A :class:`Scene` is a whole
picture without faces, or with boxes around them.
"""
import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Optional

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.faces.training.settings import VALIDATION, Augmentation
from picture_ranknet.machine.opencv import cv2
from picture_ranknet.pictures import frames, kinds
from picture_ranknet.pictures.sources import find_sources
from picture_ranknet.storage import tables
from picture_ranknet.text import silent

ROOM = .3             # padding around the face in a patch, as a fraction of the face's side
SHARPEN = 1.5         # the strongest unsharp masking of a patch
LARGEST = 100000      # value in a table of boxes, in pixels


class Scene(NamedTuple):

    """A picture in which to find windows that are not faces.

    Attributes:
        gray (numpy.ndarray): ``uint8``, shape ``(height, width)``.
        boxes (numpy.ndarray): Faces in it to avoid, ``float64``, shape
            ``(n, 4)``: ``x, y, w, h``.
    """

    gray: np.ndarray
    boxes: np.ndarray


def read_faces(sources: Sequence[str], size: tuple[int, int],
               note: Callable[[str], None] = silent,
               progress: Callable[[int, int], None] = silent) -> np.ndarray:
    """Read the faces as patches.

    Args:
        sources: Pictures of one face each, folders of them, and tables (.csv)
            of pictures and boxes.
        size: Width and height of the window.
        note: Called with a line for the user, such as about a skipped file.
        progress: Called with the number of pictures read, and the expected total.

    Returns:
        ``uint8``, shape ``(N, height, width)``: a face of twice the window's
        size in the middle, padded on each side.
    """
    patches = []
    for img, boxes in read_boxes(sources, 1, note, progress):
        gray = cv2.cvtColor(img, cv2.COLOR_BGR2GRAY)
        if boxes is None:
            boxes = [(0, 0, gray.shape[1], gray.shape[0])]
        patches += [_patch(gray, box, size) for box in boxes]
    return np.array(patches)


def read_scenes(sources: Sequence[str], fps: float, note: Callable[[str], None] = silent,
                progress: Callable[[int, int], None] = silent) -> list[Scene]:
    """Read pictures without faces, or with boxes around all of them.

    Args:
        sources: Pictures, videos, folders of them, and tables of boxes.
        fps: Frames to take per second of video.
        note: Called with a line for the user, such as about a skipped file.
        progress: Called with the number of pictures read, and the expected total.
    """
    return [Scene(cv2.cvtColor(img, cv2.COLOR_BGR2GRAY),
                  np.array([] if boxes is None else boxes, float).reshape(-1, 4))
            for img, boxes in read_boxes(sources, fps, note, progress)]


def read_boxes(sources: Sequence[str], fps: float, note: Callable[[str], None] = silent,
               progress: Callable[[int, int], None] = silent) -> Iterator[
                   tuple[np.ndarray, Optional[list]]]:
    """Yield pictures, BGR, and their boxes or ``None`` where no table names them.

    The arguments are those of :func:`read_scenes`.
    """
    tables = [source for source in sources if source.lower().endswith('.csv')]
    others = [source for source in sources if source not in tables]
    boxes = {}
    for table in tables:
        for source, box in _read_table(table):
            boxes.setdefault(source, []).append(box)
    paths = find_sources(others)[0] if others else []
    slot = frames.per_second(fps)
    if paths:
        reader = frames.FrameReader(paths, slot, note=note, progress=(
            lambda done, total: progress(done, total + len(boxes))))
        for frame in reader:
            yield frame.img, None
    if boxes:
        reader = frames.FrameReader(list(boxes), slot, note=note, progress=(
            lambda done, total: progress(len(paths) + done, len(paths) + total)))
        for frame in reader:
            yield frame.img, boxes[frame.source]


def _read_table(path):
    """Yield pictures and a box in each; names are relative to the table's folder."""
    for number, row in tables.read_columns(path, ('source', 'x', 'y', 'w', 'h')):
        yield _read_row(path, number, row)


def _read_row(path, line, row):
    try:
        box = tuple(float(row[column]) for column in 'xywh')
        good = all(abs(side) <= LARGEST for side in box) and box[2] >= 1 and box[3] >= 1
    except ValueError:
        good = False
    if not good:
        got = [row[column][:20] for column in 'xywh']
        raise InputError(f'{path}, line {line}: expected numbers up to {LARGEST:,} for x, y, w and '
                         f'h, with w and h at least 1, got {got}')
    source = os.path.normpath(os.path.join(os.path.dirname(path), row['source']))
    if not os.path.isfile(source):
        raise InputError(f'{path}, line {line}: there is no picture {source}')
    if kinds.is_video(source):
        raise InputError(f'{path}, line {line}: expected a picture, got a video: {source}')
    return source, box


def _patch(gray, box, size):
    """Crop a face with padding; beyond the border, the border's pixels are replicated."""
    x, y, w, h = box
    width, height = _patch_size(size)
    shrink = min(1, 2 * size[0] / w)
    if shrink < 1:  # an affine map in 8 bits rounds its steps
        gray = cv2.resize(gray, (max(1, round(gray.shape[1] * shrink)),
                                 max(1, round(gray.shape[0] * shrink))),
                          interpolation=cv2.INTER_LINEAR_EXACT)
        x, y, w, h = x * shrink, y * shrink, w * shrink, h * shrink
    across, down = 2 * size[0] / w, 2 * size[1] / h
    matrix = np.array([[across, 0, width / 2 - across * (x + w / 2 - .5) - .5],
                       [0, down, height / 2 - down * (y + h / 2 - .5) - .5]])
    return cv2.warpAffine(gray, matrix, (width, height), flags=cv2.INTER_LINEAR,
                          borderMode=cv2.BORDER_REPLICATE)


def _patch_size(size):
    return tuple(2 * side + 2 * round(2 * side * ROOM) for side in size)


def split_faces(patches: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Shuffle patches, and split them into a training and a hold-out set.

    Raises:
        InputError: If there are fewer than ten.
    """
    if len(patches) < 10:
        raise InputError(f'--faces: expected at least 10, got {len(patches)}')
    order = np.random.default_rng([seed, 1]).permutation(len(patches))
    n_validation = math.ceil(len(patches) * VALIDATION)
    return patches[order[n_validation:]], patches[order[:n_validation]]


def augment_faces(patches: np.ndarray, face: tuple[int, int], size: tuple[int, int], n: int,
                  augmentation: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Make ``n`` windows from patches, each patch in turn; shape ``(n, height, width)``."""
    return np.array([augment(patches[i % len(patches)], face, size, augmentation, rng)[0]
                     for i in range(n)])


def vary_faces(learnt: np.ndarray, held_out: np.ndarray, size: tuple[int, int], n: int,
               augmentation: Augmentation, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Make the windows that stages are trained on, and those that they are validated on.

    Args:
        learnt, held_out: Patches, from :func:`split_faces`.
        size: Width and height of the window.
        n: Windows to train on; ``VALIDATION`` times as many from held-out faces.
        augmentation: How far to go.
        seed: Random seed.

    Returns:
        ``uint8``, shape ``(n, height, width)``, and likewise for the held-out faces.
    """
    face = 2 * size[0], 2 * size[1]
    rng = np.random.default_rng([seed, 4])
    return (augment_faces(learnt, face, size, n, augmentation, rng),
            augment_faces(held_out, face, size, math.ceil(VALIDATION * n), augmentation, rng))


def augment(patch: np.ndarray, face: tuple[int, int], size: tuple[int, int],
            augmentation: Augmentation,
            rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Make a window from a patch: rotate, shift, scale, relight and mirror it at random.

    OpenCV's search shrinks pictures by linear interpolation, which at large
    factors picks single pixels and leaves edges jagged.  So half of the
    windows are sharpened and shrunk that way, and only the others by averaging.

    Args:
        patch: ``uint8``, shape ``(patch height, patch width)``.
        face: Width and height of the face in its middle.
        size: Width and height of the window.
        augmentation: How far to go.
        rng: Source of random numbers.

    Returns:
        The window, and the offset of the face in it: the distance of its centre
        from the window's, to the right and down, as fractions of the window's
        sides, and the logarithm of its size relative to the window's.
    """
    turn, across, down, scale, sharpness = rng.uniform(-1, 1, 5)
    offset = np.array([across * augmentation.shift, down * augmentation.shift,
                       scale * augmentation.scale])
    twice = 2 * np.array(size)
    zoom = np.exp(offset[2]) * twice / face
    matrix = cv2.getRotationMatrix2D((0, 0), turn * augmentation.turn, 1) * zoom[:, None]
    middle = (np.array(patch.shape[::-1]) - 1) / 2
    matrix[:, 2] = (twice - 1) / 2 + offset[:2] * twice - matrix[:, :2] @ middle
    img = cv2.warpAffine(patch, matrix, tuple(twice.tolist()), flags=cv2.INTER_LINEAR,
                         borderMode=cv2.BORDER_REPLICATE)
    if sharpness > 0:
        blurred = cv2.GaussianBlur(img, (0, 0), 1)
        img = cv2.addWeighted(img, 1 + SHARPEN * sharpness, blurred, -SHARPEN * sharpness, 0)
        img = img[::2, ::2]
    else:
        img = cv2.resize(img, size, interpolation=cv2.INTER_AREA)
    if rng.random() < augmentation.hidden:
        img = _hide(img, rng)
    contrast, brightness = rng.uniform(-1, 1, 2) * augmentation.light
    img = (img.astype(np.float32) - 128) * (1 + contrast) + 128 + 255 * brightness
    img = np.clip(np.rint(img), 0, 255).astype(np.uint8)
    if augmentation.mirror and rng.random() < .5:
        img, offset[0] = img[:, ::-1], -offset[0]
    return img, offset


def _hide(img, rng):
    """Paint over a random rectangle of up to half the sides with one grey or a gradient."""
    height, width = img.shape
    h, w = int(rng.integers(height // 8, height // 2)), int(rng.integers(width // 8, width // 2))
    y, x = rng.integers(height - h // 2), rng.integers(width - w // 2)
    corners = rng.integers(256, size=(2, 2)) if rng.random() < .5 else np.full(
        (2, 2), rng.integers(256))
    img = img.copy()
    part = img[y:y + h, x:x + w]
    part[:] = cv2.resize(corners.astype(np.uint8), part.shape[::-1])
    return img
