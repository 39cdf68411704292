"""Train a cascade that finds faces, or other things, for OpenCV's ``CascadeClassifier``.

Each stage is trained by Gentle AdaBoost to let most faces pass (``--hit_rate``)
and few other windows (``--false_alarm``); those other windows are what the
stages before it took for faces in pictures without any.  A fifth of the faces
and of the other windows is not learnt from: it decides when a stage is good
enough, and its threshold.  Last, a small network learns to look again at what
passes (:mod:`face_check`); OpenCV does not read it, ``crop_faces.py`` does.

References: Viola and Jones, *Rapid Object Detection using a Boosted Cascade of
Simple Features*, CVPR 2001; Friedman, Hastie and Tibshirani, *Additive Logistic
Regression: a Statistical View of Boosting*, Annals of Statistics 2000, section
4.4 (Gentle AdaBoost); Liao et al., *Learning Multi-scale Block Local Binary
Patterns for Face Recognition*, ICB 2007 (the features).
"""
import argparse
import concurrent.futures
import math
import os
import re
import shlex
import sys
import time
import zlib

import numpy as np

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer
import chainer.functions as F
import chainer.links as L

from picture_ranknet.console import messages, options
from picture_ranknet.console.command import command
from picture_ranknet.errors import InputError
from picture_ranknet.faces import second_look as face_check
from picture_ranknet.faces.second_look import FaceCheck, Layer
from picture_ranknet.faces.training import lbp as lbp_cascade
from picture_ranknet.faces.training import samples as face_samples
from picture_ranknet.faces.training.lbp import CODES, Cascade, Stage
from picture_ranknet.faces.training.samples import VALIDATION, Augmentation
from picture_ranknet.pictures import media
from picture_ranknet.storage import atomic
from picture_ranknet.text import count

TRIM = .99            # share of the weight that a weak classifier is learnt from
ENOUGH = 200          # other windows that a stage is still trained with
STATE = 'Samples: {:08x}'

# The second look
CHECK_FACE = 48, 48   # width and height of a face in a window before it is varied
CHECK_AUGMENTATION = Augmentation(turn=30, shift=.18, scale=.28, light=.35, hidden=.25)
CHECK_WINDOWS = 4     # times as many other windows as a stage has, easy ones and hard ones
CHECK_EASY = .6       # share of the stages that the easy ones pass; the hard ones pass all
HARD = 2              # but so many
CHECK_SEARCH = 4      # times as many windows to search as before a stage
OFFSET_WEIGHT = 30    # of the loss of the offsets, whose numbers are small
BATCHSIZE = 256
TESTED = 4000         # windows that the result is tested with


def build_parser():
    parser = options.parser('train_cascade.py', 'Train an LBP cascade for OpenCV.')
    parser.add_argument('output', metavar='XML', type=options.file_ending('.xml'),
                        help='the cascade; it is written after each stage, and can be used')
    parser.add_argument('--faces', nargs='+', required=True, metavar='PATH',
                        help='pictures of one face each, folders of them, or a table (.csv) of '
                             'pictures and boxes: source,x,y,w,h, as crop_faces.py writes it')
    parser.add_argument('--no_faces', nargs='+', required=True, metavar='PATH',
                        help='pictures and videos without faces, folders of them, or a table of '
                             'boxes of faces that are left out')
    parser.add_argument('--size', type=_window, default=(24, 24), metavar='WxH',
                        help='the window: the smallest face it finds, in pixels')
    parser.add_argument('--stages', type=options.positive_int, default=15,
                        help='the most stages')
    parser.add_argument('--hit_rate', type=options.ratio, default=.994, metavar='R',
                        help='share of the faces that passes a stage, at least')
    parser.add_argument('--false_alarm', type=options.ratio, default=.5, metavar='R',
                        help='share of other windows that passes a stage, at most')
    parser.add_argument('--weak', type=options.positive_int, default=300, metavar='N',
                        help='the most weak classifiers in a stage')
    parser.add_argument('--check', type=options.natural_int, default=8000, metavar='N',
                        help='batches to train the second look with; 0 leaves it out')
    parser.add_argument('--positives', type=options.positive_int, default=24000, metavar='N',
                        help='faces to train a stage with, varied from those given')
    parser.add_argument('--negatives', type=options.int_from(ENOUGH), default=14000, metavar='N',
                        help='other windows to train a stage with')
    parser.add_argument('--search', type=options.positive_float, default=6e8, metavar='N',
                        help='windows to search for them in before each stage, at most')
    parser.add_argument('--features', type=options.ratio, default=.2, metavar='R',
                        help='share of the features that each weak classifier chooses from')
    defaults = Augmentation()
    parser.add_argument('--turn', type=options.natural_float, default=defaults.turn,
                        metavar='DEGREES', help='turn faces by up to this')
    parser.add_argument('--shift', type=options.natural_float, default=defaults.shift, metavar='R',
                        help='shift faces by up to this part of their side')
    parser.add_argument('--scale', type=options.natural_float, default=defaults.scale, metavar='R',
                        help='shrink and enlarge faces by up to this part')
    parser.add_argument('--light', type=options.natural_float, default=defaults.light, metavar='R',
                        help='vary contrast and brightness by up to this part')
    parser.add_argument('--no_mirror', action='store_true', help='do not mirror faces')
    parser.add_argument('--fps', type=options.positive_float, default=1, metavar='F',
                        help='take F frames of each second of a video')
    parser.add_argument('--seed', type=options.seed, default=0, help='of all that is random')
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


