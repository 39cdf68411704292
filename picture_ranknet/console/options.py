"""The options of the commands: parsers, and types that check a value."""
import argparse
import math
import os


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
