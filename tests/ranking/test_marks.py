from types import SimpleNamespace

import numpy as np
import pytest

from picture_ranknet.models.calibration import Scale
from picture_ranknet.ranking import marks
from support.errors import error_of


def knowing(scores, ratings):
    """What ``find_scale`` looks at of a model."""
    return SimpleNamespace(held_out=(scores, ratings))


@pytest.fixture
def scale():
    """Of 40 held-out pictures, the better half is liked."""
    return Scale(np.arange(40.), np.where(np.arange(40) < 20, 2, 5))


def test_a_model_that_has_held_out_ratings_has_a_scale():
    scale = marks.find_scale([knowing([0., 1.], [1., 5.])], 'm.pkl', ['--xmp'])
    assert list(scale.stars([0., 1.])) == [1, 5]


@pytest.mark.parametrize('model', [SimpleNamespace(held_out=None), knowing([0., 1.], [3., 3.])])
def test_a_model_without_different_held_out_ratings_has_none(model):
    assert marks.find_scale([model], 'm.pkl') is None
    message = error_of(marks.find_scale, [model], 'm.pkl', ['--keep'])
    assert message.startswith('m.pkl: --keep needs stars, but no ratings were held out')


def test_the_mean_of_several_models_has_no_scale():
    models = [knowing([0., 1.], [1., 5.])] * 2
    assert marks.find_scale(models, 'm.pkl') is None
    assert error_of(marks.find_scale, models, 'm.pkl', ['--xmp']).startswith('--ensemble: ')


def test_what_is_kept_is_said_and_marked(scale):
    said = []
    scores = [5., 25.5, 30.]
    threshold = marks.find_threshold(scale, .9, scores, said.append)
    assert threshold.score == 18  # 22 pictures, of which 20 are liked
    assert said == ['keep: 2 of 3 score at least 18; of the 22 held-out pictures that do, 91% were '
                    'rated 4 or better (95 % interval: 72% to 97%)']
    columns, rows = marks.marks(scale, threshold, scores)
    assert columns == ['stars', 'probability', 'keep']
    assert [(row[0], row[2]) for row in rows] == [(2, 0), (5, 1), (5, 1)]
    assert rows[0][1] < '0.5' < rows[1][1] < rows[2][1] < '1'


def test_without_a_share_nothing_is_said(scale):
    said = []
    assert marks.find_threshold(None, None, [1.], said.append) is None and not said
    assert marks.marks(scale, None, [5.])[0] == ['stars', 'probability']
    assert marks.marks(None, None, [5., 6.]) == ([], [[], []])


def test_too_few_ratings_to_keep_by_are_said(scale):
    said = []
    few = Scale(np.arange(5.), np.arange(5.) + 1)
    assert marks.find_threshold(few, .8, [1.], said.append) is None
    assert '5 ratings held out, too few to tell' in said[0]
    none = Scale(np.arange(40.), np.where(np.arange(40) % 2, 2, 5))
    assert marks.find_threshold(none, .8, [1.], said.append) is None
    assert '80% rated 4 or better' in said[1]
