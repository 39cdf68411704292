"""Drawn grey faces, and pictures without any, to train cascades with."""
import cv2
import numpy as np


def draw_face(rng, side=48):
    """Two dark eyes and a mouth on a bright oval on a grey ground."""
    img = np.full((side, side), int(rng.integers(90, 130)), np.uint8)
    scale = side / 48
    x, y = rng.normal(24, .7, 2)

    def oval(dx, dy, w, h, grey):
        cv2.ellipse(img, tuple(int(n * scale) for n in (x + dx, y + dy)),
                    tuple(int(n * scale) for n in (w, h)), 0, 0, 360, grey, -1)

    oval(0, 0, 19, 22, int(rng.integers(190, 250)))
    for dx in -8, 8:
        oval(dx, -3, 4, 6, int(rng.integers(10, 60)))
    oval(0, 12, 6, 2, int(rng.integers(40, 90)))
    return img


def draw_other(rng, width=200, height=150):
    """Noise in coarse and fine grains, and a few ovals."""
    img = cv2.resize(rng.integers(0, 256, (12, 16), np.uint8), (width, height),
                     interpolation=cv2.INTER_CUBIC)
    for _ in range(12):
        x, y, w, h = (int(n) for n in rng.integers(5, 150, 4))
        cv2.ellipse(img, (x, y), (w // 4 + 2, h // 4 + 2), 0, 0, 360, int(rng.integers(256)), -1)
    return img
