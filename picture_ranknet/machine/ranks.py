"""Processes started by ``mpiexec`` that work together.

Processes are numbered from 0; the number is the *rank*.  The first one (rank 0)
prints and writes.  A process started without ``mpiexec`` is the first and only
one, and MPI is not needed.
"""
import atexit
import contextlib
import math
import os
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Optional

from picture_ranknet.errors import InputError
from picture_ranknet.machine import cores, threads

if TYPE_CHECKING:
    import numpy as np
    from mpi4py import MPI

# How MPICH and its relatives, and Open MPI, pass size and rank to a process.
SIZES = 'PMI_SIZE', 'OMPI_COMM_WORLD_SIZE', 'MV2_COMM_WORLD_SIZE'
RANKS = 'PMI_RANK', 'OMPI_COMM_WORLD_RANK', 'MV2_COMM_WORLD_RANK'
INSTALL = 'python -m pip install "mpi4py>=4,<5" "mpich>=4.2,<6"'  # as in setup.py
POLL = .02       # seconds between checks whether the others have finished
RELAY = 1        # seconds for mpiexec to pass on what was printed
ABORT_WAIT = 60  # seconds after which a process that should have been aborted exits by itself

_world = None      # MPI communicator of all processes; None: a single process
_local = 0, 1      # rank and number of processes on this machine
_failures = None   # MPI window on the number of failed processes, which the first one holds


def started() -> int:
    """How many processes ``mpiexec`` has started; 1 without it."""
    return max(_from_environment(SIZES), 1)


def _from_environment(names):
    return next((int(os.environ[name]) for name in names
                 if os.environ.get(name, '').isdecimal()), 0)


def join() -> None:
    """Work with the other processes from now on; all of them must call this.

    The output of all but the first is discarded.  They divide the cores of
    their machine.

    Raises:
        InputError: If mpi4py is missing, or belongs to a different MPI than
            ``mpiexec``.
    """
    global _world, _local, _failures
    if started() == 1 or _world:
        return
    # MPICH prints its own line about an abort; ours gives the reason.
    os.environ.setdefault('MPIR_CVAR_SUPPRESS_ABORT_MESSAGE', '1')
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as e:  # RuntimeError: it finds no MPI library
        _leave_unless_first()
        reason = str(e).splitlines()[0]
        raise InputError(f'mpiexec has started {started()} processes, which need mpi4py and an '
                         f'MPI library ({reason}); {INSTALL}') from e
    if MPI.COMM_WORLD.size != started():
        _leave_unless_first()
        library = MPI.Get_library_version().split(',')[0].split('\n')[0]
        raise InputError(
            f'mpiexec has started {started()} processes, but mpi4py sees {MPI.COMM_WORLD.size}: '
            f'they belong to different MPIs; use the mpiexec of {library}')
    _world = MPI.COMM_WORLD
    here = _world.Split_type(MPI.COMM_TYPE_SHARED)
    _local = here.rank, here.size
    ours = cores.allowed()
    threads.share(here.allgather(ours).count(ours))
    _failures = MPI.Win.Allocate(8 * (_world.rank == 0), 8, comm=_world)
    if is_first():
        _failures.tomemory()[:] = bytes(8)
    _world.Barrier()
    if not is_first():
        sys.stdout = sys.stderr = open(os.devnull, 'w', encoding='utf-8')
    atexit.register(_leave)


def _leave():
    """Wait until all have finished, without taking CPU time from those still working."""
    everybody = _world.Ibarrier()
    while not everybody.Test():
        time.sleep(POLL)
    _failures.Free()


def stay_alone() -> None:
    """Refuse to be one of several processes, which would all do the same work.

    Raises:
        InputError: If ``mpiexec`` has started several.
    """
    if started() > 1:
        _leave_unless_first()
        raise InputError('runs in one process only; start it without mpiexec')


def _leave_unless_first():
    if _from_environment(RANKS):
        time.sleep(RELAY)  # mpiexec may end all when one ends: let the first print before
        os._exit(1)


def rank() -> int:
    """The number of this process, from 0."""
    return _world.rank if _world else 0


def size() -> int:
    """The number of processes that work together."""
    return _world.size if _world else 1


def local_rank() -> int:
    """The number of this process, from 0, among those of its machine."""
    return _local[0]


def is_first() -> bool:
    """Whether this process is the one that prints and writes."""
    return rank() == 0


def part(n: int) -> slice:
    """The part of ``range(n)`` that this process works on; lengths differ by at most 1."""
    return slice(n * rank() // size(), n * (rank() + 1) // size())


def gather(rows: 'np.ndarray') -> 'np.ndarray':
    """Concatenate the rows of all processes, in the order of their ranks.

    Args:
        rows: Those of this process, shape ``(n, ...)``; ``n`` may differ, type
            and shape of a row are the same everywhere.

    Returns:
        All rows, in every process.
    """
    if not _world:
        return rows
    import numpy as np  # here, so that `--help` does not wait for it

    shapes = _world.allgather(rows.shape)
    row = next((shape[1:] for shape in shapes if shape[0]), rows.shape[1:])
    everything = np.empty((sum(shape[0] for shape in shapes), *row), rows.dtype)
    sizes = [shape[0] * math.prod(row) for shape in shapes]
    _world.Allgatherv(np.ascontiguousarray(rows), [everything, sizes])
    return everything


def collect(item: Any) -> list:
    """The items of all processes, in the order of their ranks (MPI's allgather)."""
    return _world.allgather(item) if _world else [item]


def tell(item: Any) -> Any:
    """The item of the first process, which the others wait for (MPI's broadcast)."""
    return _world.bcast(item) if _world else item


def world() -> 'Optional[MPI.Comm]':
    """MPI's communicator of all processes, for ChainerMN; ``None`` for a single process."""
    return _world


@contextlib.contextmanager
def last_word(status: int) -> Iterator[None]:
    """Print something in the body, then end all processes with that status.

    Only the first process to get here prints, whatever its rank; the others
    have probably failed for the same reason, and end silently.
    (``chainermn.global_except_hook`` would print a traceback from each.)
    """
    if not _world:
        yield
        return
    if _count_failure() > 1:
        time.sleep(ABORT_WAIT)  # the first one aborts this process
        os._exit(status)
    if not is_first():
        sys.stderr = sys.__stderr__
    yield
    sys.stdout.flush()
    sys.stderr.flush()
    time.sleep(RELAY)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # MPI would print its own lines
    _world.Abort(status)


def _count_failure():
    """The number of processes that have failed so far, including this one."""
    import numpy as np

    before = np.zeros(1, np.int64)
    _failures.Lock(0)
    _failures.Fetch_and_op(np.ones(1, np.int64), before, 0)
    _failures.Unlock(0)
    return int(before[0]) + 1
