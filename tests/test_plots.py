import numpy as np
import pytest
from PIL import Image

import plots


@pytest.mark.parametrize('picture', [
    np.full((3, 4, 5), 51, 'u1'), np.full((3, 4, 5), .2, 'f4'), np.full((3, 4, 5), 51, 'f8')])
def test_pictures_are_shown_alike_whatever_holds_them(picture):
    image = plots.to_image(picture)
    assert image.size == (5, 4)
    assert image.getpixel((0, 0)) == (51, 51, 51)


def test_pictures_keep_their_colours():
    picture = np.zeros((3, 4, 5), 'u1')
    picture[0] = 200
    assert plots.to_image(picture).getpixel((2, 2)) == (200, 0, 0)


@pytest.mark.parametrize('n', [1, 5, 18, 40])
@pytest.mark.parametrize('ratings', [None, 'equal', 'different'])
def test_strips_of_any_length(tmp_path, n, ratings):
    X = np.zeros((n, 3, 30, 20), 'u1')
    values = {None: None, 'equal': np.ones(n), 'different': np.arange(n)}[ratings]
    plots.draw_strips(tmp_path / 'a.png', X,
                      [plots.Strip('predicted order', np.arange(n), np.arange(n) / 7)], values)
    lines = -(-n // plots.WIDTH)
    image = Image.open(tmp_path / 'a.png')
    dark = (np.asarray(image.convert('L')) < 5).sum()
    assert dark >= 30 * 20 * n
    assert image.height < 250 + lines * 120


def test_better_rated_pictures_have_warmer_bars():
    worst, middle, best = plots._rating_colours(np.array([1, 3, 5]))
    assert best[0] > best[2] and worst[2] > worst[0]
    assert plots._rating_colours(np.array([2, 2])) == [middle, middle]


@pytest.mark.parametrize('value, text', [
    (3., '3'), (3.14159, '3.14'), (-12, '-12'), (.999, '1.00')])
def test_values_are_short(value, text):
    assert plots._format_value(value) == text
