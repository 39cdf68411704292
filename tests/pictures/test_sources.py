import os

import pytest

from picture_ranknet.pictures import sources
from support.media_samples import count_up, save_picture, save_video


def test_folders_are_read_in_natural_order(tmp_path):
    for name in ['10.png', '2.PNG', '1.mp4', 'sub/b10.jpg', 'sub/b9.jpg', 'b.txt', '.hidden.png',
                 '.git/a.png', 'crops/00000.png', 'sheet.png']:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    paths, others = sources.find_sources(
        [str(tmp_path)], leave_out=[str(tmp_path / 'crops'), str(tmp_path / 'sheet.png'), None])
    assert [os.path.relpath(path, tmp_path).replace(os.sep, '/') for path in paths] == [
        '1.mp4', '2.PNG', '10.png', 'sub/b9.jpg', 'sub/b10.jpg']
    assert others == 1


@pytest.mark.parametrize('source, words', [
    ('nothing.mp4', 'nothing.mp4: there is no such file or folder'),
    ('f%04d.png', 'no such file or folder; for an image sequence, name the folder'),
    ('https://example.org/a.mp4', 'expected a file, got a web address; download it first'),
    ('empty', 'empty: there are no pictures or videos in it'),
])
def test_sources_are_checked_before_any_work(crop, tmp_path, source, words):
    save_picture(tmp_path / 'a.png')
    (tmp_path / 'empty').mkdir()
    sources = [source] if source == 'empty' else ['a.png', source]
    _, err, status = crop(*sources, '--no_faces', '--keep_duplicates')
    assert words in err and err.count('\n') == 1 and status == 1
    assert not os.path.exists('X.npy')


# What is found in folders

def found(folder):
    paths, others = sources.find_sources([str(folder)])
    return [os.path.relpath(path, folder).replace(os.sep, '/') for path in paths], others


def test_sidecars_of_pictures_are_no_files_that_are_skipped(tmp_path):
    save_picture(tmp_path / 'a.png')
    (tmp_path / 'a.png.xmp').write_text('<x/>')
    (tmp_path / 'B.XMP').write_text('<x/>')
    (tmp_path / 'notes.txt').write_text('of another kind')
    assert sources.find_sources([str(tmp_path)]) == ([str(tmp_path / 'a.png')], 1)


def test_a_file_is_what_its_content_says(tmp_path):
    save_picture(tmp_path / 'a.jpg')
    (tmp_path / 'a.jpg').rename(tmp_path / 'photo')
    save_picture(tmp_path / 'b.jfif', format='JPEG')
    save_video(tmp_path / 'c.mp4', count_up(3)).rename(tmp_path / 'c.dat')
    (tmp_path / 'notes.doc').write_text('hello')
    (tmp_path / 'page.jpg').write_text('<html>')  # meant to be a picture: its failure is told
    (tmp_path / 'd.xyz').write_bytes(b'\xff\x0a' + bytes(20))  # JPEG XL
    assert found(tmp_path) == (['b.jfif', 'c.dat', 'd.xyz', 'page.jpg', 'photo'], 1)


@pytest.fixture
def linked(tmp_path):
    """Two folders, with links from one to the other, to its parent and to nothing."""
    for name in 'one/a.png', 'one/sub/b.png', 'two/c.png':
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        save_picture(tmp_path / name)
    try:
        os.symlink('../two', tmp_path / 'one' / 'more')
        os.symlink('sub', tmp_path / 'one' / 'again')
        os.symlink('..', tmp_path / 'one' / 'sub' / 'up')
        os.symlink('gone.png', tmp_path / 'two' / 'd.png')
        os.symlink('loop', tmp_path / 'two' / 'loop')
    except OSError:
        pytest.skip('links may not be made here')
    return tmp_path


def test_links_to_folders_are_followed_once(linked):
    assert found(linked / 'one') == (
        ['a.png', 'more/c.png', 'more/d.png', 'more/loop', 'sub/b.png'], 0)
    assert found(linked) == (
        ['one/a.png', 'one/sub/b.png', 'two/c.png', 'two/d.png', 'two/loop'], 0)


def test_a_broken_link_is_named_skipped_and_counted(crop, linked):
    out, err, status = crop('one', '--no_faces', '--keep_duplicates')
    assert status == 0 and out.startswith('3 pictures from 3 pictures in')
    assert 'skipped one/more/d.png: a broken link; there is no ' in err
    assert '2 of 5 files could not be read' in err


def test_a_broken_link_among_files_is_skipped(crop, linked):
    out, err, status = crop('one/a.png', 'two/d.png', '--no_faces', '--keep_duplicates')
    assert status == 0 and 'skipped two/d.png: a broken link' in err
    assert '1 of 2 files could not be read' in err


def test_a_folder_that_may_not_be_read_is_named_skipped_and_counted(crop, tmp_path, monkeypatch):
    really = os.scandir

    def refuse(path='.'):
        if path == './sub':
            raise PermissionError(13, 'Permission denied', path)
        return really(path)

    save_picture(tmp_path / 'a.png')
    (tmp_path / 'sub').mkdir()
    monkeypatch.setattr(os, 'scandir', refuse)
    out, err, status = crop('.', '--no_faces', '--keep_duplicates')
    assert status == 0 and out.startswith('1 picture from 1 picture in')
    assert err.startswith(
        'skipped ./sub: Permission denied\n1 of 2 files could not be read\n')


def test_black_frames_are_the_cause(crop, tmp_path):
    save_picture(tmp_path / 'a.png', colour=(3, 4, 5))
    _, err, status = crop('a.png', '--cascade', 'small.xml')
    assert (err, status) == (
        'crop_faces.py: error: no face in 1 picture: every frame is blank, of a single colour; '
        'check that the file shows a picture elsewhere\n', 1)
