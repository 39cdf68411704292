"""Cascades as OpenCV's files: what OpenCV reads in them is what we compute."""
import re

import cv2
import numpy as np
import pytest

from picture_ranknet.errors import InputError
from picture_ranknet.faces.training import lbp_file
from picture_ranknet.faces.training.lbp import Cascade, Stage
from support.lbp_samples import draw_cascade, draw_windows
from support.media_samples import CASCADE

CLASSIC = 'lbpcascade_animeface.xml'


def assert_same(ours, theirs):
    assert (ours.width, ours.height) == (theirs.width, theirs.height)
    assert len(ours.stages) == len(theirs.stages)
    for one, other in zip(ours.stages, theirs.stages):
        for name, a, b in zip(Stage._fields, one, other):
            assert a.dtype == b.dtype, name
            np.testing.assert_array_equal(a, b, name)


# OpenCV

def assert_opencv_agrees(path, windows):
    """Hold decisions, levels and sums of a file against OpenCV's, without any tolerance.

    Returns the number of windows that pass.  Of the others, OpenCV tells
    nothing, or, by its version, levels and sums of some.
    """
    classifier = cv2.CascadeClassifier(str(path))
    cascade, _ = lbp_file.read(path)
    levels, sums = cascade.evaluate(windows)
    passed = levels == len(cascade.stages)
    for window, level, total, face in zip(windows, levels, sums, passed):
        assert len(classifier.detectMultiScale(window, 1.1, 0)) == face
        boxes, their_levels, their_sums = classifier.detectMultiScale3(
            window, 1.1, 0, outputRejectLevels=True)
        assert len(boxes) or not face
        if len(boxes):
            assert (their_levels[0], their_sums[0]) == (level, total)
    return passed.sum()


def assert_opencv_agrees_on_each_stage(folder, cascade, windows):
    levels, _ = cascade.evaluate(windows)
    for n in range(1, len(cascade.stages) + 1):
        lbp_file.write(folder / 'c.xml', Cascade(
            cascade.width, cascade.height, cascade.stages[:n]))
        assert assert_opencv_agrees(folder / 'c.xml', windows) == (levels >= n).sum()


@pytest.mark.parametrize('width, height', [(24, 24), (20, 28)])
@pytest.mark.parametrize('sizes', [[2], [7], [3, 5], [2, 4, 9], [4, 2, 3, 4, 5]])
def test_opencv_agrees_on_random_cascades(tmp_path, sizes, width, height):
    rng = np.random.default_rng(10 * len(sizes) + sizes[0])
    cascade = draw_cascade(rng, sizes, width, height)
    windows = draw_windows(rng, 200, width, height)
    assert set(cascade.evaluate(windows)[0]) == set(range(len(sizes) + 1))
    assert_opencv_agrees_on_each_stage(tmp_path, cascade, windows)


def test_opencv_agrees_on_all_sums(tmp_path):
    rng = np.random.default_rng(5)
    stage, windows = draw_cascade(rng, [50]).stages[0], draw_windows(rng, 200)
    lbp_file.write(tmp_path / 'c.xml', Cascade(24, 24, [stage._replace(
        threshold=np.float32(-100))]))
    assert assert_opencv_agrees(tmp_path / 'c.xml', windows) == 200


@pytest.mark.parametrize('above', [0, 5e-6, 9.9e-6, 1e-5, 1.01e-5, 2e-5])
def test_opencv_agrees_on_sums_close_to_the_threshold(tmp_path, above):
    rng = np.random.default_rng(5)
    cascade, windows = draw_cascade(rng, [6]), draw_windows(rng, 20)
    _, sums = cascade.evaluate(windows)
    passed = 0
    for i, total in enumerate(sums):
        stage = cascade.stages[0]._replace(threshold=np.float32(total + above))
        lbp_file.write(tmp_path / 'c.xml', Cascade(24, 24, [stage]))
        passed += assert_opencv_agrees(tmp_path / 'c.xml', windows[i:i + 1])
    assert passed == 20 or above >= 9.9e-6
    assert passed == 0 or above <= 1.01e-5


def test_opencv_agrees_on_the_classic_cascade(tmp_path, real_data):
    rng = np.random.default_rng(6)
    windows = []
    for path in sorted((real_data / 'anime_heads').rglob('*.jpg'))[:60]:
        gray = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        for scale in rng.uniform(.3, .8, 5):
            side = round(min(gray.shape) * scale)
            y, x = rng.integers(0, np.array(gray.shape) - side + 1)
            windows.append(cv2.resize(gray[y:y + side, x:x + side], (24, 24),
                                      interpolation=cv2.INTER_AREA))
    cascade, _ = lbp_file.read(real_data / CLASSIC)
    assert (cascade.evaluate(np.array(windows))[0] > 5).sum() > 5
    assert_opencv_agrees(real_data / CLASSIC, np.array(windows))
    assert_opencv_agrees_on_each_stage(tmp_path, cascade, np.array(windows))


