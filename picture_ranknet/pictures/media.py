"""Reading videos and pictures, in order and one frame at a time.

A frame is ``img``, HWC, BGR, ``uint8``, as OpenCV has it; a picture is upright
and, where it is transparent, on white.  Frames are counted from 0, and their
times are seconds since the first frame of the video; a picture is frame 0 and
has no time.

A small file may say that it is a huge picture.  So what the header of a file
says is looked at first, by Pillow, which reads no more than that, and what is
larger than ``MAX_PIXELS`` or another limit is not decoded.

``cv2`` is ``None`` where it cannot be imported: a command calls
:func:`check_opencv` before anything else here, which says why.
"""
import contextlib
import io
import math
import os
import re
import sys
from typing import NamedTuple, Optional

import numpy as np
from PIL import Image, ImageOps

from picture_ranknet.console import messages
from picture_ranknet.errors import InputError
from picture_ranknet.text import count

MAX_PIXELS = 50_000_000   # of a picture or a frame
LARGEST = 2 ** 28         # ... whatever the user says
ANIMATED = 100            # times the limit that all frames of an animation may have together
BYTES = 8                 # of a pixel, at most: four channels of 16 bits

# Where a header fools Pillow; OpenCV looks at it once, when it is imported.
os.environ.setdefault('OPENCV_IO_MAX_IMAGE_PIXELS', str(LARGEST))
Image.MAX_IMAGE_PIXELS = None  # it would warn of what is within our limit

try:
    import cv2
except ImportError as e:  # check_opencv() tells the user; an import only tells Python
    cv2, cv2_error = None, e

OPENCV_VERSIONS = '>=4.5,<5'  # as in setup.py
PICTURES = frozenset('.apng .avif .bmp .dib .jp2 .jpe .jpeg .jpg .pbm .pgm .png .pnm .ppm .tif '
                     '.tiff .webp'.split())
ANIMATIONS = frozenset('.apng .avif .png .webp'.split())  # pictures that may be, for Pillow
VIDEOS = frozenset('.3gp .asf .avi .flv .gif .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts '
                   '.vob .webm .wmv'.split())
STAMP_ERROR = .001  # seconds; Matroska and FLV round the time of a frame to a millisecond
UNREADABLE = Exception  # of Pillow, whose formats raise many kinds
USUAL_RATE = 25.    # frames a second, where a video does not say


