import threading
import tracemalloc

import numpy as np
import pytest

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer.functions as F

from picture_ranknet.fast import availability, mobile, mobile_numpy
from picture_ranknet.machine import threads

needs_kernels = pytest.mark.skipif(availability.kernels() is None, reason='needs Numba')
SIDES = [(32, 32), (33, 47), (64, 40), (5, 7), (1, 1)]
KEEP = [0, 1, 2, 3, 4, 5]


def layer(*shape):
    rng = np.random.default_rng(sum(shape))
    fan_in = np.prod(shape[:-1]) if shape[0] != shape[1] or len(shape) == 4 else shape[0] ** 2
    return ((rng.normal(size=shape) * (2 / fan_in) ** .5).astype(np.float32),
            rng.normal(size=shape[-1]).astype(np.float32))


def build(head=True):
    """All kinds of blocks, with few channels that 8 does not divide."""
    return mobile.Network(layer(3, 3, 3, 12), [
        mobile.Block(None, layer(3, 3, 12), layer(12, 10)),
        mobile.Block(layer(10, 44), layer(5, 5, 44), layer(44, 13), stride=2),
        mobile.Block(layer(13, 78), layer(3, 3, 78), layer(78, 13), adds_input=True),
        mobile.Block(layer(13, 16), layer(3, 3, 16), layer(16, 40), stride=2),
        mobile.Block(layer(40, 130), layer(5, 5, 130), layer(130, 9)),
    ], layer(9, 75) if head else None)


def pictures(n, height=33, width=47):
    return np.random.default_rng(n).normal(size=(n, height, width, 3)).astype(np.float32)


def plainly(function, *args):
    """Call something as if Numba was missing."""
    availability.use(False)
    try:
        return function(*args)
    finally:
        availability.use(True)


@pytest.fixture
def use_threads():
    yield threads.use
    threads.use(None)


