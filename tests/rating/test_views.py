"""What the list shows besides the ratings."""
import numpy as np
import pytest

from picture_ranknet.rating.journal import Journal
from picture_ranknet.rating.stars import StarSession
from picture_ranknet.rating.views import Views


@pytest.fixture
def session(tmp_path, pictures, ratings):
    with Journal(str(tmp_path / 'ratings.txt'), len(pictures), 'id') as journal:
        session = StarSession(pictures, journal, repeat_every=0)
        for row in range(20):
            session.rate(row, int(ratings[row]))
        yield session


def test_before_anything_is_learnt_there_is_nothing(session):
    views = Views(session)
    assert views.favourites() == [[]] and views.surprises() == [[]] and views.model() == [[]]


def test_favourites_are_unrated_faces_the_best_first(session, ratings):
    session.reject(24)
    session.think()
    (group,) = Views(session).favourites()
    rows, expected = map(list, zip(*group))
    assert sorted(rows) == [20, 21, 22, 23, 25, 26, 27, 28, 29]
    assert expected == sorted(expected, reverse=True) and 1 <= min(expected) <= max(expected) <= 5
    assert ratings[rows[0]] == 5


def test_surprises_are_told_by_the_other_ratings(session):
    session.rate(10, 5)  # as red as those rated 1
    session.think()
    (group,) = Views(session).surprises()
    assert group[0][0] == 10 and group[0][1] < 3


def test_the_model_that_was_trained_orders_what_is_not_rated(session):
    class Trained:
        def scores(self, n):
            return np.arange(n)

    (group,) = Views(session, Trained()).model()
    assert [row for row, _ in group] == list(range(29, 19, -1))
