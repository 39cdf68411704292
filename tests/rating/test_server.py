"""The page's server: what it answers, and whom it does not."""
import io
import json
import threading

import numpy as np
import pytest
from PIL import Image

from picture_ranknet.rating import server
from picture_ranknet.rating.journal import PAIRS, Journal
from picture_ranknet.rating.pairs import PairSession
from picture_ranknet.rating.stars import StarSession

PORT = 5050
HOME = f'http://127.0.0.1:{PORT}'


class Page:

    """What the page's script does, without a browser."""

    def __init__(self, session, sources=None):
        self.is_over = threading.Event()
        app = server.build_app(session, 'X.npy', 'token', HOME[len('http://'):], self.is_over,
                               'train it', sources)
        self.client = app.test_client()
        self.window = self.post('open').json['window']

    def get(self, path, home=HOME, **headers):
        return self.client.get('/token/' + path, base_url=home, headers=headers, buffered=True,
                               follow_redirects=True)

    def post(self, path, said=None, home=HOME, origin=HOME, **kwargs):
        said = {'window': getattr(self, 'window', None), **(said or {})}
        headers = {'Origin': origin} if origin else {}
        return self.client.post('/token/' + path, base_url=home, headers=headers,
                                **{'json': said, **kwargs})


@pytest.fixture
def page(tmp_path, pictures):
    with Journal(str(tmp_path / 'ratings.txt'), len(pictures), 'id') as journal:
        yield Page(StarSession(pictures, journal))


@pytest.fixture
def pair_page(tmp_path, pictures):
    with Journal(str(tmp_path / 'ratings.txt'), len(pictures), 'id', PAIRS) as journal:
        yield Page(PairSession(pictures, journal))


def journal_of(tmp_path):
    """What is in the journal, after its opening."""
    lines = (tmp_path / 'ratings.txt.journal').read_text().splitlines()[1:]
    return [json.loads(line) for line in lines]


def test_a_rating_is_on_disk_when_it_is_answered(page, tmp_path):
    answer = page.post('rate', {'row': 3, 'rating': 4})
    assert answer.status_code == 200 and answer.json['state']['rated'] == 1
    assert journal_of(tmp_path)[-1]['row'] == 3 and journal_of(tmp_path)[-1]['is'] == '4'
    assert page.post('reject', {'row': 5}).json['state']['rejected'] == 1
    undone = page.post('undo').json
    assert (undone['undone'], undone['row']) == ('reject', 5)
    undone = page.post('undo').json
    assert (undone['undone'], undone['row'], undone['rating']) == ('rating', 3, None)
    assert page.post('undo').json['pair'] is None  # nothing is left to undo


def test_a_window_is_told_what_has_been_rated(page):
    page.post('rate', {'row': 3, 'rating': 4})
    page.post('reject', {'row': 5})
    opened = page.post('open').json
    assert opened['ratings'] == {'3': 4, '5': 'x'} and opened['trail'] == [3, 5]
    assert (opened['pictures'], opened['levels'], opened['mode']) == (30, 5, 'stars')
    assert opened['next_command'] == 'train it' and not opened['has_sources']


def test_an_older_window_is_told_that_it_has_been_replaced(page, tmp_path):
    first = page.window
    page.window = page.post('open').json['window']
    answer = page.post('rate', {'row': 0, 'rating': 1, 'window': first})
    assert answer.status_code == 409 and answer.json['another_window']
    assert journal_of(tmp_path) == []
    assert page.post('rate', {'row': 0, 'rating': 1}).status_code == 200
    assert page.get('state').json['window'] == page.window != first


@pytest.mark.parametrize('said', [
    {'row': 30, 'rating': 1}, {'row': -1, 'rating': 1}, {'row': '0', 'rating': 1},
    {'row': True, 'rating': 1}, {'row': 0, 'rating': 6}, {'row': 0, 'rating': 0},
    {'row': 0, 'rating': 2.5}, {'row': 0, 'rating': '../x'}, {'rating': 1}])
def test_what_makes_no_sense_is_refused_and_not_written(page, said, tmp_path):
    assert page.post('rate', said).status_code == 400
    assert journal_of(tmp_path) == []


@pytest.mark.parametrize('data', ['[]', '1', 'x', ''])
def test_what_is_no_json_object_is_refused(page, data):
    answer = page.post('rate', json=None, data=data, content_type='application/json')
    assert answer.status_code == 400


