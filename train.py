"""Learn a person's taste from pictures that the person has rated.

A CNN gives each picture one score.  RankNet trains it: a step draws random
pictures, scores them, and lets Adam lower the loss of all their pairs, which
is large where the better rated picture of a pair scores lower
(:mod:`picture_ranknet.learning.loop`).  Now and then all pictures are ranked
by their scores, and NDCG says how good the ranking is.
"""
import numpy as np

from picture_ranknet.console import messages, options
from picture_ranknet.console.command import shared_command
from picture_ranknet.storage import atomic, tables


def build_parser():
    parser = options.parser('train.py', 'Learn a taste from rated pictures.')
    parser.add_argument('X_train_npy', help='pictures, N x 3 x 80 x 80')
    parser.add_argument('rank_file', help='N ratings, one a line; nan: not rated')
    parser.add_argument('--output_pred', '-op', default='pred.txt',
                        help='scores of the training pictures, one a line')
    parser.add_argument('--output_model', '-om', default='model.pkl', help='the trained model')
    parser.add_argument('--features', metavar='NPY',
                        help='further numbers about each picture, N x D')
    parser.add_argument('--out', '-o', default='result', help='folder for log, plots, snapshot')

    learning = parser.add_argument_group('how to learn')
    learning.add_argument('--arch', choices=['cnn', 'deep', 'pretrained'],
                          help="the network (default: cnn, the article's, or that of --initmodel); "
                               'pretrained: a linear layer on EfficientNet-Lite0, solved exactly '
                               'in seconds, so options about steps do not apply')
    learning.add_argument('--image_scale', type=options.positive_float,
                          help='what pixel values are multiplied by (default: 1/255, or as in '
                               '--initmodel)')
    learning.add_argument('--n_iter', type=options.positive_int, default=1000,
                          help='training steps')
    learning.add_argument('--batchsize', '-b', type=options.int_from(2, 1000), default=32,
                          help='pictures to a step, which learns from all their pairs; 2 is one '
                               'pair, as in the article')
    learning.add_argument('--loss', choices=['ranknet', 'magnitude'], default='ranknet',
                          help="the article's, or one that also learns how far apart ratings are: "
                               'for many ratings in fine steps')
    learning.add_argument('--schedule', choices=['linear', 'constant'], default='linear',
                          help='whether the learning rate falls to 0 or stays')
    learning.add_argument('--augment', type=options.strength, default='1', metavar='STRENGTH',
                          help='how much pictures are varied, 0 to 5; 0: not at all')
    learning.add_argument('--no_mirror', action='store_true', help='do not mirror pictures')
    learning.add_argument('--seed', type=options.seed, default=0,
                          help='same seed, same machine: same model')
    options.add_device_arguments(learning)
    learning.add_argument('--communicator', default='naive',
                          choices=['naive', 'flat', 'non_cuda_aware', 'pure_nccl'],
                          help='how the processes of mpiexec exchange gradients, by the names of '
                               'ChainerMN; naive is for the CPU')

    start = parser.add_argument_group('what to start from').add_mutually_exclusive_group()
    start.add_argument('--initmodel', metavar='MODEL',
                       help="a trained model: another person's, or of another series")
    start.add_argument('--unrated', metavar='NPY', nargs='+',
                       help='more pictures of this kind; first learn what they all look like')
    parser.add_argument('--freeze', action='store_true',
                        help='with one of these: train only the last two layers')
    parser.add_argument('--resume', '-r', metavar='SNAPSHOT', help='go on from this snapshot')

    validation = parser.add_argument_group('what to see')
    validation.add_argument('--monitor_step', type=options.positive_int, default=100,
                            help='steps between two lines of output')
    validation.add_argument('--ndcg_k', type=options.positive_int, default=100,
                            help='positions that NDCG counts')
    validation.add_argument('--valid_features', metavar='NPY', help='features of --valid')
    validation.add_argument('--patience', type=options.positive_int, metavar='LINES',
                            help='stop after this many lines of output without a better one')
    held_out = validation.add_mutually_exclusive_group()
    held_out.add_argument('--valid', nargs=2, metavar=('X_NPY', 'RATINGS'),
                          help='rated pictures to validate with')
    held_out.add_argument('--valid_ratio', type=options.ratio,
                          help='share of the rated pictures to validate with instead')
    return parser


