"""Whether --most keeps diverse faces, and --characters tells characters apart.

    python benchmarks/bench_variety.py [--data DIR] [--parts most characters held_out]

``most``: faces that ``crop_faces.py`` finds in the demo's film of nine drawn
characters, and in the real frames of ``cartoon_faces``, some of them false
positives.  Of these, ``--most N`` against as many at random, and against the
most confident and sharpest.

``characters``: ``--characters`` against who is drawn in two films of the demo
and two of another seed, nine characters each.  F1 is that of pairs of faces,
ARI the adjusted Rand index (Hubert and Arabie, *Comparing partitions*, Journal
of Classification 2, 1985).  Into how many it divides the girl whom a real film
shows from in front and from the side, and what it groups of real frames.

``held_out``: pair accuracy of ``train.py --arch pretrained --valid_ratio .25``
on the drawn cast, by scene and track, by ``--characters`` and by character.
"""
import argparse
import collections
import csv
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'examples')]

import rate_cast
from picture_ranknet.faces.choice import KEPT
from picture_ranknet.faces.store import Face
from picture_ranknet.faces.variety import thin_out, weigh
from picture_ranknet.models import glance
from picture_ranknet.storage import arrays

FACE_TO_HEAD = 1.45  # our boxes are larger than those of cartoon_faces


def run(*args):
    return subprocess.run([sys.executable, *map(str, args)], cwd=ROOT, check=True, text=True,
                          capture_output=True).stdout


def crop(folder, name, source, *options):
    """Pictures and table of the faces that ``crop_faces.py`` finds."""
    path = folder / f'{name}.npy'
    run('crop_faces.py', source, '-o', path, *options)
    with open(path.with_suffix('.csv'), newline='', encoding='utf-8') as f:
        return arrays.read_pictures(path), list(csv.DictReader(f))


def who(rows, cast):
    """The character of each face that was found; ``None``: it is none."""
    drawn = {}
    with open(cast, newline='', encoding='utf-8') as f:
        for row in csv.DictReader(f):
            drawn.setdefault(row['frame'], []).append((box(row), row['character']))
    best = [max((rate_cast.intersection_over_union(box(row), other), name)
                for other, name in drawn[row['frame']]) for row in rows]
    return np.array([name if overlap >= rate_cast.OVERLAP else None for overlap, name in best])


def box(row):
    return [float(row[side]) for side in 'xywh']


# --most

def show_most(title, X, rows, numbers, measures):
    """A table: measures, which are functions of row numbers, of what each method keeps."""
    faces = [Face(0, '', 0, None, 0, 0, *map(int, box(row)), float(row['confidence']),
                  float(row['sharpness'])) for row in rows]
    alike = [face._replace(confidence=None, sharpness=1, w=1, h=1) for face in faces]
    weights = weigh(faces)
    rng = np.random.default_rng(0)
    print(f'\n{title}, {len(X)} faces\n\n| kept | how | {" | ".join(measures)} |\n|---|---'
          + '|---' * len(measures) + '|')
    for n in numbers:
        ways = {'`--most`': [most(faces, X, n)], 'without weights': [most(alike, X, n)],
                'at random': [rng.permutation(len(X))[:n] for _ in range(50)],
                'most confident and sharpest': [np.argsort(-weights, kind='stable')[:n]]}
        for way, choices in ways.items():
            values = [np.mean([measure(kept) for kept in choices]) for measure in measures.values()]
            print(f'| {n} | {way} | ' + ' | '.join(f'{value:.3g}' for value in values) + ' |',
                  flush=True)


def most(faces, X, n):
    reasons = thin_out(faces, [KEPT] * len(X), X, n, X[:0])
    return np.flatnonzero([reason == KEPT for reason in reasons])


def measure_most(folder, data):
    X, rows = crop(folder, 'most', folder / 'cast' / 'train.mp4')
    names = who(rows, folder / 'cast' / 'train_cast.csv')
    scenes = np.array([re.match('s[0-9]+', row['group'])[0] + str(name)
                       for row, name in zip(rows, names)])
    show_most('the drawn cast', X, rows, (18, 36, 54), {
        'characters': lambda kept: len(set(names[kept])),
        'characters, each scene by itself': lambda kept: len(set(scenes[kept]))})

    X, rows = crop(folder, 'real', data / 'cartoon_faces')
    with open(data / 'cartoon_faces' / 'boxes.json', encoding='utf-8') as f:
        marked = {entry['file']: entry['faces'] for entry in json.load(f)}
    is_false = np.array([
        max((rate_cast.intersection_over_union(box(row), head(face))
             for face in marked[os.path.basename(row['source'])]), default=0) < .3 for row in rows])
    sharpness = np.array([float(row['sharpness']) for row in rows])
    see = glance.open_eye()
    seen = standardize(np.concatenate([see(X[i:i + 64]) for i in range(0, len(X), 64)]))
    show_most('frames of films and series', X, rows, (60, 150, 300), {
        'false positives': lambda kept: is_false[kept].mean(),
        'distance to the nearest': lambda kept: nearest(seen[kept]).mean(),
        'sharpness': lambda kept: sharpness[kept].mean()})


