"""Learn a person's taste from pictures that the person has rated.

A CNN gives each picture one score; RankNet trains it on random pairs so that
the better rated picture of a pair scores higher.
"""
import os
import sys
import zlib
from typing import NamedTuple

import numpy as np

import chainer_compat  # noqa: F401  (before chainer)
import chainer
from chainer import training
from chainer.training import extensions
from chainer.training.extensions import util

import cli
import files
import metrics
import model_file
import net
import plots


class RatedPictures(NamedTuple):
    """Pictures of ``X``, shape ``(N, 3, H, W)``, that have a rating.

    ``rows`` says which of the ``N``; ``ratings``, shape ``(N,)``, holds
    ``nan`` at others.
    """

    X: np.ndarray
    ratings: np.ndarray
    rows: np.ndarray


class PairIterator(chainer.dataset.Iterator):

    """Endless batches of random pairs of different pictures.

    The pairs of a batch follow from the seed and the number of the batch
    alone, so a run that is resumed goes on as if it had never stopped.

    Args:
        rows (numpy.ndarray): The pictures to draw from, at least 2.
        batchsize (int): Pairs to a batch.
        seed (int): What the pairs follow from.
    """

    def __init__(self, rows, batchsize, seed):
        self.rows = rows
        self.batchsize = batchsize
        self.seed = seed
        self.iteration = 0

    def __next__(self):
        rng = np.random.default_rng([self.seed, self.iteration])
        n = len(self.rows)
        i = rng.integers(n, size=self.batchsize)
        j = rng.integers(n - 1, size=self.batchsize)
        j += j >= i  # all but i are equally likely
        self.iteration += 1
        return self.rows[i], self.rows[j]

    @property
    def epoch_detail(self):
        return 2 * self.batchsize * self.iteration / len(self.rows)

    @property
    def epoch(self):
        return int(self.epoch_detail)

    @property
    def is_new_epoch(self):
        return self.epoch_detail % 1 < 2 * self.batchsize / len(self.rows)

    def serialize(self, serializer):
        self.iteration = serializer('iteration', self.iteration)
        for name, value in (('--batchsize', self.batchsize), ('--seed', self.seed),
                            ('pictures', zlib.crc32(self.rows.tobytes()))):
            if serializer(name, value) != value:
                raise files.InputError('the snapshot is of a run with other {}; to go on, say the '
                                       'same options and files'.format(name))


class Monitor(training.Extension):

    """Scores the training and validation pictures and prints one line.

    Reports ``train/ndcg`` and, where there are validation pictures,
    ``valid/ndcg`` and ``valid/pair_accuracy``.

    Args:
        model (net.RankNet): What is being trained.
        train, valid (RatedPictures): ``valid`` may be ``None``.
        k (int): NDCG counts the first ``k`` positions.
        erase (bool): Whether a progress bar stands where the line will go.
    """

    priority = training.PRIORITY_WRITER

    def __init__(self, model, train, valid, k, erase=False):
        self.model = model
        self.train = train
        self.valid = valid
        self.k = k
        self.erase = erase

    def __call__(self, trainer):
        scores = self._score(self.train)
        ndcg = self._report_ndcg('train', self.train, scores)
        line = 'step: {} | NDCG@{} | train: {:.4f}'.format(trainer.updater.iteration, self.k, ndcg)
        if self.valid:
            scores = self._score(self.valid)
            ndcg = self._report_ndcg('valid', self.valid, scores)
            accuracy = metrics.pair_accuracy(self.valid.ratings[self.valid.rows], scores)
            chainer.report({'valid/pair_accuracy': accuracy})
            line += ' | valid: {:.4f}'.format(ndcg)
        if self.erase:
            erase_progress_bar()
        print(line, flush=True)

    def _score(self, pictures):
        return score_pictures(self.model, pictures.X, pictures.rows)

    def _report_ndcg(self, name, pictures, scores):
        ndcg = metrics.ndcg(pictures.ratings[pictures.rows], scores, self.k)
        chainer.report({name + '/ndcg': ndcg})
        return ndcg


def erase_progress_bar():
    if os.name == 'nt':
        util.erase_console(0, 0)
    else:
        sys.stdout.write('\033[J')