def parse_args(argv):
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.arch == 'pretrained' and (args.unrated or args.freeze or args.resume or args.patience
                                      or args.loss != 'ranknet'):
        parser.error('--arch pretrained: has no steps; leave out --unrated, --freeze, --resume, '
                     '--patience and --loss')
    if args.freeze and not (args.initmodel or args.unrated):
        parser.error('--freeze: nothing is trained yet; use --initmodel or --unrated')
    if args.patience and not (args.valid or args.valid_ratio):
        parser.error('--patience: needs --valid or --valid_ratio')
    if bool(args.valid_features) != bool(args.valid and args.features):
        parser.error('--valid_features: goes with --valid and --features')
    return args


def check_files(args):
    """Refuse outputs that are inputs, or the same file, before anything is read."""
    valid_X, valid_ratings = args.valid or (None, None)
    atomic.check_outputs(
        {'--output_pred': args.output_pred, '--output_model': args.output_model},
        {'X_train_npy': args.X_train_npy, 'its table': tables.table_path(args.X_train_npy),
         'rank_file': args.rank_file, '--features': args.features, '--initmodel': args.initmodel,
         '--unrated': args.unrated, '--resume': args.resume, '--valid': valid_X,
         'the ratings of --valid': valid_ratings, '--valid_features': args.valid_features})


def load_initial(args):
    """The model of --initmodel, to start from."""
    from picture_ranknet.errors import InputError
    from picture_ranknet.models import networks, pretrained, scoring

    model = scoring.load(args.initmodel, args.image_scale)
    architectures = {**networks.ARCHITECTURES, 'pretrained': pretrained.Pretrained}
    if args.arch and type(model.predictor) is not architectures[args.arch]:
        raise InputError(f'{args.initmodel}: expected a model of --arch {args.arch}, got '
                         f'{type(model.predictor).__name__}; leave --arch out')
    scoring.check_features(model, args.initmodel, args.features)
    return model


def load_pictures(args, model):
    """Rated pictures to train on and to validate with; ``None`` if there are none of these."""
    from picture_ranknet.learning import rated

    train = rated.load(args.X_train_npy, args.rank_file, args.features,
                       model and model.image_size, model and model.predictor.n_features,
                       messages.note)
    if args.valid_ratio:
        groups = rated.read_groups(args.X_train_npy, len(train.X))
        return rated.hold_out(train, args.valid_ratio, args.seed, groups, messages.note)
    if not args.valid:
        return train, None
    n_features = args.features and train.features.shape[1]
    return train, rated.load(*args.valid, args.valid_features, train.X.shape[2:], n_features,
                             messages.note)


def learn(args):
    """Train a model as the options say, and write the results."""
    from picture_ranknet.learning import loop, parallel, pretext, rated, report, taste
    from picture_ranknet.learning.recipe import Recipe
    from picture_ranknet.machine import devices
    from picture_ranknet.models import networks, scoring

    device = devices.use_device(args.device, args.threads, messages.note)
    communicator = parallel.connect(args.communicator, device)
    devices.announce_compilation(messages.note)
    np.random.seed(args.seed)  # initial weights follow from it
    model = load_initial(args) if args.initmodel else None
    train, valid = load_pictures(args, model)
    if args.arch == 'pretrained' or model and taste.is_pretrained(model):
        return learn_exactly(args, train, valid, model)
    if not (args.arch or model or args.unrated) and len(train.rows) < taste.ENOUGH:
        messages.note('--arch pretrained usually ranks unseen pictures better, in seconds')
    model = model or networks.make(args.arch or 'cnn', train.X.shape[2:],
                                   args.image_scale or scoring.ARTICLE_SCALE)
    model.to_device(device)
    scoring.warn_if_odd_scale(args.X_train_npy, train.X, model.image_scale, messages.note)
    if args.valid:
        scoring.warn_if_odd_scale(args.valid[0], valid.X, model.image_scale, messages.note)
    report.warn_of_confounders(args.X_train_npy, train, messages.note)

    recipe = Recipe(args.n_iter, args.batchsize, args.loss, args.schedule, args.augment,
                    not args.no_mirror, args.freeze, args.patience, args.seed)
    if args.unrated and not args.resume:  # a snapshot has what was learnt from them
        with messages.progress(pretext.N_ITER, 'steps', 'pretraining') as bar:
            pretext.learn_from_files(args.unrated, model, train,
                                     valid.rows if args.valid_ratio else [], recipe, communicator,
                                     messages.note, bar.update)
    if args.features and not model.predictor.n_features:
        rated.add_features(model, train)
    with messages.progress(args.n_iter, 'steps') as bar:
        log = loop.train(model, train, valid, recipe, args.monitor_step, args.ndcg_k, args.out,
                         args.resume, communicator, messages.say, messages.note, bar.update)
    rows = write(args, model, train, valid)
    if rows:
        report.warn_if_fallen(log, rows, messages.note)


