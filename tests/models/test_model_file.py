import copy
import io
import itertools
import lzma
import os
import pathlib
import pickle
import pickletools
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer

import net
from picture_ranknet.fast import fused_adam
from picture_ranknet.models import model_file, networks
from support import hostile, model_samples

DATA = pathlib.Path(__file__).parent.parent / 'data'


def error_of(path):
    with pytest.raises(model_file.ModelFileError) as e:
        model_file.load(path)
    assert '\n' not in str(e.value) and str(e.value).startswith(str(path))
    return str(e.value)


def test_a_saved_model_scores_as_before(tmp_path, model, pictures):
    model_samples.train_a_step(model)
    model_file.save(tmp_path / 'model.pkl', model)
    loaded = model_file.load(tmp_path / 'model.pkl')
    assert (loaded.image_size, loaded.image_scale) == ((20, 20), 1 / 255)
    np.testing.assert_array_equal(loaded.score(pictures), model.score(pictures))


def trained(arch, n_features):
    """A model after a step of training, and features of the 30 pictures."""
    np.random.seed(0)
    model, features = networks.make(arch, (20, 20), 1 / 255), None
    if n_features:
        model.predictor.add_features(n_features)
        features = np.random.default_rng(0).normal(size=(30, n_features)).astype(np.float32)
        model.predictor.features.standardize_by(features)
    model_samples.train_a_step(model, n_features=n_features)
    return model, features


EVERY_KIND = pytest.mark.parametrize('arch, n_features', list(itertools.product(
    networks.ARCHITECTURES, [0, 3])))


@EVERY_KIND
def test_models_of_every_architecture_are_saved(tmp_path, pictures, arch, n_features):
    model, features = trained(arch, n_features)
    model_file.save(tmp_path / 'model.pkl', model)
    loaded = model_file.load(tmp_path / 'model.pkl')
    np.testing.assert_array_equal(loaded.score(pictures, None, features),
                                  model.score(pictures, None, features))


def test_saving_leaves_the_model_as_it_is(tmp_path, model, pictures):
    model_samples.train_a_step(model)
    gradients = [param.grad.copy() for param in model.params()]
    model_file.save(tmp_path / 'model.pkl', model)
    for param, gradient in zip(model.params(), gradients):
        np.testing.assert_array_equal(param.grad, gradient)
        assert param.update_rule is not None


def test_a_model_file_holds_weights_alone(tmp_path, model, pictures):
    model_samples.train_a_step(model)
    model_file.save(tmp_path / 'model.pkl', model)
    weights = sum(param.array.nbytes for param in model.params())
    assert weights < os.path.getsize(tmp_path / 'model.pkl') < weights + 5000


def test_the_same_model_is_the_same_file_in_every_process(tmp_path, root):
    script = ('import sys, numpy; from picture_ranknet.models import model_file, networks;'
              'numpy.random.seed(0);'
              'model_file.save(sys.argv[1], networks.make("deep", (20, 20), 1 / 255))')
    for seed in '123':  # of the order of sets
        subprocess.run([sys.executable, '-c', script, seed], cwd=tmp_path, check=True,
                       env=dict(os.environ, PYTHONPATH=str(root), PYTHONHASHSEED=seed))
    assert len({(tmp_path / seed).read_bytes() for seed in '123'}) == 1


PLAIN_PICKLE = """
import pickle, sys
import numpy
with open('model.pkl', 'rb') as f:
    model = pickle.load(f)
features = numpy.load('F.npy') if model.predictor.n_features else None
numpy.save('scores.npy', model.score(numpy.load('X.npy'), None, features))
"""


@EVERY_KIND
def test_plain_pickle_reads_a_model_file_where_net_is_importable(tmp_path, pictures, root, arch,
                                                                 n_features):
    model, features = trained(arch, n_features)
    model_file.save(tmp_path / 'model.pkl', model)
    np.save(tmp_path / 'X.npy', pictures)
    np.save(tmp_path / 'F.npy', np.float32(0) if features is None else features)
    subprocess.run([sys.executable, '-c', PLAIN_PICKLE],
                   cwd=tmp_path, check=True, env=dict(os.environ, PYTHONPATH=str(root)))
    np.testing.assert_array_equal(np.load(tmp_path / 'scores.npy'),
                                  model.score(pictures, None, features))


