"""Detection in videos and pictures on all cores: one thread decodes, the others search.

``detect`` stands for any function that takes a frame, HWC, BGR, ``uint8``, and
returns a list of :class:`~picture_ranknet.faces.detector.Finding`.
"""
import collections
import concurrent.futures
import contextlib
import re
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Callable, NamedTuple

import numpy as np

from picture_ranknet.faces.detector import Finding
from picture_ranknet.machine import threads
from picture_ranknet.machine.opencv import cv2
from picture_ranknet.pictures import sources
from picture_ranknet.pictures.frames import Frame

GRID = 32, 18  # to which frames are reduced to compare their grey levels
STILL = 2     # if they differ by less everywhere, they are identical
CUT = 24      # if they differ by more on average, there is a cut between them
SEQUENCE = 8  # the same for pictures, which need not belong together
MOST_WAITING = 2 ** 27  # bytes of frames waiting for a thread, and as many being searched


class Shot(NamedTuple):
    """A frame, and its place in the sequence.

    Attributes:
        frame: The picture and where it comes from.
        number: Number of the source, from 0.
        scene: Counts cuts and sources, from 0.
        look: Counts the frames that are not still, from 0.
        is_still: Whether it is identical to the last frame that is not still.
    """

    frame: Frame
    number: int
    scene: int
    look: int
    is_still: bool


def cut_scenes(frames: Iterable[Frame], clock: 'Clock',
               find_still: bool = True) -> Iterator[Shot]:
    """Find the cuts between scenes, and the frames in which nothing moves.

    Args:
        frames: In order.
        clock: Measures the time of decoding.
        find_still: Whether to look for still frames.
    """
    number = scene = look = -1
    last = seen = None
    for frame in clock.each('decoding', frames):
        small, is_still = _thumbnail(frame.img), False
        goes_on = last is not None and frame.source == last.source and frame.index > last.index
        if not goes_on:
            number += 1
        if goes_on or last is not None and _is_next(last, frame):
            change = np.abs(small - seen)
            if change.mean() > (CUT if goes_on else SEQUENCE):
                scene += 1
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
    step = max(1, min(img.shape[:2]) // 270)  # some of the pixels suffice
    gray = cv2.cvtColor(np.ascontiguousarray(img[::step, ::step]), cv2.COLOR_BGR2GRAY)
    return cv2.resize(gray, GRID, interpolation=cv2.INTER_AREA).astype(np.float32)


def share_out(paths: list[str], n: int) -> list[list[str]]:
    """Split a list of files into ``n`` parts of about equal bytes, for as many processes.

    An image sequence stays whole; some parts may be empty.
    """
    shares = [[] for _ in range(n)]
    starts = [i for i, path in enumerate(paths) if not (i and _follows(paths[i - 1], path))]
    ends = np.cumsum([0, *(1 + sources.size_of(path) for path in paths)])
    for start, stop in zip(starts, [*starts[1:], len(paths)]):
        middle = (ends[start] + ends[stop]) / 2
        shares[int(n * middle / ends[-1])] += paths[start:stop]
    return shares


def search_shots(shots: Iterable[Shot], make_detect: Callable[[], Callable],
                 is_wanted: Callable[[int, int], bool],
                 clock: 'Clock') -> Iterator[tuple[Shot, list[Finding]]]:
    """Detect the faces in several frames at once.

    Args:
        shots: Iterated on a separate thread.
        make_detect: Makes a ``detect`` for a thread.
        is_wanted: Takes the number of a source and of a frame in it; returns
            whether to search that frame.
        clock: Measures the time of searching.

    Yields:
        Each shot that is searched, in order, and its findings.
    """
    local = threading.local()

    def find(img):
        if not hasattr(local, 'detect'):
            local.detect = make_detect()
        with clock('searching'):
            return local.detect(img)

    n = threads.count()
    # Several frames at once use the cores better than several parts of one.
    cv2.setNumThreads(1)
    threads.limit_blas(1)
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
        threads.limit_opencv()
        threads.limit_blas(n)


def _size(shot):
    return shot.frame.img.nbytes


class Clock:

    """Measures the time of each stage of the pipeline.

    Attributes:
        seconds (collections.Counter): By name of the stage.
    """

    def __init__(self):
        self.seconds = collections.Counter()

    @contextlib.contextmanager
    def __call__(self, stage: str):
        """Measure the time of the body."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start

    def each(self, stage: str, items: Iterable) -> Iterator:
        """Yield items, and measure the time it takes to get them."""
        items = iter(items)
        while True:
            with self(stage):
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item

    def describe(self) -> str:
        """The share of each stage: ``decoding 60 %, searching 35 %, writing 5 %``."""
        total = sum(self.seconds.values()) or 1
        return ', '.join(f'{stage} {100 * seconds / total:.0f} %'
                         for stage, seconds in self.seconds.items())
