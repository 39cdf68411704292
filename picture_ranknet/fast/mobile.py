"""Networks of inverted residuals on the CPU: EfficientNet-Lite and MobileNetV2, forward only.

A :class:`Network` is made of weights into which batch normalisation is folded.
Called with pictures, it returns the feature maps of requested blocks, or their
means and deviations, computed while the maps are in the cache.

The compiled loops are in :mod:`mobile_kernels`; :mod:`mobile_program` writes
the program that they execute.  Without Numba, :mod:`mobile_numpy` computes the
same values to 1e-4, about ten times slower.
"""
import os
import threading
import time
from collections.abc import Iterable
from typing import NamedTuple, Optional

import numpy as np

from picture_ranknet.fast import availability, mobile_numpy
from picture_ranknet.machine import threads

GROUP = 4  # pictures that a thread processes together in the late blocks


give_way = getattr(os, 'sched_yield', lambda: time.sleep(0))  # Windows has no sched_yield


class Block(NamedTuple):

    """A block's layers as pairs ``(W, b)`` of float32 arrays.

    1 x 1 convolutions have ``W`` of shape ``(inputs, outputs)``; the depthwise
    one has ``(k, k, channels)`` with ``k`` 3 or 5.
    """

    expand: Optional[tuple]  # ReLU6 follows; None where the block does not widen its input
    depthwise: tuple         # ReLU6 follows
    project: tuple
    stride: int = 1          # 1 or 2
    adds_input: bool = False


