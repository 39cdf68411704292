import csv
import itertools
import tracemalloc

import pytest

from picture_ranknet.storage import tables
from support.errors import error_of


def test_tables_come_back_as_they_were_written(tmp_path):
    rows = [['0', 'a, "b".mp4'], ['1', '第1話.mp4']]
    tables.write_table(tmp_path / 'X.csv', ['row', 'source'], rows)
    assert tables.read_table(tmp_path / 'X.csv', 2) == (['row', 'source'], rows)


def test_a_table_that_was_sorted_comes_back_in_the_order_of_the_pictures(tmp_path):
    (tmp_path / 'X.csv').write_text('source,row\nb,1\na,0\n')
    assert tables.read_table(tmp_path / 'X.csv', 2) == (
        ['source', 'row'], [['a', '0'], ['b', '1']])


def test_some_columns_of_a_table_are_read(tmp_path):
    (tmp_path / 'X.csv').write_text('w,row,x,h\n1,1,2,3\n4,0,5,6\n')
    for names, columns, rows in [
            (['h', 'w', 'group'], ['w', 'h'], [['4', '6'], ['1', '3']]),
            (['group'], [], [[], []])]:
        assert tables.read_table(tmp_path / 'X.csv', 2, names) == (columns, rows)


def test_a_large_table_takes_a_few_hundred_bytes_a_row(tmp_path):
    n = 5000
    tables.write_table(tmp_path / 'X.csv', ['row', 'source', *'abcdefgh'], (
        [number, f'film {number // 1000}.mp4', *(number * k % 100 for k in range(8))]
        for number in range(n)))
    tracemalloc.start()
    try:
        table = tables.read_table(tmp_path / 'X.csv', n)
        assert tracemalloc.get_traced_memory()[1] < 400 * n
    finally:
        tracemalloc.stop()
    assert table[1][4321] == ['4321', 'film 4.mp4', *(str(4321 * k % 100) for k in range(8))]


@pytest.mark.parametrize('content, words', [
    (b'row,source\n0,a\n2,b\n', ['expected the rows 0 to 1 in the column row, got no 1']),
    (b'row,source\n0,a\n', ['expected 2 rows', 'got 1']),
    (b'', ['expected 2 rows', 'got 0']),
    (b'row,source\n0,a\n1\n', ['row 1: expected 2 values, got 1']),
    (b'row\n\xff\n1\n', ['in UTF-8']),
])
def test_other_tables_are_refused(tmp_path, content, words):
    (tmp_path / 'X.csv').write_bytes(content)
    message = error_of(tables.read_table, tmp_path / 'X.csv', 2)
    for word in words:
        assert word in message


@pytest.mark.parametrize('content, words', [
    (b'source\n' + b'a' * 40000 + b'\n', 'a row of over 32,768 characters'),
    (b'source\n"' + b'\n' * 40000, 'a row of over 32,768 characters'),
    (b'source\n' + b'"\n",' * 10000 + b'\n', 'a row of over 32,768 characters'),
    (b'source\na\0b\n', 'a null character'),
    ('source\na\n'.encode('utf-16'), 'in UTF-8'),
    (b'source\n' + b'a\n' * 3, 'expected 1 rows, one for each picture, got 3'),
    (b'source\n' + b'a\n' * 10 ** 6, 'expected a table of 1 rows, one for each picture, got 2,0'),
])
def test_crafted_tables_are_refused(tmp_path, content, words):
    (tmp_path / 'X.csv').write_bytes(content)
    assert words in error_of(tables.read_table, tmp_path / 'X.csv', 1)


NAMES = ['=cmd|/C calc', '+1+1', '-2+3.png', '@SUM(A1)', '\t=1', '\r=1', '\n=1', '\uff1d1', "'=1",
         "''=1", "'", "''a", "it's", '-.png', '-5', '+3.5e2', '-inf', '', 'a,b', 'a\nb', '第1話']


