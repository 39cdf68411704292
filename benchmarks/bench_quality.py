"""How well unseen pictures are ranked, by number of ratings and training method.

    python benchmarks/bench_quality.py [--data DIR] [--sets ...] [--methods ...] [--seeds 5]

For each seed, a fifth of a set is held out, and so many of the other pictures
are rated; ``train.py`` is trained on these, and ``predict.py`` scores the
held-out ones, as a user would run them.  The baseline is a ridge regression on
histograms of oriented gradients and colours.  Results are kept in ``--store``
and not measured again, so a long benchmark can be interrupted.

The sets: ``one_person`` (photographs of faces, each rated by some of 15 single
people, whom the seed numbers; ``--data`` has ``ratings.csv`` with the columns
``file`` and ``p01`` to ``p15``; so many of a person's ratings are learnt from,
and the person's other pictures are held out); ``faces`` (photographs, mean
ratings of 60 people, of which ``--data`` has ``ratings.csv`` with the columns
``file``, ``group`` and ``mean_rating``);
``cast`` (the demo's characters, drawn here); ``words`` (these again, but the
ratings depend as much on what each says, which no picture shows);
``group`` (the ``faces`` of one group of people, where others were rated before).
"""
import argparse
import concurrent.futures
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
from typing import NamedTuple

import cv2
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]

import metrics
from picture_ranknet.machine import cores
from picture_ranknet.pictures import descriptor

PYTHON = sys.executable
PEOPLE = {'one_person': (30, 100, 277)}  # numbers of ratings; 0: all
EVERYWHERE = {'faces': (100, 277, 1000, 0), 'cast': (100, 0), **PEOPLE}
FEW = {'faces': (100, 277)}
ALL = {'faces': (0,)}
LEVERS = {'faces': (277,)}


class Method(NamedTuple):
    """Options of ``train.py`` and ``predict.py``, and where they are measured."""

    train: str = ''
    predict: str = ''
    where: dict = EVERYWHERE


class Ensemble(NamedTuple):
    """Methods whose scores are averaged, as ``predict.py --ensemble`` does."""

    members: tuple


METHODS = {
    'ridge': None,
    "the article's": Method('-b 2 --schedule constant --augment 0 --no_mirror'),
    'ours': Method(where=dict(EVERYWHERE, words=(0,), group=(100,))),
    'pretrained': Method('--arch pretrained'),
    "the crowd's model": Method(where={'one_person': (30,)}),  # none of the 30 is used
    "the crowd's model, --initmodel": Method('--initmodel crowd.pkl', where=PEOPLE),
    'ours, --loss magnitude': Method('--loss magnitude', where={'faces': (277, 1000)}),
    'ours, --unrated': Method('--unrated X_more.npy', where=FEW),
    'ours, --n_iter 400': Method('--n_iter 400', where={'faces': (100,)}),
    'ours, long': Method('-b 64 --n_iter 3000 --loss magnitude', '--mirror', ALL),
    'ours, deep and long': Method('--arch deep -b 64 --n_iter 3000 --loss magnitude', '--mirror',
                                  ALL),
    'ours, long and deep averaged': Ensemble(('ours, long', 'ours, deep and long')),
    'ours, --arch deep': Method('--arch deep', where=LEVERS),
    'ours, -b 2': Method('-b 2', where=LEVERS),
    'ours, --schedule constant': Method('--schedule constant', where=LEVERS),
    'ours, --augment 0 --no_mirror': Method('--augment 0 --no_mirror', where=LEVERS),
    'ours, --augment 0': Method('--augment 0', where=LEVERS),
    'ours, --augment 2': Method('--augment 2', where=LEVERS),
    'ours, --n_iter 2000': Method('--n_iter 2000', where=LEVERS),
    'ours, --mirror': Method('', '--mirror', LEVERS),
    'ours, --features': Method('--features F.npy', '--features F_test.npy', {'words': (0,)}),
    'ours, --initmodel': Method('--initmodel others.pkl', where={'group': (100,)}),
    'ours, --initmodel --freeze': Method('--initmodel others.pkl --freeze',
                                         where={'group': (100,)}),
}
MEASURES = {
    'Spearman': metrics.spearman,
    'Pearson': metrics.pearson,
    'pair accuracy': metrics.pair_accuracy,
    'NDCG@100': lambda ratings, scores: metrics.ndcg(ratings, scores, 100),
}
PENALTIES = 10. ** np.arange(-1, 4.5, .5)
LEAST_DEVIATION = .02  # features that vary less are not scaled up further
N_WORDS = 12
N_PEOPLE = 15
KEY = 'set', 'ratings', 'method', 'seed'


