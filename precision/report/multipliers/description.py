"""What the terminal and files say of multipliers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from precision import analysis
from precision.arithmetic.multipliers import Errors, Multiplier, usage
from precision.arithmetic.multipliers.rank import Rank
from precision.registry import MULTIPLIERS
from precision.report.document import Cell, Column, Note, Quantity, Table, Unit, inline, note
from precision.report.render import terminal

FIELDS: dict[str, analysis.Column] = {
    "multiplier": analysis.Column("str", "text that names it"),
    "bits_activation": analysis.Column("Int64", "bits of the activation", "bit"),
    "bits_weight": analysis.Column("Int64", "bits of the weight", "bit"),
    "signed": analysis.Column("bool", "whether operands are two's-complement numbers"),
    "pairs": analysis.Column("Int64", "pairs of operands that were tried"),
    "exhaustive": analysis.Column("bool", "whether these are all"),
    "error_probability": analysis.Column("float64", "share of pairs with an error", "fraction"),
    "worst_error": analysis.Column("Int64", "largest distance from the exact product"),
    "mean_error": analysis.Column("float64", "mean distance from the exact product"),
    "mean_error_share": analysis.Column("float64", "the same over 2^(bits of both operands)", "fraction"),
    "mean_square_error": analysis.Column("float64", "mean square of the error"),
    "mean_relative_error": analysis.Column(
        "float64", "mean of distance / exact magnitude; exact products of zero are left out", "fraction"
    ),
    "mean_relative_error_from_one": analysis.Column(
        "float64", "mean of distance / max(1, exact magnitude), over all pairs", "fraction"
    ),
    "worst_relative_error": analysis.Column("float64", "largest distance / exact magnitude", "fraction"),
    "bias": analysis.Column("float64", "mean error, with its sign"),
    "zero_activation": analysis.Column("bool", "whether activation 0 gives 0 with every weight"),
    "zero_weight": analysis.Column("bool", "whether weight 0 gives 0 with every activation"),
    "symmetric": analysis.Column("bool", "whether the operands can be exchanged"),
    "rank": analysis.Column("Int64", "of the table of products; empty where it was not determined"),
    "rank_proven": analysis.Column("str", "yes, or no where rank is a lower bound that several primes give"),
    "error_rank": analysis.Column("Int64", "of the table of errors"),
    "error_rank_proven": analysis.Column("str", "likewise"),
    "power": analysis.Column("float64", "published power", "mW"),
    "area": analysis.Column("float64", "published area", "um2"),
    "delay": analysis.Column("float64", "published delay", "ns"),
    "technology": analysis.Column("str", "for which these hold"),
    "source": analysis.Column("str", "where they were published"),
}


@dataclass(frozen=True)
class Measured:
    """A multiplier and its figures of error."""

    multiplier: Multiplier
    errors: Errors


def summaries_text() -> str:
    """Return the table of every registered family: how it is written, and what it is."""
    rows = tuple((usage(name), MULTIPLIERS.summary(name)) for name in MULTIPLIERS)
    folder = ("tables(folder, ...)", "Every table of a folder, where several multipliers may stand.")
    return terminal.render([Table((Column("multiplier"), Column("summary")), (*rows, folder))]) + "\n"


def frame_of(found: Sequence[Measured]) -> pd.DataFrame:
    """Return a row for each multiplier with the columns FIELDS."""
    rows = [dict(zip(FIELDS, _row(one), strict=True)) for one in found]
    return pd.DataFrame(rows, columns=list(FIELDS)).astype({key: c.dtype for key, c in FIELDS.items()})


def _row(one: Measured) -> tuple[object, ...]:
    m, e, p = one.multiplier, one.errors, one.multiplier.published
    ranks = [
        (None, "") if r is None else (r.value, "yes" if r.proven else "no") for r in (e.rank, e.error_rank)
    ]
    return (
        *(m.name, *m.bits, m.signed, e.pairs, e.exhaustive, e.probability, e.worst, e.mean, e.share),
        *(e.square, e.relative, e.relative_from_one, e.worst_relative, e.bias),
        *(e.zero_activation, e.zero_weight, e.symmetric, *ranks[0], *ranks[1]),
        *(p.power, p.area, p.delay, p.technology, p.source),
    )


def show_text(one: Measured, seed: int) -> str:
    """Return the table of a multiplier's properties and figures."""
    return terminal.render([Table((Column(""), Column("")), tuple(_properties(one, seed)))]) + "\n"


