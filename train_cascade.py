"""Train a cascade that finds faces, or other things, for OpenCV's ``CascadeClassifier``.

Each stage is trained by Gentle AdaBoost to let most faces pass (``--hit_rate``)
and few other windows (``--false_alarm``); those other windows are what the
stages before it took for faces in pictures without any.  A fifth of the faces
and of the other windows is not learnt from: it decides when a stage is good
enough, and its threshold.

What is stored of a face is a *patch*: grey, the face in the middle, with room
around it for the turns and shifts that make more faces of one.

References: Viola and Jones, *Rapid Object Detection using a Boosted Cascade of
Simple Features*, CVPR 2001; Friedman, Hastie and Tibshirani, *Additive Logistic
Regression: a Statistical View of Boosting*, Annals of Statistics 2000, section
4.4 (Gentle AdaBoost); Liao et al., *Learning Multi-scale Block Local Binary
Patterns for Face Recognition*, ICB 2007 (the features).
"""
import argparse
import concurrent.futures
import csv
import math
import os
import re
import shlex
import sys
import time
import zlib
from typing import NamedTuple

import numpy as np

import cli
import files
import lbp_cascade
import media
from lbp_cascade import CODES, Cascade, Stage
from media import cv2

ROOM = .3             # around the face in a patch, in parts of the face's side
VALIDATION = .2       # share of the faces and other windows that only tests a stage
TRIM = .99            # share of the weight that a weak classifier is learnt from
PYRAMID = 1.2         # from one size of a searched picture to the next
SHARPEN = 1.5         # at most, in unsharp masking of a patch
OVERLAP = .25         # IoU with a face above which a window is neither face nor none
ENOUGH = 200          # other windows that a stage is still trained with
STATE = 'Samples: {:08x}'


class Augmentation(NamedTuple):

    """How far a face is varied, up or down.

    Attributes:
        turn (float): In degrees.
        shift (float): In parts of the face's side.
        scale (float): In parts of the face's side.
        light (float): Contrast and brightness, in parts of full white.
        mirror (bool): Whether half of the faces are mirrored.
    """

    turn: float = 10
    shift: float = .04
    scale: float = .08
    light: float = .2
    mirror: bool = True


def build_parser():
    parser = cli.parser('train_cascade.py', 'Train an LBP cascade for OpenCV.')
    parser.add_argument('output', metavar='XML', type=cli.file_ending('.xml'),
                        help='the cascade; it is written after each stage, and can be used')
    parser.add_argument('--faces', nargs='+', required=True, metavar='PATH',
                        help='pictures of one face each, folders of them, or a table (.csv) of '
                             'pictures and boxes: source,x,y,w,h, as crop_faces.py writes it')
    parser.add_argument('--no_faces', nargs='+', required=True, metavar='PATH',
                        help='pictures and videos without faces, folders of them, or a table of '
                             'boxes of faces that are left out')
    parser.add_argument('--size', type=_window, default=(24, 24), metavar='WxH',
                        help='the window: the smallest face it finds, in pixels')
    parser.add_argument('--stages', type=cli.positive_int, default=20,
                        help='the most stages')
    parser.add_argument('--hit_rate', type=cli.ratio, default=.997, metavar='R',
                        help='share of the faces that passes a stage, at least')
    parser.add_argument('--false_alarm', type=cli.ratio, default=.5, metavar='R',
                        help='share of other windows that passes a stage, at most')
    parser.add_argument('--weak', type=cli.positive_int, default=100, metavar='N',
                        help='the most weak classifiers in a stage')
    parser.add_argument('--positives', type=cli.positive_int, default=20000, metavar='N',
                        help='faces to train a stage with, varied from those given')
    parser.add_argument('--negatives', type=cli.positive_int, default=20000, metavar='N',
                        help='other windows to train a stage with')
    parser.add_argument('--search', type=cli.positive_float, default=1e9, metavar='N',
                        help='windows to search for them in before each stage, at most')
    parser.add_argument('--features', type=cli.ratio, default=.3, metavar='R',
                        help='share of the features that each weak classifier chooses from')
    defaults = Augmentation()
    parser.add_argument('--turn', type=cli.natural_float, default=defaults.turn,
                        metavar='DEGREES', help='turn faces by up to this')
    parser.add_argument('--shift', type=cli.natural_float, default=defaults.shift, metavar='R',
                        help='shift faces by up to this part of their side')
    parser.add_argument('--scale', type=cli.natural_float, default=defaults.scale, metavar='R',
                        help='shrink and enlarge faces by up to this part')
    parser.add_argument('--light', type=cli.natural_float, default=defaults.light, metavar='R',
                        help='vary contrast and brightness by up to this part')
    parser.add_argument('--no_mirror', action='store_true', help='do not mirror faces')
    parser.add_argument('--fps', type=cli.positive_float, default=1, metavar='F',
                        help='take F frames of each second of a video')
    parser.add_argument('--seed', type=cli.seed, default=0, help='of all that is random')
    parser.add_argument('--resume', action='store_true',
                        help='go on with the stages that are in the output already')
    parser.add_argument('--force', action='store_true', help='overwrite the output')
    return parser


