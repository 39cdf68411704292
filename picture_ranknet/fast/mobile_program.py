"""What the compiled loops of :mod:`mobile_kernels` need: packed weights, and a list of steps.

Channels are padded with zeros to a multiple of 8, weights are stored in the
order in which the loops read them, and each step of a program says what a loop
reads and writes.
"""
from typing import NamedTuple

import numpy as np

from picture_ranknet.fast import mobile_kernels as mk
from picture_ranknet.fast.mobile_numpy import fit

LINE = 16         # float32 numbers in a line of the cache
LATE = 100        # a block is late where its input has no more pixels
AHEAD = 1000      # pixels that are widened before they are filtered, about: these stay in the cache
TASKS = 8         # of a step, at least, where it can be split so far: for several threads
FEWEST = 50       # pixels of a 1 x 1 convolution's task


class Packed(NamedTuple):

    weights: np.ndarray  # all of them, flat
    stem: int            # where the stem's begin
    blocks: list         # (expand, depthwise, project) of each block; -1 for none
    head: int


class Layout(NamedTuple):

    """The layout of a picture's results, one after another."""

    size: int     # numbers to a picture
    maps: list    # (place, shape, channels) of each result; the shape is without (B,)

    def split(self, out):
        """Views of the results ``(B, size)``, as ``mobile.Network`` returns them."""
        views = [out[:, place:place + np.prod(shape)].reshape(len(out), *shape)[..., :K]
                 for place, shape, K in self.maps]
        return [view if view.ndim == 4 else (view[:, 0], view[:, 1]) for view in views]


class Program(NamedTuple):

    steps: np.ndarray    # (n, mk.FIELDS)
    offsets: np.ndarray  # of pixels in planes
    maps_size: int       # numbers of memory for a group of pictures
    planes_size: int     # numbers of memory for a thread
    layout: Layout


