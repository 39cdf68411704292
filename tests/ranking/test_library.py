import os

import numpy as np
import pytest
from PIL import Image

from picture_ranknet.errors import InputError
from picture_ranknet.ranking import library
from picture_ranknet.ranking.library import Library, digest, preparation_of
from picture_ranknet.storage import arrays
from picture_ranknet.storage.picture_set import FACE, PICTURE, Preparation
from support.media_samples import save_video

WHOLE = Preparation(PICTURE, 0.)


@pytest.fixture
def paths(tmp_path, monkeypatch):
    """Six pictures, each of one grey level."""
    monkeypatch.chdir(tmp_path)
    for i in range(6):
        Image.new('RGB', (30, 20), (40 * i,) * 3).save(f'{i}.png')
    return [f'{i}.png' for i in range(6)]


def levels(prepared, files):
    X = arrays.read_pictures(prepared.pictures_path)
    return [int(X[rows[0]].mean()) for rows in files.rows]


def test_rows_belong_to_their_files_over_many_chunks_and_runs(paths, monkeypatch):
    monkeypatch.setattr(library, 'FEWEST', 2)
    with open('bad.png', 'wb') as f:
        f.write(b'\x89PNG\r\n\x1a\n' + bytes(40))
    with Library('lib', WHOLE, 16) as prepared:
        files = prepared.prepare([paths[3], 'bad.png', *paths[:3]])
        assert files.rows[1] is None and files.n_new == 4
        assert levels(prepared, files._replace(rows=[r for r in files.rows if r])) == [
            120, 0, 40, 80]
    with Library('lib', WHOLE, 16) as prepared:
        files = prepared.prepare(paths)
        assert levels(prepared, files) == [0, 40, 80, 120, 160, 200] and files.n_new == 2


def test_a_run_that_is_killed_loses_a_chunk_at_most(paths, monkeypatch):
    monkeypatch.setattr(library, 'FEWEST', 2)
    write, n = library.tables.write_table, []

    def killed(*args):
        n.append(1)
        if len(n) == 3:
            raise SystemExit  # after X.npy was written, before it is noted whose rows they are
        write(*args)

    monkeypatch.setattr(library.tables, 'write_table', killed)
    with pytest.raises(SystemExit), Library('lib', WHOLE, 16) as prepared:
        prepared.prepare(paths)
    with Library('lib', WHOLE, 16) as prepared:
        files = prepared.prepare(paths)
        assert files.n_new == 2 and levels(prepared, files) == [0, 40, 80, 120, 160, 200]


def test_progress_ends_at_all_files(paths):
    steps = []
    with Library('lib', WHOLE, 16) as prepared:
        prepared.prepare(paths, lambda done, total: steps.append((done, total)))
    assert steps[-1] == (6, 6) and steps == sorted(steps)


def test_two_at_once_are_refused(paths):
    with Library('lib', WHOLE, 16), pytest.raises(InputError, match='another predict.py'):
        Library('lib', WHOLE, 16)


def test_another_size_or_margin_is_prepared_anew(paths):
    for preparation, size in (WHOLE, 16), (WHOLE, 20):
        notes = []
        with Library('lib', preparation, size, notes.append) as prepared:
            assert prepared.prepare(paths).n_new == 6
            assert arrays.read_pictures(prepared.pictures_path).shape == (6, 3, size, size)
    assert len(notes) == 1 and 'preparing all files again' in notes[0]


@pytest.mark.parametrize('name, content', [
    ('seen.csv', 'digest,row,n\nabc,5,900\n'), ('seen.csv', 'a,b\n'),
    ('seen.csv', 'digest,row,n\na,b,c\n'), ('preparation.json', '[[['), ('X.npy', 'x'),
    ('.X.moves', '{}')])
def test_what_is_damaged_is_made_anew(paths, name, content):
    with Library('lib', WHOLE, 16) as prepared:
        prepared.prepare(paths)
    with open(os.path.join('lib', name), 'w') as f:
        f.write(content)
    with Library('lib', WHOLE, 16) as prepared:
        files = prepared.prepare(paths)
        assert files.n_new == 6 and levels(prepared, files) == [0, 40, 80, 120, 160, 200]


