"""How much memory this process has used."""
import math
import sys


def peak() -> float:
    """The most bytes that this process has used so far; ``nan`` on Windows, which does not tell."""
    try:
        import resource
    except ImportError:
        return math.nan
    unit = 1 if sys.platform == 'darwin' else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
