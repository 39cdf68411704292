"""How a character is put together: layers of film, from the hair behind to the hair in front.

All outlines are in one plane: the middle of the head is at (0, 0), the top
of the hair at y = -1 and the chin at y = 1.  They are laid out for a head
that looks straight ahead; ``View`` turns it.
"""
from dataclasses import dataclass

import numpy as np

from brush import Layer
from face import draw_brows, draw_eyes, draw_face
from hair import draw_back_hair, draw_front_hair
from wardrobe import draw_body, draw_extra

LEFT, TOP, RIGHT, BOTTOM = SHEET = -2.3, -1.75, 2.3, 3.9
PIXELS_PER_UNIT = 150
SEEN_THROUGH_HAIR = .6  # how much of the brows, as is the custom
EYES = {'open': 1, 'half': .55, 'shut': 0}


@dataclass(frozen=True)
class View:

    """Where a head looks: ``yaw`` to the right, ``pitch`` down, in radians."""

    yaw: float = 0.0
    pitch: float = 0.0

    def __call__(self, points, depth):
        """Turn points that stand out from the plane, at its middle by ``depth``."""
        points = np.asarray(points, np.float64)
        depth = depth * np.clip(1 - (points[:, :1] / .97) ** 2, 0, 1)
        return points * (1 - .03 * abs(self.yaw), 1) + depth * np.sin([self.yaw, self.pitch])


def draw_character(who, expression, view):
    """Draw a character's layers.

    Returns:
        dict: ``film`` by name: ``back``, ``body``, ``face``, one of the keys
        of ``EYES``, and ``front``, in the order in which they are laid on
        each other.
    """
    layers = {name: Layer(*SHEET, PIXELS_PER_UNIT)
              for name in ('back', 'body', 'face', *EYES, 'front')}
    draw_back_hair(layers['back'], who, view)
    draw_body(layers['body'], who)
    draw_face(layers['face'], who, view, expression)
    for name, opening in EYES.items():
        draw_eyes(layers[name], who, view, opening * expression.opening)
    draw_front_hair(layers['front'], who, view)
    brows = Layer(*SHEET, PIXELS_PER_UNIT)
    draw_brows(brows, who, view, expression)
    brows.film *= SEEN_THROUGH_HAIR
    layers['front'].lay(brows)
    draw_extra(layers['front'], who, view)
    return {name: layer.film for name, layer in layers.items()}
