"""Fuzzes the readers of model files and snapshots: each input must load, or be refused in one line.

    python benchmarks/fuzz_models.py [--n 100000] [--seed 0] [--keep FOLDER]

Mutates valid files of every kind that the commands read weights from: models
written by ``train.py``, models pickled directly with each protocol, and
snapshots.  Bytes are changed; opcodes, or members of a zip file, are replaced,
repeated, removed, moved between files and given extreme arguments; malicious
ones are inserted; files are truncated.  An audit hook monitors the reading of
each input.  Failures are: writing a file, opening a socket, starting a program,
importing, running code, an error other than ``InputError``, a model with
weights that are not finite or do not fit, more than 10 seconds of CPU time, and
more than 1 GiB.  Prints a table; the exit status is 1 if anything failed.

Over 400 lines: a program of its own, with all mutations in one list.
"""
import argparse
import collections
import io
import os
import pathlib
import pickle
import pickletools
import random
import resource
import sys
import tempfile
import time
import traceback
import warnings
import zipfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'tests')]

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer

from picture_ranknet.errors import InputError
from picture_ranknet.learning import recipe, snapshots
from picture_ranknet.models import model_file
from support import model_samples

MOST_SECONDS = 10  # of computing; the machine may have more to do
MOST_MIB = 1024

HARMLESS = {'open', 'mmap.__new__', 'builtins.id', 'object.__getattr__'}  # what readers do
FORGED = [
    b'cos\nsystem\n', b'\x8c\x05posix\x8c\x06system\x93', b'X\x04\x00\x00\x00echoq\x01',
    b'(S"echo"\nios\nsystem\n', b'(cos\nsystem\nS"echo"\no', b'\x82\x01', b'\x83\x01\x00',
    b'\x84\x01\x00\x00\x00', b'Pname\n', b'Q', b'\x97', b'\x98', b'2', b'r\xff\xff\xff\x7f',
    b'p99999999999999999999\n', b'j\xff\xff\xff\xff', b'\x8e' + b'\xff' * 7 + b'\x7f',
    b'\x96' + b'\xff' * 7 + b'\x7f', b'B\xff\xff\xff\xff', b'X\xff\xff\xff\xff',
    b'T\xff\xff\xff\xff', b'\x95' + b'\xff' * 8, b'\x8b\xff\xff\xff\x7f', b'\x8a\xff',
    b'cbuiltins\ngetattr\n', b'cnumpy.testing._private.utils\nrunstring\n', b'c__main__\nos\n',
    b'cnet\nchainer.os.system\n', b'cnumpy.f2py.crackfortran\ngetlincoef\n', b'\x80\xff',
    b'c_codecs\nencode\n', b'cnumpy\nndarray\n', b'cnumpy\ndtype\n', b'ccopyreg\n_reconstructor\n',
    b'R', b'b', b'\x81', b'\x92', b's', b'u', b'e', b'a', b'(', b'0', b'1', b'\x90', b'\x91',
    b'\x94', b'N.', b'.', b'}', b']', b')', b'(' * 2000, b']' * 2000 + b'a' * 1999,
    b'N' + b'\x85' * 2000, b'I' + b'9' * 5000 + b'\n', b'L' + b'9' * 5000 + b'L\n',
    b'J\xff\xff\xff\x7f', b'G\x7f\xf0' + b'\0' * 6, b'G\x7f\xf8' + b'\0' * 6, b'K\0',
    b'M\x10\x27M\x10\x27\x86', b'\x8c\x02O8', b'\x8c\x02f8', b'\x8c\x01>', b'\x8c\x01|',
]