def score_pictures(model, X, rows=None):
    """Score pictures, or raise :class:`files.InputError` if a score is not finite."""
    scores = model.score(X, rows)
    if not np.isfinite(scores).all():
        raise files.InputError('the network has diverged: a score is not finite; '
                               'choose --image_scale so that pixels lie in 0 to 1')
    return scores


def build_trainer(model, train, batchsize, n_iter, seed, out):
    """Set up Chainer's training loop: random pairs, RankNet's loss, Adam."""
    def convert(batch, device):
        i, j = batch
        x_i, x_j = (model.to_input(train.X[rows]) for rows in (i, j))
        t_i, t_j = (model.device.send(train.ratings[rows]) for rows in (i, j))
        return x_i, x_j, t_i, t_j

    optimizer = chainer.optimizers.Adam().setup(model)
    pairs = PairIterator(train.rows, batchsize, seed)
    updater = training.updaters.StandardUpdater(pairs, optimizer, convert)
    return training.Trainer(updater, (n_iter, 'iteration'), out)


class SnapshotWriter(extensions.snapshot_writers.SimpleWriter):

    """Writes snapshots and remembers the last one, for who has to go on from it."""

    last = None

    def __init__(self):
        super().__init__(chainer.serializers.save_npz, compression=False)  # weights hardly compress

    def __call__(self, filename, outdir, target):
        super().__call__(filename, outdir, target)
        self.last = os.path.join(outdir, filename)


def extend_trainer(trainer, monitor, step, writer):
    """Add what happens every ``step`` steps and at the end: monitor, log, plots, snapshot."""
    n_iter, _ = trainer.stop_trigger.get_training_length()

    def trigger(trainer):  # without a state, so that a snapshot has none to restore
        iteration = trainer.updater.iteration
        return iteration % step == 0 or iteration == n_iter

    trainer.extend(monitor, trigger=trigger)
    trainer.extend(extensions.LogReport(trigger=trigger))
    for file_name, keys, label in (
            ('loss.png', ['main/loss'], 'loss of a pair'),
            ('ranking.png', ['train/ndcg', 'valid/ndcg', 'valid/pair_accuracy'],
             'NDCG@{}, pair accuracy'.format(monitor.k))):
        trainer.extend(extensions.PlotReport(
            keys, 'iteration', trigger, plots.label_curves(label), file_name, grid=False,
            marker='o'))  # called at every step, to average over them as LogReport does
    trainer.extend(extensions.snapshot(writer=writer, n_retains=1), trigger=trigger)
    if monitor.erase:
        trainer.extend(extensions.ProgressBar(update_interval=1), trigger=lambda trainer: True)


def load_rated(X_path, ratings_path, image_size=None):
    """Read pictures and their ratings.

    Raises:
        InputError: If a file is not what it should be, the pictures are not
            of ``image_size`` or too small for the network, or there are not
            two rated pictures with different ratings.
    """
    X = files.read_pictures(X_path, image_size)
    if min(X.shape[2:]) < net.SMALLEST:
        raise files.InputError('{}: expected pictures of at least {} x {} pixels, got {} x {}; '
                               'see --size of crop_faces.py'.format(
                                   X_path, net.SMALLEST, net.SMALLEST, *X.shape[:1:-1]))
    files.check_finite(X_path, X)
    ratings = files.read_ratings(ratings_path, len(X))
    rows = np.flatnonzero(~np.isnan(ratings))
    cli.note(files.describe(X_path, X))
    if len(rows) < len(X):
        cli.note('{}: {} of {} pictures are not rated (nan) and are skipped'.format(
            ratings_path, len(X) - len(rows), len(X)))
    if len(np.unique(ratings[rows])) < 2:
        raise files.InputError(
            '{}: expected at least two pictures with different ratings, got {} rated alike; '
            'rate more of them'.format(ratings_path, len(rows)))
    return RatedPictures(X, ratings, rows)


def hold_out(pictures, ratio, seed):
    """Split rated pictures at random: to train on, and to validate with."""
    rows = np.random.default_rng(seed).permutation(pictures.rows)
    n_valid = max(1, round(ratio * len(rows)))
    train, valid = np.sort(rows[n_valid:]), np.sort(rows[:n_valid])
    for part, purpose in (train, 'to train on'), (valid, 'to validate with'):
        if len(np.unique(pictures.ratings[part])) < 2:
            raise files.InputError(
                '--valid_ratio {}: of {} rated pictures, {} are {}, and no two of them are rated '
                'differently; rate more or choose another ratio'.format(
                    ratio, len(rows), len(part), purpose))
    return pictures._replace(rows=train), pictures._replace(rows=valid)


