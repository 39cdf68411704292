"""rate.py's page in a real browser: by keys, mouse and touch, and when things go wrong.

Over 400 lines: all tests share one browser and the same steps of a person.
"""
import contextlib
import json
import pathlib
import re

import numpy as np
import pytest
from PIL import Image

from picture_ranknet.rating import server, stars
from picture_ranknet.rating.journal import PAIRS, STARS, Journal
from picture_ranknet.rating.pairs import PairSession
from picture_ranknet.rating.stars import StarSession

ROOT = pathlib.Path(__file__).resolve().parents[2]

SIZES = [(1440, 900), (1024, 768), (768, 1024), (390, 844), (844, 390), (720, 450)]
SLOW = {'offline': False, 'latency': 150, 'downloadThroughput': 200000, 'uploadThroughput': 200000}


class Rater:

    """A page that rates pictures of the present folder, and what serves it."""

    def __init__(self, page, serving):
        self.closing = contextlib.ExitStack()
        self.url = self.closing.enter_context(serving)
        self.troubles = []
        self.answers = []  # path and JSON of what was sent
        self.page = page
        page.on('pageerror', self.note_error)
        page.on('request', self.note)
        page.goto(self.url)
        self.rows()

    def note_error(self, error):
        self.troubles.append(str(error))

    def note(self, request):
        if not request.url.startswith(self.url):
            self.troubles.append(request.url)
        if request.method == 'POST':
            self.answers.append((request.url[len(self.url):], json.loads(request.post_data)))

    def rows(self, former=''):
        """Rows of the pictures on the stage, once they can be answered and are not the former."""
        return list(map(int, self.page.wait_for_function('''former => {
            const ready = document.querySelector('#stage')?.dataset.ready;
            return ready !== former && ready;
        }''', arg=former).json_value().split()))

    def row(self):
        return self.rows()[0]

    def changed_by(self, action):
        """Do something, and wait until other pictures can be answered; returns the first row."""
        rows = self.rows()
        action()
        self.rows(' '.join(map(str, rows)))
        return rows[0]

    def press(self, *keys):
        """Press keys, and wait until other pictures can be answered; returns the first row."""
        return self.changed_by(lambda: [self.page.keyboard.press(key) for key in keys])

    def press_twice(self, key):
        """Press a key twice, however busy the machine is."""
        self.page.evaluate('''key => {
            for (let i = 0; i < 2; i++) {
                document.body.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
            }
        }''', key)

    def double_click(self, selector):
        """Click twice, however busy the machine is."""
        self.page.evaluate('''selector => {
            for (const detail of [1, 2]) {
                document.querySelector(selector).dispatchEvent(
                    new MouseEvent('click', {detail, bubbles: true}));
            }
        }''', selector)

    def says(self, text):
        """Wait until the page has said something; what comes next may have replaced it already."""
        self.page.wait_for_function(
            'text => window.said.some(line => line.includes(text))', arg=text)

    def count(self, text):
        self.page.wait_for_function(
            'text => document.querySelector("#count").textContent === text', arg=text)

    def open_list(self):
        self.page.keyboard.press('g')
        self.page.wait_for_selector('.cell:focus')

    def cell(self, row):
        return self.page.locator(f'.cell[data-row="{row}"]')

    def heading(self, place, pattern):
        self.page.wait_for_function('''([place, pattern]) => RegExp(pattern).test(
            document.querySelectorAll('#canvas h3')[place].innerText)''', arg=[place, pattern])

    def finish(self):
        """End rating by the keyboard; then the ratings are written."""
        self.page.keyboard.press('Escape')
        self.page.wait_for_selector('#end[open]')
        self.page.wait_for_timeout(160)
        self.page.keyboard.press('Enter')
        self.page.wait_for_selector('#saved')
        self.closing.close()

    def close(self):
        self.page.remove_listener('pageerror', self.note_error)
        self.page.remove_listener('request', self.note)
        self.closing.close()
        assert self.troubles == []


@contextlib.contextmanager
def served(pictures='X.npy', ratings='mine.txt', is_paired=False, levels=None, sources=None,
           port=0):
    """A server in this process, which starts at once; gives the address of its page."""
    X = np.load(pictures, mmap_mode='r')
    mode, make = (PAIRS, PairSession) if is_paired else (STARS, StarSession)
    with Journal(ratings, len(X), 'id', mode, levels) as journal:
        session = make(X, journal)
        with session, server.Server(session, pictures, port, 'python train.py X.npy',
                                    sources) as serving:
            yield serving.url


