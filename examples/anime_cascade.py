"""Retrain lbpcascade_animefice.xml, from pictures that are not part of this project.

    python examples/anime_cascade.py DATA WORK                              # half an hour

DATA holds ``anime_crops`` (sheets of 40 x 50 grey tiles of 48 pixels:
``faces_tight_*``, ``faces_loose_*`` and ``background_*``), ``anime_portraits``
(pictures of 256 pixels with one face each), ``no_faces`` and ``scenery``
(pictures without), ``clips/no_face.mp4``, and ``cartoon_faces`` and
``frontal_faces``, frames and illustrations with ``boxes.json``.  WORK is a
folder for intermediate files and for the cascade.  The time is that of two
cores.

1. The tiles are cut out of their sheets.  A face's box in its tile goes from
   the top of the hair to the chin: measured, the eyes are at 0.39 and the chin
   at 0.80 of a tile's height, in the tight ones and in the loose ones.
2. A first cascade, trained on the tiles alone, finds the face in each portrait.
3. The cascade is trained on tiles and portraits; the surroundings of the faces
   in the portraits are mined for negatives, too.
4. The second look is trained on whole pictures: the portraits, the illustrations
   and the anime among the frames.  Every fourth frame is held out for
   benchmarks/bench_cascade.py.  Which frames are anime was judged by eye for half
   of them, and for the others by a classifier trained on that half; faces in
   other frames are ignored.
"""
import argparse
import csv
import json
import math
import os
import subprocess
import sys

import cv2

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUTPUT = 'lbpcascade_animefice.xml'
FIRST = 'first.xml'
TILE, COLUMNS = 48, 40
BOX = (2.4, -1.44, 43.2, 43.2)  # x, y, w, h of the face in a tile
SIDE = 160                      # of a portrait when it is searched
MIN_NEIGHBORS = 8

FRAMES = os.path.join(ROOT, 'examples', 'anime_frames.txt')
# Box conventions differ.  Ours go from the top of the hair to the chin; the side is that of a
# square of the same area times the first number, and its centre is moved down by the second, as a
# fraction of that side: medians over the faces that the cascade finds.
CONVENTIONS = {'cartoon_faces': (1.44, -.17), 'frontal_faces': (.837, .087),
               'anime_portraits': (1.126, -.065)}

FACES = ['faces_tight.csv', 'faces_loose.csv']
NO_FACES = ['no_faces', 'background', 'no_face.mp4']
FIRST_OPTIONS = ['--stages', '12', '--positives', '8000', '--negatives', '8000', '--features', '.1']
OPTIONS = ['--turn', '24', '--hit_rate', '.992']


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('data', help='folder of the pictures')
    parser.add_argument('work', help='folder to work in')
    args = parser.parse_args()

    os.makedirs(args.work, exist_ok=True)
    for kind in 'faces_tight', 'faces_loose', 'background':
        cut_tiles(args.data, args.work, kind)
    for name in 'no_faces', 'anime_portraits', os.path.join('clips', 'no_face.mp4'):
        link(os.path.join(args.data, name), os.path.join(args.work, os.path.basename(name)))
    train(args.work, FIRST, FACES, NO_FACES, FIRST_OPTIONS)
    write_boxes(os.path.join(args.work, 'portraits.csv'), find_portraits(args.work, FIRST))
    train(args.work, OUTPUT, [*FACES, 'portraits.csv'], [*NO_FACES, 'portraits.csv'], OPTIONS)
    look_at_pictures(args.data, args.work)


