import pickle

import numpy as np
import pytest

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer
from chainer import gradient_check

import net


class Identity(chainer.Chain):

    """A predictor whose pictures are their scores."""

    def forward(self, x):
        return chainer.as_variable(x)


def loss(s_i, s_j, t_i, t_j):
    x_i, x_j = (np.array(s, np.float32).reshape(-1, 1) for s in (s_i, s_j))
    return float(net.RankNet(Identity())(x_i, x_j, t_i, t_j).array)


def articles_loss(s_i, s_j, t_i, t_j):
    """The article's formula, in extended precision."""
    d = np.longdouble(np.float32(s_i)) - np.longdouble(np.float32(s_j))
    return float((1 - np.sign(t_i - t_j)) * d / 2 + np.log(1 + np.exp(-d)))


def test_cnn_has_the_articles_layers():
    shapes = {name: param.shape for name, param in net.CNN().namedparams()}
    assert shapes == {'/conv1/W': (20, 3, 5, 5), '/conv1/b': (20,),
                      '/conv2/W': (50, 20, 5, 5), '/conv2/b': (50,),
                      '/l1/W': (500, 14450), '/l1/b': (500,),
                      '/l2/W': (1, 500), '/l2/b': (1,)}


@pytest.mark.parametrize('size', [(13, 13), (14, 31), (20, 15), (80, 80), (81, 79)])
def test_cnn_gives_one_score_a_picture_of_any_size(size):
    assert net.CNN(size)(np.zeros((2, 3, *size), np.float32)).shape == (2, 1)


def test_cnn_refuses_pictures_that_pooling_would_use_up():
    with pytest.raises(ValueError, match='at least 13 x 13 pixels, got a side of 12'):
        net.CNN((80, 12))


