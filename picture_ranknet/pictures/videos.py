"""Reading videos with PyAV, which bundles FFmpeg: upright, with square pixels, deinterlaced.

Every frame is decoded, so that frame numbers and times are exact; only
requested frames are converted to an ``img`` (HWC, BGR, ``uint8``, as in
OpenCV).  A single frame whose time is known is sought by its time.
"""
import collections
import contextlib
import os
from collections.abc import Iterator
from fractions import Fraction
from typing import Callable

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.machine import threads
from picture_ranknet.machine.opencv import cv2
from picture_ranknet.pictures import colours, kinds
from picture_ranknet.pictures.limits import MAX_PIXELS, check_size

# Where FFmpeg would guess wrong: a start in the middle of a stream, and a file named as a picture.
FORMATS = {kinds.MPEG_PACKS: 'mpeg', kinds.MOTION_JPEG: 'mjpeg'}
WITH_ALPHA = {'vp8': 'libvpx', 'vp9': 'libvpx-vp9'}  # names of decoders
AV_VERSIONS = '>=15,<20'  # as in setup.py
USUAL_RATE = 25.          # frames per second, where a video does not say
MOST_THREADS = 16         # for decoding; with more, FFmpeg warns of worse quality
BEFORE = .5               # decoding begins at least so many seconds before a frame
SAME = .002               # seconds between times of the same frame, at most
SQUARE = .01              # pixels this close to square are left alone
WIDEST = 4                # pixel aspect ratios beyond this are taken for errors
# ITU-T H.273's numbers of matrices from RGB to YUV, by the names of FFmpeg's scaler.
MATRICES = {1: 'bt709', 4: 'fcc', 5: 'bt601', 6: 'bt601', 7: 'smpte240m', 9: 'bt2020', 10: 'bt2020'}
LIMITED, FULL = 1, 2      # FFmpeg's numbers of ranges
UNSAID = 2                # H.273's number for unspecified colours
# With these flags FFmpeg's conversion is exact to one level, and chroma is interpolated.  Without,
# it rounds down, by 1.2 levels on average and 3 at most, and takes the nearest chroma.
FLAGS = 'bilinear+accurate_rnd+full_chroma_int'


class Video:

    """An open video.

    Attributes:
        announced (int): The number of frames that the file states; 0 if it
            does not.
        expected (int): The same, or an estimate, for a progress bar.
        is_short (bool): After reading: whether frames are missing at the end.
    """

    def __init__(self, path: str, container, stream, max_pixels: int):
        self.path = path
        self._container, self._stream, self._max_pixels = container, stream, max_pixels
        self._rate = float(stream.average_rate or stream.guessed_rate or USUAL_RATE)
        self.announced = stream.frames
        duration = float(stream.duration * stream.time_base) if stream.duration else (
            container.duration or 0) / 1e6
        self.expected = max(1, self.announced or round(max(0, duration) * self._rate))
        # Frames cut by an edit list are included in the stated number.  In AVI, the duration is
        # that of what is left of a truncated file.
        self._end = self.announced / self._rate
        if 'mov' in container.format.name and stream.duration:
            self._end = min(self._end, duration)
        self.is_short = False
        self._converters = {}
        self._decoder = _make_decoder(stream)
        self._decoder.thread_type = 'AUTO'
        self._decoder.thread_count = min(threads.count(), MOST_THREADS)
        self._decoder.options = {'max_pixels': str(max_pixels)}
        self._aspect = stream.codec_context.sample_aspect_ratio

    def __iter__(self) -> Iterator[tuple[float, Callable[[], np.ndarray]]]:
        """Yield the time of each frame, in seconds since the first, and a function for its img."""
        n, seconds = 0, 0.
        for seconds, frame in _deinterlace(self._times(self._decode())):
            n += 1
            yield seconds, lambda frame=frame: self._img(frame)
        self.is_short = n < self.announced and seconds + 2 / self._rate < self._end

    def find(self, seconds: float, progress: Callable[[], object] = lambda: None):
        """The image of one frame, without decoding all frames before it.

        Args:
            seconds (float): Its time since the first frame, to a millisecond.
            progress (callable): Called with each frame that is decoded.

        Returns:
            numpy.ndarray: ``None`` if no frame of that time is found: the
            video is not seekable, or its frames have no times.
        """
        import av

        first = self._stamp(next(self._decode(), None))
        if first is None:
            return None
        try:  # the key frame before it
            self._container.seek(int((first + max(0, seconds - BEFORE)) / self._stream.time_base),
                                 stream=self._stream)
            self._decoder.flush_buffers()
        except (av.FFmpegError, OverflowError):
            return None
        stamps = ((self._stamp(frame), frame) for frame in self._decode())
        for stamp, frame in _deinterlace(stamps):
            progress()
            if stamp is None or stamp - first > seconds + SAME:
                return None
            if stamp - first >= seconds - SAME:
                return self._img(frame)
        return None

    def _decode(self):
        """Yield the frames; damaged ones are skipped."""
        import av

        try:
            for packet in self._container.demux(self._stream):
                with contextlib.suppress(av.FFmpegError):
                    yield from self._decoder.decode(packet)
        except av.FFmpegError:  # the file is damaged from here on
            with contextlib.suppress(av.FFmpegError):
                yield from self._decoder.decode(None)

    def _times(self, frames):
        """Yield the time of each frame, in seconds since the first, and the frame.

        A frame without a time, or with one that goes back, counts as one frame
        later than the last.
        """
        first = last = None
        for frame in frames:
            stamp = self._stamp(frame)
            if last is None:
                first, last = stamp, 0.
            elif stamp is not None and first is not None and stamp - first > last:
                last = stamp - first
            else:
                last += 1 / self._rate
            yield last, frame

    def _stamp(self, frame):
        """The time of a frame in seconds, from any origin; ``None`` if it has none."""
        stamp = frame and (frame.dts if frame.pts is None else frame.pts)
        return None if stamp is None else float(stamp * (frame.time_base or self._stream.time_base))

    def _img(self, frame):
        import av

        width, height = self._shape(frame)
        check_size(self.path, width, height, self._max_pixels)
        coding = self._stream.codec_context  # PyAV 15 does not have these for a frame
        gamut = coding.color_primaries, coding.color_trc
        key = (_layout(frame), width, height, frame.colorspace, frame.color_range, frame.rotation,
               gamut)
        if key not in self._converters:
            self._converters.clear()  # of frames of a former size
            self._converters[key] = _Converter(frame, width, height, *gamut), _read_turn(frame)
        convert, (swaps, flip) = self._converters[key]
        try:
            img = convert(frame)
        except av.FFmpegError as e:
            raise InputError(f'{self.path}: FFmpeg cannot convert a frame in {frame.format.name} '
                             f'({e.strerror}); convert it to H.264') from e
        img = cv2.transpose(img) if swaps else img
        return img if flip is None else cv2.flip(img, flip)

    def _shape(self, frame):
        """Width and height with square pixels; the height is kept."""
        aspect = self._stream.codec_context.sample_aspect_ratio
        if aspect == self._aspect:  # unchanged: the container's value takes precedence
            aspect = self._stream.sample_aspect_ratio or aspect
        if not aspect or abs(aspect - 1) < SQUARE or not 1 / WIDEST <= aspect <= WIDEST:
            return frame.width, frame.height
        return max(1, round(frame.width * aspect)), frame.height