def test_the_classic_cascade_is_written_unchanged(tmp_path, real_data):
    cascade, _ = lbp_file.read(real_data / CLASSIC)
    lbp_file.write(tmp_path / 'c.xml', cascade)
    assert_same(lbp_file.read(tmp_path / 'c.xml')[0], cascade)


# The file

@pytest.mark.parametrize('comment', [
    '',
    'one line',
    'train_cascade.py face.xml --faces a --no_faces b\nsecond line',
    'a---b ----',
    'ends in -',
    '->',
    'R&D &amp; <b>',
    'アニメ',
], ids=ascii)
@pytest.mark.parametrize('width, height', [(24, 24), (20, 28)])
def test_what_is_written_is_read_back(tmp_path, comment, width, height):
    rng = np.random.default_rng(7)
    cascade = draw_cascade(rng, [1, 4, 9], width, height)
    cascade.stages[0].leaves[:] = 1, 1e-6
    cascade.stages[1].subsets[:] = [np.ones(256), np.zeros(256), np.arange(256) % 32 == 31,
                                    np.arange(256) == 0]
    lbp_file.write(tmp_path / 'c.xml', cascade, comment)
    again, comment_again = lbp_file.read(tmp_path / 'c.xml')
    assert_same(again, cascade)
    assert comment_again == comment
    assert not cv2.CascadeClassifier(str(tmp_path / 'c.xml')).empty()


def test_a_feature_is_written_once(tmp_path):
    cascade = draw_cascade(np.random.default_rng(8), [5, 5])
    cascade.stages[1].features[:] = cascade.stages[0].features[::-1]
    lbp_file.write(tmp_path / 'c.xml', cascade)
    assert (tmp_path / 'c.xml').read_text().count('<rect>') == 5
    assert_same(lbp_file.read(tmp_path / 'c.xml')[0], cascade)


def test_the_file_of_another_maker_is_read(tmp_path):
    (tmp_path / 'c.xml').write_text(CASCADE)
    cascade, comment = lbp_file.read(tmp_path / 'c.xml')
    assert comment == ''
    assert_same(cascade, Cascade(24, 24, [Stage(
        np.array([[0, 0, 8, 8]], np.int32), np.arange(256)[None] == 0,
        np.array([[1, -1]], np.float32), np.float32(.5))]))


@pytest.mark.parametrize('old, new', [
    (CASCADE, ''),
    (CASCADE, 'no XML'),
    (CASCADE, '<opencv_storage/>'),
    ('>LBP<', '>HAAR<'),
    ('<height>24</height>', ''),
    ('<height>24<', '<height>23<'),               # the feature does not fit any more
    ('<rect>0 0 8 8<', '<rect>1 0 8 8<'),
    ('<rect>0 0 8 8<', '<rect>-1 0 8 8<'),
    ('<rect>0 0 8 8<', '<rect>0 0 8<'),
    ('<rect>0 0 8 8<', '<rect>0 0 8 99999999999<'),
    ('<rect>0 0 8 8</rect>', ''),
    ('0 -1 0 1', '0 -1 1 1'),                     # there is no feature 1
    ('0 -1 0 1', '0 -1 -1 1'),
    ('0 -1 0 1', '1 -2 0 0 0 0 0 0 0 0 0 0 -1 0 1'),  # a tree
    ('0 -1 0 1', '0 -1 0 one'),
    ('1. -1.', '1.'),
    ('1. -1.', '1. -1. 1.'),
    ('<stageThreshold>0.5</stageThreshold>', ''),
    ('<stages>', '<stages/><none>'),
    (CASCADE[-200:], ''),
    (CASCADE[400:], ''),
])
def test_files_that_are_no_cascade_are_refused(tmp_path, old, new):
    assert old in CASCADE
    (tmp_path / 'c.xml').write_text(CASCADE.replace(old, new))
    with pytest.raises(InputError, match='^' + re.escape(str(tmp_path / 'c.xml')) + ': '):
        lbp_file.read(tmp_path / 'c.xml')


def test_a_picture_is_no_cascade(tmp_path):
    (tmp_path / 'c.xml').write_bytes(b'\x89PNG\xff\xfe')
    with pytest.raises(InputError, match='c.xml: '):
        lbp_file.read(tmp_path / 'c.xml')


def test_a_failure_leaves_the_old_file(tmp_path):
    (tmp_path / 'c.xml').write_text('old')
    stage = draw_cascade(np.random.default_rng(0), [2]).stages[0]
    with pytest.raises(TypeError):
        lbp_file.write(tmp_path / 'c.xml', Cascade(24, 24, [stage._replace(subsets=None)]))
    assert [path.name for path in tmp_path.iterdir()] == ['c.xml']
    assert (tmp_path / 'c.xml').read_text() == 'old'
