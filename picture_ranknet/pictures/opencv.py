"""OpenCV, where it can be imported: cascades, resizing and drawing.

``cv2`` is ``None`` where OpenCV cannot be imported; a command calls
:func:`check_opencv` before anything else, which tells the user why.
"""
import contextlib

from picture_ranknet.errors import InputError

try:
    import cv2
except ImportError as e:  # check_opencv() tells the user; an import only tells Python
    cv2, cv2_error = None, e

OPENCV_VERSIONS = '>=4.5,<5'  # as in setup.py


def check_opencv() -> None:
    """Raise :class:`InputError` if OpenCV cannot be used, and silence its log."""
    if cv2 is None and cv2_error.name == 'cv2':
        raise InputError(
            f'OpenCV is not installed; python -m pip install "opencv-python{OPENCV_VERSIONS}"')
    if cv2 is None:  # on servers, libGL.so.1 or the like is missing
        raise InputError(
            f'OpenCV cannot be imported ({cv2_error}); install the build that needs no system '
            'libraries: python -m pip install --force-reinstall --no-deps '
            f'"opencv-python-headless{OPENCV_VERSIONS}"')
    with contextlib.suppress(AttributeError):  # not in every release of OpenCV 4
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
