import gzip
import time

import cv2
import numpy as np
import pytest

from picture_ranknet.errors import InputError
from picture_ranknet.faces import cascade_file, detector
from picture_ranknet.faces.settings import DEFAULT_CASCADE
from picture_ranknet.faces.training import lbp_file
from support import media_samples

# Of those that come with OpenCV: trees, tilted features, a window that is no square, an old one.
SHIPPED = ['frontalface_default', 'frontalface_alt2', 'lefteye_2splits', 'smile', 'fullbody',
           'license_plate_rus_16stages']

LAUGHS = """<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<opencv_storage><cascade>&b;</cascade></opencv_storage>"""
OUTSIDE = """<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<opencv_storage><cascade>&a;</cascade></opencv_storage>"""

HAAR = """<opencv_storage><cascade type_id="opencv-cascade-classifier">
<stageType>BOOST</stageType><featureType>HAAR</featureType><height>20</height><width>20</width>
<stageParams><maxWeakCount>1</maxWeakCount></stageParams>
<featureParams><maxCatCount>0</maxCatCount></featureParams><stageNum>1</stageNum>
<stages><_><maxWeakCount>1</maxWeakCount><stageThreshold>-1.5e+00</stageThreshold>
<weakClassifiers><_><internalNodes>1 0 0 1.5e-03 -1 -2 1 .5</internalNodes>
<leafValues>1. -1. .25</leafValues></_></weakClassifiers></_></stages>
<features><_><rects><_>2 2 4 4 -1.</_><_>2 4 4 2 2.</_></rects></_>
<_><rects><_>5 2 4 4 -1.</_><_>6 3 2 2 4.</_></rects><tilted>1</tilted></_></features>
</cascade></opencv_storage>"""
LAYER = """<_>
<weights type_id="opencv-nd-matrix"><sizes>4 {}</sizes><dt>c</dt><data>{}</data></weights>
<scales type_id="opencv-matrix"><rows>1</rows><cols>4</cols><dt>f</dt><data>1 1 1 1</data></scales>
<biases type_id="opencv-matrix"><rows>1</rows><cols>4</cols><dt>f</dt><data>0 0 0 0</data></biases>
</_>"""
LOOK = """<second_look><network>"{}"</network>
<deviations type_id="opencv-matrix"><rows>1</rows><cols>744</cols><dt>f</dt><data>{}</data>
</deviations><layers>{}</layers></second_look></opencv_storage>""".format(
    '0' * 64, '1 ' * 744, ''.join(LAYER.format(n, '1 ' * 4 * n) for n in (744, 4, 4)))
LBP = media_samples.CASCADE
LOOKED = LBP.replace('</opencv_storage>', LOOK)


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'c.xml'


