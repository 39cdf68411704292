"""A set of whole pictures kept in sync with a folder, as ``rate.py pictures/`` needs it.

The first call creates the set.  Later ones add new pictures of the folder;
existing rows stay, even if their files are gone, because ratings belong to
rows.
"""
import os
from collections.abc import Callable
from typing import NamedTuple, Optional

from picture_ranknet.errors import InputError
from picture_ranknet.faces.crops import choose_faces, find_faces, write_faces
from picture_ranknet.faces.existing import ExistingSet, read_existing
from picture_ranknet.faces.outputs import Outputs
from picture_ranknet.faces.settings import SIZE, Rules
from picture_ranknet.pictures import kinds
from picture_ranknet.pictures.sources import find_sources
from picture_ranknet.storage import arrays, picture_set
from picture_ranknet.text import count, silent


class Update(NamedTuple):
    """The changes of a call.

    Attributes:
        added: Number of new pictures.
        duplicates: Number of pictures left out because the set already has them.
        total: Pictures in the set now.
    """

    added: int
    duplicates: int
    total: int


def set_path(folder: str) -> str:
    """The path of a folder's set: ``art.npy`` in the current folder for ``../my/art/``."""
    return (os.path.basename(os.path.realpath(folder)) or 'pictures') + '.npy'


def follow_folder(folder: str, path: str, ratings_path: Optional[str] = None, *, size: int = SIZE,
                  note: Callable[[str], None] = silent,
                  progress: Callable[[int, int], None] = silent) -> Update:
    """Make a set of the pictures of a folder, or add those that it does not have yet.

    A picture that is not square is squeezed into a square, as the network needs
    it; the table has its original width and height.

    Args:
        folder: Contains pictures, in it and below; videos are ignored.
        path: The ``.npy`` file of the set; its table lies beside it.
        ratings_path: Its ratings, if any; each new picture gets a line ``nan``.
        size: Side of the pictures of a new set, in pixels.
        note: Called with a line for the user: what was added, which file is skipped.
        progress: Called with the number of pictures read, and the total.

    Raises:
        InputError: If there are no pictures, or the set is from another folder.
    """
    picture_set.finish(path)
    outputs = Outputs(path, ratings=ratings_path)
    outputs.check(append=True)
    existing = _read_set(folder, path, ratings_path, size)
    paths = _find_pictures(folder, outputs, note)
    known = {os.path.realpath(source) for source in _sources(existing)}
    new = [name for name in paths if os.path.realpath(name) not in known]
    outputs.check_inputs(new)
    n = len(existing.X)
    if not new:
        return Update(0, 0, n)
    try:
        found = _read_pictures(new, outputs.part, existing.X.shape[2] if n else size, note,
                               progress)
    except InputError as e:
        if not n:
            raise
        note(f'{folder}: nothing new is added: {e}')
        return Update(0, 0, n)
    choice = choose_faces(found, Rules(0, 0), existing)
    kept, dropped = len(choice.kept), sum(choice.dropped.values())
    if kept:
        write_faces(path, found, choice, existing, ratings_path)
        left_out = f', {count(dropped, "duplicate")} left out' if dropped else ''
        note(f'{folder}: {count(kept, "more picture" if n else "picture")}{left_out} -> {path}')
    else:
        found.store.remove()
    return Update(kept, dropped, n + kept)


def _read_set(folder, path, ratings_path, size) -> ExistingSet:
    """The existing set, if it is from this folder."""
    if os.path.exists(path):
        size = arrays.read_pictures(path).shape[2]
    has_ratings = ratings_path and os.path.exists(ratings_path)
    existing = read_existing(path, size, ratings_path if has_ratings else None)
    root = os.path.join(os.path.realpath(folder), '')
    if len(existing.X) and not any(os.path.realpath(source).startswith(root)
                                   for source in _sources(existing)):
        raise InputError(f'{path}: expected pictures of {folder}, got others; rate them by '
                         f'"rate.py {path} RATINGS", or move {path} away')
    return existing


def _sources(existing):
    if 'source' not in existing.columns:
        return []
    column = existing.columns.index('source')
    return [row[column] for row in existing.rows if row[column]]


def _find_pictures(folder, outputs, note):
    paths, _ = find_sources([folder], leave_out=outputs.in_folders())
    pictures = [path for path in paths if not kinds.is_video(path)]
    n_videos = len(paths) - len(pictures)
    if not pictures:
        raise InputError(f'{folder}: there are no pictures in it; crop_faces.py makes pictures '
                         'from videos')
    if n_videos:
        note(f'{folder}: {count(n_videos, "video")} skipped; crop_faces.py makes pictures from '
             'them')
    return pictures


def _read_pictures(paths, part, size, note, progress):
    """Read whole pictures, without a search for faces."""
    try:
        return find_faces(paths, part, whole_pictures=True, size=size, note=note,
                          progress=progress)
    except KeyboardInterrupt:
        raise KeyboardInterrupt('interrupted; repeat the command') from None
