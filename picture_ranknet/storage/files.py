"""Reading and writing the files that pictures, ratings and scores live in.

Every reader says in one line what is wrong with a file: where, what was
expected, what came and what to do about it (:class:`InputError`).  Every
writer goes through :func:`replacing`, so that no file is ever half written.

A file may come from anybody: none is read further, and no more memory is
taken, than a good one needs.
"""
import contextlib
import csv
import errno
import functools
import io
import math
import mmap
import os
import platform
import re
import shutil
import struct
import types
import warnings
import zlib
from typing import NamedTuple

import numpy as np

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

CHANNELS = 3
MOST_FEATURES = 100000  # of a picture
NPY_HEADER = 10000      # bytes; numpy.save needs 118
LINE_LIMIT = 1000       # characters; a rating needs no more than a few
SURPLUS = 100000        # lines that a file of ratings may have besides: comments, blank ones
ROW_LIMIT = 2 ** 15     # characters of a row of a table
ROW_AVERAGE = 1000      # ... of all rows, on average, besides
TABLE_ROOM = 2 ** 20    # ... so many
MOST_LINES = 2000000    # of a table of which nobody knows how long it should be
FORMULA = re.compile("('*)[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")  # what spreadsheets run
LOCK_BYTE = 2 ** 62     # far behind the text: Windows lets nobody read what is locked


class InputError(Exception):

    """Something that a person gave us is not what the command can work with."""


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


def read_ratings(path, n):
    """Read one rating a line.

    Blank lines and what follows a ``#`` are passed over, as
    :func:`numpy.loadtxt` does.

    Args:
        path (str): A text file; higher is better liked, ``nan`` stands for a
            picture that is not rated.
        n (int): The number of pictures, and so of ratings.

    Returns:
        numpy.ndarray: Ratings, shape ``(n,)``, float64.

    Raises:
        InputError: If a line is not a number, or there are not ``n`` of them.
    """
    ratings = []
    for number, line in _numbered_lines(path, n):
        text = line.split('#', 1)[0].strip()
        if text:
            ratings.append(_parse_rating(path, number, text))
    if len(ratings) != n:
        raise InputError(
            '{}: expected {} ratings, one a line for each picture, got {}; '
            'write nan for a picture that is not rated'.format(path, n, len(ratings)))
    return np.array(ratings)


def drop_ratings(path, n, rows):
    """The text of a file of ``n`` ratings without those of some rows; comments stay.

    Raises:
        InputError: As :func:`read_ratings` does.
    """
    return ''.join(line for row, line in rating_lines(path, n) if row not in rows)


def rating_lines(path, n):
    """The lines of a file of ``n`` ratings as they stand.

    Returns:
        list of tuple: Row, from 0, and line; ``None`` and line where a line
        is blank or only a comment.

    Raises:
        InputError: As :func:`read_ratings` does.
    """
    read_ratings(path, n)
    lines, row = [], 0
    for _, line in _numbered_lines(path, n):
        is_rating = bool(line.split('#', 1)[0].strip())
        lines.append((row if is_rating else None, line))
        row += is_rating
    return lines


def _numbered_lines(path, n):
    with open(path, encoding='utf-8-sig') as f:  # -sig: Windows editors add a BOM
        try:
            for number, line in enumerate(iter(lambda: f.readline(LINE_LIMIT), ''), 1):
                if len(line) == LINE_LIMIT:
                    raise InputError('{}, line {}: expected one number, got over {} characters; '
                                     'write one rating a line'.format(path, number, LINE_LIMIT - 1))
                if number > n + SURPLUS:
                    raise InputError('{}: expected {} ratings, one a line for each picture, got '
                                     'over {:,} lines; is it another file?'.format(
                                         path, n, n + SURPLUS))
                yield number, line
        except UnicodeDecodeError as e:
            raise InputError('{}: expected text in UTF-8, got other bytes; save it as plain text'
                             .format(path)) from e


def _parse_rating(path, number, text):
    try:
        rating = float(text)
    except ValueError as e:
        shown = text if len(text) <= 40 else text[:40] + '...'
        remedy = ('write decimals with a point' if ',' in text else
                  'write one rating a line, nan for a picture that is not rated')
        raise InputError('{}, line {}: expected a number, got {!r}; {}'
                         .format(path, number, shown, remedy)) from e
    if math.isinf(rating):
        raise InputError('{}, line {}: expected a finite number, got {!r}; '
                         'use a scale such as 1 to 5'.format(path, number, text))
    return rating


def write_scores(path, scores):
    """Write one score a line, in input order, as the article does."""
    with replacing(path) as part:
        np.savetxt(part, scores)


def table_path(pictures_path):
    """Where the table of a set of pictures lies: ``X.csv`` beside ``X.npy``."""
    return os.path.splitext(pictures_path)[0] + '.csv'


