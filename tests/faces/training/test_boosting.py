import itertools

import cv2
import numpy as np
import pytest

from picture_ranknet.faces.training import boosting, lbp
from picture_ranknet.faces.training.lbp import Cascade
from picture_ranknet.faces.training.settings import Goal
from support.drawn_faces import draw_face


def test_a_weak_classifier_is_the_best_of_all():
    rng = np.random.default_rng(0)
    used = [3, 17, 64, 200, 255]
    faces, others = (rng.choice(used, n, p=p) for n, p in [
        (40, [.5, .1, .2, .1, .1]), (60, [.1, .3, .2, .3, .1])])
    w, v = rng.uniform(.1, 1, 40), rng.uniform(.1, 1, 60)
    w, v = w / (w.sum() + v.sum()), v / (w.sum() + v.sum())

    def error(subset, pair):
        return ((w * (1 - np.where(np.isin(faces, subset), *pair)) ** 2).sum()
                + (v * (-1 - np.where(np.isin(others, subset), *pair)) ** 2).sum())

    def means(subset):
        return [(w[a].sum() - v[b].sum()) / (w[a].sum() + v[b].sum())
                for a, b in [(np.isin(faces, subset), np.isin(others, subset)),
                             (~np.isin(faces, subset), ~np.isin(others, subset))]]

    subset, pair = boosting.weak_classifier(faces.astype(np.uint8), others.astype(np.uint8), w, v)
    chosen = [code for code in used if subset[code]]
    np.testing.assert_allclose(pair, means(chosen), rtol=1e-5)
    every = [list(codes) for n in range(1, 5) for codes in itertools.combinations(used, n)]
    assert error(chosen, pair) == pytest.approx(
        min(error(codes, means(codes)) for codes in every), rel=1e-5)


def test_a_weak_classifier_by_hand():
    faces, others = np.array([1, 1, 2], np.uint8), np.array([2, 3], np.uint8)
    subset, pair = boosting.weak_classifier(faces, others, np.full(3, .2), np.full(2, .2))
    # Codes 2 and 3, of labels 1, -1 and -1, against code 1: 1 / 9 * .6 + 1 * .4 are explained,
    # more than by code 3 against the others, where it is 1 * .2 + 1 / 4 * .8.
    assert subset[[1, 2, 3]].tolist() == [False, True, True]
    assert pair.tolist() == pytest.approx([-1 / 3, 1]) and pair.dtype == np.float32


def test_an_uninformative_feature_votes_with_the_mean_label():
    code = np.full(3, 7, np.uint8)
    subset, pair = boosting.weak_classifier(code, code[:1], np.full(3, .25), np.full(1, .25))
    assert pair[0 if subset[7] else 1] == .5 and np.isfinite(pair).all()


def test_only_samples_of_large_weight_are_learnt_from():
    weights = [np.array([.5, .02, .2]), np.array([.01, .26, .01])]
    assert [part.tolist() for part in boosting.trim(weights, .95)] == [[0, 2], [1]]
    assert [part.tolist() for part in boosting.trim(weights, 1)] == [[0, 1, 2], [0, 1, 2]]


@pytest.mark.parametrize('hit_rate, threshold', [(1, 1), (.89, 2), (.75, 3), (.71, 3), (.5, 6)])
def test_a_threshold_lets_enough_faces_pass(hit_rate, threshold):
    sums = np.array([5, 3, 1, 9, 7, 10, 8, 6, 4, 2.])
    assert boosting.threshold_for(sums, hit_rate) == threshold


def test_a_stage_does_on_held_out_windows_what_it_reports():
    rng = np.random.default_rng(1)
    faces = np.array([cv2.resize(draw_face(rng), (24, 24), interpolation=cv2.INTER_AREA)
                      for _ in range(300)])
    others = rng.integers(0, 256, (300, 24, 24), np.uint8)
    features = lbp.all_features(24, 24)[::40]
    stage, hits, alarms = boosting.train_stage(
        features, lbp.codes_of(faces[100:], features),
        lbp.codes_of(others[100:], features), faces[:100], others[:100],
        Goal(.97, .1, 30, .5), rng)
    passed = [np.mean(Cascade(24, 24, [stage]).evaluate(windows[:100])[0])
              for windows in (faces, others)]
    assert passed == [hits, alarms]
    assert hits >= .97 and alarms <= .1 and 1 <= len(stage.features) < 30
    assert (abs(stage.leaves) <= 1).all()


def slow_stage(codes, labels, n):
    """Gentle AdaBoost over all features again, split by split; returns features and votes."""
    weights = np.where(labels > 0, .5 / (labels > 0).sum(), .5 / (labels < 0).sum())
    chosen, votes = [], []
    for _ in range(n):
        heavy = np.sort(weights)[np.cumsum(np.sort(weights)) >= .01 * weights.sum()].min()
        errors = []
        for row in codes:
            kept = weights >= heavy
            errors.append(fit(row[kept], labels[kept], weights[kept])[0])
        chosen.append(int(np.argmin(errors)))
        _, low = fit(codes[chosen[-1]], labels, weights)
        inside = np.isin(codes[chosen[-1]], low)
        vote = np.where(inside, *[np.average(labels[part], weights=weights[part])
                                  for part in (inside, ~inside)])
        votes.append(vote)
        weights = weights * np.exp(-labels * vote)
        weights /= weights.sum()
    return chosen, votes


def fit(row, labels, weights):
    """The smallest squared error of two votes, and the codes that get the lower one."""
    def mean(codes):
        part = np.isin(row, codes)
        return np.average(labels[part], weights=weights[part])

    order = sorted(set(row.tolist()), key=lambda code: mean([code]))
    best = np.inf, None
    for cut in range(1, len(order)):
        vote = np.where(np.isin(row, order[:cut]), mean(order[:cut]), mean(order[cut:]))
        best = min(best, ((weights * (labels - vote) ** 2).sum(), order[:cut]),
                   key=lambda found: found[0])
    return best


def test_boosting_agrees_with_a_slow_second_implementation():
    rng = np.random.default_rng(3)
    windows = np.array([cv2.GaussianBlur(window, (0, 0), 1.5)
                        for window in rng.integers(0, 256, (300, 12, 12), np.uint8)])
    windows[:100, 5:8, 4:9] -= np.minimum(windows[:100, 5:8, 4:9], 40)
    features = lbp.all_features(12, 12)[::60]
    codes = lbp.codes_of(windows, features)
    stage, _, _ = boosting.train_stage(
        features, codes[:, :100], codes[:, 100:], windows[:100], windows[100:],
        Goal(.9, -1, 4, 1), rng)
    chosen, votes = slow_stage(codes, np.where(np.arange(300) < 100, 1, -1), 4)
    assert stage.features.tolist() == features[chosen].tolist()
    for index, vote, subset, leaves in zip(chosen, votes, stage.subsets, stage.leaves):
        np.testing.assert_allclose(np.where(subset[codes[index]], *leaves), vote, rtol=1e-5)


def test_a_stage_respects_its_maximum_size_and_a_hit_rate_of_one():
    rng = np.random.default_rng(4)
    windows = rng.integers(0, 256, (200, 9, 9), np.uint8)  # faces look like the others
    features = lbp.all_features(9, 9)
    codes = lbp.codes_of(windows, features)
    stage, hits, alarms = boosting.train_stage(
        features, codes[:, :50], codes[:, 50:100], windows[100:150], windows[150:],
        Goal(1, .01, 4, .5), rng)
    assert len(stage.features) == len(stage.subsets) == len(stage.leaves) == 4
    assert hits == 1 and alarms > .5
