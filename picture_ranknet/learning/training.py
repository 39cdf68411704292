"""A whole training run: reads the files, trains a model, writes it and what it scores."""
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple, Optional

import numpy as np

import net
from picture_ranknet.learning import loop, monitor, pretext, rated, report, snapshots, start, taste
from picture_ranknet.learning.recipe import Recipe
from picture_ranknet.machine import devices, ranks
from picture_ranknet.models import brought, model_file, networks, scoring, wanted
from picture_ranknet.storage import atomic, picture_set, ratings_txt, tables
from picture_ranknet.storage.arrays import RatedPictures
from picture_ranknet.text import adding_up, no_bar, silent

REPORT = *report.OF_STEPS, 'metrics.csv', 'held_out.png'


class Files(NamedTuple):
    """The input files.

    Attributes:
        pictures, ratings, features: Files of the training pictures;
            ``features`` may be ``None``.
        valid: The same three for pictures to validate on, or ``None``.
        valid_ratio: Alternatively, the fraction of the rated pictures to hold
            out.
        valid_by: The column of the table whose groups are not split.
        from_xmp: Whether to take ratings from XMP sidecars as well.
    """

    pictures: str
    ratings: str
    features: Optional[str] = None
    valid: Optional[tuple] = None
    valid_ratio: Optional[float] = None
    valid_by: str = rated.GROUP
    from_xmp: bool = False


class Start(NamedTuple):
    """What training starts from.

    Attributes:
        arch: ``'cnn'``, ``'deep'``, ``'pretrained'``, or ``None`` for that of
            the model, else ``'cnn'``.
        model: A file of a trained model, or ``None``.
        network: An ONNX file of a network that extracts features, or ``None``.
        network_input: Side of that network's input, and mean and deviation of
            each channel; ``None`` for what the file says.
        image_scale: Factor applied to pixel values; ``None`` for that of the
            model, else 1/255.
        unrated: Files of pictures for self-supervised pretraining.
        snapshot: A file to continue from.
    """

    arch: Optional[str] = None
    model: Optional[str] = None
    network: Optional[str] = None
    network_input: Sequence = (None, None, None)
    image_scale: Optional[float] = None
    unrated: Sequence[str] = ()
    snapshot: Optional[str] = None


class Outputs(NamedTuple):
    """Where the scores of the pictures, the model and the report (a folder) go."""

    scores: str
    model: str
    report: str


def run(files: Files, begin: Start, recipe: Recipe, outputs: Outputs, monitor_step: int = 100,
        k: int = 100, *, device=None, communicator=None, note: Callable[[str], object] = silent,
        say: Callable[[str], object] = silent,
        bar: Callable[[str, str], Callable] = no_bar) -> net.RankNet:
    """Train a model and write the results.

    Args:
        files, begin, recipe, outputs: What to learn from, and how.
        monitor_step: Steps between lines of output.
        k: Top positions that count for NDCG@k.
        device: A Chainer device; ``None``: the CPU.
        communicator: From :func:`.parallel.connect`; ``None`` in one process.
        note: Called with each line for the user.
        say: Called with each line of the result.
        bar: Called with a unit and a description; returns a ``progress=``, which
            is called with how much is done and how much there is.

    Raises:
        InputError: If a file is missing or invalid, or files do not fit together.
    """
    check_files(files, begin, outputs)
    with snapshots.keeping_others_out(outputs.report):
        return _run(files, begin, recipe, outputs, monitor_step, k,
                    device or devices.use_device('@numpy'), communicator, note, say, bar)


def check_files(files: Files, begin: Start, outputs: Outputs) -> None:
    """Refuse outputs that are inputs, or the same file, before anything is read.

    Raises:
        InputError: If they are; the message names the options of ``train.py``.
    """
    report_files = [os.path.join(outputs.report, name)
                    for name in REPORT if os.path.isdir(outputs.report)]
    valid_pictures, valid_ratings, valid_features = files.valid or (None, None, None)
    atomic.check_outputs(
        {'--output_pred': outputs.scores, '--output_model': outputs.model, '--out': report_files},
        {'X_train_npy': files.pictures, 'its table': tables.table_path(files.pictures),
         'rank_file': files.ratings, '--features': files.features, '--initmodel': begin.model,
         '--unrated': begin.unrated, '--resume': begin.snapshot, '--pretrained': begin.network,
         '--valid': valid_pictures, 'the ratings of --valid': valid_ratings,
         '--valid_features': valid_features})