def test_another_name_for_this_machine_is_refused(page):
    assert page.get('', home=HOME).status_code == 200
    assert page.get('', home='http://localhost:5050').status_code == 200
    for home in 'http://evil.example:5050', 'http://127.0.0.1:80', 'http://127.0.0.1.evil:5050':
        assert page.get('', home=home).status_code == 403


@pytest.mark.parametrize('origin', [None, 'null', 'http://evil.example', 'https://127.0.0.1:5050',
                                    'http://127.0.0.1:5051', 'http://localhost:5050'])
def test_what_another_page_sends_is_refused(page, origin, tmp_path):
    assert page.post('rate', {'row': 0, 'rating': 1}, origin=origin).status_code == 403
    assert journal_of(tmp_path) == []


def test_a_form_of_another_page_cannot_speak_json(page):
    answer = page.post('rate', json=None, data={'row': '0', 'rating': '1'})
    assert answer.status_code == 415


def test_without_the_token_there_is_nothing(page):
    for path in '/', '/picture/small/0', '/state', '/static/page.js', '/wrong/', '/wrong/state':
        assert page.client.get(path, base_url=HOME).status_code == 404


@pytest.mark.parametrize('path', [
    'static/../rate.py', 'static/%2e%2e/rate.py', 'static/..%2frate.py', 'static//etc/passwd',
    'picture/small/30', 'picture/small/-1', 'picture/huge/0', 'picture/small/..%2f0',
    'picture/small/0/../../state.x'])
def test_no_address_leads_out_of_the_page(page, path):
    assert page.get(path).status_code == 404


def test_what_is_too_long_is_refused(page):
    answer = page.post('rate', {'row': 0, 'rating': 1, 'x': 'y' * 20000})
    assert answer.status_code == 413


def test_every_answer_allows_nothing_from_elsewhere(page):
    for answer in page.get(''), page.get('state'), page.get('picture/small/0'), page.get('no'):
        policy = answer.headers['Content-Security-Policy']
        assert "default-src 'none'" in policy and 'unsafe' not in policy and '*' not in policy
        assert answer.headers['X-Content-Type-Options'] == 'nosniff'
        assert answer.headers['Cross-Origin-Resource-Policy'] == 'same-origin'
        assert answer.headers['Referrer-Policy'] == 'no-referrer'
        assert 'Access-Control-Allow-Origin' not in answer.headers


def test_the_page_loads_nothing_from_elsewhere(root):
    for path in (root / 'picture_ranknet' / 'rating' / 'page').iterdir():
        text = path.read_text(encoding='utf-8').replace('http://www.w3.org/2000/svg', '')
        assert 'http' not in text and '//' not in text.replace('// ', ''), path.name
        assert 'eval(' not in text and 'innerHTML' not in text, path.name


def test_a_small_picture_is_shown_as_it_is(page, pictures):
    answer = page.get('picture/small/7')
    assert answer.mimetype == 'image/png'
    shown = np.asarray(Image.open(io.BytesIO(answer.data)))
    np.testing.assert_array_equal(shown, pictures[7].transpose(1, 2, 0))  # CHW -> HWC


def test_a_large_picture_is_enlarged_and_its_edges_stay_crisp(tmp_path):
    X = np.zeros((1, 3, 40, 20))
    X[:, :, :, 10:] = 1.
    with Journal(str(tmp_path / 'r.txt'), 1, 'id') as journal:
        answer = Page(StarSession(X, journal)).get('picture/large/0')
    shown = np.asarray(Image.open(io.BytesIO(answer.data)).convert('L')).astype(float)
    assert shown.shape == (640, 320)
    assert shown[:, 150].max() < 10 and shown[:, 170].min() > 245  # within a pixel of 80


def test_the_end_is_told(page):
    page.post('rate', {'row': 0, 'rating': 1})
    assert page.post('summary').json['summary']['rated'] == 1
    assert not page.is_over.is_set()
    page.post('end')
    assert page.is_over.is_set()


