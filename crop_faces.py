"""Find the faces in videos and pictures, crop them and save them for training.

A run has three steps: find the faces, choose the best, write them.  ``X.npy``
holds one face per row: ``uint8``, shape ``(N, 3, size, size)``, RGB.  ``X.csv``
beside it says where each row comes from; docs/files.md has its columns.
"""
from picture_ranknet.console import messages, options
from picture_ranknet.console.command import shared_command
from picture_ranknet.faces import settings
from picture_ranknet.faces.settings import Rules, Search
from picture_ranknet.machine import threads
from picture_ranknet.pictures.limits import LARGEST, MAX_PIXELS


def build_parser():
    parser = options.parser('crop_faces.py', 'Crop the faces in videos and pictures for rating.')
    add = parser.add_argument
    add('sources', nargs='*', metavar='source', help='videos, pictures and folders of them')
    add('--output', '-o', default='X.npy', metavar='NPY', type=options.file_ending('.npy'),
        help='the crops; a table of their sources is written beside it, as X.csv')
    add('--size', type=options.positive_int, default=settings.SIZE, metavar='PIXELS',
        help='side length of a crop')
    add('--force', action='store_true',
        help='overwrite outputs; ratings of an overwritten X.npy no longer match its rows')
    add('--resume', action='store_true', help='continue an interrupted run')
    add('--threads', type=options.positive_int, metavar='N',
        help='number of detection threads (default: OMP_NUM_THREADS, or one per core)')
    add('--max_pixels', type=options.int_from(1, LARGEST), default=MAX_PIXELS, metavar='N',
        help='skip files with more pixels per frame: a small file can decode to fill the memory')
    add_search_arguments(parser.add_argument_group('detection'))
    add_choice_arguments(parser.add_argument_group('selection'))
    add_output_arguments(parser.add_argument_group('further outputs'))
    add_set_arguments(parser.add_argument_group('changing an existing set'))
    return parser


def add_search_arguments(group):
    add = group.add_argument
    defaults = Search()
    sampling = group.add_mutually_exclusive_group()
    sampling.add_argument('--fps', type=options.positive_float, default=settings.FPS, metavar='F',
                          help='search F frames per second of video')
    sampling.add_argument('--every', type=options.positive_int, metavar='N',
                          help='search every N-th frame of a video instead of --fps')
    add('--no_faces', action='store_true',
        help='use whole pictures, resized, instead of faces, as for covers and illustrations')
    add('--margin', type=options.natural_float, default=0, metavar='M',
        help='padding on each side of a face, as a fraction of its side; 0.25 includes the hair')
    add('--cascade', metavar='XML',
        help=f'OpenCV cascade, .xml or .xml.gz (default: {settings.DEFAULT_CASCADE}, included)')
    add('--long_side', type=options.natural_int, default=defaults.long_side, metavar='PIXELS',
        help='shrink pictures whose long side exceeds this before detection, long pages and '
             'panoramas less; higher finds smaller faces and takes longer; 0: never shrink')
    add('--scale_factor', type=options.above_one, default=defaults.scale_factor, metavar='S',
        help='scale step between face sizes; closer to 1 finds more and takes longer')
    add('--min_neighbors', type=options.natural_int, metavar='N', default=defaults.min_neighbors,
        help='how many of ten votes make a face; lower gives more faces and more false positives; '
             "with a third-party --cascade: OpenCV's minNeighbors, overlapping detections")
    add('--min_size', type=options.positive_int, default=defaults.min_size, metavar='PIXELS',
        help='side length of the smallest face to detect')


