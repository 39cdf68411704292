import json
import os
import pathlib

import numpy as np
import pytest

from picture_ranknet.errors import InputError
from picture_ranknet.storage import arrays, atomic, replacing


@pytest.fixture
def parts(tmp_path):
    """Two old files and complete new ones beside them; paths of both kinds."""
    targets = [str(tmp_path / name) for name in ('X.npy', 'X.csv')]
    parts = list(map(atomic.part_of, targets))
    for paths, content in (targets, 'old'), (parts, 'new'):
        for path in paths:
            pathlib.Path(path).write_text(content)
    return parts, targets


def contents(paths):
    return [pathlib.Path(path).read_text() for path in paths]


def test_all_files_are_replaced(parts, tmp_path):
    replacing.replace_all(parts[1][0], *parts, parts[1])
    assert contents(parts[1]) == ['new', 'new']
    assert sorted(os.listdir(tmp_path)) == ['X.csv', 'X.npy']


@pytest.mark.parametrize('n_moved, expected', [(0, ['old', 'old']), (1, ['new', 'old'])])
def test_a_failure_leaves_all_old_or_a_note_to_finish_by(parts, monkeypatch, n_moved, expected):
    replace, path = os.replace, parts[1][0]
    moved = []

    def fail(source, target):
        if source in parts[0]:
            if len(moved) == n_moved:
                raise OSError(5, 'Input/output error', source)
            moved.append(target)
        replace(source, target)

    monkeypatch.setattr(os, 'replace', fail)
    with pytest.raises(OSError) as e:
        replacing.replace_all(path, *parts, ['the set', 'the table'])
    assert e.value.filename == ['the set', 'the table'][n_moved]
    monkeypatch.undo()
    assert contents(parts[1]) == expected
    if n_moved:
        with pytest.raises(InputError, match='was stopped while it changed this set'):
            arrays.read_pictures(path)
        replacing.finish(path)
        assert contents(parts[1]) == ['new', 'new']
    replacing.check_none(path)


def test_nothing_to_finish(tmp_path):
    np.save(tmp_path / 'X.npy', np.zeros((1, 3, 4, 4), np.uint8))
    replacing.finish(str(tmp_path / 'X.npy'))
    assert len(arrays.read_pictures(str(tmp_path / 'X.npy'))) == 1


@pytest.mark.parametrize('content', [
    b'', b'\0', b'3', b'[' * 9000, b'["a", "b"]', b'[".X.00000000.1.part.npy", "/etc/passwd"]',
    json.dumps(['../../etc/passwd', 'X.npy']).encode()])
def test_a_note_that_is_not_ours_moves_nothing(tmp_path, content):
    (tmp_path / '.X.moves').write_bytes(content)
    with pytest.raises(InputError, match='expected a note by crop_faces.py'):
        replacing.finish(str(tmp_path / 'X.npy'))
