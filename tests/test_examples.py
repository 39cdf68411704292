"""The demo's film: what is drawn, and what its made-up person says to it."""
import csv
from dataclasses import fields

import cv2
import numpy as np
import pytest

import backdrops
import draw_cast
import face
import hair
import rate_cast
import wardrobe
from cast import EXPRESSIONS, TEST_CAST, TRAIN_CAST, Character, coolness, taste
from draw_cast import script_of
from picture_ranknet.faces import FaceDetector


def character(**looks):
    plain = {field.name: 1.0 if field.type is float else '#808080' for field in fields(Character)}
    return Character(**{**plain, **looks})


# --- the casts ---

def test_two_casts_of_nine_have_nobody_in_common():
    names = [who.name for who in TRAIN_CAST + TEST_CAST]
    looks = [(who.hair, who.eyes) for who in TRAIN_CAST + TEST_CAST]
    assert (len(TRAIN_CAST), len(TEST_CAST)) == (9, 9)
    assert len(set(names)) == len(set(looks)) == 18


@pytest.mark.parametrize('who', TRAIN_CAST + TEST_CAST, ids=lambda who: who.name)
def test_everything_about_a_character_can_be_drawn(who):
    assert who.back in hair.BACKS and who.back in hair.SIDES
    assert who.bangs in hair.BANGS
    assert who.outfit in wardrobe.OUTFITS
    assert who.extra in wardrobe.EXTRAS or who.extra == 'none'


def test_every_expression_has_its_mouth():
    assert {expression.mouth for expression in EXPRESSIONS.values()} == set(face.MOUTHS)


# --- the taste ---

@pytest.mark.parametrize('paint, expected', [
    ('#808080', 0),                      # grey
    ('#00aaff', 1),                      # azure: a hue of 200 degrees
    ('#ff5500', -1),                     # ... and the one across, 20 degrees
    ('#ff0000', np.cos(np.radians(160))),
])
def test_coolness_by_hand(paint, expected):
    assert coolness(paint) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize('looks, mood, expected', [
    ({}, 'calm', 2.8),
    ({'hair': '#00aaff'}, 'calm', 2.8 + 1.1),
    ({'hair': '#ff5500'}, 'calm', 2.8 - 1.1),
    ({'eye_size': 1.15}, 'calm', 2.8 + .6),
    ({'eye_size': .85}, 'calm', 2.8 - .6),
    ({'extra': 'ribbon'}, 'laughing', 2.8 + .5 + .4),
    ({'extra': 'glasses'}, 'serious', 2.8 - .5 - .4),
    ({'hair': '#00aaff', 'eye_size': 1.15, 'extra': 'ribbon'}, 'laughing', 5),
    ({'hair': '#ff5500', 'eye_size': .85, 'extra': 'glasses'}, 'serious', 1),
])
def test_taste_by_hand(looks, mood, expected):
    assert taste(character(**looks), EXPRESSIONS[mood]) == pytest.approx(expected)


@pytest.mark.parametrize('cast', [TRAIN_CAST, TEST_CAST], ids=['train', 'test'])
def test_each_cast_has_somebody_to_like_and_somebody_to_dislike(cast):
    likings = [taste(who, EXPRESSIONS['calm']) for who in cast]
    assert min(likings) < 2 and max(likings) > 4
    assert 2.3 < np.mean(likings) < 3.3


# --- the film ---

def test_a_seed_gives_the_same_script_and_another_seed_another():
    assert script_of('train', 0) == script_of('train', 0)
    assert script_of('train', 0) != script_of('train', 1)


def test_a_shot_is_drawn_the_same_again():
    shot = script_of('train', 0)[-1]
    assert len(shot.actors) == 2
    (frame, boxes), (again, boxes_again) = (next(draw_cast.draw_shot(shot)) for _ in range(2))
    np.testing.assert_array_equal(frame, again)
    assert boxes == boxes_again


def test_the_test_film_shows_each_character_in_two_places_and_moods():
    shots = script_of('test', 0)
    assert len(shots) == 18
    for who in TEST_CAST:
        takes = [(shot.place, actor.mood) for shot in shots for actor in shot.actors
                 if actor.who == who]
        (place, mood), (other_place, other_mood) = takes
        assert place != other_place and mood != other_mood


@pytest.mark.parametrize('name', ['train', 'test'])
@pytest.mark.parametrize('seed', range(5))
def test_faces_stay_in_the_frame(name, seed):
    for shot in script_of(name, seed):
        for actor in shot.actors:
            for t in (0, .25, .5, .75, 1):
                x, y, w, h = draw_cast.face_box(actor, shot, t)
                assert 90 <= w == h
                assert 0 <= x <= x + w <= draw_cast.WIDTH
                assert 0 <= y <= y + h <= draw_cast.HEIGHT


