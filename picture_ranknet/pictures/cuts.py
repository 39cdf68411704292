"""Crop regions in a frame: a box with a margin."""


def with_margin(box: tuple, margin: float, width: int, height: int) -> tuple:
    """A box with padding, entirely within the frame.

    A box that would extend beyond the border is moved inside, and gets a
    smaller margin if the frame is too small.

    Args:
        box: ``(x, y, w, h)`` in pixels.
        margin: On each side, as a fraction of the box's sides.
        width, height: Size of the frame.

    Returns:
        tuple: ``left, top, width, height``, integers.
    """
    x, y, w, h = box
    scale = min(1 + 2 * margin, width / w, height / h)
    cut_w, cut_h = round(w * scale), round(h * scale)
    left = min(max(round(x + (w - cut_w) / 2), 0), width - cut_w)
    top = min(max(round(y + (h - cut_h) / 2), 0), height - cut_h)
    return left, top, cut_w, cut_h
