"""What a person is asked: options of ``rate.py``, and their defaults."""
from typing import NamedTuple, Optional

LEVELS = 5          # pictures are rated from 1 to this
MOST_LEVELS = 100


class Questions(NamedTuple):
    """What a person is asked, and which pictures come first.

    Attributes:
        pairs: Whether to compare two pictures at a time instead of rating one.
        levels: Ratings are 1 to so many; ``None``: as last time, or ``LEVELS``.
        model: A file of a trained model that helps to choose the next picture.
        from_xmp: Whether to begin with the stars in XMP sidecars.
        seed: Of the order of the pictures.
    """

    pairs: bool = False
    levels: Optional[int] = None
    model: Optional[str] = None
    from_xmp: bool = False
    seed: int = 0
