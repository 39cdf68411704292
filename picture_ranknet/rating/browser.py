"""Lets a person rate pictures in the browser: what ``rate.py`` does, without its options."""
import errno
import os
from collections.abc import Callable, Sequence
from typing import Optional

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.pictures import xmp_ratings
from picture_ranknet.rating import looks, sources
from picture_ranknet.rating.background_training import Training
from picture_ranknet.rating.bradley_terry import MOST_PICTURES
from picture_ranknet.rating.journal import PAIRS, STARS, Journal, identify, journal_path
from picture_ranknet.rating.pairs import PairSession
from picture_ranknet.rating.server import HOST, Server
from picture_ranknet.rating.session import Session
from picture_ranknet.rating.settings import Questions
from picture_ranknet.rating.share import find_address
from picture_ranknet.rating.stars import StarSession
from picture_ranknet.storage import arrays, atomic, tables
from picture_ranknet.text import count, quote_command, silent

TRAINING = '--arch', 'pretrained'  # what ranks best with as many ratings as a person gives


def rate(X_path: str, ratings_path: str, questions: Optional[Questions] = None, *, port: int = 0,
         share: Optional[str] = None, training_command: Sequence[str] = (),
         show: Callable[[str], object], note: Callable[[str], object] = silent,
         say: Callable[[str], object] = silent) -> None:
    """Let a person rate pictures until they have done enough, or press Ctrl-C.

    Args:
        X_path: The pictures; a table may be beside them.
        ratings_path: Their ratings; an existing file is continued.
        questions: What the person is asked; ``None``: the defaults.
        port, share, training_command, show: As for :func:`serve`.
        note: Called with a line for the user.
        say: Called with each line of the result.

    Raises:
        InputError: If a file is missing or invalid, or files do not fit together.
    """
    questions = questions or Questions()
    X = arrays.read_pictures(X_path)
    if questions.pairs and len(X) > MOST_PICTURES:
        raise InputError(f'{X_path}: --pairs ranks up to {MOST_PICTURES:,} pictures, these '
                         f'are {len(X):,}; rate them one by one')
    atomic.check_outputs(
        {'ratings': [ratings_path, journal_path(ratings_path)]},
        {'pictures': [X_path, tables.table_path(X_path)], '--model': questions.model})
    with Journal(ratings_path, len(X), identify(X), PAIRS if questions.pairs else STARS,
                 questions.levels, lambda n: identify(X[:n])) as journal:
        if not journal.are_same_pictures:
            note(f'warning: {X_path}: not the pictures that were rated last time; '
                 f'do the ratings in {ratings_path} belong to them?')
        if questions.from_xmp:
            n = journal.fill(xmp_ratings.read_ratings_of_set(X_path, len(X), note))
            say(f"{count(n, 'rating')} taken from XMP -> {ratings_path}")
        session = make_session(X, journal, questions, note)
        serve(session, X_path, port, share, training_command, show, note)
        done = session.summary()
        rejected = f", {done['rejected']} no face" if done['rejected'] else ''
        say(f"{count(done['said'], 'answer')} now, {done['rated']} of "
            f"{count(done['pictures'], 'picture')} rated{rejected} -> {ratings_path}")


def make_session(X: np.ndarray, journal: Journal, questions: Questions,
                 note: Callable[[str], object] = silent) -> Session:
    """The session that asks these questions.

    Args:
        X: The pictures, shape ``(N, 3, H, W)``.
        journal: Of the same mode as the questions.
        questions: What the person is asked.
        note: Called with a line for the user.

    Raises:
        InputError: If the file is not a model, or not one for these pictures.
    """
    if questions.pairs:
        return PairSession(X, journal, questions.seed, note)
    score = None
    if questions.model:
        from picture_ranknet.models import scoring  # imports Chainer
        score = scoring.load_scorer(questions.model, X)
    return StarSession(X, journal, score, questions.seed, note, find_eye=looks.find_eye)


def serve(session: Session, X_path: str, port: int = 0, share: Optional[str] = None,
          training_command: Sequence[str] = (), show: Callable[[str], object] = silent,
          note: Callable[[str], object] = silent) -> None:
    """Serve the page of a session until the person has done enough, or stops it with Ctrl-C.

    Args:
        session: Its answers are saved at the end.
        X_path: The pictures; a table beside them says where they were cropped from.
        port: 0 for any free port.
        share: The address of this machine at which the local network may open
            the page; an empty string finds it; ``None``: only this machine may.
        training_command: Starts ``train.py`` from the page: the Python
            interpreter and the script's path; if empty, the page cannot train.
        show: Called with the address of the page as soon as it can be opened.
        note: Called with a line for the user.

    Raises:
        InputError: If the port or the address cannot be used.
    """
    host = HOST if share is None else share or find_address()
    ratings_path = session.journal.path
    training = None
    if training_command:
        training = Training(training_command, X_path, ratings_path, TRAINING)
    try:
        server = Server(session, os.path.basename(X_path), port,
                        quote_command('python', 'train.py', X_path, ratings_path, *TRAINING),
                        sources.find(X_path, session.X, note),
                        sources.read_ratios(X_path, session.X), training, host)
    except OSError as e:
        if share is not None and e.errno == errno.EADDRNOTAVAIL:
            raise InputError(f'--share {host}: not an address of this machine; --share alone finds '
                             'one') from e
        raise InputError(f'--port {port}: {e.strerror or e}; 0 takes a free one' if share is None
                         else f'--share {host}, --port {port}: {e.strerror or e}') from e
    try:
        with session, server:
            show(server.url)
            server.wait()
    except KeyboardInterrupt:
        pass  # wherever it was: leaving the block has saved everything
