"""Trains a cascade and its second look: what ``train_cascade.py`` does, without its options."""
import os
import time
from collections.abc import Callable, Sequence
from typing import Optional

from picture_ranknet.errors import InputError
from picture_ranknet.faces.training import boosting, lbp, lbp_file, record, samples
from picture_ranknet.faces.training.settings import Plan
from picture_ranknet.machine import memory, threads
from picture_ranknet.machine.opencv import check_opencv
from picture_ranknet.storage.atomic import check_outputs
from picture_ranknet.text import count, no_bar, silent


def train(path: str, faces: Sequence[str], no_faces: Sequence[str], pictures: Sequence[str] = (),
          plan: Optional[Plan] = None, n_batches: int = 6000, *, resume: bool = False,
          force: bool = False, command_line: str = '', note: Callable[[str], object] = silent,
          say: Callable[[str], object] = silent,
          bar: Callable[[str, str], Callable] = no_bar) -> None:
    """Train a cascade, its second look, or both.

    Args:
        path: The ``.xml`` file; it is written after each stage.
        faces: As for :func:`train_stages`; if empty, the existing cascade is kept.
        no_faces: Pictures and videos without faces, folders of them, and tables.
        pictures: As for :func:`train_second_look`; if empty, no second look is
            trained.
        plan: How the stages are trained; ``None``: the defaults.
        n_batches: As for :func:`train_second_look`.
        resume: Whether to continue from the existing stages.
        force: Whether to overwrite an existing file.
        command_line: For the comment in the file.
        note: Called with a line for the user.
        say: Called with each line of the result.
        bar: Called with a unit and a description; returns a ``progress=``, which
            is called with how much is done and how much there is.

    Raises:
        InputError: If there is too little to learn from, or a file exists and
            must not be overwritten.
    """
    start = time.monotonic()
    plan = plan or Plan()
    check_opencv()
    lbp.check_numba()
    threads.limit_numba()
    check_outputs({'XML': path}, {'--faces': faces, '--no_faces': no_faces,
                                  '--pictures': pictures})
    is_there = os.path.exists(path)
    if is_there and not (resume or force):
        raise InputError(f'{path} exists already; continue it with --resume, overwrite it '
                         'with --force, or choose another name')
    if not faces and not (is_there and resume):
        raise InputError(f'{path}: a second look needs a cascade before it; give the '
                         '--faces to train one, or an existing output, with --resume')
    stages = ''
    if faces:
        cascade = train_stages(path, faces, no_faces, plan, resume, command_line, note, say, bar)
        n_weak = sum(len(stage.features) for stage in cascade.stages)
        stages = f'{count(len(cascade.stages), "stage")} of {count(n_weak, "weak classifier")} in '
    if pictures:
        say(train_second_look(path, pictures, no_faces, plan.fps, n_batches, plan.seed,
                              command_line, note, bar))
    say(f'{stages}{time.monotonic() - start:.0f} s, {memory.peak() / 1e9:.1f} GB of memory at '
        f'most -> {path}')


def train_stages(path: str, faces: Sequence[str], no_faces: Sequence[str], plan: Plan,
                 resume: bool = False, command_line: str = '',
                 note: Callable[[str], object] = silent, say: Callable[[str], object] = silent,
                 bar: Callable[[str, str], Callable] = no_bar) -> lbp.Cascade:
    """Train the stages of a cascade, and write it after each.

    Args:
        faces: Pictures of one face each, folders of them, and tables (.csv) of
            pictures and boxes.
        path, no_faces, plan, resume, command_line, note, say, bar: As for :func:`train`.

    Raises:
        InputError: If there is too little to learn from, or the existing
            stages were trained on other pictures.
    """
    start = time.monotonic()
    patches = samples.read_faces(faces, plan.size, note, bar('pictures', '--faces'))
    scenes = samples.read_scenes(no_faces, plan.fps, note, bar('pictures', '--no_faces'))
    pixels = sum(scene.gray.size for scene in scenes)
    say(f'{count(len(patches), "face")} and {count(len(scenes), "picture")} without '
        f'({pixels / 1e6:.0f} million pixels), {time.monotonic() - start:.0f} s')
    if not scenes:
        raise InputError('--no_faces: expected at least one picture, got none')

    options = plan._replace(stages=0)._asdict()  # stages may be added later
    sample_line = record.fingerprint(patches, scenes, options)
    cascade, false_alarm, second_look = lbp.Cascade(*plan.size), 1., ''
    if resume:
        cascade, false_alarm = record.read_stages(path, plan.size, sample_line)
        second_look = lbp_file.read_second_look(path)
    windows = samples.vary_faces(*samples.split_faces(patches, plan.seed), plan.size,
                                 plan.positives, plan.augmentation, plan.seed)
    trainer = boosting.Trainer(cascade, *windows, scenes, plan.negatives, plan.search, plan.seed,
                               false_alarm)

    def save():
        comment = record.describe(cascade, len(patches), len(scenes), trainer.hit_rate,
                                  trainer.false_alarm, command_line, sample_line)
        lbp_file.write(path, cascade, comment, plan.goal.hit_rate, plan.goal.false_alarm,
                       second_look)

    trainer.add_stages(plan.stages, plan.goal, save, say, bar('windows', 'mining'))
    return cascade


def train_second_look(path: str, pictures: Sequence[str], no_faces: Sequence[str], fps: float = 1,
                      n_batches: int = 6000, seed: int = 0, command_line: str = '',
                      note: Callable[[str], object] = silent,
                      bar: Callable[[str, str], Callable] = no_bar) -> str:
    """Train the second look, and write it into the file of a cascade.

    Args:
        pictures: Tables of boxes around all faces in whole pictures.
        fps: Frames to take of each second of a video.
        n_batches: ``n_iter`` of :func:`.second_look.train`.
        seed: The same seed gives the same result.
        path, no_faces, command_line, note, bar: As for :func:`train`.

    Returns:
        A line on how well it does.

    Raises:
        InputError: As for :func:`.second_look.train`.
    """
    from picture_ranknet.faces.training import second_look  # imports Chainer

    read = second_look.read_pictures(pictures, no_faces, fps, note, bar('pictures', '--pictures'))
    look, report = second_look.train(read, n_batches, seed, bar('steps', 'second look'))
    lbp_file.write_second_look(path, look.to_xml(), command_line)
    return report
