import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from picture_ranknet.pictures import apng, frames, images

RED, BLUE, NOTHING = (255, 0, 0, 255), (0, 0, 255, 255), (9, 9, 9, 0)
KEPT, CLEARED, AS_BEFORE = range(3)
REPLACES, OVER = range(2)


def chunk(name, content):
    return struct.pack('>I', len(content)) + name + content + struct.pack(
        '>I', zlib.crc32(name + content))


def animation(*parts, width=3):
    """An animated PNG of one line; a part has a place, pixels, disposal and blend."""
    out = [apng.SIGNATURE, chunk(b'IHDR', struct.pack('>IIBBBBB', width, 1, 8, 6, 0, 0, 0)),
           chunk(b'acTL', struct.pack('>II', len(parts), 0))]
    for number, (left, pixels, disposal, blend) in enumerate(parts):
        control = struct.pack('>IIIIIHHBB', number, len(pixels), 1, left, 0, 1, 4, disposal, blend)
        data = zlib.compress(b'\0' + np.uint8(pixels).tobytes())
        out += [chunk(b'fcTL', control),
                chunk(b'fdAT', bytes(4) + data) if number else chunk(b'IDAT', data)]
    return b''.join([*out, chunk(b'IEND', b'')])


def shown(tmp_path, data):
    """Times and first lines of the frames, RGB."""
    (tmp_path / 'a.png').write_bytes(data)
    read = list(frames.FrameReader([str(tmp_path / 'a.png')], frames.every_nth(1)))
    return [frame.seconds for frame in read], [frame.img[0, :, ::-1].tolist() for frame in read]


R, B, W = [255, 0, 0], [0, 0, 255], [255, 255, 255]


@pytest.mark.parametrize('disposal, blend, second, third', [
    (KEPT, OVER, [R, B, R], [B, B, R]), (KEPT, REPLACES, [R, B, W], [B, B, W]),
    (CLEARED, OVER, [R, B, R], [B, W, W]), (AS_BEFORE, OVER, [R, B, R], [B, R, R]),
    (AS_BEFORE, REPLACES, [R, B, W], [B, R, R]),
])
def test_a_frame_lies_over_the_last_and_leaves_what_it_says(tmp_path, disposal, blend, second,
                                                            third):
    data = animation((0, [RED] * 3, KEPT, REPLACES), (1, [BLUE, NOTHING], disposal, blend),
                     (0, [BLUE], KEPT, OVER))
    assert shown(tmp_path, data) == ([0, .25, .5], [[R] * 3, second, third])


def test_a_first_frame_leaves_nothing_to_go_back_to(tmp_path):
    data = animation((0, [RED] * 3, AS_BEFORE, REPLACES), (1, [BLUE], KEPT, OVER))
    assert shown(tmp_path, data)[1][1] == [W, B, W]


def test_half_transparent_colours_are_mixed(tmp_path):
    half = (0, 0, 255, 128)
    data = animation((0, [RED, NOTHING, half], KEPT, REPLACES), (0, [half] * 3, KEPT, OVER))
    _, (_, line) = shown(tmp_path, data)
    assert line[0] == pytest.approx([127, 0, 128], abs=1)
    assert line[1] == pytest.approx([127, 127, 255], abs=1)
    assert line[2] == pytest.approx([63, 63, 255], abs=2)


def test_a_frame_beyond_the_border_ends_the_animation(tmp_path):
    data = animation((0, [RED] * 3, KEPT, REPLACES), (2, [BLUE] * 2, KEPT, OVER))
    assert len(shown(tmp_path, data)[0]) == 1


def test_pillow_and_we_write_and_read_the_same(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), np.uint8)
    parts = [Image.fromarray(img) for img in noise]
    parts[0].save(tmp_path / 'a.png', save_all=True, append_images=parts[1:], duration=100)
    with images.opened(str(tmp_path / 'a.png')) as pictures:
        for part, (_, get) in zip(parts, pictures):
            np.testing.assert_array_equal(get()[:, :, ::-1], np.asarray(part))
