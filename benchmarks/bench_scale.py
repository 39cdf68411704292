"""Memory, speed and waits for data of train.py and predict.py, up to a million pictures.

    python benchmarks/bench_scale.py [--n 10000 100000 1000000] [--parts steps train predict]

Makes sets of 80 x 80 pictures on disk (19.2 GB for the million), one after the
other, and lets each command read them from there, not from the system's cache,
in a process of its own.  On two cores the million takes half an hour, nearly
all of it for scoring; ``--n`` and ``--parts`` run it piece by piece, and
``steps`` is ``train.py`` up to where it scores all pictures.
"""
import argparse
import concurrent.futures
import contextlib
import io
import multiprocessing
import os
import pathlib
import re
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from picture_ranknet.storage import arrays

N_DRAWINGS = 256


def make_drawings(size, rng):
    """Discs before a plain ground, shape ``(N_DRAWINGS, 3, size, size)``."""
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
    """Write ``X.npy``, drawings in ever other colours, and ``ratings.txt``: red is better."""
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
    """Let the system drop what it keeps of a file, so that it is read from the disk."""
    with open(path, 'rb') as f:
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def peak_memory():
    """MB, of this process (Linux)."""
    return int(re.search(r'VmHWM:\s+(\d+)', pathlib.Path('/proc/self/status').read_text())[1]) / 1e3


def watch(owner, name):
    """Note how many seconds each call of a function takes, in the list that is returned."""
    function, times = getattr(owner, name), []

    def timed(*args, **kwargs):
        start = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            times.append(time.perf_counter() - start)

    setattr(owner, name, timed)
    return times


class Enough(Exception):

    """What is measured is over."""


def steps(folder, n, n_steps):
    """Run ``train.py`` here, until it would score all pictures."""
    from picture_ranknet.learning import trainer

    def score_pictures(model, pictures, rows=None, progress=None):
        if rows is None:
            raise Enough
        return score(model, pictures, rows)

    score, trainer.score_pictures = trainer.score_pictures, score_pictures
    return train(folder, n, n_steps)


def train(folder, n, n_steps):
    """Run ``train.py`` here."""
    import train as command
    from picture_ranknet.learning import trainer

    os.chdir(folder)
    reads = watch(trainer.BatchIterator, '__next__')
    updates = watch(trainer.training.updaters.StandardUpdater, 'update')
    lines = watch(trainer.Monitor, '__call__')
    scorings = watch(trainer, 'score_pictures')  # the last one is of all pictures
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(
            io.StringIO()), contextlib.suppress(Enough):
        start, is_whole = time.perf_counter(), False
        command.main(['X.npy', 'ratings.txt', '--n_iter', str(n_steps)])
        is_whole = True
    batchsize = trainer.Recipe().batchsize
    # The first batch is not read ahead, and Numba may have to compile then.
    return ['{:,.0f}'.format(peak_memory()),
            '{:,.0f}'.format(batchsize * len(updates[1:]) / sum(updates[1:])),
            '{:.2f}'.format(100 * sum(reads[1:]) / sum(updates[1:])),
            '{:.1f}'.format(np.mean(lines)),
            '{:,.0f}'.format(n / scorings[-1]) if is_whole else '',
            '{:,.0f}'.format(time.perf_counter() - start)]


def predict(folder, n, n_steps):
    """Run ``predict.py`` here, with an untrained model."""
    import net
    import predict as command
    from picture_ranknet.machine import threads
    from picture_ranknet.models import model_file

    os.chdir(folder)
    size = arrays.read_pictures('X.npy').shape[2:]
    np.random.seed(0)
    model_file.save('model.pkl', net.RankNet(net.CNN(size), size, 1 / 255))
    scorings = watch(command, 'score_pictures')
    waits = watch_reads(threads)
    with contextlib.redirect_stderr(io.StringIO()):
        start = time.perf_counter()
        command.main(['model.pkl', 'X.npy'])
    return ['{:,.0f}'.format(peak_memory()),
            '{:,.0f}'.format(n / scorings[-1]),
            '{:.2f}'.format(100 * sum(waits) / scorings[-1]),
            '{:,.0f}'.format(time.perf_counter() - start)]


def watch_reads(threads):
    """As :func:`watch`, of what is read ahead: how long each item is waited for."""
    read_ahead, times = threads.read_ahead, []

    def timed(read, items):
        inputs = read_ahead(read, items)
        while True:
            start = time.perf_counter()
            item = next(inputs, None)
            times.append(time.perf_counter() - start)
            if item is None:
                return
            yield item

    threads.read_ahead = timed
    return times


IN_TRAINING = ['peak MB', 'pictures a second in steps', 'waiting for data, %', 'seconds a line',
               'pictures a second in scoring', 'seconds in all']
COLUMNS = {
    steps: IN_TRAINING,
    train: IN_TRAINING,
    predict: ['peak MB', 'pictures a second', 'waiting for data, %', 'seconds in all'],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--n', type=int, nargs='+', default=[10000, 100000, 1000000])
    parser.add_argument('--size', type=int, default=80)
    parser.add_argument('--steps', type=int, default=300)
    parser.add_argument('--parts', nargs='+', default=['train', 'predict'],
                        choices=['steps', 'train', 'predict'])
    parser.add_argument('--folder', help='for the pictures; else where temporary files go')
    args = parser.parse_args()

    parts = [part for part in COLUMNS if part.__name__ in args.parts]
    for part in parts:
        print('|', part.__name__, '|', ' | '.join(COLUMNS[part]), '|')
    for n in args.n:
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            folder = pathlib.Path(folder)
            save_pictures(folder, n, args.size)
            for part in parts:
                forget(folder / 'X.npy')
                with concurrent.futures.ProcessPoolExecutor(
                        1, multiprocessing.get_context('spawn')) as process:
                    row = process.submit(part, folder, n, args.steps).result()
                print('| {}, {:,} |'.format(part.__name__, n), ' | '.join(row), '|', flush=True)


if __name__ == '__main__':
    main()
