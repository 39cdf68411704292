"""Random windows and cascades for the tests of LBP cascades."""
import cv2
import numpy as np

from picture_ranknet.faces.training.lbp import Cascade, Stage, all_features


def draw_windows(rng, n, width=24, height=24):
    """Windows of all kinds: noise, smooth noise, black and white, and flat."""
    noise = rng.integers(0, 256, (n, height, width), np.uint8)
    for i, window in enumerate(noise):
        if i % 4 == 1:
            window[:] = cv2.normalize(cv2.GaussianBlur(window, (0, 0), 4), None, 0, 255,
                                      cv2.NORM_MINMAX)
        elif i % 4 == 2:
            window[:] = np.where(cv2.GaussianBlur(window, (0, 0), 2) > 127, 255, 0)
        elif i % 40 == 3:
            window[:] = rng.choice([0, 1, 128, 255])
    return noise


def draw_cascade(rng, sizes, width=24, height=24):
    """A random cascade; each stage, ``sizes`` weak classifiers, lets half of all windows pass."""
    features, cascade = all_features(width, height), Cascade(width, height)
    windows = draw_windows(rng, 100, width, height)
    for size in sizes:
        stage = Stage(rng.choice(features, size), rng.random((size, 256)) < .5,
                      rng.uniform(-1, 1, (size, 2)).astype(np.float32), np.float32(0))
        _, sums = Cascade(width, height, [stage]).evaluate(windows)
        cascade.stages.append(stage._replace(threshold=np.float32(np.median(sums))))
    return cascade
