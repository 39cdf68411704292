"""After training: the final metrics, with confidence intervals, and warnings."""
import contextlib
import math
import os
from collections.abc import Callable, Iterator
from typing import NamedTuple, Optional

import numpy as np

import metrics
from picture_ranknet.errors import InputError
from picture_ranknet.machine import threads
from picture_ranknet.machine.opencv import cv2
from picture_ranknet.pictures import strips
from picture_ranknet.storage import arrays, tables
from picture_ranknet.text import count

OF_STEPS = 'log', 'loss.png', 'ranking.png'  # what training step by step writes there
STRIP_N = 100        # best held-out pictures drawn
FEWEST = 20          # held-out pictures; intervals from fewer are too narrow
UNSURE = .1          # half the width of the interval of an uninformative pair accuracy
OVERFIT = .15        # by how much training pair accuracy exceeds that of held-out pictures
FALLEN = .02         # by how much the final pair accuracy is below that of the best step
CONFOUNDED = .3      # Spearman's correlation of ratings with a nuisance variable
SIGNIFICANT = 3.3    # standard errors; chance exceeds that once in a thousand times
MOST_BLURRED = 2000  # pictures whose sharpness is measured
DRAWS = 2000000      # pictures drawn for a confidence interval, all draws together
MOST_DRAWN = 20000   # ... and in one draw, where the metric allows it


class Metric(NamedTuple):

    """A metric of the report.

    ``is_mean``: a mean over pictures or pairs, or a correlation, for whose
    interval smaller draws suffice (:func:`metrics.bootstrap_interval`);
    ``is_shown``: also shown to the user, not only written to ``metrics.csv``.
    """

    name: str
    function: Callable[[np.ndarray, np.ndarray], float]
    is_mean: bool = True
    is_shown: bool = False


class Row(NamedTuple):

    """A line of ``metrics.csv``; ``low`` to ``high`` is the 95 % interval."""

    pictures: str
    metric: str
    value: float
    low: float = math.nan
    high: float = math.nan


def metrics_at(k: int) -> list:
    """The metrics of the report, among them NDCG@k."""
    def ndcg(ratings, scores):
        return metrics.ndcg(ratings, scores, k)

    return [Metric(f'NDCG@{k}', ndcg, is_mean=False, is_shown=True),
            Metric('pair accuracy', metrics.pair_accuracy, is_shown=True),
            Metric('Kendall tau', metrics.kendall_tau),
            Metric('Spearman', metrics.spearman, is_shown=True),
            Metric('Pearson', metrics.pearson)]


