import numpy as np
import pytest

from picture_ranknet.pictures.hashing import perceptual_hash


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
