"""What the person would say of scores: stars, the probability of a high rating, what to keep."""
from collections.abc import Sequence
from typing import Optional

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.models.calibration import FEWEST, LIKED, Scale, Threshold
from picture_ranknet.text import count


def scale_of(model) -> Optional[Scale]:
    """The person's scale for the scores of a model; ``None`` if it has no held-out ratings.

    Args:
        model (net.RankNet): ``train.py`` has kept the held-out ratings in it.
    """
    if model.held_out is None or np.ptp(model.held_out[1]) == 0:
        return None
    return Scale(*map(np.array, model.held_out))


def check_scale(scale: Optional[Scale], path: str, option: str) -> None:
    """Raise :class:`InputError` if an option needs a scale and the model of a file has none."""
    if scale is None:
        raise InputError(f'{path}: {option} needs stars, but no ratings were held out when this '
                         'model was trained; train it with --arch pretrained or --valid_ratio 0.2')


def marks(scale: Optional[Scale], threshold: Optional[Threshold], scores: Sequence) -> tuple:
    """Columns of a table for scores, and a row of values for each.

    Without a scale there are none.
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
    """One line on what is kept, such as for ``--keep 0.8``.

    Args:
        share: What was asked for, from 0 to 1.
        threshold: What ``scale.keep(share)`` says.
        scores: Of the pictures from which to keep some.
    """
    if threshold is None:
        n = len(scale.scores)
        if n < FEWEST:
            return (f'keep: no threshold: {count(n, "rating")} held out, too few to tell; rate '
                    'more pictures')
        return (f'keep: no threshold: of {n:,} held-out pictures, no best {FEWEST} or more are '
                f'rated {LIKED} or better in {share:.0%} of cases; rate more pictures, or ask for '
                'less')
    kept = int((np.array(scores, float) >= threshold.score).sum())
    return (f'keep: {kept:,} of {len(scores):,} score at least {threshold.score:.4g}; of the '
            f'{threshold.n:,} held-out pictures that do, {threshold.share:.0%} were rated {LIKED} '
            f'or better (95 % interval: {threshold.low:.0%} to {threshold.high:.0%})')
