"""Finding the files to read among the files and folders that a user names."""
import os
import re
from collections.abc import Iterable, Sequence
from typing import Optional

from picture_ranknet.errors import InputError
from picture_ranknet.pictures import kinds

SIDECAR = '.xmp'  # of a picture; not counted as skipped


def find_sources(sources: Sequence[str],
                 leave_out: Iterable[Optional[str]] = ()) -> tuple[list[str], int]:
    """List the files to read.

    Args:
        sources (list of str): Files and folders.  A file is always taken; from
            a folder and below, pictures and videos, detected by content, in
            natural order (``2.png`` before ``10.png``), but nothing hidden.
            Links are followed, to each folder once.
        leave_out (list): Files and folders, or ``None``, to skip inside a
            folder: our own outputs.

    Returns:
        tuple: The paths, and the number of other files in the folders, except
        sidecars.  What cannot be opened (a broken link, an unreadable folder)
        is among the paths, to be reported when it is read.

    Raises:
        InputError: If a source does not exist or is a URL, or there is nothing
            to read.
    """
    for source in sources:
        if re.match(r'[A-Za-z][A-Za-z0-9+.-]+://', source):
            raise InputError(
                f'{source}: expected a file, got a web address; download it first')
        if not os.path.lexists(source):
            hint = '; for an image sequence, name the folder' if '%' in source else ''
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
        raise InputError(f"{', '.join(sources)}: there are no pictures or videos in it")
    return paths, others


def is_wanted(path: str) -> bool:
    """Whether to read a file in a folder, or report that it cannot be read."""
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
    """The size of a file in bytes; 0 if unknown."""
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def _walk(folder, hidden, root, seen):
    """Yield files, and unreadable folders; ``seen`` holds the folders already visited."""
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
    except OSError:  # circular links
        return False


def _is_link(entry):
    return entry.is_symlink() or getattr(entry, 'is_junction', bool)()


def _is_shown(place, root):
    """Whether a real folder is in ``root`` or below, with no hidden folder in between."""
    below = os.path.relpath(place, root) if place.startswith(root + os.sep) else '..'
    return not any(part.startswith('.') for part in below.split(os.sep))


def _natural(name):
    """A sort key for natural order: ``2.png`` before ``10.png``."""
    parts = re.split('([0-9]+)', name.casefold())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name
