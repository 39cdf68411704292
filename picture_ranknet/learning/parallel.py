"""Training in several processes with ChainerMN, with the same steps as in one.

Each process scores its part of the batch.  Then all processes exchange their
scores (:func:`gather`), compute the same loss of all pairs, and backpropagate
the gradient of their own part.  A step equals that of a single process, except
for rounding.
"""
import numpy as np

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer

from picture_ranknet.errors import InputError
from picture_ranknet.machine import ranks

COMMUNICATORS = 'naive', 'flat', 'non_cuda_aware', 'pure_nccl'  # ChainerMN's names


def connect(name: str, device):
    """ChainerMN's communicator between the processes; ``None`` for a single process.

    Args:
        name: One of ``COMMUNICATORS``.
        device (chainer.backend.Device): Where the model will be.

    Raises:
        InputError: If it cannot work here.
    """
    if ranks.size() == 1:
        return None
    if device.xp is np and name != 'naive':
        raise InputError(f'--communicator {name}: is for GPUs; use naive, or choose a --device')
    import chainermn  # here, since it needs mpi4py

    try:
        return chainermn.create_communicator(name, ranks.world())
    except Exception as e:  # CuPy and NCCL raise many kinds
        raise InputError(
            f'--communicator {name}: {str(e).splitlines()[0] or type(e).__name__}') from e


def check_batch(batchsize: int) -> None:
    """Raise :class:`InputError` if a batch has fewer pictures than there are processes."""
    if batchsize < ranks.size():
        raise InputError(f'{ranks.size()} processes: expected at least one picture of a batch for '
                         f'each, but a batch has {batchsize}; start fewer processes, or raise '
                         '--batchsize')


def share_gradients(optimizer: chainer.Optimizer, communicator) -> chainer.Optimizer:
    """Let an optimizer use the mean gradient of all processes.

    All start with the weights of the first.  Without a communicator the
    optimizer is returned unchanged.
    """
    if communicator is None:
        return optimizer
    import chainermn

    communicator.bcast_data(optimizer.target)
    optimizer = chainermn.create_multi_node_optimizer(optimizer, communicator)
    optimizer.is_changed(optimizer.target)  # register the weights, or the first step is lost
    return optimizer


def gather(x: chainer.Variable) -> chainer.Variable:
    """Concatenate the rows of all processes, for a loss that is the same in each.

    Args:
        x (chainer.Variable): The rows of this process.

    Returns:
        chainer.Variable: All rows, in every process.
    """
    return Gather().apply((x,))[0] if ranks.size() > 1 else x


class Gather(chainer.FunctionNode):

    """See :func:`gather`.

    The gradient of this process's rows is multiplied by the number of
    processes: the loss needs the sum over the processes, and ChainerMN's
    optimizers take the mean.
    """

    def forward(self, inputs):
        x, = inputs
        self.part = _place(len(x))
        device = chainer.backend.get_device_from_array(x)
        return device.send(ranks.gather(chainer.get_device('@numpy').send(x))),

    def backward(self, indexes, grad_outputs):
        gy, = grad_outputs
        return gy[self.part] * ranks.size(),


def _place(n):
    """The position of this process's ``n`` rows among those of all."""
    stops = np.cumsum(ranks.collect(n)).tolist()
    return slice(stops[ranks.rank()] - n, stops[ranks.rank()])
