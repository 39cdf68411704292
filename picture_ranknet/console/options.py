"""Option parsers, and ``argparse`` types that validate a value and say what is expected."""
import argparse
import bisect
import collections.abc
import itertools
import math
import os
from collections.abc import Callable, Iterable


def parser(prog: str, description: str) -> argparse.ArgumentParser:
    """A parser whose help shows the defaults."""
    return argparse.ArgumentParser(
        prog=prog, description=description, formatter_class=_HelpFormatter)


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):

    def _get_help_string(self, action):
        if action.default is None or action.default is False or action.default == []:
            return action.help
        text = super()._get_help_string(action)
        if isinstance(action.default, float):  # 6e+08 and 20, not 600000000.0 and 20.0
            text = text.replace('%(default)s', '%(default)g')
        return text


# Numbers

def int_from(lowest: int, highest: float = math.inf) -> Callable[[str], int]:
    """Make a type: a whole number in this range, both ends included."""
    def whole_number(text):
        if not text.isdecimal() or not lowest <= int(text) <= highest:
            expected = f'>= {lowest}' if highest == math.inf else f'from {lowest} to {highest}'
            raise argparse.ArgumentTypeError(f'must be a whole number {expected}, got {text!r}')
        return int(text)
    return whole_number


positive_int = int_from(1)
natural_int = int_from(0)
seed = int_from(0, 2 ** 32 - 1)  # what NumPy's generators take


def size_from(lowest: int, highest: int) -> Callable[[str], tuple[int, int]]:
    """Make a type: a width and a height in this range, such as ``24x24``."""
    def size(text):
        sides = text.split('x')
        if len(sides) != 2 or not all(
                side.isdecimal() and lowest <= int(side) <= highest for side in sides):
            raise argparse.ArgumentTypeError(f'must be a width and a height from {lowest} to '
                                             f'{highest}, such as 24x24, got {text!r}')
        return int(sides[0]), int(sides[1])
    return size


def _float_type(expected: str, is_right: Callable[[float], bool]) -> Callable[[str], float]:
    """Make a type: a number, also written as a fraction such as ``1/255``."""
    def number(text):
        numerator, slash, denominator = text.partition('/')
        try:
            value = float(numerator) / float(denominator) if slash else float(numerator)
        except (ValueError, ZeroDivisionError):
            value = math.nan
        if not is_right(value):
            raise argparse.ArgumentTypeError(f'must be {expected}, got {text!r}')
        return value
    return number


positive_float = _float_type('a number above 0', lambda x: 0 < x < math.inf)
above_one = _float_type('a number above 1', lambda x: 1 < x < math.inf)
natural_float = _float_type('a number >= 0', lambda x: 0 <= x < math.inf)
strength = _float_type('a number from 0 to 5', lambda x: 0 <= x <= 5)
ratio = _float_type('between 0 and 1', lambda x: 0 < x < 1)


# Rows, file names

class Rows(collections.abc.Set):

    """A set of row numbers, kept as ranges: ``0-2000000`` takes no more memory than ``0``.

    Args:
        ranges: Of row numbers; they may overlap.
    """

    def __init__(self, ranges: Iterable[range]):
        self._ranges = []
        for part in sorted(ranges, key=lambda part: part.start):
            last = self._ranges[-1] if self._ranges else None
            if last and part.start <= last.stop:
                self._ranges[-1] = range(last.start, max(last.stop, part.stop))
            else:
                self._ranges.append(part)
        self._starts = [part.start for part in self._ranges]

    def __contains__(self, row):
        place = bisect.bisect(self._starts, row) - 1
        return place >= 0 and row in self._ranges[place]

    def __iter__(self):
        return itertools.chain(*self._ranges)

    def __len__(self):
        return sum(map(len, self._ranges))


def row_numbers(text: str) -> Rows:
    """A type: a set of rows, counted from 0, such as ``3,17,20-24``."""
    ranges = []
    for part in text.split(','):
        first, dash, last = part.strip().partition('-')
        if not _is_row(first) or dash and not (_is_row(last) and int(first) <= int(last)):
            raise argparse.ArgumentTypeError(
                f'must be row numbers such as 3,17,20-24, got {part!r}')
        ranges.append(range(int(first), int(last or first) + 1))
    return Rows(ranges)


def _is_row(text):
    return text.isdecimal() and len(text) <= 12


def file_ending(extension: str) -> Callable[[str], str]:
    """Make a type: a file name with this ending, such as ``'.png'``."""
    def name(text):
        if os.path.splitext(text)[1].lower() != extension:
            raise argparse.ArgumentTypeError(f'must end in {extension}, got {text!r}')
        return text
    return name


# Options that several commands have

def add_device_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``, its older name ``--gpu``, and ``--threads``."""
    parser.add_argument('--threads', type=positive_int, metavar='N',
                        help='compute threads (default: OMP_NUM_THREADS, or one per core)')
    group = parser.add_mutually_exclusive_group()
    group.add_argument('--device', '-d', default='-1', metavar='DEVICE',
                       help='Chainer device: -1 or @numpy for the CPU, 0 or @cupy:0 for a GPU')
    group.add_argument('--gpu', '-g', dest='device', type=int, nargs='?', const=0,
                       default=argparse.SUPPRESS, metavar='ID',
                       help='the same as --device, as in older Chainer programs')
