"""The journal: what a person says is on disk, whatever happens, and can be taken back.

Over 400 lines: most are journals, line by line, as they lie on the disk.
"""
import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picture_ranknet.errors import InputError
from picture_ranknet.rating.journal import (
    PAIRS,
    STARS,
    Comparison,
    Journal,
    Placing,
    Rating,
    Skip,
    identify,
)
from picture_ranknet.storage import ratings_txt
from support.errors import error_of


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'ratings.txt')


def read(path):
    with open(path, encoding='utf-8') as f:
        return f.read()


def test_a_new_file_has_a_line_for_each_picture(path):
    with Journal(path, 4, 'id') as journal:
        journal.rate(2, 5)
        journal.reject(3)
    assert read(path) == 'nan\nnan\n5\nnan  # no face\n'
    np.testing.assert_array_equal(ratings_txt.read_ratings(path, 4), [np.nan, np.nan, 5, np.nan])


def test_ratings_given_elsewhere_fill_what_nobody_rated_here(path):
    nan = np.nan
    with open(path, 'w', encoding='utf-8') as f:
        f.write('2  # my own\nnan\nnan  # no face\nnan  # like 0\nnan\n')
    with Journal(path, 5, 'id') as journal:
        assert journal.fill([5, 4, 3, 2.5, nan]) == 2
        assert journal.fill([5, -1, 3, 1, -1]) == 1  # only what is new
        assert journal.undo() is None
        assert journal.rejected == {2, 4}
        journal.rate(1, 5)
    assert read(path) == '2  # my own\n5\nnan  # no face\n2.5  # like 0\nnan  # no face\n'
    with Journal(path, 5, 'id') as journal:
        assert [entry.was for entry in journal.history] == ['4']


def test_ratings_given_elsewhere_do_not_replace_what_was_said_before_a_crash(path):
    with Journal(path, 2, 'id') as journal:
        journal.rate(0, 1)
        journal.write = lambda: None  # killed before
    assert not os.path.exists(path)
    with Journal(path, 2, 'id') as journal:
        assert journal.fill([5, 4]) == 1
    assert read(path) == '1\n4\n'


def test_ratings_given_elsewhere_need_the_same_scale(path):
    with Journal(path, 2, 'id', levels=3) as journal:
        assert 'is rated from 1 to 3, sidecars from 1 to 5' in error_of(journal.fill, [5, 4])
        assert journal.fill([np.nan] * 2) == 0
    assert not os.path.exists(path)


def test_who_says_nothing_leaves_nothing_behind(path, tmp_path):
    for mode, levels in (STARS, 7), (PAIRS, None), (STARS, 9):
        with Journal(path, 4, 'id', mode, levels):
            pass
    with Journal(path, 4, 'id') as journal:
        journal.skip(1)
        journal.undo()
    assert not os.path.exists(path)  # nothing was rated


def test_a_start_that_fails_later_creates_and_fixes_nothing(path, tmp_path):
    with pytest.raises(ZeroDivisionError), Journal(path, 4, 'id', PAIRS):
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == []


def test_a_journal_that_is_left_empty_by_a_kill_fixes_nothing(path):
    open(path + '.journal', 'w').close()
    with Journal(path, 4, 'id', PAIRS) as journal:
        assert journal.history == [] and journal.are_same_pictures


def test_the_number_of_levels_is_remembered(path):
    with Journal(path, 4, 'id', levels=10) as journal:
        journal.rate(0, 9)
    with Journal(path, 4, 'id') as journal:
        assert journal.levels == 10
        journal.rate(1, 1)
    with pytest.raises(InputError, match='rated from 1 to 10, got --levels 5; leave --levels out'):
        Journal(path, 4, 'id', levels=5)


@pytest.mark.parametrize('rating, levels, remedy', [
    (9, None, 'from 1 to 5, got 9; use --levels 9'), (9, 10, None), (4.5, None, None),
    (6.5, None, 'got 6.5; use --levels 7'), (0, None, 'got 0; choose another ratings file'),
    (250, None, 'got 250; choose another ratings file')])
def test_two_scales_do_not_mix(path, rating, levels, remedy):
    with open(path, 'w') as f:
        f.write(f'3\n{rating}\nnan\n')
    if remedy is None:
        with Journal(path, 3, 'id', levels=levels) as journal:
            journal.rate(2, 1)
    else:
        with pytest.raises(InputError, match=remedy):
            Journal(path, 3, 'id', levels=levels)


