import io
import os
import re
import struct
import sys
import wave
import zlib

import cv2
import numpy as np
import pytest
import tqdm
from PIL import Image

from picture_ranknet.errors import InputError
from picture_ranknet.pictures import media
from support.media_samples import colour_of, count_up, near, numbers, read, save_picture, save_video

DAMAGED = {
    'empty.png': b'', 'text.jpg': b'hello', 'text.mp4': b'hello', 'empty.mp4': b'',
    'noise.avi': bytes(range(256)) * 50,
}


# What to read

def test_folders_are_read_in_natural_order(tmp_path):
    for name in ['10.png', '2.PNG', '1.mp4', 'sub/b10.jpg', 'sub/b9.jpg', 'b.txt', '.hidden.png',
                 '.git/a.png', 'crops/00000.png', 'sheet.png']:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    paths, others = media.find_sources(
        [str(tmp_path)], leave_out=[str(tmp_path / 'crops'), str(tmp_path / 'sheet.png'), None])
    assert [os.path.relpath(path, tmp_path).replace(os.sep, '/') for path in paths] == [
        '1.mp4', '2.PNG', '10.png', 'sub/b9.jpg', 'sub/b10.jpg']
    assert others == 1


@pytest.mark.parametrize('source, words', [
    ('nothing.mp4', 'nothing.mp4: there is no such file or folder'),
    ('f%04d.png', 'no such file or folder; of an image sequence, name the folder'),
    ('https://example.org/a.mp4', 'expected a file, got an address on the web; download it first'),
    ('empty', 'empty: there is no picture and no video in it'),
])
def test_sources_are_checked_before_any_work(crop, tmp_path, source, words):
    save_picture(tmp_path / 'a.png')
    (tmp_path / 'empty').mkdir()
    sources = [source] if source == 'empty' else ['a.png', source]
    _, err, status = crop(*sources, '--no_faces', '--keep_duplicates')
    assert words in err and err.count('\n') == 1 and status == 1
    assert not os.path.exists('X.npy')


# Which frames of a video to take

def taken(slot, times):
    """Which frames a slot function takes."""
    slots = [slot(i, t) for i, t in enumerate(times)]
    return [i for i, s in enumerate(slots) if i == 0 or s != slots[i - 1]]


def test_every_nth_frame_is_taken():
    assert taken(media.every_nth(10), np.arange(35) / 24) == [0, 10, 20, 30]
    assert taken(media.every_nth(1), np.arange(3) / 24) == [0, 1, 2]


def test_frames_are_taken_at_exact_times_without_drift():
    times = np.arange(24 * 3600) / 24  # an hour
    assert taken(media.per_second(1), times) == list(range(0, 24 * 3600, 24))
    assert taken(media.per_second(3), times.round(3)) == list(range(0, 24 * 3600, 8))
    assert taken(media.per_second(.5), times) == list(range(0, 24 * 3600, 48))


@pytest.mark.parametrize('fps, rate, frames', [
    (1, 24000 / 1001, [0, 24, 48, 72]), (4, 24000 / 1001, [0, 6, 12, 18]), (10, 25, [0, 3, 5, 8]),
    (4, 30, [0, 8, 15, 23]), (24, 24, [0, 1, 2, 3]), (60, 24, [0, 1, 2, 3]),
])
def test_the_first_frame_at_or_after_a_time_is_taken(fps, rate, frames):
    times = np.arange(100) / rate
    for stamps in times, times.round(3):  # as in MP4, and in Matroska
        assert taken(media.per_second(fps), stamps)[:4] == frames


def test_frames_of_varying_length_are_taken_by_their_times():
    assert taken(media.per_second(1), [0, .1, .2, 5.5, 5.6, 6.2]) == [0, 3, 5]


# Videos

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
    assert list(media._grab(FakeCapture(stamps, rate))) == pytest.approx(times)


