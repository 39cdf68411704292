"""Small pictures, videos and a cascade for the tests, and what their crops show."""
import contextlib
import csv
import os
from fractions import Fraction

import cv2
import numpy as np
import pytest
from PIL import Image

from picture_ranknet.storage import tables

SKIN = (250, 200, 100)  # RGB, of what stands for a face

# One weak classifier of one LBP feature: a square that is brighter than all around it.
CASCADE = """<?xml version="1.0"?>
<opencv_storage><cascade>
  <stageType>BOOST</stageType><featureType>LBP</featureType>
  <height>24</height><width>24</width>
  <stageParams><maxWeakCount>1</maxWeakCount></stageParams>
  <featureParams><maxCatCount>256</maxCatCount></featureParams>
  <stageNum>1</stageNum>
  <stages><_><maxWeakCount>1</maxWeakCount><stageThreshold>0.5</stageThreshold>
    <weakClassifiers><_>
      <internalNodes>0 -1 0 1 0 0 0 0 0 0 0</internalNodes><leafValues>1. -1.</leafValues>
    </_></weakClassifiers></_></stages>
  <features><_><rect>0 0 8 8</rect></_></features>
</cascade></opencv_storage>
"""


def save_picture(path, colour=SKIN, size=(60, 40), **options):
    Image.new('RGB', size, colour).save(path, **options)
    return path


def save_video(path, frames, fps=24., codec='mp4v'):
    """Write frames, HWC, RGB."""
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[:, :, ::-1]))
    writer.release()
    return path


@contextlib.contextmanager
def ordinary_priority():
    """Give threads the priority back that SVT-AV1 changes to real time, where it is root."""
    if not hasattr(os, 'sched_getscheduler'):
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        for thread in os.listdir('/proc/self/task'):
            with contextlib.suppress(ProcessLookupError):
                os.sched_setscheduler(int(thread), policy, parameters)


def encode_video(path, frames, codec='libx264', rate=25, pix_fmt='yuv420p', options=None,
                 container=None, interlaced=False, tags=None, aspect=None, times=None, title=None):
    """Write frames, HWC, RGB, with PyAV; skips the test where the codec is missing.

    ``tags`` are attributes of the stream's coding context; ``times`` are those
    of the frames in milliseconds; ``container`` are options of the format.
    """
    import av

    try:
        av.codec.Codec(codec, 'w')
    except av.FFmpegError:
        pytest.skip(f'FFmpeg here cannot write {codec}')
    with ordinary_priority(), av.open(str(path), 'w', options=container or {}) as out:
        stream = out.add_stream(codec, rate=rate, options=options or {})
        if title:
            out.metadata['title'] = title
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        if aspect:
            stream.codec_context.sample_aspect_ratio = Fraction(aspect)
        if interlaced:
            stream.codec_context.flags |= 1 << 18 | 1 << 29  # interlaced DCT and motion
        for name, value in (tags or {}).items():
            setattr(stream.codec_context, name, value)
        matrix = (tags or {}).get('colorspace', 5)
        full = (tags or {}).get('color_range', 1) == 2
        for i, frame in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(yuv_planes(frame, pix_fmt, matrix, full), 'yuv444p'
                                               ) if pix_fmt.startswith('yuv') else (
                av.VideoFrame.from_ndarray(np.ascontiguousarray(frame)))
            frame.color_range = 2 if full else 1
            frame = frame.reformat(format=pix_fmt)
            frame.pts = times[i] if times else i
            frame.time_base = Fraction(1, 1000) if times else Fraction(1, rate)
            for name, value in (tags or {}).items():
                if hasattr(frame, name):  # the newest of PyAV 15 lacks some
                    setattr(frame, name, value)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def yuv_planes(frame, pix_fmt, matrix, full=False):
    """RGB to YUV of 8 bits by the matrix of ITU-T H.273's number; shape ``(3, H, W)``."""
    red, blue = {1: (.2126, .0722), 5: (.299, .114), 6: (.299, .114), 9: (.2627, .0593)}[matrix]
    r, g, b = np.moveaxis(frame / 255, 2, 0)
    y = red * r + (1 - red - blue) * g + blue * b
    u, v = (b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red)
    scale, low, chroma = (255, 0, 255) if full else (219, 16, 224)
    planes = [low + scale * y, 128 + chroma * u, 128 + chroma * v]
    return np.uint8(np.clip(np.rint(planes), 0, 255))


def quarters(height=96, width=128):
    """A picture of four colours: red, green, blue and grey from top left to bottom right."""
    img = np.zeros((height, width, 3), np.uint8)
    img[:height // 2, :width // 2] = 200, 40, 60
    img[:height // 2, width // 2:] = 50, 180, 70
    img[height // 2:, :width // 2] = 40, 60, 190
    img[height // 2:, width // 2:] = 120, 120, 120
    return img


def corners(img):
    """The colours of the four quarters of a frame, BGR, as RGB, in the order of quarters()."""
    height, width = img.shape[:2]
    return [img[y, x, ::-1].tolist() for y in (height // 4, 3 * height // 4)
            for x in (width // 4, 3 * width // 4)]


QUARTERS = [[200, 40, 60], [50, 180, 70], [40, 60, 190], [120, 120, 120]]


def count_up(n):
    """Frames that show their number as eight bright or dark bars."""
    bits = np.arange(n)[:, None] >> np.arange(8) & 1
    bars = np.repeat(60 + 130 * bits, 8, axis=1).astype(np.uint8)  # (n, 64)
    return [np.broadcast_to(bar[:, None], (48, 64, 3)) for bar in bars]


def read(path='X.npy'):
    """The pictures and the rows of the table."""
    with open(tables.table_path(path), newline='', encoding='utf-8') as f:
        return np.load(path), list(csv.DictReader(f))


def numbers(X):
    """Which frame of :func:`count_up` each picture is."""
    bars = X.reshape(len(X), -1, 8, X.shape[3] // 8).mean((1, 3))
    return ((bars > 125) << np.arange(8)).sum(1).tolist()


def colour_of(picture):
    return picture.mean((1, 2)).round().astype(int).tolist()


def near(colour, tolerance=4):
    return pytest.approx(colour, abs=tolerance)
