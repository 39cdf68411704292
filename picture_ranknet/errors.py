"""The error that a command reports in one line, without a traceback."""


class InputError(Exception):

    """A file or an option that the user gave cannot be used.

    The message says where, what was expected, what came, and what to do:
    ``ratings.txt, line 2: expected a number, got 'four'; write one rating per line``.
    """
