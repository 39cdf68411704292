"""What the characters wear: clothes on the body, and extras on the head."""
import numpy as np

from brush import PEN, bezier, colour, ellipse, lit, mix, shaded, sided, smooth, symmetric

WHITE = colour('#ffffff')
RIBBON_RED = colour('#e8344e')
SHOULDERS = symmetric(smooth([(0, 1.05), (.23, 1.16), (.34, 1.36), (.80, 1.56), (1.12, 1.80),
                              (1.28, 2.40), (1.36, 3.10), (1.45, 4.0)]))
NECK = symmetric([(0, .6), (.25, .6), (.235, 1.0), (.27, 1.22), (.42, 1.38), (0, 1.78)])


def draw_body(film, who):
    """Shoulders, neck and clothes."""
    cloth, skin = colour(who.cloth), colour(who.skin)
    film.shape(SHOULDERS, cloth, to=shaded(cloth, .4), pen=PEN * 1.6, tone=1.6)
    for side in (1, -1):  # the arms
        film.fill(sided([(.86, 1.9), (1.5, 2.2), (1.6, 4), (.95, 4)], side), shaded(cloth),
                  alpha=.6, atop=True)
        film.line(smooth(sided([(.84, 1.95), (.92, 2.5), (.90, 3.4)], side)),
                  shaded(cloth, 1.6), PEN)
    draw_neck(film, skin)
    OUTFITS[who.outfit](film, cloth, colour(who.accent))


def draw_neck(film, skin):
    for side in (1, -1):
        film.line(sided(NECK[1:5], side), shaded(skin, 1.5), PEN)
    film.fill(NECK, skin)
    film.fill(smooth(symmetric([(0, .6), (.3, .6), (.27, 1.08), (.15, 1.2), (0, 1.26)]), True),
              shaded(skin), atop=True)  # the shadow of the chin
    for side in (1, -1):
        film.line(sided(bezier((.06, 1.56), (.16, 1.47), (.32, 1.46)), side),
                  shaded(skin, 1.4), PEN * .8)


# Outfits: functions of a film, the colour of the cloth and another for the trimmings.

def sailor(film, cloth, accent):
    """A sailor collar with two stripes and a bow."""
    pale = accent.mean() > .75
    collar = shaded(cloth, 1.5) if pale else accent
    for side in (1, -1):
        flap = [(.26, 1.14), (.46, 1.36), (.98, 1.62), (.74, 2.10), (0, 2.32), (0, 1.95),
                (.30, 1.45)]
        film.shape(sided(flap, side), collar, to=shaded(collar, .6))
        for inset in (.09, .16):
            stripe = [(.92 - inset, 1.62 + inset * .1), (.74 - inset, 2.08 - inset),
                      (0, 2.32 - 1.6 * inset)]
            film.line(sided(stripe, side), lit(collar, .85), .03, 1, 1)
    bow(film, (0, 2.12), .48, accent if pale else mix(accent, RIBBON_RED, .5))


def hoodie(film, cloth, accent):
    """A hood around the neck and its two strings."""
    for side in (1, -1):
        hood = [(.24, 1.02), (.62, 1.16), (.80, 1.50), (.50, 1.82), (0, 1.98), (0, 1.74),
                (.26, 1.52), (.30, 1.24)]
        film.shape(smooth(sided(hood, side), True), lit(cloth, .15), to=shaded(cloth, .7))
        string = smooth(sided([(.22, 1.86), (.26, 2.2), (.22, 2.6)], side))
        film.line(string, lit(accent, .4), .05, 1, 1)
        film.line(string[-3:], shaded(accent), .07, 1, 1)


def turtleneck(film, cloth, accent):
    """A ribbed high collar with a brooch."""
    collar = smooth(symmetric([(0, 1.22), (.30, 1.14), (.37, 1.30), (.40, 1.5), (0, 1.62)]), True)
    film.shape(collar, lit(cloth, .15), to=shaded(cloth, .5))
    film.fill(smooth(symmetric([(0, 1.24), (.28, 1.14), (.3, 1.22), (0, 1.36)]), True),
              shaded(cloth), alpha=.7)
    for x in np.linspace(-.28, .28, 7):
        film.line([(x, 1.3), (x * 1.08, 1.55)], shaded(cloth, .9), PEN * .7)
    for y in (2.05, 2.5):
        film.line(bezier((-.8, y), (0, y + .25), (.8, y)), shaded(cloth, .8), PEN)
    film.shape(ellipse((0, 1.72), (.08, .10)), lit(accent, .3), to=accent)
    film.fill(ellipse((-.025, 1.69), (.025, .03)), WHITE)


