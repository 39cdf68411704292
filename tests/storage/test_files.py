import csv
import itertools
import os
import pathlib
import re
import struct
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import pytest

from picture_ranknet.errors import InputError
from picture_ranknet.storage import arrays, atomic, ratings_txt, tables


def error_of(function, *args):
    with pytest.raises(InputError) as e:
        function(*args)
    assert '\n' not in str(e.value)
    return str(e.value)


@pytest.fixture
def saved(tmp_path):
    """Save an array as ``X.npy``; returns the path."""
    def save(array):
        np.save(tmp_path / 'X.npy', array)
        return str(tmp_path / 'X.npy')
    return save


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
    (np.zeros((3, 80, 80), 'u1'), ['got 3 x 80 x 80', 'all four axes']),
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


def test_python_objects_are_refused_without_unpickling(tmp_path):
    class Boom:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / 'ran'),)

    np.save(tmp_path / 'X.npy', np.array([Boom()], object), allow_pickle=True)
    assert 'Python objects' in error_of(arrays.read_pictures, tmp_path / 'X.npy')
    assert not (tmp_path / 'ran').exists()


@pytest.mark.parametrize('content, came', [
    (b'', 'an empty file'),
    (b'1\n2\n3\n', 'something else'),
    (b'PK\x03\x04', 'an .npz archive'),
    (b'\x93NUMPY', 'a damaged header'),
    (b'\x93NUMPY\x09\x00', 'a damaged header'),
    (b'\x93NUMPY\x01\x00\x10\x00{[(not a header)', 'a damaged header'),
])
def test_what_is_no_array_is_refused(tmp_path, content, came):
    path = tmp_path / 'X.npy'
    path.write_bytes(content)
    assert error_of(arrays.read_pictures, path).startswith(
        '{}: expected a NumPy array (.npy), got {};'.format(path, came))


@pytest.mark.parametrize('change, words', [
    (lambda content: content[:-1], ['36,127', 'cut short']),
    (lambda content: content[:200], ['got 200', 'cut short']),
    (lambda content: content + b'x', ['36,129', 'damaged']),
])
def test_truncated_and_overlong_arrays_are_refused(saved, pictures, change, words):
    path = pathlib.Path(saved(pictures))
    path.write_bytes(change(path.read_bytes()))
    message = error_of(arrays.read_pictures, path)
    assert 'expected 36,128 bytes for 30 pictures' in message
    for word in words:
        assert word in message


def test_a_huge_shape_in_a_small_file_is_refused(tmp_path, saved):
    path = pathlib.Path(saved(np.zeros((1, 3, 4, 4), 'u1')))
    content = path.read_bytes().replace(b'(1, 3, 4, 4), }       ', b'(99999999, 3, 4, 4), }')
    path.write_bytes(content)
    assert 'expected 4,800,000,080 bytes for 99999999 pictures' in error_of(
        arrays.read_pictures, path)


def npy(header, version=(1, 0), data=b''):
    """A ``.npy`` file with any header."""
    text = header.encode('latin1') if isinstance(header, str) else header
    return (b'\x93NUMPY' + bytes(version)
            + struct.pack('<H' if version == (1, 0) else '<I', len(text)) + text + data)


def described(shape, descr="'|u1'", order='False'):
    return "{{'descr': {}, 'fortran_order': {}, 'shape': {}, }}\n".format(descr, order, shape)


@pytest.mark.parametrize('header', [
    described('(-1, 3, 8, 8)'), described('(2, 3, -8, -8)'), described('(True, 3, 8, 8)'),
    described('(99999999999999999999, 3, 8, 8)'), described('({}, 3, 8, 8)'.format('9' * 4000)),
    described('(3037000500, 3, 3037000500, 1)'), described('(1.5, 3, 8, 8)'), described('[1, 3]'),
    described('(1, 3, 8, 8)', "'|O'"), described('(1, 3, 8, 8)', "[('a', '<f4'), ('b', '|O')]"),
    described('(1, 3, 8, 8)', "[('a', '|u1')]"), described('(1, 3, 8, 8)', "'|V8'"),
    described('(1, 3, 8, 8)', "'(1000000,1000000)f4'"), described('(1, 3, 8, 8)', "'|V0'"),
    described('(1, 3, 8, 8)', "('<f4', (2147483647, 2147483647))"),
    described('(1, 3, 8, 8)', "'f4," + 'f4,' * 3000 + "f4'"), described('()', 'None'),
    '(' * 9000, '-' * 9000 + '1', '[' * 100 + ']' * 100, '{' * 9000, "'" * 9001,
    "{'descr': '|u1'}", '1if 1else 2', '\0' * 100, '9' * 9000,
])
def test_a_crafted_header_is_refused_in_one_line(tmp_path, header):
    path = tmp_path / 'X.npy'
    path.write_bytes(npy(header, data=bytes(192)))
    assert error_of(arrays.read_pictures, path).startswith(str(path))
    assert error_of(arrays.read_features, path, 1).startswith(str(path))


