import threading

import numpy as np
import pytest

from picture_ranknet.errors import InputError
from picture_ranknet.learning import batches
from picture_ranknet.learning.recipe import Recipe
from picture_ranknet.machine import ranks
from support import runs

PLAIN = Recipe(n_iter=6, batchsize=4, augment=0., mirror=False, seed=7)


def drawn(rows, batchsize, seed, n):
    return [batches.draw(np.array(rows), batchsize, seed, step)[0] for step in range(1, n + 1)]


def scale(pictures):
    return runs.fresh_model().scale(pictures)


def test_a_batch_is_of_different_pictures_of_the_rows():
    for rows in drawn([3, 5, 9, 12], 3, 0, 50):
        assert len(set(rows)) == 3 and set(rows) <= {3, 5, 9, 12}


def test_a_batch_is_no_larger_than_the_set():
    for rows in drawn([3, 5, 9], 32, 0, 5):
        assert sorted(rows) == [3, 5, 9]


def test_every_pair_is_equally_likely():
    together = np.zeros((5, 5))
    for rows in drawn(range(5), 3, 0, 4000):
        together[np.ix_(rows, rows)] += 1
    counts = together[np.triu_indices(5, 1)]
    # 10 pairs, 3 of them in each of 4,000 batches: 1,200 each, standard deviation 29.
    assert (abs(counts - 1200) < 4.5 * 29).all()


def test_a_batch_has_pictures_scaled_with_their_ratings_and_features(rated):
    rated = rated._replace(features=np.arange(60, dtype=np.float32).reshape(30, 2),
                           rows=np.arange(5, 25))
    n_batches = 0
    for x, t, f in batches.batches(rated, PLAIN, scale):
        rows = (f[:, 0] / 2).astype(int)
        assert set(rows) <= set(rated.rows)
        np.testing.assert_array_equal(t, rated.ratings[rows])
        np.testing.assert_allclose(x, rated.X[rows] / 255, rtol=1e-6)
        n_batches += 1
    assert n_batches == 6


def test_batches_follow_from_the_seed_and_the_step_alone(rated):
    recipe = PLAIN._replace(augment=1., mirror=True)
    whole = list(batches.batches(rated, recipe, scale))
    resumed = list(batches.batches(rated, recipe, scale, 5))
    assert len(resumed) == 2
    for batch, expected in zip(resumed, whole[4:]):
        runs.assert_same(batch[:2], expected[:2])
    other = next(batches.batches(rated, recipe._replace(seed=8), scale))
    assert not np.array_equal(other.x, whole[0].x)
    assert not np.array_equal(whole[1].x, whole[0].x)


def test_pictures_are_varied_and_mirrored_as_the_recipe_says(rated):
    plain, mirrored, varied = (next(batches.batches(rated, recipe._replace(batchsize=30), scale)).x
                               for recipe in (PLAIN, PLAIN._replace(mirror=True),
                                              PLAIN._replace(augment=1.)))
    is_same = (mirrored == plain).all(axis=(1, 2, 3))
    is_turned = (mirrored == plain[..., ::-1]).all(axis=(1, 2, 3))
    assert (is_same ^ is_turned).all() and 5 < is_turned.sum() < 25
    assert not (varied == plain).all(axis=(1, 2, 3)).any()


@pytest.mark.parametrize('n', [2, 3])
def test_processes_read_parts_of_the_same_batch(rated, monkeypatch, n):
    recipe = PLAIN._replace(augment=1., mirror=True, n_iter=2, batchsize=7)
    whole = list(batches.batches(rated, recipe, scale))
    monkeypatch.setattr(ranks, 'size', lambda: n)
    parts = []
    for rank in range(n):
        monkeypatch.setattr(ranks, 'rank', lambda rank=rank: rank)
        parts.append(list(batches.batches(rated, recipe, scale)))
    for step, batch in enumerate(whole):
        np.testing.assert_array_equal(np.concatenate([part[step].x for part in parts]), batch.x)
        for part in parts:
            np.testing.assert_array_equal(part[step].t, batch.t)


def test_the_next_batch_is_read_ahead_and_no_further(rated):
    begun = [threading.Event() for _ in range(4)]

    def announce(pictures):
        next(event for event in begun if not event.is_set()).set()
        return scale(pictures)

    reader = batches.batches(rated, PLAIN, announce)
    assert not begun[0].is_set()
    next(reader)
    assert begun[1].wait(10)
    next(reader)
    assert begun[2].wait(10)
    reader.close()
    assert not begun[3].is_set()


def test_an_error_while_reading_ahead_is_raised_where_the_batch_is_due(rated):
    n_read = []

    def fail(pictures):
        n_read.append(len(pictures))
        if len(n_read) == 2:
            raise InputError('gone')
        return scale(pictures)

    reader = batches.batches(rated, PLAIN, fail)
    next(reader)
    with pytest.raises(InputError, match='gone'):
        next(reader)
