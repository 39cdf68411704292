"""What a person would use instead, each in a process of its own; see bench_journey.py."""
import argparse
import csv
import json
import os
import pathlib
import sys
import time

START = time.perf_counter()  # before NumPy and the others are imported

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]

BATCHSIZE = 16
MEAN, DEVIATION = np.array([.485, .456, .406]), np.array([.229, .224, .225])  # of ImageNet


def decode(film):
    """FFmpeg decoding every frame, without using any: the lower bound."""
    import av

    with av.open(film) as container:
        stream = container.streams.video[0]
        stream.thread_type = 'AUTO'
        print(sum(1 for _ in container.decode(stream)), 'frames')


def plain_loop(film):
    """What tutorials show, with the classic cascade; see bench_crop.py."""
    import bench_crop

    bench_crop.plain_loop(os.environ['CLASSIC'], [film])


def onnx_loop(network, folder, ranking):
    """Pillow, onnxruntime and a linear layer, in a plain loop over a folder.

    As in ours, features are averaged over four views of a picture: the whole
    and its centre crop, and both mirrored.
    """
    import onnxruntime
    from PIL import Image

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ['OMP_NUM_THREADS'])
    session = onnxruntime.InferenceSession(network, options)
    paths = sorted(os.scandir(folder), key=lambda entry: entry.name)
    scores = []
    for start in range(0, len(paths), BATCHSIZE):
        images = [Image.open(entry.path).convert('RGB')
                  for entry in paths[start:start + BATCHSIZE]]
        batch = np.stack([np.asarray(image.resize((160, 160), box=(
            left * image.width, left * image.height,
            (1 - left) * image.width, (1 - left) * image.height)))
            for left in (0, .2) for image in images])
        x = ((batch / 255 - MEAN) / DEVIATION).astype(np.float32).transpose(0, 3, 1, 2)
        sides = [np.concatenate([mean[:, :, 0, 0] for mean in session.run(
            None, {'x': np.ascontiguousarray(side)})], 1) for side in (x, x[:, :, :, ::-1])]
        scores += sum(sides).reshape(2, len(images), -1).sum(0).sum(1).tolist()
    with open(ranking, 'w', newline='', encoding='utf-8') as f:
        csv.writer(f).writerows(sorted(zip(scores, (entry.path for entry in paths)), reverse=True))


def scikit_learn(learning):
    """A usual head on cached features: kernel ridge, tuned by five-fold cross-validation."""
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    files = np.load(learning)
    head = GridSearchCV(make_pipeline(StandardScaler(), KernelRidge(kernel='rbf')), {
        'kernelridge__alpha': np.logspace(-3, 1, 9),
        'kernelridge__gamma': np.logspace(-5, -3, 5)}, cv=5)
    head.fit(files['seen'], files['ratings'])
    tell(time.perf_counter() - START, files, head.predict(files['seen_unrated']))


def articles_loop(learning):
    """The article's 1,000 steps of one pair, in plain Chainer."""
    import bench_training

    import net
    from picture_ranknet.storage.arrays import RatedPictures

    files = np.load(learning)
    pictures = RatedPictures(files['X'], files['ratings'], np.arange(len(files['X'])))
    model = net.RankNet(net.CNN(), (80, 80), 1 / 255)
    steps = bench_training.articles_loop(model, pictures, 0)
    for _ in range(1000):
        next(steps)
    tell(time.perf_counter() - START, files, model.score(files['unrated']))


def fine_tuning(learning, accuracy, most=300):
    """Fine-tune the same network with PyTorch's Adam, until it ranks unseen pictures as well.

    Measures on the unseen pictures with the clock stopped, after each epoch.
    """
    import torch
    from bench_pretrained import torch_network

    from picture_ranknet.models import efficientnet

    torch.manual_seed(0)
    torch.set_num_threads(int(os.environ['OMP_NUM_THREADS']))
    files = np.load(learning)
    compiled = efficientnet.load(efficientnet.weights_path())
    network, parameters = torch_network(compiled.stem, compiled.blocks, compiled.head)
    head = torch.nn.Linear(efficientnet.HEAD, 1)
    optimizer = torch.optim.Adam([{'params': parameters, 'lr': 1e-4},
                                  {'params': head.parameters(), 'lr': 1e-3}])

    def prepare(X):
        x = torch.nn.functional.interpolate(torch.from_numpy(X.astype(np.float32) / 255), 160,
                                            mode='bilinear', antialias=True)
        mean, deviation = (torch.tensor(a, dtype=torch.float32)[:, None, None]
                           for a in (MEAN, DEVIATION))
        return ((x - mean) / deviation).contiguous(memory_format=torch.channels_last)

    X, ratings = prepare(files['X']), torch.from_numpy(files['ratings'].astype(np.float32))
    unrated = prepare(files['unrated'])
    spent, best = time.perf_counter() - START, 0
    while spent < float(most) and best < float(accuracy):
        start = time.perf_counter()
        for rows in torch.randperm(len(X)).split(32):
            scores = head(network(X[rows]))[:, 0]
            i, j = torch.nonzero(ratings[rows, None] > ratings[rows], as_tuple=True)
            loss = torch.nn.functional.softplus(scores[j] - scores[i]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        spent += time.perf_counter() - start
        with torch.inference_mode():
            predicted = torch.cat([head(network(part))[:, 0] for part in unrated.split(32)])
        best = max(best, pair_accuracy(files, predicted.numpy()))
    tell(spent, files, accuracy=best)


def pair_accuracy(files, scores):
    import metrics
    return metrics.pair_accuracy(files['truth'], scores)


def tell(seconds, files, scores=None, accuracy=None):
    if accuracy is None:
        accuracy = pair_accuracy(files, scores)
    print(json.dumps({'seconds': seconds, 'accuracy': float(accuracy)}))


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('peer', choices=['decode', 'plain_loop', 'onnx_loop', 'scikit_learn',
                                         'articles_loop', 'fine_tuning'])
    parser.add_argument('args', nargs='*')
    called = parser.parse_args()
    globals()[called.peer](*called.args)
