"""The input preprocessing of a network that the user supplies, as far as it is documented."""
import json
import math
import os
from collections.abc import Sequence
from typing import NamedTuple, Optional

from picture_ranknet.errors import InputError

CONFIG = 'preprocessor_config.json'  # beside networks from the Hugging Face Hub, or a folder above
# Pixel ranges in ONNX metadata, as mean and deviation of pixels from 0 to 1.
RANGES = {'NominalRange_0_255': (0., 1 / 255), 'Normalized_0_1': (0., 1.),
          'Normalized_1_1': (.5, .5), 'NominalRange_16_235': (-16 / 219, 1 / 219)}
MEANS = 'mean', 'image_mean'         # in a file's metadata
DEVIATIONS = 'std', 'image_std', 'deviation'


class Wanted(NamedTuple):

    """Size and normalisation of a network's input; ``None`` where unknown."""

    height: Optional[int] = None
    width: Optional[int] = None
    mean: Optional[tuple] = None       # of red, green and blue, of pixels from 0 to 1
    deviation: Optional[tuple] = None  # likewise
    is_bgr: Optional[bool] = None

    def fill(self, other):
        """This, and of another what this does not say."""
        return Wanted(*(theirs if ours is None else ours for ours, theirs in zip(self, other)))


IMAGENET = Wanted(mean=(.485, .456, .406), deviation=(.229, .224, .225))


def asked(side: Optional[int] = None, mean: Optional[Sequence[float]] = None,
          deviation: Optional[Sequence[float]] = None) -> Wanted:
    """What the user states: side in pixels, mean and deviation of red, green and blue."""
    return Wanted(side, side, mean and tuple(mean), deviation and tuple(deviation))


def read_metadata(path: str, metadata: dict) -> Wanted:
    """Read the metadata of an ONNX file.

    These are ``Image.NominalPixelRange`` and ``Image.BitmapPixelFormat`` of the
    ONNX standard, and ``mean`` and ``std`` as three numbers each.

    Raises:
        InputError: If a value is invalid.
    """
    mean, deviation = RANGES.get(metadata.get('Image.NominalPixelRange'), (None, None))
    if mean is not None:
        mean, deviation = (mean,) * 3, (deviation,) * 3
    for names, value in (MEANS, mean), (DEVIATIONS, deviation):
        for name in names:
            if name in metadata:
                text = metadata[name].strip(' []()').replace(',', ' ')
                value = _colours(f'{path}, {name} of its metadata', text.split())
        mean, deviation = (value, deviation) if names is MEANS else (mean, value)
    if deviation and max(deviation) > 2:  # of pixels from 0 to 255
        mean, deviation = (values and tuple(x / 255 for x in values)
                           for values in (mean, deviation))
    form = metadata.get('Image.BitmapPixelFormat', '')
    return Wanted(None, None, mean, deviation, form.startswith('Bgr') if form else None)


def read_config(path: str) -> Wanted:
    """Read the ``preprocessor_config.json`` that belongs to a network, if there is one.

    Raises:
        InputError: If it is damaged.
    """
    folder = os.path.dirname(os.path.abspath(path))
    for place in folder, os.path.dirname(folder):
        config = os.path.join(place, CONFIG)
        if os.path.isfile(config):
            try:
                with open(config, encoding='utf-8') as f:
                    return _of_config(config, json.load(f))
            except (ValueError, AttributeError, TypeError) as e:
                raise InputError(f'{config}: expected the preprocessing of pictures, as JSON; fix '
                                 'or move it') from e
    return Wanted()


def _of_config(path, config):
    height = width = None
    for name in 'size', 'crop_size':  # cropping comes last
        size = config.get(name)
        if isinstance(size, dict):
            side = size.get('shortest_edge')
            height, width = size.get('height', side), size.get('width', side)
        elif size is not None:
            height = width = size
    if not all(n is None or type(n) is int and n > 0 for n in (height, width)):
        raise ValueError('size')
    unit = 1.  # what white is before the mean is subtracted
    if config.get('do_rescale') is False:
        unit = 255.
    elif 'rescale_factor' in config:
        unit = 255 * float(config['rescale_factor'])
    mean, deviation = (0.,) * 3, (1.,) * 3
    if config.get('do_normalize', True):
        if 'image_mean' not in config or 'image_std' not in config:
            return Wanted(height, width)
        mean, deviation = (_colours(f'{path}, {name}', config[name])
                           for name in ('image_mean', 'image_std'))
    return Wanted(height, width, *(tuple(x / unit for x in values)
                                   for values in (mean, deviation)))


def _colours(where, values):
    """Three numbers, or one for all channels."""
    try:
        values = tuple(float(x) for x in values)
    except (TypeError, ValueError):
        values = ()
    values *= 3 if len(values) == 1 else 1
    if len(values) != 3 or not all(math.isfinite(x) for x in values):
        raise InputError(f'{where}: expected three numbers, of red, green and blue')
    return values