def _window(text):
    match = re.fullmatch(r'(\d{1,3})x(\d{1,3})', text)
    if not match or not all(9 <= int(side) <= 64 for side in match.groups()):
        raise argparse.ArgumentTypeError(
            'must be a width and a height from 9 to 64, such as 24x24, got {!r}'.format(text))
    return int(match.group(1)), int(match.group(2))


@cli.command
def main(argv=None):
    args = build_parser().parse_args(argv)
    start = time.monotonic()
    media.check_opencv()
    lbp_cascade.check_numba()
    check_output(args.output, args.resume, args.force)
    augmentation = Augmentation(args.turn, args.shift, args.scale, args.light, not args.no_mirror)
    patches = read_faces(args.faces, args.size)
    scenes = read_scenes(args.no_faces, args.fps)
    print('{} and {} without ({:.0f} million pixels), {:.0f} s'.format(
        cli.count(len(patches), 'face'), cli.count(len(scenes), 'picture'),
        sum(scene.gray.size for scene in scenes) / 1e6, time.monotonic() - start))

    state = STATE.format(fingerprint(patches, scenes, args))
    cascade = read_stages(args.output, args.size, state) if args.resume else Cascade(*args.size)
    train, validation = augment_faces(patches, args.size, args.positives, augmentation, args.seed)
    trainer = Trainer(cascade, train, validation, scenes, args.negatives, args.search, args.seed)
    command = shlex.join(['train_cascade.py', *(sys.argv[1:] if argv is None else argv)])
    for report in trainer.run(args.stages, args.hit_rate, args.false_alarm, args.weak,
                              args.features):
        print(report, flush=True)
        lbp_cascade.write(args.output, cascade, describe(
            command, patches, scenes, cascade, trainer, state), args.hit_rate, args.false_alarm)
    if not cascade.stages:
        raise files.InputError('--no_faces: expected at least {} windows, got {}; give more '
                               'pictures'.format(ENOUGH, trainer.found))
    print('{} of {} in {:.0f} s, {:.1f} GB of memory at most -> {}'.format(
        cli.count(len(cascade.stages), 'stage'),
        cli.count(sum(len(stage.features) for stage in cascade.stages), 'weak classifier'),
        time.monotonic() - start, _peak_memory() / 1e9, args.output))


def check_output(path, resume, force):
    """Raise :class:`files.InputError` if the output cannot or must not be written."""
    files.check_output(path)
    if os.path.exists(path) and not (resume or force):
        raise files.InputError('{} is there already; go on with it with --resume, overwrite it '
                               'with --force, or choose another name'.format(path))


def describe(command, patches, scenes, cascade, trainer, state):
    """The comment in the file: how the cascade was trained, on what, and with which command."""
    return ('A cascade of multi-block LBP features for OpenCV, {} x {} pixels.\n'
            '{} after {} and {} without, by Gentle AdaBoost;\n'
            'held-out faces that pass all stages: {:.4f}; other windows: {:.2g}.\n'
            '{}\n{}'.format(cascade.width, cascade.height,
                            cli.count(len(cascade.stages), 'stage'),
                            cli.count(len(patches), 'face'), cli.count(len(scenes), 'picture'),
                            trainer.hit_rate, trainer.false_alarm, command, state))


