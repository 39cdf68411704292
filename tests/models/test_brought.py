"""Networks that a person brings: small ones, made here."""
import json

import numpy as np
import pytest

from picture_ranknet.learning import taste
from picture_ranknet.models import brought, model_file, wanted
from picture_ranknet.pictures import descriptor
from support.errors import error_of

pytest.importorskip('onnxruntime', reason='needs onnxruntime: pip install -e ".[onnx]"')
onnx = pytest.importorskip('onnx', reason='needs onnx: pip install -e ".[test]"')

from onnx import TensorProto, helper, numpy_helper  # noqa: E402


def save(path, nodes, weights, shape, outputs, metadata=()):
    """Write a network whose input is ``x`` and whose outputs have these numbers of axes."""
    graph = helper.make_graph(
        nodes, 'network', [helper.make_tensor_value_info('x', TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * n)
         for name, n in outputs.items()],
        [numpy_helper.from_array(np.asarray(array, dtype), name)
         for name, (array, dtype) in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    helper.set_model_props(model, dict(metadata))
    onnx.save(model, path)
    return str(path)


def convolution(path, shape=('n', 3, 8, 8), **metadata):
    """Maps of 4 channels, twice and the mean of red, green and blue, as maps and as a vector."""
    W = np.zeros((4, 3, 1, 1))
    W[[0, 1, 2], [0, 1, 2]] = 2
    nodes = [helper.make_node('Conv', ['x', 'W'], ['maps']),
             helper.make_node('GlobalAveragePool', ['maps'], ['pooled']),
             helper.make_node('Flatten', ['pooled'], ['vector'])]
    return save(path, nodes, {'W': (W, np.float32)}, shape, {'maps': 4, 'vector': 2},
                metadata.items())


def transformer(path):
    """Patches of 4 x 4 as tokens, and one head of attention; channel last, four at a time."""
    rng = np.random.default_rng(0)
    weights = {'W': (rng.normal(size=(48, 6)), np.float32), 'Q': (rng.normal(size=(6, 6)), 'f4'),
               'cut': ([4, 2, 4, 2, 4, 3], np.int64), 'flat': ([4, 4, 48], np.int64)}
    nodes = [helper.make_node('Reshape', ['x', 'cut'], ['cells']),
             helper.make_node('Transpose', ['cells'], ['moved'], perm=[0, 1, 3, 2, 4, 5]),
             helper.make_node('Reshape', ['moved', 'flat'], ['patches']),
             helper.make_node('MatMul', ['patches', 'W'], ['h']),
             helper.make_node('MatMul', ['h', 'Q'], ['q']),
             helper.make_node('Transpose', ['h'], ['k'], perm=[0, 2, 1]),
             helper.make_node('MatMul', ['q', 'k'], ['scores']),
             helper.make_node('Softmax', ['scores'], ['attention'], axis=-1),
             helper.make_node('MatMul', ['attention', 'h'], ['tokens'])]
    return save(path, nodes, weights, [4, 8, 8, 3], {'tokens': 3})


@pytest.fixture
def grey_and_red():
    """A picture that is all (51, 51, 51), and one that is all (255, 0, 0)."""
    X = np.full((2, 3, 8, 8), 51, np.uint8)
    X[1] = np.array([255, 0, 0])[:, None, None]
    return X


def test_a_convolution_sees_means_and_deviations_by_hand(tmp_path, grey_and_red):
    path = convolution(tmp_path / 'c.onnx', mean='0.2, 0.2, 0.2', std='[0.5 0.5 0.5]')
    eye = brought.Sight(path)
    assert eye.wanted[:4] == (8, 8, (.2,) * 3, (.5,) * 3)
    seen = eye.see(grey_and_red)
    # Grey is .2 of white, so 0; red is (.8 / .5, -.2 / .5, -.2 / .5); the network doubles it.
    expected = [[0] * 12, [3.2, -.8, -.8, 0, 0, 0, 0, 0, 3.2, -.8, -.8, 0]]
    np.testing.assert_allclose(seen[:, :12], expected, atol=1e-5)
    np.testing.assert_array_equal(seen[:, 12:], descriptor.describe(grey_and_red))
    assert eye.sizes == {'network': 12, 'look': 1956}


def test_tokens_of_a_transformer_in_batches_of_its_own_size(tmp_path):
    rng = np.random.default_rng(1)
    X = rng.integers(0, 256, (5, 3, 8, 8), np.uint8)
    notes = []
    eye = brought.Sight(transformer(tmp_path / 't.onnx'), note=notes.append)
    seen = eye.see(X)
    assert seen.shape == (5, 12 + 1956) and 'does not say how pixels are scaled' in notes[0]
    np.testing.assert_allclose(eye.see(X[3:4]), seen[3:4], atol=1e-5)
    np.testing.assert_allclose(eye.see(X[:1, :, :, ::-1]), seen[:1], atol=1e-4)  # mirrored


def test_what_lies_beside_a_network_says_how_it_wants_pictures(tmp_path, grey_and_red):
    path = convolution(tmp_path / 'c.onnx', ['n', 3, 'h', 'w'])
    (tmp_path / 'preprocessor_config.json').write_text(json.dumps({
        'size': {'shortest_edge': 16}, 'crop_size': {'height': 12, 'width': 10},
        'image_mean': [0, 0, 0], 'image_std': [1, 1, 1]}))
    assert brought.Sight(path).wanted[:4] == (12, 10, (0.,) * 3, (1.,) * 3)
    asked = wanted.asked(6, (.5,) * 3, (2.,) * 3)
    assert brought.Sight(path, asked).wanted[:4] == (6, 6, (.5,) * 3, (2.,) * 3)


@pytest.mark.parametrize('make, words', [
    (lambda path: path.write_bytes(b'no network'), 'expected an ONNX network'),
    (lambda path: convolution(path, [1, 3, 4096, 8]), 'sides of at most 2048 pixels'),
    (lambda path: convolution(path, std='0 1 1'), 'expected a deviation above 0'),
    (lambda path: convolution(path, mean='red'), 'expected three numbers, of red, green and blue'),
    (lambda path: save(path, [helper.make_node('Identity', ['x'], ['y'])], {}, ['n', 3],
                       {'y': 2}), 'expected pictures as input'),
])
def test_what_is_no_such_network_is_said(tmp_path, make, words):
    make(tmp_path / 'c.onnx')
    assert words in error_of(brought.Sight, str(tmp_path / 'c.onnx'))


def test_a_model_remembers_its_network_and_refuses_another(tmp_path, monkeypatch, grey_and_red):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(brought, 'opened', {})
    eye = brought.open_network(convolution('c.onnx', mean='0 0 0', std='1 1 1'))
    X = grey_and_red.repeat(2, 2).repeat(2, 3)
    model = taste.make((16, 16), 1 / 255, network=eye)
    model.predictor.l.W.array[0, :4] = 1, 0, 0, 0
    scores = model.score(X)
    assert scores[1] > scores[0]
    model_file.save('model.pkl', model)
    brought.opened.clear()
    np.testing.assert_array_equal(model_file.load('model.pkl').score(X), scores)

    (tmp_path / 'else').mkdir()
    (tmp_path / 'c.onnx').rename('else/c.onnx')
    brought.opened.clear()
    assert 'was trained with the network c.onnx' in error_of(model_file.load, 'model.pkl')
    model_file.load('model.pkl', ['else/c.onnx'])
    brought.opened.clear()
    convolution('c.onnx', mean='0 0 0.5', std='1 1 1')
    assert 'got c.onnx, which differs' in error_of(model_file.load, 'model.pkl')


def test_train_and_predict_with_a_network_of_ones_own(run_here, rated_files, monkeypatch):
    monkeypatch.setattr(brought, 'opened', {})
    convolution('c.onnx', ['n', 3, 'h', 'w'])
    done = run_here('train.py', 'X.npy', 'ratings.txt', '--pretrained', 'c.onnx',
                    '--pretrained_size', 20)
    assert done.returncode == 0 and 'does not say how pixels are scaled' in done.stderr
    brought.opened.clear()
    done = run_here('predict.py', 'model.pkl', 'X.npy', '--ratings', 'ratings.txt', '-o', 'p.txt')
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split('pair accuracy: ')[1].split()[0]) > .95
    np.testing.assert_allclose(np.loadtxt('p.txt'), np.loadtxt('pred.txt'), atol=1e-3)
    assert run_here('train.py', 'X.npy', 'ratings.txt', '--arch', 'cnn', '--pretrained',
                    'c.onnx').returncode == 2
