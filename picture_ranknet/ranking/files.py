"""Scores files with trained models: prepares what is new, scores, says where each picture is."""
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.models import inference, scoring
from picture_ranknet.ranking import items
from picture_ranknet.ranking.library import Files, Library, describe_missing
from picture_ranknet.storage import arrays
from picture_ranknet.storage.picture_set import Preparation
from picture_ranknet.text import silent


class Scored(NamedTuple):
    """Files and their scores.

    Attributes:
        files: The files, and how many were new.
        scores: The best score of each file, shape ``(len(files.paths),)``;
            ``nan`` where there is none.
        items: Their pictures, best first.
        X: The pictures of the library, shape ``(N, 3, H, W)``.
        missing: How many files have no score, and why; empty if all have one.
    """

    files: Files
    scores: np.ndarray
    items: list
    X: np.ndarray
    missing: str


def score_files(paths: Sequence[str], models: Sequence, folder: str, preparation: Preparation, *,
                batchsize: int = inference.BATCHSIZE, mirror: bool = False,
                note: Callable[[str], object] = silent,
                preparing: Callable[[int, int], object] = silent,
                scored: Callable[[int, int], object] = silent) -> Scored:
    """Score pictures and videos.

    Args:
        paths: The files, as :func:`~picture_ranknet.pictures.sources.find_sources` lists them.
        models: The score is the mean of theirs; for square pictures of one size.
        folder: The library, see :class:`~picture_ranknet.ranking.library.Library`.
        preparation: How the models' pictures were cut.
        batchsize, mirror: As of :func:`~picture_ranknet.models.inference.score`.
        note: Called with a line for the user.
        preparing, scored: Called with how much is done and how much there is.

    Raises:
        InputError: If there is nothing to score.
    """
    size = models[0].image_size[0]
    with Library(folder, preparation, size, note) as library:
        files = library.prepare(paths, preparing)
        missing = describe_missing(files, preparation)
        if not any(files.rows):
            raise InputError(f'nothing to score: {missing}')
        X = arrays.read_pictures(library.pictures_path)
        done, total = 0, len(X) * len(models)

        def count(n):
            nonlocal done
            done += n
            scored(done, total)

        scores = scoring.score_set(scoring.Ensemble(models), X, library.pictures_path, None,
                                   batchsize, mirror, count)  # all: what it sees is kept
        ranked = items.of_files(files, library.pictures_path, scores)
    return Scored(files, items.scores_of(paths, ranked), ranked, X, missing)
