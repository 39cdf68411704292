import json
import os
import re

import numpy as np
import pytest

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer

import metrics
from picture_ranknet.errors import InputError
from picture_ranknet.fast import fused_adam
from picture_ranknet.learning import batches, loop, monitor
from picture_ranknet.learning.recipe import ARTICLE, Recipe
from support.runs import assert_close, assert_same, fresh_model, weights_of

SHORT = Recipe(n_iter=6, batchsize=8)


def train(model, rated, recipe, out, valid=None, step=2, snapshot=None, **hooks):
    os.makedirs(out, exist_ok=True)
    hooks.setdefault('say', lambda line: None)
    return loop.train(model, rated, valid, recipe, step, 100, str(out),
                      snapshot and str(snapshot), **hooks)


def interrupting(n):
    """A hook that behaves as if the user pressed Ctrl-C at the ``n``-th call."""
    calls = []

    def hook(_):
        calls.append(1)
        if len(calls) == n:
            raise KeyboardInterrupt
    return hook


def fake_accuracies(monkeypatch, *accuracies):
    """Let the validations of a run have these pair accuracies."""
    values = iter(np.repeat(accuracies, 2))  # of the training pictures, too
    monkeypatch.setattr(metrics, 'pair_accuracy', lambda ratings, scores: next(values))


# What is learnt

def one_step_by_hand(model, batch, unit=None):
    optimizer = chainer.optimizers.Adam().setup(model)
    optimizer.update(model.loss_of_all_pairs, *batch, unit)
    return weights_of(model)


def test_the_articles_recipe_is_its_loss_of_one_pair_and_chainers_adam(rated, tmp_path):
    recipe = ARTICLE._replace(n_iter=3, seed=5)
    model, expected = fresh_model(), fresh_model()
    train(model, rated, recipe, tmp_path)
    optimizer = chainer.optimizers.Adam().setup(expected)
    for x, t, _ in batches.batches(rated, recipe, expected.scale):
        optimizer.update(expected, x[:1], x[1:], t[:1], t[1:])
    assert_close(weights_of(model), weights_of(expected))


@pytest.mark.parametrize('loss', ['ranknet', 'magnitude'])
def test_a_step_is_of_all_pairs_of_a_batch(rated, tmp_path, loss):
    recipe = SHORT._replace(n_iter=1, loss=loss, augment=2.)
    rated = rated._replace(features=np.random.default_rng(0).random((30, 2)).astype(np.float32))
    model, expected = fresh_model('cnn', 2), fresh_model('cnn', 2)
    log = train(model, rated, recipe, tmp_path, rated)
    unit = recipe.unit(rated.ratings)
    batch = next(batches.batches(rated, recipe, expected.scale))
    assert log[0]['main/loss'] == pytest.approx(
        float(expected.loss_of_all_pairs(*batch, unit).array), rel=1e-4)
    assert_close(weights_of(model), one_step_by_hand(expected, batch, unit))
    scores = model.score(rated.X, None, rated.features)[:, None]
    assert log[0]['valid/loss'] == pytest.approx(
        float(model.loss_of_scores(scores, rated.ratings, unit).array), rel=1e-4)


@pytest.mark.parametrize('first', [1, 5])
def test_each_step_has_the_learning_rate_of_the_recipe(rated, first):
    recipe = SHORT._replace(n_iter=8)
    model = fresh_model()
    optimizer = chainer.optimizers.Adam().setup(model)
    alphas = [optimizer.alpha for _ in loop.learn(model, optimizer, rated, recipe, first)]
    assert alphas == [recipe.alpha(step) for step in range(first, 9)]


@pytest.mark.parametrize('arch', ['cnn', 'deep'])
def test_same_seed_same_weights(rated, tmp_path, arch):
    trained = []
    for seed in 3, 3, 4:
        model = fresh_model(arch)
        train(model, rated, SHORT._replace(n_iter=3, seed=seed), tmp_path)
        trained.append(weights_of(model))
    assert_same(trained[0], trained[1])
    assert any(not np.array_equal(a, b) for a, b in zip(trained[0], trained[2]))


@pytest.mark.parametrize('mirror', [False, True])
def test_a_frozen_trunk_stays_and_the_rest_learns(rated, tmp_path, mirror):
    model = fresh_model('cnn', 2)
    rated = rated._replace(features=np.random.default_rng(0).random((30, 2)).astype(np.float32))
    before = {name: param.array.copy() for name, param in model.namedparams()}
    recipe = Recipe(n_iter=20, batchsize=16, freeze=True, mirror=mirror)
    log = train(model, rated, recipe, tmp_path, rated, 10)
    for name, param in model.namedparams():
        assert np.array_equal(param.array, before[name]) == ('conv' in name), name
    assert log[-1]['main/loss'] < log[0]['main/loss']


