"""Pictures of every format and feature: upright, in the right colours, within 3 levels.

Over 400 lines: one case for each format and feature of docs/formats.md.
"""
import io
import re
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from picture_ranknet.errors import InputError
from picture_ranknet.pictures import images
from support.media_samples import (
    QUARTERS,
    colour_of,
    corners,
    encode_video,
    near,
    quarters,
    read,
)


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


# Formats: for each, the upright, right-coloured pixels

def corners_of(path):
    return corners(images.read_picture(str(path)))


def near_quarters(order=(0, 1, 2, 3), tolerance=3):
    return [pytest.approx(QUARTERS[i], abs=tolerance) for i in order]


def save(path, image, **options):
    """Write a picture by its ending, and then take the ending away."""
    if path.suffix in ('.heic', '.heif'):
        heif = pytest.importorskip('pillow_heif')
        if 'x265' not in heif.libheif_info()['encoders']:
            pytest.skip('pillow-heif here cannot write HEIC')
        heif.register_heif_opener()
        image.save(path, 'HEIF', **options)
    else:
        try:
            image.save(path, **options)
        except (KeyError, OSError) as e:
            pytest.skip(f'Pillow here cannot write {path.suffix}: {e}')
    return path.rename(path.with_suffix(''))


@pytest.mark.parametrize('ending, options', [
    ('.png', {}), ('.bmp', {}), ('.dib', {}), ('.gif', {}), ('.ppm', {}), ('.qoi', {}),
    ('.jpg', {'quality': 98, 'subsampling': 0}), ('.jpg', {'quality': 98, 'progressive': True}),
    ('.webp', {'lossless': True}), ('.webp', {'quality': 98}), ('.jp2', {}), ('.j2k', {}),
    ('.avif', {'quality': 98}), ('.heic', {'quality': 98}),
    *(('.tiff', {'compression': kind}) for kind in (
        None, 'tiff_lzw', 'tiff_adobe_deflate', 'packbits', 'jpeg')),
])
def test_formats(tmp_path, ending, options):
    path = save(tmp_path / ('a' + ending), Image.fromarray(quarters()), **options)
    assert corners_of(path) == near_quarters()


@pytest.mark.parametrize('ending', ['.jpg', '.tiff'])
def test_cmyk(tmp_path, ending):
    path = save(tmp_path / ('a' + ending), Image.fromarray(quarters()).convert('CMYK'))
    assert corners_of(path) == near_quarters()


# The 8 orientations of EXIF: which corner of the file is where.
TURNS = {1: (0, 1, 2, 3), 2: (1, 0, 3, 2), 3: (3, 2, 1, 0), 4: (2, 3, 0, 1), 5: (0, 2, 1, 3),
         6: (2, 0, 3, 1), 7: (3, 1, 2, 0), 8: (1, 3, 0, 2)}


@pytest.mark.parametrize('turn', TURNS)
@pytest.mark.parametrize('ending', ['.jpg', '.png', '.webp', '.tiff', '.avif', '.heic'])
@pytest.mark.parametrize('mode', ['RGB', 'RGBA'])
def test_turns_and_mirrors(tmp_path, turn, ending, mode):
    if (ending, mode) == ('.jpg', 'RGBA'):
        mode = 'L'
    exif = Image.Exif()
    exif[0x0112] = turn
    image = Image.fromarray(quarters()).convert(mode)
    path = save(tmp_path / ('a' + ending), image, exif=exif.tobytes(), quality=98)
    img = images.read_picture(str(path))
    assert img.shape == ((128, 96, 3) if turn > 4 else (96, 128, 3))
    expected = near_quarters(TURNS[turn])
    if mode == 'L':
        expected = [[pytest.approx(image.getpixel((x, y)), abs=3)] * 3 for x, y in (
            [(32, 24), (96, 24), (32, 72), (96, 72)][i] for i in TURNS[turn])]
    assert corners(img) == expected


