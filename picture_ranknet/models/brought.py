"""A network that the user supplies, as ONNX, as a feature extractor.

onnxruntime runs it.  Its input preprocessing is read from the file and what
lies beside it (:mod:`wanted`).  Features are averaged over a picture and its
mirror image.  Of an output that is a vector, all of it is used; of a sequence
of tokens, the first and their mean; of maps, mean and standard deviation of
each.
"""
import glob
import hashlib
import json
import math
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple, Optional

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.machine import threads
from picture_ranknet.machine.opencv import cv2
from picture_ranknet.models import sight, wanted
from picture_ranknet.models.wanted import Wanted
from picture_ranknet.pictures import descriptor
from picture_ranknet.text import silent

INSTALL = 'pip install "onnxruntime>=1.19,<2"'  # as in setup.py
VERSION = 1             # of the features; cached ones of another version are computed again
USUAL_SIDE = 224        # pixels, if the input size is unknown
MOST_SIDE = 2048
MOST_COLUMNS = 20000    # features that a network may compute from a picture
AT_ONCE = 8             # pictures
FLOATS = {'tensor(float)': np.float32, 'tensor(float16)': np.float16}
TYPES = {**FLOATS, 'tensor(uint8)': np.uint8}


class Network(NamedTuple):

    """What a model stores about a network that the user supplied, besides the digest."""

    name: str        # of its file, without a folder
    wanted: tuple    # a complete :class:`Wanted`
    n_columns: int   # number of its features


class Sight:

    """Features from a network in a file, gradients and colours: like :class:`sight.Sight`.

    Args:
        path (str): An ONNX file, whose only input is pictures.
        asked (Wanted): The input preprocessing that the user states; the rest
            is read from the file.
        note (callable): Called with a line if the scaling of pixels is unknown.

    Raises:
        InputError: If onnxruntime is missing, or the file is not such a network.
    """

    def __init__(self, path: str, asked: Optional[Wanted] = None,
                 note: Callable[[str], object] = silent):
        self.path, self.digest = path, digest(path)
        self._session = _start(path)
        self._input = _find_input(path, self._session)
        self._outputs = [output.name for output in self._session.get_outputs()
                         if output.type in FLOATS]
        shape = [n if isinstance(n, int) and n > 0 else None for n in self._input.shape]
        self._is_last, self._batch = shape[1] != 3 and shape[3] == 3, shape[0]
        fixed = Wanted(*(shape[1:3] if self._is_last else shape[2:]))
        self.wanted = _settle(path, asked or Wanted(), fixed, self._said(), self._dtype, note)
        n_columns = self._look(np.zeros((1, *self.wanted[:2], 3), np.float32)).shape[1]
        if n_columns > MOST_COLUMNS:
            raise InputError(f'{path}: expected at most {MOST_COLUMNS:,} features, got '
                             f'{n_columns:,}; export it with fewer outputs')
        self.network = Network(os.path.basename(path), tuple(self.wanted), n_columns)
        self.sizes = sizes(self.network)
        self.n_columns = sum(self.sizes.values())
        self.kind = f'brought {VERSION} {self.digest} {json.dumps(self.wanted)}'

    @property
    def _dtype(self):
        return TYPES[self._input.type]

    def see(self, pictures: np.ndarray) -> np.ndarray:
        """Compute the features of pictures.

        Args:
            pictures: Shape ``(B, 3, H, W)``, RGB, 0 to 255, any size.

        Returns:
            numpy.ndarray: float32, shape ``(B, n_columns)``.

        Raises:
            InputError: If the network does not run, or its outputs are not finite.
        """
        x = self._prepare(pictures)
        seen = np.concatenate([(self._look(part) + self._look(part[:, :, ::-1])) / 2
                               for part in np.split(x, range(AT_ONCE, len(x), AT_ONCE))])
        if not np.isfinite(seen).all():
            raise InputError(f'{self.path}: expected finite outputs, got nan or inf; see '
                             '--pretrained_mean')
        look = (descriptor.describe(pictures) + descriptor.describe(pictures[..., ::-1])) / 2
        return np.concatenate([seen, look], axis=1, dtype=np.float32)

    def _said(self):
        """The input preprocessing stated in the file, or in one beside it."""
        metadata = self._session.get_modelmeta().custom_metadata_map
        return wanted.read_metadata(self.path, metadata).fill(wanted.read_config(self.path))

    def _prepare(self, pictures):
        """Preprocess pictures for the network, channel last: ``(B, height, width, 3)``."""
        height, width, mean, deviation, is_bgr = self.wanted
        x = np.empty((len(pictures), height, width, 3), np.float32)
        for i, picture in enumerate(pictures):
            img = np.ascontiguousarray(np.clip(picture, 0, 255).transpose(1, 2, 0), np.float32)
            x[i] = cv2.resize(img, (width, height), interpolation=(
                cv2.INTER_AREA if img.shape[0] > height else cv2.INTER_CUBIC))
        x = (np.clip(x, 0, 255) / 255 - np.float32(mean)) / np.float32(deviation)
        return x[..., ::-1] if is_bgr else x

    def _look(self, x):
        """Run the network on pictures, ``(B, height, width, 3)``: float32, ``(B, n)``."""
        x = x if self._is_last else x.transpose(0, 3, 1, 2)
        x = np.ascontiguousarray(x.round() if self._dtype == np.uint8 else x, self._dtype)
        size = self._batch or AT_ONCE
        seen = []
        for part in np.split(x, range(size, len(x), size)):
            n = len(part)
            if self._batch:  # a fixed batch size
                part = np.resize(part, (size, *part.shape[1:]))
            try:
                outputs = self._session.run(self._outputs, {self._input.name: part})
            except Exception as e:  # onnxruntime raises many kinds
                raise InputError(f'{self.path}: cannot be run on pictures of '
                                 f'{" x ".join(map(str, part.shape))}: {_first_line(e)}') from e
            seen.append(_join(self.path, outputs, len(part), self._is_last)[:n])
        return np.concatenate(seen)


