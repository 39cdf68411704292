"""Score and rank pictures that nobody has rated yet, with a trained model."""
import os

import numpy as np

import metrics
from picture_ranknet.console import messages, options
from picture_ranknet.console.command import shared_command
from picture_ranknet.errors import InputError
from picture_ranknet.machine.opencv import check_opencv
from picture_ranknet.storage import arrays, atomic, ratings_txt, tables


def build_parser():
    parser = options.parser('predict.py', 'Score and rank pictures with a trained model.')
    parser.add_argument('model_pkl', help='a model made by train.py')
    parser.add_argument('X_test_npy', help='pictures, N x 3 x H x W')
    parser.add_argument('--output', '-o', metavar='TXT', default='pred.txt',
                        help='scores of the pictures, one a line, in input order')
    parser.add_argument('--features', metavar='NPY',
                        help='further numbers about each picture, N x D, for a model trained '
                             'with them')
    parser.add_argument('--image_scale', metavar='FACTOR', type=options.positive_float,
                        help='what pixel values are multiplied by (default: as in training; 1/255 '
                             "for models of the article's own script)")
    parser.add_argument('--mirror', action='store_true',
                        help='score each picture and its mirror image, and take the mean')
    parser.add_argument('--ensemble', metavar='PKL', nargs='+', default=[],
                        help='further models; scores are the mean of all')
    parser.add_argument('--strip', metavar='PNG', type=options.file_ending('.png'),
                        help='draw the pictures from best to worst')
    parser.add_argument('--strip_n', metavar='N', type=options.positive_int, default=200,
                        help='draw only the N best')
    parser.add_argument('--explain', metavar='PNG', type=options.file_ending('.png'),
                        help='draw which parts of the best pictures raised their scores')
    parser.add_argument('--explain_n', metavar='N', type=options.positive_int, default=12,
                        help='explain the N best')
    parser.add_argument('--csv', metavar='CSV', type=options.file_ending('.csv'),
                        help='table of rank, score, row and source')
    parser.add_argument('--ratings', metavar='TXT',
                        help='your own ratings of these pictures, to compare with')
    parser.add_argument('--ndcg_k', metavar='K', type=options.positive_int, default=100,
                        help='NDCG counts the first K positions')
    parser.add_argument('--batchsize', '-b', metavar='N', type=options.positive_int, default=64,
                        help='pictures in a forward pass')
    options.add_device_arguments(parser)
    return parser


def load_models(args, X, device):
    """The trained models, on the device, checked against pictures and options."""
    from picture_ranknet.models import scoring  # here, so that --help does not wait for Chainer

    models = []
    for path in args.model_pkl, *args.ensemble:
        model = scoring.load(path, args.image_scale, messages.note)
        scoring.check_image_size(model, path, X)
        scoring.check_features(model, path, args.features)
        scoring.warn_if_odd_scale(args.X_test_npy, X, model.image_scale, messages.note)
        model.to_device(device)
        models.append(model)
    return models


def read_features(path, n, models, model_path):
    """The features of ``n`` pictures, as many of each as the models need; or ``None``."""
    needed = [model.predictor.n_features for model in models if model.predictor.n_features]
    if path and not needed:
        raise InputError(f'{model_path}: was trained without features; leave --features out')
    features = [arrays.read_features(path, n, n_features) for n_features in needed]
    return features[0] if features else None


def read_ratings(path, n):
    """The person's own ratings of the pictures, at least one."""
    ratings = ratings_txt.read_ratings(path, n)
    if np.isnan(ratings).all():
        raise InputError(f'{path}: expected at least one rating to compare with, got none; rate '
                         'some of the pictures')
    return ratings


def read_sources(X_path, n):
    """Columns and rows of the table beside the pictures; none if there is no table."""
    table = tables.table_path(X_path)
    return tables.read_table(table, n) if os.path.exists(table) else ([], [[]] * n)


def write_ranking(path, scores, columns, rows):
    """Write a table of the pictures, best first, with the columns of their own table."""
    kept = [c for c, column in enumerate(columns) if column not in ('rank', 'score', 'row')]
    tables.write_table(
        path, ['rank', 'score', 'row', *(columns[c] for c in kept)],
        ([position, scores[row], row, *(rows[row][c] for c in kept)]
         for position, row in enumerate(metrics.rank(scores), 1)))


def print_agreement(ratings, scores, k):
    """Print how well the scores agree with the person's own ratings."""
    rated = ~np.isnan(ratings)
    ratings, scores = ratings[rated], scores[rated]
    print(f'NDCG@{k}: {metrics.ndcg(ratings, scores, k):.4f}'
          f' | pair accuracy: {metrics.pair_accuracy(ratings, scores):.4f}'
          f' | Kendall tau: {metrics.kendall_tau(ratings, scores):.4f}')


def draw_explanations(args, ensemble, X, features, scores):
    """Draw the best pictures with what raised their scores."""
    from picture_ranknet.models import explain
    from picture_ranknet.pictures import plots

    best = metrics.rank(scores)[:args.explain_n]
    with messages.progress(len(best), 'pictures', 'explaining') as bar:
        maps = explain.occlude_rows(ensemble, X, best, features, args.mirror, bar.update)
    plots.draw_explanations(args.explain, X, best, scores, maps)


@shared_command
def main(argv=None):
    args = build_parser().parse_args(argv)
    atomic.check_outputs(
        {'--output': args.output, '--strip': args.strip, '--explain': args.explain,
         '--csv': args.csv},
        {'model_pkl': args.model_pkl, '--ensemble': args.ensemble, '--ratings': args.ratings,
         'X_test_npy': [args.X_test_npy, tables.table_path(args.X_test_npy)],
         '--features': args.features})
    if args.explain:
        check_opencv()
    from picture_ranknet.machine import devices, ranks
    from picture_ranknet.models import scoring

    device = devices.use_device(args.device, args.threads, messages.note)
    devices.announce_compilation(messages.note)
    X = arrays.read_pictures(args.X_test_npy)
    models = load_models(args, X, device)
    features = read_features(args.features, len(X), models, args.model_pkl)
    ratings = read_ratings(args.ratings, len(X)) if args.ratings else None
    sources = read_sources(args.X_test_npy, len(X)) if args.csv else None

    ensemble = scoring.Ensemble(models)
    with messages.progress(scoring.n_to_score(X, len(models)), 'pictures') as bar:
        scores = scoring.score_set(ensemble, X, args.X_test_npy, features, args.batchsize,
                                   args.mirror, bar.update)
    if not ranks.is_first():
        return
    scoring.warn_if_collapsed(scores, messages.note)
    ratings_txt.write_scores(args.output, scores)
    if args.csv:
        write_ranking(args.csv, scores, *sources)
    if ratings is not None:
        print_agreement(ratings, scores, args.ndcg_k)
    if args.strip:
        from picture_ranknet.pictures import plots
        rated = np.arange(len(X)) if ratings is None else np.flatnonzero(~np.isnan(ratings))
        plots.draw_ranking(args.strip, X, rated, scores, ratings, args.strip_n)
    if args.explain:
        draw_explanations(args, ensemble, X, features, scores)


if __name__ == '__main__':
    main()
