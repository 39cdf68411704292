"""How faces are detected and chosen: the options of ``crop_faces.py`` and their defaults."""
import math
from typing import NamedTuple, Optional

DEFAULT_CASCADE = 'lbpcascade_animefice.xml'
SIZE = 80              # side of a crop, in pixels
FPS = 4                # frames searched per second of video
MAX_ENLARGEMENT = 2.5  # of a face in its crop; beyond, there is little detail


class Search(NamedTuple):
    """How a picture is searched for faces.

    Attributes:
        cascade: An OpenCV cascade (``.xml``); ``None`` takes the toolkit's own.
        scale_factor: Scale step between face sizes, above 1.
        min_neighbors: Votes that make a face: of the ten of the second look, or
            without one, overlapping detections.
        min_size: Side of the smallest face, in pixels of the frame.
        long_side: The long side of larger pictures is shrunk to this many
            pixels, or to 0.8 of them for the second look; elongated pictures
            are shrunk less; 0 never shrinks.
    """

    cascade: Optional[str] = None
    scale_factor: float = 1.1
    min_neighbors: int = 3
    min_size: int = 24
    long_side: int = 320


class Rules(NamedTuple):
    """Which of the detected faces to drop.

    The defaults are for faces; for whole pictures, use ``Rules(0, 0)``.

    Attributes:
        min_side: Minimum shorter side of a face, in pixels of the frame.
        min_sharpness: Of the crop, in grey levels; see
            :func:`~picture_ranknet.pictures.sharpness.measure_sharpness`.
        min_confidence: Votes of the second look, 0 to 10.
        duplicate_bits: Two pictures are duplicates if their hashes differ in at
            most this many of 144 bits, or twice as many within a track;
            ``None`` keeps duplicates.
        per_track: Maximum number of faces per track; ``None``: all.
        most: Maximum number of pictures in the set, the most diverse; ``None``: all.
        within_source: Whether only pictures from one source can be duplicates.
    """

    min_side: float = SIZE / MAX_ENLARGEMENT
    min_sharpness: float = 15
    min_confidence: float = 0
    duplicate_bits: Optional[int] = 12
    per_track: Optional[int] = None
    most: Optional[int] = None
    within_source: bool = False


def make_rules(size: int = SIZE, whole_pictures: bool = False,
               max_enlargement: Optional[float] = None, min_sharpness: Optional[float] = None,
               min_confidence: float = 0, duplicate_bits: Optional[int] = 12,
               per_track: Optional[int] = None, most: Optional[int] = None) -> Rules:
    """The rules for crops of ``size`` pixels; the defaults drop no whole pictures but duplicates.

    Args:
        size: Side of a crop in pixels.
        whole_pictures: Whether whole pictures are taken, without a search.
        max_enlargement: Of a face in its crop; ``None``: ``MAX_ENLARGEMENT``,
            and no limit for whole pictures.
        min_sharpness: ``None``: that of :class:`Rules`, and 0 for whole pictures.
        min_confidence, duplicate_bits, per_track, most: As in :class:`Rules`.
    """
    enlargement = max_enlargement or (math.inf if whole_pictures else MAX_ENLARGEMENT)
    if min_sharpness is None:
        min_sharpness = 0 if whole_pictures else Rules().min_sharpness
    return Rules(size / enlargement, min_sharpness, min_confidence, duplicate_bits, per_track,
                 most)
