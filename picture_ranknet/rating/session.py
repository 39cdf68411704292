"""The common part of rating by stars and by pairs: the person answers, two threads do the rest.

Nothing that takes longer than a key press is done while the page waits.  One
thread thinks: it learns from the ratings and chooses what comes next.  Another
writes ``ratings.txt``, so that whatever happens to the first, everything is
saved.
"""
import statistics
import threading
import time
from collections.abc import Callable
from typing import Optional

import numpy as np

from picture_ranknet.rating.journal import Journal
from picture_ranknet.text import silent

LONGEST_PAUSE = 60    # seconds; longer gaps between answers count as this
WRITE_EVERY = 1       # seconds
THINK_EVERY = 1       # seconds, without an answer
MOST_FAILURES = 3     # of the thinking thread, in a row


class Session:

    """A person's rating session; use it in a ``with`` block.

    It may be called from several threads at once.

    Args:
        X (numpy.ndarray): Pictures, shape ``(N, 3, H, W)``.
        journal (Journal): Their journal; the session adds to it.
        seed (int): Random seed.
        note (callable): Called with a line for the user.

    Attributes:
        error (str): Why ``ratings.txt`` could not be written; ``None`` if it could.
        trouble (str): Why nothing is learnt any more; ``None`` if all is well.
        version (int): Grows with each answer and each undo.
    """

    def __init__(self, X: np.ndarray, journal: Journal, seed: int = 0,
                 note: Callable = silent):
        self.X = X
        self.journal = journal
        self.error = self.trouble = None
        self.version = 0
        self.n_said = 0
        self.started = time.monotonic()
        self.rng = np.random.default_rng(seed)
        self.lock = threading.RLock()
        self._note = note
        self._times = []
        self._has_news = threading.Event()
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=target, daemon=True)
                         for target in (self._keep_saving, self._keep_thinking)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._has_news.set()
        for thread in self._threads:
            thread.join()
        try:
            self.finish()
        except Exception as e:  # the ratings so far are saved all the same
            self._tell_of(e)
        self.save()

    @property
    def is_over(self) -> bool:
        """Whether the session is ending, so that thinking should stop."""
        return self._is_over.is_set()

    def _keep_saving(self):
        while not self._is_over.wait(WRITE_EVERY):
            self.save()

    def _keep_thinking(self):
        failures = 0
        while not self.is_over and failures < MOST_FAILURES:
            self._has_news.clear()
            try:
                self.think()
                failures, self.trouble = 0, None
            except Exception as e:  # a person must know, and must not lose anything
                failures += 1
                self._tell_of(e)
            self._has_news.wait(None if failures else THINK_EVERY)

    def _tell_of(self, error):
        reason = (str(error).splitlines() or [''])[0]
        trouble = ('ratings are saved, but no longer used to choose and predict: '
                   f'{type(error).__name__}: {reason}')
        if trouble != self.trouble:
            self._note(f'warning: {trouble}')
        self.trouble = trouble

    def save(self) -> None:
        """Write ``ratings.txt``, if it does not include all answers."""
        try:
            with self.lock:
                if not self.journal.is_written:
                    self.before_saving()
                self.journal.write()
            self.error = None
        except Exception as e:  # the journal has it all; try again later
            reason = e.strerror if isinstance(e, OSError) and e.strerror else e
            self.error = f'{self.journal.path}: {reason}'

    def think(self) -> None:
        """Learn from the answers and choose what comes next."""

    def before_saving(self) -> None:
        """Bring the journal's ratings up to date."""

    def finish(self) -> None:
        """Do the remaining work after the last answer."""

    def has_spoken(self, is_answer: bool = True) -> None:
        """Count an answer; a skip is not one."""
        if is_answer:
            self.n_said += 1
            self._times.append(time.monotonic())
        self.version += 1
        self._has_news.set()

    def has_undone(self, is_answer: bool = True) -> None:
        """Count an answer that was taken back."""
        if is_answer and self.n_said:  # else it is of an earlier session
            self.n_said -= 1
        self.version += 1
        self._has_news.set()

    def seconds_since_answer(self) -> float:
        """Seconds since the last answer."""
        return time.monotonic() - self._times[-1] if self._times else np.inf

    def pace(self) -> Optional[float]:
        """Median of the last 30 times between two answers, in seconds; ``None`` at first."""
        return median_gap(self._times)

    def n_rated(self) -> int:
        """The number of rated pictures."""
        return int(np.isfinite(self.journal.ratings).sum())

    def unrated(self) -> np.ndarray:
        """Rows that have no rating and are faces."""
        with self.lock:
            rows = np.flatnonzero(np.isnan(self.journal.ratings))
            return rows[~np.isin(rows, list(self.journal.rejected))]

    def summary(self) -> dict:
        """A summary of the session, for its end."""
        with self.lock:
            return {'said': self.n_said, 'rated': self.n_rated(),
                    'rejected': len(self.journal.rejected), 'pictures': len(self.X),
                    'seconds': time.monotonic() - self.started}

    def common_state(self) -> dict:
        """What the page shows in both modes."""
        return {'pace': self.pace(), 'said': self.n_said, 'version': self.version,
                'rejected': len(self.journal.rejected), 'error': self.error,
                'trouble': self.trouble}


def median_gap(times: list, most: int = 30, fewest: int = 3) -> Optional[float]:
    """Median of the last gaps between some times; ``None`` for fewer than ``fewest``.

    A gap counts as ``LONGEST_PAUSE`` at most.
    """
    times = times[-most - 1:]
    gaps = [min(after - before, LONGEST_PAUSE) for before, after in zip(times, times[1:])]
    return statistics.median(gaps) if len(gaps) >= fewest else None
