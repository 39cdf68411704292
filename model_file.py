"""Model files and snapshots: writing them, and reading them without trust.

``model.pkl`` is a pickle, and ``pickle.load`` runs whatever a pickle says.
:func:`load` reads one differently: each name in the file must be one that a
:class:`net.RankNet` needs, and stands for an inert record of what was passed
to it, never for the real class or function; NumPy's are no exception, since
``ndarray`` and ``dtype`` make arrays of forged pointers if asked to.  The bytes
of the weights are then read out of the records and put into a network made
here.  For that reason it also reads what today's Chainer could not: the
pickles that the article's script made with Chainer 1.
"""
import math
import pickle
import zipfile

import numpy as np

import chainer_compat  # noqa: F401  (before chainer)
import chainer

import files
import net

PROTOCOL = 4  # what pickle.dump takes by default on Python 3.8 to 3.13

PREDICTORS = {predictor.__name__: predictor for predictor in net.ARCHITECTURES.values()}

_ARRAYS = '_reconstruct', '_frombuffer'  # how NumPy pickles them


class ModelFileError(files.InputError):

    """A model file or snapshot is not one of ours, or is damaged."""


def save(path, model):
    """Pickle a model, without gradients and without the optimizer's state.

    The file can be read by :func:`load` and, where ``net.py`` can be
    imported, by plain ``pickle.load``.

    Args:
        path (str): The file to write.
        model (net.RankNet): On any device; the file's model is on the CPU.
    """
    model = model.copy(mode='share')  # the weights are, and only those
    for param in model.params():
        param.update_rule = None
        param.cleargrad()
    model.to_device('@numpy')
    with files.replacing(path) as part, open(part, 'wb') as f:
        pickle.dump(model, f, PROTOCOL)


def load(path):
    """Read a model without running any code of the file.

    Args:
        path (str): A file that :func:`save`, ``pickle.dump(model, f)`` or the
            article's own script wrote, with Chainer 1 or 7, Python 3 and any
            NumPy.

    Returns:
        net.RankNet: On the CPU; its ``image_scale`` is ``None`` if the file
        does not say what it was trained with.

    Raises:
        ModelFileError: If the file is none of these.
    """
    try:
        with open(path, 'rb') as f:
            record = _RecordUnpickler(f).load()
            if f.read(1):
                raise ModelFileError('there is more behind its end')
        return _build_model(record)
    except OSError:
        raise
    except ModelFileError as e:
        reason = str(e)
    except Exception as e:  # a damaged pickle can raise anything
        reason = '{}: {}'.format(type(e).__name__, e)
    raise ModelFileError('{}: expected a model made by train.py, but {}; nothing of it was run'
                         .format(path, reason))


class _Record:

    """What a pickle says about one object, instead of the object."""

    def __new__(cls, *args):
        record = super().__new__(cls)
        record.args = args
        record.state = None
        return record

    def __setstate__(self, state):
        self.state = state

    @property
    def name(self):
        return type(self).__name__


class _RecordUnpickler(pickle.Unpickler):

    _RECORDS = {
        ('net', 'RankNet'), ('net', 'CNN'), ('net', 'DeepCNN'), ('net', 'Features'),
        ('net', 'ResNet50'), ('net', 'VGG16'), ('net', 'VGG16Layers'),
        ('__main__', 'RankNet'), ('__main__', 'CNN'),
        ('chainer.variable', 'Variable'),
        ('chainer.variable', '_create_variable'),
        ('chainer.variable', '_recover_parameter'),
        ('chainer.links.connection.convolution_2d', 'Convolution2D'),
        ('chainer.links.connection.linear', 'Linear'),
        ('chainer.links.normalization.batch_normalization', 'BatchNormalization'),
        ('chainer.links.model.vision.resnet', 'ResNet50Layers'),
        ('chainer.links.model.vision.resnet', 'BuildingBlock'),
        ('chainer.links.model.vision.resnet', 'BottleneckA'),
        ('chainer.links.model.vision.resnet', 'BottleneckB'),
        ('chainer.initializers.constant', 'Constant'),
        ('chainer.initializers.normal', 'LeCunNormal'),
        ('chainer.initializers.normal', 'HeNormal'),
        ('chainer.backends._cpu', 'CpuDevice'),
        ('chainer.flag', 'Flag'),
        ('chainer.optimizer', 'Hyperparameter'),
        ('chainer.optimizer', '_Hookable'),
        ('chainer.optimizers.adam', 'AdamRule'),
        ('collections', 'OrderedDict'),
        ('numpy', 'ndarray'), ('numpy', 'dtype'),
        ('numpy.core.multiarray', '_reconstruct'), ('numpy._core.multiarray', '_reconstruct'),
        ('numpy.core.multiarray', 'scalar'), ('numpy._core.multiarray', 'scalar'),
        ('numpy.core.numeric', '_frombuffer'), ('numpy._core.numeric', '_frombuffer'),
        # As Python 3 calls them, and Python 2 and low protocols.
        ('builtins', 'object'), ('__builtin__', 'object'),
        ('builtins', 'set'), ('__builtin__', 'set'),
    }
    _FUNCTIONS = {
        ('copyreg', '_reconstructor'): lambda cls, base, state: _make_record(cls),
        ('copy_reg', '_reconstructor'): lambda cls, base, state: _make_record(cls),
        ('_codecs', 'encode'): lambda text, encoding: _encode_latin1(text, encoding),
    }

    def __init__(self, f):
        super().__init__(f, encoding='latin1')
        # Made anew for each file, so that no file can change them for another.
        self._names = {pair: type(pair[1], (_Record,), {}) for pair in self._RECORDS}

    def find_class(self, module, name):
        found = self._names.get((module, name)) or self._FUNCTIONS.get((module, name))
        if found is None:
            raise ModelFileError('it asks for {}.{}'.format(module, name))
        return found


