import argparse

import numpy as np
import pytest

from picture_ranknet.console import options


@pytest.mark.parametrize('kind, text, value', [
    (options.positive_int, '12', 12), (options.natural_int, '0', 0),
    (options.positive_float, '1/255', 1 / 255), (options.positive_float, '2e-3', .002),
    (options.natural_float, '0', 0), (options.ratio, '0.2', .2), (options.strength, '5', 5),
    (options.size_from(9, 64), '9x64', (9, 64)),
])
def test_option_values(kind, text, value):
    assert kind(text) == value


@pytest.mark.parametrize('kind, texts', [
    (options.positive_int, ['0', '-1', '1.5', '', 'a']),
    (options.natural_int, ['-1', '1.5', 'a']),
    (options.positive_float, ['0', '-1', 'inf', 'nan', 'a', '1/0', '1/']),
    (options.natural_float, ['-1', 'inf', 'nan', 'a']),
    (options.ratio, ['0', '1', '1.2', '-.1', 'nan', 'a']),
    (options.strength, ['-1', '5.1', 'nan', 'a']),
    (options.size_from(9, 64), ['24', '8x9', '9x65', '9x9x9', 'axb', '-9x9', 'x']),
    (options.row_numbers, ['-1', '3-', '4-3', '1.5', 'a', '9' * 5000]),
])
def test_other_option_values_are_refused_and_shown(kind, texts):
    for text in texts:
        with pytest.raises(argparse.ArgumentTypeError) as e:
            kind(text)
        assert 'must be' in str(e.value) and repr(text) in str(e.value)


@pytest.mark.parametrize('words, device', [
    ([], '-1'), (['-d', '@numpy'], '@numpy'), (['--gpu'], 0), (['-g', '1'], 1)])
def test_gpu_is_the_old_way_to_say_device(words, device):
    parser = options.parser('train.py', '')
    options.add_device_arguments(parser)
    assert parser.parse_args(words).device == device


def test_file_endings():
    assert options.file_ending('.png')('a.PNG') == 'a.PNG'
    with pytest.raises(argparse.ArgumentTypeError, match="must end in .png, got 'a.jpg'"):
        options.file_ending('.png')('a.jpg')


@pytest.mark.parametrize('text, right', [('0', True), ('4294967295', True), ('4294967296', False),
                                         ('-1', False), ('a', False)])
def test_seeds_are_what_numpy_takes(text, right):
    if right:
        np.random.RandomState(options.seed(text))
    else:
        with pytest.raises(argparse.ArgumentTypeError, match='from 0 to 4294967295'):
            options.seed(text)


@pytest.mark.parametrize('text, rows', [
    ('3', [3]), ('3,17,20-24', [3, 17, 20, 21, 22, 23, 24]), ('5-6, 2-5,6', [2, 3, 4, 5, 6]),
    ('0-0', [0])])
def test_row_numbers_are_a_set(text, rows):
    found = options.row_numbers(text)
    assert list(found) == rows and len(found) == len(rows) and found == set(rows)
    assert all(row in found for row in rows) and -1 not in found and 25 not in found


def test_many_rows_take_no_memory():
    assert len(options.row_numbers('0-99999999999')) == 10 ** 11
    assert 5 * 10 ** 10 in options.row_numbers('0-99999999999')


def test_help_shows_defaults_that_a_user_would_type():
    parser = options.parser('train.py', '')
    parser.add_argument('--seed', default=0, help='the seed')
    parser.add_argument('--force', action='store_true', help='replace files')
    parser.add_argument('--csv', help='a table')
    parser.add_argument('--search', default=6e8, help='windows')
    text = parser.format_help()
    assert 'windows (default: 6e+08)' in text
    assert 'the seed (default: 0)' in text
    assert 'replace files\n' in text and 'a table\n' in text
