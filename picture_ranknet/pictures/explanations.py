"""Draws pictures above copies in which colours show what raised and lowered their scores."""
import numpy as np
from PIL import Image, ImageDraw

from picture_ranknet.pictures.drawing import (
    CAPTION,
    GAP,
    INK,
    MARGIN,
    PALE,
    PAPER,
    TITLE,
    font,
    format_value,
    to_image,
)
from picture_ranknet.storage import atomic

RAISES, LOWERS = (214, 39, 40), (31, 95, 180)
STRONGEST = .6  # opacity of the colour where it is strongest


def draw_explanations(path: str, X: np.ndarray, order: np.ndarray, scores: np.ndarray,
                      maps: list[np.ndarray], columns: int = 6, side: int = 160) -> None:
    """Draw pictures, each above a copy in which colours show what raised and lowered its score.

    Args:
        path (str): The PNG file to write.
        X (numpy.ndarray): Pictures, shape ``(N, 3, H, W)``, RGB.
        order (numpy.ndarray): Rows of those to draw, best first.
        scores (numpy.ndarray): Shape ``(N,)``.
        maps (list of numpy.ndarray): How much each part of a picture of
            ``order`` raised its score, shape ``(H, W)``.
        columns (int): Pictures per row, at most.
        side (int): Side length at which they are drawn.
    """
    strongest = max(np.abs(map_).max() for map_ in maps) or 1
    columns = max(3, min(columns, len(order)))  # 3: room for the title
    height = 2 * side + CAPTION
    lines = -(-len(order) // columns)
    canvas = Image.new('RGB', (2 * MARGIN + columns * (side + GAP) - GAP,
                               2 * MARGIN - GAP + TITLE + lines * (height + GAP)), PAPER)
    draw = ImageDraw.Draw(canvas)
    draw.text((MARGIN, MARGIN), 'what raised the score', INK, font(20))
    draw.text((canvas.width - MARGIN, MARGIN + 4), 'red: raised \u00b7 blue: lowered', PALE,
              font(14), anchor='ra')
    for position, (row, map_) in enumerate(zip(order, maps)):
        line, column = divmod(position, columns)
        left, top = MARGIN + column * (side + GAP), MARGIN + TITLE + line * (height + GAP)
        image = to_image(X[row])
        image = image.resize((side, side), Image.Resampling.LANCZOS)
        canvas.paste(image, (left, top))
        canvas.paste(_tint(image, map_ / strongest), (left, top + side))
        words = top + 2 * side + 6
        draw.text((left, words), str(position + 1), INK, font(15, bold=True))
        draw.text((left + side, words), format_value(scores[row]), PALE, font(15), anchor='ra')
    with atomic.replacing(path) as part:
        canvas.save(part, 'PNG')


def _tint(image, strength):
    """The image in grey, tinted by ``strength``, shape ``(H, W)``, in -1..1."""
    grey = np.asarray(image.convert('L').convert('RGB'), np.float32)
    strength = np.asarray(Image.fromarray(strength.astype(np.float32)).resize(
        image.size, Image.Resampling.BICUBIC))[..., None]
    colour = np.where(strength > 0, np.float32(RAISES), np.float32(LOWERS))
    share = STRONGEST * np.minimum(np.abs(strength), 1) ** .7  # .7: makes weak parts visible
    return Image.fromarray(np.uint8(np.round(grey + share * (colour - grey))))
