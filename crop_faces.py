"""Find the faces in videos and pictures, crop them and save them for training.

``X.npy`` holds one face a row: ``uint8``, shape ``(N, 3, size, size)``, RGB.
``X.csv`` beside it says where each row comes from: ``row`` (from 0),
``source`` (the file), ``frame`` (from 0; 0 for a picture), ``time`` (seconds
since the first frame; empty for a picture) and ``x, y, w, h``, the face in
pixels of the frame, before any margin.

Inside this module a frame is ``img``, HWC, BGR, ``uint8``, as OpenCV has it, a
box is ``(x, y, w, h)``, and ``detect`` stands for any function that takes such
an ``img`` and returns the boxes in it.
"""
import argparse
import contextlib
import io
import itertools
import math
import os
import re
import shutil
import sys
import tempfile
import time
from typing import NamedTuple, Optional

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

import cli
import files

try:
    import cv2
except ImportError as e:  # check_opencv() tells the user; an import only tells Python
    cv2, cv2_error = None, e

COLUMNS = ['row', 'source', 'frame', 'time', 'x', 'y', 'w', 'h']
DEFAULT_CASCADE = 'lbpcascade_animefice.xml'
CLASSIC_CASCADE = ('the classic lbpcascade_animeface.xml from '
                   'https://github.com/nagadomi/lbpcascade_animeface')
OPENCV_VERSIONS = '>=4.5,<5'  # as in setup.py
PICTURES = frozenset('.avif .bmp .dib .jp2 .jpe .jpeg .jpg .pbm .pgm .png .pnm .ppm .tif .tiff '
                     '.webp'.split())
VIDEOS = frozenset('.3gp .asf .avi .flv .gif .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts '
                   '.vob .webm .wmv'.split())
STAMP_ERROR = .001  # seconds; Matroska and FLV round the time of a frame to a millisecond
USUAL_RATE = 25.    # frames a second, where a video does not say


