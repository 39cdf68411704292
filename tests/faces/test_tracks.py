"""Following faces from frame to frame."""
import tracemalloc

from picture_ranknet.faces.tracks import link
from support.face_samples import face


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


def test_many_faces_at_once_are_followed():
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
