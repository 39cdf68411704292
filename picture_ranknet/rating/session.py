"""A person at work: what they say goes to the journal, what comes next is thought out meanwhile.

Both kinds of session answer from several threads at once.  What takes longer
than a key press is done by one thread of their own: learning from the ratings,
choosing the pictures that come next, and writing ``ratings.txt``.
"""
import math
import statistics
import threading
import time

import numpy as np

from picture_ranknet.pictures import plots
from picture_ranknet.pictures.descriptor import describe
from picture_ranknet.rating import bradley_terry as comparisons
from picture_ranknet.rating import order as rating_order
from picture_ranknet.storage import arrays

POOL = 4000           # pictures among which the next ones are chosen
AHEAD = 4             # pictures that are chosen before they are needed
FAVOURITE_EVERY = 4   # of the next pictures one in so many is expected to be liked
CURVE_STEP = 10       # ratings from one point of the curve to the next
MORE = 40             # ratings of which is said what they will add
LONGEST_PAUSE = 60    # seconds; who takes longer has had a cup of tea
WRITE_EVERY = 1       # seconds
PAUSE = 3             # seconds without an answer


class Session:

    """What both kinds of session share.

    Args:
        X (numpy.ndarray): Pictures, shape ``(N, 3, H, W)``.
        journal (rating_journal.Journal): Of these; the session adds to it.
        seed (int): What follows from chance.

    Attributes:
        error (str): Why ``ratings.txt`` could not be written; ``None`` if it could.
    """

    def __init__(self, X, journal, seed=0):
        self.X = X
        self.journal = journal
        self.error = None
        self.n_said = 0
        self.started = time.monotonic()
        self.rng = np.random.default_rng(seed)
        self._times = []
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._is_over = False
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_over = True
        self._wake.set()
        self._thread.join()

    def _work(self):
        self._prepare()
        while not self._is_over:
            self._think()
            self._save()
            self._wake.wait(WRITE_EVERY)
            self._wake.clear()

    def _save(self):
        try:
            with self._lock:
                self._before_writing()
                self.journal.write()
            self.error = None
        except OSError as e:
            self.error = '{}: {}'.format(self.journal.path, e.strerror or e)

    def _prepare(self):
        """What has to be done once, before anything is thought."""

    def _think(self):
        """Take in what has been said since."""

    def _before_writing(self):
        """Bring the journal's ratings up to date."""

    def _has_spoken(self):
        self.n_said += 1
        self._times.append(time.monotonic())
        self._wake.set()

    def pace(self):
        """Usual seconds from one answer to the next, of the last 30; ``None`` at first."""
        times = self._times[-31:]
        gaps = [min(after - before, LONGEST_PAUSE) for before, after in zip(times, times[1:])]
        return statistics.median(gaps) if len(gaps) >= 3 else None

    def summary(self):
        """What has been done, for the end."""
        with self._lock:
            return {'said': self.n_said, 'rated': int(np.isfinite(self.journal.ratings).sum()),
                    'rejected': len(self.journal.rejected), 'pictures': len(self.X),
                    'seconds': time.monotonic() - self.started}


