"""Draw the demo's two videos: nine characters to train on, nine others to test on.

    python examples/draw_cast.py demo

writes ``train.mp4`` and ``test.mp4`` into the folder, and beside each a table,
``train_cast.csv`` and ``test_cast.csv``: where each face is in which frame (the
square from the top of the hair to the chin, in pixels), whose it is, and how
much the simulated person likes it.
"""
import argparse
import csv
import os
import sys
from dataclasses import dataclass

import cv2
import numpy as np
import tqdm

from backdrops import BACKDROPS, draw_backdrop
from brush import colour
from cast import EXPRESSIONS, TEST_CAST, TRAIN_CAST, Character, taste
from drawing import BOTTOM, LEFT, RIGHT, TOP, View, draw_character

WIDTH, HEIGHT = 640, 360
FPS = 24
SHOT = FPS          # frames from cut to cut
HOLD = 2            # frames a drawing is shown: anime is drawn on twos
SPRITE_SCALE = 110  # pixels of a sprite per unit of drawing.py's plane
NECK = np.array([0, 1.1])  # about which a head turns, in that plane
COLUMNS = ['frame', 'x', 'y', 'w', 'h', 'character', 'taste']
VIDEOS = {  # the cast, the shots of everybody alone, whether there are shots of two
    'train': (TRAIN_CAST, 6, True),
    'test': (TEST_CAST, 2, False),
}


@dataclass(frozen=True)
class Actor:

    """A character in a shot."""

    who: Character
    mood: str         # a key of EXPRESSIONS
    view: View
    tilt: float       # of the head, in radians
    x: float          # of the middle of the head, in frame widths
    y: float          # ... in frame heights
    size: float       # from there to the chin, in frame heights
    phase: float      # of its sway, in radians

    def sway(self, t, lag=0.0):
        return np.sin(self.phase + 1.2 * np.pi * t - lag)


@dataclass(frozen=True)
class Shot:

    """What is seen from one cut to the next; its time ``t`` goes from 0 to 1."""

    actors: tuple
    place: str        # a key of BACKDROPS
    zoom: float       # how much nearer the camera comes
    pan: float        # how far it moves, in frame widths
    blink: int        # the drawing with which eyes begin to shut
    seed: int         # of the backdrop


# --- the script ---

def script_of(video, seed):
    rng = np.random.default_rng([seed, list(VIDEOS).index(video)])
    return write_script(*VIDEOS[video], rng)


def write_script(cast, takes, duets, rng):
    """Everybody ``takes`` times alone, each time elsewhere and in another mood; then in twos."""
    moods, places = list(EXPRESSIONS), list(BACKDROPS)
    first_mood, first_place = rng.permutation(len(cast)), rng.permutation(len(cast))
    shots = []
    for take in range(takes):
        for i in rng.permutation(len(cast)):
            actor = direct(cast[i], moods[(first_mood[i] + take) % len(moods)],
                           rng.uniform(.36, .64), rng.uniform(.24, .28), rng)
            place = places[(first_place[i] + 2 * take) % len(places)]
            shots.append(film_shot([actor], place, rng))
    for who, partner in zip(cast, cast[1:] + cast[:1]) if duets else ():
        actors = [direct(one, moods[rng.integers(len(moods))], x, rng.uniform(.20, .22), rng)
                  for one, x in ((who, .29), (partner, .71))]
        shots.append(film_shot(actors, places[rng.integers(len(places))], rng))
    return shots


def direct(who, mood, x, size, rng):
    return Actor(who, mood, View(rng.uniform(-.32, .32), rng.uniform(-.06, .06)),
                 tilt=rng.uniform(-.12, .12), x=x, y=rng.uniform(.44, .47), size=size,
                 phase=rng.uniform(0, 2 * np.pi))


def film_shot(actors, place, rng):
    return Shot(tuple(actors), place, zoom=rng.uniform(-.08, .08), pan=rng.uniform(-.05, .05),
                blink=int(rng.integers(4, 8)), seed=int(rng.integers(2 ** 31)))


