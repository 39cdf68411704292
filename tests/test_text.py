import pytest

from picture_ranknet.text import count, one_line


@pytest.mark.parametrize('n, words', [
    (0, '0 faces'), (1, '1 face'), (2, '2 faces'), (1234, '1,234 faces')])
def test_things_are_counted_in_words(n, words):
    assert count(n, 'face') == words


def test_a_message_is_one_line_whatever_a_file_is_called():
    assert one_line('a\nb\x1b[31m\x9b\u2028.png: \u7d75 \xa0\u2019') == (
        'a\\nb\\x1b[31m\\x9b\\u2028.png: \u7d75 \xa0\u2019')
