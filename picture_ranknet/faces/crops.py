"""Find the faces in videos and pictures, choose the best, write them: what ``crop_faces.py`` does.

Detected faces are stored on disk at once, so that a long run may be
interrupted.  Each of several processes (:mod:`picture_ranknet.machine.ranks`)
searches its share of the files; the first one chooses and writes.
"""
import collections
import itertools
import os
from collections.abc import Callable
from typing import NamedTuple, Optional

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.faces.choice import KEPT, choose, explain
from picture_ranknet.faces.detector import FaceDetector, Misses, sum_misses, whole_picture
from picture_ranknet.faces.existing import NOTHING, ExistingSet
from picture_ranknet.faces.pipeline import Clock, cut_scenes, search_shots, share_out
from picture_ranknet.faces.settings import FPS, SIZE, Rules, Search
from picture_ranknet.faces.store import Face, FaceStore, part_folders
from picture_ranknet.faces.tracks import Track, link
from picture_ranknet.faces.variety import thin_out
from picture_ranknet.machine import ranks
from picture_ranknet.machine.opencv import cv2
from picture_ranknet.pictures import frames, limits, sources
from picture_ranknet.pictures.cuts import with_margin
from picture_ranknet.pictures.near_duplicates import NearDuplicates
from picture_ranknet.pictures.sharpness import measure_sharpness
from picture_ranknet.storage import arrays, picture_set
from picture_ranknet.storage.picture_set import FACE, PICTURE, Preparation
from picture_ranknet.text import count, silent

DIGITS = {'time': 3, 'confidence': 2, 'sharpness': 1}  # decimal places in the table
FINE = 2  # times the side of a crop: minimum size at which whole pictures are decoded


# Find

class Seen(NamedTuple):
    """The numbers of sources, scenes and looks that a process has seen."""

    sources: int = 0
    scenes: int = 0
    looks: int = 0


class Found(NamedTuple):
    """The result of a search.

    Attributes:
        folder: Where it is stored.
        search: The search settings.
        store: The faces, and their crops on disk.
        read: What was read: counts, and ``describe()``.
        clock: The time that each stage took.
        misses: Statistics of the pictures without a face.
        seen: How much this process has seen.
        preparation: Faces or whole pictures, and their margin.
    """

    folder: str
    search: Search
    store: FaceStore
    read: frames.FrameReader
    clock: Clock
    misses: Misses
    seen: Seen
    preparation: Preparation


def find_faces(paths: list[str], folder: str, *, search: Optional[Search] = None,
               whole_pictures: bool = False, size: int = SIZE, margin: float = 0,
               fps: float = FPS, every: Optional[int] = None, skip_still: bool = True,
               max_pixels: int = limits.MAX_PIXELS, resume: bool = False,
               n_files: Optional[float] = None,
               note: Callable[[str], None] = silent,
               progress: Callable[[int, int], None] = silent) -> Found:
    """Find the faces in videos and pictures, and store their crops on disk.

    Args:
        paths: Videos and pictures, as :func:`sources.find_sources` lists them.
        folder: Where the crops are stored until :func:`write_faces`.
        search: How to search; ``None``: the defaults.
        whole_pictures: Take whole pictures, without a search.
        size: Side of a crop in pixels.
        margin: Padding on each side of a face, as a fraction of its side.
        fps: Frames per second of video to search.
        every: Search every n-th frame instead.
        skip_still: Search only the first of several identical frames.
        max_pixels: Skip files whose frames are larger.
        resume: Continue an interrupted search of the same files and options.
        n_files: ``math.inf`` if it is not an error that none of the files can be read.
        note: Called with a line for the user, such as about a skipped file.
        progress: Called with the number of frames seen, and the expected total.

    Returns:
        What was found; with several processes, in the share of this one.

    Raises:
        InputError: If no file can be read, the cascade is missing or damaged,
            or ``folder`` is in use or holds something else.
        KeyboardInterrupt: With a message that says how to continue.
    """
    search = search or Search()
    detectors = [] if whole_pictures else [FaceDetector(search)]  # fails before any work
    if detectors and detectors[0].lost:
        note(f'{detectors[0].lost}; without them, fewer faces are found')

    def make_detector():
        if whole_pictures:
            return whole_picture
        detectors.append(FaceDetector(search))
        return detectors[-1]

    mine = share_out(paths, ranks.size())[ranks.rank()]
    run = {'sources': [[path, sources.size_of(path)] for path in mine], 'sampling': [fps, every],
           'search': search, 'no_faces': whole_pictures, 'size': size, 'margin': margin,
           'max_pixels': max_pixels}
    slot = frames.every_nth(every) if every else frames.per_second(fps)
    clock = Clock()
    read = frames.FrameReader(mine, slot, max_pixels, n_files or len(paths), note, progress,
                              FINE * size if whole_pictures else None)
    with FaceStore(part_folders(folder)[ranks.rank()], run, size, resume) as store:
        shots = cut_scenes(read, clock, skip_still)
        try:
            seen = _store_faces(shots, make_detector, store, size, margin, clock)
        except InputError:  # nothing could be read
            if not store.faces:
                store.remove()
            raise
    misses = sum_misses(detector.misses for detector in detectors)
    preparation = Preparation(PICTURE, 0.) if whole_pictures else Preparation(FACE, margin)
    return Found(folder, search, store, read, clock, misses, seen, preparation)


