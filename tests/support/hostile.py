"""Pickles that attack whoever unpickles them: one of each known kind.

One that succeeds makes the folder ``ran``.
"""
import copyreg
import pickle
import struct

COMMAND = 'mkdir ran'


def name(module, name):
    return f'c{module}\n{name}\n'.encode()


def stack_name(module, name):
    return text(module) + text(name) + pickle.STACK_GLOBAL


def text(value):
    data = value.encode()
    return pickle.BINUNICODE + struct.pack('<I', len(data)) + data


def call(function, *args):
    return function + b'(' + b''.join(args) + b't' + pickle.REDUCE


def _calls():
    """Calls that scanners of pickles refuse, or have missed."""
    for module, function in [
            ('os', 'system'), ('posix', 'system'), ('nt', 'system'), ('os', 'popen'),
            ('os', 'mkdir'), ('subprocess', 'call'), ('subprocess', 'Popen'), ('pty', 'spawn'),
            ('builtins', 'eval'), ('builtins', 'exec'), ('__builtin__', 'eval'),
            ('builtins', '__import__'), ('builtins', 'open'), ('builtins', 'compile'),
            ('runpy', 'run_path'), ('runpy', '_run_code'), ('importlib', 'import_module'),
            ('pkgutil', 'resolve_name'), ('pydoc', 'locate'), ('pydoc', 'pipepager'),
            ('timeit', 'timeit'), ('code', 'interact'), ('bdb', 'Bdb'), ('cProfile', 'run'),
            ('trace', 'Trace'), ('doctest', 'debug_script'), ('test.support', 'run_code'),
            ('marshal', 'loads'), ('types', 'CodeType'), ('types', 'FunctionType'),
            ('functools', 'partial'), ('operator', 'attrgetter'), ('operator', 'methodcaller'),
            ('_operator', 'attrgetter'), ('shutil', 'rmtree'), ('webbrowser', 'open'),
            ('socket', 'create_connection'), ('urllib.request', 'urlopen'), ('ssl', '_ssl'),
            ('ensurepip', '_run_pip'), ('pip', 'main'), ('venv', 'create'), ('ctypes', 'CDLL'),
            ('asyncio.unix_events', '_UnixSubprocessTransport'), ('logging.config', 'dictConfig'),
            ('idlelib.run', 'Executive'), ('lib2to3.pgen2.grammar', 'Grammar'),
            ('numpy.testing', 'runstring'), ('numpy.testing._private.utils', 'runstring'),
            ('numpy.testing._private.utils', 'rundocs'),
            ('numpy.f2py.crackfortran', 'getlincoef'), ('numpy.f2py.crackfortran', '_eval_length'),
            ('numpy.f2py.capi_maps', 'getinit'), ('numpy.f2py.diagnose', 'run_command'),
            ('numpy.distutils.exec_command', 'exec_command'), ('numpy.ctypeslib', 'load_library'),
            ('numpy', 'load'), ('numpy', 'fromfile'), ('numpy', 'memmap'), ('numpy', 'save'),
            ('numpy.lib.npyio', 'DataSource'), ('numpy', 'frompyfunc'), ('numpy', 'vectorize'),
            ('chainer.serializers', 'load_npz'), ('chainer.serializers.npz', 'load_npz'),
            ('chainer.links.caffe', 'CaffeFunction'), ('chainer.function', 'Function'),
            ('chainer.training.extensions.snapshot_writers', 'ProcessWriter'),
            ('chainer', 'os.system'), ('net', 'chainer.os.system'), ('net', 'RankNet.__init__'),
            ('net', '__builtins__'), ('net', 'np.load'), ('chainer.variable', 'os'),
            ('net', 'inference'), ('', 'system'), ('net', ''), ('netx', 'RankNet'),
            ('net.', 'RankNet'), ('chainer.links', 'Linear'),
            ('picture_ranknet.models.model_file', 'load'),
            ('picture_ranknet.models.networks', 'make'),
            ('picture_ranknet.models.networks', 'net.chainer.os.system'),
            ('picture_ranknet.storage.arrays', 'read_pictures')]:
        yield f'{module}.{function}', call(name(module, function), text(COMMAND)) + b'.'
        yield f'{module}.{function}, protocol 4', (
            b'\x80\4' + call(stack_name(module, function), text(COMMAND)) + b'.')


RANKNET = name('net', 'RankNet') + b')\x81'
SYSTEM = call(name('os', 'system'), text(COMMAND))