@pytest.mark.parametrize('protocol', range(6))
@EVERY_KIND
def test_models_pickled_as_they_are_load_in_every_protocol(tmp_path, pictures, arch, n_features,
                                                           protocol):
    model, features = trained(arch, n_features)
    model.loss = chainer.Variable(np.float32([[1]]))  # the article's RankNet keeps it
    with open(tmp_path / 'model.pkl', 'wb') as f:
        pickle.dump(model, f, protocol)
    loaded = model_file.load(tmp_path / 'model.pkl')
    np.testing.assert_array_equal(loaded.score(pictures, None, features),
                                  model.score(pictures, None, features))


def test_a_model_of_the_articles_own_script_loads(tmp_path):
    # Made by the article's net.py and train.py with Chainer 1.18 and NumPy
    # 1.11 on Python 3.6.  Then its weights were replaced by a short pattern,
    # so that the file compresses well, and that Chainer scored the pictures.
    with lzma.open(DATA / 'article_chainer1.pkl.xz') as f:
        (tmp_path / 'model.pkl').write_bytes(f.read())
    model = model_file.load(tmp_path / 'model.pkl')
    assert (model.image_size, model.image_scale) == ((80, 80), None)
    model.image_scale = 1 / 255
    X = (np.arange(3 * 3 * 80 * 80).reshape(3, 3, 80, 80) % 251).astype(np.uint8)
    np.testing.assert_allclose(
        model.score(X), [87.60899353027344, 87.87753295898438, 87.73828887939453], rtol=1e-5)


# Made by earlier versions of train.py with the --arch and --features of their
# names.  Then their weights were replaced by a short pattern, and the code of
# that time scored the pictures.
@pytest.mark.parametrize('name, n_features, expected', [
    ('first_release_cnn', 0, [13.924168586730957, 14.226454734802246, 14.057780265808105]),
    ('release_0_1_cnn', 0, [13.924168586730957, 14.22645378112793, 14.05777359008789]),
    ('release_0_1_deep', 0, [0.21668565273284912, 0.21668682992458344, 0.21668903529644012]),
    ('release_0_1_cnn_features', 2, [13.935145378112793, 14.184959411621094, 14.236540794372559]),
    ('release_0_1_deep_features', 2, [0.2190587818622589, 0.22272610664367676, 0.4397524297237396]),
])
def test_models_that_name_net_cnn_deepcnn_and_features_load(tmp_path, name, n_features, expected):
    with lzma.open(DATA / (name + '.pkl.xz')) as f:
        (tmp_path / 'model.pkl').write_bytes(f.read())
    model = model_file.load(tmp_path / 'model.pkl')
    assert (model.image_size, model.image_scale) == ((20, 20), 1 / 255)
    assert model.predictor.n_features == n_features
    X = (np.arange(3 * 3 * 20 * 20).reshape(3, 3, 20, 20) % 251).astype(np.uint8)
    features = np.float32([[0, 0], [1, 1], [2, 4]])
    scores = model.score(X, None, features if n_features else None)
    np.testing.assert_allclose(scores, expected, rtol=1e-4)


def test_a_loaded_model_is_saved_as_it_was(tmp_path):
    for arch, n_features in ('cnn', 0), ('cnn', 2), ('deep', 2):
        model_file.save(tmp_path / 'a', model_samples.model(arch, n_features, (20, 24)))
        model_file.save(tmp_path / 'b', model_file.load(tmp_path / 'a'))
        a, b = ((tmp_path / name).read_bytes() for name in 'ab')
        assert len(a) == len(b)
        model_file.save(tmp_path / 'c', model_file.load(tmp_path / 'b'))
        assert b == (tmp_path / 'c').read_bytes()


def fast(model, protocol=2):
    """Without a memo: repeated objects are pickled again."""
    f = io.BytesIO()
    pickler = pickle.Pickler(f, protocol)
    pickler.fast = True
    pickler.dump(model)
    return f.getvalue()


