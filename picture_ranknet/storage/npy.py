"""The ``.npy`` format: safe reading of untrusted headers, memory maps, and appending.

A file may come from anybody.  A header is matched against a pattern, where
NumPy would evaluate it as a Python literal of any length, and no memory is
allocated before the caller has checked shape and type.

Format: https://numpy.org/neps/nep-0001-npy-format.html
"""
import contextlib
import math
import os
import re
import struct
from collections.abc import Callable
from typing import BinaryIO

import numpy as np

from picture_ranknet.errors import InputError

MOST_HEADER = 10000   # bytes; numpy.save needs 118
_LENGTHS = {b'\1\0': '<H', b'\2\0': '<I'}  # of the header, by version; 3 is for column names
_HEADER = re.compile(
    rb"\s*\{\s*'descr':\s*'([<>|=]?[?biufcOSUV]\d{0,9})',\s*'fortran_order':\s*(True|False),"
    rb"\s*'shape':\s*\(\s*((?:\d{1,18}L?,\s*)*(?:\d{1,18}L?)?)\s*\),?\s*\}\s*")  # 3L: Python 2's


def read_header(f: BinaryIO) -> tuple:
    """Read the header; the file then stands at the first value.

    Returns:
        tuple: Shape (a tuple of int), whether the first axis varies fastest
        (Fortran order), and ``numpy.dtype``: never one with fields.

    Raises:
        ValueError: If it is damaged, of an unknown version, or describes an
            array with fields or of more bytes than a file can have.
    """
    if f.read(6) != np.lib.format.MAGIC_PREFIX:
        raise ValueError('it is not an .npy file')
    form = _LENGTHS.get(f.read(2))
    if form is None:
        raise ValueError('its version is unknown')
    prefix = f.read(struct.calcsize(form))
    n = struct.unpack(form, prefix)[0] if len(prefix) == struct.calcsize(form) else 0
    header = _HEADER.fullmatch(f.read(n)) if n <= MOST_HEADER else None
    if header is None:
        raise ValueError('its header is damaged, or of an array with fields')
    descr, fortran_order, sides = header.groups()
    shape = tuple(map(int, re.findall(rb'\d+', sides)))
    try:
        dtype = np.dtype(descr.decode())
    except TypeError as e:
        raise ValueError(f'it has values of an unknown type {descr.decode()}') from e
    if math.prod(shape) * dtype.itemsize >= 2 ** 63:
        raise ValueError('it has too many values')
    return shape, fortran_order == b'True', dtype


def open_map(path: str, check: Callable, noun: str) -> np.memmap:
    """Map a file into memory; values are read when they are used.

    Args:
        path: A ``.npy`` file.
        check: Called with path, shape and type; raises :class:`InputError` if
            they are not as expected.
        noun: What the rows are, such as ``'pictures'``, for messages.

    Raises:
        InputError: If the file is something else, damaged or cut short.
    """
    with open(path, 'rb') as f:
        try:
            shape, fortran_order, dtype = read_header(f)
        except ValueError as e:
            raise InputError(f'{path}: expected a NumPy array (.npy), got {_describe(f)}; '
                             'crop_faces.py or numpy.save makes one') from e
        check(path, shape, dtype)
        offset = f.tell()
        size = os.fstat(f.fileno()).st_size
    expected = offset + math.prod(shape) * dtype.itemsize
    if size != expected:
        state = 'cut short' if size < expected else 'damaged'
        raise InputError(f'{path}: expected {expected:,} bytes for {shape[0]} {noun}, got '
                         f'{size:,}: the file is {state}; copy or create it again')
    return np.memmap(path, dtype, 'r', offset, shape, 'F' if fortran_order else 'C')


def _describe(f):
    f.seek(0)
    start = f.read(8)
    if not start:
        return 'an empty file'
    if start.startswith(b'PK'):
        return 'an .npz archive'
    if start.startswith(np.lib.format.MAGIC_PREFIX):
        return 'fields, dates or a damaged header'
    return 'something else'


class NpyWriter:

    """A ``.npy`` file that is written one array at a time.

    NumPy pads the header so that the length of the first axis can grow: the
    header is rewritten in place at the end.

    Args:
        path (str): The file to write.
        shape (tuple of int): Of each array.
        dtype (numpy.dtype): Of each array.
    """

    def __init__(self, path: str, shape: tuple, dtype=np.uint8):
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.length = 0
        self.file = open(path, 'wb')
        self._write_header()

    def append(self, array: np.ndarray) -> None:
        """Write one more array.

        Raises:
            ValueError: If it has another shape or type.
        """
        if array.shape != self.shape or array.dtype != self.dtype:
            raise ValueError(f'expected {self.dtype} of shape {self.shape}, '
                             f'got {array.dtype} of shape {array.shape}')
        self.file.write(array.tobytes())
        self.length += 1

    def _write_header(self):
        np.lib.format.write_array_header_1_0(self.file, {
            'descr': np.lib.format.dtype_to_descr(self.dtype), 'fortran_order': False,
            'shape': (self.length, *self.shape)})

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            with contextlib.suppress(OSError):  # the first error is the one to report
                self.file.close()
            return
        with self.file:
            self.file.seek(0)
            self._write_header()
