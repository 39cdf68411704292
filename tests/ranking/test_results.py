import os

import numpy as np
import pytest
from PIL import Image

from picture_ranknet.models.calibration import Scale
from picture_ranknet.pictures.thumbnails import Place
from picture_ranknet.ranking import results
from picture_ranknet.ranking.items import Item
from picture_ranknet.ranking.settings import Uses
from picture_ranknet.storage import sidecars
from support.errors import error_of

X = np.zeros((3, 3, 16, 16), np.uint8)


@pytest.fixture
def ranked(tmp_path, monkeypatch):
    """``in/a.png``, ``in/b.png`` and ``in/gone.png``, which is not there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'in').mkdir()
    paths = ['in/b.png', 'in/a.png', 'in/gone.png']
    for path in paths[:2]:
        Image.new('RGB', (20, 10), (200, 0, 0)).save(path)
    return [Item(path, row, 3. - row, Place(path), None, True) for row, path in enumerate(paths)]


@pytest.fixture
def scale():
    return Scale(np.arange(1., 4), np.array([1, 3, 5]))


def test_thumbnails_are_read_before_files_are_moved_away(ranked, scale):
    said, steps = [], []
    uses = Uses(xmp=True, sort_into='sorted', way='move', gallery='out')
    results.use(ranked[:2], X, scale, uses, 'm.pkl', said.append,
                progress=lambda *step: steps.append(step))
    assert said == ['2 sidecars written', '2 files -> sorted',
                    'gallery: ' + os.path.join('out', 'index.html')]
    assert steps[-1] == (2, 2)
    assert os.listdir('in') == []
    assert sorted(os.listdir('sorted/5-star')) == ['b.png', 'b.png.xmp']
    sheet = np.asarray(Image.open('out/thumbs/0000.jpg'))
    assert sheet[40, 40, 0] > 150  # the file's own red, not the black crop
    with open('out/index.html', encoding='utf-8') as f:
        assert 'sorted/5-star/b.png' in f.read()


def test_nothing_is_done_that_is_not_wanted(ranked):
    said = []
    results.use(ranked, X, None, Uses(), 'm.pkl', said.append)
    assert said == [] and os.listdir('.') == ['in']


def test_a_crop_is_shown_where_the_source_is_gone(ranked):
    jpegs = results.thumbnails_of(ranked)
    assert [jpeg is None for jpeg in jpegs] == [False, False, True]
    crops = X.astype(np.float32)
    crops[2] = .5  # of any scale
    results.write_gallery('out', ranked, jpegs, crops, None, 'Title')
    sheet = np.asarray(Image.open('out/thumbs/0000.jpg'))
    assert (sheet[96, [2 * 192 + 96]] == 255).all()


def test_links_by_rank_need_no_scale(ranked):
    assert results.sort_files('best', ranked[:2], None, 'link', True) == {}
    assert sorted(os.listdir('best')) == ['0001_b.png', '0002_a.png']
    assert sorted(os.listdir('in')) == ['a.png', 'b.png']


def test_sidecars_are_counted_and_failures_named(ranked, scale, monkeypatch):
    sidecars.write('in/a.png', 2, 0.)
    with open('in/a.png.xmp', encoding='utf-8') as f:
        text = f.read()
    with open('in/a.png.xmp', 'w', encoding='utf-8') as f:
        f.write(text.replace('xmp:Rating="2"', 'xmp:Rating="1"'))
    notes = []
    assert results.write_sidecars(ranked, scale, notes.append) == (1, 1, 1)
    assert len(notes) == 1 and notes[0].startswith('skipped in/gone.png: No such file')
    assert sidecars.read('in/b.png.xmp') == (5, True)
    assert sidecars.read('in/a.png.xmp') == (1, False)
    monkeypatch.setattr(results, 'MOST_NAMED', 0)
    notes.clear()
    results.write_sidecars(ranked, scale, notes.append)
    assert notes == ['1 sidecar could not be written']
    assert results.describe_sidecars(1, 2, 3) == (
        '1 sidecar written, 2 rated by a person left unchanged, 3 failed')


def test_stars_inside_a_picture_are_not_contradicted_by_a_sidecar(ranked, scale):
    xmp = sidecars.EMPTY.replace('rdf:about=""', f'rdf:about="" xmlns:xmp="{sidecars.XMP}" '
                                 'xmp:Rating="1"')
    Image.new('RGB', (40, 30)).save('in/a.png', 'JPEG', xmp=xmp.encode())
    assert results.write_sidecars(ranked[:2], scale) == (1, 1, 0)
    assert not os.path.exists('in/a.png.xmp') and os.path.exists('in/b.png.xmp')


def test_folders_that_hold_something_else_are_refused(ranked):
    results.check_folders('out', 'sorted', {'--output': 'pred.txt'})
    assert 'in: expected' in error_of(results.check_folders, 'in', None)
    assert 'in: expected' in error_of(results.check_folders, None, 'in')
    assert 'out/pred.txt: expected a place outside of out' in error_of(
        results.check_folders, 'out', None, {'--output': 'out/pred.txt'})
    assert './out: expected a place outside of out' in error_of(
        results.check_folders, 'out', './out')
