import os
import subprocess
import sys

import pytest


def python(code, root, *options):
    done = subprocess.run([sys.executable, *options, '-c', code], cwd=root, text=True,
                          capture_output=True, env=dict(os.environ, PYTHONPATH=str(root)))
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize('module', ['net', 'train', 'predict', 'picture_ranknet.models.model_file'])
def test_importing_a_module_says_nothing(root, module):
    # Not even the warnings that Python shows to developers only.
    done = python('import ' + module, root, '-W', 'always::DeprecationWarning:chainer',
                  '-W', 'always::SyntaxWarning')
    assert done.stdout == done.stderr == ''


def test_chainer_finds_what_it_misses(root):
    python('import picture_ranknet.machine.chainer_compat, chainer, numpy as np\n'
           'import chainer.functions as F\n'
           'from chainer import gradient_check, training\n'
           'from chainer.training import extensions\n'
           'x = np.arange(16, dtype="f").reshape(1, 1, 4, 4)\n'
           'assert F.resize_images(x, (2, 2)).shape == (1, 1, 2, 2)\n'
           'assert F.as_strided(x, (2, 2), (1, 1)).shape == (2, 2)\n', root, '-W', 'ignore')


def test_what_is_there_stays_as_it_is(root):
    python('import sys, types, numpy as np\n'
           'here = types.ModuleType("chainer._environment_check")\n'
           'sys.modules[here.__name__] = here\n'
           'np.sctypes = np.float = here\n'
           'import picture_ranknet.machine.chainer_compat\n'
           'assert sys.modules[here.__name__] is here\n'
           'assert np.sctypes is here and np.float is here\n', root)


def test_what_pip_has_installed_of_cuda_is_there_before_cupy(root, tmp_path):
    (tmp_path / 'cupy.py').write_text('raise ImportError("nothing to see here")')
    for name in 'cublas/lib/libcublas.so.12', 'cudnn/lib/libcudnn.so.8':
        path = tmp_path / 'nvidia' / name
        path.parent.mkdir(parents=True)
        path.touch()  # no library: is passed over
    done = python('import ctypes, sys\n'
                  'sys.path.insert(0, {!r})\n'
                  'load, tried = ctypes.CDLL, []\n'
                  'ctypes.CDLL = lambda name, *args: (tried.append(str(name)), load(name, *args))\n'
                  'import picture_ranknet.machine.chainer_compat, chainer\n'
                  'print(*[name for name in tried if name.startswith({!r})], sep="\\n")\n'
                  .format(str(tmp_path), str(tmp_path)), root, '-W', 'ignore')
    tried = [os.path.relpath(name, tmp_path / 'nvidia') for name in done.stdout.splitlines()]
    assert tried.index('cublas/lib/libcublas.so.12') < tried.index('cudnn/lib/libcudnn.so.8')


def test_without_cupy_nothing_of_cuda_is_loaded(root, tmp_path):
    (tmp_path / 'nvidia').mkdir()
    python('import ctypes, importlib.util, sys\n'
           'sys.path.insert(0, {!r})\n'
           'find = importlib.util.find_spec\n'
           'importlib.util.find_spec = lambda name: name != "cupy" and find(name) or None\n'
           'ctypes.CDLL = None\n'
           'import picture_ranknet.machine.chainer_compat\n'.format(str(tmp_path)), root)
