"""The inner loops of a network of inverted residuals (MobileNetV2, EfficientNet-Lite), by Numba.

A block expands its input by a 1 x 1 convolution, filters each channel by itself
(depthwise) and projects the result by another 1 x 1 convolution.  Why this takes
0.8 to 0.9 of onnxruntime's time on one core (benchmarks/bench_pretrained.py --cpu):

- The expanded map, six times the input, is never in memory as a whole.  A task
  of an ``EXPAND`` step makes 8 to 32 of its channels and filters them at once,
  while they are in the cache.
- In between, these channels are stored in planes of 8: a row of a plane is contiguous,
  and a filter's taps stay in registers while it slides along.
- A 1 x 1 convolution keeps 5 pixels x 32 channels of sums in registers; its
  weights are packed in the order in which they are read, and fetched ahead.
  That reaches 105 of the processor's 116 GFLOP/s.
- Bias, ReLU6, the block's input and the descriptions cost no pass of their own.

:func:`walk` executes a program, the steps that :mod:`mobile` writes down for a
size of pictures.  Several threads may walk the same program: they take tasks
from a counter, and wait at the end of a step for the tasks of others.  Each
number is computed in the same way, whichever thread takes the task.
"""
import numpy as np
from numba import njit

from picture_ranknet.fast.counters import look, take
from picture_ranknet.fast.vectors import (
    MOST_LANES,
    at,
    compiled,
    correlate,
    fma,
    load,
    prefetch,
    relu6,
    store,
    store_planes,
)

MOST = 4 if MOST_LANES == 32 else 2  # vectors of sums to a pixel: with ROWS, what registers hold
ROWS = 5          # pixels at a time; divides maps of 5 x 5 to 80 x 80, those of pictures of 160
AHEAD = 32        # rows of weights that are fetched before their time
SPINS = 20000     # looks at a counter, some 20 us, before a thread that waits gives its core up

ONE, TWO, THREE, FOUR = (0,), (0,) * 2, (0,) * 3, (0,) * 4  # see `vectors.load`
TAPS_3, TAPS_5 = (0,) * 9, (0,) * 25

# Kinds of steps, and what the numbers of a step are.  Places are indices into the arrays of `walk`.
STEM, EXPAND, POINTWISE, KEEP, DESCRIBE = range(5)
(KIND,
 TASKS,
 PICTURES,        # of the group that this step is about
 FIRST,           # the first of them
 SOURCE,          # place of the input in `maps`
 TARGET,          # place of the output in `maps`, or in `out` for the first picture of all
 HEIGHT, WIDTH, CHANNELS,              # of the input
 OUT_HEIGHT, OUT_WIDTH, OUT_CHANNELS,
 GROUPS,          # into which the output channels are split
 WEIGHTS,         # place of bias and weights of a 1 x 1 convolution, -1 for none
 FILTERS,         # place of bias and taps of a depthwise convolution
 KERNEL,          # side of the depthwise kernel
 STRIDE,          # of that kernel; from a picture's results to those of the next
 BEFORE, LEFT,    # rows of zeros above a map, columns of zeros to its left
 OFFSETS,         # place of the offsets of pixels in a plane
 STRIP,           # rows of input that are expanded before they are filtered
 CHUNKS,          # into which the pixels are split
 ADDED,           # place in `maps` of what is added, -1 for nothing
 CLIPS,           # whether ReLU6 follows
 FIELDS) = range(25)

_inner = njit(nogil=True, error_model='numpy')


@_inner
def _group(f, g):
    """First vector and number of vectors of a group of output channels."""
    n_vectors = f[OUT_CHANNELS] // 8
    start = n_vectors * g // f[GROUPS]
    return start, n_vectors * (g + 1) // f[GROUPS] - start


@_inner
def _chunk(n, chunk, n_chunks):
    return n * chunk // n_chunks, n * (chunk + 1) // n_chunks


