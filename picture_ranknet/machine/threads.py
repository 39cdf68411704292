"""How many threads compute, and handing slices of work to them.

As many as the ``OMP_NUM_THREADS`` of the user's environment says, else as many
as the cores that the process may use: of a container with half of a large
machine, half.  :func:`use` overrides both.  Processes that :func:`share` their
cores have so many fewer each.
"""
import collections
import concurrent.futures
import contextlib
import functools
import math
import os
import threading

VERSION_2, VERSION_1 = '/sys/fs/cgroup', '/sys/fs/cgroup/cpu'  # of control groups

_n = None
_processes = 1


def use(n):
    """Compute with ``n`` threads from now on."""
    global _n
    _n = n
    _executor.cache_clear()


def share(n_processes):
    """Have but a share of the cores from now on, since so many processes work on them."""
    global _processes
    _processes = n_processes
    _default.cache_clear()
    _executor.cache_clear()


def count():
    """The number of threads that compute, at least 1."""
    return _n or _default()


def cores():
    """The cores that the process may use, as the system numbers them."""
    if hasattr(os, 'sched_getaffinity'):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


@functools.cache
def _default():
    return _number_from_environment() or max(1, _usable_cores() // _processes)


def split(n, n_slices):
    """Cut ``range(n)`` into slices that differ by 1 at most; none is empty."""
    n_slices = min(n, n_slices)
    stops = [n * part // n_slices for part in range(n_slices + 1)] if n else []
    return [slice(*ends) for ends in zip(stops, stops[1:])]


def run(function, slices):
    """Call ``function`` with each slice, on all threads, and wait.

    It should release Python's lock, as kernels and NumPy's copies do.

    Returns:
        list: What it returned, in the order of the slices.
    """
    results = [None] * len(slices)
    waiting = iter(range(len(slices)))

    def work():
        for i in waiting:  # each thread takes what the others have left
            results[i] = function(slices[i])

    others = [_executor().submit(work) for _ in range(min(count(), len(slices)) - 1)]
    try:
        work()
    finally:
        # Of those that have not begun there is nothing left to do.
        others = [other for other in others if not other.cancel()]
        concurrent.futures.wait(others)
    for other in others:
        other.result()  # raises what it has raised
    return results


def read_ahead(read, items):
    """Yield ``read(item)`` for each item; meanwhile the next is read on a thread of its own.

    Args:
        read (callable): Of one item.
        items (list): In order.
    """
    if len(items) == 1:
        yield read(items[0])
        return
    with concurrent.futures.ThreadPoolExecutor(1, 'read') as reader:
        ahead = None
        for item in items:
            this, ahead = ahead, reader.submit(read, item)
            if this:
                yield this.result()
        if ahead:
            yield ahead.result()


def run_ahead(items, n, weigh=lambda item: 0, most=1):
    """Yield the items of a generator, which runs on a thread of its own, up to ``n`` ahead.

    It is less far ahead where those that wait weigh ``most`` together.  If the
    reader stops early, the generator is closed before this returns.
    """
    queue = collections.deque()
    changed = threading.Condition()
    is_over = False

    def work():
        try:
            for item in items:
                with changed:
                    changed.wait_for(lambda: is_over or (
                        len(queue) < n and sum(map(weigh, queue)) < most))
                    if is_over:
                        return
                    queue.append(item)
                    changed.notify_all()
        finally:
            if hasattr(items, 'close'):
                items.close()

    with concurrent.futures.ThreadPoolExecutor(1, 'ahead') as executor:
        future = executor.submit(work)
        future.add_done_callback(lambda _: _notify(changed))
        try:
            while True:
                with changed:
                    changed.wait_for(lambda: queue or future.done())
                    if not queue:
                        break
                    item = queue.popleft()
                    changed.notify_all()
                yield item
            future.result()  # raises what the generator has raised
        finally:
            is_over = True
            _notify(changed)


def _notify(condition):
    with condition:
        condition.notify_all()


@functools.cache
def _executor():
    return concurrent.futures.ThreadPoolExecutor(max(1, count() - 1), 'compute')


def _number_from_environment():
    first = os.environ.get('OMP_NUM_THREADS', '').split(',')[0].strip()  # '4,2' is 2 within 4
    return int(first) if first.isdecimal() else 0


def _usable_cores():
    return max(1, math.ceil(min(len(cores()), _container_limit())))


def _container_limit():
    """Cores that the scheduler lets us have: the least that a control group of ours allows."""
    limit = math.inf
    for folder in _control_groups():
        with contextlib.suppress(OSError, ValueError):  # no such file, or no number: no limit
            limit = min(limit, _read_limit(folder))
    return limit


def _control_groups():
    """Folders of the control groups that we are in, of version 2 and of version 1."""
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


def _read_limit(folder):
    """Cores that one control group may use."""
    if folder.startswith(VERSION_1):
        numbers = []
        for name in 'cpu.cfs_quota_us', 'cpu.cfs_period_us':
            with open(folder + '/' + name) as f:
                numbers.append(int(f.read()))
        quota, period = numbers
        return quota / period if quota > 0 else math.inf  # -1: none
    with open(folder + '/cpu.max') as f:
        quota, period = f.read().split()
    return int(quota) / int(period)  # 'max' is no number
