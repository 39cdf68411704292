"""The command-line edge: option types, progress, and errors in one line."""
import argparse
import contextlib
import errno
import functools
import itertools
import math
import os
import re
import signal
import sys
import threading
import traceback
import warnings

import numpy as np
import tqdm

from picture_ranknet.machine import ranks, threads
from picture_ranknet.storage import files


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
        except files.InputError as e:
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


def note(message):
    """Tell the user something that is not part of a command's output.

    Other processes than the first keep it for :func:`pass_notes_on`.
    """
    if ranks.is_first():
        tqdm.tqdm.write(message, file=sys.stderr)  # above a progress bar, not into it
    else:
        _kept.append(message)


_kept = []


def pass_notes_on():
    """Let the first process tell what the others have noted; all of them must call this."""
    for message in itertools.chain(*ranks.collect(_kept)):
        note(message)
    _kept.clear()


def count(n, noun):
    """``1 face``, ``1,234 faces``."""
    return '{:,} {}{}'.format(n, noun, '' if n == 1 else 's')


def progress(total, unit, desc=None):
    """A progress bar on a terminal; nothing where the error output is piped."""
    return tqdm.tqdm(total=total, unit=' ' + unit, desc=desc, leave=False, disable=None)


def parser(prog, description):
    """An argument parser whose help shows the defaults."""
    return argparse.ArgumentParser(
        prog=prog, description=description, formatter_class=_HelpFormatter)


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):

    def _get_help_string(self, action):
        if action.default is None or action.default is False:  # not what a user would type
            return action.help
        return super()._get_help_string(action)


def int_from(lowest, highest=math.inf):
    """Make an ``argparse`` type: a whole number in that range, both ends included."""
    def whole_number(text):
        if not text.isdecimal() or not lowest <= int(text) <= highest:
            expected = '>= {}'.format(lowest) if highest == math.inf else 'from {} to {}'.format(
                lowest, highest)
            raise argparse.ArgumentTypeError(
                'must be a whole number {}, got {!r}'.format(expected, text))
        return int(text)
    return whole_number


positive_int = int_from(1)
natural_int = int_from(0)
seed = int_from(0, 2 ** 32 - 1)  # what NumPy's generators take


def positive_float(text):
    """An ``argparse`` type: a finite number above 0; ``1/255`` is one as well."""
    number = _parse_float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError('must be a number above 0, got {!r}'.format(text))
    return number


def natural_float(text):
    """An ``argparse`` type: a finite number, 0 or above."""
    number = _parse_float(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError('must be a number >= 0, got {!r}'.format(text))
    return number


def strength(text):
    """An ``argparse`` type: a number from 0 to 5."""
    number = _parse_float(text)
    if not 0 <= number <= 5:
        raise argparse.ArgumentTypeError('must be a number from 0 to 5, got {!r}'.format(text))
    return number


def ratio(text):
    """An ``argparse`` type: a number between 0 and 1, neither included."""
    number = _parse_float(text)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError('must be between 0 and 1, got {!r}'.format(text))
    return number


def row_numbers(text):
    """An ``argparse`` type: a set of rows, from 0, such as ``3,17,20-24``."""
    rows = set()
    for part in text.split(','):
        first, dash, last = part.strip().partition('-')
        if not (first.isdecimal() and (last.isdecimal() if dash else True)
                and int(first) <= int(last or first)):
            raise argparse.ArgumentTypeError(
                'must be row numbers such as 3,17,20-24, got {!r}'.format(part))
        rows.update(range(int(first), int(last or first) + 1))
    return rows


def file_ending(extension):
    """Make an ``argparse`` type: a file name with that ending, such as ``'.png'``."""
    def name(text):
        if os.path.splitext(text)[1].lower() != extension:
            raise argparse.ArgumentTypeError('must end in {}, got {!r}'.format(extension, text))
        return text
    return name


def _parse_float(text):
    numerator, slash, denominator = text.partition('/')
    try:
        return float(numerator) / float(denominator) if slash else float(numerator)
    except (ValueError, ZeroDivisionError):
        return math.nan


def add_device_arguments(parser):
    """Add ``--device``, its old twin ``--gpu``, and ``--threads``."""
    parser.add_argument('--threads', type=positive_int,
                        help='threads that compute; unless said, OMP_NUM_THREADS or one a core')
    group = parser.add_mutually_exclusive_group()
    group.add_argument('--device', '-d', default='-1', metavar='DEVICE',
                       help='Chainer device: -1 or @numpy for the CPU, 0 or @cupy:0 for a GPU')
    group.add_argument('--gpu', '-g', dest='device', type=int, nargs='?', const=0,
                       default=argparse.SUPPRESS, metavar='ID',
                       help='the old way to say --device')


def use_device(specifier, n_threads=None):
    """Make a Chainer device the current one and return it; compute with so many threads.

    Raises:
        InputError: If there is no such device here.
    """
    # Here, so that crop_faces.py starts without Chainer.
    import picture_ranknet.machine.chainer_compat  # noqa: F401
    import chainer

    threads.use(n_threads)
    cuda, name = chainer.backends.cuda, _device_here(str(specifier))
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', 'cuDNN is not enabled')
            device = chainer.get_device(name)
            device.use()
    except Exception as e:  # of CuPy's many kinds
        why = str(e).split('\n')[0] or type(e).__name__
        if name.startswith('@cupy') and not cuda.available:
            why = 'CuPy cannot be imported ({}); python -m pip install -e ".[gpu]"'.format(
                str(cuda._resolution_error).split('\n')[0])
        raise files.InputError('--device {}: {}; -1 is the CPU'.format(specifier, why)) from e
    if device.xp is not np and not cuda.cudnn_enabled:
        note('there is no cuDNN for CuPy: convolutions take longer; see "GPU" in README.md')
    return device


def _device_here(specifier):
    """The GPU of this process: of several on a machine, each takes the next one."""
    found = re.fullmatch(r'(@cupy:)?([0-9]+)', specifier)
    return '@cupy:{}'.format(int(found[2]) + ranks.local_rank()) if found else specifier


def announce_compilation():
    """Say so when Numba begins to compile, which takes seconds."""
    try:
        from numba.core import event
    except ImportError:
        return

    class Announcer(event.Listener):

        has_spoken = False

        def on_start(self, _):
            if not self.has_spoken:
                note('compiling the kernels for this processor; this happens once')
            self.has_spoken = True

        def on_end(self, _):
            pass

    event.register('numba:compile', Announcer())


def check_features(n_features, path, model_path):
    """Raise :class:`files.InputError` if a model wants features of pictures and no file has them.

    Args:
        n_features (int): How many it wants of each picture; 0 for none.
        path (str): The file; ``None`` for none.
        model_path (str): Where the model is.
    """
    if n_features and not path:
        raise files.InputError('{}: was trained with {} features of each picture; say --features'
                               .format(model_path, n_features))


def note_if_collapsed(scores):
    """Tell the user if a model says the same of every picture."""
    if len(scores) > 1 and np.ptp(scores) < 1e-6 * max(1, np.abs(scores).max()):
        note('warning: all pictures have the same score: the model has learnt nothing; train '
             'again with more ratings or another --seed')


def note_if_odd_scale(path, X, image_scale):
    """Tell the user if ``image_scale`` leaves next to nothing of the pictures."""
    top = X[:100].max() * image_scale
    if top <= .02 or top >= 50:  # nan is said elsewhere
        note('warning: {}: the brightest pixel is {:.3g} after scaling, but networks learn best '
             'from 0 to 1; see --image_scale'.format(path, top))
