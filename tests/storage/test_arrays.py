import os
import pathlib
import re
import sys

import numpy as np
import pytest

from picture_ranknet.storage import arrays
from support.errors import error_of


@pytest.mark.parametrize('dtype', ['u1', 'f2', 'f4', 'f8', '>f4', '>f8'])
@pytest.mark.parametrize('order', 'CF')
def test_pictures_are_read_as_they_were_saved(saved, pictures, dtype, order):
    X = pictures.astype(dtype, order=order)
    read = arrays.read_pictures(saved(X))
    np.testing.assert_array_equal(read, X)
    assert isinstance(read, np.memmap) and read.dtype == X.dtype


def resident(path):
    """KiB of a mapped file that count as memory of this process."""
    sizes, is_of_file = [], False
    for line in pathlib.Path('/proc/self/smaps').read_text().splitlines():
        if re.match('[0-9a-f]+-[0-9a-f]+ ', line):
            is_of_file = line.endswith(os.path.realpath(path))
        elif is_of_file and line.startswith('Rss:'):
            sizes.append(int(line.split()[1]))
    assert sizes
    return sum(sizes)


@pytest.mark.parametrize('order', 'CF')
@pytest.mark.parametrize('dtype', ['u1', '>f4'])
def test_rows_are_taken_in_any_order(saved, pictures, dtype, order):
    X = pictures.astype(dtype, order=order)
    rows = np.array([29, 0, 7, 7, 28])
    for array in X, X[3:], arrays.read_pictures(saved(X)), arrays.read_pictures(saved(X))[3:]:
        taken = arrays.take(array, rows % len(array))
        np.testing.assert_array_equal(taken, array[rows % len(array)])
        assert taken.base is None or not np.shares_memory(taken, array)
    assert len(arrays.take(X, rows[:0])) == 0


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='needs Linux to see its memory')
@pytest.mark.parametrize('n', [400, 1500])  # Linux aligns a map of more than 2 MB
def test_rows_that_were_taken_are_let_go_of(saved, n):
    path = saved(np.zeros((n, 3, 40, 40), np.uint8))
    X = arrays.read_pictures(path)
    for rows in np.random.default_rng(0).permutation(n).reshape(-1, 50):
        arrays.take(X, rows)
    assert resident(path) < 100
    assert X.sum() == 0  # reads all
    assert resident(path) > n * 4.6


@pytest.mark.parametrize('array, words', [
    (np.zeros((2, 80, 80, 3), 'u1'), ['2 x 80 x 80 x 3', 'X.transpose(0, 3, 1, 2)']),
    (np.zeros((3, 80, 80), 'u1'), ['got 3 x 80 x 80', 'a first axis of length 1']),
    (np.zeros((2, 1, 80, 80), 'u1'), ['2 x 1 x 80 x 80', 'RGB']),
    (np.zeros((2, 4, 80, 80), 'u1'), ['2 x 4 x 80 x 80', 'RGB']),
    (np.zeros((5, 2), 'f4'), ['got 5 x 2']),
    (np.float32(3), ['a single number']),
    (np.zeros((0, 3, 80, 80), 'u1'), ['0 x 3 x 80 x 80', 'no picture']),
    (np.zeros((2, 3, 0, 80), 'u1'), ['no picture']),
    (np.zeros((2, 3, 80, 80), 'i8'), ['got int64', "X.astype('uint8')"]),
    (np.zeros((2, 3, 80, 80), 'c8'), ['got complex64']),
    (np.zeros((2, 3, 80, 80), '?'), ['got bool']),
])
def test_other_arrays_are_refused(saved, array, words):
    message = error_of(arrays.read_pictures, saved(array))
    assert message.startswith(str(saved(array)))
    for word in words:
        assert word in message


def test_pictures_of_another_size_are_refused(saved, pictures):
    message = error_of(arrays.read_pictures, saved(pictures[:, :, :15]), (20, 20))
    assert 'expected pictures of 20 x 20 pixels, got 20 x 15' in message