@_inner
def _stem(f, task, weights, x, strip, maps):
    """Some rows of a convolution of 3 x 3 with stride 2 on three colours, and ReLU6."""
    picture, chunk = divmod(task, f[CHUNKS])
    height, width, K = f[HEIGHT], f[WIDTH], f[OUT_CHANNELS]
    start, stop = _chunk(f[OUT_HEIGHT], chunk, f[CHUNKS])
    row = 3 * (2 * f[OUT_WIDTH] + 1)
    for v in range(2 * start, 2 * stop + 1):  # the rows under the kernel, with zeros around them
        i, source = (v - 2 * start) * row, v - f[BEFORE]
        if 0 <= source < height:
            j, n = ((f[FIRST] + picture) * height + source) * width * 3, 3 * width
            left = i + 3 * f[LEFT]
            strip[i:left] = 0
            strip[left:left + n] = x[j:j + n]
            strip[left + n:i + row] = 0
        else:
            strip[i:i + row] = 0
    y = f[TARGET] + (picture * f[OUT_HEIGHT] + start) * f[OUT_WIDTH] * K
    for g in range(f[GROUPS]):
        vector, size = _group(f, g)
        b = f[WEIGHTS] + 8 * vector
        W = f[WEIGHTS] + K + 8 * vector * 27
        if size == 4:
            _stem_rows(FOUR, strip, row, stop - start, f[OUT_WIDTH], weights, W, b, maps,
                       y + 8 * vector, K)
        elif size == 3:
            _stem_rows(THREE, strip, row, stop - start, f[OUT_WIDTH], weights, W, b, maps,
                       y + 8 * vector, K)
        elif size == 2:
            _stem_rows(TWO, strip, row, stop - start, f[OUT_WIDTH], weights, W, b, maps,
                       y + 8 * vector, K)
        else:
            _stem_rows(ONE, strip, row, stop - start, f[OUT_WIDTH], weights, W, b, maps,
                       y + 8 * vector, K)


@_inner
def _stem_rows(vectors, x, row, height, width, weights, W, b, maps, y, K):
    n = 8 * len(vectors)
    for v in range(height):
        for u in range(0, width, ROWS):
            u1, u2 = min(u + 1, width - 1), min(u + 2, width - 1)
            u3, u4 = min(u + 3, width - 1), min(u + 4, width - 1)
            p = q = r = s = t = load(weights, b, vectors)
            for kernel_row in range(3):
                i = (2 * v + kernel_row) * row
                for k in range(9):
                    w = load(weights, W + (9 * kernel_row + k) * n, vectors)
                    p = fma(p, w, at(x, i + 6 * u + k))
                    q = fma(q, w, at(x, i + 6 * u1 + k))
                    r = fma(r, w, at(x, i + 6 * u2 + k))
                    s = fma(s, w, at(x, i + 6 * u3 + k))
                    t = fma(t, w, at(x, i + 6 * u4 + k))
            i = y + v * width * K
            store(maps, i + u * K, relu6(p))
            store(maps, i + u1 * K, relu6(q))
            store(maps, i + u2 * K, relu6(r))
            store(maps, i + u3 * K, relu6(s))
            store(maps, i + u4 * K, relu6(t))


@_inner
def _expand(f, group, is_first_task, offsets, weights, planes, maps):
    """Some channels of the expanded map of all pictures, filtered."""
    height, width, C, E = f[HEIGHT], f[WIDTH], f[CHANNELS], f[OUT_CHANNELS]
    kernel, stride, before = f[KERNEL], f[STRIDE], f[BEFORE]
    row = 8 * max((f[OUT_WIDTH] - 1) * stride + kernel, f[LEFT] + width)
    plane = row * max((f[OUT_HEIGHT] - 1) * stride + kernel, before + height)
    if is_first_task:
        _surround(f, planes, row, plane)
    vector, size = _group(f, group)
    for picture in range(f[PICTURES]):
        done = 0
        for top in range(0, height, f[STRIP]):
            bottom = min(top + f[STRIP], height)
            _widen(f, vector, size, f[SOURCE] + picture * height * width * C, top * width,
                   bottom * width, offsets[f[OFFSETS]:], weights, planes, plane, maps)
            ready = (bottom + before - kernel) // stride + 1  # rows of output
            if bottom == height:
                ready = f[OUT_HEIGHT]
            for k in range(size):
                channel = 8 * (vector + k)
                taps = f[FILTERS] + E + channel * kernel * kernel
                y = f[TARGET] + picture * f[OUT_HEIGHT] * f[OUT_WIDTH] * E + channel
                if kernel == 3:
                    _filter(TAPS_3, planes, k * plane, row, stride, weights, taps,
                            f[FILTERS] + channel, done, ready, f[OUT_WIDTH], maps, y, E)
                else:
                    _filter(TAPS_5, planes, k * plane, row, stride, weights, taps,
                            f[FILTERS] + channel, done, ready, f[OUT_WIDTH], maps, y, E)
            done = max(done, ready)


@_inner
def _surround(f, planes, row, plane):
    """Zeros around the pictures, which stay while their channels change."""
    top, left = f[BEFORE], 8 * f[LEFT]
    right = left + 8 * f[WIDTH]
    for i in range(0, MOST * plane, row):
        if top <= i % plane // row < top + f[HEIGHT]:
            planes[i:i + left] = 0
            planes[i + right:i + row] = 0
        else:
            planes[i:i + row] = 0


