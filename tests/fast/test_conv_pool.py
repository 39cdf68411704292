import os
import pickle

import numpy as np
import pytest

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer
import chainer.functions as F
import chainer.links as L

import net
from picture_ranknet.fast import availability, conv_pool, fused_adam
from picture_ranknet.machine import threads
from picture_ranknet.models import model_file

SHAPES = [(2, 3, 80, 80), (1, 3, 13, 13), (3, 3, 5, 5), (1, 3, 6, 9), (20, 3, 14, 31),
          (5, 3, 17, 12), (33, 3, 7, 8), (0, 3, 20, 20)]


pytestmark = pytest.mark.skipif(availability.kernels() is None, reason='needs Numba')


def plainly(function, *args):
    """Call something as if Numba was missing."""
    availability.use(False)
    try:
        return function(*args)
    finally:
        availability.use(True)


def numbers(*shape):
    return np.random.RandomState(sum(shape)).normal(size=shape).astype(np.float32)


def convolution(in_channels, out_channels, **kwargs):
    link = L.Convolution2D(in_channels, out_channels, 5, **kwargs)
    link.W.array[...] = numbers(*link.W.shape) / 5
    link.b.array[...] = numbers(out_channels)
    return link


def apply(function, x, link):
    """Output and gradients of a layer; the output's gradient is made of its index."""
    x = chainer.Variable(x)
    link.cleargrads()
    y = function(x, link)
    y.grad = np.cos(np.arange(y.size, dtype=np.float32)).reshape(y.shape)
    y.backward()
    return y.array, x.grad, link.W.grad, link.b.grad


def assert_equal_but_for_rounding(ours, theirs):
    for our, their in zip(ours, theirs):
        assert our.shape == their.shape and our.dtype == np.float32
        np.testing.assert_allclose(our, their, rtol=1e-4, atol=1e-5 * (1 + abs(their).max()))


def uses_kernels(function, *args):
    creator = function(*args).creator
    return isinstance(creator, (conv_pool.ConvPool, conv_pool.Linear))


@pytest.mark.parametrize('shape', SHAPES)
def test_conv_pool_equals_chainer(shape):
    link = convolution(3, 20)
    assert uses_kernels(conv_pool.conv_pool, numbers(*shape), link)
    ours = apply(conv_pool.conv_pool, numbers(*shape), link)
    if shape[0]:
        theirs = plainly(apply, conv_pool.conv_pool, numbers(*shape), link)
        assert_equal_but_for_rounding(ours, theirs)
    else:  # Chainer has no empty batches
        y, gx, gW, gb = ours
        assert y.shape == (0, 20, 8, 8) and gx.shape == shape
        assert not gW.any() and not gb.any()


@pytest.mark.parametrize('channels', [(20, 50), (20, 8), (7, 9), (3, 33), (2, 65)])
def test_conv_pool_equals_chainer_for_any_channels(channels):
    link = convolution(*channels)
    x = numbers(3, channels[0], 15, 18)
    assert uses_kernels(conv_pool.conv_pool, x, link)
    assert_equal_but_for_rounding(apply(conv_pool.conv_pool, x, link),
                                  plainly(apply, conv_pool.conv_pool, x, link))


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


@pytest.mark.parametrize('lay', [
    np.asfortranarray, read_only,
    lambda x: np.repeat(x, 2, axis=3)[:, :, :, ::2],
    lambda x: x[::-1].copy()[::-1],
    lambda x: np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
    lambda x: np.broadcast_to(x[:1], x.shape),
], ids=['Fortran order', 'read-only', 'strided', 'reversed', 'channel last', 'broadcast'])
def test_any_memory_layout_of_pictures_gives_the_same(lay):
    link, x = convolution(3, 20), numbers(4, 3, 15, 18)
    laid = lay(x)
    expected = apply(conv_pool.conv_pool, laid.copy(order='C'), link)
    for our, their in zip(apply(conv_pool.conv_pool, laid, link), expected):
        np.testing.assert_array_equal(our, their)


def test_of_equal_values_the_first_wins_as_in_chainer():
    link = convolution(3, 20)
    link.W.array[...] = np.rint(4 * link.W.array)  # whose sums are exact in any order
    x = np.ones((2, 3, 14, 14), np.float32)  # so all values of a channel are equal
    ours = apply(conv_pool.conv_pool, x, link)
    theirs = plainly(apply, conv_pool.conv_pool, x, link)
    assert (ours[1] == 0).any()
    assert_equal_but_for_rounding(ours, theirs)


