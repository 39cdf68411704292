"""How many CPU cores this process may use: its affinity, and the limit of its container."""
import contextlib
import functools
import math
import os
from collections.abc import Iterator

VERSION_2, VERSION_1 = '/sys/fs/cgroup', '/sys/fs/cgroup/cpu'  # mount points of control groups


def allowed() -> set:
    """The IDs of the cores that the operating system lets this process run on."""
    if hasattr(os, 'sched_getaffinity'):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


@functools.cache  # it reads a dozen files
def usable() -> int:
    """How many threads can really run at once, at least 1.

    In a container limited to two cores of 64 this is 2, although the system
    reports 64.  A fraction of a core counts as one.
    """
    return max(1, math.ceil(min(len(allowed()), _container_limit())))


def _container_limit() -> float:
    """Cores that the control groups of this process allow; ``inf`` without a limit."""
    limit = math.inf
    for folder in _control_groups():
        with contextlib.suppress(OSError, ValueError):  # no such file, or not a number: no limit
            limit = min(limit, _read_limit(folder))
    return limit


def _control_groups() -> Iterator:
    """The folders of this process's control groups and their parents, for both versions."""
    groups = [(VERSION_2, '/'), (VERSION_1, '/')]
    with contextlib.suppress(OSError), open('/proc/self/cgroup') as f:
        for line in f:
            _, controllers, path = line.rstrip('\n').split(':', 2)
            if not controllers:
                groups.append((VERSION_2, path))
            elif 'cpu' in controllers.split(','):
                groups.append((VERSION_1, path))
    for root, path in groups:
        yield root
        while path.strip('/'):
            yield root + path
            path = os.path.dirname(path)


def _read_limit(folder: str) -> float:
    if folder.startswith(VERSION_1):
        numbers = []
        for name in 'cpu.cfs_quota_us', 'cpu.cfs_period_us':
            with open(f'{folder}/{name}') as f:
                numbers.append(int(f.read()))
        quota, period = numbers
        return quota / period if quota > 0 else math.inf  # -1: no limit
    with open(f'{folder}/cpu.max') as f:
        quota, period = f.read().split()
    return int(quota) / int(period)  # 'max' is not a number: no limit
