"""The gallery in the real browser, and what its writer promises."""
import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from picture_ranknet.errors import InputError
from picture_ranknet.pictures import gallery

playwright = pytest.importorskip('playwright.sync_api')
CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser')
needs_browser = pytest.mark.skipif(not CHROMIUM, reason='needs Chromium')


def make(n, side=16):
    """``n`` entries, best first: five sources in turn, of which two are films."""
    sources = ['/p/cat 1.jpg', '/films/one.mp4', '/p/<b>dog&.png', '/films/two.mp4',
               '/q/cat 2.jpg']
    for i in range(n):
        source = sources[i % 5]
        yield gallery.Entry(np.full((side, 2 * side, 3), i % 256, np.uint8), source, n - i,
                            i + .5 if source.endswith('.mp4') else None, 5 - 5 * i // n, 1 - i / n)


@pytest.fixture(scope='module')
def browser():
    if not CHROMIUM:
        pytest.skip('needs Chromium')
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox'])
        yield browser
        browser.close()


@pytest.fixture
def show(browser, tmp_path):
    """Open a gallery of some entries; fails on anything that the page complains of or asks for."""
    context = browser.new_context(viewport={'width': 1000, 'height': 800})
    page, said, asked = context.new_page(), [], []
    page.on('console', lambda message: said.append(message.text))
    page.on('pageerror', lambda error: said.append(str(error)))
    page.on('request', lambda request: asked.append(request.url))

    def show(entries, title='Mine'):
        gallery.write(str(tmp_path / 'out'), entries, title)
        page.goto((tmp_path / 'out' / 'index.html').as_uri())
        return page

    yield show
    assert not said
    assert all(url.startswith((tmp_path / 'out').as_uri()) for url in asked)
    context.close()


def names(page):
    return page.locator('.card .name').all_inner_texts()


def count(page):
    return page.locator('#count').inner_text()


def test_best_first_with_score_and_stars(show):
    page = show(make(10), '<Mine> & "yours"')
    assert page.title() == page.locator('h1').evaluate('node => node.firstChild.data') == (
        '<Mine> & "yours"')
    assert count(page) == '10 pictures'
    assert names(page)[:4] == ['cat 1.jpg', 'one.mp4 0:01', '<b>dog&.png', 'two.mp4 0:03']
    first = page.locator('.card').first
    assert first.locator('.shine').inner_text() == '★★★★★'
    assert first.locator('.rank').inner_text() == '10.00 · #1'
    assert '100 % likely 4 stars or more' in first.get_attribute('title')


def test_a_picture_opens_and_a_film_opens_at_that_second(show):
    page = show(make(10))
    hrefs = [card.get_attribute('href') for card in page.locator('.card').all()]
    assert hrefs[:3] == ['file:///p/cat%201.jpg', 'file:///films/one.mp4#t=1.5',
                         'file:///p/%3Cb%3Edog%26.png']


def test_thumbnails_keep_their_shape_and_are_those_of_the_picture(show, tmp_path):
    page = show(make(130))
    assert sorted(os.listdir(tmp_path / 'out' / 'thumbs')) == ['0000.jpg', '0001.jpg']
    box = page.locator('.thumb').first.bounding_box()
    assert box['width'] == pytest.approx(2 * box['height'], rel=.02)
    page.keyboard.press('Tab')
    page.locator('#main').focus()
    page.keyboard.press('End')
    shot = page.locator('.card:focus .thumb').screenshot(path=tmp_path / 'last.png')
    assert shot
    pixels = np.asarray(Image.open(tmp_path / 'last.png').convert('L'))
    assert abs(np.median(pixels) - 129) <= 4  # entry 129 is of that grey


@pytest.mark.parametrize('n_done', [0, 1, 2])
def test_a_gallery_that_is_replaced_is_the_old_or_the_new_one(tmp_path, monkeypatch, n_done):
    out, replace, done = tmp_path / 'out', os.replace, []

    def replace_some(source, target):
        if len(done) == n_done:
            raise SystemExit  # a kill; nothing is cleared up
        done.append(target)
        replace(source, target)

    gallery.write(str(out), make(3), 'Old')
    with monkeypatch.context() as context, pytest.raises(SystemExit):
        context.setattr(os, 'replace', replace_some)
        context.setattr(shutil, 'rmtree', lambda *_, **__: None)
        gallery.write(str(out), make(250), 'New')
        raise SystemExit
    page = (out / 'index.html').read_text(encoding='utf-8')
    title, thumbs = (re.search(f'{tag}(.*?)[<"]', page)[1] for tag in (
        '<title>', 'thumbnails" content="'))
    assert title == ('New' if n_done == 2 else 'Old')
    assert len(os.listdir(out / thumbs)) == (3 if n_done == 2 else 1)
    gallery.write(str(out), make(120), 'Newer')
    assert len(sorted(out.glob('thumbs*'))) == 1
    assert len(list(out.glob('thumbs*/*.jpg'))) == 2


def test_two_at_once_do_not_write_to_one_gallery(tmp_path):
    gallery.write(str(tmp_path / 'out'), make(1), 'One')

    def entries():
        yield from make(1)
        with pytest.raises(InputError, match='another predict.py is writing to it'):
            gallery.write(str(tmp_path / 'out'), make(1), 'Three')

    gallery.write(str(tmp_path / 'out'), entries(), 'Two')
    assert '<title>Two</title>' in (tmp_path / 'out' / 'index.html').read_text(encoding='utf-8')


def test_filters_by_stars_text_and_source(show):
    page = show(make(50))
    page.get_by_role('button', name='5 stars').click()
    assert count(page) == '40 of 50'
    page.get_by_role('button', name='5 stars').click()
    page.get_by_label('Search').fill('CAT 1')
    assert count(page) == '10 of 50' and set(names(page)) == {'cat 1.jpg'}
    page.get_by_label('Search').fill('no such')
    page.get_by_role('button', name='Show all').click()
    assert count(page) == '50 pictures'
    page.get_by_label('Source').select_option(label='two.mp4')
    assert count(page) == '10 of 50'


def test_sorts(show):
    page = show(make(10))
    page.get_by_label('Sort').select_option('worst')
    assert page.locator('.rank').first.inner_text().endswith('#10')
    page.get_by_label('Sort').select_option('name')
    assert names(page)[0] == 'one.mp4 0:01'  # /films before /p


def test_everything_by_keyboard(show):
    page = show(make(30))
    page.locator('#main').focus()
    page.keyboard.press('Home')
    page.keyboard.press('ArrowRight')
    page.keyboard.press('Space')
    page.keyboard.press('ArrowRight')
    page.keyboard.press('Space')
    assert page.locator('#chosen').inner_text() == '2 chosen'
    assert [card.get_attribute('aria-selected') for card in page.locator('.card').all()[:4]] == [
        'false', 'true', 'true', 'false']
    page.evaluate('navigator.clipboard.writeText = async text => { window.copied = text }')
    page.keyboard.press('c')
    page.wait_for_function('window.copied')
    assert page.evaluate('window.copied') == '/films/one.mp4\n/p/<b>dog&.png\n'
    page.keyboard.press('/')
    page.keyboard.type('cat')
    assert count(page) == '12 of 30'
    page.keyboard.press('Escape')
    page.keyboard.press('Escape')
    assert page.locator('#chosen').inner_text() == 'None chosen'


def test_of_thousands_only_those_on_the_screen_are_drawn(show):
    page = show(make(1200, side=1))
    assert count(page) == '1,200 pictures'
    for key in 'End', 'Home', 'PageDown':
        page.locator('#main').focus()
        page.keyboard.press(key)
        assert 10 < page.locator('.card').count() < 100


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('size', [(1440, 900), (390, 844), (844, 390)])
def test_fits_every_screen(browser, tmp_path, scheme, size):
    gallery.write(str(tmp_path / 'out'), make(20), 'Mine')
    page = browser.new_page(viewport=dict(zip(('width', 'height'), size)), color_scheme=scheme)
    page.goto((tmp_path / 'out' / 'index.html').as_uri())
    assert page.evaluate('document.documentElement.scrollWidth') <= size[0]
    assert page.evaluate('document.getElementById("main").clientHeight') > size[1] * .4
    page.close()


def test_without_stars_nothing_speaks_of_them(show):
    page = show(entry._replace(stars=None, probability=None) for entry in make(3))
    assert not page.locator('#stars').is_visible()
    assert '★' not in page.locator('#main').inner_text()


def test_a_gallery_replaces_a_gallery_and_nothing_else(tmp_path):
    out = tmp_path / 'out'
    for n in 120, 3:
        gallery.write(str(out), make(n), 'Mine')
        assert len(list(out.glob('thumbs*/*'))) == (n + 99) // 100
    assert sorted(os.listdir(tmp_path)) == ['out']
    (out / 'mine.txt').write_text('')
    (tmp_path / 'file').write_text('')
    for folder in out, tmp_path / 'file', tmp_path / 'no' / 'out':
        with pytest.raises(InputError, match=re.escape(str(folder))):
            gallery.write(str(folder), make(3), 'Mine')


def test_a_failure_leaves_the_old_gallery(tmp_path):
    def fail():
        yield from make(2)
        raise OSError('disk')

    gallery.write(str(tmp_path / 'out'), make(3), 'Old')
    before = (tmp_path / 'out' / 'index.html').read_text()
    with pytest.raises(OSError):
        gallery.write(str(tmp_path / 'out'), fail(), 'New')
    assert (tmp_path / 'out' / 'index.html').read_text() == before
    assert os.listdir(tmp_path) == ['out']
