import numpy as np
import pytest

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer
from chainer.links.model.vision import resnet

import net
from picture_ranknet.errors import InputError
from picture_ranknet.models import pretrained
from support.model_samples import Predictor, blob, caffemodel, loose_blob, message, varint


def assert_same_weights(a, b):
    assert len(a.weights()) == 11
    for name, array in a.weights().items():
        np.testing.assert_array_equal(array, b.weights()[name], name)


def test_weights_that_chainer_saved(tmp_path):
    theirs, ours = Predictor(1), Predictor(2)
    chainer.serializers.save_npz(tmp_path / 'weights.npz', theirs.layers)
    pretrained.load(tmp_path / 'weights.npz', ours)
    assert_same_weights(ours, theirs)


@pytest.mark.parametrize('layout, blob', [
    ((100, 1, 7), blob), ((2, 4, 6), blob), ((100, 1, 7), loose_blob)])
def test_weights_of_caffe(tmp_path, layout, blob):
    theirs, ours = Predictor(1), Predictor(2)
    (tmp_path / 'net.caffemodel').write_bytes(caffemodel(theirs.weights(), *layout, blob))
    pretrained.load(tmp_path / 'net.caffemodel', ours)
    assert_same_weights(ours, theirs)


class Recorder:

    """Writes down which attribute is copied from which."""

    def __init__(self, path='', copies=None):
        self.path = path
        self.copies = copies

    def __getattr__(self, name):
        return Recorder(self.path + '/' + name, self.copies)

    def __setitem__(self, _, source):
        self.copies[self.path] = source.path


def test_names_of_caffe_are_those_that_chainer_reads():
    copies = {}
    resnet._transfer_resnet50(Recorder(), Recorder('', copies))
    numbers = {'W': 0, 'b': 1, 'avg_mean': 0, 'avg_var': 1}
    ours = {(prefix + '/' + name)[len('/layers'):]
            for prefix, link in net.ResNet50().namedlinks() if prefix.startswith('/layers')
            for name in (link._params | link._persistent) - {'N'}}
    theirs = {path.replace('/array', ''): source.replace('/array', '')
              for path, source in copies.items() if '/fc6' not in path}
    assert ours == set(theirs)
    for path, source in theirs.items():
        _, layer, *_, name = source.split('/')
        assert pretrained.caffe_name(path[1:]) == (layer, numbers[name])


def test_names_of_caffe_for_vgg():
    for prefix, _ in net.VGG16Layers().namedlinks(skipself=True):
        assert pretrained.caffe_name(prefix[1:] + '/W') == (prefix[1:], 0)
        assert pretrained.caffe_name(prefix[1:] + '/b') == (prefix[1:], 1)


def npz(**changes):
    def write(path):
        weights = dict(Predictor(1).weights(), **changes)
        np.savez(path, **{name: array for name, array in weights.items() if array is not None})
    return write


def text(content):
    return lambda path: path.write_bytes(content)


CAFFE = caffemodel(Predictor(1).weights(), 100, 1, 7)


@pytest.mark.parametrize('write, words', [
    (text(b''), 'but '),
    (text(b'hello, this is a text'), 'but it is '),
    (text(b'PK\3\4 and no more'), 'but '),
    (text(CAFFE[:200]), 'but it is cut short'),
    (text(CAFFE.replace(b'scale_conv1', b'other_conv1')), 'but it has no bn1/beta'),
    (text(message(1, b'an empty net')), 'but there are no layers in it'),
    (text(b'\x80' * 30), 'but it is something else'),
    (text(CAFFE[:1] + varint(2 ** 62) + CAFFE[2:]), 'but it is cut short'),
    (text(message(100, b'') * 1001), 'but it has more than 1,000 fields'),
    (text(message(100, message(7, b'') * 1001)), 'but it has more than 1,000 fields'),
    (text(caffemodel(Predictor(1).weights(), blob=lambda array: b'\x28\1')),
     'has 0 weights, not '),
    (text(caffemodel(Predictor(1).weights(), blob=lambda array: blob(array) * 2)),
     ' weights, not '),
    (npz(**{'conv1/b': np.array([0, 1e300])}), 'but conv1/b holds nan or inf'),
    (npz(**{'conv1/b': np.zeros(10 ** 7)}), 'is float64 of shape (10000000,), not (2,)'),
    (npz(**{'conv1/b': None}), 'but it has no conv1/b'),
    (npz(**{'conv1/b': np.zeros(3)}), 'but conv1/b is float64 of shape (3,), not (2,)'),
    (npz(**{'conv1/b': np.zeros(2, int)}), 'but conv1/b is int64 of shape (2,), not (2,)'),
    (npz(**{'conv1/b': np.array([0, np.nan])}), 'but conv1/b holds nan or inf'),
    (npz(**{'conv1/b': np.array([print, print])}), 'but '),
])
def test_what_is_no_such_file_is_said_in_one_line(tmp_path, write, words):
    path = tmp_path / 'weights.npz'
    write(path)
    with pytest.raises(InputError) as e:
        pretrained.load(path, Predictor())
    assert str(e.value).startswith('{}: expected weights of Predictor as a .npz of Chainer or a '
                                   '.caffemodel, but '.format(path))
    assert words in str(e.value) and '\n' not in str(e.value)


def test_what_is_not_there_is_not_found(tmp_path):
    with pytest.raises(FileNotFoundError):
        pretrained.load(tmp_path / 'none.npz', Predictor())
