import numpy as np
import pytest

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer

import net
from picture_ranknet.learning import pretext
from picture_ranknet.models import networks
from picture_ranknet.pictures import descriptor


def test_a_batch_follows_from_the_seed_and_its_number_and_is_of_all_sets(model, pictures):
    task = pretext.Task(model, [(pictures, np.arange(3)), (pictures[1:], np.arange(2, 29))], 0)
    x, known = task.read(5)
    assert x.shape == (30, 3, 20, 20) and known.shape == (30, 30)
    again, other = task.read(5)[0], task.read(6)[0]
    np.testing.assert_array_equal(x, again)
    assert not np.array_equal(x, other)
    drawn = {tuple(picture.ravel()) for picture in task._pictures(np.arange(30))}
    assert drawn == {tuple(picture.ravel()) for picture in pictures}


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
    assert changed == {'/predictor/{}/{}'.format(link, name)
                       for link in ('conv1', 'conv2', 'l1') for name in 'Wb'}


@pytest.mark.parametrize('arch', ['cnn', 'deep'])
def test_the_predictor_is_left_as_one_that_sees_pictures_as_they_are(pictures, arch):
    np.random.seed(0)
    model = net.RankNet(networks.ARCHITECTURES[arch]((20, 20)), (20, 20), 1 / 255)
    describer = pretext.Describer(model.predictor, 5)
    x = model.scale(pictures)
    with chainer.using_config('train', False):
        before = model.predictor(x - np.float32(.5)).array
        describer.fold()
        np.testing.assert_allclose(model.predictor(x).array, before, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize('arch', ['cnn', 'deep'])
def test_same_seed_same_weights(pictures, arch):
    weights = []
    for seed in 0, 0, 1:
        np.random.seed(0)
        model = net.RankNet(networks.ARCHITECTURES[arch]((20, 20)), (20, 20), 1 / 255)
        pretext.learn(model, pretext.Task(model, [(pictures, np.arange(30))], seed), 3)
        weights.append(b''.join(param.array.tobytes() for _, param in sorted(model.namedparams())))
    assert weights[0] == weights[1] != weights[2]
