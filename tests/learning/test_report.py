import csv

import numpy as np
import pytest
from PIL import Image

from picture_ranknet.learning import report
from picture_ranknet.storage import tables


def read(path):
    with open(path, newline='') as f:
        return list(csv.DictReader(f))


def halves(rated):
    return rated._replace(rows=np.arange(0, 30, 2)), rated._replace(rows=np.arange(1, 30, 2))


def test_metrics_are_written_with_intervals_for_held_out_pictures(tmp_path, rated, notes):
    train, valid = halves(rated)
    noise = np.random.default_rng(0).normal(size=15)
    report.write(tmp_path, train, valid, train.ratings[train.rows],
                 valid.ratings[valid.rows] + noise, 10, notes.append)
    rows = {(row['pictures'], row['metric']): row for row in read(tmp_path / 'metrics.csv')}
    assert len(rows) == 10
    assert rows['train', 'pair accuracy'] == {
        'pictures': 'train', 'metric': 'pair accuracy', 'value': '1.0000', 'low': '', 'high': ''}
    for metric in 'NDCG@10', 'pair accuracy', 'Kendall tau', 'Spearman', 'Pearson':
        low, value, high = (float(rows['valid', metric][name]) for name in ('low', 'value', 'high'))
        assert low < value < high
    assert notes[0].startswith('held out, 15 pictures, with 95 % intervals: NDCG@10 0.')
    assert f"| Spearman {float(rows['valid', 'Spearman']['value']):.3f} (" in notes[0]


def test_held_out_pictures_are_drawn_in_both_orders(tmp_path, rated, notes):
    train, valid = halves(rated)
    report.write(tmp_path, train, valid, train.ratings[train.rows], np.arange(15.), 10,
                 notes.append)
    with Image.open(tmp_path / 'held_out.png') as image:
        assert image.size[0] == 2 * 24 + 15 * (80 + 8) - 8


def test_without_held_out_pictures_nothing_is_noted(tmp_path, rated, notes):
    (tmp_path / 'held_out.png').touch()  # of another run
    report.write(tmp_path, rated, None, rated.ratings, None, 10, notes.append)
    assert [row['pictures'] for row in read(tmp_path / 'metrics.csv')] == ['train'] * 5
    assert not (tmp_path / 'held_out.png').exists() and not notes


def measured(train, valid, low, high):
    return [report.Row('train', 'pair accuracy', train),
            report.Row('valid', 'pair accuracy', valid, low, high)]


@pytest.mark.parametrize('n, rows, words', [
    (20, measured(.85, .8, .75, .85), []),
    (19, measured(1, 1, 1, 1), ['too few held-out pictures to tell']),
    (20, measured(.85, .8, .69, .91), ['too few held-out pictures to tell']),
    (20, measured(.85, .8, np.nan, np.nan), ['too few held-out pictures to tell']),
    (20, measured(1, .8, .75, .85), ['overfitting: 100% of the training pairs are in']),
    (20, measured(1, .6, .3, .9), ['too few held-out pictures to tell', 'overfitting']),
])
def test_what_is_warned_of(n, rows, words):
    warnings = list(report.warnings_of(rows, n))
    assert len(warnings) == len(words)
    for warning, expected in zip(warnings, words):
        assert expected in warning


def log_of(*accuracies):
    return [{'iteration': step, 'train/pair_accuracy': train, 'valid/pair_accuracy': valid}
            for step, (train, valid) in enumerate(accuracies, 1)]


