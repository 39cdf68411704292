import numpy as np
import pytest

from picture_ranknet.pictures.thumbnails import Place
from picture_ranknet.ranking import items
from picture_ranknet.ranking.library import Files
from support.errors import error_of

TABLE = """row,source,frame,time,x,y,w,h,margin
0,a.mp4,8,2.0,1,2,30,30,0.25
1,b.png,0,,,,,,
2,a.mp4,4,1.0,5,6,20,20,0.25
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'sub').mkdir()
    (tmp_path / 'sub' / 'X.csv').write_text(TABLE)
    return tmp_path


def test_items_are_sorted_and_the_best_of_each_file_is_known(here):
    files = Files(['b.png', 'a.mp4', 'none.png', 'bad.png', 'same.png'],
                  [[1], [0, 2], [], None, [1]], 0)
    found = items.of_files(files, 'sub/X.npy', np.array([.5, .7, .9]))
    assert [(item.source, item.row, item.time, item.is_best) for item in found] == [
        ('a.mp4', 2, 1., True), ('b.png', 1, None, True), ('same.png', 1, None, True),
        ('a.mp4', 0, 2., False)]
    assert found[0].place == Place('a.mp4', 4, (5, 6, 20, 20), .25)
    assert found[1].place == Place('b.png')
    np.testing.assert_array_equal(
        items.scores_of(files.paths, found), np.float32([.7, .9, np.nan, np.nan, .7]))


def test_sources_of_a_set_are_looked_for_here_and_beside_it(here):
    scores = np.array([.5, .7, .9])
    assert 'names none that exists' in error_of(items.of_set, 'sub/X.npy', scores)
    (here / 'sub' / 'b.png').touch()
    assert [item.source for item in items.of_set('sub/X.npy', scores)] == ['sub/b.png']
    (here / 'b.png').touch()
    (here / 'a.mp4').touch()
    assert [item.source for item in items.of_set('sub/X.npy', scores)] == [
        'a.mp4', 'b.png', 'a.mp4']
    assert 'names none that exists' in error_of(items.of_set, 'X.npy', scores)  # no table


def test_a_table_that_says_nonsense_of_a_place_is_taken_as_whole_frames(here):
    (here / 'sub' / 'X.csv').write_text('row,source,frame,x,y,w,h\n0,b.png,nan,1,2,1e99,x\n')
    (here / 'b.png').touch()
    item, = items.of_set('sub/X.npy', np.zeros(1))
    assert item.place == Place('b.png')


def test_the_table_of_items(here):
    files = Files(['b.png', 'a.mp4'], [[1], [0]], 0)
    found = items.of_files(files, 'sub/X.npy', np.array([.5, .75, .9]))
    items.write_table('t.csv', found, (['stars'], [[5], [1]]))
    assert (here / 't.csv').read_text() == (
        'rank,score,stars,source,frame,time,x,y,w,h,is_best\n'
        '1,0.75,5,b.png,0,,,,,,1\n2,0.5,1,a.mp4,8,2.000,1,2,30,30,1\n')
