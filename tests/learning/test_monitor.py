import numpy as np
import pytest

import metrics
from picture_ranknet.errors import InputError
from picture_ranknet.learning import freezing, monitor


def test_the_best_weights_are_those_of_the_highest_accuracy(model):
    best = monitor.Best(model)
    before = model.predictor.l2.W.array.copy()
    best.restore()  # nothing has been validated yet
    np.testing.assert_array_equal(model.predictor.l2.W.array, before)
    for step, accuracy in enumerate([.5, .8, .8, .6], 1):
        model.predictor.l2.W.array[...] = step
        best.offer(step, accuracy)
    assert (best.step, best.accuracy, best.waited) == (2, .8, 2)
    best.restore()
    assert (model.predictor.l2.W.array == 2).all()


def test_few_pictures_are_all_measured(rated, monkeypatch, notes):
    monkeypatch.setattr(monitor, 'SAMPLE', 30)
    assert monitor.draw_sample(rated, 0, 'train', notes.append) is rated
    assert monitor.draw_sample(None, 0, 'valid', notes.append) is None
    assert not notes


def test_of_many_pictures_5000_are_measured(rated, notes):
    assert monitor.SAMPLE == 5000
    many = rated._replace(rows=np.arange(5001))
    sample = monitor.draw_sample(many, 0, 'train', notes.append)
    assert len(set(sample.rows)) == 5000 and set(sample.rows) < set(many.rows)
    assert notes == ['train: lines of output measure 5,000 of the 5,001 pictures, drawn at random; '
                     'the final metrics use all of them']


def test_a_sample_follows_from_the_seed(rated, monkeypatch, notes):
    monkeypatch.setattr(monitor, 'SAMPLE', 20)
    first, again, other = (monitor.draw_sample(rated, seed, 'train', notes.append).rows
                           for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert set(first) != set(other)


def test_each_set_is_measured_and_said_in_the_articles_line(model, rated):
    train, valid = rated._replace(rows=np.arange(20)), rated._replace(rows=np.arange(20, 30))
    measure = monitor.Monitor(model, model, train, valid, 7)
    measured = measure()
    for name, pictures in ('train', train), ('valid', valid):
        ratings, scores = rated.ratings[pictures.rows], model.score(rated.X, pictures.rows)
        assert measured[f'{name}/ndcg'] == metrics.ndcg(ratings, scores, 7)
        assert measured[f'{name}/pair_accuracy'] == metrics.pair_accuracy(ratings, scores)
    assert measure.line(3, measured) == 'step: 3 | NDCG@7 | train: {:.4f} | valid: {:.4f}'.format(
        measured['train/ndcg'], measured['valid/ndcg'])
    assert set(monitor.Monitor(model, model, train, None, 7)()) == {
        'train/ndcg', 'train/pair_accuracy'}


def test_the_loss_of_held_out_pictures_is_that_of_all_their_pairs(model, rated):
    valid = rated._replace(rows=np.array([1, 5, 8, 9]))
    s, t = model.score(rated.X, valid.rows), rated.ratings[valid.rows]
    losses = [np.log1p(np.exp(-d)) + (1 - S) / 2 * d
              for a in range(4) for b in range(a)
              for d, S in [(s[a] - s[b], np.sign(t[a] - t[b]))]]
    measured = monitor.Monitor(model, model, rated, valid, 100)()
    assert measured['valid/loss'] == pytest.approx(np.mean(losses), rel=1e-4)


def test_of_many_held_out_pictures_the_loss_is_of_some(model, rated, monkeypatch):
    monkeypatch.setattr(monitor, 'MOST_PAIRED', 4)
    few = monitor.Monitor(model, model, rated, rated._replace(rows=np.arange(4)), 100)()
    many = monitor.Monitor(model, model, rated, rated, 100)()
    assert many['valid/loss'] == pytest.approx(few['valid/loss'])
    assert many['valid/ndcg'] != few['valid/ndcg']


def test_a_frozen_model_is_measured_by_what_its_trunk_saw(model, rated):
    seen = freezing.look(model, rated)
    by_head = monitor.Monitor(model, freezing.Head(model), seen, seen, 100)()
    assert by_head == pytest.approx(monitor.Monitor(model, model, rated, rated, 100)())


def test_scores_that_are_not_finite_are_refused(model, rated):
    counted = []
    monitor.score_pictures(model, rated, progress=counted.append)
    assert sum(counted) == 30
    model.predictor.l2.b.array[...] = np.nan
    with pytest.raises(InputError, match='the network has diverged: a score is not finite'):
        monitor.score_pictures(model, rated)
