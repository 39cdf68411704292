"""Ranks the pictures of an X.npy: writes their scores, a table of the ranking, and drawings."""
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple, Optional

import numpy as np

import metrics
from picture_ranknet.errors import InputError
from picture_ranknet.machine import ranks
from picture_ranknet.machine.opencv import check_opencv
from picture_ranknet.models import scoring
from picture_ranknet.ranking import marks, models
from picture_ranknet.ranking.settings import Scoring, Uses
from picture_ranknet.storage import arrays, atomic, ratings_txt, tables
from picture_ranknet.text import adding_up, no_bar, silent


class Outputs(NamedTuple):
    """Paths of the outputs; all but the first may be ``None``.

    Attributes:
        scores: One per line, in the order of the pictures.
        table: The ranking.
        strip: A drawing of the best ``strip_n`` pictures.
        explanations: A drawing of what raised the scores of the best ``explain_n``.
    """

    scores: str
    table: Optional[str] = None
    strip: Optional[str] = None
    strip_n: int = 200
    explanations: Optional[str] = None
    explain_n: int = 12


def rank(how: Scoring, X_path: str, outputs: Outputs, uses: Optional[Uses] = None, *,
         features_path: Optional[str] = None, ratings_path: Optional[str] = None, k: int = 100,
         note: Callable[[str], object] = silent, say: Callable[[str], object] = silent,
         bar: Callable[[str, str], Callable] = no_bar) -> Optional[np.ndarray]:
    """Score the pictures of a set, write and report the ranking, and use it.

    Args:
        how: The models, and how they score.
        X_path: The pictures; a table may be beside them.
        outputs: What to write.
        uses: What is done with their files; ``None``: nothing.
        features_path: As for :func:`~picture_ranknet.ranking.models.load_models`.
        ratings_path: The person's own ratings, to compare with.
        k: Top positions that count for NDCG@k.
        note: Called with a line for the user.
        say: Called with each line of the result.
        bar: Called with a unit and a description; returns a ``progress=``, which
            is called with how much is done and how much there is.

    Returns:
        numpy.ndarray: Scores, shape ``(N,)``; ``None`` in all processes of
        ``mpiexec`` but the first.

    Raises:
        InputError: If a file is missing or invalid, or files do not fit together.
    """
    uses = uses or Uses()
    check_files(how, X_path, outputs, uses, features_path, ratings_path)
    X = arrays.read_pictures(X_path)
    loaded = models.load_models(how, features_path, X_path, X, note)
    features = read_features(features_path, len(X), loaded, how.models[0])
    ratings = read_ratings(ratings_path, len(X)) if ratings_path else None
    sources = read_sources(X_path, len(X)) if outputs.table else None
    scale = marks.find_scale(loaded, how.models[0], uses.needing_stars)

    ensemble = scoring.Ensemble(loaded)
    scores = scoring.score_set(
        ensemble, X, X_path, features, how.batchsize, how.mirror,
        adding_up(bar('pictures', 'scoring'), scoring.n_to_score(X, len(loaded))))
    if not ranks.is_first():
        return None
    scoring.warn_if_collapsed(scores, note)
    ratings_txt.write_scores(outputs.scores, scores)
    threshold = marks.find_threshold(scale, uses.keep, scores, say)
    if outputs.table:
        write_ranking(outputs.table, scores, *sources, marks.marks(scale, threshold, scores))
    if ratings is not None:
        say(describe_agreement(ratings, scores, k))
    if outputs.strip:
        draw_strip(outputs.strip, X, scores, ratings, outputs.strip_n)
    if outputs.explanations:
        n = min(outputs.explain_n, len(X))
        draw_explanations(outputs.explanations, ensemble, X, features, scores, n, how.mirror,
                          adding_up(bar('pictures', 'explaining'), n))
    if uses.of_files:
        from picture_ranknet.ranking import items, results  # which nothing else needs
        results.use(items.of_set(X_path, scores), X, scale, uses, how.models[0], say, note,
                    bar('thumbnails', 'drawing'))
    return scores


def check_files(how: Scoring, X_path: str, outputs: Outputs, uses: Uses,
                features_path: Optional[str] = None, ratings_path: Optional[str] = None) -> None:
    """Refuse outputs that are inputs, or the same file, before reading any; see :func:`rank`."""
    inputs = {**models.inputs(how), '--ratings': ratings_path, '--features': features_path,
              'pictures': [X_path, tables.table_path(X_path)]}
    written = {'--output': outputs.scores, '--strip': outputs.strip,
               '--explain': outputs.explanations, '--csv': outputs.table}
    atomic.check_outputs(written, inputs)
    if uses.of_files:
        from picture_ranknet.ranking import results
        results.check_folders(uses.gallery, uses.sort_into, {**inputs, **written})
    if outputs.explanations:
        check_opencv()