def head(face):
    """x, y, w, h as ours, of x0, y0, x1, y1 from the fringe to the chin."""
    x0, y0, x1, y1 = face
    side = FACE_TO_HEAD * max(x1 - x0, y1 - y0)
    return (x0 + x1 - side) / 2, y1 - .95 * side, side, side


def standardize(seen):
    bent = np.arctan((seen - seen.mean(axis=0)) / (seen.std(axis=0) + 1e-6))
    return bent / np.linalg.norm(bent, axis=1, keepdims=True)


def nearest(seen):
    cosines = seen @ seen.T
    np.fill_diagonal(cosines, -1)
    return 1 - cosines.max(axis=1)


# Characters

def measure_characters(folder, data):
    run('examples/draw_cast.py', folder / 'other', '--seed', 1)
    print('\n| film | margin | faces | groups | F1 | ARI | purity |\n|---' + '|---' * 6 + '|')
    for cast, (film, margin) in itertools.product(('cast', 'other'), itertools.product(
            ('train', 'test'), (0, .25))):
        _, rows = crop(folder, f'{cast}{film}{margin}', folder / cast / f'{film}.mp4', '--margin',
                       margin, '--characters')
        names = who(rows, folder / cast / f'{film}_cast.csv')
        groups = np.array([row['character'] for row in rows])
        values = ' | '.join(f'{value:.2f}' for value in compare(names, groups))
        print(f'| {film}.mp4, seed {int(cast == "other")} | {margin} | {len(rows)} | '
              f'{len(set(groups))} | {values} |', flush=True)

    _, rows = crop(folder, 'girl', data / 'clips' / 'anime_1080p.mp4', '--fps', 6,
                   '--keep_duplicates', '--characters')
    print(f'\nthe girl of the real film: {len({row["group"] for row in rows})} tracks, '
          f'{len({row["character"] for row in rows})} groups')
    _, rows = crop(folder, 'frames', data / 'cartoon_faces', '--characters')
    sizes = collections.Counter(collections.Counter(row['character'] for row in rows).values())
    print(f'{len(rows)} faces of real frames: {sum(sizes.values())} groups; of 2 faces and more: '
          + ', '.join(f'{n} of {size}' for size, n in sorted(sizes.items()) if size > 1))


def compare(names, groups):
    """F1 of pairs, adjusted Rand index and purity."""
    names = np.array([name or f'none {i}' for i, name in enumerate(names)])
    above = np.triu_indices(len(names), 1)
    same, together = ((labels[:, None] == labels)[above] for labels in (names, groups))
    both, expected = (same & together).sum(), same.sum() * together.mean()
    mean = (same.sum() + together.sum()) / 2
    purity = sum(np.unique(names[groups == group], return_counts=True)[1].max()
                 for group in np.unique(groups)) / len(names)
    return both / mean, (both - expected) / (mean - expected), purity


# Held out

def measure_held_out(folder, _):
    X, rows = crop(folder, 'rated', folder / 'cast' / 'train.mp4', '--characters')
    path, cast = folder / 'rated.csv', folder / 'cast' / 'train_cast.csv'
    run('examples/rate_cast.py', path, cast, folder / 'r.txt')
    with open(path, 'w', newline='', encoding='utf-8') as f:
        writer = csv.DictWriter(f, [*rows[0], 'drawn'])
        writer.writeheader()
        writer.writerows({**row, 'drawn': name} for row, name in zip(rows, who(rows, cast)))
    print(f'\n{len(X)} faces of 9 characters\n\n| held out by | pair accuracy, seeds 0 to 4 | mean '
          '|\n|---|---|---|')
    for column in 'group', 'character', 'drawn':
        found = []
        for seed in range(5):
            run('train.py', folder / 'rated.npy', folder / 'r.txt', '--arch', 'pretrained',
                '--valid_ratio', .25, '--valid_by', column, '--seed', seed, '-o', folder / 'result',
                '-om', folder / 'm.pkl', '-op', folder / 'p.txt')
            with open(folder / 'result' / 'metrics.csv', newline='', encoding='utf-8') as f:
                found += [float(row['value']) for row in csv.DictReader(f)
                          if (row['pictures'], row['metric']) == ('valid', 'pair accuracy')]
        print(f'| {column} | {", ".join(f"{value:.2f}" for value in found)} | '
              f'{np.mean(found):.2f} |', flush=True)


PARTS = {'most': measure_most, 'characters': measure_characters, 'held_out': measure_held_out}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--data', type=pathlib.Path, default=pathlib.Path(
        os.environ.get('RANKNET_DATA', ROOT.parent / 'shared' / 'data')))
    parser.add_argument('--parts', nargs='+', default=list(PARTS), choices=PARTS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        run('examples/draw_cast.py', folder / 'cast')
        for name in args.parts:
            PARTS[name](folder, args.data.resolve())


if __name__ == '__main__':
    main()
