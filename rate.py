"""Rate pictures in the browser: one key per picture, and nothing is lost."""
import errno
import os
import sys
import webbrowser

from picture_ranknet.console import messages, options
from picture_ranknet.console.command import command
from picture_ranknet.errors import InputError
from picture_ranknet.rating.settings import LEVELS, MOST_LEVELS
from picture_ranknet.text import count, quote_command

TRAIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'train.py')


def build_parser():
    parser = options.parser('rate.py', 'Rate pictures in the browser.')
    parser.add_argument('X_npy', metavar='pictures',
                        help='X.npy of shape N x 3 x H x W; or a folder NAME of pictures, of which '
                             'NAME.npy is made in the current folder and kept up to date')
    parser.add_argument('ratings_txt', nargs='?', metavar='ratings',
                        help='your ratings, one per line; an existing file is continued (default '
                             'for a folder: NAME_ratings.txt)')
    parser.add_argument('--levels', type=options.int_from(2, MOST_LEVELS), metavar='N',
                        help=f'rate from 1 to N (default: as last time, or {LEVELS})')
    parser.add_argument('--pairs', action='store_true',
                        help='compare two pictures at a time instead')
    parser.add_argument('--model', metavar='PKL',
                        help='a trained model that helps to choose what to rate next')
    parser.add_argument('--clicks', metavar='CSV',
                        help='do not open the page: compute ratings from how often pictures were '
                             'clicked, a table of picture, impressions, clicks and, if known, '
                             'position')
    parser.add_argument('--from_xmp', action='store_true',
                        help='first take the stars of digiKam, darktable or Lightroom, in XMP '
                             'sidecars (name.jpg.xmp) or in the pictures, for those not rated yet')
    parser.add_argument('--force', action='store_true',
                        help='let --clicks replace a file of ratings')
    parser.add_argument('--port', type=options.int_from(0, 65535), default=0, metavar='N',
                        help='port of the page; 0 takes a free one')
    parser.add_argument('--share', nargs='?', const='', metavar='ADDRESS',
                        help='serve the page to the local network, too, to rate on a phone; '
                             "ADDRESS is this machine's, if it has several")
    parser.add_argument('--no_browser', action='store_true',
                        help='only print the address of the page')
    parser.add_argument('--seed', type=options.seed, default=0, metavar='N',
                        help='seed of the order of the pictures')
    return parser


def parse_args(argv):
    parser = build_parser()
    args = parser.parse_args(argv)
    for one, others in (('clicks', ('pairs', 'model', 'levels', 'from_xmp')),
                        ('pairs', ('model', 'levels', 'from_xmp'))):
        for other in others:
            if getattr(args, one) and getattr(args, other):
                parser.error(f'argument --{other}: not allowed with argument --{one}')
    if args.force and not args.clicks:
        parser.error('argument --force: only --clicks replaces a file of ratings')
    if not args.ratings_txt and not os.path.isdir(args.X_npy):
        parser.error('the following arguments are required: ratings'
                     if os.path.exists(args.X_npy) else f'{args.X_npy}: no such file or folder')
    return args


def make_set(folder, ratings_path):
    """Make a set of a folder of pictures, or add to it; its name, and that of its ratings."""
    from picture_ranknet.faces import folders
    from picture_ranknet.rating import journal

    X_path = folders.set_path(folder)
    ratings_path = ratings_path or os.path.splitext(X_path)[0] + '_ratings.txt'
    journal.check_unused(ratings_path)
    with messages.progress(0, 'pictures') as bar:
        folders.follow_folder(folder, X_path, ratings_path, note=messages.note,
                              progress=messages.follow(bar))
    return X_path, ratings_path


def make_session(X, journal, is_pairs, model_path, seed):
    """The session that the options ask for."""
    if is_pairs:
        from picture_ranknet.rating.pairs import PairSession
        return PairSession(X, journal, seed, messages.note)
    from picture_ranknet.rating import looks
    from picture_ranknet.rating.stars import StarSession
    score = None
    if model_path:
        from picture_ranknet.models import scoring
        score = scoring.load_scorer(model_path, X)
    return StarSession(X, journal, score, seed, messages.note, find_eye=looks.find_eye)


