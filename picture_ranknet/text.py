"""How numbers of things read in a message."""



def count(n, noun):
    """``1 face``, ``1,234 faces``."""
    return '{:,} {}{}'.format(n, noun, '' if n == 1 else 's')
