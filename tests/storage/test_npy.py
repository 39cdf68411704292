import os
import pathlib
import struct
import tracemalloc

import numpy as np
import pytest

from picture_ranknet.storage import arrays
from picture_ranknet.storage.npy import NpyWriter
from support.errors import error_of


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
    (b'\x93NUMPY', 'fields, dates or a damaged header'),
    (b'\x93NUMPY\x09\x00', 'fields, dates or a damaged header'),
    (b'\x93NUMPY\x01\x00\x10\x00{[(not a header)', 'fields, dates or a damaged header'),
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
    tracemalloc.start()
    assert 'or a damaged header' in error_of(arrays.read_pictures, path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 ** 20


def test_an_array_of_python_2_is_read_without_a_warning(tmp_path, recwarn):
    (tmp_path / 'X.npy').write_bytes(npy(described('(2L, 3L, 4L, 4L)'), data=bytes(96)))
    assert arrays.read_pictures(tmp_path / 'X.npy').shape == (2, 3, 4, 4)
    assert not recwarn


@pytest.mark.parametrize('header', [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, 4, 4, ), }",    # cnpy
    "{'descr':'<f4','fortran_order':False,'shape':(2,3,4,4)}",
    " {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, 4, 4), }" + 80 * ' ',
])
def test_headers_of_other_writers_are_read(tmp_path, header):
    (tmp_path / 'X.npy').write_bytes(npy(header, data=bytes(384)))
    assert arrays.read_pictures(tmp_path / 'X.npy').shape == (2, 3, 4, 4)


def test_a_header_of_version_2_is_read(tmp_path, pictures):
    with open(tmp_path / 'X.npy', 'wb') as f:
        np.lib.format.write_array(f, pictures, (2, 0))
    np.testing.assert_array_equal(arrays.read_pictures(tmp_path / 'X.npy'), pictures)


def test_the_writer_agrees_with_numpy(tmp_path):
    X = np.random.default_rng(0).integers(0, 256, (1003, 3, 5, 4), np.uint8)
    np.save(tmp_path / 'expected.npy', X)
    with NpyWriter(tmp_path / 'X.npy', (3, 5, 4)) as writer:
        for img in X:
            writer.append(img)
    assert (tmp_path / 'X.npy').read_bytes() == (tmp_path / 'expected.npy').read_bytes()


@pytest.mark.parametrize('array', [np.zeros((3, 4, 5), 'u1'), np.zeros((3, 5, 4), 'f4')])
def test_the_writer_takes_only_one_kind_of_array(tmp_path, array):
    with NpyWriter(tmp_path / 'X.npy', (3, 5, 4)) as writer:
        with pytest.raises(ValueError, match=r'expected uint8 of shape \(3, 5, 4\)'):
            writer.append(array)
