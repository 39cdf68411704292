"""The output files of a run: checks them, and writes the pictures among them."""
import os
import re
import shutil
from collections.abc import Callable, Iterable, Sequence, Set
from typing import NamedTuple, Optional

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.faces.characters import check_weights, fill_in
from picture_ranknet.faces.choice import REASONS
from picture_ranknet.faces.crops import Choice, Found, write_faces
from picture_ranknet.faces.existing import NOTHING, ExistingSet, remove_rows
from picture_ranknet.faces.full_size import cut_again, find_places
from picture_ranknet.faces.store import part_folders
from picture_ranknet.pictures import drawing, sheets
from picture_ranknet.pictures.limits import MAX_PIXELS
from picture_ranknet.storage import arrays, atomic, tables
from picture_ranknet.storage.atomic import check_outputs
from picture_ranknet.storage.picture_set import PICTURE
from picture_ranknet.text import count, silent


class Outputs(NamedTuple):
    """Where a run writes to; ``None`` for outputs that are not written.

    Attributes:
        pictures: The ``.npy`` file; the table goes beside it.
        crops: Folder for each crop as a PNG file.
        sheet: A contact sheet of all crops.
        dropped: Folder for sheets of what was dropped.
        ratings: The ratings of the set, which are kept in step with it.
        crop_size: Side of the PNG files in pixels, which are cut from the
            sources again; 0: original resolution; ``None``: as in the set.
        characters: Whether to identify characters in the table.
    """

    pictures: str
    crops: Optional[str] = None
    sheet: Optional[str] = None
    dropped: Optional[str] = None
    ratings: Optional[str] = None
    crop_size: Optional[int] = None
    characters: bool = False

    @property
    def table(self) -> str:
        """The table, beside the pictures."""
        return tables.table_path(self.pictures)

    @property
    def part(self) -> str:
        """The folder for what has been found while a run is in progress."""
        return os.path.splitext(self.pictures)[0] + '.part'

    def in_folders(self) -> list[str]:
        """Files and folders that do not count as sources, if they lie in a folder of sources."""
        names = [self.crops, self.sheet, self.dropped, self.part, *part_folders(self.part)]
        return [name for name in names if name]

    def written(self) -> list[str]:
        """All paths, as the command prints them at the end."""
        names = [self.pictures, self.table, self.crops, self.sheet, self.dropped, self.ratings]
        return [name for name in names if name]

    def check(self, force: bool = False, append: bool = False) -> None:
        """Raise :class:`InputError` if an output must not be written.

        Args:
            force: Whether to overwrite existing files.
            append: Whether to add to the existing set.
        """
        check_outputs({'--output': [self.pictures, self.table], '--sheet': self.sheet,
                       '--ratings': self.ratings})
        if self.characters:
            check_weights()
        if not (force or append):
            for path in self.pictures, self.table:
                if os.path.exists(path):
                    raise InputError(f'{path} exists already, and ratings may refer to its rows; '
                                     'choose another name with --output, or overwrite it with '
                                     '--force')
        if self.sheet and os.path.exists(self.sheet) and not force:
            raise InputError(f'{self.sheet} exists already; choose another name with --sheet, or '
                             'overwrite it with --force')
        _check_folder(self.crops, '--crops', 'crops', force)
        _check_folder(self.dropped, '--dropped', 'sheets', force)
        for option, folder in ('--crops', self.crops), ('--dropped', self.dropped):
            if folder and os.path.realpath(folder) == os.path.realpath(self.part):
                raise InputError(f'{folder}: a run stores what it finds in this folder; choose '
                                 f'another one for {option}')
            sheet_folder, name = os.path.split(os.path.realpath(self.sheet or ''))
            if (self.sheet and folder and os.path.realpath(folder) == sheet_folder
                    and _is_ours(name, option)):
                raise InputError(f'{self.sheet}: {option} writes to files of this name; choose '
                                 'another name with --sheet')

    def write(self, found: Found, choice: Choice, existing: ExistingSet = NOTHING,
              note: Callable[[str], None] = silent,
              progress: Callable[[int, int], None] = silent) -> None:
        """Write all outputs: what was dropped, the set, the sheet and the crops.

        ``note`` is called with a line for the user, ``progress`` with the
        number of pictures analysed or cut again, and the total.
        """
        if self.dropped:
            save_dropped(found.store.crops(), choice.reasons, self.dropped)
        write_faces(self.pictures, found, choice, existing, self.ratings)
        if self.characters:
            fill_in(self.pictures, note, progress)
        if self.sheet:
            save_sheet(arrays.read_pictures(self.pictures), self.sheet, note)
        if self.crops:
            self.write_crops(found.read.max_pixels, note, progress)

    def write_crops(self, max_pixels: int, note: Callable[[str], None] = silent,
                    progress: Callable[[int, int], None] = silent) -> None:
        """Write the crops of the set on disk.

        Args:
            max_pixels, note, progress: As for :func:`~.full_size.cut_again`.

        Raises:
            KeyboardInterrupt: With a message that says how to continue.
        """
        X = arrays.read_pictures(self.pictures)
        if self.crop_size in (None, X.shape[2] if X.shape[2] == X.shape[3] else None):
            return save_crops(enumerate(arrays.walk(X)), len(X), self.crops)
        cuts = cut_again(self.pictures, self.crop_size, max_pixels, note, progress)
        try:
            save_crops(cuts, len(X), self.crops)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f'interrupted; {self.pictures} is complete; for its crops, '
                                    'repeat the command without the sources') from None

    def describe(self, found: Found, choice: Choice, existing: ExistingSet,
                 seconds: float) -> list[str]:
        """Lines that say what a run of so many seconds has found and written."""
        what = 'picture' if found.preparation.kind == PICTURE else 'face'
        noun = f'more {what}' if len(existing.X) else what
        lines = [f'{count(len(choice.kept), noun)} from {found.read.describe()} in {seconds:.0f} s '
                 f'-> {", ".join(self.written())}']
        if choice.dropped:
            lines.append('dropped: ' + ', '.join(
                f'{n:,} {why}' for why, n in choice.dropped.items()))
        if found.read.videos:
            lines.append(f'{found.read.grabbed / seconds:.0f} frames per second: '
                         f'{found.clock.describe()}')
        return lines

    def check_inputs(self, paths: Sequence[str], cascade: Optional[str] = None) -> None:
        """Raise :class:`InputError` if an input would be overwritten, even with force.

        Args:
            paths: The videos and pictures.
            cascade: The detector.
        """
        check_outputs({'--output': [self.pictures, self.table], '--sheet': self.sheet,
                       '--ratings': self.ratings}, {'source': paths, '--cascade': cascade})
        folders = {os.path.dirname(os.path.realpath(path)) for path in paths}
        for option, folder in ('--crops', self.crops), ('--dropped', self.dropped):
            if folder and os.path.realpath(folder) in folders:
                raise InputError(f'{folder}: {option} would replace pictures in this folder, which '
                                 'contains some of the sources; choose another folder')


