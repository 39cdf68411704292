"""Writing and reading LBP cascades as OpenCV's ``.xml`` files."""
import os
import re

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.faces import cascade_file
from picture_ranknet.faces.training.lbp import Cascade, Stage
from picture_ranknet.storage import atomic

AFTER = '</cascade>\n'  # precedes the second look,
END = '</opencv_storage>\n'  # and this follows it


def write(path: str, cascade: Cascade, comment: str = '', hit_rate: float = .995,
          false_alarm: float = .5, more: str = '') -> None:
    """Write a cascade in the format of ``cv2.CascadeClassifier``.

    Args:
        path: The ``.xml`` file.
        cascade: At least one stage.
        comment: How it was trained; goes to the top of the file.
        hit_rate, false_alarm: The goals of each stage, for the record.
        more: XML to put after the cascade, which OpenCV ignores.
    """
    features = [tuple(feature) for stage in cascade.stages for feature in stage.features.tolist()]
    index = {feature: number for number, feature in enumerate(dict.fromkeys(features))}
    most = max(len(stage.features) for stage in cascade.stages)
    with atomic.replacing(path) as part, open(part, 'w', encoding='utf-8') as f:
        f.write('<?xml version="1.0"?>\n')
        if comment:
            f.write(_comment(comment))
        f.write(_HEAD.format(height=cascade.height, width=cascade.width, hit_rate=hit_rate,
                             false_alarm=false_alarm, most=most, stages=len(cascade.stages)))
        for number, stage in enumerate(cascade.stages):
            _write_stage(f, number, stage, index)
        f.write('  </stages>\n  <features>\n')
        for x, y, w, h in index:
            f.write(f'    <_><rect>{x} {y} {w} {h}</rect></_>\n')
        f.write(f'  </features>{AFTER}{more}{END}')


def _comment(text):
    text = re.sub('-(?=-|$)', '- ', text)
    return f'<!--\n{text}\n-->\n'


def read_second_look(path: str) -> str:
    """The part of a cascade's file after the cascade; empty where there is no file."""
    if not os.path.exists(path):
        return ''
    text = cascade_file.read_text(path)
    return text[text.find(AFTER) + len(AFTER):text.rfind(END)] if AFTER in text else ''


def write_second_look(path: str, xml: str, comment: str) -> None:
    """Put a second look into the file of a cascade, replacing an existing one.

    Args:
        path: The ``.xml`` file.
        xml: From :meth:`~picture_ranknet.faces.second_look.SecondLook.to_xml`.
        comment: How it was trained.

    Raises:
        InputError: If the file is something else.
    """
    text = cascade_file.read_text(path)
    if AFTER not in text:
        raise InputError(f'{path}: expected a cascade written by train_cascade.py, got '
                         'something else')
    with atomic.replacing(path) as part, open(part, 'w', encoding='utf-8') as f:
        f.write(text[:text.find(AFTER)] + AFTER + _comment(comment) + xml + END)


def _write_stage(f, number, stage, index):
    f.write(f'    <!-- stage {number} -->\n    <_>\n'
            f'      <maxWeakCount>{len(stage.features)}</maxWeakCount>\n'
            f'      <stageThreshold>{stage.threshold:.9g}</stageThreshold>\n'
            '      <weakClassifiers>\n')
    for feature, subset, leaves in zip(stage.features.tolist(), stage.subsets, stage.leaves):
        words = np.packbits(subset, bitorder='little').view('<i4').tolist()
        f.write(f'        <_><internalNodes>0 -1 {index[tuple(feature)]} '
                f'{" ".join(map(str, words))}</internalNodes>\n'
                f'          <leafValues>{leaves[0]:.9g} {leaves[1]:.9g}</leafValues></_>\n')
    f.write('      </weakClassifiers></_>\n')


_HEAD = """<opencv_storage>
<cascade>
  <stageType>BOOST</stageType>
  <featureType>LBP</featureType>
  <height>{height}</height>
  <width>{width}</width>
  <stageParams>
    <boostType>GAB</boostType>
    <minHitRate>{hit_rate:.9g}</minHitRate>
    <maxFalseAlarm>{false_alarm:.9g}</maxFalseAlarm>
    <weightTrimRate>0.95</weightTrimRate>
    <maxDepth>1</maxDepth>
    <maxWeakCount>{most}</maxWeakCount></stageParams>
  <featureParams>
    <maxCatCount>256</maxCatCount></featureParams>
  <stageNum>{stages}</stageNum>
  <stages>
"""


def read(path: str) -> tuple[Cascade, str]:
    """Read a cascade of LBP stumps, ours or by ``opencv_traincascade``.

    Returns:
        The cascade, and the comment at the top of the file.

    Raises:
        InputError: If the file is something else.
    """
    try:
        text = cascade_file.read_text(path)
        cascade = _parse(cascade_file.parse(cascade_file.clean(text)).find('cascade'))
    except (AttributeError, ValueError, IndexError, TypeError, OverflowError) as e:
        raise InputError(f'{path}: expected a cascade of LBP features with stumps, got something '
                         'else or a damaged one') from e
    comment = re.match(r'(?:<\?xml.*?\?>\s*)?<!--\n?(.*?)\n?-->', text.strip(), re.DOTALL)
    return cascade, re.sub('- (?=-|$)', '-', comment.group(1)) if comment else ''


def _parse(node):
    width, height = int(node.find('width').text), int(node.find('height').text)
    if node.find('featureType').text.strip() != 'LBP':
        raise ValueError('not LBP')
    pool = np.array([rect.text.split() for rect in node.findall('features/_/rect')], np.int32)
    stages = []
    for stage in node.findall('stages/_'):
        weak = stage.findall('weakClassifiers/_')
        nodes = np.array([w.find('internalNodes').text.split() for w in weak], np.int64)
        if nodes.shape[1] != 11 or (nodes[:, 2] < 0).any():
            raise ValueError('not stumps')
        subsets = np.unpackbits(nodes[:, 3:].astype('<i4').view(np.uint8), axis=1,
                                bitorder='little').astype(np.bool_)
        leaves = np.array([w.find('leafValues').text.split() for w in weak], np.float32)
        if leaves.shape[1] != 2:
            raise ValueError('not stumps')
        stages.append(Stage(pool[nodes[:, 2]], subsets, leaves,
                            np.float32(stage.find('stageThreshold').text)))
    if not stages:
        raise ValueError('no stage')
    return Cascade(width, height, stages)