def _start(path):
    """onnxruntime's session of a file."""
    try:
        import onnxruntime
    except ImportError as e:
        raise InputError(f'{path}: a network needs onnxruntime to run; {INSTALL}') from e
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads.count()
    options.log_severity_level = 4  # errors are raised anyway
    try:
        return onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])
    except Exception as e:  # it raises many kinds
        raise InputError(f'{path}: expected an ONNX network: {_first_line(e)}') from e


def _first_line(e):
    return (str(e).strip().splitlines() or [type(e).__name__])[0][:200]


def _find_input(path, session):
    """The only input, pictures."""
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ', '.join(each.name for each in inputs)
        raise InputError(f'{path}: expected a network with one input, a picture, got {names}; '
                         'export the image encoder')
    shape = inputs[0].shape
    if (inputs[0].type not in TYPES or len(shape) != 4
            or not (shape[3] == 3 or shape[1] == 3 or not isinstance(shape[1], int))):
        came = ' x '.join(map(str, shape))
        raise InputError(f'{path}: expected pictures as input, N x 3 x H x W or N x H x W x 3, got '
                         f'{came} of {inputs[0].type}')
    return inputs[0]


def _settle(path, asked, fixed, said, dtype, note):
    """The input preprocessing: as the network requires, else user, else file, else default."""
    for name, must, wish in zip(fixed._fields, fixed[:2], asked):
        if must and wish and must != wish:
            raise InputError(f'{path}: expects pictures with a {name} of {must}, not {wish}; leave '
                             'out --pretrained_size')
    if dtype == np.uint8:
        said = said._replace(mean=(0.,) * 3, deviation=(1 / 255,) * 3)
    known = fixed.fill(asked).fill(said)
    if known.mean is None and known.deviation is None:
        note(f'{path}: does not say how pixels are scaled; using mean and deviation of ImageNet, '
             'see --pretrained_mean')
        known = known.fill(wanted.IMAGENET)
    known = known.fill(Wanted(USUAL_SIDE, USUAL_SIDE, (0.,) * 3, (1.,) * 3, False))
    if max(known[:2]) > MOST_SIDE:
        raise InputError(f'{path}: expected sides of at most {MOST_SIDE} pixels, got '
                         f'{max(known[:2])}; see --pretrained_size')
    if 0 in known.deviation:
        raise InputError(f'{path}: expected a deviation above 0; see --pretrained_deviation')
    return known


