import glob
import itertools
import os
import subprocess
import sys
import threading
import time

import pytest

from picture_ranknet.machine import cores, threads


@pytest.fixture(autouse=True)
def default_number():
    """No test leaves its number to the next."""
    yield
    threads.use(None)
    threads.share(1)


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
def test_other_values_of_the_environment_are_ignored(monkeypatch, value):
    monkeypatch.setenv('OMP_NUM_THREADS', value)
    assert 1 <= threads.count() <= os.cpu_count()


@pytest.mark.parametrize('n_processes, expected', [(3, 2), (8, 1), (9, 1), (1, 8)])
def test_processes_share_the_cores(monkeypatch, n_processes, expected):
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    monkeypatch.setattr(cores, 'usable', lambda: 8)
    threads.share(n_processes)
    assert threads.count() == expected
    monkeypatch.setenv('OMP_NUM_THREADS', '5')
    assert threads.count() == 5


@pytest.fixture
def blas_threads():
    """Asks the OpenBLAS in NumPy's wheels how many threads it has."""
    import ctypes

    import numpy as np

    folder = np.__path__[0]
    for place in f'{folder}.libs', f'{folder}/.dylibs':
        for path in glob.glob(f'{place}/*openblas*'):
            library = ctypes.CDLL(path)
            for prefix, suffix in itertools.product(('scipy_openblas', 'openblas'), ('64_', '')):
                name = f'{prefix}_get_num_threads{suffix}'
                if hasattr(library, name):
                    return getattr(library, name)
    pytest.skip('NumPy here has no OpenBLAS of its own')


def test_products_of_numpy_take_as_many(blas_threads):
    threads.use(2)
    assert blas_threads() == 2
    with threads.single_blas():
        assert blas_threads() == 1
    assert blas_threads() == 2
    threads.limit_blas(1)
    assert blas_threads() == 1


def test_before_numpy_is_loaded_openblas_is_told_by_its_variable(monkeypatch):
    monkeypatch.delitem(sys.modules, 'numpy')
    monkeypatch.setenv('OPENBLAS_NUM_THREADS', '64')
    threads.use(3)
    assert os.environ['OPENBLAS_NUM_THREADS'] == '3'


def test_another_library_than_openblas_is_left_alone(root):
    subprocess.run([sys.executable, '-c', """
import glob
glob.glob = lambda pattern: []
import numpy
from picture_ranknet.machine import threads
threads.use(1)
"""], check=True, cwd=root)


def test_use_overrides_the_environment(monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '3')
    threads.use(2)
    assert threads.count() == 2


def wait_until(condition):
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(.001)
    time.sleep(.01)  # for what should not come


def test_what_is_read_ahead_comes_in_order():
    for n in range(4):
        assert list(threads.read_ahead(lambda i: i * i, range(n))) == [i * i for i in range(n)]


def test_only_the_next_is_read_ahead():
    seen = []
    squares = threads.read_ahead(seen.append, range(10))
    assert not seen
    next(squares)
    next(squares)
    wait_until(lambda: len(seen) == 3)
    squares.close()
    assert seen == [0, 1, 2]


def test_an_error_while_reading_ahead_is_raised():
    with pytest.raises(ZeroDivisionError):
        list(threads.read_ahead(lambda i: 1 / i, [2, 1, 0]))


@pytest.mark.parametrize('n', [1, 3])
def test_items_that_are_run_ahead_come_in_order(n):
    assert list(threads.run_ahead(iter(range(20)), n)) == list(range(20))
    assert list(threads.run_ahead(iter([]), n)) == []


def test_the_iterator_is_closed_with_its_reader():
    closed = []

    def items():
        try:
            yield from range(10)
        finally:
            closed.append(True)

    ahead = threads.run_ahead(items())
    next(ahead)
    ahead.close()
    assert closed


def test_no_more_items_are_run_ahead_than_asked_for():
    begun = []

    def items():
        for i in range(10):
            begun.append(i)
            yield i

    ahead = threads.run_ahead(items(), 2)
    assert next(ahead) == 0
    wait_until(lambda: len(begun) == 3)
    assert begun == [0, 1, 2]
    ahead.close()
    assert begun == [0, 1, 2]


def test_fewer_heavy_items_are_run_ahead():
    begun = []

    def items():
        for i in range(10):
            begun.append(i)
            yield i

    ahead = threads.run_ahead(items(), 5, weigh=lambda item: 2, most=4)
    assert next(ahead) == 0
    wait_until(lambda: len(begun) == 3)
    assert begun == [0, 1, 2]  # 1 and 2 weigh 4
    assert list(ahead) == list(range(1, 10))


def test_an_error_comes_after_the_items_before_it():
    def items():
        yield 1
        raise ValueError('broken')

    ahead = threads.run_ahead(items(), 5)
    assert next(ahead) == 1
    with pytest.raises(ValueError, match='broken'):
        next(ahead)


def test_opencv_computes_with_the_same_number():
    cv2 = pytest.importorskip('cv2')
    before = cv2.getNumThreads()
    try:
        threads.use(1)
        assert cv2.getNumThreads() == 1
    finally:
        cv2.setNumThreads(before)


@pytest.mark.parametrize('n', [1, 10 ** 6])
def test_numba_computes_with_the_same_number_as_far_as_it_can(n):
    numba = pytest.importorskip('numba')
    before = numba.get_num_threads()
    try:
        threads.use(n)
        threads.limit_numba()
        assert numba.get_num_threads() == min(n, numba.config.NUMBA_NUM_THREADS)
    finally:
        numba.set_num_threads(before)


def test_a_reader_that_was_never_closed_lets_python_exit():
    script = ('from picture_ranknet.machine import threads\n'
              'print(next(ahead := threads.read_ahead(str, range(9))))')
    done = subprocess.run([sys.executable, '-c', script], stdout=subprocess.PIPE, timeout=60)
    assert (done.returncode, done.stdout.split()) == (0, [b'0'])


@pytest.mark.parametrize('n', [1, 3])
def test_what_is_mapped_ahead_comes_in_order_and_its_errors_too(n):
    threads.use(n)
    results = threads.map_ahead(lambda i: 6 // i, [3, 2, 1, 0, 1])
    assert [next(results) for _ in range(3)] == [2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)
