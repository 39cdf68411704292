"""What the trainer learns from: patches, their variations, and windows that are no faces."""
import os

import cv2
import numpy as np
import pytest

import face_samples
import files
from face_samples import Augmentation, Scene
from lbp_cascade import Cascade

STILL = Augmentation(turn=0, shift=0, scale=0, light=0, mirror=False)


def save(path, img):
    assert cv2.imwrite(str(path), img)
    return str(path)


def write_table(path, *rows, columns='source,x,y,w,h'):
    path.write_text('\n'.join([columns, *rows]) + '\n', encoding='utf-8')
    return str(path)


# Reading

@pytest.mark.parametrize('size', [(24, 24), (20, 28)])
@pytest.mark.parametrize('scale', [1, 7])
def test_a_face_lies_in_the_middle_of_its_patch_with_room_around(tmp_path, size, scale):
    w, h = (side * scale for side in size)
    img = np.full((300, 400), 20, np.uint8)
    img[60:60 + h, 90:90 + w] = 220
    save(tmp_path / 'a.png', img)
    table = write_table(tmp_path / 't.csv', 'a.png,90,60,{},{}'.format(w, h))
    patch, = face_samples.read_faces([table], size)
    room = [round(2 * side * .3) for side in size]
    assert patch.shape == (2 * size[1] + 2 * room[1], 2 * size[0] + 2 * room[0])
    inside = np.zeros(patch.shape, bool)
    inside[room[1]:-room[1], room[0]:-room[0]] = True
    edge = cv2.morphologyEx(inside.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
    assert (patch[inside & ~edge] > 210).all() and (patch[~inside & ~edge] < 30).all()


def test_over_the_border_its_pixels_go_on(tmp_path):
    img = np.zeros((48, 48), np.uint8)
    img[:, :24] = 100
    patch, = face_samples.read_faces([save(tmp_path / 'a.png', img)], (24, 24))
    assert patch.shape == (76, 76)
    assert (patch[:, :36] == 100).all() and not patch[:, 40:].any()


def test_a_table_names_pictures_beside_it_and_several_boxes_of_each(tmp_path, monkeypatch):
    (tmp_path / 'sub').mkdir()
    save(tmp_path / 'sub' / 'a.png', np.zeros((50, 50), np.uint8))
    save(tmp_path / 'sub' / 'b.png', np.zeros((60, 50), np.uint8))
    table = tmp_path / 'sub' / 't.csv'
    table.write_text('source,x,y,w,h\na.png,1,2,30,30\nb.png,0,0,9,9\na.png,5,5,20,20\n',
                     encoding='utf-8-sig')
    monkeypatch.chdir(tmp_path)
    assert len(face_samples.read_faces(['sub/t.csv'], (24, 24))) == 3
    scenes = face_samples.read_scenes(['sub/t.csv'], 1)
    assert [scene.boxes.tolist() for scene in scenes] == [
        [[1, 2, 30, 30], [5, 5, 20, 20]], [[0, 0, 9, 9]]]
    assert [scene.gray.shape for scene in scenes] == [(50, 50), (60, 50)]


@pytest.mark.parametrize('row, words', [
    ('a.png,1,2,x,30', 'line 3: expected numbers'),
    ('a.png,1,2,nan,30', 'line 3: expected numbers'),
    ('a.png,1,2,30,inf', 'line 3: expected numbers'),
    ('a.png,1,2,0,30', 'line 3: expected numbers'),
    ('a.png,1,2', 'line 3: expected numbers'),
    ('none.png,1,2,30,30', 'line 3: there is no picture'),
    ('a.mp4,1,2,30,30', 'line 3: expected a picture, got a video'),
])
def test_a_wrong_row_is_said(tmp_path, row, words):
    save(tmp_path / 'a.png', np.zeros((50, 50), np.uint8))
    table = write_table(tmp_path / 't.csv', 'a.png,1,2,30,30', row)
    with pytest.raises(files.InputError, match=words):
        face_samples.read_faces([table], (24, 24))


def test_a_missing_column_is_said(tmp_path):
    table = write_table(tmp_path / 't.csv', 'a.png,1', columns='source,x')
    with pytest.raises(files.InputError, match='line 1: .* none named h, w, y'):
        face_samples.read_scenes([table], 1)


def test_a_fifth_of_the_faces_is_held_out():
    patches = np.arange(52)
    train, held_out = face_samples.split_faces(patches, 3)
    assert len(held_out) == 11 and sorted([*train, *held_out]) == list(range(52))
    assert (face_samples.split_faces(patches, 3)[1] == held_out).all()
    assert (face_samples.split_faces(patches, 4)[1] != held_out).any()
    with pytest.raises(files.InputError, match='at least 10, got 9'):
        face_samples.split_faces(patches[:9], 3)


# Varying

def marks(patch_side=76, gap=10):
    """A patch with two soft bright marks, ``gap`` left and right of its middle."""
    y, x = np.indices((patch_side, patch_side)) - (patch_side - 1) / 2
    distance = (abs(x) - gap) ** 2 + y ** 2
    return np.round(255 * np.exp(-distance / 18)).astype(np.uint8)


def centroid(img):
    y, x = np.indices(img.shape)
    return np.array([(x * (img / img.sum())).sum(), (y * (img / img.sum())).sum()])


def test_without_variation_a_window_is_the_face():
    rng = np.random.default_rng(0)
    patch = np.full((76, 76), 50, np.uint8)
    patch[14:62, 14:62] = 130
    for _ in range(4):
        window, offset = face_samples.augment(patch, (48, 48), (24, 24), STILL, rng)
        assert window.shape == (24, 24) and not offset.any()
        assert (window[1:-1, 1:-1] == 130).all()


def test_the_offset_says_where_the_face_went_and_how_large_it_is():
    rng = np.random.default_rng(1)
    augmentation = STILL._replace(shift=.15, scale=.25, mirror=True)
    patch = marks()
    for _ in range(40):
        window, offset = face_samples.augment(patch, (48, 48), (32, 32), augmentation, rng)
        middle = 15.5 + 32 * offset[:2]
        np.testing.assert_allclose(centroid(window), middle, atol=.7)
        left, right = window.copy(), window.copy()
        left[:, int(round(middle[0])):] = 0
        right[:, :int(round(middle[0]))] = 0
        assert centroid(right)[0] - centroid(left)[0] == pytest.approx(
            20 / 48 * 32 * np.exp(offset[2]), abs=.8)
    assert abs(offset).max() > 0


def test_a_turned_face_stays_in_the_middle():
    rng = np.random.default_rng(2)
    patch, heights = marks(), []
    for _ in range(20):
        window, _ = face_samples.augment(patch, (48, 48), (32, 32), STILL._replace(turn=30), rng)
        np.testing.assert_allclose(centroid(window), [15.5, 15.5], atol=.8)
        heights.append(np.ptp(np.flatnonzero(window.max(axis=1) > 128)))
    assert max(heights) > 9 and min(heights) < 5


def test_light_and_hidden_parts_stay_in_range():
    patch = np.full((76, 76), 128, np.uint8)
    rng = np.random.default_rng(3)
    bright = [face_samples.augment(patch, (48, 48), (24, 24), STILL._replace(light=.2), rng)[0]
              for _ in range(50)]
    levels = {int(img[0, 0]) for img in bright}
    assert all(img.min() == img.max() for img in bright)
    assert 76 <= min(levels) < 95 and 160 < max(levels) <= 180
    painted = False
    for _ in range(30):
        img, _ = face_samples.augment(patch, (48, 48), (32, 32), STILL._replace(hidden=1), rng)
        changed = np.argwhere(img != 128)
        painted = painted or len(changed) > 0
        assert not len(changed) or (np.ptp(changed, axis=0) < 16).all()
    assert painted


def test_the_same_seed_gives_the_same_windows():
    patches = np.random.default_rng(4).integers(0, 256, (12, 76, 76), np.uint8)
    windows = [face_samples.augment_faces(patches, (48, 48), (24, 24), 30, Augmentation(),
                                          np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert windows[0].shape == (30, 24, 24)
    np.testing.assert_array_equal(windows[0], windows[1])
    assert (windows[0] != windows[2]).any()


# Mining

def draw_scenes(n=6):
    """Noise, and in the first one a face of grey 200 that the others have nothing of."""
    rng = np.random.default_rng(5)
    scenes = [Scene(rng.integers(0, 100, (90, 120), np.uint8), np.zeros((0, 4)))
              for _ in range(n)]
    scenes[0].gray[20:70, 30:80] = 200
    scenes[0] = scenes[0]._replace(boxes=np.array([[30., 20, 50, 50]]))
    return scenes


def test_mined_windows_keep_away_from_faces():
    windows, rate = face_samples.mine(Cascade(24, 24), draw_scenes(), 2000, 1e5, [0])
    assert windows.shape[1:] == (24, 24) and len(windows) == 2000
    assert 0 < rate < 1  # the face's windows are looked at, and do not count
    # A window of the face's size shares at most 0.25 of the union, a quarter of 2/5.
    full = (windows == 200).mean(axis=(1, 2))
    assert 0 < full.max()
    large, _ = face_samples.mine(Cascade(50, 50), draw_scenes(1), 2000, 1e5, [0])
    assert len(large) and (large == 200).mean(axis=(1, 2)).max() <= .4


def test_mining_does_not_depend_on_the_cores(monkeypatch):
    found = []
    for cores in 1, 4:
        monkeypatch.setattr(os, 'cpu_count', lambda cores=cores: cores)
        found.append(face_samples.mine(Cascade(24, 24), draw_scenes(), 300, 1e5, [1, 2])[0])
    np.testing.assert_array_equal(*found)
    assert (face_samples.mine(Cascade(24, 24), draw_scenes(), 300, 1e5, [1, 3])[0]
            != found[0]).any()


def test_a_cut_gets_boxes_inside_the_picture():
    sizes = set()

    def cut(gray, boxes):
        assert (boxes[:, :2] >= 0).all() and (boxes[:, 2] == boxes[:, 3]).all()
        half = boxes[:, 2:] / 48  # of a pixel of the shrunk picture, whose size is rounded
        assert (boxes[:, :2] + boxes[:, 2:] <= np.array(gray.shape[::-1]) + half).all()
        sizes.update(np.round(boxes[:, 2]).tolist())
        return np.zeros((len(boxes), 5, 5), np.uint8)

    windows, _ = face_samples.mine(Cascade(24, 24), draw_scenes(), 500, 1e5, [0], cut)
    assert windows.shape == (500, 5, 5) and min(sizes) < 29 and max(sizes) > 60


def test_nothing_to_find_comes_to_an_end():
    small = [Scene(np.zeros((10, 90), np.uint8), np.zeros((0, 4)))]
    windows, rate = face_samples.mine(Cascade(24, 24), small, 10, 1e5, [0])
    assert windows.shape == (0, 24, 24) and rate == 0
    _, rate = face_samples.mine(Cascade(24, 24), draw_scenes(), 10 ** 6, 2e4, [0])
    assert rate > 0  # though a million was not found


def test_overlaps_agree_with_a_slow_second_implementation():
    rng = np.random.default_rng(6)
    corners, boxes = rng.integers(0, 60, (50, 2)), rng.uniform(5, 50, (3, 4))

    def slow(corner, box):
        window, face = np.zeros((2, 1200, 1200), bool)
        x, y, w, h = np.array([*corner, 24, 20]) * 10
        window[y:y + h, x:x + w] = True
        x, y, w, h = np.round(np.array(box) * 10).astype(int)
        face[y:y + h, x:x + w] = True
        return (window & face).sum() / (window | face).sum()

    exact = np.array([max(slow(corner, box) for box in boxes) for corner in corners])
    found = face_samples._overlaps(corners, np.array([24, 20]), boxes)
    clear = abs(exact - face_samples.OVERLAP) > .01
    np.testing.assert_array_equal(found[clear], exact[clear] > face_samples.OVERLAP)
    assert 0 < found.sum() < 50 and clear.sum() > 40
    assert not face_samples._overlaps(corners, np.array([24, 20]), np.zeros((0, 4))).any()
