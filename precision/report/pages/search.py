"""The report of a search: the policy that was found, ready to be used, and what it was chosen among."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from precision import files
from precision.analysis.choice import points
from precision.analysis.search import SEARCH_COLUMNS, Found
from precision.report.document import facts, table_text
from precision.report.figures.style import png
from precision.report.render.csv import to_csv
from precision.report.text import NONE, count, escape, percent, printable, signed, size

COSTS = {"memory": "weight memory", "energy": "modelled energy"}
COLUMNS = {"memory": "weight_bytes", "energy": "energy_pj"}
_ABOUT = """\
For each layer with a kernel, and what follows it up to the next kernel, one of the policies was chosen such
that the network loses at most {tolerance} of accuracy against float32, at least {cost}. Method: {method}.

Only training images decide: {images} of them, with the float32 networks of {seeds}. Accuracy on images that a
network was trained on is higher than on new ones, up to 1, and falls later, so the tolerance bounds what is
lost on known images. Test images were not looked at: run the policy in a grid to learn what it is worth on
them.

The energy is a model (45 nm, one memory of 1 MiB, each value fetched once), not a measurement: see
`precision.measure.counted.energy` for what is in it and what is not."""


def write_search(
    found: Sequence[Found],
    *,
    name: str,
    command: Sequence[str],
    objective: str,
    method: str,
    tolerance: float,
    output: Path,
    environment: Mapping[str, str],
) -> Path:
    """Write search.md, search.csv, policy.yaml and the figures into a folder; return the path of search.md.

    Args:
        name: of the grid.
        command: the words of the command that repeats it.
        objective: ``memory`` or ``energy``.
        method: in words.
        tolerance: percentage points that may be lost.
        output: an existing folder.
        environment: where and with what it was evaluated.
    """
    from precision.report.figures.search import search_figure  # matplotlib takes most of a second to import

    frame = pd.concat([one.frame for one in found], ignore_index=True)
    about = _ABOUT.format(
        tolerance=points(tolerance),
        cost=COSTS[objective],
        method=method,
        images=" or ".join(count(value) for value in frame["images"].unique()),
        seeds=" or ".join(f"{n} seed{'s' if n > 1 else ''}" for n in frame["seeds"].unique()),
    )
    parts = [f"# {escape(name)}: search", about]
    for number, one in enumerate(found, 1):
        stem = re.sub(r"[^A-Za-z0-9.-]+", "_", one.title).strip("_.")
        file = f"search_{number}_{stem}.png" if len(found) > 1 else "search.png"
        files.write(output / file, png(search_figure(one.frame, objective, tolerance, one.title)))
        parts += [f"## {escape(one.title)}", *_found(one, objective, tolerance)]
        parts += [f"![Cost and accuracy of every evaluated assignment]({file})", _table(one.frame)]
    parts += ["## How to reproduce", f"```\n{shlex.join(command)}\n```", facts(environment)]
    parts += ["The policies are in [policy.yaml](policy.yaml), all evaluations in [search.csv](search.csv)."]
    files.write(output / "search.csv", to_csv(frame, SEARCH_COLUMNS).encode())
    files.write(output / "policy.yaml", policy_yaml(found).encode())
    path = output / "search.md"
    files.write(path, ("\n\n".join(filter(None, parts)) + "\n").encode())
    return path


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


def _found(found: Found, objective: str, tolerance: float) -> list[str]:
    """Return the paragraphs on what was found."""
    rows = found.frame
    baseline = float(rows["baseline_accuracy"].iloc[0])
    paragraphs = [
        f"Seed {seed} has no float32 network: {escape(why)}." for seed, why in found.missing.items()
    ]
    if found.policy is None:
        best = rows.sort_values("accuracy", ascending=False, kind="stable").iloc[0]
        return [
            *paragraphs,
            f"No evaluated assignment loses at most {points(tolerance)}. The most accurate one "
            f"({escape(best['assignment'])}) classifies {percent(best['accuracy'])} % of the training images "
            f"correctly, float32 {percent(baseline)} %.",
        ]
    chosen = rows[rows["chosen"]].iloc[0]
    text = (
        f"Found: {_cost(chosen, objective)} at {percent(chosen['accuracy'])} % of the deciding images, "
        f"{signed(chosen['accuracy'] - baseline)} points against float32. "
    )
    if found.uniform:
        same = rows[rows["policy"] == found.uniform].iloc[0]
        saved = 100 * (1 - chosen[COLUMNS[objective]] / same[COLUMNS[objective]])
        text += f"The cheapest single policy within the tolerance, {escape(found.uniform)}, takes "
        text += f"{_cost(same, objective)}; "
        text += f"{saved:.0f} % is saved." if saved >= 0.5 else "mixing saves nothing."
    else:
        text += "No single policy is within the tolerance."
    paragraphs.append(text)
    if found.checks:
        paragraphs.append(_check(found))
    header = ["Layers from", "Policy", "Weights", "MACs", "Modelled energy"]
    units = [
        [escape(u.name), escape(u.policy), count(u.weights), count(u.macs), picojoules(u.energy)]
        for u in found.units
    ]
    return [*paragraphs, f"The policy `{escape(found.label)}`:\n\n{table_text(header, units, left=2)}"]


def _check(found: Found) -> str:
    exact = found.checks["float32"]
    texts = [
        f"{what} {signed(found.checks[key] - exact)} points"
        for key, what in (("found", "the found policy"), ("uniform", escape(found.uniform)))
        if key in found.checks
    ]
    return (
        f"On {count(found.check_images)} other training images, which had no say: {', '.join(texts)} against "
        f"float32 ({percent(exact)} %)."
    )


def _cost(row: pd.Series, objective: str) -> str:
    if objective == "memory":
        return f"{size(row['weight_bytes'])} of weights"
    return f"{picojoules(row['energy_pj'])} of modelled energy"


def picojoules(value: float) -> str:
    """Return an energy in nJ or µJ."""
    if math.isnan(value):
        return NONE
    return f"{value / 1e6:.3g} µJ" if value >= 1e6 else f"{value / 1e3:.3g} nJ"


def _table(frame: pd.DataFrame) -> str:
    """Return the single policies and the front, cheapest first."""
    shown = frame[frame["front"] | (frame["policy"] != "") | frame["chosen"]]
    header = ["Policy", "Weights", "Modelled energy", "Accuracy", "Change", "Loss", "Within", "Front"]
    rows = []
    for row in shown.to_dict("records"):
        name = escape(row["policy"]) if row["policy"] else "mixed"
        rows.append(
            [
                f"**{name}, found**" if row["chosen"] else name,
                size(row["weight_bytes"]),
                picojoules(row["energy_pj"]),
                percent(row["accuracy"]),
                signed(-row["accuracy_loss"] / 100),
                f"{row['loss']:.4f}",
                "yes" if row["feasible"] else "no",
                "yes" if row["front"] else "no",
            ]
        )
    note = "Single policies, and the mixed ones that no other evaluated one beats in both cost and accuracy:"
    return f"{note}\n\n{table_text(header, rows)}"


def found_text(found: Sequence[Found], objective: str) -> str:
    """Return what was found as lines for a terminal."""
    lines = []
    for one in found:
        if one.policy is None:
            lines.append(f"{one.title}: no evaluated assignment is within the tolerance")
            continue
        chosen = one.frame[one.frame["chosen"]].iloc[0]
        lines.append(f"{one.title}: {_cost(chosen, objective)}, {-chosen['accuracy_loss']:+.2f} points")
        lines += [f"  {unit.name}: {unit.policy}" for unit in one.units]
        if one.uniform:
            same = one.frame[one.frame["policy"] == one.uniform].iloc[0]
            lines.append(f"  for comparison, {one.uniform} alone: {_cost(same, objective)}")
    return "".join(f"{printable(line)}\n" for line in lines)
