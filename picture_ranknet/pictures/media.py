"""Reading pictures and videos: what the other rooms use of this one.

:func:`find_sources` lists the files to read and :class:`FrameReader` reads
their frames; ``cv2`` is OpenCV, or ``None`` where it cannot be imported.
"""
from picture_ranknet.pictures.frames import Frame, FrameReader, every_nth, per_second, sum_up
from picture_ranknet.pictures.images import read_picture
from picture_ranknet.pictures.kinds import is_video
from picture_ranknet.pictures.limits import LARGEST, MAX_PIXELS
from picture_ranknet.pictures.opencv import OPENCV_VERSIONS, check_opencv, cv2
from picture_ranknet.pictures.sources import find_sources, size_of

__all__ = ['Frame', 'FrameReader', 'LARGEST', 'MAX_PIXELS', 'OPENCV_VERSIONS', 'check_opencv',
           'cv2', 'every_nth', 'find_sources', 'is_video', 'per_second', 'read_picture', 'size_of',
           'sum_up']
