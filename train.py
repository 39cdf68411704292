"""Learn a person's taste from pictures that the person has rated.

A CNN gives each picture one score; RankNet trains it on pairs of random
pictures so that the better rated picture of a pair scores higher.
"""
import contextlib
import os

import numpy as np

from picture_ranknet.console import messages, options
from picture_ranknet.console.command import shared_command
from picture_ranknet.errors import InputError
from picture_ranknet.machine import devices, ranks
from picture_ranknet.models import checks
from picture_ranknet.storage import arrays, atomic, ratings_txt, tables
from picture_ranknet.text import count

ARTICLE_SCALE = 1 / 255


def load_rated(X_path, ratings_path, features_path, smallest, image_size=None, n_features=None):
    """Read pictures, their ratings and, if there is a path, their features.

    Raises:
        InputError: If a file is not what it should be, the pictures are not
            of ``image_size`` or have a side below ``smallest``, there are not
            ``n_features`` numbers for each, or not two rated pictures with
            different ratings.
    """
    X = arrays.read_pictures(X_path, image_size)
    if min(X.shape[2:]) < smallest:
        raise InputError('{}: expected pictures of at least {} x {} pixels, got {} x {}; '
                               'see --size of crop_faces.py'.format(
                                   X_path, smallest, smallest, *X.shape[:1:-1]))
    arrays.check_finite(X_path, X)
    ratings = ratings_txt.read_ratings(ratings_path, len(X))
    rows = np.flatnonzero(~np.isnan(ratings))
    messages.note(arrays.describe(X_path, X))
    if len(rows) < len(X):
        messages.note('{}: {} of {} pictures are not rated (nan) and are skipped'.format(
            ratings_path, len(X) - len(rows), len(X)))
    if len(np.unique(ratings[rows])) < 2:
        raise InputError(
            '{}: expected at least two pictures with different ratings, got {} rated alike; '
            'rate more of them'.format(ratings_path, len(rows)))
    features = arrays.read_features(features_path, len(X), n_features) if features_path else None
    return arrays.RatedPictures(X, ratings, rows, features)


def hold_out(pictures, ratio, seed, groups):
    """Split rated pictures at random: to train on, and to validate with.

    Args:
        pictures (arrays.RatedPictures): All of them.
        ratio (float): Share to validate with.
        seed (int): Of the split.
        groups (list): The group of each picture; no group is split.

    Raises:
        InputError: If one of the parts has nothing to tell apart.
    """
    members = {}
    for row in np.random.default_rng(seed).permutation(pictures.rows):
        members.setdefault(groups[row], []).append(row)
    n_valid = max(1, round(ratio * len(pictures.rows)))
    parts = [], []
    for rows in members.values():
        missing = n_valid - len(parts[1])
        parts[abs(missing - len(rows)) < abs(missing)].extend(rows)
    for part, purpose in zip(parts, ('to train on', 'to validate with')):
        if len(np.unique(pictures.ratings[part])) < 2:
            raise InputError(
                '--valid_ratio {}: of {} rated pictures in {}, {} are {}, and no two of them are '
                'rated differently; rate more or choose another ratio'.format(
                    ratio, len(pictures.rows), count(len(members), 'group'), len(part),
                    purpose))
    if len(members) < len(pictures.rows):
        messages.note('{} held out to validate with: no face that is followed through a scene is on '
                 'both sides'.format(
            count(len(parts[1]), 'picture')))
    train, valid = (pictures._replace(rows=np.sort(part)) for part in parts)
    return train, valid


def read_groups(X_path, n):
    """The group of each of ``n`` pictures: their scene and track, if ``X.csv`` says so.

    Pictures of a group show the same face in the same scene: a network that
    has seen one knows the others.
    """
    table = tables.table_path(X_path)
    if os.path.exists(table):
        columns, rows = tables.read_table(table, n, ['group'])
        if columns:
            return [group or row for row, (group,) in enumerate(rows)]
    return list(range(n))


def add_features(model, train):
    """Let a model that knows no features of pictures learn from those of ``train``."""
    model.predictor.add_features(train.features.shape[1])
    model.predictor.features.standardize_by(train.features[train.rows])
    model.predictor.features.to_device(model.device)


def make_model(arch, train, image_scale, pretrained_path=None):
    """An untrained ranker for such pictures, with a trunk that others have trained if so said."""
    import net
    from picture_ranknet.models import pretrained

    image_size = train.X.shape[2:]
    predictor = net.ARCHITECTURES[arch](image_size)
    if pretrained_path:
        pretrained.load(pretrained_path, predictor)
    return net.RankNet(predictor, image_size, image_scale or ARTICLE_SCALE)


