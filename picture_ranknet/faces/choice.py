"""Which of the faces that were found are worth a rating: clear ones, each of them once."""
import collections
from typing import NamedTuple

import numpy as np
from PIL import Image

from picture_ranknet.pictures.media import (
    cv2,  # None where it cannot be imported: media.check_opencv() says why
)

HASH_SIZE = 12     # a hash has so many bits, squared
COLOURS = 4        # places to each side at which colours are compared
SAME_COLOUR = 30   # levels of 255, on average, by which pictures of the same thing differ
REACH = .3         # IoU from which a face is that of the frame before
GAP = 2            # searched frames, after which a face that is gone is another one
KEPT = ''          # the reason for which a face is not dropped
POPCOUNT = np.unpackbits(np.arange(2 ** 16, dtype=np.uint16).view(np.uint8)).reshape(
    -1, 16).sum(axis=1, dtype=np.uint8)  # of each number of 16 bits


class Rules(NamedTuple):
    """What is dropped: the options of ``crop_faces.py``, with their defaults.

    ``min_side`` in pixels of the frame; ``min_sharpness`` in grey levels;
    ``min_confidence`` in votes of the second look; ``duplicate_bits`` of 144
    in which the hashes of the same picture may differ, below 0: none are the
    same; ``per_track`` ``None``: all.
    """

    min_side: float = 0
    min_sharpness: float = 0
    min_confidence: float = 0
    duplicate_bits: int = 12
    per_track: int = None


def measure_sharpness(crop):
    """How sharp a crop is: the deviation of its Laplacian, in grey levels.

    Reference: Pech-Pacheco et al., *Diatom autofocusing in brightfield
    microscopy*, ICPR 2000.
    """
    img = np.ascontiguousarray(crop.transpose(1, 2, 0))  # CHW -> HWC
    return float(cv2.Laplacian(cv2.cvtColor(img, cv2.COLOR_RGB2GRAY), cv2.CV_32F).std())


def link(faces):
    """Follow faces from frame to frame.

    A face belongs to the track whose last box it overlaps most, by ``REACH``
    at least, if that is of the same scene and was seen at most ``GAP``
    searched frames ago.

    Args:
        faces (list of face_store.Face): In order.

    Returns:
        list of tuple: The scene and, from 0, the track in it of each.
    """
    tracks, counts, open_tracks = [None] * len(faces), {}, []
    start = 0
    while start < len(faces):
        end = start
        while end < len(faces) and faces[end][:5:2] == faces[start][:5:2]:
            end += 1
        now = range(start, end)
        open_tracks = [(track, last) for track, last in open_tracks
                       if track[0] == faces[start].scene
                       and faces[start].look - faces[last].look <= GAP]
        boxes = np.array([faces[last][6:10] for _, last in open_tracks]).reshape(-1, 4)
        overlaps = sorted((
            (iou[k], -k, -i) for i in now for iou in [overlap(boxes, faces[i])]
            for k in np.flatnonzero(iou >= REACH).tolist()), reverse=True)
        taken = set()
        for _, k, i in overlaps:
            if tracks[-i] is None and -k not in taken:
                taken.add(-k)
                tracks[-i] = open_tracks[-k][0]
        for i in now:
            if tracks[i] is None:
                scene = faces[i].scene
                tracks[i] = scene, counts.get(scene, 0)
                counts[scene] = counts.get(scene, 0) + 1
        found = {tracks[i] for i in now}
        open_tracks = [(track, last) for track, last in open_tracks if track not in found]
        open_tracks += [(tracks[i], i) for i in now]
        start = end
    return tracks


def overlap(boxes, face):
    """Intersection over union of boxes ``(x, y, w, h)``, shape ``(N, 4)``, and a face."""
    x, y, w, h = boxes.T
    width = np.minimum(x + w, face.x + face.w) - np.maximum(x, face.x)
    height = np.minimum(y + h, face.y + face.h) - np.maximum(y, face.y)
    common = np.maximum(width, 0) * np.maximum(height, 0)
    return common / (w * h + face.w * face.h - common)


class Fingerprints:

    """Perceptual hashes and colours of pictures, to find the same one again.

    Args:
        pictures (iterable): Each of shape ``(3, H, W)``, RGB, ``uint8``.
    """

    def __init__(self, pictures):
        import imagehash  # here, since it is slow to start

        hashes, colours = [], []
        for picture in pictures:
            img = np.ascontiguousarray(picture.transpose(1, 2, 0))  # CHW -> HWC
            hashes.append(imagehash.phash(Image.fromarray(img), HASH_SIZE).hash.ravel())
            colours.append(cv2.resize(img, (COLOURS, COLOURS), interpolation=cv2.INTER_AREA))
        self.hashes = np.packbits(hashes, axis=1).view(np.uint16)
        self.colours = np.float32(colours).reshape(len(colours), -1)

    def distance(self, row, others):
        """In how many bits the hash of ``row`` differs from those of ``others``, an array."""
        return POPCOUNT[self.hashes[others] ^ self.hashes[row]].sum(axis=1)

    def has_twin(self, row, others, bits):
        """Whether one of ``others``, an array of rows, shows the same as ``row``."""
        alike = others[self.distance(row, others) <= bits]
        colours = np.abs(self.colours[alike] - self.colours[row]).mean(axis=1)
        return bool((colours <= SAME_COLOUR).any())


def choose(faces, tracks, fingerprints, rules, n_before=0):
    """Say of each face why it is dropped.

    Of pictures of the same thing, the sharpest and largest is kept, as it is
    of a track.

    Args:
        faces (list of face_store.Face): In order.
        tracks (list): The track of each.
        fingerprints (Fingerprints): Of ``n_before`` pictures that are kept
            already, and of the faces.
        rules (Rules): What is dropped.
        n_before (int): Pictures that are kept already.

    Returns:
        list of str: ``KEPT``, or ``'too small'``, ``'unsure'``, ``'blurred'``,
        ``'more of its track'``, ``'duplicate'``.
    """
    reasons = [KEPT] * len(faces)
    kept, n_kept = np.arange(n_before + len(faces)), n_before
    kept_of_track = collections.defaultdict(list)
    for i in sorted(range(len(faces)), key=lambda i: -_quality(faces[i])):
        face, siblings = faces[i], kept_of_track[tracks[i]]
        if min(face.w, face.h) < rules.min_side:
            reasons[i] = 'too small'
        elif face.confidence is not None and face.confidence < rules.min_confidence:
            reasons[i] = 'unsure'
        elif face.sharpness < rules.min_sharpness:
            reasons[i] = 'blurred'
        elif rules.duplicate_bits >= 0 and (
                fingerprints.has_twin(n_before + i, np.array(siblings, int),
                                      2 * rules.duplicate_bits)
                or fingerprints.has_twin(n_before + i, kept[:n_kept], rules.duplicate_bits)):
            reasons[i] = 'duplicate'
        elif rules.per_track and len(siblings) >= rules.per_track:
            reasons[i] = 'more of its track'
        else:
            kept[n_kept] = n_before + i
            n_kept += 1
            siblings.append(n_before + i)
    return reasons


def _quality(face):
    """Sharp and large, half each."""
    return face.sharpness * (face.w * face.h) ** .5
