"""Pictures for people: ranked strips, contact sheets and training curves."""
import itertools
import math
import os
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import metrics
from picture_ranknet.storage import arrays, atomic

os.environ['MPLBACKEND'] = 'Agg'  # matplotlib, which is slow to start, draws into files

WIDTH = 18      # pictures to a row
FEWEST = 7      # ... so many places at least, for the titles
LARGEST = 128   # pixels; larger pictures are shown smaller
NARROWEST = 80  # pixels; a rank and a score have room below smaller pictures
GAP = 8         # pixels between pictures
MARGIN = 24     # around everything
TITLE = 40      # height of a title
CAPTION = 38    # height of the bar and the words below a picture
PAPER, INK, PALE = '#ffffff', '#20242c', '#8a919e'
RAISES, LOWERS = (214, 39, 40), (31, 95, 180)
STRONGEST = .6  # share of such a colour where it is strongest
CURVES = {      # of what training reports: name, colour, kind of line
    'main/loss': ('training', '#1f77b4', '-'),
    'valid/loss': ('held out', '#d62728', '-'),
    'train/pair_accuracy': ('pair accuracy, training', '#1f77b4', '-'),
    'valid/pair_accuracy': ('pair accuracy, held out', '#d62728', '-'),
    'train/ndcg': ('NDCG, training', '#1f77b4', ':'),
    'valid/ndcg': ('NDCG, held out', '#d62728', ':'),
}


class Strip(NamedTuple):
    """One order of the pictures: row numbers, best first, and what to write.

    ``values[row]`` is the score or the rating of a picture.
    """

    title: str
    order: np.ndarray
    values: np.ndarray


def draw_ranking(path, X, rows, scores, ratings=None, n=None):
    """Draw the ``n`` best pictures by their scores, under the person's own order if known.

    Args:
        path (str): The PNG file to write.
        X (numpy.ndarray): Pictures, shape ``(N, 3, H, W)``, RGB.
        rows (numpy.ndarray): Which of them are ranked.
        scores, ratings (numpy.ndarray): Shape ``(N,)``; others than ``rows``
            may be ``nan``.  ``ratings`` may be ``None``.
        n (int): Draw only so many of each order; ``None`` for all.
    """
    strips = [Strip('predicted order', rows[metrics.rank(scores[rows])[:n]], scores)]
    if ratings is not None:
        strips.insert(0, Strip('your order', rows[metrics.rank(ratings[rows])[:n]], ratings))
    draw_strips(path, X, strips, len(rows), ratings)