def test_a_wrong_rating_in_a_known_file_is_to_be_corrected(path):
    with Journal(path, 2, 'id') as journal:
        journal.rate(0, 5)
    with open(path, 'w') as f:
        f.write('5\n7\n')
    with pytest.raises(InputError, match='expected ratings from 1 to 5, got 7; correct it'):
        Journal(path, 2, 'id')


def test_what_a_person_wrote_is_continued_and_its_comments_stay(path):
    with open(path, 'w') as f:
        f.write('# mine\n3.50  # so so\n\nnan\n1\n')
    with Journal(path, 3, 'id') as journal:
        np.testing.assert_array_equal(journal.ratings, [3.5, np.nan, 1])
        journal.rate(1, 4)
        journal.rate(0, 2)
    assert read(path) == '# mine\n2  # so so\n\n4\n1\n'


def test_a_rejected_picture_is_rejected_still_and_may_be_rated_after_all(path):
    with Journal(path, 2, 'id') as journal:
        journal.reject(1)
    with Journal(path, 2, 'id') as journal:
        assert journal.rejected == {1}
        journal.rate(1, 3)
        assert journal.rejected == set()
    assert read(path) == 'nan\n3\n'


def test_undo_has_no_limit_and_outlives_the_process(path):
    with Journal(path, 3, 'id') as journal:
        journal.rate(0, 1)
        journal.rate(0, 2)
        journal.reject(1)
    with Journal(path, 3, 'id') as journal:
        journal.rate(1, 5)
        assert journal.undo() == Rating(1, '5', 'nan  # no face')
        assert journal.rejected == {1}
        assert [journal.undo() for _ in range(4)] == [
            Rating(1, 'nan  # no face', 'nan'), Rating(0, '2', '1'), Rating(0, '1', 'nan'), None]
        assert np.isnan(journal.ratings).all() and not journal.rejected
    assert read(path) == 'nan\n' * 3


def test_what_was_said_after_the_last_writing_is_not_lost(path):
    journal = Journal(path, 3, 'id')
    journal.rate(0, 1)
    journal.write()
    journal.rate(1, 2)
    journal.rate(0, 4)
    journal.undo()
    journal.close()  # as if the process had been killed here
    assert read(path) == '1\nnan\nnan\n'
    with Journal(path, 3, 'id') as journal:
        np.testing.assert_array_equal(journal.ratings, [1, 2, np.nan])
    assert read(path) == '1\n2\nnan\n'


def test_a_line_that_a_crash_cut_short_is_taken_off(path):
    with Journal(path, 3, 'id') as journal:
        journal.rate(0, 1)
    with open(path + '.journal', 'ab') as f:
        f.write(b'{"row": 1, "is"')
    with Journal(path, 3, 'id') as journal:
        journal.rate(1, 2)
    with Journal(path, 3, 'id') as journal:
        np.testing.assert_array_equal(journal.ratings, [1, 2, np.nan])


@pytest.mark.parametrize('line', [
    '{"row": 7, "is": "1", "was": "nan"}', '{"row": 1, "is": "one", "was": "nan"}', '[]', 'x',
    '{"row": true, "is": "1", "was": "nan"}', '{"left": 0, "right": 1, "better": 2}',
    '{"pictures": "3", "id": "", "mode": "stars"}', '{}', '{"skip": [7]}', '{"skip": 1}',
    '{"skip": []}', '{"placed": 1, "above": 1, "below": 2}', '{"placed": 1, "above": null}',
    '{"placed": 1, "above": null, "below": null}',
    '{"pictures": 3, "id": "", "mode": "stars", "levels": 1}'])
def test_a_damaged_journal_is_refused_with_its_line(path, line):
    with Journal(path, 3, 'id') as journal:
        journal.skip(0)
    with open(path + '.journal', 'a') as f:
        f.write(line + '\n')
    with pytest.raises(InputError, match='journal, line 3: expected a line by rate.py'):
        Journal(path, 3, 'id')


def test_two_processes_do_not_rate_at_once(path):
    with Journal(path, 3, 'id'):
        with pytest.raises(InputError, match='another rate.py'):
            Journal(path, 3, 'id')
    with Journal(path, 3, 'id'):
        pass


def test_ratings_of_another_number_of_pictures_are_refused(path):
    with open(path, 'w') as f:
        f.write('1\n2\n')
    with pytest.raises(InputError, match='expected 3 ratings'):
        Journal(path, 3, 'id')


def test_an_appended_set_goes_on_without_the_former_history(path):
    with Journal(path, 2, 'id') as journal:
        journal.rate(0, 3)
    with open(path, 'a') as f:
        f.write('nan\n')
    with Journal(path, 3, 'other') as journal:
        assert not journal.are_same_pictures
        assert journal.undo() is None  # rows are others now
        journal.rate(2, 1)
    assert read(path) == '3\nnan\n1\n'