class Network:

    """A stem, blocks and a head; its weights must not change afterwards.

    Args:
        stem (tuple): ``(W, b)`` of a convolution of 3 x 3 with stride 2 on three
            colours, ``W`` of shape ``(3, 3, 3, K)``: row, column, colour,
            output.  ReLU6 follows.
        blocks (list of Block): At least one.
        head (tuple): ``(W, b)`` of a last 1 x 1 convolution; ReLU6 follows.
            None for none.

    At stride 2, a map of even sides gets more zeros below and on the right, as
    TensorFlow's ``SAME`` has it.

    Raises:
        ValueError: If the layers do not fit each other.

    A call uses all threads (:mod:`machine.threads`) unless ``alone`` is set, and
    gives the same values with any number of threads and in any batch.  Several
    threads may call it at the same time.  Besides the results, a call needs
    memory for a few pictures per thread, which is kept for the next call.
    """

    def __init__(self, stem, blocks, head=None):
        self.stem, self.blocks, self.head = stem, list(blocks), head
        self._check()
        self._lock = threading.Lock()
        self._packed, self._programs = None, {}
        self._maps, self._planes = _Memory(), _Memory()

    def __call__(self, x: np.ndarray, keep: Iterable, described: Iterable = (),
                 alone: bool = False) -> list:
        """The output maps of blocks, or the statistics of their channels.

        Args:
            x (numpy.ndarray): Pictures, float32, shape ``(B, H, W, 3)``, scaled
                as they were when the network was trained.
            keep (iterable of int): Which maps: 0 is that of the first block,
                ``len(blocks)`` that of the head.
            described (iterable of int): Those of them for which means and
                deviations are enough.
            alone (bool): Use only the calling thread, for callers that run in
                several threads.

        Returns:
            list: For each of ``keep``, in its order, an array of float32,
            ``(B, h, w, K)``, or a tuple of two: means and standard deviations
            of the channels, ``(B, K)``.

        Raises:
            ValueError: If the pictures have another shape, or there is no such
                map.
        """
        keep, described = tuple(keep), frozenset(described)
        n_threads = 1 if alone else threads.count()
        x = np.require(x, np.float32, ['C', 'A', 'W'])
        if x.ndim != 4 or x.shape[3] != 3 or min(x.shape[1:3]) < 1:
            raise ValueError(f'pictures: expected the shape (B, H, W, 3), got {x.shape}')
        n_maps = len(self.blocks) + (self.head is not None)
        if not all(0 <= i < n_maps for i in keep):
            raise ValueError(f'keep: expected numbers from 0 to {n_maps - 1}, got {list(keep)}')
        kernels = availability.kernels('mobile_kernels')
        if kernels is None:
            return mobile_numpy.run(self, x, keep, described)
        return self._run_compiled(kernels, x, keep, described, n_threads)

    def _run_compiled(self, kernels, x, keep, described, n_threads):
        size = max(1, min(GROUP, -(-len(x) // n_threads)))
        groups = threads.split(len(x), -(-len(x) // size))
        together = n_threads if len(groups) == 1 else 1  # threads that share a group
        programs = {n: self._program(x.shape[1:3], n, keep, described)
                    for n in {group.stop - group.start for group in groups} or {1}}
        layout = next(iter(programs.values())).layout
        out = np.empty((len(x), layout.size), np.float32)

        def start(group):
            program = programs[group.stop - group.start]
            maps = self._maps.take(program.maps_size)
            counters = np.zeros(2 * len(program.steps), np.int64)
            pictures = x[group].reshape(-1)

            def walk():
                planes = self._planes.take(program.planes_size)
                step = 0
                while step < len(program.steps):
                    step = kernels.walk(
                        program.steps, step, counters, program.offsets, self._packed.weights,
                        pictures, maps, planes, out.reshape(-1), group.start)
                    if step < len(program.steps):
                        give_way()  # others are still at work: yield this core to them
                self._planes.give(planes)
            return walk, maps

        def work(group):
            walk, maps = start(group)
            walk()
            self._maps.give(maps)

        if together > 1:
            walk, maps = start(groups[0])
            threads.run(lambda _: walk(), range(together))
            self._maps.give(maps)
        elif n_threads > 1:
            threads.run(work, groups)
        else:
            for group in groups:
                work(group)
        return layout.split(out)

    def _program(self, sides, n_pictures, keep, described):
        from picture_ranknet.fast import mobile_program
        key = sides, n_pictures, keep, described
        with self._lock:
            if self._packed is None:
                self._packed = mobile_program.pack(self)
            if key not in self._programs:
                if len(self._programs) >= 16:  # pictures of ever new sizes
                    self._programs.clear()
                self._programs[key] = mobile_program.write(self, self._packed, *key)
            return self._programs[key]

    def _check(self):
        if not self.blocks:
            raise ValueError('blocks: expected at least one')
        channels = _check_layer('stem', self.stem, (3, 3, 3, None))
        for i, block in enumerate(self.blocks):
            where, inputs = f'block {i}', channels
            if block.expand is not None:
                channels = _check_layer(f'{where}, expand', block.expand, (channels, None))
            k = block.depthwise[0].shape[0]
            _check_layer(f'{where}, depthwise', block.depthwise, (k, k, channels))
            channels = _check_layer(f'{where}, project', block.project, (channels, None))
            if k not in (3, 5) or block.stride not in (1, 2):
                raise ValueError(f'{where}: expected a kernel of 3 or 5 and a stride of 1 or 2, '
                                 f'got {k} and {block.stride}')
            if block.adds_input and (block.stride, channels) != (1, inputs):
                raise ValueError(f'{where}: its input, of another shape, cannot be added')
        if self.head is not None:
            _check_layer('head', self.head, (channels, None))


class _Memory:

    """Reuses arrays, so that a thread's memory is allocated once."""

    def __init__(self):
        self._free, self._lock = [], threading.Lock()

    def take(self, size):
        with self._lock:
            array = self._free.pop() if self._free else None
        if array is None or array.size < size:
            from picture_ranknet.fast import mobile_program
            array = mobile_program.aligned(size)
        return array

    def give(self, array):
        with self._lock:
            if len(self._free) < threads.count():
                self._free.append(array)


def _check_layer(where, layer, shape):
    """Raise ``ValueError`` unless W has the shape, with any number for None, and b fits."""
    W, b = layer
    if (W.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, W.shape))
            or b.shape != W.shape[-1:]):
        raise ValueError(f'{where}: expected weights {shape} and a bias for each output, '
                         f'got {W.shape} and {b.shape}')
    return len(b)