def _properties(one: Measured, seed: int) -> list[tuple[str, Cell]]:
    m, e, p = one.multiplier, one.errors, one.multiplier.published
    (low_a, high_a), (low_w, high_w) = m.own
    all_pairs = inline("all {count}", count=Quantity(e.pairs, Unit.COUNT))
    sample = inline("{count} drawn, seed {seed}", count=Quantity(e.pairs, Unit.COUNT), seed=str(seed))
    rows: list[tuple[str, Cell]] = [
        ("multiplier", m.name),
        ("activation", f"{m.bits[0]} bits, {low_a} to {high_a}"),
        ("weight", f"{m.bits[1]} bits, {low_w} to {high_w}"),
        ("negative operands", "two's complement" if m.signed else "by sign and magnitude"),
        ("pairs tried", all_pairs if e.exhaustive else sample),
        ("error probability", _percent(e.probability)),
        ("worst error", Quantity(e.worst, Unit.COUNT)),
        ("mean error distance", Quantity(e.mean, Unit.NUMBER)),
        ("mean distance over 2^(bits of both operands)", _percent(e.share)),
        ("mean square error", Quantity(e.square, Unit.NUMBER)),
        ("mean relative error, without products of 0", _percent(e.relative)),
        ("mean of distance over max(1, exact product)", _percent(e.relative_from_one)),
        ("worst relative error", _percent(e.worst_relative)),
        ("bias", Quantity(e.bias, Unit.NUMBER)),
        ("0 times any weight", "0" if e.zero_activation else "not always 0"),
        ("any activation times 0", "0" if e.zero_weight else "not always 0"),
        ("operands exchangeable", Quantity(e.symmetric, Unit.FLAG)),
        ("rank of the products", _rank(e.rank)),
        ("rank of the errors", _rank(e.error_rank)),
    ]
    known = (("power", p.power, "mW"), ("area", p.area, "µm²"), ("delay", p.delay, "ns"))
    rows += [(f"published {name}", f"{value:g} {unit}") for name, value, unit in known if value is not None]
    rows += [("technology", p.technology)] if p.technology else []
    rows += [("source", p.source)] if p.source else []
    return rows


def _percent(fraction: float) -> Cell:
    return inline("{percent} %", percent=Quantity(100 * fraction, Unit.NUMBER))


def _rank(found: Rank | None) -> Cell:
    if found is None:
        return "not determined above 8 bits"
    value = Quantity(found.value, Unit.COUNT)
    return value if found.proven else inline("at least {value}, and so modulo every prime tried", value=value)


def compare_text(found: Sequence[Measured], seed: int) -> str:
    """Return the table of several multipliers."""
    columns = (
        Column("multiplier"),
        Column("bits"),
        Column("EP %", Unit.NUMBER),
        Column("WCE", Unit.COUNT),
        Column("MED", Unit.NUMBER),
        Column("MED %", Unit.NUMBER),
        Column("MRED %", Unit.NUMBER),
        Column("from 1 %", Unit.NUMBER),
        Column("bias", Unit.NUMBER),
        Column("zero"),
        Column("rank"),
        Column("of errors"),
        Column("power mW", Unit.NUMBER),
    )
    rows = tuple(_compared(one) for one in found)
    parts: list[terminal.Shown] = [note(_WORDS), Table(columns, rows)]
    if any(not one.errors.exhaustive for one in found):
        parts.append(Note(f"Of more than 20 bits of both operands, a sample of pairs with seed {seed}."))
    if any(r and not r.proven for one in found for r in (one.errors.rank, one.errors.error_rank)):
        parts.append(note("A rank with a + is a lower bound; modulo every prime that was tried it is that."))
    return terminal.render(parts) + "\n"


_WORDS = """\
EP: share of pairs with an error; WCE: worst error; MED: mean error distance, % of 2^(bits of both operands);
MRED: mean relative error distance without exact products of 0; from 1: the same over all pairs, relative to
max(1, exact); bias: mean error; zero: whether 0 times a weight, and an activation times 0, is always 0"""


def _compared(one: Measured) -> tuple[Cell, ...]:
    m, e = one.multiplier, one.errors
    bits = f"{m.bits[0]}x{m.bits[1]}{' signed' if m.signed else ''}"
    zero = f"{'yes' if e.zero_activation else 'no'}, {'yes' if e.zero_weight else 'no'}"
    relative = (100 * e.share, 100 * e.relative, 100 * e.relative_from_one)
    figures = (100 * e.probability, e.worst, e.mean, *relative, e.bias)
    ranks = ("" if r is None else f"{r.value}{'' if r.proven else '+'}" for r in (e.rank, e.error_rank))
    return (short_name(m), bits, *figures, zero, *ranks, m.published.power)


def short_name(multiplier: Multiplier) -> str:
    """Return the name of the file of a table, and the text of any other multiplier."""
    if multiplier.name.startswith('table("'):
        return Path(multiplier.name.split('"')[1]).name
    return multiplier.name
