"""How pictures are scored, and what is done with their files: the options of ``predict.py``."""
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional


class Scoring(NamedTuple):
    """How pictures are scored.

    Attributes:
        models: Files of trained models; the score is the mean of their scores.
        device: A Chainer device.
        image_scale: What pixel values are multiplied by; ``None``: as in training.
        networks: Paths of ONNX networks that the user supplies.
        batchsize, mirror: As for :func:`~picture_ranknet.models.inference.score`.
    """

    models: Sequence[str]
    device: Any
    image_scale: Optional[float] = None
    networks: Sequence[str] = ()
    batchsize: int = 64
    mirror: bool = False


class Uses(NamedTuple):
    """What scores are used for.

    Attributes:
        keep: Say from which score on this share of the pictures is liked;
            ``None``: do not.
        xmp: Whether to write stars into XMP sidecars.
        sort_into: A folder, new or empty, to sort the files into; ``None``: do not.
        way: How to sort them: ``'link'``, ``'copy'`` or ``'move'``.
        by_rank: Whether file names begin with the rank, instead of a folder
            for each number of stars.
        gallery: A folder, new, empty or a gallery, for a web page of all
            pictures; ``None``: no page.
    """

    keep: Optional[float] = None
    xmp: bool = False
    sort_into: Optional[str] = None
    way: str = 'link'
    by_rank: bool = False
    gallery: Optional[str] = None

    @property
    def of_files(self) -> bool:
        """Whether anything is done with the files that the pictures were cropped from."""
        return bool(self.xmp or self.sort_into or self.gallery)

    @property
    def needing_stars(self) -> list[str]:
        """The options given that need the person's scale."""
        needing = {'--keep': self.keep, '--xmp': self.xmp,
                   '--sort_into without --by_rank': self.sort_into and not self.by_rank}
        return [option for option, is_given in needing.items() if is_given]
