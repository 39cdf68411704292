import numpy as np
import pytest

from picture_ranknet.errors import InputError
from picture_ranknet.faces.store import Face, FaceStore

RUN = {'sources': [['a.mp4', 7]], 'size': 4}


def faces_of(frame, n, number=0):
    """The faces of a frame and their crops, which show the number of the frame."""
    faces = [Face(number, 'ä,"b".mp4', frame, frame / 24, 0, frame, 10 * i, 5, 40, 40, 3.25, 17.5)
             for i in range(n)]
    return faces, [np.full((3, 4, 4), frame, np.uint8)] * n


@pytest.fixture
def folder(tmp_path):
    return tmp_path / 'X.part'


def fill(folder, frames=((3, 2), (5, 1), (9, 2))):
    with FaceStore(folder, RUN, 4) as store:
        for frame, n in frames:
            store.add(*faces_of(frame, n))
    return store


def test_added_faces_are_stored(folder):
    store = fill(folder)
    assert [face.frame for face in store.faces] == [3, 3, 5, 9, 9]
    assert store.crops()[:, 0, 0, 0].tolist() == [3, 3, 5, 9, 9]
    assert store.faces[0] == faces_of(3, 1)[0][0]


def test_a_picture_has_no_time_and_may_have_no_confidence(folder):
    faces = [Face(n, 'a.png', 0, None, 0, 0, 1, 2, 3, 4, None, 17.5) for n in range(3)]
    with FaceStore(folder, RUN, 4) as store:
        for face in faces:
            store.add([face], [np.zeros((3, 4, 4), np.uint8)])
    with FaceStore(folder, RUN, 4, resume=True) as store:
        assert store.faces == faces[:2]  # the last frame is not certain


def test_a_run_resumes_after_the_last_complete_frame(folder):
    fill(folder)
    with FaceStore(folder, RUN, 4, resume=True) as store:
        assert [face.frame for face in store.faces] == [3, 3, 5]
        assert not store.is_past(0, 5) and store.is_past(0, 6) and store.is_past(1, 0)
        store.add(*faces_of(9, 2))
    assert [face.frame for face in store.faces] == [3, 3, 5, 9, 9]
    assert store.crops()[:, 0, 0, 0].tolist() == [3, 3, 5, 9, 9]


@pytest.mark.parametrize('cut_table', [0, 1, 20, 60, 170])
@pytest.mark.parametrize('cut_crops', [0, 1, 48, 100])
def test_whatever_a_crash_leaves_is_the_start_of_the_whole(folder, cut_table, cut_crops):
    fill(folder)
    for name, cut in ('faces.csv', cut_table), ('crops', cut_crops):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[:len(content) - cut])
    with FaceStore(folder, RUN, 4, resume=True) as store:
        frames = [face.frame for face in store.faces]
        assert frames in ([3, 3, 5], [3, 3], [])
        for frame, n in ((3, 2), (5, 1), (9, 2)):
            if store.is_past(0, frame):
                store.add(*faces_of(frame, n))
    assert [face.frame for face in store.faces] == [3, 3, 5, 9, 9]
    assert store.crops()[:, 0, 0, 0].tolist() == [3, 3, 5, 9, 9]


def test_another_run_is_not_resumed(folder):
    with pytest.raises(InputError, match='there is no interrupted run to continue'):
        FaceStore(folder, RUN, 4, resume=True)
    fill(folder)
    with pytest.raises(InputError, match='belongs to a run with other sources'):
        FaceStore(folder, dict(RUN, sources=[['b.mp4', 7]]), 4, resume=True)
    assert (folder / 'faces.csv').exists()


def test_a_new_run_replaces_an_old_one(folder):
    fill(folder)
    with FaceStore(folder, RUN, 4) as store:
        assert store.faces == [] and len(store.crops()) == 0
    store.remove()
    assert not folder.exists()


@pytest.mark.parametrize('crop', [np.zeros((3, 4, 5), 'u1'), np.zeros((3, 4, 4), 'f4')])
def test_a_crop_of_another_kind_is_refused(folder, crop):
    with FaceStore(folder, RUN, 4) as store, pytest.raises(ValueError, match='expected uint8'):
        store.add(faces_of(3, 1)[0], [crop])


def test_a_folder_with_other_files_is_not_deleted(folder):
    folder.mkdir()
    (folder / 'mine.txt').write_text('mine')
    with pytest.raises(InputError, match='got others; move them away'):
        FaceStore(folder, RUN, 4)
    assert (folder / 'mine.txt').read_text() == 'mine'
