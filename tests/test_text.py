import pytest

from picture_ranknet.text import count


@pytest.mark.parametrize('n, words', [
    (0, '0 faces'), (1, '1 face'), (2, '2 faces'), (1234, '1,234 faces')])
def test_things_are_counted_in_words(n, words):
    assert count(n, 'face') == words
