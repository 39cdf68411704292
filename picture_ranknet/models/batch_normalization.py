"""Batch normalisation over all processes that share a batch.

ChainerMN's ``MultiNodeBatchNormalization`` needs parts of equal size, and its
running variance follows from those of the parts.
"""
import contextlib
import warnings

import numpy as np

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer
import chainer.links as L
from chainer.functions.normalization import batch_normalization

from picture_ranknet.machine import ranks


@contextlib.contextmanager
def sharing_batches():
    """Within this context each process has a part of a batch; statistics are of the whole."""
    with chainer.using_config('shares_batches', ranks.size() > 1):
        yield


class BatchNormalization(L.BatchNormalization):

    """Chainer's link; within :func:`sharing_batches`, a batch spans all processes."""

    def forward(self, x):
        if not (chainer.config.train and getattr(chainer.config, 'shares_batches', False)):
            return super().forward(x)
        function = batch_normalization.BatchNormalization(
            self.eps, self.avg_mean, self.avg_var, self.decay, self.axis,
            impl_selector=lambda function, inputs: _Together())
        with warnings.catch_warnings():
            # About a single value in this process, ignoring the others.
            warnings.filterwarnings('ignore', 'A batch with no more than one sample')
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
        # Chainer divides these by the number of values in this process, and the optimizer takes
        # the mean over the processes: scaling the total sums by this share corrects for both.
        sums = super().get_ggamma_and_gbeta(axis, gamma, gy, x_hat, xp)
        return tuple(xp.asarray(self.share * sum(parts), gamma.dtype) for parts in zip(
            *ranks.collect(tuple(map(_to_cpu, sums)))))


def _to_cpu(array):
    return chainer.get_device('@numpy').send(array)