class StarSession(Session):

    """Pictures are rated one by one.

    Args:
        levels (int): Ratings are 1 to so many.
        score: Function that scores an array of rows by a trained model;
            ``None`` if there is none.
    """

    def __init__(self, X, journal, levels=5, score=None, seed=0):
        super().__init__(X, journal, seed)
        self.levels = levels
        self._score = score
        self._skipped = {}  # row: None, in the order in which they were skipped
        self._n_drawn = 0
        self._pool = self._draw_pool()
        self._index = {row: index for index, row in enumerate(self._pool.tolist())}
        self._queue = self._pool[self._is_open(self._pool)][:AHEAD].tolist()
        self._taste = None
        self._lesson = None
        self._learnt_from = None
        self._taken_in = set()
        self._predictions = None
        self.curve = []
        self.gain = None

    def _draw_pool(self):
        """Rows to choose from: all, or if they are many some that are rated and some that are not.
        """
        rows = self.rng.permutation(len(self.X))
        rated = np.isfinite(self.journal.ratings[rows])
        most_rated = max(POOL // 2, POOL - int((~rated).sum()))
        return np.concatenate([rows[~rated], rows[rated][:most_rated]])[-POOL:]

    def _is_open(self, rows):
        """Which of some rows have no rating, are faces, and were not skipped."""
        no_more = [*self.journal.rejected, *self._skipped]
        return np.isnan(self.journal.ratings[rows]) & ~np.isin(rows, no_more)

    def _prepare(self):
        descriptions = []
        for start in range(0, len(self._pool), 64):
            if self._is_over:
                return
            descriptions.append(describe(np.stack([
                np.asarray(plots.to_image(self.X[row])).transpose(2, 0, 1)  # HWC -> CHW
                for row in self._pool[start:start + 64]])))
            arrays.release(self.X)
            self._save()
        scores = self._score(self._pool) if self._score else None
        self._taste = rating_order.Taste(np.concatenate(descriptions), scores)

    def _think(self):
        if self._taste is None:
            return
        with self._lock:
            ratings = self.journal.ratings[self._pool]
        rated = np.flatnonzero(np.isfinite(ratings))
        said = ratings[rated].tobytes() + rated.tobytes()
        if said != self._learnt_from:
            self._learn(rated, ratings[rated])
            self._learnt_from = said
        self._choose_next(rated)

    def _learn(self, rated, ratings):
        lesson = self._taste.learn(rated, ratings)
        if not self.curve or abs(len(rated) - self.curve[-1][0]) >= CURVE_STEP:
            self.curve = self._measure_curve(rated)
        accuracy = lesson.pair_accuracy()
        with self._lock:
            self._lesson = lesson
            self._predictions = lesson.scores
            if not math.isnan(accuracy):
                n_open = len(self._pool) - len(rated)
                self.gain = lesson.expected_gain(min(MORE, n_open)) if n_open else 0

    def _measure_curve(self, rated):
        """Points (number of ratings, pair accuracy) of the ratings so far, in their order."""
        with self._lock:
            ratings = self.journal.ratings[self._pool]
            order = [self._index[row] for row in dict.fromkeys(reversed(self.journal.last_rows))
                     if row in self._index]
        known = set(rated.tolist())
        first = [index for index in rated.tolist() if index not in set(order)]
        order = np.array(first + [index for index in order if index in known], int)
        done = {n: accuracy for n, accuracy in self.curve if n < len(order)}
        for n in range(CURVE_STEP, len(order) + 1, max(CURVE_STEP, len(order) // 20)):
            if n not in done and not self._is_over:
                accuracy = self._taste.learn(order[:n], ratings[order[:n]]).pair_accuracy()
                if not math.isnan(accuracy):
                    done[n] = accuracy
        return sorted(done.items())

    def _choose_next(self, rated):
        """Fill the queue: the pictures that teach most, and now and then one that is liked."""
        new = [index for index in rated.tolist() if index not in self._taken_in]
        self._take_in(new)
        while not self._is_over:
            with self._lock:
                self._queue = [row for row, is_open in zip(
                    self._queue, self._is_open(np.array(self._queue, int))) if is_open]
                candidates = np.flatnonzero(self._is_open(self._pool)
                                            & ~np.isin(self._pool, self._queue))
                if len(self._queue) >= AHEAD or not len(candidates):
                    return
            index = self._choose(candidates, len(rated))
            self._n_drawn += 1
            self._take_in([index])
            with self._lock:
                self._queue.append(int(self._pool[index]))

    def _choose(self, candidates, n_rated):
        has_opinion = self._lesson is not None and (
            n_rated >= 2 * rating_order.FEWEST or self._score)
        if has_opinion and self._n_drawn % FAVOURITE_EVERY == FAVOURITE_EVERY - 1:
            return int(candidates[self._lesson.scores[candidates].argmax()])
        return self._taste.most_telling(candidates)

    def _take_in(self, indices):
        self._taste.take_in(indices)
        self._taken_in.update(indices)

    def rate(self, row, rating):
        """Rate a picture from 1 to ``levels``; ``None`` clears its rating."""
        with self._lock:
            self.journal.rate(row, rating)
            self._skipped.pop(row, None)
            self._has_spoken()

    def reject(self, row):
        """Say that a picture is no face."""
        with self._lock:
            self.journal.reject(row)
            self._has_spoken()

    def skip(self, row):
        """Show a picture again only when there is no other."""
        with self._lock:
            self._skipped[row] = None

    def undo(self):
        """Take the last rating back; returns its row, or ``None`` if there is none."""
        with self._lock:
            last = self.journal.undo()
            if last:
                self.n_said = max(0, self.n_said - 1)
                self._wake.set()
            return last and last.row

    def upcoming(self):
        """Rows to rate next, the next one first."""
        with self._lock:
            queue = np.array(self._queue, int)
            rows = queue[self._is_open(queue)].tolist()
            if not rows:  # keys come faster than thoughts, or the pool is empty
                left = np.flatnonzero(self._is_open(np.arange(len(self.X))))
                rows = self.rng.permutation(left)[:AHEAD].tolist()
            if not rows:
                waiting = np.array(list(self._skipped), int)
                rows = waiting[np.isnan(self.journal.ratings[waiting])].tolist()
            return rows[:AHEAD]

    def state(self):
        """What the page shows beside the pictures."""
        with self._lock:
            ratings = self.journal.ratings[np.isfinite(self.journal.ratings)]
            values, counts = np.unique(ratings, return_counts=True)
            n_open = len(self.X) - len(ratings) - len(self.journal.rejected)
            return {
                'rated': len(ratings), 'rejected': len(self.journal.rejected), 'left': n_open,
                'histogram': list(zip(values.tolist(), counts.tolist())), 'pace': self.pace(),
                'said': self.n_said, 'curve': self.curve, 'gain': self.gain,
                'more': min(MORE, n_open), 'upcoming': self.upcoming(), 'error': self.error}

    def ranking(self):
        """All rows, best first, in groups: those of each rating, the unrated, the rejected.

        Within a group they come as they are expected to be liked.

        Returns:
            list of tuple: Rating, ``None`` for unrated or ``'x'``, and rows.
        """
        with self._lock:
            expected = np.full(len(self.X), -np.inf)
            if self._predictions is not None:
                expected[self._pool] = self._predictions
            ratings = self.journal.ratings
            rejected = np.zeros(len(self.X), bool)
            rejected[list(self.journal.rejected)] = True
            order = np.argsort(-expected, kind='stable')
            groups = [(float(value), order[ratings[order] == value].tolist())
                      for value in np.unique(ratings[np.isfinite(ratings)])[::-1]]
            unrated = order[np.isnan(ratings[order]) & ~rejected[order]]
            groups += [(None, unrated.tolist()), ('x', np.flatnonzero(rejected).tolist())]
            return [(value, rows) for value, rows in groups if rows]


class PairSession(Session):

    """Pictures are compared, two at a time."""

    def __init__(self, X, journal, seed=0):
        super().__init__(X, journal, seed)
        self._ranking = comparisons.Ranking(len(X), self.rng.permutation(len(X)))
        self._ranking.fit(journal.comparisons)
        self._is_fitted = self._is_written = True

    def __exit__(self, *args):
        super().__exit__(*args)
        self._fit()
        self._save()

    def _think(self):
        """Fit all comparisons anew in a pause: a step for each is close, but not the best."""
        with self._lock:
            said = self.journal.comparisons
            is_paused = not self._times or time.monotonic() - self._times[-1] > PAUSE
        if self._is_fitted or not is_paused:
            return
        ranking = comparisons.Ranking(len(self.X), self._ranking.order)
        ranking.fit(said)
        with self._lock:
            if self.journal.comparisons == said:
                self._ranking, self._is_fitted, self._is_written = ranking, True, False

    def _before_writing(self):
        if not self._is_written:
            self.journal.set_all(self._ranking.ratings())
            self._is_written = True

    def _fit(self):
        self._ranking.fit(self.journal.comparisons)
        self._is_fitted, self._is_written = True, False

    def compare(self, left, right, better):
        """Say which of two pictures is better; ``None``: cannot tell."""
        with self._lock:
            self.journal.compare(left, right, better)
            self._ranking.add(left, right, better)
            self._is_fitted = self._is_written = False
            self._has_spoken()

    def place(self, row, above, below):
        """Put a picture between two others in the ranking; either may be ``None``."""
        with self._lock:
            for other, better in (above, above), (below, row):
                if other is not None and other != row:
                    self.compare(row, other, better)

    def undo(self):
        """Take the last comparison back; returns its two rows, or ``None`` if there is none."""
        with self._lock:
            last = self.journal.undo()
            if last:
                self.n_said = max(0, self.n_said - 1)
                self._fit()
                self._wake.set()
            return last and (last.left, last.right)

    def state(self):
        """What the page shows beside the pictures."""
        with self._lock:
            n_compared = int(np.isfinite(self._ranking.ratings()).sum())
            return {'rated': n_compared, 'compared': len(self.journal.comparisons),
                    'left': max(0, len(self.X) - n_compared), 'pace': self.pace(),
                    'said': self.n_said, 'pair': self._ranking.next_pair(),
                    'complete': self._ranking.is_complete(),
                    'expected_error': self._ranking.expected_error(), 'error': self.error}

    def ranking(self):
        """All rows, best first: one group of those compared, and one of the others."""
        with self._lock:
            ratings = self._ranking.ratings()
            compared = np.isfinite(ratings)
            order = np.argsort(-self._ranking.strengths, kind='stable')
            groups = [('ranked', order[compared[order]].tolist()),
                      (None, np.flatnonzero(~compared).tolist())]
            return [(value, rows) for value, rows in groups if rows]
