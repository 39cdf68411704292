import importlib.util

import numpy as np
import pytest

import usual_faces
from picture_ranknet.models import efficientnet, efficientnet_chain, glance

needs_weights = pytest.mark.skipif(importlib.util.find_spec(efficientnet.PACKAGE) is None,
                                   reason=f'needs {efficientnet.PACKAGE}')


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (5, 3, 4, 4))
    return np.kron(small, np.ones((1, 1, 20, 20))).astype(np.uint8)


def missing():
    raise efficientnet.MissingWeights('no weights')


@pytest.mark.parametrize('find_weights', [
    pytest.param(None, marks=needs_weights), missing])
def test_pictures_are_told_apart_in_any_batch(pictures, monkeypatch, find_weights):
    if find_weights:
        monkeypatch.setattr(efficientnet, 'weights_path', find_weights)
    see = glance.open_eye()
    seen = see(pictures)
    assert seen.shape == (5, glance.SIZE) and seen.dtype == np.float32
    np.testing.assert_allclose(see(pictures[2:3]), seen[2:3], atol=1e-4)
    distances = np.linalg.norm(seen[:, None] - see(pictures // 8 * 8), axis=2)
    assert distances.argmin(axis=1).tolist() == [0, 1, 2, 3, 4]


@needs_weights
def test_the_network_sees_the_means_of_its_last_stage(pictures):
    network = efficientnet_chain.load(efficientnet.weights_path())
    x = (np.kron(pictures[:1, :, ::20, ::20], np.ones((1, 1, 40, 40))) - 127) / 128
    expected = network(x.astype(np.float32))[-2].array.mean(axis=(2, 3))
    large = np.kron(pictures[:1, :, ::20, ::20], np.ones((1, 1, 40, 40))).astype(np.uint8)
    np.testing.assert_allclose(glance.open_eye()(large), expected, atol=1e-3)


@needs_weights
def test_faces_are_compared_with_usual_ones(pictures):
    raw, seen = glance.open_raw_eye()(pictures), glance.open_eye_for_faces()(pictures)
    assert raw.shape == seen.shape == (5, glance.LOOK)
    np.testing.assert_allclose(raw[:, :glance.SIZE], glance.open_eye()(pictures), atol=1e-5)
    np.testing.assert_allclose(np.square(seen).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.square(seen[:, :glance.SIZE]).sum(axis=1), .5, rtol=1e-5)
    center, deviation = np.load(glance.USUAL).astype(np.float32)
    np.testing.assert_allclose(np.sign(seen), np.sign(raw - center))
    assert (deviation > 0).all()


@needs_weights
def test_usual_faces_are_measured(pictures, tmp_path):
    np.save(tmp_path / 'X.npy', pictures)
    usual_faces.main([str(tmp_path / 'X.npy'), str(tmp_path / 'usual.npy')])
    usual, shipped = np.load(tmp_path / 'usual.npy'), np.load(glance.USUAL)
    raw = glance.open_raw_eye()(pictures)
    np.testing.assert_allclose(usual, [raw.mean(axis=0), raw.std(axis=0)], rtol=1e-3, atol=1e-4)
    assert (usual.shape, usual.dtype) == (shipped.shape, shipped.dtype)
