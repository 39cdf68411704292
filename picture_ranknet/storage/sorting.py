"""Sorts pictures into folders by stars or by rank: links, copies or moves them.

Linking and copying create the folder completely or not at all.  A move first
writes a list of what goes where, so that :func:`undo_move` can put everything
back, however far the move has come.
"""
import collections
import errno
import filecmp
import os
import shutil
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from picture_ranknet.errors import InputError
from picture_ranknet.storage import atomic, sidecars, tables
from picture_ranknet.text import count

MOVES = 'moved.csv'


class Place(NamedTuple):
    """``source``, a file, and ``target``, its place in the new folder, such as ``5-star/a.jpg``."""

    source: str
    target: str


def by_stars(sources: Sequence[str], stars: Sequence[int]) -> list:
    """One folder for each number of stars that occurs, ``1-star`` to ``5-star``.

    Returns:
        list of Place: In the order of ``sources``.
    """
    return _places(sources, [f'{n}-star' for n in stars], map(os.path.basename, sources))


def by_rank(sources: Sequence[str]) -> list:
    """One folder in which names begin with the rank: ``0001_a.jpg``.

    Args:
        sources: Best first.
    """
    width = max(4, len(str(len(sources))))
    names = [f'{rank:0{width}}_{os.path.basename(source)}'
             for rank, source in enumerate(sources, 1)]
    return _places(sources, [''] * len(sources), names)


def _places(sources, folders, names):
    """Places that are all different, even where the file system ignores case."""
    taken, places, next_number = set(), [], collections.defaultdict(lambda: 2)
    for source, folder, name in zip(sources, folders, names):
        root, extension = os.path.splitext(name)
        target = first = os.path.join(folder, name)
        while target.casefold() in taken:
            number = next_number[first.casefold()]
            next_number[first.casefold()] += 1
            target = os.path.join(folder, f'{root} ({number}){extension}')
        taken.add(target.casefold())
        places.append(Place(source, target))
    return places


def with_sidecars(places: Iterable[Place]) -> list:
    """The places, and those of XMP sidecars, which go where their pictures go."""
    places = list(places)
    taken = {place.target.casefold() for place in places}
    found = {}
    for source, target in places:
        sidecar = sidecars.find_sidecar(source)
        if sidecar is None or sidecar in found:
            continue
        base = target if sidecar.lower() == source.lower() + '.xmp' else os.path.splitext(target)[0]
        beside = base + sidecar[-len('.xmp'):]
        if beside.casefold() not in taken:
            taken.add(beside.casefold())
            found[sidecar] = Place(sidecar, beside)
    return places + list(found.values())


def moved_to(folder: str, places: Iterable[Place]) -> dict:
    """Map each file's old path to its path after :func:`sort_into`."""
    return {source: os.path.join(folder, target) for source, target in places}


def sort_into(folder: str, places: Iterable[Place], way: str = 'link') -> None:
    """Fill a new or empty folder.

    Args:
        folder: The target folder.
        places: From :func:`by_stars` or :func:`by_rank`.
        way: ``'link'`` makes symbolic links to the files, ``'copy'`` copies
            and ``'move'`` moves them.

    Raises:
        InputError: If the folder is not empty, or the disk does not support links.
    """
    places = list(places)
    check_folder(folder)
    if way == 'move':
        _move(folder, places)
        return
    part = atomic.part_of(os.path.abspath(folder))
    shutil.rmtree(part, ignore_errors=True)  # left by a killed process with our process ID
    try:
        for source, target in places:
            path = os.path.join(part, target)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if way == 'copy':
                _copy(source, path, os.path.join(folder, target))
            else:
                _link(source, path)
        with atomic.naming(part, folder):
            if os.path.isdir(folder):
                os.rmdir(folder)
            os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def check_folder(folder: str) -> None:
    """Raise :class:`InputError` if a folder is not new or empty."""
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise InputError(f'{folder}: expected a new or empty folder to sort into, got a file')
    names = os.listdir(folder) if os.path.isdir(folder) else []
    if MOVES in names:
        raise InputError(f'{folder}: expected a new or empty folder to sort into, got one that '
                         '--move has filled; put its files back with --undo_move, or choose '
                         'another folder')
    if names:
        raise InputError(f'{folder}: expected a new or empty folder to sort into, got one with '
                         f'{count(len(names), "file")} in it; choose another folder')
    parent = os.path.dirname(os.path.abspath(folder))
    if not os.path.isdir(parent):
        raise InputError(f'{folder}: there is no folder {parent}; create it first')