@_inner
def _widen(f, vector, size, x, start, stop, offsets, weights, planes, plane, maps):
    """Some channels of the pixels from ``start`` to ``stop`` of a picture, into planes."""
    C, b = f[CHANNELS], f[WEIGHTS] + 8 * vector
    W = f[WEIGHTS] + f[OUT_CHANNELS] + 8 * vector * C
    if f[WEIGHTS] < 0:  # a block that does not widen
        for m in range(start, stop):
            for k in range(size):
                v = load(maps, x + m * C + 8 * (vector + k), ONE)
                store(planes, offsets[m] + k * plane, v)
    elif size == 4:
        _widen_rows(FOUR, maps, x, start, stop, C, weights, W, b, planes, offsets, plane)
    elif size == 3:
        _widen_rows(THREE, maps, x, start, stop, C, weights, W, b, planes, offsets, plane)
    elif size == 2:
        _widen_rows(TWO, maps, x, start, stop, C, weights, W, b, planes, offsets, plane)
    else:
        _widen_rows(ONE, maps, x, start, stop, C, weights, W, b, planes, offsets, plane)


@_inner
def _widen_rows(vectors, maps, x, start, stop, C, weights, W, b, planes, offsets, plane):
    n = 8 * len(vectors)
    for m in range(start, stop, ROWS):
        m1, m2 = min(m + 1, stop - 1), min(m + 2, stop - 1)
        m3, m4 = min(m + 3, stop - 1), min(m + 4, stop - 1)
        x0, x1, x2, x3, x4 = x + m * C, x + m1 * C, x + m2 * C, x + m3 * C, x + m4 * C
        p = q = r = s = t = load(weights, b, vectors)
        for k in range(C):
            w = load(weights, W + k * n, vectors)
            prefetch(weights, W + (k + AHEAD) * n, vectors)
            p = fma(p, w, at(maps, x0 + k))
            q = fma(q, w, at(maps, x1 + k))
            r = fma(r, w, at(maps, x2 + k))
            s = fma(s, w, at(maps, x3 + k))
            t = fma(t, w, at(maps, x4 + k))
        store_planes(planes, at(offsets, m), relu6(p), plane)
        store_planes(planes, at(offsets, m1), relu6(q), plane)
        store_planes(planes, at(offsets, m2), relu6(r), plane)
        store_planes(planes, at(offsets, m3), relu6(s), plane)
        store_planes(planes, at(offsets, m4), relu6(t), plane)


@_inner
def _filter(size, planes, x, row, stride, weights, W, b, first, last, width, maps, y, E):
    """Depthwise convolution and ReLU6 of a plane, rows ``first`` to ``last`` of the output."""
    taps, bias = load(weights, W, size), load(weights, b, ONE)
    for v in range(first, last):
        i, j = x + v * stride * row, y + v * width * E
        for u in range(width):
            store(maps, j + u * E,
                  relu6(correlate(bias, taps, planes, i + u * stride * 8, row)))


@_inner
def _pointwise(f, task, weights, maps):
    """A 1 x 1 convolution for a chunk of pixels and a group of channels."""
    group, chunk = divmod(task, f[CHUNKS])
    vector, size = _group(f, group)
    C = f[CHANNELS]
    b, W = f[WEIGHTS] + 8 * vector, f[WEIGHTS] + f[OUT_CHANNELS] + 8 * vector * C
    start, stop = _chunk(f[PICTURES] * f[HEIGHT] * f[WIDTH], chunk, f[CHUNKS])
    if size == 4:
        _pointwise_rows(FOUR, f, 8 * vector, start, stop, weights, W, b, maps)
    elif size == 3:
        _pointwise_rows(THREE, f, 8 * vector, start, stop, weights, W, b, maps)
    elif size == 2:
        _pointwise_rows(TWO, f, 8 * vector, start, stop, weights, W, b, maps)
    else:
        _pointwise_rows(ONE, f, 8 * vector, start, stop, weights, W, b, maps)