@pytest.fixture
def rate(blank_page, rated_files, monkeypatch):
    """Open a page; nothing may go wrong there.  Gives a function of what :func:`served` takes."""
    monkeypatch.chdir(rated_files)
    raters = []

    def rate(*args, kind=None, **kwargs):
        raters.append(Rater(blank_page(**(kind or {})), served(*args, **kwargs)))
        return raters[-1]
    yield rate
    for rater in raters:
        rater.close()


def ratings_in(folder, name='mine.txt'):
    return np.loadtxt(folder / name)


# A key rates what was seen

def test_a_key_rates_the_picture_that_was_on_the_screen_however_slow_the_line(rate):
    rater = rate()
    line = rater.page.context.new_cdp_session(rater.page)
    line.send('Network.emulateNetworkConditions', SLOW)
    for key in '123451':
        rater.page.keyboard.press(key)
        rater.page.wait_for_timeout(333)
    rater.changed_by(lambda: rater.double_click('.level[aria-label="Rate 2"]'))
    line.detach()
    pressed = rater.page.evaluate('window.pressed')
    rated = [said for path, said in rater.answers if path == 'rate']
    rows = [said['row'] for said in rated]
    assert len(rows) >= 3 and len(set(rows)) == len(rows)
    for said in rated[:-1]:  # the last one was clicked
        row, _, milliseconds = next(p for p in pressed
                                    if p[:2] == [said['row'], str(said['rating'])])
        assert milliseconds >= 140
    rater.count(f'{len(rows)} / 30')


def test_what_comes_too_soon_is_not_counted_and_the_page_says_so(rate):
    rater = rate()
    rater.press_twice('4')
    rater.says('Not counted')
    rater.count('1 / 30')
    rater.changed_by(lambda: rater.double_click('.level[aria-label="Rate 3"]'))
    rater.count('2 / 30')
    rater.changed_by(lambda: rater.page.click('.level >> nth=2'))
    rater.page.keyboard.press('Enter')  # would press the button that was clicked
    rater.page.keyboard.press('ArrowLeft')
    rater.page.wait_for_selector('.badge:visible')
    rater.count('3 / 30')


def test_a_picture_that_fails_is_not_rated(rate):
    rater = rate()
    rater.page.route('**/picture/large/*', lambda route: route.abort())
    rows = [rater.row()]
    for _ in range(6):  # some are loaded already
        rater.page.keyboard.press('3')
        rater.page.wait_for_function('''row => {
            const {ready} = document.querySelector('#stage').dataset;
            return (ready && ready !== row) || document.querySelector('.message button');
        }''', arg=str(rows[-1]))
        if rater.page.is_visible('.message'):
            break
        rows.append(rater.row())
    n_rated = len(rater.answers)
    rater.page.keyboard.press('4')
    rater.says('there is no picture')
    assert len(rater.answers) == n_rated
    failed = rater.page.inner_text('.message')
    rater.page.keyboard.press(' ')
    rater.page.wait_for_function(
        'failed => document.querySelector(".message").innerText !== failed', arg=failed)
    rater.page.unroute('**/picture/large/*')
    rater.page.click('text=Try again')
    assert rater.row() not in rows
    rater.press('4')


def test_digits_of_a_long_number_are_shown_and_never_reach_another_picture(rate, rated_files):
    rater = rate(levels=20)
    page = rater.page
    seven = rater.press('7')            # 70 is too much: nothing can follow
    eighteen = rater.press('1', '8')
    two = rater.press('2', 'Enter')
    page.keyboard.press('1')
    assert page.inner_text('.pending') == '1…'
    page.keyboard.press('Backspace')    # takes the digit back, not a rating
    page.wait_for_selector('.pending', state='hidden')
    no_face = rater.press('1', 'x')
    five = rater.press('3', 'ArrowRight')
    five = rater.press('5', 'Enter') if page.is_visible('.pending') else rater.press('5')
    rater.finish()
    ratings = ratings_in(rated_files)
    assert ratings[[seven, eighteen, two, five]].tolist() == [7, 18, 2, 5]
    assert np.isnan(ratings[no_face])


