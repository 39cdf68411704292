"""Our cascade, alone and with its second look, against the classic one.

    python benchmarks/bench_cascade.py [--data DIR] [--classic XML] [--ours XML]

Measures the faces found in illustrations and in frames of films with hand-made
boxes, for some long sides that a picture is shrunk to and some numbers of
neighbours; then portraits with exactly one detection, false positives in
pictures without faces, and the frames of a film with a face.  All detectors
take turns on each picture, so that a change of the machine's speed affects all
of them.

By the rule *IoU*, a face is found if a box has an IoU of at least 0.5 with it;
by *centre*, if a box of half to twice its side has its centre in it.  A second
box on a face is a false positive; a box on a face that the table says to
ignore, since the border cuts it, does not count.

Every fourth frame is measured, since the others are for training; those in
anime_faces.csv, where each face of 48 pixels and more was judged by eye: frontal,
in profile, tilted, half hidden, or no person's (and ignored).  Smaller faces and
detections do not count.
"""
import argparse
import csv
import json
import os
import pathlib
import sys
import time

import cv2
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = str(ROOT), str(ROOT / 'examples')

from anime_cascade import convert
from picture_ranknet.console import messages
from picture_ranknet.faces import boxes as overlaps
from picture_ranknet.faces.detector import FaceDetector, find_default_cascade
from picture_ranknet.faces.settings import Search
from picture_ranknet.pictures import frames

SETTINGS = {'classic': [(220, 2), (320, 2), (480, 3)], 'ours, in OpenCV': [(160, 3), (320, 8)],
            'ours, second look': [(240, 3), (320, 2), (320, 3), (320, 5), (480, 3)]}
EVERY = 4        # frame of a film, and of the set of frames
SMALLEST = 52    # pixels, of a finding in a frame: three quarters of the box of such a face
KINDS = 'frontal', 'profile', 'tilted', 'hidden'


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--data', type=pathlib.Path, default=pathlib.Path(
        os.environ.get('RANKNET_DATA', ROOT.parent / 'shared' / 'data')))
    parser.add_argument('--classic', help='default: lbpcascade_animeface.xml in --data')
    parser.add_argument('--ours', default=find_default_cascade())
    args = parser.parse_args()
    classic = args.classic or str(args.data / 'lbpcascade_animeface.xml')
    cascades = {'classic': classic, 'ours, in OpenCV': args.ours, 'ours, second look': args.ours}

    measure('anime_heads', read_heads(args.data / 'anime_heads'), cascades)
    measure('cartoon_faces', read_frames(args.data / 'cartoon_faces'), cascades)
    counts(args.data, cascades)


def make_detector(name, path, side, neighbors):
    """A detector, or, for OpenCV alone, the one without its second look."""
    detect = FaceDetector(Search(path, min_neighbors=neighbors, long_side=side))
    if name == 'ours, in OpenCV':
        detect.second_look = None
    return detect


def read_heads(folder):
    """Pictures, and the faces and the boxes to ignore in them; faces are ``(box, kind)``."""
    for row in json.loads((folder / 'boxes.json').read_text(encoding='utf-8')):
        faces, ignored = ([(x, y, right - x, bottom - y) for x, y, right, bottom in row[kind]]
                          for kind in ('faces', 'ignore'))
        yield cv2.imread(str(folder / row['file'])), [(box, 'frontal') for box in faces], ignored, 0


def read_frames(folder):
    kinds = {}
    with open(ROOT / 'benchmarks' / 'anime_faces.csv', newline='', encoding='utf-8') as f:
        for row in csv.DictReader(f):
            kinds.setdefault(row['file'], {})[int(row['face'])] = row['kind']
    for row in json.loads((folder / 'boxes.json').read_text(encoding='utf-8')):
        if row['file'] in kinds:
            faces, ignored = [], []
            for number, (left, top, right, bottom) in enumerate(row['faces']):
                _, *box = convert((f'{folder.name}/', left, top, right - left, bottom - top))
                kind = kinds[row['file']].get(number, 'small')
                if kind in KINDS:
                    faces.append((box, kind))
                else:
                    ignored.append(box)
            yield cv2.imread(str(folder / row['file'])), faces, ignored, SMALLEST


def measure(name, pictures, cascades):
    """Print how well the faces of a set are found, overall and by kind."""
    settings = [(name, *setting) for name in cascades for setting in SETTINGS[name]]
    detectors = [make_detector(name, cascades[name], side, n) for name, side, n in settings]
    found, wrong = np.zeros((2, len(settings), 2, len(KINDS)), int)
    seconds, total = [[] for _ in settings], np.zeros(len(KINDS), int)
    for img, faces, ignored, least in pictures:
        boxes, kinds = [box for box, _ in faces], [KINDS.index(kind) for _, kind in faces]
        total += np.bincount(kinds, minlength=len(KINDS))
        for i, detect in enumerate(detectors):
            start = time.perf_counter()
            findings = [finding.box for finding in detect(img)]
            seconds[i].append(time.perf_counter() - start)
            findings = [box for box in findings if box[2] >= least]
            for rule, compare in enumerate((overlaps.iou, centre)):
                hits, n_wrong = count(findings, boxes, ignored, compare)
                found[i, rule] += np.bincount([kinds[hit] for hit in hits], minlength=len(KINDS))
                wrong[i, rule, 0] += n_wrong
    seen = [kind for kind, n in zip(KINDS, total) if n]
    print(f'{name}: {len(seconds[0])} pictures, ' + ', '.join(
        f'{n} {kind}' for kind, n in zip(KINDS, total) if n) + ' faces\n')
    print('| cascade (long side, neighbours) | recall, precision, F1 (IoU) | (centre) | '
          + ' | '.join(seen) + ' | ms |')
    print('|---' * (len(seen) + 4) + '|')
    for (detector, side, n), hits, misses, spent in zip(settings, found, wrong, seconds):
        cells = [_describe(hits[rule].sum(), misses[rule].sum(), total.sum()) for rule in (0, 1)]
        cells += [f'{hits[1, KINDS.index(kind)] / total[KINDS.index(kind)]:.2f}' for kind in seen]
        print(f'| {detector} ({side}, {n}) | {" | ".join(cells)} | '
              f'{1000 * np.median(spent):.1f} |', flush=True)
    print()


def _describe(found, wrong, total):
    recall, precision = found / total, found / max(1, found + wrong)
    f1 = 2 * recall * precision / max(1e-9, recall + precision)
    return f'{recall:.3f}, {precision:.3f}, {f1:.3f}'


def counts(data, cascades):
    """Print what each detector finds in portraits, in nothing and in a film."""
    settings = [('classic', (0, 5)), ('classic', (220, 2)), ('ours, in OpenCV', (160, 3)),
                ('ours, second look', (Search().long_side, Search().min_neighbors))]
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
    """0 if ``a`` does not match ``b`` by centre and size, else at least 0.5."""
    x, y = (a[..., :2] + a[..., 2:] / 2).T
    inside = (b[0] <= x) & (x <= b[0] + b[2]) & (b[1] <= y) & (y <= b[1] + b[3])
    ratio = np.sqrt(overlaps.area(a) / overlaps.area(b))
    return np.where(inside & (.5 < ratio) & (ratio < 2), .5 + overlaps.iou(a, b), 0)


def count(found, faces, ignored, rule):
    """Match boxes with faces, the best pairs first; return the faces hit and the false boxes."""
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
    return hit, wrong


if __name__ == '__main__':
    main()
