import numpy as np
import pytest

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer

import metrics
import net
from picture_ranknet.learning import linear_ranknet
from picture_ranknet.learning.linear_ranknet import WEIGHT, Choice


def draw(n, D, seed=0):
    """Features of mean 0 and mean squared norm 1."""
    F = np.random.default_rng(seed).normal(size=(n, D))
    F -= F.mean(axis=0)
    return F / np.sqrt((F ** 2).sum() / n)


def learn(groups, ratings, choices, **options):
    return linear_ranknet.learn([lambda rows, F=F: F[rows] for F in groups], ratings, choices,
                                **options)


def test_the_gradient_is_that_of_ranknet():
    rng = np.random.default_rng(0)
    ratings = rng.integers(1, 6, 30).astype(float)
    s = chainer.Parameter(rng.normal(size=(30, 1)).astype(np.float32))
    (30 * net.RankNet(chainer.Chain()).loss_of_scores(s, ratings)).backward()
    np.testing.assert_allclose(linear_ranknet.loss_gradient(s.array[:, 0], ratings), s.grad[:, 0],
                               atol=1e-5)


def test_the_gradient_of_many_pictures_is_about_that_of_all_pairs(monkeypatch):
    rng = np.random.default_rng(0)
    ratings, scores = rng.integers(1, 6, 900), rng.normal(size=900)
    exact = linear_ranknet.loss_gradient(scores, ratings)
    monkeypatch.setattr(linear_ranknet, 'ALL_PAIRS', 100)
    about = linear_ranknet.loss_gradient(scores, ratings)
    assert np.corrcoef(exact, about)[0, 1] > .98
    np.testing.assert_allclose(np.linalg.norm(about), np.linalg.norm(exact), rtol=.05)


@pytest.mark.parametrize('size', [.3, 3, 30])
def test_the_solution_has_no_gradient(size):
    U, _, _ = np.linalg.svd(draw(40, 40), full_matrices=False)
    Z = size * (U[:, :39] * np.linspace(.1, 3, 39))
    Z -= Z.mean(axis=0)
    values, vectors = np.linalg.eigh(Z.T @ Z)
    Z = Z @ vectors[:, values > 1e-9]
    ratings = np.random.default_rng(1).integers(1, 6, 40).astype(float)
    w = linear_ranknet.solve(Z, ratings, 1e-6, 3000)
    gradient = WEIGHT * Z.T @ linear_ranknet.loss_gradient(Z @ w, ratings) + w
    assert np.abs(gradient).max() < 1e-3 * max(1, np.abs(w).max())


@pytest.mark.parametrize('n', [10, 60, 400])
def test_a_linear_taste_is_learnt(n):
    F, unseen = draw(n, 20), draw(500, 20, 1)
    likes = np.random.default_rng(2).normal(size=20)
    w, = learn([F], F @ likes, [Choice((1.,), 1)])
    assert metrics.spearman(unseen @ likes, unseen @ w) > {10: .1, 60: .9, 400: .98}[n]


def test_landmarks_and_parts_hardly_change_what_is_learnt(monkeypatch):
    F, unseen = draw(400, 20), draw(500, 20, 1)
    ratings = F @ np.random.default_rng(2).normal(size=20)
    whole, = learn([F], ratings, [Choice((1.,), 1)])
    for name, n in ('MOST_LANDMARKS', 60), ('MOST_COMPARED', 50), ('ALL_PAIRS', 100), (
            'MOST_AT_ONCE', 37):
        monkeypatch.setattr(linear_ranknet, name, n)
    parts, = learn([F], ratings, [Choice((1.,), 1)])
    assert metrics.spearman(unseen @ whole, unseen @ parts) > .98


def test_groups_that_tell_nothing_count_little():
    ratings = draw(80, 5)
    ratings, good = ratings[:, 0] + ratings[:, 1], ratings
    choices = [Choice((.5, .5), 1), Choice((.9, .1), .1), Choice((.1, .9), .1)]
    w = learn([good, draw(80, 50, 3)], ratings, choices)
    assert np.linalg.norm(w[0]) > 3 * np.linalg.norm(w[1])


def test_near_duplicates_do_not_make_a_group_look_good():
    """Each thing is shown ten times: its number tells its rating, and nothing of another's."""
    rng = np.random.default_rng(0)
    thing = np.repeat(np.arange(12), 10)
    features = draw(12, 5)[thing] + .2 * rng.normal(size=(120, 5))
    number = np.eye(12)[thing]
    number -= number.mean(axis=0)
    groups = [F / np.sqrt((F ** 2).sum() / 120) for F in (features - features.mean(axis=0), number)]
    ratings = draw(12, 5)[thing] @ np.ones(5) + .05 * rng.normal(size=120)
    kernels = [F @ F.T for F in groups]
    choices = [Choice((.95, .05), 1), Choice((.05, .95), 1)]
    share = {}
    for name, members in (('apart', np.arange(120)[:, None]), ('together', np.arange(120).reshape(
            12, 10))):
        variances = linear_ranknet.weigh_groups(kernels, ratings, list(members), choices)
        share[name] = variances[0] / variances.sum()
    assert share['together'] > .9 > share['apart']


def test_near_duplicates_are_found():
    F = draw(30, 10)
    F[7] = F[3] + .01
    F[9] = F[7] + .01
    members = linear_ranknet.near_duplicates(F @ F.T)
    assert sorted(map(len, members)) == [1] * 27 + [3]
    assert [3, 7, 9] in [rows.tolist() for rows in members]


def test_equal_pictures_do_no_harm():
    F = np.zeros((6, 3))
    w, = learn([F], np.arange(6.), [Choice((1.,), 1)])
    assert not w.any()


def test_two_ratings_suffice():
    F = np.array([[1.], [-1.]])
    w, = learn([F], np.array([5., 1.]), [Choice((1.,), 1)])
    assert w[0] > 0
