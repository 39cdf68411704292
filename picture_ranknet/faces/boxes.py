"""How much boxes overlap.

A box is ``(x, y, w, h)`` in pixels; boxes come as arrays whose last axis is
those four numbers.  The functions broadcast: ``iou(boxes, box)`` compares many
with one, ``iou(boxes[:, None], others)`` all with all.
"""
import numpy as np


def area(boxes: np.ndarray) -> np.ndarray:
    """The areas of boxes, shape ``(...)``."""
    return boxes[..., 2] * boxes[..., 3]


def intersection(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The area that lies in both of two boxes, 0 if they do not touch."""
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    return np.maximum(high - low, 0).prod(axis=-1)


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union, in [0, 1]; boxes must have an area."""
    both = intersection(a, b)
    return both / (area(a) + area(b) - both)


def share_of_smaller(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The share of the smaller box that lies in the larger one, in [0, 1]."""
    return intersection(a, b) / np.minimum(area(a), area(b))
