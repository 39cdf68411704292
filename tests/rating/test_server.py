"""The page's server: what it answers, and whom it does not."""
import io
import json

import numpy as np
import pytest
from PIL import Image

from picture_ranknet.rating import server as rate_server
from picture_ranknet.rating.journal import PAIRS, Journal
from picture_ranknet.rating.session import PairSession, StarSession

PORT = 5050
HOME = 'http://127.0.0.1:{}'.format(PORT)


class Page:

    """What the page's script does, without a browser."""

    def __init__(self, session):
        self.is_over = rate_server.threading.Event()
        app = rate_server.build_app(session, 'X.npy', 'token', PORT, self.is_over)
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
    lines = (tmp_path / 'ratings.txt.journal').read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_rating_is_on_disk_when_it_is_answered(page, tmp_path):
    answer = page.post('rate', {'row': 3, 'rating': 4})
    assert answer.status_code == 200 and answer.json['state']['rated'] == 1
    assert journal_of(tmp_path)[-1]['row'] == 3 and journal_of(tmp_path)[-1]['is'] == '4'
    assert page.post('reject', {'row': 5}).json['state']['rejected'] == 1
    assert page.post('undo').json['row'] == 5
    assert page.post('undo').json['rating'] is None
    assert page.post('undo').json['pair'] is None  # nothing is left to undo


def test_a_window_is_told_what_has_been_rated(page):
    page.post('rate', {'row': 3, 'rating': 4})
    page.post('reject', {'row': 5})
    opened = page.post('open').json
    assert opened['ratings'] == {'3': 4, '5': 'x'} and opened['trail'] == [3, 5]
    assert (opened['pictures'], opened['levels'], opened['mode']) == (30, 5, 'stars')


def test_an_older_window_is_told_that_it_has_been_replaced(page, tmp_path):
    first = page.window
    page.window = page.post('open').json['window']
    answer = page.post('rate', {'row': 0, 'rating': 1, 'window': first})
    assert answer.status_code == 409 and answer.json['another_window']
    assert len(journal_of(tmp_path)) == 1
    assert page.post('rate', {'row': 0, 'rating': 1}).status_code == 200


@pytest.mark.parametrize('said', [
    {'row': 30, 'rating': 1}, {'row': -1, 'rating': 1}, {'row': '0', 'rating': 1},
    {'row': True, 'rating': 1}, {'row': 0, 'rating': 6}, {'row': 0, 'rating': 0},
    {'row': 0, 'rating': 2.5}, {'row': 0, 'rating': '../x'}, {'rating': 1}])
def test_what_makes_no_sense_is_refused_and_not_written(page, said, tmp_path):
    assert page.post('rate', said).status_code == 400
    assert len(journal_of(tmp_path)) == 1


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
    assert len(journal_of(tmp_path)) == 1


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


def test_a_full_disk_is_said_and_the_picture_stays(page, monkeypatch):
    def fail(journal, row, rating):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('picture_ranknet.rating.journal.Journal.rate', fail)
    answer = page.post('rate', {'row': 0, 'rating': 1})
    assert answer.status_code == 507
    assert answer.json['error'] == 'Not saved: No space left on device'


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
    assert state['compared'] == 1 and left in state['pair'] or right in state['pair']
    assert pair_page.get('ranking').json['groups'][0] == ['ranked', [right, left]]
    pair_page.post('place', {'row': left, 'above': None, 'below': right})
    assert journal_of(tmp_path)[-1]['better'] == left
    assert pair_page.post('undo').json['pair'] == [left, right]
    for said in ({'left': 0, 'right': 0, 'better': 0}, {'left': 0, 'right': 1, 'better': 2},
                 {'left': 0, 'better': None}):
        assert pair_page.post('compare', said).status_code == 400


def test_the_server_is_heard_on_this_machine_only(tmp_path, pictures):
    with Journal(str(tmp_path / 'r.txt'), 30, 'id') as journal:
        with rate_server.Server(StarSession(pictures, journal), 'X.npy') as server:
            assert server.url.startswith('http://127.0.0.1:{}/'.format(server.port))
            assert len(server.token) >= 32
            assert server._server.socket.getsockname()[0] == '127.0.0.1'
