"""What a training run leaves: scores of the training pictures, the model, and the report."""
from collections.abc import Callable
from typing import Optional

import numpy as np

from picture_ranknet.learning import monitor, report
from picture_ranknet.machine import ranks
from picture_ranknet.models import model_file, scoring
from picture_ranknet.storage import ratings_txt
from picture_ranknet.storage.arrays import RatedPictures


def write(model, train: RatedPictures, valid: Optional[RatedPictures], pred_path: str,
          model_path: str, out: str, k: int, note: Callable[[str], object],
          progress: Callable[[int], object] = None, preparation=None, left_out=None) -> list:
    """Score all pictures with a trained model; write scores, model and report.

    Of processes that work together, all must call this; the first one writes.

    Args:
        model (net.RankNet): On its device.
        train, valid: ``valid`` may be ``None``.
        pred_path: Where the scores of all pictures of ``train`` go, one per line.
        model_path: Where the model goes.
        out: The folder of the report (:func:`report.write`).
        k: NDCG counts the first ``k`` positions.
        note: Called with each line for the user.
        progress: Called with the number of pictures after each batch.
        preparation (picture_set.Preparation): How the pictures were cut, which
            the model remembers; ``None`` if nobody knows.
        left_out (numpy.ndarray): Scores of ``train.rows`` by models that had not
            learnt from them; ``nan`` where there are none.

    Returns:
        list of report.Row: The final metrics; empty in all processes but the first.

    Raises:
        InputError: If a score is not finite.
    """
    scores = monitor.score_pictures(model, train, progress=progress)
    held_out = monitor.score_pictures(model, valid, valid.rows) if valid else None
    if not ranks.is_first():
        return []
    scoring.warn_if_collapsed(scores, note)
    ratings_txt.write_scores(pred_path, scores)
    unseen = valid
    if left_out is not None:
        is_known = np.isfinite(left_out)
        unseen, held_out = train._replace(rows=train.rows[is_known]), left_out[is_known]
    ratings = unseen.ratings[unseen.rows] if unseen else np.empty(0)
    model_file.remember(model, preparation, () if held_out is None else held_out, ratings)
    model_file.save(model_path, model)
    if len(np.unique(ratings)) < 2:  # nothing to rank
        unseen = None
    return report.write(out, train, unseen, scores[train.rows], held_out, k, note,
                        left_out is None, model.predictor.has_steps)
