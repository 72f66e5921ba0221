"""Whether a figure can be read: it is drawn without a warning, and none of its words lies over another."""

import warnings
from io import BytesIO
from itertools import combinations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text


def assert_readable(figure, least=3000):
    """Draws the figure; a missing glyph, a layout that does not fit, and words over words are errors.

    Of `least` so many bytes is its PNG at half the size: an empty one has fewer.
    """
    png = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(png, dpi=50)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    assert png.tell() > least
    boxes = [(text.get_text(), Text.get_window_extent(text, canvas.get_renderer())) for text in _shown(figure)]
    assert not over_each_other(boxes)


def over_each_other(boxes):
    """Pairs of words whose boxes share more than a quarter of a line's height; equal ones hide nothing."""
    found = []
    for (one, box), (other, second) in combinations(boxes, 2):
        wide = min(box.x1, second.x1) - max(box.x0, second.x0)
        high = min(box.y1, second.y1) - max(box.y0, second.y0)
        if one != other and wide > 2 and high > min(box.height, second.height) / 4:
            found.append((one, other))
    return found


def _shown(figure):
    """The words that are drawn, without those on a slant, whose boxes are mostly empty."""
    outside = {label for ax in figure.axes for label in _labels_outside(ax)}
    for text in figure.findobj(Text):
        away = text in outside or not text.get_visible() or (text.axes is not None and not text.axes.get_visible())
        if not away and text.get_text().strip() and text.get_rotation() % 90 == 0:
            yield text


def _labels_outside(ax):
    """Those of ticks beyond the axes' limits, which matplotlib makes and does not draw."""
    for axis, limits in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
        low, high = sorted(limits)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if not low <= tick.get_loc() <= high:
                yield from (tick.label1, tick.label2)