@pytest.mark.parametrize('X, words', [
    (np.zeros((2, 3, 10, 20), 'u1'), 'X.npy: 2 pictures of 20 x 10, uint8'),
    (np.zeros((2, 3, 10, 20), '>f8'), 'X.npy: 2 pictures of 20 x 10, float64, foreign byte order'),
    (np.zeros((2, 3, 10, 20), 'f4', order='F'),
     'X.npy: 2 pictures of 20 x 10, float32, Fortran order (slow to read; '
     'numpy.ascontiguousarray fixes it)'),
])
def test_pictures_are_described(X, words):
    assert arrays.describe('X.npy', X) == words


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_pixels_that_are_not_finite_are_found(value):
    X = np.zeros((9, 3, 4, 4), 'f4')
    arrays.check_finite('X.npy', X)
    X[6, 1, 2, 3] = value
    assert error_of(arrays.check_finite, 'X.npy', X, 4).startswith('X.npy, row 6 (from 0):')


@pytest.mark.parametrize('F', [
    np.arange(6.).reshape(3, 2), np.arange(6).reshape(3, 2), np.float16([[.5], [1], [2]]),
    np.asfortranarray(np.arange(6, dtype='>f8').reshape(3, 2)), np.eye(3) > 0])
def test_features_are_read(tmp_path, F):
    np.save(tmp_path / 'F.npy', F)
    read = arrays.read_features(tmp_path / 'F.npy', 3)
    np.testing.assert_array_equal(read, F)
    assert read.dtype == np.float32 and read.flags.c_contiguous
    arrays.read_features(tmp_path / 'F.npy', 3, F.shape[1])


@pytest.mark.parametrize('F, words', [
    (np.zeros((4, 2)), 'expected 3 x D numbers, a row for each picture, got 4 x 2'),
    (np.zeros((3, 0)), 'got 3 x 0'),
    (np.zeros(3), 'got 3;'),
    (np.array(3.), 'got a single number'),
    (np.zeros((3, 2), 'U3'), 'expected numbers, got <U3'),
    (np.zeros((3, 2), object), 'expected numbers, got object'),
    (np.array([[1.], [2], [np.nan]]), 'row 2 (from 0): expected finite numbers'),
    (np.array([[1.], [1e300], [3]]), 'row 1 (from 0): expected finite numbers'),
])
def test_other_arrays_are_no_features(tmp_path, F, words):
    np.save(tmp_path / 'F.npy', F)
    assert words in error_of(arrays.read_features, tmp_path / 'F.npy', 3)


def test_features_of_another_number_or_cut_short_are_refused(tmp_path):
    path = tmp_path / 'F.npy'
    np.save(path, np.zeros((3, 2)))
    assert 'expected 3 x 5 numbers' in error_of(arrays.read_features, path, 3, 5)
    path.write_bytes(path.read_bytes()[:-1])
    assert 'expected 176 bytes for 3 rows, got 175: the file is cut short' in error_of(
        arrays.read_features, path, 3)
    path.write_bytes(b'3 2')
    assert 'expected a NumPy array' in error_of(arrays.read_features, path, 3)


@pytest.mark.parametrize('rows', [None, [3, 1, 600]])
def test_pictures_that_have_been_walked_past_are_let_go(tmp_path, monkeypatch, rows):
    np.save(tmp_path / 'X.npy', np.arange(700 * 12, dtype=np.uint8).reshape(700, 3, 2, 2))
    X = arrays.read_pictures(tmp_path / 'X.npy')
    released = []
    monkeypatch.setattr(arrays, 'release', lambda X: released.append(X))
    np.testing.assert_array_equal(list(arrays.walk(X, rows)), X if rows is None else X[rows])
    assert len(released) == (3 if rows is None else 1)
    assert list(arrays.walk([])) == []
