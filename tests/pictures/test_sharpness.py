import numpy as np
import pytest

from picture_ranknet.pictures.sharpness import measure_sharpness


def blurred(picture):
    return (picture + np.roll(picture, 1, 1) + np.roll(picture, 1, 2)) / 3


def test_blur_lowers_sharpness():
    picture = np.random.default_rng(0).integers(0, 256, (3, 40, 40)).astype(np.uint8)
    soft = blurred(picture.astype(float)).astype(np.uint8)
    for relative in False, True:
        assert measure_sharpness(soft, relative) < .8 * measure_sharpness(picture, relative)


def test_an_edge_by_hand():
    picture = np.zeros((3, 4, 4), np.uint8)
    picture[:, :, 2:] = 90
    # The Laplacian is 90 and -90 beside the edge, and 0 at the borders, which are mirrored.
    assert measure_sharpness(picture) == pytest.approx(90 / 2 ** .5)


def test_relative_sharpness_does_not_depend_on_range_and_contrast():
    picture = np.random.default_rng(0).random((3, 20, 20))
    assert measure_sharpness(picture * 1e200, True) == pytest.approx(
        measure_sharpness(picture, True))
    assert measure_sharpness(np.full((3, 4, 4), .5), True) == 0
