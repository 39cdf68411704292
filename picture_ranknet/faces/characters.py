"""Clusters the faces of a set by character: the column ``character`` of its table.

Faces of a track are one character.  Tracks are clustered by average linkage
(Sokal and Michener, *A statistical method for evaluating systematic
relationships*, University of Kansas Science Bulletin 38, 1958) on the features
of a network.  A cluster hardly ever shows two characters, but a character who
is also shown in profile may have two clusters.
"""
import itertools
from collections.abc import Callable, Sequence

import numpy as np

from picture_ranknet.pictures import drawing
from picture_ranknet.storage import arrays, picture_set, tables
from picture_ranknet.text import count, silent

COLUMN, GROUP = 'character', 'group'  # of the table
ALIKE = .675         # mean cosine similarity from which two clusters are merged
AT_ONCE = 64         # pictures per batch
BLOCK = 1000         # tracks clustered at a time
MOST_GROUPS = 5000   # in memory


def fill_in(path: str, note: Callable[[str], object] = silent,
            progress: Callable[[int, int], object] = silent) -> None:
    """Fill in the character that each picture of a set shows, where the table has none.

    Existing entries stay, such as names that a person has filled in, and new
    pictures may get them; other characters are numbers, from 0.

    Args:
        path: The ``.npy`` file; its table lies beside it.
        note: Called with a line for the user: the number of characters.
        progress: Called with the number of pictures analysed, and the total.

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
    note(f'{tables.table_path(path)}: {count(len(set(names) - {""}), "character")} found; some may '
         'have several numbers, please check')


def name_tracks(X: np.ndarray, tracks: Sequence, known: Sequence[str], see: Callable,
                note: Callable[[str], object] = silent,
                progress: Callable[[int, int], object] = silent) -> list[str]:
    """The character of each picture.

    Args:
        X: Pictures, shape ``(N, 3, H, W)``.
        tracks: The track of each; pictures of one track get one name.
        known: The character of each, or ``''``.
        see: Computes feature vectors of length 1, shape ``(B, D)``, from pictures.
        note, progress: As for :func:`fill_in`.
    """
    of_track = {track: name for track, name in zip(tracks, known) if name}
    names = [name or of_track.get(track, '') for track, name in zip(tracks, known)]
    parts = {}   # the rows of a track with the same name, or none
    for row, key in enumerate(zip(tracks, names)):
        parts.setdefault(key, []).append(row)
    done = 0

    def look(keys):
        nonlocal done
        for key in keys:
            done += len(parts[key])
            yield _look(X, parts[key], see)
            progress(done, len(X))

    groups = {}  # name -> (sum of the vectors of its tracks, their number)

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


def check_weights() -> None:
    """Raise :class:`MissingWeights` if weights that :func:`fill_in` needs are not installed."""
    from picture_ranknet.models import efficientnet

    efficientnet.weights_path()


def _open_eye():
    from picture_ranknet.models import glance

    return glance.open_eye_for_faces()


def _look(X, rows, see):
    """The mean feature vector of a track, scaled to length 1."""
    total = 0
    for start in range(0, len(rows), AT_ONCE):
        pictures = [np.asarray(drawing.to_image(X[row])).transpose(2, 0, 1)  # HWC -> CHW
                    for row in rows[start:start + AT_ONCE]]
        total = total + see(np.stack(pictures)).sum(axis=0)
        arrays.release(X)
    return total / max(np.linalg.norm(total), 1e-6)


def merge(means: np.ndarray, counts: np.ndarray, n_apart: int = 0,
          alike: float = ALIKE) -> np.ndarray:
    """Cluster by average linkage.

    Args:
        means: Of the initial clusters, shape ``(n, D)``: means of vectors of
            length 1, so that a product of two is their mean cosine similarity.
        counts: Number of vectors in each.
        n_apart: The first ``n_apart`` clusters are not merged with each other.
        alike: Mean cosine similarity from which clusters are merged.

    Returns:
        numpy.ndarray: For each, the lowest index in its cluster.
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
