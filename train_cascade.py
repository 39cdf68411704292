"""Train a cascade that finds faces, or other things, for OpenCV's ``CascadeClassifier``.

Each stage is trained by Gentle AdaBoost to let most faces pass (``--hit_rate``)
and few other windows (``--false_alarm``); those other windows are what the
stages before it take for faces in pictures without any.  A fifth of the faces
and of the other windows is held out: it decides when a stage is good enough,
and its threshold.  The second look, which OpenCV ignores and ``crop_faces.py``
uses, is learnt from whole pictures in colour.

References: Viola and Jones, *Rapid Object Detection using a Boosted Cascade of
Simple Features*, CVPR 2001; Friedman, Hastie and Tibshirani, *Additive Logistic
Regression: a Statistical View of Boosting*, Annals of Statistics 2000, section
4.4 (Gentle AdaBoost); Liao et al., *Learning Multi-scale Block Local Binary
Patterns for Face Recognition*, ICB 2007 (the features).
"""
import os
import shlex
import sys
import time

from picture_ranknet.console import messages, options
from picture_ranknet.console.command import command
from picture_ranknet.errors import InputError
from picture_ranknet.faces.training.settings import ENOUGH, Augmentation, Goal
from picture_ranknet.machine import memory, threads
from picture_ranknet.machine.opencv import check_opencv
from picture_ranknet.storage.atomic import check_outputs
from picture_ranknet.text import count

NO_MATTER = 'output faces no_faces stages resume force pictures batches'.split()  # to --resume


def build_parser():
    parser = options.parser('train_cascade.py', 'Train an LBP cascade for OpenCV.')
    add = parser.add_argument
    goal = Goal()
    add('output', metavar='XML', type=options.file_ending('.xml'),
        help='the cascade; written, and usable, after each stage')
    add('--faces', nargs='+', metavar='PATH',
        help='pictures of one face each, folders of them, or a table (.csv) of pictures and boxes: '
             'source,x,y,w,h, as crop_faces.py writes it')
    add('--no_faces', nargs='+', required=True, metavar='PATH',
        help='pictures and videos without faces, folders of them, or a table of boxes around all '
             'faces, which are excluded')
    add('--size', type=options.size_from(9, 64), default='24x24', metavar='WxH',
        help='detection window, and the smallest face it finds, in pixels')
    add('--stages', type=options.positive_int, default=15, metavar='N',
        help='maximum number of stages')
    add('--hit_rate', type=options.ratio, default=goal.hit_rate, metavar='R',
        help='minimum hit rate per stage: the fraction of faces that pass')
    add('--false_alarm', type=options.ratio, default=goal.false_alarm, metavar='R',
        help='maximum false alarm rate per stage: the fraction of other windows that pass')
    add('--weak', type=options.positive_int, default=goal.most, metavar='N',
        help='maximum number of weak classifiers per stage')
    add('--features', type=options.ratio, default=goal.share, metavar='R',
        help='fraction of the features that each weak classifier chooses from')
    add('--pictures', nargs='+', default=[], metavar='TABLE',
        help='also train the second look, on whole pictures: tables (.csv) of boxes around all '
             'faces in them, source,x,y,w,h; without --faces, for an existing output')
    add('--batches', type=options.positive_int, default=6000, metavar='N',
        help='number of batches to train the second look on')
    add('--positives', type=options.positive_int, default=24000, metavar='N',
        help='faces per stage, augmented from those given')
    add('--negatives', type=options.int_from(ENOUGH), default=14000, metavar='N',
        help='negatives per stage: other windows')
    add('--search', type=options.positive_float, default=6e8, metavar='N',
        help='maximum number of windows to search for negatives before each stage')
    add_variation_arguments(parser.add_argument_group('augmentation of faces'))
    add('--fps', type=options.positive_float, default=1., metavar='F',
        help='use F frames per second of video')
    add('--seed', type=options.seed, default=0, metavar='N',
        help='random seed; the same seed gives the same cascade')
    add('--resume', action='store_true',
        help='continue with the stages already in the output')
    add('--force', action='store_true', help='overwrite the output')
    return parser


def add_variation_arguments(group):
    add = group.add_argument
    defaults = Augmentation()
    add('--turn', type=options.natural_float, default=defaults.turn, metavar='DEGREES',
        help='rotate by up to this')
    add('--shift', type=options.natural_float, default=defaults.shift, metavar='R',
        help='shift by up to this fraction of the side')
    add('--scale', type=options.natural_float, default=defaults.scale, metavar='R',
        help='scale up or down by up to this fraction')
    add('--light', type=options.natural_float, default=defaults.light, metavar='R',
        help='vary contrast and brightness by up to this fraction')
    add('--no_mirror', action='store_true', help='do not mirror')


