"""What comes next, and what is told of it, while a person rates."""
import time

import numpy as np
import pytest

import metrics
from picture_ranknet.rating import session as rate_session
from picture_ranknet.rating.journal import PAIRS, Journal
from picture_ranknet.rating.session import PairSession, StarSession


@pytest.fixture
def journal(tmp_path, pictures):
    with Journal(str(tmp_path / 'ratings.txt'), len(pictures), 'id') as journal:
        yield journal


@pytest.fixture
def session(journal, pictures):
    """Of 30 pictures; it thinks when it is told to."""
    session = StarSession(pictures, journal)
    session._prepare()
    session._think()
    return session


def rate(session, ratings, n):
    rows = []
    for _ in range(n):
        rows.append(session.upcoming()[0])
        session.rate(rows[-1], int(ratings[rows[-1]]))
        session._think()
    return rows


def test_each_picture_comes_once_and_then_there_is_none(session, ratings):
    assert sorted(rate(session, ratings, 30)) == list(range(30))
    assert session.upcoming() == []
    np.testing.assert_array_equal(session.journal.ratings, ratings)
    assert session.state()['left'] == 0


def test_without_thoughts_there_is_always_a_picture(journal, pictures):
    session = StarSession(pictures, journal)  # nothing has been looked at yet
    rows = []
    while session.upcoming():
        rows.append(session.upcoming()[0])
        session.reject(rows[-1])
    assert sorted(rows) == list(range(30)) and len(journal.rejected) == 30


def test_a_skipped_picture_comes_back_last(session, ratings):
    first = session.upcoming()[0]
    session.skip(first)
    assert rate(session, ratings, 30)[-1] == first


def test_now_and_then_comes_what_is_expected_to_be_liked(session, ratings):
    rate(session, ratings, 20)
    queue = session.upcoming()
    unrated = np.flatnonzero(np.isnan(session.journal.ratings))
    assert session._predictions is not None
    best = max(unrated, key=lambda row: session._predictions[session._index[row]])
    assert best in queue


def test_what_is_undone_is_to_be_rated_again(session, ratings):
    rows = rate(session, ratings, 3)
    assert session.undo() == rows[-1]
    assert np.isnan(session.journal.ratings[rows[-1]])
    assert session.state()['rated'] == 2
    assert [session.undo() for _ in range(3)] == [rows[1], rows[0], None]


def test_the_state_tells_what_has_been_rated(session):
    for row, rating in (0, 5), (1, 5), (2, 1):
        session.rate(row, rating)
    session.reject(3)
    state = session.state()
    assert (state['rated'], state['rejected'], state['left']) == (3, 1, 26)
    assert state['histogram'] == [(1, 1), (5, 2)]
    assert set(state['upcoming']).isdisjoint(range(4))


def test_the_pace_is_the_usual_time_between_two_of_the_last_answers(session):
    for times, pace in ([], None), ([0, 2, 4], None), ([0, 2, 4, 9000], 2), (range(9), 1), (
            [*range(0, 300, 10), *range(300, 364, 2)], 2):
        session._times = list(times)
        assert session.pace() == pace


def test_the_curve_grows_and_says_how_well_taste_is_known(session, ratings):
    rate(session, ratings, 30)  # the better rated, the redder
    assert [n for n, _ in session.curve] == [10, 20, 30]
    assert session.curve[-1][1] > .8
    assert session.state()['gain'] == 0


def test_the_curve_of_yesterday_is_there_today(journal, pictures, ratings):
    for row in range(30):
        journal.rate(row, ratings[row])
    session = StarSession(pictures, journal)
    session._prepare()
    session._think()
    assert [n for n, _ in session.curve] == [10, 20, 30]


def test_the_ranking_has_groups_by_rating_and_the_likely_best_first(session, ratings):
    rated = rate(session, ratings, 15)
    session.reject(session.upcoming()[0])
    groups = dict(session.ranking())
    assert sorted(sum(groups.values(), [])) == list(range(30))
    assert list(groups) == [*sorted({float(ratings[row]) for row in rated}, reverse=True),
                            None, 'x']
    unrated = np.array(groups[None])
    assert metrics.pair_accuracy(ratings[unrated], -np.arange(len(unrated))) > .6


