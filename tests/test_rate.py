"""rate.py as a person runs it, without a browser: test_rate_page.py has one."""
import json
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest

from picture_ranknet.models import model_file


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
    assert out.endswith('2 answers now, of 30 pictures 1 rated, 1 no face -> mine.txt\n')
    assert (rated_files / 'mine.txt').read_text() == 'nan  # no face\nnan\n5\n' + 27 * 'nan\n'


def test_the_page_ends_it_as_well(start, rated_files):
    process, url = start('X.npy', 'mine.txt')
    window = post(url, 'open', {})['window']
    post(url, 'rate', {'window': window, 'row': 2, 'rating': 5})
    post(url, 'end', {'window': window})
    assert process.wait(30) == 0


def test_kill_9_loses_nothing_that_was_answered(start, rated_files):
    process, url = start('X.npy', 'ratings.txt')  # which has ratings already
    window = post(url, 'open', {})['window']
    post(url, 'rate', {'window': window, 'row': 2, 'rating': 5})
    process.kill()
    process.wait()
    expected = np.loadtxt(rated_files / 'ratings.txt')
    expected[2] = 5
    process, url = start('X.npy', 'ratings.txt')
    opened = post(url, 'open', {})
    assert opened['ratings'] == {str(row): rating for row, rating in enumerate(expected)}
    assert opened['trail'] == [2]


def test_a_second_one_on_the_same_ratings_is_refused(start, rated_files, run):
    start('X.npy', 'ratings.txt')
    done = run('rate.py', 'X.npy', 'ratings.txt', '--no_browser')
    assert done.returncode == 1
    assert done.stderr.startswith('rate.py: error: ratings.txt.journal: another rate.py')


def test_a_trained_model_helps_to_choose(start, rated_files, model):
    model_file.save(rated_files / 'model.pkl', model)
    process, url = start('X.npy', 'mine.txt', '--model', 'model.pkl')
    assert post(url, 'open', {})['pictures'] == 30
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[1] == ''


def test_other_pictures_under_the_same_name_are_noticed(start, rated_files, pictures):
    process, url = start('X.npy', 'mine.txt')
    window = post(url, 'open', {})['window']
    post(url, 'rate', {'window': window, 'row': 2, 'rating': 5})
    post(url, 'end', {'window': window})
    process.wait(30)
    np.save(rated_files / 'X.npy', 255 - pictures)
    process, url = start('X.npy', 'mine.txt')
    process.send_signal(signal.SIGINT)
    assert 'warning: X.npy: other pictures' in process.communicate(timeout=30)[1]


@pytest.mark.parametrize('args, message', [
    (['Y.npy', 'ratings.txt'], 'Y.npy: No such file'),
    (['X.npy', 'short.txt'], 'short.txt: expected 30 ratings, one per line for each picture, got 1'),
    (['X.npy', 'X.npy'], 'X.npy: would be overwritten'),
    (['X.npy', 'no/ratings.txt'], 'no/ratings.txt: there is no folder'),
    (['X.npy', 'ratings.txt', '--pairs'], 'ratings.txt: was not made with --pairs'),
    (['X.npy', 'ratings.txt', '--model', 'short.txt'], 'short.txt: '),
    (['many.npy', 'many.txt', '--pairs'], 'many.npy: --pairs ranks up to 2,000 pictures')])
def test_what_cannot_be_rated_is_said_in_a_line(run, rated_files, args, message):
    (rated_files / 'short.txt').write_text('1\n')
    np.save(rated_files / 'many.npy', np.zeros((2001, 3, 2, 2), np.uint8))
    done = run('rate.py', *args, '--no_browser')
    assert done.returncode == 1 and done.stdout == ''
    assert done.stderr.startswith('rate.py: error: ' + message), done.stderr
    assert done.stderr.count('\n') == 1


def test_a_port_that_is_taken_is_said(run, rated_files):
    with socket.create_server(('127.0.0.1', 0)) as other:
        port = other.getsockname()[1]
        done = run('rate.py', 'X.npy', 'ratings.txt', '--no_browser', '--port', port)
    assert done.returncode == 1
    assert done.stderr.startswith('rate.py: error: --port {}: Address'.format(port))
    assert done.stderr.endswith('0 takes a free one\n')


@pytest.mark.parametrize('args', [
    ['--levels', '1'], ['--levels', '101'], ['--pairs', '--model', 'm.pkl'],
    ['--clicks', 'c.csv', '--pairs'], ['--force'], ['--port', '70000']])
def test_wrong_usage_is_refused(run, rated_files, args):
    assert run('rate.py', 'X.npy', 'ratings.txt', *args).returncode == 2


def test_clicks_become_ratings_that_train_py_takes(run, rated_files):
    rows = range(0, 30, 2)
    (rated_files / 'clicks.csv').write_text('picture,impressions,clicks\n' + ''.join(
        '{},100000,{}\n'.format(row, 1000 * 2 ** (row % 4)) for row in rows))
    done = run('rate.py', 'X.npy', 'by_clicks.txt', '--clicks', 'clicks.csv')
    assert done.stderr == '' and done.stdout == (
        '15 pictures rated by 36,000 clicks in 1,500,000 impressions -> by_clicks.txt\n')
    ratings = np.loadtxt(rated_files / 'by_clicks.txt')
    np.testing.assert_allclose(ratings[::2], np.arange(0, 30, 2) % 4, atol=.02)
    assert np.isnan(ratings[1::2]).all()
    done = run('train.py', 'X.npy', 'by_clicks.txt', '--n_iter', 2, '--monitor_step', 2)
    assert done.returncode == 0, done.stderr


def test_clicks_do_not_replace_what_a_person_made(run, rated_files):
    (rated_files / 'clicks.csv').write_text('picture,impressions,clicks\n0,10,1\n1,10,5\n')
    before = (rated_files / 'ratings.txt').read_text()
    done = run('rate.py', 'X.npy', 'ratings.txt', '--clicks', 'clicks.csv')
    assert done.returncode == 1 and 'ratings.txt: is there already' in done.stderr
    assert (rated_files / 'ratings.txt').read_text() == before
    assert run('rate.py', 'X.npy', 'ratings.txt', '--clicks', 'clicks.csv',
               '--force').returncode == 0
    assert (rated_files / 'ratings.txt').read_text() != before


def test_a_stranger_gets_nothing(start, rated_files):
    _, url = start('X.npy', 'mine.txt')
    home = re.match(r'http://[^/]+/', url)[0]
    for address in home, home + 'state', home + 'guess/state':
        with pytest.raises(urllib.error.HTTPError, match='404'):
            urllib.request.urlopen(address, timeout=30)
