"""predict.py on pictures, videos and folders, as a user runs it."""
import csv
import os
import shutil
import stat

import cv2
import numpy as np
import pytest
from PIL import Image

from picture_ranknet.models import model_file
from picture_ranknet.storage import picture_set, sidecars
from picture_ranknet.storage.picture_set import FACE, PICTURE, Preparation

ODD = ["a b.png", "-o.png", "=1+1.png", "10.png", "9.png", "ä'ß\n\".png", "日本.PNG"]


@pytest.fixture
def run(run_here):
    return run_here


def draw(path, seed, size=(40, 40)):
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (4, 4, 3), np.uint8)
    Image.fromarray(small).resize(size).save(path)


def film(path, seeds, n_each=4):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 4, (64, 64))
    for seed in seeds:
        small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
        for _ in range(n_each):
            writer.write(cv2.resize(small, (64, 64), interpolation=cv2.INTER_NEAREST))
    writer.release()


@pytest.fixture
def whole(tmp_path, model):
    """``model.pkl``, which knows whole pictures and a person's scale."""
    rng = np.random.default_rng(1)
    scores = rng.normal(0, .02, 60)
    ratings = np.clip(np.round(4 + 60 * scores + rng.normal(0, .3, 60)), 1, 5)
    model_file.remember(model, Preparation(PICTURE, 0.), scores, ratings)
    model_file.save(tmp_path / 'model.pkl', model)
    return tmp_path


@pytest.fixture
def folder(whole):
    """``in/``, seven pictures with odd names."""
    (whole / 'in').mkdir()
    for seed, name in enumerate(ODD):
        draw(whole / 'in' / name, seed)
    return whole


def table(path):
    with open(path, newline='', encoding='utf-8') as f:
        return list(csv.DictReader(f))


def test_a_folder_gets_a_score_for_each_file(run, folder, model):
    done = run('predict.py', 'model.pkl', 'in')
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout.startswith('7 pictures in 7 files, 7 of them new, in ')
    assert done.stdout.endswith(' s -> pred.txt, pred.csv\n')
    scores = np.loadtxt(folder / 'pred.txt')
    rows = table(folder / 'pred.csv')
    assert [row['rank'] for row in rows] == [str(rank) for rank in range(1, 8)]
    np.testing.assert_allclose([float(row['score']) for row in rows], -np.sort(-scores), rtol=1e-6)
    crop = run('crop_faces.py', 'in', '--no_faces', '--size', 20, '--keep_duplicates')
    assert crop.returncode == 0  # the same pictures in the same order, prepared by hand
    np.testing.assert_allclose(scores, model.score(np.load(folder / 'X.npy')), rtol=1e-5)
    assert {row['is_best'] for row in rows} == {'1'}


def test_a_second_run_prepares_new_contents_only(run, folder):
    run('predict.py', 'model.pkl', 'in')
    before = dict(zip(ODD, [None] * 7))
    for row in table(folder / 'pred.csv'):
        before[os.path.basename(row['source'].lstrip("'"))] = row['score']
    draw(folder / 'in' / 'new.png', 99)
    os.rename(folder / 'in' / '9.png', folder / 'in' / 'renamed.png')
    os.remove(folder / 'in' / '10.png')
    shutil.copy(folder / 'in' / 'a b.png', folder / 'in' / 'copy.png')
    done = run('predict.py', 'model.pkl', 'in')
    assert done.stdout.startswith('8 pictures in 8 files, 1 of them new, in ')
    after = {os.path.basename(row['source']): row['score'] for row in table(folder / 'pred.csv')}
    assert after['renamed.png'] == before['9.png']
    assert after['copy.png'] == after['a b.png'] == before['a b.png']
    assert '10.png' not in after and 'new.png' in after


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(run, folder):
    (folder / 'in' / 'broken.png').write_bytes(b'\x89PNG\r\n\x1a\n' + bytes(40))
    (folder / 'in' / 'notes.txt').write_text('hello')
    os.symlink('nowhere', folder / 'in' / 'dangling.jpg')
    done = run('predict.py', 'model.pkl', 'in')
    assert done.returncode == 0
    assert 'skipped in/broken.png' in done.stderr and 'skipped in/dangling.jpg' in done.stderr
    assert '1 file skipped: neither pictures nor videos' in done.stderr
    assert done.stdout.splitlines()[-1] == 'no score (nan): 2 files could not be read'
    scores = np.loadtxt(folder / 'pred.txt')
    assert len(scores) == 9 and np.isnan(scores).sum() == 2


def test_the_table_of_a_set_is_not_overwritten(run, folder):
    (folder / 'X.npy').write_bytes(b'')
    done = run('predict.py', 'model.pkl', 'in', '-o', 'X.txt')
    assert done.returncode == 1 and 'X.csv: would be overwritten' in done.stderr


