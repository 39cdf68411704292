"""Reads a pickle as data: no name in it is looked up, nothing is called.

A pickle is a program, and :class:`pickle.Unpickler` runs it.  Restricting its
``find_class`` is not enough: it still calls what is allowed with any
arguments, follows dotted names, trusts what ``copyreg`` has cached, allocates
what a file claims (CVE-2018-20406, CPython issue 115952), and its C code has
bugs (143638, 143639).  Lists of forbidden names (picklescan, fickling) are
never complete, as picklescan's issue 66 admits.  PyTorch reads opcodes itself
but creates real objects, and setting items of something that was not a dict
corrupted memory (CVE-2026-24747).

This module interprets only the opcodes that models need, accepts exact pairs
of module and name, each in the role it has in a model, and creates a
:class:`Record` of what the file says about an object, never the object.

Bounds: an opcode allocates a few words and, at most, a short text; long texts
and all bytes stay in the file until they are needed.  A pickle has at most
``MOST_OPCODES``.  Nothing recurses into what was read, however deeply nested
or often shared it is.
"""
import mmap
import pickle
import struct
from typing import Union

from picture_ranknet.storage.pickle_values import (
    CLASS,
    LONG,
    MENTIONED,
    LongText,
    Name,
    ReadError,
    Record,
    Use,
    decode,
    decode_unless_long,
    show,
)

__all__ = ['CLASS', 'MENTIONED', 'LongText', 'Name', 'ReadError', 'Record', 'Use', 'read', 'show']

MOST_OPCODES = 300000  # a ResNet-50 in the middle of its training has 45,000
MOST_MARKS = 100       # nesting depth of lists, dicts and tuples

_OPCODE_NAMES = {code[0]: name for name, code in vars(pickle).items()
                 if name.isupper() and type(code) is bytes and len(code) == 1}


_BUILT_IN = {  # by their names in Python 3, and in Python 2 and low protocols
    ('builtins', 'object'): MENTIONED, ('__builtin__', 'object'): MENTIONED,
    ('copyreg', '_reconstructor'): Use((3,)), ('copy_reg', '_reconstructor'): Use((3,)),
    ('_codecs', 'encode'): Use((2,)),
    ('builtins', 'bytes'): Use((0,)), ('__builtin__', 'bytes'): Use((0,)),
    ('builtins', 'set'): Use((0, 1)), ('__builtin__', 'set'): Use((0, 1)),
    ('collections', 'OrderedDict'): Use((0, 1)),
}


def read(content: Union[bytes, mmap.mmap], names: dict):
    """Read a pickle of any protocol.

    Args:
        content: The whole pickle.
        names: The :class:`Use` of each accepted pair of module and name;
            Python's own are known.

    Returns:
        Its value: ``None``, bool, int, float, str, memoryview (of bytes),
        :class:`LongText`, tuple, list (also for a set), dict with keys that
        are str, :class:`Name`, or :class:`Record`.

    Raises:
        ReadError: If it is damaged, or contains anything else.
    """
    reader = Reader(content, names)
    value = reader.run()
    if reader.at != len(content):
        raise ReadError('there is more after its end')
    return value


