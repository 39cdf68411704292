"""Model files: writes them, and reads them without running anything in them.

``model.pkl`` is a pickle, and ``pickle.load`` runs whatever a pickle says.
:func:`load` reads it as data instead (:mod:`pickle_reader`).  Each name in the
file must be one that a :class:`net.RankNet` needs, and becomes a record of
what was passed to it, never the real class or function.  NumPy's names are no
exception: ``ndarray`` and ``dtype`` can be made to follow forged pointers.
The weights are copied from these records into a network that is created here,
whose memory grows only with weights that are in the file.  This also reads
what Chainer 7 cannot: the pickles that the article's script made with
Chainer 1.
"""
import math
import mmap
import os
import pickle
import re
import stat
from collections.abc import Sequence
from typing import Optional, Union

import numpy as np

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer

import net
from picture_ranknet.errors import InputError
from picture_ranknet.models import brought, networks
from picture_ranknet.models.predictor import SMALLEST
from picture_ranknet.models.pretrained import Pretrained
from picture_ranknet.storage import arrays, atomic, pickle_reader
from picture_ranknet.storage.pickle_reader import CLASS, MENTIONED, LongText, Record, Use
from picture_ranknet.storage.picture_set import FACE, MOST_MARGIN, PICTURE, Preparation

PROTOCOL = 4  # the default of pickle.dump on Python 3.8 to 3.13

PREDICTORS = {predictor.__name__: predictor
              for predictor in (*networks.ARCHITECTURES.values(), Pretrained)}

MOST_BYTES = 2 ** 32       # of a file: a model for pictures of 800 x 800
MOST_HELD_OUT = 5000       # pictures whose scores and ratings are kept
MOST_PIPED_BYTES = 2 ** 28  # from a pipe, which has to be read into memory

_ARRAYS = '_reconstruct', '_frombuffer'  # as NumPy pickles arrays

_NAMES = {
    **dict.fromkeys([
        ('net', 'RankNet'), ('net', 'CNN'), ('net', 'DeepCNN'), ('net', 'Features'),
        ('picture_ranknet.models.networks', 'DeepCNN'),
        ('picture_ranknet.models.pretrained', 'Pretrained'),
        ('picture_ranknet.models.predictor', 'Features'),
        ('picture_ranknet.models.batch_normalization', 'BatchNormalization'),
        ('__main__', 'RankNet'), ('__main__', 'CNN'),
        ('chainer.links.connection.convolution_2d', 'Convolution2D'),
        ('chainer.links.connection.linear', 'Linear'),
        ('chainer.links.normalization.batch_normalization', 'BatchNormalization'),
        ('chainer.initializers.constant', 'Constant'),
        ('chainer.initializers.normal', 'LeCunNormal'),
        ('chainer.initializers.normal', 'HeNormal'),
        ('chainer.backends._cpu', 'CpuDevice'),
        ('chainer.optimizer', 'Hyperparameter'),
        ('chainer.optimizer', '_Hookable'),
        ('chainer.optimizers.adam', 'AdamRule'),
        ('picture_ranknet.fast.fused_adam', 'AdamRule'),
    ], CLASS),
    ('chainer.variable', 'Variable'): Use((4,)),  # Chainer 1; it calls its flags, too
    ('chainer.flag', 'Flag'): Use((1,)),
    ('chainer.variable', '_create_variable'): Use((4, 5)),
    ('chainer.variable', '_recover_parameter'): Use((5, 6, 7)),
    ('numpy', 'ndarray'): MENTIONED,
    ('numpy', 'dtype'): Use((1, 2, 3), state=tuple),
    ('numpy.core.multiarray', '_reconstruct'): Use((3,), state=tuple),
    ('numpy._core.multiarray', '_reconstruct'): Use((3,), state=tuple),
    ('numpy.core.multiarray', 'scalar'): Use((2,)),
    ('numpy._core.multiarray', 'scalar'): Use((2,)),
    ('numpy.core.numeric', '_frombuffer'): Use((4,)),
    ('numpy._core.numeric', '_frombuffer'): Use((4,)),
}


class ModelFileError(InputError):

    """A file is not a model of ours, or is damaged."""


def save(path: str, model: net.RankNet) -> None:
    """Pickle a model, without gradients and without the state of the optimizer.

    :func:`load` reads the file; so does plain ``pickle.load``, where ``net.py``
    and this package can be imported.  The same model gives the same bytes.

    Args:
        path: The file to write.
        model: On any device; the model in the file is on the CPU.
    """
    model = model.copy(mode='share')  # only the weights are shared
    for param in model.params():
        param.update_rule = None
        param.cleargrad()
    model.to_device('@numpy')
    with atomic.replacing(path) as part, open(part, 'wb') as f:
        _Pickler(f, PROTOCOL).dump(model)


