"""Pictures as large as in their sources, which may be gone, or others by now."""
import numpy as np
import pytest
from PIL import Image

from picture_ranknet.rating import sources
from picture_ranknet.storage import tables
from support import media_samples

N_FRAMES = 12


@pytest.fixture
def pictures():
    """What was cut from the sources below, 10 x 10 pixels."""
    X = np.zeros((7, 3, 10, 10), np.uint8)
    X[0] = np.array([250, 100, 50])[:, None, None]
    X[1] = 7 * 20
    X[3] = np.asarray(photo().resize((10, 10), Image.Resampling.BOX)).transpose(2, 0, 1)
    return X


def photo():
    img = np.zeros((60, 80, 3), np.uint8)
    img[10:40, 20:60] = 250, 100, 50
    return Image.fromarray(img)


@pytest.fixture
def X_path(tmp_path, monkeypatch):
    """A set of which a photo, a video and something that is gone are the sources."""
    (tmp_path / 'set').mkdir()
    photo().save(tmp_path / 'photo.png')
    media_samples.save_video(str(tmp_path / 'set' / 'clip.mp4'), [
        np.full((48, 64, 3), 20 * number, np.uint8) for number in range(N_FRAMES)])
    tables.write_table(str(tmp_path / 'set' / 'X.csv'), [
        'row', 'source', 'frame', 'time', 'x', 'y', 'w', 'h'], [
        [0, 'photo.png', 0, '', 20, 10, 40, 30], [1, 'clip.mp4', 7, .292, 8, 8, 16, 16],
        [2, 'gone.png', 0, '', 0, 0, 5, 5], [3, 'photo.png', 0, '', '', '', '', ''],
        [4, 'photo.png', 0, '', 50, 50, 40, 40], [5, 'clip.mp4', 99, 9., 0, 0, 8, 8],
        [6, '', '', '', '', '', '', '']])
    monkeypatch.chdir(tmp_path)
    return 'set/X.npy'


def test_a_picture_is_cut_from_its_photo(X_path, pictures):
    found = sources.find(X_path, pictures)
    large = np.asarray(found.large(0))
    assert large.shape == (30, 40, 3) and (large == (250, 100, 50)).all()
    assert found.frame(0).size == (80, 60) and found.large(3).size == (80, 60)
    assert found.about(0) == {
        'source': 'photo.png', 'frame': 0, 'time': None, 'box': [20, 10, 40, 30]}


@pytest.mark.parametrize('left, top, side', [
    (30, 20, 40), (26, 16, 48), (14, 4, 72),  # margins 0, .1, .4
    (10, 0, 80)])                             # as large as the frame allows
def test_a_cut_has_the_margin_of_the_picture(tmp_path, left, top, side):
    img = Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 100, 3), np.uint8))
    img.save(tmp_path / 'photo.png')
    tables.write_table(str(tmp_path / 'X.csv'), ['source', 'x', 'y', 'w', 'h'], [
        ['photo.png', 30, 20, 40, 40]])
    cut = img.crop((left, top, left + side, top + side))
    picture = np.asarray(cut.resize((20, 20), Image.Resampling.BOX)).transpose(2, 0, 1)
    large = sources.find(str(tmp_path / 'X.npy'), picture[None]).large(0)
    np.testing.assert_array_equal(np.asarray(large), np.asarray(cut))


def test_a_picture_is_cut_from_its_frame_of_a_video(X_path, pictures):
    found = sources.find(X_path, pictures)  # the video lies beside the set
    assert found.large(1).size == (16, 16) and found.frame(1).size == (64, 48)
    assert np.asarray(found.large(1)).mean() == pytest.approx(7 * 20, abs=9)
    assert found.about(1)['frame'] == 7 and found.about(1)['time'] == .292


def test_a_frame_far_inside_a_film_is_there_at_once(X_path, pictures, monkeypatch):
    def walk(*args, **kwargs):
        raise AssertionError('the video is read from its beginning')

    monkeypatch.setattr(sources, 'FrameReader', walk)
    assert sources.find(X_path, pictures).large(1).size == (16, 16)


@pytest.mark.parametrize('row', [2, 4, 5, 6])
def test_what_is_gone_or_does_not_fit_is_not_shown(X_path, pictures, row):
    assert sources.find(X_path, pictures).large(row) is None


def test_another_photo_of_the_same_name_is_not_shown(X_path, pictures, tmp_path):
    Image.new('RGB', (80, 60), 'blue').save(tmp_path / 'photo.png')
    assert sources.find(X_path, pictures).large(0) is None


def test_a_frame_that_takes_long_to_find_is_not_waited_for(X_path, pictures, monkeypatch):
    monkeypatch.setattr(sources, 'PATIENCE', 0)
    assert sources.find(X_path, pictures).large(1) is None


def test_without_a_table_or_any_source_nothing_is_known(X_path, pictures, tmp_path):
    assert sources.find('other.npy', pictures) is None
    (tmp_path / 'photo.png').unlink()
    (tmp_path / 'set' / 'clip.mp4').unlink()
    assert sources.find(X_path, pictures) is None


def test_a_table_that_cannot_be_read_is_said_and_nothing_else(X_path, pictures):
    notes = []
    assert sources.find(X_path, pictures[:6], notes.append) is None
    assert len(notes) == 1 and 'expected 6 rows' in notes[0]
