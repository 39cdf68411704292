import sys

import pytest

from picture_ranknet.console.command import command
from picture_ranknet.errors import InputError
from picture_ranknet.machine import threads


def failing(error):
    @command
    def main(argv):
        raise error
    return main


@pytest.mark.parametrize('error, line, status', [
    (InputError('X.npy: expected this'), 'X.npy: expected this', 1),
    (FileNotFoundError(2, 'No such file or directory', 'X.npy'),
     'X.npy: No such file or directory', 1),
    (OSError(28, 'No space left on device', 'X.npy'),
     'X.npy: No space left on device; free some space on that disk, or use another one', 1),
    (OSError(27, 'File too large'),
     'File too large; files of this size are not allowed here, see ulimit -f', 1),
    (MemoryError(), 'not enough memory; close other programs, or use fewer or smaller pictures, '
     'or --threads 1', 1),
    (MemoryError('Unable to allocate 9. GiB'), 'not enough memory (Unable to allocate 9. GiB); '
     'close other programs, or use fewer or smaller pictures, or --threads 1', 1),
    (KeyboardInterrupt(), 'interrupted', 130),
    (KeyboardInterrupt('interrupted at step 3'), 'interrupted at step 3', 130),
])
def test_expected_failures_end_in_one_line(capsys, monkeypatch, error, line, status):
    monkeypatch.setattr('sys.argv', ['/somewhere/train.py'])
    with pytest.raises(SystemExit) as e:
        failing(error)([])
    assert e.value.code == status
    assert capsys.readouterr().err == f'train.py: error: {line}\n'


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        failing(ZeroDivisionError())([])


def test_products_of_numpy_take_no_more_threads_than_all_else(monkeypatch):
    given = []
    monkeypatch.setattr(threads, 'limit_blas', given.append)
    command(lambda argv: None)([])
    assert given == [threads.count()]


def test_a_command_does_not_wait_for_scipy(monkeypatch):
    monkeypatch.delitem(sys.modules, 'scipy', raising=False)

    @command
    def main(argv=None):
        with pytest.raises(ImportError):
            import scipy  # noqa: F401

    main()
    assert 'scipy' not in sys.modules