@command
def main(argv=None):
    args = build_parser().parse_args(argv)
    start = time.monotonic()
    media.check_opencv()
    lbp_cascade.check_numba()
    check_output(args.output, args.resume, args.force)
    augmentation = Augmentation(args.turn, args.shift, args.scale, args.light, not args.no_mirror)
    patches = face_samples.read_faces(args.faces, args.size)
    scenes = face_samples.read_scenes(args.no_faces, args.fps)
    print('{} and {} without ({:.0f} million pixels), {:.0f} s'.format(
        count(len(patches), 'face'), count(len(scenes), 'picture'),
        sum(scene.gray.size for scene in scenes) / 1e6, time.monotonic() - start))

    if not scenes:
        raise InputError('--no_faces: expected at least one picture, got none')

    state = STATE.format(fingerprint(patches, scenes, args))
    cascade, false_alarm = (read_stages(args.output, args.size, state) if args.resume
                            else (Cascade(*args.size), 1.))
    face = [2 * side for side in args.size]
    faces, faces_held_out = face_samples.split_faces(patches, args.seed)
    rng = np.random.default_rng([args.seed, 4])
    trainer = Trainer(cascade, *(
        face_samples.augment_faces(part, face, args.size, n, augmentation, rng)
        for part, n in [(faces, args.positives),
                        (faces_held_out, math.ceil(VALIDATION * args.positives))]),
        scenes, args.negatives, args.search, args.seed, false_alarm)
    command = shlex.join(['train_cascade.py', *(sys.argv[1:] if argv is None else argv)])

    def save(check=None):
        lbp_cascade.write(
            args.output, cascade, describe(command, patches, scenes, cascade, trainer, state),
            args.hit_rate, args.false_alarm, check.to_xml() if check else '')

    for report in trainer.run(args.stages, args.hit_rate, args.false_alarm, args.weak,
                              args.features):
        print(report, flush=True)
        save()
    if not cascade.stages:
        raise InputError('--no_faces: expected at least {} windows, got {}; give more '
                               'pictures'.format(ENOUGH, trainer.found))
    if args.check:
        others = mine_check(cascade, scenes, CHECK_WINDOWS * args.negatives, args.search,
                            args.seed)
        if len(others) < ENOUGH:
            raise InputError(
                '--no_faces: expected at least {} windows for the second look, got {}; give more '
                'pictures, or leave it out with --check 0'.format(ENOUGH, len(others)))
        check, report = train_check(faces, faces_held_out, face, others, args.check,
                                    args.seed)
        print(report)
        save(check)
    print('{} of {} in {:.0f} s, {:.1f} GB of memory at most -> {}'.format(
        count(len(cascade.stages), 'stage'),
        count(sum(len(stage.features) for stage in cascade.stages), 'weak classifier'),
        time.monotonic() - start, _peak_memory() / 1e9, args.output))


def check_output(path, resume, force):
    """Raise :class:`InputError` if the output cannot or must not be written."""
    atomic.check_output(path)
    if os.path.exists(path) and not (resume or force):
        raise InputError('{} is there already; go on with it with --resume, overwrite it '
                               'with --force, or choose another name'.format(path))


def describe(command, patches, scenes, cascade, trainer, state):
    """The comment in the file: how the cascade was trained, on what, and with which command."""
    return ('A cascade of multi-block LBP features for OpenCV, {} x {} pixels.\n'
            '{} after {} and {} without, by Gentle AdaBoost;\n'
            'held-out faces that pass all stages: {:.4f}; other windows: {:.2g}.\n'
            '{}\n{}'.format(cascade.width, cascade.height,
                            count(len(cascade.stages), 'stage'),
                            count(len(patches), 'face'), count(len(scenes), 'picture'),
                            trainer.hit_rate, trainer.false_alarm, command, state))


