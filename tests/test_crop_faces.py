"""crop_faces.py as a user runs it.

Over 400 lines: whole runs of the command, which share their drawn pictures.
"""
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time

import cv2
import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from PIL import Image

import crop_faces
from picture_ranknet.errors import InputError
from picture_ranknet.faces import FaceDetector, Search, cropping, crops, detector
from picture_ranknet.faces.detector import Finding, read_cascade
from picture_ranknet.storage import arrays, tables
from support.media_samples import (
    SKIN,
    colour_of,
    count_up,
    near,
    read,
    save_picture,
    save_video,
)

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
    assert list(row) == ['row', 'source', 'frame', 'time', 'x', 'y', 'w', 'h', 'group',
                         'confidence', 'sharpness', 'kind', 'margin']
    assert [row[name] for name in ('row', 'source', 'frame', 'time')] == ['0', 'a.png', '0', '']
    x, y, w, h = (int(row[name]) for name in 'xywh')
    assert x < 40 < 64 < x + w and y < 30 < 54 < y + h and w == h


def test_outputs_are_the_same_as_numpy_would_save(crop, tmp_path):
    for i in range(12):
        save_picture(tmp_path / '{}.png'.format(i), (i, 2 * i, 3 * i))
    crop('.', '--no_faces', '--keep_duplicates', '-o', 'Y.npy', '--size', 7)
    np.save('expected.npy', np.load('Y.npy'))
    assert (tmp_path / 'Y.npy').read_bytes() == (tmp_path / 'expected.npy').read_bytes()
    assert len(arrays.read_pictures('Y.npy')) == 12
    tables.read_table('Y.csv', 12)
    assert (tmp_path / 'Y.csv').read_text().startswith(
        'row,source,frame,time,x,y,w,h,group,confidence,sharpness,kind,margin\n'
        '0,0.png,0,,0,0,60,40,s0t0,,0.0,picture,0\n')


def test_colours_are_rgb_and_the_channels_come_first(crop, tmp_path):
    Image.fromarray(np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [9, 9, 9]]], 'u1')
                    ).resize((40, 40), Image.NEAREST).save(tmp_path / 'a.png')
    crop('a.png', '--no_faces', '--keep_duplicates', '--size', 20)
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
    out, _, _ = crop('0.png', '1.png', '2.png', '--no_faces',
                     '--keep_duplicates', '--crops', 'crops')
    assert out.rstrip().endswith('X.csv, crops')
    assert sorted(os.listdir('crops')) == ['00000.png', '00001.png', '00002.png']
    X, _ = read()
    for row in range(3):
        with Image.open('crops/0000{}.png'.format(row)) as img:
            np.testing.assert_array_equal(np.asarray(img).transpose(2, 0, 1), X[row])


def test_large_crops_are_small_on_the_sheet(crop, tmp_path):
    Image.fromarray(scene((120, 0, 80), size=(160, 80))).save(tmp_path / 'a.png')
    crop('a.png', '--no_faces', '--keep_duplicates', '--size', 500, '--sheet', 'sheet.png')
    with Image.open('sheet.png') as sheet:
        assert sheet.size == (24 + 80 + 24, 24 + 80 + 18 + 24)
        assert sheet.getpixel((24 + 50, 64)) == NIGHT
        assert sheet.getpixel((24 + 70, 64)) == SKIN


# Crops

def test_margin_reaches_the_crop_but_not_the_table(crop, tmp_path):
    Image.fromarray(scene((150, 110, 24), size=(320, 240))).save(tmp_path / 'a.png')
    options = ['a.png', '--cascade', 'small.xml', '--min_neighbors', 1, '--per_track', 1,
               '--min_sharpness', 0, '--force']
    bright, boxes = [], []
    for margin in 0, .5:
        crop(*options, '--margin', margin)
        X, (row,) = read()
        bright.append((X[0, 0] > 150).mean())
        boxes.append([row[name] for name in 'xywh'])
    assert boxes[0] == boxes[1]
    assert bright[0] == pytest.approx(4 * bright[1], rel=.2)  # half of the side


