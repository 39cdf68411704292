import pytest
from PIL import Image, PngImagePlugin

from picture_ranknet.errors import InputError
from picture_ranknet.pictures import xmp_ratings
from picture_ranknet.storage import sidecars

PACKET = sidecars.EMPTY.replace(
    'rdf:about=""', f'rdf:about="" xmlns:xmp="{sidecars.XMP}" xmp:Rating="{{}}"')


@pytest.fixture
def draw(tmp_path, monkeypatch):
    """Draw a picture with a rating in its sidecar, in itself, or both."""
    monkeypatch.chdir(tmp_path)

    def draw(name, beside=None, inside=None):
        packet = PACKET.format(inside)
        more = {} if inside is None else {'xmp': packet.encode()}
        if more and name.endswith('.png'):
            more = {'pnginfo': PngImagePlugin.PngInfo()}
            more['pnginfo'].add_itxt('XML:com.adobe.xmp', packet)
        elif more and name.endswith('.tif'):
            more = {'tiffinfo': {700: packet.encode()}}
        Image.new('RGB', (20, 20)).save(name, **more)
        if beside is not None:
            with open(name + '.xmp', 'w', encoding='utf-8') as f:
                f.write(PACKET.format(beside))
        return name
    return draw


@pytest.mark.parametrize('name', ['a.jpg', 'a.png', 'a.webp', 'a.tif'])
def test_a_rating_in_the_picture_is_read(draw, name):
    assert xmp_ratings.rating_of(draw(name, inside=4)) == 4
    assert xmp_ratings.rating_of(draw('b' + name)) is None


@pytest.mark.parametrize('beside, inside, rating', [
    (5, 2, 5), (0, 2, 2), (-1, 2, -1), (None, 0, None), (None, -1, -1), (0, None, None)])
def test_the_sidecar_goes_first(draw, beside, inside, rating):
    assert xmp_ratings.rating_of(draw('a.jpg', beside, inside)) == rating


def test_our_own_stars_are_no_rating(draw):
    sidecars.write(draw('a.jpg'), 5, 1.)
    assert xmp_ratings.rating_of('a.jpg') is None


@pytest.mark.parametrize('content', [b'', b'no picture', b'\xff\xd8\xff cut', None])
def test_what_is_no_picture_has_no_rating_of_its_own(tmp_path, content):
    path = tmp_path / 'a.jpg'
    if content is None:
        with pytest.raises((InputError, OSError)):
            xmp_ratings.rating_of(str(path))
    else:
        path.write_bytes(content)
        assert xmp_ratings.rating_of(str(path)) is None


def test_each_picture_of_a_set_has_the_rating_of_its_file(tmp_path, monkeypatch):
    (tmp_path / 'set').mkdir()
    (tmp_path / 'X.csv').write_text('row,source,time\n0,a.jpg,\n1,b.jpg,\n2,film.mp4,1.5\n3,a.jpg,'
                                    '\n4,gone.jpg,\n5,,\n')
    for name, stars in ('a.jpg', 4), ('b.jpg', -1), ('film.mp4', 5):
        (tmp_path / name).touch()
        (tmp_path / f'{name}.xmp').write_text(PACKET.format(stars), encoding='utf-8')
    (tmp_path / 'gone.jpg.xmp').write_text(PACKET.format(5), encoding='utf-8')
    for here, X_path in (tmp_path, 'X.npy'), (tmp_path / 'set', '../X.npy'):  # here, or beside it
        monkeypatch.chdir(here)
        ratings = xmp_ratings.read_ratings_of_set(X_path, 6)
        assert str(ratings) == '[4.0, -1.0, nan, 4.0, nan, nan]'
    with pytest.raises(InputError, match='Y.csv: --from_xmp needs this table'):
        xmp_ratings.read_ratings_of_set('Y.npy', 6)
