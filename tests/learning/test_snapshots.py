import io
import os
import pickle
import zipfile

import numpy as np
import pytest

from picture_ranknet.errors import InputError
from picture_ranknet.fast import fused_adam
from picture_ranknet.learning import loop, snapshots
from picture_ranknet.learning.recipe import Recipe
from support.errors import error_of
from support.runs import assert_same, fresh_model, weights_of

RECIPE = Recipe(n_iter=2, batchsize=8)


@pytest.fixture
def path(tmp_path, rated):
    """The snapshot of a run of two steps."""
    loop.train(fresh_model(), rated, rated, RECIPE, 2, 100, str(tmp_path), say=lambda line: None)
    return tmp_path / 'snapshot_iter_2'


@pytest.fixture
def go_on(tmp_path, rated):
    """Go on from a snapshot for a third step; returns the model."""
    def go_on(path, recipe=RECIPE, model=None, train=rated, valid=rated):
        model = model or fresh_model()
        out = tmp_path / 'further'
        out.mkdir(exist_ok=True)
        loop.train(model, train, valid, recipe._replace(n_iter=3), 3, 100, str(out), str(path),
                   say=lambda line: None)
        return model
    return go_on


def repack(path, name='', change=None, method=zipfile.ZIP_STORED):
    """Change one array of a snapshot, drop it if that gives None, or put bytes in its place."""
    content = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(content) as old, zipfile.ZipFile(path, 'w', method) as new:
        assert not name or f'{name}.npy' in old.namelist()
        for info in old.infolist():
            data = old.read(info)
            if info.filename == f'{name}.npy':
                data = change(np.load(io.BytesIO(data)))
            if isinstance(data, (np.ndarray, np.generic)):
                file = io.BytesIO()
                np.save(file, data, allow_pickle=True)
                data = file.getvalue()
            if data is not None:
                new.writestr(info.filename, data)


# The same run

@pytest.mark.parametrize('change, name', [
    (dict(recipe=dict(mirror=False)), '--no_mirror'),
    (dict(recipe=dict(augment=2.)), '--augment'),
    (dict(recipe=dict(loss='magnitude')), '--loss'),
    (dict(recipe=dict(batchsize=7)), '--batchsize'),
    (dict(recipe=dict(schedule='constant')), '--schedule'),
    (dict(recipe=dict(seed=1)), '--seed'),
    (dict(recipe=dict(freeze=True)), '--freeze'),
    (dict(valid=None), 'pictures to validate on'),
    (dict(ratings=1), 'pictures'),
    (dict(rows=np.arange(29)), 'pictures'),
    (dict(features=1), '--features'),
])
def test_a_snapshot_of_a_run_that_differs_is_refused(rated, tmp_path, go_on, change, name):
    rated = rated._replace(features=np.ones((30, 2), np.float32))
    loop.train(fresh_model('cnn', 2), rated, rated, RECIPE, 2, 100, str(tmp_path),
               say=lambda line: None)
    path = tmp_path / 'snapshot_iter_2'
    other = rated._replace(rows=change.get('rows', rated.rows),
                           ratings=rated.ratings + change.get('ratings', 0),
                           features=rated.features + np.float32(change.get('features', 0)))
    with pytest.raises(InputError) as e:
        go_on(path, RECIPE._replace(**change.get('recipe', {})), fresh_model('cnn', 2), other,
              change.get('valid', rated))
    assert str(e.value) == (f'{path}: is from a run with other {name}; to continue, use the same '
                            'options and files')
    go_on(path, RECIPE, fresh_model('cnn', 2), rated, rated)


def test_a_snapshot_with_features_is_not_for_a_run_without(rated, tmp_path, go_on):
    featured = rated._replace(features=np.ones((30, 2), np.float32))
    loop.train(fresh_model('cnn', 2), featured, featured, RECIPE, 2, 100, str(tmp_path),
               say=lambda line: None)
    with pytest.raises(InputError, match='other --features'):
        go_on(tmp_path / 'snapshot_iter_2')


@pytest.mark.parametrize('recipe', [dict(augment=1), dict(patience=9)])
def test_the_same_run_written_otherwise_goes_on(path, go_on, recipe):
    assert type(RECIPE.augment) is float
    go_on(path, RECIPE._replace(**recipe))


# What is in the file

def test_all_is_loaded_that_a_run_needs(path):
    written = snapshots.Run(*set_up(fresh_model()))
    snapshots.load(str(path), written)
    assert (written.step, len(written.log), written.best.step) == (2, 1, 2)
    assert written.optimizer.t == 2
    state = written.model.predictor.l1.W.update_rule.state
    assert (state['m'] != 0).any() and (state['v'] > 0).any()
    copy = path.with_name('snapshot_iter_9')
    written.step = 9
    assert snapshots.save(str(path.parent), written) == str(copy)
    again = snapshots.Run(*set_up(fresh_model()))
    snapshots.load(str(copy), again)
    assert again.step == 9 and again.log == written.log and again.elapsed == written.elapsed
    assert_same(weights_of(again.model), weights_of(written.model))


