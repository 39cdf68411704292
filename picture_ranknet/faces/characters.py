"""Who is who in a set of faces: groups by look, the column ``character`` of its table.

Faces of a track are one character.  Tracks are merged by average linkage (Sokal
and Michener, *A statistical method for evaluating systematic relationships*,
University of Kansas Science Bulletin 38, 1958), as long as what a network sees
of them is alike.  A group hardly ever shows two characters, but somebody whom
a film shows from the side, too, may have two groups.
"""
import itertools
from collections.abc import Callable, Sequence

import numpy as np

from picture_ranknet.pictures import drawing
from picture_ranknet.storage import arrays, picture_set, tables
from picture_ranknet.text import count, silent

COLUMN, GROUP = 'character', 'group'  # of the table
ALIKE = .675         # mean cosine from which two groups are one
AT_ONCE = 64         # pictures that are looked at
BLOCK = 1000         # tracks that are merged at once
MOST_GROUPS = 5000   # in memory


def fill_in(path: str, note: Callable[[str], object] = silent,
            progress: Callable[[int, int], object] = silent):
    """Say of each picture of a set which character it shows, where its table does not.

    What is there stays, such as names that a person has filled in, and new
    pictures may get these; other characters are numbers, from 0.

    Args:
        path: The ``.npy`` file; its table lies beside it.
        note: Called with a line for the user: how many there are.
        progress: Called with the number of pictures that were looked at, and of all.

    Raises:
        MissingWeights: If the weights of EfficientNet-Lite0 are not installed.
        InputError: If the table does not fit the pictures.
    """
    X = arrays.read_pictures(path)
    columns, *rows = picture_set.read_table(path, len(X))
    if COLUMN not in columns:
        columns, rows = [*columns, COLUMN], [[*row, ''] for row in rows]
    place = columns.index(COLUMN)
    known = [row[place].strip() for row in rows]
    group = columns.index(GROUP) if GROUP in columns else None
    tracks = [row[group] if group is not None and row[group] else number
              for number, row in enumerate(rows)]
    names = name_tracks(X, tracks, known, _open_eye(), note, progress)
    for row, name in zip(rows, names):
        row[place] = name
    tables.write_table(tables.table_path(path), ['row', *columns],
                       ([number, *row] for number, row in enumerate(rows)))
    note(f'{tables.table_path(path)}: {count(len(set(names) - {""}), "character")} by their looks; '
         'some may have several numbers, look them through')


def name_tracks(X: np.ndarray, tracks: Sequence, known: Sequence[str], see: Callable,
                note: Callable[[str], object] = silent,
                progress: Callable[[int, int], object] = silent) -> list[str]:
    """The character of each picture.

    Args:
        X: Pictures, shape ``(N, 3, H, W)``.
        tracks: Of each; pictures of one track get one name.
        known: The character of each, or ``''``.
        see: Makes vectors of length 1, shape ``(B, D)``, of some pictures.
        note, progress: As of :func:`fill_in`.
    """
    of_track = {track: name for track, name in zip(tracks, known) if name}
    names = [name or of_track.get(track, '') for track, name in zip(tracks, known)]
    parts = {}   # the rows of a track that have one name, or none
    for row, key in enumerate(zip(tracks, names)):
        parts.setdefault(key, []).append(row)
    done = 0

    def look(keys):
        nonlocal done
        for key in keys:
            done += len(parts[key])
            yield _look(X, parts[key], see)
            progress(done, len(X))

    groups = {}  # of each name, the sum of the vectors of its tracks, and their number

    def add(name, vector):
        total, n = groups.get(name, (0, 0))
        groups[name] = total + vector, n + 1

    named = [key for key in parts if key[1]]
    for key, vector in zip(named, look(named)):
        add(key[1], vector)
    others = [key for key in parts if not key[1]]
    for start in range(0, len(others), BLOCK):
        if len(groups) > MOST_GROUPS:
            note(f'{count(len(others) - start, "track")} without a character: there are over '
                 f'{MOST_GROUPS:,} already')
            break
        block = others[start:start + BLOCK]
        seen, before = list(look(block)), dict(enumerate(groups))
        numbers = merge(np.stack([*(total / n for total, n in groups.values()), *seen]),
                        np.array([*(n for _, n in groups.values()), *[1] * len(block)]),
                        len(before))
        for key, vector, number in zip(block, seen, numbers[len(before):].tolist()):
            if number not in before:
                before[number] = next(name for name in map(str, itertools.count())
                                      if name not in groups)
            add(before[number], vector)
            for row in parts[key]:
                names[row] = before[number]
    return names


def check_weights():
    """Raise :class:`MissingWeights` if the weights are not installed that :func:`fill_in` needs."""
    from picture_ranknet.models import efficientnet

    efficientnet.weights_path()


def _open_eye():
    from picture_ranknet.models import glance

    return glance.open_eye_for_faces()


def _look(X, rows, see):
    """What is seen of a track, of length 1."""
    total = 0
    for start in range(0, len(rows), AT_ONCE):
        pictures = [np.asarray(drawing.to_image(X[row])).transpose(2, 0, 1)  # HWC -> CHW
                    for row in rows[start:start + AT_ONCE]]
        total = total + see(np.stack(pictures)).sum(axis=0)
        arrays.release(X)
    return total / max(np.linalg.norm(total), 1e-6)


def merge(means: np.ndarray, counts: np.ndarray, n_apart: int = 0,
          alike: float = ALIKE) -> np.ndarray:
    """Average linkage.

    Args:
        means: Of groups to begin with, shape ``(n, D)``: means of vectors of
            length 1, so that a product of two is the mean cosine.
        counts: Vectors in each.
        n_apart: The first ones, which stay apart from each other.
        alike: Mean cosine from which groups are merged.

    Returns:
        numpy.ndarray: For each, the lowest number of those it is in one group with.
    """
    cosines = means @ means.T
    cosines[:n_apart, :n_apart] = -np.inf
    np.fill_diagonal(cosines, -np.inf)
    counts, group = counts.astype(float), np.arange(len(means))
    while len(means) > 1:
        i, j = sorted(np.unravel_index(cosines.argmax(), cosines.shape))
        if cosines[i, j] < alike:
            break
        row = (counts[i] * cosines[i] + counts[j] * cosines[j]) / (counts[i] + counts[j])
        row[i] = -np.inf
        cosines[i], cosines[:, i] = row, row
        cosines[j], cosines[:, j] = -np.inf, -np.inf
        counts[i] += counts[j]
        group[group == j] = i
    return group