def test_nothing_to_score_is_an_error(run, whole):
    (whole / 'broken.png').write_bytes(b'\x89PNG\r\n\x1a\n' + bytes(40))
    done = run('predict.py', 'model.pkl', 'broken.png')
    assert done.returncode == 1
    assert 'error: nothing to score: 1 file could not be read' in done.stderr
    assert not (whole / 'pred.txt').exists()


def test_files_without_a_face_are_remembered_and_have_no_score(run, folder, model):
    model_file.remember(model, Preparation(FACE, .25))
    model_file.save(folder / 'model.pkl', model)
    done = run('predict.py', 'model.pkl', 'in')
    assert 'nothing to score: no face in 7 files' in done.stderr
    assert len(table(folder / 'pred.library' / 'seen.csv')) == 7


def test_a_film_has_the_score_of_its_best_picture(run, whole):
    film(whole / 'film.avi', [1, 2, 3])
    draw(whole / 'one.png', 5)
    done = run('predict.py', 'model.pkl', 'film.avi', 'one.png', '--gallery', 'out')
    assert done.returncode == 0, done.stderr
    rows = table(whole / 'pred.csv')
    of_film = [row for row in rows if row['source'] == 'film.avi']
    assert sorted(row['time'] for row in of_film) == ['0.000', '1.000', '2.000']
    assert [row['is_best'] for row in of_film] == ['1', '0', '0']
    scores = np.loadtxt(whole / 'pred.txt')
    assert scores[0] == pytest.approx(max(float(row['score']) for row in of_film))
    assert (whole / 'out' / 'index.html').exists() and 'gallery: out/index.html' in done.stdout


def test_a_library_for_another_model_is_made_anew(run, folder, model):
    run('predict.py', 'model.pkl', 'in')
    model_file.remember(model, None)
    model_file.save(folder / 'model.pkl', model)
    done = run('predict.py', 'model.pkl', 'in')
    assert done.returncode == 1
    assert 'model.pkl: does not say how its pictures were cropped' in done.stderr
    done = run('predict.py', 'model.pkl', 'in', '--margin', 0)
    assert 'was prepared for a different kind of model' in done.stderr
    done = run('predict.py', 'model.pkl', 'in', '--whole')
    assert done.stdout.startswith('7 pictures in 7 files, 7 of them new')


def test_a_damaged_library_is_made_anew_and_a_strange_folder_left_alone(run, folder):
    run('predict.py', 'model.pkl', 'in')
    (folder / 'pred.library' / 'X.npy').write_bytes(b'nothing')
    done = run('predict.py', 'model.pkl', 'in')
    assert done.returncode == 0 and 'is damaged' in done.stderr
    (folder / 'pred.library' / 'thesis.doc').write_text('x')
    done = run('predict.py', 'model.pkl', 'in')
    assert done.returncode == 1 and "got 'thesis.doc'" in done.stderr


def test_stars_probabilities_and_what_to_keep(run, folder):
    done = run('predict.py', 'model.pkl', 'in', '--keep', .8)
    assert done.returncode == 0, done.stderr
    assert 'keep: ' in done.stdout and '95 % interval' in done.stdout
    rows = table(folder / 'pred.csv')
    stars = [int(row['stars']) for row in rows]
    assert stars == sorted(stars, reverse=True) and set(stars) <= set(range(1, 6))
    assert all(0 <= float(row['probability']) <= 1 for row in rows)
    keep = [int(row['keep']) for row in rows]
    assert keep == sorted(keep, reverse=True)


def test_too_few_ratings_to_tell_what_to_keep_is_said(run, folder, model):
    model_file.remember(model, Preparation(PICTURE, 0.), np.arange(5.), np.arange(5.) + 1)
    model_file.save(folder / 'model.pkl', model)
    done = run('predict.py', 'model.pkl', 'in', '--keep', .8)
    assert 'keep: no threshold: 5 ratings held out, too few to tell' in done.stdout
    assert 'keep' not in table(folder / 'pred.csv')[0]


@pytest.mark.parametrize('options', [['--keep', .8], ['--xmp'], ['--sort_into', 'sorted']])
def test_stars_need_held_out_ratings(run, folder, model, options):
    model_file.remember(model, Preparation(PICTURE, 0.))
    model_file.save(folder / 'model.pkl', model)
    done = run('predict.py', 'model.pkl', 'in', *options)
    assert done.returncode == 1
    assert 'train it with --arch pretrained or --valid_ratio 0.2' in done.stderr
    assert not (folder / 'pred.txt').exists()


def test_files_are_linked_by_rank(run, folder):
    done = run('predict.py', 'model.pkl', 'in', '--sort_into', 'best', '--by_rank')
    assert done.returncode == 0 and '7 files -> best' in done.stdout
    names = sorted(os.listdir(folder / 'best'))
    assert [name[:5] for name in names] == [f'000{rank}_' for rank in range(1, 8)]
    first = table(folder / 'pred.csv')[0]['source'].lstrip("'")
    assert os.path.samefile(folder / 'best' / names[0], folder / first)
    done = run('predict.py', 'model.pkl', 'in', '--sort_into', 'best', '--by_rank')
    assert done.returncode == 1 and 'expected a new or empty folder' in done.stderr


