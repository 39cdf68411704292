"""Compute devices: the CPU or a GPU, by their Chainer names."""
import re
import warnings
from collections.abc import Callable
from typing import Optional, Union

from picture_ranknet.errors import InputError
from picture_ranknet.machine import ranks, threads
from picture_ranknet.text import silent


def use_device(specifier: Union[str, int], n_threads: Optional[int] = None,
               note: Callable[[str], None] = silent):
    """Make a Chainer device the current one.

    Args:
        specifier: ``-1`` or ``'@numpy'`` for the CPU, ``0`` or ``'@cupy:0'``
            for the first GPU.  Each of several processes on a machine takes
            the next GPU.
        n_threads: The number of compute threads; ``None`` for the default of
            :mod:`.threads`.
        note: Called with a line if cuDNN is missing.

    Returns:
        chainer.backend.Device: The device.

    Raises:
        InputError: If there is no such device.
    """
    # Here, so that `--help` does not wait for Chainer.
    import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
    import chainer

    threads.use(n_threads)
    cuda, name = chainer.backends.cuda, _name_here(str(specifier))
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', 'cuDNN is not enabled')
            device = chainer.get_device(name)
            device.use()
    except Exception as e:  # CuPy raises many kinds
        why = str(e).split('\n')[0] or type(e).__name__
        if name.startswith('@cupy') and not cuda.available:
            reason = str(cuda._resolution_error).split('\n')[0]
            why = f'CuPy cannot be imported ({reason}); python -m pip install -e ".[gpu]"'
        raise InputError(f'--device {specifier}: {why}; -1 is the CPU') from e
    if name.startswith('@cupy') and not cuda.cudnn_enabled:
        note('CuPy finds no cuDNN: convolutions are slower; see "GPU" in README.md')
    return device


def _name_here(specifier):
    """The device of this process: each of several on a machine takes the next GPU."""
    found = re.fullmatch(r'(@cupy:)?([0-9]+)', specifier)
    return f'@cupy:{int(found[2]) + ranks.local_rank()}' if found else specifier
