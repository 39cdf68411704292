"""Rate the faces found in the demo's videos as its simulated person would.

    python examples/rate_cast.py X.csv demo/train_cast.csv ratings.txt

It replaces a person who looks at every picture and types a rating from 1 to 5;
``nan`` is for a picture that does not show a face.
"""
import argparse
import csv
import os
import sys

import numpy as np

MOOD = .35      # standard deviation of what the person's mood adds to a rating
OVERLAP = .25   # intersection over union from which a found face is the drawn one


def read_boxes(path, *more):
    """Rows of ``(frame, (x, y, w, h), *more)`` from a CSV file, all as numbers.

    Raises:
        ValueError: If a column is missing or a value is not a number.
    """
    rows = []
    with open(path, newline='', encoding='utf-8') as file:
        table = csv.DictReader(file)
        for row in table:
            try:
                frame, *box = (float(row[column]) for column in ('frame', *'xywh'))
                rows.append((frame, box, *(float(row[column]) for column in more)))
            except KeyError as e:
                raise ValueError(f'{path}: expected a column named {e}') from None
            except (TypeError, ValueError) as e:
                raise ValueError(f'{path}, line {table.line_num}: {e}') from None
    return rows


def find_tastes(found, drawn):
    """The taste for each found face: that of the drawn face it overlaps most; nan for none."""
    by_frame = {}
    for frame, box, liking in drawn:
        by_frame.setdefault(frame, []).append((box, liking))
    tastes = []
    for frame, box in found:
        overlap, liking = max(((intersection_over_union(box, other), liking)
                               for other, liking in by_frame.get(frame, [])), default=(0, None))
        tastes.append(liking if overlap >= OVERLAP else np.nan)
    return np.array(tastes)


def intersection_over_union(a, b):
    """Of two boxes x, y, w, h."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    common = max(0, width) * max(0, height)
    return common / (a[2] * a[3] + b[2] * b[3] - common)


def rate(tastes, rng):
    """Whole-number ratings from 1 to 5: taste and mood; nan stays nan."""
    return np.clip(np.round(tastes + rng.normal(0, MOOD, len(tastes))), 1, 5)


def save_ratings(path, ratings):
    temporary = path + '.tmp'
    np.savetxt(temporary, ratings, fmt='%.0f')
    os.replace(temporary, path)


def summary(ratings):
    counts = ', '.join(f'{np.sum(ratings == r)} x {r}' for r in (5, 4, 3, 2, 1))
    return f'{np.sum(~np.isnan(ratings))} rated: {counts}; {np.sum(np.isnan(ratings))} not a face'


def build_parser():
    parser = argparse.ArgumentParser(
        prog='rate_cast.py', description=__doc__.split('\n')[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('found', metavar='X.csv', help='the found faces, by crop_faces.py')
    parser.add_argument('drawn', metavar='CAST.csv', help='the drawn faces, by draw_cast.py')
    parser.add_argument('ratings', metavar='ratings.txt', help='one rating per line')
    parser.add_argument('--seed', type=int, default=0, help="random seed of the person's mood")
    return parser


def main(argv=None):
    args = build_parser().parse_args(argv)
    try:
        tastes = find_tastes(read_boxes(args.found), read_boxes(args.drawn, 'taste'))
        ratings = rate(tastes, np.random.default_rng(args.seed))
        save_ratings(args.ratings, ratings)
    except (OSError, ValueError) as e:
        where = f'{e.filename}: {e.strerror}' if getattr(e, 'filename', None) else e
        sys.exit(f'rate_cast.py: error: {where}')
    print(summary(ratings))


if __name__ == '__main__':
    main()
