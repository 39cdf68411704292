"""The functions behind the commands, called from Python: they do the same, and print nothing."""
import json
import re
import urllib.request

import numpy as np
import pytest
from PIL import Image

import net
from picture_ranknet.faces import Rules, cropping
from picture_ranknet.faces.outputs import Outputs as CropOutputs
from picture_ranknet.learning import training
from picture_ranknet.learning.recipe import Recipe
from picture_ranknet.machine import devices
from picture_ranknet.models import scoring
from picture_ranknet.ranking import files, sets
from picture_ranknet.ranking.settings import Scoring, Uses
from picture_ranknet.rating import browser


@pytest.fixture(autouse=True)
def silent_here(tmp_path, monkeypatch, capfd):
    """In a folder of its own; nothing is printed."""
    monkeypatch.chdir(tmp_path)
    yield
    assert capfd.readouterr() == ('', '')


@pytest.fixture
def trained(rated_files):
    """``model.pkl`` beside ``X.npy``."""
    model = training.run(
        training.Files('X.npy', 'ratings.txt'), training.Start(), Recipe(n_iter=2),
        training.Outputs('pred.txt', 'model.pkl', 'result'))
    assert isinstance(model, net.RankNet)
    return rated_files


def draw(folder, n=3):
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(n):
        coarse = rng.integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(coarse).resize((60, 60)).save(folder / f'{i}.png')


def test_pictures_are_cropped_appended_and_dropped(tmp_path):
    draw(tmp_path / 'art')
    outputs = CropOutputs('X.npy')
    cropping.crop(['art/0.png', 'art/1.png'], outputs, rules=Rules(0, 0), whole_pictures=True)
    assert np.load('X.npy').shape == (2, 3, 80, 80)
    cropping.crop(['art/2.png'], outputs, rules=Rules(0, 0), append=True, whole_pictures=True)
    cropping.change(outputs, rows={0})
    assert np.load('X.npy').shape == (2, 3, 80, 80)


def test_pictures_are_rated(rated_files):
    def rate(url):
        origin = re.match(r'http://[^/]+', url)[0]
        said = {'row': 2, 'rating': 5}
        for path in 'open', 'rate', 'end':
            request = urllib.request.Request(url + path, json.dumps(said).encode(), {
                'Content-Type': 'application/json', 'Origin': origin})
            with urllib.request.urlopen(request, timeout=30) as answer:
                said = {'window': json.load(answer).get('window', said.get('window')), **said}

    browser.rate('X.npy', 'mine.txt', show=rate)
    assert np.loadtxt('mine.txt')[2] == 5


def test_a_model_ranks_a_set_and_files(trained):
    how = Scoring(['model.pkl'], devices.use_device('@numpy'))
    scores = sets.rank(how, 'X.npy', sets.Outputs('pred.txt', 'ranked.csv'))
    np.testing.assert_allclose(scores, scoring.load('model.pkl').score(np.load('X.npy')), rtol=1e-5)
    assert len((trained / 'ranked.csv').read_text().splitlines()) == 31

    draw(trained / 'art')
    uses = Uses(sort_into='sorted', by_rank=True)
    ranked = files.rank(how, ['art'], 'art.txt', uses=uses, whole=True)
    assert sorted(ranked.scores) == sorted(item.score for item in ranked.items)
    assert [path.name[:5] for path in sorted((trained / 'sorted').iterdir())] == [
        '0001_', '0002_', '0003_']
