import gc
import itertools
import threading
import time

import cv2
import numpy as np
import pytest

from picture_ranknet.errors import InputError
from picture_ranknet.faces import detector as face_finder
from picture_ranknet.machine import threads
from picture_ranknet.pictures import media


class Cascade:

    """Stands for ``cv2.CascadeClassifier``: finds always the same, and keeps what it was given."""

    def __init__(self, *boxes):
        self.boxes = np.array(boxes, np.int32) if boxes else ()  # as OpenCV returns none

    def detectMultiScale(self, gray, **options):
        self.gray, self.options = gray, options
        return self.boxes


class Check:

    """Stands for :class:`face_check.FaceCheck`: moves all that it is shown."""

    def find(self, gray, boxes, least):
        self.gray, self.boxes, self.least = gray, boxes, least
        return boxes + [4, 2, 0, 0], np.ones(len(boxes))


def detector(monkeypatch, cascade, check=None, **options):
    monkeypatch.setattr(face_finder, 'read_cascade', lambda path: (cascade, check))
    return face_finder.face_detector('some.xml', **options)


def boxes(detect, img):
    return [finding.box for finding in detect(img)]


def test_without_a_second_look_the_search_is_the_classic_one(monkeypatch):
    cascade = Cascade((30, 1, 9, 9), (4, 50, 9, 9))
    img = np.random.default_rng(0).integers(40, 90, (60, 50, 3), np.uint8)
    assert boxes(detector(monkeypatch, cascade), img) == [(4, 50, 9, 9), (30, 1, 9, 9)]
    assert cascade.options == {'scaleFactor': 1.1, 'minNeighbors': 3, 'minSize': (24, 24)}
    np.testing.assert_array_equal(
        cascade.gray, cv2.equalizeHist(cv2.cvtColor(img, cv2.COLOR_BGR2GRAY)))


def test_large_pictures_are_searched_shrunk(monkeypatch):
    cascade = Cascade((10, 20, 30, 30))
    img = np.zeros((1080, 1920, 3), np.uint8)
    img[:540] = 200
    detect = detector(monkeypatch, cascade, min_size=120, long_side=480)
    assert boxes(detect, img) == [(40, 80, 120, 120)]
    assert cascade.gray.shape == (270, 480) and cascade.options['minSize'] == (30, 30)
    assert (cascade.gray[:134] == 255).all() and not cascade.gray[136:].any()
    detector(monkeypatch, cascade, long_side=0)(img)
    assert cascade.gray.shape == (1080, 1920) and cascade.options['minSize'] == (24, 24)
    detector(monkeypatch, cascade, long_side=2000)(img)
    assert cascade.gray.shape == (1080, 1920)


def test_a_second_look_sees_all_findings_twice_as_sharp(monkeypatch):
    cascade, check = Cascade((10, 20, 30, 30)), Check()
    img = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), np.uint8)
    detect = detector(monkeypatch, cascade, check, min_neighbors=7, long_side=480)
    assert detect(img) == [((48, 84, 120, 120), 1.)]  # 4 and 2 pixels of a half
    assert cascade.options['minNeighbors'] == 0 and check.least == 7
    np.testing.assert_array_equal(check.boxes, [[20, 40, 60, 60]])
    np.testing.assert_array_equal(check.gray, cv2.resize(
        cv2.cvtColor(img, cv2.COLOR_BGR2GRAY), (960, 540), interpolation=cv2.INTER_AREA))
    detector(monkeypatch, cascade, check, long_side=1000)(img)
    assert check.gray.shape == (1080, 1920)  # never larger than it is


@pytest.mark.parametrize('check', [None, Check()])
def test_a_picture_without_findings_has_no_face(monkeypatch, check):
    assert detector(monkeypatch, Cascade(), check)(np.zeros((40, 90, 3), np.uint8)) == []


@pytest.mark.parametrize('box, inside', [
    ((-5, -7, 20, 20), (0, 0, 20, 20)),
    ((75, 50, 30, 30), (50, 30, 30, 30)),
    ((10.4, 9.6, 20.4, 20.4), (10, 10, 20, 20)),
    ((-9, 5, 100, 100), (0, 0, 60, 60)),       # the picture is 80 x 60
    ((0, 0, 80, 60), (0, 0, 80, 60)),
])
def test_boxes_are_moved_into_the_picture(monkeypatch, box, inside):
    found = face_finder._inside(np.array(box, float), np.zeros((60, 80, 3), np.uint8))
    assert found == inside and all(type(n) is int for n in found)


