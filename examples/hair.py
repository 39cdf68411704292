"""Hair: what is behind the head, and what falls before the face."""
import numpy as np

from brush import PEN, bezier, colour, ellipse, lit, mix, shaded, sided, smooth, symmetric

LINE = 2.0  # the tone of the lines in hair

# The right half of an outline, from the top of the head to the temple ...
CROWN = [(0, -1.06), (.42, -1.00), (.76, -.76), (.95, -.36)]
# ... and on from there.
BACKS = {
    'short':    [(.97, .05), (.94, .45), (.82, .72), (.45, .90), (0, .92)],
    'bob':      [(1.04, .10), (1.10, .60), (1.04, 1.05), (.78, 1.22), (.60, 1.16), (.3, 1.22),
                 (0, 1.2)],
    'long':     [(1.03, .10), (1.08, .70), (1.14, 1.40), (1.22, 2.10), (1.10, 2.75), (.92, 2.60),
                 (.74, 2.92), (.50, 2.70), (.25, 2.9), (0, 2.7)],
    'wavy':     [(1.02, .10), (1.20, .45), (1.10, .85), (1.30, 1.25), (1.16, 1.65), (1.36, 2.05),
                 (1.20, 2.40), (1.22, 2.75), (.90, 2.60), (.74, 2.92), (.50, 2.70), (.25, 2.9),
                 (0, 2.7)],
    'ponytail': [(.97, .05), (.94, .48), (.80, .84), (.45, .95), (0, .9)],
    'twintail': [(.97, .05), (.94, .48), (.80, .84), (.45, .95), (0, .9)],
    'buns':     [(.97, .05), (.95, .48), (.90, .90), (.62, 1.02), (.45, .92), (0, .95)],
}
TAIL = smooth([(.72, -.62), (1.02, -.80), (1.45, -.52), (1.66, .10), (1.62, .85), (1.74, 1.50),
               (1.55, 2.25), (1.50, 1.95), (1.30, 2.40), (1.26, 1.7), (1.10, 1.9), (1.20, 1.05),
               (1.16, .35), (1.02, -.20)], True)
TAIL_SHINE = smooth([(1.2, -.5), (1.42, -.3), (1.55, .1), (1.48, .3), (1.36, -.15)], True)
HAIR_TIE = smooth([(.86, -.76), (1.02, -.82), (1.14, -.34), (1.0, -.24)], True)

# The lock before each ear, by the hair behind: half its width, and where it ends.
SIDES = {'short': (.16, .62), 'bob': (.22, 1.12), 'long': (.20, 1.70), 'wavy': (.24, 1.35),
         'ponytail': (.15, .98), 'twintail': (.17, 1.05), 'buns': (.16, .92)}

# The locks of the bangs: each grows between two x, ends between two x at y, and bends.
BANGS = {
    'blunt':  [(-.92, -.52, -.76, -.57, -.05, -.06), (.52, .92, .57, .76, -.05, .06),
               (-.62, -.20, -.60, -.32, -.15, -.04), (.22, .62, .30, .60, -.15, .04),
               (-.34, .02, -.33, -.11, -.135, -.02), (-.04, .34, .07, .31, -.135, .02),
               (-.16, .14, -.12, .08, -.12, 0)],
    'spiky':  [(-.94, -.56, -.72, -.70, .24, -.10), (.50, .94, .70, .72, .22, .10),
               (-.80, -.30, -.56, -.56, -.04, -.12), (.40, .80, .58, .58, -.01, .10),
               (-.56, -.14, -.40, -.40, -.13, -.08), (.18, .60, .42, .42, -.15, .08),
               (-.30, .04, -.20, -.20, -.05, -.06), (0, .34, .20, .20, -.11, .06),
               (-.16, .18, .03, .03, .08, .05)],
    'swept':  [(.56, .94, .74, .74, .28, .10), (.42, .76, .66, .66, -.03, .12),
               (-.94, -.52, -.74, -.74, .24, -.10), (-.80, -.20, -.70, -.70, -.03, -.02),
               (-.56, .10, -.52, -.52, -.08, .08), (-.26, .34, -.30, -.30, 0, .14),
               (.02, .48, -.06, -.06, -.07, .16), (.24, .60, .16, .16, -.15, .14)],
    'parted': [(-.94, -.46, -.74, -.74, .34, -.12), (.46, .94, .74, .74, .34, .12),
               (-.76, -.16, -.66, -.66, .07, -.20), (.16, .76, .66, .66, .07, .20),
               (-.50, .02, -.54, -.54, -.11, -.22), (-.02, .50, .54, .54, -.11, .22),
               (-.24, .04, -.36, -.36, -.27, -.16), (-.04, .24, .36, .36, -.27, .16)],
    'messy':  [(-.94, -.60, -.84, -.84, .18, -.10), (.60, .94, .86, .86, .20, .10),
               (-.84, -.40, -.66, -.66, .05, -.12), (.46, .84, .66, .66, .03, .10),
               (-.60, -.20, -.52, -.52, -.11, -.02), (.24, .62, .46, .46, -.08, .12),
               (-.40, .06, -.34, -.34, .01, .08), (.10, .44, .24, .24, .03, .10),
               (-.14, .28, -.06, -.06, -.06, .12)],
}

