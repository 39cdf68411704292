"""The page on which pictures are rated, for one person on this machine.

Nobody else gets in.  The server listens on the loopback interface only, every
address starts with a random token, and requests must name this machine as
their host (another name for it would be DNS rebinding) and, if they change
anything, come from the page itself.  The page may load nothing from elsewhere
and run no script but its own.  Pictures are asked for by their row: no request
names a file.
"""
import functools
import io
import logging
import os
import secrets
import socket
import threading

import flask
import waitress
from PIL import Image, ImageFilter

from picture_ranknet.pictures import plots
from picture_ranknet.rating import session as rate_session

HOST = '127.0.0.1'
LARGE = 640            # pixels; small pictures are enlarged to about this
LARGEST_BODY = 10000   # bytes of a request
KEPT = 256             # enlarged pictures in memory
HEADERS = {
    'Content-Security-Policy':
        "default-src 'none'; img-src 'self'; script-src 'self'; style-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
}


class Server:

    """Serves the page of a session until the person ends it.

    Args:
        session (rate_session.Session): What answers.
        title (str): Of the page.
        port (int): 0 for a free one.

    Raises:
        OSError: If the port is taken.

    Attributes:
        url (str): Of the page, with its token.
        is_over (threading.Event): Set when the person has ended it.
    """

    def __init__(self, session, title, port=0):
        self.is_over = threading.Event()
        self._is_closed = False
        self.token = secrets.token_urlsafe(24)
        logging.getLogger('waitress.queue').setLevel(logging.ERROR)  # not of a person's concern
        listener = socket.create_server((HOST, port))
        self.port = listener.getsockname()[1]
        app = build_app(session, title, self.token, self.port, self.is_over)
        self._server = waitress.create_server(app, sockets=[listener], threads=8, ident=None)
        self.url = 'http://{}:{}/{}/'.format(HOST, self.port, self.token)

    def __enter__(self):
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def _run(self):
        try:
            self._server.run()
        except OSError:  # it may look at its sockets once more when they are closed
            if not self._is_closed:
                raise

    def __exit__(self, *_):
        self._is_closed = True
        logging.getLogger('waitress').disabled = True  # of an answer that nobody waits for any more
        self._server.close()


def build_app(session, title, token, port, is_over):
    """Make the Flask application of a session; see :class:`Server`."""
    app = flask.Flask(__name__, static_folder=None)
    app.config['MAX_CONTENT_LENGTH'] = LARGEST_BODY
    hosts = ['{}:{}'.format(name, port) for name in (HOST, 'localhost')]
    window = Window()

    @app.before_request
    def keep_others_out():
        if flask.request.host not in hosts:
            flask.abort(403)
        if flask.request.method not in ('GET', 'HEAD') and (
                flask.request.headers.get('Origin') != 'http://' + flask.request.host):
            flask.abort(403)

    @app.after_request
    def tell_the_browser(response):
        response.headers.update(HEADERS)
        response.headers.setdefault('Cache-Control', 'no-store')
        return response

    pages = flask.Blueprint('pages', __name__, url_prefix='/' + token,
                            static_folder='page', static_url_path='/static')
    pages.register_error_handler(OSError, _say_what_failed)
    add_pictures(pages, session)
    add_answers(pages, session, title, window, is_over)
    app.register_blueprint(pages)
    return app


class Window:

    """The browser window that rates; an older one is told that it has been replaced."""

    def __init__(self):
        self.current = None

    def open(self):
        self.current = secrets.token_hex(8)
        return self.current

    def check(self, name):
        if name != self.current:
            flask.abort(flask.make_response(
                {'error': 'These pictures are being rated in another window.',
                 'another_window': True}, 409))


def _say_what_failed(error):
    return {'error': 'Not saved: {}'.format(error.strerror or error)}, 507


