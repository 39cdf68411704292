"""Score and rank pictures that nobody has rated yet, with a trained model.

They are those of an ``X.npy``, or pictures, videos and folders, which are
prepared as the model's own were (:mod:`picture_ranknet.ranking.library`).
"""
import argparse
import os
import time

from picture_ranknet.console import messages, options
from picture_ranknet.console.command import shared_command
from picture_ranknet.machine.opencv import check_opencv
from picture_ranknet.ranking import is_set
from picture_ranknet.storage import atomic, tables
from picture_ranknet.text import count


def build_parser():
    parser = options.parser(
        'predict.py', 'Score and rank pictures with a trained model: those of an X.npy, or '
                      'pictures, videos and folders of them.')
    add = parser.add_argument
    add('model_pkl', help='a model made by train.py')
    add('pictures', nargs='+',
        help='X.npy, N x 3 x H x W; or pictures, videos and folders of them')
    add('--output', '-o', metavar='TXT', default='pred.txt',
        help='scores, one per line: of each picture of X.npy, or of each file, which has the score '
             'of its best face, or nan if it has none')
    add('--csv', metavar='CSV', type=options.file_ending('.csv'),
        help='a table of rank, score and source, best first (default for files: beside --output)')
    add_scoring_arguments(parser.add_argument_group('how to score'))
    add_set_arguments(parser.add_argument_group('with X.npy'))
    add_file_arguments(parser.add_argument_group('with pictures, videos and folders'))
    add_use_arguments(parser.add_argument_group('what to do with the files'))
    return parser


def add_scoring_arguments(group):
    add = group.add_argument
    add('--ensemble', metavar='PKL', nargs='+', default=[],
        help='more models; the score of a picture is the mean of the scores that all models give')
    add('--pretrained', metavar='ONNX', nargs='+', default=[],
        help='the networks that the models were trained with, as train.py --pretrained; only '
             'needed if they are not beside the models')
    add('--mirror', action='store_true',
        help='score each picture and its mirror image, and take the mean')
    add('--image_scale', metavar='F', type=options.positive_float,
        help="what pixel values are multiplied by (default: as in training; 1/255 for models of "
             "the article's own script)")
    add('--batchsize', '-b', metavar='N', type=options.positive_int, default=64,
        help='pictures to score at a time')
    options.add_device_arguments(group)


def add_set_arguments(group):
    add = group.add_argument
    add('--features', metavar='NPY',
        help='further numbers about each picture, N x D, if the model was trained with them')
    add('--ratings', metavar='TXT',
        help='your own ratings of the pictures: prints how well the scores agree with them')
    add('--ndcg_k', metavar='K', type=options.positive_int, default=100,
        help='positions that NDCG counts')
    add('--strip', metavar='PNG', type=options.file_ending('.png'),
        help='draw the pictures from best to worst')
    add('--strip_n', metavar='N', type=options.positive_int, default=200,
        help='how many pictures --strip draws')
    add('--explain', metavar='PNG', type=options.file_ending('.png'),
        help='draw which parts of the best pictures raised their scores')
    add('--explain_n', metavar='N', type=options.positive_int, default=12,
        help='how many pictures --explain draws')


def add_file_arguments(group):
    cut = group.add_mutually_exclusive_group()
    cut.add_argument('--whole', action='store_true',
                     help='the model was trained on whole pictures, as by crop_faces.py '
                          '--no_faces; only needed for models that do not record it')
    cut.add_argument('--margin', type=options.natural_float, metavar='M',
                     help='the model was trained on faces with this --margin of crop_faces.py; '
                          'only needed for models that do not record it')


def add_use_arguments(group):
    add = group.add_argument
    add('--gallery', metavar='DIR', help='make a web page of all pictures, best first')
    add('--keep', type=options.ratio, metavar='P',
        help='print the lowest score to keep, so that you would give 4 stars or more to this share '
             'of the kept pictures, such as 0.8')
    add('--xmp', action='store_true',
        help='write stars into XMP sidecars beside the files, such as name.jpg.xmp; stars that a '
             'person gave are left as they are')
    add('--sort_into', metavar='DIR',
        help='link the files into the folders 1-star to 5-star of DIR, which must be new or empty')
    add('--by_rank', action='store_true',
        help='with --sort_into: no folders by stars, but names by rank, such as 0001_name.jpg')
    group.set_defaults(way='link')
    ways = group.add_mutually_exclusive_group()
    for way in 'copy', 'move':
        ways.add_argument(f'--{way}', dest='way', action='store_const', const=way,
                          default=argparse.SUPPRESS, help=f'with --sort_into: {way} the files')
    add('--undo_move', metavar='DIR', action=UndoMove,
        help='move the files in DIR back to where --move took them from; needs no other argument')


class UndoMove(argparse.Action):

    """Like ``--help``, it does its work and ends the command."""

    def __call__(self, parser, namespace, folder, option_string=None):
        from picture_ranknet.storage import sorting

        print(f'{count(sorting.undo_move(folder), "file")} moved back')
        parser.exit()


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
    if not args.sort_into and (args.by_rank or args.way != 'link'):
        parser.error('--by_rank, --copy and --move: go with --sort_into')
    args.uses_files = bool(args.gallery or args.sort_into or args.xmp)
    needing = {'--keep': args.keep, '--xmp': args.xmp,
               '--sort_into without --by_rank': args.sort_into and not args.by_rank}
    args.needing_stars = [option for option, is_given in needing.items() if is_given]
    return args