class Reader:

    """Reads one pickle of a file that may hold more.

    Args:
        content (bytes or mmap.mmap): The file.
        names (dict): As for :func:`read`.
        at (int): The byte at which the pickle begins; :meth:`run` moves it
            past the end.
    """

    def __init__(self, content, names, at=0):
        self.content = content
        self.bytes = memoryview(content)
        self.names = {**_BUILT_IN, **names}
        self.at = at
        self.stack = []
        self.below = []  # the stack beneath each mark
        self.memo = {}

    def run(self):
        """What the pickle holds; see :func:`read`."""
        for _ in range(MOST_OPCODES):
            if self.step():
                return self.result()
        raise ReadError(f'it has more than {MOST_OPCODES:,} opcodes')

    def step(self):
        """Interpret one opcode; return whether it was the last."""
        code = self.take(1)[0]
        if code == pickle.STOP[0]:
            return True
        if code not in _OPCODES:
            name = _OPCODE_NAMES.get(code, 'not an opcode')
            raise ReadError(f'its byte {self.at - 1:,} is {name}, which no model needs')
        _OPCODES[code](self)
        return False

    def result(self):
        if self.below or len(self.stack) != 1:
            raise ReadError('it ends too early')
        return self.stack[0]

    # Arguments of an opcode

    def take(self, n):
        if not 0 <= n <= self.n_left():
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
            start = show(str(self.bytes[self.at:self.at + LONG], 'latin1'))
            raise ReadError(f'its byte {self.at:,} begins a line without end: {start}')
        line = self.take(end - self.at)
        self.at += 1
        return line

    def short_line(self):
        return bytes(self.line())

    def any_line(self):
        return self.line(len(self.bytes))

    def n_left(self):
        return len(self.bytes) - self.at

    # Stack

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
            raise ReadError(f'it is nested deeper than {MOST_MARKS}')
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
            raise ReadError(f'it adds to something that is not a {kind.__name__.lower()}')
        return self.stack[-1]

    # Memo

    def put(self, number):
        if not self.stack:
            raise ReadError('it takes from an empty stack')
        self.memo[number] = self.stack[-1]

    def get(self, number):
        if number not in self.memo:
            raise ReadError('it fetches what it has not stored')
        self.push(self.memo[number])

    # Lists, dicts and sets

    def extend(self, items):
        self.top(list).extend(items)

    def update(self, items):
        self.top(dict).update(_pairs(items))

    # Names, and objects

    def name(self, module, name):
        if not {type(module), type(name)} <= {str, LongText}:
            raise ReadError('it asks for something that is not a name')
        use = self.names.get((module, name))
        if use is None:
            raise ReadError(f'it asks for {show(module)}.{show(name)}')
        self.push(Name(module, name, use))

    def global_(self):
        module, name = (decode(self.line(), 'utf-8') for _ in range(2))
        self.name(module, name)

    def new(self):
        cls, args = self.pop_some(2)
        self.push(_make(cls, args))

    def reduce(self):
        callee, args = self.pop_some(2)
        if type(callee) is not Name or type(args) is not tuple:
            raise ReadError('it calls something that is not a function')
        if len(args) not in callee.use.n_args:
            raise ReadError(f'it calls {callee.module}.{callee.name} with {len(args)} arguments')
        self.push(_CALLS.get(callee[:2], Record)(callee, args))

    def build(self):
        state = self.pop()
        record = self.top(Record)
        if record.use.state is None or type(state) is not record.use.state \
                or record.state is not None:
            raise ReadError(f'it changes a {record.name}')
        record.state = state


def _make(cls, args=()):
    if type(cls) is not Name or not cls.use.is_class or args != ():
        raise ReadError('it instantiates something that is not a class')
    return Record(cls)


def _reconstruct(_, args):
    cls, base, state = args
    if type(base) is not Name or base.name != 'object' or state is not None:
        raise ReadError('it makes an object from another object')
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
    ('builtins', 'set'): lambda _, args: [],  # its items are not needed
    ('__builtin__', 'set'): lambda _, args: [],
    ('collections', 'OrderedDict'): lambda _, args: {},  # likewise; Python 3 adds them later
}


def _pairs(items):
    if len(items) % 2:
        raise ReadError('it has a key without a value')
    if not all(type(key) is str for key in items[::2]):
        raise ReadError('it has a key that is not text')
    return zip(items[::2], items[1::2])


def _int(line):
    return {b'00': False, b'01': True}[line] if line in (b'00', b'01') else int(line)


