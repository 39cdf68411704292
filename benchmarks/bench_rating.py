"""How many ratings the order of rate.py saves, compared with a random order.

A simulated person gives the mean ratings of 60 people, with noise, rounded to
stars.  The Gaussian process of ``rate.py`` learns from the ratings in either
order and ranks pictures that were never shown; the rankings are compared with
the mean ratings, without noise.  With ``--model``, both orders start from a
model of the ratings of other groups of people's faces::

    python benchmarks/bench_rating.py [--model]
"""
import argparse
import os
import pathlib
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import bench_quality

import metrics
from picture_ranknet.pictures import descriptor
from picture_ranknet.rating import journal, order, stars

COUNTS = [15, 20, 30, 40, 60, 80, 100, 120, 160, 200]
MORE = [240, 320, 400]  # for the random order only, to see when it catches up
LEVELS = 5
GROUP = 'AF'  # with --model, the faces of this group are rated; the model knows the others


def order_of_rate_py(X, ratings, n, score, seed):
    """The order in which ``rate.py`` shows pictures to this person, made without threads."""
    with tempfile.TemporaryDirectory() as folder, journal.Journal(
            os.path.join(folder, 'ratings.txt'), len(X), '', levels=LEVELS) as said:
        session = stars.StarSession(X, said, score, seed, repeat_every=0)
        session._queue = []  # shown until the pictures have been described
        session._measure_curve = lambda rated: []  # slow, and does not change the order
        rows = []
        while len(rows) < n:
            session.think()
            row = session.upcoming()[0]
            session.rate(row, int(ratings[row]))
            rows.append(row)
        return rows


def measure(X, ratings, scores, seed, noise):
    """Pair accuracy on unseen pictures, in a random and our order, by the number of ratings."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(X))
    n = len(rows) * 4 // 5
    pool = rows[:n]
    rated = np.clip(np.rint(ratings[pool] + rng.normal(0, noise, n)), 1, LEVELS)
    score = None if scores is None else (lambda shown: scores[pool][shown])
    ours = np.array(order_of_rate_py(X[pool], rated, max(COUNTS), score, seed))
    taste = order.Taste(
        descriptor.describe(X[rows]), None if scores is None else scores[rows])

    def accuracies(in_order, counts):
        return [metrics.pair_accuracy(ratings[rows[n:]], taste.learn(
            in_order[:count], rated[in_order[:count]]).scores[n:]) for count in counts]

    return accuracies(rng.permutation(n), COUNTS + MORE), accuracies(ours, COUNTS)


def learn_from_others(X, ratings, are_others):
    """Scores of all pictures from the ratings of the other groups."""
    rows = np.flatnonzero(are_others)
    return order.Taste(descriptor.describe(X)).learn(rows, ratings[rows]).scores


def ratings_needed(accuracies, target):
    """Ratings in random order until pair accuracy stays above a target, interpolated."""
    counts = COUNTS + MORE
    above = np.flatnonzero(np.minimum.accumulate(accuracies[::-1])[::-1] >= target)
    if not len(above):
        return np.nan
    i = above[0]
    if i == 0:
        return counts[0]
    low, high = accuracies[i - 1:i + 1]
    return counts[i - 1] + (counts[i] - counts[i - 1]) * (target - low) / (high - low)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--data', type=pathlib.Path, default=pathlib.Path(
        os.environ.get('RANKNET_DATA', ROOT.parent / 'shared' / 'data')))
    parser.add_argument('--seeds', type=int, nargs=2, default=[100, 108], metavar=('FROM', 'TO'))
    parser.add_argument('--noise', type=float, default=.4, help='standard deviation in stars')
    parser.add_argument('--model', action='store_true',
                        help='start from a model of the ratings of other groups of people')
    args = parser.parse_args()
    X, ratings, groups = bench_quality.load_faces(args.data)
    scores = None
    if args.model:
        scores = learn_from_others(X, ratings, groups != GROUP)[groups == GROUP]
        X, ratings = X[groups == GROUP], ratings[groups == GROUP]
    curves = []
    for seed in range(*args.seeds):
        curves.append(measure(X, ratings, scores, seed, args.noise))
        print(f'# seed {seed}: {[np.round(c, 3).tolist() for c in curves[-1]]}', flush=True)
    at_random, ours = (np.array(one) for one in zip(*curves))
    print('| ratings | random order | rate.py | | as many at random | share |\n' + '|---' * 6 + '|')
    errors = (ours - at_random[:, :len(COUNTS)]).std(axis=0, ddof=1) / len(curves) ** .5
    for count, before, after, error in zip(COUNTS, at_random.mean(0), ours.mean(0), errors):
        as_many = ratings_needed(at_random.mean(axis=0), after)
        print(f'| {count} | {before:.3f} | {after:.3f} | {after - before:+.3f} ± {error:.3f} '
              f'| {as_many:.0f} | {count / as_many:.2f} |')


if __name__ == '__main__':
    main()
