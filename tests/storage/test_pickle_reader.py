import gc
import pickle
import pickletools
import re
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picture_ranknet.storage import pickle_reader
from picture_ranknet.storage.pickle_reader import CLASS, LongText, Name, Record, Use, read
from support import hostile

NAMES = {('net', 'CNN'): CLASS, ('net', 'make'): Use((1,), state=tuple)}


def plain(value):
    """What was read, as it was pickled."""
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, LongText):
        return value.decode().decode('latin1')
    if isinstance(value, (list, tuple)):
        return type(value)(map(plain, value))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


values = st.recursive(
    st.none() | st.booleans() | st.integers(-2 ** 80, 2 ** 80) | st.binary()
    | st.floats(allow_nan=False) | st.text(st.characters(blacklist_categories=['Cs']), max_size=20)
    | st.text(st.characters(max_codepoint=255), min_size=200, max_size=300),
    lambda inner: (st.lists(inner) | st.lists(inner).map(tuple)
                   | st.dictionaries(st.text(st.characters(max_codepoint=255), max_size=9), inner)),
    max_leaves=20)


@settings(max_examples=50, deadline=None)
@given(values, st.integers(0, 5), st.booleans(), st.booleans())
def test_plain_values_are_read_as_pickle_reads_them(value, protocol, in_python, optimized):
    if in_python:
        content = pickle._dumps(value, protocol)
    else:
        content = pickle.dumps(value, protocol)
    if optimized:
        content = pickletools.optimize(content)
    assert plain(read(content, {})) == value


@pytest.mark.parametrize('content, expected', [
    (b"S'caf\\xe9 \\' \\n'\n.", "caf\xe9 ' \n"), (b'U\4caf\xe9.', 'caf\xe9'),
    (b'T\4\0\0\0caf\xe9.', 'caf\xe9'), (b'I01\n.', True), (b'I-7\n.', -7), (b'L12L\n.', 12),
    (b'T\4\1\0\0' + b'\xe9' * 260 + b'.', '\xe9' * 260),
    (b"S'" + b'\\xe9' * 99 + b"'\n.", '\xe9' * 99),
], ids=str)
def test_what_python_2_wrote(content, expected):
    assert plain(read(content, {})) == expected


def test_objects_are_records_of_what_is_said_of_them():
    record = read(b'cnet\nCNN\n)\x81}X\1\0\0\0acnet\nmake\nK\1\x85RK\2\x85bsb.', NAMES)
    assert (type(record), record.name, record.args) == (Record, 'CNN', ())
    made = record.state['a']
    assert (made.name, made.args, made.state) == ('make', (1,), (2,))


def test_a_class_is_a_name():
    assert read(b'cnet\nCNN\n.', NAMES) == Name('net', 'CNN', CLASS)


def test_sets_are_lists_and_ordered_dicts_are_dicts():
    assert read(pickle.dumps({'a'}, 4), {}) == ['a']
    assert read(pickle.dumps({'a'}, 2), {}) == []  # nobody asks
    assert read(b'ccollections\nOrderedDict\n)RX\1\0\0\0aK\1s.', {}) == {'a': 1}


def test_what_is_shared_is_shared():
    shared = [1]
    a, b = read(pickle.dumps([shared, shared]), {})
    assert a is b


def test_bytes_and_long_texts_stay_in_the_file():
    content = pickle.dumps(['x' * 1000, b'y' * 1000])
    text, data = read(content, {})
    assert type(text) is LongText and text.raw.obj is content is data.obj


def test_a_call_is_refused_by_its_name():
    for call, content in hostile.CALLS.items():
        with pytest.raises(pickle_reader.ReadError, match='it asks for ' + re.escape(
                call.split(',')[0])):
            read(content, NAMES)


@pytest.mark.parametrize('content', hostile.PROGRAMS.values(), ids=hostile.PROGRAMS)
def test_a_program_is_refused(content):
    with pytest.raises(ValueError) as e:
        read(content, NAMES)
    assert str(e.value).isprintable() and len(str(e.value)) < 300


@pytest.mark.parametrize('content', hostile.SIZES.values(), ids=hostile.SIZES)
def test_sizes_that_are_claimed_take_neither_memory_nor_time(content):
    try:
        value = read(content, NAMES)
    except ValueError as e:
        assert str(e).isprintable() and len(str(e)) < 300
    else:
        assert type(value) in (list, tuple, dict, Record, str, type(None))
    value = None
    gc.collect()  # what was nested falls apart without recursion


@pytest.mark.parametrize('content, words', [
    (hostile.call(hostile.name('os', 'system'), b'N'), 'it asks for os.system'),
    (hostile.stack_name('net', 'CNN.forward'), 'it asks for net.CNN.forward'),
    (hostile.stack_name('a\nb\x1b[2J\u202e', "c'"), r'it asks for a\nb\x1b[2J\u202e.c'),
    (hostile.stack_name('os', 's' * 10 ** 6), 'it asks for os.' + 's' * 80 + '...'),
    (hostile.name('o' * 10 ** 6, 'system'), 'its byte 1 begins a line without end: ' + 'o' * 80),
    (b'\x82\xf0', 'its byte 0 is EXT1, which no model needs'),
    (b'N\x97', 'its byte 1 is NEXT_BUFFER, which no model needs'),
    (b'\0', 'its byte 0 is not an opcode, which no model needs'),
    (b'N.N', 'there is more after its end'),
    (b'N', 'it is cut short'),
    (b'(' * 101, 'it is nested deeper than 100'),
    (b'N0' * 200000, 'it has more than 300,000 opcodes'),
    (b'cnet\nmake\n)R', 'it calls net.make with 0 arguments'),
    (b'cnet\nCNN\n)\x81]b', 'it changes a CNN'),
    (b'cnet\nCNN\nN}b', 'it adds to something that is not a record'),
    (b'}K\1Ns', 'it has a key that is not text'),
    (b'](Nu', 'it adds to something that is not a dict'),
])
def test_a_refusal_gives_its_reason(content, words):
    with pytest.raises(pickle_reader.ReadError) as e:
        read(content, NAMES)
    assert words in str(e.value)


def test_sizes_are_those_of_the_file():
    for size in range(10):
        content = b'B' + struct.pack('<I', size) + b'12345.'
        if size == 5:
            assert read(content, {}) == b'12345'
        else:
            with pytest.raises(pickle_reader.ReadError):
                read(content, {})
