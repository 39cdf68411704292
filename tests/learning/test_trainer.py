import threading

import numpy as np
import pytest

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer

import metrics
import net
from picture_ranknet.errors import InputError
from picture_ranknet.learning import augment, trainer
from picture_ranknet.models import networks
from picture_ranknet.storage import arrays


def batches_of(rows, batchsize, seed, read=lambda rows, rng: list(rows)):
    return trainer.BatchIterator(np.array(rows), batchsize, seed, read)


def drawn(rows, batchsize, seed, n):
    batches = batches_of(rows, batchsize, seed)
    return [next(batches) for _ in range(n)]


def test_a_batch_is_of_different_pictures_of_the_rows():
    for batch in drawn([3, 5, 9, 12], 3, 0, 50):
        assert len(set(batch)) == 3 and set(batch) <= {3, 5, 9, 12}


def test_a_batch_is_no_larger_than_the_set():
    for batch in drawn([3, 5, 9], 32, 0, 5):
        assert sorted(batch) == [3, 5, 9]


def test_every_pair_is_equally_likely():
    together = np.zeros((5, 5))
    for batch in drawn(range(5), 3, 0, 4000):
        together[np.ix_(batch, batch)] += 1
    counts = together[np.triu_indices(5, 1)]
    # 10 pairs, 3 of them in each of 4,000 batches: 1,200 each, standard deviation 29.
    assert (abs(counts - 1200) < 4.5 * 29).all()


def test_batches_follow_from_the_seed_and_the_step_alone():
    whole = drawn(range(30), 4, 7, 6)
    assert whole == drawn(range(30), 4, 7, 6)
    assert whole != drawn(range(30), 4, 8, 6)
    batches = batches_of(range(30), 4, 7)
    next(batches)
    batches.iteration = 4  # as a snapshot sets it
    assert [next(batches), next(batches)] == whole[4:]


def test_the_next_batch_is_read_ahead_and_no_further():
    begun = [threading.Event() for _ in range(4)]

    def read(rows, rng):
        next(event for event in begun if not event.is_set()).set()
        return rows

    batches = batches_of(range(30), 4, 0, read)
    next(batches)
    assert begun[1].wait(10)
    next(batches)
    assert begun[2].wait(10)
    batches.finalize()
    assert not begun[3].is_set()


def test_an_error_while_reading_ahead_is_raised_where_the_batch_is_due():
    seen = []

    def read(rows, rng):
        seen.append(rows)
        if len(seen) == 2:
            raise InputError('gone')
        return rows

    batches = batches_of(range(30), 4, 0, read)
    next(batches)
    with pytest.raises(InputError, match='gone'):
        next(batches)
    assert batches.iteration == 1


def test_an_epoch_is_as_many_pictures_as_there_are():
    batches = batches_of(range(10), 4, 0)
    seen = []
    for _ in range(5):
        next(batches)
        seen.append((batches.epoch, batches.is_new_epoch))
    assert seen == [(0, False), (0, False), (1, True), (1, False), (2, True)]


@pytest.fixture
def rated(pictures, ratings):
    return arrays.RatedPictures(pictures, ratings, np.arange(30))


def weights_of(model):
    return [param.array.copy() for _, param in sorted(model.namedparams())]


def run(model, train, recipe, out, valid=None, step=2, snapshot=None):
    return trainer.run(model, train, valid, recipe, step, 100, out, snapshot)


def fresh_model(arch='cnn'):
    np.random.seed(0)
    return net.RankNet(networks.ARCHITECTURES[arch]((20, 20)), (20, 20), 1 / 255)


def test_the_best_weights_are_those_of_the_highest_accuracy(model):
    best = trainer.Best(model)
    for step, accuracy in enumerate([.5, .8, .8, .6], 1):
        model.predictor.l2.W.array[...] = step
        best.offer(step, accuracy)
    assert (best.step, best.accuracy, best.waited) == (2, .8, 2)
    best.restore()
    assert (model.predictor.l2.W.array == 2).all()


def test_a_run_leaves_the_weights_that_validated_best(rated, tmp_path, monkeypatch):
    accuracies = iter([.5, .6, .7, .9, .8, .75])  # of train, valid, train, ...
    recipe = trainer.Recipe(n_iter=6, batchsize=8, schedule='constant')
    model = fresh_model()
    with monkeypatch.context() as context:
        context.setattr('metrics.pair_accuracy', lambda ratings, scores: next(accuracies))
        log = run(model, rated, recipe, tmp_path / 'a', valid=rated)
    assert [entry['valid/pair_accuracy'] for entry in log] == [.6, .9, .75]
    shorter = fresh_model()
    run(shorter, rated, recipe._replace(n_iter=4), tmp_path / 'b', step=4)
    for a, b in zip(weights_of(model), weights_of(shorter)):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize('patience, n_lines', [(1, 3), (2, 6), (None, 8)])