def build_parser():
    parser = cli.parser('crop_faces.py', 'Crop the faces in videos and pictures for rating.')
    parser.add_argument('sources', nargs='+', metavar='source',
                        help='videos, pictures and folders of them')
    parser.add_argument('--output', '-o', default='X.npy', metavar='NPY', type=_ending('.npy'),
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
    parser.add_argument('--scale_factor', type=_scale_factor, default=1.1, metavar='S',
                        help='each search is for faces S times the size of the last; nearer to 1 '
                             'finds more and takes longer')
    parser.add_argument('--min_neighbors', type=cli.natural_int, default=5, metavar='N',
                        help='findings that must agree on a face; fewer gives more faces, and '
                             'more false ones')
    parser.add_argument('--min_size', type=cli.positive_int, default=24, metavar='PIXELS',
                        help='side of the smallest face to look for')
    parser.add_argument('--margin', type=cli.natural_float, default=0, metavar='M',
                        help="room on each side of a face, in parts of the face's side; 0.25 "
                             'shows the hair')
    parser.add_argument('--crops', metavar='DIR',
                        help='save each crop as a PNG file, too: DIR/00017.png is row 17')
    parser.add_argument('--sheet', metavar='PNG', type=_ending('.png'),
                        help='draw all crops with their row numbers')
    parser.add_argument('--no_faces', action='store_true',
                        help='take whole pictures, resized, as for covers and illustrations; '
                             'needs no cascade')
    parser.add_argument('--force', action='store_true',
                        help='overwrite what is there; ratings of an overwritten X.npy no longer '
                             'fit its rows')
    return parser


def _ending(extension):
    def name(text):
        if os.path.splitext(text)[1].lower() != extension:
            raise argparse.ArgumentTypeError('must end in {}, got {!r}'.format(extension, text))
        return text
    return name


def _scale_factor(text):
    number = cli.positive_float(text)
    if number <= 1:
        raise argparse.ArgumentTypeError('must be a number above 1, got {!r}'.format(text))
    return number


@cli.command
def main(argv=None):
    args = build_parser().parse_args(argv)
    start = time.monotonic()
    check_opencv()
    check_outputs(args.output, args.crops, args.sheet, args.force)
    paths, others = find_sources(args.sources, leave_out=[args.crops, args.sheet])
    detect = whole_picture if args.no_faces else face_detector(
        args.cascade, args.scale_factor, args.min_neighbors, args.min_size)
    slot = every_nth(args.every) if args.every else per_second(args.fps)

    with cli.progress(len(paths), 'frames') as bar:
        reader = FrameReader(paths, slot, bar)
        save_faces(crop_faces(reader, detect, args.size, args.margin), args.output, args.size)
    X = files.read_pictures(args.output)
    if args.crops:
        save_crops(X, args.crops)
    if args.sheet:
        save_sheet(X, args.sheet)

    if others:
        cli.note('{} passed over: neither pictures nor videos'.format(_count(others, 'file')))
    written = [args.output, files.table_path(args.output), args.crops, args.sheet]
    print('{} from {} in {:.0f} s -> {}'.format(
        _count(len(X), 'picture' if args.no_faces else 'face'), reader.describe(),
        time.monotonic() - start, ', '.join(filter(None, written))))


def check_opencv():
    """Raise :class:`files.InputError` if OpenCV cannot be used, and quieten it."""
    if cv2 is None and getattr(cv2_error, 'name', None) == 'cv2':
        raise files.InputError('OpenCV is not installed; python -m pip install "opencv-python{}"'
                               .format(OPENCV_VERSIONS))
    if cv2 is None:  # on servers, libGL.so.1 or the like is missing
        raise files.InputError(
            'OpenCV cannot be imported ({}); swap in the build that needs no system libraries: '
            'python -m pip install --force-reinstall --no-deps "opencv-python-headless{}"'
            .format(cv2_error, OPENCV_VERSIONS))
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')  # quiet; we say what matters
    with contextlib.suppress(AttributeError):  # not in every release of OpenCV 4
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


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


# What to read

def find_sources(sources, leave_out=()):
    """List the files to read.

    Args:
        sources (list of str): Files and folders.  A file is taken as it is;
            of a folder, the pictures and videos in it and below, in natural
            order (``2.png`` before ``10.png``), but nothing hidden.
        leave_out (list): Files and folders, or ``None``, that are not looked
            at inside a folder: our own outputs.

    Returns:
        tuple: The paths, and the number of other files in the folders.

    Raises:
        InputError: If a source does not exist or is an address on the web, or
            there is nothing to read.
    """
    for source in sources:
        if re.match(r'[A-Za-z][A-Za-z0-9+.-]+://', source):
            raise files.InputError('{}: expected a file, got an address on the web; download it '
                                   'first'.format(source))
        if not os.path.exists(source):
            raise files.InputError('{}: there is no such file or folder'.format(source))
    hidden = {os.path.realpath(path) for path in leave_out if path}
    paths, others = [], 0
    for source in sources:
        if os.path.isdir(source):
            found = list(_walk(source, hidden))
            media = [path for path in found if _extension(path) in PICTURES | VIDEOS]
            others += len(found) - len(media)
            paths += media
        else:
            paths.append(source)
    if not paths:
        raise files.InputError('{}: there is no picture and no video in it'.format(
            ', '.join(sources)))
    return paths, others


def _walk(folder, hidden):
    def shown(names):
        return [name for name in sorted(names, key=_natural) if not name.startswith('.')
                and os.path.realpath(os.path.join(here, name)) not in hidden]

    def fail(error):
        raise error

    for here, folders, names in os.walk(folder, onerror=fail):
        folders[:] = shown(folders)
        for name in shown(names):
            yield os.path.join(here, name)


def _natural(name):
    """A key to sort by: ``2.png`` before ``10.png``."""
    parts = re.split('([0-9]+)', name.casefold())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def _extension(path):
    return os.path.splitext(path)[1].lower()


# Which frames of a video to take: the first one in each slot

def every_nth(n):
    """Take the frames 0, ``n``, ``2 n``, ..."""
    return lambda index, seconds: index // n


def per_second(fps):
    """Take the first frames at or after the times 0, ``1 / fps``, ``2 / fps``, ..."""
    return lambda index, seconds: math.floor((seconds + STAMP_ERROR) * fps)


# Reading

class Frame(NamedTuple):
    source: str
    index: int
    seconds: Optional[float]  # None for a picture
    img: np.ndarray           # HWC, BGR, uint8


class FrameReader:

    """The frames of videos, and pictures, in order and one at a time.

    A file that cannot be read is noted and passed over, unless it is the only
    one.

    Args:
        paths (list of str): Videos and pictures.
        slot (callable): Maps the number of a frame and its time in seconds to
            a number; a frame is taken if that differs from the frame before.
        bar (tqdm.tqdm): Counts the frames, also those not taken.  Its total
            grows when a video says how many it has.

    Attributes:
        frames (int): Frames taken from videos so far.
        videos (int): Videos begun.
        pictures (int): Pictures read.
    """

    def __init__(self, paths, slot, bar):
        self.paths = paths
        self.slot = slot
        self.bar = bar
        self.frames = self.videos = self.pictures = 0

    def __iter__(self):
        unreadable = 0
        for path in self.paths:
            try:
                yield from self._read(path)
            except files.InputError as e:
                if len(self.paths) == 1:
                    raise
                unreadable += 1
                cli.note('passed over {}'.format(e))
        if unreadable == len(self.paths):
            raise files.InputError('none of the {} could be read'.format(
                _count(unreadable, 'file')))
        if unreadable:
            cli.note('{} of {} could not be read'.format(
                unreadable, _count(len(self.paths), 'file')))

    def describe(self):
        """What has been read, such as ``240 frames of 1 video and 3 pictures``."""
        videos = '{} of {}'.format(_count(self.frames, 'frame'), _count(self.videos, 'video'))
        pictures = _count(self.pictures, 'picture')
        return ' and '.join([videos] * bool(self.videos) + [pictures] * bool(self.pictures))

    def _read(self, path):
        _check_readable(path)
        if _extension(path) in PICTURES:
            img = read_picture(path)
            self.pictures += 1
            self.bar.update()
            yield Frame(path, 0, None, img)
        else:
            yield from self._read_video(path)

    def _read_video(self, path):
        with _opened(path) as capture:
            announced = max(capture.get(cv2.CAP_PROP_FRAME_COUNT), 0)
            self.bar.total += max(int(announced), 1) - 1
            last_slot, index, seconds = None, -1, 0
            for index, seconds in enumerate(_grab(capture)):
                self.videos += index == 0
                self.bar.update()
                slot = self.slot(index, seconds)
                if slot != last_slot:
                    last_slot = slot
                    ok, img = capture.retrieve()
                    if ok:
                        self.frames += 1
                        yield Frame(path, index, seconds, img)
            rate = _rate(capture)
        if index < 0:
            raise _unreadable(path)
        # A count that the container only estimates may be one too high.
        if index + 1 < announced and seconds + 2 / rate < announced / rate:
            cli.note('{}: {} of {:.0f} frames could be read; the video is cut short or damaged'
                     .format(path, index + 1, announced))


def _check_readable(path):
    try:
        path.encode()
    except UnicodeEncodeError as e:  # would crash OpenCV
        raise files.InputError('{}: expected a name in UTF-8; rename it'.format(
            ascii(path)[1:-1])) from e
    try:
        open(path, 'rb').close()
    except OSError as e:
        raise files.InputError('{}: {}'.format(path, e.strerror)) from e


def _unreadable(path):
    return files.InputError(
        '{}: expected a {}, got something that OpenCV cannot read; it may be damaged or not '
        'complete'.format(path, 'picture' if _extension(path) in PICTURES else 'video'))


def read_picture(path):
    """Read a picture, upright, on white where it is transparent.

    Args:
        path (str): A picture, grey or in colour, of 8 or 16 bits.

    Returns:
        numpy.ndarray: HWC, BGR, ``uint8``.

    Raises:
        InputError: If it cannot be read.
    """
    with open(path, 'rb') as f:  # cv2.imread knows only some paths on Windows
        data = f.read()
    with _without_stderr(), contextlib.suppress(cv2.error):  # an empty file, a huge picture
        img = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if img is not None:
            return _without_transparency(data, img)
    raise _unreadable(path)


def _without_transparency(data, img):
    # OpenCV drops the transparency of some formats and turns no picture that
    # it reads with it.  Some formats of OpenCV are not Pillow's: those stay.
    with contextlib.suppress(OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        picture = Image.open(io.BytesIO(data))
        if picture.has_transparency_data:
            picture = ImageOps.exif_transpose(picture).convert('RGBA')
            white = Image.new('RGBA', picture.size, 'white')
            rgb = np.asarray(Image.alpha_composite(white, picture).convert('RGB'))
            return cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return img


@contextlib.contextmanager
def _without_stderr():
    """Keep what OpenCV's libraries would print to ourselves."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, 'w') as null:
            os.dup2(null.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextlib.contextmanager
def _opened(path):
    with _without_stderr():
        # abspath: FFmpeg takes 'a:b.mp4' for the file b.mp4 of a protocol a.
        capture = cv2.VideoCapture(os.path.abspath(path))
    try:
        if not capture.isOpened():
            raise _unreadable(path)
        yield capture
    finally:
        capture.release()


def _rate(capture):
    rate = capture.get(cv2.CAP_PROP_FPS)
    return rate if 0 < rate < math.inf else USUAL_RATE


def _grab(capture):
    """Grab one frame after the other and yield its seconds since the first.

    Where the container has no time for a frame, or one that goes back, the
    frame counts as one frame later than the last.
    """
    first = last = None
    while capture.grab():
        stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if first is None:
            first, last = stamp, 0.
        elif stamp - first > last:
            last = stamp - first
        else:
            last += 1 / _rate(capture)
        yield last


# Finding and cropping

def whole_picture(img):
    """Detect one box, as large as the picture."""
    return [(0, 0, img.shape[1], img.shape[0])]


def face_detector(path=None, scale_factor=1.1, min_neighbors=5, min_size=24):
    """Make a face detector of a cascade, used the classic way.

    Args:
        path (str): The cascade; ``None`` takes the one beside this module.
        scale_factor (float): Step from one size of faces to the next.
        min_neighbors (int): Findings that must agree on a face.
        min_size (int): Side of the smallest face, in pixels.

    Returns:
        callable: Maps an ``img`` to a list of boxes, from left to right.

    Raises:
        InputError: If there is no such cascade.
    """
    cascade = read_cascade(path or os.path.join(os.path.dirname(__file__), DEFAULT_CASCADE))

    def detect(img):
        gray = cv2.equalizeHist(cv2.cvtColor(img, cv2.COLOR_BGR2GRAY))
        boxes = cascade.detectMultiScale(gray, scaleFactor=scale_factor,
                                         minNeighbors=min_neighbors, minSize=(min_size, min_size))
        return sorted(tuple(int(n) for n in box) for box in boxes)
    return detect


def read_cascade(path):
    """Read a ``cv2.CascadeClassifier``, or raise :class:`files.InputError`."""
    if not hasattr(cv2, 'CascadeClassifier'):
        raise files.InputError('OpenCV {} has no CascadeClassifier; install one that has: '
                               'python -m pip install "opencv-python{}"'
                               .format(cv2.__version__, OPENCV_VERSIONS))
    if not os.path.isfile(path):
        raise files.InputError(
            '{}: the cascade, which finds the faces, is missing; pass another with --cascade, '
            'such as {}, or take whole pictures with --no_faces'.format(path, CLASSIC_CASCADE))
    with open(path, encoding='utf-8', errors='replace') as f:  # OpenCV knows only some paths
        text = f.read()
    cascade = cv2.CascadeClassifier()
    try:
        storage = cv2.FileStorage(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
        good = cascade.read(storage.getFirstTopLevelNode())
    except (cv2.error, SystemError, ValueError):
        good = False
    if not good:
        raise files.InputError('{}: expected a cascade of OpenCV, got something else or a damaged '
                               'one; try {}'.format(path, CLASSIC_CASCADE))
    return cascade


def crop_faces(frames, detect, size, margin=0):
    """Crop what is found in each frame.

    Args:
        frames (FrameReader): Or any iterable of :class:`Frame` that has its
            method ``describe()``.
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
    not in the frame, and is never stretched.

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

    with files.replacing(output) as part:
        with NpyWriter(part, (files.CHANNELS, size, size)) as pictures:
            files.write_table(files.table_path(output), COLUMNS, rows(pictures))


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
            Image.fromarray(_to_hwc(img)).save(os.path.join(part, name))
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


def _to_hwc(img):
    return np.ascontiguousarray(img.transpose(1, 2, 0))  # CHW -> HWC


def save_sheet(X, path):
    """Save :func:`contact_sheet` and say so if it does not show all pictures."""
    sheet, step = contact_sheet(X)
    with files.replacing(path) as part:
        sheet.save(part)
    if step > 1:
        cli.note('{}: shows one of {} crops; there are {:,}'.format(path, step, len(X)))


def contact_sheet(X, side=80, columns=20, limit=3000):
    """Draw pictures in rows, each with its number under it.

    Args:
        X (numpy.ndarray): Pictures, shape ``(N, 3, H, W)``, RGB, ``uint8``.
        side (int): Pictures that are larger are shown at this size.
        columns (int): Pictures in a row, at most.
        limit (int): If there are more, only every second, third, ... is
            shown, so that the sheet can be opened.

    Returns:
        tuple: A ``PIL.Image.Image`` and the step from one number to the next.
    """
    background, ink = '#f5f4f2', '#6f6c68'
    border, gap, label = 24, 8, 18  # label: height of the line for the number
    step = math.ceil(len(X) / limit)
    numbers = range(0, len(X), step)
    columns = min(columns, round(math.sqrt(1.5 * len(numbers))))
    lines = math.ceil(len(numbers) / columns)
    side = min(side, max(X.shape[2:]))
    sheet = Image.new('RGB', (2 * border + columns * (side + gap) - gap,
                              2 * border + lines * (side + label + gap) - gap), background)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(11)
    cells = itertools.product(range(lines), range(columns))
    for number, (line, column) in zip(numbers, cells):
        left, top = border + column * (side + gap), border + line * (side + label + gap)
        img = Image.fromarray(_to_hwc(X[number]))
        img.thumbnail((side, side))
        sheet.paste(img, (left + (side - img.width) // 2, top + (side - img.height) // 2))
        draw.text((left + side / 2, top + side + label / 2 - 1), str(number), ink, font, 'mm')
    return sheet, step


def _count(n, noun):
    return '{:,} {}{}'.format(n, noun, '' if n == 1 else 's')


if __name__ == '__main__':
    main()