@pytest.mark.parametrize('log, high, warns', [
    ([], .82, False),
    ([{'iteration': 1, 'train/pair_accuracy': .5}], .82, False),
    (log_of((.6, .7), (.7, .8), (.8, .79)), .805, False),
    (log_of((.6, .7), (.7, .8), (.6, .75)), .82, False),  # neither gets better
    (log_of((.6, .7), (.7, .8), (.9, .75)), .82, True),
    (log_of((.6, .7), (.7, .8), (.9, .75)), .86, False),  # may be chance
    (log_of((.6, .7), (.7, .8), (.9, .75)), np.nan, False),
])
def test_a_fall_of_held_out_pictures_is_noted(notes, log, high, warns):
    report.warn_if_fallen(log, measured(.7, .8, 1.6 - high, high), notes.append)
    assert len(notes) == (1 if warns else 0)
    if warns:
        assert notes[0] == (
            'warning: from step 2 to 3, the pair accuracy of held-out pictures fell from 0.800 to '
            '0.750 while that of training pictures rose; the saved model is that of step 2')


def write_table(path, sizes):
    tables.write_table(path, ['row', 'w', 'h'], [(n, size, 2 * size) for n, size in
                                                enumerate(sizes)])


def test_ratings_that_correlate_with_size_are_noted(tmp_path, rated, notes):
    write_table(tmp_path / 'X.csv', 100 - 10 * rated.ratings)
    report.warn_of_confounders(tmp_path / 'X.npy', rated, notes.append)
    assert notes == ['warning: ratings correlate with the size of the crops in their frames '
                     '(Spearman -1.00): the network may learn that instead of your taste']


def test_ratings_that_correlate_with_sharpness_are_noted(tmp_path, rated, notes):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, rated.X.shape)
    for picture, rating in zip(X, rated.ratings):
        side = int(6 - rating)  # the better rated, the finer
        picture[...] = picture[:, ::side, ::side].repeat(side, 1).repeat(side, 2)[:, :20, :20]
    report.warn_of_confounders(tmp_path / 'X.npy', rated._replace(X=X.astype(np.uint8)),
                               notes.append)
    assert len(notes) == 1
    assert 'ratings correlate with the sharpness of the pictures (Spearman 0.9' in notes[0]


@pytest.mark.parametrize('write', [
    lambda path: None,
    lambda path: write_table(path, np.random.default_rng(1).integers(50, 90, 30)),
    lambda path: write_table(path, range(3)),
    lambda path: write_table(path, ['nan', *range(29)]),
    lambda path: write_table(path, ['1e200', *range(29)]),
    lambda path: path.write_text('x\n' * 31),
    lambda path: path.write_bytes(b'\xff\xfe\x00'),
])
def test_nothing_is_noted_where_nothing_is_known_or_related(tmp_path, rated, notes, write):
    write(tmp_path / 'X.csv')
    report.warn_of_confounders(tmp_path / 'X.npy', rated, notes.append)
    assert not notes


def test_few_ratings_that_correlate_by_chance_are_no_reason_to_warn(tmp_path, rated, notes):
    few = rated._replace(rows=np.array([0, 1, 2, 3, 4]))
    write_table(tmp_path / 'X.csv', 10 * rated.ratings)
    report.warn_of_confounders(tmp_path / 'X.npy', few, notes.append)
    assert not notes


def test_a_blurred_picture_is_less_sharp_whatever_its_contrast():
    rng = np.random.default_rng(0)
    sharp = rng.random((3, 40, 40))
    blurred = (sharp + np.roll(sharp, 1, 1) + np.roll(sharp, 1, 2)) / 3
    assert report.measure_sharpness(blurred) < .7 * report.measure_sharpness(sharp)
    assert report.measure_sharpness(7 + sharp / 9) == pytest.approx(
        report.measure_sharpness(sharp))
    assert report.measure_sharpness(np.full((3, 9, 9), 4, np.uint8)) == 0


def test_of_a_model_that_is_solved_exactly_only_what_was_held_out_counts():
    assert not list(report.warnings_of(measured(1, .7, .65, .75), 20, has_steps=False))
    warning, = report.warnings_of(measured(1, .7, .5, .9), 20, is_once=False, has_steps=False)
    assert warning.endswith('how good the ranking is; rate more')