def _programs():
    state = b'}' + text('image_scale')
    yield 'a state that calls', RANKNET + state + SYSTEM + b'sb.'
    yield 'an attribute chain', call(name('builtins', 'getattr'), name('net', 'RankNet'),
                                     text('__init__')) + text('__globals__') + b'\x86R.'
    yield 'a state of a class', name('net', 'RankNet') + b'N}' + text('evil') + b'K\1s\x86b.'
    yield 'a state of a list', b']}' + text('append') + SYSTEM + b'sb.'
    yield 'a state of a dict', b'}}' + text('a') + b'NsB\0\0\0\0b.'
    yield 'a state in slots', RANKNET + b'N}' + text('forward') + b'Ns\x86b.'
    yield 'a state that is a list', RANKNET + b']b.'
    yield 'two states', RANKNET + b'}b}b.'
    yield 'a state of an array that is a dict', call(
        name('numpy.core.multiarray', '_reconstruct'), name('numpy', 'ndarray'), b'K\0\x85',
        b'C\1b') + b'}b.'
    yield 'a state that is called', RANKNET + b'}' + text('__setstate__') + name(
        'os', 'system') + b'sb' + text(COMMAND) + b'b.'
    yield 'items of an object', RANKNET + text('a') + b'Ns.'
    yield 'items of a class', name('net', 'RankNet') + b'(' + text('a') + b'Nu.'
    yield 'more of an object', RANKNET + b'Na.'
    yield 'more of a text', text('a') + b'(NNe.'
    yield 'more of a tuple', b'(t(N\x90.'
    yield 'a key that is an object', b'}' + RANKNET + b'Ns.'
    yield 'a key that is nested', b'}' + b'N' + b'\x85' * 60000 + b'Ns.'
    yield 'a class with arguments', name('net', 'RankNet') + text(COMMAND) + b'\x85\x81.'
    yield 'a class that is called', call(name('net', 'RankNet'), b'N') + b'.'
    yield 'a class made of a text', text('net') + b')\x81.'
    yield 'an object of a function', name('numpy.core.multiarray', 'scalar') + b')\x81.'
    yield 'an array that is called', call(name('numpy', 'ndarray'), b'K\1\x85') + b'.'
    yield 'too many arguments', call(name('numpy', 'dtype'), *[b'N'] * 9) + b'.'
    yield 'a text that is called', call(text(COMMAND), text(COMMAND)) + b'.'
    yield 'arguments that are a list', name('numpy', 'dtype') + b']R.'
    yield 'an object of an object', call(name('copyreg', '_reconstructor'), name('net', 'RankNet'),
                                         name('net', 'CNN'), b'N') + b'.'
    yield 'an object with a value', call(name('copyreg', '_reconstructor'), name('net', 'RankNet'),
                                         name('builtins', 'object'), text(COMMAND)) + b'.'
    yield 'another encoding', call(name('_codecs', 'encode'), text(COMMAND), text('idna')) + b'.'
    yield 'an encoding of an object', call(name('_codecs', 'encode'), RANKNET,
                                           text('latin1')) + b'.'
    yield 'old instance', b'(' + text(COMMAND) + b'ios\nsystem\n.'
    yield 'old object', b'(' + name('os', 'system') + text(COMMAND) + b'o.'
    yield 'old instance of ours', b'(inet\nRankNet\n.'
    yield 'keyword arguments', name('net', 'RankNet') + b')}\x92.'
    yield 'a name of a name', text('os') + b')' + b'\x93.'
    yield 'a name of objects', RANKNET + RANKNET + b'\x93.'
    yield 'names out of the memo', (text('os') + b'q\7' + text('system') + b'q\x08' + text('net')
                                    + b'q\0' + text('RankNet') + b'q\1' + b'h\7h\x08\x93'
                                    + text(COMMAND) + b'\x85R.')
    yield 'a nested pickle', call(name('pickle', 'loads'), b'C' + bytes([len(SYSTEM) + 1]) + SYSTEM
                                  + b'.') + b'.'
    yield 'a nested pickle in C', call(name('_pickle', 'loads'), b'C\2N.') + b'.'
    yield 'another behind it', pickle.dumps([]) + SYSTEM + b'.'
    yield 'before the end', SYSTEM + b'0N.'
    yield 'a persistent name', b'Pos.system\n.'
    yield 'a persistent object', text('os.system') + b'Q.'
    yield 'a buffer', b'\x80\5\x97.'
    yield 'a read-only buffer', b'\x80\5C\1a\x98.'
    yield 'a copy of the top', b'N2.'
    yield 'a frozen set', b'\x80\4(N\x91.'
    for code, size in (b'\x82', 'B'), (b'\x83', '<H'), (b'\x84', '<i'):
        yield f'extension {code[0]}', (
            code + struct.pack(size, 240) + text(COMMAND) + b'\x85R.')
    yield 'an extension that is made', call(name('copyreg', 'add_extension'), text('os'),
                                            text('system'), b'K\xf0') + b'.'
    yield 'protocol 6', b'\x80\6N.'
    yield 'nothing', b''
    yield 'no end', b'\x80\4N'
    yield 'an empty end', b'.'
    yield 'two ends', b'NN.'
    yield 'an open mark', b'N(.'
    yield 'less than nothing', b'0.'
    yield 'a mark that is not', b't.'


