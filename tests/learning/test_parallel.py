"""More of it is tested on several processes, in tests/test_mpi.py."""
import numpy as np
import pytest

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer

from picture_ranknet.errors import InputError
from picture_ranknet.learning import parallel
from picture_ranknet.machine import ranks


def test_a_single_process_needs_no_communicator(model):
    assert parallel.connect('pure_nccl', chainer.get_device('@numpy')) is None
    optimizer = chainer.optimizers.Adam().setup(model)
    assert parallel.share_gradients(optimizer, None) is optimizer
    x = chainer.Variable(np.zeros((3, 1), np.float32))
    assert parallel.gather(x) is x
    parallel.check_batch(1)


def test_a_batch_needs_a_picture_for_every_process(monkeypatch):
    monkeypatch.setattr(ranks, 'size', lambda: 3)
    parallel.check_batch(3)
    with pytest.raises(InputError, match='3 processes: expected at least one picture of a batch '
                                         'for each, but a batch has 2'):
        parallel.check_batch(2)


def test_what_is_for_gpus_is_refused_on_the_cpu(monkeypatch):
    monkeypatch.setattr(ranks, 'size', lambda: 2)
    with pytest.raises(InputError, match='--communicator flat: is for GPUs'):
        parallel.connect('flat', chainer.get_device('@numpy'))
