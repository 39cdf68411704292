import numpy as np
import pytest

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer
import chainer.functions as F

import net
from picture_ranknet.models import networks


def train_a_few_steps(model, pictures):
    optimizer = chainer.optimizers.Adam().setup(model)
    for _ in range(3):
        optimizer.update(model.loss_of_all_pairs, model.to_input(pictures[:8]), np.arange(8.))


def test_the_deep_network_equals_a_slow_second_implementation(pictures):
    np.random.seed(0)
    model = networks.make('deep', (20, 20), 1 / 255)
    train_a_few_steps(model, pictures)  # so that it no longer normalizes by 0 and 1
    deep = model.predictor
    h = chainer.Variable(np.ascontiguousarray(model.to_input(pictures)))
    with chainer.using_config('train', False):
        for number in '1234':
            h = F.convolution_2d(h, deep['conv' + number].W, deep['conv' + number].b,
                                 pad=0 if number == '1' else 2)
            h = deep['bn' + number](F.max_pooling_2d(F.relu(h), 2))
        h = F.relu(deep.l1(h.array.mean(axis=(2, 3))))
        np.testing.assert_allclose(model.score(pictures)[:, None], deep.l2(h).array,
                                   rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('arch', networks.ARCHITECTURES)
def test_every_architecture_gives_one_score_a_picture_of_any_size(arch):
    for size in (13, 13), (20, 15), (81, 79):
        model = networks.make(arch, size, .5)
        assert model.predictor(np.zeros((2, 3, *size), np.float32)).shape == (2, 1)
        assert (model.image_size, model.image_scale) == (size, .5)


@pytest.mark.parametrize('arch', networks.ARCHITECTURES)
def test_pictures_that_pooling_would_use_up_are_refused(arch):
    with pytest.raises(ValueError, match='at least 13 x 13 pixels, got a side of 12'):
        networks.make(arch, (80, 12), 1 / 255)


@pytest.mark.parametrize('arch', networks.ARCHITECTURES)
def test_initial_weights_follow_from_the_seed(arch):
    def weights(seed):
        np.random.seed(seed)
        return dict(networks.make(arch, (20, 20), 1 / 255).namedparams())

    for name, param in weights(1).items():
        np.testing.assert_array_equal(param.array, weights(1)[name].array)
    assert (weights(1)['/predictor/l1/W'].array != weights(2)['/predictor/l1/W'].array).all()


def test_the_deep_network_has_a_nineteenth_of_the_articles_weights():
    small, large = (sum(param.size for param in networks.make(arch, (80, 80), 1).params())
                    for arch in ('deep', 'cnn'))
    assert round(large / small) == 19


@pytest.mark.parametrize('arch', networks.ARCHITECTURES)
def test_features_add_to_the_hidden_layer_as_if_they_were_its_input(arch, pictures):
    np.random.seed(0)
    model = networks.make(arch, (20, 20), 1 / 255)
    features = np.random.default_rng(0).normal(3, 7, (30, 4)).astype(np.float32)
    features[:, 2] = 7.3  # constant: its deviation is a rounding error
    model.predictor.add_features(4)
    model.predictor.features.standardize_by(features)
    p = model.predictor
    with chainer.using_config('train', False):
        h = p.trunk(model.to_input(pictures)).array.reshape(30, -1)
    known = (features - features.mean(axis=0)) / features.std(axis=0)
    known[:, 2] = 0
    joined = np.concatenate([h, known], axis=1)
    W = np.concatenate([p.l1.W.array, p.features.l.W.array], axis=1)
    hidden = np.maximum(joined @ W.T + p.l1.b.array, 0)
    np.testing.assert_allclose(model.score(pictures, features=features)[:, None],
                               hidden @ p.l2.W.array.T + p.l2.b.array, rtol=1e-3, atol=1e-4)
    unseen = features + np.float32([0, 0, .7, 0])
    np.testing.assert_allclose(model.score(pictures, features=unseen),
                               model.score(pictures, features=features), atol=.5)


def test_the_articles_network_is_that_of_net():
    assert type(networks.make('cnn', (20, 20), 1 / 255).predictor) is net.CNN
