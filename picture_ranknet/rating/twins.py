"""Near-duplicates, which should be rated alike."""
from collections.abc import Iterable

import numpy as np

from picture_ranknet.pictures.fingerprints import Fingerprints

BITS = 20  # of 144, in which the hashes of near-duplicates differ at most


def find_twins(pictures: Iterable[np.ndarray]) -> list:
    """Find groups of pictures that look nearly the same.

    Args:
        pictures: Each CHW, RGB, ``uint8``; up to a few thousand, as all pairs
            are compared.

    Returns:
        list of list: Indices of the pictures of each group of two or more,
        the largest group first.  A picture belongs to a group if it is similar
        to any of its members (single linkage).
    """
    fingerprints = Fingerprints(pictures)
    n = len(fingerprints.colours)
    group_of = list(range(n))  # a tree: each points to one before

    def root(index):
        while group_of[index] != index:
            index = group_of[index]
        return index

    for index in range(1, n):
        for other in fingerprints.twins_of(index, np.arange(index), BITS).tolist():
            group_of[root(other)] = group_of[index] = min(root(other), root(index))
    groups = {}
    for index in range(n):
        groups.setdefault(root(index), []).append(index)
    return sorted((group for group in groups.values() if len(group) > 1), key=len, reverse=True)
