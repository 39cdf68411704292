"""The training record in the file of a cascade, so that its training can be continued."""
import os
import re
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.faces.training import lbp_file
from picture_ranknet.faces.training.lbp import Cascade
from picture_ranknet.faces.training.samples import Scene
from picture_ranknet.text import count


def fingerprint(patches: np.ndarray, scenes: Sequence[Scene], options: Mapping) -> str:
    """A line that identifies pictures and options.

    Args:
        patches: Patches of faces.
        scenes: Scenes without faces.
        options: All options that the stages depend on.
    """
    crc = zlib.crc32(patches)
    for scene in scenes:
        crc = zlib.crc32(np.ascontiguousarray(scene.gray), crc)
        crc = zlib.crc32(scene.boxes, crc)
    crc = zlib.crc32(repr(sorted(options.items())).encode(), crc)
    return f'Samples: {crc:08x}'


def describe(cascade: Cascade, n_faces: int, n_scenes: int, hit_rate: float, false_alarm: float,
             command: str, samples: str) -> str:
    """The comment in the file: how the cascade was trained, on what, and by which command.

    Args:
        cascade: The cascade so far.
        n_faces: Number of faces.
        n_scenes: Number of pictures without faces.
        hit_rate: Fraction of held-out faces that pass all stages.
        false_alarm: Fraction of other windows that do.
        command: The command line.
        samples: The :func:`fingerprint`.
    """
    return (f'A cascade of multi-block LBP features for OpenCV, {cascade.width} x '
            f'{cascade.height} pixels.\n'
            f'{count(len(cascade.stages), "stage")} after {count(n_faces, "face")} and '
            f'{count(n_scenes, "picture")} without, by Gentle AdaBoost;\n'
            f'held-out faces that pass all stages: {hit_rate:.4f}; other windows: '
            f'{false_alarm:.2g}.\n'
            f'{command}\n{samples}')


def read_stages(path: str, size: tuple[int, int], samples: str) -> tuple[Cascade, float]:
    """Read the stages to continue from; none where there is no file yet.

    Args:
        path: The ``.xml`` file.
        size: Width and height of the window of a new cascade.
        samples: The :func:`fingerprint` of pictures and options.

    Returns:
        The cascade, and the fraction of windows without faces that pass it.

    Raises:
        InputError: If they were trained with other pictures or options.
    """
    if not os.path.exists(path):
        return Cascade(*size), 1.
    cascade, comment = lbp_file.read(path)
    if samples not in comment.splitlines():
        raise InputError(f'{path}: expected stages trained on these pictures with these options, '
                         'got others; repeat its command, or start over with --force')
    return cascade, float(re.search(r'other windows: ([\d.e-]*\d)', comment)[1])
