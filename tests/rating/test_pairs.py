"""Comparing two pictures at a time: what comes next, undo, and what is on disk."""
import numpy as np
import pytest

import metrics
from picture_ranknet.rating import pairs
from picture_ranknet.rating.journal import PAIRS, Journal
from picture_ranknet.rating.pairs import PairSession


@pytest.fixture
def session(tmp_path, pictures):
    with Journal(str(tmp_path / 'pairs.txt'), 30, 'id', PAIRS) as journal:
        yield PairSession(pictures, journal)


def compare(session, ratings, n):
    for _ in range(n):
        left, right = session.state()['pair']
        better = {-1: right, 0: None, 1: left}[int(np.sign(ratings[left] - ratings[right]))]
        session.compare(left, right, better)


def test_comparisons_become_a_ranking_and_ratings(session, ratings, tmp_path):
    with session:
        compare(session, ratings, 28)
        assert not session.state()['complete'] and session.state()['left'] == 1
        compare(session, ratings, 72)
        state = session.state()
        assert state['complete'] and state['compared'] == 100 and state['expected_error'] < .25
        (_, order), = session.ranking()
    assert metrics.pair_accuracy(ratings[order], -np.arange(30)) > .9
    written = np.loadtxt(tmp_path / 'pairs.txt')
    assert metrics.pair_accuracy(ratings, written) > .9
    assert written.min() == 1 and written.max() == 5


def test_a_pair_stays_until_it_is_answered(session, ratings):
    pair = session.state()['pair']
    session.think()
    assert session.state()['pair'] == pair
    compare(session, ratings, 1)
    assert session.state()['pair'] != pair


def test_new_pictures_are_on_both_sides(session, ratings):
    new_on_the_left = []
    compare(session, ratings, 1)
    for _ in range(28):
        left, right = session.state()['pair']
        ranked = dict(session.ranking())['ranked']
        assert (left in ranked) != (right in ranked)
        new_on_the_left.append(right in ranked)
        compare(session, ratings, 1)
    assert 7 < sum(new_on_the_left) < 21


def test_new_pictures_are_announced(session, ratings):
    for _ in range(28):
        soon = session.state()['upcoming']
        compare(session, ratings, 1)
        assert not soon or set(soon) & {*session.state()['pair'], *session.state()['upcoming']}
    assert session.state()['upcoming'] == []


def test_a_comparison_that_is_undone_is_asked_again(session, ratings):
    compare(session, ratings, 40)
    (_, before), = session.ranking()
    pair = session.state()['pair']
    session.compare(*pair, pair[0])
    assert session.undo() == ('comparison', pair, None)
    assert session.state()['pair'] == pair and session.state()['compared'] == 40
    assert metrics.kendall_tau(np.argsort(before), np.argsort(session.ranking()[0][1])) > .9


def test_all_is_undone(session, ratings):
    compare(session, ratings, 10)
    session.reject(session.state()['pair'][0])
    session.skip(*session.state()['pair'])
    n = 0
    while session.undo()[0]:
        n += 1
    assert n == 12 and session.state()['compared'] == 0 and session.state()['rated'] == 0
    assert session.undo() == (None, None, None)


@pytest.mark.parametrize('start, target', [(20, 0), (20, 3), (5, 29), (1, 6)])
def test_a_picture_lands_where_it_is_put_and_one_undo_takes_it_back(
        session, ratings, start, target):
    compare(session, ratings, 60)
    (_, before), = session.ranking()
    row = before[start]
    others = [other for other in before if other != row]
    session.place(row, others[target - 1] if target else None,
                  others[target] if target < 29 else None)
    (_, after), = session.ranking()
    assert after == others[:target] + [row] + others[target:]
    assert session.undo()[::2] == ('place', row)
    assert session.ranking()[0][1] == before
    assert session.state()['compared'] == 60


def test_what_is_put_nowhere_stays(session, ratings):
    compare(session, ratings, 40)
    session.place(3, None, None)
    session.place(3, 3, None)
    assert session.state()['compared'] == 40


