"""Images per second on a GPU: training and prediction, against PyTorch on the same card.

    pip install -e ".[gpu]" torch
    python benchmarks/bench_gpu.py [--device 0] [--batchsize 32 256] [--seconds 5]

Both train the article's network on 80 x 80 uint8 pictures, which are drawn at
random, scaled and sent to the card; the loss is that of all pairs of a batch,
the optimizer is Adam.  Pictures are not augmented, so that the card is
measured and not OpenCV.  PyTorch computes in float32, as Chainer does, not in
TF32.  ``--device -1`` runs everything on the CPU, to try it out.  Without
PyTorch, ours is measured alone.
"""
import importlib.util
import pathlib
import sys
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench_speed import make_pictures, torch_network

import net
from picture_ranknet.console import options
from picture_ranknet.console.command import command
from picture_ranknet.fast import fused_adam
from picture_ranknet.machine import devices

WARM_UP = 3  # steps that are not timed: kernels are compiled, algorithms chosen


def ours_training(device, batchsize):
    """A function that trains on one batch, and one that waits until the card has finished."""
    X, ratings = make_pictures()
    model = net.RankNet(net.CNN(), (80, 80), 1 / 255)
    model.to_device(device)
    optimizer = fused_adam.Adam().setup(model)
    rng = np.random.default_rng(0)

    def step():
        rows = rng.choice(len(X), batchsize, replace=False)
        optimizer.update(model.loss_of_all_pairs, model.to_input(X[rows]),
                         device.send(ratings[rows]))
    return step, lambda: synchronize(device)


def ours_prediction(device, batchsize):
    X, _ = make_pictures(batchsize)
    model = net.RankNet(net.CNN(), (80, 80), 1 / 255)
    model.to_device(device)
    return lambda: model.score(X, batchsize=batchsize), lambda: synchronize(device)


def synchronize(device):
    if device.xp is not np:
        device.xp.cuda.Stream.null.synchronize()


def torch_parts(device):
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True  # as Chainer's autotune
    where = torch.device('cpu' if device.xp is np else f'cuda:{device.device.id}')

    def wait():
        if where.type == 'cuda':
            torch.cuda.synchronize(where)
    return torch, where, torch_network().to(where), wait


def torch_training(device, batchsize):
    torch, where, network, wait = torch_parts(device)
    X, ratings = make_pictures()
    optimizer = torch.optim.Adam(network.parameters(), fused=where.type == 'cuda')
    i, j = torch.triu_indices(batchsize, batchsize, 1, device=where)
    rng = np.random.default_rng(0)

    def step():
        rows = rng.choice(len(X), batchsize, replace=False)
        x = torch.from_numpy(X[rows]).to(where).float().mul_(1 / 255)
        t = torch.from_numpy(ratings[rows]).to(where)
        s = network(x)[:, 0]
        d, S = s[i] - s[j], torch.sign(t[i] - t[j]).float()
        softplus = torch.nn.functional.softplus
        loss = ((1 + S) / 2 * softplus(-d) + (1 - S) / 2 * softplus(d)).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return step, wait


def torch_prediction(device, batchsize):
    torch, where, network, wait = torch_parts(device)
    X, _ = make_pictures(batchsize)
    network.eval()

    def score():
        with torch.inference_mode():
            return network(torch.from_numpy(X).to(where).float().mul_(1 / 255)).cpu().numpy()
    return score, wait


def images_a_second(make, device, batchsize, seconds):
    """Images per second: the median of three turns of ``seconds`` each."""
    step, wait = make(device, batchsize)
    for _ in range(WARM_UP):
        step()
    rates = []
    for _ in range(3):
        wait()
        start, n = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            step()
            n += batchsize
        wait()
        rates.append(n / (time.perf_counter() - start))
    return sorted(rates)[1]


def build_parser():
    parser = options.parser('bench_gpu.py', 'Images a second on a GPU, against PyTorch.')
    parser.add_argument('--device', default='0', help='a Chainer device')
    parser.add_argument('--batchsize', type=options.int_from(2, 1000), nargs='+', default=[32, 256])
    parser.add_argument('--seconds', type=options.positive_float, default=5,
                        help='length of a turn')
    return parser


@command
def main(argv=None):
    args = build_parser().parse_args(argv)
    device = devices.use_device(args.device)
    contenders = [('training', 'ours', ours_training), ('prediction', 'ours', ours_prediction)]
    if importlib.util.find_spec('torch'):
        contenders += [('training', 'PyTorch', torch_training),
                       ('prediction', 'PyTorch', torch_prediction)]
    print(f'| {device} | batch | images a second |\n|---|---|---|')
    for work, whose, make in sorted(contenders):
        for batchsize in args.batchsize:
            rate = images_a_second(make, device, batchsize, args.seconds)
            print(f'| {work}, {whose} | {batchsize} | {rate:,.0f} |', flush=True)


if __name__ == '__main__':
    main()
