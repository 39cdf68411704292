"""Videos of every format and feature: count, times, shape and colours of their frames.

Over 400 lines: one case for each format and feature of docs/formats.md.
"""
import gc
import io
import itertools
import os
import re
import struct
import sys
import wave
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from picture_ranknet.errors import InputError
from picture_ranknet.machine import threads
from picture_ranknet.pictures import frames, videos
from support.media_samples import (
    QUARTERS,
    corners,
    count_up,
    encode_video,
    numbers,
    quarters,
    read,
    save_video,
)


def read_all(path):
    """The times and the frames of a video."""
    with videos.opened(str(path)) as video:
        return zip(*[(seconds, get()) for seconds, get in video])


def near_quarters(order=(0, 1, 2, 3), tolerance=3):
    return [pytest.approx(QUARTERS[i], abs=tolerance) for i in order]


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


def test_sound_alone_is_no_video(crop, tmp_path):
    with wave.open(str(tmp_path / 'a.mp4'), 'wb') as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(8000)
        f.writeframes(bytes(8000))
    _, err, status = crop('a.mp4', '--no_faces')
    assert 'a.mp4: expected a picture or a video, got sound only (WAVE)' in err and status == 1


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


@pytest.mark.skipif(sys.platform == 'win32', reason='no such names')
def test_a_colon_in_a_name_is_no_protocol(crop, tmp_path):
    save_video(tmp_path / 'a.mp4', count_up(2)).rename(tmp_path / 'file:b.mp4')
    save_video(tmp_path / 'a.mp4', count_up(2)).rename(tmp_path / 'https:b.mp4')
    out, err, _ = crop('file:b.mp4', 'https:b.mp4', '--no_faces', '--keep_duplicates')
    assert out.startswith('2 pictures from 2 frames of 2 videos in') and err == ''


# Formats: the times, the count, the shape and the colours of each

CODINGS = {
    'libx264': ('mp4 mov mkv ts avi flv', 'yuv420p', {'qp': '0'}),
    'libx265': ('mp4 mkv', 'yuv420p', {'x265-params': 'lossless=1:log-level=none'}),
    'libvpx-vp9': ('webm', 'yuv420p', {'lossless': '1'}),
    'libsvtav1': ('mp4', 'yuv420p', {'crf': '1', 'svtav1-params': 'preset=12'}),
    'mpeg2video': ('mpg ts vob mxf', 'yuv420p', {'qmin': '1', 'qmax': '1', 'b': '9000000'}),
    'mpeg4': ('mp4 avi mkv', 'yuv420p', {'qmin': '1', 'qmax': '1', 'b': '9000000'}),
    'prores_ks': ('mov', 'yuv422p10le', {}),
    'wmv2': ('wmv', 'yuv420p', {'qmin': '1', 'qmax': '1', 'b': '9000000'}),
    'ffv1': ('mkv nut', 'yuv444p', {}),
    'libx264rgb': ('mkv', 'rgb24', {'qp': '0'}),
    'png': ('mov', 'rgb24', {}),
}


@pytest.mark.parametrize('codec, ending', [
    (codec, ending) for codec, (endings, *_) in CODINGS.items() for ending in endings.split()])
def test_formats(tmp_path, codec, ending):
    _, pix_fmt, options = CODINGS[codec]
    tags = {} if 'rgb' in pix_fmt else {'colorspace': 6, 'color_range': 1}
    path = encode_video(tmp_path / f'a.{ending}', [quarters()] * 8, codec, pix_fmt=pix_fmt,
                        options=options, tags=tags)
    path.rename(tmp_path / 'a')  # a file is what its content says
    times, imgs = read_all(tmp_path / 'a')
    assert times == pytest.approx(np.arange(8) / 25, abs=.0011)
    for img in imgs:
        assert img.shape == (96, 128, 3) and corners(img) == near_quarters()


