"""Which of many faces differ most: a few of an hour of film, of all its scenes and characters.

Gonzalez, *Clustering to minimize the maximum intercluster distance*, Theoretical
Computer Science 38, 1985: the face that is farthest from all that are kept is
kept next.  Alone, that takes what is no face first, because nothing is like it;
so a distance counts for more the surer and the sharper a face is.
"""
from collections.abc import Callable, Sequence

import numpy as np

from picture_ranknet.faces.choice import KEPT, LIKE_OTHERS
from picture_ranknet.faces.store import Face
from picture_ranknet.storage import arrays
from picture_ranknet.text import silent

LEAST_WEIGHT = .5   # of the worst face's distances; that of the best one is 1
AT_ONCE = 64        # pictures


def thin_out(faces: Sequence[Face], reasons: Sequence[str], crops: np.ndarray, most: int,
             before: np.ndarray, note: Callable[[str], object] = silent,
             progress: Callable[[int, int], object] = silent) -> list[str]:
    """Keep so many faces that a set has ``most`` of them, those that differ most.

    Args:
        faces: All that were found.
        reasons: ``choice.KEPT`` for those that may be kept.
        crops: Of all faces, ``uint8``, shape ``(N, 3, size, size)``.
        most: Pictures of the set.
        before: Pictures that the set has already, which stay.
        note: Called with a line if faces cannot be compared well.
        progress: Called with the number of pictures that were looked at, and of all.

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
    """How much the distances of faces count, from ``LEAST_WEIGHT`` to 1, shape ``(len(faces),)``.

    That is the geometric mean of their ranks by confidence, and by sharpness
    times side, which have no scale in common.  The better half of each counts
    alike: there is little to choose among them.
    """
    sure = _rank([face.confidence or 0. for face in faces])
    clear = _rank([face.sharpness * (face.w * face.h) ** .5 for face in faces])
    return LEAST_WEIGHT + (1 - LEAST_WEIGHT) * np.sqrt(sure * clear)


def _rank(values):
    """From 0, the lowest, to 1, the median and all above; equal ones are alike."""
    order = np.sort(values)
    places = np.searchsorted(order, values) + np.searchsorted(order, values, 'right')
    return np.minimum(1, places / len(order))


def pick(seen: np.ndarray, weights: np.ndarray, n: int) -> np.ndarray:
    """Pick those that differ most, farthest first.

    Args:
        seen: Numbers about pictures, shape ``(N, D)``: first those that are
            picked already, then one for each of ``weights``; float32, is
            changed in place.
        weights: What distances are multiplied by.
        n: How many to pick, at most all.

    Returns:
        numpy.ndarray: ``n`` indices into ``weights``, in the order they were picked.
    """
    _standardize(seen)
    n_before = len(seen) - len(weights)
    before, seen = seen[:n_before], seen[n_before:]
    distances = np.full(len(seen), 2, np.float32)  # 1 - cosine, of the nearest that is picked
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
    """Bring numbers to one scale, bend them so that none outweighs the others, and rows to 1."""
    seen -= seen.mean(axis=0)
    deviation = seen.std(axis=0)
    seen /= np.where(deviation > 0, deviation, 1)
    np.arctan(seen, out=seen)
    seen /= np.maximum(np.linalg.norm(seen, axis=1, keepdims=True), 1e-6)
