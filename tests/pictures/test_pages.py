"""Files of several pictures, files that are cut short, and files that are something else."""
import struct

import numpy as np
import pytest
from PIL import Image

from picture_ranknet.errors import InputError
from picture_ranknet.pictures import frames, images
from support.media_samples import QUARTERS, corners, quarters


def corners_of(path):
    return corners(images.read_picture(str(path)))


def near_quarters(order=(0, 1, 2, 3), tolerance=3):
    return [pytest.approx(QUARTERS[i], abs=tolerance) for i in order]


# Several pictures in a file

def pages_of(path):
    notes = []
    reader = frames.FrameReader([str(path)], frames.every_nth(1), note=notes.append)
    return [(frame.index, frame.seconds, frame.img) for frame in reader], notes, reader


def test_all_pages_are_read(tmp_path):
    pages = [Image.fromarray(np.full((40 + i, 60, 3), 50 * i, np.uint8)) for i in range(3)]
    pages[0].save(tmp_path / 'a.tiff', save_all=True, append_images=pages[1:])
    read, notes, reader = pages_of(tmp_path / 'a.tiff')
    assert [(index, seconds) for index, seconds, _ in read] == [(0, None), (1, None), (2, None)]
    assert [(img.shape[0], img[0, 0, 0]) for *_, img in read] == [(40, 0), (41, 50), (42, 100)]
    assert reader.describe() == '3 pictures' and notes == []


def test_previews_among_pages_are_left_out(tmp_path):
    big = Image.fromarray(quarters())
    small = big.resize((32, 24))
    small.encoderinfo = {'tiffinfo': {254: 1}}
    big.save(tmp_path / 'a.tiff', save_all=True, append_images=[small], tiffinfo={254: 0})
    assert [img.shape for *_, img in pages_of(tmp_path / 'a.tiff')[0]] == [(96, 128, 3)]


def test_pages_before_a_damaged_one_are_used(tmp_path):
    pages = [Image.fromarray(np.random.default_rng(i).integers(0, 256, (40, 60, 3), np.uint8))
             for i in range(3)]
    pages[0].save(tmp_path / 'a.tiff', save_all=True, append_images=pages[1:])
    data = (tmp_path / 'a.tiff').read_bytes()
    (tmp_path / 'a.tiff').write_bytes(data[:-5000])
    read, notes, _ = pages_of(tmp_path / 'a.tiff')
    assert len(read) == 2
    assert notes == [f"{tmp_path / 'a.tiff'}: 2 of 3 pages could be read; the file is damaged"]


def test_all_pictures_of_a_heic_are_read(tmp_path):
    heif = pytest.importorskip('pillow_heif')
    file = heif.from_pillow(Image.fromarray(quarters()))
    file.add_from_pillow(Image.fromarray(quarters(64, 64)))
    file.save(str(tmp_path / 'a.heic'), quality=98)
    read, _, _ = pages_of(tmp_path / 'a.heic')
    assert [img.shape for *_, img in read] == [(96, 128, 3), (64, 64, 3)]
    assert all(corners(img) == near_quarters() for *_, img in read)


def test_a_heic_of_tiles_is_read_whole(tmp_path, monkeypatch):
    heif = pytest.importorskip('pillow_heif')
    if not hasattr(heif.options, 'GRID_TILE_SIZE'):
        pytest.skip('pillow-heif here cannot write tiles')
    monkeypatch.setattr(heif.options, 'GRID_TILE_SIZE', 512)
    heif.from_pillow(Image.fromarray(quarters(600, 800))).save(
        str(tmp_path / 'a.heic'), quality=90)
    assert b'grid' in (tmp_path / 'a.heic').read_bytes()[:8192]
    img = images.read_picture(str(tmp_path / 'a.heic'))
    assert img.shape == (600, 800, 3) and corners(img) == near_quarters()


def test_the_second_picture_of_an_mpo_is_none_of_ours(tmp_path):
    image = Image.fromarray(quarters())
    exif = Image.Exif()
    exif[0x010e] = 20000 * 'a'
    for other in image, image.resize((32, 24)):
        image.save(tmp_path / 'a.mpo', save_all=True, append_images=[other], quality=98, exif=exif)
        read, _, _ = pages_of(tmp_path / 'a.mpo')
        assert [img.shape for *_, img in read] == [(96, 128, 3)]


# What is cut short

