import os
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from picture_ranknet.console import options
from picture_ranknet.errors import InputError
from picture_ranknet.storage import arrays, picture_set, ratings_txt


def table(n):
    return [['source', 'group'], *(['{}.png'.format(i), str(i)] for i in range(n))]


def test_pictures_are_written_as_they_come_and_not_kept_in_memory(tmp_path):
    pictures = (np.full((3, 80, 80), i % 256, np.uint8) for i in range(1000))
    tracemalloc.start()
    picture_set.write(str(tmp_path / 'X.npy'), pictures, table(1000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2e6 < 19e6 < os.path.getsize(tmp_path / 'X.npy')
    assert np.load(tmp_path / 'X.npy')[:, 0, 0, 0].tolist() == [i % 256 for i in range(1000)]


RATINGS = '# mine\n1\n2  # good\n\n3\nnan\n5'


@pytest.fixture
def made(tmp_path):
    """Five pictures with a table and ratings; their paths."""
    X = np.arange(5 * 3 * 4 * 4, dtype=np.uint8).reshape(5, 3, 4, 4)
    picture_set.write(str(tmp_path / 'X.npy'), X, table(5))
    (tmp_path / 'ratings.txt').write_text(RATINGS)
    return str(tmp_path / 'X.npy'), str(tmp_path / 'ratings.txt')


def test_a_set_is_read_as_it_was_written(made):
    X = arrays.read_pictures(made[0])
    assert len(X) == 5 and picture_set.read_table(made[0], 5) == table(5)


@given(st.sets(st.integers(0, 4), min_size=1, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
def test_rows_are_dropped_from_pictures_table_and_ratings_in_step(made, rows):
    path, ratings = made
    before = np.load(path)
    kept = [row for row in range(5) if row not in rows]
    picture_set.drop(path, rows, ratings)
    np.testing.assert_array_equal(np.load(path), before[kept])
    assert picture_set.read_table(path, len(kept))[1:] == [table(5)[1 + row] for row in kept]
    expected = np.array([1, 2, 3, np.nan, 5])[kept]
    np.testing.assert_array_equal(ratings_txt.read_ratings(ratings, len(kept)), expected)
    with open(ratings, encoding='utf-8') as f:
        assert f.readline() == '# mine\n'
    picture_set.write(path, before, table(5), (ratings, RATINGS))


@pytest.mark.parametrize('rows, words', [
    ({1, 5}, 'expected rows from 0 to 4, got 5'),
    ({0, 1, 2, 3, 4}, 'no picture would be left'),
])
def test_what_cannot_be_dropped_is_said(made, rows, words):
    with pytest.raises(InputError, match=words):
        picture_set.drop(made[0], rows)


def test_ratings_of_another_set_stop_it_all(made, tmp_path):
    (tmp_path / 'ratings.txt').write_text('1\n2\n')
    before = np.load(made[0])
    with pytest.raises(InputError, match='expected 5 ratings'):
        picture_set.drop(made[0], {1}, made[1])
    np.testing.assert_array_equal(np.load(made[0]), before)


def test_nothing_changes_where_one_of_the_files_cannot_be_written(made, tmp_path, monkeypatch):
    def fail(source, target):
        raise OSError(28, 'No space left on device', source, None, target)

    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(os, 'replace', fail)
    with pytest.raises(OSError):
        picture_set.drop(*made[:1], {1}, made[1])
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_set_without_a_table_has_an_empty_one(tmp_path):
    np.save(tmp_path / 'X.npy', np.zeros((2, 3, 4, 4), np.uint8))
    columns, *rows = picture_set.read_table(str(tmp_path / 'X.npy'), 2)
    assert columns == picture_set.COLUMNS[1:] and rows == [[''] * len(columns)] * 2


def test_a_huge_range_of_rows_is_refused_without_memory(made):
    tracemalloc.start()
    with pytest.raises(InputError, match='expected rows from 0 to 4, got 5'):
        picture_set.drop(made[0], options.row_numbers('0-2000000000'))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e6


@pytest.mark.skipif(os.name != 'posix', reason='Windows has no such modes')
def test_all_files_of_a_set_keep_their_modes(made, tmp_path):
    paths = [tmp_path / name for name in ('X.npy', 'X.csv', 'ratings.txt')]
    for path in paths:
        path.chmod(0o664)
    picture_set.drop(made[0], {1}, made[1])
    assert [path.stat().st_mode & 0o777 for path in paths] == 3 * [0o664]


def test_a_group_survives_pandas_and_spreadsheets():
    ids = [picture_set.group_id(0, 1), picture_set.group_id(0, 10), picture_set.group_id(12, 3)]
    for group in ids:
        with pytest.raises(ValueError):
            float(group)
    assert len(set(ids)) == 3
    assert [picture_set.scene_of(group) for group in ids] == [0, 0, 12]


@pytest.mark.parametrize('group', ['', '0.1', 's1', 't1', 'mine', 's' + '9' * 5000 + 't1'])
def test_groups_of_other_people_have_no_scene(group):
    assert picture_set.scene_of(group) is None
