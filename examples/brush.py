"""Colours, curves and layers of paint: what all pictures of the demo are made of.

A colour is a BGR ``float`` array in [0, 1]; a curve is a ``float`` array of
points ``x, y``, shape ``(N, 2)``.
"""
import cv2
import numpy as np

PEN = .022  # the usual width of a line
SHIFT = 4   # bits after the point in the coordinates that cv2 takes


def colour(text):
    """``'#rrggbb'`` as a BGR colour."""
    red, green, blue = (int(text[i:i + 2], 16) / 255 for i in (1, 3, 5))
    return np.array([blue, green, red], np.float32)


def mix(a, b, t):
    """``a`` at ``t = 0``, ``b`` at ``t = 1``; for colours and for points."""
    return np.asarray(a, np.float32) * (1 - t) + np.asarray(b, np.float32) * t


def shaded(paint, depth=1.0):
    """The cel-shading shadow of a colour: darker, and a little towards violet."""
    return paint * mix([1, 1, 1], [.80, .66, .72], depth)


def lit(paint, amount=.4):
    """A colour nearer to white."""
    return mix(paint, [1, 1, 1], amount)


def bezier(start, control, end, n=16):
    """A quadratic Bézier curve."""
    t = np.linspace(0, 1, n)[:, None]
    start, control, end = (np.asarray(p, np.float64) for p in (start, control, end))
    return (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t ** 2 * end


def smooth(points, closed=False, n=8):
    """The Catmull-Rom spline through ``points``."""
    p = np.asarray(points, np.float64)
    if closed:
        p = np.vstack([p[-1:], p, p[:2]])
    else:
        p = np.vstack([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    a, b, c, d = p[:-3, None], p[1:-2, None], p[2:-1, None], p[3:, None]
    t = np.linspace(0, 1, n, endpoint=False)[None, :, None]
    curve = .5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t ** 2
                  + (3 * b - a - 3 * c + d) * t ** 3)
    curve = curve.reshape(-1, 2)
    return curve if closed else np.vstack([curve, p[-2:-1]])


def ellipse(centre, radii, n=40):
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.stack([centre[0] + radii[0] * np.cos(angle),
                     centre[1] + radii[1] * np.sin(angle)], 1)


def sided(points, side):
    """What is laid out for the right, on the right (``side`` 1) or the left (-1)."""
    return np.asarray(points, np.float64) * [side, 1]


def symmetric(right_half):
    """A closed outline from its right half, listed from top to bottom."""
    left_half = sided(right_half, -1)[::-1]
    return np.vstack([right_half, left_half[left_half[:, 0] < 0]])


def ink(points, width, start=0.0, end=0.0):
    """The outline of a pen stroke along ``points``.

    Its width is ``width`` in the middle, and that times ``start`` and
    ``end`` at its ends.
    """
    points = np.asarray(points, np.float64)
    along = np.gradient(points, axis=0)
    normal = along[:, ::-1] * [-1, 1] / (np.linalg.norm(along, axis=1, keepdims=True) + 1e-9)
    t = np.linspace(0, 1, len(points))[:, None]
    taper = np.where(t < .5, start + (1 - start) * np.sqrt(2 * t),
                     end + (1 - end) * np.sqrt(2 - 2 * np.maximum(t, .5)))
    return np.vstack([points + normal * taper * width / 2,
                      (points - normal * taper * width / 2)[::-1]])


class Layer:

    """A sheet of transparent film to paint on.

    Its ``film`` is a ``float`` BGRA picture in [0, 1], shape ``(H, W, 4)``,
    premultiplied by alpha.

    Args:
        left, top, right, bottom (float): The part of the plane that it covers.
        scale (float): Pixels per unit of that plane.
    """

    def __init__(self, left, top, right, bottom, scale):
        self.origin = np.array([left, top], np.float64)
        self.scale = scale
        height, width = int(round((bottom - top) * scale)), int(round((right - left) * scale))
        self.film = np.zeros((height, width, 4), np.float32)

    def fill(self, points, paint, to=None, alpha=1.0, atop=False, soft=0.0):
        """Paint the inside of a closed outline.

        Args:
            points: The outline, shape ``(N, 2)``.
            paint: Its colour.
            to: The colour at its bottom, if it changes on the way down.
            alpha (float): How much of the paint sticks.
            atop (bool): Paint only on what is painted already.
            soft (float): Blurs the edge.
        """
        def inside(cover, corners):
            cv2.fillPoly(cover, [corners], 255, cv2.LINE_AA, SHIFT)

        self._put(*self._cover(points, inside, 3 * soft, soft), paint, to, alpha, atop)

    def outline(self, points, paint, width):
        """Draw a closed line of one width."""
        def edge(cover, corners):
            thickness = max(1, int(round(width * self.scale)))
            cv2.polylines(cover, [corners], True, 255, thickness, cv2.LINE_AA, SHIFT)

        self._put(*self._cover(points, edge, width), paint)

    def shape(self, points, paint, to=None, pen=PEN, tone=1.9):
        """Fill an outline and draw it in a darker tone of its colour, as on a cel."""
        self.outline(points, shaded(paint, tone), pen)
        self.fill(points, paint, to)

    def line(self, points, paint, width, start=0.0, end=0.0, **how):
        """Draw a pen stroke, as ``ink``; ``how`` as for ``fill``."""
        self.fill(ink(points, width, start, end), paint, **how)

    def part(self, points, margin=.05):
        """An empty layer, as large as ``points`` need, to be laid on this one."""
        points = np.asarray(points)
        low = np.floor((points.min(0) - margin - self.origin) * self.scale) / self.scale
        high = points.max(0) + margin - self.origin
        return Layer(*(low + self.origin), *(high + self.origin), self.scale)

    def lay(self, other):
        """Put a layer of the same scale, or a part of one, on this one."""
        x, y = np.round((other.origin - self.origin) * self.scale).astype(int)
        height, width = other.film.shape[:2]
        film = self.film[y:y + height, x:x + width]
        film *= 1 - other.film[:, :, 3:]
        film += other.film

    def _cover(self, points, draw, margin, soft=0.0):
        """How much of each pixel a shape covers, and where in the film these pixels are."""
        pixels = (np.asarray(points) - self.origin) * self.scale
        margin = 2 + int(margin * self.scale)
        low = np.floor(pixels.min(0)).astype(int) - margin
        width, height = np.ceil(pixels.max(0)).astype(int) + margin - low
        cover = np.zeros((height, width), np.uint8)
        draw(cover, np.round((pixels - low) * 2 ** SHIFT).astype(np.int32))
        cover = cover.astype(np.float32) / 255
        if soft:
            cover = cv2.GaussianBlur(cover, (0, 0), soft * self.scale)
        x0, y0 = np.maximum(low, 0)
        x1, y1 = np.maximum(np.minimum(low + (width, height), self.film.shape[1::-1]), (x0, y0))
        x, y = low
        return cover[y0 - y:y1 - y, x0 - x:x1 - x], (slice(y0, y1), slice(x0, x1))

    def _put(self, cover, where, paint, to=None, alpha=1.0, atop=False):
        film = self.film[where]
        cover = cover[:, :, None] * alpha
        if atop:
            cover = cover * film[:, :, 3:]
        if to is not None:
            paint = mix(paint, to, np.linspace(0, 1, len(film))[:, None])[:, None]
        film *= 1 - cover
        film[:, :, :3] += cover * np.asarray(paint, np.float32)
        film[:, :, 3:] += cover