def _make_record(cls):
    if not (isinstance(cls, type) and issubclass(cls, _Record)):
        raise ModelFileError('it makes an object of something that is no class')
    return cls()


def _encode_latin1(text, encoding):
    if type(text) is not str or encoding != 'latin1':
        raise ModelFileError('it encodes something other than bytes')
    return text.encode('latin1')


def _build_model(record):
    ranknet = _state_of(record, 'RankNet')
    predictor = ranknet.get('predictor')
    if not isinstance(predictor, _Record) or predictor.name not in PREDICTORS:
        raise ModelFileError('its predictor is none of {}'.format(', '.join(PREDICTORS)))
    image_size = _check_image_size(ranknet.get('image_size'))
    image_scale = _check_image_scale(ranknet.get('image_scale'))
    n_features = _check_n_features(_state_of(predictor).get('n_features', 0))
    model = net.RankNet(PREDICTORS[predictor.name](image_size), image_size, image_scale)
    if n_features:
        model.predictor.add_features(n_features)
    for prefix, link in model.namedlinks():
        for name in link._params | link._persistent:
            array = chainer.as_array(getattr(link, name))
            if isinstance(array, np.ndarray):  # a count of batches is of no use
                array[...] = _find_weights(record, prefix + '/' + name, array.shape)
    return model


def _state_of(record, name=None):
    if not isinstance(record, _Record) or not isinstance(record.state, dict):
        raise ModelFileError('it holds something else')
    if name and record.name != name:
        raise ModelFileError('it holds a {}'.format(record.name))
    return record.state


def _check_image_size(size):
    if size is None:  # the article's own script, whose pictures all were so
        return 80, 80
    if not (isinstance(size, tuple) and len(size) == 2
            and all(type(side) is int and net.SMALLEST <= side <= 10000 for side in size)):
        raise ModelFileError('its image size is no pair of whole numbers in range')
    return size


def _check_image_scale(scale):
    if scale is not None and not (type(scale) is float and 0 < scale < math.inf):
        raise ModelFileError('its image scale is no number above 0')
    return scale


def _check_n_features(n):
    if not (type(n) is int and 0 <= n <= files.MOST_FEATURES):
        raise ModelFileError('its number of features is none')
    return n


def _find_weights(record, path, shape):
    for name in path.strip('/').split('/'):
        record = _state_of(record).get(name)
        if not isinstance(record, _Record):
            raise ModelFileError('it has no {}'.format(path))
    if record.name not in _ARRAYS:  # a parameter, around its array
        record = record.args[0] if record.args else None
    weights = _decode_array(record, path, shape)
    if not np.isfinite(weights).all():
        raise ModelFileError('its weights {} hold nan or inf'.format(path))
    return weights


def _decode_array(record, path, expected_shape):
    """Read an array out of what a pickle says of it, before NumPy sees any of it."""
    if isinstance(record, _Record) and record.name == _ARRAYS[0]:    # protocols 0 to 4
        _, shape, dtype, fortran_order, data = record.state
    elif isinstance(record, _Record) and record.name == _ARRAYS[1]:  # protocol 5
        data, dtype, shape, order = record.args
        fortran_order = order == 'F'
    else:
        raise ModelFileError('it has no weights {}'.format(path))
    if type(shape) is not tuple or shape != expected_shape:
        raise ModelFileError('its weights {} do not have the shape {}'.format(
            path, ' x '.join(map(str, expected_shape))))
    dtype = _decode_dtype(dtype, path)
    if type(data) is str:  # of Python 2
        data = data.encode('latin1')
    if type(data) not in (bytes, bytearray) or len(data) != math.prod(shape) * dtype.itemsize:
        raise ModelFileError('its weights {} have too many or too few bytes'.format(path))
    return np.frombuffer(data, dtype).reshape(shape, order='F' if fortran_order else 'C')


def _decode_dtype(record, path):
    if isinstance(record, _Record) and record.name == 'dtype' and type(record.state) is tuple:
        code, byte_order = record.args[0], record.state[1]
        if code in ('f2', 'f4', 'f8') and byte_order in ('<', '>'):
            return np.dtype(byte_order + code)
    raise ModelFileError('its weights {} are no floating-point numbers'.format(path))


def load_snapshot(path, trainer):
    """Put a trainer into the state in which a snapshot was taken.

    Unlike :func:`chainer.serializers.load_npz`, this unpickles nothing.

    Args:
        path (str): A ``snapshot_iter_N`` of ``train.py``.
        trainer (chainer.training.Trainer): Set up as the one of the snapshot.

    Raises:
        ModelFileError: If the file is no snapshot, is damaged or does not fit
            the trainer.
    """
    try:
        with open(path, 'rb') as f, np.lib.npyio.NpzFile(f, allow_pickle=False) as npz:
            chainer.serializers.NpzDeserializer(npz).load(trainer)
    except (KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as e:
        raise ModelFileError('{}: expected a snapshot that train.py took of the same network on '
                             'pictures of the same size, but {}: {}'
                             .format(path, type(e).__name__, e)) from e
