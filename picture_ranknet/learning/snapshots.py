"""Snapshots: all that a training run needs to go on, in a zip file of arrays.

They are read without trust: nothing is unpickled, and each array must have
the shape and type that the run expects in its place.
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
        model (net.RankNet): What is trained.
        optimizer: Set up for it.
        marks: What a run must have in common with one that it continues, by
            names that the user knows: :func:`marks_of`.

    Attributes:
        step (int): The last step that was made; 0 before the first.
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
                raise InputError(f'is of a run with other {name}; to go on, use the same options '
                                 'and files')
        self.step = serializer('step', self.step)
        self.elapsed = serializer('elapsed', self.elapsed)
        self.log = json.loads(serializer('log', json.dumps(self.log)))
        self.model.serialize(serializer['model'])
        self.optimizer.serialize(serializer['optimizer'])
        self.best.serialize(serializer['best'])


def marks_of(recipe: Recipe, train: RatedPictures, valid: Optional[RatedPictures]) -> dict:
    """Numbers that tell runs with other options or pictures apart; more steps are the same run."""
    marks = {f'--{name}': value for name, value in recipe._asdict().items()
             if name not in ('n_iter', 'patience', 'mirror')}
    marks['--no_mirror'] = not recipe.mirror
    marks['--augment'] = float(recipe.augment)  # 1 and 1.0 are the same
    for name, part in ('pictures', train), ('pictures to validate with', valid):
        marks[name] = [] if part is None else [
            zlib.crc32(array) for array in (part.rows, part.ratings[part.rows])]
    marks['--features'] = None if train.features is None else zlib.crc32(train.features)
    return {name: zlib.crc32(repr(value).encode()) for name, value in marks.items()}


def save(out: str, run: Run) -> str:
    """Write the snapshot of a run into a folder; returns its path."""
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
    """Put a run into the state in which a snapshot was taken.

    Unlike :func:`chainer.serializers.load_npz`, this unpickles nothing.

    Args:
        path: A ``snapshot_iter_N`` of ``train.py``.
        run: Set up as the one of the snapshot.

    Raises:
        InputError: If the file is no snapshot, is damaged, does not fit the
            run, or is of a run with other options or pictures.
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
    raise InputError(f'{path}: expected a snapshot that train.py took of the same network on '
                     f'pictures of the same size, but {reason}')


class _Reader(chainer.serializers.NpzDeserializer):

    """Chainer's, for arrays that are checked to be what the run has in their place."""

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
        raise ValueError(f'{path} is no log of a training run')


def _is_log(value):
    return type(value) is list and all(
        type(entry) is dict and 'iteration' in entry
        and all(type(number) in (int, float) for number in entry.values()) for entry in value)


@contextlib.contextmanager
def keeping_others_out(folder: str) -> Iterator:
    """Make the folder of a run, and let no other run write to it within this context.

    Of processes that work together the first does so for all.

    Raises:
        InputError: If another run writes to it, or nothing can be written to it.
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
