"""Peak memory and speed of predict.py as the number of pictures grows.

    python benchmarks/bench_memory.py [--size 80] [--n 1000 10000 50000]

Writes an untrained model and sets of random pictures, runs ``predict.py`` on each
in a process of its own, and prints the peak memory of that process (Linux).
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import net
from picture_ranknet.models import model_file


def save_pictures(path, n, size, blocksize=1000):
    rng = np.random.default_rng(0)
    X = np.lib.format.open_memmap(path, 'w+', np.uint8, (n, 3, size, size))
    for start in range(0, n, blocksize):
        block = X[start:start + blocksize]
        block[...] = rng.integers(0, 256, block.shape, np.uint8)
    X.flush()


def measure(folder):
    """Run predict.py there; returns seconds and MiB."""
    # VmHWM is the peak of the process itself; ru_maxrss may be inherited from its parent.
    script = ('import re, predict; predict.main(["model.pkl", "X.npy"]);'
              'print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])')
    start = time.perf_counter()
    peak = subprocess.run([sys.executable, '-c', script], cwd=folder, check=True,
                          env=dict(os.environ, PYTHONPATH=str(ROOT)), stdout=subprocess.PIPE)
    return time.perf_counter() - start, int(peak.stdout) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--size', type=int, default=80)
    parser.add_argument('--n', type=int, nargs='+', default=[1000, 10000, 50000])
    args = parser.parse_args()

    size = args.size, args.size
    print('  pictures  X.npy MiB   peak MiB     pictures/s')
    with tempfile.TemporaryDirectory() as folder:
        model = net.RankNet(net.CNN(size), size, 1 / 255)
        model_file.save(os.path.join(folder, 'model.pkl'), model)
        for n in args.n:
            path = os.path.join(folder, 'X.npy')
            save_pictures(path, n, args.size)
            seconds, peak = measure(folder)
            size_on_disk = os.path.getsize(path) / 2 ** 20
            print(f'{n:10,} {size_on_disk:10,.0f} {peak:10,.0f} {n / seconds:14,.0f}', flush=True)


if __name__ == '__main__':
    main()
