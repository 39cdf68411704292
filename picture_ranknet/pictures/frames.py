"""The stream of frames: sampled frames of videos, pictures, pages and animations.

A frame is ``img``, HWC, BGR, ``uint8``, as in OpenCV: upright, with square
pixels, in sRGB, on white where it is transparent.  Frames are counted from 0,
and their times are seconds since the first frame of the video.  A picture is
frame 0, pages of a file are its frames 0, 1, 2, ...; neither has a time.
"""
import contextlib
import math
from collections.abc import Iterable, Iterator
from typing import Callable, NamedTuple, Optional

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.machine import threads
from picture_ranknet.pictures import images, kinds, videos
from picture_ranknet.pictures.limits import MAX_PIXELS
from picture_ranknet.text import count, silent

AHEAD = 2 ** 24      # pixels; larger pictures are read one at a time, smaller ones on all cores
STAMP_ERROR = .001  # seconds; Matroska and FLV round frame times to a millisecond

Slot = Callable[[int, float], int]


# Which frames of a video to take: the first one in each slot

def every_nth(n: int) -> Slot:
    """Take the frames 0, ``n``, ``2 n``, ..."""
    return lambda index, seconds: index // n


def per_second(fps: float) -> Slot:
    """Take the first frames at or after the times 0, ``1 / fps``, ``2 / fps``, ..."""
    return lambda index, seconds: math.floor((seconds + STAMP_ERROR) * fps)


class Frame(NamedTuple):
    """A frame of a video, or a picture."""

    source: str
    index: int
    seconds: Optional[float]  # None for a picture
    img: np.ndarray           # HWC, BGR, uint8
    full_size: Optional[tuple] = None  # width and height in the file, where img is smaller


