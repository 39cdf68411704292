"""What goes wrong around a command: full disks, kills, signals, closed pipes, two at once."""
import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest

from picture_ranknet.faces.store import FaceStore
from picture_ranknet.learning import snapshots
from picture_ranknet.models import model_file
from picture_ranknet.storage import arrays, atomic, picture_set, ratings_txt
from support import media_samples

resource = pytest.importorskip('resource')  # not on Windows

FORMER = {'pred.txt': b'former scores\n', 'ranked.csv': b'former table\n',
          'strip.png': b'a former strip\n', 'out.pkl': b'a former model\n'}
PREDICT = ['predict.py', 'model.pkl', 'X.npy', '--csv', 'ranked.csv', '--strip', 'strip.png',
           '--ratings', 'ratings.txt']
TRAIN = ['train.py', 'X.npy', 'ratings.txt', '--n_iter', 4, '--monitor_step', 2, '-b', 8,
         '--arch', 'deep', '-om', 'out.pkl']


def fill(folder, model, pictures, ratings):
    """Lay inputs, and outputs of an earlier run, in a folder."""
    np.save(folder / 'X.npy', pictures)
    np.savetxt(folder / 'ratings.txt', ratings, '%g')
    model_file.save(str(folder / 'model.pkl'), model)
    for name, content in FORMER.items():
        (folder / name).write_bytes(content)


@pytest.fixture
def folder(tmp_path, model, pictures, ratings):
    fill(tmp_path, model, pictures, ratings)
    return tmp_path


def check_former(folder):
    """All outputs are those of the earlier run, and no part is left."""
    for name, content in FORMER.items():
        assert (folder / name).read_bytes() == content
    assert not [name for _, _, names in os.walk(folder) for name in names if '.part' in name]


def error_of(done, status=1):
    """The one line that a command has ended with."""
    assert done.returncode == status, done.stderr
    assert 'Traceback' not in done.stderr and done.stderr.count(': error: ') == 1
    return done.stderr.splitlines()[-1]


def weights_of(path):
    return [param.array.tobytes() for _, param in sorted(model_file.load(str(path)).namedparams())]


# The disk

@pytest.mark.parametrize('command, limit, words', [
    (PREDICT, 300, 'predict.py: error: pred.txt: File too large; files of this size are not'),
    (TRAIN, 300000, 'train.py: error: result/snapshot_iter_2: File too large'),
    (['crop_faces.py', 'X.png', '--no_faces', '-o', 'Y.npy'], 4000,
     'crop_faces.py: error: Y.part'),
])
def test_a_full_disk_leaves_what_was_there(run, folder, command, limit, words):
    media_samples.save_picture(folder / 'X.png')
    if command == PREDICT:
        assert run(*command[:3]).returncode == 0  # compiles, at most, with room for that
        (folder / 'pred.txt').write_bytes(FORMER['pred.txt'])
    done = run(*command, preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_FSIZE, (limit, limit)))
    assert words in error_of(done)
    check_former(folder)
    assert not (folder / 'Y.npy').exists()


@pytest.fixture
def disk(tmp_path):
    """A disk of half a megabyte."""
    path = tmp_path / 'disk'
    path.mkdir()
    mounted = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=500k', 'tmpfs', str(path)],
                             stderr=subprocess.DEVNULL) if sys.platform == 'linux' else None
    if not mounted or mounted.returncode:
        pytest.skip('may not mount a small disk here')
    yield path
    subprocess.run(['umount', str(path)], check=True)


def test_a_full_disk_is_reported_with_a_remedy(run, disk, tmp_path):
    media_samples.save_picture(tmp_path / 'a.png', size=(700, 700))
    before = sorted(os.listdir(disk))
    done = run('crop_faces.py', '../a.png', '--no_faces', '--size', '500', cwd=disk)
    assert error_of(done).endswith(
        'No space left on device; free some space on that disk, or use another one')
    assert before == [name for name in sorted(os.listdir(disk)) if name != 'X.part']


