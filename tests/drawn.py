"""What is seen of a drawn figure: texts that meet or leave it, what legends cover, looks without colours."""

from __future__ import annotations

import itertools

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.text import Text

_SLACK = 0.75  # pixels by which boxes of neighbours may meet, as letters do not fill theirs


def texts(figure):
    """Return the texts that are drawn, with the corners of their boxes in pixels, (4, 2) each."""
    renderer = figure.canvas.get_renderer()
    found = []
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not low <= tick.get_loc() <= high:  # such labels exist, and nobody draws them
                    tick.label1.set_visible(False)
                    tick.label2.set_visible(False)
    hidden = {id(text) for axes in figure.axes if not axes.get_visible() for text in axes.findobj(Text)}
    for text in figure.findobj(Text):
        if text.get_text().strip() and text.get_visible() and id(text) not in hidden:
            found.append((text.get_text(), _corners(text, renderer)))
    return found


def _corners(text, renderer):
    angle = text.get_rotation()
    text.set_rotation(0)
    box = text.get_window_extent(renderer)
    text.set_rotation(angle)
    if angle % 90 == 0:
        box = text.get_window_extent(renderer)
        angle = 0
    corners = np.array([(box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1), (box.x0, box.y1)])
    if angle:
        assert text.get_rotation_mode() == "anchor"
        anchor = text.get_transform().transform(text.get_position())
        turn = np.radians(angle)
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        corners = (corners - anchor) @ rotation + anchor
    return corners


def meet(one, other):
    """Return whether two boxes meet: whether no direction of an edge tells them apart."""
    for box in (one, other):
        for a, b in zip(box, np.roll(box, -1, axis=0), strict=True):
            normal = np.array([b[1] - a[1], a[0] - b[0]])
            normal = normal / (np.linalg.norm(normal) or 1.0)
            first, second = one @ normal, other @ normal
            if first.max() - _SLACK <= second.min() or second.max() - _SLACK <= first.min():
                return False
    return True


def collisions(figure):
    """Return pairs of texts that meet, and texts that leave the canvas."""
    found = texts(figure)
    boxes = np.array([box for _, box in found]).reshape(-1, 4, 2)
    low, high = boxes.min(axis=1), boxes.max(axis=1)
    size = np.array([figure.bbox.width, figure.bbox.height])
    out = ((low < -_SLACK) | (high > size + _SLACK)).any(axis=1)
    near = ((low[:, None] < high[None]) & (low[None] < high[:, None])).all(axis=2)
    pairs = [(i, j) for i, j in np.argwhere(np.triu(near, 1)) if meet(boxes[i], boxes[j])]
    return [(found[i][0], found[j][0]) for i, j in pairs], [found[i][0] for i in np.flatnonzero(out)]


def legends(figure):
    return [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]


def covered(figure):
    """Return the legends that lie on a panel."""
    panels = [axes.get_window_extent() for axes in figure.axes if axes.get_visible()]
    found = []
    for legend in legends(figure):
        box = legend.get_window_extent().padded(-1)
        if any(box.overlaps(panel) for panel in panels):
            found.append([text.get_text() for text in legend.get_texts()])
    return found


def alike_without_colours(figure, least=0.06):
    """Return pairs of entries of a legend that a copy in black and white does not tell apart."""
    found = []
    for legend in legends(figure):
        looks = [
            (text.get_text(), *_look(handle))
            for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=True)
        ]
        for (a, look, light), (b, other, its) in itertools.combinations(looks, 2):
            if look == other and abs(light - its) < least:
                found.append((a, b))
    return found


def _look(handle):
    """Return the shape of an entry, and its brightness from 0 to 1."""
    if hasattr(handle, "get_hatch"):
        return ("patch", handle.get_hatch()), _light(handle.get_facecolor()[:3])
    hollow = to_rgb(handle.get_markerfacecolor()) == (1, 1, 1)
    return (handle.get_marker(), str(handle._dash_pattern), handle.get_linestyle(), hollow), _light(
        handle.get_color()
    )


def _light(colour):
    return float(np.array([0.2126, 0.7152, 0.0722]) @ np.array(to_rgb(colour)))