def fingerprint(patches, scenes, args):
    """A number that tells other pictures and options from these, but not the most stages."""
    crc = zlib.crc32(patches)
    for scene in scenes:
        crc = zlib.crc32(np.ascontiguousarray(scene.gray), crc)
        crc = zlib.crc32(scene.boxes, crc)
    left_out = 'output', 'faces', 'no_faces', 'stages', 'resume', 'force'
    options = sorted(item for item in vars(args).items() if item[0] not in left_out)
    return zlib.crc32(repr(options).encode(), crc)


def read_stages(path, size, state):
    """Read the stages to go on with, or none where there is no file yet.

    Raises:
        InputError: If they were trained with other pictures or options.
    """
    if not os.path.exists(path):
        return Cascade(*size)
    cascade, comment = lbp_cascade.read(path)
    if state not in comment.splitlines():
        raise files.InputError('{}: expected stages trained on these pictures with these options, '
                               'got others; repeat its command, or start again with --force'
                               .format(path))
    return cascade


def _peak_memory():
    try:
        import resource
    except ImportError:  # Windows
        return math.nan
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == 'darwin' else 1024)


# Pictures

class Scene(NamedTuple):

    """A picture to find windows in that are no faces.

    Attributes:
        gray (numpy.ndarray): ``uint8``, shape ``(height, width)``.
        boxes (numpy.ndarray): The faces in it after all, ``float64``, shape
            ``(n, 4)``: ``x, y, w, h``.
    """

    gray: np.ndarray
    boxes: np.ndarray


def read_faces(sources, size):
    """Read the faces as patches.

    Args:
        sources (list of str): Pictures of one face each, folders of them, and
            tables of pictures and boxes.
        size (tuple of int): Width and height of the window.

    Returns:
        numpy.ndarray: ``uint8``, shape ``(N, height, width)``: a face of twice
        the window's size in the middle, and room on each side.
    """
    patches = []
    for gray, boxes in _read_boxes(sources, 'faces', fps=1):
        whole = [(0, 0, gray.shape[1], gray.shape[0])]
        patches += [_patch(gray, box, size) for box in (whole if boxes is None else boxes)]
    return np.array(patches)


def read_scenes(sources, fps):
    """Read the pictures without faces, or with boxes around all of them, as :class:`Scene`."""
    return [Scene(gray, np.array([] if boxes is None else boxes, float).reshape(-1, 4))
            for gray, boxes in _read_boxes(sources, 'no_faces', fps)]


def _read_boxes(sources, option, fps):
    """Yield grey pictures, and their boxes or ``None`` where there is no table of them."""
    tables = [source for source in sources if source.lower().endswith('.csv')]
    others = [source for source in sources if source not in tables]
    boxes = {}
    for table in tables:
        boxes.update(_read_table(table))
    paths = media.find_sources(others)[0] if others else []
    with cli.progress(len(paths) + len(boxes), 'pictures', '--' + option) as bar:
        slot = media.per_second(fps)
        for frame in media.FrameReader(paths, slot, bar) if paths else ():
            yield cv2.cvtColor(frame.img, cv2.COLOR_BGR2GRAY), None
        for frame in media.FrameReader(list(boxes), slot, bar) if boxes else ():
            yield cv2.cvtColor(frame.img, cv2.COLOR_BGR2GRAY), boxes[frame.source]


def _read_table(path):
    """The boxes of each picture of a table; names are relative to the table's folder."""
    boxes = {}
    with open(path, newline='', encoding='utf-8-sig') as f:
        rows = csv.DictReader(f)
        missing = {'source', 'x', 'y', 'w', 'h'} - set(rows.fieldnames or ())
        if missing:
            raise files.InputError('{}, line 1: expected the columns source,x,y,w,h, got none '
                                   'named {}'.format(path, ', '.join(sorted(missing))))
        for row in rows:
            try:
                box = tuple(float(row[column]) for column in 'xywh')
                good = all(map(math.isfinite, box)) and box[2] >= 1 and box[3] >= 1
            except (TypeError, ValueError):
                good = False
            if not good:
                raise files.InputError(
                    '{}, line {}: expected numbers for x, y, w and h, w and h at least 1, got {}'
                    .format(path, rows.line_num, [row[column] for column in 'xywh']))
            source = os.path.join(os.path.dirname(path), row['source'])
            if media.is_video(source):
                raise files.InputError('{}, line {}: expected a picture, got a video: {}'.format(
                    path, rows.line_num, source))
            if not os.path.isfile(source):
                raise files.InputError('{}, line {}: there is no picture {}'.format(
                    path, rows.line_num, source))
            boxes.setdefault(source, []).append(box)
    return boxes


