"""Fixtures: small sets of pictures, the commands as a user runs them, real data."""
import importlib
import os
import pathlib
import signal
import subprocess
import sys

import hypothesis
import numpy as np
import pytest

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer

import crop_faces
import net
from picture_ranknet.fast import availability
from support import media_samples

ROOT = pathlib.Path(__file__).resolve().parent.parent

hypothesis.settings.register_profile('busy', deadline=None)  # the machine may have more to do
hypothesis.settings.load_profile('busy')

# No test ends in a power cut, and a busy disk makes each wait long.
os.fsync = lambda descriptor: None

# A shell that starts the tests in the background has them, and all that they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def root():
    return ROOT


@pytest.fixture(autouse=True, scope='session')
def no_listeners():
    """A command that runs in this process leaves nothing that speaks in a later test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(availability, 'announce_compilation', lambda note: None)
        yield


@pytest.fixture
def run(tmp_path):
    """Run a command in an empty folder, as a user does; returns what it said."""
    def run(command, *args, cwd=tmp_path, **kwargs):
        return subprocess.run(
            [sys.executable, str(ROOT / command), *map(str, args)], cwd=cwd,
            capture_output=True, encoding='utf-8', timeout=300, **kwargs)
    return run


@pytest.fixture
def run_here(tmp_path, monkeypatch, capsys):
    """Run a command as ``run`` does, but in this process: sooner by all that is imported."""
    monkeypatch.chdir(tmp_path)

    def run_here(command, *args):
        monkeypatch.setattr('sys.argv', [command])
        capsys.readouterr()
        status = 0
        try:
            importlib.import_module(command[:-len('.py')]).main([str(arg) for arg in args])
        except SystemExit as e:
            status = e.code
        return subprocess.CompletedProcess([command, *args], status, *capsys.readouterr())
    return run_here


@pytest.fixture
def crop(tmp_path, monkeypatch, capsys):
    """Run crop_faces.py here, in an empty folder; returns its output, error output and status."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('sys.argv', ['crop_faces.py'])
    (tmp_path / 'small.xml').write_text(media_samples.CASCADE)

    def crop(*args):
        status = 0
        try:
            crop_faces.main([str(arg) for arg in args])
        except SystemExit as e:
            status = e.code
        return (*capsys.readouterr(), status)
    return crop


@pytest.fixture
def real_data():
    """The folder with real pictures, which are not part of the project."""
    folder = pathlib.Path(os.environ.get('RANKNET_DATA', ROOT.parent / 'shared' / 'data'))
    if not folder.is_dir():
        pytest.skip('needs real pictures: set RANKNET_DATA to their folder')
    return folder


@pytest.fixture
def ratings():
    """Ratings 1 to 5 of 30 pictures."""
    return np.arange(30) % 5 + 1.


@pytest.fixture
def pictures(ratings):
    """30 small pictures, uint8: the better rated, the redder."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 60, (len(ratings), 3, 20, 20))
    X[:, 0] += (ratings * 30).astype(int)[:, None, None]
    return X.astype(np.uint8)


@pytest.fixture
def rated_files(tmp_path, pictures, ratings):
    """``X.npy`` and ``ratings.txt`` in the folder where commands run."""
    np.save(tmp_path / 'X.npy', pictures)
    np.savetxt(tmp_path / 'ratings.txt', ratings, '%g')
    return tmp_path


@pytest.fixture
def model():
    """An untrained RankNet for the small pictures."""
    np.random.seed(0)
    return net.RankNet(net.CNN((20, 20)), (20, 20), 1 / 255)


@pytest.fixture(autouse=True)
def chainer_settings():
    """No test leaves its settings of Chainer to the next."""
    with chainer.using_config('train', True):
        yield
