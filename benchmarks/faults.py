"""Kill the commands at random moments, and check their outputs.

    python benchmarks/faults.py [--kills 200] [--signals 20] [--seed 0] [--commands train ...]

Each command first runs undisturbed on small inputs, which gives the expected
outputs.  Then it runs again and again next to the outputs of an earlier run,
and is killed (``SIGKILL``) or told to end (``SIGINT``, ``SIGTERM``) at a random
moment.  After each, every output must be byte-identical to the earlier one or
the new one.  Then the command continues (with ``--resume`` where it has that),
and may be killed again; when it ends by itself, its outputs are compared with
the undisturbed run.  ``rate.py`` receives ratings meanwhile; none that it has
confirmed may be lost.

The commands are imported once and run in forked processes, so that they are
killed while working and not while Python starts.  POSIX only.

Over 400 lines: a program of its own, with a job for each command.
"""
import argparse
import collections
import contextlib
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
import urllib.request

os.environ.update(OMP_NUM_THREADS='1', OPENBLAS_NUM_THREADS='1', MKL_NUM_THREADS='1')

import cv2
import numpy as np
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import crop_faces
import net
import predict
import rate
import train
import train_cascade
from picture_ranknet.errors import InputError
from picture_ranknet.faces.training import lbp_file
from picture_ranknet.models import model_file, networks
from picture_ranknet.pictures import gallery
from picture_ranknet.rating import journal
from picture_ranknet.storage import arrays, picture_set, ratings_txt, sidecars, sorting

# Imported once, here, and not in each process.
from picture_ranknet.learning import loop, pretext, report  # noqa: F401 isort: skip

from picture_ranknet.ranking import files, results  # noqa: F401 isort: skip

from picture_ranknet.rating import browser  # noqa: F401 isort: skip

STATUSES = {signal.SIGINT: 130, signal.SIGTERM: 143}
LONGEST = 300  # seconds that a command may take, on a busy machine


