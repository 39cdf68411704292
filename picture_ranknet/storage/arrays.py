"""Pictures and features on disk: NumPy arrays that are mapped, checked and read as needed.

A file may come from anybody: none is read further, and no more memory is
taken, than a good one needs.
"""
import io
import math
import mmap
import os
import struct
import warnings
from typing import NamedTuple

import numpy as np

from picture_ranknet.errors import InputError

CHANNELS = 3
MOST_FEATURES = 100000  # of a picture
NPY_HEADER = 10000      # bytes; numpy.save needs 118


class RatedPictures(NamedTuple):
    """Pictures of ``X``, shape ``(N, 3, H, W)``, that have a rating.

    ``rows`` says which of the ``N``; ``ratings``, shape ``(N,)``, holds
    ``nan`` at others.  ``features``, shape ``(N, D)``, float32, is what is
    known of them otherwise; ``None`` if nothing is.
    """

    X: np.ndarray
    ratings: np.ndarray
    rows: np.ndarray
    features: np.ndarray = None


def read_pictures(path, image_size=None):
    """Open a set of pictures without reading it into memory.

    Args:
        path (str): A ``.npy`` file of shape ``(N, 3, H, W)``, RGB, ``uint8``
            in 0..255 or any floating type.
        image_size (tuple): Height and width that the pictures must have.

    Returns:
        numpy.memmap: The pictures, read from disk as they are used.

    Raises:
        InputError: If the file is not such an array, is empty, is cut short,
            holds Python objects (which are never unpickled), or pictures of
            another size.
    """
    if os.path.exists(moves_path(path)):
        raise InputError('{0}: crop_faces.py was stopped while it changed this set; to complete '
                         'that, say crop_faces.py -o {0} --review sheet.png'.format(path))
    X = _map_npy(path, _check_pictures, 'pictures')
    if image_size and X.shape[2:] != tuple(image_size):
        raise InputError('{}: expected pictures of {} x {} pixels, got {} x {}; see --size of '
                         'crop_faces.py'.format(path, *image_size[::-1], *X.shape[:1:-1]))
    return X


def _map_npy(path, check, noun):
    with open(path, 'rb') as f:
        shape, fortran_order, dtype = _read_npy_header(path, f)
        check(path, shape, dtype)
        offset = f.tell()
        size = os.fstat(f.fileno()).st_size
    expected = offset + math.prod(shape) * dtype.itemsize
    if size != expected:
        raise InputError(
            '{}: expected {:,} bytes for {} {}, got {:,}: the file is {}; make it anew'.format(
                path, expected, shape[0], noun, size,
                'cut short' if size < expected else 'damaged'))
    return np.memmap(path, dtype, 'r', offset, shape, 'F' if fortran_order else 'C')


def _read_npy_header(path, f):
    try:
        return _parse_npy_header(f)
    except Exception as e:  # numpy's parser raises many kinds
        f.seek(0)
        start = f.read(8)
        if not start:
            came = 'an empty file'
        elif start.startswith(b'PK'):
            came = 'an .npz archive'
        elif not start.startswith(np.lib.format.MAGIC_PREFIX):
            came = 'something else'
        else:
            came = 'a damaged header'
        raise InputError(
            '{}: expected a NumPy array (.npy), got {}; crop_faces.py or numpy.save makes one'
            .format(path, came)) from e


def _parse_npy_header(f):
    """Shape, order and type; the file stands at the first number then.

    NumPy takes a header for what Python's parser makes of it, so it gets no
    more than ``NPY_HEADER`` bytes, and what it makes of them is checked.
    """
    npy = np.lib.format
    reader, length = {
        (1, 0): (npy.read_array_header_1_0, '<H'),
        (2, 0): (npy.read_array_header_2_0, '<I')}[npy.read_magic(f)]
    prefix = f.read(struct.calcsize(length))
    n, = struct.unpack(length, prefix)
    if n > NPY_HEADER:
        raise ValueError('a header of {} bytes'.format(n))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of Python 2's numbers, such as 3L
        shape, fortran_order, dtype = reader(io.BytesIO(prefix + f.read(n)))
    if not all(type(side) is int and 0 <= side < 2 ** 63 for side in shape):
        raise ValueError('a shape of other than whole numbers')
    if math.prod(shape) * dtype.itemsize >= 2 ** 63:
        raise ValueError('more bytes than a file has')
    return shape, fortran_order, dtype