def remember(model, preparation: Optional[Preparation] = None, scores: Sequence = (),
             ratings: Sequence = (), seed: int = 0) -> None:
    """Store in a model how its pictures were cropped, and held-out scores and ratings.

    Args:
        model (net.RankNet): Its ``preparation`` and ``held_out`` are set.
        preparation (Preparation): ``None`` if unknown.
        scores, ratings (numpy.ndarray): Of held-out pictures, shape ``(N,)``;
            more than ``MOST_HELD_OUT`` are subsampled.
        seed (int): For subsampling.
    """
    held_out = None
    if len(scores):
        rows = np.sort(np.random.default_rng(seed).permutation(len(scores))[:MOST_HELD_OUT])
        held_out = tuple(tuple(np.asarray(values, float)[rows].tolist())
                         for values in (scores, ratings))
    _set(model, 'held_out', held_out)
    _set(model, 'preparation',
         preparation and (str(preparation.kind), float(preparation.margin)))


def _set(model, name, value):
    if value is None:  # absent, as in older models: the same model gives the same bytes
        vars(model).pop(name, None)
    else:
        setattr(model, name, value)


class _Pickler(pickle._Pickler):

    """Python's pickler, but with sorted sets: the same model gives the same bytes."""

    def _save_set(self, items):
        self.save_reduce(set, (sorted(items),), obj=items)

    dispatch = {**pickle._Pickler.dispatch, set: _save_set}


def load(path: str, network_paths: Sequence[str] = ()) -> net.RankNet:
    """Read a model without running any code in the file.

    Args:
        path: A file that :func:`save`, ``pickle.dump(model, f)`` or the
            article's own script wrote, with Chainer 1 or 7, Python 3 and any
            NumPy.
        network_paths: ONNX networks that the user supplies.

    Returns:
        net.RankNet: On the CPU; its ``image_scale`` is ``None`` if the file
        does not say how pictures were scaled.

    Raises:
        ModelFileError: If the file is not a model, or is damaged.
    """
    with open(path, 'rb') as f:
        try:
            content = _map(f)
            model = _build_model(pickle_reader.read(content, _NAMES))
            return _check_network(path, model, network_paths)
        except InputError:
            raise
        except ValueError as e:
            reason = str(e)
        except Exception as e:  # a damaged pickle can raise anything
            reason = f'{type(e).__name__}: {pickle_reader.show(str(e))}'
    raise ModelFileError(f'{path}: expected a model made by train.py, but {reason}; nothing in it '
                         'was run')


def _map(f) -> Union[bytes, mmap.mmap]:
    """The content of an open file, read from disk as it is needed."""
    status = os.fstat(f.fileno())
    if not stat.S_ISREG(status.st_mode):
        content = f.read(MOST_PIPED_BYTES + 1)
        if len(content) > MOST_PIPED_BYTES:
            raise ValueError(f'it has more than {MOST_PIPED_BYTES:,} bytes')
        return content
    if status.st_size > MOST_BYTES:
        raise ValueError(f'it has more than {MOST_BYTES:,} bytes')
    return mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) if status.st_size else b''


def _build_model(record) -> net.RankNet:
    ranknet = _state_of(record, 'RankNet')
    predictor = ranknet.get('predictor')
    if not isinstance(predictor, Record) or predictor.name not in PREDICTORS:
        raise ValueError(f'its predictor is none of {", ".join(PREDICTORS)}')
    image_size = _check_image_size(ranknet.get('image_size'))
    image_scale = _check_image_scale(ranknet.get('image_scale'))
    n_features = _check_n_features(_state_of(predictor).get('n_features', 0))
    if predictor.name == Pretrained.__name__:
        digest = _check_digest(_state_of(predictor).get('digest'))
        network = brought.check(_state_of(predictor).get('network'))
        model = net.RankNet(Pretrained(digest, n_features, network), image_size, image_scale)
    else:
        model = _make_small_model(PREDICTORS[predictor.name], image_size, image_scale, n_features)
    _set(model, 'preparation', _check_preparation(ranknet.get('preparation')))
    _set(model, 'held_out', _check_held_out(ranknet.get('held_out')))
    for prefix, link in sorted(model.namedlinks()):
        for name in sorted(link._params | link._persistent):
            value = getattr(link, name)
            if isinstance(chainer.as_array(value), np.ndarray):  # not a counter of batches
                path = prefix + '/' + name
                weights = _find_weights(record, path, _expected_shape(model, path, value.shape))
                if name in link._params:
                    value.cleargrad()
                    value.array = weights
                else:
                    setattr(link, name, weights)
    return model


def _check_network(path, model, network_paths):
    """Return a model, if the network that it was trained with is available."""
    predictor = model.predictor
    if isinstance(predictor, Pretrained):
        try:
            if predictor.network:
                brought.find(predictor.digest, predictor.network, path, network_paths)
            predictor.eye()
        except InputError as e:
            raise ModelFileError(f'{path}: {e}') from e
    return model


def _check_digest(digest):
    if type(digest) is not str or not re.fullmatch('([0-9a-f]{64})?', digest):
        raise ValueError('its digest of the network is invalid')
    return digest


