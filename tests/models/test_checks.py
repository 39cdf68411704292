import numpy as np
import pytest

from picture_ranknet.console import messages
from picture_ranknet.models import checks


@pytest.mark.parametrize('scores, warned', [
    ([1, 1, 1], True), ([1e4, 1e4, 1e4 + 1e-3], True), ([1, 1.1, 1], False), ([1], False)])
def test_scores_that_say_nothing_are_noted(capsys, scores, warned):
    checks.note_if_collapsed(np.array(scores), messages.note)
    assert ('same score' in capsys.readouterr().err) == warned


@pytest.mark.parametrize('factor, scale, warned', [
    (1, 1 / 255, False), (1, 1, True), (1 / 255, 1, False), (1 / 255, 1 / 255, True)])
def test_a_scale_that_does_not_fit_is_noted(capsys, pictures, factor, scale, warned):
    checks.note_if_odd_scale('X.npy', pictures * factor, scale, messages.note)
    assert ('--image_scale' in capsys.readouterr().err) == warned
