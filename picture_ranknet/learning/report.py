"""What a person should know of a run of training: final metrics, and warnings."""
import contextlib
import math
import os
from typing import NamedTuple

import cv2
import numpy as np

import metrics
from picture_ranknet.console import messages
from picture_ranknet.errors import InputError
from picture_ranknet.pictures import plots
from picture_ranknet.storage import arrays, tables
from picture_ranknet.text import count

STRIP_N = 200       # held-out pictures drawn, the best
FEWEST = 20         # held-out pictures; of fewer, intervals are too short
UNSURE = .1         # a pair accuracy known no better than this to either side is not known
BY_HEART = .15      # so much more of the pairs right in training than held out
FALLEN = .02        # so much fewer held-out pairs right at the end than at the best step
CONFOUNDED = .3     # Spearman between ratings and what they should not depend on
SIGNIFICANT = 3.3   # standard errors; chance goes beyond that once in a thousand times
MOST_BLURRED = 2000  # pictures that are looked at for blur
DRAWS = 2000000     # pictures drawn for a confidence interval, all draws together
MOST_DRAWN = 20000  # ... and in one draw, at most; not for NDCG, which the best decide


class Row(NamedTuple):
    """A line of ``metrics.csv``; ``low`` to ``high`` is the 95 % interval."""

    pictures: str
    metric: str
    value: float
    low: float = math.nan
    high: float = math.nan


