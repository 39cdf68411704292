import numpy as np
import pytest

from picture_ranknet.pictures.near_duplicates import find_groups, perceptual_hash


@pytest.fixture
def img():
    """Something soft: noise of few frequencies."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:90, :70] / 90
    waves = sum(rng.normal() * np.cos(np.pi * (i * x + j * y)) for i in range(6) for j in range(6))
    grey = 255 * (waves - waves.min()) / np.ptp(waves)
    return np.uint8(np.repeat(grey[..., None], 3, axis=2))


def test_half_of_the_bits_are_set(img):
    bits = perceptual_hash(img)
    assert bits.shape == (144,) and bits.dtype == bool and bits.sum() == 72


def test_the_same_picture_at_another_size_and_brightness_has_nearly_the_same_hash(img):
    darker = np.uint8(img[::2, ::2] * .8)
    assert (perceptual_hash(img) != perceptual_hash(darker)).sum() <= 12
    assert (perceptual_hash(img) != perceptual_hash(img[:, ::-1])).sum() > 40


def test_the_bits_are_those_of_imagehash(img):
    imagehash = pytest.importorskip('imagehash')
    from PIL import Image

    rng = np.random.default_rng(0)
    for _ in range(5):
        img = np.uint8(np.clip(img + rng.normal(0, 20, img.shape), 0, 255))
        expected = imagehash.phash(Image.fromarray(img), 12).hash.ravel()
        assert (perceptual_hash(img) == expected).all()


# Groups

def make(n):
    rng = np.random.default_rng(0)
    return np.kron(rng.integers(0, 255, (n, 3, 20, 20)), np.ones((4, 4))).astype(np.uint8)


def test_the_same_picture_is_found_though_it_is_darker_or_has_noise():
    X = make(8)
    noise = np.random.default_rng(1).integers(-4, 5, X[2].shape)
    pictures = [*X, X[5] // 10 * 9, np.clip(X[2] + noise, 0, 255).astype(np.uint8), X[5]]
    assert find_groups(pictures) == [[5, 8, 10], [2, 9]]


def test_the_same_drawing_in_other_colours_is_another_one():
    X = make(1)
    assert find_groups([X[0], X[0][[2, 0, 1]]]) == []


def test_no_pictures_have_no_groups():
    assert find_groups([]) == []
