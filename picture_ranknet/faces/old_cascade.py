"""Converts cascades from the format of OpenCV 1 to the current format.

``haartraining`` wrote ``<name type_id="opencv-haar-classifier">``: stages of
trees whose nodes hold their features.  The current format has numbered features
and lists of numbers.  Nothing is validated here:
:func:`~picture_ranknet.faces.cascade_file.clean` validates the result.
"""
import xml.etree.ElementTree as ElementTree

TYPE = 'opencv-haar-classifier'


def is_old(cascade: ElementTree.Element) -> bool:
    """Whether a cascade is in the old format."""
    return cascade.get('type_id') == TYPE


def convert(old: ElementTree.Element) -> ElementTree.Element:
    """Convert a cascade to the current format.

    Raises:
        ValueError: If parts are missing, or its stages branch.
    """
    new = ElementTree.Element('cascade')
    stages, features = ElementTree.Element('stages'), ElementTree.Element('features')
    for stage in old.findall('stages/_'):
        stages.append(_convert_stage(stage, features))
    width, height = _text(old, 'size').split()
    for name, value in (('stageType', 'BOOST'), ('featureType', 'HAAR'), ('height', height),
                        ('width', width)):
        ElementTree.SubElement(new, name).text = value
    params = ElementTree.SubElement(new, 'featureParams')
    ElementTree.SubElement(params, 'maxCatCount').text = '0'
    new.extend([stages, features])
    return new


def _convert_stage(old, features):
    if int(old.findtext('next', '-1')) != -1:
        raise ValueError('its stages branch, which OpenCV cannot run')
    new = ElementTree.Element('_')
    ElementTree.SubElement(new, 'stageThreshold').text = _text(old, 'stage_threshold')
    trees = ElementTree.SubElement(new, 'weakClassifiers')
    for tree in old.findall('trees/_'):
        trees.append(_convert_tree(tree, features))
    return new


def _convert_tree(old, features):
    nodes, leaves = [], []
    for node in old.findall('_'):
        children = [_child(node, side, leaves) for side in ('left', 'right')]
        nodes += [*children, str(len(features)), _text(node, 'threshold')]
        feature = node.find('feature')
        if feature is None:
            raise ValueError('one of its nodes has no feature')
        ElementTree.SubElement(features, '_').extend(feature)
    new = ElementTree.Element('_')
    ElementTree.SubElement(new, 'internalNodes').text = ' '.join(nodes)
    ElementTree.SubElement(new, 'leafValues').text = ' '.join(leaves)
    return new


def _child(node, side, leaves):
    """The number of a child: positive for a node; 0 or negative for a leaf, which is added."""
    number = node.findtext(f'{side}_node')
    if number is not None:
        if int(number) < 1:  # 0 would be a leaf
            raise ValueError('one of its nodes leads nowhere')
        return number
    leaves.append(_text(node, f'{side}_val'))
    return str(1 - len(leaves))


def _text(node, name):
    text = node.findtext(name)
    if not text or not text.strip():
        raise ValueError(f'it has no {name}')
    return text.strip()