def test_whole_pictures_are_the_box(crop, tmp_path):
    save_picture(tmp_path / 'a.png', size=(60, 40))
    out, _, _ = crop('a.png', '--no_faces', '--keep_duplicates', '--margin', 1)
    X, (row,) = read()
    assert out.startswith('1 picture from 1 picture in')
    assert [row[name] for name in 'xywh'] == ['0', '0', '60', '40']
    assert colour_of(X[0]) == list(SKIN)


def test_the_options_reach_the_search(crop, tmp_path, monkeypatch):
    def find_faces(paths, folder, **options):
        given.update(options, paths=paths, folder=folder)
        raise InputError('enough')

    given = {}
    monkeypatch.setattr(cropping, 'find_faces', find_faces)
    save_picture(tmp_path / 'a.png')
    assert crop('a.png', '--cascade', 'small.xml', '--scale_factor', 1.3, '--min_neighbors', 2,
                '--min_size', 50, '--long_side', 700, '--every', 3)[2] == 1
    assert given['search'] == Search('small.xml', 1.3, 2, 50, 700)
    assert (given['paths'], given['folder'], given['every']) == (['a.png'], 'X.part', 3)


# Videos, pictures and folders

def test_faces_of_a_video_are_found(crop, tmp_path):
    frames = [scene()] * 12 + [scene((40, 30, 32))] * 24
    save_video(tmp_path / 'a.mp4', frames)
    crop('a.mp4', '--cascade', 'small.xml', '--min_neighbors', 1, '--keep_duplicates')
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
    assert err == ('crop_faces.py: error: no face in 8 frames of 1 video: every frame is blank, of '
                   'a single colour; check that the file shows a picture elsewhere\n')
    assert sorted(os.listdir('.')) == files_before


def test_progress_is_shown_on_a_terminal(root, tmp_path):
    fcntl, termios = pytest.importorskip('fcntl'), pytest.importorskip('termios')
    save_video(tmp_path / 'a.mp4', count_up(30))
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('4H', 24, 80, 0, 0))
    command = [sys.executable, str(root / 'crop_faces.py'), 'a.mp4', '--no_faces']
    subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=theirs, check=True)
    os.close(theirs)
    assert b' frames/s' in os.read(ours, 10000)
    os.close(ours)


def test_sources_are_read_in_the_order_given(crop, tmp_path):
    (tmp_path / 'folder').mkdir()
    for name in ['b.png', 'a.png', 'folder/c.png']:
        save_picture(tmp_path / name)
    save_video(tmp_path / 'v.mp4', count_up(2))
    out, _, _ = crop('folder', 'v.mp4', 'b.png', 'a.png', '--no_faces',
                     '--keep_duplicates', '--every', 1)
    _, rows = read()
    assert [row['source'] for row in rows] == [
        os.path.join('folder', 'c.png'), 'v.mp4', 'v.mp4', 'b.png', 'a.png']
    assert [row['row'] for row in rows] == ['0', '1', '2', '3', '4']
    assert out.startswith('5 pictures from 2 frames of 1 video and 3 pictures in')


def test_our_own_outputs_are_not_read(crop, tmp_path):
    save_picture(tmp_path / 'a.png')
    for _ in range(2):
        out, _, _ = crop('.', '--no_faces',
                         '--keep_duplicates', '--force', '--crops', 'c', '--sheet', 'sheet.png')
        assert out.startswith('1 picture from 1 picture in')


def test_names_in_any_script_are_read_and_written(crop, tmp_path):
    folder = tmp_path / '表紙 ünï'
    folder.mkdir()
    save_picture(folder / '絵.jpg')
    save_video(tmp_path / 'a.mp4', count_up(5)).rename(folder / '動画.mp4')
    (tmp_path / 'small.xml').rename(folder / 'カスケード.xml')
    _, err, status = crop(folder.name, '--no_faces', '--keep_duplicates', '-o', folder / '顔.npy',
                          '--crops', folder / '切', '--sheet', folder / '紙.png')
    assert (err, status) == ('1 file skipped: neither pictures nor videos\n', 0)
    _, rows = read(str(folder / '顔.npy'))
    assert [row['source'] for row in rows] == [os.path.join(folder.name, name)
                                               for name in ('動画.mp4', '絵.jpg')]
    assert (folder / '切' / '00001.png').exists() and (folder / '紙.png').exists()
    assert read_cascade(str(folder / 'カスケード.xml'))


