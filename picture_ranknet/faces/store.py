"""The faces found so far, on disk, so that an interrupted run can be resumed.

A store is a folder with four files: ``run.json`` says which run it belongs to,
``crops`` holds the crops, one after the other, ``faces.csv`` has a line for
each of them, and ``lock`` is locked while a run is in progress.  Faces are only
ever appended, crop first; after a crash, those of the last frame are removed
and found again.  After a power failure there may be gaps: nothing here is
synced to disk.
"""
import contextlib
import csv
import io
import json
import os
import shutil
from typing import NamedTuple, Optional

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.machine import ranks
from picture_ranknet.storage import arrays, atomic


class Face(NamedTuple):
    """A face in a frame.

    Attributes:
        number: Number of the source, from 0.
        source: The file.
        frame: Number of the frame in the source, from 0; 0 for a picture.
        seconds: Since the first frame; ``None`` for a picture.
        scene, look: See :class:`~picture_ranknet.faces.pipeline.Shot`.
        x, y, w, h: The box in pixels of the frame, before any margin.
        confidence: Votes of the second look, up to 10; ``None`` without one.
        sharpness: Of the crop, in grey levels.
    """

    number: int
    source: str
    frame: int
    seconds: Optional[float]
    scene: int
    look: int
    x: int
    y: int
    w: int
    h: int
    confidence: Optional[float]
    sharpness: float


NAMES = 'run.json', 'faces.csv', 'crops'
TYPES = int, str, int, float, int, int, int, int, int, int, float, float  # of Face's fields


def part_folders(folder: str) -> list[str]:
    """The folders in which each of several processes stores what it finds."""
    n = ranks.size()
    return [f'{folder}{rank}' for rank in range(n)] if n > 1 else [folder]


class FaceStore:

    """The faces of a run, on disk.

    Args:
        folder: Created if it does not exist.
        run: What the faces depend on: sources and options; stored as JSON.
        size: Side of a crop in pixels.
        resume: Continue with existing faces; otherwise they are deleted.

    Attributes:
        faces (list of Face): In the order of the sources and their frames.

    Raises:
        InputError: If there is nothing to continue, it belongs to another run,
            the folder holds other files, which are not deleted, or another
            process is using it.
    """

    def __init__(self, folder: str, run: dict, size: int, resume: bool = False):
        self.folder = folder
        self.others = []
        self.shape = arrays.CHANNELS, size, size
        self.faces = []
        if resume and not os.path.isdir(folder):
            self._check_run(run)
        if not resume:
            self._check_ours()
        os.makedirs(folder, exist_ok=True)
        with contextlib.ExitStack() as stack:
            lock = stack.enter_context(open(self._path('lock'), 'ab'))
            atomic.lock(lock, f'{folder}: another crop_faces.py is using it; wait for it, or '
                              'choose another --output')
            if resume:
                self._check_run(run)
            else:
                self._begin(run)
            for name in NAMES[1:]:
                open(self._path(name), 'ab').close()
            self._restore()
            self._table = stack.enter_context(
                open(self._path('faces.csv'), 'a', newline='', encoding='utf-8'))
            self._crops = stack.enter_context(open(self._path('crops'), 'ab'))
            self._open = stack.pop_all()

    def _begin(self, run):
        for name in NAMES:
            with contextlib.suppress(FileNotFoundError):
                os.remove(self._path(name))
        with atomic.replacing(self._path('run.json')) as part, \
                open(part, 'w', encoding='utf-8') as f:
            json.dump(run, f, indent=1)

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _check_ours(self):
        found = os.listdir(self.folder) if os.path.isdir(self.folder) else []
        if not all(name in (*NAMES, 'lock') or atomic.is_part_of(name, self._path('run.json'))
                   for name in found):
            raise InputError(f'{self.folder}: expected the files of an interrupted run, got '
                             'others; move them away')

    def _check_run(self, run):
        try:
            with open(self._path('run.json'), encoding='utf-8') as f:
                before = dict(json.load(f))
        except (OSError, ValueError, TypeError, RecursionError) as e:
            raise InputError(f'{self.folder}: there is no interrupted run to continue; leave out '
                             '--resume') from e
        # Through JSON, like the stored one: tuples become lists.
        now = json.loads(json.dumps(run))
        for name in now:
            if before.get(name) != now[name]:
                raise InputError(f'{self.folder}: belongs to a run with other {name}; repeat the '
                                 'options of that run, or leave out --resume')

    def _restore(self):
        """Read the stored faces, except those of the last frame, which may be incomplete."""
        with open(self._path('faces.csv'), 'rb') as f:
            lines = f.read().split(b'\n')[:-1]  # a line without an end is incomplete
        picture = int(np.prod(self.shape))
        n = min(len(lines), os.path.getsize(self._path('crops')) // picture)
        faces = []
        with contextlib.suppress(ValueError, TypeError, csv.Error):  # damaged from here on
            faces.extend(map(_parse, lines[:n]))
        last = faces[-1:]
        while faces and (faces[-1].number, faces[-1].frame) == (last[0].number, last[0].frame):
            faces.pop()
        self.faces = faces
        os.truncate(self._path('faces.csv'), sum(len(line) + 1 for line in lines[:len(faces)]))
        os.truncate(self._path('crops'), len(faces) * picture)

    def is_past(self, number: int, frame: int) -> bool:
        """Whether a frame of a source comes after all frames with stored faces."""
        return not self.faces or (number, frame) > (self.faces[-1].number, self.faces[-1].frame)

    def add(self, faces: list[Face], crops: list[np.ndarray]) -> None:
        """Add the faces of one frame; crops are ``uint8``, shape ``(3, size, size)``."""
        for crop in crops:
            if crop.shape != self.shape or crop.dtype != np.uint8:
                raise ValueError(f'expected uint8 of shape {self.shape}, got {crop.dtype} of shape '
                                 f'{crop.shape}')
        with atomic.naming(None, self.folder):
            for crop in crops:
                self._crops.write(crop.tobytes())
            self._crops.flush()
            csv.writer(self._table, lineterminator='\n').writerows(faces)
            self._table.flush()
        self.faces += faces

    def add_store(self, folder: str, faces: list[Face], before: tuple[int, int, int]) -> None:
        """Add the store of another process, which read later sources.

        Args:
            folder: Of that store; it is removed together with this one.
            faces: The faces in it.
            before: Numbers of preceding sources, scenes and looks.
        """
        self.others.append(folder)
        with open(os.path.join(folder, 'crops'), 'rb') as f:
            shutil.copyfileobj(f, self._crops)
        self._crops.flush()
        number, scene, look = before
        self.faces += [face._replace(number=face.number + number, scene=face.scene + scene,
                                     look=face.look + look) for face in faces]

    def crops(self) -> np.ndarray:
        """The crops of all faces, shape ``(n, 3, size, size)``; read as they are used."""
        if not self.faces:
            return np.empty((0, *self.shape), np.uint8)
        return np.memmap(self._path('crops'), np.uint8, 'r', shape=(len(self.faces), *self.shape))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """Let other processes use the folder; the faces stay readable."""
        with atomic.naming(None, self.folder):
            self._open.close()

    def remove(self) -> None:
        """Delete the store from the disk."""
        self.close()
        for folder in self.folder, *self.others:
            shutil.rmtree(folder, ignore_errors=True)


def _parse(line):
    values, = csv.reader(io.StringIO(line.decode('utf-8')))
    return Face(*(None if value == '' else type_(value) for type_, value in zip(TYPES, values)))
