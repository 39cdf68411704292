"""Finding faces in frames, choosing the best of them, and storing them.

    from picture_ranknet.faces import Rules, Search, choose_faces, find_faces, write_faces

    found = find_faces(['film.mp4'], 'X.part', search=Search(min_neighbors=4))
    choice = choose_faces(found, Rules(min_sharpness=15, per_track=3))
    write_faces('X.npy', found, choice)

Modules of this room import each other directly; the names below are for
everybody else.
"""
import importlib

from picture_ranknet.faces.settings import Rules, Search  # noqa: F401

_MODULES = {'FaceDetector': 'detector', 'Finding': 'detector', 'find_faces': 'crops',
            'gather': 'crops', 'choose_faces': 'crops', 'write_faces': 'crops',
            'crop_box': 'crops', 'follow_folder': 'folders'}


def __getattr__(name):
    """Import modules that need OpenCV only when they are used, so that ``--help`` is fast."""
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'{__name__}.{_MODULES[name]}'), name)
