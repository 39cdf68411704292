"""The command-line edge: expected failures in one line, signals, exit statuses."""
import contextlib
import errno
import functools
import os
import signal
import sys
import threading
import traceback

from picture_ranknet.errors import InputError
from picture_ranknet.machine import ranks


def command(main, is_shared=False):
    """Turn the expected failures of a command's ``main`` into one line.

    ``main(argv)`` returns nothing.  Input that a command cannot work with and
    the errors of the operating system end with status 1, an interruption with
    130, SIGTERM with 143; wrong usage ends with 2 (``argparse``) and a bug
    keeps its traceback.  Of processes that work together, one that fails ends
    all.

    Args:
        main (callable): The command.
        is_shared (bool): Whether it knows how to work on several processes.
    """
    @functools.wraps(main)
    def run(argv=None):
        with contextlib.suppress(AttributeError):  # a name that the terminal cannot show
            sys.stdout.reconfigure(errors='replace')
        came = []
        try:
            with _signals(came):
                ranks.join() if is_shared else ranks.stay_alone()
                main(argv)
                print(end='', flush=True)
                if came:
                    raise KeyboardInterrupt
        except InputError as e:
            _fail(str(e), 1)
        except BrokenPipeError:
            # The reader of our output has gone, as in `... | head`.
            _can_print()
            with ranks.last_word(1):
                pass
            sys.exit(1)
        except OSError as e:
            where = e.filename or 'standard output' * (not _can_print())
            _fail(': '.join(filter(None, [
                where and str(where), e.strerror or str(e)])) + REMEDIES.get(e.errno, ''), 1)
        except MemoryError as e:
            _fail('there is not enough memory{}; close other programs, or give it less at once: '
                  'fewer or smaller pictures, --threads 1'.format(
                      ' ({})'.format(e) if str(e) else ''), 1)
        except KeyboardInterrupt as e:
            number = came[0] if came else signal.SIGINT
            _fail(str(e) or ('interrupted' if number == signal.SIGINT else
                             'ended by {}'.format(signal.Signals(number).name)), 128 + number)
        except Exception:
            if ranks.size() == 1:
                raise
            with ranks.last_word(1):  # the others would wait for ever
                traceback.print_exc()
    return run
shared_command = functools.partial(command, is_shared=True)
REMEDIES = {getattr(errno, name, None): remedy for name, remedy in (
    ('ENOSPC', '; make room on that disk, or choose another one'),
    ('EDQUOT', '; make room, you have used what you may of that disk'),
    ('EFBIG', '; no file may be so large here, see ulimit -f'),
    ('EROFS', '; choose another disk'))}


@contextlib.contextmanager
def _signals(came):
    """Let SIGTERM, and SIGHUP where a terminal is closed, end a command as Ctrl-C does.

    The number of the one that came is put into the list ``came``.
    """
    def interrupt(number, _):
        if not came:  # and no second time, while the command clears up
            came.append(number)
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [number for number in (signal.SIGTERM, getattr(signal, 'SIGHUP', None))
               if number and signal.getsignal(number) == signal.SIG_DFL]  # nohup ignores it
    for number in numbers:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _can_print():
    """Whether standard output takes what is left to print; else it is thrown away."""
    try:
        print(end='', flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def _fail(message, status):
    with ranks.last_word(status):
        print('{}: error: {}'.format(os.path.basename(sys.argv[0]), message), file=sys.stderr)
    sys.exit(status)