def test_a_larger_picture_of_the_source_takes_the_place_of_the_same_one(rate):
    rater = rate(sources=Sources())
    row = rater.row()
    rater.page.wait_for_selector('.origin:text-is("film.mkv · frame 1,234 · 1:02:05")')
    rater.page.wait_for_selector('.large.refined')
    assert rater.page.evaluate('() => document.querySelector(".large").naturalWidth') == 700
    rater.page.keyboard.press('f')
    rater.page.wait_for_selector('#frame[open]')
    rater.page.keyboard.press('f')
    rater.page.wait_for_selector('#frame', state='hidden')
    assert rater.press('3') == row
    rater.count('1 / 30')


class Sources:

    """What :mod:`sources` finds, in its place."""

    def about(self, row):
        return {'source': 'tv/film.mkv', 'frame': 1234, 'time': 3725.04, 'box': None}

    def large(self, row):
        return Image.new('RGB', (700, 700))

    frame = large


# Keys

def test_keys_rate_clear_reject_skip_undo_and_move(rate, rated_files):
    rater = rate()
    first = rater.press('4')
    second = rater.press('x')
    third = rater.press(' ')
    fourth = rater.press('2')
    assert len({first, second, third, fourth}) == 4
    rater.count('2 / 29')
    rater.press('Control+z')
    rater.says('Undone: 2 → not rated')
    assert rater.row() == fourth
    rater.press('u')
    rater.says('Undone: skip')
    assert rater.row() == third
    rater.press('Backspace')
    rater.says('Undone: not a face → not rated')
    assert rater.row() == second
    rater.press('ArrowLeft')
    assert rater.row() == first and rater.page.inner_text('figure .badge') == '4'
    rater.page.keyboard.press('Delete')
    rater.count('0 / 30')
    assert rater.row() == first  # stays there
    assert rater.press('5') == first
    rater.finish()
    ratings = ratings_in(rated_files)
    assert ratings[first] == 5 and np.isfinite(ratings).sum() == 1
    assert 'no face' not in (rated_files / 'mine.txt').read_text()
    assert rater.page.inner_text('h1') == 'Saved'
    assert 'train.py X.npy' in rater.page.inner_text('#saved')
    rater.page.keyboard.press('Escape')
    assert rater.page.locator('button').count() == 0  # nothing looks alive


@pytest.mark.parametrize('key, code, more, expected', [
    ('4', 'Digit4', {}, '4'), ("'", 'Digit4', {}, '4'),           # US, AZERTY
    ('４', '', {}, '4'), ('٤', '', {}, '4'), ('4', 'Numpad4', {}, '4'),
    ('Process', 'Digit4', {}, '4'),                               # an input method
    ('?', 'Digit7', {'shiftKey': True}, '?'),                     # Russian
    ('ч', 'KeyX', {}, 'x'), ('ｘ', 'KeyX', {}, 'x'), ('X', 'KeyX', {'shiftKey': True}, 'x'),
    ('x', 'KeyB', {}, 'x'), ('b', 'KeyX', {}, 'b'),               # Dvorak
    ('г', 'KeyU', {}, 'undo'), ('z', 'KeyY', {'ctrlKey': True}, 'undo'),
    ('я', 'KeyZ', {'metaKey': True}, 'undo'), ('4', 'Digit4', {'ctrlKey': True}, None),
    ('4', 'Digit4', {'repeat': True}, None), ('ArrowLeft', 'ArrowLeft', {'repeat': True},
                                              'ArrowLeft'),
])
def test_keys_mean_the_same_on_every_keyboard(keys_page, key, code, more, expected):
    assert keys_page.evaluate('''async init => {
        const {meaning} = await import('./keys.js');
        return meaning(new KeyboardEvent('keydown', init));
    }''', {'key': key, 'code': code, **more}) == expected


@pytest.fixture(scope='module')
def keys_page(browser):
    """A page that has nothing but the module of keys."""
    source = (ROOT / 'picture_ranknet/rating/page/keys.js').read_text(encoding='utf-8')
    page = browser.new_page()
    page.route('**/*', lambda route: route.fulfill(
        body=source if route.request.url.endswith('.js') else '<!doctype html>',
        content_type='text/javascript' if route.request.url.endswith('.js') else 'text/html'))
    page.goto('http://keys.test/')
    yield page
    page.close()


def test_next_goes_through_all_pictures(rate):
    rater = rate()
    assert len({rater.press('ArrowRight') for _ in range(5)}) == 5


