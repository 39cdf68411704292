import functools
import os
import re
import signal
import struct
import subprocess
import sys
import tracemalloc

import cv2
import numpy as np
import pytest
from PIL import Image

import crop_faces
import files
import plots
from media_samples import CASCADE, SKIN, colour_of, count_up, near, read, save_picture, save_video

CLASSIC = 'lbpcascade_animeface.xml'
NIGHT = (10, 20, 40)  # RGB, as SKIN


def scene(*faces, size=(160, 120), colour=SKIN):
    """A dark picture, HWC, RGB, with bright squares (x, y, side): faces to the small cascade."""
    img = np.full((size[1], size[0], 3), NIGHT, np.uint8)
    for x, y, side in faces:
        img[y:y + side, x:x + side] = colour
    return img


# The outputs

def test_faces_are_found_cropped_and_listed(crop, tmp_path):
    Image.fromarray(scene((40, 30, 24))).save(tmp_path / 'a.png')
    out, err, status = crop('a.png', '--cascade', 'small.xml', '--min_neighbors', 1)
    assert re.fullmatch(r'1 face from 1 picture in \d+ s -> X\.npy, X\.csv\n', out)
    assert (err, status) == ('', 0)
    X, (row,) = read()
    assert X.shape == (1, 3, 80, 80) and X.dtype == np.uint8
    assert colour_of(X[:, :, 30:50, 30:50][0]) == near(SKIN)  # RGB
    assert list(row) == ['row', 'source', 'frame', 'time', 'x', 'y', 'w', 'h']
    assert [row[name] for name in ('row', 'source', 'frame', 'time')] == ['0', 'a.png', '0', '']
    x, y, w, h = (int(row[name]) for name in 'xywh')
    assert x < 40 < 64 < x + w and y < 30 < 54 < y + h and w == h


def test_outputs_are_the_same_as_numpy_would_save(crop, tmp_path):
    for i in range(12):
        save_picture(tmp_path / '{}.png'.format(i), (i, 2 * i, 3 * i))
    crop('.', '--no_faces', '-o', 'Y.npy', '--size', 7)
    np.save('expected.npy', np.load('Y.npy'))
    assert (tmp_path / 'Y.npy').read_bytes() == (tmp_path / 'expected.npy').read_bytes()
    assert len(files.read_pictures('Y.npy')) == 12
    files.read_table('Y.csv', 12)
    assert (tmp_path / 'Y.csv').read_text().startswith(
        'row,source,frame,time,x,y,w,h\n0,./0.png,0,,0,0,60,40\n1,./1.png,0,,0,0,60,40\n')


def test_colours_are_rgb_and_the_channels_come_first(crop, tmp_path):
    Image.fromarray(np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [9, 9, 9]]], 'u1')
                    ).resize((40, 40), Image.NEAREST).save(tmp_path / 'a.png')
    crop('a.png', '--no_faces', '--size', 20)
    X, _ = read()
    assert X.shape == (1, 3, 20, 20)
    assert X[0, :, 3, 3].tolist() == [255, 0, 0]
    assert X[0, :, 3, 16].tolist() == [0, 255, 0]
    assert X[0, :, 16, 3].tolist() == [0, 0, 255]


def test_faces_of_a_frame_come_from_left_to_right(crop, tmp_path):
    Image.fromarray(scene((100, 20, 24), (20, 80, 24), (60, 50, 24))).save(tmp_path / 'a.png')
    crop('a.png', '--cascade', 'small.xml', '--min_neighbors', 1)
    _, rows = read()
    left = [int(row['x']) for row in rows]
    assert len(left) >= 3 and left == sorted(left)


def test_each_crop_is_a_file_named_by_its_row(crop, tmp_path):
    for i in range(3):
        save_picture(tmp_path / '{}.png'.format(i), (80 * i, 0, 0))
    out, _, _ = crop('0.png', '1.png', '2.png', '--no_faces', '--crops', 'crops')
    assert out.rstrip().endswith('X.csv, crops')
    assert sorted(os.listdir('crops')) == ['00000.png', '00001.png', '00002.png']
    X, _ = read()
    for row in range(3):
        with Image.open('crops/0000{}.png'.format(row)) as img:
            np.testing.assert_array_equal(np.asarray(img).transpose(2, 0, 1), X[row])