@pytest.mark.parametrize('name, codec', [('a.mp4', 'mp4v'), ('a.avi', 'MJPG'), ('a.mkv', 'mp4v')])
@pytest.mark.parametrize('options, frames', [
    (['--fps', 1], [0, 24, 48]), (['--fps', 3], [0, 8, 16, 24, 32, 40, 48]),
    (['--every', 20], [0, 20, 40]), ([], [0, 6, 12, 18, 24, 30, 36, 42, 48]),
])
def test_the_frames_asked_for_are_taken(crop, tmp_path, name, codec, options, frames):
    save_video(tmp_path / name, count_up(50), codec=codec)
    out, err, _ = crop(name, '--no_faces', '--keep_duplicates', *options)
    X, rows = read()
    assert [int(row['frame']) for row in rows] == frames
    assert numbers(X) == frames
    assert [row['time'] for row in rows] == ['{:.3f}'.format(i / 24) for i in frames]
    assert 'from {} frames of 1 video in'.format(len(frames)) in out and err == ''


@pytest.mark.parametrize('name', ['a.gif', 'a.webp', 'a.png'])
def test_an_animation_is_a_video_with_frames_of_varying_length(crop, tmp_path, name):
    frames = [Image.new('RGB', (60, 40), colour) for colour in ('red', 'lime', 'blue')]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:],
                   duration=[100, 500, 200], lossless=True)
    out, err, _ = crop(name, '--no_faces', '--keep_duplicates', '--every', 1)
    X, rows = read()
    assert 'from 3 frames of 1 video' in out and err == ''
    assert [row['time'] for row in rows] == ['0.000', '0.100', '0.600']
    assert [row['frame'] for row in rows] == ['0', '1', '2']
    assert [colour_of(x) for x in X] == [near([255, 0, 0]), near([0, 255, 0]), near([0, 0, 255])]
    crop(name, '--no_faces', '--keep_duplicates', '--fps', 2, '--force')
    assert [row['time'] for row in read()[1]] == ['0.000', '0.600']


