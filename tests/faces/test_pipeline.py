import gc
import itertools
import threading
import time

import numpy as np
import pytest

from picture_ranknet.errors import InputError
from picture_ranknet.faces import pipeline
from picture_ranknet.faces.detector import Finding
from picture_ranknet.machine import threads
from picture_ranknet.pictures.frames import Frame


@pytest.fixture(autouse=True)
def usual_threads():
    """No test leaves its number of threads to the next."""
    yield
    threads.use(None)


def frames_of(*pictures, source='a.mp4', start=0):
    return [Frame(source, start + 6 * i, i / 4, img) for i, img in enumerate(pictures)]


def plain(level):
    return np.full((90, 160, 3), level, np.uint8)


def cut(frames, **options):
    return [(shot.number, shot.scene, shot.look, shot.is_still)
            for shot in pipeline.cut_scenes(frames, pipeline.Clock(), **options)]


def test_a_sudden_change_is_a_cut_and_no_change_is_still():
    moving = plain(50)
    moving[20:40, 30:50] = 90
    frames = frames_of(plain(50), plain(50), moving, plain(51), plain(120), plain(120))
    assert cut(frames) == [(0, 0, 0, False), (0, 0, 0, True), (0, 0, 1, False), (0, 0, 2, False),
                           (0, 1, 3, False), (0, 1, 3, True)]
    assert [still for *_, still in cut(frames, find_still=False)] == [False] * 6


def test_slow_changes_add_up():
    frames = frames_of(*(plain(50 + i) for i in range(5)))
    assert [still for *_, still in cut(frames)] == [False, True, False, True, False]


def test_every_source_is_a_scene_of_its_own():
    picture = [Frame('b.png', 0, None, plain(50))]
    shown = frames_of(plain(50)) + picture * 2 + frames_of(plain(50)) + frames_of(plain(50))
    assert cut(shown) == [(n, n, n, False) for n in range(5)]


def test_an_image_sequence_is_one_scene():
    def scenes(*names):
        frames = [Frame(name, 0, None, plain(50 + 2 * i)) for i, name in enumerate(names)]
        return [(shot.number, shot.scene) for shot in
                pipeline.cut_scenes(frames, pipeline.Clock())]

    assert scenes('s/f_009.png', 's/f_010.png', 's/f_011.png') == [(0, 0), (1, 0), (2, 0)]
    assert scenes('s/f_009.png', 's/f_011.png', 't/f_012.png', 't/g_013.png', 't/g_014.jpg') == [
        (n, n) for n in range(5)]


def brightness(img):
    return [Finding((0, 0, int(img[0, 0, 0]), 1))]


def find(frames, detect=brightness, is_wanted=lambda number, frame: True):
    clock = pipeline.Clock()
    shots = pipeline.cut_scenes(frames, clock)
    return [(shot.frame.index, findings[0].box[2]) for shot, findings in pipeline.search_shots(
        shots, lambda: detect, is_wanted, clock)]


@pytest.mark.parametrize('n', [1, 2, 5])
def test_findings_come_in_order_whichever_is_first(n):
    threads.use(n)

    def slow_first(img):
        time.sleep(.03 if img[0, 0, 0] % 3 == 0 else 0)
        return brightness(img)

    frames = frames_of(*(plain(3 * i) for i in range(30)))
    assert find(frames, slow_first) == [(6 * i, 3 * i) for i in range(30)]


def test_each_thread_has_a_detector_of_its_own():
    threads.use(3)
    used = []

    def make_detect():
        name = object()

        def detect(img):
            used.append((name, threading.get_ident()))
            time.sleep(.01)
            return brightness(img)
        return detect

    clock = pipeline.Clock()
    frames = frames_of(*(plain(5 * i) for i in range(30)))
    list(pipeline.search_shots(pipeline.cut_scenes(frames, clock), make_detect,
                            lambda number, frame: True, clock))
    assert len(used) == 30 and len(set(used)) == len({name for name, _ in used}) > 1


def test_still_and_unwanted_frames_are_not_searched():
    frames = frames_of(plain(50), plain(50), plain(60), plain(70))
    assert find(frames, is_wanted=lambda number, frame: frame != 12) == [(0, 50), (18, 70)]


def test_an_error_of_a_detector_or_of_the_source_reaches_the_user():
    def fail(img):
        raise ValueError('broken')

    def damaged():
        yield from frames_of(plain(10), plain(20))
        raise InputError('cut short')

    with pytest.raises(ValueError, match='broken'):
        find(frames_of(plain(50)), fail)
    with pytest.raises(InputError, match='cut short'):
        find(damaged())


def test_stopping_early_stops_the_reader():
    closed = []

    def endless():
        try:
            for i in itertools.count():
                yield Frame('a.mp4', i, i / 24, plain(5 * i % 250))
        finally:
            closed.append(True)

    clock = pipeline.Clock()
    found = pipeline.search_shots(pipeline.cut_scenes(endless(), clock), lambda: brightness,
                               lambda number, frame: True, clock)
    next(found)
    found.close()
    gc.collect()
    assert closed == [True]


@pytest.mark.parametrize('size, most', [((10, 10), 8 + 17 + 2), ((6000, 8000), 3)])
def test_fewer_large_frames_are_queued(size, most):
    threads.use(8)
    img = np.broadcast_to(np.uint8(0), (*size, 3))  # of 144 MB, of which it takes none
    drawn, waiting = [], []

    def shots():
        for i in range(40):
            drawn.append(i)
            yield pipeline.Shot(Frame('a.mp4', i, i / 24, img), 0, 0, i, False)

    def slow(img):
        time.sleep(.01)
        return []

    for number, _ in enumerate(pipeline.search_shots(
            shots(), lambda: slow, lambda number, frame: True, pipeline.Clock())):
        waiting.append(len(drawn) - number)
    assert 1 < max(waiting) <= most


def test_the_clock_reports_shares_of_time():
    clock = pipeline.Clock()
    clock.seconds.update(decoding=3, searching=1)
    assert clock.describe() == 'decoding 75 %, searching 25 %'
    assert list(clock.each('counting', 'abc')) == ['a', 'b', 'c'] and 'counting' in clock.seconds
