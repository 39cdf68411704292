"""The commands on several processes: they do what one does."""
import importlib.util
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from picture_ranknet.faces import pipeline
from picture_ranknet.machine import ranks
from picture_ranknet.models import model_file
from support import media_samples

MPIEXEC = shutil.which('mpiexec', path=os.pathsep.join(
    [str(pathlib.Path(sys.executable).parent), os.environ.get('PATH', '')]))
needs_mpi = pytest.mark.skipif(
    importlib.util.find_spec('mpi4py') is None or MPIEXEC is None,
    reason='needs MPI: pip install -e ".[mpi]"')
# What Open MPI wants to be told, if that is what is there: as root, and on few cores.
OPEN_MPI = {'OMPI_ALLOW_RUN_AS_ROOT': '1', 'OMPI_ALLOW_RUN_AS_ROOT_CONFIRM': '1',
            'PRTE_MCA_rmaps_default_mapping_policy': ':oversubscribe'}


@pytest.fixture
def start(tmp_path, root):
    """Start a command on ``n`` processes, in an empty folder."""
    def start(n, command, *args, **kwargs):
        return subprocess.Popen(
            [MPIEXEC, '-n', str(n), sys.executable, str(root / command), *map(str, args)],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding='utf-8',
            env=dict(os.environ, PYTHONPATH=str(root), **OPEN_MPI), **kwargs)
    return start


@pytest.fixture
def mpirun(start):
    """Run a command so; returns what it said."""
    def mpirun(n, command, *args):
        process = start(n, command, *args)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(args, process.returncode, out, err)
    return mpirun


def errors(done):
    return [line for line in done.stderr.splitlines() if 'error:' in line]


def weights(path):
    return {name: param.array for name, param in model_file.load(path).namedparams()}


def assert_same_training(a, b, tolerance=2e-5):
    """But for rounding: where a gradient is next to 0, Adam makes a step of it all the same.

    That of the last bias is 0, since only differences of scores count.
    """
    expected = weights(b)
    for name, array in weights(a).items():
        assert name == '/predictor/l2/b' or abs(array - expected[name]).mean() < tolerance, name


def numbers_of(done):
    return np.array(re.findall(r'[\d.]+', done.stdout), float)


@pytest.fixture
def mixed_files(rated_files, ratings):
    """Rated pictures of which a network does not learn all at once."""
    np.savetxt(rated_files / 'ratings.txt', np.random.default_rng(1).permutation(ratings), '%g')
    return rated_files


TRAIN = 'X.npy', 'ratings.txt', '-b', 9, '--schedule', 'constant', '--monitor_step', 2


# Without mpiexec

def test_a_single_process_does_all_the_work():
    rows = np.arange(6).reshape(3, 2)
    assert (ranks.rank(), ranks.size(), ranks.is_first()) == (0, 1, True)
    assert ranks.part(5) == slice(0, 5)
    assert ranks.gather(rows) is rows
    assert (ranks.collect('a'), ranks.tell('a')) == (['a'], 'a')


def test_a_single_process_needs_no_mpi(root):
    code = ('import sys, train, predict\nfrom picture_ranknet.machine import ranks\n'
            'from picture_ranknet.learning import loop\n'
            'ranks.join(); print("mpi4py" in sys.modules)')
    done = subprocess.run([sys.executable, '-c', code], env=dict(os.environ, PYTHONPATH=str(root)),
                          capture_output=True, text=True)
    assert done.stdout == 'False\n', done.stderr


