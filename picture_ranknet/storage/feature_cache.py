"""A cache of the features that a network computes from pictures, kept beside them.

``X.features`` beside ``X.npy`` holds a header, a digest of each picture, and
float16 features, a row for each picture.  Rows are found by the picture's
digest, so appended, removed or reordered pictures keep theirs.  A file from
another network, or a damaged one, is ignored and replaced; a file that
something else wrote is left alone.
"""
import hashlib
import itertools
import json
import os
from collections.abc import Callable
from typing import Optional

import numpy as np

from picture_ranknet.machine import threads
from picture_ranknet.storage import arrays, atomic
from picture_ranknet.text import silent

HEADER = 512             # bytes
START = b'{"picture-ranknet features": '
DIGEST = 16              # bytes
MOST_BYTES = 2 ** 33     # of a file: 200,000 pictures; larger sets are not cached
BLOCK = 64               # pictures read at a time


def path_of(X: np.ndarray) -> Optional[str]:
    """The path of the cache; ``None`` if the pictures are not from a file."""
    name = getattr(X, 'filename', None)
    return f'{os.path.splitext(name)[0]}.features' if name else None


def rows_of(X: np.ndarray, kind: str, n_columns: int, see: Callable, rows: np.ndarray = None,
            progress: Callable[[int], object] = silent) -> np.ndarray:
    """Features of pictures: cached ones, and for the others those that ``see`` computes.

    They are cached when all rows are requested, if the folder is writable.

    Args:
        X: Pictures, shape ``(N, 3, H, W)``.
        kind: Identifies what ``see`` computes; features of another kind are
            ignored.
        n_columns: The number of features of a picture.
        see: Computes float32 ``(B, n_columns)`` from pictures ``(B, 3, H, W)``.
        rows: Which pictures, in which order; ``None`` for all.
        progress: Called with the number of pictures just done.

    Returns:
        numpy.ndarray: float16, shape ``(len(rows), n_columns)``; a memory map
        where possible.
    """
    path = path_of(X)
    wanted = np.arange(len(X)) if rows is None else np.asarray(rows)
    digests = _digests(X, wanted)
    known, kept = _open(path, kind, n_columns)
    if known == digests:
        progress(len(digests))
        return kept
    known = {digest: i for i, digest in enumerate(known)}
    at = np.array([known.get(digest, -1) for digest in digests], int)
    progress(int((at >= 0).sum()))
    if (at >= 0).all():
        return kept[at]

    def fill(features):
        for start in range(0, len(wanted), BLOCK):
            part = slice(start, start + BLOCK)
            here, missing = at[part] >= 0, np.flatnonzero(at[part] < 0)
            if here.any():
                features[part][here] = kept[at[part][here]]
            for few in np.array_split(missing, -(-len(missing) // 16)) if len(missing) else ():
                seen = see(arrays.take(X, wanted[part][few]))
                features[start + few] = np.clip(seen, -65000, 65000)
                progress(len(few))
            arrays.release(features)  # what is written need not stay in memory
        return features

    n_bytes = HEADER + len(wanted) * (DIGEST + 2 * n_columns)
    if rows is None and path and n_bytes <= MOST_BYTES and _may_write(path):
        try:
            with atomic.replacing(path) as part:
                _write(part, kind, n_columns, digests, fill)
            return _open(path, kind, n_columns)[1]
        except OSError:  # a full disk, for instance
            pass
    return fill(np.empty((len(wanted), n_columns), np.float16))


def _may_write(path):
    """Whether the cache can be written: the folder is writable, and no foreign file is there."""
    if os.path.exists(path):
        with open(path, 'rb') as f:
            if f.read(len(START)) != START:
                return False
    return os.access(os.path.dirname(os.path.abspath(path)), os.W_OK)


def _digests(X, rows):
    def digests_of(part):
        return [hashlib.blake2b(np.ascontiguousarray(picture), digest_size=DIGEST,
                                person=str(picture.dtype.str).encode()).digest()
                for picture in arrays.take(X, rows[part])]

    parts = [slice(start, start + BLOCK) for start in range(0, len(rows), BLOCK)]
    return list(itertools.chain(*threads.run(digests_of, parts)))


def _header(kind, n, n_columns):
    text = json.dumps(kind) + json.dumps({'pictures': n, 'columns': n_columns}).replace('{', ', ')
    return (START + text.encode()).ljust(HEADER - 1) + b'\n'


def _open(path, kind, n_columns):
    """Digests and features of a file of this kind; empty for any other file."""
    nothing = [], np.empty((0, n_columns), np.float16)
    try:
        with open(path or '', 'rb') as f:
            header = f.read(HEADER)
            n = json.loads(header)['pictures']
            size = HEADER + n * (DIGEST + 2 * n_columns)
            if header != _header(kind, n, n_columns) or os.fstat(f.fileno()).st_size != size:
                return nothing
            digests = f.read(n * DIGEST)
        if n == 0:
            return nothing
        kept = np.memmap(path, np.float16, 'r', HEADER + n * DIGEST, (n, n_columns))
    except (OSError, ValueError, KeyError, TypeError):
        return nothing
    return [digests[i * DIGEST:(i + 1) * DIGEST] for i in range(n)], kept


def _write(path, kind, n_columns, digests, fill):
    with open(path, 'wb') as f:
        f.write(_header(kind, len(digests), n_columns))
        f.write(b''.join(digests))
        f.truncate(HEADER + len(digests) * (DIGEST + 2 * n_columns))
    features = np.memmap(path, np.float16, 'r+', HEADER + len(digests) * DIGEST,
                         (len(digests), n_columns))
    fill(features)
    features.flush()
