"""The one place that imports OpenCV: lazily, and with a clear error message.

``from picture_ranknet.machine.opencv import cv2`` costs nothing and cannot
fail.  The first use of ``cv2`` imports OpenCV, which takes a tenth of a
second; if that fails it raises :class:`InputError`, which a command reports in
one line.
"""
import contextlib
import functools
import importlib
import os
import types

from picture_ranknet.errors import InputError
from picture_ranknet.machine import threads

VERSIONS = '>=4.5,<5'   # as in setup.py
MOST_PIXELS = 2 ** 28   # of a picture that OpenCV decodes, whatever its header says


def check_opencv() -> None:
    """Import OpenCV now, before other work begins.

    Raises:
        InputError: If OpenCV is not installed, or cannot be loaded.
    """
    _load()


@functools.cache
def _load():
    # OpenCV reads both, the first one on import.
    os.environ.setdefault('OPENCV_IO_MAX_IMAGE_PIXELS', str(MOST_PIXELS))
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')  # silent: we report what matters
    try:
        module = importlib.import_module('cv2')
    except ModuleNotFoundError as e:
        if e.name != 'cv2':
            raise _broken(e) from e
        raise InputError('OpenCV is not installed; '
                         f'python -m pip install "opencv-python{VERSIONS}"') from e
    except ImportError as e:
        raise _broken(e) from e
    with contextlib.suppress(AttributeError):  # not in every release of OpenCV 4
        module.utils.logging.setLogLevel(module.utils.logging.LOG_LEVEL_SILENT)
    threads.limit_opencv()
    return module


def _broken(error):
    # On servers libGL.so.1 or the like is missing.
    return InputError(
        f'OpenCV cannot be imported ({error}); install the build that needs no system libraries: '
        f'python -m pip install --force-reinstall --no-deps "opencv-python-headless{VERSIONS}"')


class _OpenCV(types.ModuleType):

    """A lazy proxy for the module ``cv2``."""

    def __getattr__(self, name):
        return getattr(_load(), name)


cv2 = _OpenCV('cv2')
