"""Ratings from how often pictures were clicked.

A rate of clicks is a rating, once two things are allowed for: with few
impressions it is mostly chance (it is drawn towards the usual rate by a beta
prior that is fitted to all pictures), and what stands first on a page is
clicked more, whatever it is.  A click is taken to be the product of looking
at a position and of liking the picture there: Craswell, Zoeter, Taylor and
Ramsey, *An Experimental Comparison of Click Position-Bias Models*, WSDM 2008,
section 3.  Ratings are on a log scale: one more is twice the rate.
"""
import math
import os

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.storage import tables

COLUMNS = 'picture', 'impressions', 'clicks'
SWEEPS = 200
STRENGTHS = 2. ** np.arange(0, 14, .5)  # of the prior, in impressions


def read(path, n, sources=None):
    """Read a table of clicks.

    Args:
        path (str): CSV with the columns ``picture`` (its row, from 0, or its
            source), ``impressions``, ``clicks`` and, if known, ``position``
            (any text); a picture may have many lines.
        n (int): The number of pictures.
        sources (list of str): The source of each picture.

    Returns:
        tuple: Arrays of rows, impressions, clicks and numbers of positions,
        and the names of these.

    Raises:
        InputError: If a line is not such, with its number.
    """
    by_name = {str(row): row for row in range(n)}
    for row, source in enumerate(sources or []):
        for name in source, os.path.basename(source):
            by_name.setdefault(name, row)
    rows, shown, clicked, positions = [], [], [], []
    for number, line in tables.read_columns(path, COLUMNS):
        where = '{}, line {}'.format(path, number)
        rows.append(_find(where, line['picture'], by_name, n))
        shown.append(_count(where, 'impressions', line['impressions']))
        clicked.append(_count(where, 'clicks', line['clicks']))
        if clicked[-1] > shown[-1]:
            raise InputError('{}: expected no more clicks than impressions, got {} of {}'
                                   .format(where, clicked[-1], shown[-1]))
        positions.append(line.get('position', '').strip())
    if not sum(shown):
        raise InputError('{}: expected impressions, got none'.format(path))
    names = sorted(set(positions), key=lambda name: (len(name), name))  # 2 before 10
    index = {name: number for number, name in enumerate(names)}
    return (np.array(rows), np.array(shown, float), np.array(clicked, float),
            np.array([index[name] for name in positions]), names)


def _find(where, name, by_name, n):
    try:
        return by_name[name.strip()]
    except KeyError as e:
        raise InputError('{}: expected a picture, a row from 0 to {} or a source of the '
                               'table beside the pictures, got {!r}'.format(
                                   where, n - 1, name[:40])) from e


def _count(where, column, text):
    if not text.strip().isdecimal() or len(text) > 15:
        raise InputError('{}: expected a whole number of {}, got {!r}'.format(
            where, column, text[:40]))
    return int(text)


def estimate_rates(n, rows, shown, clicked, positions):
    """How often each picture is clicked by who looks at it.

    Positions and rates are fitted in turn, which climbs to the greatest
    likelihood of the counts; the prior's strength is that which makes the
    counts most likely.

    Args:
        n (int): The number of pictures.
        rows, shown, clicked, positions (numpy.ndarray): As of :func:`read`.

    Returns:
        tuple: Rates, shape ``(n,)``, ``nan`` where a picture was never shown,
        and how much each position is looked at, the most being 1.
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
        # One more click and what it takes: a position that was hardly used says little.
        looks = (np.bincount(positions, clicked, len(looks)) + 1) / (expected + 1)
        looks /= looks.max()
        if np.abs(looks - before).max() < 1e-6:
            break
    return np.where(np.bincount(rows, shown, n) > 0, rates, np.nan), looks


def _most_likely_strength(clicks, exposure, usual):
    """Impressions that the usual rate counts for, by the beta-binomial likelihood."""
    seen = exposure > 0
    k, m = clicks[seen], np.maximum(exposure[seen], clicks[seen])

    def log_likelihood(strength):
        a, b = strength * usual, strength * (1 - min(usual, 1 - 1e-9))
        return sum(_log_beta(a + hits, b + n - hits) for hits, n in zip(k, m)) - len(k) * _log_beta(
            a, b)

    return max(STRENGTHS, key=log_likelihood)


def _log_beta(a, b):
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def rate(rates):
    """Ratings of rates: 0 is the least of them, one more is twice as much; ``nan`` stays."""
    return np.log2(rates / np.nanmin(rates))