def test_shortcuts_can_be_turned_off(rate):
    rater = rate()
    rater.page.keyboard.press('?')
    rater.page.click('text=are shortcuts')
    rater.page.keyboard.press('Escape')
    row = rater.row()
    rater.page.keyboard.press('4')
    rater.press('ArrowRight')
    rater.press('ArrowLeft')
    assert rater.row() == row and rater.answers[-1][0] != 'rate'
    rater.page.locator('.level >> nth=3').press('Enter')
    rater.count('1 / 30')


# Nothing is lost, and the page says what is true

def test_the_first_picture_waits_for_no_news(blank_page, rated_files, monkeypatch):
    monkeypatch.chdir(rated_files)
    page = blank_page()
    page.route('**/state', lambda route: None)  # is never answered
    with served() as url:
        page.goto(url)
        page.wait_for_function('() => document.querySelector("#stage").dataset.ready',
                               timeout=20000)


def test_while_the_first_picture_is_loaded_nobody_is_told_that_all_are_rated(
        blank_page, rated_files, monkeypatch):
    monkeypatch.chdir(rated_files)
    page = blank_page()
    held = []
    page.route('**/picture/**', lambda route: held.append(route))
    with served() as url:
        page.goto(url)
        page.wait_for_selector('.neighbour.after:not(.empty) img', state='attached')
        assert page.is_hidden('.message')
        for route in held:
            route.abort()
        page.wait_for_selector('.message:visible >> text=could not be loaded')
        page.wait_for_selector('.neighbour.after img.failed', state='attached')


def test_a_reload_and_an_end_lose_nothing_and_the_page_says_so(rate, rated_files):
    rater = rate()
    rated = {rater.press(key): int(key) for key in '31'}
    last = list(rated)[-1]
    assert f'"row": {last}' in (rated_files / 'mine.txt.journal').read_text()  # already
    rater.page.reload()
    rater.count('2 / 30')
    rater.press('ArrowLeft')
    assert rater.row() == last
    rater.closing.close()
    rater.page.wait_for_selector('#trouble:visible')  # without any key
    assert 'rate.py has ended' in rater.page.inner_text('#trouble')
    rater.page.keyboard.press('4')
    assert rater.row() == last
    with served(port=int(re.search(r':(\d+)/', rater.url)[1])):
        rater.page.wait_for_function(
            '() => document.querySelector("#trouble").textContent.includes("Open the address")')
    ratings = ratings_in(rated_files)
    assert {row: ratings[row] for row in np.flatnonzero(np.isfinite(ratings))} == rated


def test_a_second_window_takes_over_and_the_first_is_told(rate):
    rater = rate()
    second = rater.page.context.new_page()
    second.goto(rater.url)
    second.wait_for_function('() => document.querySelector("#stage")?.dataset.ready')
    rater.page.wait_for_selector('#trouble button')  # without any key
    assert 'another window' in rater.page.inner_text('#trouble')
    rater.page.keyboard.press('3')
    second.keyboard.press('3')
    second.wait_for_function('() => document.querySelector("#count").textContent === "1 / 30"')
    rater.page.click('#trouble button')
    rater.count('1 / 30')
    second.close()
    rater.press('4')
    rater.count('2 / 30')


# Mouse, touch, the list

def test_the_mouse_does_all_that_keys_do(rate):
    rater = rate()
    first = rater.row()
    rater.page.click('.level >> nth=3')
    rater.count('1 / 30')
    assert rater.page.get_attribute('.level >> nth=3 >> img', 'data-row') == str(first)
    rater.page.click('.neighbour.before')
    rater.page.wait_for_selector(f'#stage[data-ready="{first}"]')
    assert rater.page.get_attribute('.level >> nth=3', 'aria-pressed') == 'true'
    rater.page.click('text=Clear')
    rater.count('0 / 30')
    rater.page.click('text=Not a face')
    rater.count('0 / 29')
    rater.page.click('#undo')
    rater.count('0 / 30')
    rater.page.click('#open-help')
    assert 'not a face' in rater.page.inner_text('#help')
    rater.page.keyboard.press('Escape')
    rater.page.wait_for_selector('#help:not([open])', state='attached')