@pytest.mark.parametrize('matrix, colour_range', [*itertools.product([1, 5, 9], [1, 2])])
@pytest.mark.parametrize('pix_fmt', ['yuv420p', 'yuv422p', 'yuv444p', 'yuv420p10le'])
def test_matrix_and_range_are_as_tagged(tmp_path, matrix, colour_range, pix_fmt):
    path = encode_video(tmp_path / 'a.mkv', [quarters()] * 2, 'ffv1', pix_fmt=pix_fmt,
                        tags={'colorspace': matrix, 'color_range': colour_range})
    assert corners(next(zip(*read_all(path)))[1]) == near_quarters()


@pytest.mark.parametrize('size, matrix', [((96, 128), 5), ((576, 720), 5), ((720, 1280), 1)])
def test_untagged_colours_are_those_of_the_size(tmp_path, size, matrix):
    path = encode_video(tmp_path / 'a.avi', [quarters(*size)], 'ffv1',
                        tags={'colorspace': matrix})  # which AVI does not keep
    assert corners(next(zip(*read_all(path)))[1]) == near_quarters()


def test_colours_are_smooth_between_the_samples_of_a_video(tmp_path):
    path = encode_video(tmp_path / 'a.mkv', [quarters()], 'ffv1')
    _, (img,) = read_all(path)
    across = img[24, 60:69].astype(int)  # from red to green: brightness has an edge, colour none
    redness = across[:, 2] - across[:, 1]
    assert redness[0] > 150 and redness[-1] < -120 and (np.diff(redness) <= 2).all()
    assert len(set(redness.tolist())) >= 5



@pytest.mark.parametrize('matrix, order, shape', [
    ((1, 0, 0, 1), (0, 1, 2, 3), (96, 128)),
    ((0, 1, -1, 0), (2, 0, 3, 1), (128, 96)),    # a quarter to the right
    ((-1, 0, 0, -1), (3, 2, 1, 0), (96, 128)),
    ((0, -1, 1, 0), (1, 3, 0, 2), (128, 96)),
    ((-1, 0, 0, 1), (1, 0, 3, 2), (96, 128)),    # mirrored
    ((1, 0, 0, -1), (2, 3, 0, 1), (96, 128)),
    ((0, 1, 1, 0), (0, 2, 1, 3), (128, 96)),
    ((0, -1, -1, 0), (3, 1, 2, 0), (128, 96)),
])
def test_turns_and_mirrors(tmp_path, matrix, order, shape):
    path = encode_video(tmp_path / 'a.mp4', [quarters()] * 2, options={'qp': '0'})
    a, b, c, d = matrix
    x, y = shape[1] * (a < 0 or c < 0), shape[0] * (b < 0 or d < 0)
    data = bytearray(path.read_bytes())
    one = 1 << 16
    struct.pack_into('>9i', data, data.index(b'tkhd') + 44, a * one, b * one, 0, c * one, d * one,
                     0, x * one, y * one, 1 << 30)
    path.write_bytes(data)
    _, (img, _) = read_all(path)
    assert img.shape[:2] == shape and corners(img) == near_quarters(order)


def test_frames_leave_the_memory_with_the_last_that_uses_them(tmp_path):
    path = encode_video(tmp_path / 'a.mp4', [quarters()] * 9)
    gc.collect()
    gc.disable()  # which may run late
    try:
        before = sum(type(thing).__name__ == 'VideoFrame' for thing in gc.get_objects())
        read_all(path)
        after = sum(type(thing).__name__ == 'VideoFrame' for thing in gc.get_objects())
    finally:
        gc.enable()
    assert after - before <= 1


@pytest.mark.parametrize('aspect, shape', [
    ('32/27', (480, 853)), ('8/9', (480, 640)), ('4/3', (480, 960)), ('1/1', (480, 720)),
    ('1001/1000', (480, 720)), ('100/1', (480, 720)),  # as good as square; a mistake
])
@pytest.mark.parametrize('codec, ending', [('mpeg2video', 'mpg'), ('libx264', 'mp4'),
                                           ('libx264', 'mkv'), ('mpeg4', 'avi')])
