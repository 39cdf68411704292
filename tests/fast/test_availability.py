import sys
import warnings

import numpy as np
import pytest

import net
from picture_ranknet.fast import availability, vectors

pytestmark = pytest.mark.skipif(availability.kernels() is None, reason='needs Numba')
X = np.random.default_rng(0).normal(size=(3, 3, 20, 20)).astype(np.float32)


@pytest.fixture(autouse=True)
def fresh():
    """What was found out before or in a test counts in no other."""
    availability.look_again()
    yield
    availability.look_again()


def test_numba_with_another_interface_gives_one_note_and_the_same_scores(monkeypatch):
    cnn = net.CNN((20, 20))
    expected = cnn(X).array

    def fail():
        raise AttributeError("module 'numba' has no attribute 'extending'")

    availability.look_again()
    monkeypatch.setattr(vectors, 'check', fail)
    with pytest.warns(RuntimeWarning, match='do not work with Numba .*no attribute') as caught:
        scores = [cnn(X).array for _ in range(2)]
    assert len(caught) == 1
    for array in scores:
        np.testing.assert_allclose(array, expected, rtol=1e-3, atol=1e-5)


def test_wrong_values_are_noticed(monkeypatch):
    monkeypatch.setattr(vectors, 'compiled', lambda signature: lambda loop: lambda *arrays: None)
    with pytest.warns(RuntimeWarning, match='wrong values'):
        assert availability.kernels() is None


def test_without_numba_there_is_no_note(monkeypatch):
    monkeypatch.setitem(sys.modules, 'numba', None)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert availability.kernels() is None


def test_kernels_can_be_switched_off_and_on():
    found = availability.kernels()
    availability.use(False)
    try:
        assert availability.kernels() is None and not availability.fit(X)
    finally:
        availability.use(True)
    assert availability.kernels() is found