@contextlib.contextmanager
def opened(path: str, max_pixels: int = MAX_PIXELS) -> Iterator[Video]:
    """Open a video.

    Args:
        path (str): Its name need not indicate the format.
        max_pixels (int): Of a frame; larger ones are not decoded.

    Raises:
        InputError: If it is not a video, cannot be read, or is larger.
    """
    try:
        import av  # here, since it is not needed for pictures alone
    except ImportError as e:
        raise InputError(f'{path}: videos are read by PyAV, which cannot be imported ({e}); '
                         f'python -m pip install "av{AV_VERSIONS}"') from e
    kind = kinds.tell_file(path)
    try:
        # abspath: FFmpeg would read 'a:b.mp4' as the file b.mp4 with protocol a.
        # Titles may be in any encoding; PyAV 19 and later accept that anyway.
        errors = {'metadata_errors': 'replace'} if int(av.__version__.split('.')[0]) < 19 else {}
        container = av.open(os.path.abspath(path), format=FORMATS.get(kind and kind.name), **errors)
    except av.FFmpegError as e:
        raise _damaged(path) from e
    with container:
        stream = _choose_stream(path, container)
        check_size(path, stream.codec_context.width, stream.codec_context.height, max_pixels)
        yield Video(path, container, stream, max_pixels)


def _choose_stream(path, container):
    """The largest of a file's video streams, the first of equals, ignoring album covers."""
    from av.stream import Disposition

    streams = [stream for stream in container.streams.video
               if not stream.disposition & Disposition.attached_pic]
    if not streams and not container.streams.audio:
        raise _damaged(path)
    if not streams:
        raise InputError(f'{path}: expected a video, got sound only')
    streams = [stream for stream in streams if stream.codec_context]
    if not streams:
        raise InputError(f'{path}: expected a video, got one in a codec that FFmpeg does not '
                         'read; convert it to H.264')
    return max(streams, key=lambda stream: stream.codec_context.width * stream.codec_context.height)


def _make_decoder(stream):
    """The stream's decoder, or one that supports transparency where FFmpeg's own does not."""
    import av

    if ('alpha_mode', '1') in ((name.lower(), value) for name, value in stream.metadata.items()):
        with contextlib.suppress(KeyError, av.FFmpegError, ValueError):
            return av.CodecContext.create(WITH_ALPHA[stream.codec_context.name], 'r')
    return stream.codec_context


def _damaged(path):
    kind = kinds.tell(kinds.read_head(path))
    name = f'{kind.name} video' if kind else 'video'
    return InputError(f'{path}: expected a whole {name}, got a damaged or incomplete one')


def _layout(frame):
    return frame.format.name, frame.width, frame.height


# Interlaced frames, each of which holds rows from two points in time