def learn_exactly(args, train, valid, start):
    """Train --arch pretrained, from a model of this kind if there is one; write the results."""
    from picture_ranknet.learning import rated, report, taste
    from picture_ranknet.models import scoring

    report.warn_of_confounders(args.X_train_npy, train, messages.note)
    scale = args.image_scale or (start.image_scale if start else scoring.ARTICLE_SCALE)
    n_features = train.features.shape[1] if args.features else 0
    model = taste.make(train.X.shape[2:], scale, n_features, messages.note)
    if start:
        taste.check_start(start, args.initmodel, model)
    scoring.warn_if_odd_scale(args.X_train_npy, train.X, scale, messages.note)
    with messages.progress(len(train.X), 'pictures', 'looking') as bar:
        known = (train.X, train.rows, train.ratings[train.rows], train.features,
                 rated.read_groups(args.X_train_npy, len(train.X)), args.seed, start)
        taste.learn(model, *known, bar.update)
    own = None if valid else taste.score_held_out(
        lambda: taste.make(train.X.shape[2:], scale, n_features), *known)
    rows = write(args, model, train, valid, own)
    values = {row.pictures: row.value for row in rows if row.metric == f'NDCG@{args.ndcg_k}'}
    messages.say(f'NDCG@{args.ndcg_k} | ' + ' | '.join(
        f'{name}: {value:.4f}' for name, value in values.items()))


def write(args, model, train, valid, own=None):
    """Score all pictures with the trained model; write scores, model and, as returned, metrics."""
    from picture_ranknet.learning import monitor, report
    from picture_ranknet.machine import ranks
    from picture_ranknet.models import model_file, scoring
    from picture_ranknet.storage import ratings_txt

    with messages.progress(scoring.n_to_score(train.X), 'pictures', 'scoring') as bar:
        scores = monitor.score_pictures(model, train, progress=bar.update)
    held_out = valid and monitor.score_pictures(model, valid, valid.rows)
    if not ranks.is_first():
        return []
    scoring.warn_if_collapsed(scores, messages.note)
    ratings_txt.write_scores(args.output_pred, scores)
    remember(args, model, train, valid, own if held_out is None else held_out)
    model_file.save(args.output_model, model)
    return report.write(args.out, train, valid, scores[train.rows], held_out, args.ndcg_k,
                        messages.note)


def remember(args, model, train, valid, held_out):
    """Let the model say how its pictures were cut, and what it makes of those held out."""
    from picture_ranknet.models import model_file
    from picture_ranknet.storage import picture_set

    preparation = picture_set.read_preparation(args.X_train_npy, len(train.X))
    if held_out is None:
        model_file.remember(model, preparation)
        return
    pictures = valid or train
    is_known = np.isfinite(held_out)
    model_file.remember(model, preparation, held_out[is_known],
                        pictures.ratings[pictures.rows][is_known])


@shared_command
def main(argv=None):
    args = parse_args(argv)
    check_files(args)
    from picture_ranknet.learning import snapshots  # here, so that --help does not wait for Chainer

    with snapshots.keeping_others_out(args.out):
        learn(args)


if __name__ == '__main__':
    main()
