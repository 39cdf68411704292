import os
import pathlib
import re
import stat
import subprocess
import sys

import pytest

from picture_ranknet.storage import atomic, ratings_txt
from support.errors import error_of


def test_replacing_leaves_the_old_file_until_the_end(tmp_path):
    path = tmp_path / 'pred.txt'
    path.write_text('old')
    with atomic.replacing(path) as part:
        pathlib.Path(part).write_text('new')
        assert path.read_text() == 'old'
    assert path.read_text() == 'new'
    assert os.listdir(tmp_path) == ['pred.txt']


def test_replacing_leaves_nothing_behind_when_writing_fails(tmp_path):
    path = tmp_path / 'pred.txt'
    path.write_text('old')
    with pytest.raises(KeyboardInterrupt), atomic.replacing(path) as part:
        pathlib.Path(part).write_text('ne')
        raise KeyboardInterrupt
    assert path.read_text() == 'old'
    assert os.listdir(tmp_path) == ['pred.txt']


def test_replacing_follows_links(tmp_path):
    (tmp_path / 'disk').mkdir()
    (tmp_path / 'pred.txt').symlink_to(tmp_path / 'disk' / 'pred.txt')
    ratings_txt.write_scores(tmp_path / 'pred.txt', [1])
    assert (tmp_path / 'pred.txt').is_symlink()
    assert (tmp_path / 'disk' / 'pred.txt').exists()


@pytest.mark.parametrize('path, is_apart', [
    ('out', False), ('./out/pred.txt', False), ('out/a/b', False), ('link/b', False),
    ('out2', True), ('outer/out', True), ('.', True)])
def test_a_folder_of_its_own_holds_nothing_else(tmp_path, monkeypatch, path, is_apart):
    monkeypatch.chdir(tmp_path)
    os.symlink('out', 'link')
    paths = {'--csv': None, '--output': ['x', path]}
    if is_apart:
        atomic.check_outside('--gallery', 'out', paths)
    else:
        assert error_of(atomic.check_outside, '--gallery', 'out', paths) == (
            f'{path}: expected a place outside of out, which is for --gallery alone; choose '
            'another place for --output')
    atomic.check_outside('--gallery', None, paths)


@pytest.mark.skipif(sys.platform == 'win32', reason='has no such devices')
def test_replacing_writes_devices_as_they_stand(root):
    atomic.check_output('/dev/null')
    ratings_txt.write_scores('/dev/null', [1])
    assert not os.path.isfile('/dev/null')
    script = ('from picture_ranknet.storage import atomic, ratings_txt\n'
              'atomic.check_output("/dev/stdout")\n'
              'ratings_txt.write_scores("/dev/stdout", [7])')
    piped = subprocess.run([sys.executable, '-c', script], cwd=root, stdout=subprocess.PIPE)
    assert float(piped.stdout) == 7


def test_a_failure_names_the_file_that_the_user_knows(tmp_path):
    with pytest.raises(OSError) as e, atomic.replacing(tmp_path / 'pred.txt') as part:
        raise OSError(28, 'No space left on device', part)
    assert e.value.filename == tmp_path / 'pred.txt'


def test_inputs_are_no_outputs(tmp_path):
    (tmp_path / 'link').symlink_to(tmp_path / 'ratings.txt')
    (tmp_path / 'ratings.txt').write_text('1')
    message = error_of(atomic.check_output, str(tmp_path / 'link'), [str(tmp_path / 'ratings.txt')])
    assert 'is read as well' in message


@pytest.mark.parametrize('name, words', [
    ('', 'got a folder'), ('missing/pred.txt', 'there is no folder')])
def test_outputs_are_checked_beforehand(tmp_path, name, words):
    assert words in error_of(atomic.check_output, str(tmp_path / name))


@pytest.mark.skipif(os.name != 'posix', reason='cannot ask for a process')
def test_the_parts_of_killed_processes_are_removed(tmp_path, root):
    script = ('import os, sys\nfrom picture_ranknet.storage import atomic\n'
              'for name in sys.argv[1:]:\n'
              '    print(atomic.part_of(name))\n'
              '    open(atomic.part_of(name), "w").close()\n'
              'os._exit(1)')
    paths = [str(tmp_path / name) for name in ('pred.txt', 'pred.csv', 'other.txt')]
    killed = subprocess.run([sys.executable, '-c', script, *paths], cwd=root, text=True,
                            stdout=subprocess.PIPE)
    dead, *others = killed.stdout.splitlines()
    machine, pid = re.fullmatch(r'.*\.pred\.(\w+)\.(\d+)\.part\.txt', dead).groups()
    others += [dead.replace(machine, '0' * 8), dead.replace(pid, str(os.getppid())), dead + '.bak']
    for path in others:
        pathlib.Path(path).touch()
    ratings_txt.write_scores(paths[0], [1])
    assert not os.path.exists(dead)
    assert all(map(os.path.exists, others))


