"""Helpers for the messages of all rooms: numbers, commands, and callables that ignore them."""
import os
import shlex
import subprocess
from collections.abc import Callable


def count(n: int, noun: str) -> str:
    """A number with its noun: ``1 face``, ``1,234 faces``."""
    return f'{n:,} {noun}' + ('' if n == 1 else 's')


CONTROLS = {code: repr(chr(code))[1:-1] for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}


def one_line(message: str) -> str:
    """A message with control characters escaped, such as new lines or colours in a file name."""
    return message.translate(CONTROLS)


def silent(*_) -> None:
    """The default ``note=`` and ``progress=`` of a room: does nothing."""


def no_bar(unit: str, desc: str) -> Callable[[int, int], object]:
    """What ``bar=`` of a room is unless a caller wants to see how far it is."""
    return silent


def adding_up(progress: Callable[[int, int], object], total: int) -> Callable[[int], object]:
    """Wrap a ``progress=`` that takes a running total in one that takes increments."""
    done = 0

    def add(n):
        nonlocal done
        done += n
        progress(done, total)
    return add


def quote_command(*words: str) -> str:
    """A command, quoted for pasting into a terminal."""
    return subprocess.list2cmdline(words) if os.name == 'nt' else shlex.join(words)
