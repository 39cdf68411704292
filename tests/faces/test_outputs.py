"""What a run may write, and the pictures it draws."""
import functools
import os

import numpy as np
import pytest

from picture_ranknet.errors import InputError
from picture_ranknet.faces import outputs
from picture_ranknet.faces.choice import BLURRED, DUPLICATE, KEPT
from picture_ranknet.faces.outputs import Outputs
from picture_ranknet.pictures import drawing, sheets


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in 'sources', 'c', 'd':
        (tmp_path / folder).mkdir()
    (tmp_path / 'sources' / 'a.png').touch()


NAMES = {'pictures': 'X.npy', 'sheet': 's.png', 'ratings': 'r.txt'}


def test_outputs_with_different_names_are_accepted():
    made = Outputs(**NAMES, crops='c', dropped='d')
    made.check()
    made.check_inputs(['sources/a.png'], 'c.xml')
    assert made.written() == ['X.npy', 'X.csv', 'c', 's.png', 'd', 'r.txt']


@pytest.mark.parametrize('changed', [
    {'ratings': 'X.csv'}, {'ratings': './X.csv'}, {'ratings': 's.png'}, {'sheet': 'X.npy'},
    {'ratings': 'X.npy'}, {'sheet': 'd/../X.csv'}])
def test_two_outputs_of_one_name_are_refused(changed):
    with pytest.raises(InputError, match='would write to this file'):
        Outputs(**{**NAMES, **changed}).check(force=True)


@pytest.mark.parametrize('changed, paths, cascade', [
    ({'sheet': 'sources/a.png'}, ['sources/a.png'], None),
    ({}, ['s.png'], None),
    ({'ratings': 'c.xml'}, ['sources/a.png'], 'c.xml'),
    ({}, ['sources/a.png', 'X.npy'], None),
])
def test_an_output_that_is_read_is_refused(changed, paths, cascade):
    made = Outputs(**{**NAMES, **changed})
    made.check(force=True)
    with pytest.raises(InputError, match='would overwrite what'):
        made.check_inputs(paths, cascade)


@pytest.mark.parametrize('option', ['crops', 'dropped'])
def test_the_folder_of_the_sources_is_refused(option):
    made = Outputs('X.npy', **{option: 'c/../sources'})
    with pytest.raises(InputError, match=f'--{option} would replace pictures in this folder'):
        made.check_inputs(['sources/a.png'])


@pytest.mark.parametrize('option, name', [('crops', '00017.png'), ('dropped', 'duplicate.png'),
                                          ('dropped', 'more_of_its_track.png')])
def test_existing_outputs_are_replaced_by_force_only(option, name):
    (outputs_folder := os.path.join('d', name))
    open(outputs_folder, 'w').close()
    made = Outputs('X.npy', **{option: 'd'})
    with pytest.raises(InputError, match=f'--{option}, or replace them with --force'):
        made.check()
    with pytest.raises(InputError, match='of an earlier run'):
        made.check(append=True)
    made.check(force=True)


@pytest.mark.parametrize('option, name', [('crops', '00017.png'), ('dropped', 'duplicate.png')])
def test_a_sheet_may_not_have_the_name_of_another_output(option, name):
    with pytest.raises(InputError, match=f'd/{name}: --{option} writes to files of this name'):
        Outputs('X.npy', sheet=os.path.join('d', name), **{option: 'd'}).check(force=True)
    Outputs('X.npy', sheet='d/mine.png', **{option: 'd'}).check()


@pytest.mark.parametrize('option', ['crops', 'dropped'])
def test_the_folder_of_the_search_is_refused(option):
    with pytest.raises(InputError, match='X.part: a run stores what it finds in this folder'):
        Outputs('X.npy', **{option: 'X.part'}).check()


def test_sheets_of_an_earlier_run_are_removed_and_other_files_stay():
    crops = np.zeros((3, 3, 8, 8), np.uint8)
    open('d/mine.png', 'w').close()
    outputs.save_dropped(crops, [BLURRED, KEPT, DUPLICATE], 'd')
    assert sorted(os.listdir('d')) == ['blurred.png', 'duplicate.png', 'mine.png']
    outputs.save_dropped(crops, [DUPLICATE, KEPT, KEPT], 'd')
    assert sorted(os.listdir('d')) == ['duplicate.png', 'mine.png']


def test_a_sheet_that_does_not_show_all_crops_is_noted(monkeypatch, tmp_path):
    X = np.zeros((70, 3, 4, 4), np.uint8)
    notes = []
    outputs.save_sheet(X, str(tmp_path / 'all.png'), notes.append)
    assert notes == []
    monkeypatch.setattr(sheets, 'draw_sheet', functools.partial(sheets.draw_sheet, limit=30))
    path = str(tmp_path / 'sheet.png')
    outputs.save_sheet(X, path, notes.append)
    assert notes == [f'{path}: shows one in 3 of 70 crops']
    assert (tmp_path / 'sheet.png').exists()


@pytest.mark.parametrize('is_new', [True, False])
def test_an_interruption_leaves_no_crops(tmp_path, monkeypatch, pictures, is_new):
    def interrupt(picture):
        if (picture == pictures[7]).all():
            raise KeyboardInterrupt
        return to_image(picture)

    if not is_new:
        (tmp_path / 'crops').mkdir()
        (tmp_path / 'crops' / '00000.png').write_text('mine')
    to_image = drawing.to_image
    monkeypatch.setattr(drawing, 'to_image', interrupt)
    with pytest.raises(KeyboardInterrupt):
        outputs.save_crops(enumerate(pictures), len(pictures), str(tmp_path / 'crops'))
    assert os.path.exists('crops') != is_new
    assert is_new or os.listdir(tmp_path / 'crops') == ['00000.png']
