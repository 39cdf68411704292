"""Options of ``rate.py``, and their defaults."""

LEVELS = 5          # pictures are rated from 1 to this
MOST_LEVELS = 100