class FrameReader:

    """The frames of videos, and pictures, in order and one at a time.

    A file that cannot be read is named and skipped, unless it is the only one.

    Args:
        paths (list of str): Videos and pictures.
        slot (callable): Maps a frame's number and its time in seconds to a
            slot number; a frame is taken if its slot differs from the last.
        max_pixels (int): Files with larger pictures or frames are skipped.
        n_files (int): The total number of files, if other processes read the
            rest; the process with all counts then calls :func:`sum_up`.
            ``math.inf``: none has to be readable.
        side (int): A sufficient length of a picture's shorter side; it may be
            decoded at a lower resolution.  ``None`` for all pixels.
        note (callable): Called with a line for the user.
        progress (callable): Called with the number of frames seen so far,
            including those not taken, and the expected total.

    Attributes:
        grabbed (int): Video frames decoded so far.
        frames (int): Video frames taken so far.
        videos (int): Videos started.
        pictures (int): Pictures read; each page is one.
        unreadable (int): Files skipped.
        skipped (list of str): Their paths.
    """

    COUNTS = 'grabbed', 'frames', 'videos', 'pictures', 'unreadable'

    def __init__(self, paths: Iterable[str], slot: Slot, max_pixels: int = MAX_PIXELS,
                 n_files: Optional[int] = None, note: Callable = silent,
                 progress: Callable = silent, side: Optional[int] = None):
        self.paths = list(paths)
        self.max_pixels, self.side = max_pixels, side
        self.slot = slot
        self.n_files = len(self.paths) if n_files is None else n_files
        self.grabbed = self.frames = self.videos = self.pictures = self.unreadable = 0
        self.skipped = []
        self._note, self._progress = note, progress
        self._done, self._expected = 0, len(self.paths)

    def __iter__(self) -> Iterator[Frame]:
        for path, still in zip(self.paths, threads.map_ahead(self._read_still, self.paths)):
            try:
                yield from self._read(path) if still is None else self._count(still)
            except InputError as e:
                if self.n_files == 1:
                    raise
                self.unreadable += 1
                self.skipped.append(path)
                self._note(f'skipped {e}')
        if self.n_files == len(self.paths):
            sum_up(self.unreadable, self.n_files, self._note)

    def describe(self) -> str:
        """What has been read, such as ``240 frames of 1 video and 3 pictures``."""
        parts = []
        if self.videos:
            parts.append(f"{count(self.frames, 'frame')} of {count(self.videos, 'video')}")
        if self.pictures:
            parts.append(count(self.pictures, 'picture'))
        return ' and '.join(parts)

    def _read_still(self, path):
        """The only picture of a file; ``None`` for any other, large or damaged file.

        Called from several threads at once.
        """
        with contextlib.suppress(InputError):
            kind = kinds.tell_file(path)
            if kind is not None and kind.kind == kinds.PICTURE:
                with images.opened(path, self.max_pixels, self.side) as pictures:
                    if pictures.n == 1 and math.prod(pictures.size) <= AHEAD:
                        return self._frame(path, 0, pictures, next(iter(pictures))[1]())
        return None

    def _frame(self, path, index, pictures, img):
        is_all = index or img.shape[1::-1] == pictures.size
        return Frame(path, index, None, img, None if is_all else pictures.size)

    def _count(self, frame):
        self.pictures += 1
        self._advance()
        yield frame

    def _read(self, path):
        kind = kinds.tell_file(path)
        if kind is None or kind.kind in (kinds.SOUND, kinds.OTHER):
            raise InputError(f'{path}: expected a picture or a video, got '
                             f'{kinds.describe(kinds.read_head(path))}')
        if kind.kind == kinds.UNSUPPORTED:
            raise InputError(f'{path}: {kind.name} files are not read; save it as PNG or JPEG')
        if kind.kind == kinds.PICTURE:
            yield from self._read_pictures(path)
        else:
            yield from self._read_video(path)

    def _read_pictures(self, path):
        with images.opened(path, self.max_pixels, self.side) as pictures:
            self._expected += pictures.n - 1
            if pictures.is_animation:
                n = yield from self._sample(path, pictures)
            else:
                n = 0
                for index, (_, get) in enumerate(pictures):
                    frame = self._frame(path, index, pictures, get())
                    n += 1
                    yield from self._count(frame)
            if n < pictures.n:
                what, whole = ('frames', 'animation') if pictures.is_animation else (
                    'pages', 'file')
                self._note(f'{path}: {n} of {pictures.n} {what} could be read; the {whole} is '
                           'damaged')

    def _read_video(self, path):
        with videos.opened(path, self.max_pixels) as video:
            self._expected += video.expected - 1
            n = yield from self._sample(path, video)
            if not n:
                why = 'encrypted (DRM)' if kinds.is_encrypted(path) else 'damaged or incomplete'
                raise InputError(f'{path}: expected a video, got one without any decodable frame; '
                                 f'it is {why}')
            self._expected += n - video.expected
            if video.is_short:
                self._note(f'{path}: {n} of {video.announced} frames could be read; the video is '
                           'cut short or damaged')

    def _sample(self, path, frames):
        """Yield the frames that are taken; return the number of all frames."""
        last_slot, n = None, 0
        for index, (seconds, get) in enumerate(frames):
            n += 1
            self.videos += index == 0
            self.grabbed += 1
            self._advance()
            slot = self.slot(index, seconds)
            if slot != last_slot:
                last_slot = slot
                img = get()
                self.frames += 1
                yield Frame(path, index, seconds, img)
        return n

    def _advance(self):
        self._done += 1
        self._expected = max(self._expected, self._done)
        self._progress(self._done, self._expected)


def sum_up(unreadable: int, n_files: int, note: Callable = silent) -> None:
    """Report how many files could not be read; raise :class:`InputError` if none could."""
    if unreadable == n_files:
        raise InputError(f"none of the {count(n_files, 'file')} could be read")
    if unreadable:
        note(f"{unreadable} of {count(n_files, 'file')} could not be read")
