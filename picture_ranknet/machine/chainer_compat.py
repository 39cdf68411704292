"""What Chainer 7.8.1, last released in 2022, misses on today's Python, NumPy and CuPy.

Import this module right before ``chainer``; nothing else has a use for it.
What is there already stays as it is.
"""
import contextlib
import ctypes
import importlib.util
import os
import sys
import types
import warnings

import numpy as np


def _supply_environment_check():
    # It only prints advice, and to find it imports numpy.distutils (gone from
    # Python 3.12) and pkg_resources (gone from setuptools 82, and with a
    # warning on the screen before).
    stub = types.ModuleType('chainer._environment_check')
    stub.check = lambda: None
    sys.modules.setdefault(stub.__name__, stub)


def _supply_numpy_names():
    # NumPy 2 dropped sctypes, which functions/array/as_strided.py reads when
    # it is imported, and NumPy 1.24 dropped float, which F.resize_images uses.
    if not hasattr(np, 'sctypes'):
        np.sctypes = {'int': [np.int8, np.int16, np.int32, np.int64],
                      'float': [np.float16, np.float32, np.float64]}
    if 'float' not in vars(np):
        np.float = float


def _supply_pkg_resources():
    # chainer.testing and chainer.gradient_check import it, for a function
    # that the tests of Chainer itself call.
    if importlib.util.find_spec('pkg_resources') is None:
        sys.modules.setdefault('pkg_resources', types.ModuleType('pkg_resources'))


def _silence_chainer():
    # Old escape sequences and the like in Chainer's own files: nothing that
    # a person who runs our commands could mend.
    for category in (SyntaxWarning, DeprecationWarning, FutureWarning):
        warnings.filterwarnings('ignore', category=category, module=r'(.*[/\\.])?chainer(x|mn)?\b')
    # The gradient of F.softplus, which is right all the same: 1 / (1 + inf) is 0.
    warnings.filterwarnings('ignore', 'overflow encountered in exp', RuntimeWarning,
                            r'chainer\.functions\.activation\.softplus')


# In the order in which they need each other.
CUDA_LIBRARIES = (
    'cuda_runtime/lib/libcudart.so.12', 'nvjitlink/lib/libnvJitLink.so.12',
    'cublas/lib/libcublasLt.so.12', 'cublas/lib/libcublas.so.12', 'cufft/lib/libcufft.so.11',
    'curand/lib/libcurand.so.10', 'cusparse/lib/libcusparse.so.12',
    'cusolver/lib/libcusolver.so.11', 'cuda_nvrtc/lib/libnvrtc.so.12', 'cudnn/lib/libcudnn.so.8',
    'cudnn/lib/libcudnn_ops_infer.so.8', 'cudnn/lib/libcudnn_ops_train.so.8',
    'cudnn/lib/libcudnn_cnn_infer.so.8', 'cudnn/lib/libcudnn_cnn_train.so.8')


def _supply_cuda_libraries():
    # CuPy 13, the last one with cuDNN, looks for CUDA in the system alone.
    # What is loaded already it finds as well: so it does what pip installs.
    nvidia = importlib.util.find_spec('nvidia')
    if not nvidia or importlib.util.find_spec('cupy') is None:
        return
    for folder in nvidia.submodule_search_locations:
        for name in CUDA_LIBRARIES:
            with contextlib.suppress(OSError):  # it is not there; CuPy says so if it matters
                ctypes.CDLL(os.path.join(folder, *name.split('/')))


_supply_environment_check()
_supply_numpy_names()
_supply_pkg_resources()
_supply_cuda_libraries()
_silence_chainer()
