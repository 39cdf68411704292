"""Training: batches read ahead, steps of Adam, what is monitored, plotted and saved."""
import concurrent.futures
import functools
import json
import os
import pickle
import sys
import zlib
from typing import NamedTuple

import numpy as np

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer
from chainer import training
from chainer.training import extensions, triggers
from chainer.training.extensions import util

import metrics
import net
from picture_ranknet.console import messages
from picture_ranknet.errors import InputError
from picture_ranknet.fast import fused_adam
from picture_ranknet.learning import augment, parallel
from picture_ranknet.machine import ranks
from picture_ranknet.models import model_file
from picture_ranknet.pictures import plots
from picture_ranknet.storage import arrays, atomic
from picture_ranknet.text import count

ALPHA = .001   # Adam's, Chainer's default, and so the article's
SAMPLE = 5000  # pictures that a line of output is of, at most
FROZEN = 2 * 10 ** 9  # bytes of what a frozen trunk has seen of the pictures to learn from, at most
AFTER_SNAPSHOT = -200  # priority of an extension; that of Chainer's snapshot is -100


class Recipe(NamedTuple):
    """How a model is trained: the options of ``train.py``, with their defaults.

    ``loss`` is ``'ranknet'`` or ``'magnitude'``, see :class:`net.RankNet`;
    ``augment`` is the strength of :func:`augment.vary`, which ``mirror`` belongs to;
    ``schedule`` says what becomes of Adam's alpha, one of
    ``SCHEDULES``; with ``freeze`` a predictor's trunk stays as it is, and
    pictures are not varied but mirrored;
    ``patience`` is how many lines of output may be no better than the best.
    """

    n_iter: int = 1000
    batchsize: int = 32
    loss: str = 'ranknet'
    schedule: str = 'linear'
    augment: float = 1
    mirror: bool = True
    freeze: bool = False
    patience: int = None
    seed: int = 0


SCHEDULES = {'linear': 0, 'constant': ALPHA}  # what alpha is at the end
ARTICLE = Recipe(batchsize=2, schedule='constant', augment=0, mirror=False)


