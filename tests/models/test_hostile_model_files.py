"""Hostile model files: nothing in them is run, and no memory is taken for what they claim."""
import copy
import os
import pickle
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

import net
from picture_ranknet.models import model_file
from support import hostile, model_samples


def error_of(path):
    with pytest.raises(model_file.ModelFileError) as e:
        model_file.load(path)
    assert '\n' not in str(e.value) and str(e.value).startswith(str(path))
    return str(e.value)


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


def test_some_of_the_fuzzing(run):
    done = run('benchmarks/fuzz_models.py', '--n', 150, '--seed', 1)
    assert done.returncode == 0 and '150 inputs' in done.stdout, done.stdout + done.stderr
