"""What computes: the CPU or a GPU, as Chainer names them."""
import re
import warnings

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.machine import ranks, threads


def use_device(specifier, n_threads=None, note=print):
    """Make a Chainer device the current one and return it; compute with so many threads.

    ``note`` is called with what the user should know.

    Raises:
        InputError: If there is no such device here.
    """
    # Here, so that crop_faces.py starts without Chainer.
    import picture_ranknet.machine.chainer_compat  # noqa: F401
    import chainer

    threads.use(n_threads)
    cuda, name = chainer.backends.cuda, _device_here(str(specifier))
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', 'cuDNN is not enabled')
            device = chainer.get_device(name)
            device.use()
    except Exception as e:  # of CuPy's many kinds
        why = str(e).split('\n')[0] or type(e).__name__
        if name.startswith('@cupy') and not cuda.available:
            why = 'CuPy cannot be imported ({}); python -m pip install -e ".[gpu]"'.format(
                str(cuda._resolution_error).split('\n')[0])
        raise InputError('--device {}: {}; -1 is the CPU'.format(specifier, why)) from e
    if device.xp is not np and not cuda.cudnn_enabled:
        note('there is no cuDNN for CuPy: convolutions take longer; see "GPU" in README.md')
    return device


def _device_here(specifier):
    """The GPU of this process: of several on a machine, each takes the next one."""
    found = re.fullmatch(r'(@cupy:)?([0-9]+)', specifier)
    return '@cupy:{}'.format(int(found[2]) + ranks.local_rank()) if found else specifier


def announce_compilation(note):
    """Call ``note`` with a line when Numba begins to compile, which takes seconds."""
    try:
        from numba.core import event
    except ImportError:
        return

    class Announcer(event.Listener):

        has_spoken = False

        def on_start(self, _):
            if not self.has_spoken:
                note('compiling the kernels for this processor; this happens once')
            self.has_spoken = True

        def on_end(self, _):
            pass

    event.register('numba:compile', Announcer())
