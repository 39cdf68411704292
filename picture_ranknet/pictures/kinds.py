"""Detects the type of a file by its content, never by its name.

Signatures are from the specifications of the formats.
"""
import mmap
import os
from typing import NamedTuple, Optional

from picture_ranknet.errors import InputError

PICTURE, VIDEO, UNSUPPORTED, SOUND, OTHER = 'picture', 'video', 'unsupported', 'sound', 'other'
MPEG_PACKS, MOTION_JPEG = 'MPEG-PS', 'Motion JPEG'
HEAD = 2 ** 13  # bytes that are examined

# Files with these endings are meant to be pictures or videos even if their content is not.
ENDINGS = frozenset(
    '.3gp .apng .asf .avi .avif .bmp .dib .flv .gif .heic .heif .jfif .jp2 .jpe .jpeg .jpg .m2ts '
    '.m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .pbm .pgm .png .pnm .ppm .tif .tiff .ts .vob .webm '
    '.webp .wmv'.split())


class Kind(NamedTuple):
    """The type of a file: ``kind`` is one of the five above, ``name`` names the format.

    For a picture, ``name`` is Pillow's.
    """

    kind: str
    name: str


SIGNATURES = [
    (b'\xff\xd8\xff\xf7', UNSUPPORTED, 'JPEG-LS'),
    (b'\xff\xd8\xff', PICTURE, 'JPEG'),
    (b'\x89PNG\r\n\x1a\n\0\0\0\4CgBI', UNSUPPORTED, 'PNG for apps of iPhones (CgBI)'),
    (b'\x89PNG\r\n\x1a\n', PICTURE, 'PNG'),
    (b'GIF87a', PICTURE, 'GIF'), (b'GIF89a', PICTURE, 'GIF'),
    (b'8BPS\0\1', PICTURE, 'PSD'),
    (b'qoif', PICTURE, 'QOI'),
    (b'\xff\x4f\xff\x51', PICTURE, 'JPEG2000'),
    (b'\0\0\0\x0cjP  \r\n\x87\n', PICTURE, 'JPEG2000'),
    (b'II*\0\x10\0\0\0CR', UNSUPPORTED, 'camera raw'),
    (b'IIRO', UNSUPPORTED, 'camera raw'), (b'IIRS', UNSUPPORTED, 'camera raw'),
    (b'MMOR', UNSUPPORTED, 'camera raw'), (b'IIU\0', UNSUPPORTED, 'camera raw'),
    (b'FUJIFILMCCD-RAW', UNSUPPORTED, 'camera raw'), (b'FOVb', UNSUPPORTED, 'camera raw'),
    (b'II*\0', PICTURE, 'TIFF'), (b'MM\0*', PICTURE, 'TIFF'),
    (b'II+\0', PICTURE, 'TIFF'), (b'MM\0+', PICTURE, 'TIFF'),
    (b'\xff\x0a', UNSUPPORTED, 'JPEG XL'), (b'\0\0\0\x0cJXL \r\n\x87\n', UNSUPPORTED, 'JPEG XL'),
    (b'II\xbc', UNSUPPORTED, 'JPEG XR'),
    (b'\x76\x2f\x31\x01', UNSUPPORTED, 'OpenEXR'),
    (b'#?RADIANCE', UNSUPPORTED, 'Radiance HDR'), (b'#?RGBE', UNSUPPORTED, 'Radiance HDR'),
    (b'8BPS\0\2', UNSUPPORTED, 'PSB'), (b'gimp xcf', UNSUPPORTED, 'XCF'),
    (b'P7\n', UNSUPPORTED, 'PAM'),
    (b'\0\0\1\0', UNSUPPORTED, 'icon'), (b'\0\0\2\0\1', UNSUPPORTED, 'icon'),
    (b'icns', UNSUPPORTED, 'icon'),
    (b'DDS ', UNSUPPORTED, 'DDS'), (b'BPG\xfb', UNSUPPORTED, 'BPG'), (b'FLIF', UNSUPPORTED, 'FLIF'),
    (b'AT&TFORM', UNSUPPORTED, 'DjVu'), (b'SIMPLE  =', UNSUPPORTED, 'FITS'),
    (b'\x01\xda\0', UNSUPPORTED, 'SGI'), (b'\x01\xda\1', UNSUPPORTED, 'SGI'),
    (b'\x59\xa6\x6a\x95', UNSUPPORTED, 'Sun raster'), (b'/* XPM */', UNSUPPORTED, 'XPM'),
    (b'PF\n', UNSUPPORTED, 'PFM'), (b'Pf\n', UNSUPPORTED, 'PFM'),
    (b'\x0a\5\1', UNSUPPORTED, 'PCX'), (b'\x0a\3\1', UNSUPPORTED, 'PCX'),
    (b'\xd7\xcd\xc6\x9a', UNSUPPORTED, 'Windows metafile'),
    (b'\xc5\xd0\xd3\xc6', UNSUPPORTED, 'EPS'),
    (b'\x1aE\xdf\xa3', VIDEO, 'Matroska'),
    (b'FLV\1', VIDEO, 'Flash video'),
    (b'0&\xb2u\x8ef\xcf\x11', VIDEO, 'ASF'),
    (b'\0\0\1\xba', VIDEO, 'MPEG'), (b'\0\0\1\xb3', VIDEO, 'MPEG'),
    (b'\0\0\1\xb0', VIDEO, 'MPEG-4'),
    (b'\0\0\0\1g', VIDEO, 'H.264'), (b'\0\0\0\1\x09', VIDEO, 'H.264'),
    (b'\0\0\1g', VIDEO, 'H.264'), (b"\0\0\0\1'", VIDEO, 'H.264'),
    (b'\0\0\0\1@\1', VIDEO, 'HEVC'), (b'\0\0\0\1F\1', VIDEO, 'HEVC'),
    (b'.RMF', VIDEO, 'RealMedia'),
    (b'\x06\x0e+4\2\5\1\1', VIDEO, 'MXF'),
    (b'\x1f\x07\0', VIDEO, 'DV'),
    (b'\x12\0\x0a', VIDEO, 'AV1'), (b'DKIF', VIDEO, 'IVF'), (b'YUV4MPEG2', VIDEO, 'YUV4MPEG'),
    (b'nut/multimedia', VIDEO, 'NUT'), (b'\xb7\xd8\0\x20', VIDEO, 'WTV'),
    (b'ID3', SOUND, 'MP3'), (b'fLaC', SOUND, 'FLAC'), (b'\xff\xfb', SOUND, 'MP3'),
    (b'\xff\xf3', SOUND, 'MP3'), (b'\xff\xf1', SOUND, 'AAC'), (b'\xff\xf9', SOUND, 'AAC'),
    (b'MThd', SOUND, 'MIDI'), (b'#!AMR', SOUND, 'AMR'), (b'caff', SOUND, 'CAF'),
    (b'%PDF', OTHER, 'a PDF document'), (b'%!PS', OTHER, 'a PostScript document'),
    (b'PK\3\4', OTHER, 'an archive'), (b'\x1f\x8b', OTHER, 'an archive'),
    (b'\0\5\x16\7', OTHER, 'macOS metadata of another file (AppleDouble)'),
    (b'#EXTM3U', OTHER, 'a list of videos elsewhere; download one of them'),
    (b'\xef\xbb\xbf#EXTM3U', OTHER, 'a list of videos elsewhere; download one of them'),
    (b'7z\xbc\xaf', OTHER, 'an archive'), (b'Rar!', OTHER, 'an archive'),
]
RIFF = {b'WEBP': (PICTURE, 'WEBP'), b'AVI ': (VIDEO, 'AVI'), b'AMV ': (VIDEO, 'AVI'),
        b'CDXA': (VIDEO, 'MPEG'), b'WAVE': (SOUND, 'WAVE')}
