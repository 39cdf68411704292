"""A person's answers about pictures: a journal that loses nothing, and the resulting ratings.

The journal lies beside ``ratings.txt`` and is append-only: one JSON object per
line, on disk before the next picture is shown.  All of it can be undone.  It is
created with the first answer, so a program that was only opened leaves nothing
behind.  ``ratings.txt`` is rewritten now and then; a line ``{"written": true}``
says that it includes everything above.
"""
import contextlib
import errno
import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Sequence
from typing import Optional, Union

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.rating.entries import (
    NO_FACE,
    NOT_RATED,
    PAIRS,
    STARS,
    Comparison,
    Placing,
    Rating,
    Skip,
    after_last,
    changes_ratings,
    check,
    entry_of,
)
from picture_ranknet.rating.settings import LEVELS, MOST_LEVELS
from picture_ranknet.storage import atomic, ratings_txt, sidecars

IN_USE = 'another rate.py is using it; close that one first'
LARGEST = 2 ** 28  # bytes of a journal: two million answers


class Journal:

    """The journal of one set of pictures and its ratings; use it in a ``with`` block.

    Args:
        path (str): The ratings file; it is created at the first rating.
        n (int): The number of pictures.
        pictures_id (str): Identifies a set of pictures, see :func:`identify`.
        mode (str): ``STARS`` or ``PAIRS``; a ratings file is made in one of them.
        levels (int): In the mode ``STARS``, ratings are 1 to ``levels``;
            ``None`` for as many as last time, or ``LEVELS``.
        identify_first (callable): Returns the ``pictures_id`` of the first
            ``n`` pictures, to see that a set has only grown.

    Attributes:
        ratings (numpy.ndarray): Of each picture, ``nan`` for none.
        rejected (set of int): Rows of pictures that are not a face.
        history (list): All :class:`Rating`, :class:`Comparison`,
            :class:`Placing` and :class:`Skip` that were not undone.
        levels (int): ``None`` in the mode ``PAIRS``.
        are_same_pictures (bool): Whether these were rated last time.
        is_written (bool): Whether ``ratings.txt`` includes all answers.

    Raises:
        InputError: If the ratings are for other pictures, on another scale or
            made in another mode, or another process is using them.
    """

    def __init__(self, path: str, n: int, pictures_id: str, mode: str = STARS,
                 levels: Optional[int] = None,
                 identify_first: Callable = lambda n: None):
        self.path = path
        self.journal_path = journal_path(path)
        atomic.check_output(path)
        self.mode = mode
        self.n = n
        self._identify_first = identify_first
        self._file = self._open()
        try:
            self._start(pictures_id, levels)
        except BaseException:
            self.close()
            raise

    def _open(self):
        """Open and lock the journal; it is removed on closing if it is empty."""
        while True:
            file = open(self.journal_path, 'a+b', buffering=0)
            try:
                atomic.lock(file, f'{self.journal_path}: {IN_USE}')
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(file.fileno()), os.stat(self.journal_path)):
                        return file
            except BaseException:
                file.close()
                raise
            file.close()  # it was removed between opening and locking

    def close(self):
        """Let go of the journal, which has all that was said; ratings are not written."""
        is_empty = not os.fstat(self._file.fileno()).st_size
        if is_empty and os.name == 'posix':  # while it is still locked
            os.remove(self.journal_path)
        self._file.close()
        if is_empty:
            with contextlib.suppress(OSError):
                os.remove(self.journal_path)

    def _start(self, pictures_id, levels):
        events = self._read_events()
        opening = next((e for e in reversed(events) if 'pictures' in e), None)
        pending = after_last(events, 'written')
        has_other_rows = opening and opening['pictures'] != self.n and not self._goes_on(opening)
        if has_other_rows and (self.mode == PAIRS or any(map(changes_ratings, pending))):
            raise InputError(
                f"{self.journal_path}: is about {opening['pictures']} pictures, but there are "
                f'{self.n}; rate those, or move it away')
        self.are_same_pictures = (not opening or opening['id'] == pictures_id
                                  or self._goes_on(opening))
        self._lines = self._read_lines()
        self._line_of = {row: index for index, (row, _) in enumerate(self._lines)}
        self.ratings = np.full(self.n, np.nan)
        self.rejected = set()
        for row, line in self._lines:
            if row is not None:
                self._take_in(row, line.strip())
        self._check_mode(opening)
        self.levels = None
        if self.mode == STARS:
            self.levels = self._settle_levels(levels, opening and opening.get('levels'))
        self.history, self._then = [], None  # the last opening
        for event in [*events, {'pictures': self.n}]:
            self._replay(event)
        for event in pending:
            if 'row' in event:
                self._set(event['row'], event['is'])
        self.is_written = not any(map(changes_ratings, pending))
        self._knows_ratings = self.mode == STARS
        self._opening = None  # what has to be written before anything else
        now = {'pictures': self.n, 'id': pictures_id, 'mode': self.mode, 'levels': self.levels}
        if not opening or any(opening.get(key) != value for key, value in now.items()):
            self._opening = {**now, 'time': _now()}

    def _goes_on(self, opening):
        """Whether an opening's pictures are the first ones of the present, larger set."""
        n = opening['pictures']
        return n < self.n and self._identify_first(n) == opening['id']

    def _check_mode(self, opening):
        if opening and opening['mode'] != self.mode:
            before = 'with' if opening['mode'] == PAIRS else 'without'
            raise InputError(f'{self.path}: was made {before} --pairs; continue that way, or '
                             'choose another ratings file')
        if not opening and self.mode == PAIRS and np.isfinite(self.ratings).any():
            raise InputError(f'{self.path}: was not made with --pairs; choose another ratings '
                             'file')

    def _settle_levels(self, asked, remembered):
        """The number of levels, after checking that all ratings are on one scale."""
        if asked and remembered and asked != remembered:
            raise InputError(f'{self.path}: was rated from 1 to {remembered}, got --levels '
                             f'{asked}; leave --levels out, or choose another ratings file')
        levels = asked or remembered or LEVELS
        found = self.ratings[np.isfinite(self.ratings)]
        wrong = found[(found < 1) | (found > levels)]
        if len(wrong):
            highest = math.ceil(found.max())
            remedy = ('choose another ratings file' if found.min() < 1 or highest > MOST_LEVELS
                      else 'correct it' if remembered else f'use --levels {highest}')
            raise InputError(f'{self.path}: expected ratings from 1 to {levels}, got '
                             f'{wrong[0]:g}; {remedy}')
        return levels

    def _read_events(self):
        """All objects of the journal; a line that a crash left incomplete is removed."""
        if self._file.seek(0, os.SEEK_END) > LARGEST:
            raise InputError(f'{self.journal_path}: expected a journal of up to {LARGEST:,} bytes, '
                             f'got {self._file.tell():,}; move it away: what {self.path} has is '
                             'safe')
        self._file.seek(0)
        content = self._file.read()
        self._end = content.rfind(b'\n') + 1
        if self._end != len(content):
            self._file.truncate(self._end)
        events, n = [], 0
        for number, line in enumerate(content[:self._end].splitlines(), 1):
            try:
                event = json.loads(line)
                n = event.get('pictures', n)
                check(event, n)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
                raise InputError(
                    f'{self.journal_path}, line {number}: expected a line by rate.py, got '
                    f'something else; fix that line or move the file away: what {self.path} has '
                    'is safe') from e
            events.append(event)
        return events

    def _read_lines(self):
        if os.path.exists(self.path):
            return [list(pair) for pair in ratings_txt.rating_lines(self.path, self.n)]
        return [[row, NOT_RATED + '\n'] for row in range(self.n)]

    def _replay(self, event):
        if 'pictures' in event:
            then = self._then
            if then and event['pictures'] != then['pictures'] and not self._goes_on(then):
                self.history = []  # rows are others now
            self._then = event
        elif 'undo' in event:
            del self.history[-1:]
        elif 'written' not in event:
            self.history.append(entry_of(event))

    def rate(self, row: int, rating: Optional[float], is_repeat: bool = False) -> None:
        """Rate a picture; ``None`` clears its rating.  On disk when this returns."""
        self._say(row, NOT_RATED if rating is None else format_rating(rating), is_repeat)

    def reject(self, row: int) -> None:
        """Mark a picture as not a face.  On disk when this returns."""
        self._say(row, NO_FACE)

    def compare(self, left: int, right: int, better: Optional[int]) -> None:
        """Record the better of two pictures; ``None`` for a tie.  On disk when this returns."""
        self._add(Comparison(left, right, better), {'left': left, 'right': right, 'better': better})

    def place(self, row: int, above: Optional[int], below: Optional[int]) -> None:
        """Put a picture below one and above another in the ranking.  On disk when this returns."""
        self._add(Placing(row, above, below), {'placed': row, 'above': above, 'below': below})

    def skip(self, *rows: int) -> None:
        """Record that a picture, or both of a pair, should be shown later."""
        self._add(Skip(rows), {'skip': list(rows)})

    def undo(self) -> Union[Rating, Comparison, Placing, Skip, None]:
        """Take the last entry of the history back and return it; ``None`` if there is none."""
        if not self.history:
            return None
        last = self.history[-1]
        event = {'undo': True, 'time': _now()}
        if isinstance(last, Rating):
            event.update(row=last.row, was=last.text)
            event['is'] = last.was
        elif isinstance(last, Skip):
            event['skip'] = list(last.rows)
        self._append(event)
        if isinstance(last, Rating):
            self._set(last.row, last.was)
        return self.history.pop()

    @property
    def comparisons(self) -> list:
        """All :class:`Comparison` and :class:`Placing` that were not undone."""
        return [said for said in self.history if isinstance(said, (Comparison, Placing))]

    @property
    def last_rows(self) -> list:
        """Rows that have been rated, the last one first."""
        return [said.row for said in reversed(self.history) if isinstance(said, Rating)]

    def set_all(self, ratings: np.ndarray) -> None:
        """Set the ratings that follow from all comparisons; :meth:`write` puts them on disk."""
        for row, rating in enumerate(ratings):
            if row not in self.rejected:
                self._set(row, NOT_RATED if np.isnan(rating) else f'{rating:.4f}')
        self._knows_ratings = True
        self.is_written = False

    def fill(self, ratings: Sequence[float]) -> int:
        """Import ratings that the person gave elsewhere, for pictures not rated yet.

        They are part of ``ratings.txt`` when this returns, as if they had always
        been there, and cannot be undone.

        Args:
            ratings: Of each picture, 1 to ``LEVELS``; ``REJECTED`` for those not
                to be rated, ``nan`` if unknown.

        Returns:
            The number of imported ratings.

        Raises:
            InputError: If pictures are rated on another scale here.
        """
        rows = [row for row, rating in enumerate(ratings) if not math.isnan(rating)
                and math.isnan(self.ratings[row]) and row not in self.rejected]
        if rows and self.levels != LEVELS:
            raise InputError(f'{self.path}: is rated from 1 to {self.levels}, sidecars from 1 to '
                             f'{LEVELS}; choose another ratings file, or leave --from_xmp out')
        for row in rows:
            is_rejected = ratings[row] == sidecars.REJECTED
            self._set(row, NO_FACE if is_rejected else format_rating(ratings[row]))
        if rows:
            self.is_written = False
            self.write()
        return len(rows)

    def write(self) -> None:
        """Write ``ratings.txt``, if it does not include all answers.

        In the mode ``PAIRS`` ratings follow from comparisons: nothing is
        written unless :meth:`set_all` was called after the last one.
        """
        if self.is_written or not self._knows_ratings:
            return
        with atomic.replacing(self.path) as part, open(part, 'w', encoding='utf-8') as f:
            f.writelines(line for _, line in self._lines)
        self._append({'written': True})
        self.is_written = True

    def _say(self, row, text, is_repeat=False):
        was = NO_FACE if row in self.rejected else (
            NOT_RATED if np.isnan(self.ratings[row]) else format_rating(self.ratings[row]))
        self._add(Rating(row, text, was, is_repeat),
                  {'row': row, 'is': text, 'was': was, **({'repeat': True} if is_repeat else {})})
        self._set(row, text)

    def _add(self, said, event):
        self._append({**event, 'time': _now()})
        self.history.append(said)

    def _append(self, event):
        events = [event] if self._opening is None else [self._opening, event]
        lines = b''.join(json.dumps(one).encode() + b'\n' for one in events)
        try:
            if self._file.write(lines) != len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.journal_path)
            os.fsync(self._file.fileno())
            if not self._end:  # it is new
                atomic.sync_folder(os.path.dirname(self.journal_path))
        except OSError:  # the disk is full: half a line would spoil the next one
            with contextlib.suppress(OSError):
                self._file.truncate(self._end)
            raise
        self._end += len(lines)
        self._opening = None
        if changes_ratings(event):
            self.is_written = False
            self._knows_ratings = self.mode == STARS

    def _set(self, row, text):
        index = self._line_of[row]
        _, _, comment = self._lines[index][1].strip().partition('#')
        kept = '' if '#' in text or comment.strip() in ('', 'no face') else '  #' + comment
        self._lines[index][1] = text + kept + '\n'
        self._take_in(row, text)

    def _take_in(self, row, text):
        self.ratings[row] = float(text.split('#', 1)[0])
        self.rejected.discard(row)
        if text == NO_FACE:
            self.rejected.add(row)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.write()
        finally:
            self.close()


def identify(X: np.ndarray) -> str:
    """An identifier of a set of pictures, from its shape and a few of them."""
    digest = hashlib.sha256(repr((X.shape, X.dtype.str)).encode())
    for row in np.linspace(0, len(X) - 1, min(len(X), 16)).astype(int):
        digest.update(np.ascontiguousarray(X[row]).tobytes())
    return digest.hexdigest()[:16]


def check_unused(path: str) -> None:
    """Raise :class:`InputError` if another process is using the journal of these ratings."""
    with contextlib.suppress(FileNotFoundError), open(journal_path(path), 'r+b') as file:
        atomic.lock(file, f'{journal_path(path)}: {IN_USE}')


def journal_path(path: str) -> str:
    """The path of the journal of a ratings file."""
    return path + '.journal'


def format_rating(rating: float) -> str:
    """A rating as it is written: 4, 2.5."""
    return f'{rating:.10g}'


def _now():
    return time.strftime('%Y-%m-%dT%H:%M:%S')
