"""Score and rank pictures that nobody has rated yet, with a trained model."""
import os

import numpy as np

import metrics
from picture_ranknet.console import messages, options
from picture_ranknet.console.command import shared_command
from picture_ranknet.errors import InputError
from picture_ranknet.machine import devices, ranks
from picture_ranknet.models import checks
from picture_ranknet.storage import arrays, atomic, ratings_txt, tables

ARTICLE_SCALE = 1 / 255


def settle_scale(model, image_scale, model_path):
    """Give the model the scale that it was trained with, or that the user says."""
    if image_scale is not None:
        model.image_scale = image_scale
    elif model.image_scale is None:
        model.image_scale = ARTICLE_SCALE
        messages.note("{} does not say how its pictures were scaled; taking the article's 1/255, "
                 'see --image_scale'.format(model_path))


def load_model(path, args, device):
    """Load a trained model that is ready to score."""
    from picture_ranknet.models import model_file  # here, so that --help does not wait for Chainer

    model = model_file.load(path)
    settle_scale(model, args.image_scale, path)
    checks.check_features(model.predictor.n_features, args.features, path)
    model.to_device(device)
    return model


def read_pictures(path, models):
    """Read the pictures, all of the size that each model wants."""
    for model in models:
        X = arrays.read_pictures(path, model.image_size)
        checks.note_if_odd_scale(path, X, model.image_scale, messages.note)
    return X


def read_features(path, n, models, model_path):
    """Read the features of ``n`` pictures, as many of each as the models want.

    Raises:
        InputError: If there are others, or none of the models wants any.
    """
    wanted = [model.predictor.n_features for model in models if model.predictor.n_features]
    if path and not wanted:
        raise InputError('{}: was trained without features; leave --features out'.format(
            model_path))
    for n_features in wanted:
        features = arrays.read_features(path, n, n_features)
    return features if wanted else None


def score_pictures(ensemble, X, X_path, features, batchsize, mirror):
    """Score all pictures, on all processes, with a progress bar on a terminal.

    Raises:
        InputError: If a score is not finite, because a picture is not.
    """
    total = len(X) * len(ensemble.models) // ranks.size()
    with messages.progress(total, 'pictures') as bar:
        def progress(n):
            bar.update(n)
            arrays.release(X)

        scores = ensemble.score(X, features, batchsize, progress, mirror, is_shared=True)
    finite = np.isfinite(scores)
    if not finite.all():
        raise InputError('{}, row {} (from 0): expected finite pixel values, its score is {};'
                               ' mend or remove that picture'.format(
                                   X_path, finite.argmin(), scores[finite.argmin()]))
    return scores


def print_agreement(ratings, scores, k):
    """Print how well the scores agree with the person's own ratings."""
    rated = ~np.isnan(ratings)
    ratings, scores = ratings[rated], scores[rated]
    print('NDCG@{}: {:.4f} | pair accuracy: {:.4f} | Kendall tau: {:.4f}'.format(
        k, metrics.ndcg(ratings, scores, k), metrics.pair_accuracy(ratings, scores),
        metrics.kendall_tau(ratings, scores)))


def read_ratings(path, n):
    """Read the person's own ratings of the pictures, of which one must be rated."""
    ratings = ratings_txt.read_ratings(path, n)
    if np.isnan(ratings).all():
        raise InputError('{}: expected at least one rating to compare with, got none; '
                               'rate some of the pictures'.format(path))
    return ratings


def read_sources(X_path, n):
    """Columns and rows of the table beside the pictures; none if there is no table."""
    table = tables.table_path(X_path)
    return tables.read_table(table, n) if os.path.exists(table) else ([], [[]] * n)


def write_ranking(path, scores, columns, rows):
    """Write a table of the pictures, best first, with what is known of them."""
    kept = [c for c, column in enumerate(columns) if column not in ('rank', 'score', 'row')]
    tables.write_table(
        path, ['rank', 'score', 'row'] + [columns[c] for c in kept],
        ([position, scores[row], row] + [rows[row][c] for c in kept]
         for position, row in enumerate(metrics.rank(scores), 1)))


