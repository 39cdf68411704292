import numpy as np
import pytest

from picture_ranknet.learning import augment


class Constant:

    """A generator of one number instead of random ones."""

    def __init__(self, value):
        self.value = value

    def uniform(self, low, high, size=None):
        return self.value if size is None else np.full(size, float(self.value))

    def random(self, size=None):
        return .9


def channel_last(x):
    """The same values, which lie in memory channel last."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(np.float32(x), 1, -1)), -1, 1)


@pytest.fixture
def x(pictures):
    return channel_last(pictures / 255)


def test_strength_0_at_most_mirrors(x):
    before = x.copy()
    augment.vary(x, np.random.default_rng(0), strength=0, mirror=False)
    np.testing.assert_array_equal(x, before)
    augment.vary(x, np.random.default_rng(0), strength=0)
    is_mirrored = (x == before[..., ::-1]).all(axis=(1, 2, 3))
    assert (is_mirrored | (x == before).all(axis=(1, 2, 3))).all()
    assert 8 <= is_mirrored.sum() <= 22  # of 30


def test_draws_in_the_middle_change_nothing(x):
    before = x.copy()
    augment.vary(x, Constant(0))
    np.testing.assert_allclose(x, before, atol=1e-6)


def test_the_same_seed_gives_the_same_pictures(x):
    once, again, other = x.copy(order='K'), x.copy(order='K'), x.copy(order='K')
    augment.vary(once, np.random.default_rng(3))
    augment.vary(again, np.random.default_rng(3))
    augment.vary(other, np.random.default_rng(4))
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, other)


def test_a_spot_goes_where_turn_scale_and_shift_send_it(monkeypatch):
    for name in 'CONTRAST', 'COLOUR', 'BRIGHTNESS':
        monkeypatch.setattr(augment, name, 0)
    rows, columns = np.mgrid[:80, :100]
    spot = np.exp(-((rows - 20) ** 2 + (columns - 70) ** 2) / 18)
    x = channel_last(np.tile(spot, (1, 3, 1, 1)))
    augment.vary(x, Constant(1))
    weight = x[0, 0] / x[0, 0].sum()
    # From the middle (49.5, 39.5), the spot lies at (20.5, -19.5); x runs right, y down.
    turn, scale = np.deg2rad(5), np.exp(.08)
    u = scale * (np.cos(turn) * 20.5 - np.sin(turn) * -19.5) + .05 * 100
    v = scale * (np.sin(turn) * 20.5 + np.cos(turn) * -19.5) + .05 * 80
    assert (weight * columns).sum() == pytest.approx(49.5 + u, abs=.05)
    assert (weight * rows).sum() == pytest.approx(39.5 + v, abs=.05)


def test_light_changes_mean_and_contrast_as_documented(x, monkeypatch):
    for name in 'TURN', 'SHIFT', 'SCALE':
        monkeypatch.setattr(augment, name, 0)
    before = x.copy()
    augment.vary(x, Constant(1))
    for picture, now in zip(before, x):
        factor = np.exp(.15 + .1)
        expected = (picture - picture.mean()) * factor + picture.mean() + .3 * picture.std()
        np.testing.assert_allclose(now, expected, rtol=1e-4, atol=1e-5)


def test_the_range_of_values_does_not_matter(x):
    large = x * np.float32(255)
    augment.vary(x, np.random.default_rng(0))
    augment.vary(large, np.random.default_rng(0))
    np.testing.assert_allclose(large, 255 * x, rtol=1e-3, atol=.05)


def test_twice_the_strength_goes_twice_as_far(x):
    weak, strong = x.copy(order='K'), x.copy(order='K')
    augment.vary(weak, np.random.default_rng(0), 1, mirror=False)
    augment.vary(strong, np.random.default_rng(0), 2, mirror=False)
    assert abs(weak - x).mean() < abs(strong - x).mean()


@pytest.mark.parametrize('strength, mirror', [(1, True), (2, False), (0, True), (0, False)])
def test_a_part_of_a_batch_is_varied_as_in_the_whole(strength, mirror):
    x = np.random.default_rng(0).random((7, 9, 9, 3)).astype(np.float32).transpose(0, 3, 1, 2)
    part = x.transpose(0, 2, 3, 1)[3:6].copy().transpose(0, 3, 1, 2)
    augment.vary(x, np.random.default_rng(1), strength, mirror)
    augment.vary(part, np.random.default_rng(1), strength, mirror, before=3)
    np.testing.assert_array_equal(part, x[3:6])
