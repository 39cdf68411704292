import csv
import errno
import os
import pathlib

import pytest

from picture_ranknet.errors import InputError
from picture_ranknet.storage import sorting

NAMES = ['a.jpg', 'b.png', 'sub/a.jpg', 'sub/A.JPG', 'ü, "x"; y.jpg']


@pytest.fixture
def sources(tmp_path):
    (tmp_path / 'from' / 'sub').mkdir(parents=True)
    paths = [tmp_path / 'from' / name for name in NAMES]
    for path, name in zip(paths, NAMES):
        path.write_text(name)
    return list(map(str, paths))


def tree(folder):
    """The files below a folder and what is in them."""
    return {path.relative_to(folder).as_posix(): path.read_text()
            for path in pathlib.Path(folder).rglob('*') if path.is_file()}


STARS = [5, 1, 5, 5, 1]
SORTED = {'5-star/a.jpg': 'a.jpg', '1-star/b.png': 'b.png', '5-star/a (2).jpg': 'sub/a.jpg',
          '5-star/A (3).JPG': 'sub/A.JPG', '1-star/ü, "x"; y.jpg': 'ü, "x"; y.jpg'}


@pytest.mark.parametrize('way', ['link', 'copy'])
def test_files_go_to_the_folders_of_their_stars_and_originals_stay(sources, tmp_path, way):
    before = tree(tmp_path / 'from')
    sorting.sort_into(str(tmp_path / 'to'), sorting.by_stars(sources, STARS), way)
    assert tree(tmp_path / 'to') == SORTED
    assert tree(tmp_path / 'from') == before
    assert {os.path.islink(tmp_path / 'to' / name) for name in SORTED} == {way == 'link'}
    assert sorted(os.listdir(tmp_path)) == ['from', 'to']


def test_names_begin_with_the_rank(sources):
    assert [target for _, target in sorting.by_rank(sources)] == [
        '0001_a.jpg', '0002_b.png', '0003_a.jpg', '0004_A.JPG', '0005_ü, "x"; y.jpg']


def test_a_rank_has_as_many_digits_as_there_are_files():
    assert sorting.by_rank(['x.jpg'] * 12345)[0].target == '00001_x.jpg'


def test_a_move_can_be_undone(sources, tmp_path):
    before = tree(tmp_path / 'from')
    sorting.sort_into(str(tmp_path / 'to'), sorting.by_stars(sources, STARS), 'move')
    assert not tree(tmp_path / 'from')
    moved = tree(tmp_path / 'to')
    assert moved.pop(sorting.MOVES)
    assert moved == SORTED
    assert sorting.undo_move(str(tmp_path / 'to')) == 5
    assert tree(tmp_path / 'from') == before
    assert os.listdir(tmp_path) == ['from']


@pytest.mark.parametrize('delimiter', [';', '\t'])
def test_a_list_that_a_spreadsheet_has_saved_is_understood(sources, tmp_path, delimiter):
    before = tree(tmp_path / 'from')
    sorting.sort_into(str(tmp_path / 'to'), sorting.by_stars(sources, STARS), 'move')
    path = tmp_path / 'to' / sorting.MOVES
    with open(path, newline='', encoding='utf-8') as f:
        rows = list(csv.reader(f))
    with open(path, 'w', newline='', encoding='utf-8-sig') as f:
        csv.writer(f, delimiter=delimiter).writerows(rows)
    assert sorting.undo_move(str(tmp_path / 'to')) == 5 and tree(tmp_path / 'from') == before


@pytest.mark.parametrize('n_done', range(6))
def test_a_move_that_was_killed_can_be_undone(sources, tmp_path, monkeypatch, n_done):
    before, rename, done = tree(tmp_path / 'from'), os.rename, []

    def rename_some(source, target):
        if len(done) == n_done:
            raise SystemExit
        done.append(target)
        rename(source, target)

    with monkeypatch.context() as context, pytest.raises(SystemExit):
        context.setattr(os, 'rename', rename_some)
        sorting.sort_into(str(tmp_path / 'to'), sorting.by_stars(sources, STARS), 'move')
        raise SystemExit  # all were moved
    assert sorting.undo_move(str(tmp_path / 'to')) == n_done
    assert tree(tmp_path / 'from') == before


def test_a_move_that_fails_is_taken_back(sources, tmp_path):
    before = tree(tmp_path / 'from')
    places = [*sorting.by_stars(sources, STARS), sorting.Place(str(tmp_path / 'gone'), '9.jpg')]
    with pytest.raises(FileNotFoundError):
        sorting.sort_into(str(tmp_path / 'to'), places, 'move')
    assert tree(tmp_path / 'from') == before and os.listdir(tmp_path) == ['from']


def test_a_move_that_is_interrupted_says_how_to_take_it_back(sources, tmp_path, monkeypatch):
    def interrupt(source, target):
        raise KeyboardInterrupt

    before = tree(tmp_path / 'from')
    with monkeypatch.context() as context, pytest.raises(KeyboardInterrupt, match='--undo_move'):
        context.setattr(os, 'rename', interrupt)
        sorting.sort_into(str(tmp_path / 'to'), sorting.by_rank(sources), 'move')
    with pytest.raises(InputError, match='put its files back with --undo_move'):
        sorting.check_folder(str(tmp_path / 'to'))
    assert sorting.undo_move(str(tmp_path / 'to')) == 0 and tree(tmp_path / 'from') == before


