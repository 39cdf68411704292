"""The three steps as a person calls them from Python, and cutting out a box."""
import cv2
import numpy as np
import pytest
from PIL import Image

from picture_ranknet.errors import InputError
from picture_ranknet.faces import Rules, Search, choose_faces, crop_box, find_faces, write_faces
from support.media_samples import CASCADE, read, save_picture


@pytest.fixture
def bright(tmp_path, monkeypatch):
    """A folder with a picture of two bright squares, faces to the cascade beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'small.xml').write_text(CASCADE)
    img = np.full((120, 160, 3), 30, np.uint8)
    img[30:54, 20:44] = 200
    img[40:72, 90:122] = 230
    cv2.imwrite('a.png', img)
    return Search('small.xml', min_neighbors=1)


def test_find_choose_write(bright, tmp_path):
    found = find_faces(['a.png'], 'X.part', search=bright, size=20)
    assert (tmp_path / 'X.part').is_dir() and len(found.store.faces) >= 2
    choice = choose_faces(found, Rules(0, 0, per_track=1))
    write_faces('X.npy', found, choice)
    X, rows = read()
    assert X.shape == (len(choice.kept), 3, 20, 20) and len(rows) == len(X)
    assert {row['source'] for row in rows} == {'a.png'}
    assert len({row['group'] for row in rows}) == len(rows)
    assert not (tmp_path / 'X.part').exists()


def test_no_face_at_all_is_an_error_and_leaves_nothing(bright, tmp_path):
    save_picture('black.png', (0, 0, 0), (100, 80))
    with pytest.raises(InputError, match='no face in 1 picture: every frame is blank'):
        choose_faces(find_faces(['black.png'], 'X.part', search=bright))
    assert not (tmp_path / 'X.part').exists()


def test_nothing_good_enough_is_an_error_that_can_be_resumed(bright, tmp_path):
    found = find_faces(['a.png'], 'X.part', search=bright)
    choice = choose_faces(found, Rules(min_sharpness=1000))
    with pytest.raises(InputError, match=r'blurred \(sharpness under 1000, .*with --resume'):
        write_faces('X.npy', found, choice)
    again = find_faces(['a.png'], 'X.part', search=bright, resume=True)
    write_faces('X.npy', again, choose_faces(again, Rules(0, 0)))
    assert len(read()[0])


def test_a_page_of_a_webtoon_gives_all_its_faces(bright):
    page = np.full((9600, 800), 30, np.uint8)
    for i in range(12):
        page[800 * i + 250:800 * i + 550, 200:500] = 220
    Image.fromarray(page).save('page.png')
    found = find_faces(['page.png'], 'X.part', search=bright)
    choice = choose_faces(found, Rules(0, 0, duplicate_bits=None, per_track=1))
    middles = {(found.store.faces[i].y + found.store.faces[i].h // 2) // 800 for i in choice.kept}
    assert middles == set(range(12))


# Cutting out a box

def gradient(width, height):
    """A picture whose red is x and whose green is y, BGR."""
    y, x = np.mgrid[:height, :width].astype(np.uint8)
    return np.dstack([np.zeros_like(x), y, x])


@pytest.mark.parametrize('box, margin, left, top, side', [
    ((40, 30, 20, 20), 0, 40, 30, 20),
    ((40, 30, 20, 20), .25, 35, 25, 30),
    ((2, 30, 20, 20), .25, 0, 25, 30),      # moved inside
    ((40, 55, 20, 20), .5, 30, 40, 40),     # ... from below
    ((80, 60, 20, 20), .5, 60, 40, 40),     # ... from a corner
    ((40, 10, 60, 60), .5, 20, 0, 80),      # as much margin as the frame has
    ((40, 10, 60, 60), 9, 20, 0, 80),
])
def test_margins_end_at_the_border_of_the_frame(box, margin, left, top, side):
    crop = crop_box(gradient(100, 80), box, side, margin)
    assert crop.shape == (3, side, side)
    red, green, _ = crop.astype(int)
    assert (red[0, 0], red[0, -1]) == (left, left + side - 1)
    assert (green[0, 0], green[-1, 0]) == (top, top + side - 1)


def test_crops_are_resized_smoothly():
    stripes = np.zeros((160, 160, 3), np.uint8)
    stripes[:, ::2] = 200
    crop = crop_box(stripes, (0, 0, 160, 160), 80)
    assert (crop == 100).all()
    crop = crop_box(stripes, (0, 0, 4, 4), 80)
    assert len(np.unique(crop)) > 30
