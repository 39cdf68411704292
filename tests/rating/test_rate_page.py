"""rate.py's page in a real browser: by keys, mouse and touch, and when things go wrong."""
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

BROWSER = os.environ.get('CHROMIUM') or shutil.which('chromium') or shutil.which('chromium-browser')
playwright = pytest.importorskip('playwright.sync_api')
pytestmark = pytest.mark.skipif(not BROWSER, reason='needs Chromium: set CHROMIUM to its program')


@pytest.fixture(scope='module')
def browser():
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=BROWSER, args=['--no-sandbox'])
        yield browser
        browser.close()


class Rater:

    """rate.py, running, and a page of it."""

    def __init__(self, browser, root, folder, args, context):
        self.process = subprocess.Popen(
            [sys.executable, str(root / 'rate.py'), *map(str, args), '--no_browser'], cwd=folder,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding='utf-8')
        self.url = self.process.stdout.readline().strip()
        self.context = browser.new_context(**{'viewport': {'width': 1280, 'height': 800},
                                              **context})
        self.context.set_default_timeout(60000)  # some machines are slow, or busy
        self.troubles = []
        self.page = self.open()

    def open(self):
        page = self.context.new_page()
        page.on('pageerror', lambda error: self.troubles.append(str(error)))
        page.on('request', lambda request: self.troubles.append(request.url) if
                not request.url.startswith(self.url) else None)
        page.goto(self.url)
        page.wait_for_function('() => document.querySelector("#count").textContent')
        return page

    def row(self):
        return int(self.page.get_attribute('#stage img.large', 'data-row'))

    def press(self, key):
        """Press a key and wait until another picture is shown; returns the row that it was for."""
        row = self.row()
        self.page.keyboard.press(key)
        self.page.wait_for_function(
            'row => document.querySelector("#stage img.large").dataset.row !== row', arg=str(row))
        return row

    def count(self, text):
        self.page.wait_for_function(
            'text => document.querySelector("#count").textContent === text', arg=text)

    def pair(self):
        return [int(image.get_attribute('data-row'))
                for image in self.page.query_selector_all('#stage .choice img')]

    def kill(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def rate(browser, root, rated_files):
    """Start rate.py and open its page; at the end nothing may have gone wrong there."""
    raters = []

    def rate(*args, **context):
        raters.append(Rater(browser, root, rated_files, args, context))
        return raters[-1]
    yield rate
    for rater in raters:
        rater.context.close()
        rater.kill()
        assert rater.troubles == []


def ratings_in(folder, name='mine.txt'):
    return np.loadtxt(folder / name)


def test_keys_rate_clear_reject_skip_undo_and_move(rate, rated_files):
    rater = rate('X.npy', 'mine.txt')
    first = rater.press('4')
    second = rater.press('x')
    third = rater.press(' ')
    fourth = rater.press('2')
    assert len({first, second, third, fourth}) == 4
    rater.count('3 / 30')
    rater.press('Backspace')
    assert rater.row() == fourth
    rater.press('u')
    assert rater.row() == second
    rater.count('1 / 30')
    rater.press('ArrowLeft')
    assert rater.row() == first and rater.page.inner_text('figure .badge') == '4'
    rater.page.keyboard.press('0')
    rater.count('0 / 30')
    assert rater.row() == first  # stays there
    assert rater.press('5') == first
    rater.page.keyboard.press('Escape')
    rater.page.wait_for_selector('#end[open]')
    assert '1 of 30 pictures rated' in rater.page.inner_text('#end')
    rater.page.keyboard.press('Enter')
    assert rater.process.wait(30) == 0
    ratings = ratings_in(rated_files)
    assert ratings[first] == 5 and np.isfinite(ratings).sum() == 1
    assert 'no face' not in (rated_files / 'mine.txt').read_text()


def test_fast_keys_each_rate_their_own_picture(rate, rated_files):
    rater = rate('X.npy', 'mine.txt')
    for key in '1234512345':
        rater.page.keyboard.press(key)
    rater.count('10 / 30')
    rater.page.keyboard.press('Escape')
    rater.page.wait_for_selector('#end[open]')
    rater.page.click('#finish')
    rater.process.wait(30)
    ratings = ratings_in(rated_files)
    assert sorted(ratings[np.isfinite(ratings)]) == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_a_reload_and_a_kill_lose_nothing(rate, rated_files):
    rater = rate('X.npy', 'mine.txt')
    rated = {rater.press(key): int(key) for key in '3142'}
    rater.page.reload()
    rater.count('4 / 30')
    rater.press('ArrowLeft')
    assert rater.row() == list(rated)[-1]
    rater.kill()
    again = rate('X.npy', 'mine.txt')
    again.count('4 / 30')
    rated[again.press('5')] = 5
    again.page.keyboard.press('Escape')
    again.page.wait_for_selector('#end[open]')
    again.page.keyboard.press('Enter')
    again.process.wait(30)
    ratings = ratings_in(rated_files)
    assert {row: ratings[row] for row in np.flatnonzero(np.isfinite(ratings))} == rated


def test_it_is_said_when_rate_py_is_gone(rate):
    rater = rate('X.npy', 'mine.txt')
    rater.press('3')
    row = rater.row()
    rater.kill()
    rater.page.keyboard.press('4')
    rater.page.wait_for_selector('#error:not([hidden])')
    assert 'does not answer' in rater.page.inner_text('#error')
    assert rater.row() == row  # not moved on


def test_a_second_window_takes_over_and_the_first_is_told(rate):
    rater = rate('X.npy', 'mine.txt')
    second = rater.open()
    rater.page.keyboard.press('3')
    rater.page.wait_for_selector('#error button')
    assert 'another window' in rater.page.inner_text('#error')
    second.keyboard.press('3')
    second.wait_for_function('() => document.querySelector("#count").textContent === "1 / 30"')
    rater.page.click('#error button')
    rater.count('1 / 30')
    rater.press('4')
    rater.count('2 / 30')


def test_the_mouse_does_all_that_keys_do(rate):
    rater = rate('X.npy', 'mine.txt')
    first = rater.row()
    rater.page.click('.level >> nth=3')
    rater.count('1 / 30')
    rater.page.click('.neighbour.before')
    rater.page.wait_for_selector('#stage img.large[data-row="{}"]'.format(first))
    rater.page.click('text=Clear')
    rater.count('0 / 30')
    rater.page.click('text=Not a face')
    rater.count('1 / 30')
    rater.page.click('#undo')
    rater.count('0 / 30')
    rater.page.click('#open-help')
    assert 'not a face' in rater.page.inner_text('#help')
    rater.page.keyboard.press('Escape')
    rater.page.wait_for_selector('#help:not([open])', state='attached')


def test_a_phone_has_room_for_all_of_it(rate):
    rater = rate('X.npy', 'mine.txt', viewport={'width': 390, 'height': 780}, has_touch=True,
                 is_mobile=True)
    width = rater.page.evaluate('document.documentElement.scrollWidth')
    assert width <= 390
    for selector in '.large', '.level >> nth=0', '.level >> nth=4', '#undo', '#open-end':
        box = rater.page.locator(selector).bounding_box()
        assert box['x'] >= 0 and box['x'] + box['width'] <= 390
        assert box['y'] >= 0 and box['y'] + box['height'] <= 780
    rater.page.tap('.level >> nth=4')
    rater.count('1 / 30')


def cell(page, row):
    return page.locator('.cell[data-row="{}"]'.format(row))


def test_the_list_is_corrected_by_key_and_by_dragging(rate, rated_files):
    rater = rate('X.npy', 'mine.txt')
    rated = [rater.press(key) for key in '5551']
    page = rater.page
    page.keyboard.press('g')
    page.wait_for_selector('.cell')
    assert re.match(r'Rated 5\s*3', page.inner_text('#canvas h3 >> nth=0'))
    cell(page, rated[0]).click()
    page.keyboard.press('2')
    page.wait_for_function('() => document.querySelector("#canvas h3").innerText.match(/5\\s*2$/)')
    source, target = cell(page, rated[1]).bounding_box(), cell(page, rated[3]).bounding_box()
    page.mouse.move(source['x'] + 40, source['y'] + 40)
    page.mouse.down()
    page.mouse.move(target['x'] + 40, target['y'] + 40, steps=5)
    page.wait_for_selector('.ghost')
    page.mouse.up()
    page.wait_for_function('() => document.querySelector("#canvas h3").innerText.match(/5\\s*1$/)')
    page.keyboard.press('g')
    page.keyboard.press('Escape')
    page.wait_for_selector('#end[open]')
    page.keyboard.press('Enter')
    rater.process.wait(30)
    assert ratings_in(rated_files)[rated].tolist() == [2, 1, 5, 1]


def test_more_levels_than_keys(rate, rated_files):
    rater = rate('X.npy', 'mine.txt', '--levels', 20)
    first = rater.press('7')           # 70 is too much: nothing can follow
    row = rater.row()
    rater.page.keyboard.press('1')
    second = rater.press('8')
    assert second == row
    rater.page.keyboard.press('2')
    third = rater.press('Enter')
    rater.page.keyboard.press('Escape')
    rater.page.wait_for_selector('#end[open]')
    rater.page.keyboard.press('Enter')
    rater.process.wait(30)
    assert ratings_in(rated_files)[[first, second, third]].tolist() == [7, 18, 2]


def test_pairs_by_keys_alone(rate, rated_files, ratings):
    rater = rate('X.npy', 'pairs.txt', '--pairs')
    for done in range(1, 41):
        left, right = rater.pair()
        key = {1: '1', 0: 'ArrowDown', -1: '2'}[int(np.sign(ratings[left] - ratings[right]))]
        rater.page.keyboard.press(key)
        rater.count('{} / 29'.format(done) if done < 29 else '{} comparisons'.format(done))
    before = rater.pair()
    rater.page.keyboard.press('1')
    rater.count('41 comparisons')
    rater.page.keyboard.press('u')
    rater.count('40 comparisons')
    assert rater.pair() == before
    assert 'in the wrong order' in rater.page.inner_text('#gain')
    rater.page.keyboard.press('g')
    rater.page.wait_for_selector('.cell')
    rater.page.keyboard.press('Escape')
    rater.page.keyboard.press('Escape')
    rater.page.wait_for_selector('#end[open]')
    rater.page.keyboard.press('Enter')
    rater.process.wait(30)
    written = ratings_in(rated_files, 'pairs.txt')
    assert np.corrcoef(written, ratings)[0, 1] > .8


def test_a_hundred_thousand_pictures_are_listed_without_delay(rate, rated_files):
    X = np.lib.format.open_memmap(rated_files / 'many.npy', 'w+', np.uint8, (100000, 3, 8, 8))
    X[:] = np.arange(100000, dtype=np.uint8)[:, None, None, None]
    X.flush()
    rater = rate('many.npy', 'mine.txt')
    page = rater.page
    rater.press('3')
    page.keyboard.press('g')
    page.wait_for_selector('.cell')
    assert page.locator('.cell').count() < 400
    milliseconds = page.evaluate('''async () => {
        const scroller = document.querySelector('#scroller');
        const start = performance.now();
        for (let part = 1; part <= 20; part++) {
            scroller.scrollTop = scroller.scrollHeight * part / 20;
            await new Promise(requestAnimationFrame);
        }
        return performance.now() - start;
    }''')
    assert milliseconds < 10000  # 20 jumps across all of them; a list of all would take minutes
    assert page.locator('.cell').count() < 400
    page.keyboard.press('g')
    rater.press('4')
    rater.count('2 / 100,000')


def test_nothing_moves_on_before_it_is_on_disk(rate, rated_files):
    rater = rate('X.npy', 'mine.txt')
    row = rater.press('3')
    journal = (rated_files / 'mine.txt.journal').read_text()
    assert '"row": {}, "is": "3"'.format(row) in journal


def test_dark_and_light(rate):
    colours = []
    for scheme in 'light', 'dark':
        rater = rate('X.npy', scheme + '.txt', color_scheme=scheme)
        colours.append(rater.page.evaluate('getComputedStyle(document.body).backgroundColor'))
    light, dark = (sum(map(int, re.findall(r'\d+', colour)[:3])) for colour in colours)
    assert light > 600 and dark < 150
