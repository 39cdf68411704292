"""Rate pictures in the browser, on this machine only: one key a picture, and nothing is lost."""
import hashlib
import os
import webbrowser

import numpy as np

from picture_ranknet.console import messages, options
from picture_ranknet.console.command import command
from picture_ranknet.errors import InputError
from picture_ranknet.rating import clicks, comparisons, rating_journal
from picture_ranknet.storage import arrays, atomic, tables
from picture_ranknet.text import count

MOST_LEVELS = 100


def identify(X):
    """A name for a set of pictures, from its shape and a few of them."""
    digest = hashlib.sha256(repr((X.shape, X.dtype.str)).encode())
    for row in np.linspace(0, len(X) - 1, min(len(X), 16)).astype(int):
        digest.update(np.ascontiguousarray(X[row]).tobytes())
    return digest.hexdigest()[:16]


def rate_by_clicks(path, clicks_path, X_path, n, force):
    """Write ratings that follow from how often pictures were clicked."""
    atomic.check_output(path, [clicks_path, X_path])
    if os.path.exists(path) and not force:
        raise InputError('{}: is there already, and may be what a person made; say --force '
                               'to replace it, or choose another file'.format(path))
    rows, shown, clicked, positions, names = clicks.read(clicks_path, n, read_sources(X_path, n))
    rates, looks = clicks.estimate_rates(n, rows, shown, clicked, positions)
    ratings = clicks.rate(rates)
    with atomic.replacing(path) as part, open(part, 'w', encoding='utf-8') as f:
        f.writelines('nan\n' if np.isnan(rating) else '{:.4f}\n'.format(rating)
                     for rating in ratings)
    print('{} rated by {:,.0f} clicks in {:,.0f} impressions -> {}'.format(
        count(int(np.isfinite(ratings).sum()), 'picture'), clicked.sum(), shown.sum(), path))
    if len(names) > 1:
        print('looked at, by position: ' + ', '.join(
            '{} {:.0%}'.format(name or '?', look) for name, look in zip(names, looks)))


def read_sources(X_path, n):
    """The source of each picture, if the table beside them says so."""
    table = tables.table_path(X_path)
    if os.path.exists(table):
        columns, rows = tables.read_table(table, n)
        if 'source' in columns:
            return [row[columns.index('source')] for row in rows]
    return None


def build_parser():
    parser = options.parser('rate.py', 'Rate pictures in the browser, on this machine only.')
    parser.add_argument('X_npy', help='pictures, N x 3 x H x W')
    parser.add_argument('ratings_txt', help='your ratings, one a line; what is there is continued')
    parser.add_argument('--levels', type=options.int_from(2, MOST_LEVELS), default=5,
                        help='rate from 1 to so many')
    parser.add_argument('--pairs', action='store_true',
                        help='compare two pictures at a time instead')
    parser.add_argument('--model', metavar='PKL',
                        help='a trained model, which helps to choose what to rate next')
    parser.add_argument('--clicks', metavar='CSV',
                        help='make ratings of how often pictures were clicked instead: a table of '
                             'picture, impressions, clicks and, if known, position')
    parser.add_argument('--force', action='store_true',
                        help='let --clicks replace a file of ratings')
    parser.add_argument('--port', type=options.int_from(0, 65535), default=0,
                        help='of the page; 0 takes a free one')
    parser.add_argument('--no_browser', action='store_true',
                        help='only print the address of the page')
    parser.add_argument('--seed', type=options.seed, default=0,
                        help='what the order of the pictures follows from')
    return parser


def parse_args(argv):
    parser = build_parser()
    args = parser.parse_args(argv)
    for option in 'pairs', 'model':
        if args.clicks and getattr(args, option):
            parser.error('argument --{}: not allowed with argument --clicks'.format(option))
    if args.pairs and args.model:
        parser.error('argument --model: not allowed with argument --pairs')
    if args.force and not args.clicks:
        parser.error('argument --force: only --clicks replaces a file of ratings')
    return args


def start_session(args, X, journal):
    """The session that the options ask for."""
    from picture_ranknet.rating import rate_session  # here, so that --help does not wait for OpenCV

    if args.pairs:
        return rate_session.PairSession(X, journal, args.seed)
    score = None
    if args.model:
        from picture_ranknet.models import scoring

        score = scoring.load_scorer(args.model, X)
    return rate_session.StarSession(X, journal, args.levels, score, args.seed)


def serve(session, title, port, opens_browser):
    """Show the page until the person has done enough, or stops it with Ctrl-C."""
    from picture_ranknet.rating import rate_server

    try:
        server = rate_server.Server(session, title, port)
    except OSError as e:
        raise InputError('--port {}: {}; 0 takes a free one'.format(
            port, e.strerror or e)) from e
    with session, server:
        print('{}\nEsc on the page, or Ctrl-C here, ends it.'.format(server.url), flush=True)
        if opens_browser:
            webbrowser.open(server.url)
        try:
            while not server.is_over.wait(.5):
                pass
        except KeyboardInterrupt:
            pass


@command
def main(argv=None):
    args = parse_args(argv)
    X = arrays.read_pictures(args.X_npy)
    if args.clicks:
        rate_by_clicks(args.ratings_txt, args.clicks, args.X_npy, len(X), args.force)
        return
    if args.pairs and len(X) > comparisons.MOST_PICTURES:
        raise InputError('{}: --pairs ranks up to {:,} pictures, these are {:,}; rate them '
                               'one by one'.format(args.X_npy, comparisons.MOST_PICTURES, len(X)))
    atomic.check_output(args.ratings_txt, [args.X_npy, *filter(None, [args.model])])
    mode = rating_journal.PAIRS if args.pairs else rating_journal.STARS
    with rating_journal.Journal(args.ratings_txt, len(X), identify(X), mode) as journal:
        if not journal.are_same_pictures:
            messages.note('warning: {}: other pictures than those that were rated last time; do the '
                     'ratings of {} belong to them?'.format(args.X_npy, args.ratings_txt))
        session = start_session(args, X, journal)
        serve(session, os.path.basename(args.X_npy), args.port, not args.no_browser)
        done = session.summary()
        print('{} now, of {} {} rated{} -> {}'.format(
            count(done['said'], 'answer'), count(done['pictures'], 'picture'),
            done['rated'], ', {} no face'.format(done['rejected']) if done['rejected'] else '',
            args.ratings_txt))


if __name__ == '__main__':
    main()