class BatchIterator(chainer.dataset.Iterator):

    """Endless batches of random pictures, each read while the one before is learnt from.

    The pictures of a batch are different ones and follow from the seed and the
    number of the batch alone, so a run that is resumed goes on as if it had
    never stopped.

    Args:
        rows (numpy.ndarray): The pictures to draw from, at least 2.
        batchsize (int): Pictures to a batch, if there are so many.
        seed (int): What the batches follow from.
        read (callable): Turns rows and a generator of random numbers into a
            batch; called on a thread of its own.
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
        return self._reader.submit(self.read, rows, rng)

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


class SameRun(training.Extension):

    """Refuses the snapshot of a run with other options or pictures.

    Args:
        recipe (Recipe): How this run trains.
        model (net.RankNet): What it starts from; it matters where a trunk is
            frozen, of which a snapshot knows nothing.
        train, valid (arrays.RatedPictures): ``valid`` may be ``None``.
    """

    STORED_AS = {'--loss': '--weigh'}  # which was the choice when the first snapshots were taken

    def __init__(self, recipe, model, train, valid):
        marks = {'--' + name: value for name, value in recipe._asdict().items()
                 if name not in ('n_iter', 'patience')}  # more of these goes on further
        marks['--no_mirror'] = not marks.pop('--mirror')
        marks['--loss'] = recipe.loss != 'ranknet' and recipe.loss
        for name, part in ('pictures', train), ('pictures to validate with', valid):
            known = [] if part is None else [part.rows, part.ratings[part.rows]]
            marks[name] = [zlib.crc32(array) for array in known]
        if train.features is not None:
            marks['--features'] = zlib.crc32(train.features)
        if recipe.freeze:
            marks['weights to start from'] = [
                zlib.crc32(np.ascontiguousarray(chainer.get_device('@numpy').send(param.array)))
                for _, param in sorted(model.namedparams())]
        self.marks = {name: zlib.crc32(pickle.dumps(value)) for name, value in marks.items()}

    def __call__(self, trainer):
        pass

    def serialize(self, serializer):
        for name, mark in self.marks.items():
            if serializer(self.STORED_AS.get(name, name), mark) != mark:
                raise InputError('the snapshot is of a run with other {}; to go on, say the '
                                       'same options and files'.format(name))


class Best:

    """The weights of the step that validated best so far.

    Args:
        model (chainer.Chain): What is being trained.

    Attributes:
        step (int): Which step; 0 before the first.
        accuracy (float): Its pair accuracy.
        waited (int): How many validations since then were no better.
    """

    def __init__(self, model):
        self.model = model
        self.step = 0
        self.accuracy = -1.
        self.waited = 0
        self._weights = {}

    def offer(self, step, accuracy):
        """Keep the weights as they are now, if they are better than those kept."""
        if accuracy > self.accuracy:
            self.step, self.accuracy, self.waited = step, accuracy, 0
            self._weights = self._copy_weights()
        else:
            self.waited += 1

    def restore(self):
        """Give the model back its best weights."""
        chainer.serializers.NpzDeserializer(self._weights).load(self.model)

    def serialize(self, serializer):
        for name in 'step', 'accuracy', 'waited':
            setattr(self, name, serializer(name, getattr(self, name)))
        if self.step and not self._weights:  # comes from a snapshot
            self._weights = self._copy_weights()
        for name, array in self._weights.items():
            self._weights[name] = serializer(name, array)

    def _copy_weights(self):
        serializer = chainer.serializers.DictionarySerializer()
        serializer.save(self.model)
        return {name: np.array(array) for name, array in serializer.target.items()}


class Monitor(training.Extension):

    """Scores the training and validation pictures and prints one line.

    Where they are many, those that :func:`draw_sample` drew of them.  Reports
    NDCG and pair accuracy, and of validation pictures, where there are any,
    the loss as well: of their pairs, or where they are many, of those of the
    first ``MOST``.

    Args:
        model (net.RankNet): What is being trained.
        train, valid (arrays.RatedPictures): ``valid`` may be ``None``.
        k (int): NDCG counts the first ``k`` positions.
        unit (float): What the loss takes, see ``net.RankNet``.
        erase (bool): Whether a progress bar stands where the line will go.
    """

    priority = training.PRIORITY_WRITER
    MOST = 1000

    def __init__(self, model, train, valid, k, unit=None, erase=False):
        self.model = model
        self.train = train
        self.valid = valid
        self.k = k
        self.unit = unit
        self.erase = erase
        self.best = Best(model)

    def __call__(self, trainer):
        step = trainer.updater.iteration
        ndcg, _ = self._report('train', self.train, self._score(self.train))
        line = 'step: {} | NDCG@{} | train: {:.4f}'.format(step, self.k, ndcg)
        if self.valid:
            scores = self._score(self.valid)
            ndcg, accuracy = self._report('valid', self.valid, scores)
            chainer.report({'valid/loss': self._loss(self.valid, scores)})
            self.best.offer(step, accuracy)
            line += ' | valid: {:.4f}'.format(ndcg)
        if self.erase:
            erase_progress_bar()
        print(line, flush=True)

    def _score(self, pictures):
        return score_pictures(self.model, pictures, pictures.rows)

    def _report(self, name, pictures, scores):
        ratings = pictures.ratings[pictures.rows]
        ndcg, accuracy = metrics.ndcg(ratings, scores, self.k), metrics.pair_accuracy(
            ratings, scores)
        chainer.report({name + '/ndcg': ndcg, name + '/pair_accuracy': accuracy})
        return ndcg, accuracy

    def _loss(self, pictures, scores):
        scores = self.model.device.send(scores[:self.MOST, None])
        with chainer.no_backprop_mode():
            loss = self.model.loss_of_scores(
                scores, pictures.ratings[pictures.rows[:self.MOST]], self.unit)
        return float(loss.array)

    def serialize(self, serializer):
        self.best.serialize(serializer['best'])


def draw_sample(pictures, seed, name):
    """The rated pictures that lines of output are of: all, or ``SAMPLE`` of more.

    The same at each line, so that lines can be compared; the user is told.

    Args:
        pictures (arrays.RatedPictures): May be ``None``.
        seed (int): What the sample follows from.
        name (str): What the pictures are for.
    """
    if not pictures or len(pictures.rows) <= SAMPLE:
        return pictures
    messages.note('{}: lines of output are of {:,} of the {}, drawn at random; the final metrics are '
             'of all'.format(name, SAMPLE, count(len(pictures.rows), 'picture')))
    return _draw(pictures, SAMPLE, seed)


def _draw(pictures, n, seed):
    rows = np.random.default_rng(seed).choice(pictures.rows, n, replace=False)
    return pictures._replace(rows=np.sort(rows))


def erase_progress_bar():
    if os.name == 'nt':
        util.erase_console(0, 0)
    else:
        sys.stdout.write('\033[J')


def score_pictures(model, pictures, rows=None, progress=None):
    """Score pictures, or raise :class:`InputError` if a score is not finite.

    Of processes that work together, all must call this.  ``progress`` is
    called with the number of pictures after each batch.
    """
    def done(n):
        arrays.release(pictures.X)
        if progress:
            progress(n)

    scores = model.score(pictures.X, rows, pictures.features, progress=done, is_shared=True)
    if not np.isfinite(scores).all():
        raise InputError('the network has diverged: a score is not finite; '
                               'choose --image_scale so that pixels lie in 0 to 1')
    return scores


def run(model, train, valid, recipe, monitor_step, ndcg_k, out, snapshot=None, communicator=None):
    """Train a model as ``train.py`` does.

    Args:
        model (net.RankNet): On its device.
        train, valid (arrays.RatedPictures): ``valid`` may be ``None``.
        recipe (Recipe): How to train.
        monitor_step, ndcg_k, out: The options.
        snapshot (str): Where to go on from; ``None`` begins.
        communicator: ChainerMN's, of :func:`parallel.connect`.

    Returns:
        list of dict: What has been reported at each line of output, in the
        first of the processes.  With validation pictures, the model is left
        as it was at the best of them.

    Raises:
        InputError: If the network diverges, the snapshot does not fit, or
            there are more processes than pictures in a batch.
        KeyboardInterrupt: Says how to go on.
    """
    same_run = SameRun(recipe, model, train, valid)
    valid = draw_sample(valid, recipe.seed, 'valid')
    if recipe.freeze:
        model, train, valid = freeze(model, train, valid, recipe.mirror, recipe.seed)
    monitor = Monitor(model, draw_sample(train, recipe.seed, 'train'), valid, ndcg_k,
                      unit_of(train, recipe), sys.stdout.isatty())
    trainer = build_trainer(model, train, recipe, out, monitor.best, communicator)
    trainer.extend(same_run)
    writer = SnapshotWriter()
    extend_trainer(trainer, monitor, monitor_step, writer)
    if snapshot:
        resume(trainer, snapshot)
    if trainer.updater.iteration < recipe.n_iter and not trainer.stop_trigger.has_waited():
        with parallel.normalizing(model):
            run_trainer(trainer, writer, snapshot)
    else:
        messages.note('{}: is of the last step, only the results are written; for more steps, choose a '
                 'larger --n_iter or --patience'.format(snapshot))
    if monitor.best.step:
        monitor.best.restore()
    return trainer.get_extension('LogReport').log if ranks.is_first() else []


def unit_of(train, recipe):
    """What the differences of ratings are measured in, where they are to be learnt: their mean."""
    if recipe.loss == 'ranknet':
        return None
    ratings = np.sort(train.ratings[train.rows])
    n = len(ratings)
    # In this order, the k-th (from 0) is the higher one of k pairs and the lower one of n - 1 - k.
    return float((2 * np.arange(n) - n + 1) @ ratings / (n * (n - 1) / 2))


def freeze(model, train, valid, mirror, seed=0):
    """What trains the head of a model alone, which the two share.

    The trunk looks at each rated picture once, and if ``mirror``, at the
    mirror image of each to learn from as well: these stand behind the others.
    If that would take more than ``FROZEN`` bytes, ``seed`` draws as many
    pictures to learn from as fit.

    Returns:
        tuple: A ``RankNet``; ``train`` and ``valid`` of the rated pictures
        alone, with what the trunk has seen in the place of the pictures.
    """
    def look(pictures, mirror):
        X, ratings, rows, features = pictures
        seen = model.look(X, rows)
        if mirror:
            seen = np.concatenate([seen, model.look(X, rows, mirror=True)])
        return arrays.RatedPictures(seen, ratings[rows], np.arange(len(rows)),
                                   None if features is None else features[rows])

    most = FROZEN // (model.look(train.X, train.rows[:1]).nbytes * (1 + mirror))
    if len(train.rows) > most:
        messages.note('--freeze: learns from {:,} of the {}, drawn at random: of more, what the frozen '
                 'layers see would not fit into {:.0f} GB'.format(
                     most, count(len(train.rows), 'picture'), FROZEN / 1e9))
        train = _draw(train, most, seed)
    head = net.RankNet(net.Head(model.predictor), image_scale=1)
    head.to_device(model.device)
    return head, look(train, mirror), valid and look(valid, False)


def build_trainer(model, train, recipe, out, best=None, communicator=None):
    """Set up Chainer's training loop: random pictures, all their pairs, Adam.

    Of processes that work together, each has a part of the pictures of a
    batch, and the ratings of all.
    """
    def read(rows, rng):
        part = ranks.part(len(rows))
        mine = rows[part]
        if recipe.freeze:
            is_mirrored = recipe.mirror & (rng.random(len(rows)) < .5)[part]
            x = model.scale(train.X[mine + len(train.ratings) * is_mirrored])
        else:
            x = model.scale(arrays.take(train.X, mine))
            augment.vary(x, rng, recipe.augment, recipe.mirror, part.start)
        batch = {'x': x, 't': train.ratings[rows]}
        if train.features is not None:
            batch['f'] = train.features[mine]
        return batch

    def convert(batch, device):
        return {name: model.device.send(array) for name, array in batch.items()}

    optimizer = parallel.share_gradients(fused_adam.Adam(ALPHA).setup(model), communicator)
    batches = BatchIterator(train.rows, recipe.batchsize, recipe.seed, read)
    parallel.check_batch(batches.batchsize)
    updater = training.updaters.StandardUpdater(
        batches, optimizer, convert,
        loss_func=functools.partial(model.loss_of_all_pairs, unit=unit_of(train, recipe),
                                    gather=parallel.gather))
    trainer = training.Trainer(updater, StopTrigger(recipe, best), out)
    trainer.extend(Schedule(recipe))
    return trainer


class Schedule(training.Extension):

    """Sets Adam's alpha by the number of the step, so that a resumed run has the same."""

    def __init__(self, recipe):
        self.last = SCHEDULES[recipe.schedule]
        self.n_iter = recipe.n_iter

    def initialize(self, trainer):
        self(trainer)

    def __call__(self, trainer):
        share = trainer.updater.iteration / self.n_iter
        trainer.updater.get_optimizer('main').alpha = ALPHA + share * (self.last - ALPHA)


