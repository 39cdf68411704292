"""The pictures of an X.npy: what lies beside them, the table of their ranking, drawings of it."""
import os
from collections.abc import Callable, Sequence
from typing import Optional

import numpy as np

import metrics
from picture_ranknet.errors import InputError
from picture_ranknet.storage import arrays, ratings_txt, tables
from picture_ranknet.text import silent


def read_features(path: Optional[str], n: int, models: Sequence,
                  model_path: str) -> Optional[np.ndarray]:
    """Read the features of pictures, as many of each as the models need.

    Args:
        path: An array of shape ``(n, D)``; ``None`` if there are no features.
        n: The number of pictures.
        models: Those that have learnt from features must have learnt from ``D`` of them.
        model_path: The first one's file, for messages.

    Returns:
        numpy.ndarray: Shape ``(n, D)``, float32; ``None`` if no model needs any.

    Raises:
        InputError: If there are features that no model needs, or they do not fit.
    """
    needed = [model.predictor.n_features for model in models if model.predictor.n_features]
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
        InputError: If it is no table of ``n`` rows.
    """
    table = tables.table_path(X_path)
    return tables.read_table(table, n) if os.path.exists(table) else ([], [[]] * n)


def write_ranking(path: str, scores: np.ndarray, columns: Sequence, rows: Sequence,
                  marks: tuple) -> None:
    """Write a table of the pictures, best first.

    Args:
        path: Where to.
        scores: Shape ``(N,)``.
        columns, rows: Of :func:`read_sources`; written behind ours, but none of
            the same name.
        marks: Of :func:`~picture_ranknet.ranking.marks.marks`.
    """
    first = ['rank', 'score', *marks[0], 'row']
    kept = [c for c, column in enumerate(columns) if column not in first]
    tables.write_table(
        path, first + [columns[c] for c in kept],
        ([position, scores[row], *marks[1][row], row] + [rows[row][c] for c in kept]
         for position, row in enumerate(metrics.rank(scores), 1)))


def describe_agreement(ratings: np.ndarray, scores: np.ndarray, k: int) -> str:
    """One line on how well scores agree with the person's own ratings.

    Args:
        ratings: Shape ``(N,)``; ``nan`` where a picture is not rated.
        scores: Shape ``(N,)``.
        k: How many positions NDCG counts.
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
        path: Where to.
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
        path: Where to.
        ensemble: A :class:`~picture_ranknet.models.scoring.Ensemble`.
        X: The pictures, shape ``(N, 3, H, W)``.
        features: Theirs, shape ``(N, D)``, or ``None``.
        scores: Theirs, shape ``(N,)``.
        n: How many to draw.
        mirror: Whether they were scored with their mirror images.
        progress: Called with a number of pictures that are done.
    """
    from picture_ranknet.models import explain
    from picture_ranknet.pictures import explanations

    best = metrics.rank(scores)[:n]
    maps = explain.occlude_rows(ensemble, X, best, features, mirror, progress)
    explanations.draw_explanations(path, X, best, scores, maps)
