import collections
import pickle
import struct

import numpy as np
import pytest

from picture_ranknet.errors import InputError
from picture_ranknet.storage import torch_file
from support import hostile

MACHINE = {'protocol_version': 1001, 'little_endian': True,
           'type_sizes': {'short': 2, 'int': 4, 'long': 4}}
W = np.arange(12, dtype=np.float32).reshape(3, 4)
N = np.array(7, np.int64)


def named(module, name):
    return hostile.name(module, name)


def text(value):
    return hostile.text(value)


def number(n):
    return pickle.BININT + struct.pack('<i', n)


def numbers(values):
    return b'(' + b''.join(map(number, values)) + b't'


def tensor(key, size, offset, shape, strides, storage='FloatStorage'):
    """A tensor as torch.save writes it: a call, whose storage is a persistent id."""
    return (named('torch._utils', '_rebuild_tensor_v2') + b'(('
            + text('storage') + named('torch', storage) + text(key) + text('cpu') + number(size)
            + b'Nt' + pickle.BINPERSID + number(offset) + numbers(shape) + numbers(strides)
            + b'\x89' + named('collections', 'OrderedDict') + b')R' + b'tR')


def content(tensors=None, storages=None, magic=torch_file.MAGIC_NUMBER, version=1001,
            machine=MACHINE, metadata=True):
    """A file with some tensors, by name, and storages, by key."""
    if tensors is None:
        tensors = {'w': tensor('10', 12, 0, (3, 4), (4, 1)),
                   'n': tensor('11', 1, 0, (), (), 'LongStorage')}
    if storages is None:
        storages = {'10': W.ravel(), '11': N.reshape(1)}
    state = named('collections', 'OrderedDict') + b')R(' + b''.join(
        text(name) + made for name, made in tensors.items()) + b'u'
    if metadata:  # as nn.Module.state_dict leaves it
        state += b'}' + text('_metadata') + named('collections', 'OrderedDict') + b')Rsb'
    return (pickle.dumps(magic, 2) + pickle.dumps(version, 2) + pickle.dumps(machine, 2)
            + b'\x80\x02' + state + b'.' + pickle.dumps(list(storages), 2)
            + b''.join(struct.pack('<q', a.size) + a.tobytes() for a in storages.values()))


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'w.pth')


def read(path, data):
    with open(path, 'wb') as f:
        f.write(data)
    return torch_file.read(path)


def refused(path, data):
    with pytest.raises(InputError) as e:
        read(path, data)
    message = str(e.value)
    assert message.isprintable() and len(message) < 400 and path in message
    return message


@pytest.mark.parametrize('metadata', [True, False])
def test_tensors_are_read_by_their_names(path, metadata):
    read_back = read(path, content(metadata=metadata))
    assert read_back.keys() == {'w', 'n'}
    np.testing.assert_array_equal(read_back['w'], W)
    assert read_back['n'] == 7


def test_strides_and_offsets_are_followed(path):
    shifted = {'w': tensor('10', 12, 1, (3, 2), (1, 3))}
    np.testing.assert_array_equal(read(path, content(shifted, {'10': W.ravel()}))['w'],
                                  [[1, 4], [2, 5], [3, 6]])


def test_storages_may_be_shared(path):
    both = {'a': tensor('10', 12, 0, (12,), (1,)), 'b': tensor('10', 12, 8, (4,), (1,))}
    arrays = read(path, content(both, {'10': W.ravel()}))
    np.testing.assert_array_equal(arrays['b'], arrays['a'][8:])


def test_a_file_cut_anywhere_is_refused(path):
    whole = content()
    for n in range(0, len(whole), 3):
        refused(path, whole[:n])


def test_a_file_with_more_at_its_end_is_refused(path):
    assert 'more data after its end' in refused(path, content() + b'\0')


@pytest.mark.parametrize('storages', [
    {'10': W.ravel()[:11], '11': N.reshape(1)}, {'10': np.zeros(13, np.float32)},
    {'10': W.ravel()}, {'10': W.ravel(), '11': N.reshape(1), '12': W.ravel()}, {}])
def test_storages_of_other_sizes_are_refused(path, storages):
    refused(path, content(storages=storages))


@pytest.mark.parametrize('made', [
    tensor('10', 12, 0, (10 ** 9, 10 ** 9), (0, 0)), tensor('10', 12, 0, (13,), (1,)),
    tensor('10', 12, 1, (12,), (1,)), tensor('10', 12, -1, (3,), (1,)),
    tensor('10', 12, 0, (3,), (6,)), tensor('10', 12, 0, (3,), (-1,)),
    tensor('10', 12, 0, (3,), (1, 1)), tensor('10', 12, 0, (1,) * 9, (1,) * 9),
    tensor('10', -1, 0, (), ()), tensor('10', 2 ** 31 - 1, 0, (1,), (1,))], ids=range(10))
def test_forged_shapes_are_refused(path, made):
    refused(path, content({'w': made}, {'10': W.ravel()}))


def test_numbers_that_are_not_finite_are_refused(path):
    bad = W.ravel().copy()
    bad[3] = np.nan
    assert 'nan or inf' in refused(path, content(storages={'10': bad, '11': N.reshape(1)}))


@pytest.mark.parametrize('made', [
    named('os', 'system'), hostile.call(named('os', 'system'), text('mkdir ran')),
    hostile.call(named('torch._utils', '_rebuild_tensor_v2'), text('a')), b'K\1',
    named('torch', 'FloatStorage'), named('torch.storage', '_load_from_bytes'),
    tensor('10', 12, 0, (3, 4), (4, 1), 'CharStorage'), b'K\1' + pickle.BINPERSID])
def test_anything_but_tensors_is_refused(path, made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(path, content({'w': made}, {}))
    assert not (tmp_path / 'ran').exists()


@pytest.mark.parametrize('changed', [
    {'magic': 1}, {'version': 1000}, {'machine': {'little_endian': False}}, {'machine': 3}])
def test_other_formats_are_refused(path, changed):
    refused(path, content(**changed))


@pytest.mark.parametrize('data', [b'', b'PK\3\4', pickle.dumps(collections.OrderedDict())])
def test_other_files_are_refused(path, data):
    refused(path, data)