def _patch(gray, box, size):
    """Cut a face out with room around it; over the border, the border's pixels go on."""
    x, y, w, h = box
    width, height = _patch_size(size)
    shrink = min(1, 2 * size[0] / w)
    if shrink < 1:  # an affine map of 8 bits rounds its steps
        gray = cv2.resize(gray, (max(1, round(gray.shape[1] * shrink)),
                                 max(1, round(gray.shape[0] * shrink))),
                          interpolation=cv2.INTER_LINEAR_EXACT)
        x, y, w, h = x * shrink, y * shrink, w * shrink, h * shrink
    across, down = 2 * size[0] / w, 2 * size[1] / h
    matrix = np.array([[across, 0, width / 2 - across * (x + w / 2 - .5) - .5],
                       [0, down, height / 2 - down * (y + h / 2 - .5) - .5]])
    return cv2.warpAffine(gray, matrix, (width, height), flags=cv2.INTER_LINEAR,
                          borderMode=cv2.BORDER_REPLICATE)


def _patch_size(size):
    return tuple(2 * side + 2 * round(2 * side * ROOM) for side in size)


def augment_faces(patches, size, n, augmentation, seed):
    """Make windows of faces, for training and for validation, each face for one of them.

    Args:
        patches (numpy.ndarray): Of :func:`read_faces`.
        size (tuple of int): Width and height of the window.
        n (int): How many to train with.
        augmentation (Augmentation): How far they vary.
        seed (int): The same gives the same.

    Returns:
        tuple: Two arrays of windows, ``uint8``, shape ``(n, height, width)``.

    Raises:
        InputError: If there are fewer than ten faces.
    """
    if len(patches) < 10:
        raise files.InputError('--faces: expected at least 10, got {}'.format(len(patches)))
    rng = np.random.default_rng([seed, 1])
    order = rng.permutation(len(patches))
    n_validation = math.ceil(len(patches) * VALIDATION)
    return tuple(
        np.array([augment(patches[faces[i % len(faces)]], size, augmentation, rng)
                  for i in range(count)])
        for faces, count in [(order[n_validation:], n),
                             (order[:n_validation], math.ceil(n * VALIDATION))])


def augment(patch, size, augmentation, rng):
    """Make a window of a patch: turned, shifted, scaled, lit and mirrored at random.

    OpenCV's search shrinks pictures by linear interpolation, which at large
    factors takes single pixels and leaves edges jagged.  So half of the faces
    are sharpened and shrunk that way, and only the others by averages.
    """
    width, height = size
    turn, across, down, scale, contrast, brightness, sharpness = rng.uniform(-1, 1, 7)
    matrix = cv2.getRotationMatrix2D(
        ((patch.shape[1] - 1) / 2, (patch.shape[0] - 1) / 2),
        turn * augmentation.turn, 1 + scale * augmentation.scale)
    matrix[0, 2] += width - patch.shape[1] / 2 + 2 * width * across * augmentation.shift
    matrix[1, 2] += height - patch.shape[0] / 2 + 2 * height * down * augmentation.shift
    twice = cv2.warpAffine(patch, matrix, (2 * width, 2 * height), flags=cv2.INTER_LINEAR,
                           borderMode=cv2.BORDER_REPLICATE)
    if sharpness > 0:
        blurred = cv2.GaussianBlur(twice, (0, 0), 1)
        twice = cv2.addWeighted(twice, 1 + SHARPEN * sharpness, blurred, -SHARPEN * sharpness, 0)
    img = (twice[::2, ::2] if sharpness > 0 else
           cv2.resize(twice, (width, height), interpolation=cv2.INTER_AREA)).astype(np.float32)
    img = ((img - 128) * (1 + contrast * augmentation.light) + 128
           + 255 * brightness * augmentation.light)
    img = np.clip(np.rint(img), 0, 255).astype(np.uint8)
    return img[:, ::-1] if augmentation.mirror and rng.random() < .5 else img


# Windows that the stages so far take for faces