def _link(source, path):
    try:
        os.symlink(os.path.abspath(source), path)
    except (OSError, NotImplementedError) as e:  # Windows without the privilege, FAT
        raise InputError(f'{path}: cannot create links here ({e}); copy or move instead') from e


def _move(folder, places):
    """Move files, all or none; a kill or Ctrl-C leaves the list needed to put them back."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, MOVES)
    try:
        open(path, 'x').close()  # fails if another process has one
    except FileExistsError:
        raise InputError(f'{folder}: another predict.py is moving files there; choose another '
                         'folder') from None
    try:
        tables.write_table(path, ['from', 'to'], (
            [os.path.abspath(source), target] for source, target in places))
        for source, target in places:
            target = os.path.join(folder, target)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            _move_file(source, target)
    except KeyboardInterrupt:
        raise KeyboardInterrupt('interrupted; "predict.py --undo_move '
                                f'{folder}" puts back what has been moved') from None
    except OSError:
        undo_move(folder)
        raise


def _copy(source, part, target):
    """Copy a file to ``part``, which will become ``target``; write errors name the target."""
    try:
        shutil.copy2(source, part)
    except OSError as e:
        if e.filename2 == part:
            e.filename, e.filename2 = target, None
        raise


def _move_file(source, target):
    """Move a file, even to another disk; at any moment it is complete in one of the two places."""
    try:
        os.rename(source, target)
    except OSError as e:
        if e.errno != errno.EXDEV:
            raise
        with atomic.replacing(target) as part:
            _copy(source, part, target)
        os.remove(source)


def undo_move(folder: str) -> int:
    """Put back what ``sort_into(folder, ..., 'move')`` has moved.

    Returns:
        The number of files moved back.

    Raises:
        InputError: If the folder has no list of moves, or another file is now
            in an original place; nothing is moved then.
    """
    path = os.path.join(folder, MOVES)
    if not os.path.exists(path):
        raise InputError(f'{folder}: expected a folder that --move has filled, but there is no '
                         f'{MOVES} in it')
    back = [(target, source) for source, target in _read_moves(folder, path)
            if os.path.lexists(target)]
    for target, source in back:
        if os.path.lexists(source) and not filecmp.cmp(source, target, shallow=False):
            raise InputError(f'{source}: another file is now where {target} belongs; move one of '
                             'them away first')
    for target, source in back:
        os.makedirs(os.path.dirname(source), exist_ok=True)
        _move_file(target, source)  # onto its own copy, if a move to another disk was interrupted
    for here, _, _ in os.walk(folder, topdown=False):
        if not os.listdir(here):
            os.rmdir(here)
    os.remove(path)  # last, so that a killed undo can be repeated
    if not os.listdir(folder):
        os.rmdir(folder)
    return len(back)


def _read_moves(folder, path):
    """Pairs of each file's original path and its present one in the folder."""
    if not os.path.getsize(path):  # killed before the first move
        return
    inside = os.path.join(os.path.realpath(folder), '')
    for number, row in tables.read_columns(path, ('from', 'to')):
        target = os.path.join(folder, row['to'])
        place = os.path.join(os.path.realpath(os.path.dirname(target)), '')
        if not place.startswith(inside):  # not a list of ours
            raise InputError(f"{path}, line {number}: expected a file in {folder}, got {row['to']}")
        yield row['from'], target