def _check_pictures(path, shape, dtype):
    def expected(came, remedy):
        return InputError('{}: expected pictures of shape N x {} x height x width, got {}; {}'
                          .format(path, CHANNELS, came, remedy))

    came = ' x '.join(map(str, shape)) or 'a single number'
    if dtype.hasobject:
        raise expected('Python objects', 'save numbers: numpy.stack(pictures)')
    if len(shape) == 3:
        raise expected(came, 'a single or a grey picture? a set needs all four axes')
    if len(shape) != 4:
        raise expected(came, 'crop_faces.py makes such a file')
    if shape[1] != CHANNELS and shape[3] == CHANNELS:
        raise expected(came, 'the colours come last: save X.transpose(0, 3, 1, 2)')
    if shape[1] != CHANNELS:
        raise expected(came, 'pictures must be RGB')
    if min(shape) < 1:
        raise expected(came, 'there is no picture in it')
    if dtype != np.uint8 and dtype.kind != 'f':
        raise InputError('{}: expected uint8 (0 to 255) or floating-point pictures, got {}; '
                         "save X.astype('uint8')".format(path, dtype))


def read_features(path, n, n_features=None):
    """Read what is known of each picture.

    Args:
        path (str): A ``.npy`` file of shape ``(n, D)``, real numbers.
        n (int): The number of pictures.
        n_features (int): What D must be; ``None`` for any above 0.

    Returns:
        numpy.ndarray: float32.

    Raises:
        InputError: If the file is not such an array, or holds nan or inf.
    """
    def check(path, shape, dtype):
        if dtype.kind not in 'fiub':
            raise InputError('{}: expected numbers, got {}; see numpy.save'.format(path, dtype))
        if len(shape) != 2 or shape != (n, n_features or min(max(1, shape[1]), MOST_FEATURES)):
            raise InputError('{}: expected {} x {} numbers, a row for each picture, got {}; make '
                             'it anew for these pictures'.format(
                                 path, n, n_features or 'D',
                                 ' x '.join(map(str, shape)) or 'a single one'))

    with np.errstate(over='ignore'):  # what is too large is said below
        features = np.array(_map_npy(path, check, 'rows'), np.float32, order='C')
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        raise InputError('{}, row {} (from 0): expected finite numbers, got nan or inf; mend it '
                         'or remove that picture'.format(path, finite.argmin()))
    return features


def release(X):
    """Let go of what has been read of a memory map.

    The system can take these pages back at any time, but until it does they
    count as memory of this process: 19 GB for a million pictures.
    """
    if isinstance(getattr(X, 'base', None), mmap.mmap) and hasattr(mmap, 'MADV_DONTNEED'):
        X.base.madvise(mmap.MADV_DONTNEED)


def take(X, rows):
    """Copies of some pictures, shape ``(len(rows), ...)``.

    Those of a memory map are asked for before the first is read, all at once,
    and let go of afterwards.  Page by page the system would read each when
    its turn comes, with up to megabytes around it, and count it as memory.

    Args:
        X (numpy.ndarray): Pictures or other arrays, shape ``(N, ...)``.
        rows (numpy.ndarray): Which of them, from 0, in which order.
    """
    if not (isinstance(X.base, mmap.mmap) and hasattr(mmap, 'MADV_DONTNEED')
            and X.flags.c_contiguous):
        return X[rows]
    size = X.strides[0]
    for first in (X.offset % mmap.ALLOCATIONGRANULARITY + rows.astype(np.int64) * size).tolist():
        start = first // mmap.PAGESIZE * mmap.PAGESIZE
        X.base.madvise(mmap.MADV_WILLNEED, start, first + size - start)
    taken = X[rows]
    release(X)  # all of it: what is mapped around a page that is read may be megabytes
    return taken


def walk(X, rows=None, every=256):
    """Yield pictures, all or those of some rows, and let go of what has been read of them."""
    for number, row in enumerate(range(len(X)) if rows is None else rows, 1):
        yield X[row]
        if number % every == 0:
            release(X)
    release(X)


def describe(path, X):
    """One line on a set of pictures, with what makes it slow to read, if anything."""
    notes = ['{} pictures of {} x {}'.format(len(X), X.shape[3], X.shape[2]), X.dtype.name]
    if not X.dtype.isnative:
        notes.append('foreign byte order')
    if X.flags.f_contiguous and not X.flags.c_contiguous:
        notes.append('Fortran order (slow to read; numpy.ascontiguousarray mends it)')
    return '{}: {}'.format(path, ', '.join(notes))


def check_finite(path, X, blocksize=256):
    """Raise :class:`InputError` if a floating-point picture holds nan or inf."""
    if X.dtype.kind != 'f':
        return
    for start in range(0, len(X), blocksize):
        finite = np.isfinite(X[start:start + blocksize]).all(axis=(1, 2, 3))
        release(X)
        if not finite.all():
            raise InputError('{}, row {} (from 0): expected finite pixel values, got nan or inf; '
                             'mend or remove that picture'.format(path, start + finite.argmin()))


def moves_path(pictures_path):
    """Where :mod:`picture_set` notes which files of a set take their places."""
    folder, name = os.path.split(os.path.realpath(pictures_path))
    return os.path.join(folder, '.{}.moves'.format(os.path.splitext(name)[0]))