def add_pictures(pages, session):
    """Add the page and its pictures to a blueprint."""
    @pages.get('/')
    def page():
        return flask.send_from_directory(pages.static_folder, 'index.html')

    @functools.lru_cache(KEPT)
    def enlarge(row):
        return _encode(sharpen(plots.to_image(session.X[row])), 'JPEG', quality=92)

    @pages.get('/picture/<any(small, large):size>/<int:row>')
    def picture(size, row):
        if row >= len(session.X):
            flask.abort(404)
        image = enlarge(row) if size == 'large' else _encode(
            shrink(plots.to_image(session.X[row])), 'PNG', compress_level=1)
        response = flask.Response(image, mimetype='image/jpeg' if size == 'large' else 'image/png')
        response.headers['Cache-Control'] = 'private, max-age=86400'
        return response


def sharpen(image):
    """Enlarge a small picture so that its edges stay crisp."""
    factor = LARGE / max(image.size)
    if factor <= 1:
        return image
    size = [max(1, round(side * factor)) for side in image.size]
    image = image.resize(size, Image.Resampling.LANCZOS)
    return image.filter(ImageFilter.UnsharpMask(radius=factor / 2, percent=90, threshold=2))


def shrink(image, side=128):
    """Make a large picture small enough for a list of many."""
    if max(image.size) > side:
        image.thumbnail((side, side))
    return image


def _encode(image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def add_answers(pages, session, title, window, is_over):
    """Add what the page's script asks for and says to a blueprint."""
    X, journal = session.X, session.journal

    def say(path, answer):
        """Answer a POST of JSON by ``answer(said)`` and the state after it."""
        def view():
            said = flask.request.get_json()
            if not isinstance(said, dict):
                flask.abort(400)
            window.check(said.get('window'))
            return {**(answer(said) or {}), 'state': session.state()}
        pages.post(path, endpoint=path.strip('/'))(view)

    def row_of(said, key='row', optional=False):
        row = said.get(key)
        if optional and row is None:
            return None
        if type(row) is not int or not 0 <= row < len(X):
            flask.abort(400)
        return row

    @pages.post('/open')
    def open_window():
        is_pairs = isinstance(session, rate_session.PairSession)
        return {'window': window.open(), 'title': title, 'pictures': len(X),
                'mode': 'pairs' if is_pairs else 'stars',
                'levels': None if is_pairs else session.levels,
                'ratings': {} if is_pairs else ratings(), 'trail': journal.last_rows[:50][::-1],
                'file': os.path.basename(journal.path), 'state': session.state()}

    def ratings():
        rated = {row: rating for row, rating in enumerate(journal.ratings.tolist())
                 if rating == rating}
        return {**rated, **dict.fromkeys(journal.rejected, 'x')}

    @pages.get('/state')
    def state():
        return session.state()

    @pages.get('/ranking')
    def ranking():
        return {'groups': session.ranking()}

    def rate(said):
        rating = said.get('rating')
        if rating is not None and (type(rating) is not int or not 1 <= rating <= session.levels):
            flask.abort(400)
        session.rate(row_of(said), rating)

    def compare(said):
        left, right = row_of(said, 'left'), row_of(said, 'right')
        better = row_of(said, 'better', optional=True)
        if left == right or better not in (None, left, right):
            flask.abort(400)
        session.compare(left, right, better)

    def place(said):
        session.place(row_of(said), row_of(said, 'above', True), row_of(said, 'below', True))

    def undo(_):
        undone = session.undo()
        if undone is None or isinstance(undone, tuple):
            return {'pair': undone}
        rating = 'x' if undone in journal.rejected else journal.ratings[undone]
        return {'row': undone, 'rating': rating if rating == rating else None}

    def end(_):
        is_over.set()

    say('/undo', undo)
    say('/summary', lambda _: {'summary': session.summary()})
    say('/end', end)
    if isinstance(session, rate_session.PairSession):
        say('/compare', compare)
        say('/place', place)
    else:
        say('/rate', rate)
        say('/reject', lambda said: session.reject(row_of(said)))
        say('/skip', lambda said: session.skip(row_of(said)))