def damage(text, old, new):
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize('text', [
    '', 'hello', '{"cascade": 1}', '%YAML:1.0\n---\na: 1\n', LAUGHS, OUTSIDE, LBP[:300], LBP[:-30],
    '<opencv_storage/>', '<a><cascade/></a>', '<opencv_storage><cascade/></opencv_storage>',
    '<opencv_storage>' + '<a>' * 100000 + '</a>' * 100000 + '</opencv_storage>',
    damage(LBP, '<rect>0 0 8 8', '<rect>1 0 8 8'), damage(LBP, '<rect>0 0 8 8', '<rect>0 0 8 9'),
    damage(LBP, '<rect>0 0 8 8', '<rect>-1 0 8 8'), damage(LBP, '<rect>0 0 8 8', '<rect>0 0 8 0'),
    damage(LBP, '<rect>0 0 8 8', '<rect>0 0 8 -8'), damage(LBP, '<rect>0 0 8 8', '<rect>0 0 8'),
    damage(LBP, '<rect>0 0 8 8', '<rect>1073741824 0 1073741824 8'),
    damage(LBP, '0 -1 0 1 0', '0 -1 1 1 0'), damage(LBP, '0 -1 0 1 0', '0 -1 -1 1 0'),
    damage(LBP, '0 -1 0 1 0', '0 -2 0 1 0'), damage(LBP, '0 -1 0 1 0', '1 -1 0 1 0'),
    damage(LBP, '0 -1 0 1 0', '0 -1 0 1'), damage(LBP, '0 -1 0 1 0', '0 -1 0 4294967296 0'),
    damage(LBP, '1. -1.', '1. nan'), damage(LBP, '1. -1.', '1. 1e999'), damage(LBP, '1. -1.', '1.'),
    damage(LBP, '<stageThreshold>0.5', '<stageThreshold>inf'),
    damage(LBP, '<width>24', '<width>0'), damage(LBP, '<width>24', '<width>-24'),
    damage(LBP, '<width>24', '<width>2147483647'), damage(LBP, '<width>24</width>', ''),
    damage(LBP, '<width>24', '<width>' + '9' * 10000), damage(LBP, 'LBP', 'HOG'),
    damage(LBP, '>256<', '>0<'), damage(LBP, '>256<', '>1000000000<'),
    damage(LBP, '<_><rect>0 0 8 8</rect></_>', ''),
    damage(HAAR, '1 0 0 1.5e-03', '0 0 9 1.5e-03'), damage(HAAR, '-1 -2 1 .5', '0 1 1 .5'),
    damage(HAAR, '-1 -2 1 .5', '-1 -3 1 .5'), damage(HAAR, '2 2 4 4 -1.', '2 2 19 4 -1.'),
    damage(HAAR, '5 2 4 4 -1.', '3 2 4 4 -1.'), damage(HAAR, '2 4 4 2 2.', '2 4 4 2 nan'),
    damage(HAAR, '<_>2 2 4 4 -1.</_>', '<_>2 2 4 4 -1.</_>' * 4),
    damage(LOOKED, '<sizes>4 744', '<sizes>100000 100000'),
    damage(LOOKED, '<sizes>4 744', '<sizes>4 743'), damage(LOOKED, '<sizes>4 744', '<sizes>2976'),
    damage(LOOKED, '<data>1 1 1 1<', '<data>1 1 1 nan<'),
    damage(LOOKED, '<data>1 1 1 1 1', '<data>1 300 1 1 1'),
    damage(LOOKED, '<dt>c<', '<dt>1000000000c<'), damage(LOOKED, '"000', '"../'),
    damage(LOOKED, '<network>', '<networks>').replace('</network>', '</networks>'),
])
def test_no_damaged_cascade_gets_to_opencv(path, text):
    path.write_text(text)
    start = time.monotonic()
    with pytest.raises(InputError) as e:
        detector.read_cascade(str(path))
    assert str(e.value).startswith(
        f'{path}: expected an OpenCV cascade, got something else or a damaged one: ')
    assert '\n' not in str(e.value) and len(str(e.value)) < 500 and time.monotonic() - start < 5
    if 'HAAR' not in text and 'second_look' not in text:
        with pytest.raises(InputError, match='expected a cascade of LBP features'):
            lbp_file.read(str(path))


def test_a_huge_file_is_no_cascade(path):
    with open(path, 'wb') as f:
        f.truncate(2 ** 33)
    with pytest.raises(InputError, match='it has over 16,777,216 bytes'):
        detector.read_cascade(str(path))


@pytest.mark.parametrize('text', [LBP, HAAR, LOOKED, LBP.replace('8 8<', '8.  8<')])
def test_valid_cascades_are_rewritten(path, text):
    path.write_text(text)
    _, look = detector.read_cascade(str(path))
    assert bool(look) == ('second_look' in text)
    clean = cascade_file.clean(text)
    assert cascade_file.clean(clean) == clean


@pytest.mark.parametrize('path', [
    *(cv2.data.haarcascades + f'haarcascade_{name}.xml' for name in SHIPPED),
    DEFAULT_CASCADE, 'lbpcascade_animeface.xml'], ids=lambda path: path.split('/')[-1])
