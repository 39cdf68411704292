"""The CNN's layers: computed by our kernels where they fit, otherwise by Chainer.

:func:`conv_pool` and :func:`linear` return what Chainer's functions return, up
to the order in which float32 sums are rounded; so do their gradients.  The
kernels need Numba, float32 arrays on the CPU, and a convolution of 5 x 5
without padding or stride.
"""
import numpy as np

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer
import chainer.functions as F
import chainer.links as L

from picture_ranknet.fast import availability
from picture_ranknet.machine import threads

SLICES = 16     # of a batch, on any number of threads, so that this number changes no sum
COLUMNS = 1000  # in a slice of a product, about
MOST_CHANNELS = 64  # of a convolution's input: 5 of them side by side are unrolled into one sum


def conv_pool(x, link: L.Convolution2D) -> chainer.Variable:
    """Convolution, ReLU, 2 x 2 max pooling: ``max_pooling_2d(relu(link(x)), 2)``.

    Args:
        x (chainer.Variable or array): Pictures, shape ``(B, C, H, W)``.
        link (chainer.links.Convolution2D): The kernels take one of 5 x 5.

    Returns:
        chainer.Variable: Shape ``(B, K, (H - 3) // 2, (W - 3) // 2)`` with
        the link's ``K`` output channels.
    """
    if _can_replace(link, L.Convolution2D, x) and _is_plain_convolution(link, x):
        return ConvPool().apply((x, link.W, link.b))[0]
    return F.max_pooling_2d(F.relu(link(x)), 2)


def linear(x, link: L.Linear) -> chainer.Variable:
    """Fully connected layer on all threads: ``link(x)``.

    Args:
        x (chainer.Variable or array): Shape ``(B, ...)``; it is flattened.
        link (chainer.links.Linear): The layer.

    Returns:
        chainer.Variable: Shape ``(B, out_size)``.
    """
    if (_can_replace(link, L.Linear, x) and x.size == len(x) * link.W.shape[1]
            and link.W.shape[1] >= availability.kernels().MOST_LANES):
        return Linear().apply((x, link.W, link.b))[0]
    return link(x)


def _can_replace(link, type_, x):
    has_hooks = link.local_link_hooks or chainer._get_link_hooks()  # they want the link called
    return (type(link) is type_ and link.b is not None and not has_hooks
            and availability.fit(chainer.as_array(x), link.W.array, link.b.array))


def _is_plain_convolution(link, x):
    kernels = availability.kernels()
    K, C, *sides = link.W.shape
    return (sides == [kernels.KERNEL] * 2 and K >= 8 and 2 <= C <= MOST_CHANNELS
            and x.ndim == 4 and x.shape[1] == C
            and min(x.shape[2:]) >= kernels.KERNEL
            and (link.stride, link.pad, link.dilate, link.groups) == ((1, 1), (0, 0), (1, 1), 1))


