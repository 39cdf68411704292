"""Learn a person's taste from pictures that the person has rated.

A CNN gives each picture one score.  RankNet trains it: a step draws random
pictures, scores them, and lets Adam lower the loss of all their pairs, which
is large where the better rated picture of a pair scores lower
(:mod:`picture_ranknet.learning.loop`).  Now and then all pictures are ranked
by their scores, and NDCG measures how good the ranking is.
"""
from picture_ranknet.console import messages, options
from picture_ranknet.console.command import shared_command


def build_parser():
    parser = options.parser('train.py', 'Learn a taste from rated pictures.')
    add = parser.add_argument
    add('X_train_npy', help='pictures, N x 3 x 80 x 80')
    add('rank_file', help='N ratings, one per line; nan: not rated')
    add('--output_pred', '-op', default='pred.txt', metavar='TXT',
        help='scores of the training pictures, one per line')
    add('--output_model', '-om', default='model.pkl', metavar='PKL', help='the trained model')
    add('--from_xmp', action='store_true',
        help='also use the star ratings of digiKam, darktable or Lightroom, from XMP sidecars '
             '(name.jpg.xmp) or the pictures themselves; rank_file, if it exists, takes precedence')
    add('--features', metavar='NPY', help='additional features of each picture, N x D')
    add('--out', '-o', default='result', metavar='DIR', help='folder for log, plots, snapshot')
    add_learning_arguments(parser.add_argument_group('training'))
    add_start_arguments(parser.add_argument_group('initialisation'))
    add_validation_arguments(parser.add_argument_group('validation and output'))
    return parser


def add_learning_arguments(group):
    add = group.add_argument
    add('--arch', choices=['cnn', 'deep', 'pretrained'],
        help="the network (default: cnn, the article's, or that of --initmodel); pretrained: a "
             'linear layer on EfficientNet-Lite0 features, solved exactly in seconds; options '
             'about steps do not apply')
    add('--pretrained', metavar='ONNX',
        help='--arch pretrained with another network instead, such as the image encoder of CLIP, '
             'SigLIP or DINOv2, or a tagger; needs onnxruntime')
    add('--pretrained_size', metavar='N', type=options.positive_int,
        help='side of its input in pixels (default: as its file says, or 224)')
    for name, text in ('mean', 'subtracted from'), ('deviation', 'dividing'):
        add(f'--pretrained_{name}', metavar='F', nargs=3, type=float,
            help=f'{name} of red, green and blue, from 0 to 1, {text} its pixels (default: as its '
                 "file says, or ImageNet's)")
    add('--image_scale', type=options.positive_float, metavar='F',
        help='factor applied to pixel values (default: 1/255, or as in --initmodel)')
    add('--n_iter', type=options.positive_int, default=1000, metavar='N', help='training steps')
    add('--batchsize', '-b', type=options.int_from(2, 1000), default=32, metavar='N',
        help='pictures per batch; a step learns from all their pairs; 2 is one pair, as in the '
             'article')
    add('--loss', choices=['ranknet', 'magnitude'], default='ranknet',
        help="ranknet: the article's; magnitude: also learns how far apart ratings are, for many "
             'ratings on a fine scale')
    add('--schedule', choices=['linear', 'constant'], default='linear',
        help='learning rate: decays linearly to 0, or stays constant')
    add('--augment', type=options.strength, default='1', metavar='STRENGTH',
        help='strength of data augmentation, 0 to 5; 0: none')
    add('--no_mirror', action='store_true', help='do not mirror pictures')
    add('--seed', type=options.seed, default=0, metavar='N',
        help='random seed; the same seed on the same machine gives the same model')
    options.add_device_arguments(group)
    add('--communicator', default='naive',
        choices=['naive', 'flat', 'non_cuda_aware', 'pure_nccl'],
        help='ChainerMN communicator through which the processes of mpiexec exchange gradients; '
             'naive is for the CPU')