def load_initial(path, arch, image_scale, features_path):
    """A ranker to start from.

    Raises:
        InputError: If it is none, has another architecture than that, or
            wants features and there is no path to them.
    """
    import net
    from picture_ranknet.models import model_file

    model = model_file.load(path)
    if arch and type(model.predictor) is not net.ARCHITECTURES[arch]:
        raise InputError('{}: expected a model of --arch {}, got {}; leave --arch out'.format(
            path, arch, type(model.predictor).__name__))
    checks.check_features(model.predictor.n_features, features_path, path)
    model.image_scale = image_scale or model.image_scale or ARTICLE_SCALE
    return model


def look_at(paths, model, train, valid, recipe, communicator=None):
    """Let a model learn what pictures look like, from those that nobody has rated as well.

    Pictures that are held out to validate with are not looked at.
    """
    from picture_ranknet.learning import pretext

    held_out = valid.rows if valid and valid.X is train.X else []
    sets = [(train.X, np.setdiff1d(np.arange(len(train.X)), held_out))]
    for path in paths:
        X = arrays.read_pictures(path, model.image_size)
        arrays.check_finite(path, X)
        messages.note(arrays.describe(path, X))
        checks.note_if_odd_scale(path, X, model.image_scale, messages.note)
        sets.append((X, np.arange(len(X))))
    task = pretext.Task(model, sets, recipe.seed, recipe.augment, recipe.mirror)
    with messages.progress(pretext.N_ITER, 'steps', 'looking') as bar:
        losses = pretext.learn(model, task, pretext.N_ITER, bar.update, communicator)
    messages.note('what pictures look like: {:.0%} of it learnt from {}'.format(
        1 - np.mean(losses[-50:]), count(int(task.ends[-1]), 'picture')))


@contextlib.contextmanager
def keep_others_out(folder):
    """Make the folder of a run, and let no other run write to it meanwhile.

    Of processes that work together the first does so for all.

    Raises:
        InputError: If another run has it, or nothing can be written to it.
    """
    if not ranks.is_first():
        yield
        return
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, '.lock')
    atomic.check_output(path)
    with open(path, 'ab') as file:
        atomic.lock(file, '{}: another train.py is writing to it; choose another folder with --out'
                   .format(folder))
        yield


def build_parser():
    parser = options.parser('train.py', 'Learn a taste from rated pictures.')
    parser.add_argument('X_train_npy', help='pictures, N x 3 x 80 x 80')
    parser.add_argument('rank_file', help='N ratings, one a line; nan: not rated')
    parser.add_argument('--output_pred', '-op', default='pred.txt',
                        help='scores of the training pictures, one a line')
    parser.add_argument('--output_model', '-om', default='model.pkl', help='the trained model')
    parser.add_argument('--features', metavar='NPY',
                        help='numbers that are known of each picture, N x D')
    parser.add_argument('--out', '-o', default='result', help='folder for log, plots, snapshot')

    learning = parser.add_argument_group('how to learn')
    learning.add_argument('--arch', choices=['cnn', 'deep', 'resnet50', 'vgg16'],
                          help="the network; unless said, cnn, the article's")
    learning.add_argument('--image_scale', type=options.positive_float,
                          help='what pixel values are multiplied by (default: 1/255, or as in '
                               '--initmodel)')
    learning.add_argument('--n_iter', type=options.positive_int, default=1000, help='training steps')
    learning.add_argument('--batchsize', '-b', type=options.int_from(2, 1000), default=32,
                          help='pictures to a step, which learns from all their pairs; 2 is one '
                               'pair, as in the article')
    learning.add_argument('--loss', choices=['ranknet', 'magnitude'], default='ranknet',
                          help="the article's, or one that learns how far apart pictures are as "
                               'well: for many ratings in fine steps')
    learning.add_argument('--schedule', choices=['linear', 'constant'], default='linear',
                          help='whether the learning rate falls to 0')
    learning.add_argument('--augment', type=options.strength, default='1', metavar='STRENGTH',
                          help='how much pictures are varied; 0: not at all')
    learning.add_argument('--no_mirror', action='store_true', help='do not mirror pictures')
    learning.add_argument('--seed', type=options.seed, default=0,
                          help='same seed, same machine: same model')
    options.add_device_arguments(learning)
    learning.add_argument('--communicator', default='naive',
                          choices=['naive', 'flat', 'non_cuda_aware', 'pure_nccl'],
                          help="ChainerMN's, by which the processes of mpiexec exchange gradients; "
                               'naive is for the CPU')

    start = parser.add_argument_group('what to start from').add_mutually_exclusive_group()
    start.add_argument('--initmodel', metavar='MODEL',
                       help="a model of train.py: another person's, another series'")
    start.add_argument('--unrated', metavar='NPY', nargs='+',
                       help='more pictures of the kind, to learn from what they look like first')
    start.add_argument('--pretrained', metavar='WEIGHTS',
                       help='a .npz of Chainer or .caffemodel, for --arch resnet50 or vgg16')
    parser.add_argument('--freeze', action='store_true',
                        help='with one of these: train the last two layers only')
    parser.add_argument('--resume', '-r', metavar='SNAPSHOT', help='go on from this snapshot')

    validation = parser.add_argument_group('what to see')
    validation.add_argument('--monitor_step', type=options.positive_int, default=100,
                            help='steps between two lines of output')
    validation.add_argument('--ndcg_k', type=options.positive_int, default=100,
                            help='NDCG counts the first so many positions')
    validation.add_argument('--valid_features', metavar='NPY', help='features of --valid')
    validation.add_argument('--patience', type=options.positive_int, metavar='LINES',
                            help='stop when so many lines of output were no better')
    held_out = validation.add_mutually_exclusive_group()
    held_out.add_argument('--valid', nargs=2, metavar=('X_NPY', 'RATINGS'),
                          help='rated pictures to validate with')
    held_out.add_argument('--valid_ratio', type=options.ratio,
                          help='share of the rated pictures to validate with instead')
    return parser


