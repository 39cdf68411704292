"""Pictures at the resolution of the photo or video they were cropped from."""
import functools
import os
import threading
import time
from collections.abc import Callable
from typing import Optional

import numpy as np
from PIL import Image

from picture_ranknet.errors import InputError
from picture_ranknet.pictures import drawing, kinds, videos
from picture_ranknet.pictures.cuts import with_margin
from picture_ranknet.pictures.frames import FrameReader, every_nth
from picture_ranknet.storage import tables
from picture_ranknet.text import silent

COLUMNS = 'source', 'frame', 'time', 'x', 'y', 'w', 'h'
PATIENCE = 10     # seconds that reading a frame may take
KEPT = 8          # frames in memory
MARGINS = np.arange(0, 1.55, .05)  # candidates for --margin of crop_faces.py
LONGEST = 4       # highest aspect ratio at which pictures are shown
CLOSE, DIFFERENT = 4, 25           # mean difference of pixels, of 255


class Sources:

    """What the table beside a set of pictures says about their sources.

    Args:
        X_path (str): The file of the pictures; their table lies beside it.
        X (numpy.ndarray): The pictures, shape ``(N, 3, H, W)``.

    Raises:
        InputError: If the table does not fit the pictures.
        OSError: If it cannot be read.
    """

    def __init__(self, X_path: str, X: np.ndarray):
        columns, rows = tables.read_table(tables.table_path(X_path), len(X), COLUMNS)
        self._X = X
        self._margin = 0.
        self._rows = [dict(zip(columns, row)) for row in rows]
        self._folder = os.path.dirname(X_path)
        self._lock = threading.Lock()
        self._read = functools.lru_cache(KEPT)(read_frame)

    def about(self, row: int) -> dict:
        """The ``source``, ``frame``, ``time`` in seconds and ``box`` (x, y, w, h) of a picture.

        Each is ``None`` where the table does not say.
        """
        values = self._rows[row]
        frame, seconds = (_number(values.get(key)) for key in ('frame', 'time'))
        box = [_number(values.get(side)) for side in 'xywh']
        return {'source': values.get('source') or None,
                'frame': None if frame is None else int(frame), 'time': seconds,
                'box': None if None in box else [int(side) for side in box]}

    def exist(self) -> bool:
        """Whether any source exists."""
        names = {values.get('source') for values in self._rows}
        return any(self._find(name) for name in names if name)

    def _find(self, name):
        """The path of a source; the table has it relative to where crop_faces.py ran."""
        for path in name, os.path.join(self._folder, name):
            if os.path.isfile(path):
                return path
        return None

    def frame(self, row: int) -> Optional[Image.Image]:
        """The frame that a picture was cropped from; ``None`` if it cannot be read in time."""
        about = self.about(row)
        path = about['source'] and self._find(about['source'])
        if not path:
            return None
        with self._lock:
            img = self._read(path, about['frame'] or 0, about['time'])
        return None if img is None else Image.fromarray(img)

    def large(self, row: int) -> Optional[Image.Image]:
        """A picture at the size in its source; ``None`` if that is gone, or has changed.

        The margin around a box is chosen so that the crop looks most like the
        picture.
        """
        frame, box = self.frame(row), self.about(row)['box']
        if frame is None:
            return None
        picture = drawing.to_image(self._X[row])
        box = box or [0, 0, *frame.size]
        if not (0 <= box[0] < box[0] + box[2] <= frame.width
                and 0 <= box[1] < box[1] + box[3] <= frame.height):
            return None
        for margins in [self._margin], MARGINS:
            cuts = [_cut(frame, box, margin) for margin in margins]
            differences = [_difference(cut, picture) for cut in cuts]
            best = int(np.argmin(differences))
            if differences[best] < CLOSE:
                break
        self._margin = margins[best]
        return cuts[best] if differences[best] < DIFFERENT else None


def _cut(frame, box, margin):
    """Crop a box with a margin, moved inside and shrunk at the border of the frame."""
    left, top, width, height = with_margin(box, margin, frame.width, frame.height)
    return frame.crop((left, top, left + width, top + height))


def _difference(cut, picture):
    cut = cut.resize(picture.size, Image.Resampling.BOX)
    return np.abs(np.asarray(cut, float) - np.asarray(picture, float)).mean()


def find(X_path: str, X: np.ndarray, note: Callable = silent) -> Optional[Sources]:
    """The sources of a set of pictures; ``None`` if nothing is known of them.

    Args:
        note (callable): Called with a line if the table cannot be read.
    """
    if not os.path.exists(tables.table_path(X_path)):
        return None
    try:
        sources = Sources(X_path, X)
    except (InputError, OSError) as e:
        note(f'{X_path}: pictures are shown as in this file, not as in their sources: {e}')
        return None
    return sources if sources.exist() else None


def read_ratios(X_path: str, X: np.ndarray) -> Optional[np.ndarray]:
    """Aspect ratios (width / height) of pictures in their sources, shape ``(N,)``.

    Where the table beside them has none, it is that of the pictures; ``None``
    if all are.
    """
    usual = X.shape[3] / X.shape[2]
    try:
        columns, rows = tables.read_table(tables.table_path(X_path), len(X), ('w', 'h'))
    except (InputError, OSError):
        return None
    if sorted(columns) != ['h', 'w']:
        return None
    sides = [[_number(row[columns.index(side)]) for side in 'wh'] for row in rows]
    ratios = np.array([min(max(w / h, 1 / LONGEST), LONGEST) if w and h else usual
                       for w, h in sides])
    return None if (ratios == usual).all() else ratios


def read_frame(path: str, index: int, seconds: Optional[float] = None) -> Optional[np.ndarray]:
    """Read one frame of a video, from 0, or a picture.

    Args:
        seconds: Its time in the video; if known, the frame is found without
            decoding all frames before it, which would take minutes in a film.

    Returns:
        numpy.ndarray: HWC, RGB, ``uint8``; ``None`` if it cannot be read, or
        not within ``PATIENCE`` seconds.
    """
    deadline = time.monotonic() + PATIENCE

    def be_patient(*_):
        if time.monotonic() > deadline:
            raise TimeoutError

    try:
        img = _find_frame(path, seconds, be_patient) if seconds else None
        if img is not None:
            return np.ascontiguousarray(img[:, :, ::-1])  # BGR -> RGB
        for frame in FrameReader([path], every_nth(max(1, index)), progress=be_patient):
            if frame.index == index:
                return np.ascontiguousarray(frame.img[:, :, ::-1])
    except (InputError, OSError, MemoryError):  # of which TimeoutError is one
        pass
    return None


def _find_frame(path, seconds, be_patient):
    """A frame of a video by its time, BGR; ``None`` if it is not found that way."""
    kind = kinds.tell_file(path)
    if kind is None or kind.kind != kinds.VIDEO:
        return None
    with videos.opened(path) as video:
        return video.find(seconds, be_patient)


def _number(text):
    try:
        number = float(text)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None
