"""Score and rank pictures that nobody has rated yet, with a trained model.

They are those of an ``X.npy``, or pictures, videos and folders, which are
prepared as the model's own were (:mod:`picture_ranknet.ranking.library`).
"""
import argparse
import os
import time

from picture_ranknet.console import messages, options
from picture_ranknet.console.command import shared_command
from picture_ranknet.errors import InputError
from picture_ranknet.machine.opencv import check_opencv
from picture_ranknet.storage import atomic, tables
from picture_ranknet.text import count


def build_parser():
    parser = options.parser(
        'predict.py', 'Score and rank pictures with a trained model: those of an X.npy, or '
                      'pictures, videos and folders of them.')
    parser.add_argument('model_pkl', help='a model made by train.py')
    parser.add_argument('pictures', nargs='+',
                        help='one X.npy, N x 3 x H x W; or pictures, videos and folders, which '
                             'are prepared as the pictures that the model was trained on')
    parser.add_argument('--output', '-o', metavar='TXT', default='pred.txt',
                        help='scores, one a line: of the pictures in the order of X.npy, or of the '
                             'files as listed, each that of its best face, nan where there is none')
    parser.add_argument('--csv', metavar='CSV', type=options.file_ending('.csv'),
                        help='table of rank, score and source, best first (default for files: '
                             'beside --output)')
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
    parser.add_argument('--batchsize', '-b', metavar='N', type=options.positive_int, default=64,
                        help='pictures in a forward pass')
    options.add_device_arguments(parser)
    add_file_arguments(parser)

    group = parser.add_argument_group('look')
    group.add_argument('--strip', metavar='PNG', type=options.file_ending('.png'),
                       help='draw the pictures from best to worst')
    group.add_argument('--strip_n', metavar='N', type=options.positive_int, default=200,
                       help='draw only the N best')
    group.add_argument('--explain', metavar='PNG', type=options.file_ending('.png'),
                       help='draw which parts of the best pictures raised their scores')
    group.add_argument('--explain_n', metavar='N', type=options.positive_int, default=12,
                       help='explain the N best')
    group.add_argument('--ratings', metavar='TXT',
                       help='your own ratings of the pictures of X.npy, to compare with')
    group.add_argument('--ndcg_k', metavar='K', type=options.positive_int, default=100,
                       help='NDCG counts the first K positions')
    return parser


def add_file_arguments(parser):
    prepared = parser.add_argument_group(
        'pictures, videos and folders', 'Only needed if the model does not say it.')
    cut = prepared.add_mutually_exclusive_group()
    cut.add_argument('--whole', action='store_true',
                     help='the model knows whole pictures (--no_faces of crop_faces.py)')
    cut.add_argument('--margin', type=options.natural_float, metavar='M',
                     help='the model knows faces with this margin')

    done = parser.add_argument_group('do something with the files')
    done.add_argument('--gallery', metavar='DIR',
                      help='a page with all pictures, best first: DIR/index.html')
    done.add_argument('--keep', type=options.ratio, metavar='SHARE',
                      help='say from which score on this share would be rated 4 or better, such '
                           'as 0.8')
    done.add_argument('--xmp', action='store_true',
                      help="write stars into sidecars, name.jpg.xmp, beside the files; a person's "
                           'own stars stay')
    done.add_argument('--sort_into', metavar='DIR',
                      help='link the files into a new folder, by stars: 1-star to 5-star')
    way = done.add_mutually_exclusive_group()
    way.add_argument('--copy', dest='way', action='store_const', const='copy', default='link',
                     help='copy them instead')
    way.add_argument('--move', dest='way', action='store_const', const='move',
                     help='move them instead; see --undo_move')
    done.add_argument('--by_rank', action='store_true',
                      help='all in one folder instead, as 0001_name.jpg')
    done.add_argument('--undo_move', metavar='DIR', action=UndoMove,
                      help='put back what --move has moved into DIR; goes alone')


class UndoMove(argparse.Action):

    """Like ``--help``, it does its work and ends the command."""

    def __call__(self, parser, namespace, folder, option_string=None):
        from picture_ranknet.storage import sorting

        n = sorting.undo_move(folder)
        print(f'{count(n, "file")} moved back')
        parser.exit()


def is_set(path):
    """Whether a path is read as an X.npy: by its name, or because it is nothing else."""
    from picture_ranknet.pictures.sources import is_wanted

    return path.lower().endswith('.npy') or (
        os.path.exists(path) and not os.path.isdir(path) and not is_wanted(path))


