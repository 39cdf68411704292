"""Snapshots: everything a training run needs to continue, in a zip file of arrays.

They are not trusted: nothing is unpickled, and each array must have the shape
and type that the run expects.
"""
import contextlib
import functools
import json
import os
import re
import zlib
from collections.abc import Iterator
from typing import Optional

import numpy as np

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer

from picture_ranknet.errors import InputError
from picture_ranknet.learning.monitor import Best
from picture_ranknet.learning.recipe import Recipe
from picture_ranknet.machine import ranks
from picture_ranknet.storage import atomic, npz_reader, pickle_reader
from picture_ranknet.storage.arrays import RatedPictures

NAME = 'snapshot_iter_{}'
MOST_TEXT = 2 ** 26  # bytes of the log: 60,000 lines of output


class Run:

    """The state of a training run.

    Args:
        model (net.RankNet): The model being trained.
        optimizer: Set up for it.
        marks: What a run must have in common with the one it continues, by
            names that the user knows: :func:`marks_of`.

    Attributes:
        step (int): The last completed step; 0 before the first.
        elapsed (float): Seconds of training so far.
        log (list of dict): What was measured at each line of output.
        best (Best): The weights that validated best.
    """

    def __init__(self, model, optimizer, marks: dict):
        self.model = model
        self.optimizer = optimizer
        self.marks = marks
        self.step = 0
        self.elapsed = 0.
        self.log = []
        self.best = Best(model)

    def serialize(self, serializer) -> None:
        for name, mark in self.marks.items():
            if serializer(f'marks/{name}', mark) != mark:
                raise InputError(f'is from a run with other {name}; to continue, use the same '
                                 'options and files')
        self.step = serializer('step', self.step)
        self.elapsed = serializer('elapsed', self.elapsed)
        self.log = json.loads(serializer('log', json.dumps(self.log)))
        self.model.serialize(serializer['model'])
        self.optimizer.serialize(serializer['optimizer'])
        self.best.serialize(serializer['best'])


def marks_of(recipe: Recipe, train: RatedPictures, valid: Optional[RatedPictures]) -> dict:
    """Checksums that distinguish runs by options and pictures, but not by the number of steps."""
    marks = {f'--{name}': value for name, value in recipe._asdict().items()
             if name not in ('n_iter', 'patience', 'mirror')}
    marks['--no_mirror'] = not recipe.mirror
    marks['--augment'] = float(recipe.augment)  # 1 and 1.0 are the same
    for name, part in ('pictures', train), ('pictures to validate on', valid):
        marks[name] = [] if part is None else [
            zlib.crc32(array) for array in (part.rows, part.ratings[part.rows])]
    marks['--features'] = None if train.features is None else zlib.crc32(train.features)
    return {name: zlib.crc32(repr(value).encode()) for name, value in marks.items()}


def save(out: str, run: Run) -> str:
    """Write the snapshot of a run into a folder; return its path."""
    path = os.path.join(out, NAME.format(run.step))
    with atomic.replacing(path) as part:
        chainer.serializers.save_npz(part, run, compression=False)  # weights hardly compress
    return path


def remove_others(path: str) -> None:
    """Remove all snapshots in the folder of a snapshot but this one."""
    folder, name = os.path.split(path)
    for other in os.listdir(folder or '.'):
        if other != name and re.fullmatch(NAME.format(r'\d+'), other):
            os.remove(os.path.join(folder, other))


def load(path: str, run: Run) -> None:
    """Restore the state of a run from a snapshot.

    Unlike :func:`chainer.serializers.load_npz`, this unpickles nothing.

    Args:
        path: A ``snapshot_iter_N`` of ``train.py``.
        run: Set up like the one in the snapshot.

    Raises:
        InputError: If the file is not a snapshot, is damaged, does not fit the
            run, or is from a run with other options or pictures.
    """
    with open(path, 'rb') as f:
        try:
            shapes = {f'optimizer{name}': param.shape for name, param in run.model.namedparams()}
            _Reader(npz_reader.Npz(f), shapes).load(run)
            return
        except InputError as e:  # of another run
            raise InputError(f'{path}: {e}') from None
        except (ValueError, KeyError) as e:
            reason = str(e.args[0])
        except Exception as e:
            reason = f'{type(e).__name__}: {pickle_reader.show(str(e))}'
    raise InputError(f'{path}: expected a snapshot by train.py of the same network for pictures of '
                     f'the same size, but {reason}')


class _Reader(chainer.serializers.NpzDeserializer):

    """Chainer's deserializer, with each array checked against what the run expects."""

    def __init__(self, npz, weight_shapes, path=''):
        super().__init__(npz, path)
        self.weight_shapes = weight_shapes

    def __getitem__(self, key):
        return _Reader(self.npz, self.weight_shapes, self.path + key.strip('/') + '/')

    def __call__(self, key, value):
        path = self.path + key.lstrip('/')
        if path not in self.npz:  # Chainer expects a KeyError for weights that are not trained
            raise KeyError(f'it has no {path}')
        if value is None:  # Adam's moments, before its first step
            shape, kinds = self.weight_shapes[path.rpartition('/')[0]], 'f'
        elif hasattr(value, 'dtype'):
            shape, kinds = value.shape, value.dtype.kind
        else:
            shape, kinds = (), {int: 'iu', float: 'f', str: 'U'}[type(value)]
        array = self.npz.read(path, functools.partial(_check_array, path, shape, kinds))
        _check_values(path, array)
        return chainer.serializers.NpzDeserializer({path: array}, self.path)(key, value)


def _check_array(path, expected_shape, kinds, shape, dtype):
    if shape != expected_shape or dtype.kind not in kinds:
        raise ValueError(f'{path} is {dtype.name} of shape {shape}, not of {expected_shape}')
    if dtype.kind == 'U' and dtype.itemsize > MOST_TEXT:
        raise ValueError(f'{path} is a text of {dtype.itemsize:,} bytes')


def _check_values(path, array):
    if array.dtype.kind == 'f' and not np.isfinite(array).all():
        raise ValueError(f'{path} holds nan or inf')
    if array.dtype.kind in 'iu' and array.min() < 0:
        raise ValueError(f'{path} is negative')
    if array.dtype.kind == 'U' and not _is_log(json.loads(str(array))):
        raise ValueError(f'{path} is not a log of a training run')


def _is_log(value):
    return type(value) is list and all(
        type(entry) is dict and 'iteration' in entry
        and all(type(number) in (int, float) for number in entry.values()) for entry in value)


@contextlib.contextmanager
def keeping_others_out(folder: str) -> Iterator:
    """Create the folder of a run, and lock it against other runs within this context.

    The first of several processes does so for all.

    Raises:
        InputError: If another run is writing to it, or it is not writable.
    """
    if not ranks.is_first():
        yield
        return
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, '.lock')
    atomic.check_output(path)
    with open(path, 'ab') as file:
        atomic.lock(file, f'{folder}: another train.py is writing to it; choose another folder '
                          'with --out')
        yield
