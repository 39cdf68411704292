import io
import struct
import zipfile

import numpy as np
import pytest

from picture_ranknet.storage.npz_reader import Npz


def npz(save=np.savez, **arrays):
    f = io.BytesIO()
    save(f, **arrays)
    return f.getvalue()


def packed(*members, method=zipfile.ZIP_STORED):
    """A zip file of pairs of a name and bytes."""
    f = io.BytesIO()
    with zipfile.ZipFile(f, 'w', method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return f.getvalue()


def npy(descr, shape, data=b'', version=b'\1\0'):
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n"
    return b'\x93NUMPY' + version + struct.pack('<H', len(header)) + header.encode() + data


def read(content, name='a', check=lambda shape, dtype: None):
    return Npz(io.BytesIO(content)).read(name, check)


@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
@pytest.mark.parametrize('array', [
    np.arange(6.).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3)), np.array(5),
    np.array('text'), np.zeros((2, 0), np.float32), np.array([1, 2], '>i2'), np.array([True]),
], ids=lambda array: f'{array.dtype} {array.shape}')
def test_arrays_come_back(save, array):
    found = read(npz(save, a=array))
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(found, array)


def test_shape_and_type_are_asked_about_before_anything_is_read():
    def check(shape, dtype):
        raise ValueError(f'no {shape} {dtype}')

    with pytest.raises(ValueError, match=r'no \(9+,\) float64'):
        read(packed(('a.npy', npy("'<f8'", '(999999999999,)'))), check=check)


def test_a_missing_array_is_a_key_error():
    content = npz(a=np.zeros(2))
    assert 'a' in Npz(io.BytesIO(content)) and 'b' not in Npz(io.BytesIO(content))
    with pytest.raises(KeyError):
        read(content, 'b')


def error_of(content):
    with pytest.raises(ValueError) as e:
        read(content)
    assert str(e.value).isprintable() and len(str(e.value)) < 300
    return str(e.value)


GOOD = npz(a=np.arange(100.))


def with_directory_of(n_bytes):
    return GOOD[:-10] + struct.pack('<L', n_bytes) + GOOD[-6:]


@pytest.mark.parametrize('content, words', [
    (b'', 'not an archive'), (b'PK\3\4', 'not an archive'), (GOOD[:-1], 'not an archive'),
    (GOOD + b'a', 'not an archive'), (GOOD[:200] + GOOD[201:], 'negative seek'),
    (GOOD.replace(struct.pack('<d', 7), struct.pack('<d', 8)), 'damaged: Bad CRC-32'),
    (with_directory_of(2 ** 21), 'its directory has 2,097,152 bytes'),
    (packed(('a.npy', b'')), 'it is not an .npy file'),
    (packed(('a.npy', npy("'<f8'", '(1,)', bytes(8), b'\3\0'))), 'version is unknown'),
    (packed(('a.npy', npy("'<f8'", '(1,)', bytes(8))), method=zipfile.ZIP_LZMA), 'unknown way'),
], ids=range(10))
def test_damaged_archives_are_refused(content, words):
    assert words in error_of(content)


@pytest.mark.parametrize('descr, shape, n_bytes, words', [
    ("'|O'", '(1,)', 8, 'neither numbers nor text'),
    ("[('a', '<f8')]", '(1,)', 8, 'its header is damaged'),
    ("'<f8'", '(-1,)', 8, 'its header is damaged'),
    ("'<f8'", '(1e3,)', 8, 'its header is damaged'),
    ("'<f8'", "__import__('os')", 8, 'its header is damaged'),
    ("'<f8'", '(' * 9999, 8, 'its header is damaged'),
    ("'<f3'", '(1,)', 3, 'unknown type <f3'),
    ("'<f8'", '(2,)', 8, 'a has too many or too few bytes'),
    ("'<f8'", '(1,)', 9, 'a has too many or too few bytes'),
    ("'<f8'", '(999999999999999999,)', 8, 'a has too many or too few bytes'),
    ("'<U99999999'", '()', 8, 'a has too many or too few bytes'),
], ids=range(11))
def test_crafted_headers_are_refused(descr, shape, n_bytes, words):
    assert words in error_of(packed(('a.npy', npy(descr, shape, bytes(n_bytes)))))


def test_two_arrays_of_one_name_are_refused():
    with pytest.warns(UserWarning, match='Duplicate name'):
        content = packed(('a.npy', b'1'), ('a.npy', b'2'))
    with pytest.raises(ValueError, match='two arrays with the same name'):
        Npz(io.BytesIO(content))


@pytest.mark.parametrize('packed_size, size', [(2 ** 31, 2 ** 31), (1056, 2 ** 31)])
def test_no_member_claims_more_than_its_file_can_hold(packed_size, size):
    content = bytearray(npz(a=np.zeros(116)))
    at = content.index(b'PK\1\2')
    content[at + 20:at + 28] = struct.pack('<LL', packed_size, size)
    assert 'a is larger than its file' in error_of(bytes(content))