def test_cnn_equals_a_slow_second_implementation():
    np.random.seed(0)
    cnn = net.CNN((14, 17))
    x = np.random.rand(2, 3, 14, 17).astype(np.float32)

    def convolve(x, link):
        y = np.empty((x.shape[0] - 4, x.shape[1] - 4, len(link.b.array)))
        for row, column in np.ndindex(y.shape[:2]):
            patch = x[row:row + 5, column:column + 5].transpose(2, 0, 1)  # HWC -> CHW
            y[row, column] = (link.W.array * patch).sum(axis=(1, 2, 3)) + link.b.array
        return np.maximum(y, 0)

    def pool(x):
        y = np.empty((-(-x.shape[0] // 2), -(-x.shape[1] // 2), x.shape[2]))
        for row, column in np.ndindex(y.shape[:2]):
            y[row, column] = x[2 * row:2 * row + 2, 2 * column:2 * column + 2].max(axis=(0, 1))
        return y

    expected = []
    for picture in x:
        h = pool(convolve(picture.transpose(1, 2, 0), cnn.conv1))  # CHW -> HWC
        h = pool(convolve(h, cnn.conv2)).transpose(2, 0, 1).ravel()
        h = np.maximum(cnn.l1.W.array @ h + cnn.l1.b.array, 0)
        expected.append(cnn.l2.W.array @ h + cnn.l2.b.array)
    np.testing.assert_allclose(cnn(x).array, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('s_i, s_j, t_i, t_j, expected', [
    (0, 0, 1, 0, np.log(2)),
    (0, 0, 0, 1, np.log(2)),
    (0, 0, 0, 0, np.log(2)),
    (np.log(3), 0, 1, 0, np.log(4 / 3)),
    (np.log(3), 0, 0, 1, np.log(4)),
    (np.log(3), 0, 2, 2, np.log(4 / 3) + np.log(3) / 2),
])
def test_loss_by_hand(s_i, s_j, t_i, t_j, expected):
    assert loss(s_i, s_j, t_i, t_j) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize('t_i, t_j', [(3, 1), (1, 3), (2, 2), (-1, -2), (.1, .2)])
def test_loss_equals_the_articles(t_i, t_j):
    for s_i, s_j in np.random.RandomState(0).normal(0, 10, (200, 2)):
        expected = articles_loss(s_i, s_j, t_i, t_j)
        # The difference of two float32 scores is itself rounded.
        assert loss(s_i, s_j, t_i, t_j) == pytest.approx(expected, rel=3e-6, abs=1e-7)


@pytest.mark.parametrize('dtype', ['u1', 'i8', 'f4', 'f8', '?'])
def test_loss_takes_ratings_of_any_type(dtype):
    for t_i, t_j in (0, 1), (1, 0), (1, 1):
        expected = articles_loss(1, 0, t_i, t_j)
        assert loss(1, 0, *np.array([t_i, t_j], dtype)) == pytest.approx(expected, rel=1e-6)
        assert loss(1, 0, t_i, t_j) == pytest.approx(expected, rel=1e-6)


def test_loss_stays_finite_for_extreme_scores():
    assert loss(-500, 500, 1, 0) == pytest.approx(1000)
    assert loss(500, -500, 1, 0) == 0
    assert loss(500, -500, 0, 1) == pytest.approx(1000)
    assert loss(500, -500, 1, 1) == pytest.approx(500)


def test_loss_of_a_batch_is_the_mean_of_its_pairs():
    pairs = [(.3, .1, 2, 1), (.5, 1.5, 1, 4), (-1, 2, 3, 3)]
    expected = np.mean([loss(*pair) for pair in pairs])
    assert loss(*zip(*pairs)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize('t', [[3, 1, 2, 2, 5], [1, 1, 1, 1, 1], [1, 2, 3, 4, 5]])
def test_loss_of_all_pairs_is_the_mean_over_every_pair(model, pictures, t):
    x, t = model.to_input(pictures[:5]), np.array(t)
    i, j = zip(*[(i, j) for i in range(5) for j in range(i)])
    i, j = np.array(i), np.array(j)
    expected = model(x[i], x[j], t[i], t[j])
    model.cleargrads()
    expected.backward()
    gradients = {name: param.grad for name, param in model.namedparams()}
    loss = model.loss_of_all_pairs(x, t)
    model.cleargrads()
    loss.backward()
    assert float(loss.array) == pytest.approx(float(expected.array), rel=1e-6)
    for name, param in model.namedparams():
        np.testing.assert_allclose(param.grad, gradients[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('dtype', ['u1', 'i8', 'f8'])
def test_with_a_unit_scores_should_differ_as_ratings_do(dtype):
    s, t = np.array([[.3], [1.1], [-.4]], np.float32), np.array([1, 4, 2], dtype)
    # Ratings differ by -3, -1, 2, which is -1.5, -.5, 1 in units of 2; scores by -.8, .7, 1.5.
    expected = (.7 ** 2 + 1.2 ** 2 + .5 ** 2) / 3
    ranknet = net.RankNet(Identity())
    assert float(ranknet.loss_of_scores(s, t, unit=2).array) == pytest.approx(expected)
    assert float(ranknet.loss_of_scores(t[:, None] / np.float32(2), t, unit=2).array) == 0
    large = t.astype(float) * 1e300
    assert float(ranknet.loss_of_scores(s, large, unit=2e300).array) == pytest.approx(expected)


def test_loss_takes_a_pair_as_the_article_passes_it(model, pictures):
    x_i, x_j = model.to_input(pictures[:1]), model.to_input(pictures[1:2])
    t_i, t_j = chainer.Variable(np.array(5.)), chainer.Variable(np.array(2.))
    s_i, s_j = model.predictor(x_i).array.item(), model.predictor(x_j).array.item()
    assert float(model(x_i, x_j, t_i, t_j).array) == pytest.approx(
        articles_loss(s_i, s_j, 5, 2), rel=1e-5)


@pytest.mark.parametrize('t_i, t_j', [(3, 1), (1, 3), (2, 2)])
@pytest.mark.parametrize('d', [-3, -.1, 0, 2])
def test_gradients_of_the_loss(d, t_i, t_j):
    ranknet = net.RankNet(Identity())
    scores = np.array([[[d]], [[0]]], np.float64)
    gradient_check.check_backward(
        lambda s_i, s_j: ranknet(s_i, s_j, np.array(t_i), np.array(t_j)),
        tuple(scores), None, dtype=np.float64, rtol=1e-5, atol=1e-6)


def test_gradients_reach_every_weight(model, pictures):
    x_i, x_j = model.to_input(pictures[:4]), model.to_input(pictures[4:8])
    t_i, t_j = np.array([1, 2, 3, 3]), np.array([2, 1, 3, 1])
    for param in model.params():
        param.array = param.array.astype(np.float64)
    x_i, x_j = x_i.astype(np.float64), x_j.astype(np.float64)
    model.cleargrads()
    model(x_i, x_j, t_i, t_j).backward()
    rng = np.random.RandomState(0)
    for name, param in model.namedparams():
        direction = rng.normal(size=param.shape)
        base, step = param.array.copy(), 1e-6
        losses = []
        for sign in (1, -1):
            param.array[...] = base + sign * step * direction
            losses.append(float(model(x_i, x_j, t_i, t_j).array))
        param.array[...] = base
        numerical = (losses[0] - losses[1]) / (2 * step)
        assert (param.grad * direction).sum() == pytest.approx(numerical, rel=1e-4, abs=1e-8), name


def test_a_model_of_features_learns_from_them_too(model, pictures):
    model.predictor.add_features(2)
    features = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    x, t = model.to_input(pictures[:5]), np.arange(5)
    expected = model.loss_of_scores(model.predict(x, features), t)
    assert model.loss_of_all_pairs(x, t, features).array == expected.array
    model.cleargrads()
    expected.backward()
    assert model.predictor.features.l.W.grad.any()


def test_a_pickle_remembers_scale_and_size(model, pictures):
    copy = pickle.loads(pickle.dumps(model))
    assert (copy.image_size, copy.image_scale) == ((20, 20), 1 / 255)
    np.testing.assert_array_equal(copy.score(pictures), model.score(pictures))
