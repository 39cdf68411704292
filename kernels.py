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

Arrays come flat, C-contiguous and writeable, and no index is checked: callers
(:mod:`conv_pool`, :mod:`adam`) see to that.
"""
import functools
import math

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

KERNEL = 5        # side of a convolution's kernel
OFF = 4           # the winner of a window where ReLU lets nothing through
MOST_LANES = 32   # that the forward kernel takes at a time: with 4 x 32, 16 vectors are sums

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
def fma(typingctx, v, w, s):
    """``v + w * s`` for a number ``s``, rounded once where the processor can."""
    def generate(context, builder, signature, args):
        multiply_add = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(VECTOR, [VECTOR] * 3), 'llvm.fmuladd.v8f32')
        s = _spread(builder, args[2])
        return _join(builder, [builder.call(multiply_add, [w, s, v]) for v, w in zip(
            _split(builder, args[0]), _split(builder, args[1]))])
    return v(v, w, types.float32), generate


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


@functools.cache
def forward(in_channels, n, keep_winners):
    """Make the kernel of convolution, ReLU and max pooling for ``n`` output channels.

    Called with the pictures ``x``, shape ``(B, H, W, C)``; ``W``, ``(5, 5, C,
    K)``; ``b``, ``(K,)``; ``y`` and ``winners``, ``(B, H', W', K)``, which it
    fills for ``n`` channels from ``channel`` on; K; H and W.
    """
    C = in_channels
    run = KERNEL * C

    @njit('(f4[::1], f4[::1], f4[::1], f4[::1], u1[::1], i8, i8, i8, i8)', nogil=True, cache=True)
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
                    p = q = r = s = load(b, channel, n)
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

    @njit('(f4[::1], u1[::1], f4[:,:,:,:], f4[::1], f4[::1], i8, i8)', nogil=True, cache=True)
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

    @njit('(f4[::1], u1[::1], f4[:,:,:,:], f4[::1], i8, i8)', nogil=True, cache=True)
    def backward_inputs(W, winners, gy, gx, height, width):
        pictures, channels, y_height, y_width = gy.shape
        row = width * C
        # For each convolved value of two rows, the channels that it has won.
        n_won = np.empty(y_width * (OFF + 1), np.int64)
        won = np.empty(len(n_won) * channels, np.int64)
        gradients = np.empty(len(won), np.float32)
        for picture in range(pictures):
            for v in range(y_height):
                n_won[:] = 0
                for channel in range(channels):
                    for u in range(y_width):
                        winner = at(winners, ((picture * y_height + v) * y_width + u) * channels
                                    + channel)
                        value = u * (OFF + 1) + winner
                        e = value * channels + n_won[value]
                        won[e] = channel
                        gradients[e] = gy[picture, channel, v, u]
                        n_won[value] += 1
                for kernel_row in range(KERNEL):
                    for u in range(y_width):
                        for winner in range(OFF):
                            value = u * (OFF + 1) + winner
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
def adam():
    """Make the kernel of a step of Adam, in one walk over four arrays instead of twelve.

    Called with weights, gradients and the means of gradients and of their
    squares, all of one length; how far these means move, 1 - beta1 and 1 -
    beta2; the size of the step; epsilon; and what is left of a weight after
    its decay.
    """
    @njit('(f4[::1], f4[::1], f4[::1], f4[::1], f4, f4, f4, f4, f4)', nogil=True, cache=True,
          error_model='numpy')
    def adam(p, g, m, v, towards_g, towards_g2, step, eps, left):
        for i in range(p.size):
            m[i] += towards_g * (g[i] - m[i])
            v[i] += towards_g2 * (g[i] * g[i] - v[i])
            p[i] = left * p[i] - step * m[i] / (np.sqrt(v[i]) + eps)
    return adam
