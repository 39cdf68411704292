"""Rating pictures one by one, in an order chosen by active learning, so that few are enough."""
import math
import threading
from collections.abc import Callable
from typing import Optional

import numpy as np

from picture_ranknet.rating import gaussian_process, looks, repeats
from picture_ranknet.rating.entries import Rating, Skip, kind_of
from picture_ranknet.rating.journal import Journal
from picture_ranknet.rating.session import Session
from picture_ranknet.text import silent

POOL = 4000           # pictures from which the next ones are chosen
FIRST_POOL = 1000     # ... until the network has seen them
AHEAD = 4             # pictures that are chosen, and announced, in advance
LEAST_AHEAD = 2       # ... filled up at random when answers come faster than choices
REPEAT_EVERY = 15     # one in this many answers is asked a second time
CURVE_STEP = 10       # ratings from one point of the learning curve to the next
MORE = 40             # ratings for which the gain is predicted
SEE_AFTER = 2         # seconds, so that the page appears first
GOAL = 80             # ratings that suffice; see docs/accuracy.md
PREDICTABLE = .55     # pair accuracy below which ratings cannot be predicted yet


class StarSession(Session):

    """Pictures are rated one by one; see :class:`Session`.

    Args:
        score (callable): Scores an array of rows by a model; ``None`` without one.
        repeat_every (int): One in this many answers is asked a second time; 0 for none.
        find_eye (callable): As :func:`looks.find_eye`; ``None``: gradients and colours only.

    Attributes:
        curve (list of tuple): Number of ratings, and pair accuracy with them.
        accuracy (float): The current pair accuracy; ``None`` while there are too few ratings.
        gain (float): The expected increase from the next ``MORE`` ratings.
    """

    mode = 'stars'

    def __init__(self, X: np.ndarray, journal: Journal, score: Optional[Callable] = None,
                 seed: int = 0, note: Callable = silent,
                 repeat_every: int = REPEAT_EVERY, find_eye: Optional[Callable] = None):
        super().__init__(X, journal, seed, note)
        self.levels = journal.levels
        self.curve, self.accuracy, self.gain = [], None, None
        self._score = score
        self._repeat_every = repeat_every
        self._find_eye = find_eye
        self._seen = None  # what is seen of the pool, and the pool, when that is known
        if find_eye:
            self._threads.append(threading.Thread(target=self._see_pool, daemon=True))
        self._later = {}  # row: None, skipped or passed, in the order in which they come again
        for said in journal.history:
            if isinstance(said, Skip):
                self._set_aside(said.rows[0])
            elif isinstance(said, Rating):
                self._later.pop(said.row, None)
        self._repeats = set()  # rows that are asked again
        self._draw_pool()
        self._queue = []
        self._fill_at_random(AHEAD)

    # The pool: the candidates for the next ratings

    def _draw_pool(self):
        """Choose among all pictures, or if they are many among some rated and some unrated ones."""
        rows = self.rng.permutation(len(self.X))
        rated = np.isfinite(self.journal.ratings[rows])

        def draw(size):
            most_rated = max(size // 2, size - int((~rated).sum()))
            return np.concatenate([rows[~rated], rows[rated][:most_rated]])[-size:]

        self._drawn = draw(POOL)
        self._set_pool(draw(FIRST_POOL) if self._find_eye else self._drawn)
        self._at_random = iter(self._pool.tolist())
        self._taste = self._lesson = self._learnt_from = None

    def _set_pool(self, rows):
        self._pool = rows  # and, later, what was rated outside of it
        self._index = {row: index for index, row in enumerate(rows.tolist())}

    def _see_pool(self):
        """Compute network features of the pool in the background; again when it is replaced."""
        pool = None
        while not self._is_over.wait(SEE_AFTER):
            if self._taste is not None and pool is not self._drawn:
                pool = self._drawn
                seen = looks.see(self.X, pool, lambda: self.is_over, self._find_eye, self._note)
                if seen is None:
                    self._find_eye = None
                    return
                self._seen = pool, seen
                self._has_news.set()

    def _is_open(self, rows):
        """Which of some rows have no rating, are faces, and were not set aside."""
        no_more = [*self.journal.rejected, *self._later]
        return np.isnan(self.journal.ratings[rows]) & ~np.isin(rows, no_more)

    # Thinking

    def think(self):
        """Learn from the ratings, and choose what comes next."""
        try:
            self._look()
            self._take_strangers_in()
        except looks.Ended:
            return
        with self.lock:
            ratings = self.journal.ratings[self._pool]
        rated = np.flatnonzero(np.isfinite(ratings))
        said = ratings[rated].tobytes() + rated.tobytes()
        if said != self._learnt_from:
            self._learn(rated, ratings[rated])
            self._learnt_from = said
        self._choose_next(rated)

    def _look(self):
        """Take in the descriptors of the pool, and its network features once they are known."""
        if self._taste is None or not self._find_eye and len(self._pool) < len(self._drawn):
            pool = self._pool if self._find_eye else self._drawn
            self._looks = looks.Plain(self.X, pool, lambda: self.is_over)
        elif self._seen and self._seen[0] is self._drawn and self._looks is not self._seen[1]:
            pool, self._looks = self._seen
        else:
            return
        self._taste = None  # two at once would need twice the memory
        taste = gaussian_process.Taste(self._looks.first, self._score and self._score(pool))
        with self.lock:
            self._taste, self._lesson, self._learnt_from, self.curve = taste, None, None, []
            self._set_pool(pool)  # without what was rated outside of it: that follows again
            announced = [self._index[row] for row in self._queue if row in self._index]
        self._taken_in = set()
        self._take_in(announced)

    def _take_strangers_in(self):
        """Extend the pool by pictures that were rated outside of it."""
        with self.lock:
            in_history = {said.row for said in self.journal.history if isinstance(said, Rating)}
            strangers = [row for row in in_history if row not in self._index
                         and np.isfinite(self.journal.ratings[row])]
        room = POOL + POOL // 4 - len(self._pool)
        strangers = np.array(sorted(strangers)[:max(0, room)], int)
        if not len(strangers):
            return
        scores = self._score(strangers) if self._score else None
        self._taste.add(self._looks(strangers), scores)
        with self.lock:
            self._index.update((row, len(self._pool) + number)
                               for number, row in enumerate(strangers.tolist()))
            self._pool = np.concatenate([self._pool, strangers])

    def _learn(self, rated, ratings):
        lesson = self._taste.learn(rated, ratings)
        if not self.curve or abs(len(rated) - self.curve[-1][0]) >= CURVE_STEP:
            self.curve = self._measure_curve(rated)
        accuracy = lesson.pair_accuracy()
        gain = None
        if not math.isnan(accuracy):
            n_open = len(self._pool) - len(rated)
            gain = lesson.expected_gain(self._taste, min(MORE, n_open)) if n_open else 0
        with self.lock:
            self._lesson = lesson
            self.accuracy = None if math.isnan(accuracy) else accuracy
            self.gain = self.gain if gain is None else gain

    def _measure_curve(self, rated):
        """Points (number of ratings, pair accuracy) of the ratings so far, in their order."""
        with self.lock:
            ratings = self.journal.ratings[self._pool]
            rows = dict.fromkeys(reversed(self.journal.last_rows))
            in_turn = [self._index[row] for row in rows if row in self._index]
        known, told = set(rated.tolist()), set(in_turn)
        rated_before = [index for index in rated.tolist() if index not in told]
        indices = np.array(rated_before + [index for index in in_turn if index in known], int)
        done = {n: accuracy for n, accuracy in self.curve if n < len(indices)}
        for n in range(CURVE_STEP, len(indices) + 1, max(CURVE_STEP, len(indices) // 20)):
            if n not in done and not self.is_over:
                accuracy = self._taste.learn(indices[:n], ratings[indices[:n]]).pair_accuracy()
                if not math.isnan(accuracy):
                    done[n] = accuracy
        return sorted(done.items())

    # What comes next

    def _choose_next(self, rated):
        """Fill the queue: the most informative pictures, now and then a repeat."""
        self._take_in([index for index in rated.tolist() if index not in self._taken_in])
        while not self.is_over:
            with self.lock:
                if len(self._queue) >= AHEAD:
                    return
                if self._queue_repeat():
                    continue
                candidates = np.flatnonzero(self._is_open(self._pool)
                                            & ~np.isin(self._pool, self._queue))
                if not len(candidates):
                    rows = np.arange(len(self.X))
                    if (self._is_open(rows) & ~np.isin(rows, self._queue)).any():
                        self._draw_pool()  # this one is used up; the next round uses another
                        self._has_news.set()
                    return
            index = self._taste.most_telling(candidates)
            self._take_in([index])
            row = int(self._pool[index])
            with self.lock:
                if row not in self._queue and self._is_open(np.array([row])):
                    self._queue.append(row)

    def _take_in(self, indices):
        self._taste.take_in(indices)
        self._taken_in.update(indices)

    def _queue_repeat(self):
        """Queue a picture that was rated a while ago, if it is time to; return whether it was."""
        if not self._repeat_every or self._repeats:
            return False
        row = repeats.choose(self.journal.history, self.journal.ratings, self._repeat_every,
                             self._queue, self.rng)
        if row is None:
            return False
        self._queue.append(row)
        self._repeats.add(row)
        return True

    def _fill_at_random(self, least=LEAST_AHEAD):
        """Announce random pictures, from the pool as long as it has any."""
        while len(self._queue) < least:
            row = next((row for row in self._at_random if row not in self._queue
                        and self._is_open(np.array([row]))), None)
            if row is None:
                others = np.flatnonzero(self._is_open(np.arange(len(self.X))))
                others = others[~np.isin(others, self._queue)]
                if not len(others):
                    return
                row = int(self.rng.choice(others))
            self._queue.append(row)

    def _leave(self, row):
        """Take a picture that was answered out of the queue."""
        if row in self._queue:
            self._queue.remove(row)
        self._repeats.discard(row)
        self._fill_at_random()

    def _set_aside(self, row):
        self._later.pop(row, None)
        if self._is_open(np.array([row])):  # not a repeat
            self._later[row] = None

    # What the person says

    def rate(self, row: int, rating: Optional[int], is_repeat: bool = False) -> None:
        """Rate a picture from 1 to ``levels``; ``None`` clears its rating.

        Args:
            row: The picture.
            rating: The rating.
            is_repeat: Whether the picture was asked a second time, without
                showing its former rating.  The last rating counts.
        """
        with self.lock:
            is_repeat = is_repeat and row in self._repeats and rating is not None
            self.journal.rate(row, rating, is_repeat)
            self._later.pop(row, None)
            self._leave(row)
            self.has_spoken()

    def reject(self, row: int) -> None:
        """Mark a picture as not a face."""
        with self.lock:
            self.journal.reject(row)
            self._later.pop(row, None)
            self._leave(row)
            self.has_spoken()

    def skip(self, row: int) -> None:
        """Show a picture again only after all others; skipped ones come in turn."""
        with self.lock:
            self.journal.skip(row)
            self._set_aside(row)
            self._leave(row)
            self.has_spoken(is_answer=False)

    def pass_by(self, row: int) -> None:
        """Show a picture again only after all others, without counting an answer."""
        with self.lock:
            self._set_aside(row)
            self._leave(row)
            self._has_news.set()

    def undo(self) -> tuple:
        """Take the last answer back, and ask it again.

        Returns:
            tuple: What was taken back, ``'rating'``, ``'reject'`` or
            ``'skip'``, and its row; each ``None`` if there is nothing.
        """
        with self.lock:
            last = self.journal.undo()
            if last is None:
                return None, None
            is_skip = isinstance(last, Skip)
            row = last.rows[0] if is_skip else last.row
            self._later.pop(row, None)
            self.has_undone(not is_skip)
            is_repeat = not is_skip and last.is_repeat
            if is_repeat:
                self._repeats.add(row)
            if row in self._queue:
                self._queue.remove(row)
            if is_repeat or self._is_open(np.array([row])):
                self._queue.insert(0, row)
            return kind_of(last), row

    def upcoming(self) -> list:
        """Rows to rate next, in order: announced ones, then skipped ones."""
        with self.lock:
            self._fill_at_random(1)
            if len(self._queue) >= LEAST_AHEAD:
                return self._queue[:AHEAD]
            return [*self._queue, *(row for row in self._later if row not in self._queue)][:AHEAD]

    # What the page shows

    def state(self) -> dict:
        """What the page shows beside the pictures."""
        with self.lock:
            ratings = self.journal.ratings[np.isfinite(self.journal.ratings)]
            values, counts = np.unique(ratings, return_counts=True)
            n_faces = len(self.X) - len(self.journal.rejected)
            goal = min(GOAL, n_faces)
            upcoming = self.upcoming()
            return {
                **self.common_state(), 'rated': len(ratings), 'left': n_faces - len(ratings),
                'histogram': list(zip(values.tolist(), counts.tolist())),
                'spread': np.bincount(self._level_of(ratings) - 1, minlength=self.levels).tolist(),
                'curve': self.curve, 'gain': self.gain, 'accuracy': self.accuracy,
                'predictable': None if self.accuracy is None else self.accuracy >= PREDICTABLE,
                'more': min(MORE, n_faces - len(ratings)), 'goal': goal,
                'goal_reached': len(ratings) >= goal, 'upcoming': upcoming,
                'repeats': [row for row in upcoming if row in self._repeats],
                'self_agreement': repeats.self_agreement(self.journal.history)}

    def _level_of(self, ratings):
        """The levels that ratings round to, halves up."""
        return np.clip(np.floor(ratings + .5), 1, self.levels).astype(int)

    def ranking(self) -> list:
        """All rows, best first, in groups: those of each level, the unrated, the rejected.

        Within a group they come by rating, then as they are expected to be liked.

        Returns:
            list of tuple: Level as a float, ``None`` for unrated or ``'x'``, and rows.
        """
        with self.lock:
            expected = np.full(len(self.X), -np.inf)
            if self._lesson is not None:
                expected[self._pool[:len(self._lesson.scores)]] = self._lesson.scores
            ratings = self.journal.ratings
            is_rejected = np.zeros(len(self.X), bool)
            is_rejected[list(self.journal.rejected)] = True
            rows = np.lexsort([-expected, -ratings])
            rated = rows[np.isfinite(ratings[rows])]
            levels = self._level_of(ratings[rated])
            groups = [(float(level), rated[levels == level].tolist())
                      for level in range(self.levels, 0, -1)]
            unrated = rows[np.isnan(ratings[rows]) & ~is_rejected[rows]]
            groups += [(None, unrated.tolist()), ('x', np.flatnonzero(is_rejected).tolist())]
            return [(key, rows) for key, rows in groups if rows]

    # What the list shows besides

    def looked_at(self) -> np.ndarray:
        """Rows of the pool, in their order."""
        return np.sort(self._pool)

    def expected(self) -> tuple:
        """Unrated rows of the pool and their predicted ratings, clipped to the scale."""
        with self.lock:
            if self._lesson is None:
                return np.zeros(0, int), np.zeros(0)
            scores = self._lesson.scores
            rows = self._pool[:len(scores)]
            is_open = np.isin(rows, self.unrated())
            return rows[is_open], np.clip(scores[is_open], 1, self.levels)

    def expected_without(self) -> tuple:
        """Rated rows, the leave-one-out prediction for each, and its own rating."""
        with self.lock:
            if self._lesson is None:
                return np.zeros(0, int), np.zeros(0), np.zeros(0)
            rows = self._pool[self._lesson.indices]
            return rows, np.clip(self._lesson.left_out(), 1, self.levels), self._lesson.ratings