class Kind:

    """One kind of file: good ones, split into the parts that mutations change.

    Args:
        name (str): For the table.
        contents (list of bytes): Good files.
        split (callable): Splits a content into parts.
        prepare (callable): Makes what the file is loaded into.
        load (callable): Takes a path and that; returns arrays, which must be
            finite.
        forged (list of bytes): Parts to insert.
    """

    def __init__(self, name, contents, split, prepare, load, forged):
        self.name = name
        self.samples = [split(content) for content in contents]
        self.prepare = prepare
        self.load = load
        self.forged = forged

    def mutate(self, rng):
        parts = list(rng.choice(self.samples))
        for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
            rng.choice(MUTATIONS)(rng, parts, self)
            if not parts:
                break
        content = b''.join(parts)
        if rng.random() < .05:
            content = content[:rng.randrange(len(content) + 1)]
        return content


def some(rng, parts):
    """Choose a part; small ones, such as opcodes and headers, are preferred."""
    for _ in range(4):
        at = rng.randrange(len(parts))
        if len(parts[at]) < 1000:
            break
    return at


def change_bytes(rng, parts, kind):
    at = some(rng, parts)
    part = bytearray(parts[at])
    for _ in range(rng.choice([1, 1, 2, 4])):
        if part:
            part[rng.randrange(len(part))] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
    parts[at] = bytes(part)


def change_code(rng, parts, kind):
    at = some(rng, parts)
    parts[at] = bytes([rng.randrange(256)]) + parts[at][1:]


def make_extreme(rng, parts, kind):
    at = some(rng, parts)
    parts[at] = parts[at][:1] + rng.choice([b'\0', b'\xff', b'\x7f', b'9']) * max(
        0, len(parts[at]) - 1)


def leave_out(rng, parts, kind):
    at = some(rng, parts)
    del parts[at:at + rng.choice([1, 1, 2, 10])]


def repeat(rng, parts, kind):
    at = some(rng, parts)
    copied = parts[at:at + rng.choice([1, 1, 2, 10])]
    to = rng.choice([at, rng.randrange(len(parts) + 1)])
    parts[to:to] = copied * (rng.choice([1, 1, 500]) if sum(map(len, copied)) < 200 else 1)


def swap(rng, parts, kind):
    a, b = some(rng, parts), some(rng, parts)
    parts[a], parts[b] = parts[b], parts[a]


def splice(rng, parts, kind):
    other = rng.choice(kind.samples)
    parts[rng.randrange(len(parts)):] = other[rng.randrange(len(other)):]


def borrow(rng, parts, kind):
    other = rng.choice(kind.samples)
    parts[some(rng, parts)] = other[some(rng, other)]


def forge(rng, parts, kind):
    at = some(rng, parts)
    parts[at:at + rng.randrange(2)] = [rng.choice(kind.forged)]


def append(rng, parts, kind):
    parts.append(rng.choice([b'\0', b'.', b'N.', rng.choice(kind.forged), parts[0]]))


MUTATIONS = [change_bytes, change_bytes, change_code, make_extreme, leave_out, repeat, swap,
             splice, borrow, forge, forge, append]


def split_pickle(content):
    starts = [at for _, _, at in pickletools.genops(content)]
    return cut(content, starts)


def split_zip(content):
    """Headers of members and of their arrays, the arrays, and the entries of the directory."""
    starts = {0}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for info in archive.infolist():
            at = info.header_offset
            n_name, n_extra = np.frombuffer(content, '<u2', 2, at + 26)
            data = at + 30 + int(n_name) + int(n_extra)
            starts |= {at, at + 30, data, data + 10, data + 128}
        at = archive.start_dir
        while content[at:at + 4] == b'PK\1\2':
            starts |= {at, at + 46}
            at += 46 + int(np.frombuffer(content, '<u2', 3, at + 28).sum())
    return cut(content, sorted({*starts, at}))


def cut(content, starts):
    return [content[a:b] for a, b in zip(starts, [*starts[1:], len(content)])]


