import numpy as np
import pytest

import net
from picture_ranknet.machine import devices
from picture_ranknet.models import model_file
from picture_ranknet.ranking.models import load_models
from picture_ranknet.ranking.settings import Scoring
from picture_ranknet.storage.picture_set import Preparation
from support.errors import error_of


@pytest.fixture
def save(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def save(name, size=(13, 13), n_features=0, preparation=None):
        model = net.RankNet(net.CNN(size), size, 1 / 255)
        if n_features:
            model.predictor.add_features(n_features)
        model_file.remember(model, preparation)
        model_file.save(name, model)
        return name
    return save


@pytest.fixture
def device():
    return devices.use_device('-1')


def test_models_come_in_order_with_the_scale_asked_for(save, device):
    names = [save('a.pkl'), save('b.pkl', n_features=2)]
    X = np.full((1, 3, 13, 13), 200, np.uint8)
    notes = []
    a, b = load_models(Scoring(names, device, .5), 'F.npy', 'X.npy', X, notes.append)
    assert (a.predictor.n_features, b.predictor.n_features) == (0, 2)
    assert a.image_scale == b.image_scale == .5
    assert notes == ['warning: X.npy: the brightest pixel is 100 after scaling, but networks learn '
                     'best from 0 to 1; see --image_scale'] * 2


def test_each_must_fit_the_pictures_and_have_its_features(save, device):
    X = np.zeros((1, 3, 13, 14), np.uint8)
    message = error_of(load_models, Scoring([save('a.pkl')], device), None, 'X.npy', X)
    assert message.startswith('a.pkl: was trained on pictures of 13 x 13, these are 14 x 13')
    assert 'b.pkl: was trained with 2 features' in error_of(
        load_models, Scoring([save('b.pkl', n_features=2)], device))


def test_pictures_that_are_yet_to_be_prepared_must_do_for_all_models(save, device):
    faces = save('a.pkl', preparation=Preparation('face', .25))
    tight = save('e.pkl', preparation=Preparation('face', 0.))
    same = save('b.pkl')
    assert len(load_models(Scoring([faces, same], device))) == 2
    for other, words in ((save('c.pkl', (13, 14)), 'a model for square pictures, got 14 x 13'),
                         (save('d.pkl', (14, 14)), 'is for pictures of 14 x 14'),
                         (tight, 'were cropped differently')):
        assert words in error_of(load_models, Scoring([faces, other], device))
