"""Finding the faces in frames, on all cores.

``detect`` stands for any function that takes a frame, an ``img`` of
:mod:`media`, and returns the :class:`Finding` in it.
"""
import collections
import concurrent.futures
import contextlib
import os
import re
import threading
import time
from typing import NamedTuple, Optional

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.faces import cascade_file
from picture_ranknet.faces.face_check import FaceCheck
from picture_ranknet.machine import threads
from picture_ranknet.pictures import media
from picture_ranknet.pictures.media import (
    cv2,  # None where it cannot be imported: media.check_opencv() says why
)

DEFAULT_CASCADE = 'lbpcascade_animefice.xml'
LONG_SIDE = 320
CLASSIC_CASCADE = ('the classic lbpcascade_animeface.xml from '
                   'https://github.com/nagadomi/lbpcascade_animeface')


class Finding(NamedTuple):
    """A face in a frame: its box ``(x, y, w, h)`` in pixels, and how sure it is.

    ``confidence`` is the vote of the second look (:mod:`face_check`), from
    ``min_neighbors`` up; ``None`` where there is none.
    """

    box: tuple
    confidence: Optional[float] = None


def whole_picture(img):
    """Find one box, as large as the picture."""
    return [Finding((0, 0, img.shape[1], img.shape[0]))]


