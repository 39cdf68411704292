"""Faces: skin and blush, nose and mouth, eyes and brows."""
import numpy as np

from brush import PEN, bezier, colour, ellipse, lit, mix, shaded, sided, smooth, symmetric
from hair import bangs_outlines

INK = colour('#29191f')
WHITE = colour('#ffffff')
BLUSH = colour('#ff7d86')
LIPS = colour('#a5453f')
FACE = smooth(symmetric([(0, -.72), (.48, -.66), (.70, -.28), (.715, .06), (.675, .36),
                         (.55, .63), (.34, .85), (.13, .98), (0, 1.0)]), True)
EAR = smooth([(.66, .02), (.80, -.04), (.86, .12), (.78, .36), (.66, .42)], True)
UPPER_LID = smooth([(-.205, .06), (-.175, -.06), (-.09, -.150), (.03, -.175), (.14, -.120),
                    (.225, .02)])
LOWER_LID = smooth([(.225, .02), (.195, .115), (.105, .168), (-.01, .178), (-.13, .150),
                    (-.205, .06)])


def draw_face(film, who, view, expression):
    """All but the eyes and the brows, with the shadow of the hair."""
    skin = colour(who.skin)
    shadow = shaded(skin, .85)
    for side in (1, -1):
        film.shape(sided(EAR, side), skin)
    face = view(FACE, .45)
    film.shape(face, shadow, pen=PEN * 1.3)
    film.fill(face + (.045, -.03), lit(skin, .15), to=skin, atop=True)
    for lock in bangs_outlines(who, view):
        film.fill(lock + (.035, .10), shadow, atop=True)
    for side in (1, -1):
        beside = sided([(.56, -.5), (.9, -.5), (.9, .9), (.67, .45), (.60, .1)], side)
        film.fill(view(beside, .5), shadow, atop=True)
        draw_blush(film, view, side, expression.blush)
    nose = view([(0, .38), (.035, .44), (-.01, .46)], 1.05)
    film.fill(nose, shadow)
    film.line(nose[1:], shaded(skin, 1.9), .016, .5, .2)
    MOUTHS[expression.mouth](film, view, mix(shaded(skin, 2.2), LIPS, .5))


def draw_blush(film, view, side, blush):
    cheek = view(sided(ellipse((.43, .44), (.17, .085)), side), .8)
    film.fill(cheek, BLUSH, alpha=.9 * blush, atop=True, soft=.05)
    if blush > .35:
        for x in (.36, .43, .50):
            film.line(view(sided([(x + .03, .40), (x - .02, .48)], side), .8),
                      mix(BLUSH, LIPS, .3), .016, .3, .3, alpha=.7)


# Mouths: functions of a film, a view and the colour of lines.

def draw_lips(film, view, line, *points):
    film.line(view(smooth(points), .9), line, .024, .3, .3)


def calm(film, view, line):
    draw_lips(film, view, line, (-.10, .705), (0, .715), (.10, .705))


def smile(film, view, line):
    draw_lips(film, view, line, (-.15, .67), (-.07, .715), (0, .725), (.07, .715), (.15, .67))


def frown(film, view, line):
    draw_lips(film, view, line, (-.09, .735), (0, .705), (.09, .735))


def wave(film, view, line):
    draw_lips(film, view, line, (-.12, .705), (-.06, .725), (0, .70), (.06, .725), (.12, .705))


def laugh(film, view, line):
    draw_open_mouth(film, view, line, smooth([(-.19, .635), (0, .655), (.19, .635), (.14, .77),
                                              (0, .835), (-.14, .77)], True),
                    teeth=[(-.2, .60), (.2, .60), (.14, .69), (-.14, .69)])


def astonished(film, view, line):
    draw_open_mouth(film, view, line, ellipse((0, .725), (.065, .075)))


def draw_open_mouth(film, view, line, outline, teeth=None):
    lips = view(outline, .9)
    tongue = ellipse((0, outline[:, 1].max()), (.10, .07))
    film.outline(lips, line, PEN)
    mouth = film.part(lips)
    mouth.fill(lips, colour('#8e2f3a'), to=colour('#b5474d'))
    mouth.fill(view(tongue, .9), colour('#f08a8a'), atop=True)
    if teeth is not None:
        mouth.fill(view(teeth, .9), WHITE, atop=True)
    film.lay(mouth)


