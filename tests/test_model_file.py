import lzma
import os
import pathlib
import pickle
import subprocess
import sys

import numpy as np
import pytest

import chainer_compat  # noqa: F401  (before chainer)
import chainer

import model_file
import net

DATA = pathlib.Path(__file__).parent / 'data'


def error_of(path):
    with pytest.raises(model_file.ModelFileError) as e:
        model_file.load(path)
    assert '\n' not in str(e.value) and str(e.value).startswith(str(path))
    return str(e.value)


def train_a_step(model, pictures):
    optimizer = chainer.optimizers.Adam().setup(model)
    x = model.to_input(pictures)
    optimizer.update(model, x[:4], x[4:8], np.array([1, 2, 3, 4]), np.array([4, 2, 1, 3]))


def test_a_saved_model_scores_as_before(tmp_path, model, pictures):
    train_a_step(model, pictures)
    model_file.save(tmp_path / 'model.pkl', model)
    loaded = model_file.load(tmp_path / 'model.pkl')
    assert (loaded.image_size, loaded.image_scale) == ((20, 20), 1 / 255)
    np.testing.assert_array_equal(loaded.score(pictures), model.score(pictures))


@pytest.mark.parametrize('arch', ['deep', 'resnet50', 'vgg16'])
@pytest.mark.parametrize('n_features', [0, 3])
def test_models_of_every_architecture_are_saved(tmp_path, pictures, arch, n_features):
    np.random.seed(0)
    model = net.RankNet(net.ARCHITECTURES[arch]((20, 20)), (20, 20), 1 / 255)
    features = None
    if n_features:
        model.predictor.add_features(n_features)
        features = np.random.default_rng(0).normal(size=(30, n_features)).astype(np.float32)
        model.predictor.features.standardize_by(features)
    if arch == 'deep':
        optimizer = chainer.optimizers.Adam().setup(model)
        optimizer.update(model.loss_of_all_pairs, model.to_input(pictures), np.arange(30), features)
    model_file.save(tmp_path / 'model.pkl', model)
    loaded = model_file.load(tmp_path / 'model.pkl')
    rows = np.arange(2)
    np.testing.assert_array_equal(loaded.score(pictures, rows, features),
                                  model.score(pictures, rows, features))


def test_saving_leaves_the_model_as_it_is(tmp_path, model, pictures):
    train_a_step(model, pictures)
    gradients = [param.grad.copy() for param in model.params()]
    model_file.save(tmp_path / 'model.pkl', model)
    for param, gradient in zip(model.params(), gradients):
        np.testing.assert_array_equal(param.grad, gradient)
        assert param.update_rule is not None


def test_a_model_file_holds_weights_alone(tmp_path, model, pictures):
    train_a_step(model, pictures)
    model_file.save(tmp_path / 'model.pkl', model)
    weights = sum(param.array.nbytes for param in model.params())
    assert weights < os.path.getsize(tmp_path / 'model.pkl') < weights + 5000


def test_plain_pickle_reads_a_model_file_where_net_is_importable(tmp_path, model, pictures, root):
    model_file.save(tmp_path / 'model.pkl', model)
    np.save(tmp_path / 'X.npy', pictures)
    script = ('import pickle, numpy; model = pickle.load(open("model.pkl", "rb"));'
              'print(model.score(numpy.load("X.npy")).tolist())')
    out = subprocess.run([sys.executable, '-c', script], cwd=tmp_path, text=True,
                         env=dict(os.environ, PYTHONPATH=str(root)), stdout=subprocess.PIPE)
    np.testing.assert_array_equal(np.float32(eval(out.stdout)), model.score(pictures))


@pytest.mark.parametrize('protocol', range(6))
def test_models_pickled_as_they_are_load_in_every_protocol(tmp_path, model, pictures, protocol):
    train_a_step(model, pictures)
    model.loss = chainer.Variable(np.float32([[1]]))  # the article's RankNet keeps it
    with open(tmp_path / 'model.pkl', 'wb') as f:
        pickle.dump(model, f, protocol)
    loaded = model_file.load(tmp_path / 'model.pkl')
    np.testing.assert_array_equal(loaded.score(pictures), model.score(pictures))


def test_a_model_of_the_articles_own_script_loads(tmp_path):
    # Made by the article's net.py and train.py with Chainer 1.18 and NumPy
    # 1.11 on Python 3.6; afterwards its weights were set to a short pattern,
    # so that the file packs well, and that Chainer scored the pictures below.
    with lzma.open(DATA / 'article_chainer1.pkl.xz') as f:
        (tmp_path / 'model.pkl').write_bytes(f.read())
    model = model_file.load(tmp_path / 'model.pkl')
    assert (model.image_size, model.image_scale) == ((80, 80), None)
    model.image_scale = 1 / 255
    X = (np.arange(3 * 3 * 80 * 80).reshape(3, 3, 80, 80) % 251).astype(np.uint8)
    np.testing.assert_allclose(
        model.score(X), [87.60899353027344, 87.87753295898438, 87.73828887939453], rtol=1e-5)


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize('protocol', range(6))
def test_a_hostile_pickle_is_refused_and_not_run(tmp_path, protocol):
    (tmp_path / 'model.pkl').write_bytes(pickle.dumps(Hostile(tmp_path / 'ran'), protocol))
    assert 'asks for ' in error_of(tmp_path / 'model.pkl')
    assert not (tmp_path / 'ran').exists()


