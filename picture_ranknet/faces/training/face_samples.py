"""Windows to train a cascade with: of faces, and of what was taken for faces.

What is stored of a face is a *patch*: grey, the face in the middle, with room
around it for the turns and shifts that make more faces of one.  What is
without faces is a :class:`Scene`, a whole picture, to be searched for what the
stages so far take for faces.
"""
import concurrent.futures
import math
import os
from typing import NamedTuple

import numpy as np

from picture_ranknet.console import messages
from picture_ranknet.errors import InputError
from picture_ranknet.pictures import media
from picture_ranknet.pictures.media import cv2
from picture_ranknet.storage import tables

ROOM = .3             # around the face in a patch, in parts of the face's side
VALIDATION = .2       # share of the faces that is only tested with
PYRAMID = 1.2         # from one size of a searched picture to the next
SHARPEN = 1.5         # at most, in unsharp masking of a patch
LARGEST = 100000      # of a box in a table, in pixels
OVERLAP = .25         # IoU with a face above which a window is neither face nor none


class Augmentation(NamedTuple):

    """How far a face is varied, up or down.

    Attributes:
        turn (float): In degrees.
        shift (float): In parts of the window's side.
        scale (float): Logarithm of the size.
        light (float): Contrast and brightness, in parts of full white.
        mirror (bool): Whether half of the faces are mirrored.
        hidden (float): Share of the faces of which a part is painted over.
    """

    turn: float = 20
    shift: float = .04
    scale: float = .1
    light: float = .2
    mirror: bool = True
    hidden: float = 0


class Scene(NamedTuple):

    """A picture to find windows in that are no faces.

    Attributes:
        gray (numpy.ndarray): ``uint8``, shape ``(height, width)``.
        boxes (numpy.ndarray): The faces in it after all, ``float64``, shape
            ``(n, 4)``: ``x, y, w, h``.
    """

    gray: np.ndarray
    boxes: np.ndarray


def read_faces(sources, size):
    """Read the faces as patches.

    Args:
        sources (list of str): Pictures of one face each, folders of them, and
            tables of pictures and boxes.
        size (tuple of int): Width and height of the window.

    Returns:
        numpy.ndarray: ``uint8``, shape ``(N, height, width)``: a face of twice
        the window's size in the middle, and room on each side.
    """
    patches = []
    for gray, boxes in _read_boxes(sources, 'faces', fps=1):
        whole = [(0, 0, gray.shape[1], gray.shape[0])]
        patches += [_patch(gray, box, size) for box in (whole if boxes is None else boxes)]
    return np.array(patches)


def read_scenes(sources, fps):
    """Read the pictures without faces, or with boxes around all of them, as :class:`Scene`."""
    return [Scene(gray, np.array([] if boxes is None else boxes, float).reshape(-1, 4))
            for gray, boxes in _read_boxes(sources, 'no_faces', fps)]


def _read_boxes(sources, option, fps):
    """Yield grey pictures, and their boxes or ``None`` where there is no table of them."""
    tables = [source for source in sources if source.lower().endswith('.csv')]
    others = [source for source in sources if source not in tables]
    boxes = {}
    for table in tables:
        for source, more in _read_table(table):
            boxes.setdefault(source, []).extend(more)
    paths = media.find_sources(others)[0] if others else []
    with messages.progress(len(paths) + len(boxes), 'pictures', '--' + option) as bar:
        slot, show = media.per_second(fps), messages.follow(bar)
        reader = media.FrameReader(paths, slot, note=messages.note, progress=show)
        for frame in reader if paths else ():
            yield cv2.cvtColor(frame.img, cv2.COLOR_BGR2GRAY), None
        for frame in media.FrameReader(list(boxes), slot, note=messages.note) if boxes else ():
            yield cv2.cvtColor(frame.img, cv2.COLOR_BGR2GRAY), boxes[frame.source]


