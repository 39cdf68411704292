"""Views of the list, pictures side by side, training and a phone, in a real browser."""
import contextlib
import sys

import numpy as np
import pytest

from picture_ranknet.rating import server
from picture_ranknet.rating.journal import PAIRS, Journal
from picture_ranknet.rating.pairs import PairSession
from picture_ranknet.rating.stars import StarSession
from picture_ranknet.rating.training import Training

PHONE = {'viewport': {'width': 390, 'height': 844}, 'has_touch': True, 'is_mobile': True}
TRAIN = '''
import sys
rows = open(sys.argv[2]).read().split()
print('step: 1000 | NDCG@100 | train: 0.9', flush=True)
open(sys.argv[sys.argv.index('-op') + 1], 'w').write('\\n'.join(map(str, range(len(rows)))))
'''


@pytest.fixture
def open_page(blank_page, rated_files, ratings, monkeypatch):
    """Open the page of a session with some ratings; gives it and the session."""
    monkeypatch.chdir(rated_files)
    (rated_files / 'train.py').write_text(TRAIN)
    troubles = []

    def note(error):
        troubles.append(str(error))

    with contextlib.ExitStack() as closing:
        def open_page(n_rated=0, duplicates=(), odd=None, train='train.py', again=(),
                      repeat_every=0, **kind):
            X = np.load('X.npy')
            for row, other in duplicates:
                X[row] = X[other]
            journal = closing.enter_context(Journal('mine.txt', len(X), 'id'))
            for row in range(n_rated):
                journal.rate(row, 5 if row == odd else ratings[row])
            for row, rating in again:
                journal.rate(row, rating, is_repeat=True)
            return show(StarSession(X, journal, repeat_every=repeat_every), train, kind)

        def open_pairs(n_compared=0, **kind):
            X = np.load('X.npy')
            journal = closing.enter_context(Journal('mine.txt', len(X), 'id', PAIRS))
            for row in range(n_compared):
                journal.compare(row, row + 1, row)
            return show(PairSession(X, journal), 'train.py', kind)

        def show(session, train, kind):
            closing.enter_context(session)
            serving = closing.enter_context(server.Server(
                session, 'X.npy', training=Training([sys.executable, train], 'X.npy', 'mine.txt')))
            page = blank_page(**kind)
            page.on('pageerror', note)
            closing.callback(page.remove_listener, 'pageerror', note)
            page.goto(serving.url)
            page.wait_for_function('() => document.querySelector("#stage")?.dataset.ready')
            return page, session
        open_page.pairs = open_pairs
        yield open_page
    assert troubles == []


def wait_for_lesson(page, session):
    """Until something has been learnt from the ratings."""
    while len(session.expected()[0]) + len(session.expected_without()[0]) == 0:
        page.wait_for_timeout(50)


def row_of(page, former=None):
    """What can be answered, once it is not the former: rows, as a string."""
    return page.wait_for_function('''former => {
        const {ready} = document.querySelector('#stage').dataset;
        return ready !== former && ready;
    }''', arg=former).json_value()


def open_list(page):
    page.keyboard.press('g')
    page.wait_for_selector('.cell:focus')


def rows_of(page):
    return page.locator('.cell').evaluate_all('cells => cells.map(c => Number(c.dataset.row))')


def says(page, text):
    page.wait_for_function(
        'text => document.querySelector("#status").textContent.includes(text)', arg=text)


def test_favourites_so_far_are_shown_and_corrected(open_page, ratings):
    page, session = open_page(20)
    wait_for_lesson(page, session)
    open_list(page)
    page.keyboard.press('f')
    page.wait_for_selector('.tag.expected')
    rows = rows_of(page)
    assert sorted(rows) == list(range(20, 30)) and ratings[rows[0]] == 5
    expected = page.locator('.tag.expected').all_inner_texts()
    assert expected == sorted(expected, reverse=True)
    page.wait_for_timeout(200)
    page.keyboard.press('2')
    page.wait_for_function('() => document.querySelectorAll(".cell").length === 9')
    assert session.journal.ratings[rows[0]] == 2 and rows_of(page) == rows[1:]
    page.keyboard.press('f')
    page.wait_for_function('() => document.querySelectorAll(".cell").length === 30')


def test_what_is_rated_otherwise_than_expected_comes_first(open_page):
    page, session = open_page(28, odd=0)
    wait_for_lesson(page, session)
    open_list(page)
    page.select_option('#filter', 'surprises')
    page.wait_for_selector('.tag.own')
    assert rows_of(page)[0] == 0
    assert page.locator('.cell >> nth=0 >> .tag.own').inner_text() == '5'