def parse_args(argv):
    """Parse the options, and check those that go together."""
    parser = build_parser()
    args = parser.parse_args(argv)
    args.is_set = len(args.pictures) == 1 and is_set(args.pictures[0])
    if args.is_set and (args.whole or args.margin is not None):
        parser.error('--whole and --margin: go with pictures, videos and folders, not with an '
                     'X.npy')
    for name in () if args.is_set else ('features', 'ratings', 'strip', 'explain'):
        if getattr(args, name):
            parser.error(f'--{name}: goes with an X.npy')
    if args.gallery and args.sort_into and (
            os.path.abspath(args.gallery) == os.path.abspath(args.sort_into)):
        parser.error('--gallery and --sort_into: need a folder each')
    if not args.sort_into and (args.by_rank or args.way != 'link'):
        parser.error('--by_rank, --copy and --move: go with --sort_into')
    return args


def draw_explanations(args, ensemble, X, features, scores):
    """Draw the best pictures with what raised their scores."""
    import metrics
    from picture_ranknet.models import explain
    from picture_ranknet.pictures import explanations

    best = metrics.rank(scores)[:args.explain_n]
    with messages.progress(len(best), 'pictures', 'explaining') as bar:
        maps = explain.occlude_rows(ensemble, X, best, features, args.mirror, bar.update)
    explanations.draw_explanations(args.explain, X, best, scores, maps)


def check_folders(args):
    """Refuse folders that hold something else, before anything is read."""
    from picture_ranknet.pictures import gallery
    from picture_ranknet.storage import sorting

    if args.gallery:
        gallery.check_folder(args.gallery)
    if args.sort_into:
        sorting.check_folder(args.sort_into)
    places = {'model_pkl': args.model_pkl, 'pictures': args.pictures, '--output': args.output,
              **{f'--{name}': getattr(args, name) for name in (
                  'csv', 'strip', 'explain', 'ensemble', 'features', 'ratings')}}
    atomic.check_outside('--gallery', args.gallery, {**places, '--sort_into': args.sort_into})
    atomic.check_outside('--sort_into', args.sort_into, {**places, '--gallery': args.gallery})


def rank_set(args, device):
    """Score the pictures of an X.npy; write what the options say."""
    import numpy as np  # these here, so that --help does not wait for them

    from picture_ranknet.machine import ranks
    from picture_ranknet.models import scoring
    from picture_ranknet.ranking import items, marks, sets
    from picture_ranknet.ranking.models import load_models
    from picture_ranknet.storage import arrays, ratings_txt

    X_path = args.pictures[0]
    X = arrays.read_pictures(X_path)
    models = load_models([args.model_pkl, *args.ensemble], device, args.image_scale, args.features,
                         X_path, X, messages.note)
    features = sets.read_features(args.features, len(X), models, args.model_pkl)
    ratings = sets.read_ratings(args.ratings, len(X)) if args.ratings else None
    sources = sets.read_sources(X_path, len(X)) if args.csv else None
    scale = find_scale(args, models[0])

    ensemble = scoring.Ensemble(models)
    with messages.progress(scoring.n_to_score(X, len(models)), 'pictures') as bar:
        scores = scoring.score_set(ensemble, X, X_path, features, args.batchsize,
                                   args.mirror, bar.update)
    if not ranks.is_first():
        return
    scoring.warn_if_collapsed(scores, messages.note)
    ratings_txt.write_scores(args.output, scores)
    threshold = find_threshold(args, scale, scores)
    if args.csv:
        sets.write_ranking(args.csv, scores, *sources, marks.marks(scale, threshold, scores))
    if ratings is not None:
        print(sets.describe_agreement(ratings, scores, args.ndcg_k))
    if args.strip:
        from picture_ranknet.pictures import strips
        rated = np.arange(len(X)) if ratings is None else np.flatnonzero(~np.isnan(ratings))
        strips.draw_ranking(args.strip, X, rated, scores, ratings, args.strip_n)
    if args.explain:
        draw_explanations(args, ensemble, X, features, scores)
    if args.gallery or args.sort_into or args.xmp:
        ranked = items.of_set(X_path, scores)
        if not ranked:
            raise InputError(f'{X_path}: --gallery, --sort_into and --xmp need the files that the '
                             'pictures were cut from; its table names none that is there')
        use(args, ranked, X, scale)


