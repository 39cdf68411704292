"""Uses a ranking of files: writes a gallery, folders by stars or rank, and sidecars."""
import os
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Optional

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.models.calibration import Scale
from picture_ranknet.pictures import gallery, thumbnails, xmp_ratings
from picture_ranknet.ranking.items import Item, best_of_files
from picture_ranknet.ranking.settings import Uses
from picture_ranknet.storage import arrays, atomic, sidecars, sorting
from picture_ranknet.text import adding_up, count, silent

MOST_NAMED = 5  # failed sidecars named one by one; further ones are only counted


def check_folders(gallery_folder: Optional[str], sorted_folder: Optional[str],
                  others: Mapping = MappingProxyType({})) -> None:
    """Refuse folders that hold something else, before anything is read.

    Args:
        gallery_folder: Must be new, empty, or a gallery; ``None`` for no gallery.
        sorted_folder: Must be new or empty; ``None`` for no sorting.
        others: Paths of other options, which must not lie in either; see
            :func:`~picture_ranknet.storage.atomic.check_outside`.

    Raises:
        InputError: If one is not, or lies in the other.
    """
    if gallery_folder:
        gallery.check_folder(gallery_folder)
    if sorted_folder:
        sorting.check_folder(sorted_folder)
    atomic.check_outside('--gallery', gallery_folder, {**others, '--sort_into': sorted_folder})
    atomic.check_outside('--sort_into', sorted_folder, {**others, '--gallery': gallery_folder})


def use(items: Sequence[Item], X: np.ndarray, scale: Optional[Scale], uses: Uses,
        model_path: str, say: Callable[[str], object] = silent,
        note: Callable[[str], object] = silent,
        progress: Callable[[int, int], object] = silent) -> None:
    """Write sidecars, sort files and make a gallery, in this order, as requested.

    Args:
        items: Best first.
        X: The pictures, shape ``(N, 3, H, W)``.
        scale: The person's; needed for sidecars and folders by stars.
        uses: What is wanted.
        model_path: The file of the model, which the gallery names.
        say: Called with a line for each thing done.
        note: Called with a line for each thing that could not be done.
        progress: Called with the number of thumbnails done, and the total.

    Raises:
        InputError: If a folder is not empty, or the disk does not support links.
        OSError: If files cannot be written.
    """
    jpegs = []
    if uses.gallery:  # before files move away
        jpegs = thumbnails_of(items, adding_up(progress, len(items)))
    if uses.xmp:
        say(describe_sidecars(*write_sidecars(items, scale, note)))
    moved = {}
    if uses.sort_into:
        moved = sort_files(uses.sort_into, items, scale, uses.way, uses.by_rank)
        say(f'{count(sum(item.is_best for item in items), "file")} -> {uses.sort_into}')
    if uses.gallery:
        title = f'{count(len(items), "picture")} by {os.path.basename(model_path)}'
        write_gallery(uses.gallery, items, jpegs, X, scale, title, moved)
        say(f'gallery: {os.path.join(uses.gallery, "index.html")}')


# Gallery

def thumbnails_of(items: Sequence[Item], progress: Callable[[int], object] = silent) -> list:
    """Thumbnails of items, from their sources; ``None`` where the source no longer exists."""
    return thumbnails.read([item.place for item in items], gallery.SIDE, progress)


def write_gallery(folder: str, items: Sequence[Item], jpegs: Sequence, X: np.ndarray,
                  scale: Optional[Scale], title: str, moved: Optional[dict] = None) -> None:
    """Write a gallery of items.

    Args:
        folder: New, empty, or a gallery to replace.
        items: Best first.
        jpegs: From :func:`thumbnails_of`; where one is missing, the crop is shown.
        X: The pictures, shape ``(N, 3, H, W)``.
        scale: For stars and probabilities.
        title: Title of the page.
        moved: Maps the old path of each moved file to its new one.
    """
    scores = np.array([item.score for item in items])
    stars = scale.stars(scores) if scale else None
    probabilities = scale.probability(scores) if scale else None

    def entries():
        for i, (item, jpeg) in enumerate(zip(items, jpegs)):
            yield gallery.Entry(
                thumbnails.open_thumbnail(jpeg) if jpeg else _pixels(X, item.row),
                (moved or {}).get(item.source, item.source), item.score, item.time,
                int(stars[i]) if scale else None, float(probabilities[i]) if scale else None)

    gallery.write(folder, entries(), title)


def _pixels(X, row):
    picture = arrays.take(X, np.array([row]))[0]
    if picture.dtype != np.uint8:
        top = picture.max() or 1
        picture = np.clip(picture / top * 255, 0, 255).astype(np.uint8)
    return picture.transpose(1, 2, 0)  # CHW -> HWC


# Folders

def sort_files(folder: str, items: Sequence[Item], scale: Optional[Scale], way: str,
               is_by_rank: bool) -> dict:
    """Sort files into a new or empty folder, by their best scores.

    Args:
        folder: The target folder.
        items: Best first.
        scale: For stars; not needed by rank.
        way: ``'link'``, ``'copy'`` or ``'move'``; sidecars are copied and moved along.
        is_by_rank: One folder in which names begin with the rank, instead of one
            for each number of stars.

    Returns:
        dict: Maps the old path of each file to its new one; empty unless moved.

    Raises:
        InputError: If the folder is not empty, or the disk does not support
            links.
    """
    best = best_of_files(items)
    files = list(best)
    if is_by_rank:
        places = sorting.by_rank(files)
    else:
        stars = scale.stars(np.array([item.score for item in best.values()]))
        places = sorting.by_stars(files, stars)
    sorting.sort_into(folder, places if way == 'link' else sorting.with_sidecars(places), way)
    return {} if way != 'move' else sorting.moved_to(folder, places)


# Sidecars

def write_sidecars(items: Sequence[Item], scale: Scale,
                   note: Callable[[str], object] = silent) -> tuple:
    """Write stars and scores of files into their sidecars; a person's ratings stay.

    Args:
        items: Items of existing files.
        scale: For stars.
        note: Called with a line for each sidecar that could not be written.

    Returns:
        tuple: The numbers of sidecars written, rated by a person, and failed.
    """
    best = best_of_files(items)
    n_written = n_kept = n_failed = 0
    stars = scale.stars(np.array([item.score for item in best.values()])) if best else []
    for (source, item), k in zip(best.items(), stars):
        try:
            is_written = (not xmp_ratings.embedded_rating(source)
                          and sidecars.write(source, int(k), item.score))
        except (InputError, OSError) as e:
            n_failed += 1
            if n_failed <= MOST_NAMED:
                note(f'skipped {e}' if isinstance(e, InputError)
                     else f'skipped {sidecars.sidecar_path(source)}: {e.strerror or e}')
            continue
        n_written += is_written
        n_kept += not is_written
    if n_failed > MOST_NAMED:
        note(f'{count(n_failed, "sidecar")} could not be written')
    return n_written, n_kept, n_failed


def describe_sidecars(n_written: int, n_rated: int, n_failed: int) -> str:
    """One line about sidecars; arguments as :func:`write_sidecars` returns them."""
    return (f'{count(n_written, "sidecar")} written'
            + (f', {n_rated:,} rated by a person left unchanged' if n_rated else '')
            + (f', {n_failed:,} failed' if n_failed else ''))