# What a person made

@pytest.mark.parametrize('there, options, words', [
    ('X.npy', [], 'X.npy exists already, and ratings may refer to its rows; choose another name '
                  'with --output, or overwrite it with --force'),
    ('X.csv', [], 'X.csv exists already'),
    ('sheet.png', ['--sheet', 'sheet.png'], 'sheet.png exists already; choose another name with '
                                            '--sheet'),
    ('crops/00000.png', ['--crops', 'crops'], 'crops: there are crops of an earlier run in it'),
])
def test_nothing_is_overwritten_without_force(crop, tmp_path, there, options, words):
    save_picture(tmp_path / 'a.png')
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_text('mine')
    _, err, status = crop('nothing.png', '--no_faces',
                          '--keep_duplicates', *options)  # before any other check
    assert words in err and '--force' in err and status == 1
    assert (tmp_path / there).read_text() == 'mine'
    _, err, status = crop('a.png', '--no_faces', '--keep_duplicates', '--force', *options)
    assert (err, status) == ('', 0)
    assert (tmp_path / there).read_bytes() != b'mine'


def test_force_replaces_all_crops_of_an_earlier_run(crop, tmp_path):
    for i in range(3):
        save_picture(tmp_path / '{}.png'.format(i))
    crop('0.png', '1.png', '2.png', '--no_faces', '--keep_duplicates', '--crops', 'crops')
    (tmp_path / 'crops' / 'notes.txt').write_text('mine')
    crop('0.png', '--no_faces', '--keep_duplicates', '--crops', 'crops', '--force')
    assert sorted(os.listdir('crops')) == ['00000.png', 'notes.txt']


@pytest.mark.parametrize('options, words', [
    (['--crops', 'a.png'], 'a.png: expected a folder for --crops, got a file'),
    (['--crops', 'no/crops'], 'no/crops: there is no folder'),
    (['--sheet', 'no/sheet.png'], 'no/sheet.png: there is no folder'),
    (['-o', 'no/X.npy'], 'no/X.npy: there is no folder'),
])
def test_places_to_write_are_checked_before_any_work(crop, tmp_path, options, words):
    save_picture(tmp_path / 'a.png')
    _, err, status = crop('a.png', '--no_faces', '--keep_duplicates', *options)
    assert words in err and status == 1 and not os.path.exists('X.npy')


def test_an_interruption_leaves_everything_as_it_was_and_can_be_resumed(crop, tmp_path,
                                                                        monkeypatch):
    def detect(img):
        if detect.calls == detect.last:
            signal.raise_signal(signal.SIGINT)  # Ctrl-C
        detect.calls += 1
        return [Finding((0, 0, 30, 30), 5.)]

    detect.calls, detect.last = 0, 5
    save_video(tmp_path / 'a.mp4', count_up(60))
    (tmp_path / 'X.npy').write_text('mine')
    (tmp_path / 'X.csv').write_text('mine')
    files_before = sorted(os.listdir('.'))
    monkeypatch.setattr(crops, 'whole_picture', detect)
    options = ['a.mp4', '--no_faces', '--keep_duplicates', '--force', '--threads', 1]
    out, err, status = crop(*options)
    assert (out, status) == ('', 130)
    assert err == ('crop_faces.py: error: interrupted; to continue, repeat the command with '
                   '--resume\n')
    assert sorted(os.listdir('.')) == sorted([*files_before, 'X.part'])
    assert (tmp_path / 'X.npy').read_text() == (tmp_path / 'X.csv').read_text() == 'mine'

    detect.calls, detect.last = 0, None
    assert crop(*options, '--resume')[2] == 0
    assert detect.calls < 10 and not (tmp_path / 'X.part').exists()
    resumed = (tmp_path / 'X.npy').read_bytes(), (tmp_path / 'X.csv').read_bytes()
    assert crop(*options)[2] == 0
    assert resumed == ((tmp_path / 'X.npy').read_bytes(), (tmp_path / 'X.csv').read_bytes())


# The cascade and OpenCV

