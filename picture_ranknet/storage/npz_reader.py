"""Arrays of an ``.npz`` that may come from anywhere: nothing is unpickled or believed.

:func:`numpy.load` takes as much memory as the header of an array claims, and
unpacks whatever a zip file of a few bytes unpacks to.  Here an array says its
shape and type first, whoever wants it says whether that is what it should be,
and the bytes must be there, before memory is taken.
"""
import contextlib
import math
import os
import re
import struct
import zipfile
import zlib

import numpy as np

MOST_DIRECTORY = 2 ** 20  # bytes; that of a ResNet-50 in training has 80,000
_MOST_DEFLATED = 1032     # bytes that deflate can make of one
_HEADER = re.compile(      # of an array: numbers or text
    rb"\{'descr': '([<>|][biufU]\d{1,9})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,18}L?, ?)*(?:\d{1,18}L?)?)\), \} *\n")


class Npz:

    """The arrays of an open ``.npz``, by their names.

    Args:
        f: A file, opened to read bytes.

    Raises:
        ValueError: As all methods do: if the file is damaged, or is something
            else.
    """

    def __init__(self, f):
        with _one_error():
            self._size = _check_directory(f)
            self._zip = zipfile.ZipFile(f)
        self._members = {info.filename: info for info in self._zip.infolist()}
        if len(self._members) != len(self._zip.infolist()):
            raise ValueError('it has two arrays of one name')

    def __contains__(self, name):
        return name + '.npy' in self._members

    def read(self, name, check):
        """Read an array.

        Args:
            name (str): Its name.
            check (callable): Is given shape and type, and raises
                ``ValueError`` if they are not those that are wanted; called
                before memory is taken.

        Returns:
            numpy.ndarray: Numbers or text.

        Raises:
            KeyError: If there is none of this name.
        """
        info = self._members[name + '.npy']
        self._check_size(name, info)
        with _one_error(), self._zip.open(info) as f:
            shape, fortran_order, dtype = _read_header(f)
            check(shape, dtype)
            n_bytes = math.prod(shape) * dtype.itemsize
            if f.tell() + n_bytes != info.file_size:
                raise ValueError('{} has too many or too few bytes'.format(name))
            array = np.empty(shape, dtype, 'F' if fortran_order else 'C')
            _fill(f, array.reshape(-1, order='A'))
        return array

    def _check_size(self, name, info):
        most = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: _MOST_DEFLATED}.get(info.compress_type)
        if most is None or info.flag_bits & 1:
            raise ValueError('{} is packed in an unknown way'.format(name))
        if info.compress_size > self._size or info.file_size > most * info.compress_size:
            raise ValueError('{} is larger than its file'.format(name))


@contextlib.contextmanager
def _one_error():
    """What damaged files make zipfile, zlib and numpy raise is a ``ValueError``."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError,
            TypeError, OverflowError, MemoryError, struct.error) as e:
        reason = ascii(str(e))[1:-1][:200] or type(e).__name__  # it may quote the file
        raise ValueError('it is damaged: {}'.format(reason)) from e


def _check_directory(f):
    """Bound what zipfile reads before anybody asks for anything; returns the file's size."""
    size = f.seek(0, os.SEEK_END)
    f.seek(max(0, size - 98))
    end = f.read()  # the last record of a large archive's directory, where that lies, and the end
    f.seek(0)
    if end[-22:-18] != b'PK\5\6' or end[-2:] != b'\0\0':
        raise ValueError('it is no archive of arrays')
    n_bytes, = struct.unpack('<L', end[-10:-6])
    if end[-42:-38] == b'PK\6\7':
        n_bytes, = struct.unpack('<Q', end[-98:-42][40:48])
    if n_bytes > MOST_DIRECTORY:
        raise ValueError('its directory has {:,} bytes'.format(n_bytes))
    return size


def _read_header(f):
    start = f.read(10)
    if start[:8] != b'\x93NUMPY\1\0':  # later versions are for columns, which nobody needs
        raise ValueError('it has an array of an unknown version')
    header = _HEADER.fullmatch(f.read(struct.unpack('<H', start[8:])[0]))
    if header is None:
        raise ValueError('it has an array that is neither numbers nor text')
    descr, fortran_order, shape = header.groups()
    return (tuple(map(int, re.findall(rb'\d+', shape))), fortran_order == b'True',
            np.dtype(descr.decode()))


def _fill(f, array):
    view = array.view(np.uint8)
    at = 0
    while at < len(view):
        n = f.readinto(view[at:at + 2 ** 20])
        if not n:
            raise EOFError('an array is cut short')
        at += n
    if f.read(1):  # the last byte, so that the sum of all is checked
        raise ValueError('an array has more behind its end')
