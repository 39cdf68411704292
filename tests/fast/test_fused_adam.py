import numpy as np
import pytest

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer
from chainer import serializers

from picture_ranknet.fast import availability, fused_adam

SHAPE = (700, 800)  # more than one slice


def steps(optimizer, n, dtype=np.float32, lay=np.asarray):
    rng = np.random.RandomState(0)
    link = chainer.Link()
    with link.init_scope():
        link.W = chainer.Parameter(lay(rng.normal(size=SHAPE).astype(dtype)))
    optimizer.setup(link)
    for _ in range(n):
        link.W.grad = lay(rng.normal(size=SHAPE).astype(dtype) * 10. ** rng.randint(-4, 2))
        optimizer.update()
    return link, optimizer


@pytest.mark.parametrize('options', [
    {}, {'alpha': .1, 'beta1': .5, 'beta2': .9, 'eps': 1e-3}, {'weight_decay_rate': .01, 'eta': .5},
    {'amsgrad': True}, {'adabound': True},
])
def test_weights_and_state_equal_those_of_chainer(options):
    ours, our_optimizer = steps(fused_adam.Adam(**options), 10)
    theirs, _ = steps(chainer.optimizers.Adam(**options), 10)
    np.testing.assert_allclose(ours.W.array, theirs.W.array, rtol=1e-5, atol=1e-6)
    assert ours.W.update_rule.state.keys() == theirs.W.update_rule.state.keys()
    for key, value in theirs.W.update_rule.state.items():
        np.testing.assert_allclose(ours.W.update_rule.state[key], value, rtol=1e-5, atol=1e-10)


@pytest.mark.parametrize('dtype, lay', [(np.float64, np.asarray), (np.float32, np.asfortranarray)])
def test_chainer_updates_other_types_and_layouts(dtype, lay):
    ours, _ = steps(fused_adam.Adam(), 3, dtype, lay)
    theirs, _ = steps(chainer.optimizers.Adam(), 3, dtype, lay)
    np.testing.assert_array_equal(ours.W.array, theirs.W.array)


def test_the_kernel_is_used(monkeypatch):
    if availability.kernels() is None:
        pytest.skip('needs Numba')
    monkeypatch.setattr(fused_adam.adam.AdamRule, 'update_core_cpu', None)
    steps(fused_adam.Adam(), 1)


def test_snapshots_can_be_exchanged_with_chainers_adam(tmp_path):
    for ours, theirs in (fused_adam.Adam, chainer.optimizers.Adam), (
            chainer.optimizers.Adam, fused_adam.Adam):
        _, optimizer = steps(ours(), 3)
        serializers.save_npz(tmp_path / 'snapshot.npz', optimizer)
        other, loaded = steps(theirs(), 1)
        serializers.load_npz(tmp_path / 'snapshot.npz', loaded)
        assert loaded.t == 3
        for key, value in optimizer.target.W.update_rule.state.items():
            np.testing.assert_array_equal(other.W.update_rule.state[key], value)
