"""The pictures that the page shows: small and large ones, and those of their sources."""
import functools
import io
from typing import Optional

import flask
import numpy as np
from PIL import Image, ImageFilter

from picture_ranknet.pictures import drawing

LARGE = 640     # pixels; small pictures are enlarged to about this
LARGEST = 2000  # pixels; larger ones are shrunk to this
SMALL = 128     # pixels; thumbnails in the list
KEPT = 256      # enlarged pictures in memory


def add_pictures(pages: flask.Blueprint, X: np.ndarray, loaded: set,
                 ratios: Optional[np.ndarray] = None) -> None:
    """Add the pictures of the page to a blueprint.

    Args:
        pages: The blueprint.
        X: Pictures, shape ``(N, 3, H, W)``.
        loaded: Gets the rows of those that were sent in full size.
        ratios: Aspect ratio (width / height) that each is shown with, shape
            ``(N,)``; ``None`` to show them as they are.
    """
    def image_of(row):
        image = drawing.to_image(X[row])
        return image if ratios is None else unsqueeze(image, ratios[row])

    @functools.lru_cache(KEPT)
    def enlarge(row):
        return _encode(sharpen(image_of(row)), 'JPEG', quality=92)

    @pages.get('/picture/<any(small, large):size>/<int:row>')
    def picture(size, row):
        if row >= len(X):
            flask.abort(404)
        if size == 'large':
            image = enlarge(row)
            loaded.add(row)
            return _image(image, 'image/jpeg')
        return _image(_encode(shrink(image_of(row)), 'PNG', compress_level=1), 'image/png')


def add_sources(pages: flask.Blueprint, sources, n: int, loaded: set) -> None:
    """Add what is known about the sources of ``n`` pictures, if anything, to a blueprint."""
    def answer(image):
        if image is None:
            flask.abort(404)
        return _image(_encode(shrink(image, LARGEST), 'JPEG', quality=92), 'image/jpeg')

    def check(row):
        if sources is None or row >= n:
            flask.abort(404)

    @pages.get('/about/<int:row>')
    def about(row):
        check(row)
        return sources.about(row)

    @pages.get('/large/<int:row>')
    def large(row):
        check(row)
        image = sources.large(row)
        response = answer(image and sharpen(image))
        loaded.add(row)
        return response

    @pages.get('/frame/<int:row>')
    def frame(row):
        check(row)
        return answer(sources.frame(row))


def unsqueeze(image: Image.Image, ratio: float) -> Image.Image:
    """Restore the aspect ratio of a squeezed picture, keeping its long side."""
    side = max(image.size)
    size = round(side * min(1, ratio)), round(side / max(1, ratio))
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)


def sharpen(image: Image.Image) -> Image.Image:
    """Enlarge a small picture so that its edges stay crisp."""
    factor = LARGE / max(image.size)
    if factor <= 1:
        return image
    size = [max(1, round(side * factor)) for side in image.size]
    image = image.resize(size, Image.Resampling.LANCZOS)
    return image.filter(ImageFilter.UnsharpMask(radius=factor / 2, percent=90, threshold=2))


def shrink(image: Image.Image, side: int = SMALL) -> Image.Image:
    """Shrink a picture that is larger than ``side``."""
    if max(image.size) > side:
        image.thumbnail((side, side))
    return image


def _image(data, mimetype):
    response = flask.Response(data, mimetype=mimetype)
    response.headers['Cache-Control'] = 'private, max-age=86400'
    return response


def _encode(image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()
