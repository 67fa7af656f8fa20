"""The report of a search: the policy that was found, ready to be used, and what it was chosen among."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from precision.analysis.search import OBJECTIVES, SEARCH_COLUMNS, Found
from precision.report.document import (
    Code,
    Column,
    Document,
    Figure,
    Inline,
    Link,
    List,
    Listing,
    Note,
    Part,
    Quantity,
    Section,
    Strong,
    Table,
    Unit,
    Words,
    facts,
    inline,
    joined,
    note,
    table_of,
)
from precision.report.pages.folder import file_stem, write_report
from precision.report.pages.made_from import MadeFrom
from precision.report.render import terminal
from precision.report.render.csv import to_csv
from precision.report.titles import change_of, columns_of, score_column, scores_of
from precision.tasks import Task, of_all

SEARCH = "search.md"
_UNITS = {"byte": Unit.BYTES, "pJ": Unit.PICOJOULES, "bit^2": Unit.NUMBER}
_ABOUT = (
    """\
For each layer with a kernel, and what follows it up to the next kernel, one of the policies was chosen such
that the networks {tolerance} against float32, at least {cost}. Method: {method}.""",
    """\
Only training images decide: {images} of them, with the float32 networks of {seeds}. On images that a network
was trained on it does better than on new ones, up to no error at all, and gets worse later, so the tolerance
bounds what is lost on known images. Test images were not looked at: run the policy in a grid to learn what it
is worth on them.""",
    """\
