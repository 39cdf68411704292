import os

import pytest

from picture_ranknet.pictures import sources
from support.media_samples import save_picture


def test_folders_are_read_in_natural_order(tmp_path):
    for name in ['10.png', '2.PNG', '1.mp4', 'sub/b10.jpg', 'sub/b9.jpg', 'b.txt', '.hidden.png',
                 '.git/a.png', 'crops/00000.png', 'sheet.png']:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    paths, others = sources.find_sources(
        [str(tmp_path)], leave_out=[str(tmp_path / 'crops'), str(tmp_path / 'sheet.png'), None])
    assert [os.path.relpath(path, tmp_path).replace(os.sep, '/') for path in paths] == [
        '1.mp4', '2.PNG', '10.png', 'sub/b9.jpg', 'sub/b10.jpg']
    assert others == 1


@pytest.mark.parametrize('source, words', [
    ('nothing.mp4', 'nothing.mp4: there is no such file or folder'),
    ('f%04d.png', 'no such file or folder; of an image sequence, name the folder'),
    ('https://example.org/a.mp4', 'expected a file, got an address on the web; download it first'),
    ('empty', 'empty: there is no picture and no video in it'),
])
def test_sources_are_checked_before_any_work(crop, tmp_path, source, words):
    save_picture(tmp_path / 'a.png')
    (tmp_path / 'empty').mkdir()
    sources = [source] if source == 'empty' else ['a.png', source]
    _, err, status = crop(*sources, '--no_faces', '--keep_duplicates')
    assert words in err and err.count('\n') == 1 and status == 1
    assert not os.path.exists('X.npy')
