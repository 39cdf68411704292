"""Running train.py from the page, and its outputs."""
import collections
import os
import re
import subprocess
import threading
from collections.abc import Callable
from typing import Optional

import numpy as np

from picture_ranknet.errors import InputError
from picture_ranknet.storage import ratings_txt

PLOTS = 'ranking.png', 'loss.png', 'held_out.png'
KEPT = 5  # lines of output


class Training:

    """A run of ``train.py`` in the background; one at a time.

    Its outputs are named after the ratings: ``mine_model.pkl``,
    ``mine_pred.txt`` and ``mine_result/`` for ``mine.txt``.  Those of its own
    last run are replaced; older files only with permission.

    Args:
        command (list of str): Starts ``train.py``: the interpreter and its path.
        X_path (str): The pictures.
        ratings_path (str): Their ratings.
        options (list of str): Further options.
    """

    def __init__(self, command: list, X_path: str, ratings_path: str, options: tuple = ()):
        stem = os.path.splitext(ratings_path)[0]
        self.model, self.pred, self.out = f'{stem}_model.pkl', f'{stem}_pred.txt', f'{stem}_result'
        self._command = [*command, X_path, ratings_path, '-om', self.model, '-op', self.pred,
                         '-o', self.out, *options]
        self._process = None
        self._lines = collections.deque(maxlen=KEPT)
        self._status, self._step = 'none', 0
        self._has_run = False
        self._lock = threading.Lock()

    def replaces(self) -> list:
        """Older files that it would replace."""
        if self._has_run:
            return []
        return [path for path in (self.model, self.pred) if os.path.exists(path)]

    def start(self, save: Callable[[], None], may_replace: bool = False) -> bool:
        """Start it, unless it is already running, or would replace files without permission.

        Args:
            save: Called first, to write the ratings.
            may_replace: Whether it may replace the files of :meth:`replaces`.

        Returns:
            Whether it was started.
        """
        with self._lock:
            if self._status == 'running' or self.replaces() and not may_replace:
                return False
            save()
            self._lines.clear()
            self._step = 0
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, encoding='utf-8', errors='replace')
            self._status, self._has_run = 'running', True
        threading.Thread(target=self._follow, daemon=True).start()
        return True

    def _follow(self):
        with self._process as process:
            for line in process.stdout:
                self._lines.append(line.rstrip())
                step = re.match(r'step: (\d+)', line)
                self._step = int(step[1]) if step else self._step
        self._status = 'failed' if process.returncode else 'done'

    def stop(self) -> None:
        """Terminate it, if it is running."""
        with self._lock:
            if self._process and self._status == 'running':
                self._process.terminate()
                self._process.wait()

    def state(self) -> dict:
        """``status`` (none, running, done or failed), ``step``, last ``lines``, ``model``, ...

        ``step`` is 0 where there are none; ``plots`` lists existing ones.
        """
        return {'status': self._status, 'step': self._step, 'lines': list(self._lines),
                'model': self.model, 'replaces': self.replaces(),
                'plots': [name for name in PLOTS if self.plot(name)]}

    def scores(self, n: int) -> Optional[np.ndarray]:
        """The model's scores of ``n`` pictures; ``None`` if there are none, or they do not fit.

        Those of an earlier session count, too.
        """
        try:
            return ratings_txt.read_ratings(self.pred, n)
        except (OSError, InputError):
            return None

    def plot(self, name: str) -> Optional[str]:
        """The path of a plot; ``None`` if there is no such plot."""
        path = os.path.abspath(os.path.join(self.out, name))
        return path if name in PLOTS and os.path.isfile(path) else None