def test_pixels_become_square(tmp_path, aspect, shape, codec, ending):
    if codec == 'mpeg2video' and aspect not in ('32/27', '8/9'):
        pytest.skip('MPEG-2 knows three shapes of a picture')
    path = encode_video(tmp_path / f'a.{ending}', [quarters(480, 720)] * 2, codec, aspect=aspect)
    _, (img, *_) = read_all(path)
    assert img.shape[:2] == shape


@pytest.mark.parametrize('codec, ending, pix_fmt', [
    ('mpeg2video', 'mpg', 'yuv420p'), ('libx264', 'mp4', 'yuv420p'),
    ('prores_ks', 'mov', 'yuv422p10le'), ('mpeg4', 'avi', 'yuv420p')])
def test_interlaced_frames_are_deinterlaced(tmp_path, codec, ending, pix_fmt):
    shots = [np.full((96, 128, 3), 40 + 8 * i, np.uint8) for i in range(25)]
    options = {'x264-params': 'interlaced=1:qp=0'} if codec == 'libx264' else (
        {'qmin': '1', 'qmax': '1'} if codec != 'prores_ks' else {})
    path = encode_video(tmp_path / f'a.{ending}', shots, codec, pix_fmt=pix_fmt, interlaced=True,
                        options=options)
    times, imgs = read_all(path)
    assert times == pytest.approx(np.arange(25) / 25)
    assert [img.mean() for img in imgs] == pytest.approx(40 + 8 * np.arange(25), abs=3)
    assert max(img.std() for img in imgs) < 2


def test_the_combs_of_interlaced_motion_are_gone(tmp_path):
    shots = []
    for i in range(10):
        fields = [np.zeros((96, 128, 3), np.uint8) for _ in range(2)]
        for k, field in enumerate(fields):
            field[:, 20 + 8 * i + 4 * k:40 + 8 * i + 4 * k] = 255
        fields[0][1::2] = fields[1][1::2]
        shots.append(fields[0])
    path = encode_video(tmp_path / 'a.mp4', shots, options={'x264-params': 'interlaced=1:qp=0'},
                        interlaced=True)
    _, imgs = read_all(path)
    combs = [np.abs(np.diff(img[:, :, 1].astype(int), axis=0)).mean() for img in imgs[2:8]]
    assert np.abs(np.diff(shots[3][:, :, 1].astype(int), axis=0)).mean() > 10
    assert max(combs) < 3


def test_the_size_may_change_in_the_middle(tmp_path):
    data = b''.join(encode_video(tmp_path / f'{i}.ts', [quarters(*size)] * 3, options={'qp': '0'},
                                 ).read_bytes() for i, size in enumerate([(96, 128), (64, 80)]))
    (tmp_path / 'a.ts').write_bytes(data)
    _, imgs = read_all(tmp_path / 'a.ts')
    assert [img.shape[:2] for img in imgs] == [(96, 128)] * 3 + [(64, 80)] * 3
    assert all(corners(img) == near_quarters() for img in imgs)


def test_the_times_of_frames_of_varying_length(tmp_path):
    stamps = [0, 40, 500, 540, 1700]
    path = encode_video(tmp_path / 'a.mkv', [quarters()] * 5, times=stamps)
    times, _ = read_all(path)
    assert times == pytest.approx(np.array(stamps) / 1000, abs=.002)


def test_an_encrypted_video_is_called_so(tmp_path):
    path = encode_video(tmp_path / 'a.mp4', [quarters()] * 3, container={
        'encryption_scheme': 'cenc-aes-ctr', 'encryption_key': '76' * 16,
        'encryption_kid': 'a7' * 16})
    with pytest.raises(InputError, match=r'without any decodable frame; it is encrypted \(DRM\)'):
        list(frames.FrameReader([str(path)], frames.every_nth(1)))


def test_a_title_in_any_encoding_does_not_matter(tmp_path):
    path = encode_video(tmp_path / 'a.mkv', [quarters()], title='title of a film')
    title = '第1話 絵本の'.encode('sjis').ljust(15)
    path.write_bytes(path.read_bytes().replace(b'title of a film', title))
    (seconds,), _ = read_all(path)
    assert seconds == 0