# --- sprites: an actor's layers, drawn once for a shot ---

def draw_sprites(actor, place):
    """An actor's layers by name, ``uint8`` BGRA, premultiplied."""
    films = draw_character(actor.who, EXPRESSIONS[actor.mood], actor.view)
    size = round((RIGHT - LEFT) * SPRITE_SCALE), round((BOTTOM - TOP) * SPRITE_SCALE)
    films = {name: cv2.resize(film, size, interpolation=cv2.INTER_AREA)
             for name, film in films.items()}
    light_up(films.values(), BACKDROPS[place])
    return {name: np.uint8(np.round(255 * np.clip(film, 0, 1))) for name, film in films.items()}


def light_up(films, backdrop):
    """Put the light of a place on an actor's layers, in place."""
    whole = np.max([film[:, :, 3] for film in films], axis=0)
    away = cv2.warpAffine(whole, np.float32([[1, 0, -4], [0, 1, 4]]), whole.shape[::-1])
    edge = cv2.GaussianBlur(np.clip(whole - away, 0, 1), (0, 0), 1.2) * backdrop.rim_strength
    where = edge > .01
    for film in films:
        film *= (*colour(backdrop.light), 1)
        paint, alpha = np.split(film[where], [3], axis=1)
        rim = np.clip(colour(backdrop.rim) - paint, 0, 1)
        film[where, :3] = paint + edge[where][:, None] * alpha * rim


# --- frames ---

