"""Atomic writing: a file is written completely or not at all, despite crashes and other processes.
"""
import contextlib
import errno
import functools
import itertools
import os
import platform
import re
import shutil
import stat
import zlib
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import BinaryIO, Optional, Union

from picture_ranknet.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

LOCK_BYTE = 2 ** 62  # far beyond the text: on Windows nobody can read what is locked

Paths = Union[str, Iterable[str], None]


# Checks before the work

def check_outputs(outputs: Mapping[str, Paths],
                  inputs: Mapping[str, Paths] = MappingProxyType({})) -> None:
    """Check all files that a command will write against each other and against what it reads.

    Two paths are the same file if their links lead to one, or if they differ
    only in case where the file system ignores case.  Several outputs may go to
    a device such as ``/dev/null``.

    Args:
        outputs: One path, several or ``None``, by the option that names it,
            such as ``{'--output': 'pred.txt', '--csv': None}``.
        inputs: Likewise.

    Raises:
        InputError: If two outputs are one file, an output is an input, or one
            cannot be written (:func:`check_output`).
    """
    identity = functools.cache(_identity)  # of 5,000 inputs and each output
    written = _flatten(outputs)
    for _, path in written:
        check_output(path)
    regular = [(option, path) for option, path in written if not _is_special(path)]
    for (option, path), (other, other_path) in itertools.combinations(regular, 2):
        if _are_same(path, other_path, identity):
            raise InputError(f'{path}: {_both(option, other)} would write to this file; choose '
                             'another name for one of them')
    for option, path in regular:
        for other, other_path in _flatten(inputs):
            if _are_same(path, other_path, identity):
                raise InputError(f'{path}: {option} would overwrite what {other} reads; choose '
                                 'another name')


def _flatten(paths):
    return [(option, path) for option, value in paths.items() if value is not None
            for path in ([value] if isinstance(value, (str, os.PathLike)) else value)]


def _both(option, other):
    return f'{option}, twice,' if option == other else f'{option} and {other}'


def _identity(path):
    """What distinguishes a file from others; ``None`` if it does not exist."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _are_same(path, other, identity=_identity):
    """Whether two paths are one file, whether it exists or not."""
    if identity(path) and identity(other):
        return identity(path) == identity(other)
    folder, name = os.path.split(os.path.realpath(path))
    other_folder, other_name = os.path.split(os.path.realpath(other))
    if name != other_name and not (name.casefold() == other_name.casefold()
                                   and _ignores_case(folder)):
        return False
    return folder == other_folder or (os.path.isdir(folder) and os.path.isdir(other_folder)
                                      and os.path.samefile(folder, other_folder))


def _ignores_case(folder):
    other = folder.swapcase()
    return other != folder and os.path.exists(other) and os.path.samefile(folder, other)


def check_output(path: str, inputs: Iterable[str] = ()) -> None:
    """Check one file that will be written, before any work is done.

    Args:
        path: The file to write.
        inputs: Files that are read; none may be overwritten.

    Raises:
        InputError: If it is a folder or an input, or its folder is missing or
            cannot be written to.
    """
    if _is_special(path):
        return
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if os.path.isdir(target):
        raise InputError(f'{path}: expected the name of a file to write, got a folder')
    if any(_are_same(path, other) for other in inputs):
        raise InputError(f'{path}: would be overwritten, but is read as well; choose another name')
    if not os.path.isdir(folder):
        raise InputError(f'{path}: there is no folder {folder}; create it first')
    if not os.access(folder, os.W_OK):
        raise InputError(f'{path}: the folder {folder} is not writable')


def check_outside(option: str, folder: Optional[str], paths: Mapping[str, Paths]) -> None:
    """Check that nothing lies in a folder that is replaced as a whole, or must be empty.

    Args:
        option: The option that names the folder.
        folder: The folder, if any.
        paths: Other files and folders, as for :func:`check_outputs`.

    Raises:
        InputError: If one of them is the folder, or lies in it.
    """
    place = folder and os.path.join(os.path.realpath(folder), '')
    for other, path in _flatten(paths):
        if folder and os.path.join(os.path.realpath(path), '').startswith(place):
            raise InputError(f'{path}: expected a place outside of {folder}, which is for '
                             f'{option} alone; choose another place for {other}')


def _is_special(path):
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


# Writing

@contextlib.contextmanager
def replacing(path: str) -> Iterator[str]:
    """Yield a name beside ``path`` to write to, and move that file to ``path`` at the end.

    If the body fails, ``path`` stays as it was.  After a power failure there
    is the old file or the new one, and once this has returned, the new one.
    The new file gets the mode of the old one.  Devices such as ``/dev/stdout``
    are written directly.
    """
    if _is_special(path):
        yield path
        return
    target = os.path.realpath(path)  # a link keeps pointing where it points
    part = part_of(target)
    try:
        with naming(part, path):
            yield part
            complete(part, target)
            os.replace(part, target)
            sync_folder(os.path.dirname(target))
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(part)


@contextlib.contextmanager
def naming(part: Optional[str], path: str) -> Iterator[None]:
    """Let operating system errors about ``part`` name ``path``, which the user knows."""
    try:
        yield
    except OSError as e:
        if e.errno and e.filename in (part, None):
            e.filename = path
        raise


def complete(part: str, target: str) -> None:
    """Prepare a finished file to replace another: sync it, and give it the other's mode."""
    sync(part)
    with contextlib.suppress(OSError):  # nothing to replace, or a disk without modes
        os.chmod(part, stat.S_IMODE(os.stat(target).st_mode))


