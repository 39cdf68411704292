"""The inner loops of the CNN on a CPU, compiled by Numba.

Pictures lie channel last: the patch under a kernel is then five runs of ``5 *
C`` numbers, which a processor's vectors take as they come.  A max pooling of 2
x 2 hands the gradient of its output to one of four convolved values, the
winner, and ReLU to none if that one is not above 0.  So the forward pass notes
winners, and the backward pass visits only them: a fifth of what a dense one
multiplies.

What a loop keeps in registers is a value of type :class:`Lanes`, and how it is
loaded, multiplied and stored is written out for LLVM: what compilers make of
plain loops here is up to eight times slower, and changes with their versions.

Arrays are float32, aligned and writeable, C-contiguous and mostly flat, and no
index is checked: callers (:mod:`conv_pool`, :mod:`fused_adam`) see to that.
"""
import functools
import math

import numpy as np
from llvmlite import binding, ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

KERNEL = 5        # side of a convolution's kernel
WINDOW = 4        # convolved values that are pooled into one, from left to right, top to bottom
OFF = WINDOW      # the winner where ReLU lets none of them through
DEPTH = 2048      # numbers of a row that a product takes at a time, so that 4 + 4 fit a cache


def _has_avx512():
    try:
        return binding.get_host_cpu_features().get('avx512vl', False)
    except RuntimeError:  # the processor is none that LLVM can ask
        return False


# Of a sum.  Kernels have four sums at work, and these should fit the processor's 32 or 16 vectors.
MOST_LANES = 32 if _has_avx512() else 24

VECTOR = ir.VectorType(ir.FloatType(), 8)
BYTES = ir.VectorType(ir.IntType(8), 8)
INT32, INT64 = ir.IntType(32), ir.IntType(64)


class Lanes(types.Type):

    """``n`` float32 numbers side by side in registers, 8 to a vector; ``n`` is at least 8.

    Where 8 does not divide ``n``, the last vector overlaps the one before:
    nothing is padded, and nothing beyond the ``n`` is read or written.
    """

    def __init__(self, n):
        if n < 8:
            raise ValueError('Lanes hold at least 8 numbers, got {}'.format(n))
        super().__init__('Lanes({})'.format(n))
        self.n = n
        self.starts = [min(start, n - 8) for start in range(0, n, 8)]


@register_model(Lanes)
class LanesModel(models.PrimitiveModel):

    def __init__(self, manager, lanes):
        super().__init__(manager, lanes, ir.ArrayType(VECTOR, len(lanes.starts)))


@intrinsic(prefer_literal=True)
def load(typingctx, array, i, n):
    """``array[i:i + n]`` as :class:`Lanes`; ``n`` is a constant."""
    if not isinstance(n, types.IntegerLiteral):
        return None
    lanes = Lanes(n.literal_value)

    def generate(context, builder, signature, args):
        return _join(builder, [
            builder.load(_pointer(context, builder, signature, args, start, VECTOR), align=4)
            for start in lanes.starts])
    return lanes(array, types.int64, n), generate


@intrinsic
def store(typingctx, array, i, v):
    """``array[i:i + n] = v``."""
    def generate(context, builder, signature, args):
        for start, vector in zip(v.starts, _split(builder, args[2])):
            pointer = _pointer(context, builder, signature, args, start, VECTOR)
            builder.store(vector, pointer, align=4)
    return types.void(array, types.int64, v), generate


@intrinsic
def at(typingctx, array, i):
    """``array[i]``, and no thought of negative indices."""
    def generate(context, builder, signature, args):
        return builder.load(_pointer(context, builder, signature, args, 0))
    return array.dtype(array, types.int64), generate


@intrinsic
def stack(typingctx, a, b, c, d):
    """Four vectors of 8, one after the other, as 32 lanes."""
    def generate(context, builder, signature, args):
        return _join(builder, [vector for arg in args for vector in _split(builder, arg)])
    return Lanes(4 * a.n)(a, a, a, a), generate


@intrinsic
def fma(typingctx, v, w, s):
    """``v + w * s`` for a number ``s``, or for 8 lanes that each vector of ``w`` meets anew.

    Rounded once where the processor can.
    """
    def generate(context, builder, signature, args):
        multiply_add = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(VECTOR, [VECTOR] * 3), 'llvm.fmuladd.v8f32')
        if isinstance(s, Lanes):
            factor, = _split(builder, args[2])
        else:
            factor = _spread(builder, args[2])
        return _join(builder, [builder.call(multiply_add, [b, factor, a]) for a, b in zip(
            _split(builder, args[0]), _split(builder, args[1]))])
    return v(v, w, s if isinstance(s, Lanes) else types.float32), generate


