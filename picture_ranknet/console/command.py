"""Wraps the ``main`` of a command: expected failures in one line, signals, exit statuses."""
import contextlib
import errno
import functools
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable

from picture_ranknet.errors import InputError
from picture_ranknet.machine import ranks, threads
from picture_ranknet.text import one_line

# Not every system defines all of these.
REMEDIES = {getattr(errno, name, None): remedy for name, remedy in (
    ('ENOSPC', '; free some space on that disk, or use another one'),
    ('EDQUOT', '; your disk quota is used up; delete some files'),
    ('EFBIG', '; files of this size are not allowed here, see ulimit -f'),
    ('EROFS', '; use another disk'))}


def command(main: Callable, is_shared: bool = False) -> Callable:
    """Decorate the ``main(argv)`` of a command.

    :class:`InputError` and errors of the operating system become one line and
    exit status 1; an interruption (Ctrl-C) ends with 130, SIGTERM with 143.
    Wrong usage ends with 2, by ``argparse``.  A bug keeps its traceback.

    Args:
        main: The command; its return value is ignored.
        is_shared: Whether it can run in several processes of ``mpiexec``; if
            one fails, all end.
    """
    @functools.wraps(main)
    def run(argv=None):
        with contextlib.suppress(AttributeError):  # for file names that the terminal cannot show
            sys.stdout.reconfigure(errors='replace')
        received = []
        try:
            with _ending_like_ctrl_c(received), _without_scipy():
                if is_shared:
                    ranks.join()
                else:
                    ranks.stay_alone()
                threads.limit_blas(threads.count())
                main(argv)
                print(end='', flush=True)
                if received:
                    raise KeyboardInterrupt
        except InputError as e:
            _fail(str(e), 1)
        except BrokenPipeError:  # the reader of our output has closed it, as in `... | head`
            _flush_output()
            with ranks.last_word(1):
                pass
            sys.exit(1)
        except OSError as e:
            _fail(_describe(e), 1)
        except MemoryError as e:
            reason = f' ({e})' if str(e) else ''
            _fail(f'not enough memory{reason}; close other programs, or use fewer or smaller '
                  'pictures, or --threads 1', 1)
        except KeyboardInterrupt as e:
            number = received[0] if received else signal.SIGINT
            default = 'interrupted'
            if number != signal.SIGINT:
                default = f'ended by {signal.Signals(number).name}'
            _fail(str(e) or default, 128 + number)
        except Exception:
            if ranks.size() == 1:
                raise
            with ranks.last_word(1):  # the others would wait forever
                traceback.print_exc()
    return run


shared_command = functools.partial(command, is_shared=True)


@contextlib.contextmanager
def _ending_like_ctrl_c(received):
    """Let SIGTERM, and the SIGHUP of a closed terminal, end a command as Ctrl-C does.

    The number of the signal is appended to the list ``received``.
    """
    def interrupt(number, _):
        if not received:  # not again while the command cleans up
            received.append(number)
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [number for number in (signal.SIGTERM, getattr(signal, 'SIGHUP', None))
               if number and signal.getsignal(number) == signal.SIG_DFL]  # nohup ignores SIGHUP
    for number in numbers:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _describe(error):
    """One line about an operating system error: where, what, and what to do."""
    can_print = _flush_output()
    where = error.filename
    if not where and not can_print:
        where = 'standard output'
    what = error.strerror or str(error)
    return (f'{where}: {what}' if where else what) + REMEDIES.get(error.errno, '')


def _flush_output():
    """Flush the output; if that fails, discard it and return False."""
    try:
        print(end='', flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


@contextlib.contextmanager
def _without_scipy():
    """Hide SciPy from Chainer, where something else has installed it.

    No command uses it, and importing it is 0.25 s of the 0.55 s that Chainer takes.
    """
    is_hidden = 'scipy' not in sys.modules
    if is_hidden:
        sys.modules['scipy'] = None  # makes an import of it fail
    try:
        yield
    finally:
        if is_hidden:
            del sys.modules['scipy']


def _fail(message, status):
    with ranks.last_word(status):
        print(f'{os.path.basename(sys.argv[0])}: error: {one_line(message)}', file=sys.stderr)
    sys.exit(status)
