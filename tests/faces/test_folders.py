"""A set that follows a folder of pictures."""
import numpy as np
import pytest
from PIL import Image

from picture_ranknet.errors import InputError
from picture_ranknet.faces import follow_folder
from picture_ranknet.storage import tables
from support.media_samples import save_video


@pytest.fixture
def art(tmp_path, monkeypatch):
    """A folder of six drawings, one of them twice, in the folder where we are."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'art').mkdir()
    for number in range(6):
        draw(f'art/{number}.png', number)
    draw('art/copy.png', 0)
    return tmp_path / 'art'


def draw(path, seed, size=(60, 90)):
    coarse = np.random.default_rng(seed).integers(0, 255, (5, 6, 3)).astype(np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path)


def sources(path='art.csv', n=6):
    return [source for source, in tables.read_table(path, n, ['source'])[1]]


def test_a_folder_becomes_a_set_of_whole_pictures(art):
    update = follow_folder('art', 'art.npy', size=20)
    assert update == (6, 1, 6)
    assert np.load('art.npy').shape == (6, 3, 20, 20)
    columns, rows = tables.read_table('art.csv', 6, ['w', 'h'])
    assert rows == [['60', '90']] * 6
    assert len(set(sources())) == 6
    assert sorted(path.name for path in art.parent.iterdir()) == ['art', 'art.csv', 'art.npy']


def test_a_second_time_adds_what_is_new_and_keeps_ratings_in_step(art):
    follow_folder('art', 'art.npy', size=20)
    first, before = np.load('art.npy'), sources()
    (art.parent / 'r.txt').write_text('1\n2\n3\n4\n5\nnan  # no face\n')
    assert follow_folder('art', 'art.npy', 'r.txt') == (0, 1, 6)
    draw('art/00.png', 100)  # before all others
    (art / '3.png').unlink()
    assert follow_folder('art', 'art.npy', 'r.txt') == (1, 1, 7)
    np.testing.assert_array_equal(np.load('art.npy')[:6], first)
    assert sources(n=7) == [*before, 'art/00.png']
    assert (art.parent / 'r.txt').read_text() == '1\n2\n3\n4\n5\nnan  # no face\nnan\n'


def test_what_is_no_picture_is_reported_and_skipped(art):
    save_video(art / 'film.mp4', [np.zeros((40, 40, 3), np.uint8)] * 3)
    notes = []
    assert follow_folder('art', 'art.npy', size=20, note=notes.append).added == 6
    assert notes == ['art: 1 video skipped; crop_faces.py makes pictures from them',
                     'art: 6 pictures, 1 duplicate left out -> art.npy']
    (art / 'copy.png').write_text('no picture')
    notes.clear()
    assert follow_folder('art', 'art.npy', note=notes.append) == (0, 0, 6)
    assert notes[1].startswith('art: nothing new is added: art/copy.png: expected a picture')


def test_a_set_of_other_pictures_is_not_touched(art):
    np.save('art.npy', np.zeros((3, 3, 20, 20), np.uint8))
    with pytest.raises(InputError, match='art.npy: expected pictures of art, got others'):
        follow_folder('art', 'art.npy')
    assert len(np.load('art.npy')) == 3


def test_ratings_that_do_not_fit_change_nothing(art):
    follow_folder('art', 'art.npy', size=20)
    (art.parent / 'r.txt').write_text('1\n')
    draw('art/new.png', 100)
    with pytest.raises(InputError, match='r.txt: expected 6 ratings'):
        follow_folder('art', 'art.npy', 'r.txt')
    assert len(np.load('art.npy')) == 6


def test_a_folder_of_videos_alone_is_refused(tmp_path):
    save_video(tmp_path / 'film.mp4', [np.zeros((40, 40, 3), np.uint8)] * 3)
    with pytest.raises(InputError, match='there are no pictures in it; crop_faces.py'):
        follow_folder(str(tmp_path), str(tmp_path / 'X.npy'))
