"""XMP sidecars: ratings beside pictures, as digiKam, darktable and Lightroom read and write them.

The sidecar of ``a.jpg`` is ``a.jpg.xmp``; Lightroom's ``a.xmp`` is read as
well.  A rating is ``xmp:Rating``: 1 to 5 stars, 0 for none, -1 for rejected
(XMP Specification, Part 1, section 8.4, "XMP namespace").  Predicted stars are
written there, and again, with the score, in a namespace of our own, so that a
later run can tell our stars from a person's.
"""
import math
import os
import re
import xml.dom.minidom
import xml.parsers.expat
from typing import NamedTuple, Optional

from picture_ranknet.errors import InputError
from picture_ranknet.storage.atomic import replacing

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

    ``rating`` is -1 to 5, or ``None``; ``is_ours`` says that we wrote it.
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


def find_source(name: str, X_path: str) -> Optional[str]:
    """Find a file named in a table: relative to the current folder, else to that of its set.

    Returns:
        Its path; ``None`` if there is no such file.
    """
    paths = name, os.path.join(os.path.dirname(X_path), name)
    return next((path for path in paths if os.path.isfile(path)), None)


def read(path: str) -> Sidecar:
    """Read one sidecar.

    Raises:
        InputError: If it is not XMP, or its rating is not a number from -1 to 5.
    """
    return _said(_parse(_content(path), path), path)


def read_packet(content: bytes, path: str) -> Sidecar:
    """Read the XMP embedded in a picture.

    Args:
        content: The XMP.
        path: The picture, for messages.

    Raises:
        InputError: As :func:`read` does.
    """
    return _said(_parse(content.rstrip(b'\0'), path), path)


def _said(document, path):
    text = _get(document, XMP, 'Rating')
    if text is None:
        return Sidecar()
    rating = _number(text)
    if not REJECTED <= rating <= MOST_STARS:
        raise InputError(f'{path}: expected an xmp:Rating from -1 to 5, got {text[:40]!r}; correct '
                         'it in the program that wrote it')
    return Sidecar(rating, _number(_get(document, OURS, 'stars')) == rating)


def write(picture: str, stars: int, score: float) -> bool:
    """Write a prediction for a picture into its sidecar; everything else in it stays.

    Args:
        picture: Path of the picture.
        stars: 1 to 5.
        score: The model's score.

    Returns:
        Whether it was written: stars that a person gave, or a rejection, are
        never overwritten.

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
        document = _parse(_content(path), path)
    else:
        document = xml.dom.minidom.parseString(EMPTY)
    _set(document, XMP, 'xmp', 'Rating', str(stars))
    _set(document, OURS, 'ranknet', 'stars', str(stars))
    _set(document, OURS, 'ranknet', 'score', f'{score:.6g}')
    with replacing(path) as part, open(part, 'w', encoding='utf-8', newline='') as f:
        f.write(''.join(node.toxml() + '\n' for node in document.childNodes))
    return True


def _content(path):
    if os.path.getsize(path) > LARGEST:
        raise InputError(f'{path}: expected an XMP sidecar, got {os.path.getsize(path):,} bytes; '
                         'is it another file?')
    with open(path, 'rb') as f:
        return f.read()


def _parse(content, path):
    try:
        is_utf16 = content[:2] in (b'\xff\xfe', b'\xfe\xff')
        text = content.decode('utf-16' if is_utf16 else 'utf-8-sig')
        text = re.sub(r'^\s*<\?xml [^>]*\?>', '', text)  # already decoded
        if '<!DOCTYPE' in text or '<!ENTITY' in text:
            raise ValueError('a document type, which XMP does not have')
        document = xml.dom.minidom.parseString(text.encode('utf-8'))
        if not document.getElementsByTagNameNS(RDF, 'RDF'):
            raise ValueError('no rdf:RDF')
    except (UnicodeDecodeError, xml.parsers.expat.ExpatError, ValueError) as e:
        raise InputError(f'{path}: expected XMP, got other content ({e}); move it away or repair '
                         'it') from e
    return document


def _descriptions(document):
    rdf = document.getElementsByTagNameNS(RDF, 'RDF')[0]
    return [node for node in rdf.childNodes if _is_element(node, RDF, 'Description')]


def _is_element(node, namespace, name):
    return (node.nodeType == node.ELEMENT_NODE
            and (node.namespaceURI, node.localName) == (namespace, name))


def _get(document, namespace, name):
    """The text of a property, stored as an attribute or an element; ``None`` if missing."""
    for description in _descriptions(document):
        if description.hasAttributeNS(namespace, name):
            return description.getAttributeNS(namespace, name)
        for node in description.childNodes:
            if _is_element(node, namespace, name):
                return ''.join(child.data for child in node.childNodes
                               if child.nodeType == child.TEXT_NODE)
    return None


def _set(document, namespace, prefix, name, text):
    """Set the text of a property where it stands, or add it to the first description."""
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
