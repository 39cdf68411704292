"""Views of the list of all pictures besides the ratings: where to look next.

Each view is a list of groups, and each group a list of pairs: a row and its
predicted rating, or ``None``.
"""
from typing import Optional

import numpy as np

from picture_ranknet.pictures import drawing, near_duplicates
from picture_ranknet.rating.stars import StarSession
from picture_ranknet.rating.training import Training
from picture_ranknet.storage import arrays

MOST = 200          # pictures of a view
AT_ONCE = 64        # pictures that are in memory
LIKED, FEWEST = .25, 12  # of the unrated pictures, those that are favourites; at least
SURPRISING = .75    # levels by which a rating differs from what is expected, at least
VIEWS = 'favourites', 'surprises', 'duplicates', 'model'


class Views:

    """The views of a session.

    Args:
        session (StarSession): The ratings, and what was learnt from them.
        training (Training): Whose model is shown; ``None`` without one.
    """

    def __init__(self, session: StarSession, training: Optional[Training] = None):
        self._session = session
        self._training = training
        self._duplicates = None

    def favourites(self) -> list:
        """Unrated pictures with the highest predicted ratings, best first."""
        rows, expected = self._session.expected()
        n = max(FEWEST, round(len(rows) * LIKED))
        return [_pairs(rows, expected, np.argsort(-expected, kind='stable')[:n])]

    def surprises(self) -> list:
        """Rated pictures that differ most from their leave-one-out prediction, most first."""
        rows, expected, ratings = self._session.expected_without()
        errors = np.abs(ratings - expected)
        order = np.argsort(-errors, kind='stable')
        return [_pairs(rows, expected, order[errors[order] >= SURPRISING])]

    def duplicates(self) -> list:
        """Groups of near-duplicates."""
        rows = self._session.looked_at()
        if self._duplicates is None or self._duplicates[0] != len(rows):
            groups = near_duplicates.find_groups(self._pictures(rows))
            self._duplicates = len(rows), [[(int(rows[index]), None) for index in group]
                                      for group in groups]
        return self._duplicates[1]

    def _pictures(self, rows):
        """Some pictures, one after the other, CHW."""
        for number, row in enumerate(rows):
            yield np.asarray(drawing.to_image(self._session.X[row])).transpose(2, 0, 1)
            if number % AT_ONCE == 0:
                arrays.release(self._session.X)

    def model(self) -> list:
        """Unrated pictures, best first, as ranked by the last trained model."""
        scores = self._training and self._training.scores(len(self._session.X))
        if scores is None:
            return [[]]
        rows = self._session.unrated()
        order = np.argsort(-scores[rows], kind='stable')
        return [[(int(row), None) for row in rows[order[:MOST]]]]


def _pairs(rows, expected, order):
    return [(int(rows[i]), round(float(expected[i]), 2)) for i in order[:MOST]]