def test_a_run_ends_when_it_has_not_got_better_for_so_long(rated, tmp_path, monkeypatch, patience,
                                                           n_lines):
    accuracies = iter(np.repeat([.5, .7, .6, .8, .8, .7, .9, .8], 2))
    monkeypatch.setattr('metrics.pair_accuracy', lambda ratings, scores: next(accuracies))
    recipe = trainer.Recipe(n_iter=8, batchsize=4, patience=patience)
    log = run(fresh_model(), rated, recipe, tmp_path, valid=rated, step=1)
    assert len(log) == n_lines


def stop_at(monkeypatch, step):
    """Let a run end early, as if it had been interrupted behind its snapshot."""
    whole = trainer.StopTrigger.__call__
    monkeypatch.setattr(trainer.StopTrigger, '__call__', lambda self, trainer: (
        trainer.updater.iteration == step or whole(self, trainer)))


@pytest.mark.parametrize('arch', ['cnn', 'deep'])
def test_an_interrupted_run_goes_on_with_its_learning_rate_and_its_best(rated, tmp_path,
                                                                        monkeypatch, arch):
    recipe = trainer.Recipe(n_iter=6, batchsize=8)
    whole = fresh_model(arch)
    log = run(whole, rated, recipe, tmp_path / 'whole', rated)
    with monkeypatch.context() as context:
        stop_at(context, 4)
        run(fresh_model(arch), rated, recipe, tmp_path / 'half', rated)
    resumed = fresh_model(arch)
    resumed_log = run(resumed, rated, recipe, tmp_path / 'half', rated,
                      snapshot=tmp_path / 'half' / 'snapshot_iter_4')
    for a, b in zip(weights_of(whole), weights_of(resumed)):
        np.testing.assert_array_equal(a, b)
    for entry, other in zip(log, resumed_log):
        for key in 'valid/ndcg', 'valid/loss', 'train/pair_accuracy', 'main/loss':
            assert entry[key] == pytest.approx(other[key], rel=1e-6)


