"""Pictures that are asked a second time, and what that says of a person."""
import numpy as np
import pytest

from picture_ranknet.rating import repeats
from picture_ranknet.rating.entries import Comparison, Rating, Skip


def test_a_picture_is_asked_again_when_enough_others_were_rated_since():
    ratings = np.full(30, 3.)
    history = [Rating(row, '3', 'nan') for row in range(13)]
    rng = np.random.default_rng(0)
    assert repeats.choose(history, ratings, 15, [], rng) is None
    history.append(Rating(13, '3', 'nan'))
    found = {repeats.choose(history, ratings, 15, [0], rng) for _ in range(50)}
    assert found == {1, 2, 3}
    history.append(Rating(2, '4', '3', True))
    assert repeats.choose(history, ratings, 15, [], rng) is None
    history += [Rating(row, '3', 'nan') for row in range(14, 27)]
    assert repeats.choose(history, ratings, 15, [], rng) is None
    history.append(Rating(27, '3', 'nan'))
    assert repeats.choose(history, ratings, 15, [], rng) not in (None, 2)


def test_what_has_no_rating_any_more_is_not_asked_again():
    history = [Rating(row, '3', 'nan') for row in range(15)]
    assert repeats.choose(history, np.full(15, np.nan), 15, [], np.random.default_rng(0)) is None


@pytest.mark.parametrize('pairs, share, n', [
    ([(1, 1), (5, 5)], 1, 2), ([(1, 5), (5, 1)], 0, 2), ([(1, 3), (5, 3)], .5, 1),
    ([(2, 2), (2, 4)], .5, 1), ([(1, 2), (3, 3), (5, 4)], 1, 6),
    ([(1, 1), (2, 3), (3, 2)], 4 / 6, 6)])
def test_self_agreement_is_the_share_of_pairs_in_the_same_order_both_times(pairs, share, n):
    history = [Rating(row, str(again), str(first), True)
               for row, (first, again) in enumerate(pairs)]
    found = repeats.self_agreement([*history, Rating(9, '1', '5'), Skip((3,)),
                                    Comparison(0, 1, 1), Rating(9, 'nan  # no face', '5', True)])
    assert found == {'share': pytest.approx(share), 'pairs': n, 'repeats': len(pairs)}


@pytest.mark.parametrize('history', [
    [], [Rating(0, '4', '3', True)], [Rating(0, '3', '3', True), Rating(1, '3', '3', True)]])
def test_too_few_repeats_say_nothing(history):
    assert repeats.self_agreement(history) is None
