"""Rankings from comparisons: by hand, and of a simulated person."""
import math

import numpy as np
import pytest

import metrics
from picture_ranknet.rating.bradley_terry import PRIOR_VARIANCE, Comparison, Placing, Ranking


def rank(n, said):
    ranking = Ranking(n)
    ranking.fit([Comparison(*one) for one in said])
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
    quick.add(Comparison(3, 1, 1))
    exact = rank(4, [*said, (3, 1, 1)])
    np.testing.assert_allclose(quick.strengths, exact.strengths, atol=.15)
    np.testing.assert_allclose(quick.covariance, exact.covariance, atol=.3)


def compare(ranking, liked, n, rng=None):
    for _ in range(n):
        left, right = ranking.next_pair()
        p = 1 / (1 + math.exp(liked[right] - liked[left])) if rng else liked[left] > liked[right]
        ranking.add(Comparison(
            left, right, left if (rng.random() if rng else .5) < p else right))


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
    ranking.add(Comparison(4, 2, 4))
    assert ranking.next_pair()[0] == 0 and ranking.next_pair()[1] in (4, 2)


def test_no_pair_comes_twice_and_there_is_an_end():
    ranking = Ranking(5)
    compare(ranking, np.arange(5.), 10)
    assert ranking.next_pair() is None and ranking.told.max() == 1
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
            other.add(Comparison(left, right, left if rng.random() < p else right))
        random.append(1 - metrics.pair_accuracy(liked, other.strengths))
    assert np.mean(chosen) < np.mean(random) - .01
    assert np.mean(expected) == pytest.approx(np.mean(chosen), abs=.05)


def test_a_picture_that_was_never_compared_is_not_rated():
    np.testing.assert_array_equal(np.isnan(rank(4, [(0, 2, 2)]).ratings()), [0, 1, 0, 1])
    assert np.isnan(Ranking(3).ratings()).all()


def test_the_expected_error_of_no_comparison_is_that_of_chance():
    assert Ranking(10).expected_error() == pytest.approx(.5)
    assert Ranking(1).expected_error() == 0


def simulate(n, n_more, seed=0):
    """A ranking of a simulated person, and all that was said."""
    rng = np.random.default_rng(seed)
    liked = rng.normal(0, 2, n)
    ranking = Ranking(n, rng.permutation(n))
    said = []
    for _ in range(n - 1 + n_more):
        left, right = ranking.next_pair()
        p = 1 / (1 + math.exp(liked[right] - liked[left]))
        said.append(Comparison(left, right, left if rng.random() < p else right))
        ranking.add(said[-1])
    return ranking, said


def places(ranking):
    return np.argsort(-ranking.strengths).tolist()


def test_from_far_away_newtons_method_arrives_at_the_same_place():
    ranking, said = simulate(12, 30)
    cold = Ranking(12)
    cold.fit(said)
    far = Ranking(12)
    for row in range(11):
        for _ in range(30):
            far.add(Comparison(row, row + 1, row + row % 2))
    far.fit(said)
    np.testing.assert_allclose(far.strengths, cold.strengths, atol=1e-5)


@pytest.mark.parametrize('start, target', [(19, 0), (19, 1), (0, 19), (3, 10), (12, 4), (5, 6)])
def test_a_picture_lands_where_it_is_put_and_the_others_keep_their_order(start, target):
    ranking, said = simulate(20, 60)
    ranking.fit(said)
    before = places(ranking)
    row = before.pop(start)
    neighbours = [None, *before, None]
    placing = Placing(row, neighbours[target], neighbours[target + 1])
    expected = before[:target] + [row] + before[target:]
    ranking.add(placing)
    assert places(ranking) == expected
    ranking.fit([*said, placing])
    assert places(ranking) == expected
    if None in (placing.above, placing.below):  # beyond the last one, not beside it
        assert np.abs(np.delete(ranking.strengths, row) - ranking.strengths[row]).min() > .4


def test_what_is_said_after_a_placing_moves_the_picture_again():
    ranking, said = simulate(20, 60)
    worst, best = places(ranking)[-1], places(ranking)[0]
    said.append(Placing(worst, None, best))
    said += [Comparison(worst, row, row) for row in places(ranking)[1:6]]
    ranking.fit(said)
    assert places(ranking).index(worst) > 0


def test_what_was_added_is_removed():
    ranking, said = simulate(20, 60)
    ranking.fit(said)
    strengths, covariance = ranking.strengths.copy(), ranking.covariance.copy()
    more = [Comparison(3, 4, 4), Placing(7, 1, 2), Comparison(7, 5, None), Placing(7, None, 3)]
    for one in more:
        ranking.add(one)
    for one in more[::-1]:
        ranking.remove(one)
    np.testing.assert_allclose(ranking.strengths, strengths, atol=.1)
    np.testing.assert_allclose(ranking.covariance, covariance, atol=.1)
    assert ranking.told.sum() == 2 * len(said)


def test_a_placed_picture_has_a_place():
    ranking = Ranking(4)
    ranking.add(Comparison(0, 1, 0))
    ranking.add(Placing(2, 0, 1))
    np.testing.assert_array_equal(ranking.is_ranked(), [1, 1, 1, 0])
    assert places(ranking)[0] == 0
    ranking.remove(Placing(2, 0, 1))
    np.testing.assert_array_equal(ranking.is_ranked(), [1, 1, 0, 0])


def test_what_is_left_out_does_not_come_and_does_not_count():
    ranking = Ranking(4)
    ranking.is_out[[0, 2]] = True
    assert ranking.next_pair() == (1, 3)
    ranking.add(Comparison(1, 3, 3))
    assert ranking.is_complete() and ranking.next_pair() is None
    assert np.isnan(ranking.ratings()[[0, 2]]).all()


def test_pairs_that_should_not_come_now_do_not_come():
    ranking = Ranking(3)
    first = ranking.next_pair()
    other = ranking.next_pair([first])
    assert set(other) != set(first)
    assert ranking.next_pair([(0, 1), (0, 2), (1, 2)]) is None


def test_a_postponed_picture_comes_in_last():
    ranking = Ranking(4)
    ranking.postpone(0)
    assert ranking.next_pair() == (1, 2)
    compare(ranking, np.arange(4.), 2)
    assert ranking.next_pair()[0] == 0


def test_a_picture_that_has_to_come_gets_a_ranked_partner():
    ranking = Ranking(4)
    assert ranking.partner(2) in (0, 1, 3)
    ranking.add(Comparison(0, 1, 0))
    assert ranking.partner(2) in (0, 1) and ranking.partner(0) == 1
    assert Ranking(1).partner(0) is None
