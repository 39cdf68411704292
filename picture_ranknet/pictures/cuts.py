"""Where a picture is cut out of a frame: a box with a margin."""


def with_margin(box: tuple, margin: float, width: int, height: int) -> tuple:
    """A box with room around it, all of it in the frame.

    A box that would reach over the border is moved inside, and has less of a
    margin where the frame is too small for it.

    Args:
        box: ``(x, y, w, h)`` in pixels.
        margin: On each side, as a fraction of the box's sides.
        width, height: Of the frame.

    Returns:
        tuple: ``left, top, width, height``, whole numbers.
    """
    x, y, w, h = box
    scale = min(1 + 2 * margin, width / w, height / h)
    cut_w, cut_h = round(w * scale), round(h * scale)
    left = min(max(round(x + (w - cut_w) / 2), 0), width - cut_w)
    top = min(max(round(y + (h - cut_h) / 2), 0), height - cut_h)
    return left, top, cut_w, cut_h
