import numpy as np
import pytest
from PIL import Image

from picture_ranknet.faces.looks import measure_sharpness, perceptual_hash


def picture(seed):
    """CHW; a picture of blots that no other seed draws."""
    rng = np.random.default_rng(seed)
    return np.kron(rng.integers(0, 256, (3, 16, 16)), np.ones((1, 5, 5))).astype(np.uint8)


def test_a_blurred_crop_is_less_sharp():
    sharp = picture(1)
    blurred = (sharp // 3 + np.roll(sharp, 3, 1) // 3 + np.roll(sharp, 3, 2) // 3)
    assert 0 < measure_sharpness(blurred) < measure_sharpness(sharp)
    assert measure_sharpness(np.full((3, 9, 9), 77, np.uint8)) == 0


def test_hashes_are_those_of_imagehash():
    imagehash = pytest.importorskip('imagehash')
    for seed in range(4):
        img = picture(seed).transpose(1, 2, 0).copy()
        expected = imagehash.phash(Image.fromarray(img), 12).hash.ravel()
        np.testing.assert_array_equal(perceptual_hash(img), expected)


def test_a_hash_hardly_changes_with_light_and_size():
    img = picture(5).transpose(1, 2, 0).copy()
    darker = (img * .8).astype(np.uint8)
    larger = np.asarray(Image.fromarray(img).resize((130, 130)))
    marks = perceptual_hash(img)
    assert marks.shape == (144,) and marks.dtype == bool
    assert (marks != perceptual_hash(darker)).sum() <= 6
    assert (marks != perceptual_hash(larger)).sum() <= 12
    assert (marks != perceptual_hash(picture(6).transpose(1, 2, 0).copy())).sum() > 40
