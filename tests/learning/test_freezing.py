import numpy as np
import pytest

from picture_ranknet.learning import freezing
from picture_ranknet.learning.recipe import Recipe
from picture_ranknet.machine import ranks
from picture_ranknet.models import inference
from support.runs import fresh_model

RECIPE = Recipe(n_iter=2, batchsize=30, freeze=True)


def flat(seen):
    """What is seen of each picture as bytes, to be compared to the bit."""
    return [picture.tobytes() for picture in np.ascontiguousarray(seen)]


def test_the_head_scores_what_the_trunk_sees_as_the_model_scores_pictures(rated):
    model = fresh_model('cnn', 2)
    rated = rated._replace(features=np.random.default_rng(0).random((30, 2)).astype(np.float32),
                           rows=np.arange(5, 25))
    seen = freezing.look(model, rated)
    assert len(seen.X) == 20 and list(seen.rows) == list(range(20))
    np.testing.assert_array_equal(seen.ratings, rated.ratings[5:25])
    np.testing.assert_allclose(
        inference.score(freezing.Head(model), seen.X, None, seen.features),
        model.score(rated.X, rated.rows, rated.features), rtol=1e-5)


def test_mirror_images_are_seen_where_the_recipe_mirrors(model, rated, notes):
    seen, mirrored = freezing.look_to_learn(model, rated, RECIPE, notes.append)
    np.testing.assert_allclose(inference.score(freezing.Head(model), mirrored),
                               model.score(rated.X[..., ::-1]), rtol=1e-5)
    assert len(seen.X) == 30 and not notes
    assert freezing.look_to_learn(model, rated, RECIPE._replace(mirror=False),
                                  notes.append)[1] is None


def test_a_batch_has_each_picture_or_its_mirror_image(model, rated, notes):
    rated = rated._replace(features=np.arange(30, dtype=np.float32)[:, None])
    seen, mirrored = freezing.look_to_learn(model, rated, RECIPE, notes.append)
    head = freezing.Head(model)
    first, second = freezing.batches_of(seen, mirrored, RECIPE, head.scale)
    n_mirrored = 0
    for h, t, row in zip(flat(first.x), first.t, first.f[:, 0].astype(int)):
        assert t == rated.ratings[row]
        assert h in (flat(seen.X[[row]])[0], flat(mirrored[[row]])[0])
        n_mirrored += h == flat(mirrored[[row]])[0]
    assert 5 < n_mirrored < 25
    assert not np.array_equal(first.x, second.x)
    resumed, = freezing.batches_of(seen, mirrored, RECIPE, head.scale, 2)
    np.testing.assert_array_equal(resumed.x, second.x)
    plain = next(freezing.batches_of(seen, None, RECIPE, head.scale))
    assert set(flat(plain.x)) == set(flat(seen.X))


def test_processes_have_parts_of_the_same_batch(model, rated, notes, monkeypatch):
    seen, mirrored = freezing.look_to_learn(model, rated, RECIPE, notes.append)
    scale = freezing.Head(model).scale
    whole = next(freezing.batches_of(seen, mirrored, RECIPE, scale))
    monkeypatch.setattr(ranks, 'size', lambda: 2)
    parts = []
    for rank in 0, 1:
        monkeypatch.setattr(ranks, 'rank', lambda rank=rank: rank)
        parts.append(next(freezing.batches_of(seen, mirrored, RECIPE, scale)))
    np.testing.assert_array_equal(np.concatenate([part.x for part in parts]), whole.x)
    np.testing.assert_array_equal(parts[1].t, whole.t)


@pytest.mark.parametrize('mirror', [False, True])
def test_no_more_is_kept_than_fits_into_memory(model, rated, monkeypatch, notes, mirror):
    every = freezing.look(model, rated)
    size = every.X[:1].nbytes
    monkeypatch.setattr(freezing, 'MOST_BYTES', 20 * size * (2 if mirror else 1))
    recipe = RECIPE._replace(mirror=mirror)
    seen, _ = freezing.look_to_learn(model, rated, recipe, notes.append)
    assert len(seen.rows) == len(seen.X) == 20
    assert '--freeze: learns from 20 of the 30 pictures, drawn at random' in notes[0]
    kept, known = flat(seen.X), flat(every.X)
    assert len(set(kept)) == 20 and set(kept) < set(known)
    for rating, picture in zip(seen.ratings, kept):
        assert rating == every.ratings[known.index(picture)]
    again, _ = freezing.look_to_learn(model, rated, recipe, notes.append)
    other, _ = freezing.look_to_learn(model, rated, recipe._replace(seed=1), notes.append)
    assert flat(again.X) == kept and set(flat(other.X)) != set(kept)