def _make_small_model(predictor, image_size, image_scale, n_features):
    """A model with small arrays: large ones are created only if the file has them."""
    model = net.RankNet(predictor((SMALLEST, SMALLEST)), image_size, image_scale)
    if n_features:
        model.predictor.add_features(1)
        model.predictor.n_features = model.predictor.features.l.in_size = n_features
    model.predictor.l1.in_size = model.predictor.n_seen(image_size)
    return model


def _expected_shape(model, path, small):
    """The shape in the file of weights that have shape ``small`` in the small model."""
    if path == '/predictor/l1/W':
        return small[0], model.predictor.l1.in_size
    if path.startswith('/predictor/features/'):
        return (*small[:-1], model.predictor.n_features)
    return small


def _state_of(record, name=None):
    if not isinstance(record, Record) or not isinstance(record.state, dict):
        raise ValueError('it holds something else')
    if name and record.name != name:
        raise ValueError(f'it holds a {record.name}')
    return record.state


def _check_image_size(size) -> tuple:
    if size is None:  # the article's own script has one size only
        return 80, 80
    if not (isinstance(size, tuple) and len(size) == 2
            and all(type(side) is int and SMALLEST <= side <= 10000 for side in size)):
        raise ValueError(f'its image size is not a pair of whole numbers from {SMALLEST} to 10000')
    return size


def _check_image_scale(scale) -> Optional[float]:
    if scale is not None and not (type(scale) is float and 0 < scale < math.inf):
        raise ValueError('its image scale is not a number above 0')
    return scale


def _check_n_features(n) -> int:
    if not (type(n) is int and 0 <= n <= arrays.MOST_FEATURES):
        raise ValueError(f'its number of features is not from 0 to {arrays.MOST_FEATURES}')
    return n


def _check_preparation(preparation):
    if preparation is None:
        return None
    if not (type(preparation) is tuple and len(preparation) == 2
            and preparation[0] in (FACE, PICTURE) and type(preparation[1]) is float
            and 0 <= preparation[1] <= MOST_MARGIN):
        raise ValueError('how its pictures were cropped is not faces or pictures and a margin')
    return preparation


def _check_held_out(held_out):
    if held_out is None:
        return None
    if not (type(held_out) is tuple and len(held_out) == 2
            and all(type(numbers) is tuple for numbers in held_out)
            and 0 < len(held_out[0]) == len(held_out[1]) <= MOST_HELD_OUT
            and all(type(x) is float and math.isfinite(x) for part in held_out for x in part)):
        raise ValueError('its held-out scores and ratings are not two lists of finite numbers')
    return held_out


def _find_weights(record, path: str, shape: tuple) -> np.ndarray:
    for name in path.strip('/').split('/'):
        record = _state_of(record).get(name)
        if not isinstance(record, Record):
            raise ValueError(f'it has no {path}')
    if record.name not in _ARRAYS:  # a parameter, which wraps its array
        record = record.args[0] if record.args else None
    view = _decode_array(record, path, shape)
    with np.errstate(over='ignore'):  # float64 beyond float32 is inf, reported below
        weights = np.array(view, np.float32, order='C')
    if not np.isfinite(weights).all():
        raise ValueError(f'its weights {path} hold nan or inf')
    return weights


def _decode_array(record, path: str, expected_shape: tuple) -> np.ndarray:
    """The array that a record describes; checked before NumPy sees any of it."""
    parts = None
    if isinstance(record, Record) and record.name == _ARRAYS[0]:    # protocols 0 to 4
        parts = record.state
    elif isinstance(record, Record) and record.name == _ARRAYS[1]:  # protocol 5
        data, dtype, shape, order = record.args
        parts = None, shape, dtype, order == 'F', data
    if type(parts) is not tuple or len(parts) != 5:
        raise ValueError(f'it has no weights {path}')
    _, shape, dtype, fortran_order, data = parts
    if type(shape) is not tuple or shape != expected_shape:
        shape = ' x '.join(map(str, expected_shape))
        raise ValueError(f'its weights {path} do not have the shape {shape}')
    dtype = _decode_dtype(dtype, path)
    data = _decode_bytes(data, math.prod(expected_shape) * dtype.itemsize, path)
    array = np.frombuffer(data, dtype)
    return array.reshape(expected_shape, order='F' if fortran_order else 'C')


def _decode_dtype(record, path):
    if (isinstance(record, Record) and record.name == 'dtype' and type(record.state) is tuple
            and len(record.state) > 1):
        code, byte_order = record.args[0], record.state[1]
        if code in ('f2', 'f4', 'f8') and byte_order in ('<', '>'):
            return np.dtype(byte_order + code)
    raise ValueError(f'its weights {path} are not floating-point numbers')


def _decode_bytes(data, n_bytes, path):
    if isinstance(data, LongText) and len(data.raw) <= 8 * n_bytes:  # protocols 0 to 2
        data = data.decode()
    elif type(data) is str:  # Python 2
        data = data.encode('latin1')
    if type(data) not in (bytes, memoryview) or len(data) != n_bytes:
        raise ValueError(f'its weights {path} have too many or too few bytes')
    return data
