"""The trainer: boosting, the second look, and the command."""
import itertools
import re

import cv2
import numpy as np
import pytest

import chainer_compat  # noqa: F401  (before chainer)
import chainer

import crop_faces
import face_check
import files
import lbp_cascade
import train_cascade
from lbp_cascade import Cascade

SMALL = ['--stages', 3, '--positives', 300, '--negatives', 300, '--features', .05, '--weak', 20,
         '--check', 0, '--search', 1e6, '--hit_rate', .98]


def draw_face(rng, side=48):
    """Two dark eyes and a mouth on a bright oval on a grey ground."""
    img = np.full((side, side), int(rng.integers(90, 130)), np.uint8)
    scale = side / 48
    x, y = rng.normal(24, .7, 2)

    def oval(dx, dy, w, h, grey):
        cv2.ellipse(img, tuple(int(n * scale) for n in (x + dx, y + dy)),
                    tuple(int(n * scale) for n in (w, h)), 0, 0, 360, grey, -1)

    oval(0, 0, 19, 22, int(rng.integers(190, 250)))
    for dx in -8, 8:
        oval(dx, -3, 4, 6, int(rng.integers(10, 60)))
    oval(0, 12, 6, 2, int(rng.integers(40, 90)))
    return img


def draw_other(rng, width=200, height=150):
    """Noise in coarse and fine grains, and a few ovals."""
    img = cv2.resize(rng.integers(0, 256, (12, 16), np.uint8), (width, height),
                     interpolation=cv2.INTER_CUBIC)
    for _ in range(12):
        x, y, w, h = (int(n) for n in rng.integers(5, 150, 4))
        cv2.ellipse(img, (x, y), (w // 4 + 2, h // 4 + 2), 0, 0, 360, int(rng.integers(256)), -1)
    return img


@pytest.fixture
def pictures(tmp_path):
    """Folders ``faces`` and ``others``."""
    rng = np.random.default_rng(0)
    for folder, draw, n in ('faces', draw_face, 60), ('others', draw_other, 25):
        (tmp_path / folder).mkdir()
        for i in range(n):
            cv2.imwrite(str(tmp_path / folder / '{:02}.png'.format(i)), draw(rng))
    return tmp_path


@pytest.fixture
def trainer(run, pictures):
    """Runs the command on the drawn pictures."""
    def train(*options, small=SMALL):
        return run('train_cascade.py', 'c.xml', '--faces', 'faces', '--no_faces', 'others',
                   *small, *options)
    return train


# Boosting

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

    subset, pair = train_cascade.weak_classifier(faces.astype(np.uint8), others.astype(np.uint8),
                                                 w, v)
    chosen = [code for code in used if subset[code]]
    np.testing.assert_allclose(pair, means(chosen), rtol=1e-5)
    every = [list(s) for n in range(1, 5) for s in itertools.combinations(used, n)]
    assert error(chosen, pair) == pytest.approx(min(error(s, means(s)) for s in every), rel=1e-5)


def test_only_the_heavy_samples_are_learnt_from():
    weights = [np.array([.5, .02, .2]), np.array([.01, .26, .01])]
    assert [part.tolist() for part in train_cascade.trim(weights, .95)] == [[0, 2], [1]]
    assert [part.tolist() for part in train_cascade.trim(weights, 1)] == [[0, 1, 2], [0, 1, 2]]


@pytest.mark.parametrize('hit_rate, threshold', [(1, 1), (.89, 2), (.75, 3), (.71, 3), (.5, 6)])
def test_a_threshold_lets_enough_faces_pass(hit_rate, threshold):
    sums = np.array([5, 3, 1, 9, 7, 10, 8, 6, 4, 2.])
    assert train_cascade.threshold_for(sums, hit_rate) == threshold


def test_a_stage_does_on_held_out_windows_what_it_reports():
    rng = np.random.default_rng(1)
    faces = np.array([cv2.resize(draw_face(rng), (24, 24), interpolation=cv2.INTER_AREA)
                      for _ in range(300)])
    others = rng.integers(0, 256, (300, 24, 24), np.uint8)
    features = lbp_cascade.all_features(24, 24)[::40]
    stage, hits, alarms = train_cascade.train_stage(
        features, lbp_cascade.codes_of(faces[100:], features),
        lbp_cascade.codes_of(others[100:], features), faces[:100], others[:100],
        .97, .1, 30, .5, rng)
    passed = [np.mean(Cascade(24, 24, [stage]).evaluate(windows[:100])[0])
              for windows in (faces, others)]
    assert passed == [hits, alarms]
    assert hits >= .97 and alarms <= .1 and 1 <= len(stage.features) < 30
    assert (abs(stage.leaves) <= 1).all()


# The second look

def test_the_network_that_runs_is_the_one_that_was_trained():
    np.random.seed(0)
    net = train_cascade.CheckNet()
    windows = np.random.default_rng(2).integers(0, 256, (20, 32, 32), np.uint8)
    with chainer.using_config('train', False), chainer.no_backprop_mode():
        expected = net(face_check.normalise(windows)[:, None]).array
    expected[:, 1:] *= face_check.OFFSET_UNIT
    check = net.quantise()
    assert abs(check(windows) - expected).max() < .2 * expected.std()
    for layer, name in zip(check.layers, sorted(name for name, _ in net.namedparams()
                                                if name.endswith('W'))):
        conv = net[name.split('/')[1]]
        conv.W.array[:] = layer.weights * layer.scales[:, None, None, None]
    with chainer.using_config('train', False), chainer.no_backprop_mode():
        exact = net(face_check.normalise(windows)[:, None]).array
    exact[:, 1:] *= face_check.OFFSET_UNIT
    np.testing.assert_allclose(check(windows), exact, rtol=1e-3, atol=1e-5)


def test_half_of_a_batch_are_faces_and_their_offsets_are_told():
    faces, others = np.full((3, 76, 76), 250, np.uint8), np.zeros((5, 48, 48), np.uint8)
    x, offsets = train_cascade.check_batch(faces, (48, 48), others, 21, np.random.default_rng(0))
    assert x.shape == (21, 32, 32) and x.dtype == np.uint8 and offsets.shape == (10, 3)
    assert (np.median(x[:10], axis=(1, 2)) > 100).all()
    assert (np.median(x[10:], axis=(1, 2)) < 150).all()
    assert (abs(offsets[:, :2]) <= .18).all() and (abs(offsets[:, 2]) <= .28).all()


def test_the_loss_by_hand():
    out = np.zeros((4, 4), np.float32)
    loss = train_cascade.check_loss(out, np.zeros((2, 3), np.float32)).array
    assert loss == pytest.approx(np.log(2))
    # Off by .05, .1 and .3: .05^2 / 2, .1^2 / 2 and .1 (.3 - .05); the second is not off at all.
    offsets = np.array([[.05, .1, .3], [0, 0, 0]], np.float32)
    loss = train_cascade.check_loss(out, offsets).array
    distance = (.00125 + .005 + .025) / 6
    assert loss == pytest.approx(np.log(2) + train_cascade.OFFSET_WEIGHT * distance, rel=1e-5)
    out[0, 1:] = [.5, 1, 3]
    assert train_cascade.check_loss(out, offsets).array == pytest.approx(np.log(2))
    out[:, 0] = [50, 50, -50, -50]
    assert train_cascade.check_loss(out, offsets).array == pytest.approx(0, abs=1e-6)


def test_the_learning_rate_rises_and_falls():
    rates = [train_cascade.learning_rate(i, 1000) for i in range(1000)]
    assert rates[0] == pytest.approx(2e-5) and rates[500] == pytest.approx(1e-3)
    assert max(rates) == rates[99] and rates[-1] < 1e-8
    assert rates[99:] == sorted(rates[99:], reverse=True)


# The command

def test_a_cascade_is_trained_that_opencv_and_crop_faces_use(trainer, pictures):
    done = trainer('--check', 60)
    assert (done.returncode, done.stderr) == (0, '')
    lines = done.stdout.splitlines()
    assert re.fullmatch('60 faces and 25 pictures without .*', lines[0])
    assert re.match(r'stage  0: +\d+ weak classifiers; [01]\.\d{4} of the', lines[1])
    assert re.match(r'second look: \d\.\d{4} of the faces and \d\.\d{4} of', lines[-2])
    assert re.fullmatch(r'\d stages of \d+ weak classifiers in \d+ s, \d\.\d GB of memory at most '
                        r'-> c\.xml', lines[-1])
    text = (pictures / 'c.xml').read_text()
    assert '\ntrain_cascade.py c.xml - -faces faces' in text and str(pictures) not in text

    img = np.full((120, 160), 110, np.uint8)
    img[30:78, 60:108] = draw_face(np.random.default_rng(9))
    opencv = cv2.CascadeClassifier(str(pictures / 'c.xml'))
    boxes = opencv.detectMultiScale(img, 1.1, 2)
    middles = [(x + w / 2, y + h / 2) for x, y, w, h in boxes]
    assert any(abs(x - 84) < 8 and abs(y - 54) < 8 for x, y in middles)
    assert crop_faces.read_cascade(str(pictures / 'c.xml'))[1] is not None


def test_nothing_is_overwritten_unless_asked_for(trainer, pictures):
    assert trainer('--stages', 1).returncode == 0
    before = (pictures / 'c.xml').read_bytes()
    done = trainer('--stages', 1)
    assert done.returncode == 1 and (pictures / 'c.xml').read_bytes() == before
    assert done.stderr == ('train_cascade.py: error: c.xml is there already; go on with it with '
                           '--resume, overwrite it with --force, or choose another name\n')
    done = trainer('--stages', 2, '--resume', '--turn', 3)
    assert done.returncode == 1 and (pictures / 'c.xml').read_bytes() == before
    assert 'c.xml: expected stages trained on these pictures with these options' in done.stderr
    assert trainer('--stages', 1, '--seed', 5, '--force').returncode == 0
    assert (pictures / 'c.xml').read_bytes() != before


def test_resuming_gives_what_an_unbroken_run_gives(trainer, pictures):
    def below_comment():
        return (pictures / 'c.xml').read_text().split('-->', 1)[1]

    assert trainer('--check', 5).returncode == 0
    unbroken = below_comment()
    assert trainer('--check', 5, '--stages', 1, '--force').returncode == 0
    assert below_comment() != unbroken
    done = trainer('--check', 5, '--resume')
    assert done.returncode == 0 and 'stage  0' not in done.stdout and 'stage  1' in done.stdout
    assert below_comment() == unbroken
    assert face_check.NODE in unbroken


@pytest.mark.parametrize('options, words', [
    (['--size', '8x8'], 'must be a width and a height from 9 to 64, such as 24x24'),
    (['--size', '24'], 'must be a width and a height'),
    (['--hit_rate', '1.5'], '--hit_rate'),
    (['--stages', '0'], '--stages'),
    (['--turn', '-1'], '--turn'),
])
def test_wrong_usage_is_2(trainer, options, words):
    done = trainer(*options)
    assert done.returncode == 2 and words in done.stderr


def test_too_little_is_said(trainer, pictures):
    for path in sorted((pictures / 'faces').iterdir())[9:]:
        path.unlink()
    done = trainer()
    assert (done.returncode, done.stderr) == (
        1, 'train_cascade.py: error: --faces: expected at least 10, got 9\n')
    assert not (pictures / 'c.xml').exists()


def test_pictures_without_a_window_are_said(trainer, pictures):
    for path in (pictures / 'others').iterdir():
        cv2.imwrite(str(path), np.zeros((20, 20), np.uint8))
    done = trainer()
    assert done.returncode == 1 and done.stderr.count('\n') == 1
    assert '--no_faces: expected at least 200 windows, got 0; give more pictures' in done.stderr


def test_a_missing_numba_is_said(trainer, tmp_path, monkeypatch):
    (tmp_path / 'numba.py').write_text('raise ImportError("none here")')
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    done = trainer()
    assert (done.returncode, done.stderr) == (
        1, 'train_cascade.py: error: training a cascade needs Numba; python -m pip install '
           '"numba>=0.59,<1"\n')


def test_the_table_of_another_run_serves_as_faces(run, pictures):
    rows = ['faces/{:02}.png,0,0,48,48'.format(i) for i in range(60)]
    (pictures / 'X.csv').write_text('\n'.join(['source,x,y,w,h', *rows]) + '\n')
    done = run('train_cascade.py', 'c.xml', '--faces', 'X.csv', '--no_faces', 'others', 'X.csv',
               *SMALL, '--stages', 1)
    assert done.returncode == 0, done.stderr
    assert '60 faces and 85 pictures without' in done.stdout


def test_a_cascade_of_someone_else_is_not_gone_on_with(tmp_path):
    with pytest.raises(files.InputError, match='expected a cascade of LBP features'):
        (tmp_path / 'c.xml').write_text('<opencv_storage/>')
        train_cascade.read_stages(str(tmp_path / 'c.xml'), (24, 24), 'Samples: 0')
    assert train_cascade.read_stages(str(tmp_path / 'd.xml'), (9, 12), '').width == 9