# Tufts, on the crown by the bangs and in the nape by the hair behind:
# one foot, a bend, the tip, a bend, the other foot.
TUFTS = {
    'spiky':  [[(-.06, -1.0), (-.06, -1.50), (.40, -1.22), (.10, -1.30), (.08, -1.0)]],
    'messy':  [[(-.34, -.96), (-.36, -1.10), (-.58, -1.16), (-.22, -1.16), (-.02, -1.0)],
               [(.08, -1.0), (.20, -1.18), (.46, -1.20), (.38, -1.06), (.40, -.94)],
               [(.50, -.90), (.68, -1.0), (.92, -.92), (.82, -.82), (.80, -.66)],
               [(-.56, -.90), (-.70, -.98), (-.94, -.92), (-.82, -.82), (-.80, -.66)]],
}
NAPES = {
    'short':  [[(.92, .30), (.96, .56), (1.10, .72), (.90, .76), (.66, .66)],
               [(.84, .50), (.82, .80), (.88, 1.0), (.70, .94), (.50, .76)],
               [(.62, .66), (.56, .92), (.54, 1.12), (.40, 1.04), (.22, .84)]],
}


# --- behind the head ---

def draw_back_hair(film, who, view):
    hair, tie = colour(who.hair), colour(who.accent)
    for side in (1, -1):
        if who.back == 'twintail' or (who.back == 'ponytail' and side == 1):
            draw_tail(film, side, hair, tie)
        if who.back == 'buns':
            draw_bun(film, side, hair)
    crown = .97 * np.array(CROWN)  # hidden by the hair in front
    mass = view(smooth(symmetric([*crown, *BACKS[who.back]]), True), -.12)
    film.outline(mass, shaded(hair, LINE), PEN * 1.5)
    film.fill(mass, shaded(hair, .9), to=shaded(hair, 1.2))
    for tuft in NAPES.get(who.back, []):
        for side in (1, -1):
            draw_tuft(film, sided(tuft, side), shaded(hair, 1.1))
    for x in (-.8, -.55, .55, .8):
        film.line(bezier((x * .95, .2), (x * 1.1, .9), (x * 1.2, 2.4)), shaded(hair, 1.5), .03,
                  atop=True)


def draw_tail(film, side, hair, tie):
    film.shape(sided(TAIL, side), hair, to=shaded(hair, .8), pen=PEN * 1.5)
    for strand in (bezier((1.0, -.5), (1.5, .1), (1.52, 1.9)),
                   bezier((.98, -.4), (1.3, .2), (1.36, 2.0))):
        film.line(sided(strand, side), shaded(hair, 1.2), .05, atop=True)
    film.fill(sided(TAIL_SHINE, side), lit(hair, .45), alpha=.7, atop=True)
    film.shape(sided(HAIR_TIE, side), lit(tie, .15), to=shaded(tie, .6))


def draw_bun(film, side, hair):
    film.shape(sided(ellipse((.72, -.84), (.36, .34)), side), hair, to=shaded(hair, .8),
               pen=PEN * 1.5)
    for x, y, reach in ((.50, -1.04, .98), (.58, -.92, .84)):
        film.line(sided(bezier((x, y), (reach, y), (reach, -.70)), side), shaded(hair, 1.2), .032)
    film.fill(sided(ellipse((.64, -1.03), (.12, .05)), side), lit(hair, .5), alpha=.8)


