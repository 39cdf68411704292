import numpy as np
import pytest


@pytest.fixture
def saved(tmp_path):
    """Save an array as ``X.npy``; returns the path."""
    def save(array):
        np.save(tmp_path / 'X.npy', array)
        return str(tmp_path / 'X.npy')
    return save