def rank_set(args, device):
    """Score the pictures of an X.npy; write what the options say."""
    from picture_ranknet.machine import ranks
    from picture_ranknet.models import scoring
    from picture_ranknet.ranking import marks, models, sets
    from picture_ranknet.storage import arrays, ratings_txt

    X_path = args.pictures[0]
    X = arrays.read_pictures(X_path)
    loaded = models.load_models([args.model_pkl, *args.ensemble], device, args.image_scale,
                                args.features, X_path, X, messages.note, args.pretrained)
    features = sets.read_features(args.features, len(X), loaded, args.model_pkl)
    ratings = sets.read_ratings(args.ratings, len(X)) if args.ratings else None
    sources = sets.read_sources(X_path, len(X)) if args.csv else None
    scale = marks.find_scale(loaded, args.model_pkl, args.needing_stars)

    ensemble = scoring.Ensemble(loaded)
    with messages.progress(scoring.n_to_score(X, len(loaded)), 'pictures') as bar:
        scores = scoring.score_set(ensemble, X, X_path, features, args.batchsize,
                                   args.mirror, bar.update)
    if not ranks.is_first():
        return
    scoring.warn_if_collapsed(scores, messages.note)
    ratings_txt.write_scores(args.output, scores)
    threshold = marks.find_threshold(scale, args.keep, scores, messages.say)
    if args.csv:
        sets.write_ranking(args.csv, scores, *sources, marks.marks(scale, threshold, scores))
    if ratings is not None:
        print(sets.describe_agreement(ratings, scores, args.ndcg_k))
    if args.strip:
        sets.draw_strip(args.strip, X, scores, ratings, args.strip_n)
    if args.explain:
        with messages.progress(min(args.explain_n, len(X)), 'pictures', 'explaining') as bar:
            sets.draw_explanations(args.explain, ensemble, X, features, scores, args.explain_n,
                                   args.mirror, bar.update)
    if args.uses_files:
        from picture_ranknet.ranking import items
        use_files(args, items.of_set(X_path, scores), X, scale)


def rank_files(args, device):
    """Score pictures, videos and folders; write what the options say."""
    from picture_ranknet.ranking import files, library, marks, models

    start = time.monotonic()
    files.check_alone()
    check_opencv()
    outputs = files.Outputs.beside(args.output, args.csv)
    loaded = models.load_models([args.model_pkl, *args.ensemble], device, args.image_scale,
                                note=messages.note, network_paths=args.pretrained)
    scale = marks.find_scale(loaded, args.model_pkl, args.needing_stars)
    preparation = library.preparation_of(loaded[0].preparation, args.whole, args.margin,
                                         args.model_pkl)
    paths, n_others = files.find(args.pictures, [*outputs, args.gallery, args.sort_into,
                                                 args.model_pkl, *args.ensemble])
    atomic.check_outputs({'--output': outputs.scores, '--csv': outputs.table}, {'pictures': paths})
    with messages.progress(len(paths), 'files', 'preparing') as preparing, \
            messages.progress(len(paths), 'pictures', 'scoring') as scored:
        ranked = files.score_files(
            paths, loaded, outputs.library, preparation, batchsize=args.batchsize,
            mirror=args.mirror, note=messages.note, preparing=messages.follow(preparing),
            scored=messages.follow(scored))
    files.write(outputs, ranked, scale, args.keep, messages.note, messages.say)
    if n_others:
        messages.note(f'{count(n_others, "file")} skipped: neither pictures nor videos')
    print(*files.describe(outputs, ranked, preparation, time.monotonic() - start), sep='\n')
    if args.uses_files:
        use_files(args, ranked.items, ranked.X, scale)


def use_files(args, ranked, X, scale):
    """Do with ranked files what the options say: sidecars, folders, a gallery."""
    from picture_ranknet.ranking import results

    title = f'{count(len(ranked), "picture")} by {os.path.basename(args.model_pkl)}'
    with messages.progress(len(ranked) if args.gallery else 0, 'thumbnails') as bar:
        results.use(ranked, X, scale, args.xmp, args.sort_into, args.way, args.by_rank,
                    args.gallery, title, messages.say, messages.note, bar.update)


@shared_command
def main(argv=None):
    args = parse_args(argv)
    inputs = {'model_pkl': args.model_pkl, '--ensemble': args.ensemble,
              '--pretrained': args.pretrained,
              '--ratings': args.ratings, '--features': args.features}
    if args.is_set:
        inputs['pictures'] = [args.pictures[0], tables.table_path(args.pictures[0])]
    atomic.check_outputs(
        {'--output': args.output, '--strip': args.strip, '--explain': args.explain,
         '--csv': args.csv}, inputs)
    if args.uses_files:
        from picture_ranknet.ranking import results
        names = 'csv', 'strip', 'explain', 'ensemble', 'features', 'ratings', 'output'
        results.check_folders(args.gallery, args.sort_into, {
            'model_pkl': args.model_pkl, 'pictures': args.pictures,
            **{f'--{name}': getattr(args, name) for name in names}})
    if args.explain:
        check_opencv()
    from picture_ranknet.machine import devices

    device = devices.use_device(args.device, args.threads, messages.note)
    devices.announce_compilation(messages.note)
    (rank_set if args.is_set else rank_files)(args, device)


if __name__ == '__main__':
    main()
