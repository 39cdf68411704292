"""Pictures that look the same, to be rated alike."""
from collections.abc import Iterable

import numpy as np

from picture_ranknet.pictures.hashing import perceptual_hash

BITS = 20         # of 144 in which the hashes of twins differ at most
COLOURS = 4       # colours are compared at COLOURS x COLOURS places
SAME_COLOUR = 30  # mean difference in grey levels above which colours are not the same
BITS_OF = np.array([bin(number).count('1') for number in range(2 ** 16)], np.uint8)


def find_twins(pictures: Iterable[np.ndarray]) -> list:
    """Find groups of pictures that look nearly the same.

    Args:
        pictures: Each CHW, RGB, ``uint8``; up to some thousands, as all pairs
            are looked at.

    Returns:
        list of list: Indices of the pictures of each group of two or more,
        the largest group first.  A picture belongs to a group if it is like
        any one of it.
    """
    hashes, colours = [], []
    for picture in pictures:
        hashes.append(perceptual_hash(picture.transpose(1, 2, 0)))  # CHW -> HWC
        colours.append(_mean_colours(picture))
    if not hashes:
        return []
    hashes = np.packbits(hashes, axis=1).view(np.uint16)  # (N, 9)
    colours = np.float32(colours)                         # (N, 48)
    group_of = list(range(len(hashes)))                   # a tree: each points to one before

    def root(index):
        while group_of[index] != index:
            index = group_of[index]
        return index

    for index in range(1, len(hashes)):
        near = np.flatnonzero(BITS_OF[hashes[:index] ^ hashes[index]].sum(axis=1) <= BITS)
        differences = np.abs(colours[near] - colours[index]).mean(axis=1)
        for other in near[differences <= SAME_COLOUR].tolist():
            group_of[root(other)] = group_of[index] = min(root(other), root(index))
    groups = {}
    for index in range(len(hashes)):
        groups.setdefault(root(index), []).append(index)
    return sorted((group for group in groups.values() if len(group) > 1), key=len, reverse=True)


def _mean_colours(picture):
    """Mean colours of 4 x 4 parts of a picture, shape ``(48,)``."""
    rows = np.array_split(picture, COLOURS, axis=1)
    return np.concatenate([part.mean(axis=(1, 2)) for row in rows
                           for part in np.array_split(row, COLOURS, axis=2)])