def _read_table(path):
    """Pairs of a picture and a list of one box in it; names are relative to the table's folder."""
    return [_read_row(path, number, row)
            for number, row in tables.read_columns(path, ('source', 'x', 'y', 'w', 'h'))]


def _read_row(path, line, row):
    try:
        box = tuple(float(row[column]) for column in 'xywh')
        good = all(abs(side) <= LARGEST for side in box) and box[2] >= 1 and box[3] >= 1
    except ValueError:
        good = False
    if not good:
        raise InputError(
            '{}, line {}: expected numbers up to {:,} for x, y, w and h, w and h at least 1, got {}'
            .format(path, line, LARGEST, [row[column][:20] for column in 'xywh']))
    source = os.path.normpath(os.path.join(os.path.dirname(path), row['source']))
    if media.is_video(source):
        raise InputError('{}, line {}: expected a picture, got a video: {}'.format(
            path, line, source))
    if not os.path.isfile(source):
        raise InputError('{}, line {}: there is no picture {}'.format(path, line, source))
    return source, [box]


def _patch(gray, box, size):
    """Cut a face out with room around it; over the border, the border's pixels go on."""
    x, y, w, h = box
    width, height = _patch_size(size)
    shrink = min(1, 2 * size[0] / w)
    if shrink < 1:  # an affine map of 8 bits rounds its steps
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


def split_faces(patches, seed):
    """Shuffle patches, and divide them into those to learn from and those to test with.

    Raises:
        InputError: If there are fewer than ten.
    """
    if len(patches) < 10:
        raise InputError('--faces: expected at least 10, got {}'.format(len(patches)))
    order = np.random.default_rng([seed, 1]).permutation(len(patches))
    n_validation = math.ceil(len(patches) * VALIDATION)
    return patches[order[n_validation:]], patches[order[:n_validation]]


def augment_faces(patches, face, size, n, augmentation, rng):
    """Make ``n`` windows of patches, going round them; shape ``(n, height, width)``."""
    return np.array([augment(patches[i % len(patches)], face, size, augmentation, rng)[0]
                     for i in range(n)])


