"""The processes that ``mpiexec`` has started to work together: which one is this, who does what.

They are numbered from 0, by their *rank*.  A process that nobody has started
so is alone: it is the first, all work is its own, and MPI is not needed.
"""
import atexit
import contextlib
import math
import os
import sys
import time

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.machine import threads

# How MPICH and its kin, and Open MPI, tell a process how many there are, and which one it is.
SIZES = 'PMI_SIZE', 'OMPI_COMM_WORLD_SIZE', 'MV2_COMM_WORLD_SIZE'
RANKS = 'PMI_RANK', 'OMPI_COMM_WORLD_RANK', 'MV2_COMM_WORLD_RANK'
INSTALL = 'python -m pip install "mpi4py>=4,<5" "mpich>=4.2,<6"'  # as in setup.py
PAUSE = .02  # seconds between two looks at whether the others are done
HEARD = 1    # seconds after which mpiexec has passed on what was said

_world = None  # MPI's communicator of all processes; None: alone
_local = 0, 1  # which of the processes on this machine it is, and how many they are
_failures = None  # a window to the number of processes that have failed, which the first keeps


def started():
    """How many processes ``mpiexec`` has started; 1 if it has not started this one."""
    return max(_number(SIZES), 1)


def _number(names):
    return next((int(os.environ[name]) for name in names
                 if os.environ.get(name, '').isdecimal()), 0)


def join():
    """Work with the other processes from now on; only the first can be heard and seen.

    They share the cores of a machine.  All of them must come.

    Raises:
        InputError: If mpi4py is missing, or of another MPI than ``mpiexec``.
    """
    global _world, _local, _failures
    if started() == 1 or _world:
        return
    # MPICH's own line on an end by abort(); ours says why.
    os.environ.setdefault('MPIR_CVAR_SUPPRESS_ABORT_MESSAGE', '1')
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as e:  # RuntimeError: there is no MPI that it could load
        _leave_it_to_the_first()
        raise InputError('mpiexec has started {} processes, which need mpi4py and an MPI to '
                               'work together ({}); {}'.format(
                                   started(), str(e).splitlines()[0], INSTALL)) from e
    if MPI.COMM_WORLD.size != started():
        _leave_it_to_the_first()
        raise InputError('mpiexec has started {} processes, but mpi4py knows of {}: they are '
                               'of different MPIs; take the mpiexec that belongs to {}'.format(
                                   started(), MPI.COMM_WORLD.size,
                                   MPI.Get_library_version().split(',')[0].split('\n')[0]))
    _world = MPI.COMM_WORLD
    here = _world.Split_type(MPI.COMM_TYPE_SHARED)
    _local = here.rank, here.size
    threads.share(here.allgather(threads.cores()).count(threads.cores()))
    _failures = MPI.Win.Allocate(8 * (_world.rank == 0), 8, comm=_world)
    if is_first():
        np.frombuffer(_failures.tomemory(), np.int64)[:] = 0
    _world.Barrier()
    if not is_first():
        sys.stdout = sys.stderr = open(os.devnull, 'w', encoding='utf-8')
    atexit.register(_leave)


def _leave():
    """Wait until all are done, without taking time from those that still work."""
    everybody = _world.Ibarrier()
    while not everybody.Test():
        time.sleep(PAUSE)
    _failures.Free()


def stay_alone():
    """Raise :class:`InputError` if there are others: they would do the same work again."""
    if started() > 1:
        _leave_it_to_the_first()
        raise InputError('works on one process only; leave mpiexec out')


def _leave_it_to_the_first():
    if _number(RANKS):
        time.sleep(1)  # mpiexec may end all when one ends
        os._exit(1)


def rank():
    """The number of this process, from 0."""
    return _world.rank if _world else 0


def size():
    """How many processes work together."""
    return _world.size if _world else 1


def local_rank():
    """The number of this process, from 0, among those of its machine."""
    return _local[0]


def is_first():
    """Whether this is the process that speaks and writes."""
    return rank() == 0


def part(n):
    """The slice of ``range(n)`` that is this process's; they differ by 1 at most."""
    return slice(n * rank() // size(), n * (rank() + 1) // size())


def gather(rows):
    """The rows of all processes, one after the other.

    Args:
        rows (numpy.ndarray): Those of this one; of the same type everywhere,
            and, where there are any, each of the same shape.

    Returns:
        numpy.ndarray: On each process the same.
    """
    if not _world:
        return rows
    shapes = _world.allgather(rows.shape)
    row = next((shape[1:] for shape in shapes if shape[0]), rows.shape[1:])
    everything = np.empty((sum(shape[0] for shape in shapes), *row), rows.dtype)
    sizes = [shape[0] * math.prod(row) for shape in shapes]
    _world.Allgatherv(np.ascontiguousarray(rows), [everything, sizes])
    return everything


def collect(item):
    """A list of what each process has, on each the same."""
    return _world.allgather(item) if _world else [item]


def tell(item):
    """What the first process has."""
    return _world.bcast(item) if _world else item


def world():
    """MPI's communicator of all processes, for ChainerMN."""
    return _world


@contextlib.contextmanager
def last_word(status):
    """End all processes, after the body: the first that fails can be heard, whichever it is.

    Others that fail meanwhile, of the same cause perhaps, have nothing to add.
    """
    if not _world:
        yield
        return
    before = np.zeros(1, np.int64)
    _failures.Lock(0)
    _failures.Fetch_and_op(np.ones(1, np.int64), before, 0)
    _failures.Unlock(0)
    if before[0]:
        time.sleep(60)  # is ended before
        os._exit(status)
    if not is_first():
        sys.stderr = sys.__stderr__
    yield
    sys.stdout.flush()
    sys.stderr.flush()
    time.sleep(HEARD)  # or it might end before
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # MPI would add lines of its own
    _world.Abort(status)
