import numpy as np
import pytest

from picture_ranknet.storage import arrays


@pytest.fixture
def rated(pictures, ratings):
    """The 30 small pictures, all rated."""
    return arrays.RatedPictures(pictures, ratings, np.arange(30))


@pytest.fixture
def notes():
    """A list: pass ``notes.append`` as ``note=``."""
    return []