def parse_args(argv):
    """Options that go together."""
    parser = build_parser()
    args = parser.parse_args(argv)
    brings_weights = args.arch in ('resnet50', 'vgg16')
    for is_wrong, message in (
            (args.pretrained and not brings_weights,
             '--pretrained: is for --arch resnet50 or vgg16'),
            (brings_weights and not (args.pretrained or args.initmodel),
             '--arch {}: needs weights that others have trained; say --pretrained'.format(
                 args.arch)),
            (args.freeze and not (args.pretrained or args.initmodel or args.unrated),
             '--freeze: nothing is trained yet; say --initmodel, --unrated or --pretrained'),
            (args.patience and not (args.valid or args.valid_ratio),
             '--patience: needs --valid or --valid_ratio'),
            (bool(args.valid_features) != bool(args.valid and args.features),
             '--valid_features: goes with --valid and --features')):
        if is_wrong:
            parser.error(message)
    return args


def load_sets(args, model):
    """The rated pictures to train on, and to validate with: ``None`` if there are none."""
    import net

    train = load_rated(args.X_train_npy, args.rank_file, args.features, net.SMALLEST,
                       model and model.image_size, model and model.predictor.n_features)
    if args.valid_ratio:
        groups = read_groups(args.X_train_npy, len(train.X))
        return hold_out(train, args.valid_ratio, args.seed, groups)
    if not args.valid:
        return train, None
    return train, load_rated(*args.valid, args.valid_features, net.SMALLEST, train.X.shape[2:],
                             args.features and train.features.shape[1])


def learn(args):
    """Train a model as the options say, and write what comes of it."""
    from picture_ranknet.learning import parallel, report, trainer
    from picture_ranknet.models import (
        model_file,  # these here, so that --help does not wait for Chainer
    )

    device = devices.use_device(args.device, args.threads, messages.note)
    communicator = parallel.connect(args.communicator, device)
    devices.announce_compilation(messages.note)
    np.random.seed(args.seed)  # of the initial weights
    model = None
    if args.initmodel:
        model = load_initial(args.initmodel, args.arch, args.image_scale, args.features)
    train, valid = load_sets(args, model)
    model = model or make_model(args.arch or 'cnn', train, args.image_scale, args.pretrained)
    model.to_device(device)
    checks.note_if_odd_scale(args.X_train_npy, train.X, model.image_scale, messages.note)
    if args.valid:
        checks.note_if_odd_scale(args.valid[0], valid.X, model.image_scale, messages.note)

    recipe = trainer.Recipe(args.n_iter, args.batchsize, args.loss, args.schedule, args.augment,
                            not args.no_mirror, args.freeze, args.patience, args.seed)
    report.warn_of_confounders(args.X_train_npy, train)
    if args.unrated and (args.freeze or not args.resume):  # else it is in the snapshot
        look_at(args.unrated, model, train, valid, recipe, communicator)
    if args.features and not model.predictor.n_features:
        add_features(model, train)
    log = trainer.run(model, train, valid, recipe, args.monitor_step, args.ndcg_k, args.out,
                      args.resume, communicator)
    with messages.progress(len(train.X) // ranks.size(), 'pictures', 'scoring') as bar:
        scores = trainer.score_pictures(model, train, progress=bar.update)
    held_out = valid and trainer.score_pictures(model, valid, valid.rows)
    if not ranks.is_first():
        return
    checks.note_if_collapsed(scores, messages.note)
    ratings_txt.write_scores(args.output_pred, scores)
    model_file.save(args.output_model, model)
    rows = report.write(args.out, train, valid, scores[train.rows], held_out, args.ndcg_k)
    report.warn_if_fallen(log, rows)


@shared_command
def main(argv=None):
    args = parse_args(argv)
    inputs = [args.X_train_npy, tables.table_path(args.X_train_npy), args.rank_file,
              *(args.valid or []), *(args.unrated or []), *filter(None, [
                  args.resume, args.features, args.valid_features, args.initmodel,
                  args.pretrained])]
    for path in (args.output_pred, args.output_model):
        atomic.check_output(path, inputs)
    with keep_others_out(args.out):
        learn(args)


if __name__ == '__main__':
    main()