def test_large_crops_are_small_on_the_sheet(crop, tmp_path):
    Image.fromarray(scene((120, 0, 80), size=(160, 80))).save(tmp_path / 'a.png')
    crop('a.png', '--no_faces', '--size', 500, '--sheet', 'sheet.png')
    with Image.open('sheet.png') as sheet:
        assert sheet.size == (24 + 80 + 24, 24 + 80 + 18 + 24)
        assert sheet.getpixel((24 + 50, 64)) == NIGHT
        assert sheet.getpixel((24 + 70, 64)) == SKIN


def test_a_sheet_that_does_not_show_all_crops_is_noted(monkeypatch, tmp_path, capsys):
    X = np.zeros((70, 3, 4, 4), np.uint8)
    crop_faces.save_sheet(X, str(tmp_path / 'all.png'))
    assert capsys.readouterr().err == ''
    monkeypatch.setattr(plots, 'draw_sheet', functools.partial(plots.draw_sheet, limit=30))
    crop_faces.save_sheet(X, str(tmp_path / 'sheet.png'))
    assert capsys.readouterr().err.endswith('sheet.png: shows one of 3 crops; there are 70\n')
    assert (tmp_path / 'sheet.png').exists()


def test_the_writer_agrees_with_numpy(tmp_path):
    X = np.random.default_rng(0).integers(0, 256, (1003, 3, 5, 4), np.uint8)
    np.save(tmp_path / 'expected.npy', X)
    with crop_faces.NpyWriter(tmp_path / 'X.npy', (3, 5, 4)) as writer:
        for img in X:
            writer.append(img)
    assert (tmp_path / 'X.npy').read_bytes() == (tmp_path / 'expected.npy').read_bytes()


@pytest.mark.parametrize('array', [np.zeros((3, 4, 5), 'u1'), np.zeros((3, 5, 4), 'f4')])
def test_the_writer_takes_only_one_kind_of_array(tmp_path, array):
    with crop_faces.NpyWriter(tmp_path / 'X.npy', (3, 5, 4)) as writer:
        with pytest.raises(ValueError, match=r'expected uint8 of shape \(3, 5, 4\)'):
            writer.append(array)


def test_crops_are_not_kept_in_memory(tmp_path):
    def faces():
        for i in range(1000):
            yield ('a.mp4', i, '0.000', 0, 0, 80, 80), np.full((3, 80, 80), i % 256, np.uint8)

    tracemalloc.start()
    crop_faces.save_faces(faces(), str(tmp_path / 'X.npy'), 80)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e6 < 19e6 < os.path.getsize(tmp_path / 'X.npy')
    assert np.load(tmp_path / 'X.npy')[:, 0, 0, 0].tolist() == [i % 256 for i in range(1000)]


# Crops

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
    crop = crop_faces.crop_box(gradient(100, 80), box, side, margin)
    assert crop.shape == (3, side, side)
    red, green, _ = crop.astype(int)
    assert (red[0, 0], red[0, -1]) == (left, left + side - 1)
    assert (green[0, 0], green[-1, 0]) == (top, top + side - 1)


def test_crops_are_resized_smoothly():
    stripes = np.zeros((160, 160, 3), np.uint8)
    stripes[:, ::2] = 200
    crop = crop_faces.crop_box(stripes, (0, 0, 160, 160), 80)
    assert (crop == 100).all()
    crop = crop_faces.crop_box(stripes, (0, 0, 4, 4), 80)
    assert len(np.unique(crop)) > 30


def test_margin_reaches_the_crop_but_not_the_table(crop, tmp_path, monkeypatch):
    Image.fromarray(gradient(100, 80)[:, :, ::-1].copy()).save(tmp_path / 'a.png')
    monkeypatch.setattr(crop_faces, 'face_detector', lambda *_: lambda img: [(40, 30, 20, 20)])
    crop('a.png', '--margin', .5, '--size', 40)
    X, (row,) = read()
    assert X[0, :2, 0, 0].tolist() == [30, 20]
    assert [row[name] for name in 'xywh'] == ['40', '30', '20', '20']


