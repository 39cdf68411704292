"""The package as pip installs it: a wheel of this checkout, used from another folder."""
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig

import cv2
import numpy as np
import pytest

import draw_cast
import picture_ranknet

MODULES = {'net', 'metrics', 'crop_faces', 'rate', 'train', 'predict', 'train_cascade'}


def tracked_files(root):
    """The files of the project: those of Git, or all where this is no checkout."""
    try:
        listed = subprocess.run(['git', 'ls-files', '-z', '--cached', '--others',
                                 '--exclude-standard'], cwd=root, capture_output=True, check=True)
        names = [os.fsdecode(name) for name in listed.stdout.split(b'\0') if name]
    except (OSError, subprocess.CalledProcessError):
        names = [path.relative_to(root) for path in root.rglob('[!.]*')]
        names = [name for name in names if not any(part[0] == '.' for part in name.parts)]
    return [name for name in names if (root / name).is_file()]


@pytest.fixture(scope='module')
def installed(tmp_path_factory):
    """A folder that the wheel is installed into, without its dependencies."""
    root = pathlib.Path(__file__).resolve().parent.parent
    source = tmp_path_factory.mktemp('source')  # building leaves files behind
    for name in tracked_files(root):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, source / name)
    target = tmp_path_factory.mktemp('installed')
    done = subprocess.run(
        [sys.executable, '-m', 'pip', 'install', '--no-deps', '--no-build-isolation', '--no-index',
         '--disable-pip-version-check', '-q', '--target', str(target), str(source)],
        capture_output=True, text=True, env=dict(os.environ, PIP_ROOT_USER_ACTION='ignore'))
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def python_m(installed, tmp_path):
    """Run the installed ``python -m picture_ranknet`` in an empty folder."""
    def python_m(*args, **variables):
        # -S leaves out what is installed otherwise, a link to this checkout perhaps.
        path = [str(installed), sysconfig.get_path('purelib'), sysconfig.get_path('platlib')]
        return subprocess.run([sys.executable, '-S', '-m', 'picture_ranknet', *args], cwd=tmp_path,
                              capture_output=True, text=True,
                              env=dict(os.environ, PYTHONPATH=os.pathsep.join(path), **variables))
    return python_m


def test_only_the_package_and_the_seven_modules_are_installed(installed):
    names = {path.name for path in installed.iterdir() if path.suffix != '.dist-info'}
    assert names - {'bin', '__pycache__'} == {
        'picture_ranknet', *(f'{module}.py' for module in MODULES)}


def test_every_file_of_the_package_is_installed(installed):
    package = pathlib.Path(picture_ranknet.__file__).parent
    expected = {os.path.normpath(name) for name in tracked_files(package)}
    assert {'__main__.py', os.path.join('rating', 'page', 'index.html')} <= expected
    found = {str(path.relative_to(installed / 'picture_ranknet'))
             for path in (installed / 'picture_ranknet').rglob('*')
             if path.is_file() and '__pycache__' not in path.parts}
    assert found - expected == {'lbpcascade_animefice.xml'}
    assert not expected - found


@pytest.mark.parametrize('name', ['crop', 'rate', 'train', 'predict', 'cascade'])
def test_installed_commands_have_their_help(python_m, name):
    done = python_m(name, '--help')
    assert (done.returncode, done.stderr) == (0, '') and done.stdout.startswith('usage: ')


def test_there_is_one_console_script(installed):
    scripts = [path.stem for path in (installed / 'bin').iterdir() if path.is_file()]
    assert scripts == ['picture-ranknet']


def test_the_installed_cascade_finds_a_drawn_face(python_m, tmp_path):
    shot = draw_cast.script_of('test', 0)[0]
    frame, boxes = next(draw_cast.draw_shot(shot))
    assert len(boxes) == 1 and cv2.imwrite(str(tmp_path / 'a.png'), frame)
    done = python_m('crop', 'a.png', NUMBA_DISABLE_JIT='1')  # here, kernels are not compiled yet
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('1 face from 1 picture')
    assert np.load(tmp_path / 'X.npy').shape == (1, 3, 80, 80)