def test_pairs_are_compared_placed_and_undone(pair_page, tmp_path):
    opened = pair_page.post('open').json
    pair_page.window = opened['window']
    assert opened['mode'] == 'pairs'
    left, right = opened['state']['pair']
    state = pair_page.post('compare', {'left': left, 'right': right, 'better': right}).json['state']
    assert state['compared'] == 1 and {left, right} & set(state['pair'])
    assert pair_page.post('summary').json['summary']['rated'] == 2  # at once
    assert pair_page.get('ranking').json['groups'][0] == ['ranked', [right, left]]
    pair_page.post('place', {'row': left, 'above': None, 'below': right})
    assert journal_of(tmp_path)[-1]['placed'] == left
    assert pair_page.post('undo').json['row'] == left
    assert pair_page.post('undo').json['pair'] == [left, right]
    for said in ({'left': 0, 'right': 0, 'better': 0}, {'left': 0, 'right': 1, 'better': 2},
                 {'left': 0, 'better': None}):
        assert pair_page.post('compare', said).status_code == 400


def test_the_server_is_heard_on_this_machine_only(tmp_path, pictures):
    with Journal(str(tmp_path / 'r.txt'), 30, 'id') as journal:
        with server.Server(StarSession(pictures, journal), 'X.npy') as served:
            assert served.url.startswith(f'http://127.0.0.1:{served.port}/')
            assert len(served.token) >= 32
            assert served.host == '127.0.0.1'


def test_a_view_takes_one_answer_however_often_it_is_sent(page, tmp_path):
    page.get('picture/large/3')
    page.get('picture/large/4')
    for said in [{'row': 3, 'rating': 4, 'view': 1}] * 2 + [{'row': 4, 'rating': 2, 'view': 1}]:
        answer = page.post('rate', said)
        assert answer.status_code == 200 and answer.json['state']['rated'] == 1
    assert answer.json['ignored']
    assert page.post('reject', {'row': 4, 'view': 2}).json['state']['rejected'] == 1
    assert page.post('skip', {'row': 4, 'view': 2}).json['ignored']
    assert len(journal_of(tmp_path)) == 2
    page.window = page.post('open').json['window']  # counts its own views
    assert page.post('rate', {'row': 4, 'rating': 2, 'view': 1}).json['state']['rated'] == 2


def test_an_older_window_does_not_use_up_the_views_of_the_new_one(page):
    page.get('picture/large/3')
    first = page.window
    page.window = page.post('open').json['window']
    said = {'row': 3, 'rating': 4}
    assert page.post('rate', {**said, 'view': 50, 'window': first}).status_code == 409
    assert page.post('rate', {**said, 'view': 1}).json['state']['rated'] == 1


def test_windows_that_open_while_others_rate_do_not_block_each_other(page):
    def reload():
        for _ in range(50):
            page.client.application.test_client().post(
                '/token/open', base_url=HOME, headers={'Origin': HOME}, json={})

    page.get('picture/large/3')
    thread = threading.Thread(target=reload, daemon=True)
    thread.start()
    for view in range(1, 51):
        page.post('rate', {'row': 3, 'rating': 1 + view % 5, 'view': view})
    thread.join(30)
    assert not thread.is_alive()


def test_what_was_never_on_the_screen_is_not_rated(page, tmp_path):
    page.get('picture/small/3')
    for path in 'rate', 'reject', 'skip', 'next':
        answer = page.post(path, {'row': 3, 'rating': 4, 'view': 1})
        assert answer.status_code == 409 and answer.json['not_shown']
    assert journal_of(tmp_path) == []
    page.get('picture/large/3')
    assert page.post('rate', {'row': 3, 'rating': 4, 'view': 1}).json['state']['rated'] == 1


def test_a_pair_is_on_the_screen_when_both_are(pair_page):
    left, right = pair_page.post('summary').json['state']['pair']
    said = {'left': left, 'right': right, 'better': left, 'view': 1}
    pair_page.get(f'picture/large/{left}')
    assert pair_page.post('compare', said).status_code == 409
    pair_page.get(f'picture/large/{right}')
    assert pair_page.post('compare', said).json['state']['compared'] == 1
    assert pair_page.post('compare', said).json['ignored']


def test_an_undo_that_is_sent_twice_takes_back_one_answer(page):
    page.post('rate', {'row': 3, 'rating': 4})
    version = page.post('rate', {'row': 4, 'rating': 4}).json['state']['version']
    assert page.post('undo', {'version': version}).json['row'] == 4
    again = page.post('undo', {'version': version}).json
    assert again['ignored'] and again['state']['rated'] == 1
    assert page.post('undo', {'version': again['state']['version']}).json['row'] == 3


