"""What the trainer learns from: patches, their variations, and windows that are no faces."""
import cv2
import numpy as np
import pytest

from picture_ranknet.errors import InputError
from picture_ranknet.faces.training import samples
from picture_ranknet.faces.training.settings import Augmentation
from support.media_samples import count_up, save_video

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
    patch, = samples.read_faces([table], size)
    room = [round(2 * side * .3) for side in size]
    assert patch.shape == (2 * size[1] + 2 * room[1], 2 * size[0] + 2 * room[0])
    inside = np.zeros(patch.shape, bool)
    inside[room[1]:-room[1], room[0]:-room[0]] = True
    edge = cv2.morphologyEx(inside.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
    assert (patch[inside & ~edge] > 210).all() and (patch[~inside & ~edge] < 30).all()


@pytest.mark.parametrize('size', [(24, 24), (20, 28)])
@pytest.mark.parametrize('box', [
    (30, 40, 20, 20),              # smaller than in the patch
    (101.3, 57.6, 48.5, 61.2),
    (90, 20, 251, 290),            # much larger
    (150, 33.3, 222.2, 180.7),
])
def test_all_of_a_face_lies_where_the_box_says(tmp_path, size, box):
    x, y, w, h = box
    room = np.round(np.array(size) * 2 * .3)
    rows, columns = np.indices((331, 417)) + .5
    rng = np.random.default_rng(7)
    for across, down in rng.uniform(.2, .8, (4, 2)):  # of the box
        distance = ((columns - x - across * w) / w) ** 2 + ((rows - y - down * h) / h) ** 2
        save(tmp_path / 'a.png', np.round(255 * np.exp(-distance * 128)).astype(np.uint8))
        table = write_table(tmp_path / 't.csv', 'a.png,{},{},{},{}'.format(*box))
        patch, = samples.read_faces([table], size)
        expected = room + 2 * np.array(size) * [across, down] - .5
        np.testing.assert_allclose(centroid(patch), expected, atol=.6)


def test_beyond_the_border_its_pixels_are_repeated(tmp_path):
    img = np.zeros((48, 48), np.uint8)
    img[:, :24] = 100
    patch, = samples.read_faces([save(tmp_path / 'a.png', img)], (24, 24))
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
    assert len(samples.read_faces(['sub/t.csv'], (24, 24))) == 3
    scenes = samples.read_scenes(['sub/t.csv'], 1)
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
def test_a_wrong_row_is_reported(tmp_path, row, words):
    save_video(tmp_path / 'a.mp4', count_up(3))
    save(tmp_path / 'a.png', np.zeros((50, 50), np.uint8))
    (tmp_path / 'a.mp4').write_bytes(b'\0\0\0\x14ftypisom' + bytes(8))
    table = write_table(tmp_path / 't.csv', 'a.png,1,2,30,30', row)
    with pytest.raises(InputError, match=words):
        samples.read_faces([table], (24, 24))


def test_a_table_may_name_pictures_anywhere_and_have_more_columns(tmp_path):
    (tmp_path / 'sub').mkdir()
    path = save(tmp_path / 'a.png', np.zeros((50, 50), np.uint8))
    table = write_table(tmp_path / 'sub' / 'T.CSV', '7,3,4,5,6,{}'.format(path), '',
                        '8,7,8,9,10,../a.png,and,more', columns='index,x,y,w,h,source')
    boxes = [scene.boxes.tolist() for scene in samples.read_scenes([table], 1)]
    assert sum(boxes, []) == [[3, 4, 5, 6], [7, 8, 9, 10]]


@pytest.mark.parametrize('text', [
    '\ufeffsource;x;y;w;h\r\na.png;1,5;2;30,0;30\r\n',
    'Source\tX\tY\tW\tH\na.png\t1,5\t2\t30\t30\n'])
def test_a_table_may_come_from_a_spreadsheet(tmp_path, text):
    save(tmp_path / 'a.png', np.zeros((50, 50), np.uint8))
    (tmp_path / 't.csv').write_bytes(text.encode())
    scene, = samples.read_scenes([str(tmp_path / 't.csv')], 1)
    assert scene.boxes.tolist() == [[1.5, 2, 30, 30]]


def test_tables_of_the_same_picture_add_up(tmp_path):
    save(tmp_path / 'a.png', np.zeros((50, 50), np.uint8))
    tables = [write_table(tmp_path / name, row) for name, row in [
        ('1.csv', 'a.png,1,2,30,30'), ('2.csv', 'a.png,5,5,20,20')]]
    scene, = samples.read_scenes(tables, 1)
    assert scene.boxes.tolist() == [[1, 2, 30, 30], [5, 5, 20, 20]]
    assert len(samples.read_faces(tables, (24, 24))) == 2


@pytest.mark.parametrize('data', [
    'source,x,y,w,h\ncafé.png,1,2,30,30\n'.encode('latin-1'),
    'source,x,y,w,h\na.png,1,2,30,30\n'.encode('utf-16'),
    b'source,x,y,w,h\n"a.png' + 200_000 * b'x',
    b'\x89PNG\r\n\x1a\n\0\xff',
], ids=['latin-1', 'utf-16', 'no end of quotes', 'a picture'])
def test_what_is_no_table_is_refused(tmp_path, data):
    (tmp_path / 't.csv').write_bytes(data)
    with pytest.raises(InputError, match='t.csv'):
        samples.read_faces([str(tmp_path / 't.csv')], (24, 24))


def test_an_empty_table_gives_no_faces(tmp_path):
    assert len(samples.read_faces([write_table(tmp_path / 't.csv')], (24, 24))) == 0


def test_a_missing_column_is_reported(tmp_path):
    table = write_table(tmp_path / 't.csv', 'a.png,1', columns='source,x')
    with pytest.raises(InputError, match='line 1: .* got none named y, w, h'):
        samples.read_scenes([table], 1)


def test_a_fifth_of_the_faces_is_held_out():
    patches = np.arange(52)
    train, held_out = samples.split_faces(patches, 3)
    assert len(held_out) == 11 and sorted([*train, *held_out]) == list(range(52))
    assert (samples.split_faces(patches, 3)[1] == held_out).all()
    assert (samples.split_faces(patches, 4)[1] != held_out).any()
    with pytest.raises(InputError, match='at least 10, got 9'):
        samples.split_faces(patches[:9], 3)


@pytest.mark.parametrize('n, held_out', [(10, 2), (11, 3), (15, 3), (100, 20)])
def test_which_faces_are_held_out_depends_on_the_seed_only(n, held_out):
    first = samples.split_faces(np.arange(n), 5)
    second = samples.split_faces(np.arange(n) + 1000, 5)
    assert [len(part) for part in first] == [n - held_out, held_out]
    for one, other in zip(first, second):
        np.testing.assert_array_equal(one + 1000, other)


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
        window, offset = samples.augment(patch, (48, 48), (24, 24), STILL, rng)
        assert window.shape == (24, 24) and not offset.any()
        assert (window[1:-1, 1:-1] == 130).all()


def test_the_offset_says_where_the_face_went_and_how_large_it_is():
    rng = np.random.default_rng(1)
    augmentation = STILL._replace(shift=.15, scale=.25, mirror=True)
    patch = marks()
    for _ in range(40):
        window, offset = samples.augment(patch, (48, 48), (32, 32), augmentation, rng)
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
        window, _ = samples.augment(patch, (48, 48), (32, 32), STILL._replace(turn=30), rng)
        np.testing.assert_allclose(centroid(window), [15.5, 15.5], atol=.8)
        heights.append(np.ptp(np.flatnonzero(window.max(axis=1) > 128)))
    assert max(heights) > 9 and min(heights) < 5


def test_light_and_hidden_parts_stay_in_range():
    patch = np.full((76, 76), 128, np.uint8)
    rng = np.random.default_rng(3)
    bright = [samples.augment(patch, (48, 48), (24, 24), STILL._replace(light=.2), rng)[0]
              for _ in range(50)]
    levels = {int(img[0, 0]) for img in bright}
    assert all(img.min() == img.max() for img in bright)
    assert 76 <= min(levels) < 95 and 160 < max(levels) <= 180
    painted = False
    for _ in range(30):
        img, _ = samples.augment(patch, (48, 48), (32, 32), STILL._replace(hidden=1), rng)
        changed = np.argwhere(img != 128)
        painted = painted or len(changed) > 0
        assert not len(changed) or (np.ptp(changed, axis=0) < 16).all()
    assert painted


def test_the_same_seed_gives_the_same_windows():
    patches = np.random.default_rng(4).integers(0, 256, (12, 76, 76), np.uint8)
    windows = [samples.augment_faces(patches, (48, 48), (24, 24), 30, Augmentation(),
                                          np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert windows[0].shape == (30, 24, 24)
    np.testing.assert_array_equal(windows[0], windows[1])
    assert (windows[0] != windows[2]).any()


def test_the_offset_is_in_parts_of_each_side():
    rng = np.random.default_rng(8)
    y, x = np.indices((90, 64)) - np.array([[[44.5]], [[31.5]]])  # a face of 40 x 56
    patch = np.round(255 * np.exp(-(x ** 2 + y ** 2) / 32)).astype(np.uint8)
    augmentation = STILL._replace(shift=.2, scale=.2, mirror=True)
    for _ in range(20):
        window, offset = samples.augment(patch, (40, 56), (20, 28), augmentation, rng)
        assert window.shape == (28, 20)
        np.testing.assert_allclose(centroid(window), [9.5, 13.5] + offset[:2] * [20, 28],
                                   atol=.5)


def test_a_mirrored_window_is_the_other_one_from_right_to_left():
    patch = np.random.default_rng(9).integers(0, 256, (76, 76), np.uint8)
    augmentation, mirrored = Augmentation(mirror=False), 0
    for seed in range(12):
        one, there = samples.augment(patch, (48, 48), (24, 24), augmentation,
                                          np.random.default_rng(seed))
        other, where = samples.augment(patch, (48, 48), (24, 24), Augmentation(),
                                            np.random.default_rng(seed))
        if (one == other).all():
            assert where.tolist() == there.tolist()
        else:
            mirrored += 1
            np.testing.assert_array_equal(other, one[:, ::-1])
            assert where.tolist() == [-there[0], there[1], there[2]]
    assert 0 < mirrored < 12


def test_windows_are_made_of_each_patch_in_turn():
    patches = np.repeat(np.uint8([10, 100, 200]), 76 * 76).reshape(3, 76, 76)
    windows = samples.augment_faces(patches, (48, 48), (24, 24), 7, STILL,
                                         np.random.default_rng(0))
    assert windows[:, 12, 12].tolist() == [10, 100, 200, 10, 100, 200, 10]
