"""Our cascade, alone and with its second look, against the classic one.

    python benchmarks/bench_cascade.py [--data DIR] [--classic XML] [--ours XML]

Measures the faces found in pictures with hand-made boxes, for each long side
that a picture is shrunk to and each number of neighbours; then portraits with
exactly one finding, false faces where there are none, and the frames of a film
with a face.  All detectors take turns on each picture, so that a change of the
machine's speed affects all of them.

By the rule *IoU*, a face is found if a box has an IoU of at least 0.5 with it;
by *centre*, if a box of half to twice its side has its middle in it.  A second
box on a face is a false one; a box on a face that the table says to ignore,
since the border cuts it, does not count.
"""
import argparse
import json
import os
import pathlib
import sys
import time

import cv2
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from picture_ranknet.console import messages
from picture_ranknet.faces import boxes as overlaps
from picture_ranknet.faces.detector import FaceDetector, find_default_cascade
from picture_ranknet.faces.settings import Search
from picture_ranknet.pictures import frames

SIDES = 160, 220, 320, 480
NEIGHBORS = {'classic': (1, 2, 3, 5), 'ours, in OpenCV': (3, 5, 8, 12),
             'ours, second look': (2, 3, 5, 8)}
EVERY = 4  # frame of a film


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--data', type=pathlib.Path, default=pathlib.Path(
        os.environ.get('RANKNET_DATA', ROOT.parent / 'shared' / 'data')))
    parser.add_argument('--classic', help='default: lbpcascade_animeface.xml in --data')
    parser.add_argument('--ours', default=find_default_cascade())
    args = parser.parse_args()
    classic = args.classic or str(args.data / 'lbpcascade_animeface.xml')
    cascades = {'classic': classic, 'ours, in OpenCV': args.ours, 'ours, second look': args.ours}

    best = heads(args.data / 'anime_heads', cascades)
    print()
    counts(args.data, cascades, best)


def make_detector(name, path, side, neighbors):
    """A detector, or, for OpenCV alone, the one without its second look."""
    detect = FaceDetector(Search(path, min_neighbors=neighbors, long_side=side))
    if name == 'ours, in OpenCV':
        detect.second_look = None
    return detect


def heads(folder, cascades):
    """Print how well faces are found; return the best (side, neighbours) of each detector."""
    table = json.loads((folder / 'boxes.json').read_text(encoding='utf-8'))
    imgs = [cv2.imread(str(folder / row['file'])) for row in table]
    settings = [(name, side, n) for side in SIDES for name in cascades for n in NEIGHBORS[name]]
    detectors = [make_detector(name, cascades[name], side, n) for name, side, n in settings]
    hits = np.zeros((len(settings), 2, 2), int)
    seconds = np.zeros((len(settings), len(imgs)))
    for index, (row, img) in enumerate(zip(table, imgs)):
        faces, ignored = ([(x, y, right - x, bottom - y) for x, y, right, bottom in row[kind]]
                          for kind in ('faces', 'ignore'))
        for i, detect in enumerate(detectors):
            start = time.perf_counter()
            found = [finding.box for finding in detect(img)]
            seconds[i, index] = time.perf_counter() - start
            hits[i] += [count(found, faces, ignored, rule) for rule in (overlaps.iou, centre)]
    total = sum(len(row['faces']) for row in table)
    print(f'{folder.name}: {len(imgs)} pictures, {total} faces\n')
    print('| long side | neighbours | cascade | recall, precision, F1 (IoU) | (centre) | ms |')
    print('|---|---|---|---|---|---|')
    best, top = {}, {}
    for (name, side, n), (by_iou, by_centre), spent in zip(settings, hits, seconds):
        cells, mean = [], 0
        for found, wrong in (by_iou, by_centre):
            recall, precision = found / total, found / max(1, found + wrong)
            f1 = 2 * recall * precision / max(1e-9, recall + precision)
            cells.append(f'{recall:.3f}, {precision:.3f}, {f1:.3f}')
            mean += f1 / 2
        print(f'| {side} | {n} | {name} | {" | ".join(cells)} | {1000 * np.median(spent):.1f} |',
              flush=True)
        if mean > top.get(name, 0):
            top[name], best[name] = mean, (side, n)
    return best


def counts(data, cascades, best):
    """Print what each detector finds in portraits, in nothing and in a film."""
    default = Search()
    settings = [('classic', (0, 5)), *((name, best[name]) for name in cascades),
                ('ours, second look', (default.long_side, default.min_neighbors))]
    detectors = [make_detector(name, cascades[name], *setting) for name, setting in settings]
    sources = [('portraits with one face', sorted((data / 'anime_portraits').iterdir()),
                lambda found: np.mean([n == 1 for n in found]), '.3f'),
               ('false faces, no_faces', sorted((data / 'no_faces').iterdir()), np.sum, 'd'),
               ('false faces, no_face.mp4', [data / 'clips' / 'no_face.mp4'], np.sum, 'd'),
               ('frames with a face', [data / 'clips' / 'anime_1080p.mp4'],
                np.count_nonzero, 'd')]
    titles = [f'{name}, ms' for name, *_ in sources]
    print(f'| cascade (long side, neighbours) | {" | ".join(titles)} |')
    print('|---' * (len(sources) + 1) + '|')
    cells = [[] for _ in settings]
    for name, paths, summary, form in sources:
        found, seconds = [[] for _ in settings], [[] for _ in settings]
        slot = frames.every_nth(EVERY if name.startswith('frames') else 1)
        with messages.progress(len(paths), 'frames', name) as bar:
            for frame in frames.FrameReader([str(path) for path in paths], slot,
                                           progress=messages.follow(bar)):
                for i, detect in enumerate(detectors):
                    start = time.perf_counter()
                    found[i].append(len(detect(frame.img)))
                    seconds[i].append(time.perf_counter() - start)
        for row, n, spent in zip(cells, found, seconds):
            row.append(f'{summary(n):{form}} of {len(n)}, {1000 * np.median(spent):.1f}')
    for (name, setting), row in zip(settings, cells):
        print(f'| {name} ({setting[0]}, {setting[1]}) | {" | ".join(row)} |')


def centre(a, b):
    """0 if ``a`` is no finding of ``b`` by its centre and size, else at least 0.5."""
    x, y = (a[..., :2] + a[..., 2:] / 2).T
    inside = (b[0] <= x) & (x <= b[0] + b[2]) & (b[1] <= y) & (y <= b[1] + b[3])
    ratio = np.sqrt(overlaps.area(a) / overlaps.area(b))
    return np.where(inside & (.5 < ratio) & (ratio < 2), .5 + overlaps.iou(a, b), 0)


def count(found, faces, ignored, rule):
    """Match boxes with faces, the best pairs first; return hits and false boxes."""
    found = np.array(found, float).reshape(-1, 4)
    scores = [(score, i, j) for j, face in enumerate(faces)
              for i, score in enumerate(rule(found, np.array(face, float)))]
    matched, hit = set(), set()
    for score, i, j in sorted(scores, reverse=True):
        if score >= .5 and i not in matched and j not in hit:
            matched.add(i)
            hit.add(j)
    is_ignored = np.zeros(len(found), bool)
    for face in np.array(ignored, float).reshape(-1, 4):
        is_ignored |= (rule(found, face) >= .5) | (overlaps.iou(found, face) > .2)
    wrong = sum(i not in matched and not is_ignored[i] for i in range(len(found)))
    return len(hit), wrong


if __name__ == '__main__':
    main()