@pytest.mark.parametrize('version', [(1, 0), (2, 0), (3, 0)])
def test_a_header_is_read_no_further_than_a_good_one_goes(tmp_path, version):
    path = tmp_path / 'X.npy'
    path.write_bytes(npy(' ' * 60000, version))
    if version != (1, 0):  # says that its header has 4 GB; the file has a hole there
        with open(path, 'r+b') as f:
            f.seek(8)
            f.write(struct.pack('<I', 2 ** 32 - 1))
            f.truncate(2 ** 32)
    start = time.monotonic()
    assert 'got a damaged header' in error_of(arrays.read_pictures, path)
    assert time.monotonic() - start < 5


def test_an_array_of_python_2_is_read_without_a_warning(tmp_path, recwarn):
    (tmp_path / 'X.npy').write_bytes(npy(described('(2L, 3L, 4L, 4L)'), data=bytes(96)))
    assert arrays.read_pictures(tmp_path / 'X.npy').shape == (2, 3, 4, 4)
    assert not recwarn


def test_pictures_of_another_size_are_refused(saved, pictures):
    message = error_of(arrays.read_pictures, saved(pictures[:, :, :15]), (20, 20))
    assert 'expected pictures of 20 x 20 pixels, got 20 x 15' in message


@pytest.mark.parametrize('X, words', [
    (np.zeros((2, 3, 10, 20), 'u1'), 'X.npy: 2 pictures of 20 x 10, uint8'),
    (np.zeros((2, 3, 10, 20), '>f8'), 'X.npy: 2 pictures of 20 x 10, float64, foreign byte order'),
    (np.zeros((2, 3, 10, 20), 'f4', order='F'),
     'X.npy: 2 pictures of 20 x 10, float32, Fortran order (slow to read; '
     'numpy.ascontiguousarray mends it)'),
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
    (np.array(3.), 'got a single one'),
    (np.zeros((3, 2), 'U3'), 'expected numbers, got <U3'),
    (np.zeros((3, 2), object), 'expected numbers, got object'),
    (np.array([[1.], [2], [np.nan]]), 'row 2 (from 0): expected finite numbers'),
    (np.array([[1.], [1e300], [3]]), 'row 1 (from 0): expected finite numbers'),
])
def test_what_are_no_features_is_refused(tmp_path, F, words):
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


@pytest.mark.parametrize('content', [
    b'1\n2.5\nnan\n', b'1\n2.5\nnan', b'1\r\n2.5\r\nNaN\r\n', b'\xef\xbb\xbf1\n2.5\nnan\n',
    b'# mine\n1 # good\n\n 2.50\n+nan\n\n', b'1e0\n25e-1\nnan\n',
])
def test_ratings_are_read(tmp_path, content):
    (tmp_path / 'ratings.txt').write_bytes(content)
    np.testing.assert_array_equal(ratings_txt.read_ratings(tmp_path / 'ratings.txt', 3), [1, 2.5, np.nan])


