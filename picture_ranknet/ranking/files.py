"""Scores files with trained models: prepares new ones, scores them, and locates each picture."""
import os
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Optional

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.machine import ranks
from picture_ranknet.machine.opencv import check_opencv
from picture_ranknet.models import inference, scoring
from picture_ranknet.models.calibration import Scale
from picture_ranknet.pictures.sources import find_sources
from picture_ranknet.ranking import items, marks, models
from picture_ranknet.ranking.library import Files, Library, describe_missing, preparation_of
from picture_ranknet.ranking.settings import Scoring, Uses
from picture_ranknet.storage import arrays, atomic, ratings_txt
from picture_ranknet.storage.picture_set import FACE, Preparation
from picture_ranknet.text import adding_up, count, no_bar, silent


class Outputs(NamedTuple):
    """Paths of the outputs.

    Attributes:
        scores: A score for each file.
        table: All pictures, best first.
        library: A folder, see :class:`~picture_ranknet.ranking.library.Library`.
    """

    scores: str
    table: str
    library: str

    @classmethod
    def beside(cls, scores: str, table: Optional[str] = None) -> 'Outputs':
        """The outputs beside the scores: ``pred.csv`` and ``pred.library`` for ``pred.txt``.

        Raises:
            InputError: If no table is given, and a set has one of this name.
        """
        root = os.path.splitext(scores)[0]
        if not table and os.path.exists(root + '.npy'):
            raise InputError(f'{root}.csv: would be overwritten, but is the table of {root}.npy; '
                             'choose another --output')
        return cls(scores, table or root + '.csv', root + '.library')


class Scored(NamedTuple):
    """Files and their scores.

    Attributes:
        files: The files, and how many were new.
        scores: The best score of each file, shape ``(len(files.paths),)``;
            ``nan`` where there is none.
        items: Their pictures, best first.
        X: The pictures of the library, shape ``(N, 3, H, W)``.
        missing: In words, how many files have no score, and why; may be empty.
    """

    files: Files
    scores: np.ndarray
    items: list
    X: np.ndarray
    missing: str


def rank(how: Scoring, sources: Sequence[str], scores_path: str,
         table_path: Optional[str] = None, uses: Optional[Uses] = None, *, whole: bool = False,
         margin: Optional[float] = None, note: Callable[[str], object] = silent,
         say: Callable[[str], object] = silent,
         bar: Callable[[str, str], Callable] = no_bar) -> Scored:
    """Score pictures, videos and folders of them, write and report the ranking, and use it.

    Args:
        how: The models, and how they score.
        sources: Files and folders.
        scores_path, table_path: See :meth:`Outputs.beside`.
        uses: What is done with the files; ``None``: nothing.
        whole, margin: As for :func:`~picture_ranknet.ranking.library.preparation_of`.
        note: Called with a line for the user.
        say: Called with each line of the result.
        bar: As for :func:`.sets.rank`.

    Raises:
        InputError: If there is nothing to score, or a model does not fit.
    """
    start = time.monotonic()
    uses = uses or Uses()
    check_alone()
    outputs = Outputs.beside(scores_path, table_path)
    check_files(how, sources, outputs, uses)
    loaded = models.load_models(how, note=note)
    scale = marks.find_scale(loaded, how.models[0], uses.needing_stars)
    preparation = preparation_of(loaded[0].preparation, whole, margin, how.models[0])
    paths, n_others = find(sources, [*outputs, *how.models, uses.gallery, uses.sort_into])
    atomic.check_outputs({'--output': outputs.scores, '--csv': outputs.table}, {'pictures': paths})
    ranked = score_files(
        paths, loaded, outputs.library, preparation, batchsize=how.batchsize, mirror=how.mirror,
        note=note, preparing=bar('files', 'preparing'), scored=bar('pictures', 'scoring'))
    write(outputs, ranked, scale, uses.keep, note, say)
    if n_others:
        note(f'{count(n_others, "file")} skipped: neither pictures nor videos')
    for line in describe(outputs, ranked, preparation, time.monotonic() - start):
        say(line)
    if uses.of_files:
        from picture_ranknet.ranking import results  # which nothing else needs
        results.use(ranked.items, ranked.X, scale, uses, how.models[0], say, note,
                    bar('thumbnails', 'drawing'))
    return ranked


