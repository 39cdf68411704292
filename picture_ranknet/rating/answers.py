"""What the page's script asks for, and what it says: once, by one window, of what it shows."""
import secrets
import threading
from typing import Optional

import flask
import numpy as np

from picture_ranknet.rating import views
from picture_ranknet.rating.journal import Journal
from picture_ranknet.rating.session import Session
from picture_ranknet.rating.training import Training


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

    def check(self, name: str) -> None:
        """Refuse what another window says."""
        if name != self.current:
            _refuse('These pictures are being rated in another window.', another_window=True)

    def answer(self, said, rows, version, action):
        """Do what a request asks for, once, however often it is sent.

        Args:
            said (dict): The request, with its ``window``, and perhaps a
                ``view`` or the ``version`` of the state that it follows.
            rows (list of int): The pictures of the view.
            version (callable): Returns the version of the state now.
            action (callable): What to do.

        Returns:
            dict: What the action returns, or ``ignored``.
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
            self._last_view = view  # only now: what could not be saved may be said again
            return result


def _refuse(error, **fields):
    flask.abort(flask.make_response({'error': error, **fields}, 409))


def add_reports(pages: flask.Blueprint, session: Session, window: Window,
                training: Optional[Training] = None) -> None:
    """Add what may be asked at any time to a blueprint."""
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

    def post(self, path, answer, rows=lambda said: []):
        """Answer a POST of JSON by ``answer(said)``, which may return a dict, and the state.

        Args:
            rows (callable): The rows of the view that the request is about.
        """
        def view():
            said = flask.request.get_json()
            if not isinstance(said, dict):
                flask.abort(400)
            result = self._window.answer(said, rows(said), lambda: self._session.version,
                                         lambda: answer(said))
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


def add_answers(pages: flask.Blueprint, session: Session, window: Window,
                is_over: threading.Event, training: Optional[Training] = None) -> None:
    """Add to a blueprint what the page says; ``is_over`` is set at the end."""
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
    """Add what can be said of single pictures."""
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
    """Add what can be said of two pictures."""
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
    """The rating of each row that has one, ``'x'`` for what is no face."""
    rated = np.flatnonzero(np.isfinite(journal.ratings))
    return {**dict(zip(rated.tolist(), journal.ratings[rated].tolist())),
            **dict.fromkeys(journal.rejected, 'x')}