def _run(files, begin, recipe, outputs, monitor_step, k, device, communicator, note, say, bar):
    np.random.seed(recipe.seed)  # initial weights follow from it
    network = begin.network and brought.open_network(
        begin.network, wanted.asked(*begin.network_input), note)
    model = start.load(begin.model, begin.arch, begin.image_scale, files.features,
                       [begin.network] if network else [])
    train, valid = rated.load_sets(
        (files.pictures, files.ratings, files.features), model, files.valid, files.valid_ratio,
        recipe.seed, note, files.from_xmp, files.valid_by)

    def finish(left_out=None):
        preparation = picture_set.read_preparation(files.pictures, len(train.X))
        scored = adding_up(bar('pictures', 'scoring'), scoring.n_to_score(train.X))
        return write(model, train, valid, outputs, k, note, scored, preparation, left_out)

    if begin.arch == 'pretrained' or model and taste.is_pretrained(model):
        looked_at = adding_up(bar('pictures', 'looking'), len(train.X))
        model, left_out = taste.train(train, valid, files.pictures, model, begin.model,
                                      begin.image_scale, network, recipe.seed, note, looked_at)
        say(taste.describe(finish(left_out), k))
        return model
    model = _make(model, begin, files, train, valid, note)
    model.to_device(device)
    if begin.unrated and not begin.snapshot:  # a snapshot is already pretrained
        pretext.learn_from_files(begin.unrated, model, train,
                                 valid.rows if files.valid_ratio else [], recipe, communicator,
                                 note, adding_up(bar('steps', 'pretraining'), pretext.N_ITER))
    if files.features and not model.predictor.n_features:
        rated.add_features(model, train)
    log = loop.train(model, train, valid, recipe, monitor_step, k, outputs.report, begin.snapshot,
                     communicator, say, note, adding_up(bar('steps', 'training'), recipe.n_iter))
    report.warn_if_fallen(log, finish(), note)
    return model


def _make(model: Optional[net.RankNet], begin: Start, files: Files, train: RatedPictures,
          valid: Optional[RatedPictures], note: Callable) -> net.RankNet:
    """Make the model to train step by step, and warn about its input."""
    if not (begin.arch or model or begin.unrated) and len(train.rows) < taste.ENOUGH:
        note('--arch pretrained usually ranks unseen pictures better, in seconds')
    model = model or networks.make(begin.arch or 'cnn', train.X.shape[2:],
                                   begin.image_scale or scoring.ARTICLE_SCALE)
    scoring.warn_if_odd_scale(files.pictures, train.X, model.image_scale, note)
    if files.valid:
        scoring.warn_if_odd_scale(files.valid[0], valid.X, model.image_scale, note)
    report.warn_of_confounders(files.pictures, train, note)
    return model


def write(model: net.RankNet, train: RatedPictures, valid: Optional[RatedPictures],
          outputs: Outputs, k: int, note: Callable[[str], object],
          progress: Optional[Callable[[int], object]] = None, preparation=None,
          left_out=None) -> list:
    """Score all pictures with a trained model; write scores, model and report.

    All processes must call this; the first one writes.

    Args:
        model: On its device.
        train, valid: ``valid`` may be ``None``.
        outputs: Where to write; the scores are those of all pictures of ``train``.
        k: Top positions that count for NDCG@k.
        note: Called with each line for the user.
        progress: Called with the number of pictures after each batch.
        preparation (picture_set.Preparation): How the pictures were cropped,
            to be stored in the model; ``None`` if unknown.
        left_out (numpy.ndarray): Cross-validated scores of ``train.rows``;
            ``nan`` where there are none.

    Returns:
        list of report.Row: The final metrics; empty in all processes but the first.

    Raises:
        InputError: If a score is not finite.
    """
    scores = monitor.score_pictures(model, train, progress=progress)
    held_out = monitor.score_pictures(model, valid, valid.rows) if valid else None
    if not ranks.is_first():
        return []
    scoring.warn_if_collapsed(scores, note)
    ratings_txt.write_scores(outputs.scores, scores)
    unseen = valid
    if left_out is not None:
        is_known = np.isfinite(left_out)
        unseen, held_out = train._replace(rows=train.rows[is_known]), left_out[is_known]
    ratings = unseen.ratings[unseen.rows] if unseen else np.empty(0)
    model_file.remember(model, preparation, () if held_out is None else held_out, ratings)
    model_file.save(outputs.model, model)
    if len(np.unique(ratings)) < 2:  # nothing to rank
        unseen = None
    return report.write(outputs.report, train, unseen, scores[train.rows], held_out, k, note,
                        left_out is None, model.predictor.has_steps)