MOUTHS = {'calm': calm, 'smile': smile, 'laugh': laugh, 'astonished': astonished,
          'frown': frown, 'wave': wave}


# --- eyes and brows ---

def draw_brows(film, who, view, expression):
    paint = mix(shaded(colour(who.hair), 1.8), INK, .25)
    lift, slant = expression.brow_lift, expression.brow_slant
    brow = bezier((.15, -.225 - slant), (.34, -.335), (.55, -.24 + slant * .4)) - (0, lift)
    for side in (1, -1):
        film.line(view(sided(brow, side), .8), paint, .038, .8, .1)


def draw_eyes(film, who, view, opening):
    for side in (1, -1):
        Eye(who, view, side, opening).draw(film)


class Eye:

    """One eye: how its own plane lies on the face, and the paint on it.

    Args:
        who (Character): Whose eye it is.
        view (View): Where the head looks; the eye looks at who watches.
        side (int): 1 for the eye on the right of the picture, -1 for the left.
        opening (float): How far the lid is up: 1 is usual, 0 is shut.
    """

    def __init__(self, who, view, side, opening):
        self.who, self.view, self.side, self.opening = who, view, side, opening
        self.lid = UPPER_LID * [1, opening]
        self.lash = mix(INK, shaded(colour(who.hair), 2.0), .25)

    def draw(self, film):
        if self.opening == 0:
            self.draw_shut(film)
        else:
            self.draw_ball(film)
            self.draw_lashes(film)

    def place(self, points, mirror=True):
        """From the eye's own plane, in which +x is outward, onto the face."""
        points = np.asarray(points, np.float64) * self.who.eye_size * (1.06, 1.12)
        if mirror:  # the iris and the lights stay round, and on the side they are
            points = points - points[:, :1] * (0, 2.2 * self.who.eye_slant)
            points = sided(points, self.side)
        return self.view(points + (.345 * self.side, .09), .80)

    def draw_shut(self, film):
        film.line(self.place(bezier((-.20, .06), (.02, .22), (.22, .04))), self.lash, .055, .3, .5)
        for x, y in ((.20, .14), (.13, .17)):
            film.line(self.place(bezier((x - .05, y - .03), (x, y), (x + .05, y + .02))),
                      self.lash, .022, .8, 0)

    def draw_ball(self, film):
        """The white, the iris with its gradient, the pupil and the lights."""
        iris = colour(self.who.eyes)
        deep = shaded(iris, 1.8) * .7
        outline = self.place(np.vstack([self.lid, LOWER_LID]))
        ball = film.part(outline)
        ball.fill(outline, colour('#e9e6f4'), to=WHITE)

        def disc(x, y, rx, ry, *paint, **how):
            x = x - .10 * np.sin(self.view.yaw)
            ball.fill(self.place(ellipse((x, y), (rx, ry)), mirror=False), *paint, atop=True,
                      **how)

        disc(0, 0, .148, .198, deep)
        disc(0, .005, .130, .180, deep, lit(iris, .25))
        disc(0, .075, .105, .095, iris, lit(iris, .55), alpha=.85)
        disc(0, 0, .062, .088, deep * .4)
        disc(0, .125, .070, .032, lit(iris, .8), alpha=.75)
        ball.fill(self.place(np.vstack([self.lid, self.lid[::-1] + (0, .07)])),
                  colour('#43345a'), alpha=.45, atop=True)  # the shadow of the lid
        disc(-.055, -.070, .050, .058, WHITE)
        disc(.065, .075, .026, .030, WHITE, alpha=.95)
        film.lay(ball)

    def draw_lashes(self, film):
        lid, lash = self.lid, self.lash
        t = np.linspace(0, 1, len(lid))[:, None]
        thick = .016 + .050 * np.sin(np.pi * (.14 + .80 * t)) ** 1.3
        film.fill(self.place(np.vstack([lid + (0, .01), (lid - thick * [.1, 1])[::-1]])), lash)
        for x, y, reach in ((.20, .02, .085), (.17, -.06, .075)):  # at the outer corner
            y = y * self.opening - .01
            film.line(self.place(bezier((x - .05, y - .04), (x + .02, y), (x + reach, y - .07))),
                      lash, .045, 1, 0)
        film.line(self.place(LOWER_LID[5:26]), lash, .018, .9, 0)
        film.line(self.place(lid[8:-6] * (.96, 1) - (0, .095)),
                  shaded(colour(self.who.skin), 2.0), .016)  # the crease of the lid
