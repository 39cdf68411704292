"""Rankings from comparisons: by hand, against choix, and of a person who is known."""
import math

import numpy as np
import pytest

import metrics
from picture_ranknet.rating import bradley_terry as comparisons
from picture_ranknet.rating.bradley_terry import PRIOR_VARIANCE, Ranking


def rank(n, said):
    ranking = Ranking(n)
    ranking.fit(said)
    return ranking


def test_one_win_is_where_prior_and_likelihood_meet():
    ranking = rank(2, [(0, 1, 0)])
    # The log posterior log(1 / (1 + exp(-2 s))) - s^2 / v is flat at its best s.
    s = ranking.strengths[0]
    assert ranking.strengths[1] == pytest.approx(-s)
    assert 1 / (1 + math.exp(2 * s)) == pytest.approx(s / PRIOR_VARIANCE, abs=1e-5)


def test_a_tie_draws_two_together():
    apart = rank(3, [(0, 2, 0), (2, 1, 2)]).strengths
    together = rank(3, [(0, 2, 0), (2, 1, 2), (0, 1, None), (1, 0, None)]).strengths
    assert abs(together[0] - together[1]) < abs(apart[0] - apart[1])
    np.testing.assert_allclose(rank(2, [(0, 1, None)]).strengths, 0, atol=1e-6)


def test_a_tie_is_a_win_for_each_at_half_the_weight():
    twice = [(0, 1, 0), (0, 1, 1), (1, 2, 1), (1, 2, 1)]
    once = [(0, 1, None), (1, 2, 1)]
    ranking = rank(3, twice)
    assert np.argmin(ranking.strengths) == np.argmin(rank(3, once).strengths) == 2


def test_uncertainty_is_the_inverse_of_the_curvature():
    said = [(0, 1, 0), (1, 2, 2), (0, 2, None), (0, 1, 0)]
    ranking = rank(3, said)

    def negative_log_posterior(s):
        loss = (s ** 2).sum() / 2 / PRIOR_VARIANCE
        for left, right, better in said:
            lost = math.log1p(math.exp(s[right] - s[left]))
            won = math.log1p(math.exp(s[left] - s[right]))
            loss += (lost + won) / 2 if better is None else lost if better == left else won
        return loss

    step, curvature = 1e-3, np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            e_i, e_j = step * np.eye(3)[i], step * np.eye(3)[j]
            curvature[i, j] = sum(a * b * negative_log_posterior(ranking.strengths + a * e_i
                                                                 + b * e_j)
                                  for a in (1, -1) for b in (1, -1)) / 4 / step ** 2
    np.testing.assert_allclose(ranking.covariance, np.linalg.inv(curvature), rtol=1e-3)


def test_one_step_is_close_to_fitting_anew():
    said = [(0, 1, 0), (1, 2, 1), (2, 3, 2), (0, 3, None)]
    quick = rank(4, said)
    quick.add(3, 1, 1)
    exact = rank(4, [*said, (3, 1, 1)])
    np.testing.assert_allclose(quick.strengths, exact.strengths, atol=.15)
    np.testing.assert_allclose(quick.covariance, exact.covariance, atol=.3)


def compare(ranking, liked, n, rng=None):
    for _ in range(n):
        left, right = ranking.next_pair()
        p = 1 / (1 + math.exp(liked[right] - liked[left])) if rng else liked[left] > liked[right]
        ranking.add(left, right, left if (rng.random() if rng else .5) < p else right)


def test_after_one_comparison_less_than_pictures_all_have_a_place():
    ranking = Ranking(20, np.random.default_rng(0).permutation(20))
    liked = np.random.default_rng(1).normal(size=20)
    compare(ranking, liked, 18)
    assert not ranking.is_complete() and np.isnan(ranking.ratings()).sum() == 1
    compare(ranking, liked, 1)
    assert ranking.is_complete()
    assert ranking.ratings().min() == 1 and ranking.ratings().max() == 5


def test_new_pictures_come_in_the_order_that_is_asked_for():
    order = np.array([4, 2, 0, 1, 3])
    ranking = Ranking(5, order)
    assert ranking.next_pair() == (4, 2)
    ranking.add(4, 2, 4)
    assert ranking.next_pair()[0] == 0 and ranking.next_pair()[1] in (4, 2)


def test_no_pair_comes_twice_and_there_is_an_end():
    ranking = Ranking(5)
    compare(ranking, np.arange(5.), 10)
    assert ranking.next_pair() is None and set(ranking.told.values()) == {1}
    assert Ranking(1).next_pair() is None


def test_chosen_pairs_teach_more_than_random_ones_and_the_expected_error_is_the_true_one():
    chosen, random, expected = [], [], []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        liked = rng.normal(0, 2, 40)
        ranking = Ranking(40, rng.permutation(40))
        compare(ranking, liked, 150, rng)
        chosen.append(1 - metrics.pair_accuracy(liked, ranking.strengths))
        expected.append(ranking.expected_error())
        other = Ranking(40)
        for _ in range(150):
            left, right = rng.choice(40, 2, replace=False).tolist()
            p = 1 / (1 + math.exp(liked[right] - liked[left]))
            other.add(left, right, left if rng.random() < p else right)
        random.append(1 - metrics.pair_accuracy(liked, other.strengths))
    assert np.mean(chosen) < np.mean(random) - .01
    assert np.mean(expected) == pytest.approx(np.mean(chosen), abs=.05)


def test_who_was_never_compared_is_not_rated():
    np.testing.assert_array_equal(np.isnan(rank(4, [(0, 2, 2)]).ratings()), [0, 1, 0, 1])
    assert np.isnan(Ranking(3).ratings()).all()


def test_the_expected_error_of_no_comparison_is_that_of_chance():
    assert Ranking(10).expected_error() == pytest.approx(.5)
    assert Ranking(1).expected_error() == 0
    assert comparisons.MOST_PICTURES >= 1000
