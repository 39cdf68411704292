"""What pictures look like to what chooses the next one."""
import numpy as np
import pytest

from picture_ranknet.rating import looks


class Eye:

    """Sees random numbers of two groups in each picture, always the same."""

    kind, n_columns, sizes = 'test', 70, {'late': 60, 'look': 10}

    def see(self, pictures):
        return np.stack([np.random.default_rng(int(picture.sum())).normal(size=70)
                         for picture in pictures]).astype(np.float32)


@pytest.fixture
def seen(pictures):
    return looks.Seen(pictures, np.arange(30), lambda: False, Eye())


def test_distances_are_those_of_all_that_is_seen(seen, pictures, monkeypatch):
    numbers = np.float16(Eye().see(pictures)).astype(float)
    bent = np.arctan((numbers - numbers.mean(axis=0)) / numbers.std(axis=0))
    bent -= bent.mean(axis=0)
    parts = [part * np.sqrt(looks.SHARES[name] / (part ** 2).sum() * 30) for name, part in zip(
        Eye.sizes, np.split(bent, [60], axis=1))]
    expected = sum(part @ part.T for part in parts)
    assert seen.first.dtype == np.float32
    np.testing.assert_allclose(seen.first @ seen.first.T, expected, rtol=1e-3, atol=1e-4)
    monkeypatch.setattr(looks, 'BLOCK', 7)  # in parts, as much as there are many
    again = looks.Seen(pictures, np.arange(30), lambda: False, Eye())
    np.testing.assert_allclose(again.first @ again.first.T, expected, rtol=1e-3, atol=1e-4)


def test_pictures_that_come_later_are_seen_alike(seen):
    np.testing.assert_allclose(seen(np.array([7, 3])), seen.first[[7, 3]], atol=1e-6)


def test_of_many_pictures_only_those_that_matter_are_seen(pictures, monkeypatch):
    monkeypatch.setattr(looks, 'MOST_KEPT', 10)
    rows = np.array([4, 29, 8, 15])
    assert looks.Seen(pictures, rows, lambda: False, Eye()).first.shape[0] == 4


def test_pictures_that_are_all_alike_are_no_trouble(pictures):
    X = np.repeat(pictures[:1], 5, axis=0)
    assert np.ptp(looks.Seen(X, np.arange(5), lambda: False, Eye()).first) == 0


def test_it_ends_when_the_session_does(pictures):
    for kind in looks.Plain, lambda *args: looks.Seen(*args, Eye()):
        with pytest.raises(looks.Ended):
            kind(pictures, np.arange(30), lambda: True)