BRANDS = {'AVIF': (b'avif', b'avis'),
          'HEIF': (b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx', b'hevm', b'hevs', b'mif1',
                   b'mif2', b'msf1')}
MOVIE_BOXES = b'moov', b'mdat', b'wide', b'free', b'skip', b'pnot', b'moof', b'styp', b'sidx'
OGG_VIDEO = b'\x80theora', b'OVP80', b'BBCD', b'fishead\0', b'\1video\0'
JPEG_FRAMES = {*range(0xc0, 0xd0)} - {0xc4, 0xc8, 0xcc}  # markers followed by the size
FLASH = b'FWS', b'CWS', b'ZWS'  # and a byte, their version
BMP_HEADERS = 12, 40, 52, 56, 64, 108, 124  # their sizes in bytes


def tell(head: bytes) -> Optional[Kind]:
    """Detect the type of a file from its first ``HEAD`` bytes; ``None`` if unknown."""
    if head[4:8] == b'ftyp':
        return _tell_brand(head)
    if head[:4] in (b'RIFF', b'RIFX', b'AVF0'):
        return Kind(*RIFF.get(head[8:12], (OTHER, 'a RIFF file')))
    for signature, kind, name in SIGNATURES:
        if head.startswith(signature):
            return Kind(kind, name)
    if head[:2] == b'BM' and int.from_bytes(head[14:18], 'little') in BMP_HEADERS:
        return Kind(PICTURE, 'BMP')
    if head[:4] == b'OggS':
        return Kind(VIDEO if any(mark in head for mark in OGG_VIDEO) else SOUND, 'Ogg')
    if head[:1] == b'P' and head[1:2] in b'123456' and head[2:3].isspace():
        return Kind(PICTURE, 'PPM')
    if head[4:8] in MOVIE_BOXES and head[:1] in b'\0' and head[:1]:
        return Kind(VIDEO, 'QuickTime')
    if int.from_bytes(head[:4], 'little') in BMP_HEADERS and _is_dib(head):
        return Kind(PICTURE, 'DIB')
    if _is_transport_stream(head):
        return Kind(VIDEO, 'MPEG-TS')
    if _is_targa(head):
        return Kind(UNSUPPORTED, 'TGA')
    if head[128:132] == b'DICM':
        return Kind(UNSUPPORTED, 'DICOM')
    if head[:3] in FLASH and b'\0' < head[3:4] < b'@':
        return Kind(OTHER, 'a Flash animation (SWF)')
    if b'\0\0\1\xba' in head and b'\0\0\1\xe0' in head:  # starts in the middle of a pack
        return Kind(VIDEO, MPEG_PACKS)
    return None


