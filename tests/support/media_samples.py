"""Small pictures, videos and a cascade for the tests, and what their crops show."""
import csv

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
