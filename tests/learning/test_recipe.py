import numpy as np
import pytest

from picture_ranknet.learning.recipe import Recipe


@pytest.mark.parametrize('schedule, expected', [
    ('linear', [.001, .00075, .0005, .00025]), ('constant', [.001] * 4)])
def test_the_learning_rate_falls_to_0_or_stays(schedule, expected):
    recipe = Recipe(n_iter=4, schedule=schedule)
    np.testing.assert_allclose([recipe.alpha(step) for step in range(1, 5)], expected)


def test_the_unit_of_magnitude_is_the_mean_difference_of_ratings():
    ratings = np.array([3., 1, 7, 7, 2])
    apart = abs(ratings[:, None] - ratings)[np.triu_indices(5, 1)]
    assert Recipe(loss='magnitude').unit(ratings) == pytest.approx(apart.mean())
    assert Recipe(loss='ranknet').unit(ratings) is None
