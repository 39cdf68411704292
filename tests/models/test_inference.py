import numpy as np
import pytest

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer

from picture_ranknet.models import inference, networks


@pytest.mark.parametrize('dtype', ['u1', 'f2', 'f4', 'f8', '>f4', '>f8'])
def test_pictures_of_any_type_and_layout_are_scaled_to_the_same_input(pictures, dtype):
    expected = pictures.astype(np.float32) / 255
    for order in 'CF':
        x = inference.scale(pictures.astype(dtype, order=order), 1 / 255)
        assert x.dtype == np.float32 and x.transpose(0, 2, 3, 1).flags.c_contiguous
        np.testing.assert_allclose(x, expected, rtol=1e-6)


def test_scores_do_not_depend_on_batches(model, pictures):
    expected = model.predictor(model.to_input(pictures)).array.ravel()
    for batchsize in (1, 7, 64):
        scores = inference.score(model, pictures, batchsize=batchsize)
        assert scores.dtype == np.float32
        np.testing.assert_allclose(scores, expected, rtol=1e-5)


def test_rows_are_scored_in_their_order(model, pictures):
    rows = np.array([5, 0, 29])
    np.testing.assert_allclose(inference.score(model, pictures, rows),
                               inference.score(model, pictures)[rows], rtol=1e-5)


def test_rows_are_scored_with_their_features(model, pictures):
    features = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    model.predictor.add_features(4)
    scores, rows = inference.score(model, pictures, features=features), np.array([7, 3])
    np.testing.assert_allclose(inference.score(model, pictures, rows, features), scores[rows],
                               rtol=1e-5)
    np.testing.assert_allclose(
        inference.score(model, pictures, features=features, batchsize=7), scores, rtol=1e-5)
    assert not np.allclose(inference.score(model, pictures, features=0 * features), scores)


@pytest.mark.parametrize('rows', [None, np.array([3, 9, 1])])
def test_a_mirrored_score_is_the_mean_of_a_picture_and_its_mirror_image(model, pictures, rows):
    mirrored = pictures[..., ::-1]
    scores = inference.score(model, pictures, rows, mirror=True)
    expected = (inference.score(model, pictures, rows) + inference.score(model, mirrored, rows)) / 2
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(inference.score(model, mirrored, rows, mirror=True), scores,
                               rtol=1e-5, atol=1e-6)
    assert not np.allclose(inference.score(model, pictures, rows), scores, rtol=1e-5)


def test_scoring_leaves_no_graph_and_tells_its_progress(model, pictures):
    done = []
    inference.score(model, pictures, batchsize=8, progress=done.append)
    assert done == [8, 8, 8, 6]
    assert all(param.grad is None or np.isnan(param.grad).all() for param in model.params())


def test_scoring_does_not_change_what_a_deep_network_normalizes_by(pictures):
    model = networks.make('deep', (20, 20), 1 / 255)
    before = model.predictor.bn1.avg_mean.copy()
    with chainer.using_config('train', True):
        np.testing.assert_array_equal(inference.score(model, pictures),
                                      inference.score(model, pictures))
    np.testing.assert_array_equal(model.predictor.bn1.avg_mean, before)


def test_no_pictures_have_no_scores(model, pictures):
    assert inference.score(model, pictures[:0]).shape == (0,)
    assert inference.score(model, pictures, np.array([], int)).shape == (0,)


def test_the_trunk_can_be_seen_without_the_head(model, pictures):
    rows = np.array([4, 2])
    x = model.to_input(pictures[rows])
    np.testing.assert_allclose(inference.look(model, pictures, rows),
                               model.predictor.trunk(x).array, rtol=1e-5)
    np.testing.assert_allclose(
        inference.look(model, pictures, rows, mirror=True),
        model.predictor.trunk(model.to_input(pictures[rows][..., ::-1])).array, rtol=1e-5)
    seen = inference.look(model, pictures)
    np.testing.assert_allclose(model.predictor.head(seen).array.ravel(), model.score(pictures),
                               rtol=1e-5)