def cut_tiles(data, work, kind):
    """Save each tile as a picture, and a table of the boxes of the faces."""
    os.makedirs(os.path.join(work, kind), exist_ok=True)
    boxes = []
    for name in sorted(os.listdir(os.path.join(data, 'anime_crops'))):
        if not name.startswith(kind):
            continue
        sheet = cv2.imread(os.path.join(data, 'anime_crops', name), cv2.IMREAD_GRAYSCALE)
        tiles = sheet.reshape(-1, TILE, COLUMNS, TILE).swapaxes(1, 2).reshape(-1, TILE, TILE)
        for i, tile in enumerate(tiles):
            path = f'{kind}/{name.split(".")[0]}_{i:04}.png'
            cv2.imwrite(os.path.join(work, path), tile)
            boxes.append((path, *BOX))
    if kind != 'background':
        write_boxes(os.path.join(work, kind + '.csv'), boxes)


def find_portraits(work, xml):
    """The largest confident detection of a cascade in each portrait."""
    cascade = cv2.CascadeClassifier(os.path.join(work, xml))
    boxes = []
    for name in sorted(os.listdir(os.path.join(work, 'anime_portraits'))):
        path = 'anime_portraits/' + name
        img = cv2.imread(os.path.join(work, path), cv2.IMREAD_GRAYSCALE)
        factor = img.shape[0] / SIDE
        found = cascade.detectMultiScale(
            cv2.resize(img, (SIDE, SIDE), interpolation=cv2.INTER_AREA), 1.05, MIN_NEIGHBORS,
            minSize=(SIDE // 4, SIDE // 4))
        if len(found):
            boxes.append((path, *(round(float(n) * factor, 1)
                                  for n in max(found, key=lambda box: box[2]))))
    print(f'faces in {len(boxes)} portraits')
    return boxes


def look_at_pictures(data, work):
    """Train the second look of the existing cascade."""
    for name in 'scenery', 'cartoon_faces', 'frontal_faces':
        link(os.path.join(data, name), os.path.join(work, name))
    frames = [box for box in read_boxes(data, 'cartoon_faces') if int(box[0][-8:-4]) % 4]
    with open(FRAMES, encoding='utf-8') as f:
        names = set(f.read().split())
    are_anime = [os.path.basename(box[0])[:-4] in names for box in frames]
    tables = {
        'anime.csv': [box for box, is_anime in zip(frames, are_anime) if is_anime],
        'frontal.csv': read_boxes(data, 'frontal_faces'),
        'looked.csv': find_portraits(work, OUTPUT),
        'others.csv': [box for box, is_anime in zip(frames, are_anime) if not is_anime]}
    for table, boxes in tables.items():
        write_boxes(os.path.join(work, table), map(convert, boxes))
    run(work, OUTPUT, '--pictures', 'anime.csv', 'frontal.csv', 'looked.csv', '--no_faces',
        'no_faces', 'scenery', 'no_face.mp4', 'others.csv', '--resume')


def read_boxes(data, folder):
    """The boxes of ``boxes.json``: the picture, x, y, w, h."""
    with open(os.path.join(data, folder, 'boxes.json'), encoding='utf-8') as f:
        return [(f'{folder}/{row["file"]}', left, top, right - left, bottom - top)
                for row in json.load(f) for left, top, right, bottom in row['faces']]


def convert(box):
    """Convert a box from another convention to ours."""
    source, x, y, w, h = box
    factor, down = CONVENTIONS[source.split('/')[0]]
    area = math.sqrt(w * h)
    side, middle = factor * area, y + h / 2 + down * area
    return source, *(round(n, 1) for n in (x + w / 2 - side / 2, middle - side / 2, side, side))


def write_boxes(path, boxes):
    with open(path, 'w', newline='', encoding='utf-8') as f:
        csv.writer(f).writerows([('source', 'x', 'y', 'w', 'h'), *boxes])


def link(source, name):
    if not os.path.exists(name):
        os.symlink(os.path.abspath(source), name)


def train(work, output, faces, no_faces, options):
    run(work, output, '--faces', *faces, '--no_faces', *no_faces, *options, '--resume')


def run(work, *args):
    subprocess.run([sys.executable, os.path.join(ROOT, 'train_cascade.py'), *args], cwd=work,
                   check=True)


if __name__ == '__main__':
    main()
