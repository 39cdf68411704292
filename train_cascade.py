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
import shlex
import sys

from picture_ranknet.console import messages, options
from picture_ranknet.console.command import command
from picture_ranknet.faces.training.settings import ENOUGH, Augmentation, Goal, Plan


def build_parser():
    parser = options.parser('train_cascade.py', 'Train an LBP cascade for OpenCV.')
    add = parser.add_argument
    plan = Plan()
    goal = plan.goal
    add('output', metavar='XML', type=options.file_ending('.xml'),
        help='the cascade; written, and usable, after each stage')
    add('--faces', nargs='+', default=[], metavar='PATH',
        help='pictures of one face each, folders of them, or a table (.csv) of pictures and boxes: '
             'source,x,y,w,h, as crop_faces.py writes it')
    add('--no_faces', nargs='+', required=True, metavar='PATH',
        help='pictures and videos without faces, folders of them, or a table of boxes around all '
             'faces, which are excluded')
    add('--size', type=options.size_from(9, 64), default='24x24', metavar='WxH',
        help='detection window, and the smallest face it finds, in pixels')
    add('--stages', type=options.positive_int, default=plan.stages, metavar='N',
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
    add('--positives', type=options.positive_int, default=plan.positives, metavar='N',
        help='faces per stage, augmented from those given')
    add('--negatives', type=options.int_from(ENOUGH), default=plan.negatives, metavar='N',
        help='negatives per stage: other windows')
    add('--search', type=options.positive_float, default=plan.search, metavar='N',
        help='maximum number of windows to search for negatives before each stage')
    add_variation_arguments(parser.add_argument_group('augmentation of faces'))
    add('--fps', type=options.positive_float, default=plan.fps, metavar='F',
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
    from picture_ranknet.faces.training import cascades  # here, so that --help does not wait

    goal = Goal(args.hit_rate, args.false_alarm, args.weak, args.features)
    augmentation = Augmentation(args.turn, args.shift, args.scale, args.light, not args.no_mirror)
    plan = Plan(args.size, args.stages, goal, args.positives, args.negatives, args.search,
                augmentation, args.fps, args.seed)
    with messages.bars() as bar:
        cascades.train(
            args.output, args.faces, args.no_faces, args.pictures, plan, args.batches,
            resume=args.resume, force=args.force,
            command_line=shlex.join([parser.prog, *(sys.argv[1:] if argv is None else argv)]),
            note=messages.note, say=messages.say, bar=bar)


if __name__ == '__main__':
    main()
