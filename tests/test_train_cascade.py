"""train_cascade.py, from the pictures to the file."""
import re

import cv2
import numpy as np
import pytest

import train_cascade
from picture_ranknet.faces.detector import read_cascade
from picture_ranknet.faces.training import second_look as second_look_training
from picture_ranknet.models import efficientnet
from support.drawn_faces import draw_face, draw_other
from support.media_samples import CASCADE

SMALL = ['--stages', 3, '--positives', 300, '--negatives', 300, '--features', .05, '--weak', 20,
         '--search', 1e6, '--hit_rate', .98]


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
    monkeypatch.setattr(second_look_training, 'BATCHSIZE', 16)
    monkeypatch.setattr(second_look_training, 'ROUNDS', (1, 1))

    def train(*options, faces=('faces',), no_faces=('others',)):
        status = 0
        try:
            train_cascade.main([str(arg) for arg in [
                'c.xml', *(['--faces', *faces] if faces else []), '--no_faces', *no_faces,
                *SMALL, *options]])
        except SystemExit as e:
            status = e.code
        return (*capsys.readouterr(), status)
    return train


def test_a_cascade_is_trained_that_opencv_and_crop_faces_use(trainer, pictures):
    done = trainer()
    assert (done.returncode, done.stderr) == (0, '')
    lines = done.stdout.splitlines()
    assert re.fullmatch('60 faces and 25 pictures without .*', lines[0])
    assert re.match(r'stage  0: +\d+ weak classifiers; [01]\.\d{4} of the', lines[1])
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


def test_nothing_is_overwritten_unless_asked_for(train_here, pictures):
    assert train_here('--stages', 1)[1:] == ('', 0)
    before = (pictures / 'c.xml').read_bytes()
    _, err, status = train_here('--stages', 1)
    assert status == 1 and (pictures / 'c.xml').read_bytes() == before
    assert err == ('train_cascade.py: error: c.xml exists already; continue it with --resume, '
                   'overwrite it with --force, or choose another name\n')
    _, err, status = train_here('--stages', 2, '--resume', '--turn', 3)
    assert status == 1 and (pictures / 'c.xml').read_bytes() == before
    assert 'c.xml: expected stages trained on these pictures with these options' in err
    assert train_here('--stages', 1, '--seed', 5, '--force')[2] == 0
    assert (pictures / 'c.xml').read_bytes() != before


def test_resuming_gives_what_an_unbroken_run_gives(train_here, pictures):
    def below_comment():
        return (pictures / 'c.xml').read_text().split('-->', 1)[1]

    assert train_here()[1:] == ('', 0)
    unbroken = below_comment()
    assert train_here('--stages', 1, '--force')[2] == 0
    assert below_comment() != unbroken
    out, _, status = train_here('--resume')
    assert status == 0 and 'stage  0' not in out and 'stage  1' in out
    assert below_comment() == unbroken


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


@pytest.fixture
def scenes(pictures):
    """A table of two drawn scenes with a face each, and a folder of one without."""
    rng = np.random.default_rng(3)
    rows = ['source,x,y,w,h']
    (pictures / 'scenes').mkdir()
    for i in range(6):
        img = np.full((120, 160, 3), 110, np.uint8)
        if i < 4:
            img[30:78, 60:108] = draw_face(rng)[..., None]
            rows.append(f'scenes/{i}.png,60,30,48,48')
            cv2.imwrite(str(pictures / 'scenes' / f'{i}.png'), img)
        else:
            cv2.imwrite(str(pictures / 'others' / f'scene{i}.png'), img)
    (pictures / 'scenes.csv').write_text('\n'.join(rows))
    return pictures


def test_a_second_look_is_learnt_with_the_cascade_or_later(train_here, scenes):
    out, err, status = train_here('--stages', 1, '--pictures', 'scenes.csv', '--batches', 3)
    assert (err, status) == ('', 0)
    assert re.search(r'\nsecond look: \S+ of the held-out cells with a face and \S+ of oth', out)
    text, look = (scenes / 'c.xml').read_text(), read_cascade(str(scenes / 'c.xml'))[1]
    assert look is not None and text.count('train_cascade.py c.xml') == 2

    # Alone, it takes the place of the one that is there.
    _, err, status = train_here('--resume', '--pictures', 'scenes.csv', '--batches', 4, faces=())
    assert (err, status) == ('', 0)
    other = (scenes / 'c.xml').read_text()
    assert other != text and other.split('</cascade>')[0] == text.split('</cascade>')[0]
    assert other.count('<second_look>') == 1
    assert not cv2.CascadeClassifier(str(scenes / 'c.xml')).empty()

    # Further stages leave it as it is.
    assert train_here('--stages', 2, '--resume')[1:] == ('', 0)
    assert (scenes / 'c.xml').read_text().split('</cascade>')[1] == other.split('</cascade>')[1]


def test_a_second_look_needs_a_cascade_and_faces(train_here, scenes):
    _, err, status = train_here('--pictures', 'scenes.csv', faces=())
    assert status == 1 and 'c.xml: a second look needs a cascade before it; give the --fa' in err
    (scenes / 'c.xml').write_text(CASCADE)
    (scenes / 'empty.csv').write_text('source,x,y,w,h\n')
    _, err, status = train_here('--pictures', 'empty.csv', '--resume', faces=())
    assert status == 1 and '--pictures: expected faces and other places to learn from, g' in err
    assert (scenes / 'c.xml').read_text() == CASCADE
    assert train_here(faces=())[2] == 2


def test_a_second_look_without_its_network_is_said(train_here, scenes, monkeypatch):
    def missing():
        raise efficientnet.MissingWeights('the weights are not installed')

    monkeypatch.setattr(efficientnet, 'weights_path', missing)
    (scenes / 'c.xml').write_text(CASCADE)
    _, err, status = train_here('--pictures', 'scenes.csv', '--resume', faces=())
    assert (err, status) == ('train_cascade.py: error: the weights are not installed\n', 1)


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
    (['faces'], ['empty'], 'empty: there are no pictures or videos in it'),
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
