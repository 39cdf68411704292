"""Writing files whole or not at all, and keeping other processes from them meanwhile."""
import contextlib
import errno
import functools
import os
import platform
import re
import shutil
import zlib

from picture_ranknet.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

LOCK_BYTE = 2 ** 62     # far behind the text: Windows lets nobody read what is locked


def check_output(path, inputs=()):
    """Raise :class:`InputError` now if ``path`` could or should not be written later.

    Args:
        path (str): The file to write.
        inputs (list of str): Files that are read; none may be overwritten.
    """
    if _is_special(path):
        return
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if os.path.isdir(target):
        raise InputError('{}: expected the name of a file to write, got a folder'.format(path))
    if target in map(os.path.realpath, inputs):
        raise InputError('{}: would be overwritten, but is read as well; choose another name'
                         .format(path))
    if not os.path.isdir(folder):
        raise InputError('{}: there is no folder {}; make it first'.format(path, folder))
    if not os.access(folder, os.W_OK):
        raise InputError('{}: the folder {} is not writable'.format(path, folder))


def _is_special(path):
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


@contextlib.contextmanager
def replacing(path):
    """Yield a name beside ``path`` to write to; move it to ``path`` at the end.

    If the body fails, ``path`` stays as it was and the part is removed.  What
    is no regular file, such as ``/dev/stdout``, is written as it stands.

    The part is on the disk before it is moved: who loses power has the old
    file or the new one.
    """
    if _is_special(path):
        yield path
        return
    target = os.path.realpath(path)  # a link keeps pointing where it points
    part = part_of(target)
    try:
        with naming(part, path):
            yield part
            sync(part)
            os.replace(part, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(part)


@contextlib.contextmanager
def naming(part, path):
    """Let errors of writing a part name the file that the user knows."""
    try:
        yield
    except OSError as e:
        if e.errno and e.filename in (part, None):
            e.filename = path
        raise


def part_of(target):
    """A hidden name beside a file, for what will take its place, or for a folder of that.

    Its like that processes have left which were killed are removed.
    """
    folder, name = os.path.split(target)
    root, extension = os.path.splitext(name)  # numpy and Pillow look at the extension
    _remove_parts(folder, root, extension)
    return os.path.join(folder, '.{}.{}.{}.part{}'.format(
        root, _machine(), os.getpid(), extension))


def is_part_of(part, target):
    """Whether a name is one that :func:`part_of` gives for a file, in any process."""
    root, extension = os.path.splitext(os.path.basename(target))
    return bool(re.fullmatch(r'\.{}\.[0-9a-f]{{8}}\.\d+\.part{}'.format(
        re.escape(root), re.escape(extension)), part))


def sync(path):
    """Have a file, of which all is written, on the disk when this returns."""
    with open(path, 'rb+') as f:
        os.fsync(f.fileno())


@functools.lru_cache(1000)
def _remove_parts(folder, root, extension):
    # Once for each file: to list a folder of many is slow.
    if os.name != 'posix':  # Windows cannot ask for a process without ending it
        return
    of_dead = re.compile(r'\.+{}(\.{}\.(\d+)\.part)+{}'.format(
        re.escape(root), _machine(), re.escape(extension)))
    with contextlib.suppress(OSError):
        for name in os.listdir(folder or '.'):
            match = of_dead.fullmatch(name)
            if match and not _is_alive(int(match[2])):
                path = os.path.join(folder, name)
                with contextlib.suppress(OSError):
                    shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)


@functools.cache
def _machine():
    """Tells the machine, or the container, whose process numbers ours are, in eight digits."""
    space = ''
    with contextlib.suppress(OSError):
        space = os.readlink('/proc/self/ns/pid')
    return '{:08x}'.format(zlib.crc32((platform.node() + space).encode()))


def _is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's; no number of a process
        pass
    return True


def lock(file, message):
    """Keep other processes from locking a file, until it is closed or the process ends.

    Args:
        file (file): Open for writing.
        message (str): What to say if another process has it.

    Raises:
        InputError: If another process has it.
    """
    try:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            file.seek(LOCK_BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except OSError as e:
        if e.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):  # of some network disks
            return
        raise InputError(message) from e
