import numpy as np
import pytest

import net
from picture_ranknet.models import explain, scoring


class Redness:

    """In the place of a model: the score is the mean red of a part of the picture."""

    def __init__(self, rows, columns, weight=1.):
        self.part = (slice(None), 0, rows, columns)
        self.weight = weight

    def score(self, X, features=None, mirror=False):
        red = X[self.part].mean(axis=(1, 2)) * self.weight
        return red if features is None else red + features[:, 0]


@pytest.fixture
def picture():
    """60 x 40, black but for a red square in the upper right."""
    picture = np.zeros((3, 60, 40), np.uint8)
    picture[0, 5:15, 25:35] = 250
    return picture


def test_what_the_score_comes_from_stands_out(picture):
    given = explain.occlude(Redness(slice(0, 20), slice(20, 40)), picture)
    assert given.shape == (60, 40) and given.dtype == np.float32
    row, column = np.unravel_index(given.argmax(), given.shape)
    assert abs(row - 10) <= 5 and abs(column - 30) <= 5
    assert given[40:].max() < .1 * given.max()


def test_what_lowers_the_score_is_below_0(picture):
    raised = explain.occlude(Redness(slice(0, 20), slice(20, 40)), picture)
    lowered = explain.occlude(Redness(slice(0, 20), slice(20, 40), -1.), picture)
    np.testing.assert_allclose(lowered, -raised, rtol=1e-5, atol=1e-6)


def test_a_flat_picture_has_nothing_to_hide():
    given = explain.occlude(Redness(slice(0, 20), slice(0, 20)), np.full((3, 20, 20), 77, np.uint8))
    np.testing.assert_allclose(given, 0, atol=1e-3)


def test_a_mirror_image_is_hidden_alike():
    model = net.RankNet(net.CNN((20, 20)), (20, 20), 1 / 255)
    picture = np.random.default_rng(0).integers(0, 256, (3, 20, 20), dtype=np.uint8)
    given = explain.occlude(model, picture, mirror=True)
    expected = (explain.occlude(model, picture)
                + explain.occlude(model, picture[..., ::-1])[:, ::-1]) / 2
    np.testing.assert_allclose(given, expected, atol=1e-3 * abs(expected).max())


def test_features_stay_as_they_are(picture):
    model = Redness(slice(0, 20), slice(20, 40))
    np.testing.assert_allclose(explain.occlude(model, picture, np.array([1000.])),
                               explain.occlude(model, picture), atol=1e-3)


@pytest.mark.parametrize('size', [(13, 13), (80, 80)])
def test_a_real_network_is_asked_about_parts_of_its_picture(size):
    model = net.RankNet(net.CNN(size), size, 1 / 255)
    picture = np.random.default_rng(0).integers(0, 256, (3, *size), dtype=np.uint8)
    given = explain.occlude(model, picture)
    assert given.shape == size and np.isfinite(given).all() and given.any()


def test_several_pictures_are_explained_as_each_alone(picture):
    X = np.stack([picture, picture[:, ::-1], picture // 2])
    features, done = np.array([[1.], [2.], [3.]]), []
    model = Redness(slice(0, 20), slice(20, 40))
    maps = explain.occlude_rows(model, X, [2, 0], features, progress=done.append)
    assert done == [1, 1] and len(maps) == 2
    np.testing.assert_array_equal(maps[0], explain.occlude(model, X[2], features[2]))
    np.testing.assert_array_equal(maps[1], explain.occlude(model, X[0], features[0]))


def test_an_ensemble_is_explained_by_the_mean_of_its_models():
    np.random.seed(0)
    models = [net.RankNet(net.CNN((20, 20)), (20, 20), 1 / 255) for _ in range(2)]
    picture = np.random.default_rng(0).integers(0, 256, (3, 20, 20), dtype=np.uint8)
    expected = np.mean([explain.occlude(model, picture) for model in models], axis=0)
    np.testing.assert_allclose(explain.occlude(scoring.Ensemble(models), picture), expected,
                               atol=1e-4 * abs(expected).max())
