import builtins
import io
import math
import os
import threading
import time

import pytest

from picture_ranknet.machine import threads


@pytest.fixture(autouse=True)
def fresh():
    threads._default.cache_clear()
    yield
    threads.use(None)
    threads._default.cache_clear()


@pytest.mark.parametrize('n, n_slices, expected', [
    (7, 3, [(0, 2), (2, 4), (4, 7)]),
    (2, 5, [(0, 1), (1, 2)]),
    (3, 1, [(0, 3)]),
    (0, 4, []),
])
def test_slices_by_hand(n, n_slices, expected):
    assert [(part.start, part.stop) for part in threads.split(n, n_slices)] == expected


@pytest.mark.parametrize('n', [1, 2, 5])
def test_results_come_in_the_order_of_the_slices(n):
    threads.use(n)
    assert threads.run(lambda part: part.start, threads.split(20, 9)) == [
        part.start for part in threads.split(20, 9)]


def test_slices_run_at_the_same_time():
    threads.use(2)
    meeting = threading.Barrier(2, timeout=10)
    threads.run(lambda part: meeting.wait(), threads.split(2, 2))


def test_a_slice_may_have_slices_of_its_own():
    threads.use(2)
    inner = threads.run(lambda part: threads.run(lambda part: part.start, threads.split(4, 4)),
                        threads.split(8, 8))
    assert inner == 8 * [[0, 1, 2, 3]]


def test_an_error_in_a_thread_is_raised():
    threads.use(2)
    with pytest.raises(ZeroDivisionError):
        threads.run(lambda part: 1 / part.start, threads.split(20, 9))


@pytest.mark.parametrize('value, expected', [('3', 3), ('4,2', 4), (' 1 ', 1)])
def test_the_environment_says_how_many(monkeypatch, value, expected):
    monkeypatch.setenv('OMP_NUM_THREADS', value)
    assert threads.count() == expected


@pytest.mark.parametrize('value', ['', 'all', '0', '-2'])
def test_what_is_no_number_is_passed_over(monkeypatch, value):
    monkeypatch.setenv('OMP_NUM_THREADS', value)
    assert 1 <= threads.count() <= os.cpu_count()


def test_what_is_said_overrides_the_environment(monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '3')
    threads.use(2)
    assert threads.count() == 2


V2 = '/sys/fs/cgroup/cpu.max'
QUOTA, PERIOD = '/sys/fs/cgroup/cpu/cpu.cfs_quota_us', '/sys/fs/cgroup/cpu/cpu.cfs_period_us'


@pytest.mark.parametrize('content, limit, n_threads', [
    ({V2: '200000 100000\n'}, 2, 2),
    ({V2: '150000 100000\n'}, 1.5, 2),
    ({V2: '50000 100000\n'}, .5, 1),
    ({V2: 'max 100000\n'}, math.inf, 8),
    ({V2: ''}, math.inf, 8),
    ({QUOTA: '300000\n', PERIOD: '100000\n'}, 3, 3),
    ({QUOTA: '-1\n', PERIOD: '100000\n'}, math.inf, 8),
    ({}, math.inf, 8),
    ({'/proc/self/cgroup': '0::/user/job\n', '/sys/fs/cgroup/user/job/cpu.max': 'max 100000',
      '/sys/fs/cgroup/user/cpu.max': '400000 100000'}, 4, 4),
    ({'/proc/self/cgroup': '3:cpu,cpuacct:/job\n1:memory:/job\n',
      '/sys/fs/cgroup/cpu/job/cpu.cfs_quota_us': '250000',
      '/sys/fs/cgroup/cpu/job/cpu.cfs_period_us': '100000'}, 2.5, 3),
])
def test_a_container_limits_them(monkeypatch, content, limit, n_threads):
    def open_(path, *args, **kwargs):
        if path not in content:
            raise FileNotFoundError(path)
        return io.StringIO(content[path])

    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(builtins, 'open', open_)
    assert threads._container_limit() == limit
    assert threads.count() == n_threads


def test_what_is_read_ahead_comes_in_order():
    for n in range(4):
        assert list(threads.read_ahead(lambda i: i * i, range(n))) == [i * i for i in range(n)]


def test_only_the_next_is_read_ahead():
    seen = []
    squares = threads.read_ahead(seen.append, range(10))
    assert not seen
    next(squares)
    next(squares)
    squares.close()  # waits for what is being read
    assert seen == [0, 1, 2]


def test_an_error_while_reading_ahead_is_raised():
    with pytest.raises(ZeroDivisionError):
        list(threads.read_ahead(lambda i: 1 / i, [2, 1, 0]))


@pytest.mark.parametrize('n', [1, 3])
def test_items_that_are_run_ahead_come_in_order(n):
    assert list(threads.run_ahead(iter(range(20)), n)) == list(range(20))
    assert list(threads.run_ahead(iter([]), n)) == []


def test_no_more_items_are_run_ahead_than_asked_for():
    begun = []

    def items():
        for i in range(10):
            begun.append(i)
            yield i

    ahead = threads.run_ahead(items(), 2)
    assert next(ahead) == 0
    time.sleep(.1)
    assert len(begun) <= 4  # 0 is used, 1 and 2 wait, and 3 is in hand
    ahead.close()
    assert len(begun) <= 4


def test_fewer_heavy_items_are_run_ahead():
    begun = []

    def items():
        for i in range(10):
            begun.append(i)
            yield i

    ahead = threads.run_ahead(items(), 5, weigh=lambda item: 2, most=4)
    assert next(ahead) == 0
    time.sleep(.1)
    assert len(begun) <= 4  # 0 is used, 1 and 2 weigh 4, and 3 is in hand
    assert list(ahead) == list(range(1, 10))


def test_an_error_comes_after_the_items_before_it():
    def items():
        yield 1
        raise ValueError('broken')

    ahead = threads.run_ahead(items(), 5)
    assert next(ahead) == 1
    with pytest.raises(ValueError, match='broken'):
        next(ahead)
