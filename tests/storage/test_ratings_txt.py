import numpy as np
import pytest

from picture_ranknet.storage import ratings_txt
from support.errors import error_of


@pytest.mark.parametrize('content', [
    b'1\n2.5\nnan\n', b'1\n2.5\nnan', b'1\r\n2.5\r\nNaN\r\n', b'\xef\xbb\xbf1\n2.5\nnan\n',
    b'# mine\n1 # good\n\n 2.50\n+nan\n\n', b'1e0\n25e-1\nnan\n',
])
def test_ratings_are_read(tmp_path, content):
    (tmp_path / 'ratings.txt').write_bytes(content)
    np.testing.assert_array_equal(
        ratings_txt.read_ratings(tmp_path / 'ratings.txt', 3), [1, 2.5, np.nan])


@pytest.mark.parametrize('content, words', [
    (b'1\nfour\n3\n', ["line 2: expected a number, got 'four'"]),
    (b'1\n2 3\n3\n', ["line 2: expected a number, got '2 3'", 'one rating per line']),
    (b'1\n2,5\n3\n', ["got '2,5'", 'with a decimal point, such as 2.5']),
    (b'0;1\n1;2,5\n2;3\n', ["line 1: expected a number, got '0;1'", 'nothing but the rating']),
    (b'1\ninf\n3\n', ["line 2: expected a finite number, got 'inf'"]),
    (b'1\n1e999\n3\n', ['line 2: expected a finite number']),
    (b'1\n2\n', ['expected 3 ratings', 'got 2']),
    (b'1\n2\n3\n4\n', ['expected 3 ratings', 'got 4']),
    (b'', ['expected 3 ratings', 'got 0']),
    (b'1\n\xff\xfe\n3\n', ['expected text in UTF-8']),
    (b'1\n2\x00\n3\n', ['line 2: expected a number']),
    (b'1\n' + b'2' * 5000 + b'\n3\n', ['line 2: expected one number, got over 999 characters']),
])
def test_other_ratings_are_refused(tmp_path, content, words):
    path = tmp_path / 'ratings.txt'
    path.write_bytes(content)
    message = error_of(ratings_txt.read_ratings, path, 3)
    assert message.startswith(str(path))
    for word in words:
        assert word in message


@pytest.mark.parametrize('content, words', [
    ('1\n2\n3\n'.encode('utf-16'), 'expected text in UTF-8'),
    ('1\n2\n3\n'.encode('utf-16-le'), "line 1: expected a number, got '1\\x00'"),
    (b'#' * 5000 + b'\n1\n2\n3\n', 'line 1: expected one number, got over 999 characters'),
])
def test_odd_texts_are_no_ratings(tmp_path, content, words):
    (tmp_path / 'ratings.txt').write_bytes(content)
    assert words in error_of(ratings_txt.read_ratings, tmp_path / 'ratings.txt', 3)


def test_the_line_ends_of_any_system_are_read(tmp_path):
    (tmp_path / 'ratings.txt').write_bytes(b'\xef\xbb\xbf1\r2.5 # good\rnan\r')
    np.testing.assert_array_equal(
        ratings_txt.read_ratings(tmp_path / 'ratings.txt', 3), [1, 2.5, np.nan])


@pytest.mark.parametrize('line, words', [
    (b'', 'line 1: expected one number, got over 999 characters'),
    (b'1\n', 'expected 3 ratings, one per line for each picture, got over 100,003 lines'),
    (b'# 1\n', 'expected 3 ratings, one per line for each picture, got over 100,003 lines'),
    (b'\n', 'expected 3 ratings, one per line for each picture, got over 100,003 lines'),
])
def test_ratings_are_read_no_further_than_they_can_go(tmp_path, line, words):
    with open(tmp_path / 'ratings.txt', 'wb') as f:
        f.write(line * 101000)
        f.truncate(10 * 2 ** 30)  # 10 GB, all of it one line of zeros
    assert words in error_of(ratings_txt.read_ratings, tmp_path / 'ratings.txt', 3)


def test_scores_are_written_one_a_line_without_loss(tmp_path):
    scores = np.random.RandomState(0).normal(size=5).astype(np.float32)
    ratings_txt.write_scores(tmp_path / 'pred.txt', scores)
    lines = (tmp_path / 'pred.txt').read_text().splitlines()
    assert [np.float32(line) for line in lines] == list(scores)