def load_faces(data):
    """Pictures, shape ``(N, 3, 80, 80)``, RGB, their ratings, and the groups of people."""
    import bench_training  # here: it imports Chainer

    with open(data / 'rated_faces' / 'ratings.csv', newline='', encoding='utf-8') as f:
        groups = [row['group'] for row in csv.DictReader(f)]
    return (*bench_training.load_rated_faces(data / 'rated_faces'), np.array(groups))


def load_people(data):
    """Pictures, shape ``(N, 3, 80, 80)``, and ratings of single people and of a crowd by column."""
    with open(data / 'one_person' / 'ratings.csv', newline='', encoding='utf-8') as f:
        rows = list(csv.DictReader(f))
    X = np.stack([cv2.resize(cv2.imread(str(data / 'one_person' / row['file'])), (80, 80),
                             interpolation=cv2.INTER_AREA)[:, :, ::-1].transpose(2, 0, 1)
                  for row in rows])
    return X, {name: np.array([float(row[name] or 'nan') for row in rows])
               for name in rows[0] if name != 'file'}


def measure_person(task, sources):
    """Measure a task of the set ``one_person``: a person's own pictures are the unseen ones."""
    _, n, name, person = task
    X, people = sources['people']
    ratings = people[f'p{person + 1:02}']
    rated = np.flatnonzero(~np.isnan(ratings))
    rows = np.random.default_rng(person).permutation(rated)[:n]
    unseen = np.setdiff1d(rated, rows)
    start = time.perf_counter()
    if METHODS[name] is None:
        scores = learn_ridge((X[rows], ratings[rows]), (X[unseen],))
    else:
        with tempfile.TemporaryDirectory() as folder:
            shared = sources['folder'] / 'X.npy'  # what is seen of it is kept beside it
            own = np.full(len(X), np.nan)
            own[rows] = ratings[rows]
            np.savetxt(os.path.join(folder, 'r.txt'), own)
            if 'crowd' in name:  # others, who did not see the person's pictures
                crowd = np.where(np.isnan(ratings), people['crowd'], np.nan)
                np.savetxt(os.path.join(folder, 'crowd.txt'), crowd)
                run(folder, ROOT / 'train.py', shared, 'crowd.txt', '-om', 'crowd.pkl',
                    '--arch', 'pretrained')
            if METHODS[name].train:
                run(folder, ROOT / 'train.py', shared, 'r.txt', '--monitor_step', 10 ** 6,
                    *METHODS[name].train.split())
            scores = np.loadtxt(os.path.join(folder, 'pred.txt'))[unseen]
    return describe(task, time.perf_counter() - start, ratings[unseen], scores)


def load_cast():
    """Faces of both videos of the demo, and the ratings of its made-up person."""
    sets = []
    with tempfile.TemporaryDirectory() as folder:
        run(folder, ROOT / 'examples' / 'draw_cast.py', '.')
        for name in 'train', 'test':
            run(folder, ROOT / 'crop_faces.py', name + '.mp4', '-o', name + '.npy', '--fps', 4)
            run(folder, ROOT / 'examples' / 'rate_cast.py', name + '.csv', name + '_cast.csv',
                name + '.txt')
            sets.append((np.load(os.path.join(folder, name + '.npy')),
                         np.loadtxt(os.path.join(folder, name + '.txt'))))
    return sets


def run(folder, *command):
    """Run a Python script in a folder, on one thread."""
    done = subprocess.run(
        [PYTHON, *map(str, command)], cwd=folder, encoding='utf-8', capture_output=True,
        env=dict(os.environ, OMP_NUM_THREADS='1', OPENBLAS_NUM_THREADS='1'))
    if done.returncode:
        raise RuntimeError('{}: {}'.format(command, done.stderr))