def test_the_list_is_corrected_by_key_and_by_dragging(rate, rated_files):
    rater = rate()
    page = rater.page
    rated = [rater.press(key) for key in '5551']
    place = rater.row()
    rater.open_list()
    rater.heading(0, r'^Rated 5\s*3')
    rater.cell(rated[0]).click()
    page.keyboard.press('2')
    rater.heading(0, r'5\s*2$')
    source, target = rater.cell(rated[1]).bounding_box(), rater.cell(rated[3]).bounding_box()
    page.mouse.move(source['x'] + 40, source['y'] + 40)
    page.mouse.down()
    page.mouse.move(target['x'] + 40, target['y'] + 40, steps=5)
    page.wait_for_selector('.ghost')
    page.mouse.up()
    rater.heading(0, r'5\s*1$')
    rater.cell(rated[2]).click()
    page.keyboard.press('Enter')  # opens it; the answer leads back to where one was
    page.wait_for_selector(f'#stage[data-ready="{rated[2]}"]')
    rater.press('4')
    assert rater.row() == place
    rater.finish()
    assert ratings_in(rated_files)[rated].tolist() == [2, 1, 4, 1]


def test_several_of_the_list_are_rated_by_one_key(rate, rated_files):
    rater = rate()
    page = rater.page
    page.set_viewport_size({'width': 500, 'height': 400})
    rater.open_list()
    page.select_option('#filter', 'null')
    cells = page.locator('.cell')
    rows = [int(cells.nth(place).get_attribute('data-row')) for place in range(4)]
    cells.nth(0).click()
    cells.nth(3).click(modifiers=['Shift'])
    page.keyboard.press('4')
    rater.says('4 pictures rated')
    box = cells.nth(1).bounding_box()
    page.mouse.move(box['x'] + 20, box['y'] + 20)
    page.mouse.down()
    page.mouse.move(250, 365, steps=3)  # and held still near the edge
    page.wait_for_function('() => document.querySelector("#scroller").scrollTop > 50')
    page.keyboard.press('Escape')
    page.mouse.up()
    page.keyboard.press('g')
    rater.finish()
    ratings = ratings_in(rated_files)
    assert np.flatnonzero(ratings == 4).tolist() == sorted(rows) and np.isfinite(ratings).sum() == 4


def test_twenty_thousand_pictures_are_listed_without_delay(rate, rated_files, monkeypatch):
    monkeypatch.setattr(stars, 'POOL', 100)
    X = np.lib.format.open_memmap(rated_files / 'many.npy', 'w+', np.uint8, (20000, 3, 8, 8))
    X[:] = np.arange(20000, dtype=np.uint8)[:, None, None, None]
    X.flush()
    rater = rate('many.npy')
    page = rater.page
    rater.press('3')
    rater.open_list()
    assert page.locator('.cell').count() < 400
    milliseconds = page.evaluate('''async () => {
        const scroller = document.querySelector('#scroller');
        const start = performance.now();
        for (let part = 1; part <= 10; part++) {
            scroller.scrollTop = scroller.scrollHeight * part / 10;
            await new Promise(requestAnimationFrame);
        }
        return performance.now() - start;
    }''')
    assert milliseconds < 10000  # 10 jumps across all of them; a list of all would take minutes
    assert page.locator('.cell').count() < 400
    page.keyboard.press('g')
    rater.press('4')
    assert page.inner_text('#count').startswith('2 / ')


# Pairs

def test_pairs_by_keys_alone(rate, rated_files, ratings):
    np.save('few.npy', np.load('X.npy')[:10])
    rater = rate('few.npy', is_paired=True)
    for done in range(1, 15):
        left, right = rater.rows()
        key = {1: '1', 0: 'ArrowDown', -1: '2'}[int(np.sign(ratings[left] - ratings[right]))]
        rater.page.keyboard.press(key)
        rater.count(f'{done} / 9' if done < 9 else str(done))
    before = rater.rows()
    rater.press('1')
    rater.press('u')
    rater.says('Undone: the comparison')
    assert rater.rows() == before
    assert 'in the wrong order' in rater.page.inner_text('#prediction')
    rater.press(' ')
    rater.says('Skipped')
    gone = rater.rows()[1]
    rater.press('x', '2')
    assert gone not in rater.rows()
    rater.finish()
    written = ratings_in(rated_files, 'mine.txt')
    assert np.isnan(written[gone])
    found = np.isfinite(written)
    assert np.corrcoef(written[found], ratings[:10][found])[0, 1] > .8