def add_start_arguments(group):
    start = group.add_mutually_exclusive_group()
    start.add_argument('--initmodel', metavar='MODEL',
                       help="a trained model to start from: another person's, or another series'")
    start.add_argument('--unrated', metavar='NPY', nargs='+',
                       help='more pictures of this kind, for self-supervised pretraining')
    group.add_argument('--freeze', action='store_true',
                       help='with --initmodel or --unrated: train only the last two layers')
    group.add_argument('--resume', '-r', metavar='SNAPSHOT',
                       help='continue from a snapshot that an interrupted run left in --out')


def add_validation_arguments(group):
    add = group.add_argument
    add('--monitor_step', type=options.positive_int, default=100, metavar='N',
        help='training steps between lines of output')
    add('--ndcg_k', type=options.positive_int, default=100, metavar='K',
        help='top positions that count for NDCG@K')
    add('--valid_features', metavar='NPY', help='features of the pictures of --valid')
    add('--patience', type=options.positive_int, metavar='N',
        help='early stopping: stop after N lines of output without improvement')
    held_out = group.add_mutually_exclusive_group()
    held_out.add_argument('--valid', nargs=2, metavar=('X_NPY', 'RATINGS'),
                          help='pictures and their ratings to validate on')
    held_out.add_argument('--valid_ratio', type=options.ratio, metavar='R',
                          help='instead: the fraction of the rated pictures, between 0 and 1, to '
                               'hold out for validation')
    add('--valid_by', metavar='COLUMN',
        help='column of the table beside the pictures to group by, such as character: '
             '--valid_ratio holds out all pictures of a character or none (default: group, a face '
             'tracked through a scene)')


def parse_args(argv):
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.pretrained:
        if args.arch not in (None, 'pretrained'):
            parser.error(f'--pretrained: not allowed with --arch {args.arch}')
        args.arch = 'pretrained'
    elif args.pretrained_size or args.pretrained_mean or args.pretrained_deviation:
        parser.error('--pretrained_size, _mean and _deviation: require --pretrained')
    if args.arch == 'pretrained' and (args.unrated or args.freeze or args.resume or args.patience
                                      or args.loss != 'ranknet'):
        parser.error('--arch pretrained: has no steps; leave out --unrated, --freeze, --resume, '
                     '--patience and --loss')
    if args.freeze and not (args.initmodel or args.unrated):
        parser.error('--freeze: nothing is trained yet; use --initmodel or --unrated')
    if args.patience and not (args.valid or args.valid_ratio):
        parser.error('--patience: requires --valid or --valid_ratio')
    if args.valid_by and not args.valid_ratio:
        parser.error('--valid_by: requires --valid_ratio')
    if bool(args.valid_features) != bool(args.valid and args.features):
        parser.error('--valid_features: requires --valid and --features')
    return args


@shared_command
def main(argv=None):
    args = parse_args(argv)
    # Imported here, so that --help does not wait for Chainer.
    from picture_ranknet.fast import availability
    from picture_ranknet.learning import parallel, rated, training
    from picture_ranknet.learning.recipe import Recipe
    from picture_ranknet.machine import devices

    device = devices.use_device(args.device, args.threads, messages.note)
    communicator = parallel.connect(args.communicator, device)
    availability.announce_compilation(messages.note)
    files = training.Files(args.X_train_npy, args.rank_file, args.features,
                           args.valid and (*args.valid, args.valid_features), args.valid_ratio,
                           args.valid_by or rated.GROUP, args.from_xmp)
    begin = training.Start(
        args.arch, args.initmodel, args.pretrained,
        (args.pretrained_size, args.pretrained_mean, args.pretrained_deviation),
        args.image_scale, args.unrated, args.resume)
    recipe = Recipe(args.n_iter, args.batchsize, args.loss, args.schedule, args.augment,
                    not args.no_mirror, args.freeze, args.patience, args.seed)
    outputs = training.Outputs(args.output_pred, args.output_model, args.out)
    with messages.bars() as bar:
        training.run(files, begin, recipe, outputs, args.monitor_step, args.ndcg_k, device=device,
                     communicator=communicator, note=messages.note, say=messages.say, bar=bar)


if __name__ == '__main__':
    main()