def serve(session, X_path, port, share, opens_browser):
    """Show the page until the person has done enough, or stops it with Ctrl-C."""
    from picture_ranknet.rating import sources
    from picture_ranknet.rating.server import HOST, Server
    from picture_ranknet.rating.share import WARNING, find_address, invitation
    from picture_ranknet.rating.training import Training

    host = HOST if share is None else share or find_address()
    try:
        server = Server(session, os.path.basename(X_path), port,
                        quote_command('python', 'train.py', X_path, session.journal.path),
                        sources.find(X_path, session.X, messages.note),
                        sources.read_ratios(X_path, session.X),
                        Training([sys.executable, TRAIN], X_path, session.journal.path), host)
    except OSError as e:
        if share is not None and e.errno == errno.EADDRNOTAVAIL:
            raise InputError(f'--share {host}: not an address of this machine; --share alone finds '
                             'one') from e
        raise InputError(f'--port {port}: {e.strerror or e}; 0 takes a free one' if share is None
                         else f'--share {host}, --port {port}: {e.strerror or e}') from e
    try:
        with session, server:
            print(f'{server.url}\nEsc on the page, or Ctrl-C here, ends it.', flush=True)
            if share is not None:
                print(invitation(server.url, sys.stdout), end='', flush=True)
                messages.note(WARNING)
            elif opens_browser:
                webbrowser.open(server.url)
            server.wait()
    except KeyboardInterrupt:
        pass  # wherever it was: leaving the block has saved everything


def rate_by_hand(args, X):
    """Let a person rate pictures in the browser, and say what was done."""
    from picture_ranknet.rating.bradley_terry import MOST_PICTURES
    from picture_ranknet.rating.journal import PAIRS, STARS, Journal, identify, journal_path
    from picture_ranknet.storage import atomic, tables

    if args.pairs and len(X) > MOST_PICTURES:
        raise InputError(f'{args.X_npy}: --pairs ranks up to {MOST_PICTURES:,} pictures, these '
                         f'are {len(X):,}; rate them one by one')
    atomic.check_outputs(
        {'ratings': [args.ratings_txt, journal_path(args.ratings_txt)]},
        {'pictures': [args.X_npy, tables.table_path(args.X_npy)], '--model': args.model})
    with Journal(args.ratings_txt, len(X), identify(X), PAIRS if args.pairs else STARS,
                 args.levels, lambda n: identify(X[:n])) as journal:
        if not journal.are_same_pictures:
            messages.note(f'warning: {args.X_npy}: not the pictures that were rated last time; '
                          f'do the ratings in {args.ratings_txt} belong to them?')
        if args.from_xmp:
            from picture_ranknet.pictures import xmp_ratings
            n = journal.fill(xmp_ratings.read_ratings_of_set(args.X_npy, len(X), messages.note))
            print(f"{count(n, 'rating')} taken from XMP -> {args.ratings_txt}")
        session = make_session(X, journal, args.pairs, args.model, args.seed)
        serve(session, args.X_npy, args.port, args.share, not args.no_browser)
        done = session.summary()
        rejected = f", {done['rejected']} no face" if done['rejected'] else ''
        print(f"{count(done['said'], 'answer')} now, {done['rated']} of "
              f"{count(done['pictures'], 'picture')} rated{rejected} -> {args.ratings_txt}")


@command
def main(argv=None):
    args = parse_args(argv)
    from picture_ranknet.storage import arrays  # here, so that --help does not wait for NumPy

    if os.path.isdir(args.X_npy):
        args.X_npy, args.ratings_txt = make_set(args.X_npy, args.ratings_txt)
    X = arrays.read_pictures(args.X_npy)
    if args.clicks:
        from picture_ranknet.rating import clicks
        print(*clicks.rate_set(args.X_npy, len(X), args.clicks, args.ratings_txt, args.force),
              sep='\n')
    else:
        rate_by_hand(args, X)


if __name__ == '__main__':
    main()
