"""The page on which pictures are rated, for one person.

Nobody else has access.  The server listens on the loopback interface only,
unless another address is given, every URL starts with a random token, and
requests must name that address as their host (another name for it would be DNS
rebinding) and, if they change anything, come from the page itself.  The page
may load nothing from elsewhere and run no script but its own.  Pictures are
requested by row: no request names a file of the user.
"""
import logging
import os
import secrets
import select
import socket
import threading
import time
from typing import Optional

import flask
import numpy as np
import waitress
from waitress import wasyncore

from picture_ranknet.rating import answers, images
from picture_ranknet.rating.background_training import Training
from picture_ranknet.rating.session import Session
from picture_ranknet.rating.sources import Sources

HOST = '127.0.0.1'
LARGEST_BODY = 10000   # bytes of a request
LAST = 50              # rows that a new window can go back to
LONGEST_ANSWER = 5     # seconds to wait for pending responses at the end
WAKE_EVERY = .2        # seconds between checks whether it has ended
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
STARTED_AGAIN = ('This page belongs to a rate.py that has ended or was restarted. Your ratings are '
                 'saved. Open the address that rate.py prints now.')


class Server:

    """Serves the page of a session until the person ends it.

    Args:
        session (Session): The session to serve.
        title (str): Title of the page.
        port (int): 0 for a free one.
        training (background_training.Training): The training that the page can start, if any.
        host (str): The address of this machine to listen on.
        next_command (str): The command to suggest at the end.
        sources (sources.Sources): What pictures were cropped from; ``None`` if unknown.
        ratios (numpy.ndarray): Aspect ratios to show pictures with; ``None``: their own.

    Raises:
        OSError: If the port is taken, or the address is not one of this machine.

    Attributes:
        url (str): Of the page, with its token.
        is_over (threading.Event): Set when the person has ended it.
    """

    def __init__(self, session: Session, title: str, port: int = 0, next_command: str = '',
                 sources: Optional[Sources] = None, ratios: Optional[np.ndarray] = None,
                 training: Optional[Training] = None, host: str = HOST):
        self.is_over = threading.Event()
        self.token = secrets.token_urlsafe(24)
        logging.getLogger('waitress.queue').setLevel(logging.ERROR)  # of no interest to the user
        listener = socket.create_server((host, port))
        self.host, self.port = listener.getsockname()
        app = build_app(session, title, self.token, f'{self.host}:{self.port}', self.is_over,
                        next_command, sources, ratios, training)
        self._training = training
        self._is_closing = False
        self._sockets = {}
        self._server = waitress.create_server(app, self._sockets, sockets=[listener], threads=8,
                                              ident=None)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.url = f'http://{self.host}:{self.port}/{self.token}/'

    def __enter__(self):
        self._thread.start()
        return self

    def _run(self):
        while not self._is_closing:
            wasyncore.loop(timeout=1, use_poll=hasattr(select, 'poll'), map=self._sockets, count=1)

    def __exit__(self, *_):
        if self._training:
            self._training.stop()
        logging.getLogger('waitress').disabled = True  # about late responses
        workers = self._server.task_dispatcher
        workers.shutdown(timeout=LONGEST_ANSWER)
        self._is_closing = True
        self._server.pull_trigger()
        self._thread.join()
        if not workers.threads:  # one left over would write to whatever has its socket's number
            wasyncore.close_all(self._sockets)

    def wait(self) -> None:
        """Wait until the person has ended it, or Ctrl-C is pressed.

        Raises:
            KeyboardInterrupt: By Ctrl-C.
        """
        while not self.is_over.is_set():
            time.sleep(WAKE_EVERY)


def build_app(session: Session, title: str, token: str, address: str, is_over: threading.Event,
              next_command: str = '', sources: Optional[Sources] = None,
              ratios: Optional[np.ndarray] = None,
              training: Optional[Training] = None) -> flask.Flask:
    """Make the Flask application of a session; see :class:`Server`."""
    app = flask.Flask(__name__, static_folder=None)
    app.config['MAX_CONTENT_LENGTH'] = LARGEST_BODY
    hosts = [address, address.replace(HOST, 'localhost')]
    window = answers.Window()

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

    @pages.get('/')
    def page():
        return flask.send_from_directory(pages.static_folder, 'index.html')

    images.add_pictures(pages, session.X, window.loaded, ratios)
    images.add_sources(pages, sources, len(session.X), window.loaded)
    add_opening(pages, session, window, {
        'title': title, 'pictures': len(session.X), 'mode': session.mode,
        'file': os.path.basename(session.journal.path), 'next_command': next_command,
        'has_sources': sources is not None, 'can_train': training is not None})
    answers.add_reports(pages, session, window, training)
    if session.mode == 'stars':
        answers.add_views(pages, session, training)
    answers.add_answers(pages, session, window, is_over, training)
    app.register_blueprint(pages)
    return app


def _say_what_failed(error):
    return {'error': f'Not saved: {error.strerror or error}'}, 507


def add_opening(pages: flask.Blueprint, session: Session, window: answers.Window,
                about: dict) -> None:
    """Add the opening of a new window to a blueprint."""
    journal = session.journal

    def ratings():
        if session.mode == 'stars':
            return answers.ratings_of(journal)
        return dict.fromkeys(journal.rejected, 'x')  # the others follow from comparisons

    @pages.post('/open')
    def open_window():
        name = window.open()
        with session.lock:
            return {**about, 'window': name, 'levels': journal.levels,
                    'ratings': ratings(), 'trail': journal.last_rows[:LAST][::-1],
                    'state': session.state()}