# What is said and written

def test_lines_log_curves_and_one_snapshot_are_written(rated, tmp_path):
    lines, steps = [], []
    (tmp_path / 'snapshot_iter_x').touch()
    log = train(fresh_model(), rated, SHORT._replace(n_iter=5), tmp_path, rated, 3,
                say=lines.append, progress=steps.append)
    for line, step in zip(lines, ['3', '5']):  # the last step is measured too
        assert re.fullmatch(r'step: (\d) \| NDCG@100 \| train: [01]\.\d{4} \| valid: [01]\.\d{4}',
                            line).group(1) == step
    assert len(lines) == 2 and sum(steps) == 5
    assert sorted(os.listdir(tmp_path)) == ['log', 'loss.png', 'ranking.png', 'snapshot_iter_5',
                                            'snapshot_iter_x']
    assert json.loads((tmp_path / 'log').read_text()) == log
    assert [entry['iteration'] for entry in log] == [3, 5]
    assert [entry['epoch'] for entry in log] == [0, 1]  # 24 and 40 pictures of 30
    assert set(log[0]) == {'main/loss', 'train/ndcg', 'train/pair_accuracy', 'valid/ndcg',
                           'valid/pair_accuracy', 'valid/loss', 'epoch', 'iteration',
                           'elapsed_time'}
    assert 0 < log[0]['elapsed_time'] < log[1]['elapsed_time']


def test_the_loss_in_the_log_is_the_mean_since_the_line_before(rated, tmp_path):
    model = fresh_model()
    optimizer = chainer.optimizers.Adam().setup(model)
    losses = [float(loss) for _, loss in loop.learn(model, optimizer, rated, SHORT)]
    log = train(fresh_model(), rated, SHORT, tmp_path, step=4)
    assert [entry['main/loss'] for entry in log] == [
        pytest.approx(np.mean(part), rel=1e-4) for part in (losses[:4], losses[4:])]
    assert 'valid/ndcg' not in log[0]


def test_without_validation_the_last_weights_are_left(rated, tmp_path):
    recipe = SHORT._replace(schedule='constant')
    model = fresh_model()
    train(model, rated, recipe, tmp_path)
    expected = fresh_model()
    for _ in loop.learn(expected, fused_adam.Adam().setup(expected), rated, recipe):
        pass
    assert_same(weights_of(model), weights_of(expected))


def test_a_run_leaves_the_weights_that_validated_best(rated, tmp_path, monkeypatch):
    recipe = SHORT._replace(schedule='constant')
    model, shorter = fresh_model(), fresh_model()
    with monkeypatch.context() as context:
        fake_accuracies(context, .6, .9, .75)
        log = train(model, rated, recipe, tmp_path / 'a', rated)
    assert [entry['valid/pair_accuracy'] for entry in log] == [.6, .9, .75]
    train(shorter, rated, recipe._replace(n_iter=4), tmp_path / 'b', step=4)
    assert_same(weights_of(model), weights_of(shorter))


@pytest.mark.parametrize('patience, n_lines', [(1, 3), (2, 6), (None, 8)])
def test_a_run_ends_when_it_has_not_got_better_for_so_long(rated, tmp_path, monkeypatch, patience,
                                                           n_lines):
    fake_accuracies(monkeypatch, .5, .7, .6, .8, .8, .7, .9, .8)
    recipe = Recipe(n_iter=8, batchsize=4, patience=patience)
    assert len(train(fresh_model(), rated, recipe, tmp_path, rated, 1)) == n_lines


def test_of_many_pictures_a_line_measures_a_sample(rated, tmp_path, monkeypatch, notes):
    monkeypatch.setattr(monitor, 'SAMPLE', 12)
    valid = rated._replace(rows=np.arange(17, 30))
    model = fresh_model()
    log = train(model, rated._replace(rows=np.arange(17)), SHORT._replace(seed=3), tmp_path, valid,
                note=notes.append)
    best = max(log, key=lambda entry: entry['valid/pair_accuracy'])
    rows = monitor.draw_sample(valid, 3, 'valid', notes.append).rows
    assert best['valid/ndcg'] == pytest.approx(metrics.ndcg(
        rated.ratings[rows], model.score(rated.X, rows), 100))
    assert 'train: lines of output measure 12 of the 17 pictures' in ' '.join(notes)
    assert 'valid: lines of output measure 12 of the 13 pictures' in ' '.join(notes)


# Going on