def measure(name, ratings, scores, k, with_intervals):
    """All metrics of scores, shape ``(N,)``, and ratings; rows of ``metrics.csv``."""
    n_draws = max(100, min(1000, DRAWS // len(ratings)))
    rows = []
    for metric, function in (('NDCG@{}'.format(k), lambda t, s: metrics.ndcg(t, s, k)),
                             ('pair accuracy', metrics.pair_accuracy),
                             ('Kendall tau', metrics.kendall_tau),
                             ('Spearman', metrics.spearman),
                             ('Pearson', metrics.pearson)):
        most = None if 'NDCG' in metric else MOST_DRAWN
        interval = metrics.bootstrap_interval(
            function, ratings, scores, n=n_draws, most=most) if with_intervals else ()
        rows.append(Row(name, metric, function(ratings, scores), *interval))
    return rows


def write(out, train, valid, train_scores, valid_scores, k):
    """Write ``metrics.csv`` and, of held-out pictures, ``held_out.png``; tell the user of them.

    Args:
        out (str): The folder.
        train, valid (arrays.RatedPictures): ``valid`` may be ``None``.
        train_scores, valid_scores (numpy.ndarray): The scores of their rows.
        k (int): NDCG counts the first ``k`` positions.

    Returns:
        list of Row: What stands in ``metrics.csv``.
    """
    rows = measure('train', train.ratings[train.rows], train_scores, k, with_intervals=False)
    strip = os.path.join(out, 'held_out.png')
    with contextlib.suppress(FileNotFoundError):
        os.remove(strip)  # of another run
    if valid:
        held_out = measure('valid', valid.ratings[valid.rows], valid_scores, k,
                           with_intervals=True)
        rows += held_out
        messages.note('held out, {}, with 95 % intervals: {}'.format(
            count(len(valid.rows), 'picture'), ' | '.join(
                '{0.metric} {0.value:.3f} ({0.low:.3f} to {0.high:.3f})'.format(row)
                for row in held_out if row.metric[0] in 'NpS')))
        scores = np.full(len(valid.X), np.nan)
        scores[valid.rows] = valid_scores
        plots.draw_ranking(strip, valid.X, valid.rows, scores,
                           valid.ratings, STRIP_N)
    tables.write_table(os.path.join(out, 'metrics.csv'), Row._fields, [
        row[:2] + tuple('' if math.isnan(value) else '{:.4f}'.format(value) for value in row[2:])
        for row in rows])
    for warning in warnings_of(rows, valid and len(valid.rows)):
        messages.note('warning: ' + warning)
    return rows


def warnings_of(rows, n_valid):
    """What final metrics warn of, a line for each; ``n_valid`` pictures were held out."""
    by_name = {(row.pictures, row.metric): row for row in rows}
    train = by_name['train', 'pair accuracy']
    valid = by_name.get(('valid', 'pair accuracy'))
    if not valid:
        return
    if n_valid < FEWEST or not valid.high - valid.low <= 2 * UNSURE:  # not: nan
        yield ('the held-out pictures are too few to tell how good the ranking is; hold out more, '
               'or rate more')
    if train.value - valid.value > BY_HEART:
        yield ('the network has learnt its pictures by heart: {:.0%} of their pairs are in the '
               'right order, but {:.0%} of the held-out ones; more ratings help, more steps will '
               'not'.format(train.value, valid.value))


def warn_if_fallen(log, rows):
    """Tell the user if the held-out pictures were ranked better before the end.

    Pair accuracies go up and down by chance, and the best of many is a lucky
    one, so a fall within the interval of the best one says nothing.

    Args:
        log (list of dict): What has been reported at each line of output.
        rows (list of Row): Of the final metrics.
    """
    entries = [entry for entry in log if 'valid/pair_accuracy' in entry]
    if not entries:
        return
    best = max(entries, key=lambda entry: entry['valid/pair_accuracy'])
    last = entries[-1]
    chance, = ((row.high - row.low) / 2 for row in rows if row[:2] == ('valid', 'pair accuracy'))
    fall = best['valid/pair_accuracy'] - last['valid/pair_accuracy']
    if (fall > FALLEN and fall > chance  # which may be nan
            and last['train/pair_accuracy'] >= best['train/pair_accuracy']):
        messages.note('warning: training and held-out pictures drift apart: from step {} to {}, the '
                 'pair accuracy of the held-out ones fell from {:.3f} to {:.3f} while the other '
                 'rose; the model is that of step {}'.format(
                     best['iteration'], last['iteration'], best['valid/pair_accuracy'],
                     last['valid/pair_accuracy'], best['iteration']))


def warn_of_confounders(X_path, pictures):
    """Tell the user if the ratings go with the size of the crops, or with blur.

    Args:
        X_path (str): Where the pictures are; the sizes stand in the table
            beside it, if there is one.
        pictures (arrays.RatedPictures): Those to learn from.
    """
    ratings = pictures.ratings[pictures.rows]
    sizes = read_sizes(X_path, len(pictures.X))
    if sizes is not None:
        _warn_if_correlated(ratings, sizes[pictures.rows], 'size of the crops in their frames')
    rows = pictures.rows
    if len(rows) > MOST_BLURRED:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_BLURRED, replace=False))
    sharpness = np.array([measure_sharpness(picture) for part in np.array_split(
        rows, -(-len(rows) // 100)) for picture in arrays.take(pictures.X, part)])
    _warn_if_correlated(pictures.ratings[rows], sharpness, 'sharpness of the pictures')


def _warn_if_correlated(ratings, values, name):
    rho = metrics.spearman(ratings, values)
    # Of values that have nothing to do with each other, 1 / sqrt(N - 1) is the standard error.
    if abs(rho) >= max(CONFOUNDED, SIGNIFICANT / math.sqrt(len(ratings) - 1)):
        messages.note('warning: the ratings go with the {} (Spearman {:.2f}): the network may learn '
                 'that instead of your taste'.format(name, rho))


def read_sizes(X_path, n):
    """Areas of the crops in pixels of their frames, shape ``(n,)``; ``None`` if not known."""
    path = tables.table_path(X_path)
    if not os.path.exists(path):
        return None
    try:
        columns, rows = tables.read_table(path, n, ['w', 'h'])
        w, h = columns.index('w'), columns.index('h')
        sizes = np.array([float(row[w]) * float(row[h]) for row in rows])
    except (InputError, ValueError):  # other people's tables beside other pictures
        return None
    return sizes if np.isfinite(sizes).all() else None


def measure_sharpness(picture):
    """Variance of the Laplacian of a picture, shape ``(3, H, W)``, in parts of its own variance.

    Reference: Pech-Pacheco et al., *Diatom autofocusing in brightfield
    microscopy*, ICPR 2000.
    """
    grey = np.asarray(picture, np.float64).mean(axis=0)
    grey = grey / (np.abs(grey).max() or 1)  # so that no square overflows
    spread = grey.var()
    return float(cv2.Laplacian(grey, cv2.CV_64F).var() / spread) if spread else 0.
