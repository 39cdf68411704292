import re

import numpy as np
import pytest

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer

from picture_ranknet.learning import pretext
from picture_ranknet.learning.recipe import Recipe
from picture_ranknet.pictures import descriptor
from support.errors import error_of
from support.runs import assert_same, fresh_model, weights_of


def test_a_batch_follows_from_the_seed_and_its_number(model, pictures):
    task = pretext.Task(model, [(pictures, np.arange(30))], 0)
    x, known = task.read(5)
    assert x.shape == (30, 3, 20, 20) and known.shape == (30, 30)
    again, other = task.read(5)[0], task.read(6)[0]
    np.testing.assert_array_equal(x, again)
    assert not np.array_equal(x, other)


def test_a_batch_is_of_the_rows_of_all_sets(model, pictures):
    sets = [(pictures, np.arange(3)), (pictures[1:], np.arange(2, 29))]  # together all 30
    x, _ = pretext.Task(model, sets, 0, strength=0, mirror=False).read(0)
    assert sorted(map(bytes, x)) == sorted(map(bytes, model.scale(pictures)))


def test_the_components_are_those_of_the_largest_variance(model, pictures, monkeypatch):
    monkeypatch.setattr(pretext, 'COMPONENTS', 5)
    task = pretext.Task(model, [(pictures, np.arange(30))], 0, strength=0, mirror=False)
    _, known = task.read(0)  # all 30
    full = descriptor.describe(pictures)
    eigenvalues = np.linalg.eigvalsh(np.cov(full.T, bias=True))[::-1][:5]
    np.testing.assert_allclose(known.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(np.cov(known.T, bias=True),
                               np.diag(eigenvalues / eigenvalues.mean()), rtol=1e-3, atol=1e-3)


def test_the_trunk_and_the_hidden_layer_learn_and_the_last_one_stays(model, pictures):
    before = {name: param.array.copy() for name, param in model.namedparams()}
    task = pretext.Task(model, [(pictures, np.arange(30))], 0, strength=0, mirror=False)
    seen = []
    losses = pretext.learn(model, task, 60, seen.append)
    assert np.mean(losses[-5:]) < .6 * losses[0] and sum(seen) == 60
    changed = {name for name, param in model.namedparams()
               if not np.array_equal(param.array, before[name])}
    assert changed == {f'/predictor/{link}/{name}'
                       for link in ('conv1', 'conv2', 'l1') for name in 'Wb'}


@pytest.mark.parametrize('arch', ['cnn', 'deep'])
def test_the_predictor_is_left_as_one_that_sees_pictures_as_they_are(pictures, arch):
    model = fresh_model(arch)
    describer = pretext.Describer(model.predictor, 5)
    x = model.scale(pictures)
    with chainer.using_config('train', False):
        before = model.predictor(x - np.float32(.5)).array
        describer.fold()
        np.testing.assert_allclose(model.predictor(x).array, before, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize('arch', ['cnn', 'deep'])
def test_same_seed_same_weights(pictures, arch):
    trained = []
    for seed in 0, 0, 1:
        model = fresh_model(arch)
        pretext.learn(model, pretext.Task(model, [(pictures, np.arange(30))], seed), 3)
        trained.append(weights_of(model))
    assert_same(trained[0], trained[1])
    assert any(not np.array_equal(a, b) for a, b in zip(trained[0], trained[2]))


def test_files_are_learnt_from_with_all_pictures_but_those_held_out(rated, tmp_path, monkeypatch,
                                                                    notes):
    monkeypatch.setattr(pretext, 'N_ITER', 3)
    path = str(tmp_path / 'more.npy')
    np.save(path, np.float32(rated.X[:5] / 255))
    model, steps = fresh_model(), []
    before = weights_of(model)
    rated = rated._replace(rows=np.arange(3))  # those that are not rated are learnt from, too
    pretext.learn_from_files([path], model, rated, np.arange(20, 26), Recipe(), None, notes.append,
                             steps.append)
    assert sum(steps) == 3 and not np.array_equal(weights_of(model)[0], before[0])
    assert notes[0] == f'{path}: 5 pictures of 20 x 20, float32'
    assert notes[1].startswith(f'warning: {path}: the brightest pixel is 0.00')
    assert re.fullmatch(r'pretraining: -?\d+% of the variance of gradients and colours explained, '
                        '29 pictures', notes[2])


def test_pictures_of_another_size_are_refused(rated, tmp_path):
    path = str(tmp_path / 'more.npy')
    np.save(path, rated.X[:, :, :15])
    assert 'more.npy: expected pictures of 20 x 20 pixels, got 20 x 15' in error_of(
        pretext.learn_from_files, [path], fresh_model(), rated, [], Recipe())
