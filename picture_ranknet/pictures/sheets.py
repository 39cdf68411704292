"""Contact sheets: pictures in rows, each with its number below."""
import itertools
import math
from collections.abc import Sequence
from typing import Optional

import numpy as np
from PIL import Image, ImageDraw

from picture_ranknet.pictures.drawing import INK, PAPER, font, to_image
from picture_ranknet.storage import arrays, atomic


def draw_sheet(path: str, X: np.ndarray, shown: Optional[Sequence[int]] = None, side: int = 80,
               columns: int = 20, limit: int = 3000) -> int:
    """Draw pictures in rows, each with its number below.

    Args:
        path (str): The PNG file to write.
        X (numpy.ndarray): Pictures, shape ``(N, 3, H, W)``, RGB, ``uint8``.
        shown (list of int): Rows to draw, numbered from 0 on the sheet;
            ``None`` draws all.
        side (int): Larger pictures are shrunk to this size.
        columns (int): Pictures per row, at most.
        limit (int): If there are more, only every second, third, ... is
            shown, so that the sheet can be opened.

    Returns:
        int: The step from one number to the next; 1 if all are shown.
    """
    border, gap, label = 24, 8, 18  # label: height of the line for the number
    shown = range(len(X)) if shown is None else shown
    step = math.ceil(len(shown) / limit)
    numbers = range(0, len(shown), step)
    columns = min(columns, round(math.sqrt(1.5 * len(numbers))))
    lines = math.ceil(len(numbers) / columns)
    side = min(side, max(X.shape[2:]))
    sheet = Image.new('RGB', (2 * border + columns * (side + gap) - gap,
                              2 * border + lines * (side + label + gap) - gap), PAPER)
    draw = ImageDraw.Draw(sheet)
    small = font(11)
    cells = itertools.product(range(lines), range(columns))
    for number, (line, column) in zip(numbers, cells):
        left, top = border + column * (side + gap), border + line * (side + label + gap)
        img = to_image(X[shown[number]])
        img.thumbnail((side, side))
        sheet.paste(img, (left + (side - img.width) // 2, top + (side - img.height) // 2))
        draw.text((left + side / 2, top + side + label / 2 - 1), str(number), INK, small, 'mm')
        if column == columns - 1:
            arrays.release(X)
    with atomic.replacing(path) as part:
        sheet.save(part, 'PNG')
    return step
