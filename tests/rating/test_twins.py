"""Pictures that look alike are found."""
import numpy as np

from picture_ranknet.rating.twins import find_twins


def make(n):
    rng = np.random.default_rng(0)
    return np.kron(rng.integers(0, 255, (n, 3, 20, 20)), np.ones((4, 4))).astype(np.uint8)


def test_the_same_picture_is_found_though_it_is_darker_or_has_noise():
    X = make(8)
    noise = np.random.default_rng(1).integers(-4, 5, X[2].shape)
    pictures = [*X, X[5] // 10 * 9, np.clip(X[2] + noise, 0, 255).astype(np.uint8), X[5]]
    assert find_twins(pictures) == [[5, 8, 10], [2, 9]]


def test_the_same_drawing_in_other_colours_is_another_one():
    X = make(1)
    assert find_twins([X[0], X[0][[2, 0, 1]]]) == []


def test_of_no_picture_there_are_no_twins():
    assert find_twins([]) == []
