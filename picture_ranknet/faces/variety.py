"""Selects the most diverse of many faces: a few from an hour of film, with all its characters.

Farthest-first traversal (Gonzalez, *Clustering to minimize the maximum
intercluster distance*, Theoretical Computer Science 38, 1985): the face
farthest from all selected ones is selected next.  By itself that would select
false positives first, which are outliers; so distances are weighted by a face's
confidence and sharpness.
"""
from collections.abc import Callable, Sequence

import numpy as np

from picture_ranknet.faces.choice import KEPT, LIKE_OTHERS
from picture_ranknet.faces.store import Face
from picture_ranknet.storage import arrays
from picture_ranknet.text import silent

LEAST_WEIGHT = .5   # of the worst face; that of the best one is 1
AT_ONCE = 64        # pictures


def thin_out(faces: Sequence[Face], reasons: Sequence[str], crops: np.ndarray, most: int,
             before: np.ndarray, note: Callable[[str], object] = silent,
             progress: Callable[[int, int], object] = silent) -> list[str]:
    """Keep the most diverse faces, so that a set has at most ``most``.

    Args:
        faces: All that were found.
        reasons: ``choice.KEPT`` for those that may be kept.
        crops: Of all faces, ``uint8``, shape ``(N, 3, size, size)``.
        most: Maximum number of pictures in the set.
        before: Existing pictures of the set, which stay.
        note: Called with a line if faces cannot be compared well.
        progress: Called with the number of pictures analysed, and the total.

    Returns:
        ``reasons``, but ``choice.LIKE_OTHERS`` for those that are not kept.
    """
    kept = np.flatnonzero([reason == KEPT for reason in reasons])
    room = max(0, most - len(before))
    if len(kept) <= room:
        return list(reasons)
    picked = np.array([], int)
    if room:
        seen = _look(before, crops, kept, note, progress)
        picked = pick(seen, weigh([faces[i] for i in kept]), room)
    result = np.array(reasons, object)
    result[np.delete(kept, picked)] = LIKE_OTHERS
    return result.tolist()


def _look(before, crops, kept, note, progress):
    from picture_ranknet.models import glance

    see = glance.open_eye(note)
    seen = np.empty((len(before) + len(kept), glance.SIZE), np.float32)
    done = 0
    for pictures, rows in (before, np.arange(len(before))), (crops, kept):
        for start in range(0, len(rows), AT_ONCE):
            part = rows[start:start + AT_ONCE]
            seen[done:done + len(part)] = see(arrays.take(pictures, part))
            done += len(part)
            progress(done, len(seen))
    return seen


def weigh(faces: Sequence[Face]) -> np.ndarray:
    """Weights of the distances of faces, from ``LEAST_WEIGHT`` to 1, shape ``(len(faces),)``.

    They follow from the geometric mean of the ranks by confidence, and by
    sharpness times side, which have no common scale.  The better half of each
    has the same rank: the differences among them matter little.
    """
    sure = _rank([face.confidence or 0. for face in faces])
    clear = _rank([face.sharpness * (face.w * face.h) ** .5 for face in faces])
    return LEAST_WEIGHT + (1 - LEAST_WEIGHT) * np.sqrt(sure * clear)


def _rank(values):
    """Ranks from 0, the lowest, to 1, the median and above; equal values share a rank."""
    order = np.sort(values)
    places = np.searchsorted(order, values) + np.searchsorted(order, values, 'right')
    return np.minimum(1, places / len(order))


def pick(seen: np.ndarray, weights: np.ndarray, n: int) -> np.ndarray:
    """Pick the most diverse pictures, by farthest-first traversal.

    Args:
        seen: Features of pictures, shape ``(N, D)``: first those that are
            already picked, then one for each of ``weights``; float32, changed
            in place.
        weights: Factors of the distances.
        n: How many to pick, at most all.

    Returns:
        numpy.ndarray: ``n`` indices into ``weights``, in the order they were picked.
    """
    _standardize(seen)
    n_before = len(seen) - len(weights)
    before, seen = seen[:n_before], seen[n_before:]
    distances = np.full(len(seen), 2, np.float32)  # 1 - cosine, to the nearest picked one
    for row in before:
        np.minimum(distances, 1 - seen @ row, out=distances)
    picked = []
    for _ in range(n):
        scores = np.maximum(distances, 0) * weights
        scores[picked] = -1
        picked.append(int(scores.argmax()))
        np.minimum(distances, 1 - seen @ seen[picked[-1]], out=distances)
    return np.array(picked, int)


def _standardize(seen):
    """Standardise features, squash outliers by arctan, and scale rows to length 1."""
    seen -= seen.mean(axis=0)
    deviation = seen.std(axis=0)
    seen /= np.where(deviation > 0, deviation, 1)
    np.arctan(seen, out=seen)
    seen /= np.maximum(np.linalg.norm(seen, axis=1, keepdims=True), 1e-6)
