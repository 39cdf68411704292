"""What messages of all rooms share: how numbers read, and who hears nothing."""


def count(n: int, noun: str) -> str:
    """A number with its noun: ``1 face``, ``1,234 faces``."""
    return f'{n:,} {noun}' + ('' if n == 1 else 's')


def silent(*_) -> None:
    """What ``note=`` and ``progress=`` of a room are unless a caller wants to hear."""
