"""Wording that messages of all rooms share."""


def count(n: int, noun: str) -> str:
    """A number with its noun: ``1 face``, ``1,234 faces``."""
    return f'{n:,} {noun}' + ('' if n == 1 else 's')