def test_no_cell_is_a_formula_and_all_come_back(tmp_path):
    path = tmp_path / 'X.csv'
    tables.write_table(path, ['row', 'source'], list(enumerate(NAMES)))
    assert [row[1] for row in tables.read_table(path, len(NAMES))[1]] == NAMES
    with open(path, newline='', encoding='utf-8') as f:
        cells = [row[1] for row in itertools.islice(csv.reader(f), 1, None)]
    for cell, name in zip(cells, NAMES):
        assert cell in (name, "'" + name)
        if cell[:1] and cell[0] in '=+-@\t\r\n\uff1d':
            float(cell)  # numbers stay numbers


SAVED = 'row,source,time,x,group\n0,"a, b.mp4",0.500,10,s0t1\n1,c.png,,7,s1t10\n'
READ = (['row', 'source', 'time', 'x', 'group'],
        [['0', 'a, b.mp4', '0.500', '10', 's0t1'], ['1', 'c.png', '', '7', 's1t10']])


@pytest.mark.parametrize('content', [
    SAVED,
    'row;source;time;x;group\n0;a, b.mp4;0,500;10;s0t1\n1;c.png;;7;s1t10\n',           # Excel
    'sep=;\r\nrow;source;time;x;group\r\n0;a, b.mp4;0,500;10;s0t1\r\n1;c.png;;7;s1t10\r\n',
    'row\tsource\ttime\tx\tgroup\n0\ta, b.mp4\t0,500\t10\ts0t1\n1\tc.png\t\t7\ts1t10\n',
    '\ufeff' + SAVED, SAVED.replace('\n', '\r\n'), SAVED.replace('\n', '\r'),
    SAVED + '\n\n', SAVED + ',,,,\n,,,,\n',
    SAVED.replace('row,source', ' Row , "SOURCE"').replace(', "', ',"'),
    SAVED.replace(',10,', ',10.0,').replace(',7,', ',7.000,').replace('\n1,', '\n1.0,'),
    SAVED.replace('0,"a', ' 0 ,"a').replace(',10,', ', 10 ,'),
    '"row";"source";"time";"x";"group"\n"0";"a, b.mp4";"0,500";"10,0";"s0t1"\n'
    '"1";"c.png";"";"7";"s1t10"\n',
])
def test_tables_are_read_as_spreadsheets_and_pandas_save_them(tmp_path, content):
    (tmp_path / 'X.csv').write_bytes(content.encode())
    assert tables.read_table(tmp_path / 'X.csv', 2) == READ


def test_every_reader_understands_them(tmp_path):
    (tmp_path / 'c.csv').write_text(
        'Picture; Impressions ;clicks;My Note\n1,5;100.0;7,0;1,5\nb;3.0\n')
    names = 'picture', 'impressions', 'clicks'
    assert list(tables.read_columns(tmp_path / 'c.csv', names)) == [
        (2, {'picture': '1,5', 'impressions': '100', 'clicks': '7', 'My Note': '1,5'}),
        (3, {'picture': 'b', 'impressions': '3', 'clicks': '', 'My Note': ''})]


@pytest.mark.parametrize('cell', ['1.5', '1,234', '-3', 'many', '1e5', '', '.0'])
def test_what_is_no_count_is_left_for_the_reader_to_refuse(tmp_path, cell):
    tables.write_table(tmp_path / 'c.csv', ['picture', 'clicks'], [['a', cell]])
    (_, row), = tables.read_columns(tmp_path / 'c.csv', ('picture',))
    assert row['clicks'] == cell


def test_other_encodings_are_refused_with_a_remedy(tmp_path):
    (tmp_path / 'c.csv').write_bytes('source;x\nk\xf6nig.png;1\n'.encode('latin1'))
    assert 'save it as CSV (UTF-8)' in error_of(tables.read_table, tmp_path / 'c.csv', 1)
