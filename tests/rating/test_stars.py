"""What comes next while a person rates, and how well ratings are predicted.

Over 400 lines: all of it rests on the same sessions and people that answer by rule.
"""
import threading
import time

import numpy as np
import pytest

import metrics
from picture_ranknet.rating import stars
from picture_ranknet.rating.journal import Journal
from picture_ranknet.rating.session import median_gap
from picture_ranknet.rating.stars import StarSession


@pytest.fixture
def journal(tmp_path, pictures):
    with Journal(str(tmp_path / 'ratings.txt'), len(pictures), 'id') as journal:
        yield journal


@pytest.fixture
def session(journal, pictures):
    """Of 30 pictures; it thinks when it is told to."""
    session = StarSession(pictures, journal, repeat_every=0)
    session.think()
    return session


def rate(session, ratings, n):
    rows = []
    for _ in range(n):
        rows.append(session.upcoming()[0])
        session.rate(rows[-1], int(ratings[rows[-1]]))
        session.think()
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


def test_skipped_pictures_come_round_in_turn_and_rejected_ones_never(session, ratings):
    skipped = []
    for _ in range(5):
        skipped.append(session.upcoming()[0])
        session.skip(skipped[-1])
        session.think()
    rate(session, ratings, 25)
    for row in skipped * 2:
        assert session.upcoming()[0] == row
        session.skip(row)
    session.reject(skipped[1])
    session.rate(skipped[3], 2)
    for row in [skipped[0], skipped[2], skipped[4]] * 2:
        assert session.upcoming()[0] == row
        session.pass_by(row)
    assert session.state()['left'] == 3


def test_a_skip_is_undone_and_outlives_the_session(session, journal, pictures):
    first, second = session.upcoming()[:2]
    session.skip(first)
    session.skip(second)
    assert session.undo() == ('skip', second) and session.upcoming()[0] == second
    again = StarSession(pictures, journal)
    assert again.upcoming()[0] != first
    for _ in range(29):
        assert again.upcoming()[0] != first
        again.reject(again.upcoming()[0])
    assert again.upcoming() == [first]


def test_next_goes_through_all_pictures_and_begins_again(session):
    rows = []
    for _ in range(60):
        rows.append(session.upcoming()[0])
        session.pass_by(rows[-1])
        session.think()
    assert sorted(rows[:30]) == list(range(30)) and rows[:30] == rows[30:]
    assert session.undo() == (None, None)  # nothing was said


@pytest.mark.parametrize('thinks', [False, True])
def test_what_is_announced_comes(journal, pictures, thinks):
    session = StarSession(pictures, journal)
    before = session.upcoming()
    for number in range(30):
        if thinks:
            session.think()
        assert len(session.upcoming()) >= min(stars.LEAST_AHEAD, 30 - number)
        assert session.upcoming()[:len(before)] == before
        session.rate(session.upcoming()[0], 1 + number % 5)
        now = session.state()['upcoming']
        assert now[:len(before) - 1] == before[1:]
        before = now


def test_what_is_announced_comes_while_the_session_thinks(tmp_path, pictures):
    X = np.concatenate([pictures] * 10)
    with Journal(str(tmp_path / 'many.txt'), 300, 'id') as journal:
        with StarSession(X, journal) as session:
            before = session.upcoming()
            for number in range(200):
                session.rate(before[0], 1 + number % 5)
                now = session.upcoming()
                assert now[:len(before) - 1] == before[1:]
                before = now
                if number % 20 == 0:
                    time.sleep(.02)


def test_what_is_undone_is_to_be_rated_again(session, ratings):
    rows = rate(session, ratings, 3)
    assert session.undo() == ('rating', rows[-1])
    assert np.isnan(session.journal.ratings[rows[-1]])
    assert session.state()['rated'] == 2
    assert [session.undo()[1] for _ in range(3)] == [rows[1], rows[0], None]


def test_the_state_tells_what_has_been_rated(session):
    for row, rating in (0, 5), (1, 5), (2, 1):
        session.rate(row, rating)
    session.reject(3)
    state = session.state()
    assert (state['rated'], state['rejected'], state['left']) == (3, 1, 26)
    assert state['histogram'] == [(1, 1), (5, 2)]
    assert set(state['upcoming']).isdisjoint(range(4))


def test_the_pace_is_the_usual_time_between_two_of_the_last_answers():
    for times, pace in ([], None), ([0, 2, 4], None), ([0, 2, 4, 9000], 2), (range(9), 1), (
            [*range(0, 300, 10), *range(300, 364, 2)], 2):
        assert median_gap(list(times)) == pace


def test_the_curve_grows_and_says_how_well_taste_is_known(session, ratings):
    rate(session, ratings, 30)  # the better rated, the redder
    assert [n for n, _ in session.curve] == [10, 20, 30]
    assert session.curve[-1][1] > .8
    assert session.state()['gain'] == 0


