"""Memory, speed and data loading time of train.py and predict.py, up to a million pictures.

    python benchmarks/bench_scale.py [--n 10000 100000 1000000] [--parts steps train predict]

Writes sets of 80 x 80 pictures to disk (19.2 GB for a million), one after the
other.  Each command runs in a process of its own and reads them from the disk,
not from the system's cache.  On two cores a million takes half an hour, nearly
all of it for scoring; use ``--n`` and ``--parts`` to run it in pieces.  The
part ``steps`` is ``train.py`` without the final scoring of all pictures;
``features``, ``head``, ``gallery`` and ``sorting`` are what else grows with the
number of pictures or ratings.
"""
import argparse
import concurrent.futures
import contextlib
import io
import multiprocessing
import os
import pathlib
import re
import shutil
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import metrics
from picture_ranknet.storage import arrays

N_DRAWINGS = 256


def make_drawings(size, rng):
    """Discs on a plain background, shape ``(N_DRAWINGS, 3, size, size)``."""
    y, x = np.mgrid[:size, :size] / size
    X = np.empty((N_DRAWINGS, 3, size, size), np.uint8)
    for img in X:
        img[...] = rng.integers(0, 190, (3, 1, 1))
        for _ in range(12):
            middle_y, middle_x, radius = rng.random(3) * (1, 1, .3)
            disc = (y - middle_y) ** 2 + (x - middle_x) ** 2 < radius ** 2
            img[:, disc] = rng.integers(0, 190, (3, 1))
    return X


def save_pictures(folder, n, size, blocksize=1000):
    """Write ``X.npy``, drawings in varying colours, and ``ratings.txt``: more red is better."""
    rng = np.random.default_rng(0)
    drawings = make_drawings(size, rng)
    ratings = rng.integers(1, 6, n)
    with open(folder / 'X.npy', 'wb') as f:
        np.lib.format.write_array_header_1_0(
            f, {'descr': '|u1', 'fortran_order': False, 'shape': (n, 3, size, size)})
        for start in range(0, n, blocksize):
            block = ratings[start:start + blocksize]
            X = drawings[rng.integers(0, N_DRAWINGS, len(block))]
            X += rng.integers(0, 15, (len(block), 3, 1, 1), np.uint8)
            X[:, 0] += (10 * block).astype(np.uint8)[:, None, None]
            f.write(X)
        os.fsync(f.fileno())
    np.savetxt(folder / 'ratings.txt', ratings, '%d')


def forget(path):
    """Drop a file from the system's cache, so that it is read from the disk."""
    with open(path, 'rb') as f:
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def peak_memory():
    """Peak memory of this process in MB (Linux)."""
    return int(re.search(r'VmHWM:\s+(\d+)', pathlib.Path('/proc/self/status').read_text())[1]) / 1e3


def watch(owner, name):
    """Time each call of a function; returns the list to which the seconds are added."""
    function, times = getattr(owner, name), []

    def timed(*args, **kwargs):
        start = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            times.append(time.perf_counter() - start)

    setattr(owner, name, timed)
    return times


def watch_items(owner, name):
    """As :func:`watch`, for a function that returns a generator: time each of its items."""
    function, times = getattr(owner, name), []

    def timed(*args, **kwargs):
        with contextlib.closing(function(*args, **kwargs)) as items:
            while True:
                start = time.perf_counter()
                item = next(items, None)
                times.append(time.perf_counter() - start)
                if item is None:
                    return
                yield item

    setattr(owner, name, timed)
    return times


class Done(Exception):

    """All that is measured has been done."""


def steps(folder, n, n_steps):
    """Run ``train.py`` here, up to the final scoring of all pictures."""
    from picture_ranknet.models import inference

    def score_rows(model, X, rows=None, *args, **kwargs):
        if rows is None:
            raise Done
        return score(model, X, rows, *args, **kwargs)

    score, inference.score = inference.score, score_rows
    return train(folder, n, n_steps)


def train(folder, n, n_steps):
    """Run ``train.py`` here."""
    import train as command
    from picture_ranknet.learning import batches, loop, monitor
    from picture_ranknet.learning.recipe import Recipe
    from picture_ranknet.models import inference

    os.chdir(folder)
    reads = watch_items(batches, 'batches')
    updates = watch_items(loop, 'learn')  # reads included
    lines = watch(monitor.Monitor, '__call__')
    scorings = watch(inference, 'score')  # the last one is of all pictures
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(
            io.StringIO()), contextlib.suppress(Done):
        start, is_whole = time.perf_counter(), False
        command.main(['X.npy', 'ratings.txt', '--n_iter', str(n_steps)])
        is_whole = True
    # Not the first step: its batch is not read ahead, and Numba may compile.
    reads, updates = sum(reads[1:]), sum(updates[1:])
    return [f'{peak_memory():,.0f}',
            f'{Recipe().batchsize * (n_steps - 1) / updates:,.0f}',
            f'{100 * reads / updates:.2f}',
            f'{np.mean(lines):.1f}',
            f'{n / scorings[-1]:,.0f}' if is_whole else '',
            f'{time.perf_counter() - start:,.0f}']


def predict(folder, n, n_steps):
    """Run ``predict.py`` here, with an untrained model."""
    import net
    import predict as command
    from picture_ranknet.machine import threads
    from picture_ranknet.models import inference, model_file

    os.chdir(folder)
    size = arrays.read_pictures('X.npy').shape[2:]
    np.random.seed(0)
    model_file.save('model.pkl', net.RankNet(net.CNN(size), size, 1 / 255))
    scorings = watch(inference, 'score')
    waits = watch_items(threads, 'read_ahead')
    with contextlib.redirect_stderr(io.StringIO()):
        start = time.perf_counter()
        command.main(['model.pkl', 'X.npy'])
    return [f'{peak_memory():,.0f}',
            f'{n / scorings[-1]:,.0f}',
            f'{100 * sum(waits) / scorings[-1]:.2f}',
            f'{time.perf_counter() - start:,.0f}']


