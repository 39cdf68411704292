"""XMP sidecars: ratings beside pictures, as digiKam, darktable and Lightroom read and write them.

The sidecar of ``a.jpg`` is ``a.jpg.xmp``; Lightroom's ``a.xmp`` is read as
well.  A rating is ``xmp:Rating``: 1 to 5 stars, 0 for none, -1 for rejected
(XMP Specification, Part 1, section 8.4, "XMP namespace").  What we predict is
written there, and beside it our stars and score as properties of a namespace
of our own, so that a later run can tell our stars from a person's.
"""
import math
import os
import re
import xml.dom.minidom
import xml.parsers.expat
from collections.abc import Callable, Iterable
from typing import NamedTuple, Optional

from picture_ranknet.errors import InputError
from picture_ranknet.storage import tables
from picture_ranknet.storage.atomic import replacing
from picture_ranknet.text import silent

LARGEST = 16 * 2 ** 20  # bytes; darktable's longest histories have some hundred thousand
MOST_STARS, REJECTED = 5, -1
RDF = 'http://www.w3.org/1999/02/22-rdf-syntax-ns#'
XMP = 'http://ns.adobe.com/xap/1.0/'
XMPMETA = 'adobe:ns:meta/'
OURS = 'urn:picture-ranknet:xmp:1'
EMPTY = ('<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
         f'<x:xmpmeta xmlns:x="{XMPMETA}">\n <rdf:RDF xmlns:rdf="{RDF}">\n'
         '  <rdf:Description rdf:about=""/>\n </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>\n')


class Sidecar(NamedTuple):
    """What a sidecar says.

    ``rating`` is -1 to 5, ``None`` where there is none; ``is_ours`` says that
    we have written it.
    """

    rating: Optional[float] = None
    is_ours: bool = False


def sidecar_path(picture: str) -> str:
    """The sidecar that is written for a picture: ``a.jpg.xmp`` for ``a.jpg``."""
    return picture + '.xmp'


def find_sidecar(picture: str) -> Optional[str]:
    """The sidecar of a picture: ``a.jpg.xmp``, else Lightroom's ``a.xmp``, else ``None``."""
    root = os.path.splitext(picture)[0]
    candidates = [base + ending for base in (picture, root) for ending in ('.xmp', '.XMP')]
    return next((path for path in candidates if os.path.isfile(path)), None)


def read_ratings(pictures: Iterable[str], note: Callable[[str], object] = silent) -> list:
    """What people have rated pictures in sidecars.

    Args:
        pictures: Paths of pictures.
        note: Called with a line for each sidecar that cannot be read.

    Returns:
        list of float: Stars 1 to 5, or ``REJECTED``; ``nan`` where there is no
        sidecar, no rating (0), or only stars that we predicted.
    """
    def rating(picture):
        path = find_sidecar(picture)
        try:
            said = read(path) if path else Sidecar()
        except (InputError, OSError) as e:
            note(f'skipped {e}' if isinstance(e, InputError)
                 else f'skipped {path}: {e.strerror or e}')
            return math.nan
        return said.rating if said.rating and not said.is_ours else math.nan

    return [rating(picture) for picture in pictures]


def read_ratings_of_set(X_path: str, n: int, note: Callable[[str], object] = silent) -> list:
    """What people have rated the files that ``n`` pictures were cut from.

    Each picture has the rating of its file; what was cut from a film has none.

    Args:
        X_path: The pictures; the table beside them names their files.
        n: The number of pictures.
        note: Called with a line for each sidecar that cannot be read.

    Returns:
        list of float: As of :func:`read_ratings`, ``nan`` also where the file
        is gone.

    Raises:
        InputError: If there is no table, or it does not fit.
    """
    table = tables.table_path(X_path)
    if not os.path.exists(table):
        raise InputError(f'{table}: --from_xmp needs this table, which names the files that the '
                         f'pictures of {X_path} were cut from, but it is not there')
    columns, rows = tables.read_table(table, n, ['source', 'time'])
    rows = [dict(zip(columns, row)) for row in rows]
    names = [None if row.get('time') else row.get('source') for row in rows]
    found = {name: find_source(name, X_path) for name in set(names) if name}
    paths = sorted(filter(None, found.values()))
    ratings = dict(zip(paths, read_ratings(paths, note)))
    return [ratings.get(found.get(name), math.nan) for name in names]


def find_source(name: str, X_path: str) -> Optional[str]:
    """The file that a table names: from the current folder, else from that of its set.

    Returns:
        Its path; ``None`` if there is no such file.
    """
    paths = name, os.path.join(os.path.dirname(X_path), name)
    return next((path for path in paths if os.path.isfile(path)), None)


