"""What a phone needs to get to the page."""
import ipaddress
import re
import urllib.error
import urllib.request

import cv2
import numpy as np
import pytest

from picture_ranknet.errors import InputError
from picture_ranknet.rating import server, share
from picture_ranknet.rating.journal import Journal
from picture_ranknet.rating.stars import StarSession

URL = 'http://192.168.178.123:43211/abcdefghijklmnopqrstuvwxyzABCDEF/'


def test_the_code_in_the_terminal_says_the_address():
    lines = [re.fullmatch('\x1b\\[[0-9;]+m(.+)\x1b\\[0m', line)[1]
             for line in share.draw_code(URL).splitlines()]
    modules = np.array([[[block in '▀█' for block in line], [block in '▄█' for block in line]]
                        for line in lines]).reshape(2 * len(lines), -1)
    img = np.kron(np.where(modules, 0, 255), np.ones((8, 8))).astype(np.uint8)
    assert cv2.QRCodeDetector().detectAndDecode(img)[0] == URL


def test_the_address_is_one_of_this_machine():
    try:
        assert ipaddress.ip_address(share.find_address()).version == 4
    except InputError as e:
        assert 'no network' in str(e)


def test_a_shared_page_answers_by_its_address_alone(tmp_path, pictures):
    with Journal(str(tmp_path / 'ratings.txt'), len(pictures), 'id') as journal:
        session = StarSession(pictures, journal)
        with server.Server(session, 'X.npy', host='127.0.0.2') as serving:
            assert re.match(r'http://127\.0\.0\.2:\d+/[\w-]{32}/$', serving.url)
            assert urllib.request.urlopen(serving.url, timeout=30).status == 200
            for name in 'localhost', '127.0.0.1', 'evil.example':
                request = urllib.request.Request(
                    serving.url, headers={'Host': f'{name}:{serving.port}'})
                with pytest.raises(urllib.error.HTTPError, match='403'):
                    urllib.request.urlopen(request, timeout=30)
