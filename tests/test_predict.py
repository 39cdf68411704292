import csv
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import metrics
import net
from picture_ranknet.models import model_file


@pytest.fixture
def run(run_here):
    """Few tests need a process of their own."""
    return run_here


@pytest.fixture
def four_pictures(tmp_path):
    """Pictures of one shade each, and a model whose score is their red, computed exactly."""
    model = net.RankNet(net.CNN((13, 13)), (13, 13), 1 / 256)
    for param in model.params():
        param.array[...] = 0
    for link, place in ('conv1', (0, 0, 2, 2)), ('conv2', (0, 0, 2, 2)), ('l1', (0, 0)), (
            'l2', (0, 0)):
        model.predictor[link].W.array[place] = 1
    model_file.save(tmp_path / 'model.pkl', model)
    X = np.zeros((4, 3, 13, 13), np.uint8)
    X[:, 0] = np.array([64, 192, 128, 128])[:, None, None]
    np.save(tmp_path / 'X.npy', X)
    (tmp_path / 'X.csv').write_text('row,source\n0,a.png\n1,"b, c.png"\n2,d.png\n3,\n')
    (tmp_path / 'ratings.txt').write_text('1\nnan\n2\n3\n')
    return tmp_path


def test_all_output_is_the_same_to_the_byte(run, four_pictures):
    done = run('predict.py', 'model.pkl', 'X.npy', '--csv', 'ranked.csv',
               '--ratings', 'ratings.txt', '--ndcg_k', 2)
    # Gains 1, 3, 7; the last two have equal scores: (3 + 7) / 2 (1 + 1 / log2(3)), of an ideal
    # 7 + 3 / log2(3).  Pairs: two in order, one tied.  Tau-b: 2 / sqrt(3 * 2).
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout == 'NDCG@2: 0.9170 | pair accuracy: 0.8333 | Kendall tau: 0.8165\n'
    assert (four_pictures / 'pred.txt').read_bytes() == (
        b'2.500000000000000000e-01\n7.500000000000000000e-01\n'
        b'5.000000000000000000e-01\n5.000000000000000000e-01\n')
    assert (four_pictures / 'ranked.csv').read_bytes() == (
        b'rank,score,row,source\n1,0.75,1,"b, c.png"\n2,0.5,2,d.png\n3,0.5,3,\n'
        b'4,0.25,0,a.png\n')


def test_all_pictures_with_the_same_score_are_noted(run, four_pictures):
    np.save(four_pictures / 'X.npy', np.full((4, 3, 13, 13), 200, np.uint8))
    done = run('predict.py', 'model.pkl', 'X.npy')
    assert done.returncode == 0
    assert 'warning: all pictures have the same score' in done.stderr


def test_a_scale_that_does_not_fit_is_noted(run, four_pictures):
    done = run('predict.py', 'model.pkl', 'X.npy', '--image_scale', 1)
    assert done.returncode == 0
    assert 'X.npy: the brightest pixel is 192 after scaling' in done.stderr


@pytest.fixture
def trained_files(rated_files, model):
    """``model.pkl`` beside ``X.npy`` and ``ratings.txt``."""
    model_file.save(rated_files / 'model.pkl', model)
    return rated_files


def read_csv(path):
    with open(path, newline='', encoding='utf-8') as f:
        return list(csv.reader(f))


def test_scores_are_those_of_the_model_in_input_order(run, trained_files, model, pictures):
    done = run('predict.py', 'model.pkl', 'X.npy')
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')
    scores = np.loadtxt(trained_files / 'pred.txt', np.float32)
    np.testing.assert_array_equal(scores, model.score(pictures))


def test_predict_scores_exactly_as_training_did(run, rated_files):
    run('train.py', 'X.npy', 'ratings.txt', '--n_iter', 3, '--image_scale', .01)
    run('predict.py', 'model.pkl', 'X.npy', '-o', 'again.txt')
    assert (rated_files / 'again.txt').read_bytes() == (rated_files / 'pred.txt').read_bytes()


