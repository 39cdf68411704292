"""Reads weights in PyTorch's file format before 1.6, as data and without PyTorch.

Such a ``.pth`` is five pickles in a row: a magic number, the protocol version,
facts about the machine, the state dict, and the keys of the storages.  After
them come the storages themselves, in the order of their keys: a count of 8
bytes, then the raw numbers.  A tensor in the state dict names its storage by a
persistent id.  ``torch.load`` would run these pickles; here
:mod:`pickle_reader` reads them, and sizes are checked before anything is used.
"""
import math
import mmap
import pickle
import struct
from typing import NamedTuple

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.storage import pickle_reader, pickle_values
from picture_ranknet.storage.pickle_values import MENTIONED, Name, ReadError, Record, Use

MAGIC_NUMBER = 0x1950a86a20f9469cfc6c
PROTOCOL_VERSION = 1001
MOST_DIMENSIONS = 8

_TYPES = {'FloatStorage': '<f4', 'DoubleStorage': '<f8', 'HalfStorage': '<f2',
          'LongStorage': '<i8', 'IntStorage': '<i4'}
_NAMES = {**{('torch', name): MENTIONED for name in _TYPES},
          ('torch._utils', '_rebuild_tensor_v2'): Use((6,))}


class _Storage(NamedTuple):

    """What a persistent id says about a storage."""

    key: str
    dtype: np.dtype
    size: int


class _Reader(pickle_reader.Reader):

    """Also reads persistent ids, and skips the metadata of a state dict."""

    def step(self):
        code = bytes(self.bytes[self.at:self.at + 1])
        if code == pickle.BINPERSID:
            self.take(1)
            self.push(_read_persistent_id(self.pop()))
            return False
        if code == pickle.BUILD and len(self.stack) > 1 and type(self.stack[-2]) is dict:
            self.take(1)
            if type(self.pop()) is not dict:
                raise ReadError('its state dict carries something other than a dict')
            return False
        return super().step()


def read(path: str) -> dict:
    """Read a state dict.

    Args:
        path: A ``.pth`` that ``torch.save(model.state_dict(), path)`` of
            PyTorch before 1.6 wrote, on a little-endian machine.

    Returns:
        Arrays by name, read-only and memory-mapped.

    Raises:
        InputError: If the file is something else, is damaged, or claims more
            data than it has.
    """
    with open(path, 'rb') as f:
        try:
            content = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
            return _read_state_dict(content)
        except ValueError as e:
            reason = str(e)
        except Exception as e:  # a damaged pickle can raise anything
            reason = f'{type(e).__name__}: {pickle_values.show(str(e))}'
    raise InputError(f'{path}: expected weights in the old PyTorch format, but {reason}; '
                     'nothing in it was run')


def _read_state_dict(content):
    at = 0
    values = []
    for _ in range(5):
        reader = _Reader(content, _NAMES, at)
        values.append(reader.run())
        at = reader.at
        if len(values) == 1 and values[0] != MAGIC_NUMBER:
            raise ValueError('it does not begin with its magic number')
    _, version, machine, tensors, keys = values
    if version != PROTOCOL_VERSION:
        raise ValueError(f'its protocol version is not {PROTOCOL_VERSION}')
    if type(machine) is not dict or machine.get('little_endian') is not True:
        raise ValueError('it is not from a little-endian machine')
    if type(tensors) is not dict or type(keys) is not list:
        raise ValueError('it holds no state dict')
    storages = _read_storages(content, at, keys, _storages_of(tensors))
    return {name: _read_tensor(name, tensor, storages) for name, tensor in tensors.items()}


def _read_persistent_id(value):
    if type(value) is tuple and len(value) == 6:
        kind, storage_type, key, _, size, view = value
        if (kind == 'storage' and type(storage_type) is Name and storage_type.name in _TYPES
                and type(key) is str and type(size) is int and size >= 0 and view is None):
            return _Storage(key, np.dtype(_TYPES[storage_type.name]), size)
    raise ReadError('it has a persistent id that is not a storage')


def _storages_of(tensors):
    """Type and size of each storage that a tensor uses, by key."""
    storages = {}
    for name, tensor in tensors.items():
        if type(tensor) is not Record or type(tensor.args[0]) is not _Storage:
            raise ValueError(f'{pickle_values.show(name)} is not a tensor')
        storage = tensor.args[0]
        if storages.setdefault(storage.key, storage) != storage:
            raise ValueError('it has two storages with the same key')
    return storages


def _read_storages(content, at, keys, storages):
    """The numbers of each storage, by key."""
    if sorted(map(repr, keys)) != sorted(map(repr, storages)):
        raise ValueError('its storages do not match its tensors')
    arrays = {}
    for key in keys:
        _, dtype, size = storages[key]
        if len(content) - at < 8 + size * dtype.itemsize:
            raise ValueError('it is cut short')
        if struct.unpack('<q', content[at:at + 8])[0] != size:
            raise ValueError('a storage does not have the size that its tensors say')
        arrays[key] = np.frombuffer(content, dtype, size, at + 8)
        at += 8 + size * dtype.itemsize
    if at != len(content):
        raise ValueError('there is more data after its end')
    return arrays


def _read_tensor(name, tensor, storages):
    storage, offset, shape, strides = tensor.args[:4]
    name = pickle_values.show(name)
    for numbers in (shape, strides):
        if not (type(numbers) is tuple and len(numbers) <= MOST_DIMENSIONS
                and all(type(n) is int and n >= 0 for n in numbers)):
            raise ValueError(f'the shape of {name} is not a tuple of whole numbers')
    size = math.prod(shape)
    last = sum((n - 1) * stride for n, stride in zip(shape, strides)) if size else -1
    if len(shape) != len(strides) or size > storage.size:
        raise ValueError(f'{name} is larger than its storage')
    if type(offset) is not int or not 0 <= offset <= storage.size - 1 - last:
        raise ValueError(f'{name} reaches beyond its storage')
    numbers = storages[storage.key][offset:]
    array = np.lib.stride_tricks.as_strided(
        numbers, shape, [stride * numbers.itemsize for stride in strides], writeable=False)
    if array.dtype.kind == 'f' and not np.isfinite(array).all():
        raise ValueError(f'{name} holds nan or inf')
    return array