def resume(trainer, snapshot):
    """Go on from a snapshot.

    Raises:
        InputError: If it is none, is of another run, or there is nothing left
            to do.
    """
    model_file.load_snapshot(snapshot, trainer)
    n_iter, _ = trainer.stop_trigger.get_training_length()
    if trainer.updater.iteration >= n_iter:
        raise files.InputError('{}: is of step {} already; choose a larger --n_iter than {}'.format(
            snapshot, trainer.updater.iteration, n_iter))


def run_trainer(trainer, writer, resumed=None):
    """Train; if the user interrupts, say how to go on."""
    try:
        trainer.run(show_loop_exception_msg=False)
    except KeyboardInterrupt:
        snapshot = writer.last or resumed
        raise KeyboardInterrupt('interrupted at step {}; {}'.format(
            trainer.updater.iteration,
            'to go on, say the same again with --resume {}'.format(snapshot) if snapshot
            else 'there is no snapshot yet')) from None


def build_parser():
    parser = cli.parser('train.py', 'Learn a taste from rated pictures.')
    parser.add_argument('X_train_npy', help='pictures, N x 3 x 80 x 80')
    parser.add_argument('rank_file', help='N ratings, one a line; nan: not rated')
    parser.add_argument('--output_pred', '-op', default='pred.txt',
                        help='scores of the training pictures, one a line')
    parser.add_argument('--output_model', '-om', default='model.pkl', help='the trained model')
    parser.add_argument('--image_scale', type=cli.positive_float, default='1/255',
                        help='what pixel values are multiplied by')
    parser.add_argument('--n_iter', type=cli.positive_int, default=1000, help='training steps')
    parser.add_argument('--monitor_step', type=cli.positive_int, default=100,
                        help='steps between two lines of output')
    parser.add_argument('--ndcg_k', type=cli.positive_int, default=100,
                        help='NDCG counts the first so many positions')
    parser.add_argument('--batchsize', '-b', type=cli.positive_int, default=16,
                        help='pairs to a step; 1 is what the article did')
    validation = parser.add_mutually_exclusive_group()
    validation.add_argument('--valid', nargs=2, metavar=('X_NPY', 'RATINGS'),
                            help='rated pictures to validate with')
    validation.add_argument('--valid_ratio', type=cli.ratio,
                            help='share of the rated pictures to validate with instead')
    parser.add_argument('--seed', type=cli.seed, default=0,
                        help='same seed, same machine: same model')
    cli.add_device_arguments(parser)
    parser.add_argument('--out', '-o', default='result', help='folder for log, plots, snapshot')
    parser.add_argument('--resume', '-r', metavar='SNAPSHOT', help='go on from this snapshot')
    return parser


@cli.command
def main(argv=None):
    args = build_parser().parse_args(argv)
    inputs = [args.X_train_npy, args.rank_file, *(args.valid or []), *filter(None, [args.resume])]
    for path in (args.output_pred, args.output_model):
        files.check_output(path, inputs)
    os.makedirs(args.out, exist_ok=True)

    device = cli.use_device(args.device)
    train = load_rated(args.X_train_npy, args.rank_file)
    image_size = train.X.shape[2:]
    valid = load_rated(*args.valid, image_size) if args.valid else None
    if args.valid_ratio:
        train, valid = hold_out(train, args.valid_ratio, args.seed)
    cli.note_if_odd_scale(train.X, args.image_scale)

    np.random.seed(args.seed)  # of the initial weights
    model = net.RankNet(net.CNN(image_size), image_size, args.image_scale)
    model.to_device(device)
    trainer = build_trainer(model, train, args.batchsize, args.n_iter, args.seed, args.out)
    monitor = Monitor(model, train, valid, args.ndcg_k, sys.stdout.isatty())
    writer = SnapshotWriter()
    extend_trainer(trainer, monitor, args.monitor_step, writer)
    if args.resume:
        resume(trainer, args.resume)
    run_trainer(trainer, writer, args.resume)

    scores = score_pictures(model, train.X)
    cli.note_if_collapsed(scores)
    files.write_scores(args.output_pred, scores)
    model_file.save(args.output_model, model)


if __name__ == '__main__':
    main()