@command
def main(argv=None):
    parser = build_parser()
    args = parser.parse_args(argv)
    if not args.faces and not args.pictures:
        parser.error('the following arguments are required: --faces or --pictures')
    start = time.monotonic()
    command_line = shlex.join(['train_cascade.py', *(sys.argv[1:] if argv is None else argv)])
    from picture_ranknet.faces.training import lbp

    check_opencv()
    lbp.check_numba()
    threads.limit_numba()
    check_outputs({'XML': args.output}, {'--faces': args.faces, '--no_faces': args.no_faces,
                                         '--pictures': args.pictures})
    is_there = os.path.exists(args.output)
    if is_there and not (args.resume or args.force):
        raise InputError(f'{args.output} exists already; go on with it with --resume, overwrite it '
                         'with --force, or choose another name')
    if not args.faces and not (is_there and args.resume):
        raise InputError(f'{args.output}: a second look needs a cascade before it; give the '
                         '--faces to train one, or an output that is there, with --resume')
    stages = train_stages(args, command_line) if args.faces else ''
    if args.pictures:
        train_second_look(args, command_line)
    print(f'{stages}{time.monotonic() - start:.0f} s, {memory.peak() / 1e9:.1f} GB of memory at '
          f'most -> {args.output}')


def train_stages(args, command_line):
    """Train the cascade; returns how large it is, in words."""
    from picture_ranknet.faces.training import boosting, lbp, lbp_file, record, samples

    start = time.monotonic()
    with messages.progress(len(args.faces), 'pictures', '--faces') as bar:
        patches = samples.read_faces(args.faces, args.size, messages.note, messages.follow(bar))
    with messages.progress(len(args.no_faces), 'pictures', '--no_faces') as bar:
        scenes = samples.read_scenes(args.no_faces, args.fps, messages.note, messages.follow(bar))
    pixels = sum(scene.gray.size for scene in scenes)
    print(f'{count(len(patches), "face")} and {count(len(scenes), "picture")} without '
          f'({pixels / 1e6:.0f} million pixels), {time.monotonic() - start:.0f} s')
    if not scenes:
        raise InputError('--no_faces: expected at least one picture, got none')

    sample_line = record.fingerprint(patches, scenes, {
        name: value for name, value in vars(args).items() if name not in NO_MATTER})
    cascade, false_alarm, second_look = lbp.Cascade(*args.size), 1., ''
    if args.resume:
        cascade, false_alarm = record.read_stages(args.output, args.size, sample_line)
        second_look = lbp_file.read_second_look(args.output)
    augmentation = Augmentation(args.turn, args.shift, args.scale, args.light, not args.no_mirror)
    windows = samples.vary_faces(*samples.split_faces(patches, args.seed), args.size,
                                 args.positives, augmentation, args.seed)
    trainer = boosting.Trainer(cascade, *windows, scenes, args.negatives, args.search, args.seed,
                               false_alarm)

    def save():
        comment = record.describe(cascade, len(patches), len(scenes), trainer.hit_rate,
                                  trainer.false_alarm, command_line, sample_line)
        lbp_file.write(args.output, cascade, comment, args.hit_rate, args.false_alarm, second_look)

    with messages.progress(trainer.n_mined, 'windows', 'mining') as bar:
        trainer.add_stages(args.stages, Goal(
            args.hit_rate, args.false_alarm, args.weak, args.features), save, messages.say,
            messages.follow(bar))
    n_weak = sum(len(stage.features) for stage in cascade.stages)
    return f'{count(len(cascade.stages), "stage")} of {count(n_weak, "weak classifier")} in '


def train_second_look(args, command_line):
    """Train the second look, and write it into the file of the cascade."""
    from picture_ranknet.faces.training import lbp_file, second_look

    n = len(args.pictures) + len(args.no_faces)
    with messages.progress(n, 'pictures', '--pictures') as bar:
        pictures = second_look.read_pictures(args.pictures, args.no_faces, args.fps, messages.note,
                                             messages.follow(bar))
    with messages.progress(1, 'steps', 'second look') as bar:
        look, report = second_look.train(pictures, args.batches, args.seed, messages.follow(bar))
    lbp_file.write_second_look(args.output, look.to_xml(), command_line)
    print(report)


if __name__ == '__main__':
    main()