def mine(cascade, scenes, n, most, seed):
    """Find windows that pass all stages in pictures without faces.

    The pictures are searched again and again, in a new order, at other scales,
    mirrored and, where no face is in them, turned by right angles.

    Args:
        cascade (lbp_cascade.Cascade): The stages so far; none passes all.
        scenes (list of Scene): Where to search.
        n (int): How many to find.
        most (float): Windows to look at, at most.
        seed (list of int): The same gives the same, on any number of cores.

    Returns:
        tuple: The windows, ``uint8``, shape ``(up to n, height, width)``, in
        random order, and the share that passed of all those looked at.
    """
    found, n_found, searched, passed = [], 0, 0, 0
    per_scene = max(20, 10 * n // len(scenes))
    batchsize = 64

    def search(task):
        turn, index = task
        return _search(cascade, scenes[index], per_scene, turn > 0,
                       np.random.default_rng([*seed, turn, index]))

    turn = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool, \
            cli.progress(n, 'windows', 'mining') as bar:
        while n_found < n and searched < most and (turn == 0 or searched):
            order = np.random.default_rng([*seed, turn]).permutation(len(scenes))
            for start in range(0, len(order), batchsize):
                tasks = [(turn, index) for index in order[start:start + batchsize]]
                for windows, n_passed, looked_at in pool.map(search, tasks):
                    found.append(windows)
                    n_found += len(windows)
                    passed += n_passed
                    searched += looked_at
                bar.update(min(n, n_found) - bar.n)
                if n_found >= n or searched >= most:
                    break
            turn += 1
    windows = np.concatenate(found)
    return np.random.default_rng(seed).permutation(windows)[:n], passed / max(1, searched)


def _search(cascade, scene, most, turn, rng):
    gray, boxes = _vary(scene, turn, rng)
    scale, found, passed, searched = rng.uniform(1, PYRAMID), [], 0, 0
    size = np.array([cascade.width, cascade.height])
    first = True
    while True:
        columns, rows = round(gray.shape[1] / scale), round(gray.shape[0] / scale)
        if (columns < size[0] or rows < size[1]) and first:  # a tile of the window's own size
            scale, columns, rows = 1, gray.shape[1], gray.shape[0]
        if columns < size[0] or rows < size[1]:
            break
        first = False
        # As OpenCV shrinks it when it searches.
        img = cv2.resize(gray, (columns, rows), interpolation=cv2.INTER_LINEAR_EXACT)
        corners, looked_at = cascade.scan(cv2.integral(img), step=2)
        searched += looked_at
        corners = corners[~_overlaps(corners, size, boxes / scale)]
        passed += len(corners)
        if len(corners) > most:
            corners = rng.choice(corners, most, replace=False)
        found += [img[y:y + size[1], x:x + size[0]] for x, y in corners]
        scale *= PYRAMID
    if len(found) > most:
        found = [found[i] for i in rng.choice(len(found), most, replace=False)]
    return np.array(found, np.uint8).reshape(-1, size[1], size[0]), passed, searched


def _vary(scene, turn, rng):
    """Mirror a scene half of the time; if asked to and it has no face, turn it as well."""
    gray, boxes = scene
    if rng.random() < .5:
        gray, boxes = gray[:, ::-1], boxes.copy()
        boxes[:, 0] = gray.shape[1] - boxes[:, 0] - boxes[:, 2]
    if turn and not len(boxes):
        gray = np.rot90(gray, rng.integers(4))
    return np.ascontiguousarray(gray), boxes


def _overlaps(corners, size, boxes):
    """Whether windows share more than ``OVERLAP`` (IoU) with any of the boxes."""
    low = np.maximum(corners[:, None], boxes[None, :, :2])
    high = np.minimum(corners[:, None] + size, boxes[None, :, :2] + boxes[None, :, 2:])
    both = np.maximum(high - low, 0).prod(axis=2)
    either = size.prod() + boxes[:, 2:].prod(axis=1) - both
    return (both > OVERLAP * either).any(axis=1)


# Boosting

class Trainer:

    """Adds stage after stage to a cascade.

    Args:
        cascade (lbp_cascade.Cascade): It grows; may have stages already.
        faces (numpy.ndarray): Windows to train with.
        validation (numpy.ndarray): Windows of other faces.
        scenes (list of Scene): Where to mine for windows that are no faces.
        negatives (int): How many of those a stage is trained with.
        search (float): How many windows to search for them, at most.
        seed (int): The same gives the same stages.

    Attributes:
        hit_rate (float): Share of the validation's faces that pass all stages.
        false_alarm (float): Estimated share of other windows that do.
        found (int): Windows mined for the last stage.
    """

    def __init__(self, cascade, faces, validation, scenes, negatives, search, seed):
        self.cascade, self.scenes = cascade, scenes
        self.faces, self.validation = faces, validation
        self.negatives, self.search, self.seed = negatives, search, seed
        self.features = lbp_cascade.all_features(cascade.width, cascade.height)
        self.hit_rate, self.false_alarm, self.found = 1., 1., 0

    def run(self, stages, hit_rate, false_alarm, most, share):
        """Train until there are so many stages or too few windows pass them.

        Yields:
            str: A line on each stage.
        """
        n_validation = len(self.validation)
        self._drop_rejected_faces()
        codes = lbp_cascade.codes_of(self.faces, self.features)
        while len(self.cascade.stages) < stages:
            start, number = time.monotonic(), len(self.cascade.stages)
            windows, pass_rate = mine(
                self.cascade, self.scenes, math.ceil(self.negatives * (1 + VALIDATION)),
                self.search, [self.seed, 2, number])
            self.found, mined = len(windows), time.monotonic() - start
            if self.found < ENOUGH:
                self.false_alarm = pass_rate
                break
            held_out = math.ceil(len(windows) * VALIDATION / (1 + VALIDATION))
            stage, hits, alarms = train_stage(
                self.features, codes, lbp_cascade.codes_of(windows[held_out:], self.features),
                self.validation, windows[:held_out], hit_rate, false_alarm, most, share,
                np.random.default_rng([self.seed, 3, number]))
            self.cascade.stages.append(stage)
            self.false_alarm = pass_rate * alarms
            passed = self._drop_rejected_faces()
            codes = codes[:, passed]
            self.hit_rate = len(self.validation) / n_validation
            yield ('stage {:2}: {:3} weak classifiers; {:.4f} of the faces and {:.3f} of {:,} '
                   'other windows pass (all stages: {:.4f}, {:.1e}); {:.0f} s, {:.0f} of them '
                   'mining'.format(number, len(stage.features), hits, alarms, self.found,
                                   self.hit_rate, self.false_alarm,
                                   time.monotonic() - start, mined))

    def _drop_rejected_faces(self):
        passed, validated = (self.cascade.evaluate(windows)[0] == len(self.cascade.stages)
                             for windows in (self.faces, self.validation))
        self.faces, self.validation = self.faces[passed], self.validation[validated]
        return passed


def train_stage(features, faces, others, faces_held_out, others_held_out, hit_rate, false_alarm,
                most, share, rng):
    """Boost weak classifiers until they are good enough on windows held out.

    Args:
        features (numpy.ndarray): All features, shape ``(F, 4)``.
        faces (numpy.ndarray): Their codes in the faces, ``uint8``, ``(F, N)``.
        others (numpy.ndarray): And in the other windows.
        faces_held_out (numpy.ndarray): Windows to measure the hit rate on.
        others_held_out (numpy.ndarray): And the false alarms.
        hit_rate (float): Share of faces to let pass, at least.
        false_alarm (float): Share of others to let pass, at most.
        most (int): Number of weak classifiers, at most.
        share (float): Of the features, for a weak classifier to choose from.
        rng (numpy.random.Generator): Draws them.

    Returns:
        tuple: The :class:`lbp_cascade.Stage`, its hit rate and its rate of
        false alarms.
    """
    held_out = [lbp_cascade.integrals(windows) for windows in (faces_held_out, others_held_out)]
    votes = [np.zeros(len(windows)) for windows in held_out]
    weights = [np.full(codes.shape[1], .5 / codes.shape[1]) for codes in (faces, others)]
    chosen, subsets, leaves = [], [], []
    hits = alarms = 1.
    while len(chosen) < most:
        drawn = np.sort(rng.choice(len(features), math.ceil(len(features) * share),
                                   replace=False))
        heavy = trim(weights)
        gains = np.empty(len(drawn))
        _gains(faces, others, drawn, *heavy, *(w[i] for w, i in zip(weights, heavy)), gains)
        best = drawn[np.argmax(gains)]
        subset, pair = weak_classifier(faces[best], others[best], *weights)
        for codes, label, w in zip((faces, others), (1, -1), weights):
            w *= np.exp(-label * np.where(subset[codes[best]], *pair))
        total = sum(w.sum() for w in weights)
        for w in weights:
            w /= total
        chosen.append(best)
        subsets.append(subset)
        leaves.append(pair)

        for windows, sums in zip(held_out, votes):
            codes = np.empty((1, len(windows)), np.uint8)
            lbp_cascade._codes(windows, features[best:best + 1], codes)
            sums += np.where(subset[codes[0]], *pair)
        threshold = threshold_for(votes[0], hit_rate)
        hits, alarms = (np.mean(sums >= threshold - lbp_cascade.THRESHOLD_EPSILON)
                        for sums in votes)
        if alarms <= false_alarm:
            break
    return Stage(features[chosen], np.array(subsets), np.array(leaves, np.float32),
                 threshold), hits, alarms


def threshold_for(sums, hit_rate):
    """The highest threshold that so many of the sums reach, as ``float32``."""
    misses = int((1 - hit_rate) * len(sums))
    return np.float32(np.sort(sums)[misses])


def trim(weights, share=TRIM):
    """Indices of the heaviest samples of both classes, which have that share of the weight."""
    everything = np.sort(np.concatenate(weights))
    light = np.searchsorted(np.cumsum(everything), (1 - share) * everything.sum())
    return [np.flatnonzero(w >= everything[light]) for w in weights]


def weak_classifier(faces, others, face_weights, other_weights):
    """Fit two leaves to the codes of one feature by weighted least squares.

    Args:
        faces (numpy.ndarray): Codes of the feature in faces, ``uint8``.
        others (numpy.ndarray): Codes in other windows.
        face_weights (numpy.ndarray): Of the faces; the weights add up to 1.
        other_weights (numpy.ndarray): Of the others.

    Returns:
        tuple: The subset of codes, ``bool``, shape ``(256,)``, and the votes
        in it and outside, ``float32``: the mean labels, 1 for a face and -1.
    """
    a = np.bincount(faces, face_weights, CODES)
    b = np.bincount(others, other_weights, CODES)
    subset = np.zeros(CODES, np.bool_)
    _best_cut(a, b, subset)
    pair = np.array([(a[s].sum() - b[s].sum()) / max(a[s].sum() + b[s].sum(), 1e-300)
                     for s in (subset, ~subset)], np.float32)
    return subset, pair


@lbp_cascade._kernel(cache=True)
def _best_cut(a, b, subset):
    """Split the codes in two so that mean labels fit best; the first gets the lower ones.

    For two classes the best split is one of those along the mean label
    (Breiman et al., *Classification and Regression Trees*, 1984, section 4.2.2).
    Returns by how much the squared error falls, but for a constant.
    """
    weight = a + b
    label = np.zeros(CODES)
    for code in range(CODES):
        if weight[code] > 0:
            label[code] = (a[code] - b[code]) / weight[code]
    order = np.argsort(label)
    total, total_label = weight.sum(), a.sum() - b.sum()
    best, cut, low, low_label = -1., 0, 0., 0.
    for i in range(CODES - 1):
        code = order[i]
        low += weight[code]
        low_label += a[code] - b[code]
        high, high_label = total - low, total_label - low_label
        if low > 1e-12 and high > 1e-12:
            gain = low_label * low_label / low + high_label * high_label / high
            if gain > best:
                best, cut = gain, i + 1
    for i in range(CODES):
        subset[order[i]] = i < cut
    return best


@lbp_cascade._kernel(cache=True, parallel=True)
def _gains(faces, others, drawn, face_index, other_index, face_weights, other_weights, gains):
    for j in lbp_cascade.prange(len(drawn)):
        a, b = np.zeros(CODES), np.zeros(CODES)
        row = faces[drawn[j]]
        for k in range(len(face_index)):
            a[row[face_index[k]]] += face_weights[k]
        row = others[drawn[j]]
        for k in range(len(other_index)):
            b[row[other_index[k]]] += other_weights[k]
        gains[j] = _best_cut(a, b, np.zeros(CODES, np.bool_))


if __name__ == '__main__':
    main()