def test_whole_pictures_are_the_box(crop, tmp_path):
    save_picture(tmp_path / 'a.png', size=(60, 40))
    out, _, _ = crop('a.png', '--no_faces', '--margin', 1)
    X, (row,) = read()
    assert out.startswith('1 picture from 1 picture in')
    assert [row[name] for name in 'xywh'] == ['0', '0', '60', '40']
    assert colour_of(X[0]) == list(SKIN)


class Cascade:

    """Stands for ``cv2.CascadeClassifier``: finds always the same, and keeps what it was given."""

    def __init__(self, *boxes):
        self.boxes = np.array(boxes, np.int32) if boxes else ()  # as OpenCV returns none

    def detectMultiScale(self, gray, **options):
        self.gray, self.options = gray, options
        return self.boxes


class Check:

    """Stands for :class:`face_check.FaceCheck`: moves all that it is shown."""

    def find(self, gray, boxes, least):
        self.gray, self.boxes, self.least = gray, boxes, least
        return boxes + [4, 2, 0, 0], np.ones(len(boxes))


def detector(monkeypatch, cascade, check=None, **options):
    monkeypatch.setattr(crop_faces, 'read_cascade', lambda path: (cascade, check))
    return crop_faces.face_detector('some.xml', **options)


def test_without_a_second_look_the_search_is_the_classic_one(monkeypatch):
    cascade = Cascade((30, 1, 9, 9), (4, 50, 9, 9))
    img = np.random.default_rng(0).integers(40, 90, (60, 50, 3), np.uint8)
    assert detector(monkeypatch, cascade)(img) == [(4, 50, 9, 9), (30, 1, 9, 9)]
    assert cascade.options == {'scaleFactor': 1.1, 'minNeighbors': 3, 'minSize': (24, 24)}
    np.testing.assert_array_equal(
        cascade.gray, cv2.equalizeHist(cv2.cvtColor(img, cv2.COLOR_BGR2GRAY)))


def test_large_pictures_are_searched_shrunk(monkeypatch):
    cascade = Cascade((10, 20, 30, 30))
    img = np.zeros((1080, 1920, 3), np.uint8)
    img[:540] = 200
    detect = detector(monkeypatch, cascade, min_size=120, long_side=480)
    assert detect(img) == [(40, 80, 120, 120)]
    assert cascade.gray.shape == (270, 480) and cascade.options['minSize'] == (30, 30)
    assert (cascade.gray[:134] == 255).all() and not cascade.gray[136:].any()
    detector(monkeypatch, cascade, long_side=0)(img)
    assert cascade.gray.shape == (1080, 1920) and cascade.options['minSize'] == (24, 24)
    detector(monkeypatch, cascade, long_side=2000)(img)
    assert cascade.gray.shape == (1080, 1920)


def test_a_second_look_sees_all_findings_twice_as_sharp(monkeypatch):
    cascade, check = Cascade((10, 20, 30, 30)), Check()
    img = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), np.uint8)
    detect = detector(monkeypatch, cascade, check, min_neighbors=7, long_side=480)
    assert detect(img) == [(48, 84, 120, 120)]  # 4 and 2 pixels of a half
    assert cascade.options['minNeighbors'] == 0 and check.least == 7
    np.testing.assert_array_equal(check.boxes, [[20, 40, 60, 60]])
    np.testing.assert_array_equal(check.gray, cv2.resize(
        cv2.cvtColor(img, cv2.COLOR_BGR2GRAY), (960, 540), interpolation=cv2.INTER_AREA))
    detector(monkeypatch, cascade, check, long_side=1000)(img)
    assert check.gray.shape == (1080, 1920)  # never larger than it is


@pytest.mark.parametrize('check', [None, Check()])
def test_a_picture_without_findings_has_no_face(monkeypatch, check):
    assert detector(monkeypatch, Cascade(), check)(np.zeros((40, 90, 3), np.uint8)) == []


