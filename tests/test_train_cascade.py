"""The trainer: boosting, the second look, and the command."""
import itertools
import re

import cv2
import numpy as np
import pytest

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer

import train_cascade
from picture_ranknet.errors import InputError
from picture_ranknet.faces import detector as face_finder
from picture_ranknet.faces import second_look as face_check
from picture_ranknet.faces.training import lbp as lbp_cascade
from picture_ranknet.faces.training import samples as face_samples
from picture_ranknet.faces.training.lbp import Cascade
from support.media_samples import CASCADE

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


@pytest.fixture
def train_here(pictures, monkeypatch, capsys):
    """Runs the command here, as a user does but for its start; returns output, errors, status."""
    monkeypatch.chdir(pictures)
    monkeypatch.setattr('sys.argv', ['train_cascade.py'])
    monkeypatch.setattr(train_cascade, 'BATCHSIZE', 16)
    monkeypatch.setattr(train_cascade, 'TESTED', 100)

    def train(*options, faces=('faces',), no_faces=('others',)):
        status = 0
        try:
            train_cascade.main([str(arg) for arg in [
                'c.xml', '--faces', *faces, '--no_faces', *no_faces, *SMALL, *options]])
        except SystemExit as e:
            status = e.code
        return (*capsys.readouterr(), status)
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


def test_a_weak_classifier_by_hand():
    faces, others = np.array([1, 1, 2], np.uint8), np.array([2, 3], np.uint8)
    subset, pair = train_cascade.weak_classifier(faces, others, np.full(3, .2), np.full(2, .2))
    # Codes 2 and 3, of labels 1, -1 and -1, against code 1: 1 / 9 * .6 + 1 * .4 are explained,
    # more than by code 3 against the others, where it is 1 * .2 + 1 / 4 * .8.
    assert subset[[1, 2, 3]].tolist() == [False, True, True]
    assert pair.tolist() == pytest.approx([-1 / 3, 1]) and pair.dtype == np.float32


def test_a_feature_that_tells_nothing_votes_with_the_mean_label():
    code = np.full(3, 7, np.uint8)
    subset, pair = train_cascade.weak_classifier(code, code[:1], np.full(3, .25), np.full(1, .25))
    assert pair[0 if subset[7] else 1] == .5 and np.isfinite(pair).all()


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
    features = lbp_cascade.all_features(12, 12)[::30]
    codes = lbp_cascade.codes_of(windows, features)
    stage, _, _ = train_cascade.train_stage(
        features, codes[:, :100], codes[:, 100:], windows[:100], windows[100:], .9, -1, 4, 1, rng)
    chosen, votes = slow_stage(codes, np.where(np.arange(300) < 100, 1, -1), 4)
    assert stage.features.tolist() == features[chosen].tolist()
    for index, vote, subset, leaves in zip(chosen, votes, stage.subsets, stage.leaves):
        np.testing.assert_allclose(np.where(subset[codes[index]], *leaves), vote, rtol=1e-5)


def test_a_stage_has_at_most_so_many_weak_classifiers_and_misses_no_face_if_told_so():
    rng = np.random.default_rng(4)
    windows = rng.integers(0, 256, (200, 9, 9), np.uint8)  # faces look like the others
    features = lbp_cascade.all_features(9, 9)
    codes = lbp_cascade.codes_of(windows, features)
    stage, hits, alarms = train_cascade.train_stage(
        features, codes[:, :50], codes[:, 50:100], windows[100:150], windows[150:], 1, .01, 4,
        .5, rng)
    assert len(stage.features) == len(stage.subsets) == len(stage.leaves) == 4
    assert hits == 1 and alarms > .5


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
    done = trainer('--check', 8)
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
    assert face_finder.read_cascade(str(pictures / 'c.xml'))[1] is not None


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

    assert trainer('--check', 2).returncode == 0
    unbroken = below_comment()
    assert trainer('--stages', 1, '--force').returncode == 0
    assert below_comment() != unbroken
    done = trainer('--check', 2, '--resume')
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


