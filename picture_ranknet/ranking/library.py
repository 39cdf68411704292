"""A library: a cache of pictures and videos prepared for a model, keyed by file content.

It is a folder beside the scores.  ``X.npy`` and ``X.csv`` hold the prepared
pictures, ``seen.csv`` says which rows belong to which content,
``files.csv`` which content a file had when it was read, and
``preparation.json`` how they were prepared.  Files are prepared a chunk at a
time; after a crash, finished chunks remain.  Rows of deleted files stay, too:
the files may come back.
"""
import collections
import contextlib
import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Optional

from picture_ranknet.errors import InputError
from picture_ranknet.pictures import kinds, sources
from picture_ranknet.storage import arrays, atomic, picture_set, tables
from picture_ranknet.storage.picture_set import FACE, PICTURE, Preparation
from picture_ranknet.text import count, silent

SMALL = 16 * 2 ** 20  # bytes; of larger files, BLOCKS of BLOCK bytes are hashed
BLOCKS, BLOCK = 64, 2 ** 16
FEWEST, MOST = 256, 4096  # files per chunk; it grows with the library: X.npy is rewritten each time
FILMS = 2 ** 26           # bytes of videos per chunk
RACE = 2 * 10 ** 9        # nanoseconds; a file changed this recently may change again unnoticed
NAMES = ('X.npy', 'X.csv', 'X.features', 'seen.csv', 'files.csv', 'preparation.json', 'lock',
         'part')


class Files(NamedTuple):
    """Listed files, and what the library knows about them.

    Attributes:
        paths: The files.
        rows: For each file, the rows of ``X`` that show it: empty if it has no
            face, ``None`` if it could not be read.
        n_new: How many files with different contents were prepared now.
    """

    paths: list
    rows: list
    n_new: int


