"""How many ratings rate.py's order saves: a simulated person rates in it, and at random.

The person's ratings are the mean ratings of 60 people, with noise, rounded to
stars.  From what has been rated, in either order, the same Gaussian process as
in ``rate.py`` learns, and ranks pictures that were never shown by the mean
ratings, without noise::

    python benchmarks/bench_rating.py
"""
import argparse
import os
import pathlib
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import bench_quality  # noqa: E402

import descriptor  # noqa: E402
import metrics  # noqa: E402
import rate_session  # noqa: E402
import rating_journal  # noqa: E402
import rating_order  # noqa: E402

COUNTS = [20, 30, 40, 60, 80, 100, 120, 160, 200, 240, 280, 320, 400]
TARGETS = [.70, .71, .72, .73, .74, .75, .76]
LEVELS = 5


def order_of_rate_py(X, stars, n, seed):
    """The rows in which ``rate.py`` shows pictures to this person; no thread, so no chance."""
    with tempfile.TemporaryDirectory() as folder, rating_journal.Journal(
            os.path.join(folder, 'ratings.txt'), len(X), '') as journal:
        session = rate_session.StarSession(X, journal, LEVELS, seed=seed)
        session._queue = []  # what is shown until the pictures have been looked at
        session._prepare()
        rows = []
        while len(rows) < n:
            session._think()
            row = session.upcoming()[0]
            session.rate(row, int(stars[row]))
            rows.append(row)
        return rows


def measure(X, ratings, seed, noise):
    """Pair accuracy on unseen pictures, in both orders, after each of ``COUNTS``."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(X))
    n = len(rows) * 4 // 5
    pool = rows[:n]
    stars = np.clip(np.rint(ratings[pool] + rng.normal(0, noise, n)), 1, LEVELS)
    orders = rng.permutation(n), np.array(order_of_rate_py(X[pool], stars, max(COUNTS), seed))
    taste = rating_order.Taste(descriptor.describe(X[rows]))  # of these and the unseen
    return [[metrics.pair_accuracy(ratings[rows[n:]], taste.learn(
        order[:count], stars[order[:count]]).scores[n:]) for count in COUNTS] for order in orders]


def ratings_needed(accuracies, target):
    """Where a mean curve comes to stay above a target, between the counts on a straight line."""
    above = np.flatnonzero(np.minimum.accumulate(accuracies[::-1])[::-1] >= target)
    if not len(above):
        return np.nan
    i = above[0]
    if i == 0:
        return COUNTS[0]
    low, high = accuracies[i - 1:i + 1]
    return COUNTS[i - 1] + (COUNTS[i] - COUNTS[i - 1]) * (target - low) / (high - low)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--data', type=pathlib.Path, default=pathlib.Path(
        os.environ.get('RANKNET_DATA', ROOT.parent / 'shared' / 'data')))
    parser.add_argument('--seeds', type=int, default=10)
    parser.add_argument('--noise', type=float, default=.4, help='deviation, in stars')
    args = parser.parse_args()
    X, ratings, _ = bench_quality.load_faces(args.data)
    curves = []
    for seed in range(args.seeds):
        curves.append(measure(X, ratings, seed, args.noise))
        print('# seed {}: {}'.format(seed, np.round(curves[-1], 3).tolist()), flush=True)
    at_random, ours = np.mean(curves, axis=0)
    print('| ratings | random order | rate.py | |\n|---|---|---|---|')
    errors = np.std(np.subtract(*np.swapaxes(curves, 0, 1)), axis=0, ddof=1) / np.sqrt(args.seeds)
    for count, before, after, error in zip(COUNTS, at_random, ours, errors):
        print('| {} | {:.3f} | {:.3f} | {:+.3f} ± {:.3f} |'.format(
            count, before, after, after - before, error))
    print('\n| pair accuracy | ratings at random | by rate.py | share |\n|---|---|---|---|')
    for target in TARGETS:
        needed = [ratings_needed(curve, target) for curve in (at_random, ours)]
        print('| {:.2f} | {:.0f} | {:.0f} | {:.2f} |'.format(
            target, *needed, needed[1] / needed[0]))


if __name__ == '__main__':
    main()
