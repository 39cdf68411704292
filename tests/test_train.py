"""train.py as a user runs it.

Over 400 lines: whole runs of the command, which share their short set and options.
"""
import json
import os
import pickle
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

import train
from picture_ranknet.learning import parallel, pretext
from picture_ranknet.learning.recipe import LOSSES, SCHEDULES, Recipe
from picture_ranknet.models import model_file, networks

SHORT = ['--n_iter', 6, '--monitor_step', 3, '-b', 8]


@pytest.fixture
def run(run_here):
    """Few tests need a process of their own."""
    return run_here


@pytest.fixture
def learn(rated_files, monkeypatch, capsys):
    """Run train.py here, with few steps of looking; returns its error output."""
    monkeypatch.chdir(rated_files)
    monkeypatch.setattr(pretext, 'N_ITER', 5)

    def learn(*args):
        train.main(['X.npy', 'ratings.txt', *map(str, SHORT), *map(str, args)])
        return capsys.readouterr().err
    return learn


def test_faces_of_a_track_are_all_held_out_or_none(run, rated_files):
    (rated_files / 'X.csv').write_text('row,group\n' + ''.join(
        f'{row},{row // 10}\n' for row in range(30)))
    done = run('train.py', 'X.npy', 'ratings.txt', *SHORT, '--valid_ratio', .3)
    assert done.returncode == 0 and '10 pictures held out' in done.stderr, done.stderr
    (rated_files / 'X.csv').write_text('row,group\n0,a\n')
    done = run('train.py', 'X.npy', 'ratings.txt', *SHORT, '--valid_ratio', .3)
    assert done.returncode == 1 and 'X.csv: expected' in done.stderr


def test_training_prints_the_articles_lines_and_writes_its_files(run, rated_files):
    done = run('train.py', 'X.npy', 'ratings.txt', *SHORT)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r'step: 3 \| NDCG@100 \| train: [01]\.\d{4}\n'
                        r'step: 6 \| NDCG@100 \| train: [01]\.\d{4}\n', done.stdout)
    assert done.stderr == (
        'X.npy: 30 pictures of 20 x 20, uint8\n'
        '--arch pretrained usually ranks unseen pictures better, in seconds\n')
    assert sorted(os.listdir(rated_files)) == [
        'X.npy', 'model.pkl', 'pred.txt', 'ratings.txt', 'result']
    assert sorted(os.listdir(rated_files / 'result')) == [
        '.lock', 'log', 'loss.png', 'metrics.csv', 'ranking.png', 'snapshot_iter_6']


def test_pred_holds_the_scores_of_all_training_pictures_in_input_order(run, rated_files, pictures):
    run('train.py', 'X.npy', 'ratings.txt', *SHORT, '--valid_ratio', .2)
    scores = model_file.load(rated_files / 'model.pkl').score(pictures)
    np.testing.assert_array_equal(np.loadtxt(rated_files / 'pred.txt', np.float32), scores)


def test_the_network_learns_a_simple_taste(run, rated_files):
    done = run('train.py', 'X.npy', 'ratings.txt', '--n_iter', 60, '--valid_ratio', .3,
               '--monitor_step', 60)
    assert float(re.search(r'valid: ([\d.]+)', done.stdout).group(1)) > .95
    log, = json.loads((rated_files / 'result' / 'log').read_text())
    assert log['valid/pair_accuracy'] > .95
    assert log['iteration'] == 60 and 0 < log['main/loss'] < .6


def weights(path):
    return [param.array.tobytes() for _, param in sorted(model_file.load(path).namedparams())]


def test_same_seed_same_weights(run, rated_files):
    for name, seed in ('a', 3), ('b', 3), ('c', 4):
        run('train.py', 'X.npy', 'ratings.txt', *SHORT, '--seed', seed,
            '-om', name, '-op', name + 't')
    assert weights(rated_files / 'a') == weights(rated_files / 'b') != weights(rated_files / 'c')
    assert (rated_files / 'at').read_bytes() == (rated_files / 'bt').read_bytes()


def test_a_resumed_run_ends_as_if_it_had_never_stopped(run, rated_files):
    options = [*SHORT, '--schedule', 'constant', '--valid_ratio', .3]
    run('train.py', 'X.npy', 'ratings.txt', *options, '-om', 'whole')
    run('train.py', 'X.npy', 'ratings.txt', *options, '--n_iter', 3, '-o', 'half')
    done = run('train.py', 'X.npy', 'ratings.txt', *options, '-o', 'half',
               '--resume', 'half/snapshot_iter_3')
    assert done.stdout.startswith('step: 6') and done.stdout.count('step') == 1
    assert weights(rated_files / 'model.pkl') == weights(rated_files / 'whole')
    log = json.loads((rated_files / 'half' / 'log').read_text())
    assert [entry['iteration'] for entry in log] == [3, 6]


