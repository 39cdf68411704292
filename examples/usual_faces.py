"""Feature statistics of typical faces, by which ``crop_faces.py --characters`` standardises.

    python examples/usual_faces.py X.npy picture_ranknet/models/usual_faces.npy

X.npy holds a few hundred faces of different characters, by ``crop_faces.py``;
the existing file was made from the anime frames of benchmarks/bench_variety.py.
The result, float16, shape (2, 1040), is the mean and the standard deviation of
each feature of :mod:`picture_ranknet.models.glance`.
"""
import argparse

import numpy as np

from picture_ranknet.models import glance
from picture_ranknet.storage import arrays, atomic


def measure(X):
    """Mean and standard deviation of features of pictures, float16, shape ``(2, LOOK)``."""
    see = glance.open_raw_eye()
    seen = np.concatenate([see(X[i:i + 64]) for i in range(0, len(X), 64)])
    return np.stack([seen.mean(axis=0), seen.std(axis=0)]).astype(np.float16)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('faces', metavar='X.npy')
    parser.add_argument('usual', metavar='usual_faces.npy')
    args = parser.parse_args(argv)
    with atomic.replacing(args.usual) as part, open(part, 'wb') as f:
        np.save(f, measure(arrays.read_pictures(args.faces)))


if __name__ == '__main__':
    main()
