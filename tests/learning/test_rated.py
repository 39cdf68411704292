import os

import numpy as np
import pytest

from picture_ranknet.errors import InputError
from picture_ranknet.learning import rated as rated_pictures
from picture_ranknet.pictures import xmp_ratings
from picture_ranknet.storage import sidecars
from support.errors import error_of
from support.runs import fresh_model

# Reading

@pytest.fixture
def load(rated_files, monkeypatch):
    """Load the files, after some of them were replaced."""
    monkeypatch.chdir(rated_files)

    def load(X=None, ratings=None, F=None, **options):
        for name, array in ('X', X), ('F', F):
            if array is not None:
                np.save(f'{name}.npy', array)
        if ratings is not None:
            np.savetxt('ratings.txt', ratings)
        return rated_pictures.load('X.npy', 'ratings.txt', None if F is None else 'F.npy',
                                   **options)
    return load


def test_pictures_ratings_and_features_are_read(load, pictures, ratings, notes):
    ratings[[2, 5, 6]] = np.nan
    F = np.arange(60).reshape(30, 2)
    rated = load(ratings=ratings, F=F, image_size=(20, 20), n_features=2, note=notes.append)
    np.testing.assert_array_equal(rated.X, pictures)
    np.testing.assert_array_equal(rated.ratings, ratings)
    np.testing.assert_array_equal(rated.features, F)
    assert list(rated.rows) == [row for row in range(30) if row not in (2, 5, 6)]
    assert notes == [
        'X.npy: 30 pictures of 20 x 20, uint8',
        'ratings.txt: 3 of 30 pictures are not rated (nan) and are skipped']


def test_sidecars_say_what_ratings_do_not(load, monkeypatch, notes, ratings):
    said = np.full(30, np.nan)
    said[:5] = 5, 4, sidecars.REJECTED, 3, 2
    monkeypatch.setattr(xmp_ratings, 'read_ratings_of_set', lambda *_: list(said))
    with open('ratings.txt', 'w', encoding='utf-8') as f:
        f.write('1\nnan  # no face\n' + 'nan\n' * 28)
    rated = load(from_xmp=True, note=notes.append)
    assert [(row, rated.ratings[row]) for row in rated.rows] == [(0, 1), (3, 3), (4, 2)]
    assert notes[0] == 'ratings.txt: 1 rating; 2 more from XMP'
    os.remove('ratings.txt')
    rated = load(from_xmp=True)
    assert [(row, rated.ratings[row]) for row in rated.rows] == [(0, 5), (1, 4), (3, 3), (4, 2)]
    assert not os.path.exists('ratings.txt')
    assert 'expected ratings from 1 to 5, as in XMP, got 6' in error_of(
        lambda: load(ratings=2 * ratings, from_xmp=True))


@pytest.mark.parametrize('change, words', [
    (lambda X, r: (X[:, :, :12, :12], r),
     'X.npy: expected pictures of at least 13 x 13 pixels, got 12 x 12'),
    (lambda X, r: (X[:, :, :, :5], r), 'got 5 x 20'),
    (lambda X, r: (X, r[:29]), 'ratings.txt: expected 30 ratings'),
    (lambda X, r: (X, r * 0), 'ratings.txt: expected at least two pictures with different ratings, '
                              'got 30 with equal ratings'),
    (lambda X, r: (X, r * np.nan), 'different ratings, got 0 with equal ratings'),
    (lambda X, r: (X.transpose(0, 2, 3, 1), r), 'save X.transpose(0, 3, 1, 2)'),
    (lambda X, r: (X * np.float32('nan'), r), 'X.npy, row 0 (from 0)'),
])
def test_what_cannot_be_learnt_from_is_refused(load, pictures, ratings, change, words):
    assert words in error_of(load, *change(pictures, ratings))


@pytest.mark.parametrize('options, words', [
    (dict(image_size=(24, 20)), 'X.npy: expected pictures of 20 x 24 pixels, got 20 x 20'),
    (dict(F=np.zeros((30, 2)), n_features=3), 'F.npy: expected 30 x 3 numbers'),
    (dict(F=np.zeros((29, 2))), 'F.npy: expected 30 x D numbers'),
])
def test_what_does_not_fit_a_model_is_refused(load, options, words):
    with pytest.raises(InputError) as e:
        load(**options)
    assert words in str(e.value)


# Holding out

