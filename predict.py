"""Score and rank pictures that nobody has rated yet, with a trained model.

They are those of an ``X.npy``, or pictures, videos and folders, which are
prepared as the model's own were (:mod:`picture_ranknet.ranking.library`).
"""
import argparse

from picture_ranknet.console import messages, options
from picture_ranknet.console.command import shared_command
from picture_ranknet.ranking import is_set
from picture_ranknet.ranking.settings import Scoring, Uses
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
        help='scores, one per line: of each picture, or of the best face of each file, nan if none')
    add('--csv', metavar='CSV', type=options.file_ending('.csv'),
        help='table of rank, score and source, best first (default for files: beside --output)')
    add_scoring_arguments(parser.add_argument_group('scoring'))
    add_set_arguments(parser.add_argument_group('for X.npy'))
    add_file_arguments(parser.add_argument_group('for pictures, videos and folders'))
    add_use_arguments(parser.add_argument_group('using the ranking'))
    return parser


def add_scoring_arguments(group):
    add = group.add_argument
    add('--ensemble', metavar='PKL', nargs='+', default=[],
        help='more models; a score is the mean over all models')
    add('--pretrained', metavar='ONNX', nargs='+', default=[],
        help='networks used with train.py --pretrained, if they are not beside the models')
    add('--mirror', action='store_true',
        help='average the scores of each picture and its mirror image')
    add('--image_scale', metavar='F', type=options.positive_float,
        help='factor applied to pixel values (default: as in training; if unknown, 1/255)')
    add('--batchsize', '-b', metavar='N', type=options.positive_int, default=64,
        help='pictures per batch')
    options.add_device_arguments(group)


def add_set_arguments(group):
    add = group.add_argument
    add('--features', metavar='NPY',
        help='additional features of each picture, N x D, if the model was trained with them')
    add('--ratings', metavar='TXT',
        help='your own ratings of the pictures; print how well the scores agree with them')
    add('--ndcg_k', metavar='K', type=options.positive_int, default=100,
        help='top positions that count for NDCG@K')
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
                     help='the model was trained on whole pictures; only needed if the model does '
                          'not say so')
    cut.add_argument('--margin', type=options.natural_float, metavar='M',
                     help='the model was trained on faces cropped with this --margin of '
                          'crop_faces.py; only needed if the model does not say so')


def add_use_arguments(group):
    add = group.add_argument
    add('--gallery', metavar='DIR', help='make a web page of all pictures, best first')
    add('--keep', type=options.ratio, metavar='P',
        help='print the score threshold above which you would give 4 stars or more to this '
             'fraction of the pictures, such as 0.8')
    add('--xmp', action='store_true',
        help='write stars to XMP sidecars (name.jpg.xmp); ratings given by a person are kept')
    add('--sort_into', metavar='DIR',
        help='link the files into folders 1-star to 5-star in DIR, which must be new or empty')
    add('--by_rank', action='store_true',
        help='with --sort_into: name files by rank, such as 0001_name.jpg, instead of sorting them '
             'into star folders')
    group.set_defaults(way='link')
    ways = group.add_mutually_exclusive_group()
    for way in 'copy', 'move':
        ways.add_argument(f'--{way}', dest='way', action='store_const', const=way,
                          default=argparse.SUPPRESS, help=f'with --sort_into: {way} the files')
    add('--undo_move', metavar='DIR', action=UndoMove,
        help='move the files in DIR back to where --move took them from, and exit')


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
        parser.error('--whole and --margin: require pictures, videos or folders, not an X.npy')
    for name in () if args.is_set else ('features', 'ratings', 'strip', 'explain'):
        if getattr(args, name):
            parser.error(f'--{name}: requires an X.npy')
    if not args.sort_into and (args.by_rank or args.way != 'link'):
        parser.error('--by_rank, --copy and --move: require --sort_into')
    return args


@shared_command
def main(argv=None):
    args = parse_args(argv)
    # Imported here, so that --help does not wait for Chainer.
    from picture_ranknet.fast import availability
    from picture_ranknet.machine import devices

    device = devices.use_device(args.device, args.threads, messages.note)
    availability.announce_compilation(messages.note)
    how = Scoring([args.model_pkl, *args.ensemble], device, args.image_scale, args.pretrained,
                  args.batchsize, args.mirror)
    uses = Uses(args.keep, args.xmp, args.sort_into, args.way, args.by_rank, args.gallery)
    with messages.bars() as bar:
        if args.is_set:
            from picture_ranknet.ranking import sets
            outputs = sets.Outputs(args.output, args.csv, args.strip, args.strip_n, args.explain,
                                   args.explain_n)
            sets.rank(how, args.pictures[0], outputs, uses, features_path=args.features,
                      ratings_path=args.ratings, k=args.ndcg_k, note=messages.note,
                      say=messages.say, bar=bar)
        else:
            from picture_ranknet.ranking import files
            files.rank(how, args.pictures, args.output, args.csv, uses, whole=args.whole,
                       margin=args.margin, note=messages.note, say=messages.say, bar=bar)


if __name__ == '__main__':
    main()