def check_opencv():
    """Raise :class:`InputError` if OpenCV cannot be used, and quieten it."""
    if cv2 is None and cv2_error.name == 'cv2':
        raise InputError('OpenCV is not installed; python -m pip install "opencv-python{}"'
                               .format(OPENCV_VERSIONS))
    if cv2 is None:  # on servers, libGL.so.1 or the like is missing
        raise InputError(
            'OpenCV cannot be imported ({}); swap in the build that needs no system libraries: '
            'python -m pip install --force-reinstall --no-deps "opencv-python-headless{}"'
            .format(cv2_error, OPENCV_VERSIONS))
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')  # quiet; we say what matters
    with contextlib.suppress(AttributeError):  # not in every release of OpenCV 4
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


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
            raise InputError('{}: expected a file, got an address on the web; download it '
                                   'first'.format(source))
        if not os.path.exists(source):
            raise InputError('{}: there is no such file or folder{}'.format(
                source, '; of an image sequence, name the folder' if '%' in source else ''))
    hidden = {os.path.realpath(path) for path in leave_out if path}
    paths, others = [], 0
    for source in sources:
        if os.path.isdir(source):
            found = list(_walk(source, hidden))
            readable = [path for path in found if _extension(path) in PICTURES | VIDEOS]
            others += len(found) - len(readable)
            paths += readable
        else:
            paths.append(source)
    if not paths:
        raise InputError('{}: there is no picture and no video in it'.format(
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


def is_video(path):
    """Whether a path has the ending of a video."""
    return _extension(path) in VIDEOS


# Which frames of a video to take: the first one in each slot

def every_nth(n):
    """Take the frames 0, ``n``, ``2 n``, ..."""
    return lambda index, seconds: index // n


def per_second(fps):
    """Take the first frames at or after the times 0, ``1 / fps``, ``2 / fps``, ..."""
    return lambda index, seconds: math.floor((seconds + STAMP_ERROR) * fps)


# Reading

class Frame(NamedTuple):
    """A frame of a video, or a picture."""

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
        max_pixels (int): What is larger is passed over.
        n_files (int): How many files there are in all, if others read the
            rest; who has all counts then calls :func:`sum_up`.

    Attributes:
        grabbed (int): Frames of videos that were decoded so far.
        frames (int): Frames taken from videos so far.
        videos (int): Videos begun.
        pictures (int): Pictures read.
        unreadable (int): Files passed over.
    """

    COUNTS = 'grabbed', 'frames', 'videos', 'pictures', 'unreadable'

    def __init__(self, paths, slot, bar, max_pixels=MAX_PIXELS, n_files=None):
        self.paths = paths
        self.max_pixels = max_pixels
        self.slot = slot
        self.bar = bar
        self.n_files = len(paths) if n_files is None else n_files
        self.grabbed = self.frames = self.videos = self.pictures = self.unreadable = 0

    def __iter__(self):
        for path in self.paths:
            try:
                yield from self._read(path)
            except InputError as e:
                if self.n_files == 1:
                    raise
                self.unreadable += 1
                messages.note('passed over {}'.format(e))
        if self.n_files == len(self.paths):
            sum_up(self.unreadable, self.n_files)

    def describe(self):
        """What has been read, such as ``240 frames of 1 video and 3 pictures``."""
        videos = '{} of {}'.format(count(self.frames, 'frame'), count(self.videos, 'video'))
        pictures = count(self.pictures, 'picture')
        return ' and '.join([videos] * bool(self.videos) + [pictures] * bool(self.pictures))

    def _read(self, path):
        _check_readable(path)
        _check_header(path, path, self.max_pixels)
        animation = _open_animation(path) if _extension(path) in ANIMATIONS else None
        if animation:
            with animation:
                yield from self._read_animation(path, animation)
        elif _extension(path) in PICTURES:
            img = read_picture(path, self.max_pixels)
            self.pictures += 1
            self.bar.update()
            yield Frame(path, 0, None, img)
        else:
            yield from self._read_video(path)

    def _read_video(self, path):
        with _opened(path) as capture:
            _check_size(path, *(max(0, int(capture.get(side))) for side in (
                cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)), self.max_pixels)
            announced = max(capture.get(cv2.CAP_PROP_FRAME_COUNT), 0)
            self.bar.total += max(int(announced), 1) - 1
            n, seconds = yield from self._sample(path, _grab(capture), capture.retrieve)
            rate = _rate(capture)
        if not n:
            raise _unreadable(path)
        # A count that the container only estimates may be one too high.
        if n < announced and seconds + 2 / rate < announced / rate:
            messages.note('{}: {} of {:.0f} frames could be read; the video is cut short or damaged'
                     .format(path, n, announced))

    def _read_animation(self, path, animation):
        width, height = animation.size
        if width * height * animation.n_frames > ANIMATED * self.max_pixels:
            raise InputError(
                '{}: expected an animation of up to {:,} pixels, got {} x {} in {:,} frames; cut '
                'it, or say --max_pixels to crop_faces.py, a hundredth of that'.format(
                    path, ANIMATED * self.max_pixels, width, height, animation.n_frames))
        self.bar.total += animation.n_frames - 1
        n, _ = yield from self._sample(
            path, _turn(animation), lambda: (True, _on_white(animation)))
        if n < animation.n_frames:
            messages.note('{}: {} of {} frames could be read; the animation is damaged'.format(
                path, n, animation.n_frames))

    def _sample(self, path, times, retrieve):
        """Yield the frames that are taken; return how many there are, and the last one's time."""
        last_slot, n, seconds = None, 0, 0
        for index, seconds in enumerate(times):
            n += 1
            self.videos += index == 0
            self.grabbed += 1
            self.bar.update()
            slot = self.slot(index, seconds)
            if slot != last_slot:
                last_slot = slot
                ok, img = retrieve()
                if ok:
                    self.frames += 1
                    yield Frame(path, index, seconds, img)
        return n, seconds


def sum_up(unreadable, n_files):
    """Tell the user how many files could not be read; raise :class:`InputError` if all."""
    if unreadable == n_files:
        raise InputError('none of the {} could be read'.format(
            count(unreadable, 'file')))
    if unreadable:
        messages.note('{} of {} could not be read'.format(unreadable, count(n_files, 'file')))


def _check_readable(path):
    try:
        path.encode()
    except UnicodeEncodeError as e:  # would crash OpenCV
        raise InputError('{}: expected a name in UTF-8; rename it'.format(
            ascii(path)[1:-1])) from e
    if not os.path.isfile(path) and os.path.exists(path):  # a pipe might keep us waiting for ever
        raise InputError('{}: expected a file, got a folder or a device'.format(path))
    try:
        open(path, 'rb').close()
    except OSError as e:
        raise InputError('{}: {}'.format(path, e.strerror)) from e


def _check_header(path, file, max_pixels):
    """Raise :class:`InputError` if a picture, or a video that is one, says it is too large.

    Args:
        path (str): What to call it.
        file: Its path, or a file object.
        max_pixels (int): The limit.
    """
    size = 0, 0
    with contextlib.suppress(UNREADABLE), Image.open(file) as picture:
        size = picture.size
    _check_size(path, *size, max_pixels)


def _check_size(path, width, height, max_pixels):
    if width * height > max_pixels:
        raise InputError('{}: expected up to {:,} pixels, got {} x {}; shrink it, or say '
                               '--max_pixels to crop_faces.py'.format(
                                   path, max_pixels, width, height))


def _unreadable(path):
    kind, more = ('picture', '') if _extension(path) in PICTURES else ('video', 'sound only, ')
    return InputError(
        '{}: expected a {}, got something that OpenCV cannot read; it may be {}damaged or not '
        'complete'.format(path, kind, more))


def read_picture(path, max_pixels=MAX_PIXELS):
    """Read a picture, upright, on white where it is transparent.

    Args:
        path (str): A picture, grey or in colour, of 8 or 16 bits.
        max_pixels (int): What is larger is not decoded.

    Returns:
        numpy.ndarray: HWC, BGR, ``uint8``.

    Raises:
        InputError: If it cannot be read, or is larger.
    """
    most = BYTES * max_pixels + 2 ** 20
    with open(path, 'rb') as f:  # cv2.imread knows only some paths on Windows
        data = f.read(most + 1)
    if len(data) > most:
        raise InputError('{}: expected up to {:,} bytes, got more; shrink it, or say '
                               '--max_pixels to crop_faces.py'.format(path, most))
    _check_header(path, io.BytesIO(data), max_pixels)
    try:
        with _without_stderr():
            img = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            if img is not None:
                return _without_transparency(data, img)
    except cv2.error as e:
        if e.code == cv2.Error.STS_NO_MEM:
            raise MemoryError(path) from e
        # else an empty file, or one that is too large for OpenCV
    raise _unreadable(path)


def _without_transparency(data, img):
    # OpenCV drops the transparency of some formats and turns no picture that
    # it reads with it.  Some formats of OpenCV are not Pillow's: those stay.
    with contextlib.suppress(UNREADABLE):
        picture = Image.open(io.BytesIO(data))
        if picture.has_transparency_data:
            return _on_white(ImageOps.exif_transpose(picture))
    return img


def _on_white(picture):
    picture = picture.convert('RGBA')
    white = Image.new('RGBA', picture.size, 'white')
    rgb = np.asarray(Image.alpha_composite(white, picture).convert('RGB'))
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)


def _open_animation(path):
    """An animation, as Pillow has it; ``None`` if the file is something else."""
    with contextlib.suppress(UNREADABLE):
        picture = Image.open(path)
        if getattr(picture, 'n_frames', 1) > 1:
            return picture
        picture.close()
    return None


def _turn(animation):
    """Turn to one frame of an animation after the other and yield its seconds."""
    seconds = 0.
    with contextlib.suppress(UNREADABLE):
        for index in range(animation.n_frames):
            animation.seek(index)
            animation.load()
            yield seconds
            seconds += animation.info.get('duration', 0) / 1000 or 1 / USUAL_RATE


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