def _opcodes():
    """What each opcode does, by its code."""
    pushed = {
        pickle.NONE: lambda reader: None,
        pickle.NEWTRUE: lambda reader: True,
        pickle.NEWFALSE: lambda reader: False,
        pickle.INT: lambda reader: _int(reader.short_line()),
        pickle.LONG: lambda reader: int(reader.short_line().rstrip(b'L')),
        pickle.LONG1: lambda reader: int.from_bytes(reader.sized('<B'), 'little', signed=True),
        pickle.BININT: lambda reader: reader.number('<i'),
        pickle.BININT1: lambda reader: reader.number('<B'),
        pickle.BININT2: lambda reader: reader.number('<H'),
        pickle.FLOAT: lambda reader: float(reader.short_line()),
        pickle.BINFLOAT: lambda reader: reader.number('>d'),
        pickle.UNICODE: lambda reader: decode_unless_long(reader.any_line(), 'raw-unicode-escape'),
        pickle.BINUNICODE: lambda reader: decode_unless_long(reader.sized('<I'), 'utf-8'),
        pickle.SHORT_BINUNICODE: lambda reader: decode_unless_long(reader.sized('<B'), 'utf-8'),
        # Of Python 2:
        pickle.STRING: lambda reader: decode_unless_long(reader.any_line(), 'string-escape'),
        pickle.BINSTRING: lambda reader: decode_unless_long(reader.sized('<i'), 'latin1'),
        pickle.SHORT_BINSTRING: lambda reader: decode_unless_long(reader.sized('<B'), 'latin1'),
        pickle.BINBYTES: lambda reader: reader.sized('<I'),
        pickle.SHORT_BINBYTES: lambda reader: reader.sized('<B'),
        pickle.BYTEARRAY8: lambda reader: reader.sized('<Q'),
        pickle.EMPTY_LIST: lambda reader: [],
        pickle.EMPTY_DICT: lambda reader: {},
        pickle.EMPTY_SET: lambda reader: [],
        pickle.EMPTY_TUPLE: lambda reader: (),
        pickle.LIST: lambda reader: reader.pop_mark(),
        pickle.DICT: lambda reader: dict(_pairs(reader.pop_mark())),
        pickle.TUPLE: lambda reader: tuple(reader.pop_mark()),
        pickle.TUPLE1: lambda reader: reader.pop_some(1),
        pickle.TUPLE2: lambda reader: reader.pop_some(2),
        pickle.TUPLE3: lambda reader: reader.pop_some(3),
    }
    done = {
        pickle.PROTO: lambda reader: _check_protocol(reader.number('<B')),
        pickle.FRAME: lambda reader: _check_frame(reader.number('<Q'), reader.n_left()),
        pickle.MARK: Reader.mark,
        pickle.POP: Reader.pop_any,
        pickle.POP_MARK: Reader.pop_mark,
        pickle.PUT: lambda reader: reader.put(int(reader.short_line())),
        pickle.BINPUT: lambda reader: reader.put(reader.number('<B')),
        pickle.LONG_BINPUT: lambda reader: reader.put(reader.number('<I')),
        pickle.MEMOIZE: lambda reader: reader.put(len(reader.memo)),
        pickle.GET: lambda reader: reader.get(int(reader.short_line())),
        pickle.BINGET: lambda reader: reader.get(reader.number('<B')),
        pickle.LONG_BINGET: lambda reader: reader.get(reader.number('<I')),
        pickle.APPEND: lambda reader: reader.extend(reader.pop_some(1)),
        pickle.APPENDS: lambda reader: reader.extend(reader.pop_mark()),
        pickle.ADDITEMS: lambda reader: reader.extend(reader.pop_mark()),
        pickle.SETITEM: lambda reader: reader.update(reader.pop_some(2)),
        pickle.SETITEMS: lambda reader: reader.update(reader.pop_mark()),
        pickle.GLOBAL: Reader.global_,
        pickle.STACK_GLOBAL: lambda reader: reader.name(*reader.pop_some(2)),
        pickle.NEWOBJ: Reader.new,
        pickle.REDUCE: Reader.reduce,
        pickle.BUILD: Reader.build,
    }
    return {
        **{code[0]: lambda reader, value=value: reader.push(value(reader))
           for code, value in pushed.items()},
        **{code[0]: do for code, do in done.items()},
    }


def _check_protocol(protocol):
    if protocol > 5:
        raise ReadError(f'its protocol {protocol} is unknown')


def _check_frame(size, rest):
    if size > rest:
        raise ReadError('it is cut short')


_OPCODES = _opcodes()
