"""Tracking faces from frame to frame: which findings are the same face in a scene."""
import collections
import itertools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from picture_ranknet.faces import boxes
from picture_ranknet.faces.store import Face

REACH = .3   # IoU from which a face continues a track
GAP = 2      # a track ends after a face is missing in more searched frames than this


class Track(NamedTuple):
    """A face tracked through a scene: the scene, and its number in it, from 0."""

    scene: int
    number: int


class _Open(NamedTuple):
    """A track that may continue, and its last face."""

    track: Track
    last: Face


def link(faces: Iterable[Face]) -> list[Track]:
    """Track faces from frame to frame.

    A face belongs to the track whose last box it overlaps most, if their IoU
    is at least ``REACH``, the scene is the same and the track was last seen at
    most ``GAP`` searched frames ago.

    Args:
        faces: In the order of their frames.

    Returns:
        The track of each face.
    """
    tracks, counts, still_open = [], collections.Counter(), []
    for _, group in itertools.groupby(faces, key=lambda face: (face.number, face.frame)):
        now = list(group)
        still_open = [old for old in still_open if _may_go_on(old, now[0])]
        found = _match([old.last for old in still_open], now)
        current = []
        for i, face in enumerate(now):
            if i in found:
                track = still_open[found[i]].track
            else:
                track = Track(face.scene, counts[face.scene])
                counts[face.scene] += 1
            current.append(_Open(track, face))
        taken = set(found.values())
        still_open = [old for k, old in enumerate(still_open) if k not in taken] + current
        tracks += [new.track for new in current]
    return tracks


def _may_go_on(old, face):
    return old.track.scene == face.scene and face.look - old.last.look <= GAP


def _match(before, now):
    """Match the faces of a frame with those before, largest overlap first.

    Returns a dict from indices of ``now`` to indices of ``before``.
    """
    if not before:
        return {}
    old = np.array([_box(face) for face in before])
    candidates = []
    for i, face in enumerate(now):
        overlaps = boxes.iou(old, np.array(_box(face)))
        candidates += [(-overlaps[k], k, i) for k in np.flatnonzero(overlaps >= REACH).tolist()]
    found, taken = {}, set()
    for _, k, i in sorted(candidates):
        if i not in found and k not in taken:
            found[i] = k
            taken.add(k)
    return found


def _box(face):
    return face.x, face.y, face.w, face.h
