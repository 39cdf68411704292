import pickle

import numpy as np
import pytest

import net
from picture_ranknet.models import model_file, networks, scoring
from support.errors import error_of


def save(folder, arch='cnn', size=(20, 20), scale=1 / 255, n_features=0):
    np.random.seed(0)
    model = networks.make(arch, size, scale)
    if n_features:
        model.predictor.add_features(n_features)
    path = str(folder / f'{arch}.pkl')
    model_file.save(path, model)
    return path, model


def test_a_loaded_model_scores_as_it_did(tmp_path, pictures):
    path, model = save(tmp_path)
    np.testing.assert_array_equal(scoring.load(path).score(pictures), model.score(pictures))


@pytest.mark.parametrize('of_the_model, of_the_user, expected, is_noted', [
    (.01, None, .01, False), (.01, .5, .5, False), (None, .5, .5, False),
    (None, None, 1 / 255, True),
])
def test_the_scale_is_the_users_or_the_models_or_the_articles(tmp_path, of_the_model, of_the_user,
                                                              expected, is_noted):
    path, _ = save(tmp_path, scale=of_the_model)
    notes = []
    assert scoring.load(path, of_the_user, notes.append).image_scale == expected
    assert notes == is_noted * [
        f"{path}: does not say how its pictures were scaled; using the article's 1/255, see "
        '--image_scale']


def test_a_scorer_scores_rows_of_the_pictures(tmp_path, pictures):
    path, model = save(tmp_path)
    rows = np.array([7, 3])
    np.testing.assert_allclose(scoring.load_scorer(path, pictures)(rows),
                               model.score(pictures)[rows], rtol=1e-5)


def test_a_scorer_of_other_pictures_or_with_features_is_refused(tmp_path, pictures):
    path, _ = save(tmp_path, size=(20, 24))
    assert error_of(scoring.load_scorer, path, pictures) == (
        f'{path}: was trained on pictures of 24 x 20, these are 20 x 20; see --size of '
        'crop_faces.py')
    path, _ = save(tmp_path, n_features=4)
    assert error_of(scoring.load_scorer, path, pictures) == (
        f'{path}: was trained with 4 features of each picture; use --features')


def test_an_ensemble_gives_features_to_the_models_that_have_some(pictures):
    features = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    models = [networks.make(arch, (20, 20), 1 / 255) for arch in ('cnn', 'cnn', 'deep')]
    models[1].predictor.add_features(4)
    expected = (models[0].score(pictures) + models[1].score(pictures, features=features)
                + models[2].score(pictures)) / 3
    ensemble = scoring.Ensemble(models)
    np.testing.assert_allclose(ensemble.score(pictures, features), expected, rtol=1e-5)
    np.testing.assert_allclose(ensemble.score(pictures, features, batchsize=7), expected, rtol=1e-4)


def test_a_set_is_scored_and_its_progress_counted_for_each_model(pictures, model):
    ensemble, done = scoring.Ensemble([model, model]), []
    scores = scoring.score_set(ensemble, pictures, 'X.npy', batchsize=16, progress=done.append)
    np.testing.assert_array_equal(scores, ensemble.score(pictures, batchsize=16))
    assert done == [16, 14, 16, 14] and sum(done) == scoring.n_to_score(pictures, 2)


def test_a_mirrored_set_has_the_mean_score_of_both_sides(pictures, model):
    scores = scoring.score_set(scoring.Ensemble([model]), pictures, 'X.npy', mirror=True)
    expected = (model.score(pictures) + model.score(pictures[..., ::-1])) / 2
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('value', [np.nan, np.inf, 1e38])
def test_the_first_picture_without_a_finite_score_is_named(pictures, model, value):
    X = pictures.astype(np.float32)
    X[[7, 9], 0, 3, 3] = value
    ensemble = scoring.Ensemble([net.RankNet(model.predictor, (20, 20), 100.)])
    with np.errstate(all='ignore'):
        assert error_of(scoring.score_set, ensemble, X, 'X.npy').startswith(
            'X.npy, row 7 (from 0): expected finite pixel values, its score is ')


@pytest.mark.parametrize('scores, is_warned', [
    ([1, 1, 1], True), ([1e4, 1e4, 1e4 + 1e-3], True), ([1, 1.1, 1], False), ([1], False)])
def test_a_model_that_scores_all_pictures_alike_is_warned_of(scores, is_warned):
    notes = []
    scoring.warn_if_collapsed(np.array(scores), notes.append)
    assert ['same score' in note for note in notes] == is_warned * [True]


@pytest.mark.parametrize('factor, scale, is_warned', [
    (1, 1 / 255, False), (1, 1, True), (1 / 255, 1, False), (1 / 255, 1 / 255, True)])
def test_a_scale_that_does_not_fit_the_pictures_is_warned_of(pictures, factor, scale, is_warned):
    notes = []
    scoring.warn_if_odd_scale('X.npy', pictures * factor, scale, notes.append)
    assert ['X.npy' in note and '--image_scale' in note for note in notes] == is_warned * [True]


def test_a_pickle_of_the_articles_line_is_scored(tmp_path, pictures, model):
    (tmp_path / 'model.pkl').write_bytes(pickle.dumps(model))
    np.testing.assert_array_equal(scoring.load(str(tmp_path / 'model.pkl')).score(pictures),
                                  model.score(pictures))
