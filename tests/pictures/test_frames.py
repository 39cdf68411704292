import io
import os
import re
import struct
import sys
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFile

from picture_ranknet.errors import InputError
from picture_ranknet.pictures import frames, images
from support.media_samples import count_up, save_picture, save_video

DAMAGED = {
    'empty.png': b'', 'text.jpg': b'hello', 'text.mp4': b'hello', 'empty.mp4': b'',
    'noise.avi': bytes(range(256)) * 50,
}


# Which frames of a video to take

def taken(slot, times):
    """Which frames a slot function takes."""
    slots = [slot(i, t) for i, t in enumerate(times)]
    return [i for i, s in enumerate(slots) if i == 0 or s != slots[i - 1]]


def test_every_nth_frame_is_taken():
    assert taken(frames.every_nth(10), np.arange(35) / 24) == [0, 10, 20, 30]
    assert taken(frames.every_nth(1), np.arange(3) / 24) == [0, 1, 2]


def test_frames_are_taken_at_exact_times_without_drift():
    times = np.arange(24 * 3600) / 24  # an hour
    assert taken(frames.per_second(1), times) == list(range(0, 24 * 3600, 24))
    assert taken(frames.per_second(3), times.round(3)) == list(range(0, 24 * 3600, 8))
    assert taken(frames.per_second(.5), times) == list(range(0, 24 * 3600, 48))


@pytest.mark.parametrize('fps, rate, expected', [
    (1, 24000 / 1001, [0, 24, 48, 72]), (4, 24000 / 1001, [0, 6, 12, 18]), (10, 25, [0, 3, 5, 8]),
    (4, 30, [0, 8, 15, 23]), (24, 24, [0, 1, 2, 3]), (60, 24, [0, 1, 2, 3]),
])
def test_the_first_frame_at_or_after_a_time_is_taken(fps, rate, expected):
    times = np.arange(100) / rate
    for stamps in times, times.round(3):  # as in MP4, and in Matroska
        assert taken(frames.per_second(fps), stamps)[:4] == expected


def test_frames_of_varying_length_are_taken_by_their_times():
    assert taken(frames.per_second(1), [0, .1, .2, 5.5, 5.6, 6.2]) == [0, 3, 5]


# The reader