def set_up(model):
    return model, fused_adam.Adam().setup(model), {}


def test_a_compressed_snapshot_is_as_good(path, go_on):
    expected = weights_of(go_on(path))
    repack(path, method=zipfile.ZIP_DEFLATED)
    assert_same(weights_of(go_on(path)), expected)


def test_other_snapshots_in_the_folder_are_removed(path, tmp_path):
    for name in 'snapshot_iter_1', 'snapshot_iter_9', 'snapshot_iter_2x', 'log':
        (tmp_path / name).touch()
    snapshots.remove_others(str(path))
    assert {name for name in os.listdir(tmp_path) if 'snapshot' in name} == {
        'snapshot_iter_2', 'snapshot_iter_2x'}


# Without trust

@pytest.mark.parametrize('content', [b'', b'hello', b'PK\x03\x04', pickle.dumps([1])])
def test_what_is_no_snapshot_is_refused(tmp_path, go_on, content):
    (tmp_path / 'snapshot').write_bytes(content)
    assert 'snapshot: expected a snapshot by train.py' in error_of(
        go_on, tmp_path / 'snapshot')


@pytest.mark.parametrize('share', [.01, .5, .99])
def test_a_snapshot_that_is_cut_short_is_refused(path, go_on, share):
    content = path.read_bytes()
    path.write_bytes(content[:int(share * len(content))])
    assert 'expected a snapshot' in error_of(go_on, path)


def test_a_snapshot_of_another_network_is_refused(path, go_on):
    message = error_of(go_on, path, RECIPE, fresh_model('deep'))
    assert 'expected a snapshot by train.py of the same network' in message


W = 'model/predictor/l1/W'
M = 'optimizer/predictor/l1/W/m'
BEST = 'best/predictor/l1/W'


@pytest.mark.parametrize('name, change, words', [
    (W, lambda a: None, f'it has no {W}'),
    ('marks/--seed', lambda a: None, 'it has no marks/--seed'),
    (W, lambda a: a[:-1], f'{W} is float32 of shape (499, 200), not of (500, 200)'),
    (M, lambda a: np.zeros(10 ** 6, 'f'),
     f'{M} is float32 of shape (1000000,), not of (500, 200)'),
    (BEST, lambda a: a.T, f'{BEST} is float32 of shape (200, 500), not of (500, 200)'),
    (W, lambda a: np.array([print] * 100000).reshape(500, 200), 'neither numbers nor text'),
    ('log', lambda a: np.array(None), 'neither numbers nor text'),
    (W, lambda a: a.astype(int), f'{W} is int64 of shape (500, 200)'),
    (W, lambda a: a * np.nan, f'{W} holds nan or inf'),
    (M, lambda a: a + np.inf, f'{M} holds nan or inf'),
    ('step', lambda a: -a, 'step is negative'),
    ('step', lambda a: a * 1., 'step is float64'),
    ('log', lambda a: np.array('[' * 100000), 'RecursionError'),
    ('log', lambda a: np.array('no JSON'), 'Expecting value'),
    ('log', lambda a: np.array('[{"iteration": "b"}]'), 'log is not a log of a training run'),
    ('log', lambda a: np.array('[{"main/loss": 1}]'), 'log is not a log of a training run'),
    ('log', lambda a: np.array('{"a": [[1]]}'), 'log is not a log of a training run'),
    ('log', lambda a: np.zeros((), '<U20000000'), 'log is a text of 80,000,000 bytes'),
])
def test_a_snapshot_is_checked_to_fit(path, go_on, name, change, words):
    repack(path, name, change)
    message = error_of(go_on, path)
    assert 'expected a snapshot' in message and words in message
    assert message.isprintable() and len(message) < 600


def test_a_pickle_in_a_snapshot_is_not_run(path, go_on, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = io.BytesIO()
    np.save(file, np.array([_MakesAFolder()]), allow_pickle=True)
    repack(path, W, lambda a: file.getvalue())
    assert 'neither numbers nor text' in error_of(go_on, path)
    assert not (tmp_path / 'ran').exists()


class _MakesAFolder:

    def __reduce__(self):
        return os.mkdir, ('ran',)


# The folder of a run

def test_a_run_keeps_others_out_of_its_folder(tmp_path):
    folder = str(tmp_path / 'new')
    with snapshots.keeping_others_out(folder):
        with pytest.raises(InputError, match='another train.py is writing to it; choose another'):
            with snapshots.keeping_others_out(folder):
                pass
    with snapshots.keeping_others_out(folder):
        pass


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(OSError), snapshots.keeping_others_out(str(tmp_path / 'file')):
        pass