def _deinterlace(frames):
    """Yield the output of :meth:`Video._times`, frame by frame, deinterlaced.

    From the first frame marked as interlaced on, frames go through FFmpeg's
    bwdif filter, which leaves those without the mark unchanged.
    """
    graph, layout, waiting = None, None, collections.deque()
    for seconds, frame in frames:
        if graph and layout != _layout(frame):
            yield from _pull(graph, waiting, at_end=True)
            graph = None
        if not graph and not frame.interlaced_frame:
            yield seconds, frame
            continue
        if not graph:
            layout = _layout(frame)
            graph = _build(frame, ('bwdif', 'mode=send_frame:deint=interlaced'))
        waiting.append(seconds)
        graph.push(frame)
        yield from _pull(graph, waiting)
    if graph:
        yield from _pull(graph, waiting, at_end=True)


def _pull(graph, waiting, at_end=False):
    import av

    if at_end:
        graph.push(None)
    with contextlib.suppress(av.BlockingIOError, av.EOFError):  # nothing more for now, or ever
        while True:
            frame = graph.pull()
            yield waiting.popleft(), frame


def _build(frame, *filters):
    """A filter graph for frames like this one."""
    import av.filter

    graph = av.filter.Graph()
    with contextlib.suppress(AttributeError):  # PyAV 15 does not pass it to FFmpeg
        graph.threads = min(threads.count(), MOST_THREADS)
    graph.link_nodes(
        graph.add_buffer(width=frame.width, height=frame.height, format=frame.format,
                         time_base=frame.time_base or Fraction(1, 90000)),
        *(graph.add(name, args) for name, args in filters), graph.add('buffersink')).configure()
    return graph


# Pixels

class _Converter:

    """Converts frames of one layout and one colour space to img."""

    def __init__(self, frame, width, height, primaries, transfer):
        is_rgb = frame.format.is_rgb or frame.format.has_palette
        self._has_alpha = any(part.is_alpha for part in frame.format.components)
        self._primaries, self._transfer = primaries, transfer
        self._is_srgb = colours.is_srgb(self._primaries, self._transfer)
        full = is_rgb or frame.color_range == FULL or frame.format.name.startswith('yuvj')
        # FFmpeg takes all grey video for full range.
        self._is_dim = frame.format.name.startswith('gray') and frame.color_range == LIMITED
        options = [f'{width}:{height}', f'flags={FLAGS}']
        if not is_rgb:
            options += [f'in_color_matrix={_matrix(frame)}',
                        f'in_range={"full" if full else "limited"}']
        # FFmpeg's exact conversion makes white grey of fewer than 8 bits; its plain one does not.
        few = is_rgb and not frame.format.has_palette and any(
            1 < part.bits < 8 for part in frame.format.components)
        # Planar, because FFmpeg's exact conversion is three times faster than to bgr24.
        planes = 'gbrap' if self._has_alpha else 'gbrp'
        planes += '' if self._is_srgb else '16le'
        self._graph = _build(frame, *[('format', 'bgr24')] * few, ('scale', ':'.join(options)),
                             ('format', planes))
        self._size = width, height

    def __call__(self, frame):
        with contextlib.suppress(AttributeError):  # PyAV 15 does not have them for a frame
            # FFmpeg refuses some that occur in videos, and would not convert them anyway.
            frame.color_primaries = frame.color_trc = UNSAID
        self._graph.push(frame)
        green, blue, red, *alpha = map(self._read_plane, self._graph.pull().planes)
        img = cv2.merge([blue, green, red])
        if not self._is_srgb:
            img = colours.to_srgb(img, self._primaries, self._transfer)
            alpha = [np.uint8(plane >> 8) for plane in alpha]
        if self._is_dim:
            img = cv2.convertScaleAbs(np.maximum(img, 16), alpha=255 / 219, beta=-16 * 255 / 219)
        return colours.on_white(img, *alpha) if alpha else img

    def _read_plane(self, plane):
        width, height = self._size
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:height]
        return rows[:, :width] if self._is_srgb else rows.view('<u2')[:, :width]


def _matrix(frame):
    """The frame's matrix; if untagged, chosen by size as in players: BT.709 for HD."""
    is_high = frame.width >= 1280 or frame.height > 576
    return MATRICES.get(frame.colorspace, 'bt709' if is_high else 'bt601')


def _read_turn(frame):
    """Whether to swap x and y, and OpenCV's code for how to flip then, or ``None``.

    Do not call it for every frame: PyAV keeps a frame whose side data was read
    in memory until Python's garbage collection.
    """
    try:
        matrix = frame.side_data.get('DISPLAYMATRIX')
    except ValueError:  # side data that PyAV does not know, such as EXIF
        return ((False, None), (True, 0), (False, -1), (True, 1))[round(frame.rotation / 90) % 4]
    if matrix is None:
        return False, None
    a, b, _, c, d, *_ = np.frombuffer(matrix, np.int32).tolist()  # 16.16 fixed point
    swaps = abs(b) > abs(a)
    flips_x, flips_y = (c < 0, b < 0) if swaps else (a < 0, d < 0)
    flip = -1 if flips_x and flips_y else int(flips_x)
    return swaps, flip if flips_x or flips_y else None