def moves_path(pictures_path):
    """Where :mod:`picture_set` notes which files of a set take their places."""
    folder, name = os.path.split(os.path.realpath(pictures_path))
    return os.path.join(folder, '.{}.moves'.format(os.path.splitext(name)[0]))


def read_table(path, n, names=None):
    """Read a table that has one row for each of ``n`` pictures.

    Args:
        path (str): A CSV file with a line of column names.
        n (int): The number of pictures.
        names (tuple of str): Keep these columns only, of those that there
            are; ``None`` for all.

    Returns:
        tuple: The column names and the rows, each a list of strings, in the
        order of the pictures: that of the column ``row``, if there is one.

    Raises:
        InputError: If it does not have ``n`` rows, a row does not have one
            value for each column, or the column ``row`` is not 0 to ``n - 1``.
    """
    if os.path.getsize(path) > TABLE_ROOM + ROW_AVERAGE * n:
        raise InputError('{}: expected a table of {} rows, one for each picture, got {:,} bytes; '
                         'move it away if it belongs to other pictures'.format(
                             path, n, os.path.getsize(path)))
    remedy = 'make it anew with crop_faces.py'
    lines = (line for _, line in read_rows(path, remedy))
    columns = next(lines, [])
    kept = [c for c, column in enumerate(columns) if names is None or column in names]
    place = columns.index('row') if 'row' in columns else None
    rows, numbers = [], []
    same = {}  # one string for equal ones, of which a large table is full
    for line in lines:
        if len(line) != len(columns):
            raise InputError('{}, row {}: expected {} values, got {}; {}'.format(
                path, len(rows), len(columns), len(line), remedy))
        rows.append([same.setdefault(line[c], line[c]) for c in kept])
        numbers.append(line[place] if place is not None else None)
    if len(rows) != n:
        raise InputError('{}: expected {} rows, one for each picture, got {}; '
                         'move it away if it belongs to other pictures'.format(path, n, len(rows)))
    if place is not None:
        rows = _in_order(path, numbers, rows)
    return [columns[c] for c in kept], rows


def _in_order(path, numbers, rows):
    if all(number == str(expected) for expected, number in enumerate(numbers)):
        return rows
    by_number = dict(zip(numbers, rows))
    try:
        return [by_number[str(number)] for number in range(len(rows))]
    except KeyError as e:
        raise InputError('{}: expected the rows 0 to {}, got none with the number {}; make it '
                         'anew with crop_faces.py'.format(path, len(rows) - 1, e)) from e


def read_rows(path, remedy='save it anew'):
    """Read any table, row by row.

    Args:
        path (str): CSV, in UTF-8.
        remedy (str): What to do about a damaged one.

    Yields:
        tuple: The number of a line, from 1, the last one of its row, and the
        row, a list of strings.

    Raises:
        InputError: If it is none, or has a row of over ``ROW_LIMIT`` characters.
    """
    room = ROW_LIMIT

    def lines(f):
        nonlocal room
        while True:
            line = f.readline(room + 1)
            room -= len(line)
            if room < 0:
                raise csv.Error('a row of over {:,} characters'.format(ROW_LIMIT))
            if '\0' in line:
                raise csv.Error('a character of number 0')
            if not line:
                return
            yield line

    try:
        with open(path, newline='', encoding='utf-8-sig') as f:
            reader = csv.reader(lines(f))
            for row in reader:
                room = ROW_LIMIT
                yield reader.line_num, [_without_quote(cell) for cell in row]
    except (UnicodeDecodeError, csv.Error) as e:
        raise InputError('{}: expected a CSV table in UTF-8, got {}; {}'.format(
            path, e, remedy)) from e


def read_columns(path, names):
    """Read a table of which some columns are needed, row by row.

    Args:
        path (str): CSV, in UTF-8, of up to ``MOST_LINES`` lines.
        names (tuple of str): The columns; there may be others.

    Yields:
        tuple: The number of a line, and a dict of a row, by column; where a
        row is short, the rest is empty.

    Raises:
        InputError: If it is none, a column is missing, or there is no end.
    """
    columns = None
    for number, row in read_rows(path):
        if columns is None:
            columns = row
            missing = [name for name in names if name not in columns]
            if missing:
                raise InputError('{}, line 1: expected the columns {}, got none named {}'.format(
                    path, ','.join(names), ', '.join(missing)))
        elif number > MOST_LINES:
            raise InputError('{}: expected up to {:,} lines, got more; sum them up'.format(
                path, MOST_LINES))
        elif row:
            yield number, {**dict.fromkeys(columns, ''), **dict(zip(columns, row))}
    if columns is None:
        raise InputError('{}: expected the columns {}, got an empty file'.format(
            path, ','.join(names)))


