"""rate.py as a person runs it, without a browser: test_rate_page.py has one."""
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image

import rate
from picture_ranknet.models import model_file
from picture_ranknet.rating import browser
from picture_ranknet.storage import sidecars


@pytest.fixture
def start(tmp_path, root):
    """Start rate.py; returns the process and the address of its page."""
    processes = []

    def start(*args):
        process = subprocess.Popen(
            [sys.executable, str(root / 'rate.py'), *map(str, args), '--no_browser'],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding='utf-8')
        processes.append(process)
        return process, process.stdout.readline().strip()
    yield start
    for process in processes:
        process.kill()
        process.communicate()


class Here:

    """rate.py in a thread of this process, which is sooner; the page must end it.

    Attributes:
        url (str): Of the page, which has been opened.
        opened (dict): What the page is told.
    """

    def __init__(self, args, capsys):
        self._capsys = capsys
        self._thread = threading.Thread(target=rate.main, args=[[*args, '--no_browser']])
        self._thread.start()
        self.out = self.err = ''
        deadline = time.monotonic() + 60
        while not self.out:
            self._read()
            assert self._thread.is_alive() and time.monotonic() < deadline, self.err
            time.sleep(.01)
        self.url = self.out.split()[0]
        self.opened = self.post('open', {})

    def _read(self):
        out, err = self._capsys.readouterr()
        self.out, self.err = self.out + out, self.err + err

    def post(self, path, said):
        window = getattr(self, 'opened', {}).get('window')
        return post(self.url, path, {'window': window, **said})

    def end(self):
        """End it, and return what it has said."""
        if self._thread.is_alive():
            self.post('end', {})
            self._thread.join(60)
            self._read()
        return self.out, self.err


