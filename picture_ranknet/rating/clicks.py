"""Ratings from click statistics.

A click rate is a rating, once two things are corrected for: with few
impressions it is mostly chance (it is shrunk towards the mean rate by a beta
prior that is fitted to all pictures), and position bias: what stands first on a
page is clicked more, whatever it is.  The click probability is modelled as the
product of examining a position and liking the picture there: Craswell, Zoeter,
Taylor and Ramsey, *An Experimental Comparison of Click Position-Bias Models*,
WSDM 2008, section 3.  Ratings are on a log scale: one more is twice the rate.
"""
import math
import os
from typing import NamedTuple, Optional

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.rating.journal import journal_path
from picture_ranknet.storage import arrays, atomic, tables
from picture_ranknet.text import count

COLUMNS = 'picture', 'impressions', 'clicks'
SWEEPS = 200
STRENGTHS = 2. ** np.arange(0, 14, .5)  # of the prior, in impressions


class Clicks(NamedTuple):

    """What a table of clicks says, line by line.

    ``rows``, ``impressions``, ``clicks`` and ``positions`` have shape ``(L,)``;
    a position is an index of the list ``names``.
    """

    rows: np.ndarray
    impressions: np.ndarray
    clicks: np.ndarray
    positions: np.ndarray
    names: list


def rate_set(X_path: str, clicks_path: str, ratings_path: str, is_forced: bool = False) -> list:
    """Write ratings that follow from how often pictures were clicked.

    Args:
        X_path: The ``.npy`` file of the pictures; the table beside it may name their sources.
        clicks_path: Table of clicks, as of :func:`read`.
        ratings_path: What is written: one rating per line, ``nan`` for what was never shown.
        is_forced: Replace ratings that exist.

    Returns:
        list: Lines about what was done.

    Raises:
        InputError: If the table is invalid, ``ratings_path`` is one of the
            inputs, exists without ``is_forced``, or has a journal of a person's
            answers.
    """
    n = len(arrays.read_pictures(X_path))
    _check_files(ratings_path, clicks_path, X_path, is_forced)
    found = read(clicks_path, n, read_sources(X_path, n))
    rates, looks = estimate_rates(n, *found[:4])
    ratings = rate(rates)
    write_ratings(ratings_path, ratings)
    lines = [f"{count(int(np.isfinite(ratings).sum()), 'picture')} rated by "
             f'{found.clicks.sum():,.0f} clicks in {found.impressions.sum():,.0f} impressions -> '
             f'{ratings_path}']
    if len(found.names) > 1:
        lines.append('looked at, by position: ' + ', '.join(
            f"{name or '?'} {look:.0%}" for name, look in zip(found.names, looks)))
    return lines


def _check_files(path, clicks_path, X_path, is_forced):
    atomic.check_outputs({'ratings': path}, {
        'pictures': [X_path, tables.table_path(X_path)], '--clicks': clicks_path})
    if os.path.exists(path) and not is_forced:
        raise InputError(f"{path}: exists already, and may contain a person's ratings; replace "
                         'it with --force, or choose another file')
    if os.path.exists(journal_path(path)):
        raise InputError(f"{journal_path(path)}: holds a person's ratings; move it and {path} "
                         'away, or choose another ratings file')


def read(path: str, n: int, sources: Optional[list] = None) -> Clicks:
    """Read a table of clicks.

    Args:
        path (str): CSV with the columns ``picture`` (its row, from 0, or its
            source), ``impressions``, ``clicks`` and, if known, ``position``
            (any text); a picture may have many lines.
        n (int): The number of pictures.
        sources (list of str): The source of each picture.

    Raises:
        InputError: If a line is invalid or names a source of several pictures;
            gives its number.
    """
    by_name = _name_pictures(n, sources or [])
    rows, shown, clicked, positions = [], [], [], []
    for number, line in tables.read_columns(path, COLUMNS):
        where = f'{path}, line {number}'
        rows.append(_find(where, line['picture'], by_name, n))
        shown.append(_count(where, 'impressions', line['impressions']))
        clicked.append(_count(where, 'clicks', line['clicks']))
        if clicked[-1] > shown[-1]:
            raise InputError(f'{where}: expected no more clicks than impressions, got '
                             f'{clicked[-1]} of {shown[-1]}')
        positions.append(line.get('position', '').strip())
    if not sum(shown):
        raise InputError(f'{path}: expected impressions, got none')
    names = sorted(set(positions), key=lambda name: (len(name), name))  # 2 before 10
    index = {name: number for number, name in enumerate(names)}
    return Clicks(np.array(rows), np.array(shown, float), np.array(clicked, float),
                  np.array([index[name] for name in positions]), names)


