import numpy as np
import pytest

from picture_ranknet.models.calibration import Scale, Threshold, to_stars, wilson


@pytest.mark.parametrize('ratings, stars', [
    ([1, 5, 3, 2], [1, 5, 3, 2]),
    ([4, 5, 5], [4, 5, 5]),              # a person who gives no low ratings
    ([1, 10, 5.5, 3.25], [1, 5, 3, 2]),  # 1 to 10
    ([0, 1], [1, 5]),
    ([-3, 1.5, 0], [1, 5, 4]),           # 1 + 3 / 4.5 * 4 = 3.67
])
def test_ratings_of_any_scale_are_stars(ratings, stars):
    assert to_stars(np.array(ratings)).tolist() == stars


def test_stars_come_in_the_shares_in_which_the_person_gives_them():
    rng = np.random.default_rng(0)
    ratings = rng.choice([1, 2, 3, 4, 5], 4000, p=[.05, .15, .4, .3, .1])
    scores = ratings + rng.normal(0, 1, 4000)
    given = np.bincount(Scale(scores, ratings).stars(scores), minlength=6)[1:] / 4000
    np.testing.assert_allclose(given, np.bincount(ratings)[1:] / 4000, atol=.002)


def test_levels_that_are_never_given_are_never_predicted():
    scale = Scale(np.arange(10.), np.array([2, 4] * 5))
    assert set(scale.stars(np.linspace(-99, 99, 500))) == {2, 4}


def test_more_score_is_never_fewer_stars():
    rng = np.random.default_rng(1)
    scale = Scale(rng.normal(size=50), rng.integers(1, 6, 50))
    assert (np.diff(scale.stars(np.linspace(-4, 4, 999))) >= 0).all()


def test_probabilities_are_those_that_the_scores_were_made_by():
    rng = np.random.default_rng(2)
    scores = rng.normal(size=20000)
    true = 1 / (1 + np.exp(-(2 * scores - 1)))
    ratings = np.where(rng.random(20000) < true, 5, 2)
    np.testing.assert_allclose(Scale(scores, ratings).probability(scores), true, atol=.02)


@pytest.mark.parametrize('ratings', [[1] * 10 + [5] * 10, [5] * 10 + [1] * 10, [1, 2] * 10,
                                     [4, 5] * 10])
def test_probabilities_stay_between_0_and_1_and_never_fall(ratings):
    p = Scale(np.arange(20.), np.array(ratings)).probability(np.linspace(-1e3, 1e3, 99))
    assert ((p > 0) | (p == 0)).all() and (p <= 1).all() and (np.diff(p) >= 0).all()


def test_the_threshold_keeps_the_share_that_was_asked_for():
    scores = np.arange(100, 0, -1.)                             # best first
    ratings = np.r_[[5] * 24, [1], [5] * 5, [1] * 70]           # 29 of the first 30 are liked
    scale = Scale(scores, ratings)
    assert scale.keep(1) == Threshold(77., 1, *wilson(1, 24), 24)
    assert scale.keep(.95) == Threshold(71., 29 / 30, *wilson(29 / 30, 30), 30)
    assert scale.keep(.5).n == 58                               # 29 of 58
    assert scale.keep(.29).n == 100


def test_too_few_ratings_are_too_few_to_tell():
    assert Scale(np.arange(19.), np.r_[[5] * 18, 1]).keep(.5) is None
    assert Scale(np.arange(100.), np.r_[[1] * 50, [5] * 50][::-1]).keep(.9) is None


def test_equal_scores_are_kept_together():
    scale = Scale(np.r_[np.ones(30), np.zeros(30)], np.r_[[5] * 20, [1] * 10, [1] * 30])
    assert scale.keep(.6).n == 30
    assert scale.keep(.8) is None


def test_wilson_by_hand():
    # 8 of 10, z = 1.96: (.8 + .19208) / 1.38416 = .7167, +- .2264
    assert wilson(.8, 10) == pytest.approx((.4902, .9433), abs=1e-4)
    assert wilson(1, 10)[1] == pytest.approx(1) and wilson(0, 10)[0] == pytest.approx(0)


@pytest.mark.parametrize('scores, ratings', [([], []), ([1., 2], [3, 3]), ([1.], [1, 2])])
def test_what_says_nothing_is_refused(scores, ratings):
    with pytest.raises(ValueError):
        Scale(np.array(scores), np.array(ratings))
