"""Which of many faces differ most."""
import os

import numpy as np
import pytest

from picture_ranknet.faces.choice import BLURRED, KEPT, LIKE_OTHERS
from picture_ranknet.faces.variety import LEAST_WEIGHT, pick, thin_out, weigh
from picture_ranknet.models import efficientnet
from support.face_samples import face
from support.media_samples import read, save_picture

COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]


@pytest.fixture
def no_weights(monkeypatch):
    """As if the network's package were not installed."""
    def weights_path():
        raise efficientnet.MissingWeights('no weights')

    monkeypatch.setattr(efficientnet, 'weights_path', weights_path)


def groups(n_groups, n, seed=0):
    """Numbers of ``n`` pictures of each group, which are much alike, float32."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(n_groups, 1, 20))
    return (centers + .05 * rng.normal(size=(n_groups, n, 20))).reshape(-1, 20).astype(np.float32)


def test_one_of_each_group_comes_before_a_second_of_any():
    picked = pick(groups(7, 9), np.ones(63), 14)
    assert sorted(picked[:7] // 9) == list(range(7))
    assert len(set(picked)) == 14


def test_of_a_group_the_best_is_picked():
    weights = np.full(63, .9)
    weights[4::9] = 1
    assert sorted(pick(groups(7, 9), weights, 7)) == list(range(4, 63, 9))


def test_groups_already_in_the_set_come_last():
    seen = groups(7, 9)
    picked = pick(np.concatenate([seen[::9][:5], seen]), np.ones(63), 2)
    assert sorted(picked // 9) == [5, 6]


def test_pictures_that_are_all_the_same_can_be_picked_from():
    assert pick(np.ones((9, 4), np.float32), np.ones(9), 3).tolist() == [0, 1, 2]


def test_weights_rank_by_confidence_and_by_sharpness():
    faces = [face(confidence=votes, sharpness=levels)
             for votes, levels in ((1, 10), (2, 20), (3, 30), (4, 40))]
    weights = weigh(faces)
    assert weights[0] < weights[1] <= weights[2] == weights[3] == 1
    assert LEAST_WEIGHT < weights[0]
    assert weigh([face(confidence=None)] * 3).tolist() == [1, 1, 1]
    larger = weigh([face(side=20), face(side=90)])
    assert larger[0] < larger[1]


def shades(rng, colour):
    return np.clip(np.full((3, 16, 16), 0) + np.reshape(colour, (3, 1, 1))
                   + rng.integers(-3, 4, (3, 16, 16)), 0, 255).astype(np.uint8)


def test_what_is_not_kept_is_marked_as_like_others(no_weights):
    rng = np.random.default_rng(0)
    crops = np.array([shades(rng, colour) for colour in COLOURS for _ in range(4)])
    faces = [face(10 * i) for i in range(12)]
    reasons = [KEPT] * 11 + [BLURRED]
    notes, steps = [], []
    result = thin_out(faces, reasons, crops, 3, crops[:0], notes.append,
                      lambda *step: steps.append(step))
    kept = [i for i, reason in enumerate(result) if reason == KEPT]
    assert [i // 4 for i in kept] == [0, 1, 2] and result.count(LIKE_OTHERS) == 8
    assert result[11] == BLURRED and steps[-1] == (11, 11)
    assert notes == ['no weights; until then pictures are compared by gradients and colours only']
    assert thin_out(faces, reasons, crops, 11, crops[:0]) == reasons

    one_more = thin_out(faces, reasons, crops, 9, crops[:8])
    assert [i // 4 for i, reason in enumerate(one_more) if reason == KEPT] == [2]
    assert KEPT not in thin_out(faces, reasons, crops, 8, crops[:8])


def save_shades(folder, n):
    rng = np.random.default_rng(0)
    os.makedirs(folder)
    for i in range(n):
        colour = tuple((COLOURS[i % 3] + rng.integers(-9, 9, 3)).tolist())
        save_picture(os.path.join(folder, f'{i}.png'), colour)


def test_the_set_has_as_many_as_asked_for(crop, tmp_path, no_weights):
    save_shades('in', 9)
    options = ['in', '--no_faces', '--keep_duplicates', '--most', 3, '--dropped', 'd']
    out, err, status = crop(*options)
    assert 'dropped: 6 like others' in out and status == 0
    assert os.listdir('d') == ['like_others.png']
    X, rows = read()
    assert sorted(x[:, 9, 9].argmax() for x in X) == [0, 1, 2]
    assert [int(row['source'][3]) for row in rows] == sorted(int(row['source'][3]) for row in rows)
    before = (tmp_path / 'X.npy').read_bytes()
    crop(*options, '--force')
    assert (tmp_path / 'X.npy').read_bytes() == before


def test_as_many_are_appended_as_are_missing(crop, tmp_path, no_weights):
    save_shades('in', 9)
    save_picture(tmp_path / 'a.png', COLOURS[1])
    options = ['--no_faces', '--keep_duplicates']
    crop('a.png', *options)
    assert crop('in', *options, '--append', '--most', 3)[2] == 0
    X, rows = read()
    assert rows[0]['source'] == 'a.png' and sorted(x[:, 9, 9].argmax() for x in X) == [0, 1, 2]
    _, err, status = crop('in', *options, '--append', '--most', 3)
    assert 'none of 9 faces is kept: 9 like others (the set has 3 already; see --most)' in err
    assert status == 1