def blazer(film, cloth, accent):
    """A blazer over a white shirt with a tie."""
    shirt = symmetric([(0, 1.72), (.30, 1.20), (.40, 1.36), (.46, 1.9), (0, 2.9)])
    film.fill(shirt, WHITE, to=colour('#d9d8ea'))
    tie = symmetric([(0, 1.74), (.12, 1.72), (.08, 1.90), (.17, 2.6), (0, 2.9)])
    film.shape(tie, accent, to=shaded(accent, .7))
    film.line([(-.11, 1.76), (0, 1.9), (.08, 1.9)], shaded(accent, 1.2), PEN)
    for side in (1, -1):
        wing = [(.27, 1.14), (.40, 1.34), (.34, 1.84), (0, 1.73)]
        film.shape(sided(wing, side), WHITE, to=colour('#e2e1f0'), tone=1.3)
        lapel = [(.40, 1.32), (.74, 1.62), (.66, 1.84), (.74, 1.96), (.04, 2.95), (0, 2.9),
                 (.38, 1.95)]
        film.shape(sided(lapel, side), lit(cloth, .12), to=shaded(cloth, .4))


OUTFITS = {'sailor': sailor, 'hoodie': hoodie, 'turtleneck': turtleneck, 'blazer': blazer}


# Extras: functions of a film, a view and a colour.

def draw_extra(film, who, view):
    if who.extra in EXTRAS:
        EXTRAS[who.extra](film, view, colour(who.accent))


def bow(film, centre, size, paint, tilt=0.0):
    """Two loops, two tails and a knot."""
    turn = size * np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])

    def put(points, side=1):
        return sided(points, side) @ turn + centre

    dark = shaded(paint)
    tail = [(.05, .05), (.28, .62), (.40, .50), (.55, .55), (.2, 0)]
    loop = smooth([(.06, 0), (.35, -.36), (.72, -.40), (.78, 0), (.70, .34), (.35, .24)], True)
    shadow = smooth([(.1, .02), (.45, -.02), (.76, .05), (.68, .33), (.35, .23)], True)
    for side in (1, -1):
        film.shape(put(tail, side), dark)
        film.shape(put(loop, side), lit(paint, .12), to=paint)
        film.fill(put(shadow, side), dark, alpha=.8)
        film.line(put(bezier((.1, 0), (.3, -.1), (.5, -.12)), side), shaded(paint, 1.9), PEN * .8)
    knot = smooth([(-.13, -.15), (.13, -.15), (.15, .14), (-.15, .14)], True)
    film.shape(put(knot), paint, to=dark)


def ribbon(film, view, paint):
    bow(film, view([(.70, -.52)], .4)[0], .52, paint, -.5)


def glasses(film, view, paint):
    rim = colour('#2b2630')
    lens = smooth([(.10, -.04), (.35, -.10), (.60, -.04), (.62, .20), (.48, .36), (.22, .36),
                   (.09, .22)], True)
    for side in (1, -1):
        film.fill(view(sided(lens, side), .85), colour('#dff0ff'), alpha=.12)
        film.outline(view(sided(lens, side), .85), rim, .034)
        film.line(view(sided([(.60, .04), (.80, 0)], side), .6), rim, .03, 1, .6)
    film.line(view(bezier((-.10, .06), (0, 0), (.10, .06)), .9), rim, .03, 1, 1)


def band(film, view, paint):
    """A hair band over the crown."""
    upper = bezier((-.98, -.22), (0, -1.62), (.98, -.22), 40)
    lower = bezier((-.90, -.10), (0, -1.33), (.90, -.10), 40)
    film.shape(view(np.vstack([upper, lower[::-1]]), .3), lit(paint, .1), to=shaded(paint, .6))
    film.line(view(mix(upper, lower, .3)[10:26], .3), lit(paint, .7), .03)


def pin(film, view, paint):
    """A star on the bangs."""
    angle = np.arange(10) * np.pi / 5 - np.pi / 2 + .2
    radius = np.resize([.17, .08], 10)
    star = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    film.shape(star + view([(-.58, -.30)], .72), lit(paint, .35), to=paint, pen=PEN * 1.3)


def flower(film, view, paint):
    centre = view([(-.70, -.40)], .5)[0]
    for angle in np.arange(5) * 2 * np.pi / 5 + .3:
        petal = ellipse(centre + .16 * np.array([np.cos(angle), np.sin(angle)]), (.14, .14))
        film.shape(petal, lit(paint, .5), to=lit(paint, .1))
    film.fill(ellipse(centre, (.07, .07)), colour('#ffd95e'), to=colour('#e8a23a'))


def headphones(film, view, paint):
    half = bezier((0, -1.12), (1.0, -1.12), (1.0, .05), 20)
    arch = np.vstack([sided(half, -1)[::-1], half[1:]])
    film.line(arch, shaded(paint, 1.9), .11, 1, 1)
    film.line(arch, lit(paint, .1), .07, 1, 1)
    cup = smooth([(.84, -.14), (1.06, -.18), (1.14, .14), (1.04, .46), (.84, .40)], True)
    for side in (1, -1):
        film.shape(sided(cup, side), lit(paint, .25), to=shaded(paint, .6), pen=PEN * 1.3)
        film.line(sided(bezier((.93, -.1), (.99, .14), (.93, .36)), side), shaded(paint, 1.3),
                  .04, .5, .5)


EXTRAS = {'ribbon': ribbon, 'glasses': glasses, 'band': band, 'pin': pin, 'flower': flower,
          'headphones': headphones}