def test_the_curve_of_yesterday_is_there_today(journal, pictures, ratings):
    for row in range(30):
        journal.rate(row, ratings[row])
    session = StarSession(pictures, journal)
    session.think()
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
    session.think()
    (_, order), = session.ranking()
    assert ratings[order[:6]].tolist() == [5] * 6


def test_of_many_pictures_some_are_chosen_from(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr(stars, 'POOL', 20)
    X = np.concatenate([pictures] * 3)
    with Journal(str(tmp_path / 'r.txt'), 90, 'id') as journal:
        for row in range(85):
            journal.rate(row, 1 + row % 5)
        session = StarSession(X, journal)
        session.think()
        assert set(session.upcoming()) < set(range(85, 90))


def test_ratings_of_pictures_outside_the_pool_are_learnt(tmp_path, pictures, ratings, monkeypatch):
    monkeypatch.setattr(stars, 'POOL', 60)
    X = np.concatenate([pictures] * 3)
    with Journal(str(tmp_path / 'r.txt'), 90, 'id') as journal:
        session = StarSession(X, journal, repeat_every=0)
        session.think()
        rows = np.arange(90)
        for row in rows[::-1][:40].tolist():  # in the grid; some of them are in the pool
            session.rate(row, int(ratings[row % 30]))
            session.think()
        n_learnt, accuracy = session.curve[-1]
        assert n_learnt > 60 * 40 / 90 + 5 and accuracy > .6


def test_a_pool_that_is_used_up_is_replaced(tmp_path, pictures, ratings, monkeypatch):
    monkeypatch.setattr(stars, 'POOL', 20)
    X = np.concatenate([pictures] * 3)
    with Journal(str(tmp_path / 'r.txt'), 90, 'id') as journal:
        session = StarSession(X, journal, repeat_every=0)
        rows = rate(session, np.tile(ratings, 3), 90)
        assert sorted(rows) == list(range(90)) and session.accuracy > .6


def test_fractional_ratings_are_shown_with_the_level_they_round_to(tmp_path, pictures):
    (tmp_path / 'r.txt').write_text('4.5\n2.5\n1.2\n5\n' + 26 * 'nan\n')
    with Journal(str(tmp_path / 'r.txt'), 30, 'id') as journal:
        session = StarSession(pictures, journal)
        assert session.state()['spread'] == [1, 0, 1, 0, 2]
        groups = session.ranking()
        assert groups[:3] == [(5, [3, 0]), (3, [1]), (1, [2])] and groups[3][0] is None


def test_taste_below_55_percent_is_called_unpredictable(session, ratings):
    state = session.state()
    assert state['accuracy'] is None and state['predictable'] is None
    rate(session, np.random.default_rng(1).permutation(ratings), 30)
    assert session.state()['predictable'] is (session.accuracy >= .55)
    assert session.accuracy < .55
    for row in range(30):
        session.rate(row, int(ratings[row]))
    session.think()
    assert session.state()['predictable'] is True


def test_the_goal_is_a_number_of_ratings_that_will_do(session, ratings, monkeypatch):
    assert session.state()['goal'] == 30  # as there are no more
    monkeypatch.setattr(stars, 'GOAL', 8)
    rate(session, ratings, 7)
    assert session.state()['goal'] == 8 and not session.state()['goal_reached']
    rate(session, ratings, 1)
    assert session.state()['goal_reached']


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


def test_when_nothing_can_be_learnt_ratings_are_saved_and_it_is_said(
        journal, pictures, tmp_path):
    def score(rows):
        raise ValueError('no such layer\nor so')

    notes = []
    with StarSession(pictures, journal, score, note=notes.append) as session:
        wait_for(lambda: session.state()['trouble'])
        session.rate(session.upcoming()[0], 4)
        wait_for(lambda: (tmp_path / 'ratings.txt').exists())
        for _ in range(10):
            session.rate(session.upcoming()[0], 3)
        assert session.state()['trouble'].endswith('ValueError: no such layer')
    assert len(notes) == 1 and notes[0].startswith('warning: ratings are saved, but no longer')
    assert np.isfinite(np.loadtxt(tmp_path / 'ratings.txt')).sum() == 11


def test_trouble_that_has_passed_is_forgotten(journal, pictures):
    fails = [True]

    def score(rows):
        if fails:
            raise MemoryError
        return np.zeros(len(rows))

    with StarSession(pictures, journal, score) as session:
        wait_for(lambda: session.state()['trouble'])
        fails.clear()
        session.rate(session.upcoming()[0], 4)
        wait_for(lambda: not session.state()['trouble'])


class Eye:

    """Sees how red and how blue pictures are, and keeps its eyes shut until it is told."""

    kind, n_columns, sizes = 'test', 2, {'look': 2}

    def __init__(self):
        self.may_see = threading.Event()

    def see(self, pictures):
        self.may_see.wait(20)
        return pictures[:, [0, 2]].mean(axis=(2, 3)).astype(np.float32)


def test_what_a_network_sees_takes_the_place_of_colours_once_it_is_known(
        journal, pictures, ratings, monkeypatch):
    monkeypatch.setattr(stars, 'SEE_AFTER', .01)
    for row in range(25):
        journal.rate(row, ratings[row])
    eye, rows = Eye(), np.arange(25, 30)
    with StarSession(pictures, journal, repeat_every=0, find_eye=lambda note: eye) as session:
        wait_for(lambda: session.accuracy)  # not waiting for it
        before = session.upcoming()
        eye.may_see.set()
        wait_for(lambda: session.expected()[0].size and metrics.pair_accuracy(
            ratings[rows], session.expected()[1][np.argsort(session.expected()[0])]) == 1)
        assert session.upcoming() == before  # what was announced comes
        session.rate(before[0], 3)
        wait_for(lambda: len(session.upcoming()) == 4)


def test_the_first_pictures_come_from_a_small_pool_until_the_network_has_seen_a_large_one(
        tmp_path, pictures, monkeypatch):
    monkeypatch.setattr(stars, 'SEE_AFTER', .01)
    monkeypatch.setattr(stars, 'FIRST_POOL', 20)
    monkeypatch.setattr(stars, 'POOL', 60)
    X, eye = np.concatenate([pictures] * 3), Eye()
    with Journal(str(tmp_path / 'r.txt'), 90, 'id') as journal:
        for row in 3, 4, 5:  # known before
            journal.rate(row, row)
        with StarSession(X, journal, repeat_every=0, find_eye=lambda note: eye) as session:
            wait_for(lambda: len(session.upcoming()) == 4)
            pool = session.looked_at()
            assert len(pool) == 20 and {*session.upcoming(), 3, 4, 5} <= set(pool)
            eye.may_see.set()
            wait_for(lambda: len(session.looked_at()) == 60)
            assert set(pool) <= set(session.looked_at())


@pytest.mark.parametrize('error', [None, MemoryError('of this kind')])
def test_without_a_network_colours_are_enough(journal, pictures, monkeypatch, error):
    monkeypatch.setattr(stars, 'SEE_AFTER', .01)
    monkeypatch.setattr(stars, 'FIRST_POOL', 20)
    notes, asked = [], []

    def find_eye(note):
        asked.append(True)
        if error:
            raise error

    with StarSession(pictures, journal, note=notes.append, find_eye=find_eye) as session:
        wait_for(lambda: asked)
        wait_for(lambda: notes or not error)
        assert len(session.upcoming()) == 4 and session.state()['trouble'] is None
        session.rate(session.upcoming()[0], 3)
        wait_for(lambda: len(session.looked_at()) == 30)  # not only the first ones
    assert [note.split(': ')[-1] for note in notes] == (['of this kind'] if error else [])


def test_saving_does_not_wait_for_thoughts(journal, pictures, tmp_path):
    goes_on = threading.Event()

    def score(rows):
        goes_on.wait(20)
        return np.zeros(len(rows))

    with StarSession(pictures, journal, score) as session:
        session.rate(3, 4)
        wait_for(lambda: (tmp_path / 'ratings.txt').exists())
        goes_on.set()


def test_it_is_said_when_ratings_cannot_be_written_and_the_journal_has_them(
        session, tmp_path, monkeypatch):
    def fail():
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(session.journal, 'write', fail)
    session.rate(0, 4)
    session.save()
    assert 'ratings.txt: Permission denied' in session.state()['error']
    assert '"row": 0' in (tmp_path / 'ratings.txt.journal').read_text()


def test_one_answer_in_so_many_is_asked_again_and_the_last_one_counts(
        journal, pictures, ratings):
    session = StarSession(pictures, journal, repeat_every=12)
    session.think()
    answered = []
    while not session.state()['repeats']:
        answered += rate(session, ratings, 1)
        session.think()
    assert len(answered) == 11  # the repeat is the twelfth, or comes soon after
    row, = session.state()['repeats']
    assert row in answered[:-10]
    while session.upcoming()[0] != row:
        answered += rate(session, ratings, 1)
    session.rate(row, int(6 - ratings[row]), is_repeat=True)
    assert journal.ratings[row] == 6 - ratings[row] and journal.history[-1].is_repeat
    assert session.state()['repeats'] == [] and session.state()['rated'] == len(answered)
    assert session.undo() == ('rating', row)
    assert journal.ratings[row] == ratings[row]
    assert session.upcoming()[0] == row and session.state()['repeats'] == [row]


def test_what_is_rated_again_without_being_asked_is_no_repeat(session, journal):
    session.rate(3, 4)
    session.rate(3, 5, is_repeat=True)
    assert not journal.history[-1].is_repeat and session.state()['self_agreement'] is None


def test_a_repeat_that_is_skipped_is_not_asked_again(journal, pictures, ratings):
    session = StarSession(pictures, journal, repeat_every=12)
    while not session.state()['repeats']:
        rate(session, ratings, 1)
    row, = session.state()['repeats']
    session.skip(row)
    assert row not in session.upcoming()
    assert row not in StarSession(pictures, journal).upcoming()
