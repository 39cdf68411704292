"""Hard negative mining: searches scenes without faces for windows that pass all stages so far."""
import concurrent.futures
from collections.abc import Callable, Sequence
from typing import Optional

import numpy as np

from picture_ranknet.faces.boxes import iou
from picture_ranknet.faces.training.lbp import Cascade
from picture_ranknet.faces.training.samples import Scene
from picture_ranknet.machine import threads
from picture_ranknet.machine.opencv import cv2
from picture_ranknet.text import silent

PYRAMID = 1.2    # scale step of the image pyramid
OVERLAP = .25    # a window with a higher IoU with a face is not a negative
BATCH = 64       # scenes searched before deciding whether to continue


def mine(cascade: Cascade, scenes: Sequence[Scene], n: int, most: float, seed: Sequence[int],
         cut: Optional[Callable] = None,
         progress: Callable[[int, int], None] = silent
         ) -> tuple[np.ndarray, float]:
    """Find windows that pass all stages in pictures without faces.

    The pictures are searched repeatedly, each time in a new order, at other
    scales, mirrored and, if they contain no face, rotated by right angles.

    Args:
        cascade: The stages so far; without any, all windows pass.
        scenes: Where to search.
        n: How many to find.
        most: Maximum number of windows to evaluate.
        seed: Random seed; the result does not depend on the number of cores.
        cut: Makes windows from a picture and an array of boxes ``(x, y, w, h)``
            in it; ``None`` takes them as they were searched.
        progress: Called with the number of windows found, and ``n``.

    Returns:
        The windows, ``uint8``, shape ``(up to n, height, width)``, in random
        order, and the fraction of all evaluated windows that passed.
    """
    found, searched, passed, turn = [], 0, 0, 0
    per_scene = max(20, 10 * n // len(scenes))
    cv2.setNumThreads(1)  # several scenes at once use the cores better

    def search(task):
        turn, index = task
        rng = np.random.default_rng([*seed, turn, index])
        return _search(cascade, scenes[index], per_scene, turn > 0, rng, cut)

    with concurrent.futures.ThreadPoolExecutor(threads.count(), 'mine') as pool:
        while len(found) < n and searched < most and (turn == 0 or searched):
            order = np.random.default_rng([*seed, turn]).permutation(len(scenes))
            for start in range(0, len(order), BATCH):
                tasks = [(turn, index) for index in order[start:start + BATCH]]
                for windows, n_passed, looked_at in pool.map(search, tasks):
                    found += windows
                    passed += n_passed
                    searched += looked_at
                progress(min(n, len(found)), n)
                if len(found) >= n or searched >= most:
                    break
            turn += 1
    order = np.random.default_rng(seed).permutation(len(found))[:n]
    if not found:
        return np.zeros((0, cascade.height, cascade.width), np.uint8), passed / max(1, searched)
    return np.array([found[i] for i in order]), passed / searched


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
        # As in OpenCV's search.
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
    """Mirror a scene half of the time; with ``turn`` and without a face, rotate it as well."""
    gray, boxes = scene
    if rng.random() < .5:
        gray, boxes = gray[:, ::-1], boxes.copy()
        boxes[:, 0] = gray.shape[1] - boxes[:, 0] - boxes[:, 2]
    if turn and not len(boxes):
        gray = np.rot90(gray, rng.integers(4))
    return np.ascontiguousarray(gray), boxes


def _overlaps(corners, size, boxes):
    """Whether windows have an IoU above ``OVERLAP`` with any of the boxes."""
    windows = np.concatenate([corners, np.broadcast_to(size, corners.shape)], axis=1)
    return (iou(windows[:, None], boxes) > OVERLAP).any(axis=1)
