"""What :mod:`.pickle_reader` returns: plain values, and records in place of objects."""
import codecs
import warnings
from typing import NamedTuple, Optional, Union

LONG = 128  # bytes; a longer text holds weights pickled by Python 2


class ReadError(ValueError):

    """A pickle is damaged, or contains something that no model needs."""


class Use(NamedTuple):

    """What a pickle may do with a name.

    ``n_args``: the permitted numbers of arguments;
    ``is_class``: whether it may be instantiated, without arguments;
    ``state``: the type of the state that may then be set, if any.
    """

    n_args: tuple = ()
    is_class: bool = False
    state: Optional[type] = None


CLASS = Use(is_class=True, state=dict)
MENTIONED = Use()


class Name(NamedTuple):

    """Stands for a class or function that a pickle names."""

    module: str
    name: str
    use: Use


class Record:

    """What a pickle says about one object.

    Attributes:
        name (str): Name of its class, or of the function that creates it.
        args (tuple): Arguments of that function.
        state: The state that is then set: a dict, a tuple or ``None``.
    """

    __slots__ = 'name', 'args', 'state', 'use'

    def __init__(self, name, args=()):
        self.name = name.name
        self.use = name.use
        self.args = args
        self.state = None


class LongText:

    """A long text, still encoded in the file; Python 2 stored bytes as text.

    Args:
        raw (memoryview): The encoded text.
        codec (str): Its encoding.
    """

    __slots__ = 'raw', 'codec'

    def __init__(self, raw, codec):
        self.raw = raw
        self.codec = codec

    def decode(self) -> bytes:
        """The bytes that the text stands for, one for each character."""
        return decode(self.raw, self.codec).encode('latin1')


def show(text: Union[str, LongText], most: int = 80) -> str:
    """Make text from a file fit for a message: printable, on one line, and short."""
    if type(text) is LongText:
        text = str(text.raw[:2 * most], 'latin1')
    shown = ascii(text[:2 * most])[1:-1]
    return shown if len(shown) <= most else shown[:most] + '...'


def decode(raw: memoryview, codec: str) -> str:
    """Decode a text; ``string-escape`` is Python 2's notation, in quotes."""
    if codec == 'string-escape':
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of escapes that Python 2 does not write
            raw, codec = codecs.escape_decode(_unquote(bytes(raw)))[0], 'latin1'
    return str(raw, codec)


def _unquote(raw):
    if len(raw) < 2 or raw[:1] != raw[-1:] or raw[:1] not in (b'"', b"'"):
        raise ReadError('it has a text without quotes')
    return raw[1:-1]


def decode_unless_long(raw: memoryview, codec: str) -> Union[str, LongText]:
    """Decode a short text; leave a long one in the file."""
    return decode(raw, codec) if len(raw) <= LONG else LongText(raw, codec)