def test_exif_of_webp_may_begin_as_that_of_jpeg(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(quarters()).save(tmp_path / 'a.webp', lossless=True,
                                     exif=b'Exif\0\0' + exif.tobytes()[6:])
    assert corners_of(tmp_path / 'a.webp') == near_quarters(TURNS[6])


def test_a_damaged_exif_does_not_matter(tmp_path):
    Image.fromarray(quarters()).save(tmp_path / 'a.jpg', quality=98, exif=b'Exif\0\0II*\0\xff\xff')
    assert corners_of(tmp_path / 'a.jpg') == near_quarters()


# Colours

def matrix_profile(red, green, blue, gamma):
    """An ICC profile of RGB primaries, as XYZ for D50, and a power."""
    def tag(kind, data):
        return kind + bytes(4) + data

    def xyz(values):
        return tag(b'XYZ ', struct.pack('>3i', *(round(65536 * value) for value in values)))

    curve = tag(b'curv', struct.pack('>IH', 1, round(256 * gamma))) + bytes(2)
    tags = {b'rXYZ': xyz(red), b'gXYZ': xyz(green), b'bXYZ': xyz(blue),
            b'wtpt': xyz((.9642, 1, .8249)), b'rTRC': curve, b'gTRC': curve, b'bTRC': curve}
    table, data = b'', b''
    for name, content in tags.items():
        table += name + struct.pack('>II', 132 + 12 * len(tags) + len(data), len(content))
        data += content
    body = struct.pack('>I', len(tags)) + table + data
    header = struct.pack('>I4sI4s4s4s', 128 + len(body), b'lcms', 0x02400000, b'mntr', b'RGB ',
                         b'XYZ ') + bytes(12) + b'acsp' + bytes(28) + struct.pack(
                             '>3i', 63190, 65536, 54061) + bytes(48)
    return header + body


P3 = matrix_profile((.5151, .2412, -.0011), (.2920, .6922, .0419), (.1571, .0666, .7841), 2.2)
ADOBE = matrix_profile((.6097, .3111, .0195), (.2053, .6257, .0609), (.1492, .0632, .7446), 2.2)


@pytest.mark.parametrize('profile', [P3, ADOBE], ids=['P3', 'Adobe RGB'])
@pytest.mark.parametrize('ending', ['.png', '.jpg', '.webp', '.tiff', '.avif', '.heic'])
@pytest.mark.parametrize('mode', ['RGB', 'RGBA'])
def test_wide_gamut_becomes_srgb(tmp_path, profile, ending, mode):
    if (ending, mode) == ('.jpg', 'RGBA'):
        pytest.skip('JPEG is never transparent')
    image = Image.fromarray(quarters())
    expected = ImageCms.profileToProfile(
        image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile('sRGB'))
    path = save(tmp_path / ('a' + ending), image.convert(mode), icc_profile=profile, quality=98)
    read = corners_of(path)
    tolerance = 5 if ending == '.avif' else 3  # what its coding loses is widened, too
    assert read == [pytest.approx(colour, abs=tolerance) for colour in corners(
        np.asarray(expected)[:, :, ::-1])]
    assert np.abs(np.subtract(read, QUARTERS)).max() > 20


def test_adobe_rgb_may_be_named_by_exif_alone(tmp_path):
    image = Image.fromarray(quarters())
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xa001] = 65535
    exif.get_ifd(0x8769)[0xa005] = {1: 'R03'}
    image.save(tmp_path / 'a.jpg', exif=exif, quality=98)
    expected = ImageCms.profileToProfile(
        image, ImageCms.ImageCmsProfile(io.BytesIO(ADOBE)), ImageCms.createProfile('sRGB'))
    assert corners_of(tmp_path / 'a.jpg') == [pytest.approx(colour, abs=4) for colour in corners(
        np.asarray(expected)[:, :, ::-1])]


