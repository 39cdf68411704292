"""Held-out pair accuracy against wall time, for batch sizes and the article's loop.

    python benchmarks/bench_training.py [--data DIR] [--seeds 3] [--seconds 60]

Trains on 80 % of a folder of rated pictures (``ratings.csv`` with the columns
``file`` and ``mean_rating``) and measures on 200 of the others every few
seconds, with the clock stopped.  The runs of one seed follow each other, so
that a change of the machine's speed affects all of them.
"""
import argparse
import csv
import os
import pathlib
import sys
import time

import cv2
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer
import chainer.functions as F

import metrics
import net
from picture_ranknet.fast import availability, fused_adam
from picture_ranknet.learning import loop
from picture_ranknet.learning.recipe import ALPHA, Recipe
from picture_ranknet.storage import arrays

N_VALID = 200
LEVELS = .65, .70, .74


def load_rated_faces(folder):
    """Pictures, shape ``(N, 3, 80, 80)``, RGB, and their ratings."""
    with open(folder / 'ratings.csv', newline='', encoding='utf-8') as f:
        rows = list(csv.DictReader(f))
    X = np.stack([cv2.imread(str(folder / row['file']))[:, :, ::-1].transpose(2, 0, 1)
                  for row in rows])  # HWC, BGR -> CHW, RGB
    return X, np.array([float(row['mean_rating']) for row in rows])


def articles_loop(model, pictures, seed):
    """The article's training, one pair per step, written for Chainer 7 and with its layers."""
    availability.use(False)
    rng = np.random.RandomState(seed)
    X = pictures.X[pictures.rows].astype(np.float32) * np.float32(1 / 255)
    y = pictures.ratings[pictures.rows]
    optimizer = chainer.optimizers.Adam()
    optimizer.setup(model)
    while True:
        i, j = rng.randint(len(X), size=2)
        d = model.predictor(X[i:i + 1]) - model.predictor(X[j:j + 1])
        S = np.sign(y[i] - y[j]).astype(np.float32)
        loss = (1 - S) * d / 2 + F.log(1 + F.exp(-d))
        model.cleargrads()
        loss.backward()
        optimizer.update()
        yield


def our_loop(batchsize):
    """Training as ``train.py --schedule constant --augment 0 --no_mirror`` does it."""
    recipe = Recipe(10 ** 9, batchsize, schedule='constant', augment=0, mirror=False)

    def steps(model, pictures, seed):
        availability.use(True)
        optimizer = fused_adam.Adam(ALPHA).setup(model)
        return loop.learn(model, optimizer, pictures, recipe._replace(seed=seed))
    return steps


def follow(start_training, pictures, valid, seed, seconds):
    """Train for a while; returns (seconds, steps, held-out pair accuracy) at each measurement."""
    np.random.seed(seed)
    model = net.RankNet(net.CNN(), (80, 80), 1 / 255)
    steps = start_training(model, pictures, seed)
    next(steps)  # warms up allocations and caches
    curve, spent, n_steps, pause = [], 0, 0, seconds / 12
    while spent < seconds:
        start = time.perf_counter()
        while time.perf_counter() - start < pause:
            next(steps)
            n_steps += 1
        spent += time.perf_counter() - start
        scores = model.score(valid.X, valid.rows)
        curve.append((spent, n_steps, metrics.pair_accuracy(valid.ratings[valid.rows], scores)))
    return curve


def time_to_reach(curve, level):
    return next((spent for spent, _, accuracy in curve if accuracy >= level), np.inf)


def format_time(times):
    median = np.median(times)
    return f'{median:6.1f}' if np.isfinite(median) else ' never'


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--data', type=pathlib.Path, default=pathlib.Path(
        os.environ.get('RANKNET_DATA', ROOT.parent / 'shared' / 'data')))
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--seconds', type=float, default=60, help='training time of each run')
    parser.add_argument('--batchsizes', type=int, nargs='+', default=[2, 8, 16, 32, 64, 128])
    args = parser.parse_args()

    X, ratings = load_rated_faces(args.data / 'rated_faces')
    loops = {"the article's": articles_loop}
    loops.update((f'-b {b}', our_loop(b)) for b in args.batchsizes)
    curves = {name: [] for name in loops}
    for seed in range(args.seeds):
        rows = np.random.default_rng(seed).permutation(len(X))
        n_train = len(X) * 4 // 5
        pictures = arrays.RatedPictures(X, ratings, rows[:n_train])
        valid = arrays.RatedPictures(X, ratings, rows[n_train:n_train + N_VALID])
        for name, start_training in loops.items():
            curve = follow(start_training, pictures, valid, seed, args.seconds)
            curves[name].append(curve)
            print(f'# seed {seed} {name}: {curve[-1][2]:.4f}', flush=True)

    levels = ' '.join(f'{100 * level:5.0f} %' for level in LEVELS)
    at_the_end = f'at {args.seconds:.0f} s'
    print(f'{"loop":14} {"ms/step":>8} {levels} {at_the_end:>10} {"best":>6}')
    for name, runs in curves.items():
        step = np.median([1000 * run[-1][0] / run[-1][1] for run in runs])
        times = ' '.join(f'{format_time([time_to_reach(run, level) for run in runs]):>7}'
                         for level in LEVELS)
        last = np.median([run[-1][2] for run in runs])
        best = np.median([max(point[2] for point in run) for run in runs])
        print(f'{name:14} {step:8.0f} {times} {last:10.3f} {best:6.3f}')


if __name__ == '__main__':
    main()
