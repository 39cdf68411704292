"""Detects the faces in one picture: by OpenCV's cascade, and by a second look in colour."""
import os
from collections.abc import Iterable
from typing import NamedTuple, Optional

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.faces import cascade_file
from picture_ranknet.faces.second_look import SecondLook
from picture_ranknet.faces.settings import DEFAULT_CASCADE, Search
from picture_ranknet.machine import opencv
from picture_ranknet.machine.opencv import cv2

LONGEST = 2.5  # pictures with a higher aspect ratio are shrunk less than to ``long_side``
SEEN = .8      # of ``long_side``: the input of the second look
PROPOSED = .4  # ... and that of the cascade before it
SMALLEST = 18  # pixels of its input: the smallest faces that the second look was trained to find
BLANK = 12     # grey levels; a picture that varies less is blank
CLASSIC_CASCADE = ('the classic lbpcascade_animeface.xml from '
                   'https://github.com/nagadomi/lbpcascade_animeface')


class Finding(NamedTuple):
    """A face in a frame: its box ``(x, y, w, h)`` in pixels, and its confidence.

    ``confidence`` is the votes, out of ten, that the second look gives it, at
    least ``min_neighbors``; ``None`` without a second look.
    """

    box: tuple
    confidence: Optional[float] = None


class Misses(NamedTuple):
    """Statistics of the pictures in which a detector found no face.

    Attributes:
        pictures: Their number.
        blank: How many of them have a single colour.
        best_vote: The most votes of any finding below the threshold.
        smallest: Side of the smallest face it could have found in one, in
            pixels of that picture.
        too_small: How many are smaller than the smallest face.
    """

    pictures: int = 0
    blank: int = 0
    best_vote: float = 0
    smallest: float = np.inf
    too_small: int = 0

    def explain(self, search: Search) -> str:
        """Why no face was found, and what to do about it."""
        if self.blank == self.pictures:
            return ('every frame is blank, of a single colour; check that the file shows a '
                    'picture elsewhere')
        if self.blank + self.too_small == self.pictures:
            return (f'the frames are smaller than the smallest face, {self.smallest:.0f} pixels; '
                    'use larger ones, a lower --min_size, or --no_faces for whole pictures')
        if self.best_vote >= 1:
            return (f'the best finding has {self.best_vote:.2f} votes, --min_neighbors requires '
                    f'{search.min_neighbors}; try --min_neighbors {int(self.best_vote)}')
        advice = 'try another --cascade for other kinds of faces, or --no_faces for whole pictures'
        if self.smallest > search.min_size + 1:
            advice = f'try a larger --long_side for smaller faces, {advice[4:]}'
        return f'nothing of {self.smallest:.0f} pixels or more looks like a face; {advice}'


def sum_misses(parts: Iterable[Misses]) -> Misses:
    """Combine the misses of several detectors."""
    total = Misses()
    for part in parts:
        total = Misses(total.pictures + part.pictures, total.blank + part.blank,
                       max(total.best_vote, part.best_vote), min(total.smallest, part.smallest),
                       total.too_small + part.too_small)
    return total


class FaceDetector:

    """Detects the faces in pictures; each thread needs its own.

    The cascade searches the picture shrunk, in grey and with an equalised
    histogram.  If its file has a second look, that searches the picture in
    colour, and the cascade's detections at half the size are further evidence;
    if not, OpenCV counts overlapping detections.

    Args:
        search: The cascade and how to use it; ``None``: the defaults.

    Attributes:
        second_look (SecondLook): ``None`` if the cascade has none, or the
            network's package is not installed.
        lost (str): Why the second look in the cascade's file cannot be used;
            empty if it can or there is none.
        misses (Misses): Statistics of the pictures without a face so far.

    Raises:
        InputError: If there is no such cascade, or the network's weights are
            not those that the second look was trained with.
    """

    def __init__(self, search: Optional[Search] = None):
        self.search = search = search or Search()
        self.misses = Misses()
        self._cascade, self.second_look = read_cascade(search.cascade or find_default_cascade())
        self.lost = self.second_look.load() if self.second_look else ''
        if self.lost:
            self.second_look = None

    def __call__(self, img: np.ndarray) -> list[Finding]:
        """Find the faces in a picture.

        Args:
            img: HWC, BGR, ``uint8``.

        Returns:
            The faces, from left to right.
        """
        if self.second_look:
            boxes, votes, best_vote = self._look(img)
        else:
            shrink = shrink_of(img.shape[:2], self.search.long_side)
            boxes = self._propose(_resize(cv2.cvtColor(img, cv2.COLOR_BGR2GRAY), shrink),
                                  shrink, self.search.min_neighbors)
            votes, best_vote = [None] * len(boxes), 0
        if not len(boxes):
            self._note_miss(img, best_vote)
        findings = [Finding(_inside(box, img), vote) for box, vote in zip(boxes, votes)]
        return sorted(findings, key=lambda finding: finding.box)

    def _look(self, img):
        """The boxes with enough votes of the second look, their votes, and the highest vote."""
        seen, proposed = (shrink_of(img.shape[:2], part * self.search.long_side)
                          for part in (SEEN, PROPOSED))
        small = _resize(img, seen)
        gray = _resize(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), proposed / seen)
        boxes, votes = self.second_look.find(small, self._propose(gray, proposed, 0) * seen)
        boxes /= seen
        large = boxes[:, 2] >= max(self.search.min_size, SMALLEST / seen)
        sure = large & (votes >= self.search.min_neighbors)
        return boxes[sure], votes[sure].tolist(), votes[large].max(initial=0)

    def _propose(self, gray, shrink, min_neighbors):
        """The boxes that the cascade finds in a shrunk picture, in pixels of the original.

        Returns:
            ``float64``, shape ``(n, 4)``.
        """
        least = max(1, round(self.search.min_size * shrink))
        boxes = self._cascade.detectMultiScale(
            cv2.equalizeHist(gray), scaleFactor=self.search.scale_factor,
            minNeighbors=min_neighbors, minSize=(least, least))
        return np.array(boxes, float).reshape(-1, 4) / shrink

    def _note_miss(self, img, best_vote):
        part, side = ((SEEN, SMALLEST) if self.second_look else
                      (1, max(self._cascade.getOriginalWindowSize())))
        smallest = max(side / shrink_of(img.shape[:2], part * self.search.long_side),
                       self.search.min_size)
        gray = cv2.cvtColor(img, cv2.COLOR_BGR2GRAY)
        miss = Misses(1, int(np.ptp(gray) <= BLANK), float(best_vote), smallest,
                      int(min(gray.shape) < smallest))
        self.misses = sum_misses([self.misses, miss])


