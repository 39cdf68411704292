"""EfficientNet-Lite0 by our kernels against onnxruntime, PyTorch and OpenCV.

    pip install onnx onnxruntime torch      # of these, what is missing is left out
    python benchmarks/bench_pretrained.py [--turns 15]

All compute the channel means of eight maps of the network (seven stages and the
head) for pictures of 160 x 160, float32; ours their deviations and grids of
3 x 3 as well.  The weights are random: they do not affect the time.  Each
contender has its own process and in turn has the machine to itself for a few
calls, so that a change of the machine's speed affects all of them.
"""
import argparse
import datetime
import os
import pathlib
import platform
import sys
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]

import bench_speed

from picture_ranknet.machine import cores, threads
from picture_ranknet.text import count

SIDE = 160
# Blocks, kernel, stride of the first, expansion, outputs.
STAGES = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80),
          (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)]
HEAD = 1280
KEPT = [0, 2, 4, 7, 10, 14, 15, 16]  # the last map of each stage, and the head's


def make_weights(seed=0):
    """Stem, blocks and head as ``mobile.Network`` takes them."""
    from picture_ranknet.fast import mobile
    rng = np.random.default_rng(seed)

    def layer(*shape, inputs):
        W = rng.normal(size=shape) * np.sqrt(2 / inputs)
        return W.astype(np.float32), rng.normal(size=shape[-1]).astype(np.float32) / 7

    stem, blocks, C = layer(3, 3, 3, 32, inputs=27), [], 32
    for n, k, stride, widening, K in STAGES:
        for i in range(n):
            E = C * widening
            blocks.append(mobile.Block(
                layer(C, E, inputs=C) if widening > 1 else None, layer(k, k, E, inputs=k * k),
                layer(E, K, inputs=2 * E), stride if i == 0 else 1, i > 0))
            C = K
    return stem, blocks, layer(C, HEAD, inputs=C)


def make_pictures(n):
    return np.random.default_rng(0).normal(size=(n, SIDE, SIDE, 3)).astype(np.float32)


def ours(n):
    from picture_ranknet.fast import mobile
    network = mobile.Network(*make_weights())
    x = make_pictures(n)
    return lambda: [mean for mean, _ in network(x, KEPT, KEPT)]