def test_a_rejected_picture_leaves_the_ranking_and_comes_back_by_undo(session, ratings, tmp_path):
    compare(session, ratings, 40)
    row = session.state()['pair'][0]
    session.reject(row)
    assert dict(session.ranking())['x'] == [row]
    assert session.state()['rejected'] == 1 and session.state()['rated'] == 29
    for _ in range(30):
        assert row not in session.state()['pair']
        compare(session, ratings, 1)
    session.save()
    assert (tmp_path / 'pairs.txt').read_text().splitlines()[row] == 'nan  # no face'
    assert dict(PairSession(session.X, session.journal).ranking())['x'] == [row]
    for _ in range(30):
        session.undo()
    kind, pair, undone = session.undo()
    assert (kind, undone) == ('reject', row) and row in pair and 'x' not in dict(session.ranking())


def test_a_skipped_pair_comes_when_there_is_no_other(tmp_path, pictures):
    with Journal(str(tmp_path / 'r.txt'), 3, 'id', PAIRS) as journal:
        session = PairSession(pictures[:3], journal)
        skipped = [session.state()['pair']]
        session.skip(*skipped[0])
        skipped.append(session.state()['pair'])
        assert set(skipped[0]) != set(skipped[1])
        session.skip(*skipped[1])
        last = session.state()['pair']
        assert PairSession(pictures[:3], journal).state()['skipped'] == 2
        session.compare(*last, last[0])
        for pair in skipped * 2:
            assert set(session.state()['pair']) == set(pair)
            session.skip(*session.state()['pair'])
        assert session.undo()[:2] == ('skip', session.state()['pair'])
        for _ in range(2):
            session.compare(*session.state()['pair'], None)
        assert session.state()['pair'] is None and session.state()['goal_reached']


def test_in_a_pause_everything_is_fitted_again(session, ratings, monkeypatch):
    compare(session, ratings, 20)
    quick = session.state()['expected_error']
    session.think()
    assert session.state()['expected_error'] == quick  # there was no pause
    monkeypatch.setattr(pairs, 'PAUSE', 0)
    session.think()
    exact = session.state()['expected_error']
    assert exact != quick and exact == pytest.approx(quick, abs=.05)
    again = PairSession(session.X, session.journal)
    assert again.state()['expected_error'] == pytest.approx(exact, abs=1e-6)


def test_what_was_compared_is_in_the_file_after_a_kill(pictures, ratings, tmp_path):
    path = str(tmp_path / 'killed.txt')
    journal = Journal(path, 30, 'id', PAIRS)
    session = PairSession(pictures, journal)
    compare(session, ratings, 20)
    session.save()
    compare(session, ratings, 9)
    journal.close()  # as if the process had been killed here
    with Journal(path, 30, 'id', PAIRS) as journal:
        assert not journal.is_written
        with PairSession(pictures, journal) as again:
            assert again.state()['compared'] == 29
    written = np.loadtxt(path)
    assert np.isfinite(written).all() and metrics.pair_accuracy(ratings, written) > .7


def test_a_session_that_says_nothing_does_not_touch_the_file(pictures, ratings, tmp_path):
    path = tmp_path / 'quiet.txt'
    for n in 29, 0:
        with Journal(str(path), 30, 'id', PAIRS) as journal:
            with PairSession(pictures, journal) as session:
                compare(session, ratings, n)
        if n:
            before = path.read_text(), path.stat().st_mtime_ns
    assert (path.read_text(), path.stat().st_mtime_ns) == before


def test_when_nothing_can_be_fitted_ratings_are_saved_and_it_is_said(
        pictures, ratings, tmp_path, monkeypatch):
    def fail(ranking, said):
        raise MemoryError('no room')

    notes = []
    with Journal(str(tmp_path / 'r.txt'), 30, 'id', PAIRS) as journal:
        with PairSession(pictures, journal, note=notes.append) as session:
            monkeypatch.setattr(pairs.Ranking, 'fit', fail)
            compare(session, ratings, 40)
    assert len(notes) == 1 and notes[0].endswith('MemoryError: no room')
    assert metrics.pair_accuracy(ratings, np.loadtxt(tmp_path / 'r.txt')) > .7
