"""Find the faces in videos and pictures, crop them and save them for training.

``X.npy`` holds one face a row: ``uint8``, shape ``(N, 3, size, size)``, RGB.
``X.csv`` beside it says where each row comes from: ``row`` (from 0),
``source`` (the file), ``frame`` (from 0; 0 for a picture), ``time`` (seconds
since the first frame; empty for a picture) and ``x, y, w, h``, the face in
pixels of the frame, before any margin.

Inside this module a box is ``(x, y, w, h)``, and ``detect`` stands for any
function that takes a frame, an ``img`` of :mod:`media`, and returns the boxes
in it.
"""
import argparse
import os
import re
import shutil
import tempfile
import time

import numpy as np

import cli
import files
import media
import plots
from face_check import FaceCheck
from media import cv2  # None where it cannot be imported: media.check_opencv() says why

COLUMNS = ['row', 'source', 'frame', 'time', 'x', 'y', 'w', 'h']
DEFAULT_CASCADE = 'lbpcascade_animefice.xml'
LONG_SIDE = 320
CLASSIC_CASCADE = ('the classic lbpcascade_animeface.xml from '
                   'https://github.com/nagadomi/lbpcascade_animeface')


def build_parser():
    parser = cli.parser('crop_faces.py', 'Crop the faces in videos and pictures for rating.')
    parser.add_argument('sources', nargs='+', metavar='source',
                        help='videos, pictures and folders of them')
    parser.add_argument('--output', '-o', default='X.npy', metavar='NPY',
                        type=cli.file_ending('.npy'),
                        help='the crops; X.csv beside it says where each one comes from')
    parser.add_argument('--size', type=cli.positive_int, default=80,
                        help='side of a crop in pixels')
    sampling = parser.add_mutually_exclusive_group()
    sampling.add_argument('--fps', type=cli.positive_float, default=4, metavar='F',
                          help='search F frames of each second of a video')
    sampling.add_argument('--every', type=cli.positive_int, metavar='N',
                          help='search every N-th frame of a video instead')
    parser.add_argument('--cascade', metavar='XML',
                        help='the face detector, an OpenCV cascade (default: {} beside this '
                             'command)'.format(DEFAULT_CASCADE))
    parser.add_argument('--long_side', type=cli.natural_int, default=LONG_SIDE, metavar='PIXELS',
                        help='shrink larger pictures to this before the search; more finds '
                             'smaller faces and takes longer; 0 never shrinks')
    parser.add_argument('--scale_factor', type=_scale_factor, default=1.1, metavar='S',
                        help='each search is for faces S times the size of the last; nearer to 1 '
                             'finds more and takes longer')
    parser.add_argument('--min_neighbors', type=cli.natural_int, default=3, metavar='N',
                        help='findings that must agree on a face; fewer gives more faces, and '
                             'more false ones')
    parser.add_argument('--min_size', type=cli.positive_int, default=24, metavar='PIXELS',
                        help='side of the smallest face to look for')
    parser.add_argument('--margin', type=cli.natural_float, default=0, metavar='M',
                        help="room on each side of a face, in parts of the face's side; 0.25 "
                             'shows the hair')
    parser.add_argument('--crops', metavar='DIR',
                        help='save each crop as a PNG file, too: DIR/00017.png is row 17')
    parser.add_argument('--sheet', metavar='PNG', type=cli.file_ending('.png'),
                        help='draw all crops with their row numbers')
    parser.add_argument('--no_faces', action='store_true',
                        help='take whole pictures, resized, as for covers and illustrations; '
                             'needs no cascade')
    parser.add_argument('--force', action='store_true',
                        help='overwrite what is there; ratings of an overwritten X.npy no longer '
                             'fit its rows')
    return parser


def _scale_factor(text):
    number = cli.positive_float(text)
    if number <= 1:
        raise argparse.ArgumentTypeError('must be a number above 1, got {!r}'.format(text))
    return number


@cli.command
def main(argv=None):
    args = build_parser().parse_args(argv)
    start = time.monotonic()
    media.check_opencv()
    check_outputs(args.output, args.crops, args.sheet, args.force)
    paths, others = media.find_sources(args.sources, leave_out=[args.crops, args.sheet])
    check_inputs(paths, args.crops, args.sheet)
    slot = media.every_nth(args.every) if args.every else media.per_second(args.fps)
    detect = whole_picture if args.no_faces else face_detector(
        args.cascade, args.scale_factor, args.min_neighbors, args.min_size, args.long_side)

    with cli.progress(len(paths), 'frames') as bar:
        frames = media.FrameReader(paths, slot, bar)
        save_faces(crop_faces(frames, detect, args.size, args.margin), args.output, args.size)
    X = files.read_pictures(args.output)
    if args.crops:
        save_crops(X, args.crops)
    if args.sheet:
        save_sheet(X, args.sheet)

    if others:
        cli.note('{} passed over: neither pictures nor videos'.format(cli.count(others, 'file')))
    found = cli.count(len(X), 'picture' if args.no_faces else 'face')
    written = filter(None, [args.output, files.table_path(args.output), args.crops, args.sheet])
    print('{} from {} in {:.0f} s -> {}'.format(
        found, frames.describe(), time.monotonic() - start, ', '.join(written)))


