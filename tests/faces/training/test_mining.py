"""Windows that are no faces, but pass the stages so far."""
import concurrent.futures

import numpy as np
import pytest

from picture_ranknet.faces.training import lbp_file, mining
from picture_ranknet.faces.training.lbp import Cascade
from picture_ranknet.faces.training.samples import Scene
from picture_ranknet.machine import threads
from support.media_samples import CASCADE


def draw_scenes(n=6):
    """Noise, and in the first one a face of grey 200 that the others have nothing of."""
    rng = np.random.default_rng(5)
    scenes = [Scene(rng.integers(0, 100, (90, 120), np.uint8), np.zeros((0, 4)))
              for _ in range(n)]
    scenes[0].gray[20:70, 30:80] = 200
    scenes[0] = scenes[0]._replace(boxes=np.array([[30., 20, 50, 50]]))
    return scenes


def test_mined_windows_keep_away_from_faces():
    windows, rate = mining.mine(Cascade(24, 24), draw_scenes(), 2000, 1e5, [0])
    assert windows.shape[1:] == (24, 24) and len(windows) == 2000
    assert 0 < rate < 1  # the face's windows are looked at, and do not count
    # A window of the face's size shares at most 0.25 of the union, a quarter of 2/5.
    full = (windows == 200).mean(axis=(1, 2))
    assert 0 < full.max()
    large, _ = mining.mine(Cascade(50, 50), draw_scenes(1), 2000, 1e5, [0])
    assert len(large) and (large == 200).mean(axis=(1, 2)).max() <= .4


def test_mining_does_not_depend_on_the_threads():
    found = []
    for n in 1, 4:
        threads.use(n)
        found.append(mining.mine(Cascade(24, 24), draw_scenes(), 300, 1e5, [1, 2])[0])
    threads.use(None)
    np.testing.assert_array_equal(*found)
    assert (mining.mine(Cascade(24, 24), draw_scenes(), 300, 1e5, [1, 3])[0] != found[0]).any()


def test_mining_uses_as_many_threads_as_the_container_has_cores(monkeypatch):
    pools = []

    class Pool(concurrent.futures.ThreadPoolExecutor):
        def __init__(self, n, *args):
            pools.append(n)
            super().__init__(n, *args)

    monkeypatch.setattr(concurrent.futures, 'ThreadPoolExecutor', Pool)
    threads.use(2)
    mining.mine(Cascade(24, 24), draw_scenes(), 30, 1e5, [1, 2])
    threads.use(None)
    assert pools == [2]


def test_the_progress_adds_up_to_what_is_found():
    steps = []
    windows, _ = mining.mine(Cascade(24, 24), draw_scenes(), 300, 1e5, [0],
                             progress=lambda *step: steps.append(step))
    assert steps[-1] == (300, 300) and len(windows) == 300


def test_a_cut_gets_boxes_inside_the_picture():
    sizes = set()

    def cut(gray, boxes):
        assert (boxes[:, :2] >= 0).all() and (boxes[:, 2] == boxes[:, 3]).all()
        half = boxes[:, 2:] / 48  # of a pixel of the shrunk picture, whose size is rounded
        assert (boxes[:, :2] + boxes[:, 2:] <= np.array(gray.shape[::-1]) + half).all()
        sizes.update(np.round(boxes[:, 2]).tolist())
        return np.zeros((len(boxes), 5, 5), np.uint8)

    windows, _ = mining.mine(Cascade(24, 24), draw_scenes(), 500, 1e5, [0], cut)
    assert windows.shape == (500, 5, 5) and min(sizes) < 29 and max(sizes) > 60


def test_mining_ends_where_there_is_nothing_to_find():
    small = [Scene(np.zeros((10, 90), np.uint8), np.zeros((0, 4)))]
    windows, rate = mining.mine(Cascade(24, 24), small, 10, 1e5, [0])
    assert windows.shape == (0, 24, 24) and rate == 0
    _, rate = mining.mine(Cascade(24, 24), draw_scenes(), 10 ** 6, 2e4, [0])
    assert rate > 0  # though a million was not found


