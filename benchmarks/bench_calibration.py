"""Whether the probabilities, stars and thresholds of predict.py hold on unseen pictures.

    python benchmarks/bench_calibration.py [--data DIR] [--sets ...] [--seeds 5]

As in ``train.py --arch pretrained``, a model is trained on some ratings, and
scores from five-fold cross-validation calibrate the person's stars.  Then all
other pictures are scored, and the predictions of ``predict.py`` are compared
with the real ratings.  All ratings are stars: those of single people, 1 to 10,
and means of 60 people, 1 to 5, are stretched to 1 to 5 and rounded, as
``predict.py`` does.

The sets, as of bench_quality.py: ``one_person``, 15 single people, each a run;
``faces``, mean ratings, a run for each seed.
"""
import argparse
import os
import pathlib
import sys
import tempfile
from typing import NamedTuple

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]

import bench_quality

from picture_ranknet.learning import taste
from picture_ranknet.models.calibration import LIKED, STARS, Scale, to_stars
from picture_ranknet.models.scoring import ARTICLE_SCALE
from picture_ranknet.storage import arrays

NUMBERS = {'one_person': (30, 100, 277), 'faces': (100, 277, 1000)}
BINS = np.arange(0, 1.01, .2)
SHARES = .5, .8


class Run(NamedTuple):
    """Unseen pictures of one run, and the scale that its held-out pictures gave.

    ``scores`` and ``stars`` have shape ``(M,)``.
    """

    scale: Scale
    scores: np.ndarray
    stars: np.ndarray


def measure(X, stars, rated, n, seed):
    """Train on ``n`` of the rated pictures; the others are unseen."""
    rows = np.sort(np.random.default_rng(seed).permutation(rated)[:n])
    unseen = np.setdiff1d(rated, rows)
    model = taste.make(X.shape[2:], ARTICLE_SCALE)
    task = taste.Task(model, X, rows, stars[rows].astype(float), seed=seed)
    task.learn()
    held_out = task.score_held_out()
    is_known = np.isfinite(held_out)
    scale = Scale(held_out[is_known], stars[rows][is_known])
    return Run(scale, model.score(X, unseen), stars[unseen])


def show(runs):
    """Print three tables of predictions and outcomes."""
    said = np.concatenate([run.scale.probability(run.scores) for run in runs])
    liked = np.concatenate([run.stars for run in runs]) >= LIKED
    usual = np.concatenate([np.full(len(run.stars), np.mean(run.scale.stars_given >= LIKED))
                            for run in runs])
    print('\n| probability said | pictures | mean said | rated 4 or better |\n|---|---|---|---|')
    error = 0
    for low, high in zip(BINS, BINS[1:]):
        here = (said >= low) & ((said < high) | (high == 1))
        if here.any():
            error += abs(said[here].mean() - liked[here].mean()) * here.mean()
            print(f'| {low:.1f} to {high:.1f} | {here.sum():,} | {said[here].mean():.3f} | '
                  f'{liked[here].mean():.3f} |')
    print(f'\nmean distance: {error:.3f}; Brier score {np.mean((said - liked) ** 2):.4f}, of the '
          f'usual share alone {np.mean((usual - liked) ** 2):.4f}')
    given = np.concatenate([run.stars for run in runs])
    predicted = np.concatenate([run.scale.stars(run.scores) for run in runs])
    print('\n| stars | ' + ' | '.join(map(str, range(1, STARS + 1))) + ' |\n|---' + '|---' * STARS
          + '|')
    for name, values in ('given', given), ('predicted', predicted):
        print(f'| {name} | ' + ' | '.join(f'{np.mean(values == k):.3f}'
                                          for k in range(1, STARS + 1)) + ' |')
    print(f'\nthe same: {np.mean(given == predicted):.3f}, one apart at most: '
          f'{np.mean(abs(given - predicted) <= 1):.3f}')
    print('\n| --keep | runs with a threshold | kept | rated 4 or better of these | '
          'within the interval |\n|---|---|---|---|---|')
    for share in SHARES:
        show_keep(runs, share)


def show_keep(runs, share):
    kept, shares, inside = [], [], []
    for run in runs:
        threshold = run.scale.keep(share)
        if threshold is None:
            continue
        is_kept = run.scores >= threshold.score
        kept.append(is_kept.mean())
        if is_kept.any():
            shares.append(np.mean(run.stars[is_kept] >= LIKED))
            inside.append(threshold.low <= shares[-1] <= threshold.high)
    means = ' | '.join(f'{np.mean(values):.2f}' if values else '' for values in (kept, shares))
    print(f'| {share:g} | {len(kept)} of {len(runs)} | {means} | {sum(inside)} of {len(inside)} |')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--data', type=pathlib.Path, default=os.environ.get(
        'RANKNET_DATA', ROOT.parent / 'shared' / 'data'))
    parser.add_argument('--sets', nargs='+', default=list(NUMBERS), choices=NUMBERS)
    parser.add_argument('--seeds', type=int, default=5)
    args = parser.parse_args()
    for name in args.sets:
        if name == 'one_person':
            X, people = bench_quality.load_people(pathlib.Path(args.data))
            columns = [people[f'p{k + 1:02}'] for k in range(bench_quality.N_PEOPLE)]
        else:
            X, ratings, _ = bench_quality.load_faces(pathlib.Path(args.data))
            columns = [ratings] * args.seeds
        with tempfile.TemporaryDirectory() as folder:  # what is seen of it is kept beside it
            path = os.path.join(folder, 'X.npy')
            np.save(path, X)
            X = arrays.read_pictures(path)
            for n in NUMBERS[name]:
                print(f'\n### {name}, {n} ratings', flush=True)
                runs = []
                for seed, ratings in enumerate(columns):
                    rated = np.flatnonzero(~np.isnan(ratings))
                    stars = np.zeros(len(X), int)
                    stars[rated] = to_stars(ratings[rated])
                    runs.append(measure(X, stars, rated, n, seed))
                show(runs)


if __name__ == '__main__':
    main()