def tell_file(path: str) -> Optional[Kind]:
    """As :func:`tell`, but a file of several JPEGs of the same size is a video.

    Raises:
        InputError: As :func:`read_head` does.
    """
    kind = tell(read_head(path))
    if kind and kind.name == 'JPEG':
        with open(path, 'rb') as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as data:
            at = data.find(b'\xff\xd9\xff\xd8\xff') + 2
            is_mpo = data.find(b'MPF\0', 0, max(0, at)) >= 0  # its others are no frames
            if at > 2 and not is_mpo and jpeg_frame(data, 0) == jpeg_frame(data, at) is not None:
                return Kind(VIDEO, MOTION_JPEG)
    return kind


def is_encrypted(path: str) -> bool:
    """Whether an ISO 14496-12 file is marked as encrypted (DRM)."""
    with open(path, 'rb') as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(b'sinf')
        return at >= 0 and data.find(b'schm', at, at + HEAD) >= 0


def jpeg_frame(data: bytes, at: int) -> Optional[bytes]:
    """The frame header of a JPEG that begins at ``at``, or ``None`` if it is damaged.

    Returns:
        bytes: The marker, 0xc0 to 0xcf, the bits of a value, height and width.
    """
    at += 2
    while data[at:at + 1] == b'\xff' and at + 9 < len(data):
        if data[at + 1] in JPEG_FRAMES:
            return data[at + 1:at + 2] + data[at + 4:at + 9]
        at += 2 + int.from_bytes(data[at + 2:at + 4], 'big')
    return None


