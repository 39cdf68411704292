"""The requests of the page: each answer counts once, from one window, for what it shows."""
import secrets
import threading
from collections.abc import Callable
from typing import Optional

import flask
import numpy as np

from picture_ranknet.rating import views
from picture_ranknet.rating.background_training import Training
from picture_ranknet.rating.journal import Journal
from picture_ranknet.rating.session import Session


class Window:

    """The browser window used for rating; an older one is told that it has been replaced.

    An answer belongs to a view: what was on the screen when a key was pressed.
    Each view of a window has a number, and takes one answer.

    Attributes:
        loaded (set of int): Rows whose large picture has been sent to a browser.
    """

    def __init__(self):
        self.current = None
        self.loaded = set()
        self.lock = threading.Lock()
        self._last_view = 0

    def open(self) -> str:
        """Register a new window; return its name."""
        with self.lock:
            self.current, self._last_view = secrets.token_hex(8), 0
            return self.current

    def check(self, name: str) -> None:
        """Refuse requests from another window."""
        if name != self.current:
            _refuse('These pictures are being rated in another window.', another_window=True)

    def answer(self, said: dict, rows: list, version: Callable[[], int],
               action: Callable[[], Optional[dict]]) -> Optional[dict]:
        """Execute a request once, however often it is sent.

        Args:
            said: The request, with its ``window``, and perhaps a ``view`` or
                the ``version`` of the state that it follows.
            rows: The pictures of the view.
            version: Returns the current version of the state.
            action: What to do.

        Returns:
            The result of the action, or ``ignored``.
        """
        view = said.get('view')
        if view is not None and (type(view) is not int or view < 1):
            flask.abort(400)
        with self.lock:  # taken before the session's, never after
            self.check(said.get('window'))
            if view is not None and view <= self._last_view or (
                    said.get('version', version()) != version()):
                return {'ignored': True}
            if view is None:
                return action()
            if not self.loaded.issuperset(rows):
                _refuse('Not saved: that picture was not on the screen yet.', not_shown=True)
            result = action()
            self._last_view = view  # only now: an answer that could not be saved may be sent again
            return result


def _refuse(error, **fields):
    flask.abort(flask.make_response({'error': error, **fields}, 409))


def add_reports(pages: flask.Blueprint, session: Session, window: Window,
                training: Optional[Training] = None) -> None:
    """Add the requests that are allowed at any time to a blueprint."""
    @pages.get('/state')
    def state():
        return {**session.state(), 'window': window.current,
                'training': training and training.state()}

    @pages.get('/ranking')
    def ranking():
        return {'groups': session.ranking()}


def add_views(pages: flask.Blueprint, session: Session,
              training: Optional[Training] = None) -> None:
    """Add the views of a session in stars to a blueprint; see :class:`views.Views`."""
    looks = views.Views(session, training)

    @pages.get(f"/view/<any({', '.join(views.VIEWS)}):name>")
    def view(name):
        return {'groups': getattr(looks, name)()}


def add_training(pages: flask.Blueprint, session: Session, tell: 'Answers',
                 training: Training) -> None:
    """Add a run of train.py, and its plots, to a blueprint."""
    def train(said):
        return {'started': training.start(session.save, said.get('replace') is True)}

    tell.post('/train', train)

    @pages.get('/result/<name>')
    def result(name):
        path = training.plot(name)
        return flask.send_file(path, max_age=0) if path else flask.abort(404)


class Answers:

    """Adds handlers of the page's answers to a blueprint.

    Args:
        pages: The blueprint.
        session: The session.
        window: The window that may answer.
    """

    def __init__(self, pages: flask.Blueprint, session: Session, window: Window):
        self._pages = pages
        self._session = session
        self._window = window

    def post(self, path: str, answer: Callable[[dict], Optional[dict]],
             rows: Callable[[dict], list] = lambda said: []) -> None:
        """Answer a POST of JSON with ``answer(said)``, which may return a dict, and the state.

        Args:
            path: The path of the request.
            answer: Handles the request.
            rows: Returns the rows of the view that the request is about.
        """
        def view():
            said = flask.request.get_json()
            if not isinstance(said, dict):
                flask.abort(400)
            result = self._window.answer(said, rows(said), lambda: self._session.version,
                                         lambda: answer(said))
            return {**(result or {}), 'state': self._session.state()}
        self._pages.post(path, endpoint=path.strip('/'))(view)

    def row(self, said: dict, key: str = 'row', is_optional: bool = False) -> Optional[int]:
        """The row that a request names; refuse the request if there is no such row."""
        row = said.get(key)
        if is_optional and row is None:
            return None
        if type(row) is not int or not 0 <= row < len(self._session.X):
            flask.abort(400)
        return row

    def pair(self, said: dict) -> tuple:
        """The two rows that a request names."""
        left, right = self.row(said, 'left'), self.row(said, 'right')
        if left == right:
            flask.abort(400)
        return left, right


def add_answers(pages: flask.Blueprint, session: Session, window: Window,
                is_over: threading.Event, training: Optional[Training] = None) -> None:
    """Add handlers of the page's answers to a blueprint; ``is_over`` is set at the end."""
    tell = Answers(pages, session, window)
    if training:
        add_training(pages, session, tell, training)
    (add_pair_answers if session.mode == 'pairs' else add_star_answers)(tell, session)
    tell.post('/summary', lambda _: {'summary': session.summary()})

    def end(_):
        session.save()  # before the page says so
        is_over.set()

    tell.post('/end', end)


def add_star_answers(tell: Answers, session: Session) -> None:
    """Add the answers about single pictures."""
    journal = session.journal

    def rate(said):
        rating = said.get('rating')
        if rating is not None and (type(rating) is not int or not 1 <= rating <= session.levels):
            flask.abort(400)
        session.rate(tell.row(said), rating, said.get('repeat') is True)

    def undo(_):
        undone, row = session.undo()
        rating = None if row is None else ratings_of(journal).get(row)
        return {'undone': undone, 'row': row, 'rating': rating, 'pair': None}

    def rows(said):
        return [tell.row(said)]

    tell.post('/rate', rate, rows)
    tell.post('/reject', lambda said: session.reject(tell.row(said)), rows)
    tell.post('/skip', lambda said: session.skip(tell.row(said)), rows)
    tell.post('/next', lambda said: session.pass_by(tell.row(said)), rows)
    tell.post('/undo', undo)


def add_pair_answers(tell: Answers, session: Session) -> None:
    """Add the answers about two pictures."""
    def compare(said):
        better = tell.row(said, 'better', is_optional=True)
        if better not in (None, *tell.pair(said)):
            flask.abort(400)
        session.compare(*tell.pair(said), better)

    def place(said):
        session.place(tell.row(said), tell.row(said, 'above', True), tell.row(said, 'below', True))

    def undo(_):
        undone, pair, row = session.undo()
        return {'undone': undone, 'pair': pair, 'row': row}

    tell.post('/compare', compare, tell.pair)
    tell.post('/skip', lambda said: session.skip(*tell.pair(said)), tell.pair)
    tell.post('/reject', lambda said: session.reject(tell.row(said)),
              lambda said: [tell.row(said)])
    tell.post('/place', place)
    tell.post('/undo', undo)


def ratings_of(journal: Journal) -> dict:
    """The rating of each row that has one, ``'x'`` for what is not a face."""
    rated = np.flatnonzero(np.isfinite(journal.ratings))
    return {**dict(zip(rated.tolist(), journal.ratings[rated].tolist())),
            **dict.fromkeys(journal.rejected, 'x')}
