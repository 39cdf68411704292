"""``train.py --arch pretrained``, and the other commands on its models."""
import csv
import os

import numpy as np
import pytest

import metrics
import predict
import train
from learning.test_taste import draw
from models.test_efficientnet import needs_weights
from picture_ranknet.errors import InputError
from picture_ranknet.models import efficientnet, model_file, sight

pytestmark = needs_weights


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """80 pictures, of which 50 are rated."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(efficientnet, 'SIDE', 64)  # for speed
    X, ratings = draw(80)
    np.save('X.npy', X)
    ratings[50:] = np.nan
    np.savetxt('r.txt', ratings)
    return tmp_path


def run_train(*options):
    train.main(['X.npy', 'r.txt', '--arch', 'pretrained', '--threads', '1', *map(str, options)])


def scores(path='pred.txt'):
    return np.loadtxt(path)


def test_unseen_pictures_are_ranked(capsys, folder):
    run_train()
    assert metrics.spearman(draw(80)[1][50:], scores()[50:]) > .85
    assert capsys.readouterr().out.startswith('NDCG@100 | train: 0.9')
    assert (folder / 'model.pkl').stat().st_size < 300000
    np.save('X_test.npy', draw(30, 1)[0])
    predict.main(['model.pkl', 'X_test.npy', '-o', 'test.txt', '--csv', 'test.csv'])
    assert metrics.spearman(draw(30, 1)[1], scores('test.txt')) > .85


def test_pictures_are_looked_at_once(monkeypatch):
    run_train()
    expected = scores()
    monkeypatch.setattr(sight.Sight, 'see', lambda self, pictures: 1 / 0)
    run_train()
    predict.main(['model.pkl', 'X.npy', '-o', 'again.txt'])
    np.testing.assert_array_equal(scores(), expected)
    np.testing.assert_array_equal(scores('again.txt'), expected)


def test_held_out_pictures_are_measured(capsys):
    run_train('--valid_ratio', .3)
    out, err = capsys.readouterr()
    assert out.startswith('NDCG@100 | train: ') and ' | valid: ' in out
    assert 'held out, 15 pictures, with 95 % intervals' in err
    with open('result/metrics.csv', newline='', encoding='utf-8') as f:
        assert {row['pictures'] for row in csv.DictReader(f)} == {'train', 'valid'}


def test_without_such_each_is_held_out_in_turn(capsys):
    run_train()
    out, err = capsys.readouterr()
    assert out.startswith('NDCG@100 | train: ') and ' | valid: ' in out
    assert 'cross-validation, 50 pictures, with 95 % intervals' in err
    assert 'overfitting' not in err
    with open('result/metrics.csv', newline='', encoding='utf-8') as f:
        assert {row['pictures'] for row in csv.DictReader(f)} == {'train', 'valid'}


def test_three_ratings_that_leave_nothing_to_rank_are_no_error():
    np.savetxt('r.txt', [1, 1, 5, *[np.nan] * 77])
    run_train()


def test_features_ensembles_mirrors_and_explanations_work(folder):
    np.save('F.npy', np.random.default_rng(0).normal(size=(80, 2)))
    run_train('-om', 'plain.pkl')
    run_train('--features', 'F.npy')
    predict.main(['plain.pkl', 'X.npy', '--ensemble', 'model.pkl', '--features', 'F.npy',
                  '--mirror', '--explain', 'e.png', '--explain_n', '1'])
    assert (folder / 'e.png').exists()


def test_a_model_of_others_is_a_start():
    run_train('-om', 'others.pkl')
    own = draw(80)[1]
    own[4:] = np.nan
    np.savetxt('r.txt', own)
    run_train('--initmodel', 'others.pkl')
    assert metrics.spearman(draw(80)[1][50:], scores()[50:]) > .85


def test_without_the_network_one_note_says_what_is_lost(monkeypatch, capsys):
    monkeypatch.setattr(efficientnet, 'PACKAGE', 'no_such_package')
    run_train()
    assert capsys.readouterr().err.count('pip install no_such_package') == 1
    assert metrics.spearman(draw(80)[1][50:], scores()[50:]) > .6


def test_a_model_is_refused_without_its_network(monkeypatch, capsys):
    run_train()
    monkeypatch.setattr(efficientnet, 'PACKAGE', 'no_such_package')
    sight.get.cache_clear()
    with pytest.raises((SystemExit, InputError)):
        predict.main(['model.pkl', 'X.npy'])


@pytest.mark.parametrize('options', [
    ['--unrated', 'X.npy'], ['--resume', 'snapshot'], ['--loss', 'magnitude'],
    ['--patience', 3, '--valid_ratio', .2]])
def test_options_of_steps_are_refused(options, capsys):
    with pytest.raises(SystemExit) as e:
        run_train(*options)
    assert e.value.code == 2 and '--arch pretrained: has no steps' in capsys.readouterr().err


def test_the_plain_command_says_what_ranks_better(capsys):
    train.main(['X.npy', 'r.txt', '--n_iter', '2', '--threads', '1'])
    assert capsys.readouterr().err.count('--arch pretrained usually ranks unseen') == 1


def test_the_model_keeps_scores_of_ratings_that_were_held_out_in_turn():
    run_train()
    held_out, ratings = map(np.array, model_file.load('model.pkl').held_out)
    assert len(ratings) == 50
    assert .5 < metrics.spearman(ratings, held_out)
    assert not np.allclose(np.sort(held_out), np.sort(scores()[:50]), atol=1e-3)


def test_curves_of_another_run_do_not_stay_beside_its_report():
    os.makedirs('result', exist_ok=True)
    for name in 'loss.png', 'ranking.png', 'log', 'notes.txt':
        with open(os.path.join('result', name), 'w'):
            pass
    run_train()
    left = sorted(name for name in os.listdir('result') if name[0] != '.')
    assert left == ['held_out.png', 'metrics.csv', 'notes.txt']
