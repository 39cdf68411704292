"""The content of a journal: events, one JSON object per line, and the history they make up."""
import math
from typing import NamedTuple, Union

from picture_ranknet.rating.bradley_terry import Comparison, Placing
from picture_ranknet.rating.settings import MOST_LEVELS
from picture_ranknet.storage import ratings_txt

NOT_RATED = 'nan'
NO_FACE = ratings_txt.REJECTED
STARS, PAIRS = 'stars', 'pairs'


class Rating(NamedTuple):

    """A rating of a picture, as written in ``ratings.txt``, and the one before.

    ``is_repeat`` says that the picture was asked again to see how consistent
    the ratings are.
    """

    row: int
    text: str
    was: str
    is_repeat: bool = False


class Skip(NamedTuple):

    """One picture, or the two of a pair, that should be shown later."""

    rows: tuple


def entry_of(event: dict) -> Union[Rating, Skip, Comparison, Placing]:
    """The :class:`Rating`, :class:`Skip`, ``Comparison`` or ``Placing`` that an event is."""
    if 'row' in event:
        return Rating(event['row'], event['is'], event['was'], bool(event.get('repeat')))
    if 'left' in event:
        return Comparison(event['left'], event['right'], event['better'])
    if 'placed' in event:
        return Placing(event['placed'], event['above'], event['below'])
    return Skip(tuple(event['skip']))


def kind_of(said: Union[Rating, Skip, Comparison, Placing]) -> str:
    """The kind of an entry of a journal's history, in one word."""
    if isinstance(said, Rating):
        return 'reject' if said.text == NO_FACE else 'rating'
    return {Skip: 'skip', Comparison: 'comparison', Placing: 'place'}[type(said)]


def after_last(events: list, key: str) -> list:
    """What follows the last event that has a key."""
    index = max((number for number, event in enumerate(events) if key in event), default=-1)
    return events[index + 1:]


def changes_ratings(event: dict) -> bool:
    """Whether an event says something that ``ratings.txt`` may not include yet."""
    return 'skip' not in event and any(key in event for key in ('row', 'left', 'placed', 'undo'))


def check(event: dict, n: int) -> None:
    """Raise an exception if an object in the journal of ``n`` pictures is not ours."""
    rows = [event[key] for key in ('row', 'left', 'right', 'placed') if key in event]
    rows += [row for key in ('above', 'below') for row in [event.get(key)] if row is not None]
    rows += event.get('skip', [])
    if not all(type(row) is int and 0 <= row < n for row in rows):
        raise ValueError('no such row')
    if 'pictures' in event:
        levels = event.get('levels')
        if (type(n) is not int or event['mode'] not in (STARS, PAIRS) or 'id' not in event
                or not (levels is None or type(levels) is int and 2 <= levels <= MOST_LEVELS)):
            raise ValueError('no opening')
    elif 'row' in event:
        for text in event['is'], event['was']:
            if math.isinf(float(text.split('#', 1)[0])) or not text.isprintable():
                raise ValueError('no rating')
    elif 'left' in event:
        if event['better'] not in (None, event['left'], event['right']):
            raise ValueError('neither of the two')
    elif 'placed' in event:
        if event['placed'] in (event['above'], event['below']) or len(rows) < 2:
            raise ValueError('no place')
    elif 'skip' in event:
        if len(event['skip']) not in (1, 2):
            raise ValueError('neither a picture nor a pair')
    elif 'undo' not in event and 'written' not in event:
        raise ValueError('unknown')