def under_other_names(model):
    return (pickle.dumps(model, 2).replace(b'cnet\n', b'c__main__\n')
            .replace(b'cnumpy._core.', b'cnumpy.core.'))


def of_16_bits(model):
    for param in model.params():
        param.array = param.array.astype(np.float16)
    return pickle.dumps(model)


def in_other_layouts(model):
    for number, param in enumerate(model.params()):
        param.array = np.asfortranarray(param.array).astype(['>f8', '<f8', '>f4'][number % 3])
    return pickle.dumps(model)


@pytest.mark.parametrize('dump', [
    pickle._dumps, fast, under_other_names, of_16_bits, in_other_layouts,
    lambda model: pickletools.optimize(pickle.dumps(model)),
    lambda model: pickletools.optimize(pickle._dumps(model, 2)),
    lambda model: pickle.dumps(copy.deepcopy(model)),
    lambda model: pickle.dumps(model.copy('copy'), 0),
    lambda model: pickle._dumps(copy.deepcopy(model), 5),
])
@pytest.mark.parametrize('adam', [chainer.optimizers.Adam, fused_adam.Adam],
                         ids=['adam of Chainer', 'ours'])
def test_other_pickles_of_a_trained_model(tmp_path, dump, adam):
    model, pictures = model_samples.model(), model_samples.rated()
    model_samples.train_a_step(model, adam)
    scores = model.score(pictures.X)
    (tmp_path / 'model.pkl').write_bytes(dump(model))
    np.testing.assert_allclose(
        model_file.load(tmp_path / 'model.pkl').score(pictures.X), scores, rtol=2e-3)


def test_a_model_may_come_out_of_a_pipe(tmp_path):
    model_file.save(tmp_path / 'model.pkl', model_samples.model())
    os.mkfifo(tmp_path / 'pipe')
    writer = threading.Thread(target=lambda: (tmp_path / 'pipe').write_bytes(
        (tmp_path / 'model.pkl').read_bytes()))
    writer.start()
    assert model_file.load(tmp_path / 'pipe').image_size == model_samples.SIZE
    writer.join()


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    with open(tmp_path / 'model.pkl', 'wb') as f:
        f.truncate(2 ** 32 + 1)  # takes no room on the disk
    assert 'it has more than 4,294,967,296 bytes' in error_of(tmp_path / 'model.pkl')


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


ATTACKS = """
import os, resource, sys, warnings
from picture_ranknet.models import model_file
warnings.simplefilter('error')
heard, most = [], 0
sys.addaudithook(lambda event, args: heard.append((event, args)))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name in sorted(os.listdir('attacks')):
    heard.clear()
    try:
        model_file.load('attacks/' + name)
        raise SystemExit(name + ' was loaded')
    except model_file.ModelFileError as e:
        assert str(e).isprintable() and len(str(e)) < 300, e
    odd = {event for event, _ in heard} - {'open', 'mmap.__new__', 'builtins.id'}
    assert not odd and sum(event == 'open' for event, _ in heard) == 1, heard
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) // 1024)
"""


def test_no_known_attack_does_anything(tmp_path, root):
    (tmp_path / 'attacks').mkdir()
    attacks = {**hostile.CALLS, **hostile.PROGRAMS, **hostile.SIZES}
    for number, content in enumerate(attacks.values()):
        (tmp_path / 'attacks' / f'{number:03}').write_bytes(content)
    done = subprocess.run([sys.executable, '-c', ATTACKS], cwd=tmp_path, capture_output=True,
                          text=True, env=dict(os.environ, PYTHONPATH=str(root)))
    assert not done.stderr and int(done.stdout) < 200  # MiB
    assert os.listdir(tmp_path) == ['attacks']


def test_what_copyreg_has_seen_before_is_refused_as_well(tmp_path):
    hostile.remember_extension()
    try:
        (tmp_path / 'model.pkl').write_bytes(hostile.PROGRAMS['extension 130'])
        assert 'its byte 0 is EXT1, which no model needs' in error_of(tmp_path / 'model.pkl')
    finally:
        hostile.forget_extension()


