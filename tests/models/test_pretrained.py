import numpy as np
import pytest

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer

import net
from models.test_efficientnet import needs_weights
from picture_ranknet.errors import InputError
from picture_ranknet.models import efficientnet, explain, model_file, scoring, sight
from picture_ranknet.models.pretrained import Pretrained

SCALE = 1 / 255


def make(digest='', n_features=0, seed=0):
    """A model with random weights."""
    model = net.RankNet(Pretrained(digest, n_features), (80, 80), SCALE)
    rng = np.random.default_rng(seed)
    predictor = model.predictor
    predictor.l.W.array[...] = rng.normal(size=predictor.l.W.shape)
    predictor.mean[...] = rng.normal(size=predictor.mean.shape)
    predictor.deviation[...] = rng.uniform(1, 2, predictor.mean.shape)
    return model


def pictures(n, size=(80, 80)):
    return np.random.default_rng(0).integers(0, 256, (n, 3, *size), np.uint8)


def known(n, n_features):
    return np.random.default_rng(1).normal(size=(n, n_features)).astype(np.float32)


@pytest.fixture
def digest():
    return efficientnet.digest(efficientnet.weights_path())


@pytest.mark.parametrize('n_features', [0, 3])
def test_scores_of_a_set_are_those_of_its_pictures(n_features):
    model, X = make(n_features=n_features), pictures(20)
    f = known(20, n_features) if n_features else None
    rows = np.array([3, 19, 3])
    single = model.predict(model.to_input(X), f).array[:, 0]
    np.testing.assert_allclose(model.score(X, None, f), single, atol=.05)
    np.testing.assert_allclose(model.score(X, rows, f), single[rows], atol=.05)


def test_scores_do_not_depend_on_the_scale_of_the_pixels():
    model, X = make(), pictures(3)
    expected = model.score(X)
    model.image_scale = 1.
    np.testing.assert_allclose(model.score(X * np.float32(SCALE)), expected, atol=.05)


@needs_weights
def test_a_picture_and_its_mirror_image_score_alike(digest):
    model, X = make(digest), pictures(3)
    np.testing.assert_allclose(model.score(X[..., ::-1]), model.score(X), atol=.5)
    assert np.ptp(model.score(X)) > 5


@needs_weights
def test_numbers_of_each_group_are_seen(digest):
    eye = sight.get(digest)
    for size in (80, 80), (33, 50):
        seen = eye.see(pictures(2, size))
        assert seen.shape == (2, eye.n_columns) and np.isfinite(seen).all()
    groups = sight.groups(eye.sizes)
    assert seen[:, groups['low']].shape == (2, 160)
    assert list(groups) == ['low', 'middle', 'late', 'texture', 'look']
    assert (np.ptp(seen, axis=0) > 0).mean() > .8


@needs_weights
def test_what_is_seen_of_a_picture_does_not_depend_on_others(digest):
    eye, X = sight.get(digest), pictures(5)
    np.testing.assert_allclose(eye.see(X)[3:4], eye.see(X[3:4]), atol=1e-3)


@needs_weights
@pytest.mark.parametrize('n_features', [0, 2])
def test_a_model_file_is_small_and_read_as_data(digest, n_features, tmp_path):
    model = make(digest, n_features)
    path = str(tmp_path / 'model.pkl')
    model_file.save(path, model)
    assert (tmp_path / 'model.pkl').stat().st_size < 3 * 4 * 19000 + 5000
    again = model_file.load(path)
    assert (again.predictor.digest, again.predictor.n_features) == (digest, n_features)
    assert (again.image_size, again.image_scale) == ((80, 80), SCALE)
    X, f = pictures(2), known(2, n_features) if n_features else None
    np.testing.assert_array_equal(again.score(X, None, f), model.score(X, None, f))


@needs_weights
def test_a_model_of_other_weights_is_refused(tmp_path):
    path = str(tmp_path / 'model.pkl')
    model_file.save(path, make('0' * 64))
    with pytest.raises(InputError, match='model.pkl: .*expected the weights 00000000'):
        scoring.load(path)


def test_a_model_is_refused_where_the_network_is_missing(tmp_path, monkeypatch):
    path = str(tmp_path / 'model.pkl')
    model_file.save(path, make('1' * 64))
    monkeypatch.setattr(efficientnet, 'PACKAGE', 'no_such_package')
    with pytest.raises(InputError, match='model.pkl: .*pip install no_such_package'):
        scoring.load(path)


@pytest.mark.parametrize('digest', ['x' * 64, 'ab', 3, None])
def test_a_forged_digest_is_refused(digest, tmp_path):
    model = make()
    model.predictor.digest = digest
    path = str(tmp_path / 'model.pkl')
    model_file.save(path, model)
    with pytest.raises(model_file.ModelFileError, match='digest'):
        model_file.load(path)


def test_weights_of_another_length_are_refused(tmp_path):
    model = make()
    model.predictor.n_features = 5
    path = str(tmp_path / 'model.pkl')
    model_file.save(path, model)
    with pytest.raises(model_file.ModelFileError, match='shape'):
        model_file.load(path)


def test_scores_are_explained_by_occlusion():
    parts = explain.occlude(make(), pictures(1)[0])
    assert parts.shape == (80, 80) and np.ptp(parts) > 0


def test_the_layer_is_trained_by_ranknet():
    model, X = make(), pictures(4)
    with chainer.using_config('train', True):
        model.cleargrads()
        model.loss_of_all_pairs(model.to_input(X), np.arange(4)).backward()
    assert np.abs(model.predictor.l.W.grad).max() > 0