@pytest.mark.parametrize('height, width', [(33, 47), (32, 40)])
def test_plain_maps_are_those_of_chainers_convolutions(height, width):
    def convolve(x, W, b, stride=1, groups=1):
        k, around = W.shape[3], []
        for n in x.shape[2:]:
            total = max((-(-n // stride) - 1) * stride + k - n, 0)
            around.append((total // 2, total - total // 2))
        x = np.pad(x, [(0, 0), (0, 0), *around])
        return F.convolution_2d(x, W, b, stride, groups=groups).array

    def pointwise(x, W, b):
        return convolve(x, W.T[:, :, None, None], b)

    network, x = build(), pictures(2, height, width)
    y = np.clip(convolve(x.transpose(0, 3, 1, 2), network.stem[0].transpose(3, 2, 0, 1),
                         network.stem[1], 2), 0, 6)
    maps = plainly(network, x, KEEP)
    for block, ours in zip(network.blocks, maps):
        before = y
        if block.expand:
            y = np.clip(pointwise(y, *block.expand), 0, 6)
        W, b = block.depthwise
        y = np.clip(convolve(y, W.transpose(2, 0, 1)[:, None], b, block.stride, len(b)), 0, 6)
        y = pointwise(y, *block.project)
        if block.adds_input:
            y = y + before
        np.testing.assert_allclose(ours, y.transpose(0, 2, 3, 1), rtol=1e-4, atol=1e-4)
    y = np.clip(pointwise(y, *network.head), 0, 6)
    np.testing.assert_allclose(maps[-1], y.transpose(0, 2, 3, 1), rtol=1e-4, atol=1e-4)


@needs_kernels
@pytest.mark.parametrize('sides', SIDES)
@pytest.mark.parametrize('n', [0, 1, 5])
def test_compiled_maps_are_the_plain_ones(sides, n):
    network, x = build(), pictures(n, *sides)
    for ours, plain in zip(network(x, KEEP), plainly(network, x, KEEP)):
        assert ours.shape == plain.shape and ours.dtype == plain.dtype == np.float32
        np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('sides', SIDES)
@pytest.mark.parametrize('call', [lambda f, *args: f(*args), plainly])
def test_descriptions_are_those_of_the_maps(sides, call):
    network, x = build(), pictures(3, *sides)
    keep = [4, 0, 5, 2]
    maps = network(x, keep)
    *described, as_it_is = call(network, x, keep, [0, 4, 5])
    for map_, (mean, deviation) in zip(maps, described):
        np.testing.assert_allclose(mean, map_.mean(axis=(1, 2)), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(deviation, map_.std(axis=(1, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(as_it_is, maps[-1], rtol=1e-4, atol=1e-4)


@needs_kernels
def test_threads_and_batches_change_no_bit(use_threads):
    network, x = build(), pictures(9)
    use_threads(1)
    expected = network(x, KEEP)
    for n_threads in 1, 2, 5:
        use_threads(n_threads)
        for n in 1, 2, 9:
            for ours, theirs in zip(network(x[:n], KEEP), expected):
                np.testing.assert_array_equal(ours, theirs[:n])


@needs_kernels
def test_threads_that_share_a_picture_wait_for_each_other(use_threads):
    network, x = build(), pictures(1, 250, 250)
    use_threads(1)
    expected = network(x, KEEP)
    use_threads(4)
    for _ in range(20):
        for ours, theirs in zip(network(x, KEEP), expected):
            np.testing.assert_array_equal(ours, theirs)


@needs_kernels
def test_several_threads_may_call_one_network(use_threads):
    use_threads(3)
    network, x = build(), pictures(6)
    expected, found = network(x, KEEP), {}

    def call(i):
        found[i] = [network(x[i:i + 1], KEEP) for _ in range(5)]

    callers = [threading.Thread(target=call, args=(i,)) for i in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    for i, calls in found.items():
        for maps in calls:
            for ours, theirs in zip(maps, expected):
                np.testing.assert_array_equal(ours, theirs[i:i + 1])


@needs_kernels
@pytest.mark.parametrize('sides', SIDES)
def test_compiled_loops_read_nothing_they_have_not_written_and_stay_in_their_memory(
        monkeypatch, sides):
    from picture_ranknet.fast import mobile_program
    made = []

    def guarded(size):
        around = np.full(size + 128, np.nan, np.float32)  # NaN would reach the results
        made.append((around, size))
        return around[64:64 + size]

    monkeypatch.setattr(mobile_program, 'aligned', guarded)
    for array in build()(pictures(3, *sides), KEEP):
        assert np.isfinite(array).all()
    assert len(made) >= 3
    for around, size in made:
        assert np.isnan(around[:64]).all() and np.isnan(around[64 + size:]).all()


@needs_kernels
def test_a_call_needs_no_memory_but_for_its_results(use_threads):
    use_threads(2)
    network, x = build(), pictures(40, 64, 64)
    results = network(x, KEEP)
    size = sum(array.nbytes for array in results)
    tracemalloc.start()
    try:
        network(x, KEEP)
        assert tracemalloc.get_traced_memory()[1] < 1.5 * size  # channels are padded
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize('call', [lambda f, *args: f(*args), plainly])
def test_nan_stays_nan(call):
    x = pictures(2)
    x[1] = np.nan
    for array in call(build(), x, KEEP):
        assert np.isfinite(array[0]).all() and np.isnan(array[1]).all()


def test_a_network_may_end_without_a_head_and_pictures_may_lie_in_any_order():
    network, x = build(head=False), pictures(3)
    maps = network(np.asfortranarray(x), [4])
    np.testing.assert_array_equal(maps[0], network(x, [4])[0])
    with pytest.raises(ValueError, match='keep: expected numbers from 0 to 4'):
        network(x, [5])


@pytest.mark.parametrize('x', [np.zeros((2, 3, 32, 32)), np.zeros((32, 32, 3)),
                               np.zeros((2, 0, 4, 3))])
def test_pictures_of_another_shape_are_refused(x):
    with pytest.raises(ValueError, match=r'expected the shape \(B, H, W, 3\)'):
        build()(x, [0])


@pytest.mark.parametrize('blocks, message', [
    ([], 'at least one'),
    ([mobile.Block(layer(11, 16), layer(3, 3, 16), layer(16, 8))], 'block 0, expand'),
    ([mobile.Block(None, layer(3, 3, 11), layer(12, 8))], 'block 0, depthwise'),
    ([mobile.Block(None, layer(4, 4, 12), layer(12, 8))], 'a kernel of 3 or 5'),
    ([mobile.Block(None, layer(3, 3, 12), layer(12, 8), stride=3)], 'a stride of 1 or 2'),
    ([mobile.Block(None, layer(3, 3, 12), layer(12, 8), adds_input=True)], 'cannot be added'),
])
def test_layers_that_do_not_fit_are_refused(blocks, message):
    with pytest.raises(ValueError, match=message):
        mobile.Network(layer(3, 3, 3, 12), blocks)


@needs_kernels
def test_where_the_loops_do_not_compile_numpy_takes_over_with_one_note(monkeypatch):
    import importlib
    network, x = build(), pictures(2)
    expected = network(x, KEEP)

    def fail(name):
        raise TypeError('atomic_rmw() missing an argument')

    availability.look_again()
    monkeypatch.setattr(importlib, 'import_module', fail)
    try:
        with pytest.warns(RuntimeWarning, match='computing without them') as caught:
            for _ in range(2):
                for ours, theirs in zip(network(x, KEEP), expected):
                    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
        assert len(caught) == 1
    finally:
        availability.look_again()


def test_plain_zeros_around_a_side():
    assert mobile_numpy.fit(80, 3, 2) == (0, 40)  # one more behind
    assert mobile_numpy.fit(80, 5, 2) == (1, 40)
    assert mobile_numpy.fit(81, 3, 2) == (1, 41)
    assert mobile_numpy.fit(1, 5, 1) == (2, 1)


@needs_kernels
@pytest.mark.parametrize('keep', [[0], [1], [3], [2, 4], [4], [5]])
def test_early_maps_are_the_same_without_the_later_ones(keep):
    network, x = build(), pictures(3)
    every = network(x, KEEP)
    for alone in False, True:
        for i, found in zip(keep, network(x, keep, alone=alone)):
            np.testing.assert_array_equal(found, every[i])


@needs_kernels
def test_alone_it_stays_on_its_thread(monkeypatch):
    def refuse(*args):
        raise AssertionError

    monkeypatch.setattr(mobile.threads, 'count', lambda: 4)
    monkeypatch.setattr(mobile.threads, 'run', refuse)
    assert build()(pictures(3), [4], alone=True)[0].shape[::3] == (3, 9)