def features(folder, n, n_steps):
    """Describe all pictures without a network, of which nothing depends on their number.

    With one, each takes as long as benchmarks/bench_pretrained.py says.
    """
    from picture_ranknet.models.pretrained import Pretrained

    X = arrays.read_pictures(str(folder / 'X.npy'))
    start = time.perf_counter()
    seen = Pretrained().see_set(X, 1 / 255)
    middle = time.perf_counter()
    kept = 'read from the disk' if isinstance(seen, np.memmap) else 'computed'
    Pretrained().see_set(X, 1 / 255)
    return [f'{peak_memory():,.0f}', f'{n / (middle - start):,.0f}', kept,
            f'{time.perf_counter() - middle:,.0f}']


def head(folder, n, n_steps):
    """Learn from ``n`` ratings, of made-up features as wide as those of EfficientNet-Lite0."""
    from picture_ranknet.learning import linear_ranknet, taste
    from picture_ranknet.models import sight

    rng = np.random.default_rng(0)
    likes, causes = rng.normal(size=20), rng.normal(size=(n, 20)).astype(np.float32)
    maps = [rng.normal(size=(20, width)).astype(np.float32) / (40 * width) ** .5
            for width in sight.SIZES.values()]
    noise = [(rng.normal(size=(4096, width)) / (2 * width) ** .5).astype(np.float16)
             for width in sight.SIZES.values()]  # or few numbers would tell all

    def features_of(i):
        return lambda rows: causes[rows] @ maps[i] + noise[i][rows % 4096]

    liked = causes @ likes
    ratings = np.clip(np.rint(3 + liked / liked.std() + rng.normal(scale=.5, size=n)), 1, 5)
    start = time.perf_counter()
    weights = linear_ranknet.learn(list(map(features_of, range(len(maps)))), ratings,
                                   taste.CHOICES)
    seconds = time.perf_counter() - start
    some = rng.permutation(n)[:5000]
    scores = sum(features_of(i)(some) @ w for i, w in enumerate(weights))
    return [f'{peak_memory():,.0f}', f'{metrics.pair_accuracy(liked[some], scores):.3f}',
            f'{seconds:,.0f}']


def gallery(folder, n, n_steps):
    """Write a gallery of all pictures."""
    from picture_ranknet.pictures import gallery as pages

    X = arrays.read_pictures(str(folder / 'X.npy'))
    start = time.perf_counter()
    pages.write(str(folder / 'gallery'), (
        pages.Entry(picture.transpose(1, 2, 0), f'{row:07}.jpg', -float(row), None, 3, .5)
        for row, picture in enumerate(arrays.walk(X))), 'Pictures')
    seconds = time.perf_counter() - start
    page = os.path.getsize(folder / 'gallery' / 'index.html')
    shutil.rmtree(folder / 'gallery')
    return [f'{peak_memory():,.0f}', f'{page / 1e6:,.1f}', f'{seconds:,.0f}']


def sorting(folder, n, n_steps):
    """Sort as many files into folders by stars, by links."""
    from picture_ranknet.storage import sorting as folders

    (folder / 'files').mkdir()
    paths = [str(folder / 'files' / f'{row:07}.jpg') for row in range(n)]
    for path in paths:
        open(path, 'w').close()
    start = time.perf_counter()
    folders.sort_into(str(folder / 'sorted'), folders.by_stars(
        paths, np.random.default_rng(0).integers(1, 6, n).tolist()))
    seconds = time.perf_counter() - start
    for name in 'files', 'sorted':
        shutil.rmtree(folder / name)
    return [f'{peak_memory():,.0f}', f'{seconds:,.0f}']


IN_TRAINING = ['peak MB', 'pictures a second in steps', 'waiting for data, %', 'seconds a line',
               'pictures a second in scoring', 'seconds in all']
COLUMNS = {
    steps: IN_TRAINING,
    train: IN_TRAINING,
    predict: ['peak MB', 'pictures a second', 'waiting for data, %', 'seconds in all'],
    features: ['peak MB', 'pictures a second', 'a second time', 'seconds of that'],
    head: ['peak MB', 'pair accuracy', 'seconds'],
    gallery: ['peak MB', 'MB of the page', 'seconds'],
    sorting: ['peak MB', 'seconds'],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--n', type=int, nargs='+', default=[10000, 100000, 1000000])
    parser.add_argument('--size', type=int, default=80)
    parser.add_argument('--steps', type=int, default=300)
    parser.add_argument('--parts', nargs='+', default=['train', 'predict'],
                        choices=[part.__name__ for part in COLUMNS])
    parser.add_argument('--folder', help='where to write the pictures (default: the folder of '
                                           'temporary files)')
    args = parser.parse_args()

    parts = [part for part in COLUMNS if part.__name__ in args.parts]
    for part in parts:
        print(f'| {part.__name__} | {" | ".join(COLUMNS[part])} |')
    for n in args.n:
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            folder = pathlib.Path(folder)
            save_pictures(folder, n, args.size)
            for part in parts:
                forget(folder / 'X.npy')
                with concurrent.futures.ProcessPoolExecutor(
                        1, multiprocessing.get_context('spawn')) as process:
                    row = process.submit(part, folder, n, args.steps).result()
                print(f'| {part.__name__}, {n:,} | {" | ".join(row)} |', flush=True)


if __name__ == '__main__':
    main()