def test_hold_out_splits_the_rated_rows(rated, notes):
    rows = np.flatnonzero(np.arange(30) % 3)  # 20 of them
    rated = rated._replace(rows=rows)
    kept, held = rated_pictures.hold_out(rated, .2, 0, range(30), notes.append)
    assert (len(kept.rows), len(held.rows)) == (16, 4)
    assert sorted([*kept.rows, *held.rows]) == list(rows)
    assert list(held.rows) != list(rated_pictures.hold_out(rated, .2, 1, range(30))[1].rows)
    assert not notes


@pytest.mark.parametrize('seed', range(5))
def test_hold_out_splits_no_group(rated, notes, seed):
    groups = [row // 3 for row in range(30)]
    kept, held = rated_pictures.hold_out(rated, .2, seed, groups, notes.append)
    assert sorted([*kept.rows, *held.rows]) == list(range(30))
    assert len(held.rows) == 6 and {row // 3 for row in held.rows}.isdisjoint(kept.rows // 3)
    assert notes == ['6 pictures held out for validation; no face tracked through a '
                     'scene is in both parts']


def test_hold_out_comes_as_near_to_the_share_as_groups_allow(rated):
    large = [row // 20 for row in range(30)]  # of 20 and of 10
    for seed in range(5):
        _, held = rated_pictures.hold_out(rated, .3, seed, large)
        assert list(held.rows) == list(range(20, 30))


@pytest.mark.parametrize('rows, ratio, groups, words', [
    ([0, 1], .5, range(30), '1 are to train on, and no two'),
    (range(30), .03, range(30), '1 are to validate on, and no two'),
    (range(30), .3, ['0.0'] * 30, '30 rated pictures in 1 group, 0 are to validate'),
])
def test_hold_out_leaves_something_to_learn_from_and_to_validate_with(rated, rows, ratio, groups,
                                                                       words):
    rated = rated._replace(rows=np.array(rows))
    assert words in error_of(rated_pictures.hold_out, rated, ratio, 0, groups)


def test_the_groups_are_those_of_the_table(rated_files):
    path = str(rated_files / 'X.npy')
    assert rated_pictures.read_groups(path, 3) == [0, 1, 2]
    table = rated_files / 'X.csv'
    table.write_text('row,source\n0,a\n1,a\n2,b\n')
    assert rated_pictures.read_groups(path, 3) == [0, 1, 2]
    table.write_text('row,group\n0,1.0\n1,1.0\n2,\n')
    assert rated_pictures.read_groups(path, 3) == ['1.0', '1.0', 2]
    assert 'X.csv: expected' in error_of(rated_pictures.read_groups, path, 4)


def test_a_column_that_a_person_filled_in_says_who_is_held_out(rated_files, notes):
    lines = [f'{row},s{row // 2}t0,{"ABC"[row // 10]}' for row in range(30)]
    lines[3], lines[18:20] = '3,s1t0,', ['18,s9t0,', '19,s9t0,']  # nobody said who these are
    (rated_files / 'X.csv').write_text('\n'.join(['row,group,Character', *lines]))
    path, ratings = str(rated_files / 'X.npy'), str(rated_files / 'ratings.txt')
    for seed in range(12):
        kept, held = rated_pictures.load_sets((path, ratings, None), ratio=.35, seed=seed,
                                              note=notes.append, valid_by='character')
        names = [{'s9t0' if row in (18, 19) else 'ABC'[row // 10] for row in part.rows}
                 for part in (kept, held)]
        assert names[0].isdisjoint(names[1]) and 8 <= len(held.rows) <= 12
        assert notes[-1].endswith('held out for validation; no character is in both parts')


@pytest.mark.parametrize('table, words', [
    (None, 'X.csv: there is no such table; --valid_by character needs one with the columns row '
           'and character'),
    ('row,source\n0,a\n1,b\n', 'X.csv: expected a column character for --valid_by; add it'),
    ('row,character\n0,\n1,\n', 'got empty cells only; fill it in'),
])
def test_a_column_that_says_nothing_is_refused(rated_files, table, words):
    if table:
        (rated_files / 'X.csv').write_text(table)
    path = str(rated_files / 'X.npy')
    assert words in error_of(rated_pictures.read_groups, path, 2, 'character')


# Features

def test_added_features_are_standardised_by_those_to_train_on(rated):
    model = fresh_model()
    F = np.arange(60, dtype=np.float32).reshape(30, 2)
    rated_pictures.add_features(model, rated._replace(features=F, rows=np.arange(10)))
    assert model.predictor.n_features == 2
    np.testing.assert_allclose(model.predictor.features.mean, F[:10].mean(axis=0))
    np.testing.assert_allclose(model.predictor.features.deviation, F[:10].std(axis=0))