@pytest.mark.parametrize('box, inside', [
    ((-5, -7, 20, 20), (0, 0, 20, 20)),
    ((75, 50, 30, 30), (50, 30, 30, 30)),
    ((10.4, 9.6, 20.4, 20.4), (10, 10, 20, 20)),
    ((-9, 5, 100, 100), (0, 0, 60, 60)),       # the picture is 80 x 60
    ((0, 0, 80, 60), (0, 0, 80, 60)),
])
def test_boxes_are_moved_into_the_picture(monkeypatch, box, inside):
    found = crop_faces._inside(np.array(box, float), np.zeros((60, 80, 3), np.uint8))
    assert found == inside and all(type(n) is int for n in found)


def test_the_options_reach_the_search(crop, tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(crop_faces, 'face_detector',
                        lambda *args: given.extend(args) or crop_faces.whole_picture)
    save_picture(tmp_path / 'a.png')
    crop('a.png', '--cascade', 'c.xml', '--scale_factor', 1.3, '--min_neighbors', 2,
         '--min_size', 50, '--long_side', 700)
    assert given == ['c.xml', 1.3, 2, 50, 700]


# Videos, pictures and folders

def test_faces_of_a_video_are_found(crop, tmp_path):
    frames = [scene()] * 12 + [scene((40, 30, 32))] * 24
    save_video(tmp_path / 'a.mp4', frames)
    crop('a.mp4', '--cascade', 'small.xml', '--min_neighbors', 1)
    X, rows = read()
    assert {int(row['frame']) for row in rows} == {12, 18, 24, 30}
    assert rows[0]['time'] == '0.500'
    assert colour_of(X[0, :, 35:45, 35:45]) == near(SKIN, 20)  # RGB, but for the codec


def test_a_video_without_a_face_is_said_and_leaves_nothing(crop, tmp_path):
    save_video(tmp_path / 'a.mp4', [scene()] * 48)
    files_before = sorted(os.listdir('.'))
    out, err, status = crop('a.mp4', '--cascade', 'small.xml', '--crops', 'crops',
                            '--sheet', 'sheet.png')
    assert (out, status) == ('', 1)
    assert err == ('crop_faces.py: error: no face in 8 frames of 1 video; try a lower '
                   '--min_neighbors or --min_size, another --cascade, or --no_faces for whole '
                   'pictures\n')
    assert sorted(os.listdir('.')) == files_before


def test_progress_is_shown_on_a_terminal_only(root, tmp_path):
    fcntl, termios = pytest.importorskip('fcntl'), pytest.importorskip('termios')
    save_video(tmp_path / 'a.mp4', count_up(30))
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('4H', 24, 80, 0, 0))
    for stderr in subprocess.PIPE, theirs:
        result = subprocess.run(
            [sys.executable, str(root / 'crop_faces.py'), 'a.mp4', '--no_faces', '--force'],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=stderr, check=True)
        assert not result.stderr
    os.close(theirs)
    assert b' frames/s' in os.read(ours, 10000)
    os.close(ours)


def test_sources_are_read_in_the_order_given(crop, tmp_path):
    (tmp_path / 'folder').mkdir()
    for name in ['b.png', 'a.png', 'folder/c.png']:
        save_picture(tmp_path / name)
    save_video(tmp_path / 'v.mp4', count_up(2))
    out, _, _ = crop('folder', 'v.mp4', 'b.png', 'a.png', '--no_faces', '--every', 1)
    _, rows = read()
    assert [row['source'] for row in rows] == [
        os.path.join('folder', 'c.png'), 'v.mp4', 'v.mp4', 'b.png', 'a.png']
    assert [row['row'] for row in rows] == ['0', '1', '2', '3', '4']
    assert out.startswith('5 pictures from 2 frames of 1 video and 3 pictures in')


def test_our_own_outputs_are_not_read(crop, tmp_path):
    save_picture(tmp_path / 'a.png')
    for _ in range(2):
        out, _, _ = crop('.', '--no_faces', '--force', '--crops', 'c', '--sheet', 'sheet.png')
        assert out.startswith('1 picture from 1 picture in')


