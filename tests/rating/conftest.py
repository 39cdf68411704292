"""A browser for the tests of rate.py's page, which is started once."""
import os
import shutil

import pytest

BROWSER = os.environ.get('CHROMIUM') or shutil.which('chromium') or shutil.which('chromium-browser')
EMPTY = 'http://127.0.0.1/'  # of the site of all pages: another one would start a process
USUAL = {'viewport': {'width': 1280, 'height': 800}, 'reduced_motion': 'reduce'}
PATIENCE = 60000  # ms; some machines are slow, or busy
WATCH = '''
    // What was said, and which picture was on the screen, and how long, when a key was pressed.
    window.said = [];
    window.pressed = [];
    let shown = null, since = 0;
    new MutationObserver(() => {
        const status = document.querySelector('#status');
        if (status && status.textContent !== said.at(-1)) said.push(status.textContent);
        const row = document.querySelector('#stage img.large')?.dataset.row;
        if (row !== shown) [shown, since] = [row, performance.now()];
    }).observe(document, {childList: true, characterData: true, subtree: true});
    addEventListener('keydown', event => window.pressed.push(
        [Number(shown), event.key, event.timeStamp - since]), true);
'''


@pytest.fixture(scope='session')
def browser():
    playwright = pytest.importorskip('playwright.sync_api')
    if not BROWSER:
        pytest.skip('needs Chromium: set CHROMIUM to its program')
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=BROWSER, args=['--no-sandbox'])
        yield browser
        browser.close()


@pytest.fixture(scope='session')
def pages_by_kind():
    return {}


@pytest.fixture
def blank_page(browser, pages_by_kind):
    """Gives a page of some kind of window; tests have them one after the other, as each is dear."""
    used = []

    def blank_page(**kind):
        key = str(kind)
        if key not in pages_by_kind or pages_by_kind[key].is_closed():
            pages_by_kind[key] = browser.new_context(**{**USUAL, **kind}).new_page()
            pages_by_kind[key].set_default_timeout(PATIENCE)
            pages_by_kind[key].add_init_script(WATCH)
        page = pages_by_kind[key]
        used.append((page, page.viewport_size))
        return page
    yield blank_page
    for page, size in used:
        page.unroute_all(behavior='ignoreErrors')
        page.evaluate('localStorage.clear()')
        page.route(EMPTY, lambda route: route.fulfill(content_type='text/html'))
        page.goto(EMPTY)
        page.unroute_all()
        page.set_viewport_size(size)
        page.emulate_media(color_scheme='null', forced_colors='null')


@pytest.fixture
def find_faults():
    """Gives a function that says what axe finds to mend on a page, in light and in dark."""
    axe = pytest.importorskip('axe_playwright_python.sync_playwright').Axe()

    def find_faults(page):
        found = []
        for scheme, rules in ('light', None), ('dark', ['color-contrast']):
            page.emulate_media(color_scheme=scheme)
            if not page.evaluate('"axe" in window'):
                page.evaluate(axe.axe_script)
            found += page.evaluate('''async rules => (await axe.run(document, {
                resultTypes: ['violations'], ...(rules && {runOnly: rules}),
            })).violations.map(fault => [fault.id, fault.nodes.map(node => node.html)])''', rules)
        return found
    return find_faults