def read_features(path: Optional[str], n: int, loaded: Sequence,
                  model_path: str) -> Optional[np.ndarray]:
    """Read the additional features of pictures that the models need.

    Args:
        path: An array of shape ``(n, D)``; ``None`` if there are no features.
        n: The number of pictures.
        loaded: Models; those trained with features must have been trained with ``D``.
        model_path: The first one's file, for messages.

    Returns:
        numpy.ndarray: Shape ``(n, D)``, float32; ``None`` if no model needs any.

    Raises:
        InputError: If there are features that no model needs, or they do not fit.
    """
    needed = [model.predictor.n_features for model in loaded if model.predictor.n_features]
    if path and not needed:
        raise InputError(f'{model_path}: was trained without features; leave --features out')
    features = [arrays.read_features(path, n, n_features) for n_features in needed]
    return features[0] if features else None


def read_ratings(path: str, n: int) -> np.ndarray:
    """Read the person's own ratings of ``n`` pictures.

    Returns:
        numpy.ndarray: Shape ``(n,)``; ``nan`` where a picture is not rated.

    Raises:
        InputError: If there are not ``n`` lines, or nothing is rated.
    """
    ratings = ratings_txt.read_ratings(path, n)
    if np.isnan(ratings).all():
        raise InputError(f'{path}: expected at least one rating to compare with, got none; rate '
                         'some of the pictures')
    return ratings


def read_sources(X_path: str, n: int) -> tuple:
    """Read the table beside ``n`` pictures.

    Returns:
        tuple: The names of its columns, and ``n`` rows of strings; there are no
        columns if there is no table.

    Raises:
        InputError: If it is not a table of ``n`` rows.
    """
    table = tables.table_path(X_path)
    return tables.read_table(table, n) if os.path.exists(table) else ([], [[]] * n)


def write_ranking(path: str, scores: np.ndarray, columns: Sequence, rows: Sequence,
                  marked: tuple) -> None:
    """Write a table of the pictures, best first.

    Args:
        path: The file to write.
        scores: Shape ``(N,)``.
        columns, rows: From :func:`read_sources`; written after our own, except
            those with the same name.
        marked: From :func:`~picture_ranknet.ranking.marks.marks`.
    """
    first = ['rank', 'score', *marked[0], 'row']
    kept = [number for number, column in enumerate(columns) if column not in first]
    tables.write_table(
        path, first + [columns[number] for number in kept],
        ([position, scores[row], *marked[1][row], row] + [rows[row][number] for number in kept]
         for position, row in enumerate(metrics.rank(scores), 1)))


def describe_agreement(ratings: np.ndarray, scores: np.ndarray, k: int) -> str:
    """One line about how well scores agree with the person's own ratings.

    Args:
        ratings: Shape ``(N,)``; ``nan`` where a picture is not rated.
        scores: Shape ``(N,)``.
        k: Top positions that count for NDCG@k.
    """
    rated = ~np.isnan(ratings)
    ratings, scores = ratings[rated], scores[rated]
    return (f'NDCG@{k}: {metrics.ndcg(ratings, scores, k):.4f}'
            f' | pair accuracy: {metrics.pair_accuracy(ratings, scores):.4f}'
            f' | Kendall tau: {metrics.kendall_tau(ratings, scores):.4f}')


def draw_strip(path: str, X: np.ndarray, scores: np.ndarray, ratings: Optional[np.ndarray],
               n: int) -> None:
    """Draw the best pictures from left to right.

    Args:
        path: The file to write.
        X: The pictures, shape ``(N, 3, H, W)``.
        scores: Shape ``(N,)``.
        ratings: If given, only rated pictures are drawn, and above them the
            person's own order.
        n: How many to draw.
    """
    from picture_ranknet.pictures import strips

    rated = np.arange(len(X)) if ratings is None else np.flatnonzero(~np.isnan(ratings))
    strips.draw_ranking(path, X, rated, scores, ratings, n)


def draw_explanations(path: str, ensemble, X: np.ndarray, features: Optional[np.ndarray],
                      scores: np.ndarray, n: int, mirror: bool = False,
                      progress: Callable[[int], object] = silent) -> None:
    """Draw the best pictures, and below each what raised its score.

    Args:
        path: The file to write.
        ensemble: A :class:`~picture_ranknet.models.scoring.Ensemble`.
        X: The pictures, shape ``(N, 3, H, W)``.
        features: Additional features, shape ``(N, D)``, or ``None``.
        scores: Shape ``(N,)``.
        n: How many to draw.
        mirror: Whether they were scored with their mirror images.
        progress: Called with the number of pictures just done.
    """
    from picture_ranknet.models import explain
    from picture_ranknet.pictures import explanations

    best = metrics.rank(scores)[:n]
    maps = explain.occlude_rows(ensemble, X, best, features, mirror, progress)
    explanations.draw_explanations(path, X, best, scores, maps)
