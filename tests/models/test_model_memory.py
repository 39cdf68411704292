"""What a model file says of its pictures and of held-out ratings."""
import math
import pickle

import numpy as np
import pytest

from picture_ranknet.models import model_file
from picture_ranknet.storage.picture_set import FACE, Preparation


def test_a_model_remembers_how_its_pictures_were_cut_and_rated(tmp_path, model):
    model_file.remember(model, Preparation(FACE, .25), np.float32([.5, 1]), np.array([2, 4.]))
    model_file.save(tmp_path / 'model.pkl', model)
    with open(tmp_path / 'model.pkl', 'rb') as f:
        for loaded in pickle.load(f), model_file.load(tmp_path / 'model.pkl'):
            assert loaded.preparation == (FACE, .25)
            assert loaded.held_out == ((.5, 1.), (2., 4.))


def test_a_model_that_was_told_nothing_remembers_nothing(tmp_path, model):
    model_file.save(tmp_path / 'model.pkl', model)
    loaded = model_file.load(tmp_path / 'model.pkl')
    assert loaded.preparation is None and loaded.held_out is None


def test_of_many_held_out_pictures_some_are_kept_together_with_their_ratings(model):
    scores = np.arange(7000.)
    model_file.remember(model, None, scores, scores + .5)
    kept, ratings = map(np.array, model.held_out)
    assert len(kept) == model_file.MOST_HELD_OUT and np.all(np.diff(kept) > 0)
    np.testing.assert_array_equal(ratings, kept + .5)


@pytest.mark.parametrize('name, value', [
    ('preparation', ('cat', 0.)), ('preparation', (FACE, -1.)), ('preparation', (FACE, math.nan)),
    ('preparation', (FACE, 1e9)), ('preparation', (FACE, 1)), ('preparation', [FACE, 1.]),
    ('preparation', (FACE, 1., 2.)), ('preparation', ({}, 0.)),
    ('held_out', ((), ())), ('held_out', ((1.,), (1., 2.))), ('held_out', ((1.,), (math.inf,))),
    ('held_out', ((1.,), ('a',))), ('held_out', ((True,), (1.,))), ('held_out', [(1.,), (1.,)]),
    ('held_out', ((1.,) * 5001, (1.,) * 5001)), ('held_out', 7)])
def test_anything_else_in_their_place_is_refused(tmp_path, model, name, value):
    setattr(model, name, value)
    model_file.save(tmp_path / 'model.pkl', model)
    with pytest.raises(model_file.ModelFileError, match='held-out|how its pictures were cropped'):
        model_file.load(tmp_path / 'model.pkl')
