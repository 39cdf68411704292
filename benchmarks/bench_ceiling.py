"""How well a person's ratings are predicted by the same person, a crowd and another person.

    python benchmarks/bench_ceiling.py [--data DIR]

Some pictures of the set ``one_person`` are there twice, and some people have rated both, so
that their first rating is a prediction of the second.  Two pictures count as the same if
their thumbnails, grey, correlate by more than ``SAME``.
"""
import argparse
import csv
import os
import pathlib
import sys

import cv2
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import metrics

SAME = .99
THUMBNAIL = 16     # pixels
N_PEOPLE = 15
LEAST_COMMON = 50  # pictures that two people have rated, to be compared
LEAST_OF_A_HALF = 3  # people who have rated a picture
HALVES = 200       # ways to divide the people in two


def load(folder):
    """Ratings of single people, shape ``(N, 15)``, and of the crowd, and the pictures' files."""
    with open(folder / 'ratings.csv', newline='', encoding='utf-8') as f:
        rows = list(csv.DictReader(f))
    people = np.array([[float(row[f'p{i + 1:02}'] or 'nan') for i in range(N_PEOPLE)]
                       for row in rows])
    crowd = np.array([float(row['crowd'] or 'nan') for row in rows])
    return people, crowd, [folder / row['file'] for row in rows]


def same_pictures(files):
    """Pairs of rows with the same picture, as two arrays."""
    seen = np.stack([cv2.resize(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE),
                                (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA).ravel()
                     for file in files]).astype(np.float64)
    return np.nonzero(np.triu(np.corrcoef(seen) > SAME, 1))


def compare(name, pairs):
    """Print the mean and the standard deviation over pairs of ratings and predictions."""
    found = np.array([[measure(*pair) for measure in (metrics.spearman, metrics.pair_accuracy)]
                      for pair in pairs])
    (rho, accuracy), spread = found.mean(axis=0), found.std(axis=0, ddof=1)
    print(f'{name}: Spearman {rho:.3f} ± {spread[0]:.3f}, pairs {accuracy:.3f} ± {spread[1]:.3f} '
          f'({len(found)})')


def common(*ratings):
    """The ratings of the pictures that all have rated."""
    known = ~np.isnan(ratings).any(axis=0)
    return [values[known] for values in ratings]


def repeated(people, first, second):
    """Print how a person's two ratings of one picture agree."""
    standard = (people - np.nanmean(people, axis=0)) / np.nanstd(people, axis=0)
    a, b = standard[first], standard[second]
    both = ~np.isnan(a) & ~np.isnan(b)
    x, y = a[both], b[both]
    draws = np.random.default_rng(0).integers(len(x), size=(1000, len(x)))
    low, high = np.percentile([np.corrcoef(x[some], y[some])[0, 1] for some in draws], [2.5, 97.5])
    right = pairs = 0
    for person in np.flatnonzero(both.sum(axis=0) > 1):
        was, is_now = (side[both[:, person], person] for side in (a, b))
        apart = np.triu(was[:, None] != was, 1)
        agree = np.sign(was[:, None] - was) * np.sign(is_now[:, None] - is_now)
        right += (.5 + agree[apart] / 2).sum()
        pairs += apart.sum()
    print(f'a person, twice: {len(first)} pictures, {len(x)} ratings of '
          f'{both.any(axis=0).sum()} people: Pearson {np.corrcoef(x, y)[0, 1]:.3f} '
          f'({low:.2f} to {high:.2f}), Spearman {metrics.spearman(x, y):.3f}, '
          f'{right / pairs:.3f} of {pairs} pairs')


def halves(people):
    """Print how the mean ratings of half of the people and of the others agree."""
    rng, found = np.random.default_rng(0), []
    for _ in range(HALVES):
        order = rng.permutation(N_PEOPLE)
        parts = [people[:, some] for some in np.array_split(order, 2)]
        known = np.all([(~np.isnan(part)).sum(axis=1) >= LEAST_OF_A_HALF for part in parts], axis=0)
        found.append(metrics.spearman(*(np.nanmean(part[known], axis=1) for part in parts)))
    rho = np.mean(found)
    print(f'the mean of half of the people, of the others: Spearman {rho:.3f}; of all, by '
          f'Spearman and Brown {2 * rho / (1 + rho):.3f}')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--data', type=pathlib.Path, default=pathlib.Path(
        os.environ.get('RANKNET_DATA', ROOT.parent / 'shared' / 'data')))
    args = parser.parse_args()
    people, crowd, files = load(args.data / 'one_person')
    repeated(people, *same_pictures(files))
    compare('the crowd', [common(ratings, crowd) for ratings in people.T])
    pairs = [common(a, b) for i, a in enumerate(people.T) for j, b in enumerate(people.T) if i != j]
    compare('another person', [pair for pair in pairs if len(pair[0]) >= LEAST_COMMON])
    halves(people)


if __name__ == '__main__':
    main()