def test_where_nothing_is_above_zero_no_gradient_passes():
    link = convolution(3, 20)
    link.W.array[...] = 0
    link.b.array[...] = -np.arange(20)  # 0 itself is off, too
    for array in apply(conv_pool.conv_pool, numbers(2, 3, 14, 14), link):
        assert not array.any()


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_non_finite_values_stay_non_finite(value):
    link, x = convolution(3, 20), numbers(2, 3, 20, 20)
    x[1, 1, 7, 7] = value
    with np.errstate(invalid='ignore'), chainer.no_backprop_mode():
        ours = conv_pool.conv_pool(x, link).array
        theirs = plainly(conv_pool.conv_pool, x, link).array
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    np.testing.assert_array_equal(np.isinf(ours), np.isinf(theirs))
    assert not np.isfinite(ours).all() and np.isfinite(ours[0]).all()


def test_gradients_are_those_of_central_differences():
    link, x = convolution(3, 20), numbers(2, 3, 12, 11)
    y, *gradients = apply(conv_pool.conv_pool, x, link)
    gy = np.cos(np.arange(y.size)).reshape(y.shape)
    rng = np.random.RandomState(1)
    for array, gradient in zip((x, link.W.array, link.b.array), gradients):
        direction, base = rng.normal(size=array.shape).astype(np.float32), array.copy()
        sums = []
        for step in .0005, -.0005:
            array[...] = base + np.float32(step) * direction
            sums.append((conv_pool.conv_pool(x, link).array * gy).sum())
        array[...] = base
        assert (gradient * direction).sum() == pytest.approx(np.diff(sums)[0] / -.001, rel=.01)


@pytest.fixture
def guarded():
    """Put an array between numbers that must be neither read nor changed."""
    arrays = []

    def within(array):
        strange = 99 if array.dtype == np.uint8 else np.nan
        around = np.full(array.size + 64, strange, array.dtype)
        around[32:-32] = array.ravel()
        arrays.append((around, around.copy()))
        return around[32:-32].reshape(array.shape)

    yield within
    for around, before in arrays:
        np.testing.assert_array_equal(around[:32], before[:32])
        np.testing.assert_array_equal(around[-32:], before[-32:])


@pytest.mark.parametrize('C, K, height, width', [(3, 20, 9, 12), (2, 33, 5, 6), (20, 50, 8, 7)])
def test_kernels_of_convolutions_touch_nothing_around_their_arrays(guarded, C, K, height, width):
    kernels = availability.kernels()
    out = (height - 3) // 2, (width - 3) // 2
    x, gx = guarded(numbers(2, height, width, C)), guarded(np.zeros((2, height, width, C), 'f'))
    W, b = guarded(numbers(5, 5, C, K)), guarded(numbers(K))
    y, winners = guarded(np.zeros((2, *out, K), 'f')), guarded(np.zeros((2, *out, K), np.uint8))
    gW, gb = guarded(np.zeros((K, 5, 5, C), 'f')), guarded(np.zeros(K, 'f'))
    gy = numbers(2, K, *out)
    for channel, n in kernels.lane_groups(K):
        kernels.forward(C, n, True)(x.ravel(), W.ravel(), b, y.ravel(), winners.ravel(), channel, K,
                                    height, width)
    kernels.backward_weights(C)(x.ravel(), winners.ravel(), gy, gW.ravel(), gb, height, width)
    W = guarded(W.transpose(3, 0, 1, 2))
    kernels.backward_inputs(C)(W.ravel(), winners.ravel(), gy, gx.ravel(), height, width)
    for array in y, gW, gb, gx:
        assert np.isfinite(array).all() and array.any()


