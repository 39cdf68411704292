"""The number of compute threads, distributing work over them, and computing ahead on one.

The number is, in this order: what :func:`use` was given (``--threads``),
``OMP_NUM_THREADS``, or the cores that the process may use
(:func:`.cores.usable`).  Processes that :func:`share` a machine divide its
cores.  Everything that starts threads uses this number.
"""
import collections
import concurrent.futures
import contextlib
import ctypes
import functools
import glob
import math
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Optional

from picture_ranknet.machine import cores

_n = None
_processes = 1


def use(n: Optional[int]) -> None:
    """Compute with ``n`` threads from now on; ``None`` restores the default."""
    global _n
    _n = n
    _executor.cache_clear()
    limit_opencv()
    limit_blas(count())


def share(n_processes: int) -> None:
    """Use 1 / ``n_processes`` of the cores, since as many processes share them."""
    global _processes
    _processes = n_processes
    _executor.cache_clear()
    limit_opencv()
    limit_blas(count())


def count() -> int:
    """The number of threads to compute with, at least 1."""
    return _n or _number_from_environment() or max(1, cores.usable() // _processes)


def _number_from_environment() -> int:
    first = os.environ.get('OMP_NUM_THREADS', '').split(',')[0].strip()  # '4,2': 2 within each 4
    return int(first) if first.isdecimal() else 0


def limit_opencv() -> None:
    """Let OpenCV compute with :func:`count` threads, if it is loaded.

    By default it takes all cores of the machine, whatever the container
    allows.  :func:`use`, :func:`share` and :mod:`.opencv` call this.
    """
    if 'cv2' in sys.modules:
        sys.modules['cv2'].setNumThreads(count())


def limit_blas(n: int) -> None:
    """Let NumPy's matrix products run on ``n`` threads, if it uses OpenBLAS.

    By default OpenBLAS takes all cores of the machine, whatever the container
    allows.  :func:`use` and :func:`share` call this.
    """
    if 'numpy' not in sys.modules:
        os.environ['OPENBLAS_NUM_THREADS'] = str(n)  # which it reads when it is loaded
    elif _set_blas():
        _set_blas()(n)


@contextlib.contextmanager
def single_blas() -> Iterator[None]:
    """Let NumPy's matrix products and decompositions run on the calling threads.

    Small ones are no slower this way, and a hundred times faster on a busy
    machine: OpenBLAS's threads wait for each other by spinning.
    """
    limit_blas(1)
    try:
        yield
    finally:
        limit_blas(count())


@functools.cache
def _set_blas():
    """OpenBLAS's function that sets the number of threads; ``None`` for another library."""
    package = os.path.dirname(sys.modules['numpy'].__file__)
    for folder in f'{package}.libs', os.path.join(package, '.dylibs'):  # as in NumPy's wheels
        for path in glob.glob(os.path.join(folder, '*openblas*')):
            library = ctypes.CDLL(path)
            for name in 'scipy_openblas_set_num_threads64_', 'openblas_set_num_threads64_', (
                    'openblas_set_num_threads'):
                if hasattr(library, name):
                    return getattr(library, name)
    return None


def limit_numba() -> None:
    """Let kernels with ``parallel=True`` that this thread launches run on :func:`count` threads.

    By default Numba takes all cores of the machine.  This starts Numba's
    threads, so only call it where such kernels follow.
    """
    import numba

    numba.set_num_threads(min(count(), numba.config.NUMBA_NUM_THREADS))


def split(n: int, n_slices: int) -> list:
    """Split ``range(n)`` into at most ``n_slices`` non-empty slices; lengths differ by at most 1.
    """
    n_slices = min(n, n_slices)
    stops = [n * part // n_slices for part in range(n_slices + 1)] if n else []
    return [slice(*ends) for ends in zip(stops, stops[1:])]


def run(function: Callable, slices: Sequence) -> list:
    """Call ``function`` with each slice, on all threads, and wait for the results.

    Args:
        function: Should release the GIL, as kernels and NumPy's copies do.
        slices: From :func:`split`, or any other work items.

    Returns:
        list: The results, in the order of the slices.

    Raises:
        Exception: What ``function`` raises.
    """
    results = [None] * len(slices)
    waiting = iter(range(len(slices)))

    def work():
        for i in waiting:  # each thread takes the next one that is free
            results[i] = function(slices[i])

    others = [_executor().submit(work) for _ in range(min(count(), len(slices)) - 1)]
    try:
        work()
    finally:
        # Those that have not started by now would find nothing left to do.
        others = [other for other in others if not other.cancel()]
        concurrent.futures.wait(others)
    for other in others:
        other.result()  # raises what the thread raised
    return results


@functools.cache
def _executor():
    return concurrent.futures.ThreadPoolExecutor(max(1, count() - 1), 'compute')


def read_ahead(read: Callable, items: Iterable) -> Iterator:
    """Yield ``read(item)`` for each item; the next one is read while this one is used."""
    return run_ahead(map(read, items))


def map_ahead(function: Callable, items: Iterable) -> Iterator:
    """Yield ``function(item)`` for each item, in order, while all threads compute the next ones.

    With one thread, nothing is computed ahead.
    """
    n = count()
    if n == 1:
        yield from map(function, items)
        return
    waiting = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(n, 'ahead') as executor:
        try:
            for item in items:
                waiting.append(executor.submit(function, item))
                if len(waiting) > n:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def run_ahead(items: Iterator, n: int = 1, weigh: Callable[[Any], float] = lambda item: 0,
              most: float = math.inf) -> Iterator:
    """Yield the items of an iterator that runs on a thread of its own, ahead of its reader.

    The iterator starts when the first item is requested.  What it raises is
    raised here, after the items before it.  Closing this generator early waits
    for the item being computed and closes the iterator; one that is never
    closed does not keep Python from exiting.

    Args:
        items: A generator, ``map(read, paths)`` or the like.
        n: How many items may be ready and unread.
        weigh: The weight of an item, such as its bytes.
        most: No further item is started while the unread ones weigh this much.
    """
    ready = collections.deque()
    changed = threading.Condition()
    is_closed = is_over = False
    error = None

    def has_room():
        return len(ready) < n and sum(map(weigh, ready)) < most

    def work():
        nonlocal is_over, error
        try:
            make_items()
        except BaseException as e:
            error = e
        finally:
            with changed:
                is_over = True
                changed.notify_all()

    def make_items():
        end = object()
        try:
            while True:
                with changed:
                    changed.wait_for(lambda: is_closed or has_room())
                    if is_closed:
                        return
                item = next(items, end)
                if item is end:
                    return
                with changed:
                    ready.append(item)
                    changed.notify_all()
        finally:
            if hasattr(items, 'close'):
                items.close()

    thread = threading.Thread(target=work, name='ahead', daemon=True)
    thread.start()
    try:
        while True:
            with changed:
                changed.wait_for(lambda: ready or is_over)
                if not ready:
                    break
                item = ready.popleft()
                changed.notify_all()
            yield item
            del item  # free it while waiting for the next one
    finally:
        with changed:
            is_closed = True
            changed.notify_all()
        if not sys.is_finalizing():  # when Python exits, the thread is already stopped
            thread.join()
    if error:
        raise error
