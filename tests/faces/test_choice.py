import numpy as np

from picture_ranknet.faces.choice import choose, explain
from picture_ranknet.faces.settings import Rules
from picture_ranknet.faces.tracks import link
from picture_ranknet.pictures.near_duplicates import NearDuplicates
from support.face_samples import face


def picture(seed, size=80):
    """A picture of blots that no other seed draws."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (3, 16, 16))
    return np.kron(small, np.ones((1, size // 16, size // 16))).astype(np.uint8)


def reasons(faces, pictures, n_before=0, **rules):
    rules = Rules(**{'min_side': 0, 'min_sharpness': 0, **rules})
    return choose(faces, link(faces), NearDuplicates(pictures), rules, n_before)


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
    near_duplicates = NearDuplicates(chain)
    rows = [i for i, reason in enumerate(kept) if reason == '']
    for i in rows:
        assert not len(near_duplicates.of(i, np.array([row for row in rows if row != i]), 12))


def test_pictures_of_other_colours_are_not_the_same():
    red = picture(1)
    red[1:] //= 3
    blue = red[::-1]
    grey = np.broadcast_to(picture(1).mean(axis=0).astype(np.uint8), (3, 80, 80))
    assert reasons([face(0), face(10)], [red, blue]) == ['', '']
    assert reasons([face(0), face(10)], [grey, varied(grey)]) == ['', 'duplicate']


def test_duplicate_bits_set_how_similar_duplicates_are():
    pictures = [picture(1), varied(picture(1))]
    near_duplicates = NearDuplicates(pictures)
    bits = int(near_duplicates.distance(0, np.array([1]))[0])
    assert reasons([face(0), face(10)], pictures, duplicate_bits=bits) == ['', 'duplicate']
    assert reasons([face(0), face(10)], pictures, duplicate_bits=bits - 1) == ['', '']
    assert reasons([face(0), face(10)], [picture(1)] * 2, duplicate_bits=None) == ['', '']


def test_a_track_may_have_twice_as_many_bits():
    pictures = [picture(1), varied(picture(1))]
    bits = int(NearDuplicates(pictures).distance(0, np.array([1]))[0])
    faces = [face(0), face(1)]
    assert reasons(faces, pictures, duplicate_bits=bits // 2) == ['', 'duplicate']
    assert reasons(faces, pictures, duplicate_bits=bits // 2 - 1) == ['', '']


def test_pictures_already_kept_stay():
    assert reasons([face(0, side=500, sharpness=99)], [picture(1), varied(picture(1))],
                   n_before=1) == ['duplicate']


def test_the_best_of_a_track_are_kept():
    faces = [face(look, sharpness=s) for look, s in enumerate([3., 9, 5, 7])]
    pictures = [picture(seed) for seed in range(4)]
    assert reasons(faces, pictures, per_track=2) == [
        'more of its track', '', 'more of its track', '']
    faces = [face._replace(scene=face.look) for face in faces]
    assert reasons(faces, pictures, per_track=2) == [''] * 4


def test_small_blurred_and_uncertain_faces_are_dropped():
    faces = [face(0, sharpness=4.), face(10, confidence=2.), face(20, confidence=None), face(30),
             face(40, side=29)]
    pictures = [picture(seed) for seed in range(5)]
    assert reasons(faces, pictures, min_side=30, min_sharpness=5, min_confidence=4) == [
        'blurred', 'unsure', '', '', 'too small']


def test_the_best_face_of_each_reason_explains_why_all_were_dropped():
    faces = [face(0, sharpness=4.), face(10, sharpness=4.25), face(20, confidence=2.),
             face(30, side=29)]
    rules = Rules(min_side=30, min_sharpness=5, min_confidence=4)
    dropped = choose(faces, link(faces), NearDuplicates([picture(i) for i in range(4)]), rules)
    assert explain(faces, dropped, rules) == (
        '1 too small (under 30 pixels, the largest has 29; see --max_enlargement), '
        '1 unsure (confidence under 4, the best has 2.0; see --min_confidence), '
        '2 blurred (sharpness under 5, the best has 4.2; see --min_sharpness)')
