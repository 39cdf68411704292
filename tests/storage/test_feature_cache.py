import os

import numpy as np
import pytest

from picture_ranknet.storage import feature_cache

N_COLUMNS = 5


class Eye:

    """Sees 5 numbers of a picture, and counts how many pictures it has seen."""

    def __init__(self):
        self.n_seen = 0

    def __call__(self, pictures):
        self.n_seen += len(pictures)
        return pictures.reshape(len(pictures), -1)[:, :N_COLUMNS].astype(np.float32) / 4


@pytest.fixture
def eye():
    return Eye()


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'X.npy')


def save(path, n=40, seed=0):
    X = np.random.default_rng(seed).integers(0, 256, (n, 3, 4, 4), np.uint8)
    np.save(path, X)
    return X


def see(path, eye, kind='a', rows=None, **options):
    return feature_cache.rows_of(np.load(path, mmap_mode='r'), kind, N_COLUMNS, eye, rows,
                                 **options)


def expected(X):
    return X.reshape(len(X), -1)[:, :N_COLUMNS] / 4


def test_pictures_are_seen_once(path, eye):
    X = save(path)
    for _ in range(2):
        np.testing.assert_array_equal(see(path, eye), expected(X))
    assert eye.n_seen == 40


def test_rows_come_from_what_is_kept(path, eye):
    X = save(path)
    see(path, eye)
    rows = np.array([7, 3, 3, 39])
    np.testing.assert_array_equal(see(path, eye, rows=rows), expected(X[rows]))
    assert eye.n_seen == 40


def test_only_what_is_new_is_seen(path, eye):
    X = save(path)
    see(path, eye)
    more = np.random.default_rng(1).integers(0, 256, (3, 3, 4, 4), np.uint8)
    changed = np.concatenate([X[30:], more, X[:20]])
    np.save(path, changed)
    for _ in range(2):
        np.testing.assert_array_equal(see(path, eye), expected(changed))
    assert eye.n_seen == 43


def test_a_changed_picture_is_seen_again(path, eye):
    X = save(path)
    see(path, eye)
    X[5] += 1
    np.save(path, X)
    np.testing.assert_array_equal(see(path, eye), expected(X))
    assert eye.n_seen == 41


def test_another_network_sees_all_again(path, eye):
    save(path)
    for kind in 'a', 'b':
        see(path, eye, kind)
    assert eye.n_seen == 80


@pytest.mark.parametrize('damage', [
    lambda data: data[:-1], lambda data: data[:100], lambda data: data + b'0',
    lambda data: data.replace(b'"pictures": 40', b'"pictures": -4'),
    lambda data: data.replace(b'"columns"', b'"colum\xff"')])
def test_a_damaged_file_is_replaced(path, eye, damage):
    X = save(path)
    see(path, eye)
    kept = feature_cache.path_of(np.load(path, mmap_mode='r'))
    with open(kept, 'rb') as f:
        data = damage(f.read())
    with open(kept, 'wb') as f:
        f.write(data)
    for _ in range(2):
        np.testing.assert_array_equal(see(path, eye), expected(X))
    assert eye.n_seen == 80


@pytest.mark.parametrize('content', [b'', b'mine', b'[1]'.ljust(600)])
def test_a_file_of_somebody_else_is_left_alone(path, eye, tmp_path, content):
    X = save(path)
    (tmp_path / 'X.features').write_bytes(content)
    np.testing.assert_array_equal(see(path, eye), expected(X))
    assert (tmp_path / 'X.features').read_bytes() == content


def test_a_folder_that_cannot_be_written_to_is_no_obstacle(path, eye, tmp_path, monkeypatch):
    X = save(path)
    monkeypatch.setattr(os, 'access', lambda *args: False)  # who runs as root can write anywhere
    np.testing.assert_array_equal(see(path, eye), expected(X))
    assert sorted(os.listdir(tmp_path)) == ['X.npy']


def test_pictures_of_no_file_are_seen(eye, tmp_path, path):
    X = save(path)
    np.testing.assert_array_equal(feature_cache.rows_of(X, 'a', N_COLUMNS, eye), expected(X))
    assert sorted(os.listdir(tmp_path)) == ['X.npy']


def test_a_failure_leaves_nothing_behind(path, tmp_path):
    save(path)
    with pytest.raises(ZeroDivisionError):
        see(path, lambda pictures: 1 / 0)
    assert sorted(os.listdir(tmp_path)) == ['X.npy']


def test_progress_counts_all_pictures(path, eye):
    save(path, 300)
    told = []
    see(path, eye, progress=told.append)
    see(path, eye, progress=told.append)
    assert sum(told) == 600