def test_names_in_any_script_are_read_and_written(crop, tmp_path):
    folder = tmp_path / '表紙 ünï'
    folder.mkdir()
    save_picture(folder / '絵.jpg')
    save_video(tmp_path / 'a.mp4', count_up(5)).rename(folder / '動画.mp4')
    (tmp_path / 'small.xml').rename(folder / 'カスケード.xml')
    _, err, status = crop(folder.name, '--no_faces', '-o', folder / '顔.npy',
                          '--crops', folder / '切', '--sheet', folder / '紙.png')
    assert (err, status) == ('1 file passed over: neither pictures nor videos\n', 0)
    _, rows = read(str(folder / '顔.npy'))
    assert [row['source'] for row in rows] == [os.path.join(folder.name, name)
                                               for name in ('動画.mp4', '絵.jpg')]
    assert (folder / '切' / '00001.png').exists() and (folder / '紙.png').exists()
    assert crop_faces.read_cascade(str(folder / 'カスケード.xml'))


# What a person made

@pytest.mark.parametrize('there, options, words', [
    ('X.npy', [], 'X.npy is there already, and ratings may refer to its rows; choose another name '
                  'with --output, or overwrite it with --force'),
    ('X.csv', [], 'X.csv is there already'),
    ('sheet.png', ['--sheet', 'sheet.png'], 'sheet.png is there already; choose another name with '
                                            '--sheet'),
    ('crops/00000.png', ['--crops', 'crops'], 'crops: there are crops of an earlier run in it'),
])
def test_nothing_is_overwritten_without_force(crop, tmp_path, there, options, words):
    save_picture(tmp_path / 'a.png')
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_text('mine')
    _, err, status = crop('nothing.png', '--no_faces', *options)  # before any other check
    assert words in err and '--force' in err and status == 1
    assert (tmp_path / there).read_text() == 'mine'
    _, err, status = crop('a.png', '--no_faces', '--force', *options)
    assert (err, status) == ('', 0)
    assert (tmp_path / there).read_bytes() != b'mine'


def test_force_replaces_all_crops_of_an_earlier_run(crop, tmp_path):
    for i in range(3):
        save_picture(tmp_path / '{}.png'.format(i))
    crop('0.png', '1.png', '2.png', '--no_faces', '--crops', 'crops')
    (tmp_path / 'crops' / 'notes.txt').write_text('mine')
    crop('0.png', '--no_faces', '--crops', 'crops', '--force')
    assert sorted(os.listdir('crops')) == ['00000.png', 'notes.txt']


@pytest.mark.parametrize('options, words', [
    (['--crops', 'a.png'], 'a.png: expected a folder for --crops, got a file'),
    (['--crops', 'no/crops'], 'no/crops: there is no folder'),
    (['--sheet', 'no/sheet.png'], 'no/sheet.png: there is no folder'),
    (['-o', 'no/X.npy'], 'no/X.npy: there is no folder'),
])
def test_places_to_write_are_checked_before_any_work(crop, tmp_path, options, words):
    save_picture(tmp_path / 'a.png')
    _, err, status = crop('a.png', '--no_faces', *options)
    assert words in err and status == 1 and not os.path.exists('X.npy')


def test_an_interruption_leaves_everything_as_it_was(crop, tmp_path, monkeypatch):
    def detect(img):
        if detect.calls == 3:
            signal.raise_signal(signal.SIGINT)  # Ctrl-C
        detect.calls += 1
        return [(0, 0, 10, 10)]

    detect.calls = 0
    save_video(tmp_path / 'a.mp4', count_up(30))
    (tmp_path / 'X.npy').write_text('mine')
    (tmp_path / 'X.csv').write_text('mine')
    files_before = sorted(os.listdir('.'))
    monkeypatch.setattr(crop_faces, 'whole_picture', detect)
    out, err, status = crop('a.mp4', '--no_faces', '--force')
    assert (out, err, status) == ('', 'crop_faces.py: error: interrupted\n', 130)
    assert detect.calls == 3 and sorted(os.listdir('.')) == files_before
    assert (tmp_path / 'X.npy').read_text() == (tmp_path / 'X.csv').read_text() == 'mine'