def test_cascades_find_what_they_find_in_opencv(request, root, path):
    if path == 'lbpcascade_animeface.xml':
        path = str(request.getfixturevalue('real_data') / path)
    expected = cv2.CascadeClassifier(str(root / path))
    found = detector.read_cascade(str(root / path))[0]
    rng = np.random.default_rng(0)
    img = cv2.resize(rng.integers(0, 256, (20, 20), np.uint8), (160, 160))
    boxes = [sorted(map(tuple, cascade.detectMultiScale(img, 1.1, 0))) for cascade in
             (expected, found)]
    assert boxes[0] == boxes[1] and found.getOriginalWindowSize() == (
        expected.getOriginalWindowSize())


# What OpenCV 1 wrote

OLD = """<opencv_storage><mine type_id="opencv-haar-classifier"><size>20 20</size><stages><_><trees>
<_><_><feature><rects><_>2 2 4 4 -1.</_><_>2 4 4 2 2.</_></rects><tilted>0</tilted></feature>
<threshold>1.5e-03</threshold><left_node>1</left_node><right_val>.25</right_val></_>
<_><feature><rects><_>5 2 4 4 -1.</_></rects><tilted>1</tilted></feature>
<threshold>.5</threshold><left_val>1.</left_val><right_val>-1.</right_val></_></_>
</trees><stage_threshold>-1.5</stage_threshold><parent>-1</parent><next>-1</next></_></stages>
</mine></opencv_storage>"""


def test_an_old_cascade_is_written_in_the_format_of_today(path):
    path.write_text(OLD)
    assert detector.read_cascade(str(path))[0].getOriginalWindowSize() == (20, 20)
    clean = cascade_file.clean(OLD)
    assert '<internalNodes>1 0 0 0.0015 -1 -2 1 0.5 </internalNodes>' in clean
    assert '<leafValues>0.25 1.0 -1.0</leafValues>' in clean


@pytest.mark.parametrize('old, new', [
    ('<next>-1', '<next>1'), ('<left_node>1', '<left_node>0'), ('<left_node>1', '<left_node>2'),
    ('<left_val>1.</left_val>', ''), ('<threshold>.5</threshold>', ''), ('<size>20 20</size>', ''),
    ('<size>20 20', '<size>20'), ('<size>20 20', '<size>20 5'), ('<next>-1', '<next>x'),
    ('>5 2 4 4 -1.', '>3 2 4 4 -1.'), ('<stage_threshold>-1.5</stage_threshold>', ''),
    ('<feature><rects><_>5 2 4 4 -1.</_></rects><tilted>1</tilted></feature>', ''),
])
def test_a_damaged_old_cascade_is_refused(path, old, new):
    path.write_text(damage(OLD, old, new))
    with pytest.raises(InputError, match='expected an OpenCV cascade'):
        detector.read_cascade(str(path))


# Packed by gzip

@pytest.mark.parametrize('text', [LBP, OLD])
def test_a_packed_cascade_is_read(tmp_path, text):
    path = tmp_path / 'c.xml.gz'
    path.write_bytes(gzip.compress(text.encode()))
    assert cascade_file.read_text(str(path)) == text
    detector.read_cascade(str(path))


@pytest.mark.parametrize('data', [
    b'\x1f\x8b', gzip.compress(LBP.encode(), mtime=0)[:-20], b'\x1f\x8b' + bytes(100),
    gzip.compress(bytes(2 ** 24 + 1), mtime=0), gzip.compress(b'hello', mtime=0)],
    ids=['start', 'cut', 'noise', 'huge', 'text'])
def test_a_damaged_or_huge_packed_file_is_refused(tmp_path, data):
    (tmp_path / 'c.xml.gz').write_bytes(data)
    with pytest.raises(InputError, match='c.xml.gz: expected an OpenCV cascade'):
        detector.read_cascade(str(tmp_path / 'c.xml.gz'))