@intrinsic
def store_sums(typingctx, array, i, v):
    """``array[i + k] = sum(vector)`` for each of the vectors of ``v``."""
    def generate(context, builder, signature, args):
        for k, vector in enumerate(_split(builder, args[2])):
            for width in 4, 2, 1:  # fold it in half
                vector = builder.fadd(*(builder.shuffle_vector(vector, vector, ir.Constant(
                    ir.VectorType(INT32, width), list(range(start, start + width))))
                    for start in (0, width)))
            total = builder.extract_element(vector, ir.Constant(INT32, 0))
            builder.store(total, _pointer(context, builder, signature, args, k))
    return types.void(array, types.int64, v), generate


@intrinsic
def pool(typingctx, a, b, c, d):
    """The largest of four and 0; NaN where one of them is."""
    def generate(context, builder, signature, args):
        pooled = []
        for four in zip(*(_split(builder, arg) for arg in args)):
            best, _ = _best(builder, four)  # no comparison with NaN is true, so it is lost there
            has_nan = builder.or_(builder.fcmp_unordered('uno', four[0], four[1]),
                                  builder.fcmp_unordered('uno', four[2], four[3]))
            pooled.append(builder.select(has_nan, ir.Constant(VECTOR, [math.nan] * 8), best))
        return _join(builder, pooled)
    return a(a, a, a, a), generate


@intrinsic
def store_winner(typingctx, array, i, a, b, c, d):
    """Which of four is the largest, 0 to 3, the first of equals; ``OFF`` if none is above 0."""
    def generate(context, builder, signature, args):
        for start, *four in zip(a.starts, *(_split(builder, arg) for arg in args[2:])):
            pointer = _pointer(context, builder, signature, args, start, BYTES)
            builder.store(_best(builder, four)[1], pointer, align=1)
    return types.void(array, types.int64, a, a, a, a), generate


def _best(builder, four):
    """The largest of four vectors and 0, and the number of the first that is the largest."""
    best, winner = ir.Constant(VECTOR, [0.] * 8), ir.Constant(BYTES, [OFF] * 8)
    for number, vector in enumerate(four):
        larger = builder.fcmp_ordered('>', vector, best)
        best = builder.select(larger, vector, best)
        winner = builder.select(larger, ir.Constant(BYTES, [number] * 8), winner)
    return best, winner


def _pointer(context, builder, signature, args, start, type_=None):
    """Where ``array[i + start]`` lies, for the first two arguments of an intrinsic."""
    data = context.make_array(signature.args[0])(context, builder, args[0]).data
    pointer = builder.gep(data, [builder.add(args[1], ir.Constant(INT64, start))])
    return builder.bitcast(pointer, type_.as_pointer()) if type_ else pointer


def _split(builder, lanes):
    return [builder.extract_value(lanes, i) for i in range(lanes.type.count)]


def _join(builder, vectors):
    lanes = ir.Constant(ir.ArrayType(VECTOR, len(vectors)), ir.Undefined)
    for i, vector in enumerate(vectors):
        lanes = builder.insert_value(lanes, vector, i)
    return lanes


def _spread(builder, number):
    """The same number in all of a vector."""
    undefined = ir.Constant(VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(INT32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(INT32, 8), [0] * 8))


