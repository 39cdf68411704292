"""Scores on the person's own scale: stars, the probability of a high rating, what to keep."""
from collections.abc import Callable, Sequence
from typing import Optional

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.models.calibration import FEWEST, LIKED, Scale, Threshold
from picture_ranknet.text import count, silent


def scale_of(model) -> Optional[Scale]:
    """The person's scale for the scores of a model; ``None`` if it has no held-out ratings.

    Args:
        model (net.RankNet): ``train.py`` stores the held-out ratings in it.
    """
    if model.held_out is None or np.ptp(model.held_out[1]) == 0:
        return None
    return Scale(*map(np.array, model.held_out))


def find_scale(models: Sequence, path: str, needing: Sequence[str] = ()) -> Optional[Scale]:
    """The person's scale for the scores of one or more models.

    Args:
        models: The score is their mean; several have no scale, since each
            held out different ratings.
        path: The first one's file, for messages.
        needing: Options that need stars, as the user typed them.

    Raises:
        InputError: If there is no scale and an option needs it.
    """
    if len(models) > 1:
        if needing:
            raise InputError('--ensemble: the mean of several models has no stars, which '
                             f'{needing[0]} needs; leave out --keep and --xmp, and sort --by_rank')
        return None
    scale = scale_of(models[0])
    if scale is None and needing:
        raise InputError(f'{path}: {needing[0]} needs stars, but no ratings were held out when '
                         'this model was trained; train it with --arch pretrained or '
                         '--valid_ratio 0.2')
    return scale


def find_threshold(scale: Optional[Scale], share: Optional[float], scores: Sequence,
                   say: Callable[[str], object] = silent) -> Optional[Threshold]:
    """The score threshold for keeping pictures.

    Args:
        scale: Not needed without a share.
        share: Fraction of the kept pictures that should be liked, from 0 to 1;
            ``None`` for no threshold.
        scores: Of the pictures to choose from.
        say: Called with one line about what the threshold means.

    Returns:
        Threshold: ``None`` if ``share`` is, or if there are too few ratings.
    """
    if share is None:
        return None
    threshold = scale.keep(share)
    say(describe_keep(scale, share, threshold, scores))
    return threshold


def marks(scale: Optional[Scale], threshold: Optional[Threshold], scores: Sequence) -> tuple:
    """Columns of a table, and their values for each score.

    Args:
        scale: Without one there are no columns.
        threshold: From :func:`find_threshold`; without one there is no column
            ``keep``.
        scores: Shape ``(N,)``.

    Returns:
        tuple: A list of column names among ``stars``, ``probability`` and
        ``keep``, and a list of ``N`` lists of values.
    """
    if scale is None:
        return [], [[]] * len(scores)
    scores = np.array(scores, float)
    columns = ['stars', 'probability']
    rows = [[int(stars), f'{probability:.3f}'] for stars, probability in zip(
        scale.stars(scores), scale.probability(scores))]
    if threshold is not None:
        columns.append('keep')
        rows = [[*row, int(score >= threshold.score)] for row, score in zip(rows, scores)]
    return columns, rows


def describe_keep(scale: Scale, share: float, threshold: Optional[Threshold],
                  scores: Sequence) -> str:
    """One line about what is kept, such as for ``--keep 0.8``.

    Args:
        scale: The person's scale.
        share: The requested fraction, from 0 to 1.
        threshold: The result of ``scale.keep(share)``.
        scores: Of the pictures to choose from.
    """
    if threshold is None:
        n = len(scale.scores)
        if n < FEWEST:
            return (f'keep: no threshold: {count(n, "rating")} held out, too few to tell; rate '
                    'more pictures')
        return (f'keep: no threshold: at no cutoff with {FEWEST} or more of the {n:,} held-out '
                f'pictures above it are {share:.0%} rated {LIKED} or better; rate more pictures, '
                'or use a lower value')
    kept = int((np.array(scores, float) >= threshold.score).sum())
    return (f'keep: {kept:,} of {len(scores):,} score at least {threshold.score:.4g}; of the '
            f'{threshold.n:,} held-out pictures that do, {threshold.share:.0%} were rated {LIKED} '
            f'or better (95 % interval: {threshold.low:.0%} to {threshold.high:.0%})')
