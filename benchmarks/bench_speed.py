"""Training and scoring speed against PyTorch, onnxruntime, OpenVINO and plain Chainer.

    pip install torch onnx onnxruntime openvino     # those that are missing are skipped
    python benchmarks/bench_speed.py [steps] [scoring] [limits] [start] [growth]

Without a name, all parts run.  All contenders compute the same: the article's
network on 80 x 80 uint8 pictures, drawn at random and scaled; the loss of all
pairs of a batch; a step of Adam.  Each runs in a process of its own with a
thread per core.  They take turns of a few steps, one at a time, so that a
change of the machine's speed affects all of them.  Times are medians over the
turns.

Over 400 lines: each contender is written out, so that one can see that all compute the same.
"""
import argparse
import importlib.util
import json
import multiprocessing
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from picture_ranknet.machine import threads
from picture_ranknet.storage import arrays

SIZE = 80
REPEATS = 3       # timed in each turn, after one that is not
N = 1000          # pictures to draw batches from
PAUSE = .3        # seconds between turns, until OpenBLAS's threads stop spinning


def make_pictures(n=N, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, 3, SIZE, SIZE), np.uint8), rng.integers(1, 6, n) * 1.


def scale(pictures):
    return np.multiply(pictures, np.float32(1 / 255))


def import_chainer(kernels=True):
    """Chainer, with our kernels or without."""
    import picture_ranknet.machine.chainer_compat  # noqa: F401
    import chainer

    from picture_ranknet.fast import availability
    availability.use(kernels)
    return chainer


# Contenders: each function returns one that makes a training step, or scores a batch.

def ours_training(batchsize):
    import net
    from picture_ranknet.fast import fused_adam
    from picture_ranknet.learning import loop
    from picture_ranknet.learning.recipe import Recipe
    X, ratings = make_pictures()
    np.random.seed(0)
    model = net.RankNet(net.CNN(), (SIZE, SIZE), 1 / 255)
    steps = loop.learn(model, fused_adam.Adam().setup(model),
                       arrays.RatedPictures(X, ratings, np.arange(N)),
                       Recipe(10 ** 9, batchsize, augment=0, mirror=False))
    return lambda: next(steps)


def chainer_training(batchsize):
    chainer = import_chainer(kernels=False)
    import net
    X, ratings = make_pictures()
    np.random.seed(0)
    model = net.RankNet(net.CNN(), (SIZE, SIZE), 1 / 255)
    optimizer = chainer.optimizers.Adam().setup(model)
    rng = np.random.default_rng(0)

    def turn():
        rows = rng.choice(N, batchsize, replace=False)
        optimizer.update(model.loss_of_all_pairs, scale(X[rows]), ratings[rows])
    return turn


def article_training(batchsize):
    """Two forward passes for each pair, as in the article; one pair per step."""
    chainer = import_chainer(kernels=False)
    import net
    X, ratings = make_pictures()
    model = net.RankNet(net.CNN(), (SIZE, SIZE), 1 / 255)
    optimizer = chainer.optimizers.Adam().setup(model)
    rng = np.random.default_rng(0)

    def turn():
        i, j = rng.integers(N, size=(2, 1))
        optimizer.update(model, scale(X[i]), scale(X[j]), ratings[i], ratings[j])
    return turn


def torch_network():
    import torch
    from torch import nn
    torch.manual_seed(0)
    torch.set_num_threads(threads.count())
    return nn.Sequential(nn.Conv2d(3, 20, 5), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Conv2d(20, 50, 5), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Linear(14450, 500), nn.ReLU(), nn.Linear(500, 1))