def test_near_duplicates_are_rated_together(open_page):
    page, session = open_page(duplicates=[(3, 17), (9, 17)])
    while not len(session.looked_at()):
        page.wait_for_timeout(50)
    open_list(page)
    page.select_option('#filter', 'duplicates')
    page.wait_for_function('() => document.querySelectorAll(".cell").length === 3')
    assert rows_of(page) == [3, 9, 17]
    page.locator('.cell >> nth=0').click()
    page.locator('.cell >> nth=2').click(modifiers=['Shift'])
    page.wait_for_timeout(200)
    page.keyboard.press('4')
    says(page, '3 pictures rated')
    assert session.journal.ratings[[3, 9, 17]].tolist() == [4, 4, 4]
    assert page.locator('.tag.own').all_inner_texts() == ['4', '4', '4']


def test_a_picture_that_is_shown_again_does_not_give_its_rating_away(open_page, ratings):
    page, session = open_page(20, repeat_every=15)
    row = row_of(page)
    for _ in range(8):  # the next ones are announced already
        if [int(row)] == session.state()['repeats']:
            break
        page.keyboard.press('3')
        row = row_of(page, row)
    says(page, 'Shown again')
    assert not page.is_visible('figure .badge')
    assert page.locator('.level[aria-pressed=true]').count() == 0
    other = 5 if ratings[int(row)] < 3 else 1
    page.keyboard.press(str(other))
    row_of(page, row)
    assert session.journal.ratings[int(row)] == other and session.journal.history[-1].is_repeat


def test_the_curve_is_drawn_under_how_far_one_agrees_with_oneself(open_page):
    page, _ = open_page(26, again=[(0, 2), (1, 3), (2, 1), (3, 5), (4, 4), (5, 1)])
    page.wait_for_selector('#curve .ceiling', state='attached')
    said = page.inner_text('#agreement').replace('\u00a0', ' ')
    assert said.startswith('You agree with yourself in ')
    assert ' shown again: the dashed line' in said
    ceiling, curve = (page.locator(f'#curve {part}').bounding_box()['y']
                      for part in ('.ceiling', 'circle'))
    assert curve < ceiling  # it ranks better than this person agrees, and cannot be told to
    assert 'can hardly help' in page.inner_text('#prediction')


def test_pictures_side_by_side_are_rated_by_keys_and_buttons(open_page):
    page, session = open_page(6)
    open_list(page)
    page.keyboard.press('c')
    says(page, 'Choose 2 to 4')
    page.locator('.cell[data-row="0"]').click()
    for row in 2, 4:
        page.locator(f'.cell[data-row="{row}"]').click(modifiers=['Control'])
    page.keyboard.press('c')
    page.wait_for_selector('.compared:focus')
    page.wait_for_function(
        '() => [...document.querySelectorAll(".compared img")].every(img => img.complete)')
    picture, buttons = (page.locator(f'.card >> nth=0 >> {part}').bounding_box()
                        for part in ('img', '.levels'))
    assert 0 < buttons['y'] - picture['y'] - picture['height'] < 60  # near it on any screen
    page.wait_for_timeout(200)
    page.keyboard.press('5')
    page.wait_for_selector('.card >> nth=1 >> .compared[aria-pressed=true]')
    page.wait_for_timeout(200)
    page.click('.card >> nth=2 >> .level >> nth=0')
    page.wait_for_selector('.card >> nth=2 >> .level[aria-pressed=true]:text("1")')
    page.keyboard.press('Escape')
    page.wait_for_selector('.cell')
    assert session.journal.ratings[[0, 2, 4]].tolist() == [5, 3, 1]


def test_the_picture_of_the_stage_is_compared_with_rated_ones(open_page):
    page, session = open_page(10)
    row = int(page.get_attribute('#stage', 'data-ready'))
    page.keyboard.press('c')
    page.wait_for_selector('#compare[open]')
    names = page.locator('.compared').evaluate_all('buttons => buttons.map(b => b.ariaLabel)')
    assert [name.split(', ')[1] for name in names] == ['not rated', '2', '3', '4']
    page.wait_for_function('() => document.querySelector(".compared img").complete')
    page.wait_for_timeout(200)
    page.keyboard.press('3')
    page.wait_for_selector('.card >> nth=0 >> .level[aria-pressed=true]')
    page.keyboard.press('c')
    page.wait_for_function(
        'row => ![undefined, row].includes(document.querySelector("#stage").dataset.ready)',
        arg=str(row))
    assert session.journal.ratings[row] == 3