def split(set_name, n, seed, sources):
    """Pictures, ratings and features: rated, unrated, held out, and rated by others.

    Each part is a tuple ``(X, ratings, features)``.
    """
    rng = np.random.default_rng(seed)
    if set_name in ('cast', 'words'):
        # The characters of the second video are not in the first: the cast is new.
        parts = []
        for X, ratings in sources['cast']:
            rows = rng.permutation(np.flatnonzero(~np.isnan(ratings)))
            parts.append((X[rows], ratings[rows], np.zeros((len(rows), N_WORDS))))
        if set_name == 'words':
            likes = rng.normal(size=N_WORDS)
            parts = [say_words(X, ratings, likes, rng) for X, ratings, _ in parts]
        train, test = parts
        others = None
    else:
        X, ratings, groups = sources['faces']
        features = np.zeros((len(X), 0))
        rows = rng.permutation(len(X))
        others = None
        if set_name == 'group':
            is_own = groups[rows] == 'CF'
            others = tuple(part[rows[~is_own]] for part in (X, ratings, features))
            rows = rows[is_own]
        n_train = len(rows) * 4 // 5
        train, test = (tuple(part[some] for part in (X, ratings, features))
                       for some in (rows[:n_train], rows[n_train:]))
    n = n or len(train[0])
    return [part[:n] for part in train], [part[n:] for part in train], test, others


def say_words(X, ratings, likes, rng):
    """Each picture gets one of ``N_WORDS`` words, which adds to its rating as the person likes it.

    Words and looks contribute equal variance.
    """
    words = rng.integers(N_WORDS, size=len(X))
    features = np.eye(N_WORDS)[words]
    return X, ratings + ratings.std() * (likes - likes.mean())[words] / likes.std(), features


def learn_ridge(train, test):
    """Scores of a ridge regression, its penalty chosen by leave-one-out cross-validation."""
    seen, unseen = (descriptor.describe(X).astype(float) for X in (train[0], test[0]))
    mean, deviation = seen.mean(axis=0), np.maximum(seen.std(axis=0), LEAST_DEVIATION)
    seen, unseen = (seen - mean) / deviation, (unseen - mean) / deviation
    y = train[1] - train[1].mean()
    values, vectors = np.linalg.eigh(seen @ seen.T / seen.shape[1])
    best = np.inf, None
    for penalty in PENALTIES:
        inverse = (vectors / (values + penalty)) @ vectors.T
        dual = inverse @ y
        error = np.mean((dual / np.diag(inverse)) ** 2)  # leave-one-out, in closed form
        best = min(best, (error, penalty))
    dual = vectors / (values + best[1]) @ (vectors.T @ y)
    return unseen @ (seen.T @ dual) / seen.shape[1]


def learn(method, seed, train, more, test, others):
    """Scores by ``train.py`` and ``predict.py`` with the options of a method."""
    to_train, to_predict = method.train.split(), method.predict.split()
    with tempfile.TemporaryDirectory() as folder:
        def save(name, part):
            np.save(os.path.join(folder, 'X' + name + '.npy'), part[0])
            np.savetxt(os.path.join(folder, 'r' + name + '.txt'), part[1])
            np.save(os.path.join(folder, 'F' + name + '.npy'), part[2])

        save('', train)
        save('_test', test)
        if '--unrated' in to_train:
            save('_more', more)
        if '--initmodel' in to_train:
            pathlib.Path(folder, 'others.pkl').write_bytes(learn_others(seed, others))
        run(folder, ROOT / 'train.py', 'X.npy', 'r.txt', '--seed', seed,
            '--monitor_step', 10 ** 6, *to_train)
        run(folder, ROOT / 'predict.py', 'model.pkl', 'X_test.npy', *to_predict)
        return np.loadtxt(os.path.join(folder, 'pred.txt'))


MODELS = {}
MODELS_LOCK = threading.Lock()


def learn_others(seed, others):
    """A model that others' ratings have trained, as it is written to a file."""
    with MODELS_LOCK:
        if seed not in MODELS:
            with tempfile.TemporaryDirectory() as folder:
                np.save(os.path.join(folder, 'X.npy'), others[0])
                np.savetxt(os.path.join(folder, 'r.txt'), others[1])
                run(folder, ROOT / 'train.py', 'X.npy', 'r.txt', '--seed', seed,
                    '--monitor_step', 10 ** 6)
                MODELS[seed] = pathlib.Path(folder, 'model.pkl').read_bytes()
        return MODELS[seed]


def measure(task, sources):
    """Measure one task, a tuple (set, number of ratings, method, seed); returns a row to keep."""
    set_name, n, method, seed = task
    if set_name == 'one_person':
        return measure_person(task, sources)
    train, more, test, others = split(set_name, n, seed, sources)
    start = time.perf_counter()
    scores = (learn_ridge(train, test) if METHODS[method] is None
              else learn(METHODS[method], seed, train, more, test, others))
    return describe(task, time.perf_counter() - start, test[1], scores)


def describe(task, seconds, ratings, scores):
    """What is kept of a task."""
    row = dict(zip(KEY, task), seconds=round(seconds, 1), unseen=len(scores))
    for name, function in MEASURES.items():
        row[name] = function(ratings, scores)
    row['scores'] = [round(float(score), 5) for score in scores]
    return row