def torch_training(batchsize, best=False):
    import torch
    layout = torch.channels_last if best else torch.contiguous_format
    network = torch_network().to(memory_format=layout)
    optimizer = torch.optim.Adam(network.parameters(), fused=best)
    X, ratings = make_pictures()
    ratings = torch.from_numpy(ratings).float()
    i, j = torch.triu_indices(batchsize, batchsize, 1)
    rng = np.random.default_rng(0)

    def turn():
        rows = rng.choice(N, batchsize, replace=False)
        x = torch.from_numpy(X[rows]).to(torch.float32, memory_format=layout).mul_(1 / 255)
        s, t = network(x), ratings[rows]
        d, S = (s[i] - s[j])[:, 0], torch.sign(t[i] - t[j])
        softplus = torch.nn.functional.softplus
        loss = ((1 + S) / 2 * softplus(-d) + (1 - S) / 2 * softplus(d)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return turn


def torch_best_training(batchsize):
    return torch_training(batchsize, best=True)


def ours_scoring(n):
    import net
    model = net.RankNet(net.CNN(), (SIZE, SIZE), 1 / 255)
    X, _ = make_pictures(n)
    return lambda: model.score(X, batchsize=n)


def chainer_scoring(n):
    chainer = import_chainer(kernels=False)
    import net
    cnn = net.CNN()
    X, _ = make_pictures(n)

    def turn():
        with chainer.using_config('train', False), chainer.no_backprop_mode():
            cnn(scale(X))
    return turn


def torch_scoring(n, best=False):
    import torch
    layout = torch.channels_last if best else torch.contiguous_format
    network = torch_network().eval().to(memory_format=layout)
    X, _ = make_pictures(n)

    def turn():
        with torch.inference_mode():
            x = torch.from_numpy(X).to(torch.float32, memory_format=layout).mul_(1 / 255)
            network(x).numpy()
    return turn


def torch_best_scoring(n):
    return torch_scoring(n, best=True)


def onnx_model():
    """The network as an ONNX file; returns its bytes."""
    from onnx import TensorProto, helper, numpy_helper

    import net
    cnn = net.CNN()
    weights = [numpy_helper.from_array(np.ascontiguousarray(param.array), name.strip('/'))
               for name, param in cnn.namedparams()]
    nodes, x = [], 'x'
    for layer in 'conv1', 'conv2':
        nodes += [helper.make_node('Conv', [x, layer + '/W', layer + '/b'], [layer]),
                  helper.make_node('Relu', [layer], [layer + '/relu']),
                  helper.make_node('MaxPool', [layer + '/relu'], [layer + '/pool'],
                                   kernel_shape=[2, 2], strides=[2, 2])]
        x = layer + '/pool'
    nodes += [helper.make_node('Flatten', [x], ['flat']),
              helper.make_node('Gemm', ['flat', 'l1/W', 'l1/b'], ['l1'], transB=1),
              helper.make_node('Relu', ['l1'], ['l1/relu']),
              helper.make_node('Gemm', ['l1/relu', 'l2/W', 'l2/b'], ['y'], transB=1)]
    graph = helper.make_graph(
        nodes, 'cnn', [helper.make_tensor_value_info('x', TensorProto.FLOAT, ['b', 3, SIZE, SIZE])],
        [helper.make_tensor_value_info('y', TensorProto.FLOAT, ['b', 1])], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8)
    return model.SerializeToString()


def onnxruntime_scoring(n):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads.count()
    session = onnxruntime.InferenceSession(onnx_model(), options)
    X, _ = make_pictures(n)
    return lambda: session.run(None, {'x': scale(X)})


def openvino_scoring(n):
    import openvino
    core = openvino.Core()
    compiled = core.compile_model(
        core.read_model(onnx_model(), b''), 'CPU',
        {'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_PRECISION_HINT': 'f32',
         'INFERENCE_NUM_THREADS': threads.count()})
    X, _ = make_pictures(n)
    return lambda: compiled({'x': scale(X)})


TRAINING = {
    'ours': (ours_training, 'numba'),
    'PyTorch, channels last, fused Adam': (torch_best_training, 'torch'),
    'PyTorch, defaults': (torch_training, 'torch'),
    'plain Chainer': (chainer_training, 'chainer'),
}
SCORING = {
    'ours': (ours_scoring, 'numba'),
    'OpenVINO, float32': (openvino_scoring, 'openvino'),
    'onnxruntime': (onnxruntime_scoring, 'onnxruntime'),
    'PyTorch, channels last': (torch_best_scoring, 'torch'),
    'PyTorch, defaults': (torch_scoring, 'torch'),
    'plain Chainer': (chainer_scoring, 'chainer'),
}


def work(pipe, contender, n, clock):
    """Runs in a contender's process: takes a turn on request."""
    turn = contender(n)
    for _ in range(3):  # compilation, caches
        turn()
    pipe.send('ready')
    while pipe.recv():
        turn()  # warms the caches up
        times = []
        for _ in range(REPEATS):
            start = clock()
            turn()
            times.append(clock() - start)
        pipe.send(np.median(times))


def race(contenders, n, turns, clock=time.perf_counter):
    """Median seconds per step, by contender."""
    context = multiprocessing.get_context('spawn')
    pipes, times, processes = {}, {}, []
    for name, (contender, module) in contenders.items():
        if importlib.util.find_spec(module) is None:
            print(f'({module} is not installed)', file=sys.stderr)
            continue
        pipes[name], theirs = context.Pipe()
        processes.append(context.Process(
            target=work, args=(theirs, contender, n, clock), daemon=True))
        processes[-1].start()
        theirs.close()  # so that the end of the process is the end of the pipe
        pipes[name].recv()
        times[name] = []
    for _ in range(turns):
        for name, pipe in pipes.items():
            time.sleep(PAUSE)
            pipe.send(True)
            times[name].append(pipe.recv())
    for pipe in pipes.values():
        pipe.send(False)
    for process in processes:
        process.join()
    return {name: float(np.median(seconds)) for name, seconds in times.items()}


def print_table(title, unit, columns, results):
    print(f'\n### {title}\n\n| {unit} | {" | ".join(columns)} |')
    print('|---' * (1 + len(columns)) + '|')
    for name in dict.fromkeys(name for result in results for name in result):
        cells = [f'{result[name]:.3g} ({result["ours"] / result[name]:.2f})'
                 if name in result else '' for result in results]
        print(f'| {name} | {" | ".join(cells)} |', flush=True)


def run_steps(turns):
    results = []
    for n in 2, 32, 64:
        contenders = dict(TRAINING)
        if n == 2:
            contenders['plain Chainer, two forward passes'] = article_training, 'chainer'
        results.append({name: 1000 * seconds for name, seconds in
                        race(contenders, n, turns).items()})
    print_table('A training step', 'ms (our time / its time)',
                ['one pair', 'all pairs of 32', 'of 64'], results)


def run_scoring(turns):
    results = [{name: 1000 * seconds / n for name, seconds in race(SCORING, n, turns).items()}
               for n in (32, 64, 256)]
    print_table('Scoring', 'ms per picture (our time / its time)',
                ['batches of 32', '64', '256'], results)


def run_limits(turns):
    """Peak rates of the machine, and how close our layers come to them."""
    chainer = import_chainer()
    import net
    from picture_ranknet.fast import conv_pool, fused_adam

    def median(function):
        times = []
        for _ in range(turns):
            start = time.perf_counter()
            function()
            times.append(time.perf_counter() - start)
        return np.median(times)

    A, B = np.random.default_rng(0).normal(size=(2, 2000, 2000)).astype(np.float32)
    peak = 2 * 2000 ** 3 / median(lambda: A @ B) / 1e9
    a = np.ones(2 ** 25, np.float32)
    slices = threads.split(len(a), 16)
    moved = 2 * a.nbytes / 1e9 / median(
        lambda: threads.run(lambda part: np.multiply(a[part], 1, out=a[part]), slices))
    print(f'\n### Limits of this machine\n\nsgemm of 2000 x 2000: {peak:.0f} GFLOP/s; 128 MB read '
          f'and written in place: {moved:.1f} GB/s.\n')

    n = 64
    cnn = net.CNN()
    x1 = chainer.Variable(np.random.rand(n, SIZE, SIZE, 3).astype('f').transpose(0, 3, 1, 2))
    x2 = chainer.Variable(conv_pool.conv_pool(x1, cnn.conv1).array)
    x3 = chainer.Variable(conv_pool.conv_pool(x2, cnn.conv2).array)
    rows = []
    for name, layer, x, link, multiplications, inner in (
            ('conv1', conv_pool.conv_pool, x1, cnn.conv1, 76 * 76 * 20 * 75, False),
            ('conv2', conv_pool.conv_pool, x2, cnn.conv2, 34 * 34 * 50 * 500, True),
            ('l1', conv_pool.linear, x3, cnn.l1, 14450 * 500, True)):
        y = layer(x, link)
        y.grad = np.random.rand(*y.shape).astype('f')
        node = y.creator
        if name != 'l1':
            share = (node.winners < 4).mean() / 4  # of the values that a dense pass computes
        else:
            share = 1
        indexes = (0, 1, 2) if inner else (1, 2)
        with chainer.no_backprop_mode():
            forward = median(lambda layer=layer, x=x, link=link: layer(x, link))
        with chainer.using_config('enable_backprop', False):
            backward = median(lambda node=node, y=y, i=indexes: node.backward(i, (y.grad_var,)))
        gflop = 2 * multiplications * n / 1e9
        rows.append((name, 1000 * forward / n, gflop / forward,
                     1000 * backward / n, gflop * share * (1 + inner) / backward))
    print('| layer | forward, ms per picture | GFLOP/s | backward, ms per picture | GFLOP/s, '
          'winners only |\n|---|---|---|---|---|')
    for name, forward, forward_rate, backward, backward_rate in rows:
        print(f'| {name} | {forward:.3f} | {forward_rate:.0f} ({forward_rate / peak:.0%}) '
              f'| {backward:.3f} | {backward_rate:.0f} ({backward_rate / peak:.0%}) |')
    optimizer = fused_adam.Adam().setup(cnn)
    cnn.cleargrads()
    for param in cnn.params():
        param.grad = np.ones_like(param.array)
    seconds = median(optimizer.update)
    rate = 7 * 4 * cnn.count_params() / seconds / 1e9
    print(f'\nA step of Adam: {1000 * seconds:.1f} ms, {rate:.1f} GB/s ({rate / moved:.0%} of the '
          'above).', flush=True)


TIMED = """
import resource, subprocess, sys, time
start = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def timed(args, cwd):
    """Seconds and peak MB of a command, started by a small process: a child inherits its peak."""
    out = subprocess.run([sys.executable, '-c', TIMED, sys.executable, *map(str, args)], cwd=cwd,
                         check=True, capture_output=True, text=True).stdout
    seconds, memory = map(float, out.split())
    return seconds, memory * (1 if sys.platform == 'darwin' else 1024) / 1e6


def run_start(turns):
    """Time and memory of the commands, and the time to the article's accuracy."""
    with tempfile.TemporaryDirectory() as folder:
        X, ratings = make_pictures(277)
        np.save(os.path.join(folder, 'X.npy'), X)
        np.save(os.path.join(folder, 'X100.npy'), X[:100])
        np.savetxt(os.path.join(folder, 'r.txt'), ratings)
        train = [ROOT / 'train.py', 'X.npy', 'r.txt']
        timed([*train, '--n_iter', 1], folder)  # compiles the kernels, if they are not
        print('\n### Commands\n\n| command | seconds | peak MB |\n|---|---|---|')
        for name, args in (
                ('predict.py --help', [ROOT / 'predict.py', '--help']),
                ('train.py --help', [ROOT / 'train.py', '--help']),
                ('predict.py, 100 pictures', [ROOT / 'predict.py', 'model.pkl', 'X100.npy']),
                ('train.py, 277 pictures, 100 steps', [*train, '--n_iter', 100]),
                ('train.py, 277 pictures, 1,000 steps', train)):
            seconds, memory = zip(*(timed(args, folder) for _ in range(
                1 if name.endswith('1,000 steps') else max(3, turns // 5))))
            print(f'| {name} | {np.median(seconds):.2f} | {np.median(memory):.0f} |',
                  flush=True)
    run_race_to_accuracy()


ARTICLE = """
import sys, time
start = time.perf_counter()
sys.path[:0] = [{root!r}, {root!r} + '/benchmarks']
import numpy as np
import picture_ranknet.machine.chainer_compat
import chainer, bench_training, metrics, net
from picture_ranknet.fast import availability
from picture_ranknet.storage import arrays
availability.use(False)
X, r = np.load('X.npy'), np.loadtxt('r.txt')
V, v = np.load('V.npy'), np.loadtxt('v.txt')
np.random.seed({seed})
model = net.RankNet(net.CNN(), (80, 80), 1 / 255)
loop = bench_training.articles_loop(model, arrays.RatedPictures(X, r, np.arange(len(X))), {seed})
for _ in range(1000):
    next(loop)
print(time.perf_counter() - start, metrics.pair_accuracy(v, model.score(V)))
"""


def run_race_to_accuracy(seeds=3):
    """How much faster train.py reaches the accuracy of the article's loop after 1,000 steps."""
    import bench_training
    data = pathlib.Path(os.environ.get('RANKNET_DATA', ROOT.parent / 'shared' / 'data'))
    if not (data / 'rated_faces').is_dir():
        print(f'(no rated faces in {data}: the race to an accuracy is skipped)')
        return
    X, ratings = bench_training.load_rated_faces(data / 'rated_faces')
    print("\n### To the accuracy of 1,000 of the article's steps: 277 rated faces, 500 held out\n\n"
          '| seed | article: seconds | held-out pair accuracy | ours: steps | seconds | faster |\n'
          '|---|---|---|---|---|---|')
    ratios = []
    for seed in range(seeds):
        rows = np.random.default_rng(seed).permutation(len(X))
        with tempfile.TemporaryDirectory() as folder:
            for name, part in ('X', rows[:277]), ('V', rows[277:777]):
                np.save(os.path.join(folder, name + '.npy'), X[part])
                np.savetxt(os.path.join(folder, {'X': 'r', 'V': 'v'}[name] + '.txt'), ratings[part])
            out = subprocess.run(
                [sys.executable, '-c', ARTICLE.format(root=str(ROOT), seed=seed)], cwd=folder,
                check=True, capture_output=True, text=True).stdout
            article, accuracy = map(float, out.split())
            ours = [ROOT / 'train.py', 'X.npy', 'r.txt', '--valid', 'V.npy', 'v.txt',
                    '--seed', seed]
            timed([*ours, '--monitor_step', 2, '--n_iter', 60], folder)
            with open(os.path.join(folder, 'result', 'log')) as f:
                step = next((entry['iteration'] for entry in json.load(f)
                             if entry['valid/pair_accuracy'] >= accuracy), None)
            if step is None:
                print(f'| {seed} | {article:.1f} | {accuracy:.3f} | not within 60 | | |')
                ratios.append(0)
                continue
            seconds = time_to_line([*ours, '--monitor_step', step], folder)
            ratios.append(article / seconds)
            print(f'| {seed} | {article:.1f} | {accuracy:.3f} | {step} | {seconds:.2f} '
                  f'| {ratios[-1]:.0f} x |', flush=True)
    print(f'\nMedian: {np.median(ratios):.0f} times faster.')


def time_to_line(args, cwd):
    """Seconds until a command prints its first line."""
    start = time.perf_counter()
    child = subprocess.Popen([sys.executable, *map(str, args)], cwd=cwd, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
    line = child.stdout.readline()
    seconds = time.perf_counter() - start
    if not line.startswith(b'step: '):
        raise SystemExit(f'{args} failed')
    child.kill()
    child.wait()
    child.stdout.close()
    return seconds


def run_growth(turns):
    """Step time against batch size, training and prediction against N, as a plot."""
    batches = [2, 4, 8, 16, 32, 64, 128, 256]
    steps = [1000 * race({'ours': TRAINING['ours']}, n, max(5, turns // 2))['ours']
             for n in batches]
    sizes = [300, 1000, 3000, 10000, 30000]
    training, prediction = [], []
    with tempfile.TemporaryDirectory() as folder:
        for n in sizes:
            X, ratings = make_pictures(n)
            np.save(os.path.join(folder, 'X.npy'), X)
            np.savetxt(os.path.join(folder, 'r.txt'), ratings)
            for times, command in ((training, ['train.py', 'X.npy', 'r.txt', '--n_iter', 100]),
                                   (prediction, ['predict.py', 'model.pkl', 'X.npy'])):
                times.append(timed([ROOT / command[0], *command[1:]], folder)[0])
    for title, x, y, unit in (('batch size', batches, steps, 'ms per step'),
                              ('pictures, 100 steps', sizes, training, 's of train.py'),
                              ('pictures', sizes, prediction, 's of predict.py')):
        print(f'\n| {title} | {" | ".join(f"{n:,}" for n in x)} |')
        print(f'| {unit} | {" | ".join(f"{seconds:.3g}" for seconds in y)} |')
    draw_growth(batches, steps, sizes, training, prediction)


def draw_growth(batches, steps, sizes, training, prediction):
    import matplotlib
    matplotlib.use('Agg')
    import matplotlib.pyplot as plt
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout='constrained')
    for axis, x, y, x_label, y_label in (
            (axes[0], batches, steps, 'batch size', 'ms per step'),
            (axes[1], sizes, training, 'pictures in X.npy', 'seconds of train.py, 100 steps'),
            (axes[2], sizes, prediction, 'pictures in X.npy', 'seconds of predict.py')):
        axis.plot(x, y, 'o-', color='#2f6fb7')
        slope = (y[3] - y[0]) / (x[3] - x[0])
        axis.plot([x[0], x[-1]], [y[0], y[0] + slope * (x[-1] - x[0])], ':', color='#8a919e',
                  label='a line through the first and the fourth')
        axis.set(xlabel=x_label, ylabel=y_label, xlim=(0, None), ylim=(0, None))
        axis.spines[['top', 'right']].set_visible(False)
        axis.legend(frameon=False)
    figure.savefig(ROOT / 'benchmarks' / 'growth.png', dpi=120)
    plt.close(figure)


PARTS = {'steps': run_steps, 'scoring': run_scoring, 'limits': run_limits, 'start': run_start,
         'growth': run_growth}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('parts', nargs='*', metavar='PART', help='one of ' + ', '.join(PARTS))
    parser.add_argument('--turns', type=int, default=15, help='turns of each contender')
    args = parser.parse_args()
    if set(args.parts) - set(PARTS):
        parser.error('a part must be one of ' + ', '.join(PARTS))
    print(f'{threads.count()} threads, Python {sys.version.split()[0]}, NumPy {np.__version__}')
    os.environ.setdefault('OMP_NUM_THREADS', str(threads.count()))
    for part in args.parts or PARTS:
        PARTS[part](args.turns)


if __name__ == '__main__':
    main()