@pytest.mark.parametrize('place', backdrops.BACKDROPS)
def test_backdrops_fill_their_picture(place):
    img = backdrops.draw_backdrop(place, 60, np.random.default_rng(0))
    assert img.shape == (60, 108, 3) and img.dtype == np.uint8
    assert img.std() > 5


def test_draw_cast_writes_the_videos_and_their_tables(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(draw_cast, 'VIDEOS', {'train': (TRAIN_CAST[:1], 1, False)})
    draw_cast.main([str(tmp_path)])
    assert '1 shots, 24 frames, 24 drawn faces' in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ['train.mp4', 'train_cast.csv']
    video = cv2.VideoCapture(str(tmp_path / 'train.mp4'))
    assert [frame.shape for there, frame in (video.read() for _ in range(25)) if there] == (
        24 * [(360, 640, 3)])
    with open(tmp_path / 'train_cast.csv', newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == draw_cast.COLUMNS
    assert [int(row['frame']) for row in rows] == list(range(24))
    assert {row['character'] for row in rows} == {'Aoi'}


def test_our_cascade_finds_every_face_of_the_test_film():
    detect = FaceDetector()
    for shot in script_of('test', 0):
        frame, (box,) = next(draw_cast.draw_shot(shot))
        (found,) = detect(frame)
        assert rate_cast.intersection_over_union(found.box, box) > .45


# --- the ratings ---

@pytest.mark.parametrize('a, b, expected', [
    ((0, 0, 10, 10), (0, 0, 10, 10), 1),
    ((0, 0, 10, 10), (5, 0, 10, 10), 50 / 150),
    ((0, 0, 10, 10), (2, 2, 5, 5), 25 / 100),
    ((0, 0, 10, 10), (10, 0, 10, 10), 0),
    ((0, 0, 10, 10), (20, 20, 10, 10), 0),
])
def test_intersection_over_union_by_hand(a, b, expected):
    assert rate_cast.intersection_over_union(a, b) == pytest.approx(expected)
    assert rate_cast.intersection_over_union(b, a) == pytest.approx(expected)


@pytest.fixture
def tables(tmp_path):
    """Found faces and drawn ones: two share frame 7, and frame 9 shows nobody."""
    found, drawn = tmp_path / 'X.csv', tmp_path / 'cast.csv'
    found.write_text('row,source,frame,time,x,y,w,h\n'
                     '0,a.mp4,0,0.0,12,10,100,100\n'
                     '1,a.mp4,7,0.3,205,12,90,90\n'
                     '2,a.mp4,7,0.3,10,12,90,90\n'
                     '3,a.mp4,7,0.3,400,300,40,40\n'
                     '4,a.mp4,9,0.4,10,10,100,100\n')
    drawn.write_text('frame,x,y,w,h,character,taste\n'
                     '0,10,10,100,100,Aoi,4.00\n'
                     '7,10,10,100,100,Aoi,2.00\n'
                     '7,200,10,100,100,Kuro,5.00\n')
    return found, drawn, tmp_path / 'ratings.txt'


def test_rate_cast_rates_the_face_that_is_there(tables, monkeypatch, capsys):
    monkeypatch.setattr(rate_cast, 'MOOD', 0)
    rate_cast.main([str(path) for path in tables])
    assert tables[2].read_text() == '4\n5\n2\nnan\nnan\n'
    assert capsys.readouterr().out == (
        '3 rated: 1 x 5, 1 x 4, 0 x 3, 1 x 2, 0 x 1; 2 not a face\n')


def test_mood_changes_ratings_with_the_seed():
    tastes = np.full(200, 3.5)
    first, again, other = (rate_cast.rate(tastes, np.random.default_rng(seed))
                           for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert set(first) <= {2, 3, 4, 5} and abs(first.mean() - 3.5) < .1


def test_ratings_stay_between_1_and_5():
    ratings = rate_cast.rate(np.repeat([1., 5.], 200), np.random.default_rng(0))
    assert ratings.min() == 1 and ratings.max() == 5


@pytest.mark.parametrize('old, new, message', [
    ('taste', 'liking', "cast.csv: expected a column named 'taste'"),
    ('5.00', 'five', "cast.csv, line 4: could not convert string to float: 'five'"),
])
def test_a_bad_table_is_an_error_of_one_line(tables, old, new, message):
    drawn = tables[1]
    drawn.write_text(drawn.read_text().replace(old, new))
    with pytest.raises(SystemExit) as error:
        rate_cast.main([str(path) for path in tables])
    assert error.value.code == 'rate_cast.py: error: {}'.format(drawn.parent / message)
    assert not tables[2].exists()