def read_sources(X_path: str, n: int) -> Optional[list]:
    """The source of each of ``n`` pictures; ``None`` if the table beside them does not say."""
    table = tables.table_path(X_path)
    if os.path.exists(table):
        columns, rows = tables.read_table(table, n)
        if 'source' in columns:
            return [row[columns.index('source')] for row in rows]
    return None


def _name_pictures(n, sources):
    """All rows that each name stands for: a row's number, a source, its name without folders."""
    by_name = {}
    for row, source in enumerate(sources):
        for name in {source, os.path.basename(source)}:
            by_name.setdefault(name, []).append(row)
    return {**by_name, **{str(row): [row] for row in range(n)}}


def _find(where, name, by_name, n):
    name = name.strip()
    rows = by_name.get(name, [])
    shown = repr(name if len(name) <= 40 else name[:40] + '...')
    if not rows:
        raise InputError(f'{where}: expected a picture, a row from 0 to {n - 1} or a source in the '
                         f'table beside the pictures, got {shown}')
    if len(rows) > 1:
        raise InputError(f'{where}: expected one picture, got {shown}, which is the source of '
                         f'{len(rows)} (the rows {rows[0]}, {rows[1]}'
                         f"{', ...' if len(rows) > 2 else ''}); write the row instead")
    return rows[0]


def _count(where, column, text):
    if not text.strip().isdecimal() or len(text) > 15:
        raise InputError(f'{where}: expected a whole number of {column}, got {text[:40]!r}')
    return int(text)


def estimate_rates(n: int, rows: np.ndarray, shown: np.ndarray, clicked: np.ndarray,
                   positions: np.ndarray) -> tuple:
    """Estimate how often each picture is clicked by those who look at it.

    Positions and rates are fitted alternately, which maximises the likelihood
    of the counts; the strength of the prior is chosen by maximum likelihood.

    Args:
        n (int): The number of pictures.
        rows, shown, clicked, positions (numpy.ndarray): As in :class:`Clicks`.

    Returns:
        tuple: Rates, shape ``(n,)``, ``nan`` where a picture was never shown,
        and how often each position is looked at, relative to the maximum.
    """
    looks = np.ones(positions.max() + 1)
    clicks = np.bincount(rows, clicked, n)
    for _ in range(SWEEPS):
        exposure = np.bincount(rows, shown * looks[positions], n)
        usual = max(clicks.sum(), .5) / exposure.sum()
        strength = _most_likely_strength(clicks, exposure, usual)
        rates = (clicks + strength * usual) / (exposure + strength)
        expected = np.bincount(positions, shown * rates[rows], len(looks))
        before = looks
        # Add-one smoothing for positions with little data.
        looks = (np.bincount(positions, clicked, len(looks)) + 1) / (expected + 1)
        looks /= looks.max()
        if np.abs(looks - before).max() < 1e-6:
            break
    return np.where(np.bincount(rows, shown, n) > 0, rates, np.nan), looks


def _most_likely_strength(clicks, exposure, usual):
    """Prior strength in impressions, by the beta-binomial likelihood."""
    seen = exposure > 0
    k, m = clicks[seen], np.maximum(exposure[seen], clicks[seen])

    def log_likelihood(strength):
        a, b = strength * usual, strength * (1 - min(usual, 1 - 1e-9))
        return sum(_log_beta(a + hits, b + n - hits) for hits, n in zip(k, m)) - len(k) * _log_beta(
            a, b)

    return max(STRENGTHS, key=log_likelihood)


def _log_beta(a, b):
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def rate(rates: np.ndarray) -> np.ndarray:
    """Convert rates to ratings: 0 for the lowest, plus 1 for each doubling; ``nan`` stays."""
    return np.log2(rates / np.nanmin(rates))


def write_ratings(path: str, ratings: np.ndarray) -> None:
    """Write one rating per line, ``nan`` where there is none."""
    with atomic.replacing(path) as part, open(part, 'w', encoding='utf-8') as f:
        f.writelines('nan\n' if np.isnan(rating) else f'{rating:.4f}\n' for rating in ratings)
