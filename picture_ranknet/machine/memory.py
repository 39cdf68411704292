"""Memory use of this process."""
import math
import sys


def peak() -> float:
    """Peak memory of this process so far, in bytes; ``nan`` on Windows."""
    try:
        import resource
    except ImportError:
        return math.nan
    unit = 1 if sys.platform == 'darwin' else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