def test_a_damaged_animation_is_used_as_far_as_it_goes(crop, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (8, 40, 60, 3), np.uint8)
    frames = [Image.fromarray(img) for img in noise]
    frames[0].save(tmp_path / 'a.png', save_all=True, append_images=frames[1:], duration=100)
    whole = (tmp_path / 'a.png').read_bytes()
    (tmp_path / 'a.png').write_bytes(whole[:len(whole) // 2])
    _, err, status = crop('a.png', '--no_faces', '--keep_duplicates', '--every', 1)
    assert status == 0 and 2 <= len(read()[0]) < 8
    assert re.fullmatch(r'a\.png: \d of 8 frames could be read; the animation is damaged\n', err)


def test_a_transparent_animation_stands_on_white(crop, tmp_path):
    frames = [Image.new('RGBA', (60, 40), (255, 0, 0, alpha)) for alpha in (0, 255)]
    frames[0].save(tmp_path / 'a.webp', save_all=True, append_images=frames[1:], duration=100,
                   lossless=True)
    crop('a.webp', '--no_faces', '--keep_duplicates', '--every', 1)
    assert [colour_of(x) for x in read()[0]] == [near([255, 255, 255]), near([255, 0, 0])]


def test_a_video_is_turned_as_its_container_says(crop, tmp_path):
    img = np.zeros((48, 64, 3), np.uint8)
    img[:, :32] = 255  # the left half, which is the upper one when turned to the right
    data = bytearray(save_video(tmp_path / 'a.mp4', [img] * 3, codec='mp4v').read_bytes())
    matrix = data.index(b'tkhd') + 4 + 40
    assert struct.unpack_from('>9i', data, matrix) == (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    struct.pack_into('>9i', data, matrix, 0, 1 << 16, 0, -1 << 16, 0, 0, 48 << 16, 0, 1 << 30)
    (tmp_path / 'a.mp4').write_bytes(data)
    crop('a.mp4', '--no_faces', '--every', 5, '--size', 20)
    (x,), (row,) = read()
    assert (row['w'], row['h']) == ('48', '64')
    assert x[:, :8].min() > 200 and x[:, 12:].max() < 50


def test_odd_sizes(crop, tmp_path):
    Image.new('RGB', (61, 47), 'gray').save(
        tmp_path / 'a.gif', save_all=True, append_images=[Image.new('RGB', (61, 47))])
    crop('a.gif', '--no_faces', '--every', 5)
    (x,), (row,) = read()
    assert (row['w'], row['h']) == ('61', '47') and colour_of(x) == near([128, 128, 128])


def test_sound_alone_is_no_video(crop, tmp_path):
    with wave.open(str(tmp_path / 'a.mp4'), 'wb') as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(8000)
        f.writeframes(bytes(8000))
    _, err, status = crop('a.mp4', '--no_faces')
    assert 'a.mp4: expected a video' in err and 'may be sound only' in err and status == 1


def test_a_video_cut_short_is_used_and_said(crop, tmp_path):
    whole = save_video(tmp_path / 'whole.avi', count_up(100), codec='MJPG').read_bytes()
    (tmp_path / 'a.avi').write_bytes(whole[:len(whole) // 2])
    _, err, status = crop('a.avi', '--no_faces', '--keep_duplicates', '--every', 10)
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
    result = run('crop_faces.py', 'a.mp4', '--no_faces', '--keep_duplicates', '--every', 1)
    assert result.returncode == 0
    assert 'FFmpeg' not in result.stderr and '@ 0x' not in result.stderr
    assert len(np.load(tmp_path / 'X.npy')) > 10


def test_a_video_that_opens_but_has_no_frame_is_an_error(crop, tmp_path, monkeypatch):
    class EmptyCapture(FakeCapture):
        def isOpened(self):
            return True

        def get(self, prop):
            return -2. ** 63  # as OpenCV has it for the frames of an animated WebP

        def retrieve(self):
            return False, None

        def release(self):
            pass

    monkeypatch.setattr(cv2, 'VideoCapture', lambda path: EmptyCapture([]))
    (tmp_path / 'a.mp4').touch()
    _, err, status = crop('a.mp4', '--no_faces', '--keep_duplicates')
    assert 'a.mp4: expected a video, got something that OpenCV cannot read' in err and status == 1


@pytest.mark.skipif(sys.platform == 'win32', reason='no such names')
def test_a_colon_in_a_name_is_no_protocol(crop, tmp_path):
    save_video(tmp_path / 'a.mp4', count_up(2)).rename(tmp_path / 'file:b.mp4')
    save_video(tmp_path / 'a.mp4', count_up(2)).rename(tmp_path / 'https:b.mp4')
    out, err, _ = crop('file:b.mp4', 'https:b.mp4', '--no_faces', '--keep_duplicates')
    assert out.startswith('2 pictures from 2 frames of 2 videos in') and err == ''


def test_progress_counts_every_frame(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_picture('a.png')
    save_video('b.mp4', count_up(30))
    with tqdm.tqdm(total=2, file=io.StringIO()) as bar:
        reader = media.FrameReader(['a.png', 'b.mp4'], media.every_nth(10), bar)
        assert [frame.index for frame in reader] == [0, 0, 10, 20]
        assert (bar.n, bar.total) == (31, 31)
    assert reader.describe() == '3 frames of 1 video and 1 picture'


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
    img = media.read_picture(path)
    assert img.shape == (4, 6, 3) and img.dtype == np.uint8
    assert img[0, 0, ::-1].tolist() == near(expected, 1)


def test_what_pillow_cannot_read_is_read_without_transparency(tmp_path, monkeypatch):
    def fail(*_):
        raise SyntaxError('broken PNG file')

    Image.new('RGBA', (6, 4), (10, 20, 30, 255)).save(tmp_path / 'a.png')
    monkeypatch.setattr(media.Image, 'open', fail)
    assert media.read_picture(str(tmp_path / 'a.png'))[0, 0].tolist() == [30, 20, 10]


def test_palettes_are_read(tmp_path):
    img = Image.new('P', (6, 4), 1)
    img.putpalette([0, 0, 0, 10, 20, 30])
    img.save(tmp_path / 'a.png')
    img.save(tmp_path / 'b.png', transparency=1)
    assert media.read_picture(str(tmp_path / 'a.png'))[0, 0].tolist() == [30, 20, 10]
    assert media.read_picture(str(tmp_path / 'b.png'))[0, 0].tolist() == [255, 255, 255]


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
    read = media.read_picture(str(path))
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
    read = media.read_picture(str(tmp_path / name))
    assert read.shape == (60, 40, 3)
    assert read[30, 35].tolist() == near([0, 0, 255], 8)
    assert read[30, 5].tolist() == near([255] * 3 if mode == 'RGBA' else [0] * 3, 8)


# What cannot be read

def save_damaged(folder):
    for name, data in DAMAGED.items():
        (folder / name).write_bytes(data)
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    data = cv2.imencode('.png', noise)[1].tobytes()
    (folder / 'cut.png').write_bytes(data[:len(data) // 2])
    data = save_video(folder / 'cut.mp4', count_up(20)).read_bytes()
    (folder / 'cut.mp4').write_bytes(data[:len(data) // 2])  # without its index, which comes last


@pytest.mark.parametrize('name', [*DAMAGED, 'cut.png', 'cut.mp4', 'notes.txt'])
def test_a_damaged_file_alone_is_an_error(run, tmp_path, name):
    save_damaged(tmp_path)
    (tmp_path / 'notes.txt').write_text('hello')
    result = run('crop_faces.py', name, '--no_faces', '--keep_duplicates')
    kind = 'picture' if name.endswith(('png', 'jpg')) else 'video'
    assert result.stderr == (
        'crop_faces.py: error: {}: expected a {}, got something that OpenCV cannot read; it may '
        'be {}damaged or not complete\n'.format(name, kind, 'sound only, ' * (kind == 'video')))
    assert (result.returncode, result.stdout) == (1, '')
    assert not (tmp_path / 'X.npy').exists() and not (tmp_path / 'X.csv').exists()


def test_damaged_files_among_others_are_passed_over(run, tmp_path):
    save_damaged(tmp_path)
    save_picture(tmp_path / 'good.png')
    result = run('crop_faces.py', '.', '--no_faces', '--keep_duplicates')
    *lines, last = result.stderr.splitlines()
    assert len(lines) == 7 and all(
        re.fullmatch(r'passed over \./\w+\.\w+: expected a \w+, got something that OpenCV cannot '
                     r'read; it may be (sound only, )?damaged or not complete', line)
        for line in lines)
    assert last == '7 of 8 files could not be read'
    assert result.stdout.startswith('1 picture from 1 picture in') and result.returncode == 0


def test_nothing_but_damaged_files_is_an_error(crop, tmp_path):
    save_damaged(tmp_path)
    _, err, status = crop('.', '--no_faces', '--keep_duplicates')
    assert err.endswith('crop_faces.py: error: none of the 7 files could be read\n')
    assert status == 1


@pytest.mark.skipif(sys.platform != 'linux', reason='file names are bytes on Linux only')
def test_a_name_that_is_no_text_is_passed_over(crop, tmp_path):
    save_picture(tmp_path / 'a.png')
    os.link(b'a.png', b'\x83\x65.mp4')
    out, err, status = crop('.', '--no_faces', '--keep_duplicates')
    assert status == 0 and out.startswith('1 picture from 1 picture')
    assert err.startswith(r'passed over ./\udc83e.mp4: expected a name in UTF-8; rename it')


def test_a_file_that_may_not_be_read_is_said(crop, tmp_path, monkeypatch):
    def refuse(path, *args, **kwargs):
        if path == 'a.png':
            raise PermissionError(13, 'Permission denied', path)
        return really_open(path, *args, **kwargs)

    really_open = open
    save_picture(tmp_path / 'a.png')
    monkeypatch.setattr('builtins.open', refuse)
    _, err, status = crop('a.png', '--no_faces', '--keep_duplicates')
    assert (err, status) == ('crop_faces.py: error: a.png: Permission denied\n', 1)


# OpenCV

@pytest.mark.parametrize('error, words', [
    (ModuleNotFoundError("No module named 'cv2'", name='cv2'),
     'OpenCV is not installed; python -m pip install "opencv-python>=4.5,<5"'),
    (ImportError('libGL.so.1: cannot open shared object file'),
     'OpenCV cannot be imported (libGL.so.1: cannot open shared object file); swap in the build '
     'that needs no system libraries: python -m pip install --force-reinstall --no-deps '
     '"opencv-python-headless>=4.5,<5"'),
])
def test_a_missing_opencv_is_one_line(crop, monkeypatch, error, words):
    monkeypatch.setattr(media, 'cv2', None)
    monkeypatch.setattr(media, 'cv2_error', error, raising=False)
    _, err, status = crop('a.png')
    assert (err, status) == ('crop_faces.py: error: {}\n'.format(words), 1)


# What would fill the memory

def png_header(width, height):
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack(
            '>I', zlib.crc32(kind + data))

    header = chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))
    return b'\x89PNG\r\n\x1a\n' + header + chunk(b'IDAT', zlib.compress(bytes(9)))


def save_bomb(path):
    """A file that says it is a picture of 50,000 x 50,000 pixels."""
    kind = path.suffix[1:]
    if kind in ('png', 'mp4'):
        path.write_bytes(png_header(50000, 50000))
        return
    with io.BytesIO() as f:
        Image.new('RGB', (64, 48)).save(f, 'gif' if kind == 'gif' else kind)
        data = bytearray(f.getvalue())
    if kind == 'jpeg':
        struct.pack_into('>HH', data, data.index(b'\xff\xc0') + 5, 50000, 50000)
    elif kind == 'gif':
        struct.pack_into('<HH', data, 6, 50000, 50000)
    elif kind == 'bmp':
        struct.pack_into('<ii', data, 18, 50000, 50000)
    elif kind == 'ppm':
        data = data.replace(b'64 48', b'50000 50000')
    elif kind == 'tiff':
        for tag in 256, 257:  # its width and height
            at = data.index(struct.pack('<H', tag), 8)
            struct.pack_into('<HII', data, at + 2, 4, 1, 50000)
    path.write_bytes(data)


@pytest.mark.parametrize('name', ['a.png', 'a.jpeg', 'a.gif', 'a.bmp', 'a.ppm', 'a.tiff', 'a.mp4'])
def test_a_picture_that_says_it_is_huge_is_not_decoded(crop, tmp_path, monkeypatch, name):
    def fail(*_):
        raise AssertionError('decoded')

    save_bomb(tmp_path / name)
    monkeypatch.setattr(cv2, 'imdecode', fail)
    monkeypatch.setattr(cv2, 'VideoCapture', fail)
    _, err, status = crop(name, '--no_faces', '--keep_duplicates')
    assert status == 1 and err == (
        'crop_faces.py: error: {}: expected up to 50,000,000 pixels, got 50000 x 50000; shrink it, '
        'or say --max_pixels to crop_faces.py\n'.format(name))


def test_the_limit_is_an_option(crop, tmp_path):
    save_picture(tmp_path / 'a.png', size=(60, 40))
    save_picture(tmp_path / 'b.png', size=(60, 41))
    save_video(tmp_path / 'c.mp4', count_up(2))  # 64 x 48
    out, err, status = crop('a.png', 'b.png', 'c.mp4', '--no_faces', '--max_pixels', 2400)
    assert out.startswith('1 picture from 1 picture') and status == 0
    assert re.findall(r'passed over (\S+): expected up to 2,400 pixels', err) == ['b.png', 'c.mp4']


def test_an_animation_that_goes_on_and_on_is_not_decoded(crop, tmp_path):
    frames = [Image.new('RGB', (20, 20), (2 * i, 0, 0)) for i in range(101)]
    frames[0].save(tmp_path / 'a.webp', save_all=True, append_images=frames[1:], lossless=True)
    _, err, status = crop('a.webp', '--no_faces', '--max_pixels', 400)
    assert status == 1 and err == (
        'crop_faces.py: error: a.webp: expected an animation of up to 40,000 pixels, got 20 x '
        '20 in 101 frames; cut it, or say --max_pixels to crop_faces.py, a hundredth of that\n')


def test_a_picture_of_too_many_bytes_is_not_read(tmp_path):
    with open(tmp_path / 'a.png', 'wb') as f:
        f.truncate(2 ** 33)
    with pytest.raises(InputError, match='expected up to 401,048,576 bytes, got more'):
        media.read_picture(str(tmp_path / 'a.png'))


@pytest.mark.skipif(not hasattr(os, 'mkfifo'), reason='has no pipes with names')
def test_a_pipe_among_pictures_keeps_nobody_waiting(crop, tmp_path):
    save_picture(tmp_path / 'a.png')
    os.mkfifo(tmp_path / 'b.png')
    out, err, status = crop('.', '--no_faces', '--keep_duplicates')
    assert out.startswith('1 picture from 1 picture') and status == 0
    assert 'passed over ./b.png: expected a file, got a folder or a device' in err
