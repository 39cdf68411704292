"""Rate pictures in the browser: one key per picture, and nothing is lost."""
import os
import sys
import webbrowser

from picture_ranknet.console import messages, options
from picture_ranknet.console.command import command
from picture_ranknet.machine import threads
from picture_ranknet.rating.settings import LEVELS, MOST_LEVELS, Questions

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
                        help='a trained model that helps choose what to rate next')
    parser.add_argument('--clicks', metavar='CSV',
                        help='do not open the page: compute ratings from click statistics, a table '
                             'with columns picture, impressions, clicks and, if known, position')
    parser.add_argument('--from_xmp', action='store_true',
                        help='first import the star ratings of digiKam, darktable or Lightroom for '
                             'pictures not rated yet, from XMP sidecars (name.jpg.xmp) or the '
                             'pictures themselves')
    parser.add_argument('--force', action='store_true',
                        help='let --clicks overwrite an existing ratings file')
    parser.add_argument('--port', type=options.int_from(0, 65535), default=0, metavar='N',
                        help='port of the page; 0 takes a free one')
    parser.add_argument('--share', nargs='?', const='', metavar='ADDRESS',
                        help='also serve the page on the local network, to rate on a phone; '
                             "ADDRESS: this machine's address, if it has several")
    parser.add_argument('--no_browser', action='store_true',
                        help='only print the address of the page')
    parser.add_argument('--seed', type=options.seed, default=0, metavar='N',
                        help='random seed of the picture order')
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


def show(url, is_shared, opens_browser):
    """Tell the person where the page is."""
    from picture_ranknet.rating import share

    messages.say(f'{url}\nEsc on the page, or Ctrl-C here, ends it.')
    if is_shared:
        print(share.invitation(url, sys.stdout), end='', flush=True)
        messages.note(share.WARNING)
    elif opens_browser:
        webbrowser.open(url)


@command
def main(argv=None):
    args = parse_args(argv)
    X_path, ratings_path = args.X_npy, args.ratings_txt
    if os.path.isdir(X_path):
        X_path, ratings_path = make_set(X_path, ratings_path)
    if args.clicks:
        from picture_ranknet.rating import clicks  # here, so that --help does not wait for NumPy
        for line in clicks.rate_set(X_path, args.clicks, ratings_path, args.force):
            messages.say(line)
    else:
        from picture_ranknet.rating import browser
        threads.use(max(1, threads.count() - 1))  # the browser needs a core, too
        browser.rate(
            X_path, ratings_path,
            Questions(args.pairs, args.levels, args.model, args.from_xmp, args.seed),
            port=args.port, share=args.share, training_command=[sys.executable, TRAIN],
            show=lambda url: show(url, args.share is not None, not args.no_browser),
            note=messages.note, say=messages.say)


if __name__ == '__main__':
    main()