class StopTrigger(triggers.IntervalTrigger):

    """Stops after ``n_iter`` steps, or if validation has not been better for too long."""

    def __init__(self, recipe, best=None):
        super().__init__(recipe.n_iter, 'iteration')
        self.patience = recipe.patience
        self.best = best

    def has_waited(self):
        return self.patience is not None and self.best.waited >= self.patience

    def __call__(self, trainer):
        return self.has_waited() or super().__call__(trainer)


class SnapshotWriter(extensions.snapshot_writers.SimpleWriter):

    """Writes snapshots and remembers the last one, for who has to go on from it."""

    last = None

    def __call__(self, filename, outdir, target):
        self.last = os.path.join(outdir, filename)
        with atomic.replacing(self.last) as part:
            chainer.serializers.save_npz(part, target, compression=False)  # weights hardly do
        self._post_save()

    def tell(self):
        """Let all processes know of the last one: any of them may have to name it."""
        self.last = ranks.tell(self.last)


class LogReport(extensions.LogReport):

    """Chainer's, but its file is replaced as all of ours are."""

    def __init__(self, trigger):
        super().__init__(trigger=trigger, filename=None)

    def __call__(self, trainer):
        n = len(self.log)
        super().__call__(trainer)
        if len(self.log) > n:
            with atomic.replacing(os.path.join(trainer.out, 'log')) as part, \
                    open(part, 'w') as f:
                json.dump(self.log, f, indent=4)