def test_a_read_only_folder_is_reported_before_any_work(run, tmp_path, model, pictures, ratings,
                                                        request):
    folder = tmp_path
    if os.geteuid():
        fill(folder, model, pictures, ratings)
        folder.chmod(0o555)
    else:  # to whom modes mean nothing
        folder = request.getfixturevalue('disk')
        subprocess.run(['mount', '-o', 'remount,size=64m', str(folder)], check=True)
        fill(folder, model, pictures, ratings)
        subprocess.run(['mount', '-o', 'remount,ro', str(folder)], check=True)
    try:
        assert 'is not writable' in error_of(run(*PREDICT, cwd=folder))
        assert 'is not writable' in error_of(run(*TRAIN, cwd=folder))
        assert 'is not writable' in error_of(
            run('rate.py', 'X.npy', 'mine.txt', '--no_browser', cwd=folder))
        check_former(folder)
    finally:
        if os.geteuid():
            folder.chmod(0o755)


# Who reads what a command prints

def test_a_closed_pipe_is_no_error(run, folder, root):
    process = subprocess.Popen(
        [sys.executable, str(root / PREDICT[0]), *PREDICT[1:]], cwd=folder,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert process.stderr.read() == ''
    process.stderr.close()
    assert process.wait() == 1
    assert len((folder / 'pred.txt').read_text().splitlines()) == 30  # written before


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='has no such device')
def test_a_full_standard_output_is_reported(folder, root):
    with open('/dev/full', 'w') as full:
        done = subprocess.run([sys.executable, str(root / PREDICT[0]), *PREDICT[1:]], cwd=folder,
                              stdout=full, stderr=subprocess.PIPE, text=True)
    assert error_of(done).startswith(
        'predict.py: error: standard output: No space left on device; free some space')


# Memory

def test_a_lack_of_memory_is_one_line(root, folder):
    media_samples.save_picture(folder / 'a.png', size=(6000, 6000))
    script = ('import resource, crop_faces, cv2, re\n'
              'used = int(re.search(r"VmSize:\\s+(\\d+)", open("/proc/self/status").read())[1])\n'
              'resource.setrlimit(resource.RLIMIT_AS, [1024 * used + 60 * 2 ** 20] * 2)\n'
              'crop_faces.main(["a.png", "--no_faces", "--threads", "1", "-o", "Y.npy"])')
    if sys.platform != 'linux':
        pytest.skip('cannot tell how much memory a process has')
    done = subprocess.run([sys.executable, '-c', script], cwd=folder, capture_output=True,
                          text=True, env=dict(os.environ, PYTHONPATH=str(root)))
    assert 'not enough memory' in error_of(done)
    assert not (folder / 'Y.npy').exists()


# Kills and signals

@pytest.mark.parametrize('number, status, word', [
    (signal.SIGINT, 130, 'interrupted'), (signal.SIGTERM, 143, 'interrupted')])
