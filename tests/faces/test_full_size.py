"""Cutting the pictures of a set from their sources again."""
import os

import cv2
import numpy as np
import pytest
from PIL import Image

from picture_ranknet.faces.full_size import cut_again
from picture_ranknet.pictures.limits import MAX_PIXELS
from support.media_samples import count_up, read, save_picture, save_video


def blots(seed, width, height):
    """A picture, HWC, of blots of 8 x 8 pixels that no other seed draws."""
    small = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3))
    return np.kron(small, np.ones((8, 8, 1))).astype(np.uint8)


def cut(size, notes=None):
    note = [].append if notes is None else notes.append
    return dict(cut_again('X.npy', size, MAX_PIXELS, note))


def test_whole_pictures_are_as_large_as_their_files(crop, tmp_path):
    images = [blots(seed, 320, 240) for seed in range(3)]
    for i, img in enumerate(images):
        cv2.imwrite(str(tmp_path / f'{i}.png'), img[:, :, ::-1])
    crop('.', '--no_faces', '--keep_duplicates', '--crops', 'c', '--crop_size', 0)
    for i, img in enumerate(images):
        with Image.open(f'c/0000{i}.png') as saved:
            np.testing.assert_array_equal(np.asarray(saved), img)
    assert read()[0].shape == (3, 3, 80, 80)


def test_a_crop_is_the_box_of_the_table_with_its_margin(crop, tmp_path):
    img = np.empty((480, 640, 3), np.uint8)
    img[...] = np.linspace(0, 60, 640)[:, None]  # smooth and dark, but for the face
    img[200:260, 300:360] += 180
    cv2.imwrite(str(tmp_path / 'a.png'), img)
    crop('a.png', '--cascade', 'small.xml', '--min_neighbors', 1, '--per_track', 1,
         '--min_sharpness', 0, '--margin', .5, '--size', 20)
    _, rows = read()
    assert rows
    for row, picture in cut(0).items():
        x, y, w, h = (int(rows[row][side]) for side in 'xywh')
        assert picture.shape[1:] == (2 * h, 2 * w)
        # Nothing was shrunken: these are pixels of the picture.
        left, top = round(x - w / 2), round(y - h / 2)
        np.testing.assert_array_equal(
            picture, img[top:top + 2 * h, left:left + 2 * w, ::-1].transpose(2, 0, 1))


def test_frames_of_a_film_are_found_again(crop, tmp_path):
    save_video(tmp_path / 'a.mp4', count_up(30))
    crop('a.mp4', '--no_faces', '--keep_duplicates', '--every', 7, '--size', 16)
    X, rows = read()
    notes = []
    cuts = cut(16, notes)
    assert sorted(cuts) == list(range(5)) and notes == []
    for row, picture in cuts.items():
        np.testing.assert_array_equal(picture, X[row])


@pytest.mark.parametrize('size, shape', [(0, (3, 80, 80)), (50, (3, 50, 50))])
def test_crops_come_from_the_set_where_the_source_is_missing_or_changed(crop, tmp_path, size,
                                                                        shape):
    for i in range(3):
        save_picture(tmp_path / f'{i}.png', (90 * i, 0, 0), size=(200, 200))
    crop('.', '--no_faces', '--keep_duplicates')
    os.remove('0.png')
    save_picture(tmp_path / '1.png', (0, 0, 250), size=(200, 200))
    notes = []
    cuts = cut(size, notes)
    assert notes == ['X.npy: 2 crops of 3 made from the pictures in the set: their sources are '
                     'gone or have changed']
    assert [cuts[row].shape for row in (0, 1)] == [shape] * 2
    assert cuts[1][:, 9, 9].tolist() == [90, 0, 0]
    assert cuts[2].shape == (3, size or 200, size or 200)


def test_an_existing_set_gets_its_crops_later(crop, tmp_path):
    for i in range(2):
        save_picture(tmp_path / f'{i}.png', (90 * i, 0, 0), size=(200, 100))
    crop('.', '--no_faces', '--keep_duplicates')
    before = (tmp_path / 'X.npy').read_bytes()
    assert crop('--crops', 'c', '--crop_size', 0) == ('2 pictures -> c\n', '', 0)
    with Image.open('c/00001.png') as saved:
        assert saved.size == (200, 100)
    _, err, status = crop('--crops', 'c')
    assert 'c: there are crops of an earlier run in it' in err and status == 1
    assert crop('--crops', 'c', '--force')[2] == 0
    with Image.open('c/00001.png') as saved:
        assert saved.size == (80, 80)
    assert (tmp_path / 'X.npy').read_bytes() == before


def test_crops_never_replace_the_sources_of_a_set(crop, tmp_path):
    (tmp_path / 'in').mkdir()
    save_picture(tmp_path / 'in' / '00000.png')
    crop('in', '--no_faces', '--keep_duplicates')
    _, err, status = crop('--crops', 'in', '--force')
    assert '--crops would replace pictures in this folder' in err and status == 1


def test_a_size_of_crops_requires_crops(crop, tmp_path):
    save_picture(tmp_path / 'a.png')
    _, err, status = crop('a.png', '--crop_size', 0)
    assert err.endswith('error: --crop_size: requires --crops\n') and status == 2