def sync(path: str) -> None:
    """Return when everything written to a file is on the disk."""
    with open(path, 'rb+') as f:  # +: Windows requires it
        os.fsync(f.fileno())


def sync_folder(folder: str) -> None:
    """Return when new and moved file names in a folder are on the disk."""
    if os.name != 'posix':
        return
    with contextlib.suppress(OSError):  # some network disks do not support it
        descriptor = os.open(folder or '.', os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# Unfinished files

def part_of(target: str) -> str:
    """A hidden name beside a file or folder, for what will replace it.

    What killed processes have left under such names is removed.
    """
    folder, name = os.path.split(target)
    root, extension = os.path.splitext(name)  # numpy and Pillow look at the extension
    _remove_parts(folder, root, extension)
    return os.path.join(folder, f'.{root}.{_machine()}.{os.getpid()}.part{extension}')


def is_part_of(part: str, target: str) -> bool:
    """Whether a name is what :func:`part_of` returns for a file, in any process."""
    root, extension = os.path.splitext(os.path.basename(target))
    return bool(re.fullmatch(
        rf'\.{re.escape(root)}\.[0-9a-f]{{8}}\.\d+\.part{re.escape(extension)}', part))


@functools.lru_cache(1000)  # once for each file: listing a large folder is slow
def _remove_parts(folder, root, extension):
    if os.name != 'posix':  # on Windows, os.kill would end the process
        return
    of_dead = re.compile(
        rf'\.+{re.escape(root)}(\.{_machine()}\.(\d+)\.part)+{re.escape(extension)}')
    with contextlib.suppress(OSError):
        for name in os.listdir(folder or '.'):
            match = of_dead.fullmatch(name)
            if match and not _is_alive(int(match[2])):
                path = os.path.join(folder, name)
                with contextlib.suppress(OSError):
                    shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)


@functools.cache
def _machine():
    """Eight digits for this machine or container, within which process IDs are unique."""
    space = ''
    with contextlib.suppress(OSError):
        space = os.readlink('/proc/self/ns/pid')
    return f'{zlib.crc32((platform.node() + space).encode()):08x}'


def _is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's process; not a process ID
        pass
    return True


# Other processes

def lock(file: BinaryIO, message: str) -> None:
    """Lock an open file against other processes until it is closed or the process ends.

    The file itself is locked, so no lock file is left behind after a crash.
    On network disks that do not support locks, nothing is locked.

    Args:
        file: Open for writing.
        message: The error message if another process has locked it.

    Raises:
        InputError: If another process has locked it.
    """
    try:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            file.seek(LOCK_BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except OSError as e:
        if e.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            return
        raise InputError(message) from e
