"""Perceptual hashes and colours of pictures, to recognise duplicates."""
from collections.abc import Iterable

import numpy as np

from picture_ranknet.machine.opencv import cv2
from picture_ranknet.pictures.hashing import HASH_SIZE, perceptual_hash

COLOURS = 4        # colours are compared on a grid of COLOURS x COLOURS
SAME_COLOUR = 30   # mean difference, in levels of 255, up to which colours are the same
BITS_OF = np.array([bin(number).count('1') for number in range(2 ** 16)], np.uint8)


class Fingerprints:

    """Fingerprints of pictures, by row.

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

    def twins_of(self, row: int, others: np.ndarray, bits: int) -> np.ndarray:
        """The other rows that are duplicates of ``row``: at most ``bits`` bits apart."""
        alike = others[self.distance(row, others) <= bits]
        difference = np.abs(self.colours[alike] - self.colours[row]).mean(axis=1)
        return alike[difference <= SAME_COLOUR]