def check_files(how: Scoring, sources: Sequence[str], outputs: Outputs, uses: Uses) -> None:
    """Refuse outputs that are inputs, or the same file, before reading any; see :func:`rank`."""
    inputs = {**models.inputs(how), 'pictures': sources}
    atomic.check_outputs({'--output': outputs.scores, '--csv': outputs.table}, inputs)
    if uses.of_files:
        from picture_ranknet.ranking import results
        results.check_folders(uses.gallery, uses.sort_into, {
            **inputs, '--output': [outputs.scores, outputs.library], '--csv': outputs.table})
    check_opencv()


def check_alone() -> None:
    """Raise :class:`InputError` in one of several processes of ``mpiexec``."""
    if ranks.size() > 1:
        raise InputError('predict.py: prepares files in one process on all cores; start it '
                         'without mpiexec')


def find(sources: Sequence[str], leave_out: Sequence[Optional[str]] = ()) -> tuple:
    """List the files to score, each once.

    Args:
        sources, leave_out: As for :func:`~picture_ranknet.pictures.sources.find_sources`.

    Returns:
        tuple: The paths, and the number of other files in the folders.
    """
    paths, n_others = find_sources(sources, leave_out)
    return list({os.path.abspath(path): path for path in paths}.values()), n_others


def score_files(paths: Sequence[str], loaded: Sequence, folder: str, preparation: Preparation, *,
                batchsize: int = inference.BATCHSIZE, mirror: bool = False,
                note: Callable[[str], object] = silent,
                preparing: Callable[[int, int], object] = silent,
                scored: Callable[[int, int], object] = silent) -> Scored:
    """Score pictures and videos.

    Args:
        paths: The files, as :func:`find` lists them.
        loaded: Models for square pictures of one size; the score is their mean.
        folder: The library, see :class:`~picture_ranknet.ranking.library.Library`.
        preparation: How the models' pictures were cropped.
        batchsize, mirror: As for :func:`~picture_ranknet.models.inference.score`.
        note: Called with a line for the user.
        preparing, scored: Called with the amount done and the total.

    Raises:
        InputError: If there is nothing to score.
    """
    size = loaded[0].image_size[0]
    with Library(folder, preparation, size, note) as library:
        files = library.prepare(paths, preparing)
        missing = describe_missing(files, preparation)
        if not any(files.rows):
            raise InputError(f'nothing to score: {missing}')
        X = arrays.read_pictures(library.pictures_path)
        scores = scoring.score_set(  # of the whole library: features are cached
            scoring.Ensemble(loaded), X, library.pictures_path, None, batchsize, mirror,
            adding_up(scored, len(X) * len(loaded)))
        ranked = items.of_files(files, library.pictures_path, scores)
    return Scored(files, items.scores_of(paths, ranked), ranked, X, missing)


def write(outputs: Outputs, ranked: Scored, scale: Optional[Scale] = None,
          share: Optional[float] = None, note: Callable[[str], object] = silent,
          say: Callable[[str], object] = silent) -> None:
    """Write the scores of files, and the table of their pictures.

    Args:
        outputs: Where to write.
        ranked: From :func:`score_files`.
        scale: The person's scale, for stars and probabilities in the table.
        share: What to keep, see :func:`~picture_ranknet.ranking.marks.find_threshold`.
        note: Called with a line if all scores are the same.
        say: Called with a line about what is kept.
    """
    scores = np.array([item.score for item in ranked.items])
    scoring.warn_if_collapsed(scores, note)
    ratings_txt.write_scores(outputs.scores, ranked.scores)
    of_files = ranked.scores[np.isfinite(ranked.scores)]
    threshold = marks.find_threshold(scale, share, of_files, say)
    items.write_table(outputs.table, ranked.items, marks.marks(scale, threshold, scores))


def describe(outputs: Outputs, ranked: Scored, preparation: Preparation, seconds: float) -> list:
    """Lines about what was scored.

    Args:
        outputs: Where it was written.
        ranked: From :func:`score_files`.
        preparation: Whether the pictures are faces.
        seconds: How long it took.
    """
    noun = 'face' if preparation.kind == FACE else 'picture'
    lines = [f'{count(len(ranked.items), noun)} in {count(len(ranked.files.paths), "file")}, '
             f'{ranked.files.n_new:,} of them new, in {seconds:.0f} s -> {outputs.scores}, '
             f'{outputs.table}']
    if ranked.missing:
        lines.append(f'no score (nan): {ranked.missing}')
    return lines