def test_a_part_is_known_by_its_name(tmp_path):
    part = os.path.basename(atomic.part_of(str(tmp_path / 'X.npy')))
    assert atomic.is_part_of(part, 'X.npy') and not atomic.is_part_of(part, 'Y.npy')
    assert not atomic.is_part_of('X.npy', 'X.npy')


@pytest.mark.skipif(os.name != 'posix', reason='Windows does not sync folders')
def test_a_file_is_on_the_disk_before_it_takes_its_place_and_its_name_afterwards(
        tmp_path, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor):
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        done.append('folder synced' if is_folder else 'file synced')
        fsync(descriptor)

    monkeypatch.setattr(os, 'fsync', noted_fsync)
    monkeypatch.setattr(os, 'replace', lambda *names: (done.append('moved'), replace(*names)))
    ratings_txt.write_scores(tmp_path / 'pred.txt', [1])
    assert done == ['file synced', 'moved', 'folder synced']


@pytest.mark.skipif(os.name != 'posix', reason='Windows has no such modes')
@pytest.mark.parametrize('mode', [0o664, 0o600, 0o444])
def test_a_file_that_is_replaced_keeps_its_mode(tmp_path, mode):
    path = tmp_path / 'pred.txt'
    path.touch()
    path.chmod(mode)
    ratings_txt.write_scores(path, [1])
    assert stat.S_IMODE(path.stat().st_mode) == mode


# Several outputs

@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize('outputs, inputs, words', [
    ({'-op': 'x', '-om': 'x'}, {}, 'x: -op and -om would write to this file'),
    ({'--strip': 'a.png', '--explain': './a.png'}, {}, '--strip and --explain would write'),
    ({'--csv': 'link', '--output': 'in.csv'}, {}, '--csv and --output would write'),
    ({'--csv': 'folder/new', '--output': 'linked/new'}, {}, '--csv and --output would write'),
    ({'--csv': ['a', 'a']}, {}, '--csv, twice, would write'),
    ({'--csv': 'in.csv'}, {'X_npy': 'X.npy', '--clicks': 'in.csv'},
     'in.csv: --csv would overwrite what --clicks reads; choose another name'),
    ({'--csv': 'link'}, {'--clicks': 'in.csv'}, 'link: --csv would overwrite what --clicks reads'),
    ({'--csv': 'in.csv'}, {'--clicks': ['other', 'hard']}, '--csv would overwrite what --clicks'),
    ({'--csv': 'missing/x'}, {}, 'there is no folder'),
    ({'--csv': ''}, {}, 'got a folder'),
])
def test_outputs_that_are_one_file_or_an_input_are_refused(here, outputs, inputs, words):
    (here / 'in.csv').touch()
    (here / 'link').symlink_to('in.csv')
    os.link('in.csv', 'hard')
    (here / 'folder').mkdir()
    (here / 'linked').symlink_to('folder')
    assert words in error_of(atomic.check_outputs, outputs, inputs)


def test_other_outputs_are_accepted(here):
    (here / 'in.csv').touch()
    atomic.check_outputs({'--output': 'pred.txt', '--csv': None, '--strip': ['a.png', 'b.png']},
                         {'--clicks': 'in.csv', '--ratings': None, '--valid': ['gone', 'in.csv']})
    if os.name == 'posix':
        atomic.check_outputs({'-op': os.devnull, '-om': os.devnull}, {})


def test_names_that_differ_in_case_are_one_file_where_the_disk_says_so(here):
    outputs = {'-op': 'new', '-om': 'NEW'}
    (here / 'probe').touch()
    if os.path.exists(here / 'PROBE'):
        assert '-op and -om' in error_of(atomic.check_outputs, outputs)
    else:
        atomic.check_outputs(outputs)


# Other processes

def test_a_lock_holds_until_the_file_is_closed(tmp_path):
    with open(tmp_path / 'lock', 'ab') as first, open(tmp_path / 'lock', 'ab') as second:
        atomic.lock(first, 'taken')
        assert error_of(atomic.lock, second, 'taken') == 'taken'
        first.close()
        atomic.lock(second, 'taken')


def test_an_error_of_writing_names_the_file(tmp_path):
    with pytest.raises(OSError) as e, atomic.replacing(tmp_path / 'pred.txt'):
        raise OSError(28, 'No space left on device')  # as file.write() says it
    assert e.value.filename == tmp_path / 'pred.txt'
