"""How much of a figure fits on a page, and the words for what does not."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from matplotlib.figure import Figure

from precision.report.figures.style import INK, label

T = TypeVar("T")

WIDTH, HEIGHT = 7.5, 10.0
"""Inches between the margins of a page, the larger of which is A4's or that of US letter."""
LETTER = 0.07  # inches that a letter of the usual size takes, on average
NAME, LEGEND = 28, 22  # letters of a name on an axis, and in a legend
LISTED = 6  # names of what was left out


class Room(NamedTuple):
    """How many of a number of things are shown, and how many inches each of them gets."""

    shown: int
    size: float


def room(number: int, inches: float, best: float, least: float) -> Room:
    """Share some inches among things that want ``best`` each and need ``least``; one at least is shown."""
    shown = max(1, min(number, int(inches / least + 1e-9)))
    return Room(shown, min(best, inches / shown))


def spread(things: Sequence[T], most: int) -> list[T]:
    """Return so many of the things at most, evenly spread, the first and the last among them."""
    if len(things) <= most:
        return list(things)
    return [things[round(place * (len(things) - 1) / max(1, most - 1))] for place in range(most)]


def short(names: Sequence[object], most: int = NAME) -> list[str]:
    """Return names as they stand on an axis: the middle of a long one is left out, and no two are alike."""
    found: list[str] = []
    for name in names:
        text = " ".join(str(name).split())
        if len(text) > most:
            text = f"{text[: most - most // 3 - 1]}\N{HORIZONTAL ELLIPSIS}{text[-(most // 3) :]}"
        number = 2
        unique = text
        while unique in found:
            unique, number = f"{text} ({number})", number + 1
        found.append(unique)
    return [label(text) for text in found]


def left_out(what: str, names: Sequence[object], why: str = "") -> str:
    """Return the sentence that says what a figure does not show; empty where it shows everything."""
    if not names:
        return ""
    between = "; " if any("," in str(name) and "(" not in str(name) for name in names) else ", "
    listed = between.join(short(names[:LISTED]))
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"Not shown, for want of room: the {what} {listed}{more}{why}."


def say(figure: Figure, *sentences: str) -> None:
    """Put sentences below a figure, in as many lines as they need; empty ones do not count."""
    text = " ".join(sentence for sentence in sentences if sentence)
    if text:
        wide = int(figure.get_figwidth() / (0.8 * LETTER))
        lines = textwrap.fill(text, wide)
        figure.supxlabel(lines, x=0.01, ha="left", fontsize=7, color=INK)


def wrapped(text: str, inches: float, letter: float = LETTER) -> str:
    """Return a text in lines that are no longer than so many inches."""
    return textwrap.fill(label(text), max(10, int(inches / letter)))