@pytest.fixture
def bright_squares(tmp_path):
    """A cascade for a bright square in the upper left of its surroundings."""
    (tmp_path / 'c.xml').write_text(CASCADE)
    return lbp_file.read(tmp_path / 'c.xml')[0]


def draw_squares(rng, n):
    scenes = []
    for _ in range(n):
        gray = rng.integers(0, 30, (80, 100), np.uint8)
        y, x = rng.integers(12, 45, 2)
        gray[y:y + 10, x:x + 10] = 220
        scenes.append(Scene(gray, np.zeros((0, 4))))
    return scenes


def test_what_is_mined_passes_all_stages(bright_squares):
    scenes = draw_squares(np.random.default_rng(10), 8)
    windows, rate = mining.mine(bright_squares, scenes, 60, 1e6, [0])
    assert len(windows) == 60 and 0 < rate < .2
    assert (bright_squares.evaluate(windows)[0] == 1).all()


def test_all_windows_pass_where_there_is_neither_stage_nor_face():
    windows, rate = mining.mine(Cascade(20, 28), draw_scenes()[1:], 100, 1e5, [0])
    assert windows.shape == (100, 28, 20) and rate == 1


def test_a_tile_of_the_size_of_the_window_is_the_window():
    tile = np.random.default_rng(11).integers(0, 256, (28, 20), np.uint8)
    windows, rate = mining.mine(Cascade(20, 28), [Scene(tile, np.zeros((0, 4)))], 1, 1e3,
                                      [0])
    assert rate == 1 and len(windows) == 1
    assert (windows[0] == tile).all() or (windows[0] == tile[:, ::-1]).all()


@pytest.mark.parametrize('boxes, directions', [
    ([], {(0, 1), (0, -1), (1, 0), (-1, 0)}),
    ([[0., 0, 10, 10]], {(1, 0)}),              # a picture with a face stays upright
])
def test_only_pictures_without_faces_are_turned(boxes, directions):
    gray = np.repeat(np.arange(20, 220, 5, dtype=np.uint8)[:, None], 40, axis=1)
    scene = Scene(gray, np.array(boxes).reshape(-1, 4))
    windows, _ = mining.mine(Cascade(24, 24), [scene], 3000, 1e6, [0])
    down = np.sign(windows[:, -1, 12].astype(int) - windows[:, 0, 12])
    across = np.sign(windows[:, 12, -1].astype(int) - windows[:, 12, 0])
    assert set(zip(down.tolist(), across.tolist())) == directions


def test_a_search_ends_after_its_maximum_of_windows(bright_squares, monkeypatch):
    looked_at, scan = [], Cascade.scan

    def count(self, integral, step=1):
        corners, n = scan(self, integral, step)
        looked_at.append(n)
        return corners, n

    monkeypatch.setattr(Cascade, 'scan', count)
    flat = [Scene(np.full((60, 70), grey, np.uint8), np.zeros((0, 4))) for grey in (0, 99, 255)]
    windows, rate = mining.mine(bright_squares, flat, 10, 20_000, [0])
    assert (len(windows), rate) == (0, 0)
    once = 2 * 3 * 19 * 24 * 3  # more than all sizes of all three pictures
    assert 20_000 <= sum(looked_at) < 20_000 + once


def test_faces_need_not_lie_inside_the_picture():
    scenes = [Scene(np.zeros((60, 60), np.uint8), np.array([[-30., -30, 200, 200]])),
              Scene(np.full((60, 60), 9, np.uint8), np.array([[500., 500, 30, 30]]))]
    windows, rate = mining.mine(Cascade(50, 50), scenes, 50, 1e4, [0])
    # 50 x 50 of 200 x 200 is a sixteenth: a window in a far larger face is not the face.
    assert set(windows[:, 0, 0].tolist()) == {0, 9} and rate == 1