def test_a_model_without_a_scale_takes_the_users_or_the_articles(run, trained_files, model,
                                                                 pictures):
    for attribute in ('image_scale', 'image_size'):  # the article's script knows neither
        setattr(model, attribute, None)
    (trained_files / 'model.pkl').write_bytes(pickle.dumps(model))
    np.save(trained_files / 'X.npy', pictures)
    done = run('predict.py', 'model.pkl', 'X.npy')
    assert done.returncode == 1 and 'not have the shape 500 x 14450' in done.stderr

    model.image_size = (20, 20)
    (trained_files / 'model.pkl').write_bytes(pickle.dumps(model))
    done = run('predict.py', 'model.pkl', 'X.npy')
    assert "using the article's 1/255, see --image_scale" in done.stderr
    for args, scale in ([], 1 / 255), (['--image_scale', '.01'], .01):
        run('predict.py', 'model.pkl', 'X.npy', *args)
        model.image_scale = scale
        np.testing.assert_array_equal(
            np.loadtxt(trained_files / 'pred.txt', np.float32), model.score(pictures))


def test_mirror_images_may_be_scored_as_well(run, trained_files, model, pictures):
    run('predict.py', 'model.pkl', 'X.npy', '--mirror')
    np.testing.assert_array_equal(np.loadtxt(trained_files / 'pred.txt', np.float32),
                                  model.score(pictures, mirror=True))


def test_an_ensemble_scores_by_the_mean_of_its_models(run, trained_files, model, pictures):
    own = model.score(pictures)
    other = net.RankNet(net.CNN((20, 20)), (20, 20), .01)
    other.predictor.add_features(4)
    F = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    np.save(trained_files / 'F.npy', F)
    model_file.save(trained_files / 'other.pkl', other)
    args = ['predict.py', 'model.pkl', 'X.npy', '--ensemble', 'other.pkl']
    done = run(*args)
    assert done.returncode == 1 and 'other.pkl: was trained with 4 features' in done.stderr
    done = run(*args, '--features', 'F.npy', '--explain', 'why.png')
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.loadtxt(trained_files / 'pred.txt', np.float32),
                                  (own + other.score(pictures, features=F)) / 2)


def test_a_model_of_an_ensemble_that_is_for_other_pictures_is_named(run, trained_files):
    model_file.save(trained_files / 'other.pkl', net.RankNet(net.CNN((20, 24)), (20, 24), 1 / 255))
    done = run('predict.py', 'model.pkl', 'X.npy', '--ensemble', 'model.pkl', 'other.pkl')
    assert done.returncode == 1 and done.stderr == (
        'predict.py: error: other.pkl: was trained on pictures of 24 x 20, these are 20 x 20; see '
        '--size of crop_faces.py\n')
    assert not (trained_files / 'pred.txt').exists()


def test_csv_ranks_the_pictures_with_their_sources(run, trained_files, model, pictures):
    with open(trained_files / 'X.csv', 'w', newline='', encoding='utf-8') as f:
        writer = csv.writer(f)
        writer.writerow(['row', 'source', 'frame'])
        writer.writerows([n, f'aé,{n}.mp4', 10 * n] for n in range(30))
    run('predict.py', 'model.pkl', 'X.npy', '--csv', 'ranked.csv')
    header, *rows = read_csv(trained_files / 'ranked.csv')
    assert header == ['rank', 'score', 'row', 'source', 'frame']
    scores = model.score(pictures)
    assert [int(row[0]) for row in rows] == list(range(1, 31))
    assert [int(row[2]) for row in rows] == list(np.argsort(-scores, kind='stable'))
    for row in rows:
        n = int(row[2])
        assert np.float32(row[1]) == scores[n]
        assert row[3:] == [f'aé,{n}.mp4', str(10 * n)]


def test_csv_without_sources(run, trained_files):
    run('predict.py', 'model.pkl', 'X.npy', '--csv', 'ranked.csv')
    assert read_csv(trained_files / 'ranked.csv')[0] == ['rank', 'score', 'row']


def test_a_table_of_other_pictures_is_refused(run, trained_files):
    (trained_files / 'X.csv').write_text('row,source\n0,a.mp4\n')
    done = run('predict.py', 'model.pkl', 'X.npy', '--csv', 'ranked.csv')
    assert done.returncode == 1 and 'X.csv: expected 30 rows' in done.stderr
    assert not (trained_files / 'ranked.csv').exists()
    assert not (trained_files / 'pred.txt').exists()  # said before the work


def test_strip_shows_the_best_on_the_left(run, trained_files, pictures, model):
    run('predict.py', 'model.pkl', 'X.npy', '--strip', 'ranked.png')
    image = np.asarray(Image.open(trained_files / 'ranked.png').convert('RGB'))
    best, second, *_ = metrics.rank(model.score(pictures))
    place = find(image, pictures[best])
    assert find(image, pictures[second])[0] == place[0]
    assert find(image, pictures[second])[1] > place[1]


