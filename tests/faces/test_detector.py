import cv2
import numpy as np
import pytest

from picture_ranknet.errors import InputError
from picture_ranknet.faces import detector
from picture_ranknet.faces.detector import FaceDetector, Misses, shrink_of, sum_misses
from picture_ranknet.faces.settings import Search
from support.media_samples import CASCADE


class Cascade:

    """Stands for ``cv2.CascadeClassifier``: finds always the same, and keeps what it was given."""

    def __init__(self, *boxes):
        self.boxes = np.array(boxes, np.int32) if boxes else ()  # as OpenCV returns none

    def detectMultiScale(self, gray, **options):
        self.gray, self.options = gray, options
        return self.boxes

    def getOriginalWindowSize(self):
        return 24, 24


class Look:

    """Stands for :class:`SecondLook`: says always the same, and keeps what it was given."""

    def __init__(self, boxes=(), votes=(), lost=None):
        self.faces, self.lost = (boxes, votes), lost

    def load(self):
        return self.lost

    def find(self, img, windows):
        self.img, self.windows = img, windows
        boxes, votes = self.faces
        return np.array(boxes, float).reshape(-1, 4), np.array(votes, float)


def make(monkeypatch, cascade, look=None, **options):
    monkeypatch.setattr(detector, 'read_cascade', lambda path: (cascade, look))
    return FaceDetector(Search('some.xml', **options))


def boxes(detect, img):
    return [finding.box for finding in detect(img)]


def test_without_a_second_look_the_search_is_the_classic_one(monkeypatch):
    cascade = Cascade((30, 1, 9, 9), (4, 50, 9, 9))
    img = np.random.default_rng(0).integers(40, 90, (60, 50, 3), np.uint8)
    assert boxes(make(monkeypatch, cascade), img) == [(4, 50, 9, 9), (30, 1, 9, 9)]
    assert cascade.options == {'scaleFactor': 1.1, 'minNeighbors': 3, 'minSize': (24, 24)}
    np.testing.assert_array_equal(
        cascade.gray, cv2.equalizeHist(cv2.cvtColor(img, cv2.COLOR_BGR2GRAY)))


def test_large_pictures_are_searched_shrunk(monkeypatch):
    cascade = Cascade((10, 20, 30, 30))
    img = np.zeros((1080, 1920, 3), np.uint8)
    img[:540] = 200
    detect = make(monkeypatch, cascade, min_size=120, long_side=480)
    assert boxes(detect, img) == [(40, 80, 120, 120)]
    assert cascade.gray.shape == (270, 480) and cascade.options['minSize'] == (30, 30)
    assert (cascade.gray[:134] == 255).all() and not cascade.gray[136:].any()
    make(monkeypatch, cascade, long_side=0)(img)
    assert cascade.gray.shape == (1080, 1920) and cascade.options['minSize'] == (24, 24)
    make(monkeypatch, cascade, long_side=2000)(img)
    assert cascade.gray.shape == (1080, 1920)


@pytest.mark.parametrize('shape, long_side, searched', [
    ((1080, 1920), 320, (180, 320)),
    ((800, 1920), 320, (133, 320)),       # cinema, 2.4 : 1
    ((2000, 800), 320, (320, 128)),       # 2.5 : 1
    ((9600, 800), 320, (1536, 128)),      # a page of a webtoon: not 320 x 27
    ((500, 8000), 320, (128, 2048)),      # a panorama
    ((9600, 800), 640, (3072, 256)),
    ((9600, 800), 0, (9600, 800)),
    ((90, 70), 320, (90, 70)),            # never enlarged
    ((100, 4000), 320, (100, 4000)),
])
def test_long_pictures_are_shrunk_as_far_as_their_short_side_bears(shape, long_side, searched):
    factor = shrink_of(shape, long_side)
    assert tuple(round(side * factor) for side in shape) == searched