def test_a_snapshot_of_other_pictures_is_refused(run, rated_files, pictures):
    run('train.py', 'X.npy', 'ratings.txt', *SHORT)
    np.save(rated_files / 'X.npy', pictures[:, :, :15])
    done = run('train.py', 'X.npy', 'ratings.txt', *SHORT, '-r', 'result/snapshot_iter_6')
    assert done.returncode == 1
    assert 'result/snapshot_iter_6: expected a snapshot' in done.stderr.splitlines()[-1]


def test_unrated_pictures_are_skipped_and_counted(run, rated_files, ratings):
    ratings[[2, 5, 6]] = np.nan
    np.savetxt(rated_files / 'ratings.txt', ratings)
    done = run('train.py', 'X.npy', 'ratings.txt', *SHORT)
    assert done.returncode == 0
    assert 'ratings.txt: 3 of 30 pictures are not rated (nan) and are skipped' in done.stderr
    assert len(np.loadtxt(rated_files / 'pred.txt')) == 30


def test_unrated_pictures_do_not_change_what_is_learnt(run, rated_files, pictures, ratings):
    run('train.py', 'X.npy', 'ratings.txt', *SHORT, '-om', 'without')
    np.save(rated_files / 'X.npy', np.concatenate([pictures[:3] // 2, pictures]))
    np.savetxt(rated_files / 'ratings.txt', np.concatenate([[np.nan] * 3, ratings]))
    run('train.py', 'X.npy', 'ratings.txt', *SHORT)
    assert weights(rated_files / 'without') == weights(rated_files / 'model.pkl')


def test_validation_pictures_of_their_own(run, rated_files, pictures, ratings):
    np.save(rated_files / 'V.npy', pictures[::-1])
    np.savetxt(rated_files / 'v.txt', ratings[::-1])
    done = run('train.py', 'X.npy', 'ratings.txt', *SHORT, '--valid', 'V.npy', 'v.txt')
    train_ndcg, valid_ndcg = re.search(
        r'step: 6 \| NDCG@100 \| train: ([\d.]+) \| valid: ([\d.]+)\n', done.stdout).groups()
    assert train_ndcg == valid_ndcg  # the same pictures, turned round


def test_ratings_may_be_large_or_negative(run, rated_files, ratings):
    for values in (ratings * 1000, ratings - 3):
        np.savetxt(rated_files / 'ratings.txt', values)
        done = run('train.py', 'X.npy', 'ratings.txt', *SHORT)
        assert done.returncode == 0 and 'nan' not in done.stdout
        assert 'warning' not in done.stderr


@pytest.mark.parametrize('change, words', [
    (lambda X, r: (X[:, :, :12, :12], r), 'X.npy: expected pictures of at least 13 x 13 pixels'),
    (lambda X, r: (X * 1e37, r), 'the network has diverged'),
])
def test_what_cannot_be_learnt_from_is_said_in_one_line(run, rated_files, pictures, ratings,
                                                        change, words):
    X, r = change(pictures, ratings)
    np.save(rated_files / 'X.npy', X)
    np.savetxt(rated_files / 'ratings.txt', r)
    done = run('train.py', 'X.npy', 'ratings.txt', *SHORT)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith('train.py: error: ') and words in last
    assert 'Traceback' not in done.stderr
    assert not (rated_files / 'model.pkl').exists() and not (rated_files / 'pred.txt').exists()


@pytest.mark.parametrize('args, status, words', [
    ([], 2, 'required: X_train_npy, rank_file'),
    (['X.npy', 'ratings.txt', '-b', '1'], 2, "-b: must be a whole number from 2 to 1000, got '1'"),
    (['X.npy', 'ratings.txt', '--valid_ratio', '1'], 2, 'must be between 0 and 1'),
    (['X.npy', 'ratings.txt', '--valid_ratio', '.1', '--valid', 'a', 'b'], 2, 'not allowed with'),
    (['missing.npy', 'ratings.txt'], 1, 'missing.npy: No such file or directory'),
    (['X.npy', 'ratings.txt', '-om', 'no/model.pkl'], 1, 'there is no folder'),
    (['X.npy', 'ratings.txt', '-d', '@cupy:7'], 1, '--device @cupy:7: '),
    (['X.npy', 'ratings.txt', '-o', 'X.npy'], 1, 'X.npy: '),
])
def test_wrong_usage(run, rated_files, args, status, words):
    done = run('train.py', *args)
    assert done.returncode == status
    assert words in done.stderr.splitlines()[-1]


@pytest.fixture
def interrupted(rated_files, root):
    """Start train.py, wait for ``n_lines`` of a stream, and interrupt it; its error output."""
    def interrupted(stream, n_lines, *args):
        with subprocess.Popen(
                [sys.executable, str(root / 'train.py'), 'X.npy', 'ratings.txt', '--n_iter',
                 '1000000', '--schedule', 'constant', '-b', '4', *args],
                cwd=rated_files, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                text=True) as process:
            for _ in range(n_lines):
                getattr(process, stream).readline()
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=300)
        assert process.returncode == 130
        assert not (rated_files / 'model.pkl').exists()
        return err
    return interrupted


def test_an_interrupted_run_goes_on_as_if_it_had_never_stopped(interrupted, run, rated_files):
    err = interrupted('stdout', 2, '--monitor_step', '5')  # then there is a snapshot
    found = re.search(r'interrupted at step \d+; to continue, use the same command with '
                      r'--resume (result/snapshot_iter_(\d+))\n$', err)
    step = int(found[2])
    # More steps are the same run where the learning rate stays.
    options = ['--schedule', 'constant', '-b', 4, '--monitor_step', 5, '--n_iter', step + 5]
    resumed = run('train.py', 'X.npy', 'ratings.txt', *options, '-r', found[1])
    assert re.match(rf'step: {step + 5} ', resumed.stdout), resumed.stderr
    run('train.py', 'X.npy', 'ratings.txt', *options, '-o', 'whole', '-om', 'whole.pkl')
    assert weights(rated_files / 'model.pkl') == weights(rated_files / 'whole.pkl')


def test_an_interruption_before_the_first_snapshot_names_none(interrupted, rated_files):
    (rated_files / 'result').mkdir()
    (rated_files / 'result' / 'snapshot_iter_2').touch()  # of another run
    err = interrupted('stderr', 1, '--monitor_step', '1000000')  # the pictures are read
    assert 'error: interrupted' in err.splitlines()[-1] and 'resume' not in err


def test_a_snapshot_of_another_run_is_refused(run, rated_files):
    run('train.py', 'X.npy', 'ratings.txt', *SHORT)
    for options, words in (
            (['--n_iter', 9, '--seed', 1], 'is from a run with other --seed'),
            (['--n_iter', 9, '--valid_ratio', .2], 'is from a run with other pictures'),
            (['--n_iter', 4], 'is already at step 6; choose a larger --n_iter than 4')):
        done = run('train.py', 'X.npy', 'ratings.txt', *SHORT, *options,
                   '-r', 'result/snapshot_iter_6')
        assert done.returncode == 1 and done.stdout == ''
        assert done.stderr.splitlines()[-1].startswith(
            f'train.py: error: result/snapshot_iter_6: {words}')


def test_the_same_strength_written_otherwise_is_the_same_run(run, rated_files):
    run('train.py', 'X.npy', 'ratings.txt', *SHORT, '--augment', '1')
    done = run('train.py', 'X.npy', 'ratings.txt', *SHORT, '--augment', '1.0', '--n_iter', 7,
               '-r', 'result/snapshot_iter_6')
    assert (done.returncode, done.stdout.count('step')) == (0, 1), done.stderr


def test_after_the_last_step_the_results_are_written_again(run, rated_files):
    run('train.py', 'X.npy', 'ratings.txt', *SHORT, '-om', 'first', '-op', 'first.txt')
    done = run('train.py', 'X.npy', 'ratings.txt', *SHORT, '-r', 'result/snapshot_iter_6')
    assert (done.returncode, done.stdout) == (0, '')
    assert 'is from the last step, only the results are written' in done.stderr
    assert weights(rated_files / 'model.pkl') == weights(rated_files / 'first')
    assert (rated_files / 'pred.txt').read_bytes() == (rated_files / 'first.txt').read_bytes()


def test_the_last_step_is_monitored_too(run, rated_files):
    done = run('train.py', 'X.npy', 'ratings.txt', '-b', 2, '--n_iter', 5, '--monitor_step', 3)
    assert re.findall(r'^step: (\d+)', done.stdout, re.M) == ['3', '5']
    assert (rated_files / 'result' / 'snapshot_iter_5').exists()
    log = json.loads((rated_files / 'result' / 'log').read_text())
    assert [entry['iteration'] for entry in log] == [3, 5]


@pytest.mark.skipif(sys.platform == 'win32', reason='needs a pseudo-terminal')
def test_a_progress_bar_is_shown_on_a_terminal_only(rated_files, root):
    import fcntl
    import struct
    import termios
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('4H', 24, 80, 0, 0))
    command = [sys.executable, str(root / 'train.py'), 'X.npy', 'ratings.txt', *map(str, SHORT)]
    done = subprocess.run(command, cwd=rated_files, capture_output=True, check=True)
    assert done.stdout.count(b'step') == len(done.stdout.splitlines()) == 2
    # It goes on where the first run, which had no terminal, stopped.
    command += ['--n_iter', '12', '--resume', 'result/snapshot_iter_6']
    subprocess.run(command, cwd=rated_files, stdout=theirs, stderr=theirs, check=True)
    os.close(theirs)
    shown = os.read(ours, 100000)
    assert b'steps/s' in shown and b'step: 12' in shown and b'Warning' not in shown


READ = {'X_train_npy': 'X.npy', 'its table': 'X.csv', 'rank_file': 'ratings.txt',
        '--features': 'F.npy', '--initmodel': 'start.pkl', '--resume': 'snapshot_iter_1',
        '--valid': 'V.npy', 'the ratings of --valid': 'v.txt', '--valid_features': 'vF.npy'}


@pytest.mark.parametrize('option', ['--output_pred', '--output_model'])
@pytest.mark.parametrize('other', [*READ, '--unrated', '--output'])
def test_no_output_is_an_input_or_another_output(rated_files, monkeypatch, capsys, option, other):
    monkeypatch.chdir(rated_files)
    start = ['--unrated', 'U.npy'] if other == '--unrated' else ['--initmodel', 'start.pkl']
    args = ['X.npy', 'ratings.txt', '--features', 'F.npy', *start, '--resume', 'snapshot_iter_1',
            '--valid', 'V.npy', 'v.txt', '--valid_features', 'vF.npy']
    path = {'--unrated': 'U.npy', '--output': 'same'}.get(other) or READ[other]
    if other == '--output':
        args += ['--output_pred', './same', '--output_model', 'same']
        words = '--output_pred and --output_model would write to this file'
    else:
        args += [option, f'./{path}']
        words = f'{option} would overwrite what {other} reads'
    for name in [*READ.values(), 'U.npy']:
        (rated_files / name).write_text('mine')
    with pytest.raises(SystemExit):
        train.main(args)
    assert f'{path}: {words}; choose another name' in capsys.readouterr().err
    assert all((rated_files / name).read_text() == 'mine' for name in READ.values())
    assert not (rated_files / 'result').exists()


def test_the_files_of_the_report_are_no_other_outputs(rated_files, monkeypatch, capsys):
    monkeypatch.chdir(rated_files)
    (rated_files / 'result').mkdir()
    with pytest.raises(SystemExit):
        train.main(['X.npy', 'ratings.txt', '-op', 'result/log'])
    assert 'result/log: --output_pred and --out would write to this file' in (
        capsys.readouterr().err)


def test_the_model_can_be_unpickled_plainly(run, rated_files, pictures):
    run('train.py', 'X.npy', 'ratings.txt', *SHORT)
    with open(rated_files / 'model.pkl', 'rb') as f:
        model = pickle.load(f)
    y = model.predictor(pictures * np.float32(1 / 255)).array.ravel()
    np.testing.assert_allclose(y, np.loadtxt(rated_files / 'pred.txt'), rtol=1e-5)


def test_features_tell_what_no_picture_shows(run, rated_files, pictures, ratings):
    rng = np.random.default_rng(0)
    tags = rng.integers(0, 2, (60, 3))
    X = rng.integers(0, 256, (60, 3, 20, 20), np.uint8)  # show nothing
    np.save(rated_files / 'X.npy', X)
    np.save(rated_files / 'F.npy', tags)
    np.savetxt(rated_files / 'ratings.txt', tags @ [4, 2, 1])
    options = ['X.npy', 'ratings.txt', '--valid_ratio', .5, '--n_iter', 60, '--monitor_step', 60]
    accuracies = []
    for more in [], ['--features', 'F.npy']:
        run('train.py', *options, *more)
        log, = json.loads((rated_files / 'result' / 'log').read_text())
        accuracies.append(log['valid/pair_accuracy'])
    assert accuracies[0] < .7 and accuracies[1] > .95
    assert len(model_file.load(rated_files / 'model.pkl').predictor.features.mean) == 3


def test_validation_pictures_have_features_of_their_own(run, rated_files, pictures, ratings):
    F = np.random.default_rng(0).normal(size=(30, 2))
    for name, order in ('', slice(None)), ('v', slice(None, None, -1)):
        np.save(rated_files / (name + 'X.npy'), pictures[order])
        np.save(rated_files / (name + 'F.npy'), F[order])
        np.savetxt(rated_files / (name + 'ratings.txt'), ratings[order])
    done = run('train.py', 'X.npy', 'ratings.txt', *SHORT, '--features', 'F.npy',
               '--valid', 'vX.npy', 'vratings.txt', '--valid_features', 'vF.npy')
    train_ndcg, valid_ndcg = re.search(
        r'step: 6 \| NDCG@100 \| train: ([\d.]+) \| valid: ([\d.]+)\n', done.stdout).groups()
    assert train_ndcg == valid_ndcg  # the same pictures, turned round
    np.save(rated_files / 'vF.npy', F[:, :1])
    done = run('train.py', 'X.npy', 'ratings.txt', *SHORT, '--features', 'F.npy',
               '--valid', 'vX.npy', 'vratings.txt', '--valid_features', 'vF.npy')
    assert done.returncode == 1 and 'vF.npy: expected 30 x 2 numbers' in done.stderr


def test_another_model_is_where_training_starts(run, rated_files, pictures):
    run('train.py', 'X.npy', 'ratings.txt', '--n_iter', 60, '--image_scale', '1/200', '-om', 'a')
    done = run('train.py', 'X.npy', 'ratings.txt', '--n_iter', 2, '--initmodel', 'a', '--freeze',
               '--monitor_step', 1)
    first = float(re.search(r'train: ([\d.]+)', done.stdout).group(1))
    assert first > .99
    a, b = (model_file.load(rated_files / name) for name in ('a', 'model.pkl'))
    assert b.image_scale == 1 / 200
    for name, param in b.namedparams():
        assert ('conv' in name) == np.array_equal(param.array, dict(a.namedparams())[name].array)


@pytest.mark.parametrize('options, scale', [([], 1 / 200), (['--image_scale', '.01'], .01)])
def test_a_model_to_start_from_knows_its_scale_unless_the_user_says_another(
        learn, rated_files, options, scale):
    learn('--image_scale', '1/200', '-om', 'a')
    learn('--initmodel', 'a', *options)
    assert model_file.load(rated_files / 'model.pkl').image_scale == scale


def test_every_set_of_another_range_is_told(learn, rated_files, pictures, ratings):
    np.save(rated_files / 'V.npy', np.float32(pictures / 255))
    err = learn('--valid', 'V.npy', 'ratings.txt', '--unrated', 'V.npy')
    assert err.count('warning: V.npy: the brightest pixel is 0.00') == 2
    assert 'X.npy: the brightest' not in err


def test_the_choices_are_those_of_the_recipe():
    actions = {action.dest: action for action in train.build_parser()._actions}
    for option, choices in (('arch', [*networks.ARCHITECTURES, 'pretrained']),
                            ('loss', LOSSES), ('schedule', SCHEDULES),
                            ('communicator', parallel.COMMUNICATORS)):
        assert list(actions[option].choices) == list(choices)


def test_pictures_that_are_held_out_are_not_looked_at(learn, rated_files, pictures):
    np.save(rated_files / 'more.npy', pictures[:5] // 2)
    np.save(rated_files / 'F.npy', np.arange(30.)[:, None])
    err = learn('--unrated', 'more.npy', '--valid_ratio', .2, '--features', 'F.npy')
    assert 'of the variance of gradients and colours explained, 29 pictures' in err  # 24 and 5


def test_a_model_to_start_from_may_get_features(run, rated_files):
    np.save(rated_files / 'F.npy', np.random.default_rng(0).normal(size=(30, 2)))
    run('train.py', 'X.npy', 'ratings.txt', *SHORT, '-om', 'a')
    done = run('train.py', 'X.npy', 'ratings.txt', *SHORT, '--initmodel', 'a',
               '--features', 'F.npy', '-om', 'b')
    assert done.returncode == 0, done.stderr
    assert model_file.load(rated_files / 'b').predictor.n_features == 2
    done = run('train.py', 'X.npy', 'ratings.txt', *SHORT, '--initmodel', 'b')
    assert done.returncode == 1
    assert 'b: was trained with 2 features of each picture; use --features' in done.stderr
    done = run('train.py', 'X.npy', 'ratings.txt', *SHORT, '--initmodel', 'a', '--arch', 'deep')
    assert done.returncode == 1
    assert 'a: expected a model of --arch deep, got CNN; leave --arch out' in done.stderr


def test_pictures_that_nobody_has_rated_are_looked_at_first(learn, rated_files, pictures):
    np.save(rated_files / 'more.npy', pictures[:5] // 2)
    learn('-om', 'without')
    err = learn('--unrated', 'more.npy')
    assert 'more.npy: 5 pictures of 20 x 20, uint8\npretraining: ' in err
    assert re.search(r'pretraining: -?\d+% of the variance of .* explained, 35 pictures\n', err)
    assert weights(rated_files / 'without') != weights(rated_files / 'model.pkl')
    err = learn('--n_iter', 9, '--unrated', 'more.npy', '--resume', 'result/snapshot_iter_6')
    assert 'pretraining' not in err


def test_a_frozen_trunk_is_as_it_was_in_a_resumed_run(learn, rated_files, pictures):
    np.save(rated_files / 'more.npy', pictures[:5] // 2)
    options = ['--schedule', 'constant', '--unrated', 'more.npy', '--freeze']
    learn(*options, '-om', 'whole')
    learn(*options, '--n_iter', 3)
    learn(*options, '-r', 'result/snapshot_iter_3')
    assert weights(rated_files / 'model.pkl') == weights(rated_files / 'whole')


def test_a_deep_network_may_be_trained_instead(run, rated_files, pictures):
    done = run('train.py', 'X.npy', 'ratings.txt', '--arch', 'deep', '--n_iter', 40)
    assert done.returncode == 0, done.stderr
    model = model_file.load(rated_files / 'model.pkl')
    assert type(model.predictor).__name__ == 'DeepCNN'
    np.testing.assert_array_equal(np.loadtxt(rated_files / 'pred.txt', np.float32),
                                  model.score(pictures))
    run('predict.py', 'model.pkl', 'X.npy', '-o', 'again.txt')
    assert (rated_files / 'again.txt').read_bytes() == (rated_files / 'pred.txt').read_bytes()


def test_validation_leaves_its_metrics_and_a_strip(run, rated_files):
    done = run('train.py', 'X.npy', 'ratings.txt', *SHORT, '--valid_ratio', .2,
               '--loss', 'magnitude')
    assert 'held out, 6 pictures, with 95 % intervals: NDCG@100 ' in done.stderr
    assert 'warning: too few held-out pictures to tell' in done.stderr
    assert {'metrics.csv', 'held_out.png'} <= set(os.listdir(rated_files / 'result'))


def test_the_defaults_are_those_of_the_recipe():
    args = train.build_parser().parse_args(['X.npy', 'ratings.txt'])
    assert Recipe() == Recipe(args.n_iter, args.batchsize, args.loss, args.schedule, args.augment,
                              not args.no_mirror, args.freeze, args.patience, args.seed)


@pytest.mark.parametrize('options, words', [
    (['--freeze'], '--freeze: nothing is trained yet; use --initmodel or --unrated'),
    (['--arch', 'resnet'], "invalid choice: 'resnet'"),
    (['--initmodel', 'a', '--unrated', 'b'], 'not allowed with argument --initmodel'),
    (['--patience', 3], '--patience: requires --valid or --valid_ratio'),
    (['--valid_features', 'F.npy'], '--valid_features: requires --valid and --features'),
    (['--features', 'F.npy', '--valid', 'a', 'b'], 'requires --valid and --features'),
    (['--schedule', 'cosine'], "invalid choice: 'cosine'"),
    (['--augment', '-1'], "must be a number from 0 to 5, got '-1'"),
    (['--augment', '1000'], "must be a number from 0 to 5, got '1000'"),
])
def test_options_that_do_not_go_together(run, rated_files, options, words):
    done = run('train.py', 'X.npy', 'ratings.txt', *options)
    assert done.returncode == 2 and words in done.stderr.splitlines()[-1]