def digest(path: str) -> str:
    """A hexadecimal digest of a file's content; for a large file, of parts of it.

    Raises:
        OSError: If it cannot be read.
    """
    with open(path, 'rb') as f:
        size = os.fstat(f.fileno()).st_size
        sha = hashlib.sha256(str(size).encode())
        if size <= SMALL:
            while block := f.read(2 ** 20):
                sha.update(block)
        else:
            for number in range(BLOCKS):
                f.seek((size - BLOCK) * number // (BLOCKS - 1))
                sha.update(f.read(BLOCK))
    return sha.hexdigest()


class Library:

    """A folder of prepared pictures.

    Args:
        folder: Created if it does not exist.
        preparation: How the model's pictures were cropped.
        size: Side of a picture in pixels.
        note: Called with a line for the user.

    Raises:
        InputError: If the folder holds something else, or another process is
            using it.
    """

    def __init__(self, folder: str, preparation: Preparation, size: int,
                 note: Callable[[str], object] = silent):
        self.folder, self.preparation, self.size = folder, preparation, size
        self._note = note
        self._seen = {}  # digest -> (first row, number of rows)
        self._check_ours()
        os.makedirs(folder, exist_ok=True)
        with contextlib.ExitStack() as stack:
            lock = stack.enter_context(open(self._path('lock'), 'ab'))
            atomic.lock(lock, f'{folder}: another predict.py is using it; wait for it, or choose '
                              'another --output')
            if not self._fits():
                self._begin()
            self._open = stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._open.close()

    @property
    def pictures_path(self) -> str:
        """The prepared pictures; there is no such file until something is found."""
        return self._path('X.npy')

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _check_ours(self):
        if os.path.lexists(self.folder) and not os.path.isdir(self.folder):
            raise InputError(f'{self.folder}: expected a folder for prepared pictures, got a file; '
                             'move it away, or choose another --output')
        there = os.listdir(self.folder) if os.path.isdir(self.folder) else []
        others = [name for name in there if name not in NAMES and not name.startswith('.')]
        if others:
            raise InputError(f'{self.folder}: expected prepared pictures of predict.py, got '
                             f'{others[0]!r}; move it away, or choose another --output')

    def _settings(self):
        return {'kind': self.preparation.kind, 'margin': self.preparation.margin,
                'size': self.size}

    def _fits(self):
        """Read an existing library; return whether it can be used."""
        path = self._path('preparation.json')
        if not os.path.exists(path):
            return False
        try:
            with open(path, encoding='utf-8') as f:
                if json.load(f) != self._settings():
                    self._note(f'{self.folder}: was prepared for a different kind of model; '
                               'preparing all files again')
                    return False
            picture_set.finish(self.pictures_path)
            if os.path.exists(self._path('seen.csv')):
                for _, row in tables.read_columns(self._path('seen.csv'), ('digest', 'row', 'n')):
                    self._seen[row['digest']] = int(row['row'] or 0), int(row['n'])
            n = self._length()
            if n and arrays.read_pictures(self.pictures_path).shape[2:] != (self.size, self.size):
                raise ValueError('pictures of another size')
            if not all(0 <= row <= row + k <= n for row, k in self._seen.values()):
                raise ValueError('rows that do not exist')
        except (InputError, ValueError, RecursionError) as e:
            self._note(f'{self.folder}: is damaged ({e}); preparing all files again')
            return False
        return True

    def _begin(self):
        self._seen = {}
        shutil.rmtree(self._path('part'), ignore_errors=True)
        for name in NAMES[:6]:
            with contextlib.suppress(FileNotFoundError):
                os.remove(self._path(name))
        with contextlib.suppress(InputError, OSError):  # of an interrupted change
            os.remove(os.path.join(self.folder, '.X.moves'))
        with atomic.replacing(self._path('preparation.json')) as part, \
                open(part, 'w', encoding='utf-8') as f:
            json.dump(self._settings(), f)

    def _length(self):
        if not os.path.exists(self.pictures_path):
            return 0
        return len(arrays.read_pictures(self.pictures_path))

    def prepare(self, paths: Sequence[str],
                progress: Callable[[int, int], object] = silent) -> Files:
        """Prepare the files whose content is new.

        Args:
            paths: Pictures and videos.
            progress: Called with the number of files done, and the total.

        Returns:
            Files: What is known about them; a note names each file that cannot be read.
        """
        digests = self._digests(paths)
        new = {}
        for path, key in zip(paths, digests):
            if key and key not in self._seen:
                new.setdefault(key, path)
        done = len(paths) - len(new)
        progress(done, len(paths))
        try:
            for chunk, is_film in self._chunks(new.items()):
                stop = done + len(chunk)
                self._prepare_chunk(dict(chunk), is_film, lambda n, _, start=done, stop=stop:
                                    progress(min(start + n, stop), len(paths)))
                done = stop
                progress(done, len(paths))
        except KeyboardInterrupt:
            raise KeyboardInterrupt('interrupted; what has been prepared is kept; repeat the '
                                    'command to continue') from None
        rows = []
        for key in digests:
            first, n = self._seen.get(key, (0, None))
            rows.append(None if n is None else range(first, first + n))
        return Files(list(paths), rows, sum(key in self._seen for key in new))

    def _digests(self, paths):
        """The digest of each file, ``None`` for one that cannot be read.

        A file with unchanged size and times is not read again.
        """
        known, now = self._read_files(), {}
        digests = []
        for path in paths:
            try:
                state = _state(path)
                key = os.path.abspath(path), state
                digests.append(known.get(key) or digest(path))
            except OSError as e:
                self._note(f'skipped {path}: {e.strerror or e}')
                digests.append(None)
                continue
            if time.time_ns() - max(map(int, state.split()[1:])) > RACE:
                now[key] = digests[-1]
        if any(key not in known for key in now):
            asked = {file for file, _ in now}
            others = {key: value for key, value in known.items() if key[0] not in asked}
            tables.write_table(self._path('files.csv'), ['file', 'state', 'digest'], (
                (*key, value) for key, value in {**others, **now}.items() if _is_utf_8(key[0])))
        return digests

    def _read_files(self):
        with contextlib.suppress(InputError, OSError):
            return {(row['file'], row['state']): row['digest'] for _, row in tables.read_columns(
                self._path('files.csv'), ('file', 'state', 'digest'))}
        return {}  # no such table yet, or a damaged one

    def _chunks(self, files) -> Iterator:
        """Chunks of pictures, then of videos, several short ones together.

        Each chunk rewrites X.npy.
        """
        pictures, films = [], []
        for key, path in files:
            (films if _is_film(path) else pictures).append((key, path))
        while pictures:
            n = min(MOST, max(FEWEST, self._length() // 4))
            yield pictures[:n], False
            pictures = pictures[n:]
        chunk, size = [], 0
        for film in films:
            chunk.append(film)
            size += sources.size_of(film[1])
            if size >= FILMS:
                yield chunk, True
                chunk, size = [], 0
        if chunk:
            yield chunk, True

    def _prepare_chunk(self, chunk, is_film, progress):
        from picture_ranknet.faces import choose_faces, find_faces, write_faces
        from picture_ranknet.faces.existing import NOTHING, read_existing

        is_whole = self.preparation.kind == PICTURE
        found = find_faces(list(chunk.values()), self._path('part'), whole_pictures=is_whole,
                           size=self.size, margin=self.preparation.margin, n_files=math.inf,
                           skip_still=is_film, note=self._note,
                           progress=silent if is_film else progress)
        first, n_of = self._length(), collections.Counter()
        if found.store.faces:
            choice = choose_faces(found, _rules(is_film, is_whole, self.size))
            n_of.update(found.store.faces[i].source for i in choice.kept)
            if n_of:
                existing = read_existing(self.pictures_path, self.size) if first else NOTHING
                write_faces(self.pictures_path, found, choice, existing)
        found.store.remove()
        skipped = set(found.read.skipped)
        for key, path in chunk.items():
            n = n_of[_relative(path)]
            if path not in skipped:
                self._seen[key] = first, n
            first += n
        tables.write_table(self._path('seen.csv'), ['digest', 'row', 'n'],
                           ((key, row, n) for key, (row, n) in self._seen.items()))


def _state(path):
    """Size and times of a file, to notice changes."""
    status = os.stat(path)
    return f'{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}'


def _is_utf_8(name):
    with contextlib.suppress(UnicodeEncodeError):
        return bool(name.encode())
    return False


def _is_film(path):
    with contextlib.suppress(InputError, OSError):
        kind = kinds.tell_file(path)
        return kind is not None and kind.kind == kinds.VIDEO
    return False


def _rules(is_film, is_whole, size):
    """For a picture, keep every face; for a video, those worth rating, without duplicates."""
    from picture_ranknet.faces.settings import MAX_ENLARGEMENT, Rules

    if not is_film:
        return Rules(0, 0, duplicate_bits=None)
    return Rules(0, 0, within_source=True) if is_whole else Rules(
        size / MAX_ENLARGEMENT, within_source=True)


def _relative(path):
    try:
        return os.path.relpath(path)
    except ValueError:  # on another drive of Windows
        return path


def preparation_of(known: Optional[tuple], is_whole: bool, margin: Optional[float],
                   path: str) -> Preparation:
    """How to prepare pictures for a model.

    Args:
        known: What the model records, kind and margin, or ``None``.
        is_whole: Whether the user says that it was trained on whole pictures.
        margin: The margin of faces that the user states, or ``None``.
        path: The model's file, for messages.

    Raises:
        InputError: If neither says it, or they contradict each other.
    """
    said = Preparation(PICTURE, 0.) if is_whole else None
    if margin is not None:
        said = Preparation(FACE, margin)
    if known is None and said is None:
        raise InputError(f'{path}: does not say how its pictures were cropped; use --margin 0 '
                         'for faces as crop_faces.py crops them by default, or --whole for whole '
                         'pictures')
    if known is not None and said is not None and said != known:
        raise InputError(f'{path}: was trained on {describe(Preparation(*known))}, not on '
                         f'{describe(said)}; leave out --whole and --margin')
    return said or Preparation(*known)


def describe(preparation: Preparation) -> str:
    """A preparation in words, such as ``faces with a margin of 0.25``."""
    if preparation.kind == PICTURE:
        return 'whole pictures'
    return f'faces with a margin of {preparation.margin:g}'


def describe_missing(files: Files, preparation: Preparation) -> str:
    """How many files have no score, and why; empty if all have one."""
    unreadable = sum(rows is None for rows in files.rows)
    empty = sum(rows is not None and not len(rows) for rows in files.rows)
    parts = []
    if empty:
        what = 'face' if preparation.kind == FACE else 'picture'
        parts.append(f'no {what} in {count(empty, "file")}')
    if unreadable:
        parts.append(f'{count(unreadable, "file")} could not be read')
    return ', '.join(parts)