def _check_folder(folder, option, what, force):
    if not folder:
        return
    if not os.path.isdir(folder):
        if os.path.exists(folder):
            raise InputError(f'{folder}: expected a folder for {option}, got a file')
        atomic.check_output(folder)
    elif _ours(folder, option) and not force:
        raise InputError(f'{folder}: there are {what} of an earlier run in it; choose another '
                         f'folder with {option}, or replace them with --force')


def _ours(folder, option):
    """The files in a folder that an option writes, or wrote in an earlier run."""
    return [name for name in os.listdir(folder) if _is_ours(name, option)]


def _is_ours(name, option):
    if option == '--crops':
        return bool(re.fullmatch(r'[0-9]{5,}\.png', name))
    return name in map(_sheet_name, REASONS)


def _sheet_name(reason):
    return reason.replace(' ', '_') + '.png'


def save_crops(pictures: Iterable[tuple[int, np.ndarray]], n: int, folder: str) -> None:
    """Save pictures as PNG files named by their rows, replacing earlier ones.

    Args:
        pictures: Row and picture, CHW, in any order.
        n: The number of pictures.
        folder: Created if it does not exist.
    """
    digits = max(5, len(str(n - 1)))
    is_new = not os.path.isdir(folder)
    os.makedirs(folder, exist_ok=True)
    part = atomic.part_of(os.path.join(folder, 'crops'))
    try:
        os.mkdir(part)
        for row, img in pictures:
            drawing.to_image(img).save(os.path.join(part, f'{row:0{digits}}.png'))
        for name in _ours(folder, '--crops'):
            os.remove(os.path.join(folder, name))
        for name in os.listdir(part):
            os.replace(os.path.join(part, name), os.path.join(folder, name))
        is_new = False
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if is_new:
            os.rmdir(folder)


def save_sheet(X: np.ndarray, path: str, note: Callable[[str], None] = silent) -> None:
    """Draw all pictures with their row numbers; ``note`` is called if not all fit."""
    step = sheets.draw_sheet(path, X)
    if step > 1:
        note(f'{path}: shows one in {step} of {len(X):,} crops')


def save_dropped(crops: np.ndarray, reasons: Sequence[str], folder: str) -> None:
    """Draw what was dropped, one sheet per reason, replacing earlier sheets.

    Args:
        crops: Of all faces, shape ``(n, 3, size, size)``.
        reasons: Of each face; one of ``choice.REASONS``, or ``choice.KEPT``.
        folder: Created if it does not exist.
    """
    os.makedirs(folder, exist_ok=True)
    for reason in REASONS:
        path = os.path.join(folder, _sheet_name(reason))
        rows = [i for i, other in enumerate(reasons) if other == reason]
        if rows:
            sheets.draw_sheet(path, crops, rows)
        elif os.path.exists(path):
            os.remove(path)


def edit(outputs: Outputs, rows: Optional[Set] = None, max_pixels: int = MAX_PIXELS,
         force: bool = False, note: Callable[[str], None] = silent,
         progress: Callable[[int, int], None] = silent) -> str:
    """Remove rows of a set, and draw or save the rest; return a line about what was done.

    Args:
        outputs: The set, its ratings, and where its pictures are drawn and saved.
        rows: A set of row numbers to remove; ``None`` removes none.
        max_pixels, progress: As for :meth:`Outputs.write_crops`.
        force: As for :func:`~.existing.remove_rows`; also replaces crops.
        note: Called with a line for the user.
    """
    path = outputs.pictures
    check_outputs({'--output': [path, outputs.table], '--review': outputs.sheet,
                   '--ratings': outputs.ratings})
    if outputs.crops:
        _check_folder(outputs.crops, '--crops', 'crops', force)
        outputs.check_inputs(list(find_places(path, len(arrays.read_pictures(path)))))
    if rows:
        remove_rows(path, rows, outputs.ratings, force)
    if outputs.characters:
        fill_in(path, note, progress)
    X = arrays.read_pictures(path)
    if outputs.sheet:
        save_sheet(X, outputs.sheet, note)
    if outputs.crops:
        outputs.write_crops(max_pixels, note, progress)
    written = ', '.join(filter(None, [
        rows and path, outputs.characters and outputs.table, rows and outputs.ratings,
        outputs.sheet, outputs.crops]))
    if not rows:
        return f'{count(len(X), "picture")} -> {written}'
    return f'{count(len(rows), "picture")} removed, {len(X):,} left -> {written}'
