"""``make verify``: all 2^32 float32 bit patterns for every small format, in parallel; run again to resume.

python -m oracles.verify [--formats TEXT ...] [--sample N] [--processes N] [--record FOLDER] [--report FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from oracles import exhaustive
from oracles.record import ROOT, Record
from oracles.report import markdown, total


def main(arguments: list[str] | None = None) -> int:
    """Run what is missing of the record, print a line per format, write the report; 1 when results differ."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # for the processes, which inherit it
    options = _parser().parse_args(arguments)
    record = Record(options.record)
    wanted = _wanted(options.sample)
    results = {text: record.read(text) for text in options.formats}
    work = [(text, chunk) for text in options.formats for chunk in wanted if chunk not in results[text]]
    done = len(options.formats) * len(wanted) - len(work)
    if done:
        print(f"{done} of {done + len(work)} stretches were finished before: {record.folder}")
    _run(work, results, record, options.processes, wanted)
    chosen = {text: {chunk: results[text][chunk] for chunk in wanted} for text in options.formats}
    if options.sample == exhaustive.CHUNKS:
        options.report.write_text(markdown(chosen))
        print(f"written: {options.report}")
    return int(any(_wrong(chunks) for chunks in chosen.values()))


def _wanted(sample: int) -> list[int]:
    """Return which stretches to check."""
    return list(range(0, exhaustive.CHUNKS, exhaustive.CHUNKS // sample))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="verify", description=__doc__)
    parser.add_argument("--formats", nargs="+", default=list(exhaustive.TEXTS), metavar="TEXT")
    parser.add_argument(
        "--sample",
        type=int,
        default=exhaustive.CHUNKS,
        choices=[2**k for k in range(exhaustive.CHUNKS.bit_length())],
        help="check only that many of the 256 stretches of 2^24 patterns, evenly spread; no report",
    )
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--record", type=Path, default=ROOT / "runs" / "verify")
    parser.add_argument("--report", type=Path, default=ROOT / "reports" / "format-verification.md")
    return parser


def _run(
    work: list[tuple[str, int]],
    results: dict[str, dict[int, dict[str, Any]]],
    record: Record,
    processes: int,
    wanted: list[int],
) -> None:
    columns = [TextColumn("{task.description:45}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    with contextlib.ExitStack() as stack:
        finished: Iterable[tuple[str, int, dict[str, Any]]] = map(_check, work)
        if processes > 1:
            context = multiprocessing.get_context("spawn")
            pool = stack.enter_context(context.Pool(processes, exhaustive.quiet_worker))
            finished = pool.imap_unordered(_check, work)
        progress = stack.enter_context(Progress(*columns))
        bar = progress.add_task("", total=len(work))
        for text, chunk, result in finished:
            results[text][chunk] = result
            record.write(text, results[text])
            progress.update(bar, advance=1, description=text)
            if all(c in results[text] for c in wanted):
                progress.console.print(_line(text, results[text]), highlight=False, soft_wrap=True)


def _check(job: tuple[str, int]) -> tuple[str, int, dict[str, Any]]:
    text, chunk = job
    return text, chunk, exhaustive.check(text, chunk)


def _line(text: str, chunks: dict[int, dict[str, Any]]) -> str:
    wrong, compared = _wrong(chunks), total(chunks.values(), "definition")[1]
    seconds = sum(r["seconds"] for r in chunks.values())
    examples = [e for r in chunks.values() for c in r.values() if isinstance(c, dict) for e in c["examples"]]
    shown = "; ".join(examples[: exhaustive.EXAMPLES])
    return f"{text:45} {compared:>13,} patterns {wrong:>11,} mismatches {seconds:7.0f} s {shown}"


def _wrong(chunks: dict[int, dict[str, Any]]) -> int:
    return sum(total(chunks.values(), column)[0] for column in ("definition", "ml_dtypes", "tensors"))


if __name__ == "__main__":
    sys.exit(main())
