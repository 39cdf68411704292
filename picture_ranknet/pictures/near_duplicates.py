"""Near-duplicates: pictures that perceptual hashes and colours recognise as the same."""
from collections.abc import Iterable

import numpy as np
from PIL import Image

from picture_ranknet.machine.opencv import cv2

HASH_SIZE = 12     # a hash has HASH_SIZE x HASH_SIZE bits
OVERSAMPLING = 4   # pixels per bit, on each side
COLOURS = 4        # colours are compared on a grid of COLOURS x COLOURS
SAME_COLOUR = 30   # mean difference, in levels of 255, up to which colours are the same
BITS = 20          # maximum distance between the hashes of near-duplicates in a group
BITS_OF = np.array([bin(number).count('1') for number in range(2 ** 16)], np.uint8)


def perceptual_hash(img: np.ndarray, size: int = HASH_SIZE) -> np.ndarray:
    """Which of the lowest frequencies of a picture are stronger than their median.

    The same bits as ``imagehash.phash(..., hash_size=12)``.

    Args:
        img (numpy.ndarray): HWC, RGB, ``uint8``.
        size (int): Frequencies per axis.

    Returns:
        numpy.ndarray: bool, shape ``(size * size,)``.

    Reference: Zauner, *Implementation and Benchmarking of Perceptual Image
    Hash Functions*, 2010, section 3.2.1 (the DCT).
    """
    side = OVERSAMPLING * size
    grey = Image.fromarray(np.ascontiguousarray(img)).convert('L').resize(
        (side, side), Image.Resampling.LANCZOS)
    low = cv2.dct(np.asarray(grey, np.float64))[:size, :size]
    low[0] *= 2 ** .5     # an unnormalised DCT, in which the mean of the picture
    low[:, 0] *= 2 ** .5  # has more weight than in OpenCV's orthonormal one
    return (low > np.median(low)).ravel()


class NearDuplicates:

    """Finds near-duplicates among pictures, by row.

    Args:
        pictures: Each CHW, RGB, ``uint8``.
    """

    def __init__(self, pictures: Iterable[np.ndarray]):
        hashes, colours = [], []
        for picture in pictures:
            img = np.ascontiguousarray(picture.transpose(1, 2, 0))  # CHW -> HWC
            hashes.append(perceptual_hash(img))
            colours.append(cv2.resize(img, (COLOURS, COLOURS), interpolation=cv2.INTER_AREA))
        hashes = np.array(hashes, bool).reshape(-1, HASH_SIZE ** 2)
        self.hashes = np.packbits(hashes, axis=1).view(np.uint16)               # (N, 9)
        self.colours = np.float32(colours).reshape(-1, 3 * COLOURS * COLOURS)  # (N, 48)

    def distance(self, row: int, others: np.ndarray) -> np.ndarray:
        """Hamming distances between the hash of ``row`` and those of other rows."""
        return BITS_OF[self.hashes[others] ^ self.hashes[row]].sum(axis=1)

    def of(self, row: int, others: np.ndarray, bits: int) -> np.ndarray:
        """The other rows that are near-duplicates of ``row``: at most ``bits`` bits apart."""
        alike = others[self.distance(row, others) <= bits]
        difference = np.abs(self.colours[alike] - self.colours[row]).mean(axis=1)
        return alike[difference <= SAME_COLOUR]


def find_groups(pictures: Iterable[np.ndarray], bits: int = BITS) -> list:
    """Find groups of near-duplicates.

    Args:
        pictures: Each CHW, RGB, ``uint8``; up to a few thousand, as all pairs
            are compared.
        bits: By how many of 144 bits the hashes of near-duplicates may differ.

    Returns:
        list of list: Indices of the pictures of each group of two or more,
        the largest group first.  A picture belongs to a group if it is a
        near-duplicate of any of its members (single linkage).
    """
    near_duplicates = NearDuplicates(pictures)
    n = len(near_duplicates.colours)
    group_of = list(range(n))  # a union-find forest: each points to an earlier member, or itself

    def root(index):
        while group_of[index] != index:
            index = group_of[index]
        return index

    for index in range(1, n):
        for other in near_duplicates.of(index, np.arange(index), bits).tolist():
            group_of[root(other)] = group_of[index] = min(root(other), root(index))
    groups = {}
    for index in range(n):
        groups.setdefault(root(index), []).append(index)
    return sorted((group for group in groups.values() if len(group) > 1), key=len, reverse=True)
