import numpy as np
import pytest
from PIL import Image

from picture_ranknet.pictures import frames, thumbnails
from picture_ranknet.pictures.thumbnails import Place
from support import media_samples

COLOURS = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0), (0, 250, 250)]


@pytest.fixture
def film(tmp_path):
    """Five frames, each of one colour."""
    pictures = [np.full((48, 64, 3), colour, np.uint8) for colour in COLOURS]
    return str(media_samples.save_video(tmp_path / 'film.avi', pictures, codec='MJPG'))


def colour_of(jpeg):
    return thumbnails.open_thumbnail(jpeg).mean(axis=(0, 1))


def test_frames_of_a_film_come_in_the_order_asked_for(film):
    read = thumbnails.read([Place(film, index) for index in (3, 1, 3, 0)], 32)
    for jpeg, index in zip(read, (3, 1, 3, 0)):
        assert thumbnails.open_thumbnail(jpeg).shape == (24, 32, 3)
        np.testing.assert_allclose(colour_of(jpeg), COLOURS[index], atol=12)


def test_a_film_is_opened_once_and_read_no_further_than_needed(film, monkeypatch):
    seen = []

    class Reader(frames.FrameReader):
        def __iter__(self):
            for frame in super().__iter__():
                seen.append(frame.index)
                yield frame

    monkeypatch.setattr(thumbnails, 'FrameReader', Reader)
    thumbnails.read([Place(film, 3), Place(film, 1)], 32)
    assert seen == [1, 3]


def test_a_box_is_cut_with_its_margin(tmp_path):
    pixels = np.zeros((100, 80, 3), np.uint8)
    pixels[20:60, 20:60] = 255
    Image.fromarray(pixels).save(tmp_path / 'a.png')
    path = str(tmp_path / 'a.png')
    whole, box, wide = thumbnails.read(
        [Place(path), Place(path, 0, (20, 20, 40, 40)), Place(path, 0, (20, 20, 40, 40), .25)], 50)
    assert thumbnails.open_thumbnail(whole).shape == (50, 40, 3)
    assert thumbnails.open_thumbnail(box).min() > 250
    assert thumbnails.open_thumbnail(box).shape == (40, 40, 3)  # never enlarged
    assert thumbnails.open_thumbnail(wide).mean() == pytest.approx(255 * 40 ** 2 / 60 ** 2, abs=5)


def test_what_is_gone_or_another_picture_has_none(tmp_path):
    Image.new('RGB', (30, 30)).save(tmp_path / 'small.png')
    (tmp_path / 'broken.png').write_bytes(b'\x89PNG\r\n\x1a\n' + bytes(40))
    done = []
    places = [Place(str(tmp_path / 'gone.png')), Place(str(tmp_path / 'broken.png')),
              Place(str(tmp_path / 'small.png'), 0, (20, 20, 40, 40)), Place(str(tmp_path))]
    assert thumbnails.read(places, 50, done.append) == [None] * 4
    assert sum(done) == 4


def test_places_may_be_none_at_all():
    assert thumbnails.read([], 50) == []
