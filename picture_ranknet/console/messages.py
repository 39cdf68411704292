"""Notes and progress bars on the error output, which no program has to read."""
import itertools
import sys

import tqdm

from picture_ranknet.machine import ranks


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


def progress(total, unit, desc=None):
    """A progress bar on a terminal; nothing where the error output is piped."""
    return tqdm.tqdm(total=total, unit=' ' + unit, desc=desc, leave=False, disable=None)


def follow(bar):
    """A ``progress=`` for a room, called with how much is done and how much there is in all."""
    def progress(done, total):
        bar.total = total
        bar.update(done - bar.n)
    return progress