The energy is a model ({table}; one memory, each value fetched once), not a measurement: see
{model} for what is in it and what is not.""",
)


def write_search(
    found: Sequence[Found],
    *,
    name: str,
    command: Sequence[str],
    objective: str,
    energy_table: str,
    method: str,
    tolerance: float,
    output: Path,
    environment: Mapping[str, str],
    made_from: MadeFrom | None = None,
    force: bool = False,
) -> Path:
    """Write search.md, search.csv, policy.yaml and the figures into a folder; return the path of search.md.

    Args:
        name: of the grid.
        command: the words of the command that repeats it.
        objective: one of ``analysis.search.OBJECTIVES``.
        energy_table: title of the energies that the modelled energy is made of.
        method: in words.
        tolerance: percentage points that may be lost, or per cent of the RMSE.
        output: an existing folder.
        environment: where and with what it was evaluated.
        made_from, force: as of ``precision.report.pages.folder.write_report``.
    """
    frame = pd.concat([one.frame for one in found], ignore_index=True)
    seeds = [f"{n} seed{'s' if n > 1 else ''}" for n in frame["seeds"].unique()]
    told: dict[str, Inline] = {
        "tolerance": Words(" or ".join(_bounds(frame, tolerance))),
        "cost": OBJECTIVES[objective].least,
        "table": energy_table,
        "method": method,
        "images": joined((Quantity(value, Unit.COUNT) for value in frame["images"].unique()), " or "),
        "seeds": " or ".join(seeds),
        "model": Code("precision.measure.counted.energy"),
    }
    parts: list[Part] = [note(text, **told) for text in _ABOUT]
    for number, one in enumerate(found, 1):
        figure = Figure(
            name=f"search_{number}_{file_stem(one.title)}" if len(found) > 1 else "search",
            title="",
            caption=f"Cost and {_score(of_all(one.frame['task']))} of every evaluated assignment",
            draw=_draw,
            data={"rows": one.frame, "objective": objective, "tolerance": tolerance, "title": one.title},
        )
        parts.append(Section(one.title, (*_found(one, objective, tolerance), figure, *_evaluated(one.frame))))
    files = note(
        "The policies are in {policies}, all evaluations in {evaluations}.",
        policies=Link("policy.yaml", "policy.yaml"),
        evaluations=Link("search.csv", "search.csv"),
    )
    parts.append(Section("How to reproduce", (Listing(shlex.join(command)), facts(environment), files)))
    return write_report(
        Document(f"{name}: search", tuple(parts)),
        output / SEARCH,
        {"search.csv": to_csv(frame, SEARCH_COLUMNS), "policy.yaml": policy_yaml(found)},
        made_from,
        force,
    )


def _score(task: Task) -> str:
    return task.title if task.relative else task.title.lower()


def _bounds(frame: pd.DataFrame, tolerance: float) -> list[str]:
    tasks = scores_of(of_all([name]) for name in frame["task"].unique())
    return [
        f"raise the RMSE by at most {tolerance:g} %"
        if task.relative
        else f"lose at most {task.tolerated(tolerance)} of accuracy"
        for task in tasks
    ]


def _draw(rows: pd.DataFrame, objective: str, tolerance: float, title: str) -> object:
    from precision.report.figures.search import search_figure  # matplotlib takes most of a second to import

    return search_figure(rows, objective, tolerance, title)


def policy_yaml(found: Sequence[Found]) -> str:
    """Return the found policies as a part of a grid file: ``policies:`` and its entries, a line per layer."""
    lines = [
        "# Entries for the policies of a grid. Each names the layers of one network: exclude the others."
    ]
    lines.append("policies:")
    for one in found:
        if one.policy is not None:
            lines.append(f"  {_flow(one.label)}:")
            lines += [f"    {key}: {_flow(value)}" for key, value in one.policy.items() if key != "layers"]
            lines.append("    layers:")
            lines += [f"      {_flow(layer)}: {_flow(slots)}" for layer, slots in one.policy["layers"]]
    return "\n".join(lines) + "\n" if len(lines) > 2 else "policies: {}\n"


def _flow(value: Any) -> str:
    """Return a value in YAML on one line."""
    text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6)
    return text.removesuffix("\n").removesuffix("\n...")


def _found(found: Found, objective: str, tolerance: float) -> list[Part]:
    """Return what was found, in words and as a table of the policy of each unit."""
    rows = found.frame
    task = of_all(rows["task"])
    baseline = float(rows[task.baseline].iloc[0])
    missing = [
        note("Seed {seed} has no float32 network: {why}.", seed=str(seed), why=why)
        for seed, why in found.missing.items()
    ]
    if found.policy is None:
        best = rows.sort_values(task.score, ascending=task.sign < 0, kind="stable").iloc[0]
        nothing = note(
            "No evaluated assignment loses at most {tolerance}. The best one ({best}) has {score} on the "
            "training images, float32 {baseline}.",
            tolerance=task.tolerated(tolerance),
            best=best["assignment"],
            score=task.said(best[task.score]),
            baseline=task.said(baseline),
        )
        return [*missing, nothing]
    chosen = rows[rows["chosen"]].iloc[0]
    about = note(
        "Found: {cost} at {score} on the deciding images, {change} against float32. {uniform}",
        cost=_cost(chosen, objective),
        score=task.said(chosen[task.score]),
        change=change_of(task, task.differs(chosen[task.score], baseline)),
        uniform=_uniform(found, chosen, objective),
    )
    checks = [_check(found, task)] if found.checks else []
    columns = (
        Column("Layers from"),
        Column("Policy"),
        Column("Weights", Unit.COUNT),
        Column("MACs", Unit.COUNT),
        Column("Modelled energy", Unit.PICOJOULES),
    )
    policy = note("The policy {name}:", name=Code(found.label))
    return [*missing, about, *checks, policy, Table(columns, found.units)]


def _uniform(found: Found, chosen: pd.Series, objective: str) -> Inline:
    """Return what the cheapest single policy takes, and how much of it mixing saves."""
    if not found.uniform:
        return Words("No single policy is within the tolerance.")
    same = found.frame[found.frame["policy"] == found.uniform].iloc[0]
    column = OBJECTIVES[objective].column
    saved = 100 * (1 - chosen[column] / same[column])
    return inline(
        "The cheapest single policy within the tolerance, {policy}, takes {cost}; "
        + ("{saved} % is saved." if saved >= 0.5 else "mixing saves nothing."),
        policy=found.uniform,
        cost=_cost(same, objective),
        saved=Quantity(saved, Unit.PERCENT, decimals=0),
    )


def _check(found: Found, task: Task) -> Note:
    exact = found.checks["float32"]
    policies: dict[str, Inline] = {"found": Words("the found policy"), "uniform": found.uniform}
    texts = [
        inline("{what} {change}", what=what, change=change_of(task, task.differs(found.checks[key], exact)))
        for key, what in policies.items()
        if key in found.checks
    ]
    return note(
        "On {images} other training images, which had no say: {texts} against float32 ({exact}).",
        images=Quantity(found.check_images, Unit.COUNT),
        texts=joined(texts, ", "),
        exact=task.said(exact),
    )


def _cost(row: pd.Series, objective: str) -> Inline:
    column, _, amount = OBJECTIVES[objective]
    return (Quantity(row[column], _UNITS[SEARCH_COLUMNS[column].unit]), Words(f" {amount}"))


def _evaluated(frame: pd.DataFrame) -> tuple[Note, Table]:
    """Return the single policies and the front, cheapest first."""
    task = of_all(frame["task"])
    shown = frame[frame["front"] | (frame["policy"] != "") | frame["chosen"]]
    name = shown["policy"].where(shown["policy"] != "", "mixed")
    shown = shown.assign(
        name=name.mask(shown["chosen"], (name + ", found").map(Strong)),
        change=-task.sign * shown[task.lost] / 100,
    )
    columns = {
        "name": Column("Policy"),
        **columns_of("weight_bytes", "peak_activation_bytes", "bops"),
        "energy_pj": Column("Modelled energy", Unit.PICOJOULES),
        task.score: Column(task.title, score_column(task).unit),
        "change": Column("Change %" if task.relative else "Change", Unit.DIFFERENCE),
        "loss": Column("Loss", Unit.NATS, decimals=4),
        "feasible": Column("Within", Unit.FLAG),
        "front": Column("Front", Unit.FLAG),
    }
    about = "Single policies, and the mixed ones that no other evaluated one beats in both cost and {score}:"
    return note(about, score=Words(_score(task))), table_of(shown, columns)


def found_text(found: Sequence[Found], objective: str) -> str:
    """Return what was found as lines for a terminal."""
    parts: list[terminal.Shown] = []
    for one in found:
        if one.policy is None:
            parts.append(note("{title}: no evaluated assignment is within the tolerance", title=one.title))
            continue
        chosen = one.frame[one.frame["chosen"]].iloc[0]
        items: list[Inline] = [inline("{name}: {policy}", name=u.name, policy=u.policy) for u in one.units]
        if one.uniform:
            same = one.frame[one.frame["policy"] == one.uniform].iloc[0]
            cost = _cost(same, objective)
            items.append(inline("for comparison, {name} alone: {cost}", name=one.uniform, cost=cost))
        task = of_all(one.frame["task"])
        lost = change_of(task, -task.sign * chosen[task.lost] / 100)
        cost = _cost(chosen, objective)
        parts += [
            note("{title}: {cost}, {lost}", title=one.title, cost=cost, lost=lost),
            List(tuple(items)),
        ]
    return terminal.render(parts) + "\n"