def find(image, picture):
    """Row and column at which a picture stands in a larger one."""
    picture = picture.transpose(1, 2, 0)  # CHW -> HWC
    for y, x in zip(*np.nonzero((image == picture[0, 0]).all(axis=2))):
        window = image[y:y + picture.shape[0], x:x + picture.shape[1]]
        if np.array_equal(window, picture):
            return y, x
    raise AssertionError('the picture is not there')


def test_strip_with_ratings_has_the_own_order_above(run, trained_files, pictures, ratings, model):
    ratings[4] = np.nan
    np.savetxt(trained_files / 'ratings.txt', ratings)
    done = run('predict.py', 'model.pkl', 'X.npy', '--ratings', 'ratings.txt',
               '--strip', 'ranked.png', '--strip_n', 5)
    assert done.returncode == 0, done.stderr
    image = np.asarray(Image.open(trained_files / 'ranked.png').convert('RGB'))
    own_best = 9  # 4 is not rated
    scores = np.where(np.isnan(ratings), -np.inf, model.score(pictures))
    half = image.shape[0] // 2
    assert find(image[:half], pictures[own_best])
    assert find(image[half:], pictures[scores.argmax()])


def test_explain_draws_the_best_above_what_raised_their_scores(run, trained_files, pictures, model):
    done = run('predict.py', 'model.pkl', 'X.npy', '--explain', 'why.png', '--explain_n', 4)
    assert (done.returncode, done.stderr) == (0, '')
    image = np.asarray(Image.open(trained_files / 'why.png').convert('RGB')).astype(int)
    assert image.shape[1] == 2 * 24 + 4 * 168 - 8
    best = metrics.rank(model.score(pictures))[0]
    first = image[64:64 + 160, 24:24 + 160]
    shown = first.reshape(20, 8, 20, 8, 3).mean(axis=(1, 3)).transpose(2, 0, 1)  # HWC -> CHW
    assert abs(shown - pictures[best]).mean() < 6
    tinted = image[64 + 160:64 + 320, 24:24 + 160]
    assert abs(tinted - tinted.mean(axis=2, keepdims=True)).max() > 30  # there is colour


def test_a_model_with_features_wants_them(run, trained_files, model, pictures):
    F = np.random.default_rng(0).normal(size=(30, 4))
    np.save(trained_files / 'F.npy', F)
    done = run('predict.py', 'model.pkl', 'X.npy', '--features', 'F.npy')
    assert done.returncode == 1 and 'without features; leave --features out' in done.stderr

    model.predictor.add_features(4)
    model_file.save(trained_files / 'model.pkl', model)
    done = run('predict.py', 'model.pkl', 'X.npy')
    assert done.returncode == 1 and 'with 4 features of each picture; use --features' in done.stderr
    assert not (trained_files / 'pred.txt').exists()
    done = run('predict.py', 'model.pkl', 'X.npy', '--features', 'F.npy', '--explain', 'why.png')
    assert done.returncode == 0, done.stderr
    scores = np.loadtxt(trained_files / 'pred.txt', np.float32)
    np.testing.assert_array_equal(scores, model.score(pictures, features=np.float32(F)))
    assert not np.allclose(scores, model.score(pictures, features=np.float32(0 * F)))
    np.save(trained_files / 'F.npy', F[:, :3])
    done = run('predict.py', 'model.pkl', 'X.npy', '--features', 'F.npy')
    assert done.returncode == 1 and 'F.npy: expected 30 x 4 numbers, a row for' in done.stderr


@pytest.mark.skipif(sys.platform != 'linux', reason='reads the peak memory as Linux tells it')
def test_memory_does_not_grow_with_the_number_of_pictures(trained_files, root):
    script = ('import re, sys, predict; predict.main(["model.pkl", "many.npy"]);'
              'print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]);'
              'assert not [name for name in sys.modules if name.endswith(("gallery", "thumbnails",'
              ' "sidecars", "library", "videos", "cv2"))]')  # it imports only what it needs
    peaks = []
    for n in 100, 8000:  # of 9,600 bytes each
        np.lib.format.open_memmap(trained_files / 'many.npy', 'w+', float, (n, 3, 20, 20)).flush()
        peak = subprocess.run([sys.executable, '-c', script], cwd=trained_files, check=True,
                              env=dict(os.environ, PYTHONPATH=str(root)), stdout=subprocess.PIPE)
        peaks.append(int(peak.stdout) / 1024)
    assert peaks[1] < peaks[0] + 40  # MiB, of 73


