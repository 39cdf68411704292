"""Faces for the tests of tracks and of the choice."""
from picture_ranknet.faces.store import Face


def face(look=0, x=0, y=0, side=40, scene=0, sharpness=10., confidence=5.):
    return Face(0, 'a.mp4', 6 * look, look / 4, scene, look, x, y, side, side, confidence,
                sharpness)
