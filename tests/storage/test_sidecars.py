import math
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from picture_ranknet.errors import InputError
from picture_ranknet.pictures import xmp_ratings
from picture_ranknet.storage import sidecars

DIGIKAM = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:digiKam="http://www.digikam.org/ns/1.0/" xmp:Rating="{}">
   <digiKam:TagsList><rdf:Seq><rdf:li>cat &amp; dog</rdf:li></rdf:Seq></digiKam:TagsList>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""
AS_ELEMENT = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:xap="http://ns.adobe.com/xap/1.0/"><xap:Rating>{}</xap:Rating></rdf:Description>
 </rdf:RDF></x:xmpmeta>"""


@pytest.fixture
def picture(tmp_path):
    (tmp_path / 'a.jpg').write_bytes(b'picture')
    return str(tmp_path / 'a.jpg')


def write(picture, text, ending='.xmp'):
    with open(picture + ending, 'w', encoding='utf-8') as f:
        f.write(text)


def rating_of(picture):
    rating, = xmp_ratings.read_ratings([picture])
    return rating


@pytest.mark.parametrize('text', [DIGIKAM, AS_ELEMENT, '\ufeff' + DIGIKAM])
@pytest.mark.parametrize('said, rating', [('1', 1), ('5', 5), ('3.0', 3)])
def test_ratings_are_read_as_programs_write_them(picture, text, said, rating):
    write(picture, text.format(said))
    assert rating_of(picture) == rating


def test_not_rated_and_rejected_pictures_are_told_apart(picture):
    write(picture, DIGIKAM.format('0'))
    assert math.isnan(rating_of(picture))
    write(picture, DIGIKAM.format('-1'))
    assert rating_of(picture) == sidecars.REJECTED


def test_without_a_sidecar_there_is_no_rating(picture):
    assert math.isnan(rating_of(picture))


def test_lightrooms_name_is_found_and_the_full_name_goes_first(picture, tmp_path):
    (tmp_path / 'a.xmp').write_text(DIGIKAM.format(2), encoding='utf-8')
    assert rating_of(picture) == 2
    write(picture, DIGIKAM.format(4))
    assert rating_of(picture) == 4


def test_a_sidecar_in_utf_16_is_read(picture):
    with open(picture + '.xmp', 'w', encoding='utf-16') as f:
        f.write('<?xml version="1.0" encoding="UTF-16"?>' + AS_ELEMENT.format(3))
    assert rating_of(picture) == 3


def test_our_stars_are_written_and_are_not_taken_for_a_persons(picture):
    assert sidecars.write(picture, 4, 1.25)
    assert sidecars.read(picture + '.xmp') == (4, True)
    assert math.isnan(rating_of(picture))
    assert sidecars.write(picture, 2, -3)  # a later model
    assert sidecars.read(picture + '.xmp') == (2, True)


def test_what_a_person_changed_afterwards_is_the_persons(picture):
    sidecars.write(picture, 4, 1.25)
    with open(picture + '.xmp', encoding='utf-8') as f:
        text = f.read()
    write(picture, text.replace('xmp:Rating="4"', 'xmp:Rating="5"'))
    assert rating_of(picture) == 5
    assert not sidecars.write(picture, 1, 0)
    assert rating_of(picture) == 5


@pytest.mark.parametrize('said', ['3', '-1'])
@pytest.mark.parametrize('text', [DIGIKAM, AS_ELEMENT])
def test_a_persons_rating_is_never_overwritten(picture, text, said):
    write(picture, text.format(said))
    assert not sidecars.write(picture, 5, 9)
    with open(picture + '.xmp', encoding='utf-8') as f:
        assert f.read() == text.format(said)


def test_a_persons_rating_in_lightrooms_sidecar_is_not_contradicted(picture, tmp_path):
    (tmp_path / 'a.xmp').write_text(DIGIKAM.format(2), encoding='utf-8')
    assert not sidecars.write(picture, 5, 9)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a.jpg', 'a.xmp']


@pytest.mark.parametrize('text', [DIGIKAM, AS_ELEMENT])
def test_all_else_in_a_sidecar_stays(picture, text):
    write(picture, text.format(0))
    before = ElementTree.fromstring(text.format(0))
    assert sidecars.write(picture, 3, .5)
    after = ElementTree.parse(picture + '.xmp').getroot()
    for node in after.iter():
        for name in list(node.attrib):
            if name.startswith('{' + sidecars.OURS):
                del node.attrib[name]
            elif name.endswith('}Rating'):
                node.attrib[name] = '0'
        if node.tag.endswith('}Rating'):
            node.text = '0'
    assert ElementTree.canonicalize(ElementTree.tostring(after), strip_text=True) == (
        ElementTree.canonicalize(ElementTree.tostring(before), strip_text=True))


def test_names_with_anything_in_them(tmp_path):
    picture = tmp_path / '<é&"\'>.jpg'
    picture.write_bytes(b'')
    assert sidecars.write(str(picture), 1, 0)
    assert sidecars.read(str(picture) + '.xmp') == (1, True)


@pytest.mark.parametrize('content', [
    b'', b'\xff\xd8\xff', b'<a/>', DIGIKAM.format('3').encode()[:-60],
    b'<!DOCTYPE a [<!ENTITY b "bb">]>' + AS_ELEMENT.format('&b;').encode(),
    AS_ELEMENT.format('three').encode(), AS_ELEMENT.format('9').encode(),
    AS_ELEMENT.format('nan').encode()])
def test_what_is_no_sidecar_is_named_and_left_alone(picture, content):
    with open(picture + '.xmp', 'wb') as f:
        f.write(content)
    with pytest.raises(InputError, match=r'a\.jpg\.xmp: expected'):
        sidecars.write(picture, 3, 0)
    notes = []
    assert math.isnan(*xmp_ratings.read_ratings([picture], notes.append))
    assert len(notes) == 1 and f'skipped {picture}.xmp: expected' in notes[0]
    with open(picture + '.xmp', 'rb') as f:
        assert f.read() == content


@pytest.mark.skipif(not shutil.which('exiftool'), reason='needs exiftool (libimage-exiftool-perl)')
@pytest.mark.parametrize('before', [None, DIGIKAM.format('0'), AS_ELEMENT.format('0')])
def test_exiftool_reads_what_was_written(picture, before):
    if before:
        write(picture, before)
    sidecars.write(picture, 4, 1.5)
    done = subprocess.run(['exiftool', '-s3', '-Rating', '-TagsList', picture + '.xmp'],
                          capture_output=True, text=True, check=True)
    assert done.stdout.split('\n')[0] == '4'
    assert ('cat & dog' in done.stdout) == (before == DIGIKAM.format('0'))
