"""Ratings from clicks: by hand, and of readers who are made up."""
import re

import numpy as np
import pytest

from picture_ranknet.errors import InputError
from picture_ranknet.rating import clicks
from picture_ranknet.storage import tables


@pytest.fixture
def table(tmp_path):
    def write(text):
        path = tmp_path / 'clicks.csv'
        path.write_text(text, encoding='utf-8')
        return str(path)
    return write


def test_pictures_are_named_by_row_or_source_and_may_have_many_lines(table):
    path = table('picture,clicks,impressions,position\n1,2,10,3\nb.png,0,5,10\n1,1,4,3\n')
    rows, shown, clicked, positions, names = clicks.read(path, 3, ['x/a.png', 'x/c.png', 'x/b.png'])
    assert rows.tolist() == [1, 2, 1]
    assert shown.tolist() == [10, 5, 4] and clicked.tolist() == [2, 0, 1]
    assert names == ['3', '10'] and positions.tolist() == [0, 1, 0]


@pytest.mark.parametrize('line, message', [
    ('3,1,1', r'line 2: expected a picture, a row from 0 to 2 .*got \'3\''),
    ('0,-1,0', 'line 2: expected a whole number of impressions'),
    ('0,5,many', r"line 2: expected a whole number of clicks, got 'many'"),
    ('0,5,6', 'line 2: expected no more clicks than impressions, got 6 of 5'),
    ('0,5', 'line 2: expected a whole number of clicks'), ('0,0,0', 'expected impressions')])
def test_what_is_wrong_is_said_with_its_line(table, line, message):
    with pytest.raises(InputError, match=message):
        clicks.read(table('picture,impressions,clicks\n' + line + '\n'), 3)


SOURCES = ['a/1.png', 'b/1.png', 'train.mp4', 'train.mp4', 'train.mp4', 'b/2.png']


@pytest.mark.parametrize('name, row', [('a/1.png', 0), ('b/1.png', 1), ('2.png', 5), ('3', 3)])
def test_a_name_of_one_picture_is_that_picture(table, name, row):
    path = table(f'picture,impressions,clicks\n{name},2,1\n')
    assert clicks.read(path, 6, SOURCES).rows.tolist() == [row]


@pytest.mark.parametrize('name, rows', [('1.png', '2 (the rows 0, 1)'),
                                        ('train.mp4', '3 (the rows 2, 3, ...)')])
def test_a_name_of_many_pictures_is_refused(table, name, rows):
    path = table(f'picture,impressions,clicks\n0,2,1\n{name},2,1\n')
    with pytest.raises(InputError, match=re.escape(
            f"line 3: expected one picture, got '{name}', which is the source of {rows}; write")):
        clicks.read(path, 6, SOURCES)


def test_a_missing_column_is_named(table):
    with pytest.raises(InputError, match='got none named clicks'):
        clicks.read(table('picture,impressions\n0,1\n'), 3)


def estimate(n, lines):
    rows, shown, clicked, positions = map(np.array, zip(*lines))
    return clicks.estimate_rates(n, rows, shown.astype(float), clicked.astype(float), positions)


def test_with_many_impressions_a_rate_is_clicks_by_impressions():
    rates, looks = estimate(3, [(0, 10 ** 6, 10 ** 5, 0), (1, 10 ** 6, 2 * 10 ** 5, 0)])
    np.testing.assert_allclose(rates, [.1, .2, np.nan], rtol=1e-3)
    np.testing.assert_array_equal(looks, [1])


def test_few_impressions_say_little():
    lines = [(row, 1000, 90 + row, 0) for row in range(20)] + [(20, 2, 2, 0), (21, 3, 0, 0)]
    rates, _ = estimate(22, lines)
    np.testing.assert_allclose(rates[20:], .1, atol=.02)


def test_what_stands_first_is_not_better_for_it():
    rng = np.random.default_rng(0)
    true_rates, true_looks = rng.uniform(.05, .3, 30), np.array([1, .6, .3, .1])
    lines = []
    for row, rate in enumerate(true_rates):
        for position in range(4):
            # The worse half stands in front.
            shown = 40000 if (position < 2) == (rate < .17) else 4000
            lines.append((row, shown, rng.binomial(shown, rate * true_looks[position]), position))
    rates, looks = estimate(30, lines)
    np.testing.assert_allclose(looks, true_looks, rtol=.05)
    np.testing.assert_allclose(rates, true_rates, rtol=.1)


def test_one_more_is_twice_the_rate():
    np.testing.assert_allclose(clicks.rate(np.array([.1, np.nan, .4, .2])), [0, np.nan, 2, 1])


def test_no_click_at_all_is_no_trouble():
    rates, _ = estimate(2, [(0, 10, 0, 0), (1, 1000, 0, 0)])
    assert (rates > 0).all() and rates[0] > rates[1]


@pytest.mark.parametrize('content, words', [
    ('', 'got an empty file'),
    ('picture,impressions,clicks\n' + 'a' * 40000, 'over 32,768 characters'),
    ('picture,impressions,clicks\n0,1\0,1\n', 'a null character')])
def test_crafted_tables_are_refused(table, content, words):
    with pytest.raises(InputError, match=words):
        clicks.read(table(content), 3)


def test_a_table_without_end_is_not_read_into_memory(table, monkeypatch):
    monkeypatch.setattr(tables, 'MOST_LINES', 100)
    with pytest.raises(InputError, match='expected up to 100 lines, got more; aggregate them'):
        clicks.read(table('picture,impressions,clicks\n' + '0,1,1\n' * 200), 3)


def test_as_many_positions_as_lines_are_no_trouble(table):
    lines = ''.join(f'0,1,1,{i}\n' for i in range(30000))
    names = clicks.read(table('picture,impressions,clicks,position\n' + lines), 3)[4]
    assert len(names) == 30000


def test_a_source_with_the_quote_of_a_formula_is_found(table):
    lines = "picture,impressions,clicks\n'=a.png,2,1\n=a.png,2,1\n"
    assert clicks.read(table(lines), 1, ['=a.png'])[0].tolist() == [0, 0]


def test_a_table_of_a_european_spreadsheet_is_read(table):
    found = clicks.read(table('picture;impressions;clicks\n1;10;2\n'), 3)
    assert (found.rows, found.impressions, found.clicks) == ([1], [10], [2])
