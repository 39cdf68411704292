import tracemalloc

import imagehash
import numpy as np
import pytest
from PIL import Image

from picture_ranknet.faces import choice as face_choice
from picture_ranknet.faces.choice import Fingerprints, Rules, choose, link
from picture_ranknet.faces.store import Face


def face(look=0, x=0, y=0, side=40, scene=0, sharpness=10., confidence=5.):
    return Face(0, 'a.mp4', 6 * look, look / 4, scene, look, x, y, side, side, confidence,
                sharpness)


def picture(seed, size=80):
    """A picture of blots that no other seed draws."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (3, 16, 16))
    return np.kron(small, np.ones((1, size // 16, size // 16))).astype(np.uint8)


def test_a_face_is_followed_while_it_overlaps_itself():
    faces = [face(0, 0), face(0, 200), face(1, 10), face(1, 190), face(2, 300)]
    assert link(faces) == [(0, 0), (0, 1), (0, 0), (0, 1), (0, 2)]


def test_a_face_belongs_to_the_track_that_it_overlaps_most():
    # At the second look one is 4 pixels from the first, the other 4 from the second.
    assert link([face(0, 0), face(0, 20), face(1, 16), face(1, 4)]) == [
        (0, 0), (0, 1), (0, 1), (0, 0)]


def test_a_face_may_be_away_for_a_moment():
    assert link([face(0), face(2)]) == [(0, 0), (0, 0)]
    assert link([face(0), face(3)]) == [(0, 0), (0, 1)]


def test_a_cut_ends_every_track():
    assert link([face(0), face(1, scene=1), face(2, scene=1)]) == [(0, 0), (1, 0), (1, 0)]


def test_a_crowd_is_followed():
    crowd = [[face(look, 50 * (i % 25) + look, 50 * (i // 25)) for i in range(500)]
             for look in range(2)]
    tracemalloc.start()
    tracks = link(sum(crowd, []))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert tracks == [(0, i) for i in range(500)] * 2
    assert peak < 4e6  # all 250,000 overlaps take 40 MB


def test_no_faces_have_no_tracks():
    assert link([]) == []


@pytest.mark.parametrize('box, iou', [
    ((0, 0, 40), 1), ((20, 0, 40), 1 / 3), ((40, 0, 40), 0), ((10, 10, 20), 1 / 4)])
def test_overlap_by_hand(box, iou):
    x, y, side = box
    boxes = np.array([[900, 900, 5, 5], [x, y, side, side]])
    assert face_choice.overlap(boxes, face()) == pytest.approx(np.array([0, iou]))


def reasons(faces, pictures, n_before=0, **rules):
    return choose(faces, link(faces), Fingerprints(pictures), Rules(**rules), n_before)


def varied(picture, seed=0):
    rng = np.random.default_rng(seed)
    return np.clip(picture * .99 + rng.normal(0, .7, picture.shape), 0, 255).astype(np.uint8)


def test_of_the_same_picture_the_sharpest_and_largest_is_kept():
    pictures = [picture(1), varied(picture(1)), varied(picture(1), 1), picture(2)]
    faces = [face(0, sharpness=9), face(10, sharpness=12), face(20, side=39, sharpness=12),
             face(30)]
    assert reasons(faces, pictures) == ['duplicate', '', 'duplicate', '']


def test_pictures_are_compared_with_those_that_are_kept_and_not_in_a_chain():
    # Each is like its neighbour; the ends are not like each other.
    half = np.linspace(0, 1, 9)[:, None, None, None]
    chain = (picture(1) * (1 - half) + picture(2) * half).astype(np.uint8)
    kept = reasons([face(10 * i) for i in range(9)], chain)
    assert kept[0] == '' and 2 <= kept.count('') < 9
    marks = Fingerprints(chain)
    rows = [i for i, reason in enumerate(kept) if reason == '']
    for i in rows:
        assert not marks.has_twin(i, np.array([j for j in rows if j != i]), 12)


def test_pictures_of_other_colours_are_not_the_same():
    red = picture(1)
    red[1:] //= 3
    blue = red[::-1]
    grey = np.broadcast_to(picture(1).mean(axis=0).astype(np.uint8), (3, 80, 80))
    assert reasons([face(0), face(10)], [red, blue]) == ['', '']
    assert reasons([face(0), face(10)], [grey, varied(grey)]) == ['', 'duplicate']


def test_the_bits_say_how_alike_pictures_may_be():
    pictures = [picture(1), varied(picture(1))]
    marks = Fingerprints(pictures)
    bits = int(marks.distance(0, np.array([1]))[0])
    assert reasons([face(0), face(10)], pictures, duplicate_bits=bits) == ['', 'duplicate']
    assert reasons([face(0), face(10)], pictures, duplicate_bits=bits - 1) == ['', '']
    assert reasons([face(0), face(10)], [picture(1)] * 2, duplicate_bits=-1) == ['', '']


def test_a_track_may_have_twice_as_many_bits():
    pictures = [picture(1), varied(picture(1))]
    bits = int(Fingerprints(pictures).distance(0, np.array([1]))[0])
    faces = [face(0), face(1)]
    assert reasons(faces, pictures, duplicate_bits=bits // 2) == ['', 'duplicate']
    assert reasons(faces, pictures, duplicate_bits=bits // 2 - 1) == ['', '']


def test_what_is_kept_already_stays_whatever_comes():
    assert reasons([face(0, side=500, sharpness=99)], [picture(1), varied(picture(1))],
                   n_before=1) == ['duplicate']


def test_the_best_of_a_track_are_kept():
    faces = [face(look, sharpness=s) for look, s in enumerate([3., 9, 5, 7])]
    pictures = [picture(seed) for seed in range(4)]
    assert reasons(faces, pictures, per_track=2) == [
        'more of its track', '', 'more of its track', '']
    faces = [face._replace(scene=face.look) for face in faces]
    assert reasons(faces, pictures, per_track=2) == [''] * 4


def test_what_is_small_blurred_or_unsure_is_dropped():
    faces = [face(0, sharpness=4.), face(10, confidence=2.), face(20, confidence=None), face(30),
             face(40, side=29)]
    pictures = [picture(seed) for seed in range(5)]
    assert reasons(faces, pictures, min_side=30, min_sharpness=5, min_confidence=4) == [
        'blurred', 'unsure', '', '', 'too small']


def test_a_blurred_crop_is_less_sharp():
    sharp = picture(1)
    blurred = (sharp // 3 + np.roll(sharp, 3, 1) // 3 + np.roll(sharp, 3, 2) // 3)
    assert 0 < face_choice.measure_sharpness(blurred) < face_choice.measure_sharpness(sharp)
    assert face_choice.measure_sharpness(np.full((3, 9, 9), 77, np.uint8)) == 0


def test_distances_are_those_of_imagehash():
    pictures = [picture(seed) for seed in range(4)]
    hashes = [imagehash.phash(Image.fromarray(p.transpose(1, 2, 0)), 12) for p in pictures]
    assert Fingerprints(pictures).distance(2, np.arange(4)).tolist() == [
        hashes[2] - other for other in hashes]
    assert not Fingerprints(pictures).has_twin(2, np.arange(0), 144)