def onnx_model():
    """The network as an ONNX file; returns its bytes."""
    from onnx import TensorProto, helper, numpy_helper
    nodes, weights, names = [], [], []

    def put(name, array):
        weights.append(numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name))
        return name

    zero, six = put('zero', np.zeros(())), put('six', np.full((), 6))

    def convolution(x, name, W, b, clip=True, **attributes):
        nodes.append(helper.make_node('Conv', [x, put(name + '/W', W), put(name + '/b', b)], [name],
                                      kernel_shape=W.shape[2:], **attributes))
        if clip:
            nodes.append(helper.make_node('Clip', [name, zero, six], [name + '/clip']))
        return name + '/clip' if clip else name

    def pointwise(x, name, W, b, clip=True):
        return convolution(x, name, W.T[:, :, None, None], b, clip)

    stem, blocks, head = make_weights()
    y = convolution('x', 'stem', stem[0].transpose(3, 2, 0, 1), stem[1], strides=[2, 2],
                    pads=[0, 0, 1, 1])
    for i, block in enumerate(blocks):
        x = y
        if block.expand:
            y = pointwise(y, f'expand{i}', *block.expand)
        W, b = block.depthwise
        around = len(W) - block.stride  # at stride 2, all sides here are even
        y = convolution(y, f'depthwise{i}', W.transpose(2, 0, 1)[:, None], b, group=len(b),
                        strides=[block.stride] * 2, pads=[around // 2] * 2 + [-(-around // 2)] * 2)
        y = pointwise(y, f'project{i}', *block.project, clip=False)
        if block.adds_input:
            nodes.append(helper.make_node('Add', [x, y], [f'add{i}']))
            y = f'add{i}'
        names.append(y)
    names.append(pointwise(y, 'head', *head))
    nodes += [helper.make_node('GlobalAveragePool', [names[i]], [f'mean{i}']) for i in KEPT]
    sizes = [len(block.project[1]) for block in blocks] + [HEAD]
    shapes = [('x', ['b', 3, SIDE, SIDE])], [(f'mean{i}', ['b', sizes[i], 1, 1]) for i in KEPT]
    graph = helper.make_graph(nodes, 'network', *(
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in side]
        for side in shapes), weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8)
    return model.SerializeToString()


def onnxruntime(n):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads.count()
    session = onnxruntime.InferenceSession(onnx_model(), options)
    x = np.ascontiguousarray(make_pictures(n).transpose(0, 3, 1, 2))
    return lambda: [mean[:, :, 0, 0] for mean in session.run(None, {'x': x})]


def torch_network(stem, blocks, head, kept=()):
    """The network in PyTorch, channels last, which is its fastest layout here.

    Args:
        stem, blocks, head: As ``mobile.Network`` takes them.
        kept: Blocks of which the channel means are wanted, too.

    Returns:
        A function of pictures, shape ``(B, 3, H, W)``, that gives the mean of
        the head's maps, after a list of those kept if there are any; and its
        parameters.
    """
    import torch
    conv, clip, parameters = torch.nn.functional.conv2d, torch.nn.functional.relu6, []

    def ready(W, b):
        parameters.extend([torch.nn.Parameter(torch.from_numpy(np.ascontiguousarray(W)).contiguous(
            memory_format=torch.channels_last)), torch.nn.Parameter(torch.from_numpy(b.copy()))])
        return parameters[-2:]

    def pointwise(W, b):
        return ready(W.T[:, :, None, None], b)

    stem, head = ready(stem[0].transpose(3, 2, 0, 1), stem[1]), pointwise(*head)
    layers = [(block.expand and pointwise(*block.expand),
               ready(block.depthwise[0].transpose(2, 0, 1)[:, None], block.depthwise[1]),
               pointwise(*block.project), block) for block in blocks]

    def forward(x):
        means = []
        y = clip(conv(torch.nn.functional.pad(x, (0, 1, 0, 1)), *stem, stride=2))
        for i, (expand, (W, b), project, block) in enumerate(layers):
            before = y
            if expand:
                y = clip(conv(y, *expand))
            around = W.shape[2] - block.stride
            if around % 2:
                y = torch.nn.functional.pad(y, (around // 2, around // 2 + 1) * 2)
            y = clip(conv(y, W, b, stride=block.stride, groups=len(b),
                          padding=0 if around % 2 else around // 2))
            y = conv(y, *project)
            y = y + before if block.adds_input else y
            if i in kept:
                means.append(y.mean((2, 3)))
        last = clip(conv(y, *head)).mean((2, 3))
        return [*means, last] if kept else last
    return forward, parameters


def pytorch(n):
    import torch
    torch.set_num_threads(threads.count())
    network, _ = torch_network(*make_weights(), KEPT)
    x = torch.from_numpy(make_pictures(n)).permute(0, 3, 1, 2)

    def turn():
        with torch.inference_mode():
            return [mean.numpy() for mean in network(x)]
    return turn


def opencv(n):
    import cv2
    cv2.setNumThreads(threads.count())
    network = cv2.dnn.readNetFromONNX(np.frombuffer(onnx_model(), np.uint8))
    x = np.ascontiguousarray(make_pictures(n).transpose(0, 3, 1, 2))
    names = [f'mean{i}' for i in KEPT]

    def turn():
        network.setInput(x)
        return [mean[:, :, 0, 0] for mean in network.forward(names)]
    return turn


CONTENDERS = {'ours': (ours, 'numba'), 'onnxruntime': (onnxruntime, 'onnxruntime'),
              'PyTorch, channels last': (pytorch, 'torch'), 'OpenCV': (opencv, 'onnx')}


def check(contenders):
    """All contenders must compute the same."""
    results = {}
    for name, (contender, module) in contenders.items():
        if bench_speed.importlib.util.find_spec(module):
            results[name] = contender(2)()
    for name, means in results.items():
        worst = max(np.abs(mean - our).max() for mean, our in zip(means, results['ours']))
        print(f'{name}: means differ from ours by at most {worst:.1g}')
        if worst > 1e-3:
            raise SystemExit(f'{name} computes something else')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--turns', type=int, default=15, help='of each contender')
    parser.add_argument('--cpu', action='store_true',
                        help='CPU time instead of wall time: for a machine with other work')
    parser.add_argument('--only', nargs='+', choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument('--threads', nargs='+', type=int, default=[1, 2])
    parser.add_argument('--batches', nargs='+', type=int, default=[1, 16])
    args = parser.parse_args()
    print(f'{datetime.date.today()}, {platform.machine()}, {cores.usable()} cores, '
          f'Python {platform.python_version()}, NumPy {np.__version__}')
    contenders = {name: CONTENDERS[name] for name in args.only}
    check(contenders)
    results, columns = [], []
    for n_threads in args.threads:
        os.environ['OMP_NUM_THREADS'] = str(n_threads)  # the contenders' processes read it
        for n in args.batches:
            seconds = bench_speed.race(
                contenders, n, args.turns, time.process_time if args.cpu else time.perf_counter)
            results.append({name: 1000 * value / n for name, value in seconds.items()})
            columns.append(f'{n} at a time, {count(n_threads, "thread")}')
    bench_speed.print_table(
        'EfficientNet-Lite0, pictures of 160 x 160',
        f'{"CPU " * args.cpu}ms a picture (ours as a share of it)', columns, results)


if __name__ == '__main__':
    main()