@pytest.mark.parametrize('content, words', [
    (b'1\nfour\n3\n', ["line 2: expected a number, got 'four'"]),
    (b'1\n2 3\n3\n', ["line 2: expected a number, got '2 3'", 'one rating a line']),
    (b'1\n2,5\n3\n', ["got '2,5'", 'decimals with a point']),
    (b'1\ninf\n3\n', ["line 2: expected a finite number, got 'inf'"]),
    (b'1\n1e999\n3\n', ['line 2: expected a finite number']),
    (b'1\n2\n', ['expected 3 ratings', 'got 2']),
    (b'1\n2\n3\n4\n', ['expected 3 ratings', 'got 4']),
    (b'', ['expected 3 ratings', 'got 0']),
    (b'1\n\xff\xfe\n3\n', ['expected text in UTF-8']),
    (b'1\n2\x00\n3\n', ['line 2: expected a number']),
    (b'1\n' + b'2' * 5000 + b'\n3\n', ['line 2: expected one number, got over 999 characters']),
])
def test_other_ratings_are_refused(tmp_path, content, words):
    path = tmp_path / 'ratings.txt'
    path.write_bytes(content)
    message = error_of(ratings_txt.read_ratings, path, 3)
    assert message.startswith(str(path))
    for word in words:
        assert word in message


@pytest.mark.parametrize('content, words', [
    ('1\n2\n3\n'.encode('utf-16'), 'expected text in UTF-8'),
    ('1\n2\n3\n'.encode('utf-16-le'), "line 1: expected a number, got '1\\x00'"),
    (b'#' * 5000 + b'\n1\n2\n3\n', 'line 1: expected one number, got over 999 characters'),
])
def test_odd_texts_are_no_ratings(tmp_path, content, words):
    (tmp_path / 'ratings.txt').write_bytes(content)
    assert words in error_of(ratings_txt.read_ratings, tmp_path / 'ratings.txt', 3)


def test_the_line_ends_of_any_system_are_read(tmp_path):
    (tmp_path / 'ratings.txt').write_bytes(b'\xef\xbb\xbf1\r2.5 # good\rnan\r')
    np.testing.assert_array_equal(ratings_txt.read_ratings(tmp_path / 'ratings.txt', 3), [1, 2.5, np.nan])


@pytest.mark.parametrize('line, words', [
    (b'', 'line 1: expected one number, got over 999 characters'),
    (b'1\n', 'expected 3 ratings, one a line for each picture, got over 100,003 lines'),
    (b'# 1\n', 'expected 3 ratings, one a line for each picture, got over 100,003 lines'),
    (b'\n', 'expected 3 ratings, one a line for each picture, got over 100,003 lines'),
])
def test_ratings_are_read_no_further_than_they_can_go(tmp_path, line, words):
    with open(tmp_path / 'ratings.txt', 'wb') as f:
        f.write(line * 101000)
        f.truncate(10 * 2 ** 30)  # 10 GB, all of it one line of zeros
    start = time.monotonic()
    assert words in error_of(ratings_txt.read_ratings, tmp_path / 'ratings.txt', 3)
    assert time.monotonic() - start < 5


def test_scores_are_written_one_a_line_without_loss(tmp_path):
    scores = np.random.RandomState(0).normal(size=5).astype(np.float32)
    ratings_txt.write_scores(tmp_path / 'pred.txt', scores)
    lines = (tmp_path / 'pred.txt').read_text().splitlines()
    assert [np.float32(line) for line in lines] == list(scores)


def test_tables_come_back_as_they_were_written(tmp_path):
    rows = [['0', 'a, "b".mp4'], ['1', '第1話.mp4']]
    tables.write_table(tmp_path / 'X.csv', ['row', 'source'], rows)
    assert tables.read_table(tmp_path / 'X.csv', 2) == (['row', 'source'], rows)


def test_a_table_that_was_sorted_comes_back_in_the_order_of_the_pictures(tmp_path):
    (tmp_path / 'X.csv').write_text('source,row\nb,1\na,0\n')
    assert tables.read_table(tmp_path / 'X.csv', 2) == (
        ['source', 'row'], [['a', '0'], ['b', '1']])


def test_some_columns_of_a_table_are_read(tmp_path):
    (tmp_path / 'X.csv').write_text('w,row,x,h\n1,1,2,3\n4,0,5,6\n')
    for names, columns, rows in [
            (['h', 'w', 'group'], ['w', 'h'], [['4', '6'], ['1', '3']]),
            (['group'], [], [[], []])]:
        assert tables.read_table(tmp_path / 'X.csv', 2, names) == (columns, rows)


