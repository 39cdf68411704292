"""Shared by strips, sheets and explanations: picture conversion, fonts, colours, dimensions."""
import functools
import importlib.util
import os

import numpy as np
from PIL import Image, ImageFont

os.environ['MPLBACKEND'] = 'Agg'  # matplotlib only draws to files, and starts faster so

GAP = 8         # pixels between pictures
MARGIN = 24     # around everything
TITLE = 40      # height of a title
CAPTION = 38    # height of the bar and the words below a picture
PAPER, INK, PALE = '#ffffff', '#20242c', '#8a919e'


def to_image(picture: np.ndarray) -> Image.Image:
    """Convert a picture as in ``X.npy``, shape ``(3, H, W)``, for Pillow.

    ``uint8`` is kept; floating values are taken as 0..1 or, if one is above 1,
    as 0..255.
    """
    if picture.dtype != np.uint8:
        scale = 255 if picture.max() <= 1 else 1
        picture = np.clip(np.rint(picture * scale), 0, 255).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0)))  # CHW -> HWC


def format_value(value: float) -> str:
    """A score or a rating in a few characters."""
    return f'{value:.2f}' if value != round(value) else f'{value:.0f}'


@functools.cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib, ``size`` pixels high."""
    path = os.path.join(_matplotlib_data(), 'fonts', 'ttf',
                        'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf')
    return ImageFont.truetype(path, size)


def _matplotlib_data():
    """The folder of matplotlib's data, found without importing it if possible."""
    package = importlib.util.find_spec('matplotlib')
    folder = os.path.join(os.path.dirname(package.origin), 'mpl-data') if package else ''
    if not os.path.isdir(folder):  # packaged differently by some systems
        import matplotlib
        folder = matplotlib.get_data_path()
    return folder
