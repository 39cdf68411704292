import numpy as np
import pytest

import metrics
from models.test_efficientnet import needs_weights
from picture_ranknet.errors import InputError
from picture_ranknet.learning import taste
from picture_ranknet.models import efficientnet, networks
from picture_ranknet.storage.arrays import RatedPictures

SCALE = 1 / 255


def draw(n, seed=0):
    """Discs of some colour and size; the person likes red ones, and large ones a little."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:40, :40] - 19.5
    red, size = rng.uniform(size=(2, n))
    X = rng.integers(0, 60, (n, 3, 40, 40))
    for i in range(n):
        disc = np.hypot(rows, columns) < 8 + 10 * size[i]
        X[i, 0, disc] = 60 + 190 * red[i]
        X[i, 2, disc] = 250 - 190 * red[i]
    return X.astype(np.uint8), np.round(1 + 4 * (.8 * red + .2 * size), 1)


@pytest.fixture(autouse=True)
def small_views(monkeypatch):
    monkeypatch.setattr(efficientnet, 'SIDE', 64)  # for speed


@pytest.fixture(params=['with', 'without'])
def network(request, monkeypatch):
    """With the network's package and without."""
    if request.param == 'without':
        monkeypatch.setattr(efficientnet, 'PACKAGE', 'no_such_package')
    elif not efficientnet.importlib.util.find_spec(efficientnet.PACKAGE):
        pytest.skip(f'needs {efficientnet.PACKAGE}')
    return request.param


def learn(X, rows, ratings, n_features=0, **options):
    model = taste.make((40, 40), SCALE, n_features)
    taste.Task(model, X, rows, ratings[rows], **options).learn()
    return model


@pytest.mark.parametrize('n', [10, 40])
def test_a_taste_is_learnt_from_few_ratings(network, n):
    X, ratings = draw(80)
    model = learn(X, np.arange(n), ratings)
    assert metrics.spearman(ratings[n:], model.score(X[n:])) > {10: .5, 40: .8}[n]


def test_what_is_lost_without_the_network_is_noted(monkeypatch):
    notes = []
    monkeypatch.setattr(efficientnet, 'PACKAGE', 'no_such_package')
    taste.make((40, 40), SCALE, note=notes.append)
    assert len(notes) == 1 and 'pip install no_such_package' in notes[0]


def test_two_ratings_suffice(network):
    X, ratings = draw(4)
    scores = learn(X, np.array([0, 2]), ratings).score(X)
    assert (scores[0] - scores[2]) * (ratings[0] - ratings[2]) > 0


def test_pictures_that_are_all_the_same_score_the_same(network):
    X = np.full((6, 3, 40, 40), 7, np.uint8)
    assert np.ptp(learn(X, np.arange(6), np.arange(6.)).score(X)) == 0


def test_it_is_the_same_every_time():
    X, ratings = draw(30)
    first, second = (learn(X, np.arange(20), ratings).score(X) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_scores_of_what_was_seen_do_not_depend_on_its_order():
    X, ratings = draw(30)
    other = np.random.default_rng(1).permutation(30)
    np.testing.assert_allclose(learn(X[other], np.arange(30), ratings[other]).score(X),
                               learn(X, np.arange(30), ratings).score(X), atol=.02)


def test_features_that_tell_the_taste_are_learnt_from():
    X, _ = draw(80)
    features = np.random.default_rng(5).normal(size=(80, 3)).astype(np.float32) * [1, 100, .01]
    features = features.astype(np.float32)
    ratings = np.round(features @ [1, .01, 100])
    model = learn(X, np.arange(60), ratings, 3, features=features)
    assert metrics.spearman(ratings[60:], model.score(X[60:], None, features[60:])) > .7


@needs_weights
@pytest.mark.parametrize('n', [4, 30])
def test_what_others_like_is_where_a_person_starts(n):
    X, ratings = draw(150)
    start = learn(X[:70], np.arange(70), ratings)
    own = 6 - ratings if n == 30 else ratings  # the opposite, once the ratings say so
    rows = np.arange(70, 70 + n)
    model = learn(X, rows, own, start=start)
    assert metrics.spearman(own[110:], model.score(X[110:])) > .85


def hold_out(X, rows, ratings, n_features=0, **options):
    return taste.Task(taste.make((40, 40), SCALE, n_features), X, rows, ratings[rows],
                      **options).score_held_out()


def test_held_out_pictures_are_scored_by_models_of_the_others():
    """As if each was left out by hand: of three groups, each is a fold."""
    X, ratings = draw(30)
    features = np.random.default_rng(5).normal(size=(30, 2)).astype(np.float32)
    start = learn(X, np.arange(9), 6 - ratings, 2, features=features)
    rows = np.arange(2, 30)
    options = {'features': features, 'groups': [row // 14 for row in range(30)], 'start': start}
    scores = hold_out(X, rows, ratings, 2, **options)
    for group in range(3):
        out = np.flatnonzero(rows // 14 == group)
        model = learn(X, np.delete(rows, out), ratings, 2, **options)
        np.testing.assert_allclose(
            np.diff(scores[out]), np.diff(model.score(X, rows[out], features)),
            atol=1e-3)


def test_no_group_is_on_both_sides_of_held_out_ratings():
    """Pairs of the same picture: what is said of one would tell the other's rating."""
    X, _ = draw(40)
    X = np.repeat(X, 2, axis=0)
    ratings = np.repeat(np.random.default_rng(3).integers(1, 6, 40), 2).astype(float)
    rows = np.arange(80)
    assert metrics.spearman(ratings, hold_out(X, rows, ratings)) > .5
    assert metrics.spearman(ratings, hold_out(X, rows, ratings, groups=rows // 2)) < .3


def test_of_many_ratings_one_fold_is_held_out(monkeypatch):
    monkeypatch.setattr(taste, 'FEW', 30)
    X, ratings = draw(60)
    scores = hold_out(X, np.arange(60), ratings)
    assert np.isfinite(scores).sum() == 60 // taste.FOLDS
    assert metrics.spearman(*np.array([ratings, scores])[:, np.isfinite(scores)]) > .7


def test_a_model_of_another_kind_is_no_start():
    model = taste.make((40, 40), SCALE)
    with pytest.raises(InputError, match='m.pkl: expected a model of --arch pretrained, got CNN'):
        taste.check_start(networks.make('cnn', (40, 40), SCALE), 'm.pkl', model)
    with pytest.raises(InputError, match='m.pkl: was trained with a different network'):
        taste.check_start(taste.make((40, 40), SCALE, 2), 'm.pkl', model)


def test_several_processes_are_refused(monkeypatch):
    X, ratings = draw(4)
    monkeypatch.setattr(taste.ranks, 'size', lambda: 2)
    with pytest.raises(InputError, match='--arch pretrained: .*start it without mpiexec'):
        taste.train(RatedPictures(X, ratings, np.arange(4), None), None, 'X.npy')