def test_a_move_takes_sidecars_along_and_can_be_undone(run, folder):
    sidecars.write(str(folder / 'in' / '9.png'), 5, 1.)
    before = sorted(os.listdir(folder / 'in'))
    done = run('predict.py', 'model.pkl', 'in', '--sort_into', 'sorted', '--move', '--gallery',
               'out')
    assert done.returncode == 0, done.stderr
    assert os.listdir(folder / 'in') == []
    places = {path.name: path for path in (folder / 'sorted').rglob('*') if path.is_file()}
    assert set(places) == {*before, 'moved.csv'}
    assert places['9.png.xmp'].parent == places['9.png'].parent
    assert 'sorted' in (folder / 'out' / 'index.html').read_text(encoding='utf-8')
    done = run('predict.py', '--undo_move', 'sorted')
    assert (done.returncode, done.stdout) == (0, '8 files moved back\n')
    assert sorted(os.listdir(folder / 'in')) == before and not (folder / 'sorted').exists()


def test_stars_go_into_sidecars_but_never_over_a_persons(run, folder):
    run('predict.py', 'model.pkl', 'in', '--xmp')
    own = folder / 'in' / '9.png.xmp'
    own.write_text(own.read_text(encoding='utf-8').replace('ranknet:stars="', 'ranknet:stars="1'),
                   encoding='utf-8')
    before = own.read_bytes()
    done = run('predict.py', 'model.pkl', 'in', '--xmp')
    assert '6 sidecars written, 1 rated by a person left unchanged' in done.stdout
    assert own.read_bytes() == before
    stars = {row['source'].lstrip("'"): int(row['stars']) for row in table(folder / 'pred.csv')}
    assert sidecars.read(str(folder / 'in' / '10.png.xmp')) == (stars['in/10.png'], True)


def test_sidecars_that_cannot_be_written_are_named(run, folder, monkeypatch):
    def write(picture, stars, score):
        raise PermissionError(13, 'Permission denied', picture)

    monkeypatch.setattr(sidecars, 'write', write)
    done = run('predict.py', 'model.pkl', 'in', '--xmp')
    assert done.returncode == 0 and done.stdout.endswith('0 sidecars written, 7 failed\n')
    assert done.stderr.count('.xmp: Permission denied') == 5
    assert '7 sidecars could not be written' in done.stderr


@pytest.mark.skipif(os.name != 'posix' or os.geteuid() == 0, reason='root may write anywhere')
def test_pictures_in_a_read_only_folder_are_scored(run, folder):
    os.chmod(folder / 'in', stat.S_IREAD | stat.S_IEXEC)
    try:
        assert run('predict.py', 'model.pkl', 'in').returncode == 0
    finally:
        os.chmod(folder / 'in', stat.S_IRWXU)


def test_a_set_whose_sources_are_there_has_a_gallery_too(run, folder):
    run('crop_faces.py', 'in', '--no_faces', '--size', 20, '--keep_duplicates')
    assert picture_set.read_preparation('X.npy', 7) == Preparation(PICTURE, 0.)
    done = run('predict.py', 'model.pkl', 'X.npy', '--gallery', 'out', '--xmp', '--csv', 't.csv')
    assert done.returncode == 0, done.stderr
    assert '7 sidecars written' in done.stdout and (folder / 'out' / 'index.html').exists()
    assert list(table(folder / 't.csv')[0])[:5] == ['rank', 'score', 'stars', 'probability', 'row']
    shutil.rmtree(folder / 'in')
    done = run('predict.py', 'model.pkl', 'X.npy', '--gallery', 'out')
    assert done.returncode == 1 and 'names none that exists' in done.stderr


def test_train_lets_the_model_remember(run, folder, ratings):
    for i in range(30):
        draw(folder / 'in' / f'more{i}.png', 100 + i)
    for name in ODD:
        os.remove(folder / 'in' / name)
    run('crop_faces.py', 'in', '--no_faces', '--size', 20, '--keep_duplicates')
    np.savetxt(folder / 'ratings.txt', ratings)
    done = run('train.py', 'X.npy', 'ratings.txt', '--n_iter', 2, '--valid_ratio', .4)
    assert done.returncode == 0, done.stderr
    model = model_file.load(folder / 'model.pkl')
    assert model.preparation == (PICTURE, 0.)
    assert len(model.held_out[0]) == len(model.held_out[1]) == 12
    done = run('predict.py', 'model.pkl', 'in', '--sort_into', 'sorted', '--copy')
    assert done.returncode == 0, done.stderr
    assert len(list((folder / 'sorted').rglob('*.png'))) == 30


@pytest.mark.parametrize('options', [['in', '--features', 'F.npy'], ['X.npy', '--whole'],
                                     ['in', '--move'], ['in', '--whole', '--margin', '0']])
def test_options_that_do_not_go_together_are_refused(run, folder, options):
    assert run('predict.py', 'model.pkl', *options).returncode == 2
