"""Chooses the faces that are worth rating: clear ones, without duplicates."""
import collections
from collections.abc import Hashable, Sequence

import numpy as np

from picture_ranknet.faces.settings import Rules
from picture_ranknet.faces.store import Face
from picture_ranknet.pictures.near_duplicates import NearDuplicates

KEPT = ''          # the reason of a face that is not dropped
TOO_SMALL, UNSURE, BLURRED = 'too small', 'unsure', 'blurred'
DUPLICATE, MORE_OF_TRACK = 'duplicate', 'more of its track'
LIKE_OTHERS = 'like others'  # from variety.thin_out
REASONS = TOO_SMALL, UNSURE, BLURRED, DUPLICATE, MORE_OF_TRACK, LIKE_OTHERS


def choose(faces: Sequence[Face], tracks: Sequence[Hashable], near_duplicates: NearDuplicates,
           rules: Rules, n_before: int = 0) -> list[str]:
    """Decide for each face whether it is kept, or why not.

    The best are examined first, so that among duplicates, or in a track, the
    sharpest and largest are kept.

    Args:
        faces: In the order of their frames.
        tracks: The track of each.
        near_duplicates: Of ``n_before`` pictures that are kept whatever comes,
            and of the faces.
        rules: What is dropped.
        n_before: Pictures of a set to which the faces are added.

    Returns:
        ``KEPT`` or one of ``REASONS`` for each face.
    """
    reasons = [KEPT] * len(faces)
    # By source, if duplicates are only looked for within one: the first n_kept rows are kept.
    sizes = collections.Counter(face.number if rules.within_source else None for face in faces)
    kept = {source: np.arange(n_before + size) for source, size in sizes.items()}
    n_kept = dict.fromkeys(sizes, n_before)
    kept_of_track = collections.defaultdict(list)

    def quality(i):
        return faces[i].sharpness * (faces[i].w * faces[i].h) ** .5

    for i in sorted(range(len(faces)), key=quality, reverse=True):
        row, siblings = n_before + i, kept_of_track[tracks[i]]
        source = faces[i].number if rules.within_source else None
        reason = _reason_by_itself(faces[i], rules)
        if reason == KEPT and rules.duplicate_bits is not None and (
                len(near_duplicates.of(row, np.array(siblings, int), 2 * rules.duplicate_bits))
                or len(near_duplicates.of(row, kept[source][:n_kept[source]],
                                          rules.duplicate_bits))):
            reason = DUPLICATE
        if reason == KEPT and rules.per_track and len(siblings) >= rules.per_track:
            reason = MORE_OF_TRACK
        if reason == KEPT:
            kept[source][n_kept[source]] = row
            n_kept[source] += 1
            siblings.append(row)
        reasons[i] = reason
    return reasons


def _reason_by_itself(face, rules):
    if min(face.w, face.h) < rules.min_side:
        return TOO_SMALL
    if face.confidence is not None and face.confidence < rules.min_confidence:
        return UNSURE
    if face.sharpness < rules.min_sharpness:
        return BLURRED
    return KEPT


def explain(faces: Sequence[Face], reasons: Sequence[str], rules: Rules) -> str:
    """Why all faces were dropped: how many for each reason, with its option and the best value."""
    parts = []
    for reason in REASONS:
        dropped = [face for face, other in zip(faces, reasons) if other == reason]
        if not dropped:
            continue
        why = ''
        if reason == TOO_SMALL:
            largest = max(min(face.w, face.h) for face in dropped)
            why = (f' (under {rules.min_side:.0f} pixels, the largest has {largest}; see '
                   '--max_enlargement)')
        elif reason == UNSURE:
            best = max(face.confidence for face in dropped)
            why = f' (confidence under {rules.min_confidence:g}, the best has {best:.1f}; see ' \
                  '--min_confidence)'
        elif reason == BLURRED:
            best = max(face.sharpness for face in dropped)
            why = f' (sharpness under {rules.min_sharpness:g}, the best has {best:.1f}; see ' \
                  '--min_sharpness)'
        elif reason == DUPLICATE:
            why = ' (the set has them already)'
        elif reason == LIKE_OTHERS:
            why = f' (the set has {rules.most:,} already; see --most)'
        parts.append(f'{len(dropped):,} {reason}{why}')
    return ', '.join(parts)
