"""CSV tables, such as ``X.csv``, which says where each row of ``X.npy`` comes from."""
import csv
import os
import re
import types

from picture_ranknet.errors import InputError
from picture_ranknet.storage.atomic import replacing

ROW_LIMIT = 2 ** 15     # characters of a row of a table
ROW_AVERAGE = 1000      # ... of all rows, on average, besides
TABLE_ROOM = 2 ** 20    # ... so many
MOST_LINES = 2000000    # of a table of which nobody knows how long it should be
FORMULA = re.compile("('*)[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")  # what spreadsheets run


def table_path(pictures_path):
    """Where the table of a set of pictures lies: ``X.csv`` beside ``X.npy``."""
    return os.path.splitext(pictures_path)[0] + '.csv'


def read_table(path, n, names=None):
    """Read a table that has one row for each of ``n`` pictures.

    Args:
        path (str): A CSV file with a line of column names.
        n (int): The number of pictures.
        names (tuple of str): Keep these columns only, of those that there
            are; ``None`` for all.

    Returns:
        tuple: The column names and the rows, each a list of strings, in the
        order of the pictures: that of the column ``row``, if there is one.

    Raises:
        InputError: If it does not have ``n`` rows, a row does not have one
            value for each column, or the column ``row`` is not 0 to ``n - 1``.
    """
    if os.path.getsize(path) > TABLE_ROOM + ROW_AVERAGE * n:
        raise InputError('{}: expected a table of {} rows, one for each picture, got {:,} bytes; '
                         'move it away if it belongs to other pictures'.format(
                             path, n, os.path.getsize(path)))
    remedy = 'make it anew with crop_faces.py'
    lines = (line for _, line in read_rows(path, remedy))
    columns = next(lines, [])
    kept = [c for c, column in enumerate(columns) if names is None or column in names]
    place = columns.index('row') if 'row' in columns else None
    rows, numbers = [], []
    same = {}  # one string for equal ones, of which a large table is full
    for line in lines:
        if len(line) != len(columns):
            raise InputError('{}, row {}: expected {} values, got {}; {}'.format(
                path, len(rows), len(columns), len(line), remedy))
        rows.append([same.setdefault(line[c], line[c]) for c in kept])
        numbers.append(line[place] if place is not None else None)
    if len(rows) != n:
        raise InputError('{}: expected {} rows, one for each picture, got {}; '
                         'move it away if it belongs to other pictures'.format(path, n, len(rows)))
    if place is not None:
        rows = _in_order(path, numbers, rows)
    return [columns[c] for c in kept], rows


def _in_order(path, numbers, rows):
    if all(number == str(expected) for expected, number in enumerate(numbers)):
        return rows
    by_number = dict(zip(numbers, rows))
    try:
        return [by_number[str(number)] for number in range(len(rows))]
    except KeyError as e:
        raise InputError('{}: expected the rows 0 to {}, got none with the number {}; make it '
                         'anew with crop_faces.py'.format(path, len(rows) - 1, e)) from e


def read_rows(path, remedy='save it anew'):
    """Read any table, row by row.

    Args:
        path (str): CSV, in UTF-8.
        remedy (str): What to do about a damaged one.

    Yields:
        tuple: The number of a line, from 1, the last one of its row, and the
        row, a list of strings.

    Raises:
        InputError: If it is none, or has a row of over ``ROW_LIMIT`` characters.
    """
    room = ROW_LIMIT

    def lines(f):
        nonlocal room
        while True:
            line = f.readline(room + 1)
            room -= len(line)
            if room < 0:
                raise csv.Error('a row of over {:,} characters'.format(ROW_LIMIT))
            if '\0' in line:
                raise csv.Error('a character of number 0')
            if not line:
                return
            yield line

    try:
        with open(path, newline='', encoding='utf-8-sig') as f:
            reader = csv.reader(lines(f))
            for row in reader:
                room = ROW_LIMIT
                yield reader.line_num, [_without_quote(cell) for cell in row]
    except (UnicodeDecodeError, csv.Error) as e:
        raise InputError('{}: expected a CSV table in UTF-8, got {}; {}'.format(
            path, e, remedy)) from e


def read_columns(path, names):
    """Read a table of which some columns are needed, row by row.

    Args:
        path (str): CSV, in UTF-8, of up to ``MOST_LINES`` lines.
        names (tuple of str): The columns; there may be others.

    Yields:
        tuple: The number of a line, and a dict of a row, by column; where a
        row is short, the rest is empty.

    Raises:
        InputError: If it is none, a column is missing, or there is no end.
    """
    columns = None
    for number, row in read_rows(path):
        if columns is None:
            columns = row
            missing = [name for name in names if name not in columns]
            if missing:
                raise InputError('{}, line 1: expected the columns {}, got none named {}'.format(
                    path, ','.join(names), ', '.join(missing)))
        elif number > MOST_LINES:
            raise InputError('{}: expected up to {:,} lines, got more; sum them up'.format(
                path, MOST_LINES))
        elif row:
            yield number, {**dict.fromkeys(columns, ''), **dict(zip(columns, row))}
    if columns is None:
        raise InputError('{}: expected the columns {}, got an empty file'.format(
            path, ','.join(names)))


def write_table(path, columns, rows):
    """Write a table with a line of column names.

    A spreadsheet runs what begins like a formula.  So a cell that does and is
    no number, such as the name of a file from somewhere, has a ``'`` put
    before it, which :func:`read_rows` takes away.
    """
    with replacing(path) as part:
        write_rows(part, columns, rows)


def write_rows(path, columns, rows):
    """As :func:`write_table`, to where it is said: beside the place of a table."""
    with open(path, 'w', newline='', encoding='utf-8') as f:
        # A writer whose lines end in \n alone would put no quotes around a \r in a name.
        lines = types.SimpleNamespace(write=lambda line: f.write(line[:-2] + '\n'))
        writer = csv.writer(lines, lineterminator='\r\n')
        writer.writerow(columns)
        writer.writerows(map(_with_quote, row) for row in rows)


def _with_quote(cell):
    return "'" + cell if isinstance(cell, str) and _is_formula(cell) else cell


def _without_quote(cell):
    return cell[1:] if cell[:1] == "'" and FORMULA.match(cell) else cell


def _is_formula(cell):
    if not FORMULA.match(cell):
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return False
