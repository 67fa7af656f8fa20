"""Why formats lose: of trials that were explained, the parts of what they lose."""

from __future__ import annotations

import math

from precision.analysis import Results
from precision.analysis.explanation import Explanation
from precision.registry import SECTIONS
from precision.report.document import (
    Cell,
    Code,
    Column,
    Inline,
    Note,
    Part,
    Quantity,
    Section,
    Span,
    Strong,
    Table,
    Unit,
    Words,
    inline,
    joined,
    note,
    order,
)

SHOWN = 12  # rows of a table, beside those that make up the whole
NAMED = 3  # errors in the answer
_WORTH = 0.1  # share of the whole from which an error is named beside the first
_ABOUT = """\
What a trial loses on its test images is divided among overflow, values that become zero, rounding and sums of
each tensor. Alone is what an error takes without any other, restored what comes back when it alone is taken
away; the parts, Shapley values, add up to the whole. {command} makes such a table of a trial."""


@SECTIONS.register("explained")
@order(57)
def explained(results: Results) -> Section | None:
    """Return the parts of the loss of each trial that was explained; None where none was."""
    if not results.explanations:
        return None
    cells = results.cells().drop_duplicates("trial")
    parts: list[Part] = [note(_ABOUT, command=Code("precision explain"))]
    for row in cells.to_dict("records"):
        found = results.explanations.get(str(row["trial"]))
        if found is None:
            continue
        labels = [str(row[name]) for name in ("dataset", "architecture", "policy", "method")]
        title = f"{', '.join(labels)}, seed {row['seed']}"
        parts += [Section(title, (Note(answer(found, labels[2])), causes_table(found), parts_table(found)))]
    return Section("Why formats lose", tuple(parts)) if len(parts) > 1 else None


def answer(found: Explanation, policy: str = "") -> Inline:
    """Return one sentence: what the format loses, and which errors take most of it.

    Args:
        policy: its name; empty for its formats.
    """
    task, whole = found.asks, found.whole
    name: Span = policy or found.policy
    before, after = (task.said(score) for score in (found.scores.baseline, found.scores.rounded))
    scores = Words(f" ({before} to {after}, {found.images:,} test images)")
    unit = Words(" % of RMSE" if task.relative else " points")
    lost = (Quantity(abs(whole), Unit.PERCENT), unit)
    if not whole > 0:
        gain: Inline = (Words(" and gains "), *lost) if whole < 0 else ()
        return inline("{name} loses nothing{gain}{scores}", name=name, gain=gain, scores=scores)
    of_them = [_taken(part, words) for part, words in _largest(found)]
    them = joined(of_them, ", ") if of_them else (Words("no error takes any alone"),)
    return inline("{name} loses {lost}{scores}: {them}", name=name, lost=lost, scores=scores, them=them)


def _taken(part: float, words: Inline) -> Inline:
    spans = words if isinstance(words, tuple) else (words,)
    return (Strong(Quantity(part, Unit.PERCENT)), Words(" by "), *spans)


def _largest(found: Explanation) -> list[tuple[float, Inline]]:
    """Return what takes most of a loss: single errors, all others together, and another network."""
    rows = found.frame[found.frame["part"] > 0].head(NAMED)
    each: list[tuple[float, Inline]] = [
        (float(row["part"]), (Words(f"{row['cause']} of the {row['slot']} of "), str(row["layer"])))
        for row in rows.to_dict("records")
    ]
    each += [(found.others, Words("all other errors together")), (found.before, Words("before any rounding"))]
    first, *others = sorted(each, key=lambda one: -one[0])
    return [first, *(one for one in others if one[0] >= _WORTH * found.whole)][:NAMED]


def parts_table(found: Explanation, shown: int = SHOWN) -> Table:
    """Return the errors that take most, and what adds up to the whole."""
    columns = (
        Column("Error"),
        Column("of"),
        Column("layer"),
        Column("Format"),
        Column("Values", Unit.SHARE),
        Column("Alone", Unit.PERCENT),
        Column("Restored", Unit.PERCENT),
        Column("Part", Unit.PERCENT),
    )
    rows: list[tuple[Cell, ...]] = []
    top, parted = found.frame.head(shown), int(found.frame["part"].notna().sum())
    for row in top.to_dict("records"):
        texts = (str(row[name]) for name in ("cause", "slot", "layer", "setting"))
        numbers = (float(row[name]) for name in ("share", "alone", "restored", "part"))
        rows.append((*texts, *(None if math.isnan(number) else number for number in numbers)))

    def total(words: str, part: Cell) -> tuple[Cell, ...]:
        return (Words(words), *[None] * 6, part)

    rows.append(total(f"the {len(found.frame) - parted} others together", found.others))
    if found.before:
        rows.append(total("before any rounding", found.before))
    rows.append(total("all", Strong(Quantity(found.whole, Unit.PERCENT))))
    left = len(found.frame) - len(top)
    more = (note(f"{left} errors that take less alone are not shown."),) if left else ()
    return Table(columns, tuple(rows), "", more)


def causes_table(found: Explanation) -> Table:
    """Return the part of each kind of error over all tensors, with what adds up to the whole."""
    rows: list[tuple[Cell, ...]] = [(cause, part) for cause, part in found.causes.items()]
    if found.before:
        rows.append((Words("before any rounding"), found.before))
    rows.append((Words("all"), Strong(Quantity(found.whole, Unit.PERCENT))))
    return Table((Column("Error"), Column("Part", Unit.PERCENT)), tuple(rows))
