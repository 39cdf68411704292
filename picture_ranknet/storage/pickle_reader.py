"""What a pickle says, read as data: no name in it is looked up, nothing of it is called.

A pickle is a program, and :class:`pickle.Unpickler` runs it.  One whose
``find_class`` admits few names runs it still: it calls what is admitted with
any arguments and in any order, follows dotted names, asks nobody about what
``copyreg`` has seen before, takes memory for what a file merely claims
(CVE-2018-20406, CPython's issue 115952), and has bugs of its own in C (143638,
143639).  Lists of forbidden names, as picklescan and fickling keep them, are
never complete, which picklescan's issue 66 says of itself.  PyTorch reads
opcodes by itself, but makes true objects of them; one that set items of what
is no dict corrupted memory (CVE-2026-24747).

So this reads opcodes, too, those that models need, and takes exact pairs of
module and name, each used as a model uses it; but what it makes is a
:class:`Record` of what the file says about an object, never the object.

Bounds: an opcode takes memory for a few words and, at most, a short text; long
ones, and all bytes, stay in the file until somebody wants them.  There are at
most ``MOST_OPCODES``, however large the file.  Nothing walks what has been
read, however deep and however shared it is.
"""
import codecs
import pickle
import struct
import warnings
from typing import NamedTuple

MOST_OPCODES = 300000  # a ResNet-50 in the middle of its training has 45,000
MOST_MARKS = 100       # lists, dicts and tuples that are begun inside each other
LONG = 128             # bytes; a text that is longer is weights

_OPCODE_NAMES = {code[0]: name for name, code in vars(pickle).items()
                 if name.isupper() and type(code) is bytes and len(code) == 1}


class ReadError(ValueError):

    """A pickle is damaged, or says something that no model needs."""


class Use(NamedTuple):

    """How a pickle may use a name.

    ``n_args``: how many arguments it may be called with, if it may be called;
    ``is_class``: whether objects may be made of it without arguments;
    ``state``: the type of the state that may then be set, if any.
    """

    n_args: tuple = ()
    is_class: bool = False
    state: type = None


CLASS = Use(is_class=True, state=dict)
MENTIONED = Use()


class Name(NamedTuple):

    """A class or function that a pickle names, instead of it."""

    module: str
    name: str
    use: Use


class Record:

    """What a pickle says about one object, instead of the object.

    Attributes:
        name (str): Of its class, or of the function that makes it.
        args (tuple): What that was called with.
        state: What was then set: a dict, a tuple or, mostly, nothing.
    """

    __slots__ = 'name', 'args', 'state', 'use'

    def __init__(self, name, args=()):
        self.name = name.name
        self.use = name.use
        self.args = args
        self.state = None


class LongText:

    """A text, or the bytes that it stands for, as it lies in the file.

    Args:
        raw (memoryview): It, encoded.
        codec (str): How.
    """

    __slots__ = 'raw', 'codec'

    def __init__(self, raw, codec):
        self.raw = raw
        self.codec = codec

    def decode(self):
        """The bytes that it stands for, each of which was a character."""
        return _decode(self.raw, self.codec).encode('latin1')


_PYTHONS = {  # as Python 3 calls them, and Python 2 and low protocols
    ('builtins', 'object'): MENTIONED, ('__builtin__', 'object'): MENTIONED,
    ('copyreg', '_reconstructor'): Use((3,)), ('copy_reg', '_reconstructor'): Use((3,)),
    ('_codecs', 'encode'): Use((2,)),
    ('builtins', 'bytes'): Use((0,)), ('__builtin__', 'bytes'): Use((0,)),
    ('builtins', 'set'): Use((0, 1)), ('__builtin__', 'set'): Use((0, 1)),
    ('collections', 'OrderedDict'): Use((0, 1)),
}


def read(content, names):
    """Read a pickle of any protocol.

    Args:
        content (bytes or mmap.mmap): All of it.
        names (dict): The :class:`Use` of each admitted pair of module and
            name; Python's own are known.

    Returns:
        What it holds: ``None``, bool, int, float, str, memoryview (of bytes),
        :class:`LongText`, tuple, list (of a set, too), dict with keys that are
        str, :class:`Name`, or :class:`Record`.

    Raises:
        ReadError: If it is damaged, or says something else.
    """
    reader = Reader(content, names)
    value = reader.run()
    if reader.at != len(content):
        raise ReadError('there is more behind its end')
    return value


def show(text, most=80):
    """A text from a file for a message: printable, on one line, and short."""
    if type(text) is LongText:
        text = str(text.raw[:2 * most], 'latin1')
    shown = ascii(text[:2 * most])[1:-1]
    return shown if len(shown) <= most else shown[:most] + '...'


