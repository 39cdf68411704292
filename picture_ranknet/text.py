"""What messages of all rooms share: how numbers and commands read, and who hears nothing."""
import os
import shlex
import subprocess
from collections.abc import Callable


def count(n: int, noun: str) -> str:
    """A number with its noun: ``1 face``, ``1,234 faces``."""
    return f'{n:,} {noun}' + ('' if n == 1 else 's')


CONTROLS = {code: repr(chr(code))[1:-1] for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}


def one_line(message: str) -> str:
    """A message without what the name of a file may do to a terminal: new lines, colours."""
    return message.translate(CONTROLS)


def silent(*_) -> None:
    """What ``note=`` and ``progress=`` of a room are unless a caller wants to hear."""


def no_bar(unit: str, desc: str) -> Callable[[int, int], object]:
    """What ``bar=`` of a room is unless a caller wants to see how far it is."""
    return silent


def adding_up(progress: Callable[[int, int], object], total: int) -> Callable[[int], object]:
    """Of a ``progress=`` that wants how much is done in all, one that takes what was done now."""
    done = 0

    def add(n):
        nonlocal done
        done += n
        progress(done, total)
    return add


def quote_command(*words: str) -> str:
    """A command as one pastes it into a terminal."""
    return subprocess.list2cmdline(words) if os.name == 'nt' else shlex.join(words)
