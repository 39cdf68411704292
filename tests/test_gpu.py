"""The GPU gives what the CPU gives; skipped where there is none."""
import re

import numpy as np
import pytest

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer

from picture_ranknet.learning import augment, loop, pretext
from picture_ranknet.learning.recipe import Recipe
from picture_ranknet.models import model_file
from picture_ranknet.storage import arrays
from support.runs import fresh_model


def has_gpu():
    if not chainer.backends.cuda.available:
        return False
    try:
        return chainer.backends.cuda.cupy.cuda.runtime.getDeviceCount() > 0
    except Exception:  # of CuPy's own kinds, where there is no driver
        return False


pytestmark = [pytest.mark.gpu,
              pytest.mark.skipif(not has_gpu(), reason='needs a GPU: pip install -e ".[gpu]"')]


@pytest.fixture
def gpu():
    device = chainer.get_device('@cupy:0')
    device.use()
    return device


def weights(model):
    send = chainer.get_device('@numpy').send
    return {name: send(param.array) for name, param in model.namedparams()}


@pytest.mark.parametrize('arch', ['cnn', 'deep'])
@pytest.mark.parametrize('mirror', [False, True])
def test_scores_are_those_of_the_cpu(gpu, pictures, arch, mirror):
    expected = fresh_model(arch).score(pictures[:6], mirror=mirror)
    scores = fresh_model(arch, device=gpu).score(pictures[:6], mirror=mirror)
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-4)


def test_scores_with_features_are_those_of_the_cpu(gpu, pictures):
    F = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    np.testing.assert_allclose(fresh_model('cnn', 4, gpu).score(pictures, features=F),
                               fresh_model('cnn', 4).score(pictures, features=F), atol=1e-4)


@pytest.mark.parametrize('arch, n_features, unit', [
    ('cnn', 0, None), ('cnn', 4, 1.5), ('deep', 0, None)])
def test_a_step_is_that_of_the_cpu(gpu, pictures, ratings, arch, n_features, unit):
    F = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32) if n_features else None
    losses, models = [], []
    for device in chainer.get_device('@numpy'), gpu:
        model = fresh_model(arch, n_features, device)
        x = model.scale(pictures)
        augment.vary(x, np.random.default_rng(0))
        loss = model.loss_of_all_pairs(device.send(x), device.send(ratings),
                                       None if F is None else device.send(F), unit)
        model.cleargrads()
        loss.backward()
        chainer.optimizers.SGD(.1).setup(model).update()
        losses.append(float(loss.array))
        models.append(weights(model))
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    for name, array in models[0].items():
        np.testing.assert_allclose(models[1][name], array, rtol=1e-2, atol=1e-4, err_msg=name)


@pytest.mark.parametrize('arch', ['cnn', 'deep'])
@pytest.mark.parametrize('freeze', [False, True])
def test_training_goes_the_way_of_the_cpu(gpu, pictures, ratings, tmp_path, arch, freeze):
    rated = arrays.RatedPictures(pictures, ratings, np.arange(30))
    recipe = Recipe(n_iter=20, batchsize=16, freeze=freeze)
    logs = []
    for name, device in ('cpu', chainer.get_device('@numpy')), ('gpu', gpu):
        (tmp_path / name).mkdir()
        logs.append(loop.train(fresh_model(arch, device=device), rated, rated, recipe, 10, 100,
                               str(tmp_path / name)))
    for entry, expected in zip(*logs[::-1]):
        for key in 'main/loss', 'valid/loss', 'valid/pair_accuracy':
            assert entry[key] == pytest.approx(expected[key], abs=.05), key


def test_pretraining_goes_the_way_of_the_cpu(gpu, pictures):
    trained = []
    for device in chainer.get_device('@numpy'), gpu:
        model = fresh_model(device=device)
        task = pretext.Task(model, [(pictures, np.arange(30))], 0)
        losses = pretext.learn(model, task, 5)
        trained.append((losses, weights(model)['/predictor/conv1/b']))
    np.testing.assert_allclose(trained[0][0], trained[1][0], rtol=1e-2)
    np.testing.assert_allclose(trained[0][1], trained[1][1], atol=1e-2)


@pytest.mark.parametrize('trained_on', ['-1', '0'])
def test_a_model_of_either_device_scores_on_the_other(gpu, run, rated_files, trained_on):
    other = {'-1': '0', '0': '-1'}[trained_on]
    done = run('train.py', 'X.npy', 'ratings.txt', '--n_iter', 6, '--monitor_step', 3, '-b', 8,
               '--valid_ratio', .2, '-d', trained_on)
    assert done.returncode == 0 and done.stdout.count('step') == 2, done.stderr
    assert str(model_file.load(rated_files / 'model.pkl').device) == '@numpy'
    scores = np.loadtxt(rated_files / 'pred.txt')
    for device in trained_on, other:
        done = run('predict.py', 'model.pkl', 'X.npy', '-o', 'again.txt', '-d', device,
                   '--explain', 'why.png', '--explain_n', 1)
        assert done.returncode == 0, done.stderr
        np.testing.assert_allclose(np.loadtxt(rated_files / 'again.txt'), scores, atol=1e-4)


def test_a_run_is_resumed_on_the_other_device(gpu, run, rated_files):
    args = 'X.npy', 'ratings.txt', '--monitor_step', 3, '-b', 8
    run('train.py', *args, '--n_iter', 3, '-d', 0)
    done = run('train.py', *args, '--n_iter', 6, '-d', -1, '-r', 'result/snapshot_iter_3')
    assert re.findall(r'step: (\d)', done.stdout) == ['6'], done.stderr
    done = run('train.py', *args, '--n_iter', 9, '-d', 0, '-r', 'result/snapshot_iter_6')
    assert re.findall(r'step: (\d)', done.stdout) == ['9'], done.stderr


def test_features_pretraining_and_freezing(gpu, run, rated_files):
    np.save(rated_files / 'F.npy', np.random.default_rng(0).normal(size=(30, 2)))
    done = run('train.py', 'X.npy', 'ratings.txt', '--n_iter', 2, '-d', 0, '--features', 'F.npy',
               '--unrated', 'X.npy', '--freeze')
    assert done.returncode == 0, done.stderr
    done = run('predict.py', 'model.pkl', 'X.npy', '-d', 0, '--features', 'F.npy', '--mirror')
    assert done.returncode == 0, done.stderr
