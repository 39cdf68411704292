"""Comparing pictures, two at a time."""
from collections.abc import Callable
from typing import Optional

import numpy as np

from picture_ranknet.rating.bradley_terry import Comparison, Placing, Ranking
from picture_ranknet.rating.entries import Rating, Skip, kind_of
from picture_ranknet.rating.journal import Journal
from picture_ranknet.rating.session import Session
from picture_ranknet.text import silent

PAUSE = 3    # seconds without an answer after which everything is fitted again
SOON = 3     # new pictures that are announced


class PairSession(Session):

    """Pictures are compared, two at a time; see :class:`Session`."""

    mode = 'pairs'

    def __init__(self, X: np.ndarray, journal: Journal, seed: int = 0,
                 note: Callable = silent):
        super().__init__(X, journal, seed, note)
        self._ranking = Ranking(len(X), self.rng.permutation(len(X)))
        self._skipped = {}  # pair, the smaller row first: None, in the order of skipping
        for said in journal.history:
            if isinstance(said, Skip):
                self._set_aside(said.rows)
        self._leave_out_rejected()
        self._ranking.fit(journal.comparisons)
        self._is_fitted = True
        self._pair = self._choose()

    def _leave_out_rejected(self):
        self._ranking.is_out[:] = False
        self._ranking.is_out[list(self.journal.rejected)] = True

    def think(self) -> None:
        """Refit everything in a pause: single steps only come close to the optimum."""
        with self.lock:
            version, said = self.version, self.journal.comparisons
        if self._is_fitted or self.seconds_since_answer() < PAUSE:
            return
        ranking = Ranking(len(self.X), self._ranking.order)
        ranking.fit(said)
        with self.lock:
            if self.version == version:
                self._ranking, self._is_fitted = ranking, True
                self._leave_out_rejected()
                self.journal.set_all(ranking.ratings())

    def finish(self) -> None:
        """Refit everything, if there is anything new."""
        if not self._is_fitted:
            self._ranking.fit(self.journal.comparisons)
            self._is_fitted = True
            self.journal.set_all(self._ranking.ratings())

    def before_saving(self) -> None:
        """Turn the comparisons into ratings."""
        self.journal.set_all(self._ranking.ratings())

    def _choose(self):
        """The pair that comes next; which picture is on the left is random."""
        pair = self._ranking.next_pair(self._skipped)
        if pair is None:  # nothing is left but what was skipped
            pair = next((pair for pair in self._skipped if self._is_open(pair)), None)
        return pair and tuple(self.rng.permutation(pair).tolist())

    def _is_open(self, pair):
        return not self._ranking.told[pair] and not self._ranking.is_out[list(pair)].any()

    def _set_aside(self, rows):
        pair = min(rows), max(rows)
        self._skipped.pop(pair, None)
        self._skipped[pair] = None
        is_ranked = self._ranking.is_ranked()
        for row in rows:
            if not is_ranked[row]:
                self._ranking.postpone(row)
                break

    def _answered(self, is_answer=True):
        self.has_spoken(is_answer)
        self._pair = self._choose()

    def n_rated(self) -> int:
        """The number of pictures that have a place in the ranking."""
        return int(self._ranking.is_ranked().sum())

    def compare(self, left: int, right: int, better: Optional[int]) -> None:
        """Record which of two pictures is better; ``None``: cannot tell."""
        with self.lock:
            self.journal.compare(left, right, better)
            self._skipped.pop((min(left, right), max(left, right)), None)
            self._ranking.add(Comparison(left, right, better))
            self._is_fitted = False
            self._answered()

    def place(self, row: int, above: Optional[int], below: Optional[int]) -> None:
        """Put a picture between two others in the ranking; either may be ``None``, but not both."""
        with self.lock:
            above, below = (None if other == row else other for other in (above, below))
            if above is None and below is None:
                return
            self.journal.place(row, above, below)
            self._ranking.add(Placing(row, above, below))
            self._is_fitted = False
            self._answered()

    def reject(self, row: int) -> None:
        """Mark a picture as not a face: it leaves the ranking."""
        with self.lock:
            self.journal.reject(row)
            self._leave_out_rejected()
            self._answered()

    def skip(self, left: int, right: int) -> None:
        """Show this pair again only when there is no other."""
        with self.lock:
            self.journal.skip(left, right)
            self._set_aside((left, right))
            self._answered(is_answer=False)

    def undo(self) -> tuple:
        """Take the last answer back, and ask it again.

        Returns:
            tuple: What was taken back, ``'comparison'``, ``'place'``,
            ``'reject'`` or ``'skip'``, the pair that is shown now, and the row
            that was rejected or placed; each ``None`` where there is none.
        """
        with self.lock:
            last = self.journal.undo()
            if last is None:
                return None, None, None
            self.has_undone(not isinstance(last, Skip))
            self._pair, row = self._take_back(last)
            return kind_of(last), self._pair, row

    def _take_back(self, last):
        """The pair that comes now, and the row that it is about."""
        if isinstance(last, Skip):
            self._skipped.pop((min(last.rows), max(last.rows)), None)
            return last.rows, None
        if isinstance(last, Rating):
            self._leave_out_rejected()
            partner = self._ranking.partner(last.row)
            return None if partner is None else (last.row, partner), last.row
        self._ranking.remove(last)
        self._is_fitted = False
        if isinstance(last, Placing):
            return self._choose(), last.row
        return (last.left, last.right), None

    def state(self) -> dict:
        """What the page shows beside the pictures."""
        with self.lock:
            is_ranked, is_out = self._ranking.is_ranked(), self._ranking.is_out
            n_ranked, n = int(is_ranked.sum()), int((~is_out).sum())
            new = self._ranking.order[~(is_ranked | is_out)[self._ranking.order]]
            is_complete = n_ranked == n
            return {**self.common_state(), 'rated': n_ranked, 'left': n - n_ranked,
                    'compared': len(self.journal.comparisons), 'pair': self._pair,
                    'upcoming': [row for row in new[:SOON + 2].tolist()
                                 if row not in (self._pair or ())][:SOON],
                    'skipped': len(self._skipped), 'complete': is_complete,
                    'goal': max(0, n - 1), 'goal_reached': is_complete,
                    'expected_error': self._ranking.expected_error()}

    def ranking(self) -> list:
        """All rows, best first, in groups: those compared, the others, the rejected.

        Returns:
            list of tuple: ``'ranked'``, ``None`` or ``'x'``, and rows.
        """
        with self.lock:
            is_ranked, is_out = self._ranking.is_ranked(), self._ranking.is_out
            order = np.argsort(-self._ranking.strengths, kind='stable')
            groups = [('ranked', order[is_ranked[order]].tolist()),
                      (None, np.flatnonzero(~is_ranked & ~is_out).tolist()),
                      ('x', np.flatnonzero(is_out).tolist())]
            return [(key, rows) for key, rows in groups if rows]