def shrink_of(shape: tuple, long_side: float) -> float:
    """The scale factor of a picture before the search, at most 1.

    Its long side becomes ``long_side``.  But a page of a webtoon or a panorama
    is shrunk only as much as a picture with the same short side that is
    ``LONGEST`` times as long, so that its faces are not lost; the search time
    is proportional to the area.

    Args:
        shape: Height and width, in pixels.
        long_side: 0 never shrinks.
    """
    if not long_side:
        return 1
    return min(1, long_side / min(max(shape), LONGEST * min(shape)))


def whole_picture(img: np.ndarray) -> list[Finding]:
    """A detector that finds one box, as large as the picture."""
    return [Finding((0, 0, img.shape[1], img.shape[0]))]


def _resize(img, factor):
    height, width = (max(1, round(side * factor)) for side in img.shape[:2])
    while 2 * height <= img.shape[0] and 2 * width <= img.shape[1] and not (
            img.shape[0] % 2 or img.shape[1] % 2):  # halving takes a quarter of the time
        img = cv2.resize(img, None, fx=.5, fy=.5, interpolation=cv2.INTER_AREA)
    return img if factor == 1 else cv2.resize(img, (width, height), interpolation=cv2.INTER_AREA)


def _inside(box, img):
    """Round a box, and move it into the picture, shrinking it if necessary; squares stay square."""
    height, width = img.shape[:2]
    x, y, w, h = box
    fit = min(1, width / w, height / h)
    left, top, w, h = round(x), round(y), int(round(w) * fit), int(round(h) * fit)
    return min(max(left, 0), width - w), min(max(top, 0), height - h), w, h


def find_default_cascade() -> str:
    """The toolkit's own cascade: inside the installed package, or beside it in a checkout."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    path = os.path.join(package, DEFAULT_CASCADE)
    return path if os.path.exists(path) else os.path.join(os.path.dirname(package), DEFAULT_CASCADE)


def read_cascade(path: str) -> tuple['cv2.CascadeClassifier', Optional[SecondLook]]:
    """Read a cascade, and the second look in its file; ``None`` if it has none.

    Raises:
        InputError: If the file is missing or something else.
    """
    if not hasattr(cv2, 'CascadeClassifier'):
        raise InputError(f'OpenCV {cv2.__version__} has no CascadeClassifier; install one that '
                         f'has: python -m pip install "opencv-python{opencv.VERSIONS}"')
    if not os.path.isfile(path):
        raise InputError(f'{path}: there is no such cascade; choose another with --cascade, '
                         f'such as {CLASSIC_CASCADE}, or use whole pictures with --no_faces')
    cascade, reason = cv2.CascadeClassifier(), 'OpenCV refuses it'
    try:
        text = cascade_file.clean(cascade_file.read_text(path))
        storage = cv2.FileStorage(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
        if cascade.read(storage.getFirstTopLevelNode()):
            return cascade, SecondLook.from_storage(storage)
    except (cv2.error, SystemError):
        pass
    except ValueError as e:
        reason = str(e)
    raise InputError(f'{path}: expected an OpenCV cascade, got something else or a damaged one: '
                     f'{reason}; try {CLASSIC_CASCADE}')
