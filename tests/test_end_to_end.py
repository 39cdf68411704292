"""The whole way, with the real commands: pictures, crops, ratings, model, ranking."""
import csv

import numpy as np
import pytest
from PIL import Image


def read_csv(path):
    with open(path, newline='', encoding='utf-8') as f:
        return list(csv.DictReader(f))


def draw_pictures(folder, n, seed):
    """Noise, the redder the larger its number modulo 5."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for i in range(n):
        img = rng.integers(0, 60, (40, 40, 3))
        img[:, :, 0] += 30 + 30 * (i % 5)
        Image.fromarray(img.astype(np.uint8)).save(folder / f'{i}.png')


def test_from_pictures_to_a_ranking_of_others(run, tmp_path):
    draw_pictures(tmp_path / 'rated', 40, 0)
    draw_pictures(tmp_path / 'new', 20, 1)
    done = run('crop_faces.py', 'rated', '--no_faces', '--size', 20)
    assert done.returncode == 0, done.stderr
    table = read_csv(tmp_path / 'X.csv')
    assert [row['source'] for row in table] == [f'rated/{i}.png' for i in range(40)]
    (tmp_path / 'ratings.txt').write_text(''.join(f'{1 + i % 5}\n' for i in range(40)))

    done = run('train.py', 'X.npy', 'ratings.txt', '--n_iter', 80, '--valid_ratio', .2)
    assert done.returncode == 0, done.stderr

    run('crop_faces.py', 'new', '--no_faces', '--size', 20, '-o', 'X_test.npy')
    (tmp_path / 'own.txt').write_text(''.join(f'{1 + i % 5}\n' for i in range(20)))
    done = run('predict.py', 'model.pkl', 'X_test.npy', '--ratings', 'own.txt',
               '--csv', 'ranked.csv', '--strip', 'ranked.png')
    assert done.returncode == 0, done.stderr
    accuracy = float(done.stdout.split('pair accuracy: ')[1].split()[0])
    assert accuracy > .95
    best = read_csv(tmp_path / 'ranked.csv')[0]
    assert best['source'] == f'new/{best["row"]}.png'
    assert int(best['row']) % 5 == 4


@pytest.fixture
def anime(real_data):
    """A video with faces."""
    return real_data / 'clips' / 'anime_1080p.mp4'


def test_from_a_real_video_to_a_strip(run, tmp_path, anime):
    done = run('crop_faces.py', anime, '--fps', 2)
    assert done.returncode == 0, done.stderr
    X = np.load(tmp_path / 'X.npy')
    assert X.shape[1:] == (3, 80, 80) and X.dtype == np.uint8 and len(X) >= 2
    # The person likes bright pictures.
    brightness = X.mean(axis=(1, 2, 3))
    np.savetxt(tmp_path / 'ratings.txt', 1 + brightness.argsort().argsort() % 5, '%d')
    done = run('train.py', 'X.npy', 'ratings.txt', '--n_iter', 4, '--monitor_step', 2, '-b', 2)
    assert done.returncode == 0, done.stderr
    done = run('predict.py', 'model.pkl', 'X.npy', '--strip', 'ranked.png', '--csv', 'ranked.csv')
    assert done.returncode == 0, done.stderr
    assert len(read_csv(tmp_path / 'ranked.csv')) == len(X)