@pytest.mark.parametrize('profile', [b'', b'hello', P3[:200], ADOBE[:-20]])
def test_a_damaged_profile_does_not_matter(tmp_path, profile):
    Image.fromarray(quarters()).save(tmp_path / 'a.png', icc_profile=profile or None)
    corners_of(tmp_path / 'a.png')


def test_avif_may_name_its_colours_by_number(tmp_path):
    img = np.full((64, 64, 3), (230, 60, 60), np.uint8)
    path = encode_video(tmp_path / 'a.avif', [img], 'libsvtav1', options={
        'crf': '1', 'svtav1-params': 'preset=12'}, tags={
            'colorspace': 1, 'color_range': 2, 'color_trc': 13, 'color_primaries': 12})
    assert b'colrnclx' in path.read_bytes()
    img = images.read_picture(str(path))
    assert img[30, 30, ::-1].tolist() == pytest.approx([250, 31, 49], abs=3)


def test_wide_gamut_jpeg_2000_becomes_srgb(tmp_path):
    image = Image.fromarray(quarters())
    image.save(tmp_path / 'a.jp2')
    data = (tmp_path / 'a.jp2').read_bytes()
    at = data.index(b'colr') - 4  # a box of 15 bytes, in one that begins with its own length
    header = data.index(b'jp2h') - 4
    profile = struct.pack('>I4s3B', 11 + len(P3), b'colr', 2, 0, 0) + P3
    size = struct.unpack_from('>I', data, header)[0] - 15 + len(profile)
    (tmp_path / 'a.jp2').write_bytes(
        data[:header] + struct.pack('>I', size) + data[header + 4:at] + profile + data[at + 15:])
    expected = ImageCms.profileToProfile(
        image, ImageCms.ImageCmsProfile(io.BytesIO(P3)), ImageCms.createProfile('sRGB'))
    assert corners_of(tmp_path / 'a.jp2') == [pytest.approx(colour, abs=3) for colour in corners(
        np.asarray(expected)[:, :, ::-1])]


def test_grey_by_its_own_curve(tmp_path):
    light = struct.pack('>4sIIH', b'curv', 0, 1, 256) + bytes(2)  # values are light
    table = struct.pack('>I4sII', 1, b'kTRC', 144, len(light)) + light
    header = bytearray(P3[:128])
    header[:4], header[16:20] = struct.pack('>I', 128 + len(table)), b'GRAY'
    for mode in 'L', 'LA':
        Image.new(mode, (4, 4), 55 if mode == 'L' else (55, 255)).save(
            tmp_path / 'a.png', icc_profile=bytes(header) + table)
        assert images.read_picture(str(tmp_path / 'a.png'))[0, 0].tolist() == near([128] * 3, 3)


def test_a_profile_of_other_colours_does_not_matter(tmp_path):
    Image.fromarray(quarters()).convert('L').save(tmp_path / 'a.png', icc_profile=P3)
    assert corners_of(tmp_path / 'a.png')[3] == [120] * 3


# PNG and TIFF of few and of many bits

def png(depth, colour_type, rows, *chunks):
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack(
            '>I', zlib.crc32(kind + data))

    width = len(rows[0]) * 8 // depth // {0: 1, 2: 3, 4: 2}[colour_type]
    header = struct.pack('>IIBBBBB', width, len(rows), depth, colour_type, 0, 0, 0)
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + b''.join(chunk(*c) for c in chunks)
            + chunk(b'IDAT', zlib.compress(b''.join(b'\0' + row for row in rows)))
            + chunk(b'IEND', b''))


@pytest.mark.parametrize('depth, row, key, expected', [
    (1, b'\x55', 1, [0, 255]), (1, b'\x55', 0, [255, 255]),
    (2, b'\x1b', 1, [0, 255, 170, 255]), (4, b'\x01\x8f', 1, [0, 255, 136, 255]),
    (8, bytes([0, 10, 200]), 10, [0, 255, 200]),
    (16, np.array([0, 1000, 1001, 40000], '>u2').tobytes(), 1000, [0, 255, 4, 156]),
])
def test_grey_png_with_a_transparent_value(tmp_path, depth, row, key, expected):
    (tmp_path / 'a.png').write_bytes(png(depth, 0, [row] * 2, (b'tRNS', struct.pack('>H', key))))
    img = images.read_picture(str(tmp_path / 'a.png'))
    assert img[0, :len(expected), 1].tolist() == pytest.approx(expected, abs=1)