@pytest.mark.parametrize('args, words', [
    (['missing.pkl', 'X.npy'], 'missing.pkl: No such file or directory'),
    (['X.npy', 'X.npy'], 'X.npy: expected a model made by train.py'),
    (['model.pkl', 'ratings.txt'], 'ratings.txt: expected a NumPy array'),
    (['model.pkl', 'X.npy', '--strip', 'no/a.png'], 'there is no folder'),
    (['model.pkl', 'X.npy', '--ratings', 'few.txt'], 'few.txt: expected 30 ratings'),
    (['model.pkl', 'X.npy', '--ratings', 'unrated.txt'], 'unrated.txt: expected at least one'),
    (['model.pkl', 'X15.npy'], 'model.pkl: was trained on pictures of 20 x 20, these are 20 x 15'),
    (['model.pkl', 'nan.npy'], 'nan.npy, row 7 (from 0): expected finite pixel values'),
])
def test_what_cannot_be_scored_is_said_in_one_line(run, trained_files, pictures, args, words):
    (trained_files / 'few.txt').write_text('1\n2\n')
    (trained_files / 'unrated.txt').write_text('nan\n' * 30)
    np.save(trained_files / 'X15.npy', pictures[:, :, :15])
    damaged = pictures.astype('f4')
    damaged[7, 0, 3, 3] = np.nan
    np.save(trained_files / 'nan.npy', damaged)
    done = run('predict.py', *args)
    assert done.returncode == 1
    line, = done.stderr.splitlines()
    assert line.startswith('predict.py: error: ') and words in line
    assert not (trained_files / 'pred.txt').exists()


@pytest.mark.parametrize('args, words', [
    (['-o', 'model.pkl'], 'model.pkl: --output would overwrite what model_pkl reads'),
    (['--ensemble', 'no.pkl', '-o', 'no.pkl'], 'no.pkl: --output would overwrite what --ensemble'),
    (['--ratings', 'ratings.txt', '-o', 'ratings.txt'], 'overwrite what --ratings reads'),
    (['-o', 'X.npy'], 'X.npy: --output would overwrite what pictures reads'),
    (['--csv', 'X.csv'], 'X.csv: --csv would overwrite what pictures reads'),
    (['--csv', './X.csv'], './X.csv: --csv would overwrite what pictures reads'),
    (['--strip', 'a.png', '--explain', 'a.png'], 'a.png: --strip and --explain would write'),
    (['-o', 'a.png', '--strip', 'sub/../a.png'], 'a.png: --output and --strip would write'),
    (['-o', 'a.csv', '--csv', 'a.csv'], 'a.csv: --output and --csv would write to this'),
    (['-o', 'sub/a.txt', '--gallery', 'sub'], 'sub/a.txt: expected a place outside of sub, which'),
    (['--csv', 'sub/a.csv', '--sort_into', 'sub'], 'sub/a.csv: expected a place outside of sub'),
    (['--gallery', 'sub', '--sort_into', 'sub/b'], 'sub/b: expected a place outside of sub, which'),
])
def test_no_file_is_written_twice_or_over_an_input(run, trained_files, args, words):
    (trained_files / 'sub').mkdir()
    before = {path: path.read_bytes() for path in trained_files.iterdir() if path.is_file()}
    done = run('predict.py', 'model.pkl', 'X.npy', *args)
    assert done.returncode == 1
    line, = done.stderr.splitlines()
    assert line.startswith('predict.py: error: ') and words in line
    assert before == {path: path.read_bytes() for path in trained_files.iterdir() if path.is_file()}


@pytest.mark.parametrize('args, words', [
    (['--strip', 'a.jpg'], 'argument --strip: must end in .png'),
    (['--csv', 'a.txt'], 'argument --csv: must end in .csv'),
    (['--image_scale', '0'], 'argument --image_scale: must be a number above 0'),
    (['--ndcg_k', '0'], 'argument --ndcg_k: must be a whole number >= 1'),
])
def test_wrong_options_are_refused_before_any_work(run, trained_files, args, words):
    done = run('predict.py', 'model.pkl', 'X.npy', *args)
    assert done.returncode == 2 and words in done.stderr