def test_progress_counts_every_frame(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_picture('a.png')
    save_video('b.mp4', count_up(30))
    calls = []
    reader = frames.FrameReader(['a.png', 'b.mp4'], frames.every_nth(10),
                                progress=lambda *call: calls.append(call))
    assert [frame.index for frame in reader] == [0, 0, 10, 20]
    assert calls == [(1, 2), *((i, 31) for i in range(2, 32))]
    assert reader.describe() == '3 frames of 1 video and 1 picture'


# What cannot be read

def save_damaged(folder):
    for name, data in DAMAGED.items():
        (folder / name).write_bytes(data)
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    data = cv2.imencode('.png', noise)[1].tobytes()
    (folder / 'cut.png').write_bytes(data[:len(data) // 2])
    data = save_video(folder / 'cut.mp4', count_up(20)).read_bytes()
    (folder / 'cut.mp4').write_bytes(data[:len(data) // 2])  # without its index, which comes last


@pytest.mark.parametrize('name, words', [
    ('empty.png', 'expected a picture or a video, got an empty file'),
    ('empty.mp4', 'expected a picture or a video, got an empty file'),
    ('text.jpg', 'expected a picture or a video, got text'),
    ('notes.txt', 'expected a picture or a video, got text'),
    ('noise.avi', 'expected a picture or a video, got something else, or a damaged file'),
    ('cut.png', 'expected a whole PNG picture, got a damaged or incomplete one'),
    ('cut.mp4', 'expected a whole MPEG-4 video, got a damaged or incomplete one'),
])
def test_a_damaged_file_alone_is_an_error_that_says_what_it_is(crop, tmp_path, name, words):
    save_damaged(tmp_path)
    (tmp_path / 'notes.txt').write_text('hello')
    out, err, status = crop(name, '--no_faces', '--keep_duplicates')
    assert err.startswith(f'crop_faces.py: error: {name}: {words}') and err.count('\n') == 1
    assert (out, status) == ('', 1)
    assert not list(tmp_path.glob('X*'))


def test_damaged_files_among_others_are_named_and_skipped(run, tmp_path):
    save_damaged(tmp_path)
    save_picture(tmp_path / 'good.png')
    result = run('crop_faces.py', '.', '--no_faces', '--keep_duplicates')
    *lines, last = result.stderr.splitlines()
    assert sorted(re.match(r'skipped \./([\w.]+): expected', line)[1] for line in lines) == sorted(
        [*DAMAGED, 'cut.png', 'cut.mp4'])
    assert last == '7 of 8 files could not be read'
    assert result.stdout.startswith('1 picture from 1 picture in') and result.returncode == 0


def test_nothing_but_damaged_files_is_an_error(crop, tmp_path):
    save_damaged(tmp_path)
    _, err, status = crop('.', '--no_faces', '--keep_duplicates')
    assert err.endswith('crop_faces.py: error: none of the 7 files could be read\n')
    assert status == 1


@pytest.mark.parametrize('name', ['a.gif', 'a.png', 'a.webp', 'a.tiff', 'a.jpg', 'a.avi', 'a.mp4'])
def test_no_damage_is_more_than_an_error(tmp_path, name):
    if name in ('a.avi', 'a.mp4'):
        save_video(tmp_path / name, count_up(4), codec='mp4v')
    else:
        first, *others = (Image.fromarray(img) for img in count_up(4))
        first.save(tmp_path / name, save_all=name != 'a.jpg', append_images=others)
    whole, rng = (tmp_path / name).read_bytes(), np.random.default_rng(0)
    for _ in range(60):
        data = bytearray(whole)
        for at in rng.integers(0, min(len(data), rng.choice([64, 10 ** 9])), rng.choice([1, 9])):
            data[at] = rng.integers(0, 256)
        (tmp_path / name).write_bytes(data[:rng.integers(len(data) // 2, 2 * len(data))])
        try:
            for frame in frames.FrameReader([str(tmp_path / name)], frames.every_nth(1), 10 ** 6):
                assert frame.img.dtype == np.uint8 and frame.img.shape[2] == 3
        except InputError as e:
            assert str(e).startswith(str(tmp_path / name)) and '\n' not in str(e)


@pytest.mark.skipif(sys.platform != 'linux', reason='file names are bytes on Linux only')
def test_a_name_that_is_no_text_is_skipped(crop, tmp_path):
    save_picture(tmp_path / 'a.png')
    os.link(b'a.png', b'\x83\x65.mp4')
    out, err, status = crop('.', '--no_faces', '--keep_duplicates')
    assert status == 0 and out.startswith('1 picture from 1 picture')
    assert err.startswith(r'skipped ./\udc83e.mp4: expected a name in UTF-8; rename it')


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
    monkeypatch.setattr(ImageFile.ImageFile, 'load', fail)
    _, err, status = crop(name, '--no_faces', '--keep_duplicates')
    assert status == 1 and err == (
        'crop_faces.py: error: {}: expected up to 50,000,000 pixels, got 50000 x 50000; shrink it, '
        'or raise --max_pixels\n'.format(name))


def test_the_limit_is_an_option(crop, tmp_path):
    save_picture(tmp_path / 'a.png', size=(60, 40))
    save_picture(tmp_path / 'b.png', size=(60, 41))
    save_video(tmp_path / 'c.mp4', count_up(2))  # 64 x 48
    out, err, status = crop('a.png', 'b.png', 'c.mp4', '--no_faces', '--max_pixels', 2400)
    assert out.startswith('1 picture from 1 picture') and status == 0
    assert re.findall(r'skipped (\S+): expected up to 2,400 pixels', err) == ['b.png', 'c.mp4']


def test_an_animation_that_goes_on_and_on_is_not_decoded(crop, tmp_path):
    frames = [Image.new('RGB', (20, 20), (2 * i, 0, 0)) for i in range(101)]
    frames[0].save(tmp_path / 'a.webp', save_all=True, append_images=frames[1:], lossless=True)
    _, err, status = crop('a.webp', '--no_faces', '--max_pixels', 400)
    assert status == 1 and err == (
        'crop_faces.py: error: a.webp: expected an animation of up to 40,000 pixels, got 20 x '
        '20 in 101 frames; shorten it, or raise --max_pixels, a hundredth of that\n')


def test_a_picture_of_too_many_bytes_is_not_read(tmp_path):
    save_picture(tmp_path / 'a.jpg')
    with open(tmp_path / 'a.jpg', 'r+b') as f:
        f.truncate(2 ** 33)
    with pytest.raises(InputError, match='expected up to 401,048,576 bytes, got 8,589,934,592'):
        images.read_picture(str(tmp_path / 'a.jpg'))


@pytest.mark.skipif(not hasattr(os, 'mkfifo'), reason='has no pipes with names')
def test_a_pipe_among_pictures_keeps_nobody_waiting(crop, tmp_path):
    save_picture(tmp_path / 'a.png')
    os.mkfifo(tmp_path / 'b.png')
    out, err, status = crop('.', '--no_faces', '--keep_duplicates')
    assert out.startswith('1 picture from 1 picture') and status == 0
    assert 'skipped ./b.png: expected a file, got a folder or a device' in err


@pytest.mark.parametrize('orientation', [1, 6])
def test_a_jpeg_of_which_few_pixels_are_enough_is_decoded_small(tmp_path, orientation):
    path, exif = str(tmp_path / 'a.jpg'), Image.Exif()
    exif[0x0112] = orientation
    ramp = np.linspace(0, 255, 640).astype(np.uint8)
    img = np.stack([np.tile(ramp, (500, 1)), np.tile(ramp[:500, None], 640), np.full(
        (500, 640), 90, np.uint8)], -1)
    Image.fromarray(img).save(path, quality=95, exif=exif)
    whole, = frames.FrameReader([path], frames.every_nth(1))
    small, = frames.FrameReader([path], frames.every_nth(1), side=100)
    assert small.full_size == (whole.img.shape[1], whole.img.shape[0]) and whole.full_size is None
    assert small.img.shape[:2] == tuple(-(-side // 4) for side in whole.img.shape[:2])
    means = whole.img.reshape(small.img.shape[0], 4, small.img.shape[1], 4, 3).mean((1, 3))
    assert np.abs(means - small.img).mean() < 1


def test_pictures_that_are_read_ahead_come_in_order_and_once(tmp_path):
    paths = [str(tmp_path / f'{i}.png') for i in range(9)]
    for i, path in enumerate(paths):
        Image.new('RGB', (20, 20), (i, i, i)).save(path)
    (tmp_path / '4.png').write_bytes((tmp_path / '4.png').read_bytes()[:60])
    reader = frames.FrameReader(paths, frames.every_nth(1))
    assert [frame.img[0, 0, 0] for frame in reader] == [0, 1, 2, 3, 5, 6, 7, 8]
    assert (reader.pictures, reader.unreadable, reader.skipped) == (8, 1, [paths[4]])