def test_without_a_cascade_it_is_said_what_is_missing(crop, tmp_path, monkeypatch):
    monkeypatch.setattr(detector, 'find_default_cascade', lambda: 'none.xml')
    save_picture(tmp_path / 'a.png')
    for options in [], ['--cascade', 'none.xml']:
        _, err, status = crop('a.png', *options)
        assert re.fullmatch(
            r'crop_faces.py: error: (.*[/\\])?none\.xml: there is no such cascade; choose another '
            r'with --cascade, such as the classic lbpcascade_animeface\.xml from https://\S+, or '
            r'use whole pictures with --no_faces\n', err)
        assert status == 1
    assert crop('a.png', '--no_faces', '--keep_duplicates')[2] == 0


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
                   '--sheet', '--no_faces', '--keep_duplicates', '--force']:
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


# What is not to be written over

def test_dropped_never_writes_among_the_pictures(crop, tmp_path):
    (tmp_path / 'mine').mkdir()
    for name in 'a.png', 'b.png', 'duplicate.png':
        save_picture(tmp_path / 'mine' / name)
    before = (tmp_path / 'mine' / 'duplicate.png').read_bytes()
    for options in ['--dropped', 'mine', '--force'], ['--dropped', 'mine']:
        _, err, status = crop('mine', '--no_faces', *options)
        assert status == 1 and 'mine: ' in err and not os.path.exists('X.npy')
        assert (tmp_path / 'mine' / 'duplicate.png').read_bytes() == before


@pytest.mark.parametrize('options', [
    ['--review', 'a.png', '--drop', '0', '--ratings', 'a.png'],
    ['--review', 'a.png', '--drop', '0', '--ratings', './a.png'],
])
def test_a_review_is_not_drawn_over_what_is_read(crop, tmp_path, options):
    for seed in range(2):
        save_blots(f'{seed}.png', seed)
    crop('0.png', '1.png', '--no_faces')
    (tmp_path / options[1]).write_text('1\n2\n')
    _, err, status = crop(*options)
    assert status == 1 and 'choose another name' in err
    assert len(np.load('X.npy')) == 2 and (tmp_path / options[1]).read_text() == '1\n2\n'


# With real pictures

def portraits(real_data, step):
    return [cv2.imread(str(path))
            for path in sorted((real_data / 'anime_portraits').iterdir())[::step]]


def test_the_classic_cascade_serves_as_well(real_data):
    detect = FaceDetector(Search(str(real_data / CLASSIC), min_neighbors=5))
    found = [detect(img) for img in portraits(real_data, 30)]
    assert len(found) == 20 and sum(len(faces) == 1 for faces in found) >= 15
    assert all(face.confidence is None for faces in found for face in faces)


def test_ours_finds_more_of_the_faces_in_a_real_video(crop, real_data):
    _, err, status = crop(real_data / 'clips' / 'anime_1080p.mp4', '--fps', 1, '--keep_duplicates')
    _, rows = read()
    assert (err, status) == ('', 0)
    # One woman and another take turns from frame 35 on; the second is in shadow, in profile.
    assert [int(row['frame']) for row in rows] == list(range(48, 456, 24))
    assert all(400 < int(row['w']) < 1100 for row in rows)


def test_ours_finds_one_face_in_nearly_every_portrait(real_data):
    detect = FaceDetector()
    found = [len(detect(img)) for img in portraits(real_data, 30)]
    assert len(found) == 20 and found.count(1) >= 19


@pytest.mark.parametrize('width, height, side', [(800, 9600, 640), (8000, 500, 400)])
def test_ours_finds_all_faces_of_a_webtoon_page_and_a_panorama(real_data, width, height, side):
    page, places = np.full((height, width, 3), 230, np.uint8), []
    for i, img in enumerate(portraits(real_data, 50)):
        x, y = (80, 800 * i + 80) if height > width else (660 * i, 50)
        page[y:y + side, x:x + side] = cv2.resize(img, (side, side))
        places.append((x, y))
    found = [finding.box for finding in FaceDetector()(page)]
    assert len(places) == 12 and 12 <= len(found) <= 13
    for x, y in places:
        assert any(x < left + w / 2 < x + side and y < top + h / 2 < y + side
                   for left, top, w, h in found)


def test_a_real_video_without_a_face(crop, real_data):
    _, err, status = crop(real_data / 'clips' / 'no_face.mp4', '--every', 24)
    assert 'no face in 10 frames of 1 video: ' in err and status == 1