# The pipeline

def frames_of(*pictures, source='a.mp4', start=0):
    return [media.Frame(source, start + 6 * i, i / 4, img) for i, img in enumerate(pictures)]


def plain(level):
    return np.full((90, 160, 3), level, np.uint8)


def cut(frames, **options):
    return [(shot.number, shot.scene, shot.look, shot.is_still)
            for shot in face_finder.cut_scenes(frames, face_finder.Clock(), **options)]


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
    picture = [media.Frame('b.png', 0, None, plain(50))]
    frames = frames_of(plain(50)) + picture * 2 + frames_of(plain(50)) + frames_of(plain(50))
    assert cut(frames) == [(n, n, n, False) for n in range(5)]


def test_an_image_sequence_is_one_scene():
    def scenes(*names):
        frames = [media.Frame(name, 0, None, plain(50 + 2 * i)) for i, name in enumerate(names)]
        return [(shot.number, shot.scene) for shot in
                face_finder.cut_scenes(frames, face_finder.Clock())]

    assert scenes('s/f_009.png', 's/f_010.png', 's/f_011.png') == [(0, 0), (1, 0), (2, 0)]
    assert scenes('s/f_009.png', 's/f_011.png', 't/f_012.png', 't/g_013.png', 't/g_014.jpg') == [
        (n, n) for n in range(5)]


def brightness(img):
    return [face_finder.Finding((0, 0, int(img[0, 0, 0]), 1))]


def find(frames, detect=brightness, is_wanted=lambda number, frame: True):
    clock = face_finder.Clock()
    shots = face_finder.cut_scenes(frames, clock)
    return [(shot.frame.index, findings[0].box[2]) for shot, findings in face_finder.search(
        shots, lambda: detect, is_wanted, clock)]


@pytest.mark.parametrize('n', [1, 2, 5])
def test_findings_come_in_order_whichever_is_first(monkeypatch, n):
    monkeypatch.setattr(threads, '_n', n)

    def slow_first(img):
        time.sleep(.03 if img[0, 0, 0] % 3 == 0 else 0)
        return brightness(img)

    frames = frames_of(*(plain(3 * i) for i in range(30)))
    assert find(frames, slow_first) == [(6 * i, 3 * i) for i in range(30)]


def test_each_thread_has_a_detector_of_its_own(monkeypatch):
    monkeypatch.setattr(threads, '_n', 3)
    used = []

    def make_detect():
        name = object()

        def detect(img):
            used.append((name, threading.get_ident()))
            time.sleep(.01)
            return brightness(img)
        return detect

    clock = face_finder.Clock()
    frames = frames_of(*(plain(5 * i) for i in range(30)))
    list(face_finder.search(face_finder.cut_scenes(frames, clock), make_detect,
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


def test_who_stops_early_stops_the_reading():
    closed = []

    def endless():
        try:
            for i in itertools.count():
                yield media.Frame('a.mp4', i, i / 24, plain(5 * i % 250))
        finally:
            closed.append(True)

    clock = face_finder.Clock()
    found = face_finder.search(face_finder.cut_scenes(endless(), clock), lambda: brightness,
                               lambda number, frame: True, clock)
    next(found)
    found.close()
    gc.collect()
    assert closed == [True]


@pytest.mark.parametrize('size, most', [((10, 10), 8 + 17 + 2), ((6000, 8000), 3)])
def test_few_frames_wait_where_they_are_large(monkeypatch, size, most):
    monkeypatch.setattr(threads, '_n', 8)
    img = np.broadcast_to(np.uint8(0), (*size, 3))  # of 144 MB, of which it takes none
    drawn, waiting = [], []

    def shots():
        for i in range(40):
            drawn.append(i)
            yield face_finder.Shot(media.Frame('a.mp4', i, i / 24, img), 0, 0, i, False)

    def slow(img):
        time.sleep(.01)
        return []

    for number, _ in enumerate(face_finder.search(
            shots(), lambda: slow, lambda number, frame: True, face_finder.Clock())):
        waiting.append(len(drawn) - number)
    assert 1 < max(waiting) <= most


def test_the_clock_tells_shares():
    clock = face_finder.Clock()
    clock.seconds.update(decoding=3, searching=1)
    assert clock.describe() == 'decoding 75 %, searching 25 %'
    assert list(clock.each('counting', 'abc')) == ['a', 'b', 'c'] and 'counting' in clock.seconds
