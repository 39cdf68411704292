import numpy as np

from picture_ranknet.pictures.descriptor import describe


def test_a_flat_picture_has_colours_and_no_gradients():
    white, = describe(np.full((1, 3, 20, 20), 255))
    gradients, lab = np.split(white, [7 * 7 * 2 * 2 * 9])
    assert not gradients.any()
    np.testing.assert_allclose(lab.reshape(8, 8, 3), np.tile([1, 128 / 255, 128 / 255], (8, 8, 1)))


def test_gradients_say_which_way_edges_run():
    stripes = np.zeros((1, 3, 80, 80))
    stripes[..., ::2] = 200  # from left to right
    stripes[..., 1::4] = 100
    across = describe(stripes)[0, :1764].reshape(-1, 9)
    down = describe(stripes.swapaxes(2, 3))[0, :1764].reshape(-1, 9)
    assert across.sum(axis=0).argmax() in (0, 8)  # 0 and 180 degrees
    assert down.sum(axis=0).argmax() == 4         # 90 degrees
