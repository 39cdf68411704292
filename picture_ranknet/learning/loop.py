"""The training loop: random pictures, the loss of all their pairs, Adam, NDCG."""
import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Optional

import net
from picture_ranknet.errors import InputError
from picture_ranknet.fast import fused_adam
from picture_ranknet.learning import batches, curves, freezing, monitor, parallel, snapshots
from picture_ranknet.learning.recipe import ALPHA, Recipe
from picture_ranknet.machine import ranks
from picture_ranknet.models.batch_normalization import sharing_batches
from picture_ranknet.storage import atomic
from picture_ranknet.storage.arrays import RatedPictures
from picture_ranknet.text import silent

DEFAULTS = Recipe()


def train(model: net.RankNet, train: RatedPictures, valid: Optional[RatedPictures] = None,
          recipe: Recipe = DEFAULTS, monitor_step: int = 100, ndcg_k: int = 100,
          out: str = 'result', snapshot: Optional[str] = None, communicator=None,
          say: Callable[[str], object] = print, note: Callable[[str], object] = silent,
          progress: Callable[[int], object] = silent) -> list:
    """Train a model.

    Every ``monitor_step`` steps, and after the last, it ranks the pictures,
    prints a line, and writes log, curves and a snapshot into a folder.

    Args:
        model: On its device; with ``valid`` it is left with the weights that
            validated best, else with those of the last step.
        train: Pictures to train on.
        valid: Pictures to validate on; may be ``None``.
        recipe: How to train.
        monitor_step: Steps from one line of output to the next.
        ndcg_k: Top positions that count for NDCG.
        out: The folder.
        snapshot: Continue from this file; ``None`` starts a new run.
        communicator: ChainerMN's, from :func:`parallel.connect`.
        say: Called with each line of output.
        note: Called with each other line for the user.
        progress: Called with the number of steps done since the last call.

    Returns:
        list of dict: What was measured at each line, as ``log`` holds it.

    Raises:
        InputError: If the network diverges, the snapshot does not fit, or
            there are more processes than pictures in a batch.
        KeyboardInterrupt: With a message that says how to continue.
    """
    parallel.check_batch(min(recipe.batchsize, len(train.rows)))
    optimizer = parallel.share_gradients(fused_adam.Adam(ALPHA).setup(model), communicator)
    if recipe.freeze:
        freezing.freeze(model)  # now: a snapshot has no moments of frozen weights
    run = snapshots.Run(model, optimizer, snapshots.marks_of(recipe, train, valid))
    if snapshot:
        snapshots.load(snapshot, run)
        if run.step > recipe.n_iter:
            raise InputError(f'{snapshot}: is already at step {run.step}; choose a larger --n_iter '
                             f'than {recipe.n_iter}')
    unit = recipe.unit(train.ratings[train.rows])
    valid = monitor.draw_sample(valid, recipe.seed, 'valid', note)
    scorer, read = model, batches.batches
    if recipe.freeze:
        scorer, train, valid, read = _look(model, train, valid, recipe, note)
        unit = recipe.unit(train.ratings[train.rows])
    measure = monitor.Monitor(model, scorer, monitor.draw_sample(train, recipe.seed, 'train', note),
                              valid, ndcg_k, unit)
    if run.step == recipe.n_iter or _has_waited(run, recipe):
        note(f'{snapshot}: is from the last step, only the results are written; for more steps, '
             'choose a larger --n_iter or --patience')
        recipe = recipe._replace(n_iter=run.step)

    began = time.monotonic() - run.elapsed
    last_snapshot = snapshot
    losses = []
    progress(run.step)
    try:
        for step, loss in learn(model, optimizer, train, recipe, run.step + 1, scorer, read, unit):
            run.step = step
            losses.append(loss)
            progress(1)
            if step % monitor_step and step != recipe.n_iter:
                continue
            measured = {'main/loss': float(sum(losses) / len(losses)), **measure()}
            losses.clear()
            if valid:
                run.best.offer(step, measured['valid/pair_accuracy'])
            say(measure.line(step, measured))
            run.elapsed = time.monotonic() - began
            n_seen = min(recipe.batchsize, len(train.rows)) * step
            run.log.append({**measured, 'epoch': n_seen // len(train.rows), 'iteration': step,
                            'elapsed_time': run.elapsed})
            last_snapshot = _write(out, run, ndcg_k)
            if ranks.is_first():  # only now: the message of an interruption names the last one
                snapshots.remove_others(last_snapshot)
            if _has_waited(run, recipe):
                break
    except KeyboardInterrupt:
        how = (f'to continue, use the same command with --resume {last_snapshot}' if last_snapshot
               else 'there is no snapshot yet')
        raise KeyboardInterrupt(f'interrupted at step {run.step}; {how}') from None
    run.best.restore()
    return run.log


def learn(model: net.RankNet, optimizer, pictures: RatedPictures, recipe: Recipe, first: int = 1,
          scorer=None, read: Callable = batches.batches, unit: Optional[float] = None) -> Iterator:
    """Train step by step.

    Args:
        model: On its device; ``optimizer`` is set up for it.
        pictures: Those to train on.
        recipe: How to train.
        first: The number of the first step, from 1.
        scorer: Scores a batch: the model, or a :class:`freezing.Head` of it.
        read: Makes batches: :func:`batches.batches` or similar.
        unit: Unit of the loss, see :meth:`net.RankNet.loss_of_scores`.

    Yields:
        tuple: After each step its number and its loss, an array.
    """
    scorer = scorer or model
    read_batches = read(pictures, recipe, scorer.scale, first)
    with contextlib.closing(read_batches), sharing_batches():
        for step, batch in enumerate(read_batches, first):
            optimizer.alpha = recipe.alpha(step)
            yield step, _make_step(model, optimizer, scorer, batch, unit)


def _make_step(model, optimizer, scorer, batch, unit):
    x, t, f = (array if array is None else model.device.send(array) for array in batch)
    scores = parallel.gather(scorer.predict(x, f))  # of the whole batch, in every process
    loss = model.loss_of_scores(scores, t, unit)
    model.cleargrads()
    loss.backward()
    optimizer.update()
    return loss.array


def _look(model, train, valid, recipe, note):
    seen, mirrored = freezing.look_to_learn(model, train, recipe, note)

    def read(seen, recipe, scale, first):
        return freezing.batches_of(seen, mirrored, recipe, scale, first)

    return freezing.Head(model), seen, valid and freezing.look(model, valid), read


def _has_waited(run, recipe):
    return recipe.patience is not None and run.best.waited >= recipe.patience


def _write(out, run, k):
    """Write log, curves and snapshot in the first process; return the snapshot's path in all."""
    path = None
    if ranks.is_first():
        os.makedirs(out, exist_ok=True)
        with atomic.replacing(os.path.join(out, 'log')) as part, open(part, 'w') as f:
            json.dump(run.log, f, indent=4)
        curves.draw(out, run.log, k, run.best.step)
        path = snapshots.save(out, run)
    return ranks.tell(path)
