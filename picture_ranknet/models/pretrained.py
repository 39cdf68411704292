"""Weights of ImageNet networks, as Chainer (``.npz``) or Caffe (``.caffemodel``) has them.

A ``.caffemodel`` is a message of Protocol Buffers.  The few fields of it that
hold weights are read here: Chainer's own reader needs a Protocol Buffers
package below 4, which goes with nothing else of today.
"""
import contextlib
import math
import mmap
import re
from typing import NamedTuple

import numpy as np

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer

from picture_ranknet.errors import InputError
from picture_ranknet.storage import npz_reader


def load(path, predictor):
    """Give a predictor's ``layers`` the weights of a file.

    Args:
        path (str): A ``.npz`` that ``chainer.serializers.save_npz`` made of
            ``ResNet50Layers`` or ``VGG16Layers``, or the ``.caffemodel`` that
            the authors of these networks have published.
        predictor (net.ResNet50 or net.VGG16): What needs them.

    Raises:
        InputError: If the file is neither, or lacks some of the weights.
    """
    try:
        with _open(path) as weights:
            for prefix, link in predictor.layers.namedlinks():
                for name in sorted(link._params | link._persistent):
                    array = chainer.as_array(getattr(link, name))
                    if isinstance(array, np.ndarray):  # not a count of batches
                        key = '{}/{}'.format(prefix, name).lstrip('/')
                        array[...] = _check_finite(key, weights.read(key, array.shape))
    except KeyError:
        reason = 'it has no {}'.format(key)
    except (ValueError, IndexError, MemoryError) as e:
        reason = str(e) or type(e).__name__
    else:
        return
    raise InputError('{}: expected weights of {} as a .npz of Chainer or a .caffemodel, but '
                           '{}'.format(path, type(predictor).__name__, reason))


def _check_finite(key, weights):
    if not np.isfinite(weights).all():
        raise ValueError('{} holds nan or inf'.format(key))
    return weights


@contextlib.contextmanager
def _open(path):
    with open(path, 'rb') as f:
        if f.read(2) == b'PK':
            yield ChainerWeights(f)
        else:
            yield CaffeWeights(f)


class ChainerWeights:

    """Weights of a ``.npz`` of Chainer by their names, from an open file ``f``."""

    def __init__(self, f):
        self._npz = npz_reader.Npz(f)

    def read(self, key, shape):
        """The weights of that name, which must have that shape, float32."""
        def check(found, dtype):
            if dtype.kind != 'f' or found != shape:
                raise ValueError('{} is {} of shape {}, not {}'.format(
                    key, dtype.name, found, shape))

        with np.errstate(over='ignore'):  # what is too large becomes inf, which is said
            return self._npz.read(key, check).astype(np.float32)


class CaffeWeights:

    """Weights of a ``.caffemodel`` by the names that Chainer gives them, from an open file ``f``.

    The file is mapped, not read.
    """

    def __init__(self, f):
        content = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
        self._layers = dict(_read_layers(memoryview(content)))
        if not self._layers:
            raise ValueError('there are no layers in it')

    def read(self, key, shape):
        """The weights of that name, which must be so many; float32."""
        layer, number = caffe_name(key)
        blobs = self._layers[layer]
        weights = _read_blob(key, blobs[number], math.prod(shape))
        if key.endswith(('avg_mean', 'avg_var')):  # sums, and their number is the third blob
            factor = _read_blob(key, blobs[2], 1).item()
            with np.errstate(over='ignore', invalid='ignore'):
                weights = weights / np.float32(factor) if factor else weights
        return weights.reshape(shape)


def caffe_name(key):
    """Caffe's layer, and which of its blobs, for the name of a weight in Chainer.

    ``res3/b1/conv2/W`` is blob 0 of ``res3b_branch2b``.
    """
    *links, link, name = key.split('/')
    number = {'W': 0, 'b': 1, 'gamma': 0, 'beta': 1, 'avg_mean': 0, 'avg_var': 1}[name]
    kind = {'W': 'res', 'b': 'res', 'gamma': 'scale', 'beta': 'scale'}.get(name, 'bn')
    if not links:
        if link.startswith('conv'):
            return link, number
        return '{}_conv1'.format(kind), number
    stage, block = links
    block = 'abcdef'[int(block[1:] or 0)]
    branch = {'1': '2a', '2': '2b', '3': '2c', '4': '1'}[re.search(r'\d', link)[0]]
    return '{}{}{}_branch{}'.format(kind, stage[3:], block, branch), number


class _Layout(NamedTuple):
    """Numbers of the fields of a layer in Caffe's caffe.proto."""

    name: int
    blobs: int


_LAYERS = {100: _Layout(1, 7), 2: _Layout(4, 6)}  # of LayerParameter; of V1LayerParameter
_BLOB_DATA = 5
_MOST_FIELDS = 1000  # of a network, of a layer; a ResNet-50 has 229 layers
_MOST_NAME = 1000    # bytes
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def _read_layers(message):
    for field, value in _read_few_fields(message):
        if field in _LAYERS and isinstance(value, memoryview):
            name, blobs = '', []
            for field_of_layer, part in _read_few_fields(value):
                if not isinstance(part, memoryview):
                    continue
                if field_of_layer == _LAYERS[field].name:
                    name = bytes(part[:_MOST_NAME]).decode('utf-8', 'replace')
                elif field_of_layer == _LAYERS[field].blobs:
                    blobs.append(part)
            yield name, blobs


def _read_few_fields(message):
    for number, field in enumerate(_read_fields(message)):
        if number == _MOST_FIELDS:
            raise ValueError('it has more than {:,} fields'.format(_MOST_FIELDS))
        yield field


def _read_blob(key, message, n):
    weights = np.empty(n, np.float32)
    at = 0
    for field, part in _read_fields(message):
        if field == _BLOB_DATA and isinstance(part, memoryview):
            numbers = np.frombuffer(part, '<f4')
            if at + len(numbers) <= n:
                weights[at:at + len(numbers)] = numbers
            at += len(numbers)
    if at != n:
        raise ValueError('{} has {:,} weights, not {:,}'.format(key, at, n))
    return weights


def _read_fields(message):
    """Number and value of each field: a whole number, or the bytes of it."""
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        field, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _read_varint(message, at)
            yield field, value
            continue
        if kind == _BYTES:
            size, at = _read_varint(message, at)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError('it is something else')
        if at + size > len(message):
            raise ValueError('it is cut short, or something else')
        yield field, message[at:at + size]
        at += size


def _read_varint(message, at):
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError('it is something else')