def test_rgb_png_of_16_bits_with_a_transparent_colour(tmp_path):
    row = np.array([[0, 0, 0], [1000, 2000, 3000], [65535, 0, 128]], '>u2').tobytes()
    (tmp_path / 'a.png').write_bytes(
        png(16, 2, [row] * 2, (b'tRNS', struct.pack('>HHH', 1000, 2000, 3000))))
    img = images.read_picture(str(tmp_path / 'a.png'))
    assert img[0, :, ::-1].tolist() == [[0, 0, 0], [255, 255, 255], [255, 0, 0]]


@pytest.mark.parametrize('values, dtype, expected', [
    ([0, 30000, 65535], np.uint16, [0, 117, 255]),
    ([0, .5, 1], np.float32, [0, 128, 255]), ([0, 77, 255], np.float32, [0, 77, 255]),
    ([0, 30000, 65535], np.int32, [0, 117, 255]),
    ([0, 2 ** 31 - 1], np.int32, [0, 255]),
])
def test_deep_grey_tiff(tmp_path, values, dtype, expected):
    Image.fromarray(np.array([values] * 2, dtype)).save(tmp_path / 'a.tiff')
    img = images.read_picture(str(tmp_path / 'a.tiff'))
    assert img[0, :, 0].tolist() == pytest.approx(expected, abs=1)


def tiff(width, bits, data, **tags):
    """A TIFF of one line, without compression; ``tags`` as ``t262=1``."""
    values = {256: width, 257: 1, 258: bits, 259: 1, 262: 1, 273: 8 + 2 + 12 * 11 + 4, 277: 1,
              278: 1, 279: len(data), 284: 1, 339: 1}
    values.update((int(name[1:]), value) for name, value in tags.items())
    return struct.pack('<2sHIH', b'II', 42, 8, len(values)) + b''.join(
        struct.pack('<HHII', tag, 4, 1, value) for tag, value in values.items()) + bytes(4) + data


def test_grey_tiff_of_32_bits_without_a_sign(tmp_path):
    data = np.array([0, 2 ** 31, 2 ** 32 - 1], '<u4').tobytes()
    (tmp_path / 'a.tiff').write_bytes(tiff(3, 32, data))
    img = images.read_picture(str(tmp_path / 'a.tiff'))
    assert img[0, :, 0].tolist() == pytest.approx([0, 128, 255], abs=1)


def test_deep_tiff_in_planes_is_refused(tmp_path):
    # Three counts do not fit into a tag: bits lie behind the pixels, as do their places.
    Image.fromarray(quarters()).save(tmp_path / 'a.tiff')
    data = bytearray((tmp_path / 'a.tiff').read_bytes())
    at = data.index(struct.pack('<HHI', 258, 3, 3)) + 8
    bits, = struct.unpack_from('<I', data, at)
    struct.pack_into('<3H', data, bits, 16, 16, 16)
    struct.pack_into('<H', data, data.index(struct.pack('<HHI', 284, 3, 1)) + 8, 2)
    (tmp_path / 'a.tiff').write_bytes(data)
    with pytest.raises(InputError, match='TIFF with separate planes of 16 bits is not read'):
        images.read_picture(str(tmp_path / 'a.tiff'))


def test_floating_values_without_a_known_range_are_refused(tmp_path):
    Image.fromarray(np.array([[-3, 1e6]], np.float32)).save(tmp_path / 'a.tiff')
    with pytest.raises(InputError, match='expected floating values from 0 to 1 or 0 to 255'):
        images.read_picture(str(tmp_path / 'a.tiff'))


