"""CSV tables, such as ``X.csv``, which says where each row of ``X.npy`` comes from.

Files saved by spreadsheets and pandas are read, too: with ``;`` or tabs
between the columns, decimal commas, ``100.0`` for a count, and column names
with spaces or capitals.
"""
import csv
import os
import re
import types
from collections.abc import Iterable, Iterator, Sequence
from typing import Optional

from picture_ranknet.errors import InputError
from picture_ranknet.storage.atomic import replacing

ROW_LIMIT = 2 ** 15     # characters of a row
ROW_AVERAGE = 1000      # characters of a row, averaged over a table
TABLE_ROOM = 2 ** 20    # additional characters that a table may have
MOST_LINES = 2000000    # of a table whose length is not known in advance
FORMULA = re.compile("('*)[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")  # what spreadsheets execute

# What the columns of our own tables hold; other columns are passed on unchanged.
COUNTS = frozenset('row rank frame x y w h impressions clicks'.split())
DECIMALS = frozenset('time confidence sharpness score margin'.split())
TEXTS = frozenset('source group picture position kind character'.split())
NUMBERS = COUNTS | DECIMALS

SAVE_AGAIN = 'save it as CSV (UTF-8)'


def table_path(pictures_path: str) -> str:
    """Where the table of a set of pictures lies: ``X.csv`` beside ``X.npy``."""
    return os.path.splitext(pictures_path)[0] + '.csv'


# Reading

def read_table(path: str, n: int, names: Optional[Sequence[str]] = None) -> tuple:
    """Read a table that has one row for each of ``n`` pictures.

    Args:
        path: A CSV file that begins with column names.
        n: The number of pictures.
        names: Keep only these columns, as far as they exist; ``None`` keeps
            all.

    Returns:
        tuple: The column names and the rows, each a list of strings, in the
        order of the pictures: that of the column ``row``, if there is one.

    Raises:
        InputError: If it does not have ``n`` rows, a row does not have one
            value for each column, or the column ``row`` is not 0 to ``n - 1``.
    """
    size = os.path.getsize(path)
    if size > TABLE_ROOM + ROW_AVERAGE * n:
        raise InputError(f'{path}: expected a table of {n} rows, one for each picture, got '
                         f'{size:,} bytes; move it away if it belongs to other pictures')
    lines = (line for _, line in read_rows(path))
    columns = next(lines, [])
    kept = [number for number, column in enumerate(columns) if names is None or column in names]
    place = columns.index('row') if 'row' in columns else None
    rows, numbers = [], []
    same = {}  # equal cells share one string: a large table is full of them
    for line in lines:
        if len(line) != len(columns):
            raise InputError(f'{path}, row {len(rows)}: expected {len(columns)} values, got '
                             f'{len(line)}; fix that row, the ratings belong to these rows')
        rows.append([same.setdefault(line[number], line[number]) for number in kept])
        numbers.append(line[place] if place is not None else None)
    if len(rows) != n:
        raise InputError(f'{path}: expected {n} rows, one for each picture, got {len(rows)}; '
                         'move it away if it belongs to other pictures')
    if place is not None:
        rows = _in_order(path, numbers, rows)
    return [columns[number] for number in kept], rows


def _in_order(path, numbers, rows):
    if all(number == str(expected) for expected, number in enumerate(numbers)):
        return rows
    by_number = dict(zip(numbers, rows))
    try:
        return [by_number[str(number)] for number in range(len(rows))]
    except KeyError as e:
        raise InputError(f'{path}: expected the rows 0 to {len(rows) - 1} in the column row, got '
                         f'no {e.args[0]}; fix that column') from e


def read_columns(path: str, names: Sequence[str]) -> Iterator[tuple]:
    """Read a table that has certain columns, row by row.

    Args:
        path: CSV, of up to ``MOST_LINES`` lines.
        names: The required columns; there may be others.

    Yields:
        tuple: The number of a line, from 1, and its row as a dict by column;
        where a row is short, the rest is empty.

    Raises:
        InputError: If it is not a table, a column is missing, or it is too long.
    """
    columns = None
    for number, row in read_rows(path):
        if columns is None:
            columns = row
            missing = [name for name in names if name not in columns]
            if missing:
                raise InputError(f'{path}, line 1: expected the columns {",".join(names)}, got '
                                 f'none named {", ".join(missing)}')
        elif number > MOST_LINES:
            raise InputError(f'{path}: expected up to {MOST_LINES:,} lines, got more; aggregate '
                             'them')
        elif row:
            yield number, {**dict.fromkeys(columns, ''), **dict(zip(columns, row))}
    if columns is None:
        raise InputError(f'{path}: expected the columns {",".join(names)}, got an empty file')