def check_inputs(paths, crops=None, sheet=None):
    """Raise :class:`files.InputError` if what is read would be written over, even by force."""
    if sheet:
        files.check_output(sheet, paths)
    folders = {os.path.dirname(os.path.realpath(path)) for path in paths}
    if crops and os.path.realpath(crops) in folders:
        raise files.InputError('{}: expected another folder for --crops than that of the pictures '
                               'and videos, which would be replaced'.format(crops))


def check_outputs(output, crops=None, sheet=None, force=False):
    """Raise :class:`files.InputError` if an output cannot or must not be written."""
    table = files.table_path(output)
    for path, option in (output, '--output'), (table, '--output'), (sheet, '--sheet'):
        if path:
            files.check_output(path)
            if os.path.exists(path) and not force:
                raise files.InputError(
                    '{} is there already{}; choose another name with {}, or overwrite it with '
                    '--force'.format(path, '' if path == sheet else
                                     ', and ratings may refer to its rows', option))
    if crops and not os.path.isdir(crops):
        if os.path.exists(crops):
            raise files.InputError('{}: expected a folder for --crops, got a file'.format(crops))
        files.check_output(crops)
    elif crops and _numbered(crops) and not force:
        raise files.InputError('{}: there are crops of an earlier run in it; choose another '
                               'folder with --crops, or replace them with --force'.format(crops))


# Finding and cropping

def whole_picture(img):
    """Detect one box, as large as the picture."""
    return [(0, 0, img.shape[1], img.shape[0])]


def face_detector(path=None, scale_factor=1.1, min_neighbors=3, min_size=24,
                  long_side=LONG_SIDE):
    """Make a face detector of a cascade.

    The cascade searches the picture shrunk, grey and with an equalised
    histogram.  If its file has a second look (:mod:`face_check`), that decides
    on what the cascade finds; if not, overlapping findings are counted.

    Args:
        path (str): The cascade; ``None`` takes the one beside this module.
        scale_factor (float): Step from one size of faces to the next.
        min_neighbors (int): Findings that must agree on a face.
        min_size (int): Side of the smallest face, in pixels.
        long_side (int): Of the picture that is searched, in pixels, at most;
            0 searches it as it is.

    Returns:
        callable: Maps an ``img`` to a list of boxes, from left to right.

    Raises:
        InputError: If there is no such cascade.
    """
    cascade, check = read_cascade(
        path or os.path.join(os.path.dirname(__file__), DEFAULT_CASCADE))

    def detect(img):
        gray = cv2.cvtColor(img, cv2.COLOR_BGR2GRAY)
        shrink = min(1, long_side / max(gray.shape)) if long_side else 1
        sharper = min(1, 2 * shrink)  # for the second look
        gray = _shrink(gray, sharper)
        least = max(1, round(min_size * shrink))
        boxes = cascade.detectMultiScale(
            cv2.equalizeHist(_shrink(gray, shrink / sharper)), scaleFactor=scale_factor,
            minNeighbors=0 if check else min_neighbors, minSize=(least, least))
        boxes = np.array(boxes, float).reshape(-1, 4) / shrink
        if check:
            boxes = check.find(gray, boxes * sharper, min_neighbors)[0] / sharper
        return sorted(_inside(box, img) for box in boxes)
    return detect


def _shrink(gray, factor):
    size = tuple(max(1, round(side * factor)) for side in gray.shape[::-1])
    return gray if factor == 1 else cv2.resize(gray, size, interpolation=cv2.INTER_AREA)


def _inside(box, img):
    """Round a box, and move it into the picture, smaller if need be; a square stays one."""
    height, width = img.shape[:2]
    x, y, w, h = box
    fit = min(1, width / w, height / h)
    left, top, w, h = round(x), round(y), int(round(w) * fit), int(round(h) * fit)
    return min(max(left, 0), width - w), min(max(top, 0), height - h), w, h