@pytest.mark.parametrize('view', [0, -1, '1', True, 1.5, [1]])
def test_a_view_that_is_no_number_is_refused(page, view):
    page.get('picture/large/3')
    assert page.post('rate', {'row': 3, 'rating': 4, 'view': view}).status_code == 400


def test_a_full_disk_is_said_and_the_answer_may_be_sent_again(page, monkeypatch):
    def fail(*args):
        raise OSError(28, 'No space left on device')

    page.get('picture/large/3')
    said = {'row': 3, 'rating': 4, 'view': 1}
    with monkeypatch.context() as full:
        full.setattr(Journal, 'rate', fail)
        answer = page.post('rate', said)
        assert answer.status_code == 507
        assert answer.json['error'] == 'Not saved: No space left on device'
    assert page.post('rate', said).json['state']['rated'] == 1


def test_skip_next_and_undo(page):
    first, second = page.get('state').json['upcoming'][:2]
    assert page.post('skip', {'row': first}).json['state']['upcoming'][0] == second
    assert second not in page.post('next', {'row': second}).json['state']['upcoming']
    undone = page.post('undo').json
    assert undone['row'] == first and undone['rating'] is None
    assert undone['state']['upcoming'][0] == first


def test_pairs_are_skipped_and_pictures_rejected(pair_page):
    pair = pair_page.post('summary').json['state']['pair']
    state = pair_page.post('skip', {'left': pair[0], 'right': pair[1]}).json['state']
    assert state['pair'] != pair and state['skipped'] == 1
    row = state['pair'][1]
    state = pair_page.post('reject', {'row': row}).json['state']
    assert row not in state['pair'] and state['rejected'] == 1
    assert pair_page.post('open').json['ratings'] == {str(row): 'x'}


def test_the_version_grows_with_every_answer_and_undo(page):
    versions = [page.get('state').json['version']]
    for path, said in [('rate', {'row': 1, 'rating': 2}), ('skip', {'row': 2}), ('undo', {}),
                       ('undo', {})]:
        versions.append(page.post(path, said).json['state']['version'])
    assert versions == sorted(set(versions))


def test_a_page_of_an_earlier_rate_py_is_told_so(page):
    old = page.client.get('/old-token/state', base_url=HOME)
    assert old.status_code == 404 and old.json['restarted']
    old = page.client.post('/old-token/rate', base_url=HOME, json={}, headers={'Origin': HOME})
    assert old.status_code == 404 and old.json['restarted']
    shown = page.client.get('/old-token/', base_url=HOME, headers={'Accept': 'text/html,*/*'})
    assert shown.mimetype == 'text/html' and 'was restarted' in shown.text
    assert 'token' not in shown.text and "default-src 'none'" in (
        shown.headers['Content-Security-Policy'])
    assert 'restarted' not in page.get('picture/small/30').text


class Sources:

    """Pictures have sources, but for one."""

    def about(self, row):
        return {'source': 'x.png', 'frame': 0, 'time': None, 'box': None}

    def frame(self, row):
        return Image.new('RGB', (3000, 1000), 'red') if row else None

    def large(self, row):
        return Image.new('RGB', (700, 800), 'blue') if row else None


def test_a_picture_is_shown_as_large_as_in_its_source(page, pictures, tmp_path):
    with Journal(str(tmp_path / 'other.txt'), 30, 'id') as journal:
        sourced = Page(StarSession(pictures, journal), Sources())
        assert sourced.post('open').json['has_sources']
        sourced.window = None
        assert sourced.get('about/1').json['source'] == 'x.png'
        for path, size in ('large/1', (700, 800)), ('frame/1', (2000, 667)):
            answer = sourced.get(path)
            assert answer.mimetype == 'image/jpeg'
            assert Image.open(io.BytesIO(answer.data)).size == size
        for path in 'large/0', 'frame/0', 'large/30', 'about/30':
            assert sourced.get(path).status_code == 404
        sourced.window = sourced.post('open').json['window']
        said = {'row': 1, 'rating': 2, 'view': 1}
        assert sourced.post('rate', said).json['state']['rated'] == 1
        assert sourced.post('rate', {**said, 'row': 0, 'view': 2}).status_code == 409
    for path in 'large/1', 'frame/1', 'about/1':
        assert page.get(path).status_code == 404