def add_choice_arguments(group):
    add = group.add_argument
    defaults = Rules()
    add('--duplicate_bits', type=options.natural_int, metavar='B', default=defaults.duplicate_bits,
        help='two pictures are duplicates if their hashes differ in at most B of 144 bits, or '
             'twice as many within a track; the best one is kept')
    add('--keep_duplicates', action='store_true', help='keep duplicates, too')
    add('--per_track', type=options.positive_int, metavar='N',
        help='keep the N best pictures of a face tracked through a scene (default: all)')
    add('--most', type=options.positive_int, metavar='N',
        help='of all that would be kept, keep the N most diverse, clearest first, by '
             'EfficientNet-Lite0 features if it is installed; with --append, existing pictures '
             'stay and count')
    add('--max_enlargement', type=options.positive_float, metavar='FACTOR',
        help='drop faces that --size would enlarge by more than this (default: '
             f'{settings.MAX_ENLARGEMENT}; with --no_faces, no limit)')
    add('--min_sharpness', type=options.natural_float, metavar='LEVELS',
        help='drop crops less sharp than this; see the column sharpness of X.csv '
             f'(default: {defaults.min_sharpness}; with --no_faces, 0)')
    add('--min_confidence', type=options.natural_float, metavar='VOTES',
        default=defaults.min_confidence,
        help='drop faces with fewer votes, of ten; see the column confidence of X.csv')


def add_output_arguments(group):
    add = group.add_argument
    add('--sheet', metavar='PNG', type=options.file_ending('.png'),
        help='draw all crops with their row numbers')
    add('--crops', metavar='DIR',
        help='also save each crop as a PNG file: DIR/00017.png is row 17; without sources, those '
             'of the existing set')
    add('--crop_size', type=options.natural_int, metavar='PIXELS',
        help='side length of these files, cut from the sources again; 0: original resolution, for '
             'the whole head with --margin 0.4 (default: --size)')
    add('--dropped', metavar='DIR', help='draw what is dropped, one sheet per reason')


def add_set_arguments(group):
    add = group.add_argument
    add('--append', action='store_true', help='add to the set; existing rows stay unchanged')
    add('--drop', type=options.row_numbers, metavar='ROWS', help='remove rows, such as 3,17,20-24')
    add('--review', metavar='PNG', type=options.file_ending('.png'),
        help='draw the set with row numbers, to decide what to --drop')
    add('--characters', action='store_true',
        help='cluster faces by EfficientNet-Lite0 features and number the clusters in the column '
             'character of X.csv, for --valid_by of train.py; what you write there stays; without '
             'sources, in the existing set')
    add('--ratings', metavar='TXT',
        help='ratings of the set to keep in step: --append adds nan lines, --drop removes lines')


def parse_args(argv):
    """Parse the options, and check those that go together."""
    parser = build_parser()
    args = parser.parse_args(argv)
    args.edits = args.drop or args.review or (args.crops or args.characters) and not args.sources
    if args.edits and args.sources:
        parser.error('--drop and --review work on a set that exists; leave out the sources')
    if not args.edits and not args.sources:
        parser.error('the following arguments are required: source')
    if args.ratings and not (args.append or args.drop):
        parser.error('--ratings: requires --append or --drop')
    if args.crop_size is not None and not args.crops:
        parser.error('--crop_size: requires --crops')
    if args.append and args.force:
        parser.error('argument --append: not allowed with argument --force')
    return args


@shared_command
def main(argv=None):
    args = parse_args(argv)
    # Imported here, so that --help does not wait for NumPy and OpenCV.
    from picture_ranknet.faces import cropping
    from picture_ranknet.faces.outputs import Outputs
    from picture_ranknet.fast import availability

    threads.use(args.threads)
    availability.announce_compilation(messages.note)
    outputs = Outputs(args.output, args.crops, args.review if args.edits else args.sheet,
                      args.dropped, args.ratings, args.crop_size, args.characters)
    with messages.bars() as bar:
        if args.edits:
            cropping.change(outputs, args.drop, args.max_pixels, args.force, messages.note,
                            messages.say, bar)
            return
        search = Search(args.cascade, args.scale_factor, args.min_neighbors, args.min_size,
                        args.long_side)
        rules = settings.make_rules(
            args.size, args.no_faces, args.max_enlargement, args.min_sharpness,
            args.min_confidence, None if args.keep_duplicates else args.duplicate_bits,
            args.per_track, args.most)
        cropping.crop(
            args.sources, outputs, search, rules, size=args.size, append=args.append,
            force=args.force, note=messages.note, pass_notes_on=messages.pass_notes_on,
            say=messages.say, bar=bar, whole_pictures=args.no_faces, margin=args.margin,
            fps=args.fps, every=args.every, skip_still=not args.keep_duplicates,
            max_pixels=args.max_pixels, resume=args.resume)


if __name__ == '__main__':
    main()
