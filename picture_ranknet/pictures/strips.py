"""Ranked strips: different orders of the same pictures, one above the other, best on the left."""
from typing import NamedTuple, Optional

import numpy as np
from PIL import Image, ImageDraw

import metrics
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

WIDTH = 18      # pictures per row
FEWEST = 7      # columns at least, to fit the titles
LARGEST = 128   # pixels; larger pictures are shown smaller
NARROWEST = 80  # pixels; so that rank and score fit below small pictures
BLUE_TO_RED = (  # ColorBrewer's RdYlBu without its darkest ends
    (69, 117, 180), (116, 173, 209), (171, 217, 233), (224, 243, 248), (255, 255, 191),
    (254, 224, 144), (253, 174, 97), (244, 109, 67), (215, 48, 39))


class Strip(NamedTuple):
    """One order of the pictures: row numbers, best first, with title and values.

    ``values[row]`` is the score or rating of a picture.
    """

    title: str
    order: np.ndarray
    values: np.ndarray


def draw_ranking(path: str, X: np.ndarray, rows: np.ndarray, scores: np.ndarray,
                 ratings: Optional[np.ndarray] = None, n: Optional[int] = None) -> None:
    """Draw the ``n`` best pictures by score, below the person's own order if known.

    Args:
        path (str): The PNG file to write.
        X (numpy.ndarray): Pictures, shape ``(N, 3, H, W)``, RGB.
        rows (numpy.ndarray): Which of them are ranked.
        scores, ratings (numpy.ndarray): Shape ``(N,)``; may be ``nan`` except
            in ``rows``.  ``ratings`` may be ``None``.
        n (int): Draw only this many of each order; ``None`` for all.
    """
    strips = [Strip('predicted order', rows[metrics.rank(scores[rows])[:n]], scores)]
    if ratings is not None:
        strips.insert(0, Strip('your order', rows[metrics.rank(ratings[rows])[:n]], ratings))
    draw_strips(path, X, strips, len(rows), ratings)


def draw_strips(path: str, X: np.ndarray, strips: list[Strip], n: int,
                ratings: Optional[np.ndarray] = None) -> None:
    """Draw different orders of the same pictures, one above the other, best on the left.

    Below each picture are its rank and its value.  With ``ratings``, a bar
    in the colour of the person's rating shows at a glance where an order
    agrees with it.

    Args:
        path (str): The PNG file to write.
        X (numpy.ndarray): Pictures, shape ``(N, 3, H, W)``, RGB.
        strips (list of Strip): From top to bottom.
        n (int): The number of pictures to choose from.
        ratings (numpy.ndarray): The person's ratings, shape ``(N,)``; may be
            ``nan`` only for pictures in no order.
    """
    side = min(LARGEST, max(X.shape[2:]))
    width, height = max(side, NARROWEST), side + CAPTION
    columns = max(FEWEST, min(WIDTH, max(len(strip.order) for strip in strips)))
    lines = [-(-len(strip.order) // columns) for strip in strips]
    canvas = Image.new('RGB', (2 * MARGIN + columns * (width + GAP) - GAP,
                               2 * MARGIN - GAP + len(strips) * TITLE
                               + sum(lines) * (height + GAP)), PAPER)
    draw = ImageDraw.Draw(canvas)
    colours = None
    if ratings is not None:
        shown = np.unique(np.concatenate([strip.order for strip in strips]))
        low, high = np.nanmin(ratings), np.nanmax(ratings)
        colours = dict(zip(shown.tolist(), _rating_colours(ratings[shown], low, high)))

    top = MARGIN
    for strip, n_lines in zip(strips, lines):
        draw.text((MARGIN, top), strip.title, INK, font(20))
        draw.text((canvas.width - MARGIN, top + 4), _describe(len(strip.order), n, colours),
                  PALE, font(14), anchor='ra')
        top += TITLE
        for position, row in enumerate(strip.order):
            line, column = divmod(position, columns)
            left, upper = MARGIN + column * (width + GAP), top + line * (height + GAP)
            image = to_image(X[row])
            image.thumbnail((side, side))
            canvas.paste(image, (left, upper))
            if colours is not None:
                draw.rectangle((left, upper + side + 3, left + width - 1, upper + side + 7),
                               colours[row])
            words = upper + side + 12
            draw.text((left, words), str(position + 1), INK, font(15, bold=True))
            draw.text((left + width, words), format_value(strip.values[row]), PALE, font(15),
                      anchor='ra')
        top += n_lines * (height + GAP)
    with atomic.replacing(path) as part:
        canvas.save(part, 'PNG', compress_level=1)  # a tenth larger, in half the time


def _describe(n, n_all, colours):
    shown = 'best on the left' if n == n_all else f'the best {n:,} of {n_all:,}'
    return shown if colours is None else shown + ' \u00b7 bar: your rating, red is best'


def _rating_colours(ratings, low, high):
    shares = np.full(len(ratings), .5) if low == high else (ratings - low) / (high - low)
    rgb = [np.interp(shares, np.linspace(0, 1, len(BLUE_TO_RED)), channel)
           for channel in zip(*BLUE_TO_RED)]
    return list(map(tuple, np.rint(rgb).astype(int).T.tolist()))
