"""Animated PNGs: composes their frames by the PNG specification, third edition.

Pillow 13 does not restore what a blended frame covered when that frame is
disposed of, and blends transparent colours wrongly.
"""
import struct
import zlib
from collections.abc import Iterator
from typing import Callable, NamedTuple

import numpy as np

SIGNATURE = b'\x89PNG\r\n\x1a\n'
CLEARED, AS_BEFORE = 1, 2   # how a frame is disposed of before the next one
BLENDED = 1                 # a frame is drawn over the canvas; otherwise it replaces it
USUAL_UNITS = 100           # per second, where a frame gives 0


class Part(NamedTuple):
    """The region that a frame changes: ``png``, a separate picture, at ``left`` and ``top``."""

    png: bytes
    width: int
    height: int
    left: int
    top: int
    seconds: float
    disposal: int
    blend: int


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes, int, int]]:
    """Yield name, content, start and end of each chunk; the last one may be cut short."""
    at = len(SIGNATURE)
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at:at + 4], 'big')
        yield data[at + 4:at + 8], data[at + 8:end - 4], at, end
        at = end


def split(data: bytes) -> tuple[tuple[int, int], list[Part]]:
    """Width and height of an animation, and its parts."""
    header, colours, found = b'', b'', []
    for name, content, start, end in chunks(data):
        if name == b'IHDR':
            header = content
        elif name in (b'PLTE', b'tRNS'):
            colours += data[start:end]
        elif name == b'fcTL' and len(content) == 26:
            found.append((struct.unpack('>4x4I2H2B', content), []))
        elif name in (b'IDAT', b'fdAT') and found:
            found[-1][1].append(content[4 * (name == b'fdAT'):])
    parts = []
    for (width, height, left, top, time, units, disposal, blend), content in found:
        png = b''.join([
            SIGNATURE, _chunk(b'IHDR', struct.pack('>II', width, height) + header[8:]), colours,
            _chunk(b'IDAT', b''.join(content)), _chunk(b'IEND', b'')])
        seconds = time / (units or USUAL_UNITS)
        parts.append(Part(png, width, height, left, top, seconds, disposal, blend))
    return struct.unpack('>II', header[:8]), parts


def _chunk(name, content):
    return (len(content).to_bytes(4, 'big') + name + content
            + zlib.crc32(name + content).to_bytes(4, 'big'))


def compose(data: bytes, decode: Callable[[bytes], np.ndarray]
            ) -> Iterator[tuple[float, np.ndarray]]:
    """Yield the duration of each frame, in seconds, and the frame, RGBA, HWC, ``uint8``.

    Args:
        data: The file, reduced to the chunks that affect its appearance.
        decode: Decodes a PNG of one picture to RGBA; its exceptions are raised here.

    Raises:
        ValueError: If a part does not lie within the picture.
    """
    (width, height), parts = split(data)
    canvas = np.zeros((height, width, 4), np.uint8)
    for number, part in enumerate(parts):
        place = canvas[part.top:part.top + part.height, part.left:part.left + part.width]
        if place.shape != (part.height, part.width, 4):
            raise ValueError('a frame reaches over the border')
        before = place.copy()
        new = decode(part.png)
        place[:] = _over(new, before) if part.blend == BLENDED else new
        yield part.seconds, canvas.copy()
        if part.disposal == CLEARED or part.disposal == AS_BEFORE and number == 0:
            place[:] = 0
        elif part.disposal == AS_BEFORE:
            place[:] = before


def _over(top, below):
    """One picture over another, both RGBA with straight alpha."""
    share, rest = (img[..., 3:].astype(np.float32) / 255 for img in (top, below))
    rest = rest * (1 - share)
    alpha = share + rest
    colour = (top[..., :3] * share + below[..., :3] * rest) / np.maximum(alpha, 1e-6)
    return np.uint8(np.rint(np.concatenate([colour, 255 * alpha], axis=2)))
