"""``make statistics``: grids made up with known differences, to see how often the report is wrong about them.

python -m oracles.simulated [--grids N] [--seeds 1 3 5 10] [--page FILE]

A format changes the answer to an image in three ways: on images that are hard for it (each seed changes
them with a probability, so that seeds agree more or less), on any image by chance, and a seed may be better
or worse as a whole. How strong each of them is is drawn for every format of every grid. Two of five formats
have no true difference, one loses exactly the tolerance, one half of it and one twice as much.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from precision.analysis.columns import CHANGED
from precision.analysis.paired import of_counts
from precision.analysis.seeds import combined, covariance
from precision.analysis.verdicts import judged
from precision.tasks import CLASSIFICATION

IMAGES = 2000
TOLERANCE = 2.0  # percentage points
LOSSES = (0.0, 0.0, 0.01, 0.02, 0.04)
SEEDS = (1, 3, 5, 10)
PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"
MARK = "<!-- the table below is written by make statistics -->"


class Counted(NamedTuple):
    """How often something held, of how many times."""

    number: int
    of: int

    @property
    def share(self) -> float:
        return self.number / self.of

    def __str__(self) -> str:
        return f"{100 * self.share:.2f} %"


class Outcome(NamedTuple):
    """What became of the grids with one number of seeds.

    Attributes:
        covered: intervals that contain the true difference.
        lowest: the same of the kind of format of which the fewest do.
        false: grids with a false verdict.
        verdicts: how often each verdict was given, by the true loss.
    """

    covered: Counted
    lowest: Counted
    false: Counted
    verdicts: pd.DataFrame


def format_of(rng: np.random.Generator, seeds: int, loss: float) -> dict[str, Any]:
    """Return the row of a summary for a format that truly loses so much, a fraction of the images."""
    sure = rng.uniform(0.3, 1.0)  # probability that a seed changes a hard image
    balanced, lost = rng.uniform(0.004, 0.06), loss / sure  # shares of images: either way, and only for worse
    chance, swing = (
        rng.uniform(0.0, 0.02),
        0.0 if seeds == 1 else rng.choice([0, 1, 1]) * rng.uniform(0, 0.005),
    )
    hard = rng.multinomial(IMAGES, [balanced / 2, balanced / 2, lost, 1 - balanced - lost])
    signs = np.repeat([1, -1, -1], hard[:3])
    changes = rng.random((seeds, len(signs))) < sure
    anywhere = rng.binomial(IMAGES, chance / 2, (2, seeds))
    shifts = rng.normal(0, swing, seeds)
    shifted = np.sign(shifts) * rng.binomial(IMAGES, np.minimum(np.abs(shifts), 1))
    more = changes @ signs + anywhere[0] - anywhere[1] + shifted.astype(int)
    differ = changes.sum(axis=1) + anywhere.sum(axis=0) + np.abs(shifted).astype(int)
    return row(more / IMAGES, differ, changes.astype(np.int64) @ changes.T, IMAGES)


def row(differences: np.ndarray, differ: np.ndarray, alike: np.ndarray, images: int) -> dict[str, Any]:
    """Return the row of a summary: differences of each seed, images that changed, and alike in two."""
    task, seeds = CLASSIFICATION, len(differences)
    found: dict[str, Any] = {"task": "", "test_images": images, "pairs": seeds, CHANGED: float(differ.mean())}
    if seeds == 1:
        told = of_counts(int(differ[0]), round(differences[0] * images), images)
        mean, ends, error, freedom = differences[0], (told.low, told.high), told.error, images - 1.0
    else:
        pairs = [(s, t) for s in range(seeds) for t in range(s)]
        shared = np.mean([covariance(alike[s, t], images, differences[s], differences[t]) for s, t in pairs])
        mean, error, freedom = both = combined(differences, float(shared), images)
        ends = (mean - both.half(), mean + both.half())
    names = (f"{task.difference}_mean", *task.ends, task.error, task.freedom)
    return found | dict(zip(names, (mean, *ends, error, freedom), strict=True))


def simulate(grids: int, seeds: int, entropy: int = 0) -> Outcome:
    """Return how often intervals held and verdicts were false, over so many grids of five formats."""
    rng = np.random.default_rng([entropy, seeds])
    rows = [
        format_of(rng, seeds, loss)
        | {"dataset": "", "training": "", "method": "", "architecture": str(grid)}
        | {"policy": str(kind), "loss": loss}
        for grid in range(grids)
        for kind, loss in enumerate(LOSSES)
    ]
    table = judged(pd.DataFrame(rows), "none", TOLERANCE)
    low, high = (table[end] for end in CLASSIFICATION.ends)
    held = (low <= -table["loss"]) & (-table["loss"] <= high)
    by_kind = [Counted(int(own.sum()), len(own)) for _, own in held.groupby(table["policy"], sort=False)]
    wrong = is_false(table).groupby(table["architecture"], sort=False).any()
    return Outcome(
        Counted(int(held.sum()), len(held)),
        min(by_kind, key=lambda one: one.share),
        Counted(int(wrong.sum()), grids),
        pd.crosstab(table["loss"], table["verdict"], normalize="index"),
    )


def is_false(table: pd.DataFrame) -> pd.Series:
    """Return which verdicts contradict the true loss."""
    beyond = table["loss"] >= TOLERANCE / 100
    near = (table["verdict"] == "equivalent") | table["shown"]
    worse = (table["verdict"] == "worse") & (table["loss"] <= 0)
    better = (table["verdict"] == "better") & (table["loss"] >= 0)
    return (near & beyond) | worse | better


def table(outcomes: dict[int, Outcome], grids: int) -> str:
    """Return what came of it as a Markdown table."""
    head = (
        "| Seeds | Intervals that hold the truth | of the worst kind of format | Grids with a false verdict |"
    )
    lines = [head, "|---:|---:|---:|---:|"]
    lines += [f"| {n} | {o.covered} | {o.lowest} | {o.false} |" for n, o in outcomes.items()]
    about = (
        f"{grids:,} grids for each number of seeds, {len(LOSSES)} formats each, {IMAGES:,} test images, a "
        f"tolerance of {TOLERANCE:g} percentage points."
    )
    said = []
    for n, outcome in outcomes.items():
        shares = outcome.verdicts
        said += ["", f"Verdicts with n = {n}, by the true loss in points:", ""]
        said += [f"| Loss | {' | '.join(shares.columns)} |", f"|---:|{'---:|' * len(shares.columns)}"]
        said += [
            f"| {100 * loss:g} | {' | '.join(f'{100 * share:.1f} %' for share in values)} |"
            for loss, values in zip(shares.index, shares.to_numpy(), strict=True)
        ]
    return "\n".join([about, "", *lines, *said])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and write it into its page; 1 where an interval or a verdict does not hold."""
    parser = argparse.ArgumentParser(prog="python -m oracles.simulated")
    parser.add_argument("--grids", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    outcomes = {}
    for seeds in options.seeds:
        outcomes[seeds] = found = simulate(options.grids, seeds)
        print(
            f"n = {seeds}: {found.covered} covered, {found.false} of the grids with a false verdict",
            flush=True,
        )
    text = table(outcomes, options.grids)
    print(f"\n{text}")
    page, mark, _ = options.page.read_text().partition(MARK) if options.page.exists() else ("", "", "")
    if mark:
        options.page.write_text(f"{page}{mark}\n\n{text}\n")
    noise = 3 * math.sqrt(0.05 * 0.95 / options.grids)
    good = all(
        0.94 - noise <= one.covered.share <= 0.96 + noise and one.false.share <= 0.05 + noise
        for one in outcomes.values()
    )
    return int(not good)


if __name__ == "__main__":
    raise SystemExit(main())