def draw_shot(shot):
    """Yield the frames of a shot, each with the boxes of its actors' faces."""
    backdrop = draw_backdrop(shot.place, int(1.15 * HEIGHT), np.random.default_rng(shot.seed))
    sprites = [draw_sprites(actor, shot.place) for actor in shot.actors]
    for drawing in range(SHOT // HOLD):
        t = drawing * HOLD / SHOT
        frame = look_at(backdrop, shot, t)
        for actor, layers in zip(shot.actors, sprites):
            for name, tilt, shift in move(actor, t, eyes_at(drawing, shot.blink)):
                blend(frame, layers[name], placement(actor, shot, t, tilt, shift))
        boxes = [face_box(actor, shot, t) for actor in shot.actors]
        for _ in range(HOLD):
            yield frame, boxes


def look_at(backdrop, shot, t):
    """What the camera sees of a backdrop, which moves less than who is in front of it."""
    height, width = backdrop.shape[:2]
    x = (width - WIDTH) / 2 - .5 * shot.pan * (t - .5) * WIDTH
    y = (height - HEIGHT) / 2
    zoom = 1 + .4 * shot.zoom * (t - .5)
    matrix = np.array([[zoom, 0, -x * zoom], [0, zoom, -y * zoom]])
    return cv2.warpAffine(backdrop, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)


def eyes_at(drawing, blink):
    return {blink: 'half', blink + 1: 'shut', blink + 2: 'half'}.get(drawing, 'open')


def move(actor, t, eyes):
    """Yield the layers to lay on each other at time ``t``: name, tilt, and shift in units.

    The body hardly tilts, the hair follows late, and what is nearer shifts
    more, as if the head turned a little.
    """
    sway, late = actor.sway(t), actor.sway(t, lag=.9)
    tilt = actor.tilt + .035 * sway
    yield 'back', .6 * tilt + .02 * late, -.020 * sway
    yield 'body', .15 * tilt, 0
    yield 'face', tilt, 0
    yield eyes, tilt, .025 * sway
    yield 'front', tilt + .006 * late, .012 * sway


def placement(actor, shot, t, tilt, shift):
    """The matrix, shape (2, 3), that takes points of drawing.py's plane into the frame."""
    scale = actor.size * HEIGHT * (1 + shot.zoom * (t - .5))
    x = (actor.x + shot.pan * (t - .5)) * WIDTH + .04 * scale * actor.sway(t)
    y = actor.y * HEIGHT + .025 * scale * actor.sway(1.3 * t, lag=-np.pi / 2)
    turn = scale * np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    move = (x, y) + scale * NECK + turn @ ((shift, 0) - NECK)
    return np.hstack([turn, move[:, None]])


def face_box(actor, shot, t):
    """x, y, w, h of a face, from the top of the hair to the chin, in whole pixels."""
    matrix = placement(actor, shot, t, actor.tilt + .035 * actor.sway(t), 0)
    scale = np.hypot(*matrix[:, 0])
    x, y = np.round(matrix[:, 2] - scale)
    side = round(2 * scale)
    return int(x), int(y), side, side


def blend(frame, sprite, matrix):
    """Lay a sprite over a frame, in place; ``matrix`` as of ``placement``."""
    matrix = matrix @ np.array([[1 / SPRITE_SCALE, 0, LEFT], [0, 1 / SPRITE_SCALE, TOP],
                                [0, 0, 1]])
    height, width = sprite.shape[:2]
    corners = np.array([(0, 0, 1), (width, 0, 1), (0, height, 1), (width, height, 1)]) @ matrix.T
    x0, y0 = np.maximum(np.floor(corners.min(0)).astype(int), 0)
    x1, y1 = np.minimum(np.ceil(corners.max(0)).astype(int), (WIDTH, HEIGHT))
    matrix[:, 2] -= x0, y0
    film = cv2.warpAffine(sprite, matrix, (int(x1 - x0), int(y1 - y0)))
    through = cv2.cvtColor(255 - film[:, :, 3], cv2.COLOR_GRAY2BGR)
    seen = cv2.multiply(frame[y0:y1, x0:x1], through, scale=1 / 255)
    frame[y0:y1, x0:x1] = cv2.add(seen, cv2.cvtColor(film, cv2.COLOR_BGRA2BGR))


# --- files ---

def draw_video(shots, path):
    """Draw shots into a video; return the rows of its table."""
    temporary = '{}.tmp{}'.format(*os.path.splitext(path))
    video = cv2.VideoWriter(temporary, cv2.VideoWriter_fourcc(*'mp4v'), FPS, (WIDTH, HEIGHT))
    if not video.isOpened():
        raise OSError(f'{path}: this OpenCV cannot write mp4v video there')
    rows = []
    for i, shot in enumerate(tqdm.tqdm(shots, unit=' shots', leave=False, disable=None)):
        for j, (frame, boxes) in enumerate(draw_shot(shot)):
            video.write(frame)
            for actor, box in zip(shot.actors, boxes):
                liking = taste(actor.who, EXPRESSIONS[actor.mood])
                rows.append([i * SHOT + j, *box, actor.who.name, f'{liking:.2f}'])
    video.release()
    os.replace(temporary, path)
    return rows


def save_table(path, rows):
    temporary = path + '.tmp'
    with open(temporary, 'w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    os.replace(temporary, path)


def build_parser():
    parser = argparse.ArgumentParser(
        prog='draw_cast.py', description=__doc__.split('\n')[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('folder', help='where the videos and their tables go')
    parser.add_argument('--seed', type=int, default=0, help='random seed of the film')
    return parser


def main(argv=None):
    args = build_parser().parse_args(argv)
    try:
        os.makedirs(args.folder, exist_ok=True)
        for video in VIDEOS:
            shots = script_of(video, args.seed)
            path = os.path.join(args.folder, video)
            rows = draw_video(shots, path + '.mp4')
            save_table(path + '_cast.csv', rows)
            print(f'{path}.mp4: {len(shots)} shots, {SHOT * len(shots)} frames, '
                  f'{len(rows)} drawn faces')
    except (OSError, ValueError) as e:
        where = f'{e.filename}: {e.strerror}' if getattr(e, 'filename', None) else e
        sys.exit(f'draw_cast.py: error: {where}')


if __name__ == '__main__':
    main()