def test_a_hostile_pickle_inside_a_model_is_not_run(tmp_path, model):
    model.predictor.conv1.name = Hostile(tmp_path / 'ran')
    (tmp_path / 'model.pkl').write_bytes(pickle.dumps(model))
    assert 'mkdir' in error_of(tmp_path / 'model.pkl')
    assert not (tmp_path / 'ran').exists()


class Call:

    """Pickles as the call of a function, with a state to set afterwards."""

    def __init__(self, function, *args, state=None):
        self.call = function, args, state

    def __reduce__(self):
        return self.call


OBJECT_FIELD = 4, '|', None, ('a',), {'a': (np.dtype('O'), 0)}, 8, 1, 0


@pytest.mark.parametrize('forged', [
    # NumPy would make objects out of these bytes: pointers that lead anywhere.
    Call(np.ndarray, (1,), np.dtype('O'), b'A' * 8),
    Call(np.float32(0).__reduce__()[0], Call(np.dtype, 'V8', state=OBJECT_FIELD), b'A' * 8),
], ids=['ndarray', 'scalar'])
@pytest.mark.parametrize('place', ['image_scale', 'image_size', 'predictor', 'in a set'])
@pytest.mark.parametrize('protocol', [2, 4])
def test_forged_pointers_are_not_followed(tmp_path, model, root, forged, place, protocol):
    forged = Call(set, [forged]) if place == 'in a set' else forged
    vars(model)['image_scale' if place == 'in a set' else place] = forged
    (tmp_path / 'model.pkl').write_bytes(pickle.dumps(model, protocol))
    script = 'import sys, model_file; model_file.load("model.pkl")'
    done = subprocess.run([sys.executable, '-c', script], cwd=tmp_path, capture_output=True,
                          text=True, env=dict(os.environ, PYTHONPATH=str(root)))
    assert done.returncode == 1 and 'ModelFileError' in done.stderr  # not -11


def test_a_file_cannot_reach_the_classes_of_the_next(tmp_path, model):
    # GLOBAL net.RankNet, then BUILD with a slot state: sets an attribute of the class.
    (tmp_path / 'bad.pkl').write_bytes(b'\x80\x02cnet\nRankNet\nN}U\x04evilK\x01s\x86b.')
    error_of(tmp_path / 'bad.pkl')
    model_file.save(tmp_path / 'model.pkl', model)
    assert not hasattr(model_file.load(tmp_path / 'model.pkl'), 'evil')
    assert not hasattr(net.RankNet, 'evil')


@pytest.mark.parametrize('content', [
    b'', b'hello', b'\x80\x04', b'\x80\x04N.', b'\x80\x04]\x94.', b'\x80\x04K\x01.',
    b'\x80\x63N.', b'cnet\nRankNet\n.', b'\x80\x02cnet\nRankNet\n)\x81.',
])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / 'model.pkl').write_bytes(content)
    assert 'expected a model made by train.py' in error_of(tmp_path / 'model.pkl')


def test_damaged_models_are_refused(tmp_path, model):
    path = tmp_path / 'model.pkl'
    model_file.save(path, model)
    content = path.read_bytes()
    for damaged in (content[:-1], content[:len(content) // 2], content + b'.'):
        path.write_bytes(damaged)
        error_of(path)


@pytest.mark.parametrize('change, words', [
    (lambda m: setattr(m.predictor.l2.W, 'array', np.zeros((2, 500), 'f')),
     'its weights /predictor/l2/W do not have the shape 1 x 500'),
    (lambda m: m.predictor.l2.b.array.fill(np.nan), 'weights /predictor/l2/b hold nan or inf'),
    (lambda m: setattr(m.predictor.l2.b, 'array', np.zeros(1, 'i4')),
     'its weights /predictor/l2/b are no floating-point numbers'),
    (lambda m: delattr(m.predictor, 'conv2'), 'it has no /predictor/conv2'),
    (lambda m: setattr(m, 'predictor', net.RankNet(None)), 'its predictor is none of CNN'),
    (lambda m: setattr(m, 'image_scale', -1.), 'its image scale is no number above 0'),
    (lambda m: setattr(m, 'image_size', (20, 10 ** 9)), 'its image size is no pair'),
])
def test_what_comes_out_is_checked(tmp_path, model, change, words):
    change(model)
    (tmp_path / 'model.pkl').write_bytes(pickle.dumps(model))
    assert words in error_of(tmp_path / 'model.pkl')


@pytest.mark.parametrize('content', [b'', b'hello', b'PK\x03\x04', pickle.dumps([1])])
def test_what_is_no_snapshot_is_refused(tmp_path, content):
    (tmp_path / 'snapshot').write_bytes(content)
    with pytest.raises(model_file.ModelFileError, match='expected a snapshot'):
        model_file.load_snapshot(str(tmp_path / 'snapshot'), None)