def test_a_model_helps_before_anything_is_rated(journal, pictures, ratings):
    session = StarSession(pictures, journal, score=lambda rows: ratings[rows])
    session._prepare()
    session._think()
    (_, order), = session.ranking()
    assert ratings[order[:6]].tolist() == [5] * 6


def test_of_many_pictures_some_are_chosen_from(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr(rate_session, 'POOL', 20)
    X = np.concatenate([pictures] * 3)
    with Journal(str(tmp_path / 'r.txt'), 90, 'id') as journal:
        for row in range(85):
            journal.rate(row, 1 + row % 5)
        session = StarSession(X, journal)
        assert set(range(85, 90)) < set(session._pool) and len(session._pool) == 20
        session._prepare()
        session._think()
        assert set(session.upcoming()) < set(range(85, 90))


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(.01)


def test_ratings_are_written_while_the_person_goes_on(session, tmp_path, ratings):
    with session:
        session.rate(0, 4)
        wait_for(lambda: (tmp_path / 'ratings.txt').exists())
        wait_for(lambda: (tmp_path / 'ratings.txt').read_text().startswith('4\n'))
        assert session.state()['error'] is None


def test_it_is_said_when_ratings_cannot_be_written_and_the_journal_has_them(
        session, tmp_path, monkeypatch):
    def fail():
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(session.journal, 'write', fail)
    session.rate(0, 4)
    session._save()
    assert 'ratings.txt: Permission denied' in session.state()['error']
    assert '"row": 0' in (tmp_path / 'ratings.txt.journal').read_text()


@pytest.fixture
def pair_session(tmp_path, pictures):
    with Journal(str(tmp_path / 'pairs.txt'), 30, 'id', PAIRS) as journal:
        yield PairSession(pictures, journal)


def compare(session, ratings, n):
    for _ in range(n):
        left, right = session.state()['pair']
        better = {-1: right, 0: None, 1: left}[int(np.sign(ratings[left] - ratings[right]))]
        session.compare(left, right, better)


def test_comparisons_become_a_ranking_and_ratings(pair_session, ratings, tmp_path):
    with pair_session:
        compare(pair_session, ratings, 28)
        assert not pair_session.state()['complete'] and pair_session.state()['left'] == 1
        compare(pair_session, ratings, 72)
        state = pair_session.state()
        assert state['complete'] and state['compared'] == 100 and state['expected_error'] < .25
        (_, order), = pair_session.ranking()
    assert metrics.pair_accuracy(ratings[order], -np.arange(30)) > .9
    written = np.loadtxt(tmp_path / 'pairs.txt')
    assert metrics.pair_accuracy(ratings, written) > .9
    assert written.min() == 1 and written.max() == 5


def test_a_comparison_is_taken_back_with_what_followed_from_it(pair_session, ratings):
    compare(pair_session, ratings, 10)
    pair_session._fit()
    before = pair_session._ranking.strengths.copy()
    left, right = pair_session.state()['pair']
    pair_session.compare(left, right, left)
    assert pair_session.undo() == (left, right)
    np.testing.assert_allclose(pair_session._ranking.strengths, before, atol=1e-4)


def test_a_picture_that_is_put_between_two_others_is_compared_with_both(pair_session, ratings):
    compare(pair_session, ratings, 60)
    (_, order), = pair_session.ranking()
    pair_session.place(order[20], order[3], order[4])
    assert [tuple(said) for said in pair_session.journal.comparisons[-2:]] == [
        (order[20], order[3], order[3]), (order[20], order[4], order[20])]
    (_, after), = pair_session.ranking()
    assert after.index(order[20]) < 20


def test_in_a_pause_all_comparisons_are_fitted_anew(pair_session, ratings, monkeypatch):
    monkeypatch.setattr(rate_session, 'PAUSE', 0)
    compare(pair_session, ratings, 20)
    assert not pair_session._is_fitted
    pair_session._think()
    assert pair_session._is_fitted
    exact = pair_session._ranking.strengths.copy()
    pair_session._fit()
    np.testing.assert_allclose(pair_session._ranking.strengths, exact, atol=1e-3)
