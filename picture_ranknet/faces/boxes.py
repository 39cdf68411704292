"""Overlap of boxes.

A box is ``(x, y, w, h)`` in pixels; boxes are arrays whose last axis holds
these four numbers.  The functions broadcast: ``iou(boxes, box)`` compares many
with one, ``iou(boxes[:, None], others)`` all with all.
"""
import numpy as np


def area(boxes: np.ndarray) -> np.ndarray:
    """The areas of boxes, shape ``(...)``."""
    return boxes[..., 2] * boxes[..., 3]


def intersection(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The area of the intersection of two boxes, 0 if they do not overlap."""
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    return np.maximum(high - low, 0).prod(axis=-1)


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union, in [0, 1]; boxes must have an area."""
    both = intersection(a, b)
    return both / (area(a) + area(b) - both)


def share_of_smaller(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The fraction of the smaller box that lies in the larger one, in [0, 1]."""
    return intersection(a, b) / np.minimum(area(a), area(b))