def test_the_pictures_themselves_are_never_replaced_by_crops(crop, tmp_path):
    (tmp_path / 'frames').mkdir()
    for name in '00000.png', '00001.png':  # as ffmpeg names them
        save_picture(str(tmp_path / 'frames' / name))
    before = (tmp_path / 'frames' / '00001.png').read_bytes()
    _, err, status = crop('frames', '--no_faces',
                          '--keep_duplicates', '--crops', 'frames', '--force')
    assert status == 1 and '--crops would replace pictures in this folder' in err
    assert (tmp_path / 'frames' / '00001.png').read_bytes() == before
    _, err, status = crop('frames/00000.png', '--no_faces',
                          '--keep_duplicates', '--sheet', 'frames/00000.png',
                          '--force')
    assert status == 1 and '--sheet would overwrite what source reads' in err


def test_pictures_and_table_are_moved_together_or_not_at_all(crop, tmp_path, monkeypatch):
    save_picture('a.png')
    save_picture('b.png')
    assert crop('a.png', '--no_faces', '--keep_duplicates')[2] == 0
    before = (tmp_path / 'X.npy').read_bytes(), (tmp_path / 'X.csv').read_bytes()
    replace = os.replace

    def fail(source, target):
        if str(target).endswith('.npy'):
            raise OSError(28, 'No space left on device', source, None, target)
        replace(source, target)

    monkeypatch.setattr(os, 'replace', fail)
    _, err, status = crop('a.png', 'b.png', '--no_faces', '--keep_duplicates', '--force')
    assert status == 1 and err.startswith(
        'crop_faces.py: error: X.npy: No space left on device; free some space')
    assert before == ((tmp_path / 'X.npy').read_bytes(), (tmp_path / 'X.csv').read_bytes())


# Which faces are kept

def blots(seed, size=(160, 120)):
    """A picture that no other seed draws."""
    rng = np.random.default_rng(seed)
    return np.kron(rng.integers(0, 256, (15, 20, 3)), np.ones((8, 8, 1))).astype(np.uint8)


def save_blots(path, seed, contrast=1):
    Image.fromarray((128 + (blots(seed) - 128.) * contrast).astype(np.uint8)).save(path)


def test_near_duplicates_are_dropped_counted_and_drawn(crop, tmp_path):
    for i, (seed, contrast) in enumerate([(1, .9), (2, 1), (1, .95), (3, 1), (1, 1)]):
        save_blots('{}.png'.format(i), seed, contrast)
    out, err, status = crop('.', '--no_faces', '--dropped', 'out')
    assert (err, status) == ('1 file skipped: neither pictures nor videos\n', 0)
    assert out.splitlines()[0].startswith('3 pictures from 5 pictures in')
    assert out.splitlines()[1] == 'dropped: 2 duplicate'
    assert os.listdir('out') == ['duplicate.png']
    X, rows = read()
    assert [row['source'] for row in rows] == ['1.png', '3.png', '4.png']
    assert [row['group'] for row in rows] == ['s1t0', 's3t0', 's4t0']


def test_the_best_of_each_track_are_kept(crop, tmp_path):
    moving = [scene((30 + 4 * i, 30, 32), colour=(250, 200 - 20 * i, 100)) for i in range(4)]
    save_video(tmp_path / 'a.mp4', np.repeat(moving, 6, axis=0))
    options = ['a.mp4', '--cascade', 'small.xml', '--min_neighbors', 1, '--keep_duplicates']
    crop(*options)
    _, all_rows = read()
    assert len(all_rows) >= 4 and len({row['group'] for row in all_rows}) < len(all_rows)
    crop(*options, '--per_track', 1, '--force')
    _, rows = read()
    groups = [row['group'] for row in rows]
    assert len(set(groups)) == len(groups) == len({row['group'] for row in all_rows})


def test_nothing_that_is_good_enough_is_said(crop, tmp_path):
    save_picture('a.png')
    _, err, status = crop('a.png', '--no_faces', '--min_sharpness', 5)
    assert (err, status) == (
        'crop_faces.py: error: none of 1 face is kept: 1 blurred (sharpness under 5, the best has '
        '0.0; see --min_sharpness); with --resume, the faces need not be searched again\n', 1)
    assert not (tmp_path / 'X.npy').exists()


