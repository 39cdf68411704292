"""All commands under one name."""
import os
import subprocess
import sys

import pytest

from picture_ranknet import __main__


@pytest.fixture
def python_m(root, tmp_path):
    """Run ``python -m picture_ranknet`` in an empty folder."""
    def python_m(*args):
        return subprocess.run(
            [sys.executable, '-m', 'picture_ranknet', *args], cwd=tmp_path, capture_output=True,
            text=True, env=dict(os.environ, PYTHONPATH=str(root)))
    return python_m


def test_help_lists_the_commands(python_m):
    done = python_m('--help')
    assert (done.returncode, done.stderr) == (0, '')
    for name in __main__.COMMANDS:
        assert f'\n  {name} ' in done.stdout


@pytest.mark.parametrize('name', __main__.COMMANDS)
def test_each_command_has_its_help(name, capsys, monkeypatch):
    monkeypatch.setattr('sys.argv', ['picture-ranknet'])
    with pytest.raises(SystemExit) as e:
        __main__.main([name, '--help'])
    module, _ = __main__.COMMANDS[name]
    assert e.value.code == 0 and capsys.readouterr().out.startswith(f'usage: {module}.py')


@pytest.mark.parametrize('args, got', [([], 'got nothing'), (['fly'], "got 'fly'")])
def test_other_names_are_refused(python_m, args, got):
    done = python_m(*args)
    assert done.returncode == 2 and 'Traceback' not in done.stderr
    assert done.stderr.startswith('usage: picture-ranknet {crop,rate,train,predict,cascade}')
    assert done.stderr.endswith(f'expected one of these commands, {got}\n')


def test_errors_have_the_name_of_the_command(python_m):
    done = python_m('predict', 'model.pkl', 'X.npy')
    assert done.returncode == 1
    assert done.stderr == 'predict.py: error: X.npy: No such file or directory\n'


def test_options_and_messages_need_nothing_that_is_slow_to_import(root):
    script = ('import sys\n'
              'from picture_ranknet.console import command, messages, options\n'
              'from picture_ranknet.machine import devices, opencv, ranks, threads\n'
              'slow = {"numpy", "tqdm", "cv2", "chainer", "numba"} & set(sys.modules)\n'
              'sys.exit(f"imported: {slow}" if slow else 0)')
    done = subprocess.run([sys.executable, '-c', script], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
