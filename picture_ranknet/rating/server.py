"""The page on which pictures are rated, for one person on this machine.

Nobody else gets in.  The server listens on the loopback interface only, every
address starts with a random token, and requests must name this machine as
their host (another name for it would be DNS rebinding) and, if they change
anything, come from the page itself.  The page may load nothing from elsewhere
and run no script but its own.  Pictures are requested by their row: no request
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

HOST = '127.0.0.1'
LARGE = 640            # pixels; small pictures are enlarged to about this
LARGEST_BODY = 10000   # bytes of a request
KEPT = 256             # enlarged pictures in memory
LAST = 50              # rows that a new window may go back to
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
STARTED_AGAIN = ('This page belongs to a rate.py that has ended, or was started again. What you '
                 'rated is saved. Open the address that rate.py prints now.')


class Server:

    """Serves the page of a session until the person ends it.

    Args:
        session (Session): What answers.
        title (str): Of the page.
        port (int): 0 for a free one.
        next_command (str): What the person may do with the ratings.
        sources (sources.Sources): Where pictures were cut from; ``None`` if unknown.

    Raises:
        OSError: If the port is taken.

    Attributes:
        url (str): Of the page, with its token.
        is_over (threading.Event): Set when the person has ended it.
    """

    def __init__(self, session, title, port=0, next_command='', sources=None):
        self.is_over = threading.Event()
        self._is_closed = False
        self.token = secrets.token_urlsafe(24)
        logging.getLogger('waitress.queue').setLevel(logging.ERROR)  # of no interest to the user
        listener = socket.create_server((HOST, port))
        self.host, self.port = listener.getsockname()
        app = build_app(session, title, self.token, self.port, self.is_over, next_command, sources)
        self._server = waitress.create_server(app, sockets=[listener], threads=8, ident=None)
        self.url = f'http://{HOST}:{self.port}/{self.token}/'

    def __enter__(self):
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def _run(self):
        try:
            self._server.run()
        except OSError:  # it may look at its sockets once more after they are closed
            if not self._is_closed:
                raise

    def __exit__(self, *_):
        self._is_closed = True
        logging.getLogger('waitress').disabled = True  # of an answer that nobody waits for any more
        self._server.close()


def build_app(session, title, token, port, is_over, next_command='', sources=None):
    """Make the Flask application of a session; see :class:`Server`."""
    app = flask.Flask(__name__, static_folder=None)
    app.config['MAX_CONTENT_LENGTH'] = LARGEST_BODY
    hosts = [f'{name}:{port}' for name in (HOST, 'localhost')]
    window = Window()

    @app.before_request
    def keep_others_out():
        if flask.request.host not in hosts:
            flask.abort(403)
        if flask.request.method not in ('GET', 'HEAD') and (
                flask.request.headers.get('Origin') != 'http://' + flask.request.host):
            flask.abort(403)

    @app.after_request
    def add_headers(response):
        response.headers.update(HEADERS)
        response.headers.setdefault('Cache-Control', 'no-store')
        return response

    @app.errorhandler(404)
    def explain(error):
        if flask.request.path.startswith(f'/{token}/'):
            return error
        if 'text/html' in flask.request.headers.get('Accept', ''):
            return f'<!doctype html><title>rate.py</title><p>{STARTED_AGAIN}</p>', 404
        return {'error': STARTED_AGAIN, 'restarted': True}, 404

    pages = flask.Blueprint('pages', __name__, url_prefix='/' + token,
                            static_folder='page', static_url_path='/static')
    pages.register_error_handler(OSError, _say_what_failed)
    add_pictures(pages, session, window, sources)
    add_reports(pages, session)
    tell = Answers(pages, session, window)
    add_opening(pages, session, window, {
        'title': title, 'pictures': len(session.X), 'mode': session.mode,
        'file': os.path.basename(session.journal.path), 'next_command': next_command,
        'has_sources': sources is not None})
    (add_pair_answers if session.mode == 'pairs' else add_star_answers)(tell, session)
    tell.post('/summary', lambda _: {'summary': session.summary()})
    tell.post('/end', lambda _: is_over.set())
    app.register_blueprint(pages)
    return app


class Window:

    """The browser window that rates; an older one is told that it has been replaced.

    An answer belongs to a view: what was painted when a key was pressed.  Each
    view of a window has a number, and takes one answer.

    Attributes:
        loaded (set of int): Rows whose large picture has been sent to a browser.
    """

    def __init__(self):
        self.current = None
        self.loaded = set()
        self.lock = threading.Lock()
        self._last_view = 0

    def open(self):
        """A name for a new window."""
        with self.lock:
            self.current, self._last_view = secrets.token_hex(8), 0
            return self.current

    def check(self, name):
        """Refuse what another window says."""
        if name != self.current:
            _refuse('These pictures are being rated in another window.', another_window=True)

    def answer(self, said, rows, action):
        """Do what an answer to a view asks for, once.

        Args:
            said (dict): The request; its ``view`` may be missing.
            rows (list of int): The pictures that it is about.
            action (callable): What to do.

        Returns:
            dict: What the action returns, or ``ignored``.
        """
        view = said.get('view')
        if view is None:
            return action()
        if type(view) is not int or view < 1:
            flask.abort(400)
        with self.lock:
            if view <= self._last_view:
                return {'ignored': True}
            if not self.loaded.issuperset(rows):
                _refuse('Not saved: that picture was not on the screen yet.', not_shown=True)
            result = action()
            self._last_view = view  # only now: what could not be saved may be said again
            return result


def _refuse(error, **fields):
    flask.abort(flask.make_response({'error': error, **fields}, 409))


def _say_what_failed(error):
    return {'error': f'Not saved: {error.strerror or error}'}, 507


# Pictures

def add_pictures(pages, session, window, sources):
    """Add the page and its pictures to a blueprint."""
    def check(row):
        if row >= len(session.X):
            flask.abort(404)

    @pages.get('/')
    def page():
        return flask.send_from_directory(pages.static_folder, 'index.html')

    @functools.lru_cache(KEPT)
    def enlarge(row):
        return _encode(sharpen(plots.to_image(session.X[row])), 'JPEG', quality=92)

    @pages.get('/picture/<any(small, large):size>/<int:row>')
    def picture(size, row):
        check(row)
        if size == 'large':
            image = enlarge(row)
            window.loaded.add(row)
            return _image(image, 'image/jpeg')
        return _image(_encode(shrink(plots.to_image(session.X[row])), 'PNG', compress_level=1),
                      'image/png')


def sharpen(image: Image.Image) -> Image.Image:
    """Enlarge a small picture so that its edges stay crisp."""
    factor = LARGE / max(image.size)
    if factor <= 1:
        return image
    size = [max(1, round(side * factor)) for side in image.size]
    image = image.resize(size, Image.Resampling.LANCZOS)
    return image.filter(ImageFilter.UnsharpMask(radius=factor / 2, percent=90, threshold=2))


def shrink(image: Image.Image, side: int = 128) -> Image.Image:
    """Make a large picture small enough for a list of many."""
    if max(image.size) > side:
        image.thumbnail((side, side))
    return image


def _image(data, mimetype):
    response = flask.Response(data, mimetype=mimetype)
    response.headers['Cache-Control'] = 'private, max-age=86400'
    return response


def _encode(image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


# What the page's script asks for

def add_reports(pages, session):
    """Add what may be asked at any time to a blueprint."""
    run = secrets.token_hex(4)

    @pages.get('/alive')
    def alive():
        return {'alive': True, 'run': run, 'version': session.version}

    @pages.get('/state')
    def state():
        return session.state()

    @pages.get('/ranking')
    def ranking():
        return {'groups': session.ranking()}


def add_opening(pages, session, window, about):
    """Add what a new window is told to a blueprint."""
    journal = session.journal

    def ratings():
        rated = {}
        if session.mode == 'stars':
            rated = {row: rating for row, rating in enumerate(journal.ratings.tolist())
                     if rating == rating}
        return {**rated, **dict.fromkeys(journal.rejected, 'x')}

    @pages.post('/open')
    def open_window():
        with session.lock:
            return {**about, 'window': window.open(), 'levels': journal.levels,
                    'ratings': ratings(), 'trail': journal.last_rows[:LAST][::-1],
                    'state': session.state()}


class Answers:

    """Adds to a blueprint what the page says.

    Args:
        pages (flask.Blueprint): Where to.
        session (Session): What answers.
        window (Window): The one that may say something.
    """

    def __init__(self, pages, session, window):
        self._pages = pages
        self._session = session
        self._window = window

    def post(self, path, answer, rows=None):
        """Answer a POST of JSON by ``answer(said)``, which may return a dict, and the state.

        Args:
            rows (callable): The rows that the request is about; ``None`` for
                what is not about a view.
        """
        def view():
            said = flask.request.get_json()
            if not isinstance(said, dict):
                flask.abort(400)
            self._window.check(said.get('window'))
            if rows is None:
                result = answer(said)
            else:
                result = self._window.answer(said, rows(said), lambda: answer(said))
            return {**(result or {}), 'state': self._session.state()}
        self._pages.post(path, endpoint=path.strip('/'))(view)

    def row(self, said, key='row', is_optional=False):
        """The row that a request names; refuse it if there is none such."""
        row = said.get(key)
        if is_optional and row is None:
            return None
        if type(row) is not int or not 0 <= row < len(self._session.X):
            flask.abort(400)
        return row

    def pair(self, said):
        """The two rows that a request names."""
        left, right = self.row(said, 'left'), self.row(said, 'right')
        if left == right:
            flask.abort(400)
        return left, right


def add_star_answers(tell, session):
    """Add what can be said of single pictures."""
    journal = session.journal

    def rate(said):
        rating = said.get('rating')
        if rating is not None and (type(rating) is not int or not 1 <= rating <= session.levels):
            flask.abort(400)
        session.rate(tell.row(said), rating, said.get('repeat') is True)

    def undo(_):
        row = session.undo()
        if row is None:
            return {'row': None, 'pair': None}
        rating = 'x' if row in journal.rejected else journal.ratings[row]
        return {'row': row, 'rating': rating if rating == rating else None}

    def rows(said):
        return [tell.row(said)]

    tell.post('/rate', rate, rows)
    tell.post('/reject', lambda said: session.reject(tell.row(said)), rows)
    tell.post('/skip', lambda said: session.skip(tell.row(said)), rows)
    tell.post('/next', lambda said: session.pass_by(tell.row(said)), rows)
    tell.post('/undo', undo)


def add_pair_answers(tell, session):
    """Add what can be said of two pictures."""
    def compare(said):
        better = tell.row(said, 'better', is_optional=True)
        if better not in (None, *tell.pair(said)):
            flask.abort(400)
        session.compare(*tell.pair(said), better)

    def place(said):
        session.place(tell.row(said), tell.row(said, 'above', True), tell.row(said, 'below', True))

    def undo(_):
        pair, row = session.undo()
        return {'pair': pair, 'row': row}

    tell.post('/compare', compare, tell.pair)
    tell.post('/skip', lambda said: session.skip(*tell.pair(said)), tell.pair)
    tell.post('/reject', lambda said: session.reject(tell.row(said)),
              lambda said: [tell.row(said)])
    tell.post('/place', place)
    tell.post('/undo', undo)