# A set that is there

def test_more_pictures_are_added_behind_those_that_are_there(crop, tmp_path):
    for seed in range(5):
        save_blots('{}.png'.format(seed), seed)
    crop('0.png', '1.png', '--no_faces')
    before = np.load('X.npy')
    (tmp_path / 'ratings.txt').write_text('4\n# mine\n2')
    out, err, status = crop('1.png', '2.png', '3.png', '--no_faces', '--append', '--ratings',
                            'ratings.txt')
    assert (err, status) == ('', 0)
    assert out.startswith('2 more pictures from 3 pictures in') and '1 duplicate' in out
    X, rows = read()
    np.testing.assert_array_equal(X[:2], before)
    assert [row['source'] for row in rows] == ['0.png', '1.png', '2.png', '3.png']
    assert [row['row'] for row in rows] == ['0', '1', '2', '3']
    assert len({row['group'] for row in rows}) == 4
    assert (tmp_path / 'ratings.txt').read_text() == '4\n# mine\n2\nnan\nnan\n'


def test_ratings_that_would_be_too_few_are_asked_for(crop, tmp_path):
    for seed in range(2):
        save_blots('{}.png'.format(seed), seed)
    (tmp_path / 'ratings.txt').write_text('4\n')
    assert crop('0.png', '--no_faces', '--append')[2] == 0  # there are no rows yet
    _, err, status = crop('1.png', '--no_faces', '--append')
    assert status == 1 and err.endswith(
        'ratings.txt: has a rating for each of the 1 picture and would no longer fit; update it '
        'as well with --ratings ratings.txt, or move it away\n')
    assert len(np.load('X.npy')) == 1
    (tmp_path / 'ratings.txt').write_text('4\n5\n')  # of something else
    assert crop('1.png', '--no_faces', '--append')[2] == 0


def test_what_is_not_there_is_begun(crop):
    save_picture('a.png')
    assert crop('a.png', '--no_faces', '--append')[2] == 0
    assert len(read()[1]) == 1


@pytest.mark.parametrize('prepare, words', [
    (lambda: np.save('X.npy', np.zeros((2, 3, 30, 30), np.uint8)), 'expected pictures of 80 x 80'),
    (lambda: np.save('X.npy', np.zeros((2, 3, 80, 80))), 'expected uint8 pictures to add to'),
    (lambda: open('ratings.txt', 'w').close(), 'ratings.txt: expected 1 ratings'),
])
def test_a_set_that_does_not_fit_is_left_as_it_is(crop, tmp_path, prepare, words):
    save_picture('a.png')
    crop('a.png', '--no_faces')
    (tmp_path / 'ratings.txt').write_text('3\n')
    prepare()
    before = (tmp_path / 'X.npy').read_bytes()
    save_blots('b.png', 1)
    _, err, status = crop('b.png', '--no_faces', '--append', '--ratings', 'ratings.txt')
    assert status == 1 and words in err
    assert (tmp_path / 'X.npy').read_bytes() == before


def test_a_set_is_looked_through_and_rows_are_dropped(crop, tmp_path):
    for seed in range(6):
        save_blots('{}.png'.format(seed), seed)
    crop('.', '--no_faces')
    (tmp_path / 'ratings.txt').write_text('0\n1\n2\n3\n4\n5\n')
    out, _, status = crop('--review', 'sheet.png')
    assert (out, status) == ('6 pictures -> sheet.png\n', 0)
    before = np.load('X.npy')
    _, err, status = crop('--drop', '0,3-4')
    assert status == 1 and 'ratings.txt: has a rating for each of the 6 pictures and' in err
    np.testing.assert_array_equal(np.load('X.npy'), before)
    out, _, status = crop('--drop', '0,3-4', '--ratings', 'ratings.txt', '--review', 'again.png')
    assert (out, status) == ('3 pictures removed, 3 left -> X.npy, ratings.txt, again.png\n', 0)
    X, rows = read()
    np.testing.assert_array_equal(X, before[[1, 2, 5]])
    assert [row['source'] for row in rows] == ['1.png', '2.png', '5.png']
    assert [row['row'] for row in rows] == ['0', '1', '2']
    assert (tmp_path / 'ratings.txt').read_text() == '1\n2\n5\n'
    _, err, status = crop('--drop', '3', '--force')
    assert status == 1 and 'X.npy: expected rows from 0 to 2, got 3' in err
    assert crop('--drop', '0', '--force')[2] == 0 and len(np.load('X.npy')) == 2
    assert crop('--drop', '0')[2] == 0  # the ratings are of something else by now