@pytest.mark.parametrize('is_new', [True, False])
def test_an_interruption_leaves_no_crops(tmp_path, monkeypatch, pictures, is_new):
    def interrupt(picture):
        if (picture == pictures[7]).all():
            raise KeyboardInterrupt
        return to_image(picture)

    if not is_new:
        (tmp_path / 'crops').mkdir()
        (tmp_path / 'crops' / '00000.png').write_text('mine')
    to_image = plots.to_image
    monkeypatch.setattr(plots, 'to_image', interrupt)
    with pytest.raises(KeyboardInterrupt):
        crop_faces.save_crops(pictures, str(tmp_path / 'crops'))
    assert os.listdir(tmp_path) == ([] if is_new else ['crops'])
    assert is_new or os.listdir(tmp_path / 'crops') == ['00000.png']


# The cascade and OpenCV

def test_without_a_cascade_it_is_said_what_is_missing(crop, tmp_path, monkeypatch):
    monkeypatch.setattr(crop_faces, 'DEFAULT_CASCADE', 'none.xml')
    save_picture(tmp_path / 'a.png')
    for options in [], ['--cascade', 'none.xml']:
        _, err, status = crop('a.png', *options)
        assert re.fullmatch(
            r'crop_faces.py: error: (.*[/\\])?none\.xml: the cascade, which finds the faces, is '
            r'missing; pass another with --cascade, such as the classic lbpcascade_animeface\.xml '
            r'from https://\S+, or take whole pictures with --no_faces\n', err)
        assert status == 1
    assert crop('a.png', '--no_faces')[2] == 0