def test_the_second_look_may_be_left_out_and_made_later(train_here, pictures):
    out, err, status = train_here('--stages', 2)
    assert (err, status) == ('', 0) and 'second look' not in out
    cascade, before = lbp_cascade.read(pictures / 'c.xml')
    assert face_finder.read_cascade(str(pictures / 'c.xml'))[1] is None

    out, err, status = train_here('--stages', 2, '--resume', '--check', 2)
    assert (err, status) == ('', 0) and 'stage ' not in out and 'second look: ' in out
    assert face_finder.read_cascade(str(pictures / 'c.xml'))[1] is not None
    again, after = lbp_cascade.read(pictures / 'c.xml')
    assert len(again.stages) == len(cascade.stages) == 2
    assert after.splitlines()[:3] == before.splitlines()[:3]  # what is said of the stages


def test_the_fingerprint_tells_other_pictures_and_options():
    patches = np.zeros((3, 5, 5), np.uint8)
    scene = face_samples.Scene(np.zeros((4, 4), np.uint8), np.zeros((1, 4)))

    def number(*options, patches=patches, scene=scene):
        return train_cascade.fingerprint(patches, [scene], train_cascade.build_parser().parse_args(
            ['c.xml', '--faces', 'a', '--no_faces', 'b', *options]))

    same = number('--stages', '3', '--check', '0', '--resume', '--force')
    assert same == number()
    assert same == train_cascade.fingerprint(
        patches, [scene], train_cascade.build_parser().parse_args(
            ['d.xml', '--no_faces', 'elsewhere', '--faces', 'moved']))
    others = [number(*options) for options in [
        ('--size', '24x25'), ('--hit_rate', '.9'), ('--seed', '1'), ('--no_mirror',),
        ('--fps', '2'), ('--weak', '7'), ('--turn', '1')]]
    others += [number(patches=patches + np.uint8(1)),
               number(scene=scene._replace(gray=scene.gray + np.uint8(1))),
               number(scene=scene._replace(boxes=scene.boxes + 1))]
    assert len({same, *others}) == 11


def test_too_few_windows_for_the_second_look_are_said(train_here, pictures):
    (pictures / 'flat').mkdir()
    for grey in range(10, 250, 20):  # the first stage rejects all of them
        cv2.imwrite(str(pictures / 'flat' / '{}.png'.format(grey)),
                    np.full((60, 60), grey, np.uint8))
    out, err, _ = train_here('--search', 1e4, '--check', 2, no_faces=['flat'])
    assert 'stage  0' in out and len(err.splitlines()) <= 1
    assert len(lbp_cascade.read(pictures / 'c.xml')[0].stages) == 1


def test_a_table_without_pictures_is_said(train_here, pictures):
    (pictures / 't.csv').write_text('source,x,y,w,h\n')
    assert train_here(faces=['t.csv'])[1:] == (
        'train_cascade.py: error: --faces: expected at least 10, got 0\n', 1)
    _, err, status = train_here(no_faces=['t.csv'])
    assert status == 1 and err.count('\n') == 1


def test_pictures_are_not_blamed_for_too_few_negatives(train_here):
    _, err, status = train_here('--negatives', 100)
    assert status and '--negatives' in err.splitlines()[-1]


@pytest.mark.parametrize('faces, no_faces, words', [
    (['none'], ['others'], 'none: there is no such file or folder'),
    (['faces'], ['none.csv'], 'none.csv: No such file or directory'),
    (['faces'], ['empty'], 'empty: there is no picture and no video in it'),
])
def test_what_is_not_there_is_said(train_here, pictures, faces, no_faces, words):
    (pictures / 'empty').mkdir()
    _, err, status = train_here(faces=faces, no_faces=no_faces)
    assert (err, status) == ('train_cascade.py: error: {}\n'.format(words), 1)
    assert not (pictures / 'c.xml').exists()


def test_a_cascade_of_another_maker_is_not_gone_on_with(train_here, pictures):
    (pictures / 'c.xml').write_text(CASCADE)
    _, err, status = train_here('--resume')
    assert status == 1 and 'c.xml: expected stages trained on these pictures with these' in err
    assert (pictures / 'c.xml').read_text() == CASCADE


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
    with pytest.raises(InputError, match='expected a cascade of LBP features'):
        (tmp_path / 'c.xml').write_text('<opencv_storage/>')
        train_cascade.read_stages(str(tmp_path / 'c.xml'), (24, 24), 'Samples: 0')
    assert train_cascade.read_stages(str(tmp_path / 'd.xml'), (9, 12), '')[0].width == 9