@pytest.mark.parametrize('hidden', [
    b'cos\nsystem\n', hostile.SYSTEM, b'\x82\xf0', b'Pname\n', hostile.name('net', 'inference'),
])
def test_attacks_inside_a_model_are_refused(tmp_path, hidden):
    content = pickle.dumps(model_samples.model(), 2)
    at = content.index(b'X\x0b\0\0\0image_scale')
    (tmp_path / 'model.pkl').write_bytes(content[:at] + hidden + b'0' + content[at:])
    assert 'expected a model made by train.py' in error_of(tmp_path / 'model.pkl')


def test_a_model_with_laughs_in_it_loads(tmp_path):
    model = model_samples.model()
    model.laughs = laughs = []
    for _ in range(100):
        laughs = [laughs] * 10
        model.laughs.append(laughs)
    (tmp_path / 'model.pkl').write_bytes(pickle.dumps(model))
    assert model_file.load(tmp_path / 'model.pkl').image_size == model_samples.SIZE


def claim(true_features=0, **claims):
    """A small file that claims to hold a large model."""
    model = model_samples.model('cnn', true_features)
    for name, value in claims.items():
        setattr(model if name == 'image_size' else model.predictor, name, value)
    return pickle.dumps(model, 2)


@pytest.mark.parametrize('content, words', [
    (claim(image_size=(10000, 10000)), 'weights /predictor/l1/W do not have the shape 500 x'),
    (claim(n_features=100000), 'it has no /predictor/features'),
    (claim(2, n_features=100000), 'do not have the shape 100000'),
], ids=['image_size', 'n_features', 'features'])
def test_memory_is_taken_for_weights_that_are_there(tmp_path, content, words):
    (tmp_path / 'model.pkl').write_bytes(content)
    tracemalloc.start()
    assert words in error_of(tmp_path / 'model.pkl')
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6


OBJECT_FIELD = 4, '|', None, ('a',), {'a': (np.dtype('O'), 0)}, 8, 1, 0


FORGED = [
    # NumPy would make objects out of these bytes: pointers that lead anywhere.
    Call(np.ndarray, (1,), np.dtype('O'), b'A' * 8),
    Call(np.float32(0).__reduce__()[0], Call(np.dtype, 'V8', state=OBJECT_FIELD), b'A' * 8),
]


def test_forged_pointers_are_not_followed(tmp_path, model, root):
    for number, forged in enumerate(FORGED):
        for place in 'image_scale', 'image_size', 'predictor', 'in a set':
            hiding = copy.copy(model)
            vars(hiding)['image_scale' if place == 'in a set' else place] = (
                Call(set, [forged]) if place == 'in a set' else forged)
            for protocol in 2, 4:
                path = tmp_path / f'{number} {place} {protocol}.pkl'
                path.write_bytes(pickle.dumps(hiding, protocol))
    script = ('import glob\nfrom picture_ranknet.models import model_file\n'
              'for path in glob.glob("*.pkl"):\n'
              '    try: model_file.load(path)\n'
              '    except model_file.ModelFileError: print("refused")')
    done = subprocess.run([sys.executable, '-c', script], cwd=tmp_path, capture_output=True,
                          text=True, env=dict(os.environ, PYTHONPATH=str(root)))
    assert done.returncode == 0 and done.stdout == 16 * 'refused\n'  # not -11


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
     'its weights /predictor/l2/b are not floating-point numbers'),
    (lambda m: delattr(m.predictor, 'conv2'), 'it has no /predictor/conv2'),
    (lambda m: setattr(m, 'predictor', net.RankNet(None)), 'its predictor is none of CNN'),
    (lambda m: setattr(m, 'image_scale', -1.), 'its image scale is not a number above 0'),
    (lambda m: setattr(m, 'image_size', (20, 10 ** 9)), 'its image size is not a pair'),
])
def test_what_comes_out_is_checked(tmp_path, model, change, words):
    change(model)
    (tmp_path / 'model.pkl').write_bytes(pickle.dumps(model))
    assert words in error_of(tmp_path / 'model.pkl')


def test_some_of_the_fuzzing(run):
    done = run('benchmarks/fuzz_models.py', '--n', 400, '--seed', 1)
    assert done.returncode == 0 and '400 inputs' in done.stdout, done.stdout + done.stderr