def test_what_is_not_written_yet_is_not_given_to_other_pictures(path):
    journal = Journal(path, 2, 'id')
    journal.rate(0, 3)
    journal.close()
    with pytest.raises(InputError, match='is about 2 pictures, but there are 3'):
        Journal(path, 3, 'other')


def test_stars_and_pairs_do_not_mix(path):
    with Journal(path, 2, 'id', PAIRS) as journal:
        journal.compare(0, 1, 1)
    with pytest.raises(InputError, match='was made with --pairs'):
        Journal(path, 2, 'id', STARS)
    other = path + '2'
    with open(other, 'w') as f:
        f.write('1\n2\n')
    with pytest.raises(InputError, match='was not made with --pairs'):
        Journal(other, 2, 'id', PAIRS)
    with open(other, 'w') as f:
        f.write('nan\nnan\n')
    with Journal(other, 2, 'id', PAIRS):
        pass  # there is no rating to lose


def test_comparisons_come_back_and_are_undone(path):
    with Journal(path, 3, 'id', PAIRS) as journal:
        journal.compare(0, 1, 1)
        journal.compare(1, 2, None)
    with Journal(path, 3, 'id', PAIRS) as journal:
        assert journal.comparisons == [Comparison(0, 1, 1), Comparison(1, 2, None)]
        assert journal.undo() == Comparison(1, 2, None)
    with Journal(path, 3, 'id', PAIRS) as journal:
        assert journal.comparisons == [Comparison(0, 1, 1)]


def test_placings_skips_and_repeats_come_back_and_are_undone(path):
    said = [Comparison(0, 1, 1), Placing(2, None, 1), Skip((0, 2)), Rating(0, '4', 'nan', True)]
    with Journal(path, 3, 'id', PAIRS) as journal:
        journal.compare(0, 1, 1)
        journal.place(2, None, 1)
        journal.skip(0, 2)
        journal.rate(0, 4, is_repeat=True)
    with Journal(path, 3, 'id', PAIRS) as journal:
        assert journal.history == said
        assert journal.comparisons == said[:2]
        assert [journal.undo() for _ in range(5)] == [*said[::-1], None]
    with Journal(path, 3, 'id', PAIRS) as journal:
        assert journal.history == []


def test_ratings_that_follow_from_comparisons_are_not_written_before_they_are_known(path):
    journal = Journal(path, 3, 'id', PAIRS)
    journal.compare(0, 1, 1)
    journal.set_all(np.array([1, 5, np.nan]))
    journal.write()
    journal.compare(1, 2, 1)
    journal.write()
    assert not journal.is_written
    journal.close()  # as if the process had been killed here
    with Journal(path, 3, 'id', PAIRS) as journal:
        journal.write()
        assert not journal.is_written
    assert read(path) == '1.0000\n5.0000\nnan\n'


@pytest.mark.skipif(not hasattr(signal, 'SIGKILL'), reason='needs limits of POSIX')
def test_a_full_disk_spoils_nothing(path):
    import resource

    with Journal(path, 3, 'id') as journal:
        journal.rate(0, 1)
        size = os.path.getsize(path + '.journal')
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, limits[1]))
        try:
            with pytest.raises(OSError):
                journal.rate(1, 2)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert os.path.getsize(path + '.journal') == size
        assert np.isnan(journal.ratings[1])
        journal.rate(2, 3)
    assert read(path) == '1\nnan\n3\n'


words = st.lists(st.one_of(
    st.tuples(st.just('rate'), st.integers(0, 3), st.sampled_from([None, 1, 2, 3])),
    st.tuples(st.just('reject'), st.integers(0, 3)), st.tuples(st.just('undo')),
    st.tuples(st.just('write')), st.tuples(st.just('restart')), st.tuples(st.just('kill'))),
    max_size=25)


@settings(max_examples=60, deadline=None)
@given(words)
def test_nothing_is_lost_whatever_is_said_and_whenever_it_ends(tmp_path_factory, said):
    path = str(tmp_path_factory.mktemp('journal') / 'ratings.txt')
    journal = Journal(path, 4, 'id')
    states = [{row: 'nan' for row in range(4)}]  # a slow second implementation
    for name, *args in said:
        if name == 'rate':
            journal.rate(*args)
            states.append({**states[-1], args[0]: 'nan' if args[1] is None else str(args[1])})
        elif name == 'reject':
            journal.reject(*args)
            states.append({**states[-1], args[0]: 'nan  # no face'})
        elif name == 'undo':
            journal.undo()
            states = states[:-1] or states
        elif name == 'write':
            journal.write()
        else:
            if name == 'restart':
                journal.write()
            journal.close()
            journal = Journal(path, 4, 'id')
    with journal:
        journal.rate(0, 1)
    assert read(path).splitlines() == ['1', *(states[-1][row] for row in range(1, 4))]