def augment(patch, face, size, augmentation, rng):
    """Make a window of a patch: turned, shifted, scaled, lit and mirrored at random.

    OpenCV's search shrinks pictures by linear interpolation, which at large
    factors takes single pixels and leaves edges jagged.  So half of the
    windows are sharpened and shrunk that way, and only the others by averages.

    Args:
        patch (numpy.ndarray): ``uint8``, shape ``(patch height, patch width)``.
        face (tuple of int): Width and height of the face in its middle.
        size (tuple of int): Width and height of the window.
        augmentation (Augmentation): How far to go.
        rng (numpy.random.Generator): Decides.

    Returns:
        tuple: The window, and the offset of the face in it: how far its middle
        is from the window's, to the right and down, in parts of the window's
        sides, and the logarithm of its size in parts of the window's.
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
    """Paint over a rectangle of up to half the sides, somewhere, with one grey or a gradient."""
    height, width = img.shape
    h, w = int(rng.integers(height // 8, height // 2)), int(rng.integers(width // 8, width // 2))
    y, x = rng.integers(height - h // 2), rng.integers(width - w // 2)
    corners = rng.integers(256, size=(2, 2)) if rng.random() < .5 else np.full(
        (2, 2), rng.integers(256))
    img = img.copy()
    part = img[y:y + h, x:x + w]
    part[:] = cv2.resize(corners.astype(np.uint8), part.shape[::-1])
    return img


# Windows that the stages so far take for faces

def mine(cascade, scenes, n, most, seed, cut=None):
    """Find windows that pass all stages in pictures without faces.

    The pictures are searched again and again, in a new order, at other scales,
    mirrored and, where no face is in them, turned by right angles.

    Args:
        cascade (lbp_cascade.Cascade): The stages so far; none passes all.
        scenes (list of Scene): Where to search.
        n (int): How many to find.
        most (float): Windows to look at, at most.
        seed (list of int): The same gives the same, on any number of cores.
        cut (callable): Makes the windows of a picture and an array of boxes
            ``(x, y, w, h)`` in it; ``None`` takes them as they were searched.

    Returns:
        tuple: The windows, ``uint8``, shape ``(up to n, height, width)``, in
        random order, and the share that passed of all those looked at.
    """
    found, searched, passed = [], 0, 0
    per_scene = max(20, 10 * n // len(scenes))
    batchsize = 64

    def search(task):
        turn, index = task
        return _search(cascade, scenes[index], per_scene, turn > 0,
                       np.random.default_rng([*seed, turn, index]), cut)

    turn = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool, \
            messages.progress(n, 'windows', 'mining') as bar:
        while len(found) < n and searched < most and (turn == 0 or searched):
            order = np.random.default_rng([*seed, turn]).permutation(len(scenes))
            for start in range(0, len(order), batchsize):
                tasks = [(turn, index) for index in order[start:start + batchsize]]
                for windows, n_passed, looked_at in pool.map(search, tasks):
                    found += windows
                    passed += n_passed
                    searched += looked_at
                bar.update(min(n, len(found)) - bar.n)
                if len(found) >= n or searched >= most:
                    break
            turn += 1
    order = np.random.default_rng(seed).permutation(len(found))[:n]
    shape = (0, cascade.height, cascade.width)
    windows = np.array([found[i] for i in order]) if found else np.zeros(shape, np.uint8)
    return windows, passed / max(1, searched)


def _search(cascade, scene, most, turn, rng, cut):
    gray, boxes = _vary(scene, turn, rng)
    scale, found, passed, searched = rng.uniform(1, PYRAMID), [], 0, 0
    size = np.array([cascade.width, cascade.height])
    first = True
    while True:
        columns, rows = round(gray.shape[1] / scale), round(gray.shape[0] / scale)
        if (columns < size[0] or rows < size[1]) and first:  # a tile of the window's own size
            scale, columns, rows = 1, gray.shape[1], gray.shape[0]
        if columns < size[0] or rows < size[1]:
            break
        first = False
        # As OpenCV shrinks it when it searches.
        img = cv2.resize(gray, (columns, rows), interpolation=cv2.INTER_LINEAR_EXACT)
        corners, looked_at = cascade.scan(cv2.integral(img), step=2)
        searched += looked_at
        corners = corners[~_overlaps(corners, size, boxes / scale)]
        passed += len(corners)
        if len(corners) > most:
            corners = rng.choice(corners, most, replace=False)
        if cut:
            found += list(cut(gray, np.concatenate(
                [corners, np.broadcast_to(size, corners.shape)], axis=1) * scale))
        else:
            found += [img[y:y + size[1], x:x + size[0]] for x, y in corners]
        scale *= PYRAMID
    if len(found) > most:
        found = [found[i] for i in rng.choice(len(found), most, replace=False)]
    return found, passed, searched


def _vary(scene, turn, rng):
    """Mirror a scene half of the time; if asked to and it has no face, turn it as well."""
    gray, boxes = scene
    if rng.random() < .5:
        gray, boxes = gray[:, ::-1], boxes.copy()
        boxes[:, 0] = gray.shape[1] - boxes[:, 0] - boxes[:, 2]
    if turn and not len(boxes):
        gray = np.rot90(gray, rng.integers(4))
    return np.ascontiguousarray(gray), boxes


def _overlaps(corners, size, boxes):
    """Whether windows share more than ``OVERLAP`` (IoU) with any of the boxes."""
    low = np.maximum(corners[:, None], boxes[None, :, :2])
    high = np.minimum(corners[:, None] + size, boxes[None, :, :2] + boxes[None, :, 2:])
    both = np.maximum(high - low, 0).prod(axis=2)
    either = size.prod() + boxes[:, 2:].prod(axis=1) - both
    return (both > OVERLAP * either).any(axis=1)
