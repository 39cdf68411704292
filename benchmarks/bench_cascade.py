"""Our cascade, alone and with its second look, against the classic one.

    python benchmarks/bench_cascade.py [--data DIR] [--classic XML] [--ours XML]

Faces found on pictures with hand-made boxes, for each long side that a picture
is shrunk to and each number of neighbours; then one face in each portrait,
false faces where there are none, and the frames of a film with a face.  All
detectors take their turns on each picture, so that a change of the machine's
speed meets all of them.

A face is found under the rule *IoU* if a box shares half of their union with
it, and under *centre* if a box of half to twice its side has its middle in it.
A second box on a face is a false one; one on a face that the border cuts, and
that the table says to ignore, is none.
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

import crop_faces
from picture_ranknet.console import messages
from picture_ranknet.faces import face_finder
from picture_ranknet.pictures import media

SIDES = 160, 220, 320, 480
NEIGHBORS = {'classic': (1, 2, 3, 5), 'ours, in OpenCV': (3, 5, 8, 12),
             'ours, second look': (2, 3, 5, 8)}
EVERY = 4  # frame of a film


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--data', type=pathlib.Path, default=pathlib.Path(
        os.environ.get('RANKNET_DATA', ROOT.parent / 'shared' / 'data')))
    parser.add_argument('--classic', help='default: lbpcascade_animeface.xml in --data')
    parser.add_argument('--ours', default=str(ROOT / face_finder.DEFAULT_CASCADE))
    args = parser.parse_args()
    classic = args.classic or str(args.data / 'lbpcascade_animeface.xml')
    cascades = {'classic': classic, 'ours, in OpenCV': args.ours, 'ours, second look': args.ours}

    best = heads(args.data / 'anime_heads', cascades)
    print()
    counts(args.data, cascades, best)


def make_detector(name, path, side, neighbors):
    """The detector of :mod:`face_finder`, or, for OpenCV alone, the one without a second look."""
    if name == 'ours, in OpenCV':
        cascade, _ = face_finder.read_cascade(path)
        original, face_finder.read_cascade = face_finder.read_cascade, lambda _: (cascade, None)
        try:
            return face_finder.face_detector(path, min_neighbors=neighbors, long_side=side)
        finally:
            face_finder.read_cascade = original
    return face_finder.face_detector(path, min_neighbors=neighbors, long_side=side)


def heads(folder, cascades):
    """Print how well faces are found; return the best (side, neighbours) of each detector."""
    table = json.loads((folder / 'boxes.json').read_text(encoding='utf-8'))
    imgs = [cv2.imread(str(folder / row['file'])) for row in table]
    settings = [(name, side, n) for side in SIDES for name in cascades for n in NEIGHBORS[name]]
    detectors = [make_detector(name, cascades[name], side, n) for name, side, n in settings]
    hits = np.zeros((len(settings), 2, 2), int)
    seconds = np.zeros((len(settings), len(imgs)))
    for index, (row, img) in enumerate(zip(table, imgs)):
        for i, detect in enumerate(detectors):
            start = time.perf_counter()
            boxes = [finding.box for finding in detect(img)]
            seconds[i, index] = time.perf_counter() - start
            corners = [(x, y, x + w, y + h) for x, y, w, h in boxes]
            hits[i] += [count(corners, row['faces'], row['ignore'], rule)
                        for rule in (iou, centre)]
    total = sum(len(row['faces']) for row in table)
    print('{}: {} pictures, {} faces\n'.format(folder.name, len(imgs), total))
    print('| long side | neighbours | cascade | recall, precision, F1 (IoU) | (centre) | ms |')
    print('|---|---|---|---|---|---|')
    best, top = {}, {}
    for (name, side, n), (by_iou, by_centre), spent in zip(settings, hits, seconds):
        cells, mean = [], 0
        for found, wrong in (by_iou, by_centre):
            recall, precision = found / total, found / max(1, found + wrong)
            f1 = 2 * recall * precision / max(1e-9, recall + precision)
            cells.append('{:.3f}, {:.3f}, {:.3f}'.format(recall, precision, f1))
            mean += f1 / 2
        print('| {} | {} | {} | {} | {:.1f} |'.format(
            side, n, name, ' | '.join(cells), 1000 * np.median(spent)), flush=True)
        if mean > top.get(name, 0):
            top[name], best[name] = mean, (side, n)
    return best


def counts(data, cascades, best):
    """Print what each detector finds in portraits, in nothing and in a film."""
    default = crop_faces.build_parser().parse_args(['x'])
    settings = [('classic', (0, 5)), *((name, best[name]) for name in cascades),
                ('ours, second look', (default.long_side, default.min_neighbors))]
    detectors = [make_detector(name, cascades[name], *setting) for name, setting in settings]
    sources = [('portraits with one face', sorted((data / 'anime_portraits').iterdir()),
                lambda found: np.mean([n == 1 for n in found]), '{:.3f}'),
               ('false faces, no_faces', sorted((data / 'no_faces').iterdir()), np.sum, '{}'),
               ('false faces, no_face.mp4', [data / 'clips' / 'no_face.mp4'], np.sum, '{}'),
               ('frames with a face', [data / 'clips' / 'anime_1080p.mp4'],
                np.count_nonzero, '{}')]
    print('| cascade (long side, neighbours) | {} |'.format(
        ' | '.join('{}, ms'.format(name) for name, *_ in sources)))
    print('|---' * (len(sources) + 1) + '|')
    cells = [[] for _ in settings]
    for name, paths, summary, form in sources:
        found, seconds = [[] for _ in settings], [[] for _ in settings]
        slot = media.every_nth(EVERY if name.startswith('frames') else 1)
        with messages.progress(len(paths), 'frames', name) as bar:
            for frame in media.FrameReader([str(path) for path in paths], slot,
                                           progress=messages.follow(bar)):
                for i, detect in enumerate(detectors):
                    start = time.perf_counter()
                    found[i].append(len(detect(frame.img)))
                    seconds[i].append(time.perf_counter() - start)
        for row, n, spent in zip(cells, found, seconds):
            row.append('{} of {}, {:.1f}'.format(
                form.format(summary(n)), len(n), 1000 * np.median(spent)))
    for (name, setting), row in zip(settings, cells):
        print('| {} ({}, {}) | {} |'.format(name, *setting, ' | '.join(row)))


def iou(a, b):
    """Share of the union of two boxes ``(x0, y0, x1, y1)`` that lies in both."""
    both = overlap(a, b)
    return both / (area(a) + area(b) - both)


def centre(a, b):
    """0 if ``a`` is no finding of ``b`` by its centre and size, else at least 0.5."""
    x, y = (a[0] + a[2]) / 2, (a[1] + a[3]) / 2
    good = (b[0] <= x <= b[2] and b[1] <= y <= b[3]
            and .5 < (area(a) / area(b)) ** .5 < 2)
    return .5 + iou(a, b) if good else 0


def area(a):
    return (a[2] - a[0]) * (a[3] - a[1])


def overlap(a, b):
    return (max(0, min(a[2], b[2]) - max(a[0], b[0]))
            * max(0, min(a[3], b[3]) - max(a[1], b[1])))


def count(found, faces, ignored, rule):
    """Match boxes with faces, the best pairs first; return hits and false boxes."""
    pairs = sorted(((rule(box, face), i, j) for i, box in enumerate(found)
                    for j, face in enumerate(faces)), reverse=True)
    boxes, hit = set(), set()
    for score, i, j in pairs:
        if score >= .5 and i not in boxes and j not in hit:
            boxes.add(i)
            hit.add(j)
    wrong = sum(i not in boxes and not any(rule(box, face) >= .5 or iou(box, face) > .2
                                           for face in ignored)
                for i, box in enumerate(found))
    return len(hit), wrong


if __name__ == '__main__':
    main()