def read(path: str) -> Sidecar:
    """Read one sidecar.

    Raises:
        InputError: If it is no XMP, or its rating is not a number from -1 to 5.
    """
    document = _parse(path)
    text = _get(document, XMP, 'Rating')
    if text is None:
        return Sidecar()
    rating = _number(text)
    if not REJECTED <= rating <= MOST_STARS:
        raise InputError(f'{path}: expected an xmp:Rating from -1 to 5, got {text[:40]!r}; correct '
                         'it in the program that wrote it')
    return Sidecar(rating, _number(_get(document, OURS, 'stars')) == rating)


def write(picture: str, stars: int, score: float) -> bool:
    """Write what was predicted for a picture into its sidecar; what else is there stays.

    Args:
        picture: Path of the picture.
        stars: 1 to 5.
        score: The model's.

    Returns:
        Whether it was written: stars that a person gave are never overwritten,
        nor is a rejection.

    Raises:
        InputError: If there is a sidecar that cannot be read; it stays as it is.
        OSError: If the sidecar cannot be written.
    """
    path = sidecar_path(picture)
    others = find_sidecar(picture)
    if others and others != path and read(others).rating:  # Lightroom's
        return False
    if os.path.exists(path):
        said = read(path)
        if said.rating and not said.is_ours:
            return False
        document = _parse(path)
    else:
        document = xml.dom.minidom.parseString(EMPTY)
    _set(document, XMP, 'xmp', 'Rating', str(stars))
    _set(document, OURS, 'ranknet', 'stars', str(stars))
    _set(document, OURS, 'ranknet', 'score', f'{score:.6g}')
    with replacing(path) as part, open(part, 'w', encoding='utf-8', newline='') as f:
        f.write(''.join(node.toxml() + '\n' for node in document.childNodes))
    return True


def _parse(path):
    if os.path.getsize(path) > LARGEST:
        raise InputError(f'{path}: expected an XMP sidecar, got {os.path.getsize(path):,} bytes; '
                         'is it another file?')
    with open(path, 'rb') as f:
        content = f.read()
    try:
        is_utf16 = content[:2] in (b'\xff\xfe', b'\xfe\xff')
        text = content.decode('utf-16' if is_utf16 else 'utf-8-sig')
        text = re.sub(r'^\s*<\?xml [^>]*\?>', '', text)  # its encoding has been dealt with
        if '<!DOCTYPE' in text or '<!ENTITY' in text:
            raise ValueError('a document type, which XMP has not')
        document = xml.dom.minidom.parseString(text.encode('utf-8'))
        if not document.getElementsByTagNameNS(RDF, 'RDF'):
            raise ValueError('no rdf:RDF')
    except (UnicodeDecodeError, xml.parsers.expat.ExpatError, ValueError) as e:
        raise InputError(f'{path}: expected an XMP sidecar, got other content ({e}); move it away '
                         'or repair it') from e
    return document


def _descriptions(document):
    rdf = document.getElementsByTagNameNS(RDF, 'RDF')[0]
    return [node for node in rdf.childNodes if _is_element(node, RDF, 'Description')]


def _is_element(node, namespace, name):
    return (node.nodeType == node.ELEMENT_NODE
            and (node.namespaceURI, node.localName) == (namespace, name))


def _get(document, namespace, name):
    """The text of a property, an attribute or an element; ``None`` where it is missing."""
    for description in _descriptions(document):
        if description.hasAttributeNS(namespace, name):
            return description.getAttributeNS(namespace, name)
        for node in description.childNodes:
            if _is_element(node, namespace, name):
                return ''.join(child.data for child in node.childNodes
                               if child.nodeType == child.TEXT_NODE)
    return None


def _set(document, namespace, prefix, name, text):
    """Give a property a text where it stands, or to the first description."""
    descriptions = _descriptions(document)
    for description in descriptions:
        if description.hasAttributeNS(namespace, name):
            description.getAttributeNodeNS(namespace, name).value = text
            return
        for node in description.childNodes:
            if _is_element(node, namespace, name):
                while node.firstChild:
                    node.removeChild(node.firstChild)
                node.appendChild(document.createTextNode(text))
                return
    if not descriptions:
        rdf = document.getElementsByTagNameNS(RDF, 'RDF')[0]
        description = document.createElementNS(RDF, f'{rdf.prefix or "rdf"}:Description')
        description.setAttributeNS(RDF, f'{rdf.prefix or "rdf"}:about', '')
        descriptions = [rdf.appendChild(description)]
    description = descriptions[0]
    description.setAttribute(f'xmlns:{prefix}', namespace)  # again, if it is declared above
    description.setAttributeNS(namespace, f'{prefix}:{name}', text)


def _number(text):
    try:
        return float(text)
    except (TypeError, ValueError):
        return math.nan
