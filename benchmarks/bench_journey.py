"""What a person waits for: whole commands, against what they would use instead.

    pip install onnx onnxruntime scikit-learn torch   # of these, what is missing is left out
    python benchmarks/bench_journey.py [film folder ratings] [--size .1] [--cores 2] [--turns 3]
    python benchmarks/bench_journey.py --growth docs/journey.png

film: 24 minutes of 1080p (a real clip repeated with its cuts) -> X.npy.  The
peers are the plain OpenCV loop of tutorials with the classic cascade, and
FFmpeg decoding all frames and using none, which is the lower bound.

folder: 5,000 illustrations -> their ranking by a trained model; the peer reads
them with Pillow in a plain loop and passes them to the same network in
onnxruntime.  Then the same command again, and after one more rating.

ratings: 277 ratings -> a model.  The peers are scikit-learn on the same
features, the article's loop, and PyTorch fine-tuning the same network until
it ranks unseen pictures as well as ours does.

All take turns, each a process of its own with its start.  Wall time, CPU time
and peak memory are the medians; ``ours`` is our share of the peer's wall time.
The rating page is measured by bench_rating.py, kernels by bench_speed.py.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from typing import Callable, NamedTuple, Optional

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]

from picture_ranknet.machine import cores

MINUTES, PICTURES, RATINGS, UNSEEN = 24, 5000, 277, 500
SIDE = 160  # of the network's pictures


class Contender(NamedTuple):
    """A command, what has to be done before it each time, and what it needs."""

    name: str
    command: list
    before: Optional[Callable] = None
    needs: str = 'numpy'


class Cost(NamedTuple):
    """Seconds of wall time and CPU time, and peak memory in MB."""

    wall: float
    cpu: float
    peak: float


def run(contender, folder, cpus):
    """Run a command on these cores; returns its cost and its output."""
    if contender.before:
        contender.before()
    env = dict(os.environ, OMP_NUM_THREADS=str(len(cpus)))
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *map(str, contender.command)], cwd=folder, env=env,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding='utf-8',
        preexec_fn=lambda: os.sched_setaffinity(0, cpus))
    out = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f'{contender.name}: exit status {process.returncode}')
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024), out


def race(contenders, folder, cpus, turns):
    """Let all run in turn; returns the median costs and the last outputs, by name."""
    costs, outputs = {}, {}
    for _ in range(turns):
        for contender in contenders:
            if find_spec(contender.needs):
                cost, outputs[contender.name] = run(contender, folder, cpus)
                costs.setdefault(contender.name, []).append(cost)
    return {name: Cost(*np.median(runs, 0)) for name, runs in costs.items()}, outputs


def report(title, costs, outputs, ours=0):
    """Print a table; the contender at place ``ours`` is what the others are compared with."""
    print(f'\n{title}\n{"":44} {"wall s":>8} {"CPU s":>8} {"MB":>6} {"ours":>6}  held-out pairs')
    first = list(costs.values())[ours].wall
    for name, cost in costs.items():
        told = json.loads(outputs[name]) if outputs[name].startswith('{') else {}
        wall = told.get('seconds', cost.wall)  # with its clock stopped now and then
        accuracy = f'  {told["accuracy"]:.3f}' if told else ''
        print(f'{name:44} {wall:8.2f} {cost.cpu:8.2f} {cost.peak:6.0f} {first / wall:6.3f}'
              f'{accuracy}', flush=True)


def remover(*paths):
    """A function that removes these files and folders."""
    def remove():
        for path in paths:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return remove


def peer(name, *args):
    return [ROOT / 'benchmarks' / 'journey_peers.py', name, *args]


# The film

def repeat(clip, path, minutes):
    """Repeat a clip, without re-encoding, until it has so many minutes."""
    import av

    with av.open(str(path), 'w') as out:
        stream, shift = None, 0
        while stream is None or float(shift * stream.time_base) < 60 * minutes:
            with av.open(str(clip)) as source:
                video = source.streams.video[0]
                stream = stream or out.add_stream_from_template(video)
                for packet in source.demux(video):
                    if packet.dts is not None:
                        packet.dts, packet.pts = packet.dts + shift, packet.pts + shift
                        packet.stream = stream
                        out.mux(packet)
                shift += video.duration


def film(data, folder, size):
    path = folder / 'film.mp4'
    repeat(data / 'clips' / 'anime_1080p.mp4', path, MINUTES * size)
    os.environ['CLASSIC'] = str(data / 'lbpcascade_animeface.xml')
    yield f'film: {MINUTES * size:.3g} minutes of 1080p -> X.npy', [
        Contender('crop_faces.py', [ROOT / 'crop_faces.py', path, '--force'], needs='av'),
        Contender('plain OpenCV loop, classic cascade', peer('plain_loop', path)),
        Contender('decoding alone', peer('decode', path))]


# The folder

def make_illustrations(data, folder, n):
    """``n`` different JPEG files of 1,000 x 1,400 pixels, cut from portraits."""
    from PIL import Image, ImageOps

    portraits = sorted((data / 'anime_portraits').rglob('*.[jp][pn]g'))
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(n):
        with Image.open(portraits[number % len(portraits)]) as image:
            image = image.convert('RGB')
            box = rng.uniform([0, 0, .6, .6], [.4, .4, 1, 1]) * [*image.size, *image.size]
            image = image.resize((1000, 1400), box=tuple(box))
        image = ImageOps.mirror(image) if number % 2 else image
        image.save(folder / f'{number:05}.jpg', quality=88)


def rated_set(data, folder, n):
    """X.npy and ratings.txt of ``n`` rated faces; returns these and the unseen others."""
    from bench_training import load_rated_faces

    X, ratings = load_rated_faces(data / 'rated_faces')
    rows = np.random.default_rng(0).permutation(len(X))
    rated, unseen = rows[:n], rows[-UNSEEN:]
    np.save(folder / 'X.npy', X[rated])
    np.savetxt(folder / 'ratings.txt', np.clip(np.rint(ratings[rated]), 1, 5), '%d')
    np.save(folder / 'unseen.npy', X[unseen])
    np.savetxt(folder / 'unseen.txt', ratings[unseen])
    return X[rated], np.loadtxt(folder / 'ratings.txt'), X[unseen], ratings[unseen]


TRAIN = [ROOT / 'train.py', 'X.npy', 'ratings.txt', '--arch', 'pretrained']
RANK_AGAIN = f"""
import subprocess, sys
subprocess.run([sys.executable, *{[str(word) for word in TRAIN]!r}], check=True)
subprocess.run([sys.executable, {str(ROOT / 'predict.py')!r}, 'model.pkl', 'art', '--whole'],
               check=True)