def test_a_jpeg_without_its_end_is_read(tmp_path):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8))
    for progressive in False, True:
        noise.save(tmp_path / 'a.jpg', progressive=progressive)
        whole = (tmp_path / 'a.jpg').read_bytes()
        img = images.read_picture(str(tmp_path / 'a.jpg'))
        (tmp_path / 'b.jpg').write_bytes(whole[:-2])
        assert (images.read_picture(str(tmp_path / 'b.jpg')) == img).all()
        (tmp_path / 'b.jpg').write_bytes(whole[:len(whole) * 2 // 3])
        with pytest.raises(InputError, match='a damaged or incomplete one'):
            images.read_picture(str(tmp_path / 'b.jpg'))


def test_a_png_without_its_last_chunk_is_read(tmp_path):
    Image.fromarray(quarters()).save(tmp_path / 'a.png')
    (tmp_path / 'a.png').write_bytes((tmp_path / 'a.png').read_bytes()[:-12])
    assert corners_of(tmp_path / 'a.png') == near_quarters(tolerance=0)


@pytest.mark.parametrize('data, words', [
    (b'\xff\x0a' + bytes(99), 'JPEG XL files are not read; save it as PNG or JPEG'),
    (b'\0\0\0\x18ftypcrx \0\0\0\1crx isom' + bytes(99), 'camera raw files are not read'),
    (b'\xff\xd8\xff\xf7' + bytes(99), 'JPEG-LS files are not read'),
    (b'\xff\xd8\xff\xc3\0\x0b\x08' + bytes(99), 'JPEG of this kind is not read; save it as PNG'),
    (b'\xff\xd8\xff\xc1\0\x0b\x0c' + bytes(99), 'JPEG of this kind is not read; save it as PNG'),
    (b'\x89PNG\r\n\x1a\n\0\0\0\4CgBIP' + bytes(99), r'PNG for apps of iPhones \(CgBI\) files'),
    (b'#?RADIANCE\n', 'Radiance HDR files are not read'),
    (b'DDS |\0\0\0' + bytes(99), 'DDS files are not read'),
    (b'\0\0\2' + bytes(9) + b'\x40\0\x30\0\x18\0' + bytes(99), 'TGA files are not read'),
    (bytes(128) + b'DICM' + bytes(99), 'DICOM files are not read'),
    (b'\xff\x4f\xff\x51\0\x2f' + bytes(34) + b'\0\3\x0f\1\1' + bytes(99),
     'JPEG 2000 of more than 8 bits is not read'),
    (b'8BPS\0\1' + bytes(6) + b'\0\3\0\0\0\4\0\0\0\4\0\x10\0\3' + bytes(99),
     'PSD of this kind is not read; save it as PNG or JPEG with 8 bits per channel'),
    (b'%PDF-1.7\n', 'expected a picture or a video, got a PDF document'),
    (b'<!DOCTYPE html><html>', 'expected a picture or a video, got a web page'),
    (b'#EXTM3U\n#EXTINF:1,\na.ts', '.* got a list of videos elsewhere; download'),
    (b'<?xml version="1.0"?><MPD xmlns="x">', '.* got a list of videos elsewhere; download'),
    (b'CWS', '.* got text'),
    (b'CWS\x0f' + bytes(range(9)), r'.* got a Flash animation \(SWF\)'),
    (b'\0\5\x16\7\0\2\0\0Mac OS X', '.* got macOS metadata of another file'),
    (b'ID3\4' + bytes(99), r'expected a picture or a video, got sound only \(MP3\)'),
])
def test_what_is_not_read_is_named(tmp_path, data, words):
    (tmp_path / 'a.jpg').write_bytes(data)
    with pytest.raises(InputError, match=f'a.jpg: {words}'):
        pages_of(tmp_path / 'a.jpg')


def test_psd(tmp_path):
    rows = np.moveaxis(quarters(), 2, 0).tobytes()
    (tmp_path / 'a').write_bytes(
        struct.pack('>4sH6xHIIHH', b'8BPS', 1, 3, 96, 128, 8, 3) + bytes(12) + b'\0\0' + rows)
    assert corners_of(tmp_path / 'a') == near_quarters(tolerance=0)


def test_the_preview_in_a_raw_file_is_no_picture(tmp_path):
    Image.fromarray(quarters()).save(tmp_path / 'a.dng', 'TIFF', tiffinfo={254: 1, 330: 8})
    with pytest.raises(InputError, match="a.dng: a camera's raw file"):
        images.read_picture(str(tmp_path / 'a.dng'))