class Reader:

    """Reads one pickle of a file that may hold more.

    Args:
        content (bytes or mmap.mmap): The file.
        names (dict): As for :func:`read`.
        at (int): The byte at which the pickle begins; :meth:`run` moves it
            behind its end.
    """

    def __init__(self, content, names, at=0):
        self.content = content
        self.bytes = memoryview(content)
        self.names = {**_PYTHONS, **names}
        self.at = at
        self.stack = []
        self.below = []  # the stack beneath each mark
        self.memo = {}

    def run(self):
        """What the pickle holds; see :func:`read`."""
        for _ in range(MOST_OPCODES):
            if self.step():
                return self.result()
        raise ReadError('it has more than {:,} opcodes'.format(MOST_OPCODES))

    def step(self):
        """Run one opcode; returns whether it was the last."""
        code = self.take(1)[0]
        if code == pickle.STOP[0]:
            return True
        if code not in _OPCODES:
            raise ReadError('its byte {:,} is {}, which no model needs'.format(
                self.at - 1, _OPCODE_NAMES.get(code, 'no opcode')))
        _OPCODES[code](self)
        return False

    def result(self):
        if self.below or len(self.stack) != 1:
            raise ReadError('it ends in the middle')
        return self.stack[0]

    # What follows an opcode.

    def take(self, n):
        if not 0 <= n <= len(self.bytes) - self.at:
            raise ReadError('it is cut short')
        self.at += n
        return self.bytes[self.at - n:self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def sized(self, form):
        return self.take(self.number(form))

    def line(self, most=LONG):
        end = self.content.find(b'\n', self.at, self.at + most)
        if end < 0:
            raise ReadError('its byte {:,} begins a line without end: {}'.format(
                self.at, show(str(self.bytes[self.at:self.at + LONG], 'latin1'))))
        line = self.take(end - self.at)
        self.at += 1
        return line

    def short_line(self):
        return bytes(self.line())

    # The stack.

    def push(self, value):
        self.stack.append(value)

    def pop(self):
        if not self.stack:
            raise ReadError('it takes from an empty stack')
        return self.stack.pop()

    def pop_some(self, n):
        return tuple(reversed([self.pop() for _ in range(n)]))

    def mark(self):
        if len(self.below) == MOST_MARKS:
            raise ReadError('it is nested deeper than {}'.format(MOST_MARKS))
        self.below.append(self.stack)
        self.stack = []

    def pop_mark(self):
        if not self.below:
            raise ReadError('it takes from an empty stack')
        items, self.stack = self.stack, self.below.pop()
        return items

    def pop_any(self):
        if self.stack:
            self.stack.pop()
        else:
            self.pop_mark()

    def top(self, kind):
        if not self.stack or type(self.stack[-1]) is not kind:
            raise ReadError('it adds to what is no {}'.format(kind.__name__.lower()))
        return self.stack[-1]

    # The memo.

    def put(self, number):
        if not self.stack:
            raise ReadError('it takes from an empty stack')
        self.memo[number] = self.stack[-1]

    def get(self, number):
        if number not in self.memo:
            raise ReadError('it wants what it has not put by')
        self.push(self.memo[number])

    # Lists, dicts and sets.

    def extend(self, items):
        self.top(list).extend(items)

    def update(self, items):
        self.top(dict).update(_pairs(items))

    # Names, and what is made of them.

    def name(self, module, name):
        if not {type(module), type(name)} <= {str, LongText}:
            raise ReadError('it asks for something that is no name')
        use = self.names.get((module, name))
        if use is None:
            raise ReadError('it asks for {}.{}'.format(show(module), show(name)))
        self.push(Name(module, name, use))

    def global_(self):
        module, name = (_decode(self.line(), 'utf-8') for _ in range(2))
        self.name(module, name)

    def new(self):
        cls, args = self.pop_some(2)
        self.push(_make(cls, args))

    def reduce(self):
        callee, args = self.pop_some(2)
        if type(callee) is not Name or type(args) is not tuple:
            raise ReadError('it calls something that is no function')
        if len(args) not in callee.use.n_args:
            raise ReadError('it calls {}.{} with {} arguments'.format(*callee[:2], len(args)))
        self.push(_CALLS.get(callee[:2], Record)(callee, args))

    def build(self):
        state = self.pop()
        record = self.top(Record)
        if record.use.state is None or type(state) is not record.use.state \
                or record.state is not None:
            raise ReadError('it changes a {}'.format(record.name))
        record.state = state


def _make(cls, args=()):
    if type(cls) is not Name or not cls.use.is_class or args != ():
        raise ReadError('it makes an object of something that is no class')
    return Record(cls)


def _reconstruct(_, args):
    cls, base, state = args
    if type(base) is not Name or base.name != 'object' or state is not None:
        raise ReadError('it makes an object of another object')
    return _make(cls)


def _encode(_, args):
    text, codec = args
    if codec != 'latin1' or type(text) not in (str, LongText):
        raise ReadError('it encodes something other than bytes')
    return text if type(text) is LongText else memoryview(text.encode('latin1'))


_CALLS = {
    ('copyreg', '_reconstructor'): _reconstruct, ('copy_reg', '_reconstructor'): _reconstruct,
    ('_codecs', 'encode'): _encode,
    ('builtins', 'bytes'): lambda _, args: memoryview(b''),
    ('__builtin__', 'bytes'): lambda _, args: memoryview(b''),
    ('builtins', 'set'): lambda _, args: [],  # nobody asks what is in one
    ('__builtin__', 'set'): lambda _, args: [],
    ('collections', 'OrderedDict'): lambda _, args: {},  # likewise; Python 3 fills it later
}


def _pairs(items):
    if len(items) % 2:
        raise ReadError('it has a key without a value')
    if not all(type(key) is str for key in items[::2]):
        raise ReadError('it has a key that is no text')
    return zip(items[::2], items[1::2])


def _decode(raw, codec):
    if codec == 'string-escape':
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of escapes that Python 2 does not write
            raw, codec = codecs.escape_decode(_unquote(bytes(raw)))[0], 'latin1'
    return str(raw, codec)


def _unquote(raw):
    if len(raw) < 2 or raw[:1] != raw[-1:] or raw[:1] not in (b'"', b"'"):
        raise ReadError('it has a text without quotes')
    return raw[1:-1]


def _text(raw, codec):
    return _decode(raw, codec) if len(raw) <= LONG else LongText(raw, codec)


def _int(line):
    return {b'00': False, b'01': True}[line] if line in (b'00', b'01') else int(line)


def _opcodes():
    """What each opcode does, by its code."""
    p = pickle
    r = Reader
    pushed = {
        p.NONE: lambda r: None,
        p.NEWTRUE: lambda r: True,
        p.NEWFALSE: lambda r: False,
        p.INT: lambda r: _int(r.short_line()),
        p.LONG: lambda r: int(r.short_line().rstrip(b'L')),
        p.LONG1: lambda r: int.from_bytes(r.sized('<B'), 'little', signed=True),
        p.BININT: lambda r: r.number('<i'),
        p.BININT1: lambda r: r.number('<B'),
        p.BININT2: lambda r: r.number('<H'),
        p.FLOAT: lambda r: float(r.short_line()),
        p.BINFLOAT: lambda r: r.number('>d'),
        p.UNICODE: lambda r: _text(r.line(len(r.bytes)), 'raw-unicode-escape'),
        p.BINUNICODE: lambda r: _text(r.sized('<I'), 'utf-8'),
        p.SHORT_BINUNICODE: lambda r: _text(r.sized('<B'), 'utf-8'),
        p.STRING: lambda r: _text(r.line(len(r.bytes)), 'string-escape'),  # these of Python 2
        p.BINSTRING: lambda r: _text(r.sized('<i'), 'latin1'),
        p.SHORT_BINSTRING: lambda r: _text(r.sized('<B'), 'latin1'),
        p.BINBYTES: lambda r: r.sized('<I'),
        p.SHORT_BINBYTES: lambda r: r.sized('<B'),
        p.BYTEARRAY8: lambda r: r.sized('<Q'),
        p.EMPTY_LIST: lambda r: [],
        p.EMPTY_DICT: lambda r: {},
        p.EMPTY_SET: lambda r: [],
        p.EMPTY_TUPLE: lambda r: (),
        p.LIST: lambda r: r.pop_mark(),
        p.DICT: lambda r: dict(_pairs(r.pop_mark())),
        p.TUPLE: lambda r: tuple(r.pop_mark()),
        p.TUPLE1: lambda r: r.pop_some(1),
        p.TUPLE2: lambda r: r.pop_some(2),
        p.TUPLE3: lambda r: r.pop_some(3),
    }
    done = {
        p.PROTO: lambda r: _check_protocol(r.number('<B')),
        p.FRAME: lambda r: _check_frame(r.number('<Q'), len(r.bytes) - r.at),
        p.MARK: r.mark,
        p.POP: r.pop_any,
        p.POP_MARK: r.pop_mark,
        p.PUT: lambda r: r.put(int(r.short_line())),
        p.BINPUT: lambda r: r.put(r.number('<B')),
        p.LONG_BINPUT: lambda r: r.put(r.number('<I')),
        p.MEMOIZE: lambda r: r.put(len(r.memo)),
        p.GET: lambda r: r.get(int(r.short_line())),
        p.BINGET: lambda r: r.get(r.number('<B')),
        p.LONG_BINGET: lambda r: r.get(r.number('<I')),
        p.APPEND: lambda r: r.extend(r.pop_some(1)),
        p.APPENDS: lambda r: r.extend(r.pop_mark()),
        p.ADDITEMS: lambda r: r.extend(r.pop_mark()),
        p.SETITEM: lambda r: r.update(r.pop_some(2)),
        p.SETITEMS: lambda r: r.update(r.pop_mark()),
        p.GLOBAL: r.global_,
        p.STACK_GLOBAL: lambda r: r.name(*r.pop_some(2)),
        p.NEWOBJ: r.new,
        p.REDUCE: r.reduce,
        p.BUILD: r.build,
    }
    return {
        **{code[0]: lambda r, value=value: r.push(value(r)) for code, value in pushed.items()},
        **{code[0]: do for code, do in done.items()},
    }


def _check_protocol(protocol):
    if protocol > 5:
        raise ReadError('its protocol {} is none that is known'.format(protocol))


def _check_frame(size, rest):
    if size > rest:
        raise ReadError('it is cut short')


_OPCODES = _opcodes()
