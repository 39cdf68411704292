"""What lies beside the pictures of an X.npy, and the table of their ranking."""
import os
from collections.abc import Sequence
from typing import Optional

import numpy as np

import metrics
from picture_ranknet.errors import InputError
from picture_ranknet.storage import arrays, ratings_txt, tables


def read_features(path: Optional[str], n: int, models: Sequence,
                  model_path: str) -> Optional[np.ndarray]:
    """Read the features of ``n`` pictures, as many of each as the models need."""
    needed = [model.predictor.n_features for model in models if model.predictor.n_features]
    if path and not needed:
        raise InputError(f'{model_path}: was trained without features; leave --features out')
    features = [arrays.read_features(path, n, n_features) for n_features in needed]
    return features[0] if features else None


def read_ratings(path: str, n: int) -> np.ndarray:
    """Read the person's own ratings of the pictures; there must be at least one."""
    ratings = ratings_txt.read_ratings(path, n)
    if np.isnan(ratings).all():
        raise InputError(f'{path}: expected at least one rating to compare with, got none; rate '
                         'some of the pictures')
    return ratings


def read_sources(X_path: str, n: int) -> tuple:
    """Columns and rows of the table beside the pictures; none if there is no table."""
    table = tables.table_path(X_path)
    return tables.read_table(table, n) if os.path.exists(table) else ([], [[]] * n)


def write_ranking(path: str, scores: np.ndarray, columns: Sequence, rows: Sequence,
                  marks: tuple) -> None:
    """Write a table of the pictures, best first, with the columns of their table."""
    first = ['rank', 'score', *marks[0], 'row']
    kept = [c for c, column in enumerate(columns) if column not in first]
    tables.write_table(
        path, first + [columns[c] for c in kept],
        ([position, scores[row], *marks[1][row], row] + [rows[row][c] for c in kept]
         for position, row in enumerate(metrics.rank(scores), 1)))


def describe_agreement(ratings: np.ndarray, scores: np.ndarray, k: int) -> str:
    """One line on how well the scores agree with the person's own ratings."""
    rated = ~np.isnan(ratings)
    ratings, scores = ratings[rated], scores[rated]
    return (f'NDCG@{k}: {metrics.ndcg(ratings, scores, k):.4f}'
            f' | pair accuracy: {metrics.pair_accuracy(ratings, scores):.4f}'
            f' | Kendall tau: {metrics.kendall_tau(ratings, scores):.4f}')
