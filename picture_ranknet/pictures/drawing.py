"""What strips, sheets and explanations share: pictures, letters, colours and measures."""
import os

import numpy as np
from PIL import Image, ImageFont

os.environ['MPLBACKEND'] = 'Agg'  # matplotlib, which is slow to start, draws into files

GAP = 8         # pixels between pictures
MARGIN = 24     # around everything
TITLE = 40      # height of a title
CAPTION = 38    # height of the bar and the words below a picture
PAPER, INK, PALE = '#ffffff', '#20242c', '#8a919e'


def to_image(picture: np.ndarray) -> Image.Image:
    """A picture as in ``X.npy``, shape ``(3, H, W)``, for Pillow.

    ``uint8`` is shown as it is; floating values as 0..1 or, if one is above
    1, as 0..255.
    """
    if picture.dtype != np.uint8:
        scale = 255 if picture.max() <= 1 else 1
        picture = np.clip(np.rint(picture * scale), 0, 255).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0)))  # CHW -> HWC


def format_value(value: float) -> str:
    """A score or a rating in a few characters."""
    return f'{value:.2f}' if value != round(value) else f'{value:.0f}'


def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib, ``size`` pixels high."""
    import matplotlib

    name = 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'
    return ImageFont.truetype(os.path.join(matplotlib.get_data_path(), 'fonts', 'ttf', name), size)