"""


def folder_of_pictures(data, folder, size):
    import bench_pretrained

    n = round(PICTURES * size)
    make_illustrations(data, folder / 'art', n)
    rated_set(data, folder, RATINGS)
    quiet = {'cwd': folder, 'check': True, 'stdout': subprocess.DEVNULL,
             'stderr': subprocess.DEVNULL}
    subprocess.run([sys.executable, *map(str, TRAIN)], **quiet)
    contenders = []
    if find_spec('onnxruntime') and find_spec('onnx'):
        (folder / 'network.onnx').write_bytes(bench_pretrained.onnx_model())
        contenders = [Contender('onnxruntime and Pillow in a loop', peer(
            'onnx_loop', 'network.onnx', 'art', 'ranking.csv'), needs='onnxruntime')]
    predict = [ROOT / 'predict.py', 'model.pkl', 'art', '--whole']
    forget = remover(*(folder / name for name in ('pred.library', 'pred.txt', 'pred.csv')))
    yield f'folder: {n:,} illustrations -> a ranking', [
        Contender('predict.py', predict, forget), *contenders]

    def rate_one_more():
        ratings = np.loadtxt(folder / 'ratings.txt')
        ratings[0] = 6 - ratings[0]
        np.savetxt(folder / 'ratings.txt', ratings, '%d')
    yield f'again: {n:,} illustrations that are known', [
        Contender('predict.py again', predict),
        Contender('one more rating: train.py, then predict.py', ['-c', RANK_AGAIN], rate_one_more)]


# The ratings

def ratings(data, folder, size):
    from picture_ranknet.models import efficientnet

    n = round(RATINGS * size)
    X, rated, unseen, truth = rated_set(data, folder, n)
    network = efficientnet.load(efficientnet.weights_path())

    def see(pictures):
        from PIL import Image
        small = np.stack([np.asarray(Image.fromarray(picture.transpose(1, 2, 0)).resize(
            (SIDE, SIDE))) for picture in pictures]) / 127.5 - 1
        kept = range(len(network.blocks))
        return np.concatenate([np.concatenate([mean for mean, _ in network(
            small[i:i + 16].astype(np.float32), kept, kept)], 1) for i in range(0, len(small), 16)])

    np.savez(folder / 'learning.npz', X=X, ratings=rated, unrated=unseen, truth=truth,
             seen=see(X), seen_unrated=see(unseen))
    forget = remover(folder / 'X.features')
    accuracy = measure_ours(folder)
    print(f'\ntrain.py --arch pretrained: {accuracy:.3f} of the pairs of {UNSEEN} unseen pictures')
    yield f'ratings: {n:,} -> a model', [
        Contender('train.py, features cached', TRAIN),
        Contender('train.py, pictures unseen', TRAIN, forget),
        Contender('scikit-learn, features cached', peer('scikit_learn', 'learning.npz'),
                  needs='sklearn'),
        Contender("the article's loop", peer('articles_loop', 'learning.npz')),
        Contender('PyTorch fine-tuning, to our accuracy', peer(
            'fine_tuning', 'learning.npz', f'{accuracy:.4f}'), needs='torch')]


def measure_ours(folder):
    """Train as a person does; returns the pair accuracy on unseen pictures."""
    quiet = {'cwd': folder, 'check': True, 'capture_output': True, 'encoding': 'utf-8'}
    subprocess.run([sys.executable, *map(str, TRAIN)], **quiet)
    done = subprocess.run([sys.executable, str(ROOT / 'predict.py'), 'model.pkl', 'unseen.npy',
                           '--ratings', 'unseen.txt'], **quiet)
    return float(done.stdout.split('pair accuracy: ')[1].split()[0])


JOURNEYS = {'film': film, 'folder': folder_of_pictures, 'ratings': ratings}


# Growth

GROWTH = {'film': [.01, .1, 1], 'folder': [.01, .1, 1], 'ratings': [.1, 1, 8]}
WHAT = {'film': f'crop_faces.py, 1 = {MINUTES} minutes of film',
        'folder': f'predict.py, 1 = {PICTURES:,} pictures',
        'ratings': f'train.py, 1 = {RATINGS} ratings'}


def draw_growth(data, path, cpus):
    """Measure our command of each journey at three sizes, and plot its time against its size."""
    seconds = {}
    for name, sizes in GROWTH.items():
        walls = []
        for size in sizes:
            with tempfile.TemporaryDirectory() as folder:
                title, contenders = next(JOURNEYS[name](data, pathlib.Path(folder), size))
                mine = contenders[1 if name == 'ratings' else 0]
                cost, _ = run(mine, folder, cpus)
            walls.append(cost.wall)
            print(f'{title}: {cost.wall:.1f} s, {cost.peak:.0f} MB', flush=True)
        seconds[name] = walls
    plot_growth(seconds, path)


def plot_growth(seconds, path):
    """Plot seconds at the sizes of ``GROWTH``, by journey."""
    import matplotlib
    matplotlib.use('Agg')
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5), layout='constrained')
    for name, walls in seconds.items():
        axes.loglog(GROWTH[name], walls, 'o-', label=WHAT[name])
    axes.set(xlabel='size', ylabel='seconds', title='Whole commands, with their start')
    axes.xaxis.set_major_formatter('{x:g}')
    axes.yaxis.set_major_formatter('{x:g}')
    axes.spines[['top', 'right']].set_visible(False)
    axes.grid(alpha=.25)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('journeys', nargs='*', metavar='journey',
                        help=f'of {", ".join(JOURNEYS)} (default: all)')
    parser.add_argument('--data', type=pathlib.Path, default=pathlib.Path(
        os.environ.get('RANKNET_DATA', ROOT.parent / 'shared' / 'data')))
    parser.add_argument('--size', type=float, default=1, help='of all inputs, as a share')
    parser.add_argument('--cores', type=int, nargs='+', default=[2, 1])
    parser.add_argument('--turns', type=int, default=3)
    parser.add_argument('--growth', metavar='PNG', help='measure our commands at three sizes')
    args = parser.parse_args()
    args.data = args.data.resolve()
    unknown = set(args.journeys) - set(JOURNEYS)
    if unknown:
        parser.error(f'expected journeys of {", ".join(JOURNEYS)}, got {", ".join(unknown)}')

    available = sorted(os.sched_getaffinity(0))
    print(f'{datetime.date.today()}, {platform.machine()}, {cores.usable()} cores, '
          f'Python {platform.python_version()}, NumPy {np.__version__}', flush=True)
    if args.growth:
        return draw_growth(args.data, args.growth, available[:args.cores[0]])
    for name in args.journeys or JOURNEYS:
        with tempfile.TemporaryDirectory() as folder:
            for title, contenders in JOURNEYS[name](args.data, pathlib.Path(folder), args.size):
                for n in args.cores:
                    costs, outputs = race(contenders, folder, available[:n], args.turns)
                    report(f'{title}; {n} core{"s" * (n > 1)}', costs, outputs)


if __name__ == '__main__':
    main()
