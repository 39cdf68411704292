"""Repairs files with harmless defects, so that Pillow reads them."""
import contextlib
import io
import zlib

from PIL import Image

from picture_ranknet.pictures import apng

# PNG chunks that affect the appearance; texts may be longer than Pillow accepts.
CHUNKS = frozenset(b'IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP cICP eXIf acTL fcTL fdAT'.split())
TEXTS = b'Raw profile type', b'XML:com.adobe.xmp'  # in which some programs hide EXIF
LONG_TEXT = 2 ** 16     # bytes


def jpeg(data: bytes) -> bytes:
    """Add the end marker to a JPEG, if nothing else is missing."""
    end = b'\xff\xd9'
    if end not in data[-2 ** 10:]:
        # If every pixel is there, what follows does not change the decoded picture.
        with contextlib.suppress(Exception):
            one, other = (Image.open(io.BytesIO(data + more + end), formats=['JPEG']).tobytes()
                          for more in (b'', b'\x55\x2a' * 500))
            if one == other:
                return data + end
    return data


def png(data: bytes) -> bytes:
    """Reduce a PNG to the chunks that affect its appearance; the last may be truncated."""
    kept = [data[:8]]
    for name, content, start, end in apng.chunks(data):
        is_right = end > len(data) or zlib.crc32(data[start + 4:end - 4]) == int.from_bytes(
            data[end - 4:end], 'big')
        is_text = content.startswith(TEXTS) and len(content) < LONG_TEXT
        if name[:1].isupper() or is_right and (name in CHUNKS or is_text):
            kept.append(data[start:end])
    return b''.join(kept)
