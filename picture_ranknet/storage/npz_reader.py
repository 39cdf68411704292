"""Reads arrays of an untrusted ``.npz``: nothing is unpickled.

:func:`numpy.load` allocates whatever the header of an array claims, and
unpacks whatever a zip file of a few bytes unpacks to.  Here the caller checks
shape and type first, and no memory is allocated for bytes that the file cannot
hold.
"""
import contextlib
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np

from picture_ranknet.storage import npy

MOST_DIRECTORY = 2 ** 20  # bytes; that of a ResNet-50 in training has 80,000
_MOST_DEFLATED = 1032     # highest compression ratio of deflate


class Npz:

    """The arrays of an ``.npz``, by name.

    Args:
        f: The file, open in binary mode.

    Raises:
        ValueError: If the file is damaged or something else; so do all methods.
    """

    def __init__(self, f: BinaryIO):
        with _as_value_error():
            self._size = _check_directory(f)
            self._zip = zipfile.ZipFile(f)
        self._members = {info.filename: info for info in self._zip.infolist()}
        if len(self._members) != len(self._zip.infolist()):
            raise ValueError('it has two arrays with the same name')

    def __contains__(self, name: str) -> bool:
        return f'{name}.npy' in self._members

    def read(self, name: str, check: Callable[[tuple, np.dtype], None]) -> np.ndarray:
        """Read an array of numbers or text.

        Args:
            name: Its name.
            check: Called with shape and type before memory is allocated; raises
                ``ValueError`` if they are not as expected.

        Raises:
            KeyError: If there is no array of this name.
        """
        info = self._members[f'{name}.npy']
        self._check_size(name, info)
        with _as_value_error(), self._zip.open(info) as f:
            shape, fortran_order, dtype = npy.read_header(f)
            if dtype.kind not in 'biufU':
                raise ValueError(f'{name} is neither numbers nor text')
            check(shape, dtype)
            if f.tell() + math.prod(shape) * dtype.itemsize != info.file_size:
                raise ValueError(f'{name} has too many or too few bytes')
            array = np.empty(shape, dtype, 'F' if fortran_order else 'C')
            _fill(f, array.reshape(-1, order='A'))
        return array

    def _check_size(self, name, info):
        ratio = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: _MOST_DEFLATED}.get(
            info.compress_type)
        if ratio is None or info.flag_bits & 1:
            raise ValueError(f'{name} is compressed in an unknown way, or encrypted')
        if info.compress_size > self._size or info.file_size > ratio * info.compress_size:
            raise ValueError(f'{name} is larger than its file')


@contextlib.contextmanager
def _as_value_error() -> Iterator[None]:
    """Turn the exceptions of zipfile, zlib and NumPy about damaged files into ``ValueError``."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError,
            TypeError, OverflowError, MemoryError, struct.error) as e:
        reason = ascii(str(e))[1:-1][:200] or type(e).__name__  # it may quote the file
        raise ValueError(f'it is damaged: {reason}') from e


def _check_directory(f):
    """Bound what zipfile reads on its own; return the size of the file."""
    size = f.seek(0, os.SEEK_END)
    f.seek(max(0, size - 98))
    end = f.read()  # the end records: of zip64 (56 bytes), their locator (20), and the old one (22)
    f.seek(0)
    if end[-22:-18] != b'PK\5\6' or end[-2:] != b'\0\0':
        raise ValueError('it is not an archive of arrays')
    n_bytes, = struct.unpack('<L', end[-10:-6])
    if end[-42:-38] == b'PK\6\7':
        n_bytes, = struct.unpack('<Q', end[-98:-42][40:48])
    if n_bytes > MOST_DIRECTORY:
        raise ValueError(f'its directory has {n_bytes:,} bytes')
    return size


def _fill(f, array):
    view = array.view(np.uint8)
    at = 0
    while at < len(view):
        n = f.readinto(view[at:at + 2 ** 20])
        if not n:
            raise EOFError('an array is cut short')
        at += n
    if f.read(1):  # also makes zipfile verify the checksum
        raise ValueError('an array has more bytes than its shape')