@pytest.mark.parametrize('n', [1, 2, 3, 4, 7])
def test_parts_are_all_that_there_is(monkeypatch, n):
    monkeypatch.setattr(ranks, 'size', lambda: n)
    parts = []
    for rank in range(n):
        monkeypatch.setattr(ranks, 'rank', lambda rank=rank: rank)
        parts.append(range(10)[ranks.part(10)])
    assert [i for part in parts for i in part] == list(range(10))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_files_are_shared_out_by_their_size(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sizes = {'a.mp4': 50, 'b.mp4': 50, 's7.png': 10, 's8.png': 10, 's9.png': 80, 't1.png': 99}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(bytes(size))
    assert pipeline.share_out(list(sizes), 1) == [list(sizes)]
    assert pipeline.share_out(list(sizes), 3) == [
        ['a.mp4', 'b.mp4'], ['s7.png', 's8.png', 's9.png'], ['t1.png']]
    assert pipeline.share_out(['a.mp4'], 2).count([]) == 1


def test_without_mpi4py_one_line_says_what_to_install(rated_files, root):
    (rated_files / 'mpi4py.py').write_text('raise ImportError("No module named mpi4py")')
    env = dict(os.environ, PMI_SIZE='2', PMI_RANK='0', PYTHONPATH=str(rated_files))
    done = subprocess.run([sys.executable, str(root / 'train.py'), 'X.npy', 'ratings.txt'],
                          cwd=rated_files, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    line, = done.stderr.splitlines()
    assert 'started 2 processes, which need mpi4py' in line and 'pip install "mpi4py' in line


def test_the_line_is_that_of_setup_py(root):
    text = (root / 'setup.py').read_text(encoding='utf-8')
    for requirement in re.findall(r'"(.+?)"', ranks.INSTALL):
        assert f"'{requirement}'" in text


# Training

@needs_mpi
def test_a_step_is_that_of_one_process(mpirun):
    done = mpirun(4, 'tests/support/one_step.py')
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ['cnn 0 equal', 'cnn 3 equal', 'deep 0 equal']


@needs_mpi
def test_training_does_not_depend_on_the_number_of_processes(run_here, mpirun, mixed_files):
    alone = run_here('train.py', *TRAIN, '--n_iter', 4, '-om', 'm1', '-op', 'p1', '-o', 'r1')
    done = mpirun(2, 'train.py', *TRAIN, '--n_iter', 4, '-om', 'm2', '-op', 'p2', '-o', 'r2',
                  '--communicator', 'naive')  # batches of 9: one process has more of them
    assert (done.returncode, done.stdout) == (0, alone.stdout), done.stderr
    assert done.stderr.count('X.npy: 30 pictures') == 1
    assert_same_training(mixed_files / 'm1', mixed_files / 'm2')
    scores = [np.loadtxt(mixed_files / name) for name in ('p1', 'p2')]
    np.testing.assert_allclose(*scores, atol=1e-4)
    assert sorted(os.listdir(mixed_files / 'r1')) == sorted(os.listdir(mixed_files / 'r2'))
    assert 'train: 1.0000' not in alone.stdout and alone.stdout.count('step') == 2


@needs_mpi
def test_a_run_goes_on_with_another_number_of_processes(run_here, mpirun, mixed_files):
    run_here('train.py', *TRAIN, '--n_iter', 4, '-om', 'whole')
    mpirun(2, 'train.py', *TRAIN, '--n_iter', 2, '-o', 'half')
    done = run_here('train.py', *TRAIN, '--n_iter', 4, '-o', 'half', '-r', 'half/snapshot_iter_2')
    assert re.findall(r'step: (\d)', done.stdout) == ['4'], done.stderr
    assert_same_training(mixed_files / 'model.pkl', mixed_files / 'whole')
    log = json.loads((mixed_files / 'half' / 'log').read_text())
    assert [entry['iteration'] for entry in log] == [2, 4]
    assert (mixed_files / 'half' / 'snapshot_iter_4').exists()


SHORT_LOOK = ('import train; from picture_ranknet.learning import pretext;'
              'pretext.N_ITER = 3; train.main()')


@needs_mpi
@pytest.mark.parametrize('options', [
    ['--arch', 'deep', '--loss', 'magnitude', '--features', 'F.npy', '--valid_ratio', .3,
     '--patience', 1],
    ['--unrated', 'X.npy', '--freeze'],
])
def test_every_way_of_training_can_be_shared(run, mpirun, mixed_files, root, options):
    np.save(mixed_files / 'F.npy', np.random.default_rng(0).normal(size=(30, 2)))
    (mixed_files / 'learn.py').write_text(SHORT_LOOK)
    alone = run(mixed_files / 'learn.py', *TRAIN, '--n_iter', 4, *options, '-om', 'alone',
                env=dict(os.environ, PYTHONPATH=str(root)))
    done = mpirun(2, mixed_files / 'learn.py', *TRAIN, '--n_iter', 4, *options)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(numbers_of(done), numbers_of(alone), atol=.02)
    # A network with batch normalisation makes more of what is rounded: see one_step.py.
    assert_same_training(mixed_files / 'model.pkl', mixed_files / 'alone', 1e-3)


@needs_mpi
def test_a_batch_needs_a_picture_for_every_process(mpirun, rated_files):
    done = mpirun(3, 'train.py', *TRAIN, '-b', 2)
    assert done.returncode == 1
    line, = errors(done)
    assert ('3 processes: expected at least one picture of a batch for each, but a batch has 2'
            in line)


@needs_mpi
def test_what_is_for_gpus_is_refused_on_the_cpu(mpirun, rated_files):
    done = mpirun(2, 'train.py', *TRAIN, '--communicator', 'flat')
    assert done.returncode == 1 and '--communicator flat: is for GPUs' in errors(done)[0]


# Prediction, cropping

@needs_mpi
def test_scores_are_those_of_one_process_to_the_byte(run_here, mpirun, rated_files, model):
    model_file.save(rated_files / 'model.pkl', model)
    np.save(rated_files / 'many.npy', np.random.default_rng(0).integers(
        0, 256, (75, 3, 20, 20), np.uint8))
    args = 'model.pkl', 'many.npy', '-b', 8, '--ensemble', 'model.pkl'  # 10 batches
    assert run_here('predict.py', *args, '-o', '1', '--csv', '1.csv').returncode == 0
    done = mpirun(3, 'predict.py', *args, '-o', '3', '--csv', '3.csv', '--explain', 'why.png',
                  '--explain_n', 1)
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')
    for ending in '', '.csv':
        assert ((rated_files / f'3{ending}').read_bytes()
                == (rated_files / f'1{ending}').read_bytes())


@needs_mpi
def test_crops_are_those_of_one_process_to_the_byte(run, mpirun, tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / 'folder').mkdir()
    for name in 'a.mp4', 'b.mp4':
        frames = np.repeat(rng.integers(0, 255, (12, 12, 16, 3), np.uint8), 2, axis=0)
        media_samples.save_video(tmp_path / name, frames.repeat(4, 1).repeat(4, 2))
    for number in range(8, 12):  # a sequence: one scene
        media_samples.save_picture(tmp_path / 'folder' / f'{number}.png',
                                   (20 * number, 90, 40))
    (tmp_path / 'folder' / 'broken.mp4').touch()
    args = 'a.mp4', 'folder', 'b.mp4', '--no_faces', '--size', 16, '--fps', 12
    alone = run('crop_faces.py', *args, '-o', 'one.npy')
    done = mpirun(2, 'crop_faces.py', *args, '-o', 'two.npy')
    assert (alone.returncode, done.returncode) == (0, 0), done.stderr
    assert done.stderr == alone.stderr and '1 of 7 files could not be read' in done.stderr
    said = [re.sub(r'in \d+ s', '', text.split(' -> ')[0]) for text in (alone.stdout, done.stdout)]
    assert said[0] == said[1] and '24 frames of 2 videos and 4 pictures' in said[0]
    for ending in '.npy', '.csv':
        assert ((tmp_path / f'one{ending}').read_bytes()
                == (tmp_path / f'two{ending}').read_bytes())
    assert sorted(path.name for path in tmp_path.glob('*.part*')) == []


# Failing

@needs_mpi
def test_an_error_of_all_processes_is_printed_once(mpirun, tmp_path):
    done = mpirun(4, 'predict.py', 'model.pkl', 'X.npy')
    assert done.returncode == 1
    assert errors(done) == ['predict.py: error: X.npy: No such file or directory']


@needs_mpi
@pytest.mark.parametrize('end, status, words', [
    ('raise InputError("it is me")', 1, 'error: it is me'),
    ('raise ZeroDivisionError("a bug")', 1, 'ZeroDivisionError: a bug'),
])
def test_one_that_fails_ends_all_with_its_message(mpirun, tmp_path, end, status, words):
    (tmp_path / 'lone.py').write_text(
        'from picture_ranknet.console.command import shared_command\n'
        'from picture_ranknet.errors import InputError\n'
        'from picture_ranknet.machine import ranks\n'
        '@shared_command\n'
        'def main(argv=None):\n'
        '    if ranks.rank() == 1:\n'
        f'        {end}\n'
        '    ranks.collect(0)  # waits for the other\n'
        'main()\n')
    done = mpirun(2, tmp_path / 'lone.py')
    assert done.returncode == status
    assert done.stderr.count(words) == 1


@needs_mpi
@pytest.mark.skipif(sys.platform == 'win32', reason='sends a signal')
def test_an_interruption_ends_all_and_says_how_to_go_on(start, mixed_files):
    process = start(2, 'train.py', *TRAIN, '--n_iter', 1000000, '--monitor_step', 3)
    for _ in range(2):
        process.stdout.readline()  # before the second line there is a snapshot
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    found = re.findall(r'at step \d+; to continue, use the same command with --resume (\S+)', err)
    assert len(found) == 1 and (mixed_files / found[0]).exists(), err
    assert not (mixed_files / 'model.pkl').exists()


@needs_mpi
def test_a_command_for_one_process_refuses_several(mpirun, tmp_path):
    done = mpirun(2, 'rate.py', 'X.npy', 'ratings.txt')
    assert done.returncode == 1
    assert errors(done) == ['rate.py: error: runs in one process only; start it without mpiexec']
