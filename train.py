"""Learn a person's taste from pictures that the person has rated.

A CNN gives each picture one score; RankNet trains it on pairs of random
pictures so that the better rated picture of a pair scores higher.
"""
import os

import numpy as np

import cli
import files


def load_rated(X_path, ratings_path, smallest, image_size=None):
    """Read pictures and their ratings.

    Raises:
        InputError: If a file is not what it should be, the pictures are not
            of ``image_size`` or have a side below ``smallest``, or there are
            not two rated pictures with different ratings.
    """
    X = files.read_pictures(X_path, image_size)
    if min(X.shape[2:]) < smallest:
        raise files.InputError('{}: expected pictures of at least {} x {} pixels, got {} x {}; '
                               'see --size of crop_faces.py'.format(
                                   X_path, smallest, smallest, *X.shape[:1:-1]))
    files.check_finite(X_path, X)
    ratings = files.read_ratings(ratings_path, len(X))
    rows = np.flatnonzero(~np.isnan(ratings))
    cli.note(files.describe(X_path, X))
    if len(rows) < len(X):
        cli.note('{}: {} of {} pictures are not rated (nan) and are skipped'.format(
            ratings_path, len(X) - len(rows), len(X)))
    if len(np.unique(ratings[rows])) < 2:
        raise files.InputError(
            '{}: expected at least two pictures with different ratings, got {} rated alike; '
            'rate more of them'.format(ratings_path, len(rows)))
    return files.RatedPictures(X, ratings, rows)


def hold_out(pictures, ratio, seed):
    """Split rated pictures at random: to train on, and to validate with."""
    rows = np.random.default_rng(seed).permutation(pictures.rows)
    n_valid = max(1, round(ratio * len(rows)))
    train, valid = np.sort(rows[n_valid:]), np.sort(rows[:n_valid])
    for part, purpose in (train, 'to train on'), (valid, 'to validate with'):
        if len(np.unique(pictures.ratings[part])) < 2:
            raise files.InputError(
                '--valid_ratio {}: of {} rated pictures, {} are {}, and no two of them are rated '
                'differently; rate more or choose another ratio'.format(
                    ratio, len(rows), len(part), purpose))
    return pictures._replace(rows=train), pictures._replace(rows=valid)


def build_parser():
    parser = cli.parser('train.py', 'Learn a taste from rated pictures.')
    parser.add_argument('X_train_npy', help='pictures, N x 3 x 80 x 80')
    parser.add_argument('rank_file', help='N ratings, one a line; nan: not rated')
    parser.add_argument('--output_pred', '-op', default='pred.txt',
                        help='scores of the training pictures, one a line')
    parser.add_argument('--output_model', '-om', default='model.pkl', help='the trained model')
    parser.add_argument('--image_scale', type=cli.positive_float, default='1/255',
                        help='what pixel values are multiplied by')
    parser.add_argument('--n_iter', type=cli.positive_int, default=1000, help='training steps')
    parser.add_argument('--monitor_step', type=cli.positive_int, default=100,
                        help='steps between two lines of output')
    parser.add_argument('--ndcg_k', type=cli.positive_int, default=100,
                        help='NDCG counts the first so many positions')
    parser.add_argument('--batchsize', '-b', type=cli.int_from(2, 1000), default=32,
                        help='pictures to a step, which learns from all their pairs; 2 is one '
                             'pair, as in the article')
    validation = parser.add_mutually_exclusive_group()
    validation.add_argument('--valid', nargs=2, metavar=('X_NPY', 'RATINGS'),
                            help='rated pictures to validate with')
    validation.add_argument('--valid_ratio', type=cli.ratio,
                            help='share of the rated pictures to validate with instead')
    parser.add_argument('--seed', type=cli.seed, default=0,
                        help='same seed, same machine: same model')
    cli.add_device_arguments(parser)
    parser.add_argument('--out', '-o', default='result', help='folder for log, plots, snapshot')
    parser.add_argument('--resume', '-r', metavar='SNAPSHOT', help='go on from this snapshot')
    return parser


@cli.command
def main(argv=None):
    args = build_parser().parse_args(argv)
    inputs = [args.X_train_npy, args.rank_file, *(args.valid or []), *filter(None, [args.resume])]
    for path in (args.output_pred, args.output_model):
        files.check_output(path, inputs)
    os.makedirs(args.out, exist_ok=True)

    import model_file  # these here, so that --help does not wait for Chainer
    import net
    import trainer

    device = cli.use_device(args.device, args.threads)
    cli.announce_compilation()
    train = load_rated(args.X_train_npy, args.rank_file, net.SMALLEST)
    image_size = train.X.shape[2:]
    valid = load_rated(*args.valid, net.SMALLEST, image_size) if args.valid else None
    if args.valid_ratio:
        train, valid = hold_out(train, args.valid_ratio, args.seed)
    cli.note_if_odd_scale(train.X, args.image_scale)

    np.random.seed(args.seed)  # of the initial weights
    model = net.RankNet(net.CNN(image_size), image_size, args.image_scale)
    model.to_device(device)
    scores = trainer.run(model, train, valid, args.batchsize, args.n_iter, args.monitor_step,
                         args.ndcg_k, args.seed, args.out, args.resume)
    cli.note_if_collapsed(scores)
    files.write_scores(args.output_pred, scores)
    model_file.save(args.output_model, model)


if __name__ == '__main__':
    main()