@pytest.mark.parametrize('content', [
    b'', b'hello', b'\x89PNG\r\n\0\0', b'%YAML:1.0\n---\na: 1\n', b'<html></html>',
    b'<?xml version="1.0"?><opencv_storage><a>1</a></opencv_storage>',
    CASCADE.replace('<rect>', '<wrecked>').encode(), CASCADE.replace('LBP', 'XYZ').encode(),
    CASCADE.encode()[:len(CASCADE) // 2],
])
def test_other_files_are_no_cascade(crop, tmp_path, content):
    (tmp_path / 'bad.xml').write_bytes(content)
    save_picture(tmp_path / 'a.png')
    _, err, status = crop('a.png', '--cascade', 'bad.xml')
    assert err.startswith('crop_faces.py: error: bad.xml: expected a cascade of OpenCV, got '
                          'something else or a damaged one')
    assert err.count('\n') == 1 and status == 1


def test_opencv_5_is_refused(crop, tmp_path, monkeypatch):
    monkeypatch.delattr(cv2, 'CascadeClassifier')
    save_picture(tmp_path / 'a.png')
    _, err, status = crop('a.png', '--cascade', 'small.xml')
    assert 'has no CascadeClassifier' in err and '"opencv-python>=4.5,<5"' in err and status == 1


def test_importing_needs_no_opencv(run, root, tmp_path):
    (tmp_path / 'cv2.py').write_text('raise ImportError("libGL.so.1: not there")')
    (tmp_path / 'use.py').write_text('import crop_faces\ncrop_faces.main(["a.png"])')
    result = run(tmp_path / 'use.py', env={**os.environ, 'PYTHONPATH': str(root)})
    assert result.returncode == 1
    assert result.stderr.startswith('use.py: error: OpenCV cannot be imported (libGL.so.1: not the')


# The command line

def test_every_option_is_explained(capsys):
    with pytest.raises(SystemExit):
        crop_faces.main(['--help'])
    words = capsys.readouterr().out
    for option in ['--output', '-o', '--size', '--every', '--fps', '--cascade', '--scale_factor',
                   '--min_neighbors', '--min_size', '--long_side', '--margin', '--crops',
                   '--sheet', '--no_faces', '--force']:
        assert option in words
    assert all(action.help for action in crop_faces.build_parser()._actions)
    assert str(os.getcwd()) not in words


@pytest.mark.parametrize('options, words', [
    ([], 'source'),
    (['a.png', '-o', 'X.csv'], "argument --output/-o: must end in .npy, got 'X.csv'"),
    (['a.png', '--sheet', 'sheet'], "argument --sheet: must end in .png, got 'sheet'"),
    (['a.png', '--scale_factor', '1'], 'must be a number above 1'),
    (['a.png', '--fps', '0'], 'must be a number above 0'),
    (['a.png', '--every', '0'], 'must be a whole number >= 1'),
    (['a.png', '--margin', '-1'], 'must be a number >= 0'),
    (['a.png', '--every', '2', '--fps', '2'], 'not allowed with'),
])
def test_wrong_usage_is_2(crop, options, words):
    _, err, status = crop(*options)
    assert words in err and status == 2


# With real pictures

def test_the_classic_cascade_serves_as_well(crop, real_data):
    options = '--fps', 1, '--cascade', real_data / CLASSIC, '--long_side', 0, '--min_neighbors', 5
    _, err, status = crop(real_data / 'clips' / 'anime_1080p.mp4', *options)
    X, rows = read()
    assert (err, status) == ('', 0)
    assert [int(row['frame']) for row in rows] == [72, 96, 240]
    assert all(500 < int(row['w']) < 900 for row in rows)
    r, g, b = X[0].mean((1, 2))
    assert b > r  # a night scene is blue


def test_ours_finds_more_of_the_faces_in_a_real_video(crop, real_data):
    _, err, status = crop(real_data / 'clips' / 'anime_1080p.mp4', '--fps', 1)
    _, rows = read()
    assert (err, status) == ('', 0)
    # One woman is seen from frame 52 on, and again, larger, to 287.
    assert [int(row['frame']) for row in rows] == [72, 96, 168, 192, 216, 240, 264]
    assert all(400 < int(row['w']) < 1000 for row in rows)


def test_ours_finds_one_face_in_nearly_every_portrait(real_data):
    detect = crop_faces.face_detector()
    found = [len(detect(cv2.imread(str(path))))
             for path in sorted((real_data / 'anime_portraits').iterdir())[::10]]
    assert len(found) == 60 and found.count(1) >= 57


def test_a_real_video_without_a_face(crop, real_data):
    _, err, status = crop(real_data / 'clips' / 'no_face.mp4', '--every', 24)
    assert 'no face in 10 frames of 1 video' in err and status == 1


def test_the_pictures_themselves_are_never_replaced_by_crops(crop, tmp_path):
    (tmp_path / 'frames').mkdir()
    for name in '00000.png', '00001.png':  # as ffmpeg names them
        save_picture(str(tmp_path / 'frames' / name))
    before = (tmp_path / 'frames' / '00001.png').read_bytes()
    _, err, status = crop('frames', '--no_faces', '--crops', 'frames', '--force')
    assert status == 1 and 'another folder for --crops' in err
    assert (tmp_path / 'frames' / '00001.png').read_bytes() == before
    _, err, status = crop('frames/00000.png', '--no_faces', '--sheet', 'frames/00000.png',
                          '--force')
    assert status == 1 and 'is read as well' in err


def test_pictures_and_table_are_moved_together_or_not_at_all(crop, tmp_path, monkeypatch):
    save_picture('a.png')
    save_picture('b.png')
    assert crop('a.png', '--no_faces')[2] == 0
    before = (tmp_path / 'X.npy').read_bytes(), (tmp_path / 'X.csv').read_bytes()
    replace = os.replace

    def fail(source, target):
        if str(target).endswith('.npy'):
            raise OSError(28, 'No space left on device', source, None, target)
        replace(source, target)

    monkeypatch.setattr(os, 'replace', fail)
    _, err, status = crop('a.png', 'b.png', '--no_faces', '--force')
    assert status == 1 and err == 'crop_faces.py: error: X.npy: No space left on device\n'
    assert before == ((tmp_path / 'X.npy').read_bytes(), (tmp_path / 'X.csv').read_bytes())
