"""Notes and progress bars on standard error; standard output is for results."""
import contextlib
import itertools
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Optional

from picture_ranknet.machine import ranks
from picture_ranknet.text import one_line

if TYPE_CHECKING:
    import tqdm

_kept = []


def note(message: str) -> None:
    """Print a line that is not part of a command's result.

    All processes but the first keep it for :func:`pass_notes_on`.
    """
    message = one_line(message)
    if not ranks.is_first():
        _kept.append(message)
    elif 'tqdm' in sys.modules:
        sys.modules['tqdm'].tqdm.write(message, file=sys.stderr)  # above a progress bar
    else:
        print(message, file=sys.stderr)


def pass_notes_on() -> None:
    """Let the first process print the notes of the others; all processes must call this."""
    for message in itertools.chain(*ranks.collect(_kept)):
        note(message)
    _kept.clear()


def progress(total: int, unit: str, desc: Optional[str] = None) -> 'tqdm.tqdm':
    """A progress bar on a terminal, and nothing where standard error is redirected.

    Args:
        total: The number of steps.
        unit: What is counted, such as ``'pictures'``.
        desc: What is being done, such as ``'scoring'``.

    Returns:
        For a ``with`` statement; ``update(n)`` adds ``n``.
    """
    import tqdm  # here, so that `--help` does not wait for it

    return tqdm.tqdm(total=total, unit=' ' + unit, desc=desc, leave=False, disable=None)


def follow(bar: 'tqdm.tqdm') -> Callable[[int, int], None]:
    """A ``progress=`` callable for a room; it takes the steps done so far and the total."""
    def progress(done, total):
        bar.total = total
        bar.update(done - bar.n)
    return progress


@contextlib.contextmanager
def bars() -> Iterator[Callable[[str, str], Callable[[int, int], None]]]:
    """Progress bars for a room with several tasks; each appears at its first step.

    Yields:
        A function of ``unit`` and ``desc``, see :func:`progress`; it returns a
        ``progress=`` callable, as :func:`follow` does.
    """
    with contextlib.ExitStack() as stack:
        def bar_of(unit, desc):
            def step(done, total):
                nonlocal update
                if update is None:
                    update = follow(stack.enter_context(progress(total, unit, desc)))
                update(done, total)

            update = None
            return step
        yield bar_of


def say(line: str) -> None:
    """Print a line of a command's result at once, above a progress bar if there is one."""
    if 'tqdm' in sys.modules:
        sys.modules['tqdm'].tqdm.write(line)
        sys.stdout.flush()
    else:
        print(line, flush=True)
