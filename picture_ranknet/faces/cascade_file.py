"""Cascades from anywhere: what OpenCV is shown is checked, and written anew.

OpenCV believes a cascade.  It looks features, nodes and leaves up by the
numbers in the file, wherever they lead, and makes matrices as large as the
file says.  So the file is read here, by Python's parser and without entities;
each number is checked; and of what has been understood a new text is written.
OpenCV reads that, and never the file.

The format is that of ``opencv_traincascade``, with features of the kinds HAAR
and LBP, which is all that ``cv2.CascadeClassifier`` of OpenCV 4 reads as well.
"""
import functools
import math
import xml.etree.ElementTree as ElementTree

MOST_BYTES = 2 ** 24   # of a file; OpenCV's own go to 2.7 million
SMALLEST, LARGEST = 3, 1000     # sides of a window, in pixels
MOST_WEIGHTS = 10 ** 6  # of a layer of the second look
CATEGORIES = {'HAAR': 0, 'LBP': 256}  # values that a feature has, 0 for any number
MOST_RECTANGLES = 3    # of a HAAR feature
CHECK = 'face_check'   # the second look, behind the cascade


def read_text(path):
    """The text of a file, in which what is no UTF-8 is replaced.

    Raises:
        ValueError: If it is too large.
    """
    with open(path, 'rb') as f:
        data = f.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError('it has over {:,} bytes'.format(MOST_BYTES))
    return data.decode('utf-8', 'replace')


def parse(text):
    """Parse XML that declares no entities, which could be made to fill the memory.

    Raises:
        ValueError: If it is none.
    """
    if '<!DOCTYPE' in text or '<!ENTITY' in text:
        raise ValueError('it declares entities')
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as e:
        raise ValueError('it is no XML: {}'.format(e)) from e


@functools.lru_cache(2)
def clean(text):
    """Check a cascade, and the second look behind it if there is one, and write them anew.

    Args:
        text (str): The file.

    Returns:
        str: XML for ``cv2.FileStorage``.

    Raises:
        ValueError: Says what is wrong.
    """
    root = parse(text)
    if root.tag != 'opencv_storage' or not len(root):
        raise ValueError('it is something else')
    out = ['<?xml version="1.0"?>\n<opencv_storage>\n']
    _write_cascade(root[0], out)
    check = root.find(CHECK)
    if check is not None:
        _write_check(check, out)
    out.append('</opencv_storage>\n')
    return ''.join(out)


def _write_cascade(cascade, out):
    kind = _text(cascade, 'featureType')
    if _text(cascade, 'stageType') != 'BOOST' or kind not in CATEGORIES:
        raise ValueError('it has no features of the kinds HAAR or LBP')
    size = tuple(_integer(cascade, side, SMALLEST, LARGEST) for side in ('width', 'height'))
    if _integer(cascade, 'featureParams/maxCatCount', 0, 2 ** 31) != CATEGORIES[kind]:
        raise ValueError('its features have no {} values'.format(CATEGORIES[kind] or 'ordered'))
    features = cascade.findall('features/_')
    stages = cascade.findall('stages/_')
    if not stages or not features:
        raise ValueError('it has no stages or no features')
    out.append('<cascade><stageType>BOOST</stageType><featureType>{}</featureType>\n'
               '<height>{}</height><width>{}</width><featureParams><maxCatCount>{}</maxCatCount>'
               '</featureParams><stageNum>{}</stageNum>\n<stages>\n'.format(
                   kind, size[1], size[0], CATEGORIES[kind], len(stages)))
    for stage in stages:
        trees = stage.findall('weakClassifiers/_')
        threshold, = _floats(stage, 'stageThreshold', 1)
        if not trees:
            raise ValueError('a stage of it is empty')
        out.append('<_><maxWeakCount>{}</maxWeakCount><stageThreshold>{!r}</stageThreshold>'
                   '<weakClassifiers>\n'.format(len(trees), threshold))
        for tree in trees:
            _write_tree(tree, len(features), CATEGORIES[kind], out)
        out.append('</weakClassifiers></_>\n')
    out.append('</stages><features>\n')
    write_feature = {'HAAR': _write_haar, 'LBP': _write_lbp}[kind]
    for feature in features:
        write_feature(feature, size, out)
    out.append('</features></cascade>\n')