def test_what_has_waited_long_enough_trains_no_further(rated, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr('metrics.pair_accuracy', lambda ratings, scores: .5)
    recipe = trainer.Recipe(n_iter=8, batchsize=4, patience=2)
    whole = fresh_model()
    run(whole, rated, recipe, tmp_path, valid=rated, step=1)
    capsys.readouterr()
    resumed = fresh_model()
    run(resumed, rated, recipe, tmp_path, valid=rated, step=1,
        snapshot=tmp_path / 'snapshot_iter_3')
    out, err = capsys.readouterr()
    assert out == '' and 'for more steps, choose a larger --n_iter or --patience' in err
    for a, b in zip(weights_of(whole), weights_of(resumed)):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize('change, name', [
    (dict(recipe=dict(mirror=False)), '--no_mirror'),
    (dict(recipe=dict(augment=2.)), '--augment'),
    (dict(recipe=dict(loss='magnitude')), '--loss'),
    (dict(valid=None), 'pictures to validate with'),
    (dict(ratings=1), 'pictures'),
    (dict(features=1), '--features'),
    (dict(weights=1), 'weights to start from'),
])
def test_a_snapshot_of_a_run_that_differs_is_refused(rated, tmp_path, change, name):
    rated = rated._replace(features=np.ones((30, 2), np.float32))
    recipe = trainer.Recipe(n_iter=2, batchsize=4, freeze=True)

    def model():
        model = fresh_model()
        model.predictor.add_features(2)
        return model

    run(model(), rated, recipe, tmp_path, rated)
    other = model()
    other.predictor.conv1.b.array[...] = change.get('weights', 0)
    changed = rated._replace(ratings=rated.ratings + change.get('ratings', 0),
                             features=rated.features + np.float32(change.get('features', 0)))
    recipe = recipe._replace(n_iter=4, **change.get('recipe', {}))
    with pytest.raises(InputError, match='other {};'.format(name)):
        run(other, changed, recipe, tmp_path, change.get('valid', changed),
            snapshot=tmp_path / 'snapshot_iter_2')
    run(model(), rated, trainer.Recipe(n_iter=4, batchsize=4, freeze=True), tmp_path, rated,
        snapshot=tmp_path / 'snapshot_iter_2')


@pytest.mark.parametrize('schedule, expected', [
    ('linear', [.00075, .0005, .00025, 0]), ('constant', [.001] * 4)])
def test_the_learning_rate_falls_to_0_or_stays(rated, tmp_path, schedule, expected):
    recipe = trainer.Recipe(n_iter=4, batchsize=4, schedule=schedule)
    looped = trainer.build_trainer(fresh_model(), rated, recipe, tmp_path)
    alphas = []
    looped.extend(lambda trainer: alphas.append(trainer.updater.get_optimizer('main').alpha),
                  trigger=(1, 'iteration'), name='watch', priority=-1)
    looped.run()
    np.testing.assert_allclose(alphas, expected, atol=1e-12)


def test_the_learning_rate_of_a_run_that_goes_on_further_falls_to_its_new_end(rated, tmp_path):
    looped = trainer.build_trainer(
        fresh_model(), rated, trainer.Recipe(n_iter=8, batchsize=4), tmp_path)
    looped.updater.iteration = 4  # as a snapshot sets it
    alphas = []
    looped.extend(lambda trainer: alphas.append(trainer.updater.get_optimizer('main').alpha),
                  trigger=(1, 'iteration'), name='watch', priority=-1)
    looped.run()
    np.testing.assert_allclose(alphas, [.000375, .00025, .000125, 0], atol=1e-12)


@pytest.mark.parametrize('mirror', [False, True])
def test_a_frozen_trunk_stays_and_the_rest_learns(rated, tmp_path, mirror):
    model = fresh_model()
    before = {name: param.array.copy() for name, param in model.namedparams()}
    log = run(model, rated, trainer.Recipe(n_iter=20, batchsize=16, freeze=True, mirror=mirror),
              tmp_path, valid=rated, step=10)
    for name, param in model.namedparams():
        is_same = np.array_equal(param.array, before[name])
        assert is_same == ('conv' in name), name
    assert log[-1]['main/loss'] < log[0]['main/loss']


def test_a_frozen_trunk_sees_pictures_and_mirror_images(model, rated):
    head, train, valid = trainer.freeze(model, rated, rated, mirror=True)
    np.testing.assert_allclose(head.score(train.X[:30]), model.score(rated.X), rtol=1e-5)
    np.testing.assert_allclose(head.score(train.X[30:]), model.score(rated.X[..., ::-1]),
                               rtol=1e-5)
    assert len(valid.X) == 30


def test_the_articles_recipe_is_one_pair_a_step_as_it_is(rated, tmp_path):
    model, expected = fresh_model(), fresh_model()
    recipe = trainer.ARTICLE._replace(n_iter=3, seed=5)
    run(model, rated, recipe, tmp_path)
    optimizer = chainer.optimizers.Adam().setup(expected)
    for step in range(3):
        i, j = np.random.default_rng([5, step]).choice(30, 2, replace=False, shuffle=False)
        x = expected.to_input(rated.X)
        optimizer.update(expected, x[[i]], x[[j]], rated.ratings[[i]], rated.ratings[[j]])
    for a, b in zip(weights_of(model), weights_of(expected)):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def one_step_by_hand(model, x, ratings, **how):
    optimizer = chainer.optimizers.Adam().setup(model)
    optimizer.update(model.loss_of_all_pairs, x, ratings, **how)
    return weights_of(model)


def assert_close(a, b):
    for array, expected in zip(a, b):
        np.testing.assert_allclose(array, expected, rtol=1e-3, atol=1e-5)


def test_a_step_is_of_varied_pictures(rated, tmp_path):
    model, expected = fresh_model(), fresh_model()
    run(model, rated, trainer.Recipe(n_iter=1, batchsize=8, seed=5, augment=2), tmp_path)
    rng = np.random.default_rng([5, 0])
    rows = rng.choice(30, 8, replace=False, shuffle=False)
    x = expected.scale(rated.X[rows])
    augment.vary(x, rng, 2, mirror=True)
    assert_close(weights_of(model), one_step_by_hand(expected, x, rated.ratings[rows]))


def test_a_step_by_how_far_apart_pictures_are(rated, tmp_path):
    model, expected = fresh_model(), fresh_model()
    recipe = trainer.ARTICLE._replace(n_iter=1, batchsize=8, loss='magnitude')
    log = run(model, rated, recipe, tmp_path, valid=rated)
    rows = np.random.default_rng([0, 0]).choice(30, 8, replace=False, shuffle=False)
    apart = abs(rated.ratings[:, None] - rated.ratings)
    unit = apart[np.triu_indices(30, 1)].mean()
    assert_close(weights_of(model), one_step_by_hand(
        expected, expected.scale(rated.X[rows]), rated.ratings[rows], unit=unit))
    s = model.score(rated.X)[:, None]
    assert log[0]['valid/loss'] == pytest.approx(
        float(model.loss_of_scores(s, rated.ratings, unit).array), rel=1e-4)


def test_a_step_of_a_frozen_model_sees_some_mirror_images(rated, tmp_path):
    model, expected = fresh_model(), fresh_model()
    rated = rated._replace(rows=np.arange(5, 25))
    run(model, rated, trainer.Recipe(n_iter=1, batchsize=8, freeze=True), tmp_path)
    rng = np.random.default_rng([0, 0])
    rows = 5 + rng.choice(20, 8, replace=False, shuffle=False)
    is_mirrored = rng.random(8) < .5
    x = expected.scale(rated.X[rows])
    x[is_mirrored] = x[is_mirrored][..., ::-1]
    for link in expected.predictor.conv1, expected.predictor.conv2:
        link.disable_update()
    assert 0 < is_mirrored.sum() < 8
    one_step_by_hand(expected, x, rated.ratings[rows])
    assert_close([model.predictor.l1.W.array, model.predictor.l2.W.array],
                 [expected.predictor.l1.W.array, expected.predictor.l2.W.array])


def test_of_many_pictures_the_lines_are_of_the_same_few(rated, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(trainer, 'SAMPLE', 12)
    seen, score = [], trainer.score_pictures
    monkeypatch.setattr(trainer, 'score_pictures', lambda model, pictures, rows: (
        seen.append(rows) or score(model, pictures, rows)))
    train = rated._replace(rows=np.arange(17))
    valid = rated._replace(rows=np.arange(17, 30))
    model = fresh_model()
    log = run(model, train, trainer.Recipe(n_iter=4, batchsize=8, seed=3), tmp_path, valid)
    of_train, of_valid = seen[:2]
    for rows, pictures in (of_train, train), (of_valid, valid):
        assert len(set(rows)) == 12 and set(rows) < set(pictures.rows)
    for rows, expected in zip(seen[2:], (of_train, of_valid)):
        np.testing.assert_array_equal(rows, expected)
    best = max(log, key=lambda entry: entry['valid/pair_accuracy'])
    assert best['valid/ndcg'] == pytest.approx(metrics.ndcg(
        rated.ratings[of_valid], model.score(rated.X, of_valid), 100))
    err = capsys.readouterr().err
    assert 'train: lines of output are of 12 of the 17 pictures, drawn at random' in err
    assert 'valid: lines of output are of 12 of the 13 pictures, drawn at random' in err


def test_of_few_pictures_the_lines_are_of_all(rated, monkeypatch, capsys):
    monkeypatch.setattr(trainer, 'SAMPLE', 30)
    assert trainer.draw_sample(rated, 0, 'train') is rated
    assert trainer.draw_sample(None, 0, 'valid') is None
    assert not capsys.readouterr().err


def test_a_sample_follows_from_the_seed(rated, monkeypatch):
    monkeypatch.setattr(trainer, 'SAMPLE', 20)
    first, again, other = (trainer.draw_sample(rated, seed, 'train').rows for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert set(first) != set(other)


@pytest.mark.parametrize('mirror', [False, True])
def test_a_frozen_trunk_looks_at_no_more_than_fits(model, rated, monkeypatch, capsys, mirror):
    size = model.look(rated.X[:1]).nbytes
    monkeypatch.setattr(trainer, 'FROZEN', 20 * size * (1 + mirror))
    _, train, valid = trainer.freeze(model, rated, rated, mirror)
    assert (len(train.rows), len(train.X)) == (20, 20 * (1 + mirror)) and len(valid.rows) == 30
    assert '--freeze: learns from 20 of the 30 pictures' in capsys.readouterr().err
    frozen = {tuple(seen.ravel()[:99]) for seen in train.X[:20]}
    assert len(frozen) == 20 and frozen < {tuple(seen.ravel()[:99]) for seen in valid.X}
    for rating, seen in zip(train.ratings, train.X):
        assert rating in valid.ratings[(valid.X == seen).all(axis=(1, 2, 3))]


def test_the_loss_of_held_out_pictures_is_that_of_all_their_pairs(model, rated, tmp_path):
    valid = rated._replace(rows=np.array([1, 5, 8, 9]))
    recipe = trainer.Recipe(n_iter=1, batchsize=4)
    log = run(model, rated, recipe, tmp_path, valid, step=1)
    s, t = model.score(rated.X, valid.rows), rated.ratings[valid.rows]
    losses = [np.log1p(np.exp(-d)) + (1 - S) / 2 * d
              for a in range(4) for b in range(a)
              for d, S in [(s[a] - s[b], np.sign(t[a] - t[b]))]]
    assert log[0]['valid/loss'] == pytest.approx(np.mean(losses), rel=1e-4)