def test_a_large_table_takes_a_few_hundred_bytes_a_row(tmp_path):
    n = 5000
    tables.write_table(tmp_path / 'X.csv', ['row', 'source', *'abcdefgh'], (
        [number, 'film {}.mp4'.format(number // 1000), *(number * k % 100 for k in range(8))]
        for number in range(n)))
    tracemalloc.start()
    try:
        table = tables.read_table(tmp_path / 'X.csv', n)
        assert tracemalloc.get_traced_memory()[1] < 400 * n
    finally:
        tracemalloc.stop()
    assert table[1][4321] == ['4321', 'film 4.mp4', *(str(4321 * k % 100) for k in range(8))]


@pytest.mark.parametrize('content, words', [
    (b'row,source\n0,a\n2,b\n', ['expected the rows 0 to 1', "number '1'"]),
    (b'row,source\n0,a\n', ['expected 2 rows', 'got 1']),
    (b'', ['expected 2 rows', 'got 0']),
    (b'row,source\n0,a\n1\n', ['row 1: expected 2 values, got 1']),
    (b'row\n\xff\n1\n', ['in UTF-8']),
])
def test_other_tables_are_refused(tmp_path, content, words):
    (tmp_path / 'X.csv').write_bytes(content)
    message = error_of(tables.read_table, tmp_path / 'X.csv', 2)
    for word in words:
        assert word in message


@pytest.mark.parametrize('content, words', [
    (b'source\n' + b'a' * 40000 + b'\n', 'a row of over 32,768 characters'),
    (b'source\n"' + b'\n' * 40000, 'a row of over 32,768 characters'),
    (b'source\n' + b'"\n",' * 10000 + b'\n', 'a row of over 32,768 characters'),
    (b'source\na\0b\n', 'a character of number 0'),
    ('source\na\n'.encode('utf-16'), 'in UTF-8'),
    (b'source\n' + b'a\n' * 3, 'expected 1 rows, one for each picture, got 3'),
    (b'source\n' + b'a\n' * 10 ** 6, 'expected a table of 1 rows, one for each picture, got 2,0'),
])
def test_crafted_tables_are_refused(tmp_path, content, words):
    (tmp_path / 'X.csv').write_bytes(content)
    assert words in error_of(tables.read_table, tmp_path / 'X.csv', 1)


NAMES = ['=cmd|/C calc', '+1+1', '-2+3.png', '@SUM(A1)', '\t=1', '\r=1', '\n=1', '\uff1d1', "'=1",
         "''=1", "'", "''a", "it's", '-.png', '-5', '+3.5e2', '-inf', '', 'a,b', 'a\nb', '第1話']


def test_no_cell_is_a_formula_and_all_come_back(tmp_path):
    path = tmp_path / 'X.csv'
    tables.write_table(path, ['row', 'source'], list(enumerate(NAMES)))
    assert [row[1] for row in tables.read_table(path, len(NAMES))[1]] == NAMES
    with open(path, newline='', encoding='utf-8') as f:
        cells = [row[1] for row in itertools.islice(csv.reader(f), 1, None)]
    for cell, name in zip(cells, NAMES):
        assert cell in (name, "'" + name)
        if cell[:1] and cell[0] in '=+-@\t\r\n\uff1d':
            float(cell)  # numbers stay numbers


def test_replacing_leaves_the_old_file_until_the_end(tmp_path):
    path = tmp_path / 'pred.txt'
    path.write_text('old')
    with atomic.replacing(path) as part:
        pathlib.Path(part).write_text('new')
        assert path.read_text() == 'old'
    assert path.read_text() == 'new'
    assert os.listdir(tmp_path) == ['pred.txt']


def test_replacing_leaves_nothing_behind_when_writing_fails(tmp_path):
    path = tmp_path / 'pred.txt'
    path.write_text('old')
    with pytest.raises(KeyboardInterrupt), atomic.replacing(path) as part:
        pathlib.Path(part).write_text('ne')
        raise KeyboardInterrupt
    assert path.read_text() == 'old'
    assert os.listdir(tmp_path) == ['pred.txt']


def test_replacing_follows_links(tmp_path):
    (tmp_path / 'disk').mkdir()
    (tmp_path / 'pred.txt').symlink_to(tmp_path / 'disk' / 'pred.txt')
    ratings_txt.write_scores(tmp_path / 'pred.txt', [1])
    assert (tmp_path / 'pred.txt').is_symlink()
    assert (tmp_path / 'disk' / 'pred.txt').exists()


@pytest.mark.skipif(sys.platform == 'win32', reason='has no such devices')
def test_replacing_writes_devices_as_they_stand(root):
    atomic.check_output('/dev/null')
    ratings_txt.write_scores('/dev/null', [1])
    assert not os.path.isfile('/dev/null')
    script = ('from picture_ranknet.storage import atomic, ratings_txt; atomic.check_output("/dev/stdout");'
              'ratings_txt.write_scores("/dev/stdout", [7])')
    piped = subprocess.run([sys.executable, '-c', script], cwd=root, stdout=subprocess.PIPE)
    assert float(piped.stdout) == 7


def test_a_failure_names_the_file_that_the_user_knows(tmp_path):
    with pytest.raises(OSError) as e, atomic.replacing(tmp_path / 'pred.txt') as part:
        raise OSError(28, 'No space left on device', part)
    assert e.value.filename == tmp_path / 'pred.txt'


def test_inputs_are_no_outputs(tmp_path):
    (tmp_path / 'link').symlink_to(tmp_path / 'ratings.txt')
    (tmp_path / 'ratings.txt').write_text('1')
    message = error_of(atomic.check_output, str(tmp_path / 'link'), [str(tmp_path / 'ratings.txt')])
    assert 'is read as well' in message


@pytest.mark.parametrize('name, words', [
    ('', 'got a folder'), ('missing/pred.txt', 'there is no folder')])
def test_outputs_are_checked_beforehand(tmp_path, name, words):
    assert words in error_of(atomic.check_output, str(tmp_path / name))


@pytest.mark.parametrize('rows', [None, [3, 1, 600]])
def test_pictures_that_have_been_walked_past_are_let_go(tmp_path, monkeypatch, rows):
    np.save(tmp_path / 'X.npy', np.arange(700 * 12, dtype=np.uint8).reshape(700, 3, 2, 2))
    X = arrays.read_pictures(tmp_path / 'X.npy')
    released = []
    monkeypatch.setattr(arrays, 'release', lambda X: released.append(X))
    np.testing.assert_array_equal(list(arrays.walk(X, rows)), X if rows is None else X[rows])
    assert len(released) == (3 if rows is None else 1)
    assert list(arrays.walk([])) == []


@pytest.mark.skipif(os.name != 'posix', reason='cannot ask for a process')
def test_the_parts_of_killed_processes_are_removed(tmp_path):
    dead = subprocess.Popen([sys.executable, '-c', ''])
    dead.wait()
    for name in ('pred.txt', 'pred.csv', 'other.txt'):
        root, extension = os.path.splitext(name)
        for machine, pid in ((atomic._machine(), dead.pid), (atomic._machine(), os.getppid()),
                             ('0' * 8, dead.pid)):
            (tmp_path / '.{}.{}.{}.part{}'.format(root, machine, pid, extension)).touch()
    (tmp_path / '.pred.{}.{}.part.txt.bak'.format(atomic._machine(), dead.pid)).touch()
    before = set(os.listdir(tmp_path))
    ratings_txt.write_scores(tmp_path / 'pred.txt', [1])
    assert before - set(os.listdir(tmp_path)) == {
        '.pred.{}.{}.part.txt'.format(atomic._machine(), dead.pid)}


def test_a_file_is_on_the_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, 'fsync', lambda file: (done.append('synced'), fsync(file)))
    monkeypatch.setattr(os, 'replace', lambda *names: (done.append('moved'), replace(*names)))
    ratings_txt.write_scores(tmp_path / 'pred.txt', [1])
    assert done == ['synced', 'moved']


def test_a_lock_holds_until_the_file_is_closed(tmp_path):
    with open(tmp_path / 'lock', 'ab') as first, open(tmp_path / 'lock', 'ab') as second:
        atomic.lock(first, 'taken')
        assert error_of(atomic.lock, second, 'taken') == 'taken'
        first.close()
        atomic.lock(second, 'taken')


def test_an_error_of_writing_names_the_file(tmp_path):
    with pytest.raises(OSError) as e, atomic.replacing(tmp_path / 'pred.txt'):
        raise OSError(28, 'No space left on device')  # as file.write() says it
    assert e.value.filename == tmp_path / 'pred.txt'