def _write_tree(tree, n_features, categories, out):
    """A weak classifier: nodes of two children, a feature, and a threshold or a set of codes.

    A child is a node further down, so that no way leads in a circle, or the
    negative number of a leaf.
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
            raise ValueError('a node of it leads nowhere')
        if not 0 <= feature < n_features:
            raise ValueError('it has no feature of the number {}'.format(feature))
        rest = words[i * width + 3:(i + 1) * width]
        rest = map(_whole, rest) if categories else map(_number, rest)
        out.append('{} {} {} {} '.format(left, right, feature, ' '.join(map(repr, rest))))
    out.append('</internalNodes><leafValues>{}</leafValues></_>\n'.format(
        ' '.join(map(repr, leaves))))


def _write_lbp(feature, size, out):
    x, y, w, h = map(_whole, _words(feature, 'rect', 4))
    _check_inside(x, y, w, h, x + 3 * w, y + 3 * h, size)
    out.append('<_><rect>{} {} {} {}</rect></_>\n'.format(x, y, w, h))


def _write_haar(feature, size, out):
    tilted = feature.find('tilted')
    is_tilted = tilted is not None and _integer(feature, 'tilted', 0, 1)
    rectangles = feature.findall('rects/_')
    if not 1 <= len(rectangles) <= MOST_RECTANGLES:
        raise ValueError('a feature of it has {} rectangles'.format(len(rectangles)))
    out.append('<_><rects>')
    for rectangle in rectangles:
        *sides, weight = _words(rectangle, '.', 5)
        x, y, w, h = map(_whole, sides)
        if is_tilted:  # by 45 degrees, about its upper corner
            _check_inside(x - h, y, w, h, x + w, y + w + h, size)
        else:
            _check_inside(x, y, w, h, x + w, y + h, size)
        out.append('<_>{} {} {} {} {!r}</_>'.format(x, y, w, h, _number(weight)))
    out.append('</rects><tilted>{}</tilted></_>\n'.format(int(is_tilted)))


def _check_inside(left, top, w, h, right, bottom, size):
    if left < 0 or top < 0 or w < 1 or h < 1 or right > size[0] or bottom > size[1]:
        raise ValueError('a feature of it lies outside the window')


def _write_check(check, out):
    out.append('<{}>\n'.format(CHECK))
    for layer in check.findall('_'):
        shape = [_whole(word) for word in _text(layer, 'weights/sizes').split()]
        if len(shape) != 4 or min(shape) < 1 or math.prod(shape) > MOST_WEIGHTS:
            raise ValueError('a layer of its second look has no size')
        weights = [_whole(word) for word in _words(layer, 'weights/data', math.prod(shape))]
        if _text(layer, 'weights/dt') != 'c' or not -129 < min(weights) <= max(weights) < 128:
            raise ValueError('a layer of its second look has other numbers')
        out.append('<_><stride>{}</stride><weights type_id="opencv-nd-matrix"><sizes>{}</sizes>'
                   '<dt>c</dt><data>\n{}</data></weights>\n'.format(
                       _integer(layer, 'stride', 1, LARGEST), ' '.join(map(str, shape)),
                       ' '.join(map(str, weights))))
        for name in 'scales', 'biases':
            values = _floats(layer, name + '/data', shape[0])
            if _text(layer, name + '/dt') != 'f':
                raise ValueError('a layer of its second look has other numbers')
            out.append('<{0} type_id="opencv-matrix"><rows>1</rows><cols>{1}</cols><dt>f</dt>'
                       '<data>\n{2}</data></{0}>\n'.format(
                           name, len(values), ' '.join(map(repr, values))))
        out.append('</_>\n')
    out.append('</{}>\n'.format(CHECK))


# Parts and numbers

def _text(node, path):
    text = node.findtext(path)
    if not text or not text.strip():
        raise ValueError('it has no {}'.format(path))
    return text.strip()


def _words(node, path, n):
    words = _text(node, path).split()
    if len(words) != n:
        raise ValueError('its {} are {} numbers instead of {}'.format(path, len(words), n))
    return words


def _floats(node, path, n):
    return [_number(word) for word in _words(node, path, n)]


def _integer(node, path, lowest, highest):
    number = _whole(_text(node, path))
    if not lowest <= number <= highest:
        raise ValueError('its {} is {}'.format(path, number))
    return number


def _whole(word):
    number = _number(word)  # 1. is a whole number to OpenCV
    if not -2 ** 31 <= number < 2 ** 31 or number != int(number):
        raise ValueError('it has a {} where a whole number is due'.format(word))
    return int(number)


def _number(word):
    try:
        number = float(word) if len(word) < 50 else math.nan
    except ValueError:
        number = math.nan
    if not abs(number) < 1e30:  # float32 ends at 3.4e38
        raise ValueError('it has a {!r} where a number is due'.format(word[:20]))
    return number