def fingerprint(patches, scenes, args):
    """A number that tells other pictures and options from these, but not the most stages."""
    crc = zlib.crc32(patches)
    for scene in scenes:
        crc = zlib.crc32(np.ascontiguousarray(scene.gray), crc)
        crc = zlib.crc32(scene.boxes, crc)
    left_out = 'output', 'faces', 'no_faces', 'stages', 'resume', 'force', 'check'
    options = sorted(item for item in vars(args).items() if item[0] not in left_out)
    return zlib.crc32(repr(options).encode(), crc)


def read_stages(path, size, state):
    """Read the stages to go on with, or none where there is no file yet.

    Returns:
        tuple: The cascade, and the share of windows without faces that passes
        it, as its comment says.

    Raises:
        InputError: If they were trained with other pictures or options.
    """
    if not os.path.exists(path):
        return Cascade(*size), 1.
    cascade, comment = lbp_cascade.read(path)
    if state not in comment.splitlines():
        raise InputError('{}: expected stages trained on these pictures with these options, '
                               'got others; repeat its command, or start again with --force'
                               .format(path))
    return cascade, float(re.search(r'other windows: ([\d.e-]*\d)', comment)[1])


def _peak_memory():
    try:
        import resource
    except ImportError:  # Windows
        return math.nan
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == 'darwin' else 1024)


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
        false_alarm (float): Share of other windows that pass the stages so far.

    Attributes:
        hit_rate (float): Share of the validation's faces that pass all stages.
        false_alarm (float): Estimated share of other windows that do.
        found (int): Windows mined for the last stage.
    """

    def __init__(self, cascade, faces, validation, scenes, negatives, search, seed,
                 false_alarm=1.):
        self.cascade, self.scenes = cascade, scenes
        self.faces, self.validation = faces, validation
        self.negatives, self.search, self.seed = negatives, search, seed
        self.features = lbp_cascade.all_features(cascade.width, cascade.height)
        self.hit_rate, self.false_alarm, self.found = 1., false_alarm, 0

    def run(self, stages, hit_rate, false_alarm, most, share):
        """Train until there are so many stages or too few windows pass them.

        Yields:
            str: A line on each stage.
        """
        n_validation = len(self.validation)
        self._drop_rejected_faces()
        self.hit_rate = len(self.validation) / n_validation
        codes = lbp_cascade.codes_of(self.faces, self.features)
        while len(self.cascade.stages) < stages:
            start, number = time.monotonic(), len(self.cascade.stages)
            windows, pass_rate = face_samples.mine(
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


# The second look

class CheckNet(chainer.Chain):

    """The network of :mod:`face_check`, to be trained."""

    STRIDES = 2, 2, 1, 1, 1

    def __init__(self):
        super().__init__()
        with self.init_scope():
            self.conv1 = L.Convolution2D(1, 16, 5, self.STRIDES[0])
            self.conv2 = L.Convolution2D(16, 32, 4, self.STRIDES[1])
            self.conv3 = L.Convolution2D(32, 48, 3, self.STRIDES[2])
            self.conv4 = L.Convolution2D(48, 64, 4, self.STRIDES[3])
            self.conv5 = L.Convolution2D(64, face_check.OUTPUTS, 1, self.STRIDES[4])

    def forward(self, x):                    # (B, 1, 32, 32)
        h = F.relu(self.conv1(x))            # (B, 16, 14, 14)
        h = F.relu(self.conv2(h))            # (B, 32, 6, 6)
        h = F.relu(self.conv3(h))            # (B, 48, 4, 4)
        h = F.relu(self.conv4(h))            # (B, 64, 1, 1)
        h = self.conv5(F.dropout(h, .2))     # (B, 4, 1, 1)
        return h.reshape(len(x), -1)         # (B, 4)

    def quantise(self):
        """The network as a :class:`face_check.FaceCheck`."""
        convs = [self.conv1, self.conv2, self.conv3, self.conv4, self.conv5]
        return FaceCheck([Layer.quantise(conv.W.array, conv.b.array, stride)
                          for conv, stride in zip(convs, self.STRIDES)])


def mine_check(cascade, scenes, n, most, seed):
    """Find windows that pass some of the stages, and windows that pass all but the last.

    Returns:
        numpy.ndarray: ``uint8``, shape ``(up to 2 * n, 48, 48)``, in random order.
    """
    stages = len(cascade.stages)
    windows = [
        face_samples.mine(Cascade(cascade.width, cascade.height, cascade.stages[:passed]),
                          scenes, n, CHECK_SEARCH * most, [seed, 5, passed],
                          lambda gray, boxes: face_check.cut(gray, boxes, CHECK_FACE[0]))[0]
        for passed in (math.ceil(CHECK_EASY * stages), max(1, stages - HARD))]
    return np.random.default_rng([seed, 5]).permutation(
        np.concatenate([part.reshape(-1, *CHECK_FACE) for part in windows]))


def train_check(faces, faces_held_out, face, others, n_iter, seed):
    """Train the second look to tell faces from other windows, and where the faces are.

    Args:
        faces (numpy.ndarray): Patches of faces.
        faces_held_out (numpy.ndarray): Of those to test with.
        face (tuple of int): Width and height of the face in a patch.
        others (numpy.ndarray): Windows that are no faces, shape ``(N, 48, 48)``.
        n_iter (int): Number of batches; half of each are faces.
        seed (int): The same gives the same.

    Returns:
        tuple: The :class:`face_check.FaceCheck`, and a line on how well it does.
    """
    start = time.monotonic()
    n_held_out = math.ceil(VALIDATION * len(others))
    others, others_held_out = others[n_held_out:], others[:n_held_out]
    np.random.seed(seed)  # Chainer draws weights and dropout from it
    net = CheckNet()
    optimizer = chainer.optimizers.Adam()
    optimizer.setup(net)
    optimizer.add_hook(chainer.optimizer_hooks.WeightDecay(1e-5))

    def draw(iteration):
        return check_batch(faces, face, others, BATCHSIZE,
                           np.random.default_rng([seed, 7, iteration]))

    with concurrent.futures.ThreadPoolExecutor(1) as pool, \
            messages.progress(n_iter, 'batches', 'second look') as bar:
        batch = pool.submit(draw, 0)
        for iteration in range(n_iter):
            x, offsets = batch.result()
            batch = pool.submit(draw, iteration + 1)
            optimizer.alpha = learning_rate(iteration, n_iter)
            loss = check_loss(net(face_check.normalise(x)[:, None]), offsets)
            net.cleargrads()
            loss.backward()
            optimizer.update()
            bar.update()

    check = net.quantise()
    x, offsets = check_batch(faces_held_out, face, others_held_out, TESTED,
                             np.random.default_rng([seed, 8]))
    odds = check(x)[:, 0]
    report = ('second look: {:.4f} of the faces and {:.4f} of {:,} other windows pass; {:.0f} s'
              .format(np.mean(odds[:len(offsets)] > 0), np.mean(odds[len(offsets):] > 0),
                      len(others) + n_held_out, time.monotonic() - start))
    return check, report


def check_batch(faces, face, others, n, rng):
    """Draw windows for the second look, the first half of them faces.

    Returns:
        tuple: Windows, ``uint8``, shape ``(n, 32, 32)``, and the offsets of
        the faces, shape ``(n // 2, 3)``.
    """
    size = face_check.SIDE, face_check.SIDE
    drawn = [face_samples.augment(faces[i], face, size, CHECK_AUGMENTATION, rng)
             for i in rng.integers(len(faces), size=n // 2)]
    drawn += [face_samples.augment(others[i], CHECK_FACE, size, CHECK_AUGMENTATION, rng)
              for i in rng.integers(len(others), size=n - n // 2)]
    return (np.array([window for window, _ in drawn]),
            np.array([offset for _, offset in drawn[:n // 2]], np.float32))


def check_loss(out, offsets):
    """Cross entropy of a batch, and Huber's loss of the offsets of its faces."""
    n_faces = len(offsets)
    labels = (np.arange(len(out)) < n_faces).astype(np.int32)
    cross_entropy = F.sigmoid_cross_entropy(out[:, :1], labels[:, None])
    distance = F.huber_loss(out[:n_faces, 1:] * face_check.OFFSET_UNIT, offsets,
                            face_check.OFFSET_UNIT, reduce='no')
    return cross_entropy + OFFSET_WEIGHT * F.mean(distance)


def learning_rate(iteration, n_iter, most=2e-3, warm_up=100):
    """Rises over the first batches, then falls to 0 along a cosine."""
    return most * min(1, (iteration + 1) / warm_up) * (
        .5 + .5 * math.cos(math.pi * iteration / n_iter))


if __name__ == '__main__':
    main()