def average_members(rows, sources, seeds):
    """Rows of the ensembles all of whose members have been measured."""
    found = {tuple(row[k] for k in KEY): row for row in rows}
    for name, method in METHODS.items():
        if isinstance(method, Ensemble):
            where = METHODS[method.members[0]].where
            for task in ((s, n, name, seed) for s in where for n in where[s]
                         for seed in range(seeds)):
                members = [found.get((*task[:2], member, task[3])) for member in method.members]
                if all(member and 'scores' in member for member in members):
                    ratings = split(task[0], task[1], task[3], sources)[2][1]
                    yield describe(task, sum(member['seconds'] for member in members), ratings,
                                   np.mean([member['scores'] for member in members], axis=0))


def plan(args):
    """The tasks to measure, those of one seed after the other."""
    for set_name in args.sets:
        for seed in range(N_PEOPLE if set_name == 'one_person' else args.seeds):
            for n in args.ratings:
                for name in args.methods:
                    if isinstance(METHODS[name], Ensemble):
                        continue  # made of what its members leave
                    where = METHODS[name].where if METHODS[name] else EVERYWHERE
                    if n in where.get(set_name, ()):
                        yield set_name, n, name, seed


def print_table(rows, args):
    print('| set | ratings | method | {} |\n|---|---|---|{}'.format(
        ' | '.join(MEASURES), '---|' * len(MEASURES)))
    keys = sorted({(r['set'], r['ratings'] or 10 ** 9, list(METHODS).index(r['method']))
                   for r in rows})
    for set_name, n, index in keys:
        found = [r for r in rows if (r['set'], r['ratings'] or 10 ** 9, r['method'])
                 == (set_name, n, list(METHODS)[index])
                 and r['seed'] < (N_PEOPLE if set_name == 'one_person' else args.seeds)]
        if found:
            print('| {} | {} | {} | {} |'.format(
                set_name, 'all' if n == 10 ** 9 else n, list(METHODS)[index], ' | '.join(
                    '{:.3f} ± {:.3f}'.format(np.mean([r[name] for r in found]),
                                             np.std([r[name] for r in found], ddof=1)
                                             if len(found) > 1 else np.nan)
                    for name in MEASURES)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--data', type=pathlib.Path, default=pathlib.Path(
        os.environ.get('RANKNET_DATA', ROOT.parent / 'shared' / 'data')))
    parser.add_argument('--sets', nargs='+',
                        default=['one_person', 'faces', 'cast', 'words', 'group'])
    parser.add_argument('--methods', nargs='+', default=list(METHODS), choices=METHODS,
                        metavar='METHOD', help=f'of {", ".join(map(repr, METHODS))}')
    parser.add_argument('--ratings', type=int, nargs='+', default=[30, 100, 277, 1000, 0],
                        help='0: all')
    parser.add_argument('--seeds', type=int, default=5)
    parser.add_argument('--jobs', type=int, default=cores.usable(), help='at once')
    parser.add_argument('--store', type=pathlib.Path, default=pathlib.Path('quality.jsonl'))
    args = parser.parse_args()

    rows = []
    if args.store.exists():
        rows = [json.loads(line) for line in args.store.read_text(encoding='utf-8').splitlines()]
    done = {tuple(row[k] for k in KEY) for row in rows}
    tasks = [task for task in plan(args) if task not in done]
    sources = {}
    if 'one_person' in args.sets:
        sources['people'] = load_people(args.data)
        sources['folder'] = args.store.resolve().parent
        np.save(sources['folder'] / 'X.npy', sources['people'][0])
    if 'faces' in args.sets or 'group' in args.sets:
        sources['faces'] = load_faces(args.data)
    if any(task[0] in ('cast', 'words') for task in tasks):
        sources['cast'] = load_cast()
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as executor, \
            open(args.store, 'a', encoding='utf-8') as store:
        running = [executor.submit(measure, task, sources) for task in tasks]
        for future in concurrent.futures.as_completed(running):
            rows.append(future.result())
            store.write(json.dumps(rows[-1]) + '\n')
            store.flush()
            print('# {set} {ratings} {method}, seed {seed}: {Spearman:.4f} {Pearson:.4f} '
                  '{pair accuracy:.4f} in {seconds:.0f} s'.format(**rows[-1]), flush=True)
    print_table(rows + list(average_members(rows, sources, args.seeds)), args)


if __name__ == '__main__':
    main()
