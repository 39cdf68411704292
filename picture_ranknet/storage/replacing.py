"""Replaces several files together, so that a crash leaves all old ones or all new ones.

The new files are first written completely, beside the old ones.  A note,
``.X.moves`` for a set ``X.npy``, lists them before the first is moved into
place: after a crash :func:`finish` moves the rest.
"""
import contextlib
import json
import os
from collections.abc import Sequence

from picture_ranknet.errors import InputError
from picture_ranknet.storage import atomic

MOST_NOTE = 2 ** 15  # characters of a note: a few paths


def note_path(path: str) -> str:
    """The path of the note on a change to the set ``X.npy``."""
    folder, name = os.path.split(os.path.realpath(path))
    return os.path.join(folder, f'.{os.path.splitext(name)[0]}.moves')


def check_none(path: str) -> None:
    """Refuse to read a set that may be half old and half new.

    Raises:
        InputError: If a change to the set ``path`` was interrupted.
    """
    if os.path.exists(note_path(path)):
        raise InputError(f'{path}: crop_faces.py was stopped while it changed this set; to '
                         f'complete the change, run crop_faces.py -o {path} --review sheet.png')


def replace_all(path: str, parts: Sequence[str], targets: Sequence[str],
                names: Sequence[str]) -> None:
    """Move finished files into place, all or none.

    Args:
        path: The ``.npy`` file of the set.
        parts: The new files, each beside its target (:func:`atomic.part_of`).
        targets: The files to replace, as real paths.
        names: The same as the user knows them, for error messages.
    """
    note = note_path(path)
    with atomic.replacing(note) as part, open(part, 'w', encoding='utf-8') as f:
        json.dump([os.path.basename(part) for part in parts] + list(targets), f)
    try:
        finish(path)
    except OSError as e:
        e.filename = dict(zip(parts, names)).get(e.filename, e.filename)
        if all(map(os.path.exists, parts)):  # nothing has been moved: give up the change
            os.remove(note)
        raise


def finish(path: str) -> None:
    """Complete a change to a set that a crash interrupted, if there is one.

    Args:
        path: The ``.npy`` file of the set.

    Raises:
        InputError: If the note is damaged, or was not written by this module.
    """
    note = note_path(path)
    if not os.path.exists(note):
        return
    moves = _read(note)
    for part, target in moves:
        with contextlib.suppress(FileNotFoundError):  # moved before the crash
            os.replace(part, target)
    for folder in {os.path.dirname(target) for _, target in moves}:
        atomic.sync_folder(folder)
    os.remove(note)


def _read(note):
    """Pairs of a new file and its target; it must lie beside its target, whatever the note says."""
    try:
        with open(note, encoding='utf-8') as f:
            names = json.loads(f.read(MOST_NOTE))
        parts, targets = names[:len(names) // 2], names[len(names) // 2:]
        if not all(map(atomic.is_part_of, parts, targets)):
            raise ValueError('other names')
    except (ValueError, TypeError, RecursionError) as e:
        raise InputError(f'{note}: expected a note by crop_faces.py, got something else; '
                         'remove it') from e
    return [(os.path.join(os.path.dirname(target), part), target)
            for part, target in zip(parts, targets)]