def pack(network) -> Packed:
    """The weights in the order in which the loops read them."""
    parts, size = [], 0

    def put(*arrays):
        nonlocal size
        place = size
        for array in arrays:
            parts.append(np.ravel(array))
            size += array.size
        return place

    def put_pointwise(layer, more_groups=False):
        W, b = (pad(array, axes) for array, axes in zip(layer, [(0, 1), (0,)]))
        n, n_vectors = groups(len(b), more_groups), len(b) // 8
        edges = [8 * (n_vectors * g // n) for g in range(n + 1)]
        return put(b, *(W[:, start:stop] for start, stop in zip(edges, edges[1:])))

    def put_filters(W, b):
        k, W, b = len(W), pad(W, (2,)), pad(b, (0,))
        return put(b, W.reshape(k * k, -1, 8).transpose(1, 0, 2))

    def put_stem(W, b):
        W, b = pad(W, (3,)).reshape(27, -1), pad(b, (0,))
        n, n_vectors = groups(len(b)), len(b) // 8
        edges = [8 * (n_vectors * g // n) for g in range(n + 1)]
        return put(b, *(W[:, start:stop] for start, stop in zip(edges, edges[1:])))

    stem = put_stem(*network.stem)
    blocks = [(put_pointwise(block.expand, True) if block.expand else -1,
               put_filters(*block.depthwise), put_pointwise(block.project))
              for block in network.blocks]
    head = put_pointwise(network.head) if network.head else -1
    weights = aligned(size)
    np.concatenate(parts, out=weights)
    return Packed(weights, stem, blocks, head)


def aligned(size: int) -> np.ndarray:
    """An empty float32 array, aligned to a cache line.

    Otherwise half of the vectors of 32 bytes would span two lines.
    """
    array = np.empty(size + LINE, np.float32)
    start = -array.ctypes.data // array.itemsize % LINE
    return array[start:start + size]


def groups(channels: int, more: bool = False) -> int:
    """Into how many groups output channels are split; with ``more``, so that two threads share."""
    n_vectors = -(-channels // 8)
    n = -(-n_vectors // mk.MOST)
    return n + 1 if more and n % 2 and n < min(TASKS, n_vectors) else n


def pad(array: np.ndarray, axes: tuple) -> np.ndarray:
    """Zeros behind some axes, so that 8 divides them."""
    return np.pad(array, [(0, -n % 8 if axis in axes else 0)
                          for axis, n in enumerate(array.shape)])


def write(network, packed: Packed, sides, n_pictures: int, keep, described) -> Program:
    """The program for a group of ``n_pictures`` of ``sides`` (height, width).

    Early blocks, whose maps are large, take one picture after another.  Late
    ones, whose weights are large, take all of them at once.
    """
    return _Writer(network, packed, sides, n_pictures, keep, described).write()


class _Writer:

    def __init__(self, network, packed, sides, n_pictures, keep, described):
        self.network, self.packed, self.sides = network, packed, sides
        self.n_pictures, self.keep, self.described = n_pictures, keep, described
        self.steps, self.offsets, self.offsets_size, self.planes_size = [], [], 0, 0
        self.shapes = list(self._shapes())  # of the stem's map and of all others
        self.n_early = next((i for i, block in enumerate(network.blocks)
                             if np.prod(self.shapes[i][:2]) <= LATE), len(network.blocks))
        self.layout = self._layout()
        # Two places for maps, which take turns; one for what the late blocks begin with.
        hidden = [self._hidden(i) * (1 if i < self.n_early else n_pictures)
                  for i in range(len(network.blocks))]
        sizes = [np.prod(shape) * (1 if i <= self.n_early else n_pictures)
                 for i, shape in enumerate(self.shapes)]
        self.hidden, self.two = 0, [max(hidden), max(hidden) + max(sizes)]
        self.entry = max(hidden) + 2 * max(sizes)
        self.maps_size = self.entry + n_pictures * np.prod(self.shapes[self.n_early])

    def write(self):
        n = min(max(self.keep, default=0) + 1, len(self.network.blocks))  # beyond, nobody asks
        for picture in range(self.n_pictures):
            place = self._stem(picture)
            for i in range(min(self.n_early, n)):
                place = self._block(i, place, picture, 1)
        place = self.entry
        for i in range(self.n_early, n):
            place = self._block(i, place, 0, self.n_pictures)
        if len(self.network.blocks) in self.keep:
            target = self._other(place)
            self._pointwise(len(self.network.blocks), place, target, self.packed.head,
                            self.n_pictures, self.shapes[-2][2], clips=1)
            self._results(len(self.network.blocks), target, 0, self.n_pictures)
        return Program(np.array(self.steps, np.int64), np.concatenate(self.offsets or [[]]).astype(
            np.int64), int(self.maps_size), int(self.planes_size), self.layout)

    def _shapes(self):
        """Height, width and channels, with padding, of the maps."""
        network = self.network
        h, w = (fit(n, 3, 2)[1] for n in self.sides)
        yield h, w, padded(network.stem)
        for block in network.blocks:
            h, w = -(-h // block.stride), -(-w // block.stride)
            yield h, w, padded(block.project)
        if network.head is not None:
            yield h, w, padded(network.head)

    def _layout(self):
        layers = [block.project for block in self.network.blocks] + [self.network.head]
        maps, size = [], 0
        for i in self.keep:
            h, w, C = self.shapes[i + 1]
            shape = (2, C) if i in self.described else (h, w, C)
            maps.append((size, shape, len(layers[i][1])))
            size += np.prod(shape)
        return Layout(size, maps)

    def _hidden(self, i):
        return np.prod(self.shapes[i + 1][:2]) * padded(self.network.blocks[i].depthwise)

    def _other(self, place):
        return self.two[1] if place == self.two[0] else self.two[0]

    def _step(self, kind, n_tasks, **fields):
        step = [0] * mk.FIELDS
        step[mk.KIND], step[mk.TASKS] = kind, n_tasks
        for name, value in fields.items():
            step[getattr(mk, name)] = value
        self.steps.append(step)

    def _target(self, i, place, picture):
        """Where the map that ``i`` blocks have led to goes."""
        if i == self.n_early and picture is not None:
            return self.entry + picture * np.prod(self.shapes[i])
        return self._other(place)

    def _stem(self, picture):
        height, width = self.sides
        h, w, K = self.shapes[0]
        target = self._target(0, None, picture)
        n_chunks = min(h, TASKS)
        before, left = (fit(n, 3, 2)[0] for n in self.sides)
        self._step(mk.STEM, n_chunks, PICTURES=1, FIRST=picture, TARGET=target, HEIGHT=height,
                   WIDTH=width, CHANNELS=3, OUT_HEIGHT=h, OUT_WIDTH=w, OUT_CHANNELS=K,
                   GROUPS=groups(K), WEIGHTS=self.packed.stem, BEFORE=before, LEFT=left,
                   CHUNKS=n_chunks)
        self.planes_size = max(self.planes_size, (2 * -(-h // n_chunks) + 1) * 3 * (2 * w + 1))
        return target

    def _block(self, i, place, picture, n):
        """Steps of a block for ``n`` pictures from ``picture`` on; returns where its map is."""
        block = self.network.blocks[i]
        (height, width, C), (h, w, _) = self.shapes[i:i + 2]
        kernel, E = len(block.depthwise[0]), padded(block.depthwise)
        (before, _), (left, _) = (fit(m, kernel, block.stride)
                                  for m in (height, width))
        plane_width = max((w - 1) * block.stride + kernel, left + width)
        plane_height = max((h - 1) * block.stride + kernel, before + height)
        self.planes_size = max(self.planes_size, 8 * mk.MOST * plane_height * plane_width)
        expand, depthwise, project = self.packed.blocks[i]
        self._step(mk.EXPAND, groups(E, True), PICTURES=n, SOURCE=place, TARGET=self.hidden,
                   HEIGHT=height, WIDTH=width, CHANNELS=C, OUT_HEIGHT=h, OUT_WIDTH=w,
                   OUT_CHANNELS=E, GROUPS=groups(E, True), WEIGHTS=expand, FILTERS=depthwise,
                   KERNEL=kernel, STRIDE=block.stride, BEFORE=before, LEFT=left,
                   OFFSETS=self.offsets_size, STRIP=max(4, AHEAD // width))
        rows, columns = np.ogrid[before:before + height, left:left + width]
        self.offsets.append(8 * (rows * plane_width + columns).ravel())
        self.offsets_size += height * width
        target = self._target(i + 1, place, picture if i < self.n_early else None)
        self._pointwise(i, self.hidden, target, project, n, E,
                        added=place if block.adds_input else -1)
        self._results(i, target, picture, n)
        return target

    def _pointwise(self, i, source, target, weights, n, C, added=-1, clips=0):
        h, w, K = self.shapes[i + 1]
        n_groups = groups(K)
        n_chunks = max(1, min(n * h * w // FEWEST, -(-TASKS // n_groups)))
        self._step(mk.POINTWISE, n_groups * n_chunks, PICTURES=n, SOURCE=source, TARGET=target,
                   HEIGHT=h, WIDTH=w, CHANNELS=C, OUT_CHANNELS=K, GROUPS=n_groups,
                   WEIGHTS=weights, CHUNKS=n_chunks, ADDED=added, CLIPS=clips)

    def _results(self, i, source, picture, n):
        h, w, C = self.shapes[i + 1]
        for kept, (place, *_) in zip(self.keep, self.layout.maps):
            if kept == i:
                self._step(mk.DESCRIBE if i in self.described else mk.KEEP, n, PICTURES=n,
                           FIRST=picture, SOURCE=source, TARGET=place, HEIGHT=h, WIDTH=w,
                           CHANNELS=C, STRIDE=self.layout.size)


def padded(layer):
    """Output channels, including those of padding."""
    return -(-len(layer[1]) // 8) * 8