class PlotReport(extensions.PlotReport):

    """Chainer's, but its file is replaced as all of ours are.

    And it does not start matplotlib before there is something to draw.
    """

    def __call__(self, trainer):
        if self._trigger(trainer):
            name = self._file_name
            try:
                with atomic.replacing(os.path.join(trainer.out, name)) as self._file_name:
                    super().__call__(trainer)
            finally:
                self._file_name = name
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
    if ranks.is_first():
        extend_first(trainer, monitor, trigger, writer)
    trainer.extend(lambda trainer: writer.tell(), name='tell', trigger=trigger,
                   priority=AFTER_SNAPSHOT)


def extend_first(trainer, monitor, trigger, writer):
    """Add what the first of the processes alone does: log, plots, snapshot, progress bar."""
    trainer.extend(LogReport(trigger))
    for file_name, keys, label in (
            ('loss.png', ['main/loss', 'valid/loss'], 'loss of a pair'),
            ('ranking.png', ['train/pair_accuracy', 'valid/pair_accuracy', 'train/ndcg',
                             'valid/ndcg'],
             'pair accuracy, NDCG@{}'.format(monitor.k))):
        trainer.extend(PlotReport(
            keys, 'iteration', trigger, plots.label_curves(label, monitor.best), file_name,
            grid=False, marker='o'))  # called at every step, to average over them as LogReport does
    trainer.extend(extensions.snapshot(writer=writer, n_retains=1), trigger=trigger)
    if monitor.erase:
        trainer.extend(extensions.ProgressBar(update_interval=1), trigger=lambda trainer: True)


def resume(trainer, snapshot):
    """Go on from a snapshot.

    Raises:
        InputError: If it is none, is of another run or of a later step.
    """
    model_file.load_snapshot(snapshot, trainer)
    n_iter, _ = trainer.stop_trigger.get_training_length()
    if trainer.updater.iteration > n_iter:
        raise InputError('{}: is of step {} already; choose a larger --n_iter than {}'.format(
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
