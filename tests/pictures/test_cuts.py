import hypothesis
from hypothesis import strategies as st

from picture_ranknet.pictures.cuts import with_margin


def test_a_box_in_the_middle_grows_on_all_sides():
    assert with_margin((40, 30, 20, 20), .25, 200, 100) == (35, 25, 30, 30)


def test_a_box_at_the_border_is_moved_inside():
    assert with_margin((0, 80, 20, 20), .5, 200, 100) == (0, 60, 40, 40)


def test_a_frame_too_small_for_the_margin_gives_less_of_it():
    assert with_margin((0, 0, 60, 60), 1, 200, 90) == (0, 0, 90, 90)


@hypothesis.given(st.data(), st.floats(0, 3))
def test_a_cut_is_always_inside_the_frame(data, margin):
    width, height = (data.draw(st.integers(1, 300)) for _ in range(2))
    w, h = data.draw(st.integers(1, width)), data.draw(st.integers(1, height))
    x, y = data.draw(st.integers(0, width - w)), data.draw(st.integers(0, height - h))
    left, top, cut_w, cut_h = with_margin((x, y, w, h), margin, width, height)
    assert 0 <= left <= left + cut_w <= width and 0 <= top <= top + cut_h <= height
    assert min(cut_w, cut_h) >= 1