RATE_FOREVER = """
import sys
sys.path.insert(0, sys.argv[1])
from picture_ranknet.rating.journal import Journal
with Journal(sys.argv[2], 50, 'id') as journal:
    for number in range(10 ** 6):
        journal.rate(number % 50, number % 5 + 1)
        print(number, flush=True)
        if number % 7 == 0:
            journal.write()
"""


@pytest.mark.skipif(not hasattr(signal, 'SIGKILL'), reason='needs kill -9')
def test_kill_9_at_any_moment_loses_at_most_the_key_being_pressed(path, root):
    clock = random.Random(0)
    expected = {}
    for _ in range(8):
        process = subprocess.Popen([sys.executable, '-c', RATE_FOREVER, str(root), path],
                                   stdout=subprocess.PIPE, encoding='utf-8')
        first = process.stdout.readline()
        time.sleep(clock.random() * .1)
        process.kill()
        numbers = [int(line) for line in (first + process.communicate()[0]).split()]
        expected.update((number % 50, number % 5 + 1) for number in numbers)
        pressed = (numbers[-1] + 1) % 50, (numbers[-1] + 1) % 5 + 1  # perhaps on disk, not told yet
        if os.path.exists(path):
            ratings_txt.read_ratings(path, 50)  # always valid
        with Journal(path, 50, 'id') as journal:
            found = {row: rating for row, rating in enumerate(journal.ratings.tolist())
                     if rating == rating}
        assert found in (expected, {**expected, pressed[0]: pressed[1]})
        expected = found


def test_each_line_of_the_journal_is_json(path):
    with Journal(path, 2, 'id') as journal:
        journal.rate(0, 1)
    with open(path + '.journal') as f:
        events = [json.loads(line) for line in f]
    assert [sorted(event) for event in events] == [
        ['id', 'levels', 'mode', 'pictures', 'time'], ['is', 'row', 'time', 'was'], ['written']]


@pytest.mark.parametrize('line', [
    '[' * 100000, '{"row": 1, "is": "inf", "was": "nan"}',
    '{"row": 1, "is": "1\\n2", "was": "nan"}',
    '{"row": 99999999999999999999, "is": "1", "was": "1"}', '{"pictures": true}', '[]', '\0'])
def test_a_crafted_journal_is_refused_with_its_line(path, line):
    with Journal(path, 3, 'id') as journal:
        journal.rate(1, 2)
    with open(path + '.journal', 'r+') as f:
        first = f.readline()
        f.seek(0)
        f.truncate()
        f.write(first + line + '\n')
    with pytest.raises(InputError, match='journal, line 2: expected a line by rate.py'):
        Journal(path, 3, 'id')


def test_a_journal_that_takes_back_too_much_is_read(path):
    with open(path + '.journal', 'w') as f:
        f.write('{"pictures": 3, "id": "id", "mode": "stars"}\n{"undo": true}\n')
    with Journal(path, 3, 'id') as journal:
        assert journal.undo() is None


def test_a_journal_without_end_is_not_read(path):
    with open(path + '.journal', 'wb') as f:
        f.truncate(2 ** 33)
    with pytest.raises(InputError, match='expected a journal of up to 268,435,456 bytes'):
        Journal(path, 3, 'id')


@pytest.mark.parametrize('mode', [STARS, PAIRS])
def test_a_set_that_has_only_grown_keeps_its_history(tmp_path, mode):
    X = np.arange(5 * 12, dtype=np.uint8).reshape(5, 3, 2, 2)
    path = str(tmp_path / 'r.txt')

    def open_for(n, X=X):
        return Journal(path, n, identify(X[:n]), mode,
                               identify_first=lambda n: identify(X[:n]))

    said = open_for(3)  # and is killed
    if mode == STARS:
        said.rate(1, 4)
    else:
        said.compare(0, 1, 1)
    said.close()
    with pytest.raises(InputError, match='is about 3 pictures, but there are 5'):
        open_for(5, 255 - X)
    with open_for(5) as said:
        assert said.are_same_pictures and len(said.history) == 1
        if mode == STARS:
            assert said.ratings[1] == 4 and np.isnan(said.ratings[[0, 2, 3, 4]]).all()
            said.rate(4, 2)
    with open_for(5) as said:
        assert len(said.history) == 1 + (mode == STARS)