class ConvPool(chainer.FunctionNode):

    """Convolution of 5 x 5, ReLU and max pooling of 2 x 2 as one function.

    Results and gradients have Chainer's shapes, ``(B, C, H, W)``, but are
    channels-last in memory, so that the next layer need not copy them.
    """

    def forward(self, inputs):
        self.retain_inputs((0, 1, 2))
        x, W, b = inputs
        x, W, b = _channel_last(x), _ready(W.transpose(2, 3, 1, 0)).ravel(), _ready(b)
        pictures, height, width, C = x.shape
        K = len(b)
        y = np.empty((pictures, (height - 3) // 2, (width - 3) // 2, K), np.float32)
        kernels = availability.kernels()
        keep = chainer.config.enable_backprop
        self.winners = np.empty(y.shape if keep else (pictures, 0), np.uint8)
        groups = [(kernels.forward(C, n, keep), channel)
                  for channel, n in kernels.lane_groups(K)]

        def run(part):
            for kernel, channel in groups:
                kernel(x[part].ravel(), W, b, y[part].ravel(), self.winners[part].ravel(),
                       channel, K, height, width)

        threads.run(run, threads.split(pictures, SLICES))
        return y.transpose(0, 3, 1, 2),                 # (B, H', W', K) -> (B, K, H', W')

    def backward(self, indexes, grad_outputs):
        if chainer.config.enable_backprop:  # Chainer computes gradients of gradients
            inputs = self.get_retained_inputs()
            y = F.max_pooling_2d(F.relu(F.convolution_2d(*inputs)), 2)
            return chainer.grad([y], [inputs[i] for i in indexes], grad_outputs,
                                enable_double_backprop=True)
        x, W, _ = (variable.array for variable in self.get_retained_inputs())
        gy = np.require(grad_outputs[0].array, requirements=['A', 'W'])
        gradients = {}
        if 0 in indexes:
            gradients[0] = self._backward_inputs(x.shape, W, gy)
        if 1 in indexes or 2 in indexes:
            gradients[1], gradients[2] = self._backward_weights(x, W, gy)
        return tuple(chainer.as_variable(gradients[i]) for i in indexes)

    def _backward_weights(self, x, W, gy):
        x = _channel_last(x)
        pictures, height, width, C = x.shape
        K = len(W)
        kernel = availability.kernels().backward_weights(C)

        def run(part):
            gW, gb = np.zeros(W.size, np.float32), np.zeros(K, np.float32)
            kernel(x[part].ravel(), self.winners[part].ravel(), gy[part], gW, gb, height, width)
            return gW, gb

        sums = threads.run(run, threads.split(pictures, SLICES))
        gW = np.zeros(W.size, np.float32) + sum(part for part, _ in sums)
        gb = np.zeros(K, np.float32) + sum(part for _, part in sums)
        return np.ascontiguousarray(gW.reshape(K, 5, 5, C).transpose(0, 3, 1, 2)), gb

    def _backward_inputs(self, shape, W, gy):
        pictures, C, height, width = shape
        gx = np.zeros((pictures, height, width, C), np.float32)
        W = _ready(W.transpose(0, 2, 3, 1)).ravel()
        kernel = availability.kernels().backward_inputs(C)

        def run(part):
            kernel(W, self.winners[part].ravel(), gy[part], gx[part].ravel(), height, width)

        threads.run(run, threads.split(pictures, SLICES))
        return gx.transpose(0, 3, 1, 2)                 # (B, H, W, C) -> (B, C, H, W)


class Linear(chainer.FunctionNode):

    """A fully connected layer on all threads."""

    def forward(self, inputs):
        self.retain_inputs((0, 1))
        x, W, b = inputs
        self.rows = x, W = _flat_rows(x, W.shape[1]), _ready(W)
        y = np.zeros((len(x), len(W)), np.float32) + b
        kernel = availability.kernels().multiply_transposed()
        threads.run(lambda part: kernel(x, W, y, part.start, part.stop),
                    threads.split(len(W), SLICES))
        return y,

    def backward(self, indexes, grad_outputs):
        gy, = grad_outputs
        if chainer.config.enable_backprop:  # Chainer computes gradients of gradients
            inputs = self.get_retained_inputs()
            x, W = (F.reshape(variable, (len(variable), -1)) for variable in inputs)
            gradients = [F.reshape(F.matmul(gy, W), inputs[0].shape),
                         F.matmul(gy, x, transa=True), F.sum(gy, axis=0)]
            return tuple(gradients[i] for i in indexes)
        x, W = self.rows
        gy = _ready(gy.array)
        gradients = {2: gy.sum(axis=0)}
        if 0 in indexes:
            gradients[0] = _multiply(gy, W).reshape(self.inputs[0].shape)
        if 1 in indexes:
            gradients[1] = _multiply(gy.T, x)
        return tuple(chainer.as_variable(gradients[i]) for i in indexes)


def _flat_rows(x, length):
    """``x.reshape(len(x), length)``, C-contiguous; copied on all threads if it must be."""
    if x.flags.c_contiguous:
        return _ready(x.reshape(len(x), length))
    rows = np.empty(x.shape, np.float32)
    threads.run(lambda part: np.copyto(rows[part], x[part]), threads.split(len(x), SLICES))
    return rows.reshape(len(x), length)


def _multiply(A, B):
    """``A @ B``, where A or its transpose is C-contiguous."""
    C = np.empty((len(A), B.shape[1]), np.float32)
    steps = [step // A.itemsize for step in A.strides]
    A = (A if A.flags.c_contiguous else A.T).ravel()
    kernel = availability.kernels().multiply()
    threads.run(lambda part: kernel(A, *steps, B, C, part.start, part.stop),
                threads.split(C.shape[1], max(1, C.shape[1] // COLUMNS)))
    return C


def _channel_last(x):
    return _ready(x.transpose(0, 2, 3, 1))               # (B, C, H, W) -> (B, H, W, C)


def _ready(array):
    """C-contiguous, aligned and writeable, as the kernels need it; copied only if it must be."""
    return np.require(array, requirements=['C', 'A', 'W'])
