"""What ``storage.atomic`` is about to offer under the same name; then this file goes."""
import itertools
import os
from types import MappingProxyType

from picture_ranknet.errors import InputError
from picture_ranknet.storage.atomic import _is_special, check_output


def check_outputs(outputs, inputs=MappingProxyType({})):
    """Raise :class:`InputError` if two outputs are one file, or an output is an input.

    Both map options to a path, several paths or ``None``.
    """
    written, read = _flatten(outputs), _flatten(inputs)
    for _, path in written:
        check_output(path)
    regular = [(option, path) for option, path in written if not _is_special(path)]
    for (option, path), (other, other_path) in itertools.combinations(regular, 2):
        if os.path.realpath(path) == os.path.realpath(other_path):
            raise InputError(f'{path}: {option} and {other} would write to this file; choose '
                             'another name for one of them')
    for option, path in regular:
        for other, other_path in read:
            if os.path.realpath(path) == os.path.realpath(other_path):
                raise InputError(f'{path}: {option} would overwrite what {other} reads; choose '
                                 'another name')


def _flatten(paths):
    return [(option, path) for option, value in paths.items() if value is not None
            for path in ([value] if isinstance(value, str) else value)]