def find_default_cascade():
    """The toolkit's own cascade: inside an installed package, beside it in a checkout."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    path = os.path.join(package, DEFAULT_CASCADE)
    return path if os.path.exists(path) else os.path.join(os.path.dirname(package), DEFAULT_CASCADE)


def face_detector(path=None, scale_factor=1.1, min_neighbors=3, min_size=24,
                  long_side=LONG_SIDE):
    """Make a face detector of a cascade.

    The cascade searches the picture shrunk, grey and with an equalised
    histogram.  If its file has a second look (:mod:`face_check`), that decides
    on what the cascade finds; if not, overlapping findings are counted.

    Args:
        path (str): The cascade; ``None`` takes the one beside this module.
        scale_factor (float): Step from one size of faces to the next.
        min_neighbors (int): Findings that must agree on a face.
        min_size (int): Side of the smallest face, in pixels.
        long_side (int): Of the picture that is searched, in pixels, at most;
            0 searches it as it is.

    Returns:
        callable: Maps an ``img`` to a list of :class:`Finding`, from left to
        right.  It is for one thread.

    Raises:
        InputError: If there is no such cascade.
    """
    cascade, check = read_cascade(
        path or find_default_cascade())

    def detect(img):
        gray = cv2.cvtColor(img, cv2.COLOR_BGR2GRAY)
        shrink = min(1, long_side / max(gray.shape)) if long_side else 1
        sharper = min(1, 2 * shrink)  # for the second look
        gray = _shrink(gray, sharper)
        least = max(1, round(min_size * shrink))
        boxes = cascade.detectMultiScale(
            cv2.equalizeHist(_shrink(gray, shrink / sharper)), scaleFactor=scale_factor,
            minNeighbors=0 if check else min_neighbors, minSize=(least, least))
        boxes = np.array(boxes, float).reshape(-1, 4) / shrink
        votes = [None] * len(boxes)
        if check:
            boxes, votes = check.find(gray, boxes * sharper, min_neighbors)
            boxes, votes = boxes / sharper, votes.tolist()
        found = map(Finding, (_inside(box, img) for box in boxes), votes)
        return sorted(found, key=lambda finding: finding.box)
    return detect


def _shrink(gray, factor):
    size = tuple(max(1, round(side * factor)) for side in gray.shape[::-1])
    return gray if factor == 1 else cv2.resize(gray, size, interpolation=cv2.INTER_AREA)


def _inside(box, img):
    """Round a box, and move it into the picture, smaller if need be; a square stays one."""
    height, width = img.shape[:2]
    x, y, w, h = box
    fit = min(1, width / w, height / h)
    left, top, w, h = round(x), round(y), int(round(w) * fit), int(round(h) * fit)
    return min(max(left, 0), width - w), min(max(top, 0), height - h), w, h


def read_cascade(path):
    """Read a cascade, and the second look in its file.

    Returns:
        tuple: The ``cv2.CascadeClassifier``, and the
        :class:`face_check.FaceCheck`, or ``None`` if the file has none.

    Raises:
        InputError: If the file is missing or something else.
    """
    if not hasattr(cv2, 'CascadeClassifier'):
        raise InputError('OpenCV {} has no CascadeClassifier; install one that has: '
                               'python -m pip install "opencv-python{}"'
                               .format(cv2.__version__, media.OPENCV_VERSIONS))
    if not os.path.isfile(path):
        raise InputError(
            '{}: the cascade, which finds the faces, is missing; pass another with --cascade, '
            'such as {}, or take whole pictures with --no_faces'.format(path, CLASSIC_CASCADE))
    cascade, check, reason = cv2.CascadeClassifier(), None, 'OpenCV refuses it'
    try:
        text = cascade_file.clean(cascade_file.read_text(path))
        storage = cv2.FileStorage(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
        good = cascade.read(storage.getFirstTopLevelNode())
        check = FaceCheck.from_storage(storage)
    except (cv2.error, SystemError):
        good = False
    except ValueError as e:
        good, reason = False, str(e)
    if not good:
        raise InputError('{}: expected a cascade of OpenCV, got something else or a damaged '
                               'one: {}; try {}'.format(path, reason, CLASSIC_CASCADE))
    return cascade, check


# The pipeline

STILL = 2     # grey levels; frames that differ less everywhere show the same
CUT = 24      # ... and that differ by more on average show another scene
SEQUENCE = 8  # ... where they are pictures, which need not have to do with each other
GRID = 32, 18  # places at which they are compared
MOST_WAITING = 2 ** 27  # bytes of frames that wait for a thread, and as many of those it works on


class Shot(NamedTuple):
    """A frame, and what it has to do with those before.

    ``number`` counts the sources, ``scene`` the cuts and the sources, ``look``
    the frames that are not still, all from 0.  A frame that ``is_still`` shows
    what the last one that is not shows.
    """

    frame: media.Frame
    number: int
    scene: int
    look: int
    is_still: bool


def cut_scenes(frames, clock, find_still=True):
    """Tell scenes apart, and frames in which something moves from still ones.

    Args:
        frames (iterable): Of :class:`media.Frame`.
        clock (Clock): Told how long decoding takes.
        find_still (bool): Whether frames are told that are still.

    Yields:
        Shot: For each frame.
    """
    number = scene = look = -1
    last = seen = None
    for frame in clock.each('decoding', frames):
        small, is_still = _thumbnail(frame.img), False
        goes_on = last is not None and frame.source == last.source and frame.index > last.index
        number += not goes_on
        if goes_on or last is not None and _is_next(last, frame):
            change = np.abs(small - seen)
            scene += int(change.mean() > (CUT if goes_on else SEQUENCE))
            is_still = find_still and bool(change.max() < STILL)
        else:
            scene += 1
        last = frame
        if not is_still:
            seen = small
            look += 1
        yield Shot(frame, number, scene, look, is_still)


def _is_next(last, frame):
    """Whether a picture is the next one of an image sequence."""
    if last.seconds is not None or frame.seconds is not None or last.img.shape != frame.img.shape:
        return False
    return _follows(last.source, frame.source)


def _follows(last, path):
    """Whether a name is the next one of a sequence: ``0007.png`` and ``0008.png``."""
    before, after = (re.fullmatch(r'(.*?)([0-9]+)(\.\w+)', name) for name in (last, path))
    return bool(before and after and before[1] == after[1] and before[3] == after[3]
                and int(after[2]) == int(before[2]) + 1)


def _thumbnail(img):
    step = max(1, min(img.shape[:2]) // 270)  # some of the pixels do
    gray = cv2.cvtColor(np.ascontiguousarray(img[::step, ::step]), cv2.COLOR_BGR2GRAY)
    return cv2.resize(gray, GRID, interpolation=cv2.INTER_AREA).astype(np.float32)


def share_out(paths, n):
    """Cut a list of files into ``n``, for as many processes; an image sequence stays whole.

    Returns:
        list of list: About as many bytes in each; some may be empty.
    """
    shares = [[] for _ in range(n)]
    starts = [i for i, path in enumerate(paths) if not (i and _follows(paths[i - 1], path))]
    ends = np.cumsum([0, *(1 + media.size_of(path) for path in paths)])
    for start, stop in zip(starts, [*starts[1:], len(paths)]):
        middle = (ends[start] + ends[stop]) / 2
        shares[int(n * middle / ends[-1])] += paths[start:stop]
    return shares


def search(shots, make_detect, is_wanted, clock):
    """Find the faces in frames, in several at once.

    Args:
        shots (iterable): Of :class:`Shot`; drawn on a thread of its own.
        make_detect (callable): Makes a ``detect`` for a thread.
        is_wanted (callable): Takes the number of a source and of a frame in
            it; others are not searched.
        clock (Clock): Told how long searching takes.

    Yields:
        tuple: Each shot that is searched, in order, and a list of
        :class:`Finding`.
    """
    local = threading.local()

    def find(img):
        if not hasattr(local, 'detect'):
            local.detect = make_detect()
        with clock('searching'):
            return local.detect(img)

    n = threads.count()
    cv2.setNumThreads(1)  # several frames at once use the cores better than several parts of one
    waiting = collections.deque()
    executor = concurrent.futures.ThreadPoolExecutor(n, 'search')
    try:
        for shot in threads.run_ahead(shots, n, _size, MOST_WAITING):
            if shot.is_still or not is_wanted(shot.number, shot.frame.index):
                continue
            waiting.append((shot, executor.submit(find, shot.frame.img)))
            while waiting and (len(waiting) > 2 * n or waiting[0][1].done()
                               or sum(_size(shot) for shot, _ in waiting) > MOST_WAITING):
                shot, future = waiting.popleft()
                yield shot, future.result()
        while waiting:
            shot, future = waiting.popleft()
            yield shot, future.result()
    finally:
        for _, future in waiting:
            future.cancel()
        executor.shutdown()


def _size(shot):
    return shot.frame.img.nbytes


class Clock:

    """How long each stage of the pipeline has worked, in seconds: ``clock.seconds``."""

    def __init__(self):
        self.seconds = collections.Counter()

    @contextlib.contextmanager
    def __call__(self, stage):
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start

    def each(self, stage, items):
        """Yield items, and count the time that they take to come."""
        items = iter(items)
        while True:
            with self(stage):
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item

    def describe(self):
        """The share of each stage: ``decoding 60 %, searching 35 %, writing 5 %``."""
        total = sum(self.seconds.values()) or 1
        return ', '.join('{} {:.0f} %'.format(stage, 100 * seconds / total)
                         for stage, seconds in self.seconds.items())
