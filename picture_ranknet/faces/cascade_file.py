"""Reads untrusted cascades: the file is validated, and OpenCV gets a clean copy.

OpenCV trusts a cascade.  It looks up features, nodes and leaves by the numbers
in the file, without bounds checks, and allocates matrices as large as the file
says.  So Python's parser reads the file here, without entities; each number is
checked; and what was understood is written again.  OpenCV reads that copy, and
never the file.

Supported are the format of ``opencv_traincascade`` with HAAR and LBP features,
which is all that ``cv2.CascadeClassifier`` of OpenCV 4 can run; the older one
of ``haartraining`` (:mod:`~picture_ranknet.faces.old_cascade`); and both
compressed with gzip, as OpenCV writes ``.xml.gz``.
"""
import functools
import gzip
import math
import re
import xml.etree.ElementTree as ElementTree
import zlib

import numpy as np

from picture_ranknet.faces import old_cascade

MOST_BYTES = 2 ** 24   # of a file; the largest of OpenCV's own has 2.7 million
SMALLEST, LARGEST = 3, 1000     # sides of a window, in pixels
MOST_WEIGHTS = 10 ** 6  # of a layer of the second look
CATEGORIES = {'HAAR': 0, 'LBP': 256}  # values that a feature can take; 0: continuous
MOST_RECTANGLES = 3    # of a HAAR feature
SECOND_LOOK = 'second_look'  # after the cascade


def read_text(path: str) -> str:
    """The text of a file, decompressed if necessary; invalid UTF-8 is replaced.

    Raises:
        ValueError: If it is too large, or a damaged ``.gz``.
    """
    with open(path, 'rb') as f:
        is_packed = f.read(2) == b'\x1f\x8b'
        f.seek(0)
        try:
            data = (gzip.GzipFile(fileobj=f) if is_packed else f).read(MOST_BYTES + 1)
        except (EOFError, gzip.BadGzipFile, zlib.error) as e:
            raise ValueError(f'it is a damaged .gz: {e}') from e
    if len(data) > MOST_BYTES:
        raise ValueError(f'it has over {MOST_BYTES:,} bytes')
    return data.decode('utf-8', 'replace')


def parse(text: str) -> ElementTree.Element:
    """Parse XML that declares no entities, which could be made to fill the memory.

    Raises:
        ValueError: If it is not such XML.
    """
    if '<!DOCTYPE' in text or '<!ENTITY' in text:
        raise ValueError('it declares entities')
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as e:
        raise ValueError(f'it is not XML: {e}') from e


@functools.lru_cache(2)
def clean(text: str) -> str:
    """Validate a cascade, and the second look after it if there is one, and write a clean copy.

    Args:
        text: The content of the file.

    Returns:
        XML for ``cv2.FileStorage``, in the current format.

    Raises:
        ValueError: If it is invalid; says what is wrong.
    """
    root = parse(text)
    if root.tag != 'opencv_storage' or not len(root):
        raise ValueError('it is something else')
    out = ['<?xml version="1.0"?>\n<opencv_storage>\n']
    cascade = root[0]
    _write_cascade(old_cascade.convert(cascade) if old_cascade.is_old(cascade) else cascade, out)
    look = root.find(SECOND_LOOK)
    if look is not None:
        _write_second_look(look, out)
    out.append('</opencv_storage>\n')
    return ''.join(out)


def _write_cascade(cascade, out):
    kind = _text(cascade, 'featureType')
    if _text(cascade, 'stageType') != 'BOOST' or kind not in CATEGORIES:
        raise ValueError('it has no HAAR or LBP features')
    width, height = (_integer(cascade, side, SMALLEST, LARGEST) for side in ('width', 'height'))
    if _integer(cascade, 'featureParams/maxCatCount', 0, 2 ** 31) != CATEGORIES[kind]:
        raise ValueError(f'its features have no {CATEGORIES[kind] or "ordered"} values')
    features = cascade.findall('features/_')
    stages = cascade.findall('stages/_')
    if not stages or not features:
        raise ValueError('it has no stages or no features')
    out.append(f'<cascade><stageType>BOOST</stageType><featureType>{kind}</featureType>\n'
               f'<height>{height}</height><width>{width}</width><featureParams>'
               f'<maxCatCount>{CATEGORIES[kind]}</maxCatCount></featureParams>'
               f'<stageNum>{len(stages)}</stageNum>\n<stages>\n')
    for stage in stages:
        trees = stage.findall('weakClassifiers/_')
        threshold, = _floats(stage, 'stageThreshold', 1)
        if not trees:
            raise ValueError('one of its stages is empty')
        out.append(f'<_><maxWeakCount>{len(trees)}</maxWeakCount><stageThreshold>{threshold!r}'
                   '</stageThreshold><weakClassifiers>\n')
        for tree in trees:
            _write_tree(tree, len(features), CATEGORIES[kind], out)
        out.append('</weakClassifiers></_>\n')
    out.append('</stages><features>\n')
    write_feature = {'HAAR': _write_haar, 'LBP': _write_lbp}[kind]
    for feature in features:
        write_feature(feature, width, height, out)
    out.append('</features></cascade>\n')


