"""What a person says about pictures: a journal that loses nothing, and the ratings it makes.

The journal lies beside ``ratings.txt`` and only grows: one JSON object a line,
on disk before the next picture is shown.  What it holds may be undone without
limit.  ``ratings.txt`` is written anew every now and then; a line
``{"written": true}`` says that it has all that stands above.
"""
import contextlib
import errno
import json
import math
import os
import time
from typing import NamedTuple, Optional

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.storage import atomic, ratings_txt

NOT_RATED = 'nan'
NO_FACE = 'nan  # no face'
STARS, PAIRS = 'stars', 'pairs'
LARGEST = 2 ** 28  # bytes of a journal: two million answers


class Rating(NamedTuple):

    """A rating of a picture, as it stands in ``ratings.txt``, and the one before."""

    row: int
    text: str
    was: str


class Comparison(NamedTuple):

    """Two pictures, and the better one of them; ``None`` where a person cannot tell."""

    left: int
    right: int
    better: Optional[int]


class Journal:

    """The journal of one set of pictures and its ratings; use it in a ``with`` block.

    Args:
        path (str): The file of ratings; it is made at the first rating.
        n (int): The number of pictures.
        pictures_id (str): Tells one set of pictures from another.
        mode (str): ``STARS`` or ``PAIRS``; a file of ratings is made by one.

    Attributes:
        ratings (numpy.ndarray): Of each picture, ``nan`` for none.
        rejected (set of int): Rows of what is no face.
        comparisons (list of Comparison): In the mode ``PAIRS``.
        are_same_pictures (bool): Whether these were rated last time.

    Raises:
        InputError: If the ratings are those of other pictures, were made in
            another mode, or another process is adding to them.
    """

    def __init__(self, path, n, pictures_id, mode=STARS):
        self.path = path
        self.journal_path = path + '.journal'
        atomic.check_output(path)
        self.mode = mode
        self.n = n
        self._file = open(self.journal_path, 'a+b', buffering=0)
        try:
            atomic.lock(self._file, '{}: another rate.py is adding to it; close that one first'
                       .format(self.journal_path))
            self._start(pictures_id)
        except BaseException:
            self._file.close()
            raise

    def _start(self, pictures_id):
        events = self._read_events()
        opening = next((e for e in reversed(events) if 'pictures' in e), None)
        if opening and opening['mode'] != self.mode:
            raise InputError(
                '{}: was made {}; go on so, or choose another file of ratings'.format(
                    self.path, 'with --pairs' if opening['mode'] == PAIRS else 'without --pairs'))
        if not opening and self.mode == PAIRS and os.path.exists(self.path):
            raise InputError('{}: was not made with --pairs; choose another file of ratings'
                                   .format(self.path))
        has_other_length = opening and opening['pictures'] != self.n
        pending = _after_last(events, 'written')
        if has_other_length and (self.mode == PAIRS or any(map(_is_statement, pending))):
            raise InputError(
                '{}: speaks of {} pictures, but there are {}; rate the former ones, or move it '
                'away'.format(self.journal_path, opening['pictures'], self.n))
        self.are_same_pictures = not opening or opening['id'] == pictures_id
        self._lines = self._read_lines()
        self._line_of = {row: index for index, (row, _) in enumerate(self._lines)}
        self.ratings = np.full(self.n, np.nan)
        self.rejected = set()
        for row, line in self._lines:
            if row is not None:
                self._take_in(row, line.strip())
        self._history, self._n_then = [], None
        for event in [*events, {'pictures': self.n}]:
            self._replay(event)
        for event in pending:
            if 'row' in event:
                self._set(event['row'], event['is'])
        self.is_written = not any(map(_is_statement, pending))
        if not opening or has_other_length or not self.are_same_pictures:
            self._append({'pictures': self.n, 'id': pictures_id, 'mode': self.mode,
                          'time': _now()})

    def _read_events(self):
        """All objects of the journal; what a crash cut short at its end is taken off."""
        if self._file.seek(0, os.SEEK_END) > LARGEST:
            raise InputError('{}: expected a journal of up to {:,} bytes, got {:,}; move it '
                                   'away: what {} has is safe'.format(
                                       self.journal_path, LARGEST, self._file.tell(), self.path))
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
                _check(event, n)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
                raise InputError(
                    '{}, line {}: expected what rate.py wrote, got something else; mend that line '
                    'or move the file away: what {} has is safe'.format(
                        self.journal_path, number, self.path)) from e
            events.append(event)
        return events

    def _read_lines(self):
        if os.path.exists(self.path):
            return [list(pair) for pair in ratings_txt.rating_lines(self.path, self.n)]
        return [[row, NOT_RATED + '\n'] for row in range(self.n)]

    def _replay(self, event):
        if 'pictures' in event:
            if event['pictures'] != self._n_then:  # rows are others now
                self._history = []
            self._n_then = event['pictures']
        elif 'undo' in event and self._history:
            self._history.pop()
        elif 'row' in event:
            self._history.append(Rating(event['row'], event['is'], event['was']))
        elif 'left' in event:
            self._history.append(Comparison(event['left'], event['right'], event['better']))

    def rate(self, row, rating):
        """Rate a picture; ``None`` clears its rating.  On disk when this returns."""
        self._say(row, NOT_RATED if rating is None else format_rating(rating))

    def reject(self, row):
        """Say that a picture is no face.  On disk when this returns."""
        self._say(row, NO_FACE)

    def compare(self, left, right, better):
        """Say which of two pictures is better; ``None``: cannot tell.  On disk when this returns.
        """
        self._append({'left': left, 'right': right, 'better': better, 'time': _now()})
        self._history.append(Comparison(left, right, better))

    def undo(self):
        """Take the last :class:`Rating` or :class:`Comparison` back and return it, or ``None``."""
        if not self._history:
            return None
        last = self._history[-1]
        event = {'undo': True, 'time': _now()}
        if isinstance(last, Rating):
            event.update(row=last.row, was=last.text)
            event['is'] = last.was
        self._append(event)
        if isinstance(last, Rating):
            self._set(last.row, last.was)
        return self._history.pop()

    @property
    def comparisons(self):
        return [said for said in self._history if isinstance(said, Comparison)]

    @property
    def last_rows(self):
        """Rows that have been rated, the last one first."""
        return [said.row for said in reversed(self._history) if isinstance(said, Rating)]

    def set_all(self, ratings):
        """Take the ratings that follow from comparisons; :meth:`write` puts them on disk."""
        for row, rating in enumerate(ratings):
            if row not in self.rejected:
                self._set(row, NOT_RATED if np.isnan(rating) else '{:.4f}'.format(rating))
        self.is_written = False

    def write(self):
        """Write ``ratings.txt``, if it does not have all that has been said."""
        if self.is_written:
            return
        with atomic.replacing(self.path) as part, open(part, 'w', encoding='utf-8') as f:
            f.writelines(line for _, line in self._lines)
        self._append({'written': True})
        self.is_written = True

    def _say(self, row, text):
        was = NO_FACE if row in self.rejected else (
            NOT_RATED if np.isnan(self.ratings[row]) else format_rating(self.ratings[row]))
        self._append({'row': row, 'is': text, 'was': was, 'time': _now()})
        self._history.append(Rating(row, text, was))
        self._set(row, text)

    def _append(self, event):
        line = json.dumps(event).encode() + b'\n'
        try:
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.journal_path)
            os.fsync(self._file.fileno())
        except OSError:  # the disk is full: half a line would spoil the next one
            with contextlib.suppress(OSError):
                self._file.truncate(self._end)
            raise
        self._end += len(line)
        if _is_statement(event):
            self.is_written = False

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
            self._file.close()


def format_rating(rating):
    """A rating as it is written: 4, 2.5."""
    return '{:.10g}'.format(rating)


def _after_last(events, key):
    """What follows the last event that has a key."""
    index = max((number for number, event in enumerate(events) if key in event), default=-1)
    return events[index + 1:]


def _is_statement(event):
    return 'row' in event or 'left' in event or 'undo' in event


def _check(event, n):
    """Raise if an object of the journal of ``n`` pictures is none of ours."""
    rows = [event[key] for key in ('row', 'left', 'right') if key in event]
    if not all(type(row) is int and 0 <= row < n for row in rows):
        raise ValueError('no such row')
    if 'pictures' in event:
        if type(n) is not int or event['mode'] not in (STARS, PAIRS) or 'id' not in event:
            raise ValueError('no opening')
    elif 'row' in event:
        for text in event['is'], event['was']:
            if math.isinf(float(text.split('#', 1)[0])) or not text.isprintable():
                raise ValueError('no rating')
    elif 'left' in event:
        if event['better'] not in (None, event['left'], event['right']):
            raise ValueError('neither of the two')
    elif 'undo' not in event and 'written' not in event:
        raise ValueError('unknown')


def _now():
    return time.strftime('%Y-%m-%dT%H:%M:%S')