def draw_tuft(film, tuft, hair):
    rising, falling = bezier(*tuft[:3]), bezier(*tuft[2:])
    film.fill(np.vstack([rising, falling]), hair)
    film.line(rising, shaded(hair, LINE), PEN, 1, .5)
    film.line(falling, shaded(hair, LINE), PEN, .5, 1)


# --- before the face ---

def draw_front_hair(film, who, view):
    hair = colour(who.hair)
    draw_side_locks(film, who, view, hair)
    for tuft in TUFTS.get(who.bangs, []):
        draw_tuft(film, tuft, hair)
    draw_dome(film, hair)
    for lock in BANGS[who.bangs]:
        draw_lock(film, *(view(edge, .72) for edge in lock_edges(*lock)), hair)
    for x in (-.62, -.34, -.08, .18, .44, .68):
        strand = bezier((.05 + .15 * x, -.97), (.9 * x, -.95), (x * 1.12, -.50))
        film.line(view(strand, .4), shaded(hair, 1.2), .016, alpha=.6, atop=True)
    draw_shine(film, view, hair)


def draw_side_locks(film, who, view, hair):
    width, y = SIDES[who.back]
    for side in (1, -1):
        outer = bezier((.95, -.40), (.98 + width * .4, .35), (.80, y))
        inner = bezier((.50, -.60), (.82 - width, .25), (.80, y))
        edges = view(sided(inner, side), .45), view(sided(outer, side), .3)
        draw_lock(film, *edges[::side], hair)


def draw_dome(film, hair):
    """The hair on the skull, down to where the bangs cover its edge."""
    right = smooth([*CROWN, (.97, 0)])
    dome = np.vstack([sided(right, -1)[::-1], right[1:]])
    film.line(dome, shaded(hair, LINE), PEN * 1.6, .6, .6)
    edge = [(.80, -.05), (.62, -.45), (.3, -.62)]
    film.fill(np.vstack([dome, edge, sided(edge, -1)[::-1]]), lit(hair, .08))


def bangs_outlines(who, view):
    """The outline of each lock of the bangs, for their shadow on the face."""
    for lock in BANGS[who.bangs]:
        left, right = lock_edges(*lock)
        yield view(np.vstack([left, right[::-1]]), .70)


def lock_edges(left, right, tip_left, tip_right, y, bend):
    """The left and the right edge of a lock of the bangs, from root to tip."""
    for x, tip in ((left, tip_left), (right, tip_right)):
        root = x, -.86 + .55 * x * x  # on the skull
        yield bezier(root, (mix(x, tip, .25) + bend, mix(root[1], y, .60)), (tip, y))


def draw_lock(film, left, right, hair):
    """A lock between its edges: colour, shadow at one side, lines fading to the root."""
    film.fill(np.vstack([left, right[::-1]]), lit(hair, .06), to=shaded(hair, .3))
    inner = mix(right, left, np.linspace(0, .45, len(left))[:, None])
    film.fill(np.vstack([inner[4:], right[:3:-1]]), shaded(hair), alpha=.75)
    for at, first, last in ((.30, 3, 11), (.55, 5, 10)):  # single hairs
        film.line(mix(left, right, at)[first:last], lit(hair, .25), .014, alpha=.8)
    for edge in (left, right):
        film.line(edge[3:], shaded(hair, LINE), PEN, 0, .7)
    if np.abs(left[-1] - right[-1]).max() > .03:  # cut straight
        middle = mix(left[-1], right[-1], .5) + (0, .015)
        film.line([left[-1], middle, right[-1]], shaded(hair, LINE), PEN, .9, .9)


def draw_shine(film, view, hair):
    """The band of light around the crown, jagged as hair is."""
    for left, right, reach in ((-.78, .30, .105), (.40, .76, .075)):
        x = np.linspace(left, right, int((right - left) * 20))
        along = np.linspace(-1, 1, len(x))
        jag = reach * np.sqrt(1 - along ** 2) * np.resize([1, .35, .7, .25, .9, .45], len(x))
        middle = -.60 + .40 * x ** 2
        band = np.vstack([np.stack([x, middle - jag], 1),
                          np.stack([x, middle + np.roll(jag, 1)], 1)[::-1]])
        film.fill(view(band, .5), lit(hair, .55), alpha=.8, atop=True)
