"""Training on several processes by ChainerMN, with the steps of a single one.

Each process has a part of the batch and makes its scores; from there all go on
with all scores to the same loss of all pairs (:func:`gather`), and back with
the gradient of their own.  What a step learns is then what it would learn in a
single process, but for rounding.
"""
import contextlib
import warnings

import numpy as np

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer
import chainer.links as L
from chainer.functions.normalization import batch_normalization

from picture_ranknet.errors import InputError
from picture_ranknet.machine import ranks

COMMUNICATORS = 'naive', 'flat', 'non_cuda_aware', 'pure_nccl'  # ChainerMN's names


def connect(name, device):
    """ChainerMN's communicator between the processes; ``None`` if this one is alone.

    Raises:
        InputError: If it cannot work here.
    """
    if ranks.size() == 1:
        return None
    if device.xp is np and name != 'naive':
        raise InputError('--communicator {}: is for GPUs; say naive, or a --device'.format(
            name))
    import chainermn  # here, since it wants mpi4py

    try:
        return chainermn.create_communicator(name, ranks.world())
    except Exception as e:  # of CuPy's and NCCL's many kinds
        raise InputError('--communicator {}: {}'.format(
            name, str(e).splitlines()[0] or type(e).__name__)) from e


def check_batch(batchsize):
    """Raise :class:`InputError` if a batch has not a picture for every process."""
    if batchsize < ranks.size():
        raise InputError(
            '{} processes: expected a picture of each batch for every one, but a batch has {}; '
            'start fewer of them, or see --batchsize'.format(ranks.size(), batchsize))


def share_gradients(optimizer, communicator):
    """Let an optimizer step by the mean of the gradients of all processes.

    They begin with the weights of the first.  Where there is no communicator,
    the optimizer stays as it is.
    """
    if communicator is None:
        return optimizer
    import chainermn

    communicator.bcast_data(optimizer.target)
    optimizer = chainermn.create_multi_node_optimizer(optimizer, communicator)
    optimizer.is_changed(optimizer.target)  # notes what is there: else its first step would be none
    return optimizer


def gather(x):
    """The rows of all processes, one after the other, for a loss that is the same on each.

    Args:
        x (chainer.Variable): Those of this one.

    Returns:
        chainer.Variable: On each process the same.
    """
    return Gather().apply((x,))[0] if ranks.size() > 1 else x


class Gather(chainer.FunctionNode):

    """See :func:`gather`.

    On the way back the gradient of this process's rows comes times the number
    of processes: what counts is the sum over the processes, and ChainerMN's
    optimizers take the mean.
    """

    def forward(self, inputs):
        x, = inputs
        self.part = _place(len(x))
        device = chainer.backend.get_device_from_array(x)
        return device.send(ranks.gather(_to_cpu(x))),

    def backward(self, indexes, grad_outputs):
        gy, = grad_outputs
        return gy[self.part] * ranks.size(),


def _place(n):
    """Where the ``n`` rows of this process lie among those of all."""
    stops = np.cumsum(ranks.collect(n)).tolist()
    return slice(stops[ranks.rank()] - n, stops[ranks.rank()])


def _to_cpu(array):
    return chainer.get_device('@numpy').send(array)


@contextlib.contextmanager
def normalizing(model):
    """Let batches be normalised by what all processes have of them, as long as this lasts."""
    links = [link for link in model.links()
             if type(link) is L.BatchNormalization and ranks.size() > 1]
    for link in links:
        link.__class__ = BatchNormalization  # the same link, with the same weights
    try:
        with warnings.catch_warnings():
            # Of one value in this process: it does not know the others.
            warnings.filterwarnings('ignore', 'A batch with no more than one sample')
            yield
    finally:
        for link in links:
            link.__class__ = L.BatchNormalization


class BatchNormalization(L.BatchNormalization):

    """Chainer's link, but a batch is what all processes have of it.

    ChainerMN's ``MultiNodeBatchNormalization`` wants parts of equal size, and
    its running variance follows from that of the parts.
    """

    def forward(self, x):
        if not chainer.config.train:
            return super().forward(x)
        function = batch_normalization.BatchNormalization(
            self.eps, self.avg_mean, self.avg_var, self.decay, self.axis,
            impl_selector=lambda function, inputs: _Together())
        return function.apply((x, self.gamma, self.beta))[0]


class _Together(batch_normalization.GeneralBatchNormalizationImpl):

    def forward(self, axis, gamma, x, x_layout, xp, expander, beta, eps, decay, running_mean,
                running_var):
        y, y_layout, _, _, mean, var, *others = super().forward(
            axis, gamma, x, x_layout, xp, expander, beta, eps, decay, None, None)
        for running, now in (running_mean, mean), (running_var, self.unbiased * var):
            running *= decay
            running += (1 - decay) * now
        return (y, y_layout, running_mean, running_var, mean, var, *others)

    def get_mean_and_var(self, axis, gamma, x, xp, interm_dtype):
        mean, var = super().get_mean_and_var(axis, gamma, x, xp, interm_dtype)
        n = x.size // gamma.size
        ns, means, variances = (np.array(values, np.float64) for values in zip(
            *ranks.collect((n, _to_cpu(mean), _to_cpu(var)))))
        self.share = n / ns.sum()
        self.unbiased = ns.sum() / max(ns.sum() - 1, 1)
        weights = ns / ns.sum()
        mean = weights @ means
        var = weights @ (variances + (means - mean) ** 2)
        return xp.asarray(mean, interm_dtype), xp.asarray(var, interm_dtype)

    def get_ggamma_and_gbeta(self, axis, gamma, gy, x_hat, xp):
        # Chainer divides these by how many values there are in this process, and the optimizer
        # takes the mean of the processes: both come out right for a share of the sums of all.
        sums = super().get_ggamma_and_gbeta(axis, gamma, gy, x_hat, xp)
        return tuple(xp.asarray(self.share * sum(parts), gamma.dtype) for parts in zip(
            *ranks.collect(tuple(map(_to_cpu, sums)))))