def rank_files(args, device):
    """Score pictures, videos and folders; write what the options say."""
    import numpy as np  # these here, so that --help does not wait for them

    from picture_ranknet.machine import ranks
    from picture_ranknet.models import scoring
    from picture_ranknet.pictures.sources import find_sources
    from picture_ranknet.ranking import items, library, marks
    from picture_ranknet.ranking.files import score_files
    from picture_ranknet.ranking.models import load_models
    from picture_ranknet.storage import ratings_txt

    if ranks.size() > 1:
        raise InputError('predict.py: prepares files with all cores of one process; leave out '
                         'mpiexec')
    check_opencv()
    start = time.monotonic()
    root = os.path.splitext(args.output)[0]
    csv, folder = args.csv or root + '.csv', root + '.library'
    if not args.csv and os.path.exists(root + '.npy'):
        raise InputError(f'{csv}: would be overwritten, but is the table of {root}.npy; choose '
                         'another --output')
    models = load_models([args.model_pkl, *args.ensemble], device, args.image_scale,
                         note=messages.note)
    scale = find_scale(args, models[0])
    preparation = library.preparation_of(models[0].preparation, args.whole, args.margin,
                                         args.model_pkl)
    listed, n_others = find_sources(args.pictures, leave_out=[
        folder, args.gallery, args.sort_into, args.output, csv, args.model_pkl, *args.ensemble])
    paths = list({os.path.abspath(path): path for path in listed}.values())
    atomic.check_outputs({'--output': args.output, '--csv': csv}, {'pictures': paths})
    with messages.progress(len(paths), 'files', 'preparing') as preparing, \
            messages.progress(len(paths), 'pictures', 'scoring') as scored:
        ranked = score_files(
            paths, models, folder, preparation, batchsize=args.batchsize, mirror=args.mirror,
            note=messages.note, preparing=messages.follow(preparing),
            scored=messages.follow(scored))
    scores = [item.score for item in ranked.items]
    scoring.warn_if_collapsed(np.array(scores), messages.note)
    ratings_txt.write_scores(args.output, ranked.scores)
    threshold = find_threshold(args, scale, ranked.scores[np.isfinite(ranked.scores)])
    items.write_table(csv, ranked.items, marks.marks(scale, threshold, scores))
    if n_others:
        messages.note(f'{count(n_others, "file")} skipped: neither pictures nor videos')
    noun = 'face' if preparation.kind == 'face' else 'picture'
    print(f'{count(len(scores), noun)} in {count(len(paths), "file")}, {ranked.files.n_new:,} of '
          f'them new, in {time.monotonic() - start:.0f} s -> {args.output}, {csv}')
    if ranked.missing:
        print(f'no score (nan): {ranked.missing}')
    use(args, ranked.items, ranked.X, scale)


def find_scale(args, model):
    """The person's scale, where the model has one; none for the mean of several models."""
    from picture_ranknet.ranking import marks

    scale = None if args.ensemble else marks.scale_of(model)
    if args.ensemble and (args.keep or args.xmp or args.sort_into and not args.by_rank):
        raise InputError('--ensemble: the mean of several models has no stars; leave out --keep '
                         'and --xmp, and sort --by_rank')
    for option, is_needed in {'--keep': args.keep, '--xmp': args.xmp, '--sort_into without '
                              '--by_rank': args.sort_into and not args.by_rank}.items():
        if is_needed:
            marks.check_scale(scale, args.model_pkl, option)
    return scale


def find_threshold(args, scale, scores):
    """The score from which on --keep keeps; prints what it means."""
    from picture_ranknet.ranking import marks

    if not args.keep:
        return None
    threshold = scale.keep(args.keep)
    print(marks.describe_keep(scale, args.keep, threshold, scores))
    return threshold


def use(args, ranked, X, scale):
    """Do with ranked files what the options say: sidecars, folders, a gallery."""
    from picture_ranknet.ranking import results

    if args.gallery:
        with messages.progress(len(ranked), 'thumbnails') as bar:
            thumbnails = results.thumbnails_of(ranked, bar.update)
    if args.xmp:
        n_written, n_rated, n_failed = results.write_sidecars(ranked, scale, messages.note)
        print(f'{count(n_written, "sidecar")} written'
              + (f', {n_rated:,} rated by a person left as they are' if n_rated else '')
              + (f', {n_failed:,} failed' if n_failed else ''))
    moved = {}
    if args.sort_into:
        moved = results.sort_files(args.sort_into, ranked, scale, args.way, args.by_rank)
        print(f'{count(sum(item.is_best for item in ranked), "file")} -> {args.sort_into}')
    if args.gallery:
        title = f'{count(len(ranked), "picture")} by {os.path.basename(args.model_pkl)}'
        results.write_gallery(args.gallery, ranked, thumbnails, X, scale, title, moved)
        print(f'gallery: {os.path.join(args.gallery, "index.html")}')


@shared_command
def main(argv=None):
    args = parse_args(argv)
    inputs = {'model_pkl': args.model_pkl, '--ensemble': args.ensemble,
              '--ratings': args.ratings, '--features': args.features}
    if args.is_set:
        inputs['pictures'] = [args.pictures[0], tables.table_path(args.pictures[0])]
    atomic.check_outputs(
        {'--output': args.output, '--strip': args.strip, '--explain': args.explain,
         '--csv': args.csv}, inputs)
    check_folders(args)
    if args.explain:
        check_opencv()
    from picture_ranknet.machine import devices

    device = devices.use_device(args.device, args.threads, messages.note)
    devices.announce_compilation(messages.note)
    (rank_set if args.is_set else rank_files)(args, device)


if __name__ == '__main__':
    main()
