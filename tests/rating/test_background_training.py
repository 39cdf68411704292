"""train.py run from the page."""
import sys
import time

import pytest

from picture_ranknet.rating.background_training import Training


@pytest.fixture
def make(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = []

    def make(code):
        made.append(Training([sys.executable, '-c', code], 'X.npy', 'my.ratings.txt'))
        return made[-1]
    yield make
    for training in made:
        training.stop()


def wait(training):
    while training.state()['status'] == 'running':
        time.sleep(.02)
    return training.state()


def test_it_is_followed_to_its_end(make):
    training = make("print('step: 100 | NDCG@100'); print('step: 200 | NDCG@100'); print('done')")
    saved = []
    assert training.start(lambda: saved.append(True)) and saved == [True]
    assert wait(training) == {'status': 'done', 'step': 200, 'model': 'my.ratings_model.pkl',
                              'lines': ['step: 100 | NDCG@100', 'step: 200 | NDCG@100', 'done'],
                              'replaces': [], 'plots': []}


def test_what_was_there_before_is_replaced_only_if_it_may_be(make, tmp_path):
    training = make('')
    (tmp_path / 'my.ratings_model.pkl').write_text('made last year')
    assert training.state()['replaces'] == ['my.ratings_model.pkl']
    assert not training.start(lambda: None) and training.state()['status'] == 'none'
    assert training.start(lambda: None, may_replace=True)
    assert wait(training)['status'] == 'done'
    assert training.start(lambda: None)  # replaces what it has made itself


def test_why_it_failed_is_the_last_line(make):
    training = make("import sys; sys.exit('train.py: error: too few')")
    training.start(lambda: None)
    assert wait(training)['status'] == 'failed'
    assert training.state()['lines'] == ['train.py: error: too few']


def test_it_runs_once_at_a_time_and_can_be_ended(make):
    training = make('import time; time.sleep(600)')
    assert training.start(lambda: None) and not training.start(lambda: None)
    training.stop()
    assert wait(training)['status'] == 'failed'


def test_scores_and_plots_are_those_of_the_ratings(make, tmp_path):
    training = make('')
    assert training.scores(3) is None and training.plot('loss.png') is None
    (tmp_path / 'my.ratings_pred.txt').write_text('.5\n.1\n.3\n')
    (tmp_path / 'my.ratings_result').mkdir()
    for name in 'loss.png', 'log':
        (tmp_path / 'my.ratings_result' / name).write_text('')
    assert training.scores(3).tolist() == [.5, .1, .3]
    assert training.scores(4) is None  # of other pictures
    assert training.plot('loss.png') == str(tmp_path / 'my.ratings_result' / 'loss.png')
    assert training.plot('log') is None and training.plot('../X.npy') is None
