"""The table of an exhaustive run, as Markdown."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from oracles.record import ROOT, versions

_INTRODUCTION = """# Every float32, rounded to every small format

Written by `make verify`. Each of the 2^32 bit patterns of float32 was rounded to nearest by
`precision.formats` and compared, bit for bit (every NaN counts as one value), with results that share no code
with it:

- *definition*: the values of the format enumerated from its publication, one bit string at a time in rational
  arithmetic, with exact boundaries between them (`tests/oracles`). The boundaries of posits are the posits of
  one more bit, as their standard has it.
- *ml_dtypes*: a cast by ml_dtypes (float16: by NumPy), for the formats that it has. FP6 and FP4 have no NaN;
  ml_dtypes turns NaN into -0 there and `precision` into 0, so NaN is left out of that column.
- *tensors*: the compiled TensorFlow path against the same definition. TensorFlow's kernels flush float32
  subnormals to zero, so the 2^24 - 2 patterns with 0 < |x| < 2^-126 are left out of that column.

A cell is the number of patterns that gave another result, of the number compared. Seconds are those of one
core, for all columns of a row. Formats whose values share a scale do not map one number to one number; they
are tested in `tests/formats/kernels/test_block_formats.py`.
"""


COLUMNS = ("definition", "ml_dtypes", "tensors")


def total(results: Iterable[Mapping[str, Any]], column: str) -> tuple[int, int]:
    """Return mismatches and patterns of one comparison over all stretches."""
    parts = [r[column] for r in results if column in r]
    return sum(p["mismatches"] for p in parts), sum(p["patterns"] for p in parts)


def markdown(results: Mapping[str, Mapping[int, Mapping[str, Any]]]) -> str:
    """Return the report of a run.

    Args:
        results: format to stretch to what :func:`oracles.exhaustive.check` returned.
    """
    lines = [_INTRODUCTION, machine(), ""]
    lines += [f"| format | {' | '.join(COLUMNS)} | seconds |", "|---" * (len(COLUMNS) + 1) + "|---:|"]
    for text, chunks in results.items():
        cells = [_cell(*total(chunks.values(), column)) for column in COLUMNS]
        seconds = sum(r["seconds"] for r in chunks.values())
        lines.append(f"| `{text}` | {' | '.join(cells)} | {seconds:.0f} |")
    wrong = sum(total(chunks.values(), column)[0] for chunks in results.values() for column in COLUMNS)
    compared = sum(total(c.values(), "definition")[1] for c in results.values())
    lines += ["", f"{len(results)} formats, {compared:,} roundings of arrays, {wrong:,} mismatches."]
    return "\n".join(lines) + "\n"


def _cell(mismatches: int, compared: int) -> str:
    return f"{mismatches:,} of {compared:,}" if compared else ""


def machine() -> str:
    """Return one sentence about where a run took place."""
    named = ", ".join(f"{name} {version}" for name, version in versions().items())
    commit = _git("rev-parse", "--short=12", "HEAD") or "unknown"
    changed = " with uncommitted changes" if _git("status", "--porcelain", "precision", "tests") else ""
    return (
        f"Machine: {_processor()}, {os.cpu_count()} cores, {platform.system()}. Python "
        f"{platform.python_version()}, {named}. Commit {commit}{changed}."
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line
        ]
        if names:
            return names[0]
    return platform.processor() or platform.machine()


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