def test_faces_of_a_very_long_picture_are_found(tmp_path):
    (tmp_path / 'c.xml').write_text(CASCADE)
    img = np.full((9600, 800, 3), 40, np.uint8)
    for i in range(12):
        img[800 * i + 200:800 * i + 500, 250:550] = 200  # a face to this cascade
    for picture in img, img.transpose(1, 0, 2):
        found = boxes(FaceDetector(Search(str(tmp_path / 'c.xml'))), np.ascontiguousarray(picture))
        along = 1 if picture is img else 0
        middles = {int(box[along] + box[along + 2] / 2) // 800 for box in found}
        assert middles == set(range(12)) and all(300 < box[2] < 800 for box in found)


def test_a_second_look_sees_the_picture_in_colour_and_all_windows(monkeypatch):
    cascade = Cascade((10, 20, 30, 30))
    look = Look([(24, 42, 60, 60), (0, 0, 60, 60), (9, 9, 17, 17)], [7, 6.9, 9])
    img = np.zeros((1080, 1920, 3), np.uint8)
    img[..., 0], img[..., 2] = np.linspace(0, 255, 1920), np.linspace(0, 255, 1080)[:, None]
    detect = make(monkeypatch, cascade, look, min_neighbors=7, min_size=64, long_side=480)
    assert detect(img) == [((120, 210, 300, 300), 7.)]  # of the others, one is unsure, one small
    assert cascade.options['minNeighbors'] == 0 and cascade.options['minSize'] == (6, 6)
    assert cascade.gray.shape == (108, 192)
    np.testing.assert_array_equal(look.windows, [[20, 40, 60, 60]])  # 384 pixels are seen
    np.testing.assert_allclose(
        look.img, cv2.resize(img, (384, 216), interpolation=cv2.INTER_AREA), atol=2)
    make(monkeypatch, cascade, look, long_side=5000)(img)
    assert look.img is img and cascade.gray.shape == (1080, 1920)  # never larger than it is
    make(monkeypatch, cascade, look, long_side=0)(img)
    assert look.img is img and cascade.gray.shape == (1080, 1920)


def test_without_its_network_there_is_the_cascade_alone(monkeypatch):
    cascade = Cascade((10, 20, 30, 30))
    detect = make(monkeypatch, cascade, Look([(0, 0, 60, 60)], [9], lost='not installed'))
    assert boxes(detect, np.zeros((90, 90, 3), np.uint8)) == [(10, 20, 30, 30)]
    assert detect.lost == 'not installed' and cascade.options['minNeighbors'] == 3


@pytest.mark.parametrize('box, inside', [
    ((-5, -7, 20, 20), (0, 0, 20, 20)),
    ((75, 50, 30, 30), (50, 30, 30, 30)),
    ((10.4, 9.6, 20.4, 20.4), (10, 10, 20, 20)),
    ((-9, 5, 100, 100), (0, 0, 60, 60)),       # the picture is 80 x 60
    ((0, 0, 80, 60), (0, 0, 80, 60)),
])
def test_boxes_are_moved_into_the_picture(monkeypatch, box, inside):
    detect = make(monkeypatch, Cascade(), Look([box], [9]), min_size=1)
    (found,) = boxes(detect, np.zeros((60, 80, 3), np.uint8))
    assert found == inside and all(type(n) is int for n in found)


# Why there is no face

@pytest.fixture
def drawn():
    return np.random.default_rng(1).integers(0, 256, (720, 1280, 3), np.uint8)


def misses_of(detect, *pictures):
    for picture in pictures:
        assert detect(picture) == []
    return detect.misses.explain(detect.search)


def test_blank_frames_are_reported_as_the_cause(monkeypatch, drawn):
    black = np.zeros((720, 1280, 3), np.uint8)
    why = misses_of(make(monkeypatch, Cascade(), Look()), black, black + np.uint8(255))
    assert why.startswith('every frame is blank')
    why = misses_of(make(monkeypatch, Cascade(), Look()), black, drawn)
    assert why.startswith('nothing of 90 pixels or more looks like a face; try a larger --long_s')


def test_too_small_frames_are_reported_as_the_cause(monkeypatch, drawn):
    why = misses_of(make(monkeypatch, Cascade()), drawn[:20, :50])
    assert why.startswith('the frames are smaller than the smallest face, 24 pixels')


def test_too_few_votes_are_reported_as_the_cause(monkeypatch, drawn):
    detect = make(monkeypatch, Cascade(), Look([(9, 9, 50, 50)], [2.6]))
    assert misses_of(detect, drawn) == (
        'the best finding has 2.60 votes, --min_neighbors requires 3; try --min_neighbors 2')


def test_frames_that_are_searched_as_they_are_need_no_larger_long_side(monkeypatch, drawn):
    why = misses_of(make(monkeypatch, Cascade(), long_side=0), drawn)
    assert why == ('nothing of 24 pixels or more looks like a face; try another --cascade for '
                   'other kinds of faces, or --no_faces for whole pictures')


def test_misses_of_several_detectors_add_up():
    parts = [Misses(3, 1, 2.5, 90, 1), Misses(), Misses(2, 0, 0, 24, 0)]
    assert sum_misses(parts) == Misses(5, 1, 2.5, 24, 1)


# The cascade

def test_a_missing_cascade_is_reported(tmp_path):
    with pytest.raises(InputError, match='none.xml: there is no such cascade'):
        detector.read_cascade(str(tmp_path / 'none.xml'))
