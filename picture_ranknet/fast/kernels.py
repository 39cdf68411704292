"""The inner loops of the CNN's training and scoring on a CPU, compiled by Numba.

Why they beat a framework, by benchmarks/bench_speed.py on two cores of a Zen 4:

- :func:`forward` fuses convolution, ReLU and pooling.  Pictures are channels
  last, so a 5 x 5 patch is five runs of ``5 * C`` contiguous numbers and there
  is no im2col copy: 0.6 ms per picture instead of 4.4.
- 2 x 2 max pooling passes the gradient to one of four values only, the winner,
  and ReLU passes none to a winner that is not above 0.  :func:`forward` records
  the winners, and :func:`backward_weights` and :func:`backward_inputs` visit
  only these, a fifth of the values: 0.6 ms per picture instead of 5.7.
- :func:`multiply_transposed` and :func:`multiply` split a linear layer over our
  own threads.  OpenBLAS would start its own, which spin while they wait and
  take the core from ours: 92 ms per step instead of 125.
- :func:`adam` makes one pass over the weights, not twelve: 4 ms instead of 42.

Arrays are float32, aligned and writeable, C-contiguous and mostly flat.
Indices are not checked: the callers, :mod:`conv_pool` and :mod:`fused_adam`,
guarantee them.  Each function here returns a compiled function.
"""
import functools
from collections.abc import Callable

import numpy as np

from picture_ranknet.fast.vectors import (
    MOST_LANES,
    OFF,
    at,
    compiled,
    fma,
    load,
    pool,
    stack,
    store,
    store_sums,
    store_winner,
)

KERNEL = 5        # side of a convolution's kernel
WINDOW = 4        # values that are pooled into one: left to right, then top to bottom
DEPTH = 2048      # numbers of a row per block of a product: 4 + 4 rows then fit the cache


def lane_groups(n: int) -> list:
    """Split ``n`` output channels, at least 8, into groups that :func:`forward` can take.

    Returns:
        list of (int, int): First channel and size of each group.  All sizes but
        the last are multiples of 8.
    """
    n_vectors = -(-n // 8)
    n_groups = -(-n // MOST_LANES)
    starts = [8 * (n_vectors * group // n_groups) for group in range(n_groups)] + [n]
    return [(start, stop - start) for start, stop in zip(starts, starts[1:])]


@functools.cache
def forward(in_channels: int, n: int, keep_winners: bool) -> Callable:
    """Convolution, ReLU and max pooling for ``n`` of the output channels.

    The compiled function takes ``x``, shape ``(B, H, W, C)``; ``W``, ``(5, 5,
    C, K)``; ``b``, ``(K,)``; ``y`` and ``winners``, ``(B, H', W', K)``, whose
    channels ``channel`` to ``channel + n - 1`` it fills; ``channel``; K; H; W.
    """
    C = in_channels
    run = KERNEL * C

    @compiled('(f4[::1], f4[::1], f4[::1], f4[::1], u1[::1], i8, i8, i8, i8)')
    def forward(x, W, b, y, winners, channel, channels, height, width):
        y_height, y_width = (height - KERNEL + 2) // 2, (width - KERNEL + 2) // 2
        row = width * C
        for picture in range(len(x) // (height * row)):
            for v in range(y_height):
                # At an odd border the window is padded with the same value, which never wins.
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
def backward_weights(in_channels: int) -> Callable:
    """Gradients of weights and biases.

    The compiled function takes ``x`` and ``winners`` as :func:`forward` does;
    ``gy``, ``(B, K, H', W')`` of any strides; ``gW``, ``(K, 5, 5, C)``, and
    ``gb``, ``(K,)``, to which it adds; H; W.
    """
    C = in_channels
    run = KERNEL * C

    @compiled('(f4[::1], u1[::1], f4[:,:,:,:], f4[::1], f4[::1], i8, i8)')
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
def backward_inputs(in_channels: int) -> Callable:
    """Gradients of the inputs.

    The compiled function takes ``W``, ``(K, 5, 5, C)``; ``winners`` and ``gy``
    as :func:`backward_weights` does; ``gx``, ``(B, H, W, C)``, to which it
    adds; H; W.
    """
    C = in_channels
    run = KERNEL * C

    @compiled('(f4[::1], u1[::1], f4[:,:,:,:], f4[::1], i8, i8)')
    def backward_inputs(W, winners, gy, gx, height, width):
        pictures, channels, y_height, y_width = gy.shape
        row = width * C
        # For each convolved value of two rows: the channels in which it won.
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
    """``C += A @ B.T``, as dot products of rows.

    The compiled function takes A, shape ``(M, depth)``; B, ``(N, depth)``; C,
    ``(M, N)``; ``start`` and ``stop``, the rows of B to use.
    """
    @compiled('(f4[:,::1], f4[:,::1], f4[:,::1], i8, i8)')
    def multiply_transposed(A, B, C, start, stop):
        M, depth = A.shape
        zeros, sums = np.zeros(32, np.float32), np.empty(16, np.float32)
        for first in range(0, depth, DEPTH):
            last = min(first + DEPTH, depth)
            whole = last - (last - first) % 8
            for n in range(start, stop, 4):
                # Four rows of each at a time; the last is repeated where fewer are left.
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
    """``C = A @ B`` for some columns of B, at least ``MOST_LANES`` of them.

    The compiled function takes A, shape ``(M, depth)`` but flat, and the steps
    from one of its rows and columns to the next; B, ``(depth, N)``; C, ``(M,
    N)``; ``start`` and ``stop``, the columns of B to use.
    """
    lanes = MOST_LANES

    @compiled('(f4[::1], i8, i8, f4[:,::1], f4[:,::1], i8, i8)')
    def multiply(A, row_step, column_step, B, C, start, stop):
        depth, N = B.shape
        M = len(C)
        panel, zeros = np.empty(depth * lanes, np.float32), np.zeros(lanes, np.float32)
        for n in range(start, stop, lanes):
            n = min(n, stop - lanes)  # the last block may overlap the one before
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
    """A step of Adam (Kingma and Ba, 2015) in one pass over the weights.

    The compiled function takes weights, gradients, first and second moments, all
    of one length; ``1 - beta1``; ``1 - beta2``; the step size; epsilon; and the
    factor that weight decay leaves of a weight.
    """
    @compiled('(f4[::1], f4[::1], f4[::1], f4[::1], f4, f4, f4, f4, f4)')
    def adam(p, g, m, v, rate1, rate2, step, eps, decay):
        for i in range(p.size):
            m[i] += rate1 * (g[i] - m[i])
            v[i] += rate2 * (g[i] * g[i] - v[i])
            p[i] = decay * p[i] - step * m[i] / (np.sqrt(v[i]) + eps)
    return adam