def measure(name: str, ratings: np.ndarray, scores: np.ndarray, k: int,
            with_intervals: bool) -> list:
    """Rows of ``metrics.csv``: all metrics of ratings and scores, each of shape ``(N,)``."""
    n_draws = max(100, min(400, DRAWS // len(ratings)))
    rows = []
    for metric in metrics_at(k):
        interval = metrics.bootstrap_interval(
            metric.function, ratings, scores, n=n_draws,
            most=MOST_DRAWN if metric.is_mean else None) if with_intervals else ()
        rows.append(Row(name, metric.name, metric.function(ratings, scores), *interval))
    return rows


def write(out: str, train: arrays.RatedPictures, valid: Optional[arrays.RatedPictures],
          train_scores: np.ndarray, valid_scores: Optional[np.ndarray], k: int,
          note: Callable[[str], object], is_once: bool = True, has_steps: bool = True) -> list:
    """Write ``metrics.csv`` and, with held-out pictures, ``held_out.png``; note the results.

    Args:
        out: The folder.
        train, valid: ``valid`` may be ``None``.
        train_scores, valid_scores: The scores of their rows.
        k: Top positions that count for NDCG@k.
        note: Called with each line for the user.
        is_once: Whether the pictures of ``valid`` were held out once; else the
            scores are from cross-validation.
        has_steps: Whether training goes step by step; see :func:`warnings_of`.

    Returns:
        list of Row: The content of ``metrics.csv``.
    """
    rows = measure('train', train.ratings[train.rows], train_scores, k, with_intervals=False)
    strip = os.path.join(out, 'held_out.png')
    for name in ('held_out.png',) if has_steps else ('held_out.png', *OF_STEPS):
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(out, name))  # left by another run
    if valid:
        scores = np.full(len(valid.X), np.nan)
        scores[valid.rows] = valid_scores
        held_out, _ = threads.run(lambda work: work(), [
            lambda: measure('valid', valid.ratings[valid.rows], valid_scores, k,
                            with_intervals=True),
            lambda: strips.draw_ranking(strip, valid.X, valid.rows, scores, valid.ratings,
                                        STRIP_N)])
        rows += held_out
        shown = {metric.name for metric in metrics_at(k) if metric.is_shown}
        how = 'held out' if is_once else 'cross-validation'
        note(f'{how}, {count(len(valid.rows), "picture")}, with 95 % intervals: ' + ' | '.join(
            f'{row.metric} {row.value:.3f} ({row.low:.3f} to {row.high:.3f})'
            for row in held_out if row.metric in shown))
    tables.write_table(os.path.join(out, 'metrics.csv'), Row._fields, [
        [row.pictures, row.metric, *map(_format, (row.value, row.low, row.high))] for row in rows])
    for warning in warnings_of(rows, len(valid.rows) if valid else 0, is_once, has_steps):
        note(f'warning: {warning}')
    return rows


def _format(value):
    return '' if math.isnan(value) else f'{value:.4f}'


def warnings_of(rows: list, n_valid: int, is_once: bool = True,
                has_steps: bool = True) -> Iterator:
    """Warnings that follow from the final metrics; ``n_valid`` pictures were held out.

    A model that is solved exactly (not ``has_steps``) ranks its training
    pictures almost perfectly by design, so that is no sign of overfitting.
    """
    by_name = {(row.pictures, row.metric): row for row in rows}
    train = by_name['train', 'pair accuracy']
    valid = by_name.get(('valid', 'pair accuracy'))
    if not valid:
        return
    if n_valid < FEWEST or not valid.high - valid.low <= 2 * UNSURE:  # not: nan
        yield ('too few held-out pictures to tell how good the ranking is; '
               + ('hold out more, or rate more' if is_once else 'rate more'))
    if has_steps and train.value - valid.value > OVERFIT:
        yield (f'the network is overfitting: {train.value:.0%} of the training pairs are in the '
               f'right order, but only {valid.value:.0%} of the held-out ones; more ratings help, '
               'more steps will not')


def warn_if_fallen(log: list, rows: list, note: Callable[[str], object]) -> None:
    """Warn if the held-out pictures were ranked better before the end.

    Pair accuracies vary by chance, and the best of many is a lucky one, so a
    drop within the interval of the best one is not significant.

    Args:
        log (list of dict): What was measured at each line of output.
        rows (list of Row): The final metrics; empty in all processes but the first.
        note: Called with the warning.
    """
    entries = [entry for entry in log if 'valid/pair_accuracy' in entry]
    if not (entries and rows):
        return
    best = max(entries, key=lambda entry: entry['valid/pair_accuracy'])
    last = entries[-1]
    chance, = ((row.high - row.low) / 2 for row in rows if row[:2] == ('valid', 'pair accuracy'))
    fall = best['valid/pair_accuracy'] - last['valid/pair_accuracy']
    if (fall > FALLEN and fall > chance  # which may be nan
            and last['train/pair_accuracy'] >= best['train/pair_accuracy']):
        note(f'warning: from step {best["iteration"]} to {last["iteration"]}, the pair accuracy of '
             f'held-out pictures fell from {best["valid/pair_accuracy"]:.3f} to '
             f'{last["valid/pair_accuracy"]:.3f} while that of training pictures rose; the saved '
             f'model is that of step {best["iteration"]}')


def warn_of_confounders(X_path: str, pictures: arrays.RatedPictures,
                        note: Callable[[str], object]) -> None:
    """Warn if ratings correlate with the size of the crops, or with their sharpness.

    Args:
        X_path: The file of the pictures; sizes are read from the table beside
            it, if there is one.
        pictures: The training pictures.
        note: Called with each warning.
    """
    ratings = pictures.ratings[pictures.rows]
    sizes = read_sizes(X_path, len(pictures.X))
    if sizes is not None:
        _warn_if_correlated(ratings, sizes[pictures.rows], 'the size of the crops in their frames',
                            note)
    rows = pictures.rows
    if len(rows) > MOST_BLURRED:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_BLURRED, replace=False))
    sharpness = np.array([measure_sharpness(picture) for part in np.array_split(
        rows, -(-len(rows) // 100)) for picture in arrays.take(pictures.X, part)])
    _warn_if_correlated(pictures.ratings[rows], sharpness, 'the sharpness of the pictures', note)


def _warn_if_correlated(ratings, values, name, note):
    rho = metrics.spearman(ratings, values)
    # For independent values, the standard error is 1 / sqrt(N - 1).
    if abs(rho) >= max(CONFOUNDED, SIGNIFICANT / math.sqrt(len(ratings) - 1)):
        note(f'warning: ratings correlate with {name} (Spearman {rho:.2f}): the network may learn '
             'that instead of your taste')


def read_sizes(X_path: str, n: int) -> Optional[np.ndarray]:
    """Areas of the crops in pixels of their frames, shape ``(n,)``; ``None`` if unknown."""
    path = tables.table_path(X_path)
    if not os.path.exists(path):
        return None
    try:
        columns, rows = tables.read_table(path, n, ['w', 'h'])
        w, h = columns.index('w'), columns.index('h')
        sizes = np.array([float(row[w]) * float(row[h]) for row in rows])
    except (InputError, ValueError):  # some other table
        return None
    return sizes if np.isfinite(sizes).all() else None


def measure_sharpness(picture: np.ndarray) -> float:
    """Variance of the Laplacian of a picture, shape ``(3, H, W)``, over the variance of its pixels.

    Reference: Pech-Pacheco et al., *Diatom autofocusing in brightfield
    microscopy*, ICPR 2000.
    """
    grey = np.asarray(picture, np.float64).mean(axis=0)
    grey = grey / (np.abs(grey).max() or 1)  # so that no square overflows
    spread = grey.var()
    return float(cv2.Laplacian(grey, cv2.CV_64F).var() / spread) if spread else 0.