def lane_groups(n):
    """Split ``n`` output channels, at least 8, for :func:`forward`: (start, size) of each group.

    All but the last are of whole vectors, so that only the last overlaps.
    """
    n_vectors = -(-n // 8)
    n_groups = -(-n // MOST_LANES)
    starts = [8 * (n_vectors * group // n_groups) for group in range(n_groups)] + [n]
    return [(start, stop - start) for start, stop in zip(starts, starts[1:])]


def _compile(signature):
    """``numba.njit``, and the machine code is kept for the next time if there is a place for it."""
    def decorate(function):
        options = {'nogil': True, 'error_model': 'numpy'}
        try:
            return njit(signature, cache=True, **options)(function)
        except RuntimeError as e:
            if 'cannot cache' not in str(e):
                raise
            return njit(signature, **options)(function)
    return decorate


@functools.cache
def forward(in_channels, n, keep_winners):
    """Make the kernel of convolution, ReLU and max pooling for ``n`` output channels.

    Called with the pictures ``x``, shape ``(B, H, W, C)``; ``W``, ``(5, 5, C,
    K)``; ``b``, ``(K,)``; ``y`` and ``winners``, ``(B, H', W', K)``, which it
    fills for ``n`` channels from ``channel`` on; K; H and W.
    """
    C = in_channels
    run = KERNEL * C

    @_compile('(f4[::1], f4[::1], f4[::1], f4[::1], u1[::1], i8, i8, i8, i8)')
    def forward(x, W, b, y, winners, channel, channels, height, width):
        y_height, y_width = (height - KERNEL + 2) // 2, (width - KERNEL + 2) // 2
        row = width * C
        for picture in range(len(x) // (height * row)):
            for v in range(y_height):
                # Beyond an odd border stands the same value again, which never wins.
                down = row if 2 * v + KERNEL < height else 0
                for u in range(y_width):
                    right = C if 2 * u + KERNEL < width else 0
                    corner = (picture * height + 2 * v) * row + 2 * u * C
                    p = q = r = s = load(b, channel, n)  # the four values of a window
                    for kernel_row in range(KERNEL):
                        i = corner + kernel_row * row
                        j = kernel_row * run * channels + channel
                        for k in range(run):
                            w = load(W, j + k * channels, n)
                            p = fma(p, w, at(x, i + k))
                            q = fma(q, w, at(x, i + k + right))
                            r = fma(r, w, at(x, i + k + down))
                            s = fma(s, w, at(x, i + k + down + right))
                    out = ((picture * y_height + v) * y_width + u) * channels + channel
                    store(y, out, pool(p, q, r, s))
                    if keep_winners:
                        store_winner(winners, out, p, q, r, s)
    return forward


@functools.cache
def backward_weights(in_channels):
    """Make the kernel that adds up the gradients of weights and biases.

    Called with ``x`` and ``winners`` as in :func:`forward`; ``gy``, ``(B, K,
    H', W')`` of any strides; ``gW``, ``(K, 5, 5, C)``, and ``gb``, ``(K,)``,
    which it adds to; H and W.
    """
    C = in_channels
    run = KERNEL * C

    @_compile('(f4[::1], u1[::1], f4[:,:,:,:], f4[::1], f4[::1], i8, i8)')
    def backward_weights(x, winners, gy, gW, gb, height, width):
        pictures, channels, y_height, y_width = gy.shape
        row = width * C
        corners, gradients = np.empty(y_width, np.int64), np.empty(y_width, np.float32)
        for picture in range(pictures):
            for v in range(y_height):
                for channel in range(channels):
                    n_winners = 0
                    for u in range(y_width):
                        winner = at(winners, ((picture * y_height + v) * y_width + u) * channels
                                    + channel)
                        corners[n_winners] = (
                            (picture * height + 2 * v + (winner >> 1)) * row
                            + (2 * u + (winner & 1)) * C)
                        gradients[n_winners] = gy[picture, channel, v, u]
                        n_winners += winner < OFF
                    for kernel_row in range(KERNEL):
                        i = (channel * KERNEL + kernel_row) * run
                        total = load(gW, i, run)
                        for e in range(n_winners):
                            patch = load(x, at(corners, e) + kernel_row * row, run)
                            total = fma(total, patch, at(gradients, e))
                        store(gW, i, total)
                    for e in range(n_winners):
                        gb[channel] += gradients[e]
    return backward_weights


@functools.cache
def backward_inputs(in_channels):
    """Make the kernel of the gradients of pictures.

    Called with ``W``, ``(K, 5, 5, C)``; ``winners`` and ``gy`` as in
    :func:`backward_weights`; ``gx``, ``(B, H, W, C)``, which it adds to; H
    and W.
    """
    C = in_channels
    run = KERNEL * C

    @_compile('(f4[::1], u1[::1], f4[:,:,:,:], f4[::1], i8, i8)')
    def backward_inputs(W, winners, gy, gx, height, width):
        pictures, channels, y_height, y_width = gy.shape
        row = width * C
        # For each convolved value of two rows, the channels that it has won.
        n_won = np.empty(y_width * (WINDOW + 1), np.int64)
        won = np.empty(len(n_won) * channels, np.int64)
        gradients = np.empty(len(won), np.float32)
        for picture in range(pictures):
            for v in range(y_height):
                n_won[:] = 0
                for channel in range(channels):
                    for u in range(y_width):
                        winner = at(winners, ((picture * y_height + v) * y_width + u) * channels
                                    + channel)
                        value = u * (WINDOW + 1) + winner
                        e = value * channels + n_won[value]
                        won[e] = channel
                        gradients[e] = gy[picture, channel, v, u]
                        n_won[value] += 1
                for kernel_row in range(KERNEL):
                    for u in range(y_width):
                        for winner in range(WINDOW):
                            value = u * (WINDOW + 1) + winner
                            i = ((picture * height + 2 * v + (winner >> 1) + kernel_row) * row
                                 + (2 * u + (winner & 1)) * C)
                            if n_won[value]:
                                total = load(gx, i, run)
                                for e in range(value * channels,
                                               value * channels + n_won[value]):
                                    weights = load(
                                        W, (at(won, e) * KERNEL + kernel_row) * run, run)
                                    total = fma(total, weights, at(gradients, e))
                                store(gx, i, total)
    return backward_inputs


@functools.cache
def multiply_transposed():
    """Make the kernel of ``C += A @ B.T``, by sums along the rows of both.

    Called with A, shape ``(M, depth)``; B, ``(N, depth)``; C, ``(M, N)``; and
    which rows of B to take: the first, and the one behind the last.
    """
    @_compile('(f4[:,::1], f4[:,::1], f4[:,::1], i8, i8)')
    def multiply_transposed(A, B, C, start, stop):
        M, depth = A.shape
        zeros, sums = np.zeros(32, np.float32), np.empty(16, np.float32)
        for first in range(0, depth, DEPTH):
            last = min(first + DEPTH, depth)
            whole = last - (last - first) % 8
            for n in range(start, stop, 4):
                # Four rows of each at a time; where there are fewer, the last again.
                b0, b1 = n * depth, min(n + 1, stop - 1) * depth
                b2, b3 = min(n + 2, stop - 1) * depth, min(n + 3, stop - 1) * depth
                for m in range(0, M, 4):
                    a0, a1 = m * depth, min(m + 1, M - 1) * depth
                    a2, a3 = min(m + 2, M - 1) * depth, min(m + 3, M - 1) * depth
                    p = q = r = s = load(zeros, 0, 32)
                    for k in range(first, whole, 8):
                        four = stack(load(A, a0 + k, 8), load(A, a1 + k, 8),
                                     load(A, a2 + k, 8), load(A, a3 + k, 8))
                        p = fma(p, four, load(B, b0 + k, 8))
                        q = fma(q, four, load(B, b1 + k, 8))
                        r = fma(r, four, load(B, b2 + k, 8))
                        s = fma(s, four, load(B, b3 + k, 8))
                    store_sums(sums, 0, p)
                    store_sums(sums, 4, q)
                    store_sums(sums, 8, r)
                    store_sums(sums, 12, s)
                    for j in range(min(4, stop - n)):
                        for i in range(min(4, M - m)):
                            total = sums[4 * j + i]
                            for k in range(whole, last):
                                total += A[m + i, k] * B[n + j, k]
                            C[m + i, n + j] += total
    return multiply_transposed


@functools.cache
def multiply():
    """Make the kernel of ``C = A @ B`` for some columns of B, at least ``MOST_LANES``.

    Called with A, shape ``(M, depth)``, flat, and how far its rows and its
    columns lie apart; B, ``(depth, N)``; C, ``(M, N)``; and which columns to
    take: the first, and the one behind the last.
    """
    lanes = MOST_LANES

    @_compile('(f4[::1], i8, i8, f4[:,::1], f4[:,::1], i8, i8)')
    def multiply(A, row_step, column_step, B, C, start, stop):
        depth, N = B.shape
        M = len(C)
        panel, zeros = np.empty(depth * lanes, np.float32), np.zeros(lanes, np.float32)
        for n in range(start, stop, lanes):
            n = min(n, stop - lanes)  # the last columns once more, where lanes do not divide them
            for k in range(depth):
                store(panel, k * lanes, load(B, k * N + n, lanes))
            for m in range(0, M, 4):
                m1, m2, m3 = min(m + 1, M - 1), min(m + 2, M - 1), min(m + 3, M - 1)
                p = q = r = s = load(zeros, 0, lanes)
                for k in range(depth):
                    row, column = load(panel, k * lanes, lanes), k * column_step
                    p = fma(p, row, at(A, m * row_step + column))
                    q = fma(q, row, at(A, m1 * row_step + column))
                    r = fma(r, row, at(A, m2 * row_step + column))
                    s = fma(s, row, at(A, m3 * row_step + column))
                store(C, m * N + n, p)
                store(C, m1 * N + n, q)
                store(C, m2 * N + n, r)
                store(C, m3 * N + n, s)
    return multiply


@functools.cache
def adam():
    """Make the kernel of a step of Adam, in one walk over four arrays instead of twelve.

    Called with weights, gradients and the means of gradients and of their
    squares, all of one length; how far these means move, 1 - beta1 and 1 -
    beta2; the size of the step; epsilon; and what is left of a weight after
    its decay.
    """
    @_compile('(f4[::1], f4[::1], f4[::1], f4[::1], f4, f4, f4, f4, f4)')
    def adam(p, g, m, v, towards_g, towards_g2, step, eps, left):
        for i in range(p.size):
            m[i] += towards_g * (g[i] - m[i])
            v[i] += towards_g2 * (g[i] * g[i] - v[i])
            p[i] = left * p[i] - step * m[i] / (np.sqrt(v[i]) + eps)
    return adam
