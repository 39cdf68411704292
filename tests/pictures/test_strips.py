
import numpy as np
import pytest
from PIL import Image

from picture_ranknet.pictures import drawing, sheets, strips


@pytest.mark.parametrize('picture', [
    np.full((3, 4, 5), 51, 'u1'), np.full((3, 4, 5), .2, 'f4'), np.full((3, 4, 5), 51, 'f8')])
def test_pictures_are_shown_alike_whatever_holds_them(picture):
    image = drawing.to_image(picture)
    assert image.size == (5, 4)
    assert image.getpixel((0, 0)) == (51, 51, 51)


def test_pictures_keep_their_colours():
    picture = np.zeros((3, 4, 5), 'u1')
    picture[0] = 200
    assert drawing.to_image(picture).getpixel((2, 2)) == (200, 0, 0)


@pytest.mark.parametrize('n', [1, 5, 18, 40])
@pytest.mark.parametrize('ratings', [None, 'equal', 'different'])
def test_strips_of_any_length(tmp_path, n, ratings):
    X = np.zeros((n, 3, 30, 20), 'u1')
    values = {None: None, 'equal': np.ones(n), 'different': np.arange(n)}[ratings]
    strips.draw_strips(tmp_path / 'a.png', X,
                      [strips.Strip('predicted order', np.arange(n), np.arange(n) / 7)], n, values)
    lines = -(-n // strips.WIDTH)
    image = Image.open(tmp_path / 'a.png')
    dark = (np.asarray(image.convert('L')) < 5).sum()
    assert dark >= 30 * 20 * n
    assert image.height < 250 + lines * 120


def test_the_sheet_shows_every_picture_with_its_number(tmp_path, pictures):
    X = pictures[:, :, :16, :]
    assert sheets.draw_sheet(tmp_path / 'sheet.png', X, columns=5) == 1
    img = np.asarray(Image.open(tmp_path / 'sheet.png')).transpose(2, 0, 1)
    cell = 20 + 8
    assert img.shape == (3, 24 + 6 * (cell + 18) - 8 + 24, 24 + 5 * cell - 8 + 24)
    numbers = set()
    for row in (0, 4, 5, 29):
        line, column = divmod(row, 5)
        left, top = 24 + column * cell, 24 + line * (cell + 18)
        np.testing.assert_array_equal(img[:, top + 2:top + 18, left:left + 20], X[row])
        number = img[:, top + 20:top + 38, left:left + 20]
        assert number.min() < 140  # pale ink on white paper
        numbers.add(number.tobytes())
    assert len(numbers) == 4
    assert img[:, :24].min() == 255 and img[:, :, :24].min() == 255


def test_the_sheet_of_very_many_pictures_shows_some(tmp_path):
    X = np.broadcast_to(np.arange(70, dtype=np.uint8)[:, None, None, None], (70, 3, 4, 4))
    assert sheets.draw_sheet(tmp_path / 'some.png', X, limit=30) == 3
    assert sheets.draw_sheet(tmp_path / 'all.png', X[:24]) == 1
    with Image.open(tmp_path / 'all.png') as sheet:
        size_of_24 = sheet.size
    sheet = Image.open(tmp_path / 'some.png')
    assert sheet.size == size_of_24
    assert [sheet.getpixel((24 + column * 12, 24)) for column in range(6)] == [
        (row, row, row) for row in (0, 3, 6, 9, 12, 15)]


def test_large_pictures_are_small_on_the_sheet(tmp_path):
    X = np.full((1, 3, 100, 200), 7, np.uint8)
    sheets.draw_sheet(tmp_path / 'sheet.png', X, side=50)
    sheet = Image.open(tmp_path / 'sheet.png')
    assert sheet.size == (24 + 50 + 24, 24 + 50 + 18 + 24)
    dark = (np.asarray(sheet) == 7).all(2)
    assert dark.sum() == 50 * 25 and dark[24 + 12:24 + 37, 24:74].all()


def test_large_pictures_are_shown_smaller(tmp_path):
    X = np.zeros((2, 3, 1000, 500), 'u1')
    strips.draw_strips(tmp_path / 'a.png', X, [strips.Strip('', [0, 1], [1., 2.])], 2)
    dark = np.asarray(Image.open(tmp_path / 'a.png').convert('L')) < 5
    assert dark.sum(axis=0).max() == strips.LARGEST


def test_captions_have_room_below_the_smallest_pictures():
    rank = drawing.font(15, bold=True).getlength('200')
    assert rank + drawing.font(15).getlength('-9.99') < strips.NARROWEST


def test_better_rated_pictures_have_warmer_bars(tmp_path):
    X = np.zeros((3, 3, 80, 80), 'u1')
    ratings = np.array([1., 3, 5])
    strips.draw_strips(tmp_path / 'a.png', X, [strips.Strip('', np.arange(3), ratings)], 3, ratings)
    image = Image.open(tmp_path / 'a.png')
    y = drawing.MARGIN + drawing.TITLE + 80 + 5
    worst, _, best = (image.getpixel((drawing.MARGIN + 40 + i * (80 + drawing.GAP), y))
                      for i in range(3))
    assert best[0] > best[2] and worst[2] > worst[0]


@pytest.mark.parametrize('value, text', [
    (3., '3'), (3.14159, '3.14'), (-12, '-12'), (.999, '1.00')])
def test_values_are_short(value, text):
    assert drawing.format_value(value) == text