@pytest.mark.parametrize('arch', ['cnn', 'deep'])
@pytest.mark.parametrize('freeze', [False, True])
def test_a_resumed_run_ends_as_if_it_had_never_stopped(rated, tmp_path, arch, freeze):
    recipe = SHORT._replace(freeze=freeze)
    whole, resumed = fresh_model(arch), fresh_model(arch)
    for link in resumed.predictor.children():  # the weights come from the snapshot
        for param in link.params():
            param.array[...] = 0
    log = train(whole, rated, recipe, tmp_path / 'whole', rated)
    with pytest.raises(KeyboardInterrupt):
        train(fresh_model(arch), rated, recipe, tmp_path / 'half', rated, say=interrupting(3))
    lines = []
    resumed_log = train(resumed, rated, recipe, tmp_path / 'half', rated,
                        snapshot=tmp_path / 'half' / 'snapshot_iter_4', say=lines.append)
    assert_same(weights_of(whole), weights_of(resumed))
    assert len(lines) == 1 and len(log) == len(resumed_log) == 3
    for entry, other in zip(log, resumed_log):
        assert {**entry, 'elapsed_time': 0} == {**other, 'elapsed_time': 0}
    assert resumed_log[1]['elapsed_time'] < resumed_log[2]['elapsed_time']


def test_the_best_weights_outlast_an_interruption(rated, tmp_path, monkeypatch):
    best, resumed = fresh_model(), fresh_model()
    fake_accuracies(monkeypatch, .9, .6, .75)
    train(best, rated, SHORT, tmp_path / 'whole', rated)
    fake_accuracies(monkeypatch, .9, .6, .75)
    with pytest.raises(KeyboardInterrupt):
        train(fresh_model(), rated, SHORT, tmp_path / 'half', rated, say=interrupting(3))
    fake_accuracies(monkeypatch, .75)
    train(resumed, rated, SHORT, tmp_path / 'half', rated,
          snapshot=tmp_path / 'half' / 'snapshot_iter_4')
    assert_same(weights_of(best), weights_of(resumed))


@pytest.mark.parametrize('line, words', [
    (1, 'interrupted at step 2; there is no snapshot yet'),
    (2, 'interrupted at step 4; to continue, use the same command with --resume '
        '{}/snapshot_iter_2'),
    (3, 'interrupted at step 6; to continue, use the same command with --resume '
        '{}/snapshot_iter_4')])
def test_an_interrupted_run_says_how_to_go_on(rated, tmp_path, line, words):
    (tmp_path / 'snapshot_iter_1').touch()  # of another run
    with pytest.raises(KeyboardInterrupt) as e:
        train(fresh_model(), rated, SHORT, tmp_path, say=interrupting(line))
    assert str(e.value) == words.format(tmp_path)


def test_a_resumed_run_that_is_interrupted_at_once_names_its_snapshot(rated, tmp_path):
    train(fresh_model(), rated, SHORT._replace(n_iter=2), tmp_path)
    with pytest.raises(KeyboardInterrupt, match='at step 3; .*snapshot_iter_2$'):
        train(fresh_model(), rated, SHORT, tmp_path, snapshot=tmp_path / 'snapshot_iter_2',
              progress=interrupting(2))


def test_after_the_last_step_only_the_results_are_left_to_write(rated, tmp_path, notes):
    finished, resumed = fresh_model(), fresh_model()
    log = train(finished, rated, SHORT, tmp_path, rated)
    resumed_log = train(resumed, rated, SHORT, tmp_path, rated,
                        snapshot=tmp_path / 'snapshot_iter_6', note=notes.append)
    assert_same(weights_of(finished), weights_of(resumed))
    assert resumed_log == log
    assert len(notes) == 1 and 'for more steps, choose a larger --n_iter' in notes[0]


def test_what_has_waited_long_enough_trains_no_further(rated, tmp_path, monkeypatch, notes):
    monkeypatch.setattr(metrics, 'pair_accuracy', lambda ratings, scores: .5)
    recipe = Recipe(n_iter=8, batchsize=4, patience=2)
    whole, resumed = fresh_model(), fresh_model()
    train(whole, rated, recipe, tmp_path, rated, 1)
    train(resumed, rated, recipe, tmp_path, rated, 1, tmp_path / 'snapshot_iter_3',
          note=notes.append)
    assert len(notes) == 1 and 'choose a larger --n_iter or --patience' in notes[0]
    assert_same(weights_of(whole), weights_of(resumed))


def test_a_snapshot_of_a_later_step_is_refused(rated, tmp_path):
    train(fresh_model(), rated, SHORT, tmp_path)
    with pytest.raises(InputError, match='is already at step 6; choose a larger --n_iter than 4'):
        train(fresh_model(), rated, SHORT._replace(n_iter=4), tmp_path,
              snapshot=tmp_path / 'snapshot_iter_6')


def test_a_network_that_diverges_is_reported(rated, tmp_path):
    model = fresh_model()
    model.image_scale = 1e37
    with pytest.raises(InputError, match='the network has diverged'), np.errstate(all='ignore'):
        train(model, rated, SHORT._replace(augment=0.), tmp_path)
