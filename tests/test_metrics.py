import itertools
import tracemalloc

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

import metrics
from metrics import kendall_tau, ndcg, pair_accuracy, pearson, spearman

LOG3 = np.log2(3)


def values(size):
    return st.lists(st.integers(0, 5), min_size=size, max_size=size)


@st.composite
def ratings_and_scores(draw):
    size = draw(st.integers(1, 8))
    return draw(values(size)), draw(values(size))


@pytest.mark.parametrize('ratings, scores, k, expected', [
    ([1, 0], [.9, .1], None, 1),                   # right order
    ([1, 0], [.1, .9], None, 1 / LOG3),            # right picture second
    ([1, 0], [.1, .9], 1, 0),                      # ... and beyond k
    ([1, 0], [.5, .5], None, (1 + 1 / LOG3) / 2),  # tie: mean of both orders
    ([1, 0], [.5, .5], 1, 1 / 2),                  # ... cut by k
    ([2, 1], [.1, .9], None, (1 + 3 / LOG3) / (3 + 1 / LOG3)),
    ([1, 0], [.1, .9], 100, 1 / LOG3),             # k > N counts all
    ([0, 0], [.1, .9], None, 0),                   # nothing to gain
    ([3], [.1], None, 1),
    ([-1, 0], [.1, .9], None, 1),                  # as 0 and 1
    ([-1, 0], [.9, .1], None, 1 / LOG3),
    ([2000, 0], [.1, .9], None, 1 / LOG3),         # 2**2000 is no float
    ([2001, 2000], [.1, .9], None, (1 + 2 / LOG3) / (2 + 1 / LOG3)),
    ([1e308, -1e308], [.1, .9], None, 1 / LOG3),
    ([1e-9, 0], [.1, .9], None, 1 / LOG3),
])
def test_ndcg_by_hand(ratings, scores, k, expected):
    assert ndcg(np.array(ratings), np.array(scores), k) == pytest.approx(expected)


def test_ndcg_takes_scores_as_the_network_gives_them():
    assert ndcg(np.array([1, 0]), np.array([[.1], [.9]])) == pytest.approx(1 / LOG3)


def articles_ndcg(y_true, y_score, k):
    """As the article has it, for k <= N and distinct scores."""
    dcg = ideal_dcg = 0
    by_rating = sorted(y_true, reverse=True)
    by_score = np.argsort(y_score)[::-1]
    for i in range(k):
        ideal_dcg += (2 ** by_rating[i] - 1.) / np.log2(i + 2)
        dcg += (2 ** y_true[by_score[i]] - 1.) / np.log2(i + 2)
    return dcg / ideal_dcg


@given(st.lists(st.integers(1, 10), min_size=1, max_size=20), st.data())
def test_ndcg_equals_the_articles_for_distinct_scores(ratings, data):
    scores = data.draw(st.permutations(range(len(ratings))))
    k = data.draw(st.integers(1, len(ratings)))
    assert ndcg(np.array(ratings), np.array(scores), k) == pytest.approx(
        articles_ndcg(np.array(ratings), np.array(scores), k))


@given(ratings_and_scores(), st.integers(1, 9))
def test_ndcg_of_ties_is_the_mean_over_their_orders(drawn, k):
    ratings, scores = map(np.array, drawn)
    if ratings.max() == 0 or len(ratings) > 5:
        return
    orders = [np.array(order) for order in itertools.permutations(range(len(scores)))
              if (np.diff(scores[list(order)]) >= 0).all()]
    expected = []
    for order in orders:
        distinct = np.empty(len(order))
        distinct[order] = np.arange(len(order))
        expected.append(articles_ndcg(ratings, distinct, min(k, len(ratings))))
    assert ndcg(ratings, scores, k) == pytest.approx(np.mean(expected))


@given(ratings_and_scores())
def test_ndcg_does_not_depend_on_file_order(drawn):
    ratings, scores = map(np.array, drawn)
    assert ndcg(ratings, scores) == pytest.approx(ndcg(ratings[::-1], scores[::-1]))
    assert 0 <= ndcg(ratings, scores) <= 1


@given(ratings_and_scores())
def test_kendall_tau_equals_scipys(drawn):
    ratings, scores = drawn
    if len(ratings) < 2:
        assert np.isnan(kendall_tau(ratings, scores))
    else:
        expected = scipy.stats.kendalltau(ratings, scores).statistic
        assert kendall_tau(ratings, scores) == pytest.approx(expected, nan_ok=True)


@given(ratings_and_scores())
def test_correlations_equal_scipys(drawn):
    ratings, scores = drawn
    for ours, theirs in (spearman, scipy.stats.spearmanr), (pearson, scipy.stats.pearsonr):
        if len(set(ratings)) < 2 or len(set(scores)) < 2:
            assert np.isnan(ours(ratings, scores))
        else:
            assert ours(ratings, scores) == pytest.approx(theirs(ratings, scores).statistic)


