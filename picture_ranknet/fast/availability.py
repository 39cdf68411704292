"""Whether the compiled kernels can be used on this machine.

They need Numba, and reach into parts of Numba and LLVM that may change from one
version to the next.  Where they do not work, everything still computes the
same with Chainer and NumPy, only slower.
"""
import functools
import importlib
import sys
import warnings
from collections.abc import Callable

import numpy as np

from picture_ranknet.text import silent

_switched_on = True
_announce = silent


def kernels(name: str = 'kernels'):
    """A module of compiled loops, or None where it cannot be used.

    Without Numba, or with ``NUMBA_DISABLE_JIT``, nothing is said.  An incompatible
    version of Numba or LLVM causes one ``RuntimeWarning``.
    """
    return _find(name) if _switched_on else None


def fit(*arrays: np.ndarray) -> bool:
    """Whether the kernels work here, and accept arrays of this kind."""
    return (all(type(array) is np.ndarray and array.dtype == np.float32 for array in arrays)
            and kernels() is not None)


def use(on: bool) -> None:
    """Switch the kernels off, to compare them with plain Chainer, or on again."""
    global _switched_on
    _switched_on = on


def look_again() -> None:
    """Forget which kernels work here; the next call of :func:`kernels` checks again."""
    _find.cache_clear()
    _vectors_work.cache_clear()


def announce_compilation(note: Callable[[str], None]) -> None:
    """Call ``note`` with one line when Numba begins to compile, which takes seconds."""
    global _announce
    _announce = note
    if 'numba' in sys.modules:  # otherwise later, when needed: the import takes 0.2 s
        _listen()


@functools.cache
def _listen():
    try:
        from numba.core import event
    except ImportError:
        return

    class Announcer(event.Listener):

        def on_start(self, _):
            global _announce
            announce, _announce = _announce, silent
            announce('compiling the kernels for this processor; this happens once')

        def on_end(self, _):
            pass

    event.register('numba:compile', Announcer())


@functools.cache
def _find(name):
    if not _vectors_work():
        return None
    try:
        return importlib.import_module('picture_ranknet.fast.' + name)
    except Exception as e:  # a changed interface may raise anything
        _warn(e)
        return None


@functools.cache
def _vectors_work():
    try:
        import numba
    except ImportError:
        return False
    if numba.config.DISABLE_JIT:
        return False
    _listen()
    try:
        from picture_ranknet.fast import vectors
        vectors.check()
    except Exception as e:
        _warn(e)
        return False
    return True


def _warn(e):
    import numba
    reason = str(e).strip().split('\n')[0]
    warnings.warn(
        f'the compiled kernels do not work with Numba {numba.__version__} here '
        f'({type(e).__name__}: {reason}); computing without them, which is slower',
        RuntimeWarning, stacklevel=2)