# What may happen in between

STEPS = st.lists(st.one_of(
    st.tuples(st.just('append'), st.lists(st.integers(0, 9), min_size=1, max_size=3)),
    st.tuples(st.just('drop'), st.sets(st.integers(0, 9), min_size=1, max_size=3)),
    st.tuples(st.just('rate'), st.integers(0, 9))), min_size=1, max_size=6)


@hypothesis.settings(max_examples=12, deadline=None)
@hypothesis.given(STEPS)
def test_pictures_table_and_ratings_stay_in_step(steps):
    """Whatever is added, dropped and rated, each row is of one picture."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for seed in range(10):
            save_blots('{}.png'.format(seed), seed)
        crop_faces.main(['0.png', '--no_faces'])
        X, _ = read()
        pathlib.Path('ratings.txt').write_text('nan\n')
        rows = {0: 'nan'}  # what should be there: ratings of pictures, in order
        for step, value in steps:
            if step == 'append':
                new = [seed for seed in value if seed not in rows]
                if new:
                    crop_faces.main(['{}.png'.format(seed) for seed in value] + [
                        '--no_faces', '--append', '--ratings', 'ratings.txt'])
                    rows.update((seed, 'nan') for seed in value if seed not in rows)
            elif step == 'drop':
                wanted = {row for row in value if row < len(rows)}
                if wanted and len(wanted) < len(rows):
                    crop_faces.main(['--drop', ','.join(map(str, wanted)), '--ratings',
                                     'ratings.txt'])
                    rows = dict(item for row, item in enumerate(rows.items())
                                if row not in wanted)
            else:
                seed = list(rows)[value % len(rows)]
                rows[seed] = '{}'.format(seed)
                pathlib.Path('ratings.txt').write_text(''.join(r + '\n' for r in rows.values()))
            X, table = read()
            assert [row['source'] for row in table] == ['{}.png'.format(seed) for seed in rows]
            assert [row['row'] for row in table] == [str(row) for row in range(len(rows))]
            assert pathlib.Path('ratings.txt').read_text().split() == list(rows.values())
            for x, seed in zip(X, rows):
                np.testing.assert_array_equal(x, crops.crop_box(
                    blots(seed)[:, :, ::-1], (0, 0, 160, 120), 80))


@pytest.mark.skipif(sys.platform == 'win32', reason='has no kill -9')
def test_a_killed_run_leaves_what_was_there_and_can_be_gone_on_with(root, crop, tmp_path):
    rng = np.random.default_rng(0)
    save_video(tmp_path / 'a.avi', rng.integers(0, 256, (250, 60, 80, 3), np.uint8), codec='MJPG')
    options = ['a.avi', '--no_faces', '--every', '1', '--append', '--ratings', 'ratings.txt']
    save_blots('b.png', 1)
    crop('b.png', '--no_faces')
    (tmp_path / 'ratings.txt').write_text('3\n')
    before = {name: (tmp_path / name).read_bytes() for name in ('X.npy', 'X.csv', 'ratings.txt')}
    process = subprocess.Popen([sys.executable, root / 'crop_faces.py', *options], cwd=tmp_path,
                               stdout=subprocess.DEVNULL)
    found = tmp_path / 'X.part' / 'faces.csv'
    while not (found.exists() and len(found.read_bytes().splitlines()) > 20):
        assert process.poll() is None
        time.sleep(.002)
    process.kill()
    process.wait()
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    n = len(found.read_bytes().splitlines())
    assert n < 250
    out, err, status = crop(*options, '--resume')
    assert (err, status) == ('', 0) and not found.exists()
    whole = {name: (tmp_path / name).read_bytes() for name in before}
    for name in before:
        (tmp_path / name).write_bytes(before[name])
    crop(*options)
    assert {name: (tmp_path / name).read_bytes() for name in before} == whole
    assert len(np.load('X.npy')) == 251 == len((tmp_path / 'ratings.txt').read_text().split())