def draw_strip(path, X, scores, ratings, n):
    """Draw the ``n`` best pictures, under the person's own order if known."""
    from picture_ranknet.pictures import (
        plots,  # here, so that who draws nothing does not wait for it
    )

    rated = np.arange(len(X)) if ratings is None else np.flatnonzero(~np.isnan(ratings))
    plots.draw_ranking(path, X, rated, scores, ratings, n)


def draw_explanations(path, ensemble, X, features, scores, n, mirror):
    """Draw the ``n`` best pictures with what raised their scores."""
    from picture_ranknet.models import explain
    from picture_ranknet.pictures import plots

    order = metrics.rank(scores)[:n]
    with messages.progress(len(order), 'pictures', 'explaining') as bar:
        maps = []
        for row in order:
            known = None if features is None else features[row]
            maps.append(explain.occlude(ensemble, X[row], known, mirror))
            bar.update()
    plots.draw_explanations(path, X, order, scores, maps)


def build_parser():
    parser = options.parser('predict.py', 'Score and rank pictures with a trained model.')
    parser.add_argument('model_pkl', help='a model made by train.py')
    parser.add_argument('X_test_npy', help='pictures, N x 3 x 80 x 80')
    parser.add_argument('--output', '-o', default='pred.txt',
                        help='scores of the pictures, one a line, in input order')
    parser.add_argument('--features', metavar='NPY',
                        help='numbers that are known of each picture, N x D, for a model that '
                             'was trained with such')
    parser.add_argument('--image_scale', type=options.positive_float,
                        help='what pixel values are multiplied by; the model knows, unless the '
                             "article's own script made it")
    parser.add_argument('--mirror', action='store_true',
                        help='score each picture and its mirror image, and take the mean')
    parser.add_argument('--ensemble', metavar='PKL', nargs='+', default=[],
                        help='score with these models too, and take the mean')
    parser.add_argument('--strip', metavar='PNG', type=options.file_ending('.png'),
                        help='draw the pictures from best to worst')
    parser.add_argument('--strip_n', type=options.positive_int, default=200,
                        help='draw only so many, the best')
    parser.add_argument('--explain', metavar='PNG', type=options.file_ending('.png'),
                        help='draw what in the best pictures raised their scores')
    parser.add_argument('--explain_n', type=options.positive_int, default=12,
                        help='explain so many')
    parser.add_argument('--csv', metavar='CSV', type=options.file_ending('.csv'),
                        help='table of rank, score, row and source')
    parser.add_argument('--ratings', metavar='TXT',
                        help='your own ratings of these pictures, to compare with')
    parser.add_argument('--ndcg_k', type=options.positive_int, default=100,
                        help='NDCG counts the first so many positions')
    parser.add_argument('--batchsize', '-b', type=options.positive_int, default=64,
                        help='pictures to a forward pass')
    options.add_device_arguments(parser)
    return parser


@shared_command
def main(argv=None):
    args = build_parser().parse_args(argv)
    inputs = [args.model_pkl, *args.ensemble, args.X_test_npy, tables.table_path(args.X_test_npy),
              *filter(None, [args.ratings, args.features])]
    for path in filter(None, (args.output, args.strip, args.explain, args.csv)):
        atomic.check_output(path, inputs)
    import net  # here, so that --help does not wait for Chainer

    device = devices.use_device(args.device, args.threads, messages.note)
    devices.announce_compilation(messages.note)
    models = [load_model(path, args, device) for path in (args.model_pkl, *args.ensemble)]
    X = read_pictures(args.X_test_npy, models)
    features = read_features(args.features, len(X), models, args.model_pkl)
    ratings = read_ratings(args.ratings, len(X)) if args.ratings else None
    sources = read_sources(args.X_test_npy, len(X)) if args.csv else None

    ensemble = net.Ensemble(models)
    scores = score_pictures(ensemble, X, args.X_test_npy, features, args.batchsize, args.mirror)
    if not ranks.is_first():
        return
    checks.note_if_collapsed(scores, messages.note)
    ratings_txt.write_scores(args.output, scores)
    if args.csv:
        write_ranking(args.csv, scores, *sources)
    if ratings is not None:
        print_agreement(ratings, scores, args.ndcg_k)
    if args.strip:
        draw_strip(args.strip, X, scores, ratings, args.strip_n)
    if args.explain:
        draw_explanations(args.explain, ensemble, X, features, scores, args.explain_n, args.mirror)


if __name__ == '__main__':
    main()
