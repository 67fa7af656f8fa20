"""What an audit found, in sentences: for each target the smallest safe format, and why no smaller one."""

from __future__ import annotations

import pandas as pd

from precision.analysis.audit import Audited, File
from precision.analysis.evidence import images_wanted
from precision.report.document import Inline, Quantity, Span, Strong, Unit, Words, inline
from precision.tasks import CLASSIFICATION

_REAL = 0.05  # p below which a difference is called real


def sentences(found: Audited) -> tuple[Inline, ...]:
    """Return one sentence or two for each target."""
    return tuple(_sentence(row, found) for _, row in found.answers.iterrows())


def file_sentences(found: Audited) -> tuple[tuple[Inline, str], ...]:
    """Return for each target with a safe format which file says it, and the command that writes it.

    The command is empty where no file says the format; then the sentence says why, of the file that the
    hardware of the target reads first.
    """
    told: list[tuple[Inline, str]] = []
    for target in dict.fromkeys(file.target for file in found.files):
        own = [file for file in found.files if file.target == target]
        fits = [file for file in own if file.command]
        policy = Strong(own[0].policy)
        if not fits:
            text = "{target}: no file says {policy}: {why}."
            told.append((inline(text, target=target, policy=policy, why=own[0].why), ""))
            continue
        first, others = fits[0], ", ".join(file.kind for file in fits[1:])
        sentence = inline(
            "{target}: {policy} is written as {kind} ({held}{also}).",
            target=target,
            policy=policy,
            kind=first.kind,
            held=held(first),
            also=Words(f"; {others} can, too" if others else ""),
        )
        told.append((sentence, first.command))
    return tuple(told)


def held(file: File) -> Inline:
    """Return what a file holds and its size, or what has to be installed before it can be written."""
    if file.bytes is None:
        return inline("{needs}", needs=file.needs)
    size = Quantity(file.bytes, Unit.COUNT)
    return inline("{holds}, {size} bytes", holds=file.holds, size=size)


def _sentence(answer: pd.Series, found: Audited) -> Inline:
    rows = found.frame[found.frame["target"] == answer["architecture"]]
    told: dict[str, Inline] = {
        "target": answer["architecture"],
        "tolerance": CLASSIFICATION.tolerated(found.tolerance),
    }
    if answer["verdict"] == "found":
        named = rows[rows["named"]].iloc[0]
        weights, bits = rows["weight_bytes"], rows["activation_bits"]
        narrower = (weights == named["weight_bytes"]) & (bits < named["activation_bits"])
        smaller = rows[(weights < named["weight_bytes"]) | narrower]
        return (
            *inline(
                "{target}: {policy} is the smallest safe format, {difference}; {real}; its weights take "
                "{bytes}, {times} times less than in float32.",
                **told,
                policy=Strong(named["policy"]),
                difference=_difference(named),
                real=_real(named),
                bytes=Quantity(named["weight_bytes"], Unit.BYTES),
                times=Quantity(named["compression"], Unit.RATIO, decimals=1),
            ),
            *(_next(smaller.iloc[-1], found.tolerance) if len(smaller) else ()),
        )
    if answer["verdict"] == "not shown":
        best = rows[rows["policy"] == answer["policy"]].iloc[0]
        text = "{target}: no format is shown to lose at most {tolerance};"
        return (*inline(text, **told), *_next(best, found.tolerance))
    closest = rows.loc[rows["accuracy_difference"].idxmax()]
    return inline(
        "{target}: every format loses more than {tolerance}; {policy} loses least, {difference}.",
        **told,
        policy=closest["policy"],
        difference=_difference(closest),
    )


def _next(row: pd.Series, tolerance: float) -> tuple[Span, ...]:
    """Return what keeps a format from being named."""
    if row["verdict"] == "lost" or round(-100 * row["accuracy_difference"], 9) >= tolerance:
        rest = "."
    else:
        wanted = images_wanted(row["accuracy_difference"], row["low"], int(row["images"]), tolerance)
        rest = f"; to show that this is within would take about {wanted:,} test images."
    text = " {policy} has {difference}" + rest
    return inline(text, policy=row["policy"], difference=_difference(row))


def _real(row: pd.Series) -> tuple[Span, ...]:
    """Return whether there is any difference at all, in words."""
    what = "no difference is shown"
    if row["p"] < _REAL:
        what = "the loss is real" if row["worse"] > row["better"] else "the gain is real"
    return inline(f"{what} (p = {{p}})", p=Quantity(row["p"], Unit.ERROR))


def _difference(row: pd.Series) -> tuple[Span, ...]:
    """Return the difference of a format with its interval, in words."""
    return inline(
        "{change} points ({low} to {high} at {level} %, {images} images)",
        change=Quantity(row["accuracy_difference"], Unit.DIFFERENCE),
        low=Quantity(row["low"], Unit.DIFFERENCE),
        high=Quantity(row["high"], Unit.DIFFERENCE),
        level=Words(f"{100 * row['confidence']:g}"),
        images=Quantity(row["images"], Unit.COUNT),
    )
