"""What to rate next, against slow second implementations and where the answer is known."""
import numpy as np
import pytest

from picture_ranknet.rating.gaussian_process import EXPECTED_NOISE, Taste


@pytest.fixture
def descriptions():
    """Of 40 pictures, float32, shape ``(40, 6)``."""
    return np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)


@pytest.fixture
def liked(descriptions):
    """What a person thinks of these 40, mostly by their first number."""
    noise = np.random.default_rng(1).normal(size=40)
    return 2 * descriptions[:, 0] + .3 * noise


def expected_error(kernel, known):
    """Mean variance of what is not known of pictures, by the textbook."""
    inverse = np.linalg.inv(kernel[np.ix_(known, known)]
                            + EXPECTED_NOISE * np.eye(len(known)))
    return np.mean(np.diag(kernel - kernel[:, known] @ inverse @ kernel[known]))


def test_the_most_telling_picture_leaves_the_smallest_expected_error(descriptions):
    taste = Taste(descriptions)
    kernel = taste.kernel.astype(float)
    known = [3, 30]
    taste.take_in(known)
    candidates = np.setdiff1d(np.arange(40), known)
    errors = [expected_error(kernel, [*known, candidate]) for candidate in candidates]
    assert taste.most_telling(candidates) == candidates[np.argmin(errors)]


def test_each_of_two_kinds_of_pictures_is_shown_early():
    kinds = np.repeat([0., 1.], [25, 15])
    descriptions = np.float32(kinds[:, None] * 20) + np.random.default_rng(0).normal(
        size=(40, 3)).astype(np.float32) * .1
    taste = Taste(descriptions - descriptions.mean(axis=0))
    first = taste.most_telling(np.arange(40))
    taste.take_in([first])
    second = taste.most_telling(np.delete(np.arange(40), first))
    assert {kinds[first], kinds[second]} == {0, 1}


def test_scores_are_those_of_the_textbook(descriptions, liked):
    taste = Taste(descriptions)
    rated = np.arange(0, 40, 2)
    lesson = taste.learn(rated, liked[rated])
    kernel = taste.kernel.astype(float)
    mean = liked[rated].mean()
    weights = np.linalg.solve(kernel[np.ix_(rated, rated)] + lesson.noise * np.eye(20),
                              liked[rated] - mean)
    np.testing.assert_allclose(lesson.scores, mean + kernel[:, rated] @ weights, rtol=1e-4)
    unseen = np.arange(1, 40, 2)
    assert np.corrcoef(lesson.scores[unseen], liked[unseen])[0, 1] > .5


def test_the_pair_accuracy_is_that_of_leaving_each_pair_out(descriptions, liked):
    taste = Taste(descriptions)
    rated, ratings = np.arange(12), np.round(liked[:12])
    lesson = taste.learn(rated, ratings)
    kernel, right = taste.kernel.astype(float), []
    for i in range(12):
        for j in range(i):
            others = np.delete(rated, [j, i])
            weights = np.linalg.solve(
                kernel[np.ix_(others, others)] + lesson.noise * np.eye(10),
                ratings[others] - ratings.mean())
            expected = kernel[np.ix_([i, j], others)] @ weights
            if ratings[i] != ratings[j]:
                right.append((ratings[i] > ratings[j]) == (expected[0] > expected[1]))
    assert lesson.pair_accuracy() == pytest.approx(np.mean(right))


def test_ratings_by_dice_are_not_predicted(descriptions):
    descriptions = np.random.default_rng(2).normal(size=(300, 6)).astype(np.float32)
    ratings = np.random.default_rng(3).integers(1, 6, 300)
    lesson = Taste(descriptions).learn(np.arange(300), ratings)
    assert abs(lesson.pair_accuracy() - .5) < .06


@pytest.mark.parametrize('ratings', [[], [3], [2] * 20, [1, 2, 3]])
def test_too_few_ratings_tell_nothing(descriptions, ratings):
    lesson = Taste(descriptions).learn(np.arange(len(ratings)), ratings)
    assert np.isnan(lesson.pair_accuracy())
    assert lesson.scores.shape == (40,) and np.isfinite(lesson.scores).all()


def test_more_ratings_help_less_and_less(descriptions, liked):
    taste = Taste(descriptions)
    gains = [taste.learn(np.arange(n), liked[:n]).expected_gain(taste, 5) for n in (5, 15, 30)]
    assert gains[0] > gains[1] > gains[2] > 0
    assert taste.learn(np.arange(40), liked).expected_gain(taste, 0) == 0


def test_a_model_says_what_is_liked_before_anything_is_rated(descriptions, liked):
    lesson = Taste(descriptions, liked).learn(np.array([], int), [])
    np.testing.assert_array_equal(np.argsort(lesson.scores), np.argsort(liked))


def test_a_good_model_makes_few_ratings_enough(descriptions, liked):
    rated, unseen = np.arange(8), np.arange(8, 40)
    errors = [np.mean((Taste(descriptions, scores).learn(rated, liked[:8]).scores - liked)[unseen]
                      ** 2) for scores in (None, liked)]
    assert errors[1] < .3 * errors[0]


def test_pictures_that_are_all_alike_are_no_trouble():
    taste = Taste(np.ones((10, 4), np.float32))
    assert taste.most_telling(np.arange(10)) in range(10)
    assert np.isfinite(taste.learn(np.arange(9), np.arange(9.)).scores).all()


@pytest.mark.parametrize('has_model', [False, True])
def test_pictures_that_are_added_later_count_like_the_first(descriptions, liked, has_model):
    first, more = slice(30), slice(30, 40)
    scores = liked if has_model else None
    taste = Taste(descriptions[first], scores[first] if has_model else None)
    taste.take_in([3, 7])
    taste.add(descriptions[more], scores[more] if has_model else None)
    assert len(taste) == 40 and taste.prior.shape == (40,)
    np.testing.assert_allclose(taste.kernel, taste.kernel.T, atol=1e-5)
    taste.take_in([35])
    known = [3, 7, 35]
    candidates = np.setdiff1d(np.arange(40), known)
    errors = [expected_error(taste.kernel.astype(float), [*known, candidate])
              for candidate in candidates]
    assert taste.most_telling(candidates) == candidates[np.argmin(errors)]
    lesson = taste.learn(np.arange(25, 40), liked[25:])
    assert np.corrcoef(lesson.scores[:25], liked[:25])[0, 1] > .4