def repack(rng, content):
    """Forge one member of a zip file; its checksums are right."""
    with zipfile.ZipFile(io.BytesIO(content)) as old:
        members = [(info.filename, old.read(info)) for info in old.infolist()]
    at = rng.randrange(len(members))
    name, data = members[at]
    data, name = rng.choice([
        lambda: (npy(np.array([print], object)), name),
        lambda: (data[:10] + data[10:128].replace(b'(', b'(9999999999, ', 1) + data[128:], name),
        lambda: (data[:10] + data[10:128].replace(b'f4', b'O8') + data[128:], name),
        lambda: (data + b'\0' * rng.choice([1, 10 ** 6]), name),
        lambda: (npy(np.full(3, np.nan)), name),
        lambda: (npy(np.array('[' * 5000)), name),
        lambda: (npy(np.array(rng.choice(['{"a": [[1]]}', '[{"a": "b"}]', 'x', '[1]']))), name),
        lambda: (npy(np.array(-5)), name),
        lambda: (data, rng.choice(members)[0]),
        lambda: (data, '../' * 3 + name),
        lambda: (data, ''),
    ])()
    members[at] = name, data
    new = io.BytesIO()
    with zipfile.ZipFile(new, 'w') as archive, warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of two members of one name
        for name, data in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = rng.choice([zipfile.ZIP_STORED] * 9 + [zipfile.ZIP_DEFLATED])
            archive.writestr(info, data)
    return new.getvalue()


def npy(array):
    f = io.BytesIO()
    np.save(f, array)
    return f.getvalue()


class ZipKind(Kind):

    def __init__(self, name, contents, prepare, load, forged):
        super().__init__(name, contents, split_zip, prepare, load, forged)
        self.contents = contents

    def mutate(self, rng):
        if rng.random() < .3:
            return repack(rng, rng.choice(self.contents))
        return super().mutate(rng)


def kinds(folder):
    """Every kind of file that is fuzzed."""
    models = {}
    for arch, n_features in ('cnn', 0), ('cnn', 2), ('deep', 0):
        model = model_samples.model(arch, n_features)
        path = os.path.join(folder, 'model.pkl')
        model_file.save(path, model)
        models.setdefault(f'{arch} of train.py', []).append(read(path))
        if arch == 'cnn':
            model_samples.train_a_step(model, n_features=n_features)
            model.loss = chainer.Variable(np.float32([[1]]))  # the article's RankNet keeps it
            for protocol in range(6):
                models.setdefault(f'cnn, protocol {protocol}', []).append(
                    pickle.dumps(model, protocol))
    for name, contents in models.items():
        yield Kind(name, contents, split_pickle, lambda: None, load_model, FORGED)
    zips = [b'PK\3\4' + b'\xff' * 26, b'PK\1\2' + b'\xff' * 42, b'PK\6\7' + b'\xff' * 16,
            npy(np.zeros(3)), npy(np.array(1)), b'\xff' * 4, b'\0' * 100]
    yield ZipKind('snapshot', [snapshot(folder)], make_run, load_snapshot, zips)


def read(path):
    return pathlib.Path(path).read_bytes()


def make_run():
    """A training run before its first step."""
    model, pictures = model_samples.model(), model_samples.rated()
    marks = snapshots.marks_of(recipe.Recipe(), pictures, None)
    return snapshots.Run(model, chainer.optimizers.Adam().setup(model), marks)


def snapshot(folder):
    """A snapshot after one step."""
    run, pictures = make_run(), model_samples.rated()
    run.optimizer.update(run.model.loss_of_all_pairs, run.model.to_input(pictures.X),
                         pictures.ratings)
    run.step, run.log = 1, [{'main/loss': .5, 'iteration': 1}]
    run.best.offer(1, .5)
    return read(snapshots.save(folder, run))


def load_model(path, _):
    model = model_file.load(path)
    if model.predictor.l1.W.shape[1] != model.predictor.n_seen(model.image_size):
        raise TypeError('its weights do not fit')
    return [param.array for param in model.params()]


def load_snapshot(path, run):
    snapshots.load(path, run)
    return [param.array for param in run.model.params()]


