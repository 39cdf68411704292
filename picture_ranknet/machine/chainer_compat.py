"""Makes Chainer 7.8.1, the last release (2022), run on today's Python, NumPy and CuPy.

Import this module right before ``chainer``.  It only adds what is missing.
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
    # Chainer's module only prints advice, for which it imports numpy.distutils
    # (removed in Python 3.12) and pkg_resources (removed in setuptools 82, and
    # deprecated with a warning before).
    stub = types.ModuleType('chainer._environment_check')
    stub.check = lambda: None
    sys.modules.setdefault(stub.__name__, stub)


def _supply_numpy_names():
    # NumPy 2 removed sctypes, which functions/array/as_strided.py reads when it
    # is imported; NumPy 1.24 removed float, which F.resize_images uses.
    if not hasattr(np, 'sctypes'):
        np.sctypes = {'int': [np.int8, np.int16, np.int32, np.int64],
                      'float': [np.float16, np.float32, np.float64]}
    if 'float' not in vars(np):
        np.float = float


def _supply_pkg_resources():
    # chainer.testing and chainer.gradient_check import it for a function that
    # only Chainer's own tests call.
    if importlib.util.find_spec('pkg_resources') is None:
        sys.modules.setdefault('pkg_resources', types.ModuleType('pkg_resources'))


def _silence_chainer():
    # Old escape sequences and the like in Chainer's own files, which a user of
    # our commands cannot fix.
    for category in (SyntaxWarning, DeprecationWarning, FutureWarning):
        warnings.filterwarnings('ignore', category=category, module=r'(.*[/\\.])?chainer(x|mn)?\b')
    # In the gradient of F.softplus, which is still right: 1 / (1 + inf) is 0.
    warnings.filterwarnings('ignore', 'overflow encountered in exp', RuntimeWarning,
                            r'chainer\.functions\.activation\.softplus')


# In the order of their dependencies.
CUDA_LIBRARIES = (
    'cuda_runtime/lib/libcudart.so.12', 'nvjitlink/lib/libnvJitLink.so.12',
    'cublas/lib/libcublasLt.so.12', 'cublas/lib/libcublas.so.12', 'cufft/lib/libcufft.so.11',
    'curand/lib/libcurand.so.10', 'cusparse/lib/libcusparse.so.12',
    'cusolver/lib/libcusolver.so.11', 'cuda_nvrtc/lib/libnvrtc.so.12', 'cudnn/lib/libcudnn.so.8',
    'cudnn/lib/libcudnn_ops_infer.so.8', 'cudnn/lib/libcudnn_ops_train.so.8',
    'cudnn/lib/libcudnn_cnn_infer.so.8', 'cudnn/lib/libcudnn_cnn_train.so.8')


def _supply_cuda_libraries():
    # CuPy 13, the last release with cuDNN, searches only the system for CUDA,
    # but uses libraries that are already loaded: here, those that pip installs.
    nvidia = importlib.util.find_spec('nvidia')
    if not nvidia or importlib.util.find_spec('cupy') is None:
        return
    for folder in nvidia.submodule_search_locations:
        for name in CUDA_LIBRARIES:
            with contextlib.suppress(OSError):  # missing: CuPy reports it if it matters
                ctypes.CDLL(os.path.join(folder, *name.split('/')))


_supply_environment_check()
_supply_numpy_names()
_supply_pkg_resources()
_supply_cuda_libraries()
_silence_chainer()