def _sizes():
    huge = b'\xff' * 7 + b'\x7f'
    for code in b'B', b'X', b'T', b'\x8b':
        yield f'size of {code}', code + b'\xff\xff\xff\x7f' + b'a.'
    for code in b'\x8d', b'\x8e', b'\x96', b'\x95':
        yield f'size of {code}', b'\x80\5' + code + huge + b'a.'
    yield 'negative size', b'T\xff\xff\xff\xff.'
    yield 'memo of 2 ** 31', b'Nr\xff\xff\xff\x7f.'
    yield 'memo of 2 ** 32', b'Nr\xff\xff\xff\xff0' * 10 + b'.'
    yield 'memo of 10 ** 60', b'Np' + b'9' * 60 + b'\n.'
    yield 'memo of minus 1', b'Np-1\n0h\0.'
    yield 'memo of many', b'N' + b'\x94' * 10 ** 5 + b'.'
    yield 'memo of nothing', b'q\0.'
    yield 'memo that is empty', b'h\0.'
    yield 'many marks', b'(' * 10 ** 6
    yield 'nested tuples', b'N' + b'\x85' * 60000 + b'.'
    yield 'nested lists', b']' * 30000 + b'a' * 29999 + b'.'
    yield 'nested dicts', b'}' + b'U\1a}' * 30000 + b's' * 30000 + b'.'
    yield 'nested objects', RANKNET + b'}U\1a' + (name('net', 'CNN') + b')\x81}U\1a') * 20000 + (
        b'N' + b'sb' * 20001 + b'.')
    yield 'a list in itself', b']q\0h\0a.'
    yield 'an integer of a million digits', b'I' + b'9' * 10 ** 6 + b'\n.'
    yield 'a long of a million digits', b'L' + b'9' * 10 ** 6 + b'L\n.'
    yield 'a long of a million bytes', b'\x8b' + struct.pack('<i', 10 ** 6) + b'a' * 10 ** 6 + b'.'
    yield 'a number of a million digits', b'F' + b'9' * 10 ** 6 + b'\n.'
    yield 'many lines', b'(' + b'I1\n' * 50000
    yield 'no line', b'Vaaa'
    yield 'a text without quotes', b'Saaa\n.'
    yield 'a text with odd escapes', b"S'\\d\\777'\n."
    yield 'a text that is no text', b'X\2\0\0\0\xff\xfe.'
    yield 'a name of a million letters', name('o' * 10 ** 6, 'system') + b'.'
    yield 'a name of a million letters, protocol 4', stack_name('os', 's' * 10 ** 6) + b'.'
    yield 'a name that writes on the screen', stack_name('os\n\x1b[2J\u202e', 'sys\r\ttem') + b'.'
    yield 'a name that is no text', b'c\xff\xff\n\xff\n.'
    yield 'encoded again and again', (
        name('_codecs', 'encode') + b'p0\n' + text('\xe9' * 10 ** 6) + b'p1\n' + text('latin1')
        + b'p2\n' + b'g0\n(g1\ng2\ntR' * 10000 + b'.')
    yield 'a thousand million laughs', b']q\0' + b''.join(
        b'0](' + (b'h' + bytes([i])) * 10 + b'eq' + bytes([i + 1])
        for i in range(200)) + b'.'


CALLS = dict(_calls())
PROGRAMS = dict(_programs())
SIZES = dict(_sizes())


def remember_extension():
    """Let Python cache the extension 240: its unpickler no longer asks ``find_class`` then."""
    import os

    copyreg.add_extension('os', 'system', 240)
    pickle.loads(b'\x82\xf0.')
    assert pickle.loads(b'\x82\xf0.') is os.system


def forget_extension():
    copyreg.remove_extension('os', 'system', 240)
