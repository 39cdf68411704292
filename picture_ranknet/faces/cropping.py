"""Crops faces from videos and pictures: what ``crop_faces.py`` does, without its options.

:mod:`.crops` has the three steps: find, choose, write.
"""
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, Optional

from picture_ranknet.faces.crops import choose_faces, find_faces, gather
from picture_ranknet.faces.existing import read_to_append
from picture_ranknet.faces.outputs import Outputs, edit
from picture_ranknet.faces.settings import SIZE, Rules, Search
from picture_ranknet.machine import ranks
from picture_ranknet.machine.opencv import check_opencv
from picture_ranknet.pictures import limits
from picture_ranknet.pictures.sources import find_sources
from picture_ranknet.storage import picture_set
from picture_ranknet.text import count, no_bar, silent


def crop(sources: Sequence[str], outputs: Outputs, search: Optional[Search] = None,
         rules: Optional[Rules] = None, *, size: int = SIZE, append: bool = False,
         force: bool = False, note: Callable[[str], object] = silent,
         pass_notes_on: Callable[[], object] = silent, say: Callable[[str], object] = silent,
         bar: Callable[[str, str], Callable] = no_bar, **reading: Any) -> None:
    """Crop faces, or add them to a set; of several processes, all must call this.

    Args:
        sources: Videos, pictures and folders of them.
        outputs: What to write.
        search: How to search; ``None``: the defaults.
        rules: What is dropped; ``None``: the defaults.
        size: Side of a crop in pixels.
        append: Whether to add to the existing set.
        force: Whether to replace existing files.
        note: Called with a line for the user.
        pass_notes_on: Called when all processes have searched.
        say: Called with each line of the result.
        bar: Called with a unit and a description; returns a ``progress=``, which
            is called with how much is done and how much there is.
        reading: More arguments of :func:`.crops.find_faces`: ``whole_pictures``,
            ``margin``, ``fps``, ``every``, ``skip_still``, ``max_pixels``, ``resume``.

    Raises:
        InputError: If there is no face, none is kept, or a file exists and must
            not be overwritten.
        KeyboardInterrupt: With a message that says how to continue.
    """
    start = time.monotonic()
    _finish(outputs.pictures)
    check_opencv()
    outputs.check(force, append)
    existing = read_to_append(outputs.pictures, size, outputs.ratings, append)
    paths, n_others = find_sources(sources, leave_out=outputs.in_folders())
    outputs.check_inputs(paths, search.cascade if search else None)
    found = find_faces(paths, outputs.part, search=search, size=size, note=note,
                       progress=bar('frames', None), **reading)
    pass_notes_on()
    found = gather(found, note)
    if not found:  # the first process has everything
        return
    choice = choose_faces(found, rules, existing, note, bar('faces', 'comparing'))
    outputs.write(found, choice, existing, note, bar('pictures', 'writing'))
    if n_others:
        note(f'{count(n_others, "file")} skipped: neither pictures nor videos')
    for line in outputs.describe(found, choice, existing, time.monotonic() - start):
        say(line)


def change(outputs: Outputs, rows: Optional[Collection[int]] = None,
           max_pixels: int = limits.MAX_PIXELS, force: bool = False,
           note: Callable[[str], object] = silent, say: Callable[[str], object] = silent,
           bar: Callable[[str, str], Callable] = no_bar) -> None:
    """Change an existing set, or draw it; of several processes, the first one does it.

    Args:
        outputs, rows, max_pixels, force, note: As for :func:`.outputs.edit`.
        say, bar: As for :func:`crop`.

    Raises:
        InputError: As for :func:`.outputs.edit`.
    """
    _finish(outputs.pictures)
    if ranks.is_first():
        say(edit(outputs, rows, max_pixels, force, note, bar('pictures', 'writing')))


def _finish(path):
    """Finish an interrupted change to the set."""
    if ranks.is_first():
        picture_set.finish(path)
    ranks.tell(None)  # the others wait for it