def test_grey_tiff_of_16_bits_whose_large_values_are_dark(tmp_path):
    Image.fromarray(np.array([[65535, 35535, 0]] * 2, np.uint16)).save(
        tmp_path / 'a.tiff', tiffinfo={262: 0})
    img = images.read_picture(str(tmp_path / 'a.tiff'))
    assert img[0, :, 0].tolist() == pytest.approx([0, 117, 255], abs=1)


def test_grey_tiff_of_12_bits(tmp_path):
    data = bytes([0x00, 0x07, 0xff, 0xff, 0xf0, 0x00])  # 0, 2047, 4095 and 0
    tags = {256: 4, 257: 1, 258: 12, 259: 1, 262: 1, 273: 8 + 2 + 12 * 8 + 4, 277: 1, 279: 6}
    (tmp_path / 'a.tiff').write_bytes(
        struct.pack('<2sHIH', b'II', 42, 8, len(tags)) + b''.join(
            struct.pack('<HHII', tag, 4, 1, value) for tag, value in tags.items())
        + bytes(4) + data)
    img = images.read_picture(str(tmp_path / 'a.tiff'))
    assert img[0, :, 0].tolist() == pytest.approx([0, 127, 255, 0], abs=1)


@pytest.mark.parametrize('alpha, expected', [(0, [10, 20, 30]), (255, [10, 20, 30]),
                                             (128, [132, 137, 142])])
def test_bmp_whose_fourth_byte_is_empty_is_not_transparent(tmp_path, alpha, expected):
    header = struct.pack('<IiiHHII4i', 56, 2, 1, 1, 32, 3, 8, 0, 0, 0, 0)
    masks = struct.pack('<4I', 0xff0000, 0xff00, 0xff, 0xff000000)
    (tmp_path / 'a.bmp').write_bytes(b'BM' + struct.pack('<I4xI', 78, 70) + header + masks
                                     + bytes([10, 20, 30, alpha] * 2))
    assert images.read_picture(str(tmp_path / 'a.bmp'))[0, 0].tolist() == near(expected, 1)


# What else a PNG says

def test_the_gamma_of_a_png_counts_where_nothing_else_is_said(tmp_path):
    rows, linear = [bytes([0, 55, 188])] * 2, (b'gAMA', struct.pack('>I', 100000))
    for chunks, expected in (([linear], [0, 128, 223]), ([linear, (b'sRGB', b'\0')], [0, 55, 188]),
                             ([(b'gAMA', struct.pack('>I', 45455))], [0, 55, 188])):
        (tmp_path / 'a.png').write_bytes(png(8, 0, rows, *chunks))
        img = images.read_picture(str(tmp_path / 'a.png'))
        assert img[0, :, 1].tolist() == pytest.approx(expected, abs=1)


def test_colours_of_a_png_by_number(tmp_path):
    row = bytes([230, 60, 60])
    (tmp_path / 'a.png').write_bytes(png(8, 2, [row] * 2, (b'cICP', bytes([12, 13, 0, 1]))))
    img = images.read_picture(str(tmp_path / 'a.png'))
    assert img[0, 0, ::-1].tolist() == pytest.approx([250, 31, 49], abs=3)


def test_texts_of_a_png_do_not_matter_however_long_or_damaged(tmp_path):
    rows = [bytes([0, 55, 188])] * 2
    data = png(8, 0, rows, (b'zTXt', b'a\0\0' + zlib.compress(bytes(2 ** 22))), (b'tEXt', b'b\0'))
    for name in b'zTXt', b'tEXt':
        at = data.index(name)
        (tmp_path / 'a.png').write_bytes(data[:at + 4] + b'!' + data[at + 5:])
        assert images.read_picture(str(tmp_path / 'a.png'))[0, :, 1].tolist() == [0, 55, 188]
    (tmp_path / 'a.png').write_bytes(data)
    assert images.read_picture(str(tmp_path / 'a.png'))[0, :, 1].tolist() == [0, 55, 188]