@pytest.mark.parametrize('M, N, depth', [(1, 1, 32), (2, 11, 47), (7, 5, 2051), (500, 33, 70)])
def test_products_touch_nothing_around_their_arrays(guarded, M, N, depth):
    A, B, C = guarded(numbers(M, depth)), guarded(numbers(N, depth)), guarded(np.zeros((M, N), 'f'))
    availability.kernels().multiply_transposed()(A, B, C, 0, N)
    np.testing.assert_allclose(C, A @ B.T, rtol=1e-3, atol=1e-3)
    for A, steps in (guarded(numbers(M, N)), (N, 1)), (guarded(numbers(N, M)).T, (1, M)):
        C = guarded(np.zeros((M, depth), 'f'))
        flat = (A if steps[1] == 1 else A.T).ravel()
        availability.kernels().multiply()(flat, *steps, B, C, 0, depth)
        np.testing.assert_allclose(C, A @ B, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize('link', [
    L.Convolution2D(3, 20, 3), L.Convolution2D(3, 20, 5, stride=2),
    L.Convolution2D(3, 20, 5, pad=1),
    L.Convolution2D(3, 20, 5, dilate=2), L.Convolution2D(3, 4, 5),
    L.Convolution2D(3, 9, 5, groups=3),
    L.Convolution2D(1, 20, 5), L.Convolution2D(3, 20, 5, nobias=True),
    L.Convolution2D(3, 20, (5, 1)),
])
def test_chainer_computes_other_convolutions(link):
    x = numbers(2, link.W.shape[1] * link.groups, 20, 20)
    assert not uses_kernels(conv_pool.conv_pool, x, link)
    expected = F.max_pooling_2d(F.relu(link(x)), 2)
    np.testing.assert_array_equal(conv_pool.conv_pool(x, link).array, expected.array)


@pytest.mark.parametrize('dtype', [np.float16, np.float64])
def test_chainer_computes_other_types(dtype):
    cnn = net.CNN((20, 20))
    for param in cnn.params():
        param.array = param.array.astype(dtype)
    assert cnn(numbers(2, 3, 20, 20).astype(dtype)).dtype == dtype


class Hook(chainer.LinkHook):

    called = 0

    def forward_postprocess(self, args):
        self.called += 1


def test_a_link_with_a_hook_is_called():
    link, hook = convolution(3, 20), Hook()
    link.add_hook(hook)
    conv_pool.conv_pool(numbers(1, 3, 9, 9), link)
    assert hook.called == 1


def test_a_global_hook_sees_every_link_called():
    with Hook() as hook:
        net.CNN((20, 20))(numbers(1, 3, 20, 20))
    assert hook.called == 5  # four layers and the network


def test_a_subclass_of_the_link_is_called():
    class Doubled(L.Convolution2D):
        def forward(self, x):
            return 2 * super().forward(x)

    link = Doubled(3, 20, 5, initial_bias=1)
    x = np.zeros((1, 3, 9, 9), np.float32)
    assert (conv_pool.conv_pool(x, link).array == 2).all()


@pytest.mark.parametrize('shape', [(1, 47), (2, 47), (7, 3, 4, 4), (64, 70), (3, 4501)])
def test_linear_equals_chainer(shape):
    link = L.Linear(int(np.prod(shape[1:])), 11)
    link.b.array[...] = numbers(11)
    assert uses_kernels(conv_pool.linear, numbers(*shape), link)
    assert_equal_but_for_rounding(apply(conv_pool.linear, numbers(*shape), link),
                                  plainly(apply, conv_pool.linear, numbers(*shape), link))


@pytest.mark.parametrize('lay', [np.asfortranarray, read_only])
def test_any_memory_layout_of_weights_gives_the_same(lay):
    link, x = L.Linear(47, 11), numbers(4, 47)
    expected = apply(conv_pool.linear, x, link)
    link.W.array = lay(link.W.array)
    for our, their in zip(apply(conv_pool.linear, x, link), expected):
        np.testing.assert_array_equal(our, their)


def test_a_gradient_may_be_read_only():
    link, x = convolution(3, 20), numbers(2, 3, 9, 9)
    link.cleargrads()
    y = conv_pool.conv_pool(x, link)
    y.grad = np.ones(y.shape, np.float32)
    y.backward()
    expected = link.W.grad
    link.cleargrads()
    F.sum(conv_pool.conv_pool(x, link)).backward()  # Chainer hands back a view of one number
    np.testing.assert_array_equal(link.W.grad, expected)


def test_pictures_of_another_size_are_refused():
    with pytest.raises(chainer.utils.type_check.InvalidType):
        net.CNN((20, 20))(numbers(2, 3, 24, 24))


def test_an_empty_batch_has_no_scores():
    assert net.CNN((20, 20))(numbers(0, 3, 20, 20)).shape == (0, 1)


@pytest.mark.parametrize('indexes', [(0,), (1,), (2,), (0, 2)])
def test_gradients_can_be_asked_for_one_by_one(indexes):
    for function, link, x in ((conv_pool.conv_pool, convolution(3, 20), numbers(2, 3, 9, 9)),
                              (conv_pool.linear, L.Linear(47, 11), numbers(2, 47))):
        _, *expected = apply(function, x, link)
        y = function(chainer.Variable(x), link)
        gy = np.cos(np.arange(y.size, dtype=np.float32)).reshape(y.shape)
        with chainer.using_config('enable_backprop', False):
            gradients = y.creator.backward(indexes, (chainer.Variable(gy),))
        for i, gradient in zip(indexes, gradients):
            np.testing.assert_array_equal(gradient.array, expected[i])


def test_gradients_of_gradients():
    def second_derivative(cnn):
        x = chainer.Variable(numbers(2, 3, 20, 20))
        y = F.sum(cnn(x) ** 2)
        gx, = chainer.grad([y], [x], enable_double_backprop=True)
        cnn.cleargrads()
        F.sum(gx ** 2).backward()
        return [param.grad for _, param in sorted(cnn.namedparams()) if param.grad is not None]

    np.random.seed(0)
    cnn = net.CNN((20, 20))
    assert_equal_but_for_rounding(second_derivative(cnn), plainly(second_derivative, cnn))


def test_the_number_of_threads_changes_no_convolution():
    link, x = convolution(3, 20), numbers(21, 3, 15, 18)
    results = []
    try:
        for n in 1, 2, 5:
            threads.use(n)
            results.append(apply(conv_pool.conv_pool, x, link))
    finally:
        threads.use(None)
    for other in results[1:]:
        for one, two in zip(results[0], other):
            np.testing.assert_array_equal(one, two)


def train(pictures, ratings, n_steps=40):
    np.random.seed(0)
    model = net.RankNet(net.CNN((20, 20)), (20, 20), 1 / 255)
    optimizer = fused_adam.Adam().setup(model)
    for _ in range(n_steps):
        optimizer.update(model.loss_of_all_pairs, model.scale(pictures), ratings)
    return model


def test_after_many_steps_scores_are_those_of_chainer(pictures, ratings):
    # Rounding errors grow from step to step.  How far, Chainer itself shows with the same pictures
    # in another order: the loss is the same but for the order of its sums.
    theirs = plainly(train, pictures, ratings)
    turned = plainly(train, pictures[::-1], ratings[::-1])
    scores, rounding = (plainly(model.score, pictures) for model in (theirs, turned))
    tolerance = max(10 * abs(scores - rounding).max(), 1e-4 * np.ptp(scores))
    assert tolerance < .1 * np.ptp(scores)
    np.testing.assert_allclose(train(pictures, ratings).score(pictures), scores, atol=tolerance)


def test_a_pickled_model_does_not_mention_the_kernels(tmp_path, pictures, ratings):
    path = tmp_path / 'model.pkl'
    model_file.save(path, train(pictures, ratings, 1))
    for module in b'conv_pool', b'kernels', b'vectors', b'fused_adam', b'threads', b'numba':
        assert module not in path.read_bytes()
    with open(path, 'rb') as f:
        assert isinstance(pickle.load(f), net.RankNet)


def test_commands_work_without_numba(run, rated_files, pictures):
    (rated_files / 'sitecustomize.py').write_text(
        "import sys; sys.modules['numba'] = None; open('was_here', 'w')")
    options = ['X.npy', 'ratings.txt', '--n_iter', 5, '-op', 'pred.txt']
    env = {'PYTHONPATH': str(rated_files), 'PATH': '', 'SYSTEMROOT': ''}
    done = run('train.py', *options, env=env)
    assert done.returncode == 0, done.stderr
    assert (rated_files / 'was_here').exists()
    without = np.loadtxt(rated_files / 'pred.txt')
    assert run('train.py', *options).returncode == 0
    np.testing.assert_allclose(np.loadtxt(rated_files / 'pred.txt'), without, rtol=1e-3, atol=1e-4)


def test_kernels_are_compiled_once_with_a_note(run, rated_files, tmp_path):
    np.random.seed(0)
    model_file.save(rated_files / 'model.pkl', net.RankNet(net.CNN((20, 20)), (20, 20), 1 / 255))
    env = dict(os.environ, NUMBA_CACHE_DIR=str(tmp_path / 'cache'))
    first, second = (run('predict.py', 'model.pkl', 'X.npy', env=env).stderr for _ in range(2))
    assert first.count('compiling') == 1 and 'compiling' not in second