def read_rows(path: str) -> Iterator[tuple]:
    """Read any table, row by row; all other functions use this one.

    Args:
        path: CSV, in UTF-8.

    Yields:
        tuple: The number of the last line of a row, from 1, and the row, a
        list of strings.  The first row holds the column names.  In the
        columns ``COUNTS`` and ``DECIMALS``, numbers are normalised to this
        toolkit's notation; blank rows are skipped.

    Raises:
        InputError: If it is not a table, or has a row of over ``ROW_LIMIT``
            characters.
    """
    columns = None
    try:
        with open(path, newline='', encoding='utf-8-sig') as f:
            first, delimiter = _sniff(f)
            lines = _LimitedLines(f, first)
            reader = csv.reader(lines, delimiter=delimiter)
            for row in reader:
                lines.room = ROW_LIMIT
                row = [_without_quote(cell) for cell in row]
                if columns is None:
                    columns = row = list(map(_column_name, row))
                    counts = [number for number, column in enumerate(columns) if column in COUNTS]
                    numbers = [number for number, column in enumerate(columns) if column in NUMBERS]
                elif not row or len(columns) > 1 and not any(map(str.strip, row)):
                    continue  # spreadsheets save some below a table
                else:
                    if delimiter != ',':
                        _normalize(row, numbers, _with_point)
                    _normalize(row, counts, _without_fraction)
                yield reader.line_num, row
    except (UnicodeDecodeError, csv.Error) as e:
        raise InputError(f'{path}: expected a CSV table in UTF-8, got {e}; {SAVE_AGAIN}') from e


class _LimitedLines:

    """The lines of a file; a row, of one line or several, has up to ``room`` characters."""

    def __init__(self, f, first):
        self.file = f
        self.first = first
        self.room = ROW_LIMIT

    def __iter__(self):
        return self

    def __next__(self):
        line = self.first or self.file.readline(self.room + 1)
        self.first = ''
        self.room -= len(line)
        if self.room < 0:
            raise csv.Error(f'a row of over {ROW_LIMIT:,} characters')
        if '\0' in line:
            raise csv.Error('a null character')
        if not line:
            raise StopIteration
        return line


def _sniff(f):
    """The line of column names and their delimiter: a comma, a semicolon or a tab."""
    first = f.readline(ROW_LIMIT + 1)
    if re.fullmatch('"?sep=[,;\t]"?\\s*', first):  # a line for Excel
        first = f.readline(ROW_LIMIT + 1)
    names = re.sub('"[^"]*"', '', first)
    return first, max(',;\t', key=names.count)


def _column_name(cell):
    name = cell.strip()
    return name.lower() if name.lower() in NUMBERS | TEXTS else name


def _normalize(row, places, function):
    """Normalise numbers to this toolkit's notation; leave other text for the caller to refuse."""
    for place in places:
        if place < len(row) and not row[place].isdecimal():
            row[place] = function(row[place])


def _with_point(cell):
    return cell.strip().replace(',', '.') if re.fullmatch(r'\s*-?\d+,\d+\s*', cell) else cell


def _without_fraction(cell):
    return re.sub(r'(?<=\d)\.0*$', '', cell.strip())  # 100.0


def _without_quote(cell):
    return cell[1:] if cell[:1] == "'" and FORMULA.match(cell) else cell


# Writing

def write_table(path: str, columns: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Write a table that begins with column names.

    A spreadsheet executes what begins like a formula.  So a cell that does,
    such as the name of somebody's file, is prefixed with ``'``, unless it is a
    number; :func:`read_rows` removes the prefix.
    """
    with replacing(path) as part:
        write_rows(part, columns, rows)


def write_rows(path: str, columns: Sequence[str], rows: Iterable[Sequence]) -> None:
    """As :func:`write_table`, directly to ``path``: for a file that is moved later."""
    with open(path, 'w', newline='', encoding='utf-8') as f:
        # A writer with a line terminator of \n would not quote a \r in a name.
        lines = types.SimpleNamespace(write=lambda line: f.write(line[:-2] + '\n'))
        writer = csv.writer(lines, lineterminator='\r\n')
        writer.writerow(columns)
        writer.writerows(map(_with_quotes, rows))


def _with_quotes(row):
    return ["'" + cell if isinstance(cell, str) and _is_formula(cell) else cell for cell in row]


def _is_formula(cell):
    if not FORMULA.match(cell):
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return False