def test_signals_end_a_training_and_leave_no_parts(folder, root, number, status, word):
    process = subprocess.Popen(
        [sys.executable, str(root / TRAIN[0]), *map(str, TRAIN[1:]), '--n_iter', '1000000'],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith('step: 2 ')
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status and 'Traceback' not in err
    assert word in err.splitlines()[-1] and err.count(': error: ') == 1
    check_former(folder)


def test_a_second_sigterm_does_not_disturb_the_first(tmp_path, root):
    script = ('import os, signal, sys, time\nfrom picture_ranknet.console.command import command\n'
              '@command\n'
              'def main(argv):\n'
              '    try:\n'
              '        os.kill(os.getpid(), signal.SIGTERM)\n'
              '        time.sleep(9)\n'
              '    finally:\n'
              '        os.kill(os.getpid(), signal.SIGTERM)\n'
              '        open("cleared", "w").close()\n'
              'main()')
    done = subprocess.run([sys.executable, '-c', script], cwd=tmp_path, capture_output=True,
                          text=True, env=dict(os.environ, PYTHONPATH=str(root)))
    assert done.returncode == 143 and done.stderr == '-c: error: ended by SIGTERM\n'
    assert (tmp_path / 'cleared').exists()


def test_a_kill_leaves_what_was_there_and_the_next_run_clears_up(folder, root, run_here):
    process = subprocess.Popen(
        [sys.executable, str(root / TRAIN[0]), *map(str, TRAIN[1:]), '--n_iter', '1000000'],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    with process:
        assert process.stdout.readline().startswith('step: 2 ')
        process.kill()
    for name, content in FORMER.items():
        assert (folder / name).read_bytes() == content
    ours = pathlib.Path(atomic.part_of(str(folder / 'other.txt'))).name
    part = folder / ours.replace('other', 'pred').replace(str(os.getpid()), str(process.pid))
    part.touch()  # as if it had been killed while it wrote
    done = run_here(*TRAIN)
    assert done.returncode == 0, done.stderr
    assert (folder / 'out.pkl').read_bytes() != FORMER['out.pkl'] and not part.exists()


def test_a_run_that_was_killed_after_its_last_step_goes_on(run_here, folder):
    assert run_here(*TRAIN).returncode == 0
    whole = weights_of(folder / 'out.pkl'), (folder / 'pred.txt').read_bytes()
    for name in 'out.pkl', 'pred.txt', 'result/metrics.csv':
        (folder / name).unlink()
    done = run_here(*TRAIN, '--resume', 'result/snapshot_iter_4')
    assert done.returncode == 0 and 'for more steps, choose a larger --n_iter' in done.stderr
    assert whole == (weights_of(folder / 'out.pkl'), (folder / 'pred.txt').read_bytes())
    assert (folder / 'result' / 'metrics.csv').exists()


@pytest.mark.parametrize('moved', [0, 2])
def test_a_set_that_is_half_moved_is_completed_and_not_read(run, root, tmp_path, moved):
    X = np.arange(5 * 3 * 20 * 20, dtype=np.uint8).reshape(5, 3, 20, 20)
    path = str(tmp_path / 'X.npy')
    picture_set.write(path, X, [['source'], *([str(i)] for i in range(5))])
    (tmp_path / 'ratings.txt').write_text('1\n2\n3\n4\n5\n')
    script = ('import os, signal\nfrom picture_ranknet.storage import picture_set\n'
              f'replace, n = os.replace, {moved}\n'
              'def fail(source, target):\n'
              '    global n\n'
              '    if not target.endswith(".moves"):\n'
              '        n -= 1\n'
              '        if n < 0:\n'
              '            os.kill(os.getpid(), signal.SIGKILL)\n'
              '    replace(source, target)\n'
              'os.replace = fail\n'
              'picture_set.drop("X.npy", {1, 3}, "ratings.txt")')
    killed = subprocess.run([sys.executable, '-c', script], cwd=tmp_path,
                            env=dict(os.environ, PYTHONPATH=str(root)))
    assert killed.returncode == -signal.SIGKILL
    words = 'X.npy: crop_faces.py was stopped while it changed this set; to complete the change'
    assert words in error_of(run('rate.py', 'X.npy', 'ratings.txt', '--no_browser'))
    assert run('crop_faces.py', '-o', 'X.npy', '--review', 'sheet.png').returncode == 0
    np.testing.assert_array_equal(arrays.read_pictures(path), X[[0, 2, 4]])
    assert picture_set.read_table(path, 3)[1:] == [['0'], ['2'], ['4']]
    assert ratings_txt.read_ratings(tmp_path / 'ratings.txt', 3).tolist() == [1, 3, 5]
    assert sorted(os.listdir(tmp_path)) == ['X.csv', 'X.npy', 'ratings.txt', 'sheet.png']


# Two at once

def test_two_commands_do_not_write_to_the_same_place(run, folder):
    with snapshots.keeping_others_out(str(folder / 'result')):
        message = error_of(run(*TRAIN))
    assert message == ('train.py: error: result: another train.py is writing to it; choose another '
                       'folder with --out')
    with FaceStore(str(folder / 'Y.part'), {}, 80):
        media_samples.save_picture(folder / 'a.png')
        message = error_of(run('crop_faces.py', 'a.png', '--no_faces', '-o', 'Y.npy'))
    assert message == ('crop_faces.py: error: Y.part: another crop_faces.py is using it; wait for '
                       'it, or choose another --output')
    check_former(folder)


def test_two_writers_of_one_file_leave_one_of_the_two(tmp_path, root):
    script = ('import numpy\nfrom picture_ranknet.storage import ratings_txt\n'
              'for _ in range(100):\n    ratings_txt.write_scores("p", [{}] * 999)')
    writers = [subprocess.Popen([sys.executable, '-c', script.format(i)], cwd=tmp_path,
                                env=dict(os.environ, PYTHONPATH=str(root))) for i in (1, 2)]
    seen = set()
    path = pathlib.Path(tmp_path / 'p')
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            seen.add(path.read_text())
    assert [writer.returncode for writer in writers] == [0, 0]
    assert len(seen) <= 2 and all(len(text.split()) == 999 for text in seen)
    assert os.listdir(tmp_path) == ['p']
