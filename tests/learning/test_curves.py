import pytest
from matplotlib import figure
from PIL import Image

from picture_ranknet.learning import curves

LOG = [{'iteration': 3, 'main/loss': .6, 'train/ndcg': .5, 'train/pair_accuracy': .7,
        'valid/loss': .65, 'valid/ndcg': .45, 'valid/pair_accuracy': .66},
       {'iteration': 5, 'main/loss': .4, 'train/ndcg': .8, 'train/pair_accuracy': .9,
        'valid/loss': .55, 'valid/ndcg': .7, 'valid/pair_accuracy': .6}]


@pytest.fixture
def draw(tmp_path, monkeypatch):
    """Draw curves; returns the lines of each file, as their points by what the legend says."""
    drawn = []
    save = figure.Figure.savefig
    monkeypatch.setattr(figure.Figure, 'savefig', lambda self, *args, **kwargs: (
        drawn.append(self), save(self, *args, **kwargs)))

    def draw(log, best_step=0):
        drawn.clear()
        curves.draw(str(tmp_path), log, 100, best_step)
        return [{line.get_label(): (list(line.get_xdata()), list(line.get_ydata()))
                 for line in shown.axes[0].lines} for shown in drawn]
    return draw


def test_the_curves_show_what_the_log_says(draw, tmp_path):
    loss, ranking = draw(LOG)
    assert loss == {'training': ([3, 5], [.6, .4]), 'held out': ([3, 5], [.65, .55])}
    assert ranking == {
        'pair accuracy, training': ([3, 5], [.7, .9]), 'NDCG, training': ([3, 5], [.5, .8]),
        'pair accuracy, held out': ([3, 5], [.66, .6]), 'NDCG, held out': ([3, 5], [.45, .7])}
    for name in 'loss.png', 'ranking.png':
        with Image.open(tmp_path / name) as image:
            assert image.size[0] > image.size[1] > 300


def test_the_best_step_is_marked(draw):
    for lines in draw(LOG, best_step=3):
        assert lines['best: step 3'][0] == [3, 3]


def test_without_validation_there_is_one_curve_of_a_kind(draw):
    log = [{key: value for key, value in entry.items() if 'valid' not in key} for entry in LOG[:1]]
    loss, ranking = draw(log)
    assert set(loss) == {'training'}
    assert set(ranking) == {'pair accuracy, training', 'NDCG, training'}
