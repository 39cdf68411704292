"""The settings of the demo's shots: backdrops, painted and out of focus, and their light.

A backdrop's plane is ``WIDE`` wide and 1 high, with (0, 0) at its upper left.
"""
from dataclasses import dataclass
from typing import Callable

import cv2
import numpy as np

from brush import Layer, colour, ellipse, lit, mix, shaded

WIDE = 1.8


@dataclass(frozen=True)
class Backdrop:

    """A place, and how its light affects the characters."""

    paint: Callable      # called with a film and a random generator
    light: str           # the colours there are multiplied by this
    rim: str             # light from behind, on the edges
    rim_strength: float


def gradient(film, *colours):
    """Fill a layer from top to bottom."""
    colours = np.array([colour(c) for c in colours])
    height = film.film.shape[0]
    at = np.linspace(0, len(colours) - 1, height)
    for channel in range(3):
        film.film[:, :, channel] = np.interp(at, range(len(colours)), colours[:, channel])[:, None]
    film.film[:, :, 3] = 1


def box(left, top, right, bottom):
    """The outline of a rectangle."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64)


def bokeh(film, rng, n, paints, radius=(.02, .09), alpha=(.12, .4), top=0.0, bottom=1.0):
    """Discs of light out of focus."""
    for _ in range(n):
        r = rng.uniform(*radius)
        centre = rng.uniform(0, WIDE), rng.uniform(top, bottom)
        film.fill(ellipse(centre, (r, r)), colour(paints[rng.integers(len(paints))]),
                  alpha=rng.uniform(*alpha), soft=.004)


def cloud(film, rng, x, y, size):
    for _ in range(14):
        dx, dy = rng.normal(0, .5), -abs(rng.normal(0, .22))
        r = size * rng.uniform(.18, .36) * (1.1 - min(1, abs(dx)) * .6)
        film.fill(ellipse((x + dx * size, y + dy * size), (r * 1.25, r)), colour('#ffffff'),
                  to=colour('#dcecfb'), alpha=.85, soft=.012)


def paint_sky(film, rng):
    gradient(film, '#3f8fe0', '#86c5f5', '#d8f0fb')
    for _ in range(5):
        cloud(film, rng, rng.uniform(0, WIDE), rng.uniform(.25, .95), rng.uniform(.18, .38))
    bokeh(film, rng, 6, ['#ffffff'], alpha=(.06, .14))


def paint_sunset(film, rng):
    gradient(film, '#5a4a8f', '#c8668f', '#f7936b', '#ffd08a')
    sun = rng.uniform(.3, 1.5), .66
    film.fill(ellipse(sun, (.34, .34)), colour('#ffdf9a'), alpha=.6, soft=.08)
    film.fill(ellipse(sun, (.13, .13)), colour('#fff3cf'), soft=.01)
    film.fill(box(0, .74, WIDE, 1), colour('#d9745f'), to=colour('#5d3f72'))
    for _ in range(60):  # the sun on the sea
        y = rng.uniform(.75, 1)
        x, r = rng.normal(sun[0], .10 + .5 * (y - .74)), rng.uniform(.01, .05)
        film.fill(ellipse((x, y), (r, .004)), colour('#ffe2ad'), alpha=.7)
    for _ in range(5):
        x, y = rng.uniform(0, WIDE), rng.uniform(.08, .5)
        film.fill(ellipse((x, y), (rng.uniform(.2, .4), .025)), colour('#ffb7a0'), alpha=.55,
                  soft=.02)


def paint_city(film, rng):
    """A city at night: two rows of houses, and lights out of focus."""
    gradient(film, '#10163a', '#27306b', '#5a4f94')
    for lower, paint in ((0, '#2b3166'), (.16, '#1a1f45')):
        x = -.05
        while x < WIDE:
            width, top = rng.uniform(.10, .24), rng.uniform(.25, .6) + lower
            film.fill(box(x, top, x + width, 1), colour(paint))
            light_windows(film, rng, x, top, width)
            x += width + rng.uniform(0, .05)
    bokeh(film, rng, 26, ['#ffcf6b', '#ff7fa8', '#7fd0ff', '#b18cff'], top=.45)


def light_windows(film, rng, left, top, width):
    for x in np.arange(left + .02, left + width - .02, .034):
        for y in np.arange(top + .03, 1, .05):
            if rng.random() < .42:
                paint = ('#ffdf8a', '#ffb866', '#a8d8ff')[rng.integers(3)]
                film.fill(box(x, y, x + .018, y + .024), colour(paint),
                          alpha=rng.uniform(.4, .95))


def paint_park(film, rng):
    gradient(film, '#bfe6f7', '#d9f2d0', '#8fcf7f', '#5aa863')
    for paint, top, bottom in (('#4f9f58', .45, .75), ('#7cc66f', .55, .95)):
        for _ in range(26):
            r = rng.uniform(.07, .17)
            film.fill(ellipse((rng.uniform(0, WIDE), rng.uniform(top, bottom)), (r, r * .8)),
                      colour(paint), alpha=.5, soft=.02)
    bokeh(film, rng, 34, ['#f4ffd0', '#fffbe0', '#c8f5a8'])


def paint_blossom(film, rng):
    gradient(film, '#a8d8f5', '#dceaf8', '#fbdce8')
    for _ in range(90):
        r = rng.uniform(.04, .12)
        film.fill(ellipse((rng.uniform(0, WIDE), abs(rng.normal(0, .3))), (r, r * .8)),
                  colour(('#f9b8d0', '#fcd3e2', '#f29abc')[rng.integers(3)]), alpha=.55,
                  soft=.012)
    for _ in range(70):  # falling petals
        x, y, r = rng.uniform(0, WIDE), rng.uniform(0, 1), rng.uniform(.008, .018)
        film.fill(ellipse((x, y), (r, r * .55)), colour('#ffeaf2'), alpha=.9, soft=.002)


def paint_classroom(film, rng):
    gradient(film, '#efe3c8', '#e6d5b4', '#c9b08a')
    for x in np.arange(rng.uniform(-.3, .0), WIDE, .62):  # windows
        film.fill(box(x, .06, x + .5, .68), colour('#f8f4ea'))
        for pane in (x + .02, x + .26):
            film.fill(box(pane, .09, pane + .22, .65), colour('#8ecdf5'), to=colour('#dff3fb'))
            film.fill(ellipse((pane + .11, .56), (.10, .05)), colour('#ffffff'), alpha=.7,
                      soft=.01)
    film.fill(box(0, .78, WIDE, 1), colour('#b58a5f'), to=colour('#8a6445'))
    film.fill(box(0, .765, WIDE, .785), colour('#8f6d4c'))


def paint_library(film, rng):
    gradient(film, '#6b4a3a', '#53382f')
    paints = ['#a8453f', '#3f6a8a', '#c9a04f', '#5a7f56', '#7a4f86', '#d9cdb4', '#37455f']
    for top in (-.08, .19, .46, .73):
        x = 0.0
        while x < WIDE:
            width, height = rng.uniform(.025, .05), rng.uniform(.16, .215)
            paint = colour(paints[rng.integers(len(paints))])
            film.fill(box(x, top + .235 - height, x + width, top + .235), paint,
                      to=shaded(paint))
            x += width + .003
        film.fill(box(0, top + .235, WIDE, top + .27), colour('#8a6246'), to=colour('#4f352b'))
    film.fill(ellipse((rng.uniform(.2, 1.6), .1), (.6, .5)), colour('#ffd99a'), alpha=.35,
              soft=.12)


def paint_stage(film, rng):
    gradient(film, '#1f1440', '#4a2378', '#8a3a98')
    for _ in range(7):  # beams of light
        x, lean = rng.uniform(.1, 1.7), rng.uniform(-.5, .5)
        paint = colour(('#ff7fd0', '#7fc8ff', '#ffe08a')[rng.integers(3)])
        film.fill(np.array([(x - .02, 0), (x + .02, 0), (x + lean + .16, 1), (x + lean - .16, 1)]),
                  lit(paint, .4), to=mix(paint, colour('#4a2378'), .6), alpha=.3, soft=.012)
    bokeh(film, rng, 40, ['#ffd0f0', '#c0e0ff', '#fff0b0'], radius=(.01, .05))


def paint_rain(film, rng):
    gradient(film, '#6f8499', '#93a8b8', '#a9bac4')
    for _ in range(10):
        r = rng.uniform(.15, .3)
        film.fill(ellipse((rng.uniform(0, WIDE), rng.uniform(.5, 1)), (r, r)), colour('#61788a'),
                  alpha=.3, soft=.05)
    for _ in range(120):
        x, y, long = rng.uniform(0, WIDE), rng.uniform(-.1, 1), rng.uniform(.05, .12)
        film.line([(x, y), (x - .25 * long, y + long)], colour('#dfeaf2'), .003, alpha=.6)


BACKDROPS = {
    'sky':       Backdrop(paint_sky, '#ffffff', '#ffffff', .5),
    'sunset':    Backdrop(paint_sunset, '#ffe8d6', '#ffd08a', .9),
    'city':      Backdrop(paint_city, '#d6d8f6', '#8fb8ff', .7),
    'park':      Backdrop(paint_park, '#fbfff2', '#fffbd0', .6),
    'blossom':   Backdrop(paint_blossom, '#fff6fa', '#ffffff', .5),
    'classroom': Backdrop(paint_classroom, '#fff6e6', '#fff3d6', .5),
    'library':   Backdrop(paint_library, '#f8e8d4', '#ffcf8f', .5),
    'stage':     Backdrop(paint_stage, '#f0e0f8', '#ff9fe0', .8),
    'rain':      Backdrop(paint_rain, '#e4ebf0', '#e6f2fa', .3),
}


def draw_backdrop(name, height, rng):
    """A picture of a place, ``uint8`` BGR, ``WIDE`` times as wide as high."""
    film = Layer(0, 0, WIDE, 1, height)
    BACKDROPS[name].paint(film, rng)
    blurred = cv2.GaussianBlur(film.film[:, :, :3], (0, 0), height / 130)
    return np.uint8(np.round(255 * np.clip(blurred, 0, 1)))