class Child:

    """A command in a process and folder of its own; it prints to the files ``out`` and ``err``."""

    def __init__(self, main, arguments, folder):
        self.folder = folder
        self.start = time.monotonic()
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            self._run(main, arguments)
        self.status = None

    def _run(self, main, arguments):
        status = 70  # a bug
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        try:
            os.chdir(self.folder)
            for name, number in ('out', 1), ('err', 2):
                file = os.open('../' + name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(file, number)
            sys.argv = [main.__module__ + '.py', *arguments]
            signal.signal(signal.SIGINT, signal.default_int_handler)
            main(arguments)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            status = 0
        except SystemExit as e:
            status = e.code or 0
        except KeyboardInterrupt:  # before main
            status = 130
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    def wait(self, seconds=LONGEST):
        """Whether it ends within so many seconds; ``status`` is that of a shell then."""
        end = time.monotonic() + seconds
        while self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                self.status = code if code >= 0 else 128 - code
                self.seconds = time.monotonic() - self.start
            elif time.monotonic() > end:
                return False
            else:
                time.sleep(.002)
        return True

    def kill(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
        if not self.wait():
            os.kill(self.pid, signal.SIGKILL)
            self.wait()
            raise AssertionError(f'it did not end {LONGEST} s after signal {number}')

    def said(self, name):
        return (self.folder.parent / name).read_text(errors='replace')


def apart(function):
    """Call a function in a process of its own: it may start threads, which a fork would lose."""
    pid = os.fork()
    if not pid:
        function()
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        raise RuntimeError('the inputs could not be made')


def read_all(folder):
    """Bytes of all files in a folder and below, by name, without hidden ones."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob('*'))
            if path.is_file() and not any(
                part.startswith('.') for part in path.relative_to(folder).parts)}


def hidden(folder):
    return [path.name for path in folder.rglob('.*') if path.name not in ('.lock',)]


class Job:

    """A command, its inputs, and what must hold of its outputs."""

    checked = ''
    ends = True  # by itself

    def __init__(self, folder):
        """Prepare the inputs in a new folder."""
        self.folder = folder
        folder.mkdir(parents=True)
        apart(self.prepare)
        self.inputs = set(os.listdir(folder))

    def prepare(self):
        raise NotImplementedError

    def arguments(self):
        """Arguments of the next run, which continues the last one if it can."""
        raise NotImplementedError

    def plant(self):
        """Write the outputs of an earlier run."""
        for name, content in self.earlier.items():
            (self.folder / name).parent.mkdir(exist_ok=True)
            (self.folder / name).write_bytes(content)

    def clear(self):
        for path in sorted(self.folder.iterdir()):
            if path.name not in self.inputs:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def outputs(self):
        return {name: self.normalise(name, content)
                for name, content in read_all(self.folder).items()
                if name.split(os.sep)[0] not in self.inputs}

    def normalise(self, name, content):
        """What must be the same in every run."""
        return content

    def learn(self):
        """Run it undisturbed: twice, since the first run may compile."""
        for _ in range(2):
            self.clear()
            child = self.begin()
            child.wait()
            if child.status != 0:
                raise AssertionError(child.said('err'))
        self.whole, self.seconds = self.outputs(), child.seconds

    def begin(self):
        return Child(self.main, self.arguments(), self.folder)

    def check_broken(self):
        """After it was killed: every output is the earlier one or the new one."""
        for name, content in self.outputs().items():
            if content not in (self.whole.get(name), self.earlier.get(name)):
                raise AssertionError(f'{name} is neither the earlier one nor the new one')
        for name in self.earlier:
            if not (self.folder / name).exists():
                raise AssertionError(f'{name} is gone')

    def check_whole(self):
        """After it ended by itself."""
        outputs = self.outputs()
        if outputs != self.whole:
            names = [name for name in sorted({*outputs, *self.whole})
                     if outputs.get(name) != self.whole.get(name)]
            raise AssertionError(f'outputs differ from the undisturbed run: {", ".join(names)}')
        if hidden(self.folder):
            raise AssertionError(f'left behind: {hidden(self.folder)}')


class Crop(Job):

    main = staticmethod(crop_faces.main)
    checked = ('X.npy and X.csv both earlier or both new; --resume gives the set of an undisturbed '
               'run')
    earlier = {}

    def prepare(self):
        writer = cv2.VideoWriter(str(self.folder / 'a.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 24,
                                 (160, 120))
        rng = np.random.default_rng(0)
        for x, y in rng.integers(8, 80, (16, 2)):  # a bright square is a face to this cascade
            img = rng.integers(0, 90, (120, 160, 3), np.uint8)
            img[y:y + 24, x:x + 24] = rng.integers(120, 255, 3)
            writer.write(img)
        writer.release()
        (self.folder / 'small.xml').write_text(CASCADE)

    def learn(self):
        super().learn()
        other = self.folder.parent / 'earlier'
        other.mkdir()
        child = Child(self.main, [str(self.folder / 'a.avi'), '--no_faces', '--size', '24',
                                  '-o', 'X.npy'], other)
        child.wait()
        self.earlier = read_all(other)

    def arguments(self):
        resumes = (self.folder / 'X.part' / 'run.json').exists()
        return ['a.avi', '-o', 'X.npy', '--cascade', 'small.xml', '--min_neighbors', '3',
                '--scale_factor', '1.3', '--size', '24', '--every', '1', '--min_sharpness', '0',
                '--crops', 'crops', '--sheet', 'sheet.png', '--force', *['--resume'] * resumes]

    def outputs(self):
        return {name: content for name, content in super().outputs().items()
                if not name.startswith('X.part')}

    def check_broken(self):
        if (self.folder / '.X.moves').exists():
            try:
                arrays.read_pictures(str(self.folder / 'X.npy'))
            except InputError:
                return  # readers say how to complete it, and the next run does
            raise AssertionError('a set that is half old and half new is read')
        super().check_broken()
        outputs = self.outputs()
        pair = outputs.get('X.npy'), outputs.get('X.csv')
        if pair not in ((self.whole['X.npy'], self.whole['X.csv']),
                        (self.earlier['X.npy'], self.earlier['X.csv'])):
            raise AssertionError('X.npy and X.csv do not belong together')


class Train(Job):

    main = staticmethod(train.main)
    checked = ('pred.txt, model.pkl, log, metrics.csv, plots and snapshots whole; --resume gives '
               'the model of an undisturbed run, to the byte')
    earlier = {'pred.txt': b'1\n', 'model.pkl': b'a model'}

    def prepare(self):
        save_rated(self.folder)

    def arguments(self):
        snapshots = sorted(self.folder.glob('result/snapshot_iter_*'),
                           key=lambda path: int(path.name.split('_')[-1]))
        return ['X.npy', 'ratings.txt', '--n_iter', '6', '--monitor_step', '2', '-b', '8',
                '--valid_ratio', '.3', '--arch', 'deep', '--threads', '1',
                *(['--resume', 'result/' + snapshots[-1].name] if snapshots else [])]

    def normalise(self, name, content):
        if name == 'result/log':
            return [{key: value for key, value in entry.items() if key != 'elapsed_time'}
                    for entry in json.loads(content)]
        if 'snapshot' in name:
            return None  # has the time in it
        if name.endswith('.png'):
            return None  # drawn from a part of the curve, after --resume
        return content

    def check_broken(self):
        for path in self.folder.glob('result/[!.]*'):
            if path.suffix == '.png':
                with Image.open(path) as picture:
                    picture.load()
            elif path.name.startswith('snapshot'):
                with np.load(path) as snapshot:
                    for name in snapshot.files:
                        snapshot[name]
        outputs = self.outputs()
        log = outputs.pop('result/log', [])
        if log != self.whole['result/log'][:len(log)]:
            raise AssertionError('result/log is not the start of that of an undisturbed run')
        for name, content in outputs.items():
            if content not in (self.whole.get(name), self.earlier.get(name)):
                raise AssertionError(f'{name} is neither the earlier one nor the new one')
        for name in self.earlier:
            if name not in outputs:
                raise AssertionError(f'{name} is gone')


class Predict(Job):

    main = staticmethod(predict.main)
    checked = 'scores, table, strip and explanation each the earlier one or the new one'
    earlier = {'pred.txt': b'1\n', 'ranked.csv': b'rank\n', 'strip.png': b'a strip',
               'why.png': b'why'}

    def prepare(self):
        save_rated(self.folder)
        np.random.seed(0)
        model_file.save(str(self.folder / 'model.pkl'),
                        net.RankNet(networks.DeepCNN((20, 20)), (20, 20), 1 / 255))

    def arguments(self):
        return ['model.pkl', 'X.npy', '--csv', 'ranked.csv', '--strip', 'strip.png',
                '--ratings', 'ratings.txt', '--explain', 'why.png', '--explain_n', '1',
                '--threads', '1']


class PredictFiles(Job):

    """What comes of a folder of pictures; an earlier gallery is there."""

    main = staticmethod(predict.main)
    checked = ('scores and table each the earlier one or the new one; the gallery the earlier one '
               'or the new one; copies all there or none; sidecars whole')
    earlier = {'pred.txt': b'1\n', 'pred.csv': b'rank\n'}
    N = 12

    def prepare(self):
        rng = np.random.default_rng(0)
        (self.folder / 'in').mkdir()
        for i in range(self.N):
            Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(
                self.folder / 'in' / f'{i}.png')
        np.random.seed(0)
        model = net.RankNet(net.CNN((20, 20)), (20, 20), 1 / 255)
        model_file.remember(model, picture_set.Preparation(picture_set.PICTURE, 0.),
                            np.linspace(-.1, .1, 40), np.arange(40) // 8 + 1.)
        model_file.save(str(self.folder / 'model.pkl'), model)

    def arguments(self):
        if (self.folder / 'copies').exists():  # which must be new
            self.check_copies()
            shutil.rmtree(self.folder / 'copies')
        return ['model.pkl', 'in', '--xmp', '--gallery', 'out', '--sort_into', 'copies', '--copy',
                '--by_rank', '--threads', '1']

    def plant(self):
        super().plant()
        gallery.write(str(self.folder / 'out'), [
            gallery.Entry(np.zeros((4, 4, 3), np.uint8), 'a.png', 1.)], 'Earlier')

    def clear(self):
        super().clear()
        for path in (self.folder / 'in').glob('*.xmp'):
            path.unlink()

    def outputs(self):
        return {name: content for name, content in super().outputs().items()
                if name.split(os.sep)[0] in ('pred.txt', 'pred.csv')}

    def check_broken(self):
        super().check_broken()
        self.check_gallery({'Earlier': 1, '12 pictures by model.pkl': self.N})
        self.check_copies()
        for i in range(self.N):
            if sidecars.find_sidecar(f'{self.folder}/in/{i}.png'):
                sidecars.read(f'{self.folder}/in/{i}.png.xmp')

    def check_gallery(self, sizes):
        page = (self.folder / 'out' / 'index.html').read_text(encoding='utf-8')
        title = re.search('<title>(.*?)</title>', page)[1]
        thumbs = re.search('"thumbnails" content="(.*?)"', page)[1]
        if page.count('"u":') != sizes[title]:
            raise AssertionError(f'the gallery {title!r} has {page.count(chr(34) + "u")} pictures')
        with Image.open(self.folder / 'out' / thumbs / '0000.jpg') as sheet:
            sheet.load()

    def check_copies(self):
        copies = read_all(self.folder / 'copies')
        pictures = [content for name, content in copies.items() if name.endswith('.png')]
        if copies and sorted(pictures) != sorted(
                path.read_bytes() for path in (self.folder / 'in').glob('*.png')):
            raise AssertionError(f'{len(pictures)} copies')

    def check_whole(self):
        if self.outputs() != self.whole:
            raise AssertionError('outputs differ from the undisturbed run')
        self.check_broken()
        self.check_gallery({'12 pictures by model.pkl': self.N})
        left = [name for name in hidden(self.folder) if '.part' in name
                and not (self.folder / 'pred.library' / name).exists()]  # not written again
        if left or len(read_all(self.folder / 'copies')) != 2 * self.N:
            raise AssertionError(f'left behind: {left}, or copies are missing')


class Move(PredictFiles):

    """A move and its undoing take turns, wherever the last one was broken off."""

    checked = 'each picture and sidecar in one place, whole; --undo_move puts all back'

    def arguments(self):
        self.is_undone = (self.folder / 'sorted').exists()
        if self.is_undone:
            return ['--undo_move', 'sorted']
        return ['model.pkl', 'in', '--sort_into', 'sorted', '--move', '--threads', '1']

    def prepare(self):
        super().prepare()
        for i in range(3):
            sidecars.write(f'{self.folder}/in/{i}.png', 3, .5)

    def learn(self):
        self.files = sorted(read_all(self.folder / 'in').items())
        super().learn()

    def plant(self):
        Job.plant(self)

    def clear(self):
        if (self.folder / 'sorted').exists():
            sorting.undo_move(str(self.folder / 'sorted'))
        Job.clear(self)

    def check_broken(self):
        Job.check_broken(self)
        here = [*read_all(self.folder / 'in').items(), *(
            (pathlib.Path(name).name, content)
            for name, content in read_all(self.folder / 'sorted').items() if '-star' in name)]
        if sorted(here) != self.files:
            raise AssertionError('a picture is lost, or in two places')

    def check_whole(self):
        self.check_broken()
        is_sorted = (self.folder / 'sorted').exists()
        if is_sorted == self.is_undone or len(read_all(self.folder / 'in')) != (
                0 if is_sorted else len(self.files)):
            raise AssertionError('not all were moved')


class TrainCascade(Job):

    main = staticmethod(train_cascade.main)
    checked = ('the file has whole stages, the first ones of an undisturbed run; --resume adds the '
               'rest')
    earlier = {}

    def prepare(self):
        rng = np.random.default_rng(0)
        for kind, n in ('faces', 12), ('others', 6):
            (self.folder / kind).mkdir()
            for i in range(n):
                side = 24 if kind == 'faces' else 120
                img = rng.integers(0, 200, (side, side), np.uint8)
                if kind == 'faces':
                    img[8:16, 8:16] = 250
                Image.fromarray(img).save(self.folder / kind / f'{i}.png')

    def arguments(self):
        resumes = (self.folder / 'c.xml').exists()
        return ['c.xml', '--faces', 'faces', '--no_faces', 'others', '--stages', '3',
                '--positives', '100', '--negatives', '200', '--weak', '3', '--search', '4e5',
                '--false_alarm', '.2', '--turn', '0', *['--resume'] * resumes]

    def normalise(self, name, content):
        cascade, _ = lbp_file.read(str(self.folder / name))
        return [[part.tobytes() for part in stage] for stage in cascade.stages]

    def check_broken(self):
        for content in self.outputs().values():
            if content != self.whole['c.xml'][:len(content)]:
                raise AssertionError('its stages are not the first ones of an undisturbed run')


class Rate(Job):

    main = staticmethod(rate.main)
    checked = 'every rating that was confirmed is there; ratings.txt is whole'
    ends = False
    earlier = {}
    N, MOST = 12, 40

    def prepare(self):
        save_rated(self.folder, self.N)
        (self.folder / 'ratings.txt').unlink()

    def arguments(self):
        return ['X.npy', 'mine.txt', '--no_browser']

    def learn(self):
        self.seconds = 1
        self.whole = {}

    def begin(self):
        self.confirmed, self.unsure = self.last_confirmed(), None
        child = super().begin()
        self.talk = threading.Thread(target=self._talk, args=(child,))
        self.talk.start()
        return child

    def last_confirmed(self):
        if not (self.folder / 'mine.txt.journal').exists():
            return {}
        return self.journal()

    def journal(self):
        X = arrays.read_pictures(str(self.folder / 'X.npy'))
        with journal.Journal(str(self.folder / 'mine.txt'), len(X), journal.identify(X)) as said:
            return dict(enumerate(said.ratings.tolist()))

    def _talk(self, child):
        rng = random.Random(child.pid)
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            url = self._find_url(child)
            window = post(url, 'open', {})['window']
            for _ in range(self.MOST):
                row, rating = rng.randrange(self.N), rng.randint(1, 5)
                self.unsure = row, rating
                post(url, 'rate', {'window': window, 'row': row, 'rating': rating})
                self.confirmed[row] = rating

    def _find_url(self, child):
        for _ in range(1000):
            found = re.search(r'http://\S+', child.said('out'))
            if found:
                return found[0]
            time.sleep(.01)
        raise ValueError('no address')

    def check_broken(self):
        self.talk.join()
        path = self.folder / 'mine.txt'
        if path.exists():
            ratings_txt.read_ratings(str(path), self.N)
        said = self.journal()
        for row, rating in self.confirmed.items():
            if rating == rating and said[row] != rating and (row, said[row]) != self.unsure:
                raise AssertionError(f'rating {rating} of picture {row} is lost: {said[row]}')

    def check_whole(self):
        self.check_broken()


def post(url, path, said):
    host = re.match(r'http://[^/]+', url)[0]
    request = urllib.request.Request(url + path, json.dumps(said).encode(), {
        'Content-Type': 'application/json', 'Origin': host})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def save_rated(folder, n=20):
    rng = np.random.default_rng(0)
    np.save(folder / 'X.npy', rng.integers(0, 256, (n, 3, 20, 20), np.uint8))
    np.savetxt(folder / 'ratings.txt', np.arange(n) % 5 + 1., '%g')


# One LBP feature: brighter than all its neighbours.
CASCADE = """<?xml version="1.0"?>
<opencv_storage><cascade><stageType>BOOST</stageType><featureType>LBP</featureType>
<height>24</height><width>24</width><featureParams><maxCatCount>256</maxCatCount></featureParams>
<stageNum>1</stageNum><stages><_><maxWeakCount>1</maxWeakCount><stageThreshold>0.5</stageThreshold>
<weakClassifiers><_><internalNodes>0 -1 0 1 0 0 0 0 0 0 0</internalNodes>
<leafValues>1. -1.</leafValues></_></weakClassifiers></_></stages>
<features><_><rect>0 0 8 8</rect></_></features></cascade></opencv_storage>
"""

JOBS = {'crop_faces': Crop, 'rate': Rate, 'train': Train, 'predict': Predict,
        'predict on files': PredictFiles, 'predict --move': Move, 'train_cascade': TrainCascade}


def break_off(job, signals, rng, done):
    """Run a command, send it each of the signals, and check what is left.

    Args:
        job (Job): The command.
        signals (list of int): In order.
        rng (random.Random): Draws the moments.
        done (collections.Counter): Counts how often it was broken off,
            survived, and ran to the end.
    """
    job.clear()
    job.plant()
    signals = collections.deque(signals)
    while signals:
        child = job.begin()
        broken = not child.wait(rng.uniform(0, 1.1 * job.seconds))
        if broken:
            child.kill(signals[0])
        number, gone = signals[0], child.status
        expected = [128 + number] + [0] * (not job.ends and number == signal.SIGINT)
        if broken and gone in expected:
            signals.popleft()
            done['broken off'] += 1
            if number in STATUSES:
                check_ended_by_signal(job, child, number)
            job.check_broken()
            done['survived'] += 1
        elif gone:
            raise AssertionError(f'status {gone}: {child.said("err")}')
        if gone == 0 and job.ends:
            done['ran to the end'] += 1
            job.check_whole()
            job.clear()
            job.plant()
    if job.ends:  # let the last one finish
        child = job.begin()
        if not child.wait() or child.status:
            raise AssertionError(f'status {child.status}: {child.said("err")}')
        job.check_whole()
        done['ran to the end'] += 1


def check_ended_by_signal(job, child, number):
    """Ctrl-C and SIGTERM leave no temporary files, and print one line, or none before ``main``."""
    # llvmlite's finalizers complain when Numba is interrupted.
    err = re.sub(r'Exception ignored in: <function ObjectRef.*?\n\n', '', child.said('err') + '\n',
                 flags=re.S)
    if (child.status not in (STATUSES[number], 0) or err.count(': error: ') > 1
            or 'Traceback' in err):
        raise AssertionError(f'status {child.status}: {err}')
    left = [name for name in hidden(job.folder) if '.part' in name]
    if left:
        raise AssertionError(f'left behind: {left}')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--kills', type=int, default=200, help='kills of each command')
    parser.add_argument('--signals', type=int, default=20,
                        help='SIGINT of each command, and as many SIGTERM')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--commands', nargs='+', default=list(JOBS), choices=list(JOBS))
    args = parser.parse_args()

    cv2.setNumThreads(0)
    print('| command | killed | survived | told to end | survived | runs to the end | '
          'what was checked | seconds |\n|---|---|---|---|---|---|---|---|', flush=True)
    failed = False
    for name in args.commands:
        start = time.monotonic()
        rng = random.Random(f'{args.seed} {name}')
        kills, told, problem = collections.Counter(), collections.Counter(), ''
        with tempfile.TemporaryDirectory() as folder:
            try:
                job = JOBS[name](pathlib.Path(folder) / 'work')
                job.learn()
                break_off(job, [signal.SIGKILL] * args.kills, rng, kills)
                break_off(job, [signal.SIGINT, signal.SIGTERM] * args.signals, rng, told)
            except AssertionError as e:
                failed, problem = True, f' FAILED: {e}'
        whole = kills['ran to the end'] + told['ran to the end']
        command, _, what = name.partition(' ')
        print(f'| {command}.py {what} | {kills["broken off"]} | {kills["survived"]} | '
              f'{told["broken off"]} | {told["survived"]} | {whole} | '
              f'{job.checked} | {time.monotonic() - start:.0f} |{problem}', flush=True)
    sys.exit(failed)


if __name__ == '__main__':
    main()