def test_what_an_edit_list_cuts_away_is_not_missed(tmp_path):
    shots = [np.full((96, 128, 3), 40 + i, np.uint8) for i in range(100)]
    path = save_video(tmp_path / 'a.mp4', shots, fps=25.)
    data = bytearray(path.read_bytes())
    at = data.index(b'elst') + 4
    duration, start = struct.unpack_from('>Ii', data, at + 8)
    scale, = struct.unpack_from('>I', data, data.index(b'mdhd') + 16)
    struct.pack_into('>Ii', data, at + 8, duration * 86 // 100, start + 14 * scale // 25)
    path.write_bytes(data)
    with videos.opened(str(path)) as video:
        shown = [get().mean() for _, get in video]
        assert len(shown) == 86 and shown[0] == pytest.approx(40 + 14, abs=3)
        assert (video.announced, video.is_short) == (100, False)


def test_a_duration_beyond_the_last_frame_is_no_alarm(tmp_path):
    path = save_video(tmp_path / 'a.mkv', count_up(50))
    data = bytearray(path.read_bytes())
    struct.pack_into('>d', data, data.index(b'\x44\x89\x88') + 3, 20000.)
    path.write_bytes(data)
    notes = []
    assert len(list(frames.FrameReader([str(path)], frames.every_nth(1), note=notes.append))) == 50
    assert notes == []


def test_a_cut_mp4_is_an_alarm(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 48, 64, 3), np.uint8)
    path = encode_video(tmp_path / 'a.mp4', noise, container={'movflags': 'faststart'})
    data = path.read_bytes()
    path.write_bytes(data[:len(data) // 2])
    notes = []
    n = len(list(frames.FrameReader([str(path)], frames.every_nth(1), note=notes.append)))
    assert 10 < n < 25
    assert notes == [f'{path}: {n} of 40 frames could be read; the video is cut short or damaged']


@pytest.mark.parametrize('codec, ending', [('libx264', 'ts'), ('mpeg2video', 'ts'),
                                           ('mpeg2video', 'mpg')])
def test_a_broken_start_is_skipped(tmp_path, codec, ending):
    shots = [quarters() for _ in range(40)]
    for seed, shot in enumerate(shots):  # so that frames are of the usual size
        shot[40:56] = np.random.default_rng(seed).integers(0, 256, (16, 128, 3))
    path = encode_video(tmp_path / f'a.{ending}', shots, codec, options={'g': '10', 'qmax': '4'})
    data = path.read_bytes()
    path.write_bytes(data[len(data) // 3 + 77:])  # in the middle of a packet
    times, imgs = read_all(path)
    assert len(imgs) >= 10 and times[0] == 0
    assert all(corners(img) == near_quarters(tolerance=8) for img in imgs)


@pytest.mark.parametrize('transfer, primaries', [(16, 9), (18, 9)])
def test_high_dynamic_range_is_shown_at_the_usual_brightness(tmp_path, transfer, primaries):
    # BT.2408: a grey card of 18 % is at 38 % in PQ and in HLG, 26 cd/m2; white at 58 % and 75 %.
    signals = {16: (.38, .58), 18: (.38, .75)}[transfer]
    img = np.zeros((96, 128, 3), np.uint8)
    img[:, :64], img[:, 64:] = (round(255 * signal) for signal in signals)
    path = encode_video(tmp_path / 'a.mkv', [img], 'ffv1', pix_fmt='yuv420p10le', tags={
        'colorspace': 9, 'color_range': 1, 'color_trc': transfer, 'color_primaries': primaries})
    _, (shown,) = read_all(path)
    grey, white = shown[50, 30], shown[50, 100]
    assert np.ptp(grey) <= 2 and np.ptp(white) <= 2
    assert 95 < grey[0] < 105 and 220 < white[0] < 245


@pytest.mark.parametrize('tags', [{'color_trc': 3}, {'color_primaries': 3}, {'color_trc': 10}])
def test_colours_that_nobody_knows_are_shown_as_they_are(tmp_path, tags):
    path = encode_video(tmp_path / 'a.mkv', [quarters()], 'ffv1', pix_fmt='yuv444p', tags={
        'colorspace': 5, 'color_range': 1, **tags})
    _, (img,) = read_all(path)
    assert corners(img) == near_quarters()


def test_wide_gamut_video_becomes_srgb(tmp_path):
    img = np.full((64, 64, 3), (230, 60, 60), np.uint8)
    path = encode_video(tmp_path / 'a.mkv', [img], 'ffv1', pix_fmt='yuv444p', tags={
        'colorspace': 1, 'color_range': 1, 'color_trc': 1, 'color_primaries': 12})
    _, (shown,) = read_all(path)
    assert shown[9, 9, ::-1].tolist() == pytest.approx([250, 31, 49], abs=3)


@pytest.mark.parametrize('codec', ['libvpx', 'libvpx-vp9'])
def test_transparent_webm_stands_on_white(tmp_path, codec):
    import av

    img = np.zeros((48, 64, 4), np.uint8)
    img[:24] = 200, 0, 0, 255
    with av.open(str(tmp_path / 'a.webm'), 'w') as out:
        stream = out.add_stream(codec, rate=25, options={'auto-alt-ref': '0', 'crf': '4'})
        stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuva420p'
        stream.metadata['alpha_mode'] = '1'
        out.mux(stream.encode(av.VideoFrame.from_ndarray(img, 'rgba')))
        out.mux(stream.encode())
    _, (shown,) = read_all(tmp_path / 'a.webm')
    assert shown[12, 32, ::-1].tolist() == pytest.approx([200, 0, 0], abs=6)
    assert shown[40, 32].tolist() == [255, 255, 255]


def test_many_jpegs_in_one_file_are_a_video(tmp_path):
    jpeg, small, other = io.BytesIO(), io.BytesIO(), io.BytesIO()
    Image.fromarray(quarters()).save(jpeg, 'JPEG', quality=98)
    Image.fromarray(quarters()[::-1]).save(other, 'JPEG', quality=98)
    Image.fromarray(quarters(24, 32)).save(small, 'JPEG')
    (tmp_path / 'a.jpg').write_bytes(jpeg.getvalue() + 2 * other.getvalue())
    read = list(frames.FrameReader([str(tmp_path / 'a.jpg')], frames.every_nth(1)))
    assert [frame.seconds for frame in read] == pytest.approx([0, .04, .08])
    assert [corners(frame.img) for frame in read] == [
        near_quarters(), near_quarters((2, 3, 0, 1)), near_quarters((2, 3, 0, 1))]
    for more in small.getvalue(), other.getvalue()[:60], b'':  # a preview, a damaged one
        (tmp_path / 'a.jpg').write_bytes(jpeg.getvalue() + more)
        frame, = frames.FrameReader([str(tmp_path / 'a.jpg')], frames.every_nth(1))
        assert frame.seconds is None


@pytest.mark.skipif(not os.path.isdir('/proc/self/task'), reason='lists threads on Linux only')
def test_one_thread_means_one(tmp_path):
    import av.filter

    if not hasattr(av.filter.Graph, 'threads'):
        pytest.skip('PyAV here does not tell filters')
    path = encode_video(tmp_path / 'a.mp4', [quarters()] * 3)
    threads.use(1)
    try:
        before = len(os.listdir('/proc/self/task'))
        with videos.opened(str(path)) as video:
            for _, get in video:
                get()
                assert len(os.listdir('/proc/self/task')) <= before + 1
    finally:
        threads.use(None)


def test_transparent_video_stands_on_white(tmp_path):
    import av

    with av.open(str(tmp_path / 'a.mov'), 'w') as out:
        stream = out.add_stream('png', rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, 'rgba'
        img = np.zeros((48, 64, 4), np.uint8)
        img[:24] = 200, 0, 0, 255
        out.mux(stream.encode(av.VideoFrame.from_ndarray(img, 'rgba')))
        out.mux(stream.encode())
    _, (shown,) = read_all(tmp_path / 'a.mov')
    assert shown[5, 5, ::-1].tolist() == [200, 0, 0] and shown[40, 5].tolist() == [255] * 3


def test_the_cover_of_an_album_is_no_video(tmp_path):
    import av

    with av.open(str(tmp_path / 'a.mkv'), 'w') as out:
        stream = out.add_stream('pcm_s16le', rate=8000, layout='mono')
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), 's16', 'mono')
        frame.sample_rate = 8000
        out.mux(stream.encode(frame))
    with pytest.raises(InputError, match='a.mkv: expected a video, got sound only'):
        read_all(tmp_path / 'a.mkv')


@pytest.mark.skipif(not hasattr(os, 'sched_getscheduler'), reason='needs Linux')
def test_writing_av1_leaves_the_priority_as_it_was(tmp_path):
    before = os.sched_getscheduler(0)  # else all later tests starve the machine
    encode_video(tmp_path / 'a.mp4', [quarters()] * 2, 'libsvtav1')
    assert {os.sched_getscheduler(int(thread)) for thread in os.listdir('/proc/self/task')} == {
        before}


@pytest.mark.parametrize('pix_fmt', ['rgb555le', 'rgb565le'])
def test_white_of_few_bits_is_white(tmp_path, pix_fmt):
    img = np.full((48, 64, 3), 255, np.uint8)
    img[24:] = 0
    path = encode_video(tmp_path / 'a.nut', [img], 'rawvideo', pix_fmt=pix_fmt)
    _, (shown,) = read_all(path)
    assert shown[5, 5].tolist() == [255] * 3 and shown[40, 5].tolist() == [0] * 3


@pytest.mark.parametrize('tags', [{0x010f: 'a camera'}, {0x0112: 1}])
def test_what_a_frame_says_beside_its_pixels_does_not_matter(tmp_path, tags):
    import av

    exif = Image.Exif()
    exif.update(tags)
    jpeg = io.BytesIO()
    Image.fromarray(quarters()).save(jpeg, 'JPEG', quality=98, exif=exif)
    with av.open(str(tmp_path / 'a.avi'), 'w') as out:
        stream = out.add_stream('mjpeg', rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, 'yuvj420p'
        packet = av.Packet(jpeg.getvalue())
        packet.stream, packet.pts, packet.dts = stream, 0, 0
        packet.time_base = stream.time_base or Fraction(1, 25)
        out.mux(packet)
    _, (shown,) = read_all(tmp_path / 'a.avi')
    assert corners(shown) == near_quarters()


# One frame, by its time

@pytest.mark.parametrize('ending, options', [
    ('mp4', {'g': '12'}), ('mkv', {'g': '12'}), ('avi', {'g': '12', 'bf': '0'}),
    ('mov', {'g': '1'}), ('mp4', {'g': '12', 'bf': '0'})])
def test_a_frame_is_found_by_its_time_without_decoding_all_before_it(tmp_path, ending, options):
    path = encode_video(tmp_path / f'a.{ending}', count_up(200), options=options)
    times, imgs = read_all(path)
    seen = []
    for index in (1, 30, 100, 150, 199):
        with videos.opened(str(path)) as video:
            seen.clear()
            img = video.find(round(times[index], 3), lambda: seen.append(1))
        np.testing.assert_array_equal(img, imgs[index])
        assert len(seen) < 40


@pytest.mark.parametrize('seconds', [.02, 3.013, 99])
def test_a_time_that_no_frame_has_is_not_found(tmp_path, seconds):
    path = encode_video(tmp_path / 'a.mp4', count_up(100))
    with videos.opened(str(path)) as video:
        assert video.find(seconds) is None


@pytest.mark.parametrize('interlaced', [False, True])
def test_a_stream_that_cannot_be_searched_well_gives_the_right_frame_or_none(tmp_path, interlaced):
    path = encode_video(tmp_path / 'a.ts', count_up(200), interlaced=interlaced, options={
        'g': '12', **({'x264-params': 'interlaced=1'} if interlaced else {})})
    times, imgs = read_all(path)
    with videos.opened(str(path)) as video:
        img = video.find(round(times[150], 3))
    assert img is None or np.abs(img.astype(int) - imgs[150]).mean() < 2
