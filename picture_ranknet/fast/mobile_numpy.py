"""What :mod:`mobile` computes, in plain NumPy: its reference, and in its place without Numba."""
from collections.abc import Iterator, Sequence

import numpy as np


def run(network, x: np.ndarray, keep: Sequence, described: Sequence) -> list:
    """The maps, or what their channels are like, as ``mobile.Network`` returns them."""
    found = {i: [] for i in keep}
    for picture in x if len(x) else np.zeros((1, *x.shape[1:]), np.float32):
        for i, y in maps(network, picture):
            if i in found:
                found[i].append(y)
    results = {i: np.stack(ys)[:len(x)] for i, ys in found.items()}
    return [(results[i].mean(axis=(1, 2)), results[i].std(axis=(1, 2))) if i in described
            else results[i] for i in keep]


def maps(network, picture: np.ndarray) -> Iterator[tuple]:
    """Yield ``(i, map)`` for each of the maps of a picture ``(H, W, 3)``."""
    y = relu6(convolve(picture, *network.stem, 2))
    for i, block in enumerate(network.blocks):
        x = y
        if block.expand is not None:
            y = relu6(y @ block.expand[0] + block.expand[1])
        y = relu6(filter_channels(y, *block.depthwise, block.stride))
        y = y @ block.project[0] + block.project[1]
        if block.adds_input:
            y += x
        yield i, y
    if network.head is not None:
        yield len(network.blocks), relu6(y @ network.head[0] + network.head[1])


def relu6(x: np.ndarray) -> np.ndarray:
    return np.clip(x, np.float32(0), np.float32(6))


def convolve(x: np.ndarray, W: np.ndarray, b: np.ndarray, stride: int) -> np.ndarray:
    """Convolution of ``(H, W, C)`` by ``(k, k, C, K)``."""
    return sum(window @ W[v, u] for v, u, window in windows(x, len(W), stride)) + b


def filter_channels(x: np.ndarray, W: np.ndarray, b: np.ndarray, stride: int) -> np.ndarray:
    """Depthwise convolution of ``(H, W, C)`` by ``(k, k, C)``."""
    return sum(window * W[v, u] for v, u, window in windows(x, len(W), stride)) + b


def windows(x: np.ndarray, kernel: int, stride: int) -> Iterator[tuple]:
    """Yield ``(v, u, what the kernel's number in row v and column u meets)``."""
    before, sizes = zip(*(fit(n, kernel, stride) for n in x.shape[:2]))
    padded = np.pad(x, [(b, kernel) for b in before] + [(0, 0)])
    for v in range(kernel):
        for u in range(kernel):
            yield v, u, padded[v:v + stride * sizes[0]:stride, u:u + stride * sizes[1]:stride]


def fit(n: int, kernel: int, stride: int) -> tuple:
    """Zeros before a side of ``n`` pixels, and pixels of the output, by TensorFlow's ``SAME``."""
    size = -(-n // stride)
    return max((size - 1) * stride + kernel - n, 0) // 2, size
