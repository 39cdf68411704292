import re

import cv2
import numpy as np
import pytest
from PIL import Image

from picture_ranknet.pictures import images
from support.media_samples import colour_of, near, read


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
    img = images.read_picture(path)
    assert img.shape == (4, 6, 3) and img.dtype == np.uint8
    assert img[0, 0, ::-1].tolist() == near(expected, 1)


def test_palettes_are_read(tmp_path):
    img = Image.new('P', (6, 4), 1)
    img.putpalette([0, 0, 0, 10, 20, 30])
    img.save(tmp_path / 'a.png')
    img.save(tmp_path / 'b.png', transparency=1)
    assert images.read_picture(str(tmp_path / 'a.png'))[0, 0].tolist() == [30, 20, 10]
    assert images.read_picture(str(tmp_path / 'b.png'))[0, 0].tolist() == [255, 255, 255]


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
    read = images.read_picture(str(path))
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
    read = images.read_picture(str(tmp_path / name))
    assert read.shape == (60, 40, 3)
    assert read[30, 35].tolist() == near([0, 0, 255], 8)
    assert read[30, 5].tolist() == near([255] * 3 if mode == 'RGBA' else [0] * 3, 8)


# Animations

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


def test_odd_sizes(crop, tmp_path):
    Image.new('RGB', (61, 47), 'gray').save(
        tmp_path / 'a.gif', save_all=True, append_images=[Image.new('RGB', (61, 47))])
    crop('a.gif', '--no_faces', '--every', 5)
    (x,), (row,) = read()
    assert (row['w'], row['h']) == ('61', '47') and colour_of(x) == near([128, 128, 128])