@pytest.fixture
def start_here(tmp_path, monkeypatch, capsys):
    """Start rate.py here; gives a function of its arguments that returns a :class:`Here`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('sys.argv', ['rate.py'])
    started = []

    def start_here(*args):
        started.append(Here(args, capsys))
        return started[-1]
    yield start_here
    for one in started:
        one.end()


def post(url, path, said):
    origin = re.match(r'http://[^/]+', url)[0]
    request = urllib.request.Request(
        url + path, json.dumps(said).encode(),
        {'Content-Type': 'application/json', 'Origin': origin})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_ctrl_c_ends_it_with_all_that_was_said(start, rated_files):
    process, url = start('X.npy', 'mine.txt')
    window = post(url, 'open', {})['window']
    post(url, 'rate', {'window': window, 'row': 2, 'rating': 5})
    post(url, 'reject', {'window': window, 'row': 0})
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0 and err == ''
    assert out.endswith('2 answers now, 1 of 30 pictures rated, 1 no face -> mine.txt\n')
    assert (rated_files / 'mine.txt').read_text() == 'nan  # no face\nnan\n5\n' + 27 * 'nan\n'


def test_kill_9_loses_nothing_that_was_answered(start, start_here, rated_files):
    process, url = start('X.npy', 'ratings.txt')  # which has ratings already
    window = post(url, 'open', {})['window']
    post(url, 'rate', {'window': window, 'row': 2, 'rating': 5})
    process.kill()
    process.wait()
    expected = np.loadtxt(rated_files / 'ratings.txt')
    expected[2] = 5
    opened = start_here('X.npy', 'ratings.txt').opened
    assert opened['ratings'] == {str(row): rating for row, rating in enumerate(expected)}
    assert opened['trail'] == [2]


def test_kill_9_loses_no_comparison(start, start_here, rated_files):
    process, url = start('X.npy', 'pairs.txt', '--pairs')
    opened = post(url, 'open', {})
    pair = opened['state']['pair']
    for _ in range(29):
        answer = post(url, 'compare', {'window': opened['window'], 'left': pair[0],
                                       'right': pair[1], 'better': max(pair)})
        pair = answer['state']['pair']
    process.kill()
    process.wait()
    here = start_here('X.npy', 'pairs.txt', '--pairs')
    assert here.opened['state']['compared'] == 29
    out = here.end()[0]
    assert '0 answers now, 30 of 30 pictures rated' in out
    assert np.isfinite(np.loadtxt(rated_files / 'pairs.txt')).all()


def test_who_only_looks_at_the_page_may_come_back_in_the_other_mode(start_here, rated_files):
    for mode in ['--pairs'], ['--levels', '10']:
        start_here('X.npy', 'mine.txt', *mode).end()
    assert not list(rated_files.glob('mine.txt*'))


def test_the_next_command_names_the_files_as_they_were_given(start_here, rated_files):
    (rated_files / 'my faces').mkdir()
    (rated_files / 'X.npy').rename(rated_files / 'my faces' / 'X.npy')
    here = start_here('my faces/X.npy', 'mine.txt')
    assert here.opened['next_command'] == (
        "python train.py 'my faces/X.npy' mine.txt --arch pretrained")


def test_a_second_one_on_the_same_ratings_is_refused(start_here, rated_files, run_here):
    start_here('X.npy', 'ratings.txt')
    done = run_here('rate.py', 'X.npy', 'ratings.txt', '--no_browser')
    assert done.returncode == 1
    assert done.stderr.startswith('rate.py: error: ratings.txt.journal: another rate.py')


def test_a_trained_model_helps_to_choose(start_here, rated_files, model):
    model_file.save(rated_files / 'model.pkl', model)
    here = start_here('X.npy', 'mine.txt', '--model', 'model.pkl')
    assert here.opened['pictures'] == 30 and here.end()[1] == ''


def test_the_page_ends_it_and_other_pictures_under_the_same_name_are_noticed(
        start_here, rated_files, pictures):
    here = start_here('X.npy', 'mine.txt')
    here.post('rate', {'row': 2, 'rating': 5})
    assert here.end()[0].endswith('1 answer now, 1 of 30 pictures rated -> mine.txt\n')
    np.save(rated_files / 'X.npy', 255 - pictures)
    err = start_here('X.npy', 'mine.txt').end()[1]
    assert 'warning: X.npy: not the pictures that were rated' in err


def test_a_folder_is_rated_by_one_command_and_may_grow(start, start_here, tmp_path):
    (tmp_path / 'art').mkdir()
    for number in range(4):
        save_noise(tmp_path / 'art' / f'{number}.png', number)
    process, url = start('art')
    window = post(url, 'open', {})['window']
    post(url, 'rate', {'window': window, 'row': 1, 'rating': 3})
    process.kill()  # what it had no time for follows
    assert process.communicate()[1] == 'art: 4 pictures -> art.npy\n'
    here = start_here('art')
    assert here.opened['next_command'] == (
        'python train.py art.npy art_ratings.txt --arch pretrained')
    assert here.opened['has_sources'] and here.opened['trail'] == [1]
    with urllib.request.urlopen(f'{here.url}picture/large/1', timeout=30) as answer:
        width, height = Image.open(answer).size
    assert height == 2 * width  # as in the file, and not as in the set
    assert here.end()[1] == ''
    save_noise(tmp_path / 'art' / '9.png', 9)
    here = start_here('art')
    here.post('rate', {'row': 4, 'rating': 2})
    out, err = here.end()
    assert err == 'art: 1 more picture -> art.npy\n'
    assert '2 of 5 pictures rated -> art_ratings.txt' in out
    assert (tmp_path / 'art_ratings.txt').read_text() == 'nan\n3\nnan\nnan\n2\n'


def test_stars_of_other_programs_are_where_rating_begins(run_here, tmp_path, monkeypatch):
    (tmp_path / 'art').mkdir()
    for seed, rating in enumerate([4, -1, None]):
        save_noise(tmp_path / 'art' / f'{seed}.png', seed)
        if rating:
            sidecars.write(str(tmp_path / 'art' / f'{seed}.png'), rating, 0.)
            path = tmp_path / 'art' / f'{seed}.png.xmp'
            path.write_text(path.read_text('utf-8').replace('ranknet:stars', 'ranknet:no'), 'utf-8')
    monkeypatch.setattr(browser, 'serve', lambda *_: None)
    done = run_here('rate.py', 'art', '--from_xmp')
    assert done.returncode == 0, done.stderr
    assert '2 ratings taken from XMP -> art_ratings.txt' in done.stdout
    assert (tmp_path / 'art_ratings.txt').read_text() == '4\nnan  # no face\nnan\n'


def save_noise(path, seed):
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 6, 3)).astype(np.uint8)
    Image.fromarray(coarse).resize((40, 80)).save(path)


@pytest.mark.parametrize('args, message', [
    (['Y.npy', 'ratings.txt'], 'Y.npy: No such file'),
    (['X.npy', 'short.txt'], 'short.txt: expected 30 ratings, one per line for each picture'),
    (['X.npy', 'X.npy'], 'X.npy: ratings would overwrite what pictures'),
    (['X.npy', 'no/ratings.txt'], 'no/ratings.txt: there is no folder'),
    (['X.npy', 'ratings.txt', '--pairs'], 'ratings.txt: was not made with --pairs'),
    (['X.npy', 'ratings.txt', '--model', 'short.txt'], 'short.txt: '),
    (['many.npy', 'many.txt', '--pairs'], 'many.npy: --pairs ranks up to 2,000 pictures'),
    (['X.npy', 'X.csv'], 'X.csv: ratings would overwrite what pictures'),
    (['X.npy', 'm', '--model', 'm.journal'], 'm.journal: ratings would overwrite'),
    (['X.npy', 'X.csv', '--clicks', 'c.csv', '--force'], 'X.csv: ratings would overwrite'),
    (['X.npy', 'X.npy', '--clicks', 'c.csv', '--force'], 'X.npy: ratings would overwrite'),
    (['X.npy', 'c.csv', '--clicks', 'c.csv', '--force'], 'c.csv: ratings would overwrite'),
    (['X.npy', 'rated.txt', '--clicks', 'c.csv', '--force'], "rated.txt.journal: holds a person's"),
    (['X.npy', 'wide.txt'], 'wide.txt: expected ratings from 1 to 5, got 9; use --levels 9'),
    (['X.npy', 'new.txt', '--model', 'none.pkl'], 'none.pkl: No such file')])
def test_what_cannot_be_rated_is_said_in_a_line_and_changes_nothing(
        run_here, rated_files, args, message):
    (rated_files / 'short.txt').write_text('1\n')
    (rated_files / 'wide.txt').write_text('9\n' * 30)
    for name in 'X.csv', 'm.journal', 'rated.txt.journal':
        (rated_files / name).write_text('')
    (rated_files / 'c.csv').write_text('picture,impressions,clicks\n0,10,1\n')
    np.save(rated_files / 'many.npy', np.zeros((2001, 3, 2, 2), np.uint8))
    before = sorted((path.name, path.read_bytes()) for path in rated_files.iterdir())
    done = run_here('rate.py', *args, '--no_browser')
    assert done.returncode == 1 and done.stdout == ''
    assert sorted((path.name, path.read_bytes()) for path in rated_files.iterdir()) == before
    assert done.stderr.startswith('rate.py: error: ' + message), done.stderr
    assert done.stderr.count('\n') == 1


def test_a_port_that_is_taken_is_said(run_here, rated_files):
    with socket.create_server(('127.0.0.1', 0)) as other:
        port = other.getsockname()[1]
        done = run_here('rate.py', 'X.npy', 'mine.txt', '--pairs', '--no_browser', '--port', port)
    assert done.returncode == 1 and not list(rated_files.glob('mine.txt*'))
    assert done.stderr.startswith(f'rate.py: error: --port {port}: Address')
    assert done.stderr.endswith('0 takes a free one\n')


@pytest.mark.parametrize('args', [
    ['--levels', '1'], ['--levels', '101'], ['--pairs', '--model', 'm.pkl'],
    ['--clicks', 'c.csv', '--pairs'], ['--clicks', 'c.csv', '--levels', '5'],
    ['--pairs', '--levels', '5'], ['--force'], ['--port', '70000']])
def test_wrong_usage_is_refused(run_here, rated_files, args):
    assert run_here('rate.py', 'X.npy', 'ratings.txt', *args).returncode == 2


def test_only_a_folder_has_ratings_of_its_own(run_here, rated_files):
    assert run_here('rate.py', 'X.npy').returncode == 2


def test_clicks_become_ratings_that_train_py_takes(run_here, rated_files):
    rows = range(0, 30, 2)
    (rated_files / 'clicks.csv').write_text('picture,impressions,clicks\n' + ''.join(
        f'{row},100000,{1000 * 2 ** (row % 4)}\n' for row in rows))
    done = run_here('rate.py', 'X.npy', 'by_clicks.txt', '--clicks', 'clicks.csv')
    assert done.stderr == '' and done.stdout == (
        '15 pictures rated by 36,000 clicks in 1,500,000 impressions -> by_clicks.txt\n')
    ratings = np.loadtxt(rated_files / 'by_clicks.txt')
    np.testing.assert_allclose(ratings[::2], np.arange(0, 30, 2) % 4, atol=.02)
    assert np.isnan(ratings[1::2]).all()
    done = run_here('train.py', 'X.npy', 'by_clicks.txt', '--n_iter', 2, '--monitor_step', 2)
    assert done.returncode == 0, done.stderr


def test_clicks_do_not_replace_what_a_person_made(run_here, rated_files):
    (rated_files / 'clicks.csv').write_text('picture,impressions,clicks\n0,10,1\n1,10,5\n')
    before = (rated_files / 'ratings.txt').read_text()
    done = run_here('rate.py', 'X.npy', 'ratings.txt', '--clicks', 'clicks.csv')
    assert done.returncode == 1 and 'ratings.txt: exists already, and may' in done.stderr
    assert (rated_files / 'ratings.txt').read_text() == before
    assert run_here('rate.py', 'X.npy', 'ratings.txt', '--clicks', 'clicks.csv',
                    '--force').returncode == 0
    assert (rated_files / 'ratings.txt').read_text() != before


def test_a_page_is_shared_with_a_warning_and_a_stranger_gets_nothing(start_here, rated_files):
    here = start_here('X.npy', 'mine.txt', '--share', '127.0.0.1')
    assert here.url.startswith('http://127.0.0.1:') and here.opened['pictures'] == 30
    home = re.match(r'http://[^/]+/', here.url)[0]
    for address in home, home + 'state', home + 'guess/state':
        with pytest.raises(urllib.error.HTTPError, match='404'):
            urllib.request.urlopen(address, timeout=30)
    err = here.end()[1]
    assert err.startswith('warning: anyone on this network') and err.count('\n') == 1


def test_an_address_of_another_machine_cannot_be_shared(run_here, rated_files):
    done = run_here('rate.py', 'X.npy', 'mine.txt', '--share', '192.0.2.1')
    assert done.returncode == 1 and not list(rated_files.glob('mine.txt*'))
    assert done.stderr == ('rate.py: error: --share 192.0.2.1: not an address of this machine; '
                           '--share alone finds one\n')


def test_a_folder_that_is_not_there_is_named(run_here, rated_files):
    done = run_here('rate.py', 'picturse/')
    assert done.returncode == 2
    assert done.stderr.endswith('rate.py: error: picturse/: no such file or folder\n')