def test_a_file_is_read_again_only_where_it_may_have_changed(paths, monkeypatch):
    for name in paths:
        os.utime(name, (1, 1))
    monkeypatch.setattr(library, 'RACE', -10 ** 12)  # as if it was later: nobody sets ctime
    with Library('lib', WHOLE, 16) as prepared:
        prepared.prepare(paths)
    read = []
    monkeypatch.setattr(library, 'digest', lambda path: read.append(path) or digest(path))
    with Library('lib', WHOLE, 16) as prepared:
        assert prepared.prepare(paths).n_new == 0 and read == []
        Image.new('RGB', (30, 20), 'red').save('2.png')
        assert prepared.prepare(paths).n_new == 1 and read == ['2.png']
        os.rename('3.png', '9.png')
        assert prepared.prepare(['9.png']).n_new == 0 and read == ['2.png', '9.png']
    with open('lib/files.csv', 'w') as f:
        f.write('damaged')
    with Library('lib', WHOLE, 16) as prepared:
        assert prepared.prepare(paths[:2]).n_new == 0 and read[2:] == paths[:2]


def test_what_changed_a_moment_ago_is_read_again(paths, monkeypatch):
    read = []
    monkeypatch.setattr(library, 'digest', lambda path: read.append(path) or digest(path))
    for _ in range(2):
        with Library('lib', WHOLE, 16) as prepared:
            prepared.prepare(paths)
    assert read == paths * 2


def test_short_films_share_a_chunk_and_keep_their_own_pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, grey, other in ('a.mp4', 50, 120), ('b.mp4', 50, 220), ('c.mp4', 200, 120):
        frames = [np.full((48, 64, 3), level, np.uint8) for level in [grey] * 12 + [other] * 12]
        for frame in frames:
            frame[:, :20] //= 2
        save_video(name, frames)
    written = []
    write = library.tables.write_table
    monkeypatch.setattr(library.tables, 'write_table',
                        lambda *args: written.append(args[0]) or write(*args))
    with Library('lib', WHOLE, 16) as prepared:
        files = prepared.prepare(['a.mp4', 'b.mp4', 'c.mp4', 'a.mp4'])
        X = arrays.read_pictures(prepared.pictures_path)
    assert [os.path.basename(path) for path in written].count('seen.csv') == 1
    assert all(len(rows) for rows in files.rows) and len(X) == sum(map(len, files.rows[:3]))
    assert files.rows[0] == files.rows[3] != files.rows[1]


def test_large_files_are_told_apart_by_size_ends_and_middle(tmp_path, monkeypatch):
    monkeypatch.setattr(library, 'SMALL', 1000)
    monkeypatch.setattr(library, 'BLOCK', 10)
    content = np.zeros(100000, np.uint8)
    digests = set()
    for place in None, 0, 50000, 99999:
        changed = content.copy()
        if place is not None:
            changed[max(0, place - 2000):place + 2000] = 1
        (tmp_path / 'f').write_bytes(changed.tobytes())
        digests.add(digest(str(tmp_path / 'f')))
    (tmp_path / 'f').write_bytes(content.tobytes() + b'\0')
    digests.add(digest(str(tmp_path / 'f')))
    assert len(digests) == 5


def test_the_model_or_the_user_says_how_to_prepare():
    assert preparation_of((FACE, .25), False, None, 'm.pkl') == Preparation(FACE, .25)
    assert preparation_of(None, True, None, 'm.pkl') == WHOLE
    assert preparation_of(None, False, .5, 'm.pkl') == Preparation(FACE, .5)
    with pytest.raises(InputError, match='m.pkl: does not say how its pictures were cropped'):
        preparation_of(None, False, None, 'm.pkl')
    with pytest.raises(InputError, match='trained on faces with a margin of 0.25, not on whole'):
        preparation_of((FACE, .25), True, None, 'm.pkl')