@pytest.mark.parametrize('scale', [1e-200, 1, 1e200])
def test_correlations_by_hand(scale):
    # Deviations of the ratings: -2, 0, 2; of the scores: -1, -1, 2.
    assert pearson(np.array([1, 3, 5]) * scale, [0, 0, 3]) == pytest.approx(6 / (8 * 6) ** .5)
    # Ranks of the scores: 1.5, 1.5, 3.
    assert spearman(np.array([1, 3, 5]) * scale, [0, 0, 3]) == pytest.approx(1.5 / (2 * 1.5) ** .5)


def test_the_bootstrap_interval_of_a_mean_is_that_of_the_textbooks():
    values = np.random.default_rng(0).normal(5, 2, 400)
    low, high = metrics.bootstrap_interval(lambda t, s: t.mean(), values, values)
    half = 1.96 * values.std() / 20  # of a mean of 400
    assert low == pytest.approx(values.mean() - half, abs=.15 * half)
    assert high == pytest.approx(values.mean() + half, abs=.15 * half)
    narrow = metrics.bootstrap_interval(lambda t, s: t.mean(), values, values, level=.5)
    assert low < narrow[0] < narrow[1] < high


def test_draws_of_fewer_pictures_give_the_interval_of_all():
    values = np.random.default_rng(0).normal(5, 2, 4000)
    low, high = metrics.bootstrap_interval(lambda t, s: t.mean(), values, values, most=250)
    half = 1.96 * values.std() / 4000 ** .5
    assert low == pytest.approx(values.mean() - half, abs=.15 * half)
    assert high == pytest.approx(values.mean() + half, abs=.15 * half)


def test_the_bootstrap_draws_ratings_with_their_scores_and_passes_over_nan():
    y = np.array([1., 2, 3])
    assert metrics.bootstrap_interval(pair_accuracy, y, y) == (1, 1)  # nan where all are alike
    assert np.isnan(metrics.bootstrap_interval(pair_accuracy, y[:1], y[:1])).all()


def test_the_bootstrap_keeps_one_draw_at_a_time():
    values = np.random.default_rng(0).random(20000)
    tracemalloc.start()
    try:
        metrics.bootstrap_interval(lambda t, s: t.mean(), values, values, n=100)
        assert tracemalloc.get_traced_memory()[1] < 100 * len(values)  # all draws: 800
    finally:
        tracemalloc.stop()


def test_rank_keeps_input_order_for_equal_scores():
    assert list(metrics.rank(np.array([1, 3, 1, 2]))) == [1, 3, 0, 2]


@given(ratings_and_scores())
def test_pair_accuracy_counts_every_pair(drawn):
    ratings, scores = drawn
    earned = []
    for (r, s), (r2, s2) in itertools.combinations(zip(ratings, scores), 2):
        if r != r2:
            earned.append(.5 if s == s2 else float((r > r2) == (s > s2)))
    expected = np.mean(earned) if earned else np.nan
    assert pair_accuracy(ratings, scores) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize('ratings, scores, accuracy, tau', [
    ([1, 2, 3], [.1, .2, .3], 1, 1),
    ([1, 2, 3], [.3, .2, .1], 0, -1),
    ([1, 2, 3], [.1, .3, .2], 2 / 3, 1 / 3),
    ([1, 2, 3], [.5, .5, .5], 1 / 2, np.nan),   # says nothing
    ([1, 1, 2], [.1, .2, .3], 1, 2 / 6 ** .5),  # one pair is rated alike
    ([1, 1], [.1, .2], np.nan, np.nan),         # nothing to compare
])
def test_agreement_by_hand(ratings, scores, accuracy, tau):
    assert pair_accuracy(ratings, scores) == pytest.approx(accuracy, nan_ok=True)
    assert kendall_tau(ratings, scores) == pytest.approx(tau, nan_ok=True)


def test_pairs_are_counted_right_in_large_sets():
    rng = np.random.default_rng(0)
    ratings, scores = rng.integers(0, 100, 20000), rng.random(20000)
    expected = scipy.stats.kendalltau(ratings, scores).statistic
    assert kendall_tau(ratings, scores) == pytest.approx(expected)


@pytest.mark.parametrize('metric', [ndcg, pair_accuracy, kendall_tau, spearman, pearson])
@pytest.mark.parametrize('ratings, scores, message', [
    ([1, 2], [1], 'as many scores as ratings, got 1 and 2'),
    ([], [], 'at least one'),
    ([1, np.nan], [1, 2], r'rating 1 \(from 0\) is nan'),
    ([1, 2], [np.inf, 2], r'score 0 \(from 0\) is inf'),
])
def test_what_is_no_ranking_is_refused(metric, ratings, scores, message):
    with pytest.raises(ValueError, match=message):
        metric(np.array(ratings), np.array(scores))


def test_ndcg_refuses_to_count_no_position():
    with pytest.raises(ValueError, match='k must be at least 1'):
        ndcg(np.array([1, 2]), np.array([1, 2]), 0)
