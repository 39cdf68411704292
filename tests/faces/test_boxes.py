import numpy as np
import pytest

from picture_ranknet.faces import boxes

BOX = np.array([0, 0, 40, 40])


@pytest.mark.parametrize('other, iou, share', [
    ((0, 0, 40, 40), 1, 1),
    ((20, 0, 40, 40), 1 / 3, 1 / 2),
    ((40, 0, 40, 40), 0, 0),          # touches
    ((90, 90, 5, 5), 0, 0),
    ((10, 10, 20, 20), 1 / 4, 1),     # inside
    ((-10, -10, 20, 20), 100 / 1900, 1 / 4),
])
def test_overlap_by_hand(other, iou, share):
    other = np.array(other)
    for a, b in (BOX, other), (other, BOX):
        assert boxes.iou(a, b) == pytest.approx(iou)
        assert boxes.share_of_smaller(a, b) == pytest.approx(share)


def test_many_boxes_are_compared_with_many():
    many = np.array([[0., 0, 10, 10], [5, 0, 10, 10], [50, 50, 1, 1]])
    overlaps = boxes.iou(many[:, None], many)
    np.testing.assert_allclose(overlaps, [[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 1]])
    assert boxes.iou(np.zeros((0, 4)), BOX).shape == (0,)
