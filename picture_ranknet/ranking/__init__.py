"""Scoring files, folders and sets; stars, galleries, sorting and sidecars from the scores."""
import os


def is_set(path: str) -> bool:
    """Whether a path is read as an ``X.npy``: by its name, or as a file of no known media type."""
    from picture_ranknet.pictures.sources import is_wanted  # not needed to show --help

    return path.lower().endswith('.npy') or (
        os.path.exists(path) and not os.path.isdir(path) and not is_wanted(path))