def test_a_drag_in_pairs_is_one_undo(rate):
    rater = rate(is_paired=True)
    for done in range(1, 6):
        rater.rows()
        rater.page.keyboard.press('1')
        rater.count(f'{done} / 29')
    rater.open_list()
    cells = rater.page.locator('.cell')
    order = cells.evaluate_all('cells => cells.slice(0, 6).map(cell => cell.dataset.row)')
    cells.nth(4).click()
    rater.page.keyboard.press('Shift+ArrowLeft')
    rater.says('Moved to place')
    rater.page.keyboard.press('u')
    rater.says('Undone: the place')
    rater.count('5 / 29')
    rater.page.wait_for_function('''order => order.every((row, place) =>
        document.querySelectorAll('.cell')[place].dataset.row === row)''', arg=order)


# For everyone

@pytest.mark.parametrize('is_paired', [False, True])
def test_every_size_of_window_has_room_for_all_of_it(rate, is_paired):
    rater = rate(is_paired=is_paired, kind={'has_touch': True})
    page = rater.page
    for width, height in SIZES:
        page.set_viewport_size({'width': width, 'height': height})
        assert page.evaluate('document.documentElement.scrollWidth') <= width
        heights, boxes = page.evaluate('''() => {
            const boxesOf = selector => [...document.querySelectorAll(selector)]
                .filter(element => element.checkVisibility({visibilityProperty: true}))
                .map(element => element.getBoundingClientRect());
            return [boxesOf('#stage img.large').map(box => box.height),
                    boxesOf('#stage img.large, #stage button, nav button')
                        .map(box => [box.left, box.top, box.right, box.bottom])];
        }''')
        assert min(heights) >= .28 * max(min(width, height), 600) and len(boxes) > 6
        for left, top, right, bottom in boxes:
            assert 0 <= left and right <= width + 1 and 0 <= top and bottom <= height + 1
    page.set_viewport_size({'width': 2560, 'height': 1440})
    picture, answers = (page.locator(f'#stage {part}').first.bounding_box()
                        for part in ('img.large', 'kbd' if is_paired else '.answers'))
    assert 0 < answers['y'] - picture['y'] - picture['height'] < 60  # near it on any screen
    page.set_viewport_size({'width': 390, 'height': 844})
    rater.rows()
    page.tap('.choice' if is_paired else '.level >> nth=4')
    rater.count('1 / 29' if is_paired else '1 / 30')


def test_tab_reaches_everything_and_is_seen(rate):
    rater = rate()
    rater.press('3')
    reached = {}
    for _ in range(20):
        rater.page.keyboard.press('Tab')
        name, outline = rater.page.evaluate('''() => {
            const {activeElement} = document;
            return [activeElement.ariaLabel ?? activeElement.innerText,
                    getComputedStyle(activeElement).outlineStyle];
        }''')
        reached[name] = outline
    buttons = rater.page.locator('button:visible').evaluate_all(
        'buttons => buttons.map(button => button.ariaLabel ?? button.innerText)')
    assert {reached.get(name) for name in buttons} == {'solid'}


def test_colours_follow_the_reader(rate):
    rater = rate()
    style = 'selector => getComputedStyle(document.querySelector(selector)).backgroundColor'
    sums = []
    for scheme in 'light', 'dark':
        rater.page.emulate_media(color_scheme=scheme)
        sums.append(sum(map(int, re.findall(r'\d+', rater.page.evaluate(style, 'body'))[:3])))
    assert sums[0] > 600 and sums[1] < 150
    rater.press('4')
    rater.press('ArrowLeft')
    rater.page.emulate_media(forced_colors='active')
    assert rater.page.evaluate(style, '.level[aria-pressed=true]') != rater.page.evaluate(
        style, '.level[aria-pressed=false]')
    assert rater.page.evaluate(style, '#progress i') != rater.page.evaluate(style, '#progress')


@pytest.mark.parametrize('is_paired', [False, True])
def test_axe_finds_nothing_to_mend(rate, find_faults, is_paired):
    rater = rate(is_paired=is_paired)
    page = rater.page
    for _ in range(3):
        rater.press('1')
    assert find_faults(page) == []
    if is_paired:
        return
    rater.open_list()
    assert find_faults(page) == []
    page.keyboard.press('g')
    page.keyboard.press('?')
    assert find_faults(page) == []
    page.keyboard.press('Escape')
    page.keyboard.press('Escape')
    page.wait_for_selector('#end[open]')
    assert find_faults(page) == []