def test_training_is_started_and_its_ranking_shown(open_page, rated_files):
    page, _ = open_page(20)
    page.click('#open-training')
    page.click('#train')
    page.wait_for_selector('#see-model:visible')
    assert 'mine_model.pkl' in page.inner_text('#training')
    page.click('#see-model')
    page.wait_for_selector('.cell')
    page.wait_for_function('() => document.querySelectorAll(".cell").length === 10')
    assert rows_of(page) == list(range(29, 19, -1))
    assert len((rated_files / 'mine.txt').read_text().split()) == 30


def test_training_on_pairs_ranks_all_of_them(open_page, rated_files):
    page, _ = open_page.pairs(12)
    page.keyboard.press('t')
    page.click('#train')
    page.wait_for_selector('#see-model:visible')
    assert np.isfinite(np.loadtxt(rated_files / 'mine.txt')).sum() == 13
    page.click('#see-model')
    page.wait_for_selector('.cell')


def test_training_that_fails_says_why(open_page):
    page, _ = open_page(20, train='missing.py')
    page.keyboard.press('t')
    page.click('#train')
    page.wait_for_function(
        '() => document.querySelector("#training-title").textContent === "Training failed"')
    assert 'missing.py' in page.inner_text('#training-text')


def swipe(page, distance):
    box = page.locator('#stage .frame').first.bounding_box()
    x, y = box['x'] + box['width'] / 2, box['y'] + box['height'] / 2
    touch = page.context.new_cdp_session(page)
    for part in range(5):
        touch.send('Input.dispatchTouchEvent', {
            'type': 'touchMove' if part else 'touchStart',
            'touchPoints': [{'x': x + distance * part / 4, 'y': y}]})
    touch.send('Input.dispatchTouchEvent', {'type': 'touchEnd', 'touchPoints': []})


def test_a_phone_rates_by_buttons_and_swipes(open_page):
    page, session = open_page(**PHONE)

    first = row_of(page)
    page.tap('.level >> nth=4')
    second = row_of(page, first)
    assert session.journal.ratings[int(first)] == 5
    swipe(page, 20)       # too short
    swipe(page, -150)
    third = row_of(page, second)
    assert third != first
    swipe(page, 150)
    assert row_of(page, third) == second
    assert np.isfinite(session.journal.ratings).sum() == 1
    for button in page.locator('button:visible:not(.neighbour)').all():
        assert button.bounding_box()['height'] >= 44


def test_a_phone_skips_a_pair_by_a_swipe_and_takes_it_back(open_page):
    page, session = open_page.pairs(**PHONE)
    first = row_of(page)
    swipe(page, -150)
    second = row_of(page, first)
    assert session.state()['skipped'] == 1
    swipe(page, 150)
    assert row_of(page, second) == first and session.state()['skipped'] == 0


def test_a_phone_rates_several_of_the_list_by_buttons(open_page):
    page, session = open_page(6, **PHONE)
    page.tap('#open-list')
    page.select_option('#filter', 'null')
    page.tap('text=Choose several')
    page.wait_for_function('() => document.querySelectorAll(".cell").length === 24')
    rows = rows_of(page)[:3]
    page.tap('.cell >> nth=1')
    page.tap('.cell >> nth=2')
    page.wait_for_timeout(200)
    page.tap('#list-bar .level >> nth=1')
    says(page, '3 pictures rated')
    assert session.journal.ratings[rows].tolist() == [2, 2, 2]


@pytest.mark.parametrize('kind', [{}, PHONE])
def test_what_is_new_fits_and_axe_finds_nothing_to_mend(open_page, find_faults, kind):
    page, session = open_page(20, duplicates=[(3, 17)], **kind)
    wait_for_lesson(page, session)

    def check():
        assert page.evaluate('document.documentElement.scrollWidth <= innerWidth')
        assert find_faults(page) == []

    page.keyboard.press('c')
    page.wait_for_selector('#compare[open]')
    check()
    page.keyboard.press('Escape')
    page.keyboard.press('t')
    page.wait_for_selector('#training[open]')
    check()
    page.keyboard.press('Escape')
    open_list(page)
    page.select_option('#filter', 'surprises')
    page.wait_for_selector('.tag')
    check()