class Listener:

    """Listens to what Python does while files are read.

    Attributes:
        heard (list of str): What a reader has no reason to do.
    """

    def __init__(self):
        self.is_on = False
        self.heard = []
        sys.addaudithook(self.hear)

    def hear(self, event, args):
        if self.is_on and (event not in HARMLESS or event == 'open' and is_written(*args)):
            self.heard.append(f'{event} {args}'[:200])


def is_written(path, mode, flags):
    return flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC) != 0


class Result:

    """Counts of outcomes, and times, for one kind of file."""

    def __init__(self):
        self.counts = collections.Counter()
        self.seconds = []

    def row(self, name):
        counts = self.counts
        return (f'{name:20} {sum(counts.values()):8,} {counts["refused"]:8,} '
                f'{counts["loaded"]:7,} {counts["failed"]:7,} '
                f'{1000 * np.mean(self.seconds):9.2f} {1000 * max(self.seconds):9.1f}')


HEAD = (f'{"kind of file":20} {"inputs":>8} {"refused":>8} {"loaded":>7} {"failed":>7} '
        f'{"mean, ms":>9} {"most, ms":>9}')


def try_one(kind, path, content, listener):
    """Read one input; returns the outcome, the seconds and, if it failed, why."""
    with open(path, 'wb') as f:
        f.write(content)
    prepared = kind.prepare()
    listener.heard.clear()
    start = time.process_time()
    listener.is_on = True
    try:
        with warnings.catch_warnings(record=True) as said:
            arrays = kind.load(path, prepared)
        end = 'loaded'
        listener.heard += map(str, said)
    except InputError as e:
        end, arrays, message = 'refused', [], str(e)
        if not message.isprintable() or len(message) > 600:
            listener.heard.append(f'not one line: {message[:200]!r}')
    except BaseException:
        end, arrays = 'failed', []
        listener.heard.append(traceback.format_exc())
    listener.is_on = False
    seconds = time.process_time() - start
    if not all(np.isfinite(array).all() for array in arrays):
        listener.heard.append('loaded, but is not finite')
    if seconds > MOST_SECONDS:
        listener.heard.append(f'took {seconds:.0f} s')
    return 'failed' if listener.heard else end, seconds, '\n'.join(listener.heard)


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts KiB


def fuzz(n, seed, folder, keep=None):
    """Try ``n`` inputs; returns the number that failed."""
    fuzzed = list(kinds(folder))
    results = {kind.name: Result() for kind in fuzzed}
    listener = Listener()
    path = os.path.join(folder, 'input')
    for kind in fuzzed:  # good files must load; this also imports what reading needs
        for sample in kind.samples:
            end, _, why = try_one(kind, path, b''.join(sample), listener)
            if end != 'loaded' and 'import' not in why:
                raise SystemExit(f'{kind.name}: a good file is {end}: {why}')
    before = peak_mib()
    for number in range(n):
        rng = random.Random(f'{seed} {number}')
        kind = rng.choice(fuzzed)
        content = kind.mutate(rng)
        end, seconds, why = try_one(kind, path, content, listener)
        results[kind.name].counts[end] += 1
        results[kind.name].seconds.append(seconds)
        if end == 'failed':
            print(f'input {number} ({kind.name}): {why}', flush=True)
            if keep:
                pathlib.Path(keep, str(number)).write_bytes(content)
    print(HEAD)
    for name, result in results.items():
        if result.seconds:
            print(result.row(name))
    print(f'{n:,} inputs, seed {seed}; peak memory {peak_mib():.0f} MiB, {before:.0f} MiB of it '
          'before the first')
    return sum(result.counts['failed'] for result in results.values()) + (
        peak_mib() - before > MOST_MIB)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--n', type=int, default=100000, help='inputs')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--keep', metavar='FOLDER', help='where to keep inputs that fail')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return 1 if fuzz(args.n, args.seed, folder, args.keep) else 0


if __name__ == '__main__':
    sys.exit(main())