def test_two_moves_into_one_folder(sources, tmp_path, monkeypatch):
    (tmp_path / 'to').mkdir()
    (tmp_path / 'to' / sorting.MOVES).touch()  # by another process, after it was checked
    monkeypatch.setattr(sorting, 'check_folder', lambda folder: None)
    with pytest.raises(InputError, match='another predict.py is moving files there'):
        sorting.sort_into(str(tmp_path / 'to'), sorting.by_rank(sources), 'move')
    assert all(map(os.path.exists, sources))
    assert sorting.undo_move(str(tmp_path / 'to')) == 0  # it was killed before its first move


def test_a_folder_may_be_renamed_before_its_files_go_back(sources, tmp_path):
    before = tree(tmp_path / 'from')
    sorting.sort_into(str(tmp_path / 'to'), sorting.by_stars(sources, STARS), 'move')
    os.rename(tmp_path / 'to', tmp_path / 'other')
    assert sorting.undo_move(str(tmp_path / 'other')) == 5 and tree(tmp_path / 'from') == before


@pytest.mark.parametrize('target', ['../mine.txt', '{}/mine.txt', 'link/mine.txt'])
def test_a_list_of_somebody_else_moves_nothing_from_elsewhere(tmp_path, target):
    (tmp_path / 'mine.txt').write_text('mine')
    (tmp_path / 'to').mkdir()
    os.symlink(tmp_path, tmp_path / 'to' / 'link')
    (tmp_path / 'to' / sorting.MOVES).write_text(
        f'from,to\n{tmp_path}/stolen.txt,{target.format(tmp_path)}\n')
    with pytest.raises(InputError, match='moved.csv, line 2: expected a file in '):
        sorting.undo_move(str(tmp_path / 'to'))
    assert (tmp_path / 'mine.txt').exists()


def test_undo_keeps_what_has_come_into_the_folder_since(sources, tmp_path):
    sorting.sort_into(str(tmp_path / 'to'), sorting.by_stars(sources, STARS), 'move')
    (tmp_path / 'to' / '1-star' / 'mine.txt').write_text('mine')
    sorting.undo_move(str(tmp_path / 'to'))
    assert tree(tmp_path / 'to') == {'1-star/mine.txt': 'mine'}


def test_undo_overwrites_nothing(sources, tmp_path):
    sorting.sort_into(str(tmp_path / 'to'), sorting.by_stars(sources, STARS), 'move')
    with open(sources[2], 'w') as f:
        f.write('new')
    before = tree(tmp_path)
    with pytest.raises(InputError, match='move one of them away first'):
        sorting.undo_move(str(tmp_path / 'to'))
    assert tree(tmp_path) == before


def test_only_a_new_or_empty_folder_is_filled(sources, tmp_path):
    places = sorting.by_rank(sources)
    (tmp_path / 'to').mkdir()
    sorting.sort_into(str(tmp_path / 'to'), places)
    for folder, cause in ((tmp_path / 'to', 'got one with 5 files in it'),
                          (tmp_path / 'from' / 'a.jpg', 'got a file'),
                          (tmp_path / 'no' / 'to', 'there is no folder')):
        with pytest.raises(InputError, match=cause):
            sorting.sort_into(str(folder), places, 'move')
    assert all(map(os.path.exists, sources))


def test_a_failure_leaves_no_folder(sources, tmp_path):
    places = [*sorting.by_rank(sources), sorting.Place(str(tmp_path / 'gone'), '9.jpg')]
    with pytest.raises(OSError):
        sorting.sort_into(str(tmp_path / 'to'), places, 'copy')
    assert os.listdir(tmp_path) == ['from']


def test_where_links_cannot_be_made_the_way_out_is_said(sources, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError('not supported')

    monkeypatch.setattr(os, 'symlink', refuse)
    with pytest.raises(InputError, match='copy or move instead'):
        sorting.sort_into(str(tmp_path / 'to'), sorting.by_rank(sources))
    assert os.listdir(tmp_path) == ['from']


def test_undo_needs_the_list(tmp_path):
    with pytest.raises(InputError, match='there is no moved.csv in it'):
        sorting.undo_move(str(tmp_path))


def test_sidecars_go_where_their_pictures_go(sources, tmp_path):
    own = [sources[0] + '.xmp', os.path.splitext(sources[1])[0] + '.xmp']  # and Lightroom's name
    for path in own:
        pathlib.Path(path).write_text('xmp')
    places = sorting.with_sidecars(sorting.by_rank(sources))
    assert [place.target for place in places[len(sources):]] == ['0001_a.jpg.xmp', '0002_b.xmp']
    sorting.sort_into(str(tmp_path / 'to'), places, 'move')
    assert not any(map(os.path.exists, own))
    sorting.undo_move(str(tmp_path / 'to'))
    assert all(map(os.path.exists, own))


@pytest.mark.parametrize('way', ['copy', 'move'])
def test_a_full_disk_is_named_by_what_was_to_be_written(sources, tmp_path, monkeypatch, way):
    def fill(source, target):
        raise OSError(errno.ENOSPC, 'No space left on device', source, None, target)

    def rename(source, target):
        raise OSError(errno.EXDEV, 'Invalid cross-device link', source, None, target)

    monkeypatch.setattr(sorting.shutil, 'copy2', fill)
    monkeypatch.setattr(sorting.os, 'rename', rename)
    before = tree(tmp_path / 'from')
    with pytest.raises(OSError) as caught:
        sorting.sort_into(str(tmp_path / 'to'), sorting.by_rank(sources), way)
    assert caught.value.filename == str(tmp_path / 'to' / '0001_a.jpg')
    assert tree(tmp_path / 'from') == before and os.listdir(tmp_path) == ['from']