def _tell_brand(head):
    """The type of an ISO 14496-12 file, from its list of compatible brands."""
    size = min(int.from_bytes(head[:4], 'big'), len(head))
    brands = [head[8:12], *(head[at:at + 4] for at in range(16, size - 3, 4))]
    if brands[0] == b'crx ':
        return Kind(UNSUPPORTED, 'camera raw')
    if brands[0] in (b'M4A ', b'M4B ', b'M4P '):
        return Kind(SOUND, 'MPEG-4')
    if brands[0] in BRANDS['AVIF'] or (
            brands[0] in (b'mif1', b'msf1') and set(brands) & {*BRANDS['AVIF']}):
        return Kind(PICTURE, 'AVIF')
    if brands[0] in BRANDS['HEIF']:
        return Kind(PICTURE, 'HEIF')
    return Kind(VIDEO, 'MPEG-4')


def _is_dib(head):
    at = 8 if head[0] == 12 else 12
    planes, bits = (int.from_bytes(head[i:i + 2], 'little') for i in (at, at + 2))
    return planes == 1 and bits in (1, 4, 8, 16, 24, 32)


def _is_targa(head):
    """A format without a signature; here without a palette, with sides of at most 16384."""
    return (len(head) > 18 and head[1] == 0 and head[2] in (2, 3, 10, 11) and not any(head[3:8])
            and head[16] in (8, 16, 24, 32) and head[17] & 0xc0 == 0
            and all(0 < head[at] + 256 * head[at + 1] <= 2 ** 14 for at in (12, 14)))


def _is_transport_stream(head):
    """Whether packets of 188 bytes, or a few more, follow each other, starting anywhere."""
    return any(
        len(head) >= start + 5 * size
        and all(head[at] == 0x47 for at in range(start, start + 5 * size, size))
        for size in (188, 192, 204) for start in range(size) if head[start:start + 1] == b'G')


def read_head(path: str) -> bytes:
    """The first bytes of a file.

    Raises:
        InputError: If the path is not a regular file, or the file is not
            readable.
    """
    try:
        path.encode()
    except UnicodeEncodeError as e:  # a table could not name it
        raise InputError(f'{ascii(path)[1:-1]}: expected a name in UTF-8; rename it') from e
    if os.path.islink(path) and not os.path.exists(path):
        raise InputError(f'{path}: a broken link; there is no {os.path.realpath(path)}')
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe might block forever
        if os.path.isdir(path):
            _list(path)
        raise InputError(f'{path}: expected a file, got a folder or a device')
    try:
        with open(path, 'rb') as f:
            return f.read(HEAD)
    except OSError as e:
        raise InputError(f'{path}: {e.strerror}') from e


def _list(folder):
    """Raise :class:`InputError` if a folder is not readable."""
    try:
        os.scandir(folder).close()
    except OSError as e:
        raise InputError(f'{folder}: {e.strerror}') from e


def is_video(path: str) -> bool:
    """Whether a file that can be read is a video, by its content."""
    try:
        kind = tell_file(path)
    except InputError:
        return False
    return kind is not None and kind.kind == VIDEO


def describe(head: bytes) -> str:
    """Describe a file that is neither a picture nor a video, for a message."""
    kind = tell(head)
    if not head:
        return 'an empty file'
    if kind and kind.kind == SOUND:
        return f'sound only ({kind.name})'
    if kind and kind.kind == OTHER:
        return kind.name
    if head.lstrip()[:9].lower() in (b'<!doctype', b'<html') or head.lstrip()[:5] == b'<html':
        return 'a web page'
    if b'<svg' in head:
        return 'an SVG drawing'
    if b'<MPD' in head:
        return 'a list of videos elsewhere; download one of them'
    try:
        head.decode()
    except UnicodeDecodeError as e:
        if e.start < len(head) - 4 or b'\0' in head:
            return 'something else, or a damaged file'
    return 'something else, or a damaged file' if b'\0' in head else 'text'