def _store_faces(shots, make_detector, store, size, margin, clock):
    """Store the faces of each frame that are not stored yet; return :class:`Seen`."""
    seen = Seen()

    def keep_count():
        nonlocal seen
        for shot in shots:
            seen = Seen(shot.number + 1, shot.scene + 1, shot.look + 1)
            yield shot

    try:
        for shot, findings in search_shots(keep_count(), make_detector, store.is_past, clock):
            with clock('writing'):
                crops = [crop_box(shot.frame.img, found.box, size, margin) for found in findings]
                store.add([_face(shot, *pair) for pair in zip(findings, crops)], crops)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            'interrupted; to continue, repeat the command with --resume') from None
    return seen


def _face(shot, finding, crop):
    frame = shot.frame
    box = (0, 0, *frame.full_size) if frame.full_size else finding.box  # only whole ones are shrunk
    return Face(shot.number, _relative(frame.source), frame.index, frame.seconds, shot.scene,
                shot.look, *box, finding.confidence, measure_sharpness(crop))


def _relative(path):
    try:
        return os.path.relpath(path)
    except ValueError:  # on another drive of Windows
        return path


def crop_box(img: np.ndarray, box: tuple, size: int, margin: float = 0) -> np.ndarray:
    """Crop a box with a margin from a frame and resize it.

    A crop contains only pixels of the frame: a box that would extend beyond
    the border is moved inside, and gets a smaller margin if the frame is too
    small.  Only a box that is not square is stretched.

    Args:
        img: HWC, BGR, ``uint8``.
        box: ``(x, y, w, h)`` in pixels.
        size: Side of the crop in pixels; 0: original resolution.
        margin: On each side, as a fraction of the box's sides.

    Returns:
        CHW, RGB, ``uint8``, shape ``(3, size, size)``, or ``(3, H, W)`` if
        ``size`` is 0.
    """
    height, width = img.shape[:2]
    left, top, crop_w, crop_h = with_margin(box, margin, width, height)
    crop = img[top:top + crop_h, left:left + crop_w]
    if size:
        shrinks = crop_w * crop_h > size * size
        crop = cv2.resize(crop, (size, size),
                          interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return crop[:, :, ::-1].transpose(2, 0, 1)  # HWC -> CHW, BGR -> RGB


def gather(found: Found, note: Callable[[str], None] = silent) -> Optional[Found]:
    """Put together what all processes have found, so that the first can choose from it.

    All processes must call this; a single one returns its own result.
    ``note`` is called with a line for the user.

    Returns:
        ``None`` in all processes but the first.

    Raises:
        InputError: If no process could read a file.
    """
    if ranks.size() == 1:
        return found
    read, store = found.read, found.store
    counts = [getattr(read, name) for name in read.COUNTS]
    everything = ranks.collect(
        (store.folder, store.faces, found.seen, counts, found.clock.seconds, found.misses))
    if not ranks.is_first():
        return None
    folders, faces, seen, counts, seconds, misses = zip(*everything)
    for name, numbers in zip(read.COUNTS, zip(*counts)):
        setattr(read, name, sum(numbers))
    found.clock.seconds = sum(seconds, collections.Counter())
    frames.sum_up(read.unreadable, read.n_files, note)
    before = np.cumsum([Seen(), *seen], axis=0).tolist()
    with FaceStore(found.folder, {}, store.shape[1]) as whole:
        for parts in zip(folders, faces, before):
            whole.add_store(*parts)
    return found._replace(store=whole, misses=sum_misses(misses))


# Choose

class Choice(NamedTuple):
    """Which faces are kept, and why the others are not.

    Attributes:
        tracks: The track of each face.
        reasons: ``choice.KEPT`` or one of ``choice.REASONS`` for each face.
        rules: The rules by which they were chosen.
    """

    tracks: list[Track]
    reasons: list[str]
    rules: Rules

    @property
    def kept(self) -> list[int]:
        """The faces that are kept."""
        return [i for i, reason in enumerate(self.reasons) if reason == KEPT]

    @property
    def dropped(self) -> dict[str, int]:
        """The number dropped for each reason."""
        counts = collections.Counter(reason for reason in self.reasons if reason != KEPT)
        return dict(sorted(counts.items()))


def choose_faces(found: Found, rules: Optional[Rules] = None,
                 existing: ExistingSet = NOTHING, note: Callable[[str], object] = silent,
                 progress: Callable[[int, int], object] = silent) -> Choice:
    """Choose the faces that are worth rating: clear ones, without duplicates.

    Args:
        found: From :func:`find_faces`.
        rules: What to drop; ``None``: the defaults.
        existing: A set whose pictures should not be repeated.
        note, progress: As for :func:`~.variety.thin_out`.

    Raises:
        InputError: If there is no face at all; says why.
    """
    faces = found.store.faces
    if not faces:
        found.store.remove()
        raise InputError(f'no face in {found.read.describe()}: '
                         f'{found.misses.explain(found.search)}')
    rules = rules or Rules()
    with found.clock('choosing'):
        tracks = link(faces)
        near_duplicates = NearDuplicates(itertools.chain(
            existing.pictures(), arrays.walk(found.store.crops())))
        reasons = choose(faces, tracks, near_duplicates, rules, len(existing.X))
        if rules.most:
            reasons = thin_out(faces, reasons, found.store.crops(), rules.most, existing.X, note,
                               progress)
    return Choice(tracks, reasons, rules)


# Write

def write_faces(path: str, found: Found, choice: Choice, existing: ExistingSet = NOTHING,
                ratings_path: Optional[str] = None) -> None:
    """Write the faces that are kept, after those of an existing set; delete the search.

    Pictures, table and ratings change together, or not at all.

    Args:
        path: The ``.npy`` file, ``uint8``, shape ``(N, 3, size, size)``; the
            table goes beside it.
        found: From :func:`find_faces`.
        choice: From :func:`choose_faces`.
        existing: The set to add to.
        ratings_path: Its ratings; each new picture gets a line ``nan``.

    Raises:
        InputError: If no face is kept; says why.
    """
    faces, kept = found.store.faces, choice.kept
    if not kept:
        raise InputError(f'none of {count(len(faces), "face")} is kept: '
                         f'{explain(faces, choice.reasons, choice.rules)}; with --resume, the '
                         'faces need not be searched again')
    first_scene = existing.next_scene()
    rows = list(existing.rows)
    for i in kept:
        face, track = faces[i], choice.tracks[i]
        values = {**face._asdict(), **found.preparation._asdict(), 'time': face.seconds,
                  'group': picture_set.group_id(first_scene + track.scene, track.number)}
        rows.append([_format(column, values.get(column)) for column in existing.columns])
    ratings = None
    if ratings_path and existing.ratings:
        lines = [existing.ratings.removesuffix('\n'), *['nan'] * len(kept)]
        ratings = ratings_path, '\n'.join(lines) + '\n'
    crops = found.store.crops()
    with found.clock('writing'):
        picture_set.write(path, itertools.chain(existing.pictures(), arrays.walk(crops, kept)),
                          [existing.columns, *rows], ratings)
    found.store.remove()


def _format(column, value):
    if value is None:
        return ''
    if column == 'margin':
        return f'{value:g}'
    return f'{value:.{DIGITS[column]}f}' if column in DIGITS else value
