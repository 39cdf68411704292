"""Training: batches read ahead, steps of Adam, what is monitored, plotted and saved."""
import concurrent.futures
import functools
import os
import sys
import zlib

import numpy as np

import chainer_compat  # noqa: F401  (before chainer)
import chainer
from chainer import training
from chainer.training import extensions
from chainer.training.extensions import util

import files
import fused_adam
import metrics
import model_file
import plots


class BatchIterator(chainer.dataset.Iterator):

    """Endless batches of random pictures, each read while the one before is learnt from.

    The pictures of a batch are different ones and follow from the seed and the
    number of the batch alone, so a run that is resumed goes on as if it had
    never stopped.

    Args:
        rows (numpy.ndarray): The pictures to draw from, at least 2.
        batchsize (int): Pictures to a batch, if there are so many.
        seed (int): What the batches follow from.
        read (callable): Turns rows into a batch; called on a thread of its own.
    """

    def __init__(self, rows, batchsize, seed, read):
        self.rows = rows
        self.batchsize = min(batchsize, len(rows))
        self.seed = seed
        self.read = read
        self.iteration = 0
        self._reader = concurrent.futures.ThreadPoolExecutor(1, 'read')
        self._ahead = {}  # at most the next batch, by its number

    def __next__(self):
        batch = (self._ahead.pop(self.iteration, None) or self._start(self.iteration)).result()
        self.iteration += 1
        self._ahead = {self.iteration: self._start(self.iteration)}
        return batch

    def _start(self, iteration):
        rng = np.random.default_rng([self.seed, iteration])
        rows = self.rows[rng.choice(len(self.rows), self.batchsize, replace=False, shuffle=False)]
        return self._reader.submit(self.read, rows)

    def finalize(self):
        self._reader.shutdown()

    @property
    def epoch_detail(self):
        return self.batchsize * self.iteration / len(self.rows)

    @property
    def epoch(self):
        return int(self.epoch_detail)

    @property
    def is_new_epoch(self):
        return self.batchsize * self.iteration % len(self.rows) < self.batchsize

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
        train, valid (files.RatedPictures): ``valid`` may be ``None``.
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
        self.train_scores = None  # of the last time

    def __call__(self, trainer):
        self.train_scores = self._score(self.train)
        ndcg = self._report_ndcg('train', self.train, self.train_scores)
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


def run(model, train, valid, batchsize, n_iter, monitor_step, ndcg_k, seed, out, snapshot=None):
    """Train a model as ``train.py`` does; returns its scores of all pictures.

    Args:
        model (net.RankNet): On its device.
        train, valid (files.RatedPictures): ``valid`` may be ``None``.
        batchsize, n_iter, monitor_step, ndcg_k, seed, out: The options.
        snapshot (str): Where to go on from; ``None`` begins.

    Raises:
        InputError: If the network diverges or the snapshot does not fit.
        KeyboardInterrupt: Says how to go on.
    """
    trainer = build_trainer(model, train, batchsize, n_iter, seed, out)
    monitor = Monitor(model, train, valid, ndcg_k, sys.stdout.isatty())
    writer = SnapshotWriter()
    extend_trainer(trainer, monitor, monitor_step, writer)
    if snapshot:
        resume(trainer, snapshot)
    run_trainer(trainer, writer, snapshot)
    if len(train.rows) == len(train.X):
        return monitor.train_scores  # of the last step
    return score_pictures(model, train.X)


def build_trainer(model, train, batchsize, n_iter, seed, out):
    """Set up Chainer's training loop: random pictures, all their pairs, Adam."""
    def read(rows):
        return model.scale(train.X[rows]), train.ratings[rows]

    def convert(batch, device):
        return tuple(map(model.device.send, batch))

    optimizer = fused_adam.Adam().setup(model)
    batches = BatchIterator(train.rows, batchsize, seed, read)
    updater = training.updaters.StandardUpdater(
        batches, optimizer, convert, loss_func=model.loss_of_all_pairs)
    return training.Trainer(updater, (n_iter, 'iteration'), out)


class SnapshotWriter(extensions.snapshot_writers.SimpleWriter):

    """Writes snapshots and remembers the last one, for who has to go on from it."""

    last = None

    def __init__(self):
        # Weights hardly compress.  (Passed on as an option, Chainer would drop it.)
        super().__init__(functools.partial(chainer.serializers.save_npz, compression=False))

    def __call__(self, filename, outdir, target):
        super().__call__(filename, outdir, target)
        self.last = os.path.join(outdir, filename)


class PlotReport(extensions.PlotReport):

    """Chainer's, but it does not start matplotlib before there is something to draw."""

    def __call__(self, trainer):
        if self._trigger(trainer):
            super().__call__(trainer)
        else:
            self._summary.add({key: trainer.observation[key] for key in self._y_keys
                               if key in trainer.observation})


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
        trainer.extend(PlotReport(
            keys, 'iteration', trigger, plots.label_curves(label), file_name, grid=False,
            marker='o'))  # called at every step, to average over them as LogReport does
    trainer.extend(extensions.snapshot(writer=writer, n_retains=1), trigger=trigger)
    if monitor.erase:
        trainer.extend(extensions.ProgressBar(update_interval=1), trigger=lambda trainer: True)


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
