from types import SimpleNamespace

import numpy as np
import pytest

from picture_ranknet.ranking import sets
from support.errors import error_of


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def needing(*numbers):
    return [SimpleNamespace(predictor=SimpleNamespace(n_features=n)) for n in numbers]


def test_features_are_read_for_the_models_that_need_them(here):
    np.save('F.npy', np.arange(6.).reshape(3, 2))
    features = sets.read_features('F.npy', 3, needing(0, 2), 'm.pkl')
    np.testing.assert_array_equal(features, np.arange(6).reshape(3, 2))
    assert sets.read_features(None, 3, needing(0), 'm.pkl') is None
    assert 'm.pkl: was trained without features' in error_of(
        sets.read_features, 'F.npy', 3, needing(0, 0), 'm.pkl')
    for n, models in (4, needing(2)), (3, needing(2, 5)):
        assert error_of(sets.read_features, 'F.npy', n, models, 'm.pkl').startswith('F.npy: ')


def test_ratings_to_compare_with_must_be_there(here):
    (here / 'some.txt').write_text('nan\n2\n')
    np.testing.assert_array_equal(sets.read_ratings('some.txt', 2), [np.nan, 2])
    (here / 'none.txt').write_text('nan\nnan\n')
    assert 'none.txt: expected at least one rating' in error_of(sets.read_ratings, 'none.txt', 2)


def test_the_table_of_a_ranking_has_the_columns_of_the_sources(here):
    (here / 'X.csv').write_text('row,score,source\n0,7,a.png\n1,8,"b,c.png"\n')
    columns, rows = sets.read_sources('X.npy', 2)
    marks = ['stars'], [[2], [5]]
    sets.write_ranking('t.csv', np.float32([.25, .5]), columns, rows, marks)
    assert (here / 't.csv').read_text() == ('rank,score,stars,row,source\n1,0.5,5,1,"b,c.png"\n'
                                            '2,0.25,2,0,a.png\n')
    assert sets.read_sources('Y.npy', 2) == ([], [[], []])


def test_agreement_counts_rated_pictures_only():
    ratings, scores = np.array([1, np.nan, 2, 3]), np.array([.1, 9, .2, .3])
    assert sets.describe_agreement(ratings, scores, 2) == (
        'NDCG@2: 1.0000 | pair accuracy: 1.0000 | Kendall tau: 1.0000')
