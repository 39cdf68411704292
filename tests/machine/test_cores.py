import builtins
import io
import os

import pytest

from picture_ranknet.machine import cores

V2 = '/sys/fs/cgroup/cpu.max'
QUOTA, PERIOD = '/sys/fs/cgroup/cpu/cpu.cfs_quota_us', '/sys/fs/cgroup/cpu/cpu.cfs_period_us'


@pytest.fixture(autouse=True)
def nothing_remembered():
    cores.usable.cache_clear()
    yield
    cores.usable.cache_clear()


@pytest.mark.parametrize('content, n_cores', [
    ({V2: '200000 100000\n'}, 2),
    ({V2: '150000 100000\n'}, 2),
    ({V2: '50000 100000\n'}, 1),
    ({V2: 'max 100000\n'}, 8),
    ({V2: ''}, 8),
    ({QUOTA: '300000\n', PERIOD: '100000\n'}, 3),
    ({QUOTA: '-1\n', PERIOD: '100000\n'}, 8),
    ({}, 8),
    ({'/proc/self/cgroup': '0::/user/job\n', '/sys/fs/cgroup/user/job/cpu.max': 'max 100000',
      '/sys/fs/cgroup/user/cpu.max': '400000 100000'}, 4),
    ({'/proc/self/cgroup': '3:cpu,cpuacct:/job\n1:memory:/job\n',
      '/sys/fs/cgroup/cpu/job/cpu.cfs_quota_us': '250000',
      '/sys/fs/cgroup/cpu/job/cpu.cfs_period_us': '100000'}, 3),
])
def test_a_container_limits_the_cores(monkeypatch, content, n_cores):
    def open_(path, *args, **kwargs):
        if path not in content:
            raise FileNotFoundError(path)
        return io.StringIO(content[path])

    monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(builtins, 'open', open_)
    assert cores.usable() == n_cores