def _write_tree(tree, n_features, categories, out):
    """A weak classifier: nodes with two children, a feature, and a threshold or a set of codes.

    A child is a later node, so that there are no cycles, or the negative number
    of a leaf.
    """
    width = 3 + (categories // 32 or 1)
    words = _text(tree, 'internalNodes').split()
    n = len(words) // width
    if not n or len(words) != n * width:
        raise ValueError('it has damaged nodes')
    leaves = _floats(tree, 'leafValues', n + 1)
    out.append('<_><internalNodes>')
    for i in range(n):
        left, right, feature = map(_whole, words[i * width:i * width + 3])
        if not all(i < child < n or -n <= child <= 0 for child in (left, right)):
            raise ValueError('one of its nodes leads nowhere')
        if not 0 <= feature < n_features:
            raise ValueError(f'it has no feature number {feature}')
        rest = words[i * width + 3:(i + 1) * width]
        numbers = map(_whole, rest) if categories else map(_number, rest)
        out.append(f'{left} {right} {feature} {" ".join(map(repr, numbers))} ')
    out.append(f'</internalNodes><leafValues>{" ".join(map(repr, leaves))}</leafValues></_>\n')


def _write_lbp(feature, width, height, out):
    x, y, w, h = map(_whole, _words(feature, 'rect', 4))
    if not (w >= 1 and h >= 1 and 0 <= x <= width - 3 * w and 0 <= y <= height - 3 * h):
        raise ValueError('one of its features lies outside the window')
    out.append(f'<_><rect>{x} {y} {w} {h}</rect></_>\n')


def _write_haar(feature, width, height, out):
    is_tilted = (feature.find('tilted') is not None
                 and _integer(feature, 'tilted', 0, 1) == 1)
    rectangles = feature.findall('rects/_')
    if not 1 <= len(rectangles) <= MOST_RECTANGLES:
        raise ValueError(f'one of its features has {len(rectangles)} rectangles')
    out.append('<_><rects>')
    for rectangle in rectangles:
        *sides, weight = _words(rectangle, '.', 5)
        x, y, w, h = map(_whole, sides)
        left, right, bottom = x, x + w, y + h
        if is_tilted:  # by 45 degrees, about its upper corner
            left, right, bottom = x - h, x + w, y + w + h
        if w < 1 or h < 1 or left < 0 or y < 0 or right > width or bottom > height:
            raise ValueError('one of its features lies outside the window')
        out.append(f'<_>{x} {y} {w} {h} {_number(weight)!r}</_>')
    out.append(f'</rects><tilted>{int(is_tilted)}</tilted></_>\n')


def _write_second_look(look, out):
    network = _text(look, 'network').strip('"')
    if not re.fullmatch('[0-9a-f]{64}', network):
        raise ValueError('its second look does not name its network')
    out.append(f'<{SECOND_LOOK}><network>"{network}"</network>\n')
    _write_floats(look, 'deviations', len(_text(look, 'deviations/data').split()), out)
    out.append('<layers>\n')
    for layer in look.findall('layers/_'):
        shape = [_whole(word) for word in _text(layer, 'weights/sizes').split()]
        if len(shape) != 2 or min(shape) < 1 or math.prod(shape) > MOST_WEIGHTS:
            raise ValueError('a layer of its second look has no size')
        weights = _bytes(_words(layer, 'weights/data', math.prod(shape)))
        if _text(layer, 'weights/dt') != 'c':
            raise ValueError('a layer of its second look has weights of another type')
        out.append('<_><weights type_id="opencv-nd-matrix">'
                   f'<sizes>{" ".join(map(str, shape))}</sizes><dt>c</dt><data>\n'
                   f'{" ".join(map(str, weights))}</data></weights>\n')
        for name in 'scales', 'biases':
            _write_floats(layer, name, shape[0], out)
        out.append('</_>\n')
    out.append(f'</layers></{SECOND_LOOK}>\n')


def _bytes(words):
    try:
        numbers = np.array(words, np.int64)
    except (ValueError, OverflowError):
        numbers = np.array([-2 ** 31])
    if not -129 < numbers.min() <= numbers.max() < 128:
        raise ValueError('a layer of its second look has weights of another type')
    return numbers.tolist()


def _write_floats(node, name, n, out):
    values = _floats(node, f'{name}/data', n)
    if _text(node, f'{name}/dt') != 'f' or n > MOST_WEIGHTS:
        raise ValueError(f'its second look has {name} of another type')
    out.append(f'<{name} type_id="opencv-matrix"><rows>1</rows><cols>{n}</cols>'
               f'<dt>f</dt><data>\n{" ".join(map(repr, values))}</data></{name}>\n')


# Parts and numbers

def _text(node, path):
    text = node.findtext(path)
    if not text or not text.strip():
        raise ValueError(f'it has no {path}')
    return text.strip()


def _words(node, path, n):
    words = _text(node, path).split()
    if len(words) != n:
        raise ValueError(f'its {path} should be {n} numbers, but there are {len(words)}')
    return words


def _floats(node, path, n):
    return [_number(word) for word in _words(node, path, n)]


def _integer(node, path, lowest, highest):
    number = _whole(_text(node, path))
    if not lowest <= number <= highest:
        raise ValueError(f'its {path} is {number}')
    return number


def _whole(word):
    number = _number(word)  # 1. is a whole number to OpenCV
    if not -2 ** 31 <= number < 2 ** 31 or number != int(number):
        raise ValueError(f'it has {word} where a whole number is expected')
    return int(number)


def _number(word):
    try:
        number = float(word) if len(word) < 50 else math.nan
    except ValueError:
        number = math.nan
    if not abs(number) < 1e30:  # float32 ends at 3.4e38
        raise ValueError(f'it has {word[:20]!r} where a number is expected')
    return number