def write_table(path, columns, rows):
    """Write a table with a line of column names.

    A spreadsheet runs what begins like a formula.  So a cell that does and is
    no number, such as the name of a file from somewhere, has a ``'`` put
    before it, which :func:`read_rows` takes away.
    """
    with replacing(path) as part:
        write_rows(part, columns, rows)


def write_rows(path, columns, rows):
    """As :func:`write_table`, to where it is said: beside the place of a table."""
    with open(path, 'w', newline='', encoding='utf-8') as f:
        # A writer whose lines end in \n alone would put no quotes around a \r in a name.
        lines = types.SimpleNamespace(write=lambda line: f.write(line[:-2] + '\n'))
        writer = csv.writer(lines, lineterminator='\r\n')
        writer.writerow(columns)
        writer.writerows(map(_with_quote, row) for row in rows)


def _with_quote(cell):
    return "'" + cell if isinstance(cell, str) and _is_formula(cell) else cell


def _without_quote(cell):
    return cell[1:] if cell[:1] == "'" and FORMULA.match(cell) else cell


def _is_formula(cell):
    if not FORMULA.match(cell):
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return False


def check_output(path, inputs=()):
    """Raise :class:`InputError` now if ``path`` could or should not be written later.

    Args:
        path (str): The file to write.
        inputs (list of str): Files that are read; none may be overwritten.
    """
    if _is_special(path):
        return
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if os.path.isdir(target):
        raise InputError('{}: expected the name of a file to write, got a folder'.format(path))
    if target in map(os.path.realpath, inputs):
        raise InputError('{}: would be overwritten, but is read as well; choose another name'
                         .format(path))
    if not os.path.isdir(folder):
        raise InputError('{}: there is no folder {}; make it first'.format(path, folder))
    if not os.access(folder, os.W_OK):
        raise InputError('{}: the folder {} is not writable'.format(path, folder))


def _is_special(path):
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


@contextlib.contextmanager
def replacing(path):
    """Yield a name beside ``path`` to write to; move it to ``path`` at the end.

    If the body fails, ``path`` stays as it was and the part is removed.  What
    is no regular file, such as ``/dev/stdout``, is written as it stands.

    The part is on the disk before it is moved: who loses power has the old
    file or the new one.
    """
    if _is_special(path):
        yield path
        return
    target = os.path.realpath(path)  # a link keeps pointing where it points
    part = part_of(target)
    try:
        with naming(part, path):
            yield part
            sync(part)
            os.replace(part, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(part)


@contextlib.contextmanager
def naming(part, path):
    """Let errors of writing a part name the file that the user knows."""
    try:
        yield
    except OSError as e:
        if e.errno and e.filename in (part, None):
            e.filename = path
        raise


def part_of(target):
    """A hidden name beside a file, for what will take its place, or for a folder of that.

    Its like that processes have left which were killed are removed.
    """
    folder, name = os.path.split(target)
    root, extension = os.path.splitext(name)  # numpy and Pillow look at the extension
    _remove_parts(folder, root, extension)
    return os.path.join(folder, '.{}.{}.{}.part{}'.format(
        root, _machine(), os.getpid(), extension))


def is_part_of(part, target):
    """Whether a name is one that :func:`part_of` gives for a file, in any process."""
    root, extension = os.path.splitext(os.path.basename(target))
    return bool(re.fullmatch(r'\.{}\.[0-9a-f]{{8}}\.\d+\.part{}'.format(
        re.escape(root), re.escape(extension)), part))


def sync(path):
    """Have a file, of which all is written, on the disk when this returns."""
    with open(path, 'rb+') as f:
        os.fsync(f.fileno())


@functools.lru_cache(1000)
def _remove_parts(folder, root, extension):
    # Once for each file: to list a folder of many is slow.
    if os.name != 'posix':  # Windows cannot ask for a process without ending it
        return
    of_dead = re.compile(r'\.+{}(\.{}\.(\d+)\.part)+{}'.format(
        re.escape(root), _machine(), re.escape(extension)))
    with contextlib.suppress(OSError):
        for name in os.listdir(folder or '.'):
            match = of_dead.fullmatch(name)
            if match and not _is_alive(int(match[2])):
                path = os.path.join(folder, name)
                with contextlib.suppress(OSError):
                    shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)


@functools.cache
def _machine():
    """Tells the machine, or the container, whose process numbers ours are, in eight digits."""
    space = ''
    with contextlib.suppress(OSError):
        space = os.readlink('/proc/self/ns/pid')
    return '{:08x}'.format(zlib.crc32((platform.node() + space).encode()))


def _is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's; no number of a process
        pass
    return True


def lock(file, message):
    """Keep other processes from locking a file, until it is closed or the process ends.

    Args:
        file (file): Open for writing.
        message (str): What to say if another process has it.

    Raises:
        InputError: If another process has it.
    """
    try:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            file.seek(LOCK_BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except OSError as e:
        if e.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):  # of some network disks
            return
        raise InputError(message) from e