@_inner
def _pointwise_rows(vectors, f, channel, start, stop, weights, W, b, maps):
    n, C, K, x, y = 8 * len(vectors), f[CHANNELS], f[OUT_CHANNELS], f[SOURCE], f[TARGET] + channel
    for m in range(start, stop, ROWS):
        m1, m2 = min(m + 1, stop - 1), min(m + 2, stop - 1)
        m3, m4 = min(m + 3, stop - 1), min(m + 4, stop - 1)
        x0, x1, x2, x3, x4 = x + m * C, x + m1 * C, x + m2 * C, x + m3 * C, x + m4 * C
        p = q = r = s = t = load(weights, b, vectors)
        if f[ADDED] >= 0:
            i, one = f[ADDED] + channel, np.float32(1)
            p = fma(p, load(maps, i + m * K, vectors), one)
            q = fma(q, load(maps, i + m1 * K, vectors), one)
            r = fma(r, load(maps, i + m2 * K, vectors), one)
            s = fma(s, load(maps, i + m3 * K, vectors), one)
            t = fma(t, load(maps, i + m4 * K, vectors), one)
        for k in range(C):
            w = load(weights, W + k * n, vectors)
            prefetch(weights, W + (k + AHEAD) * n, vectors)
            p = fma(p, w, at(maps, x0 + k))
            q = fma(q, w, at(maps, x1 + k))
            r = fma(r, w, at(maps, x2 + k))
            s = fma(s, w, at(maps, x3 + k))
            t = fma(t, w, at(maps, x4 + k))
        if f[CLIPS]:
            p, q, r, s, t = relu6(p), relu6(q), relu6(r), relu6(s), relu6(t)
        store(maps, y + m * K, p)
        store(maps, y + m1 * K, q)
        store(maps, y + m2 * K, r)
        store(maps, y + m3 * K, s)
        store(maps, y + m4 * K, t)


@_inner
def _keep(f, picture, maps, out, first):
    """Copy the map of a picture into the results."""
    size = f[HEIGHT] * f[WIDTH] * f[CHANNELS]
    i, j = f[SOURCE] + picture * size, f[TARGET] + (first + f[FIRST] + picture) * f[STRIDE]
    for k in range(0, size, 8):
        store(out, j + k, load(maps, i + k, ONE))


@_inner
def _describe(f, picture, maps, out, first):
    """Means of a picture's channels, and their deviations."""
    height, width, C = f[HEIGHT], f[WIDTH], f[CHANNELS]
    i = f[SOURCE] + picture * height * width * C
    j = f[TARGET] + (first + f[FIRST] + picture) * f[STRIDE]
    share = np.float32(1 / (height * width))
    for k in range(j, j + 2 * C):
        out[k] = 0
    for channel in range(0, C, 8):
        zeros = mean = total = load(out, j + channel, ONE)
        for v in range(height):
            line = zeros
            for u in range(width):
                value = load(maps, i + (v * width + u) * C + channel, ONE)
                line = fma(line, value, np.float32(1))
            mean = fma(mean, line, share)
        store(out, j + channel, mean)
        for v in range(height):
            line = zeros
            for u in range(width):
                value = load(maps, i + (v * width + u) * C + channel, ONE)
                value = fma(value, mean, np.float32(-1))
                line = fma(line, value, value)
            total = fma(total, line, share)
        store(out, j + C + channel, total)
    for k in range(j + C, j + 2 * C):
        out[k] = np.sqrt(out[k])


@compiled('i8(i8[:,::1], i8, i8[::1], i8[::1], f4[::1], f4[::1], f4[::1], f4[::1], f4[::1], i8)')
def walk(steps, step, counters, offsets, weights, x, maps, planes, out, first):
    """Execute the steps from ``step`` on, as far as others have not taken their tasks.

    Args:
        steps: The program, shape ``(n, FIELDS)``.
        step: Where to begin.
        counters: Two for each step, 0 at first: tasks taken and tasks finished.
        offsets: Of pixels in planes.
        weights: All of them, packed.
        x: The pictures of this group.
        maps: The group's memory.
        planes: The thread's memory.
        out: The results of all pictures.
        first: The group's first picture.

    Returns:
        int: ``len(steps)`` at the end; or a step whose tasks are all taken but
        are not finished after a while: to be continued from there.
    """
    for s in range(step, len(steps)):
        f = steps[s]
        is_first_task = True
        while True:
            task = take(counters, 2 * s)
            if task >= f[TASKS]:
                break
            if f[KIND] == STEM:
                _stem(f, task, weights, x, planes, maps)
            elif f[KIND] == EXPAND:
                _expand(f, task, is_first_task, offsets, weights, planes, maps)
            elif f[KIND] == POINTWISE:
                _pointwise(f, task, weights, maps)
            elif f[KIND] == KEEP:
                _keep(f, task, maps, out, first)
            else:
                _describe(f, task, maps, out, first)
            is_first_task = False
            take(counters, 2 * s + 1)
        spins = 0
        while look(counters, 2 * s + 1) < f[TASKS]:
            spins += 1
            if spins == SPINS:
                return s
    return len(steps)
