"""Finding the files to read, in files and folders that a user names."""
import os
import re
from collections.abc import Iterable, Sequence
from typing import Optional

from picture_ranknet.errors import InputError
from picture_ranknet.pictures import kinds

SIDECAR = '.xmp'  # of a picture; no file that is skipped


def find_sources(sources: Sequence[str],
                 leave_out: Iterable[Optional[str]] = ()) -> tuple[list[str], int]:
    """List the files to read.

    Args:
        sources (list of str): Files and folders.  A file is taken as it is;
            of a folder, the pictures and videos in it and below, by their
            content, in natural order (``2.png`` before ``10.png``), but
            nothing hidden.  Links are followed, to each folder once.
        leave_out (list): Files and folders, or ``None``, that are not looked
            at inside a folder: our own outputs.

    Returns:
        tuple: The paths, and the number of other files in the folders, but for
        sidecars.  What
        cannot be opened (a broken link, a folder that may not be read) is
        among the paths: whoever reads them names it.

    Raises:
        InputError: If a source does not exist or is an address on the web, or
            there is nothing to read.
    """
    for source in sources:
        if re.match(r'[A-Za-z][A-Za-z0-9+.-]+://', source):
            raise InputError(
                f'{source}: expected a file, got an address on the web; download it first')
        if not os.path.lexists(source):
            hint = '; of an image sequence, name the folder' if '%' in source else ''
            raise InputError(f'{source}: there is no such file or folder{hint}')
    hidden = {os.path.realpath(path) for path in leave_out if path}
    paths, others = [], 0
    for source in sources:
        if not os.path.isdir(source):
            paths.append(source)
            continue
        for path in _walk(source, hidden, os.path.realpath(source), set()):
            if is_wanted(path):
                paths.append(path)
            elif not path.lower().endswith(SIDECAR):
                others += 1
    if not paths:
        raise InputError(f"{', '.join(sources)}: there is no picture and no video in it")
    return paths, others


def is_wanted(path: str) -> bool:
    """Whether a file in a folder is to be read, or its failure to be told."""
    if os.path.splitext(path)[1].lower() in kinds.ENDINGS:
        return True
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        return False  # a pipe or a device
    try:
        kind = kinds.tell(kinds.read_head(path))
    except InputError:
        return True
    return kind is not None and kind.kind in (kinds.PICTURE, kinds.VIDEO, kinds.UNSUPPORTED)


def size_of(path: str) -> int:
    """The size of a file in bytes, 0 if it cannot be told."""
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def _walk(folder, hidden, root, seen):
    """Yield files, and folders that may not be read; ``seen`` are folders that have been."""
    place = os.path.realpath(folder)
    seen.add(place)
    try:
        with os.scandir(folder) as entries:
            entries = sorted(entries, key=lambda entry: _natural(entry.name))
    except OSError:
        yield folder
        return
    entries = [entry for entry in entries if not entry.name.startswith('.') and (
        os.path.realpath(entry.path) if _is_link(entry) else os.path.join(place, entry.name)
        ) not in hidden]
    for entry in entries:
        if not _is_folder(entry):
            yield entry.path
    for entry in entries:
        if _is_folder(entry):
            place = os.path.realpath(entry.path)
            is_met_anyway = _is_link(entry) and _is_shown(place, root)
            if place not in seen and not is_met_anyway:
                yield from _walk(entry.path, hidden, root, seen)


def _is_folder(entry):
    try:
        return entry.is_dir()
    except OSError:  # links in a circle
        return False


def _is_link(entry):
    return entry.is_symlink() or getattr(entry, 'is_junction', bool)()


def _is_shown(place, root):
    """Whether a real folder is in ``root`` or below, without a hidden folder between."""
    below = os.path.relpath(place, root) if place.startswith(root + os.sep) else '..'
    return not any(part.startswith('.') for part in below.split(os.sep))


def _natural(name):
    """A key to sort by: ``2.png`` before ``10.png``."""
    parts = re.split('([0-9]+)', name.casefold())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name