def read_cascade(path):
    """Read a cascade, and the second look in its file.

    Returns:
        tuple: The ``cv2.CascadeClassifier``, and the
        :class:`face_check.FaceCheck`, or ``None`` if the file has none.

    Raises:
        InputError: If the file is missing or something else.
    """
    if not hasattr(cv2, 'CascadeClassifier'):
        raise files.InputError('OpenCV {} has no CascadeClassifier; install one that has: '
                               'python -m pip install "opencv-python{}"'
                               .format(cv2.__version__, media.OPENCV_VERSIONS))
    if not os.path.isfile(path):
        raise files.InputError(
            '{}: the cascade, which finds the faces, is missing; pass another with --cascade, '
            'such as {}, or take whole pictures with --no_faces'.format(path, CLASSIC_CASCADE))
    with open(path, encoding='utf-8', errors='replace') as f:  # OpenCV knows only some paths
        text = f.read()
    cascade, check = cv2.CascadeClassifier(), None
    try:
        storage = cv2.FileStorage(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
        good = cascade.read(storage.getFirstTopLevelNode())
        check = FaceCheck.from_storage(storage)
    except (cv2.error, SystemError, ValueError):
        good = False
    if not good:
        raise files.InputError('{}: expected a cascade of OpenCV, got something else or a damaged '
                               'one; try {}'.format(path, CLASSIC_CASCADE))
    return cascade, check


def crop_faces(frames, detect, size, margin=0):
    """Crop what is found in each frame.

    Args:
        frames (media.FrameReader): Or any iterable of :class:`media.Frame`
            that has its method ``describe()``.
        detect (callable): Maps an ``img`` to boxes.
        size (int): Side of a crop.
        margin (float): Room on each side of a box, in parts of its side.

    Yields:
        tuple: The values of a row of the table after ``row``, and the crop,
        CHW, RGB, ``uint8``.

    Raises:
        InputError: If nothing is found in any frame.
    """
    found = 0
    for frame in frames:
        seconds = '' if frame.seconds is None else '{:.3f}'.format(frame.seconds)
        for box in detect(frame.img):
            found += 1
            yield ((frame.source, frame.index, seconds, *box),
                   crop_box(frame.img, box, size, margin))
    if not found:
        raise files.InputError(
            'no face in {}; try a lower --min_neighbors or --min_size, another --cascade, or '
            '--no_faces for whole pictures'.format(frames.describe()))


def crop_box(img, box, size, margin=0):
    """Cut a box with a margin out of a frame and resize it.

    A box that would reach over the border is moved inside, and has less of a
    margin where the frame is too small for it: a crop shows nothing that is
    not in the frame.  Only a box that is no square is stretched to be one.

    Returns:
        numpy.ndarray: CHW, RGB, ``uint8``, shape ``(3, size, size)``.
    """
    x, y, w, h = box
    height, width = img.shape[:2]
    scale = min(1 + 2 * margin, width / w, height / h)
    crop_w, crop_h = round(w * scale), round(h * scale)
    left = min(max(round(x + (w - crop_w) / 2), 0), width - crop_w)
    top = min(max(round(y + (h - crop_h) / 2), 0), height - crop_h)
    crop = img[top:top + crop_h, left:left + crop_w]
    shrinks = crop_w * crop_h > size * size
    crop = cv2.resize(crop, (size, size),
                      interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return crop[:, :, ::-1].transpose(2, 0, 1)  # HWC -> CHW, BGR -> RGB


# Writing

def save_faces(faces, output, size):
    """Write ``X.npy`` and ``X.csv`` as the faces come, holding none in memory.

    Args:
        faces (iterable): Of pairs, as :func:`crop_faces` yields them.
        output (str): The ``.npy`` file; the table goes beside it.
        size (int): Side of a crop.
    """
    def rows(pictures):
        for row, (values, crop) in enumerate(faces):
            pictures.append(crop)
            yield (row, *values)

    # Both are complete before the first is moved, and the pictures are moved first.
    with files.replacing(files.table_path(output)) as table, files.replacing(output) as part:
        with NpyWriter(part, (files.CHANNELS, size, size)) as pictures:
            files.write_table(table, COLUMNS, rows(pictures))


class NpyWriter:

    """A ``.npy`` file that grows by one ``uint8`` array at a time.

    NumPy pads the header so that the length of the first axis has room to
    grow: it is written again, in its place, at the end.

    Args:
        path (str): The file to write.
        shape (tuple of int): Of each array.
    """

    def __init__(self, path, shape):
        self.shape = tuple(shape)
        self.length = 0
        self.file = open(path, 'wb')
        self._write_header()

    def append(self, array):
        if array.shape != self.shape or array.dtype != np.uint8:
            raise ValueError('expected uint8 of shape {}, got {} of shape {}'.format(
                self.shape, array.dtype, array.shape))
        self.file.write(array.tobytes())
        self.length += 1

    def _write_header(self):
        np.lib.format.write_array_header_1_0(self.file, {
            'descr': '|u1', 'fortran_order': False, 'shape': (self.length, *self.shape)})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self.file:
            self.file.seek(0)
            self._write_header()


def save_crops(X, folder):
    """Save each picture as a PNG file named by its row, in place of earlier ones."""
    digits = max(5, len(str(len(X) - 1)))
    is_new = not os.path.isdir(folder)
    os.makedirs(folder, exist_ok=True)
    part = tempfile.mkdtemp(prefix='.part', dir=folder)
    try:
        for row, img in enumerate(X):
            name = '{:0{}}.png'.format(row, digits)
            plots.to_image(img).save(os.path.join(part, name))
        for name in _numbered(folder):
            os.remove(os.path.join(folder, name))
        for name in os.listdir(part):
            os.replace(os.path.join(part, name), os.path.join(folder, name))
        is_new = False
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if is_new:
            os.rmdir(folder)


def _numbered(folder):
    return [name for name in os.listdir(folder) if re.fullmatch(r'[0-9]{5,}\.png', name)]


def save_sheet(X, path):
    """Draw all crops with their row numbers; say so if the sheet has no room for all."""
    step = plots.draw_sheet(path, X)
    if step > 1:
        cli.note('{}: shows one of {} crops; there are {:,}'.format(path, step, len(X)))


if __name__ == '__main__':
    main()