def draw_strips(path, X, strips, n, ratings=None):
    """Draw orders of the same pictures under each other, best on the left.

    Each picture has its rank and its value below it.  With ``ratings``, a bar
    in the colour of the person's rating shows at a glance where an order
    agrees with it.

    Args:
        path (str): The PNG file to write.
        X (numpy.ndarray): Pictures, shape ``(N, 3, H, W)``, RGB.
        strips (list of Strip): From top to bottom.
        n (int): How many pictures there were to choose from.
        ratings (numpy.ndarray): The person's ratings, shape ``(N,)``; ``nan``
            only where no order has that picture.
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
        draw.text((MARGIN, top), strip.title, INK, _font(20))
        draw.text((canvas.width - MARGIN, top + 4), _describe(len(strip.order), n, colours),
                  PALE, _font(14), anchor='ra')
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
            draw.text((left, words), str(position + 1), INK, _font(15, bold=True))
            draw.text((left + width, words), _format_value(strip.values[row]), PALE, _font(15),
                      anchor='ra')
        top += n_lines * (height + GAP)
    with atomic.replacing(path) as part:
        canvas.save(part, 'PNG')


def _describe(n, n_all, colours):
    shown = 'best on the left' if n == n_all else 'the best {:,} of {:,}'.format(n, n_all)
    return shown + ' \u00b7 bar: your rating, red is best' * (colours is not None)


def draw_sheet(path, X, shown=None, side=80, columns=20, limit=3000):
    """Draw pictures in rows, each with its number under it.

    Args:
        path (str): The PNG file to write.
        X (numpy.ndarray): Pictures, shape ``(N, 3, H, W)``, RGB, ``uint8``.
        shown (list of int): Rows of those to draw, which are numbered from 0;
            ``None`` draws all.
        side (int): Pictures that are larger are shown at this size.
        columns (int): Pictures in a row, at most.
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
    font = _font(11)
    cells = itertools.product(range(lines), range(columns))
    for number, (line, column) in zip(numbers, cells):
        left, top = border + column * (side + gap), border + line * (side + label + gap)
        img = to_image(X[shown[number]])
        img.thumbnail((side, side))
        sheet.paste(img, (left + (side - img.width) // 2, top + (side - img.height) // 2))
        draw.text((left + side / 2, top + side + label / 2 - 1), str(number), INK, font, 'mm')
        if column == columns - 1:
            arrays.release(X)
    with atomic.replacing(path) as part:
        sheet.save(part, 'PNG')
    return step


def draw_explanations(path, X, order, scores, maps, columns=6, side=160):
    """Draw pictures, each above a copy in which colours show what raised and lowered its score.

    Args:
        path (str): The PNG file to write.
        X (numpy.ndarray): Pictures, shape ``(N, 3, H, W)``, RGB.
        order (numpy.ndarray): Rows of those to draw, best first.
        scores (numpy.ndarray): Shape ``(N,)``.
        maps (list of numpy.ndarray): How much each part of a picture of
            ``order`` raised its score, shape ``(H, W)``.
        columns (int): Pictures in a row, at most.
        side (int): At which size they are drawn.
    """
    strongest = max(np.abs(map_).max() for map_ in maps) or 1
    columns = max(3, min(columns, len(order)))  # 3: room for the title
    height = 2 * side + CAPTION
    lines = -(-len(order) // columns)
    canvas = Image.new('RGB', (2 * MARGIN + columns * (side + GAP) - GAP,
                               2 * MARGIN - GAP + TITLE + lines * (height + GAP)), PAPER)
    draw = ImageDraw.Draw(canvas)
    draw.text((MARGIN, MARGIN), 'what raised the score', INK, _font(20))
    draw.text((canvas.width - MARGIN, MARGIN + 4), 'red: raised \u00b7 blue: lowered', PALE,
              _font(14), anchor='ra')
    for position, (row, map_) in enumerate(zip(order, maps)):
        line, column = divmod(position, columns)
        left, top = MARGIN + column * (side + GAP), MARGIN + TITLE + line * (height + GAP)
        image = to_image(X[row])
        image = image.resize((side, side), Image.Resampling.LANCZOS)
        canvas.paste(image, (left, top))
        canvas.paste(_tint(image, map_ / strongest), (left, top + side))
        words = top + 2 * side + 6
        draw.text((left, words), str(position + 1), INK, _font(15, bold=True))
        draw.text((left + side, words), _format_value(scores[row]), PALE, _font(15), anchor='ra')
    with atomic.replacing(path) as part:
        canvas.save(part, 'PNG')


def _tint(image, strength):
    """The image in grey, with colour where ``strength``, shape ``(H, W)`` in -1..1, says."""
    grey = np.asarray(image.convert('L').convert('RGB'), np.float32)
    strength = np.asarray(Image.fromarray(strength.astype(np.float32)).resize(
        image.size, Image.Resampling.BICUBIC))[..., None]
    colour = np.where(strength > 0, np.float32(RAISES), np.float32(LOWERS))
    share = STRONGEST * np.minimum(np.abs(strength), 1) ** .7  # .7: so that weak parts show
    return Image.fromarray(np.uint8(np.round(grey + share * (colour - grey))))


def to_image(picture):
    """A picture as in ``X.npy``, shape ``(3, H, W)``, for Pillow.

    ``uint8`` is shown as it is; floating values as 0..1 or, if one is above
    1, as 0..255.
    """
    if picture.dtype != np.uint8:
        scale = 255 if picture.max() <= 1 else 1
        picture = np.clip(np.rint(picture * scale), 0, 255).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0)))  # CHW -> HWC


def _rating_colours(ratings, low, high):
    import matplotlib

    shares = np.full(len(ratings), .5) if low == high else (ratings - low) / (high - low)
    rgb = matplotlib.colormaps['RdYlBu_r'](.08 + .84 * shares)[:, :3]
    return [tuple(colour) for colour in np.rint(255 * rgb).astype(int).tolist()]


def _format_value(value):
    return '{:.2f}'.format(value) if value != round(value) else '{:.0f}'.format(value)


def _font(size, bold=False):
    import matplotlib

    name = 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'
    return ImageFont.truetype(os.path.join(matplotlib.get_data_path(), 'fonts', 'ttf', name), size)


def label_curves(label, best=None):
    """A ``postprocess`` for Chainer's ``PlotReport``: axes as in a paper.

    Blue is training, red is what was held out.  If ``best.step`` is above 0, a
    line marks that step.
    """
    def postprocess(figure, axes, summary):
        for line in axes.lines:
            name, colour, style = CURVES[line.get_label()]
            line.set(label=name, color=colour, linestyle=style, markersize=4)
        if best and best.step:
            axes.axvline(best.step, color=INK, linestyle='--', linewidth=1, zorder=0,
                         label='best: step {}'.format(best.step))
        figure.set_size_inches(7, 4)
        figure.set_dpi(150)
        axes.set_xlabel('step')
        axes.set_ylabel(label)
        axes.grid(alpha=.25)
        axes.spines[['top', 'right']].set_visible(False)
    return postprocess
