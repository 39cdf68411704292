"""Pictures and features: NumPy arrays on disk, validated, and read as they are needed."""
import mmap
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Optional

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.storage import npy, replacing

CHANNELS = 3
MOST_FEATURES = 100000  # of a picture
AT_ONCE = 4             # pictures taken before their pages are released


class RatedPictures(NamedTuple):

    """Pictures ``X``, shape ``(N, 3, H, W)``, of which some are rated.

    ``ratings``, shape ``(N,)``, is ``nan`` where there is no rating; ``rows``
    are the rated ones to use.  ``features``, shape ``(N, D)``, float32, are
    optional additional features of each picture.
    """

    X: np.ndarray
    ratings: np.ndarray
    rows: np.ndarray
    features: Optional[np.ndarray] = None


def read_pictures(path: str, image_size: Optional[tuple] = None) -> np.memmap:
    """Open a set of pictures without reading it into memory.

    Args:
        path: A ``.npy`` file of shape ``(N, 3, H, W)``, RGB, ``uint8`` in
            0..255 or any floating type.
        image_size: Height and width that the pictures must have.

    Returns:
        numpy.memmap: The pictures, read from disk as they are used.

    Raises:
        InputError: If the file is not such an array, is empty or cut short,
            holds Python objects (which are never unpickled) or pictures of
            another size, or if a change to the set was interrupted.
    """
    replacing.check_none(path)
    X = npy.open_map(path, _check_pictures, 'pictures')
    if image_size and X.shape[2:] != tuple(image_size):
        height, width = image_size
        raise InputError(f'{path}: expected pictures of {width} x {height} pixels, got '
                         f'{X.shape[3]} x {X.shape[2]}; see --size of crop_faces.py')
    return X


def _check_pictures(path, shape, dtype):
    def wrong(came, remedy):
        return InputError(f'{path}: expected pictures of shape N x {CHANNELS} x height x width, '
                          f'got {came}; {remedy}')

    came = ' x '.join(map(str, shape)) or 'a single number'
    if dtype.hasobject:
        raise wrong('Python objects', 'save numbers: numpy.stack(pictures)')
    if len(shape) == 3:
        raise wrong(came, 'a single picture needs a first axis of length 1, grey ones need 3 '
                          'channels')
    if len(shape) != 4:
        raise wrong(came, 'crop_faces.py makes such a file')
    if shape[1] != CHANNELS and shape[3] == CHANNELS:
        raise wrong(came, 'the channels come last: save X.transpose(0, 3, 1, 2)')
    if shape[1] != CHANNELS:
        raise wrong(came, 'pictures must be RGB')
    if min(shape) < 1:
        raise wrong(came, 'it holds no pictures')
    if dtype != np.uint8 and dtype.kind != 'f':
        raise InputError(f'{path}: expected uint8 (0 to 255) or floating-point pictures, got '
                         f"{dtype}; save X.astype('uint8')")


def read_features(path: str, n: int, n_features: Optional[int] = None) -> np.ndarray:
    """Read additional features of each of ``n`` pictures.

    Args:
        path: A ``.npy`` file of shape ``(n, D)``, real numbers.
        n: The number of pictures.
        n_features: The required D; ``None`` for any above 0.

    Returns:
        numpy.ndarray: Shape ``(n, D)``, float32.

    Raises:
        InputError: If the file is not such an array, or has a value that is
            not finite.
    """
    def check(path, shape, dtype):
        if dtype.kind not in 'fiub':
            raise InputError(f'{path}: expected numbers, got {dtype}; see numpy.save')
        if len(shape) != 2 or shape != (n, n_features or min(max(1, shape[1]), MOST_FEATURES)):
            came = ' x '.join(map(str, shape)) or 'a single number'
            raise InputError(f'{path}: expected {n} x {n_features or "D"} numbers, a row for each '
                             f'picture, got {came}; create it again for these pictures')

    with np.errstate(over='ignore'):  # inf is reported below
        features = np.array(npy.open_map(path, check, 'rows'), np.float32, order='C')
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        raise InputError(f'{path}, row {finite.argmin()} (from 0): expected finite numbers, got '
                         'nan or inf; fix it, or remove that picture')
    return features


def describe(path: str, X: np.ndarray) -> str:
    """One line about a set of pictures, including anything that makes it slow to read."""
    notes = [f'{len(X)} pictures of {X.shape[3]} x {X.shape[2]}', X.dtype.name]
    if not X.dtype.isnative:
        notes.append('foreign byte order')
    if X.flags.f_contiguous and not X.flags.c_contiguous:
        notes.append('Fortran order (slow to read; numpy.ascontiguousarray fixes it)')
    return f'{path}: {", ".join(notes)}'


def check_finite(path: str, X: np.ndarray, blocksize: int = 256) -> None:
    """Check that no pixel is nan or inf, ``blocksize`` pictures at a time.

    Raises:
        InputError: If one is.
    """
    if X.dtype.kind != 'f':
        return
    for start in range(0, len(X), blocksize):
        finite = np.isfinite(X[start:start + blocksize]).all(axis=(1, 2, 3))
        release(X)
        if not finite.all():
            raise InputError(f'{path}, row {start + finite.argmin()} (from 0): expected finite '
                             'pixel values, got nan or inf; fix or remove that picture')


# Memory

def release(X: np.ndarray) -> None:
    """Release the pages of a memory map that have been read.

    The system can reclaim these pages at any time, but until it does they
    count as memory of this process: 19 GB for a million pictures.
    """
    if isinstance(getattr(X, 'base', None), mmap.mmap) and hasattr(mmap, 'MADV_DONTNEED'):
        X.base.madvise(mmap.MADV_DONTNEED)


def take(X: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Copy some pictures, shape ``(len(rows), ...)``.

    From a memory map, all rows are requested before the first is read, and
    the memory is released afterwards.  Page by page, the system would wait for
    each, read up to megabytes around it, and count these as memory.

    Args:
        X: Pictures or other arrays, shape ``(N, ...)``.
        rows: Row numbers, from 0, in any order.
    """
    if not (isinstance(X.base, mmap.mmap) and hasattr(mmap, 'MADV_DONTNEED')
            and X.flags.c_contiguous):
        return X[rows]
    size = X.strides[0]
    for first in (X.offset % mmap.ALLOCATIONGRANULARITY + rows.astype(np.int64) * size).tolist():
        start = first // mmap.PAGESIZE * mmap.PAGESIZE
        X.base.madvise(mmap.MADV_WILLNEED, start, first + size - start)
    taken = np.empty((len(rows), *X.shape[1:]), X.dtype)
    for start in range(0, len(rows), AT_ONCE):
        taken[start:start + AT_ONCE] = X[rows[start:start + AT_ONCE]]
        release(X)  # all of it: what is mapped around a page that is read may be megabytes
    return taken


def walk(X: np.ndarray, rows: Optional[Iterable[int]] = None,
         every: int = 256) -> Iterator[np.ndarray]:
    """Yield all pictures, or those of some rows; release memory after each ``every``."""
    for number, row in enumerate(range(len(X)) if rows is None else rows, 1):
        yield X[row]
        if number % every == 0:
            release(X)
    release(X)