def _join(path, outputs, n, is_last):
    """The features from all outputs of a network, shape ``(n, ...)``."""
    seen = []
    for output in outputs:
        h = np.asarray(output, np.float32)
        if h.shape[:1] != (n,) or not 2 <= h.ndim <= 4:
            continue  # not an output per picture
        if h.ndim == 3:    # tokens
            h = np.concatenate([h[:, 0], h.mean(axis=1)], axis=1)
        elif h.ndim == 4:  # maps
            sides = (1, 2) if is_last else (2, 3)
            h = np.concatenate([h.mean(axis=sides), h.std(axis=sides)], axis=1)
        seen.append(h)
    if not seen:
        raise InputError(f'{path}: expected vectors, tokens or maps for each picture, got '
                         'something else; export it with such an output')
    return np.concatenate(seen, axis=1)


opened = {}  # the networks of this process: (digest, wanted) -> Sight


def get(digest: str, network: tuple) -> Sight:
    """The :class:`Sight` of an open network."""
    return opened[digest, tuple(network[1])]


def open_network(path: str, asked: Optional[Wanted] = None,
                 note: Callable[[str], object] = silent) -> Sight:
    """Open a network, so that models can use it; see :class:`Sight`."""
    eye = Sight(path, asked, note)
    return opened.setdefault((eye.digest, eye.network.wanted), eye)


def find(expected: str, network: tuple, model_path: str, paths: Sequence = ()) -> None:
    """Open the network that a model was trained with, unless it is already open.

    Args:
        expected: Its digest.
        network: A :class:`Network`.
        model_path: The model's file; the network may lie beside it, or in the
            current folder.
        paths: Networks that the user names.

    Raises:
        InputError: If it is not found.
    """
    network = Network(*network)
    if (expected, network.wanted) not in opened:
        beside = os.path.join(os.path.dirname(model_path), network.name)
        tried = [*paths, *(path for path in dict.fromkeys([beside, network.name])
                           if os.path.isfile(path))]
        path = next((path for path in tried if digest(path) == expected), None)
        if path is None:
            came = f', got {", ".join(tried)}, which differs' if tried else ''
            raise InputError(f'was trained with the network {network.name} ({expected[:8]}...)'
                             f'{came}; put it beside the model, or see --pretrained')
        open_network(path, Wanted(*network.wanted))
    if get(expected, network).network.n_columns != network.n_columns:
        raise InputError(f'was trained on other outputs of the network {network.name}; train again')


def digest(path: str) -> str:
    """The SHA-256 of a network, in hexadecimal digits, with the files of weights beside it."""
    sha = hashlib.sha256()
    for part in sorted({path, *glob.glob(glob.escape(path) + '[._]data')}):
        with open(part, 'rb') as f:
            for block in iter(lambda f=f: f.read(2 ** 20), b''):
                sha.update(block)
    return sha.hexdigest()


def sizes(network: tuple) -> dict:
    """The number of features in each group, by name, with a :class:`Network`."""
    return {'network': Network(*network).n_columns, 'look': sight.LOOK}


def check(network: object) -> Optional[tuple]:
    """Validate what a model file says about a network; ``None`` for none.

    Raises:
        ValueError: If it is malformed.
    """
    if network is None:
        return None
    if type(network) is tuple and len(network) == 3:
        name, known, n = network
        if (type(name) is str and 0 < len(name) < 256 and not set(name) & set('/\\:\0')
                and type(n) is int and 0 < n <= MOST_COLUMNS
                and type(known) is tuple and len(known) == 5
                and all(type(side) is int and 0 < side <= MOST_SIDE for side in known[:2])
                and all(type(values) is tuple and len(values) == 3
                        and all(type(x) is float and math.isfinite(x) for x in values)
                        for values in known[2:4])
                and 0 not in known[3] and type(known[4]) is bool):
            return network
    raise ValueError('what it says about its network is not a name, sizes and numbers')
