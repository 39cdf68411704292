import csv
import io
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
import tqdm
from PIL import Image

import crop_faces
import files

SKIN, NIGHT = (250, 200, 100), (10, 20, 40)  # RGB: what the small cascade calls a face, and no face
CLASSIC = 'lbpcascade_animeface.xml'

# One weak classifier of one LBP feature: a square that is brighter than all around it.
CASCADE = """<?xml version="1.0"?>
<opencv_storage><cascade>
  <stageType>BOOST</stageType><featureType>LBP</featureType>
  <height>24</height><width>24</width>
  <stageParams><maxWeakCount>1</maxWeakCount></stageParams>
  <featureParams><maxCatCount>256</maxCatCount></featureParams>
  <stageNum>1</stageNum>
  <stages><_><maxWeakCount>1</maxWeakCount><stageThreshold>0.5</stageThreshold>
    <weakClassifiers><_>
      <internalNodes>0 -1 0 1 0 0 0 0 0 0 0</internalNodes><leafValues>1. -1.</leafValues>
    </_></weakClassifiers></_></stages>
  <features><_><rect>0 0 8 8</rect></_></features>
</cascade></opencv_storage>
"""


@pytest.fixture
def crop(tmp_path, monkeypatch, capsys):
    """Run the command in an empty folder; returns its output, error output and status."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('sys.argv', ['crop_faces.py'])
    (tmp_path / 'small.xml').write_text(CASCADE)

    def crop(*args):
        status = 0
        try:
            crop_faces.main([str(arg) for arg in args])
        except SystemExit as e:
            status = e.code
        return (*capsys.readouterr(), status)
    return crop


def read(path='X.npy'):
    """The pictures and the rows of the table."""
    with open(files.table_path(path), newline='', encoding='utf-8') as f:
        return np.load(path), list(csv.DictReader(f))


def save_picture(path, colour=SKIN, size=(60, 40), **options):
    Image.new('RGB', size, colour).save(path, **options)
    return path


def scene(*faces, size=(160, 120), colour=SKIN):
    """A dark picture, HWC, RGB, with bright squares (x, y, side)."""
    img = np.full((size[1], size[0], 3), NIGHT, np.uint8)
    for x, y, side in faces:
        img[y:y + side, x:x + side] = colour
    return img


def save_video(path, frames, fps=24., codec='mp4v'):
    """Write frames, HWC, RGB."""
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[:, :, ::-1]))
    writer.release()
    return path


def count_up(n):
    """Frames that show their number as eight bright or dark bars."""
    bits = np.arange(n)[:, None] >> np.arange(8) & 1
    bars = np.repeat(60 + 130 * bits, 8, axis=1).astype(np.uint8)  # (n, 64)
    return [np.broadcast_to(bar[:, None], (48, 64, 3)) for bar in bars]


def numbers(X):
    """Which frame of :func:`count_up` each picture is."""
    bars = X.reshape(len(X), -1, 8, X.shape[3] // 8).mean((1, 3))
    return ((bars > 125) << np.arange(8)).sum(1).tolist()


def colour_of(picture):
    return picture.mean((1, 2)).round().astype(int).tolist()


def near(colour, tolerance=4):
    return pytest.approx(colour, abs=tolerance)


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


def test_the_sheet_shows_every_crop_with_its_number(pictures):
    X = pictures[:, :, :16, :]
    sheet, step = crop_faces.contact_sheet(X, columns=5)
    assert step == 1
    img = np.asarray(sheet).transpose(2, 0, 1)
    cell = 20 + 8
    for row in (0, 4, 5, 29):
        line, column = divmod(row, 5)
        left, top = 24 + column * cell, 24 + line * (cell + 18)
        np.testing.assert_array_equal(img[:, top + 2:top + 18, left:left + 20], X[row])
        assert img[:, top + 20:top + 38, left:left + 20].min() < 140  # the number
    assert img[:, :24].min() > 240 and img[:, :, :24].min() > 240


def test_the_sheet_of_very_many_crops_shows_some(monkeypatch, tmp_path, capsys):
    X = np.zeros((70, 3, 4, 4), np.uint8)
    sheet, step = crop_faces.contact_sheet(X, limit=30)
    assert step == 3
    assert sheet.size == crop_faces.contact_sheet(X[:24])[0].size
    monkeypatch.setattr(crop_faces, 'contact_sheet', lambda X: (sheet, step))
    crop_faces.save_sheet(X, str(tmp_path / 'sheet.png'))
    assert 'shows one of 3 crops; there are 70' in capsys.readouterr().err


def test_large_crops_are_small_on_the_sheet(crop, tmp_path):
    Image.fromarray(scene((120, 0, 80), size=(160, 80))).save(tmp_path / 'a.png')
    crop('a.png', '--no_faces', '--size', 500, '--sheet', 'sheet.png')
    with Image.open('sheet.png') as sheet:
        assert sheet.size == (24 + 80 + 24, 24 + 80 + 18 + 24)
        assert sheet.getpixel((24 + 50, 64)) == NIGHT
        assert sheet.getpixel((24 + 70, 64)) == SKIN


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


def test_the_search_is_the_classic_one(tmp_path, monkeypatch):
    class Cascade:
        def detectMultiScale(self, gray, **options):
            self.gray, self.options = gray, options
            return np.array([[30, 1, 9, 9], [4, 50, 9, 9]], np.int32)

    cascade = Cascade()
    monkeypatch.setattr(crop_faces, 'read_cascade', lambda path: cascade)
    img = np.random.default_rng(0).integers(40, 90, (60, 50, 3), np.uint8)
    boxes = crop_faces.face_detector('some.xml')(img)
    assert boxes == [(4, 50, 9, 9), (30, 1, 9, 9)]
    assert cascade.options == {'scaleFactor': 1.1, 'minNeighbors': 5, 'minSize': (24, 24)}
    np.testing.assert_array_equal(
        cascade.gray, cv2.equalizeHist(cv2.cvtColor(img, cv2.COLOR_BGR2GRAY)))


def test_the_options_reach_the_search(crop, tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(crop_faces, 'face_detector',
                        lambda *args: given.extend(args) or crop_faces.whole_picture)
    save_picture(tmp_path / 'a.png')
    crop('a.png', '--cascade', 'c.xml', '--scale_factor', 1.3, '--min_neighbors', 2,
         '--min_size', 50)
    assert given == ['c.xml', 1.3, 2, 50]


# Videos

def taken(slot, times):
    """Which frames a slot function takes."""
    slots = [slot(i, t) for i, t in enumerate(times)]
    return [i for i, s in enumerate(slots) if i == 0 or s != slots[i - 1]]


def test_every_nth_frame_is_taken():
    assert taken(crop_faces.every_nth(10), np.arange(35) / 24) == [0, 10, 20, 30]
    assert taken(crop_faces.every_nth(1), np.arange(3) / 24) == [0, 1, 2]


def test_frames_are_taken_at_exact_times_without_drift():
    times = np.arange(24 * 3600) / 24  # an hour
    assert taken(crop_faces.per_second(1), times) == list(range(0, 24 * 3600, 24))
    assert taken(crop_faces.per_second(3), times.round(3)) == list(range(0, 24 * 3600, 8))
    assert taken(crop_faces.per_second(.5), times) == list(range(0, 24 * 3600, 48))


@pytest.mark.parametrize('fps, rate, frames', [
    (1, 24000 / 1001, [0, 24, 48, 72]), (4, 24000 / 1001, [0, 6, 12, 18]), (10, 25, [0, 3, 5, 8]),
    (4, 30, [0, 8, 15, 23]), (24, 24, [0, 1, 2, 3]), (60, 24, [0, 1, 2, 3]),
])
def test_the_first_frame_at_or_after_a_time_is_taken(fps, rate, frames):
    times = np.arange(100) / rate
    for stamps in times, times.round(3):  # as in MP4, and in Matroska
        assert taken(crop_faces.per_second(fps), stamps)[:4] == frames


def test_frames_of_varying_length_are_taken_by_their_times():
    assert taken(crop_faces.per_second(1), [0, .1, .2, 5.5, 5.6, 6.2]) == [0, 3, 5]


@pytest.mark.parametrize('name, codec', [('a.mp4', 'mp4v'), ('a.avi', 'MJPG'), ('a.mkv', 'mp4v')])
@pytest.mark.parametrize('options, frames', [
    (['--fps', 1], [0, 24, 48]), (['--fps', 3], [0, 8, 16, 24, 32, 40, 48]),
    (['--every', 20], [0, 20, 40]), ([], [0, 6, 12, 18, 24, 30, 36, 42, 48]),
])
def test_the_frames_asked_for_are_taken(crop, tmp_path, name, codec, options, frames):
    save_video(tmp_path / name, count_up(50), codec=codec)
    out, err, _ = crop(name, '--no_faces', *options)
    X, rows = read()
    assert [int(row['frame']) for row in rows] == frames
    assert numbers(X) == frames
    assert [row['time'] for row in rows] == ['{:.3f}'.format(i / 24) for i in frames]
    assert 'from {} frames of 1 video in'.format(len(frames)) in out and err == ''


def test_faces_of_a_video_are_found(crop, tmp_path):
    frames = [scene()] * 12 + [scene((40, 30, 32))] * 24
    save_video(tmp_path / 'a.mp4', frames)
    crop('a.mp4', '--cascade', 'small.xml', '--min_neighbors', 1)
    X, rows = read()
    assert {int(row['frame']) for row in rows} == {12, 18, 24, 30}
    assert rows[0]['time'] == '0.500'
    assert colour_of(X[0, :, 35:45, 35:45]) == near(SKIN, 20)  # RGB, but for the codec


class FakeCapture:
    def __init__(self, stamps, rate=25):
        self.stamps, self.rate = list(stamps), rate

    def grab(self):
        if not self.stamps:
            return False
        self.stamp = self.stamps.pop(0)
        return True

    def get(self, prop):
        return self.rate if prop == cv2.CAP_PROP_FPS else self.stamp


@pytest.mark.parametrize('stamps, rate, times', [
    ([0, 40, 80], 25, [0, .04, .08]),
    ([40, 80, 120], 25, [0, .04, .08]),       # counted from the first frame
    ([0, 0, 0], 25, [0, .04, .08]),           # no times in the container
    ([0, 0, 0], 0, [0, .04, .08]),            # nor a rate
    ([0, 40, -5000, 120], 25, [0, .04, .08, .12]),
])
def test_times_always_go_on(stamps, rate, times):
    assert list(crop_faces._grab(FakeCapture(stamps, rate))) == pytest.approx(times)


def test_an_animated_gif_is_a_video(crop, tmp_path):
    frames = [Image.new('RGB', (60, 40), colour) for colour in ('red', 'lime', 'blue')]
    frames[0].save(tmp_path / 'a.gif', save_all=True, append_images=frames[1:], duration=100)
    crop('a.gif', '--no_faces', '--every', 1)
    X, rows = read()
    assert [row['time'] for row in rows] == ['0.000', '0.100', '0.200']
    assert [colour_of(x) for x in X] == [near([255, 0, 0]), near([0, 255, 0]), near([0, 0, 255])]


def test_a_video_cut_short_is_used_and_said(crop, tmp_path):
    whole = save_video(tmp_path / 'whole.avi', count_up(100), codec='MJPG').read_bytes()
    (tmp_path / 'a.avi').write_bytes(whole[:len(whole) // 2])
    _, err, status = crop('a.avi', '--no_faces', '--every', 10)
    X, rows = read()
    assert status == 0 and numbers(X) == [0, 10, 20, 30, 40]
    assert re.fullmatch(r'a\.avi: 4\d of 100 frames could be read; the video is cut short or '
                        r'damaged\n', err)


def test_a_damaged_video_is_used_as_far_as_it_goes(run, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 48, 64, 3), np.uint8)
    data = bytearray(save_video(tmp_path / 'a.mp4', noise).read_bytes())
    for i in range(len(data) // 3, len(data) // 2, 50):
        data[i] ^= 255
    (tmp_path / 'a.mp4').write_bytes(data)
    result = run('crop_faces.py', 'a.mp4', '--no_faces', '--every', 1)
    assert result.returncode == 0
    assert 'FFmpeg' not in result.stderr and '@ 0x' not in result.stderr
    assert len(np.load(tmp_path / 'X.npy')) > 10


def test_a_video_that_opens_but_has_no_frame_is_an_error(crop, tmp_path, monkeypatch):
    class EmptyCapture(FakeCapture):
        def isOpened(self):
            return True

        def get(self, prop):
            return -2. ** 63  # as OpenCV has it for the frames of an animated WebP

        def release(self):
            pass

    monkeypatch.setattr(cv2, 'VideoCapture', lambda path: EmptyCapture([]))
    (tmp_path / 'a.mp4').touch()
    _, err, status = crop('a.mp4', '--no_faces')
    assert 'a.mp4: expected a video, got something that OpenCV cannot read' in err and status == 1


@pytest.mark.skipif(sys.platform == 'win32', reason='no such names')
def test_a_colon_in_a_name_is_no_protocol(crop, tmp_path):
    save_video(tmp_path / 'a.mp4', count_up(2)).rename(tmp_path / 'file:b.mp4')
    save_video(tmp_path / 'a.mp4', count_up(2)).rename(tmp_path / 'https:b.mp4')
    out, err, _ = crop('file:b.mp4', 'https:b.mp4', '--no_faces')
    assert out.startswith('2 pictures from 2 frames of 2 videos in') and err == ''


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


def test_progress_counts_every_frame(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_picture('a.png')
    save_video('b.mp4', count_up(30))
    with tqdm.tqdm(total=2, file=io.StringIO()) as bar:
        reader = crop_faces.FrameReader(['a.png', 'b.mp4'], crop_faces.every_nth(10), bar)
        assert [frame.index for frame in reader] == [0, 0, 10, 20]
        assert (bar.n, bar.total) == (31, 31)
    assert reader.describe() == '3 frames of 1 video and 1 picture'


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


# Pictures

@pytest.mark.parametrize('mode, colour, expected', [
    ('RGB', (10, 20, 30), (10, 20, 30)),
    ('L', 77, (77, 77, 77)),
    ('1', 1, (255, 255, 255)),
    ('RGBA', (10, 20, 30, 255), (10, 20, 30)),
    ('RGBA', (10, 20, 30, 0), (255, 255, 255)),   # on white
    ('RGBA', (0, 0, 200, 128), (127, 127, 227)),
    ('LA', (0, 51), (204, 204, 204)),
])
@pytest.mark.parametrize('extension', ['png', 'webp', 'tiff'])
def test_pictures_of_all_kinds_are_read(tmp_path, mode, colour, expected, extension):
    path = str(tmp_path / ('a.' + extension))
    Image.new(mode, (6, 4), colour).save(path, lossless=True)
    img = crop_faces.read_picture(path)
    assert img.shape == (4, 6, 3) and img.dtype == np.uint8
    assert img[0, 0, ::-1].tolist() == near(expected, 1)


def test_what_pillow_cannot_read_is_read_without_transparency(tmp_path, monkeypatch):
    def fail(*_):
        raise SyntaxError('broken PNG file')

    Image.new('RGBA', (6, 4), (10, 20, 30, 255)).save(tmp_path / 'a.png')
    monkeypatch.setattr(crop_faces.Image, 'open', fail)
    assert crop_faces.read_picture(str(tmp_path / 'a.png'))[0, 0].tolist() == [30, 20, 10]


def test_palettes_are_read(tmp_path):
    img = Image.new('P', (6, 4), 1)
    img.putpalette([0, 0, 0, 10, 20, 30])
    img.save(tmp_path / 'a.png')
    img.save(tmp_path / 'b.png', transparency=1)
    assert crop_faces.read_picture(str(tmp_path / 'a.png'))[0, 0].tolist() == [30, 20, 10]
    assert crop_faces.read_picture(str(tmp_path / 'b.png'))[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize('extension', ['.png', '.tiff'])
@pytest.mark.parametrize('pixel, expected', [
    ([65535, 0, 32768], [255, 0, 128]),
    ([65535, 0, 32768, 65535], [255, 0, 128]),
    ([65535, 0, 32768, 0], [255, 255, 255]),
    (40000, [156, 156, 156]),
])
def test_16_bits_become_8(tmp_path, pixel, expected, extension):
    img = np.broadcast_to(np.array(pixel, np.uint16), (4, 6, *np.shape(pixel)))
    path = tmp_path / ('a' + extension)
    path.write_bytes(cv2.imencode(extension, np.ascontiguousarray(img))[1].tobytes())
    read = crop_faces.read_picture(str(path))
    assert read.dtype == np.uint8 and read[0, 0].tolist() == near(expected, 1)


@pytest.mark.parametrize('name, mode', [
    ('a.jpg', 'RGB'), ('a.png', 'RGB'), ('a.png', 'RGBA'), ('a.webp', 'RGBA')])
def test_a_picture_is_turned_upright(tmp_path, name, mode):
    img = Image.new(mode, (60, 40), 'black')
    img.paste((255, 0, 0, 255)[:len(mode)], (0, 0, 60, 20))  # red above
    if mode == 'RGBA':
        img.paste((0, 0, 0, 0), (0, 20, 60, 40))             # nothing below
    exif = Image.Exif()
    exif[0x0112] = 6                                         # turn to the right
    img.save(tmp_path / name, exif=exif, quality=95)
    read = crop_faces.read_picture(str(tmp_path / name))
    assert read.shape == (60, 40, 3)
    assert read[30, 35].tolist() == near([0, 0, 255], 8)
    assert read[30, 5].tolist() == near([255] * 3 if mode == 'RGBA' else [0] * 3, 8)


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


@pytest.mark.skipif(sys.platform != 'linux', reason='file names are bytes on Linux only')
def test_a_name_that_is_no_text_is_passed_over(crop, tmp_path):
    save_picture(tmp_path / 'a.png')
    os.link(b'a.png', b'\x83\x65.mp4')
    out, err, status = crop('.', '--no_faces')
    assert status == 0 and out.startswith('1 picture from 1 picture')
    assert err.startswith(r'passed over ./\udc83e.mp4: expected a name in UTF-8; rename it')


# What to read

def test_folders_are_read_in_natural_order(tmp_path):
    for name in ['10.png', '2.PNG', '1.mp4', 'sub/b10.jpg', 'sub/b9.jpg', 'b.txt', '.hidden.png',
                 '.git/a.png', 'crops/00000.png', 'sheet.png']:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    paths, others = crop_faces.find_sources(
        [str(tmp_path)], leave_out=[str(tmp_path / 'crops'), str(tmp_path / 'sheet.png'), None])
    assert [os.path.relpath(path, tmp_path).replace(os.sep, '/') for path in paths] == [
        '1.mp4', '2.PNG', '10.png', 'sub/b9.jpg', 'sub/b10.jpg']
    assert others == 1


def test_our_own_outputs_are_not_read(crop, tmp_path):
    save_picture(tmp_path / 'a.png')
    for _ in range(2):
        out, _, _ = crop('.', '--no_faces', '--force', '--crops', 'c', '--sheet', 'sheet.png')
        assert out.startswith('1 picture from 1 picture in')


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


@pytest.mark.parametrize('source, words', [
    ('nothing.mp4', 'nothing.mp4: there is no such file or folder'),
    ('https://example.org/a.mp4', 'expected a file, got an address on the web; download it first'),
    ('empty', 'empty: there is no picture and no video in it'),
])
def test_sources_are_checked_before_any_work(crop, tmp_path, source, words):
    save_picture(tmp_path / 'a.png')
    (tmp_path / 'empty').mkdir()
    sources = [source] if source == 'empty' else ['a.png', source]
    _, err, status = crop(*sources, '--no_faces')
    assert words in err and err.count('\n') == 1 and status == 1
    assert not os.path.exists('X.npy')


DAMAGED = {
    'empty.png': b'', 'text.jpg': b'hello', 'text.mp4': b'hello', 'empty.mp4': b'',
    'noise.avi': bytes(range(256)) * 50,
}


@pytest.mark.parametrize('name', [*DAMAGED, 'cut.png', 'cut.mp4', 'notes.txt'])
def test_a_damaged_file_alone_is_an_error(run, tmp_path, name):
    save_damaged(tmp_path)
    (tmp_path / 'notes.txt').write_text('hello')
    result = run('crop_faces.py', name, '--no_faces')
    kind = 'picture' if name.endswith(('png', 'jpg')) else 'video'
    assert result.stderr == (
        'crop_faces.py: error: {}: expected a {}, got something that OpenCV cannot read; it may '
        'be damaged or not complete\n'.format(name, kind))
    assert (result.returncode, result.stdout) == (1, '')
    assert not (tmp_path / 'X.npy').exists() and not (tmp_path / 'X.csv').exists()


def test_damaged_files_among_others_are_passed_over(run, tmp_path):
    save_damaged(tmp_path)
    save_picture(tmp_path / 'good.png')
    result = run('crop_faces.py', '.', '--no_faces')
    *lines, last = result.stderr.splitlines()
    assert len(lines) == 7 and all(
        re.fullmatch(r'passed over \./\w+\.\w+: expected a \w+, got something that OpenCV cannot '
                     r'read; it may be damaged or not complete', line) for line in lines)
    assert last == '7 of 8 files could not be read'
    assert result.stdout.startswith('1 picture from 1 picture in') and result.returncode == 0


def test_nothing_but_damaged_files_is_an_error(crop, tmp_path):
    save_damaged(tmp_path)
    _, err, status = crop('.', '--no_faces')
    assert err.endswith('crop_faces.py: error: none of the 7 files could be read\n')
    assert status == 1


def save_damaged(folder):
    for name, data in DAMAGED.items():
        (folder / name).write_bytes(data)
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    data = cv2.imencode('.png', noise)[1].tobytes()
    (folder / 'cut.png').write_bytes(data[:len(data) // 2])
    data = save_video(folder / 'cut.mp4', count_up(20)).read_bytes()
    (folder / 'cut.mp4').write_bytes(data[:len(data) // 2])  # without its index, which comes last


def test_a_file_that_may_not_be_read_is_said(crop, tmp_path, monkeypatch):
    def refuse(path, *args, **kwargs):
        if path == 'a.png':
            raise PermissionError(13, 'Permission denied', path)
        return really_open(path, *args, **kwargs)

    really_open = open
    save_picture(tmp_path / 'a.png')
    monkeypatch.setattr('builtins.open', refuse)
    _, err, status = crop('a.png', '--no_faces')
    assert (err, status) == ('crop_faces.py: error: a.png: Permission denied\n', 1)


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
        return to_hwc(picture)

    if not is_new:
        (tmp_path / 'crops').mkdir()
        (tmp_path / 'crops' / '00000.png').write_text('mine')
    to_hwc = crop_faces._to_hwc
    monkeypatch.setattr(crop_faces, '_to_hwc', interrupt)
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


@pytest.mark.parametrize('error, words', [
    (ModuleNotFoundError("No module named 'cv2'", name='cv2'),
     'OpenCV is not installed; python -m pip install "opencv-python>=4.5,<5"'),
    (ImportError('libGL.so.1: cannot open shared object file'),
     'OpenCV cannot be imported (libGL.so.1: cannot open shared object file); swap in the build '
     'that needs no system libraries: python -m pip install --force-reinstall --no-deps '
     '"opencv-python-headless>=4.5,<5"'),
])
def test_a_missing_opencv_is_one_line(crop, monkeypatch, error, words):
    monkeypatch.setattr(crop_faces, 'cv2', None)
    monkeypatch.setattr(crop_faces, 'cv2_error', error, raising=False)
    _, err, status = crop('a.png')
    assert (err, status) == ('crop_faces.py: error: {}\n'.format(words), 1)


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
                   '--min_neighbors', '--min_size', '--margin', '--crops', '--sheet', '--no_faces',
                   '--force']:
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

def test_real_faces_are_found_in_a_real_video(crop, real_data):
    out, err, status = crop(real_data / 'clips' / 'anime_1080p.mp4', '--fps', 1,
                            '--cascade', real_data / CLASSIC)
    X, rows = read()
    assert (err, status) == ('', 0)
    assert [int(row['frame']) for row in rows] == [72, 96, 240]
    assert all(500 < int(row['w']) < 900 for row in rows)
    r, g, b = X[0].mean((1, 2))
    assert b > r  # a night scene is blue


def test_a_real_video_without_a_face(crop, real_data):
    _, err, status = crop(real_data / 'clips' / 'no_face.mp4', '--every', 24,
                          '--cascade', real_data / CLASSIC)
    assert 'no face in 10 frames of 1 video' in err and status == 1
