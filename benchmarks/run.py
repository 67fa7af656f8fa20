"""Run the benchmarks and print their table; ``--record`` writes it into README.md beside this file.

python benchmarks/run.py [--record] [NAME ...]
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# torch's idle threads would otherwise spin on the processors while the other side is timed.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
sys.path.insert(0, str(Path(__file__).parent))

from tabulate import tabulate
from timing import HEADER

BENCHMARKS = (
    "startup",
    "quantizer",
    "formats",
    "training_step",
    "policies",
    "format_change",
    "accumulators",
    "native",
)
MARK = "<!-- the table below is written by run.py --record -->"


def main() -> int:
    words = sys.argv[1:]
    chosen = [word for word in words if word != "--record"] or list(BENCHMARKS)
    unknown = [word for word in chosen if word not in BENCHMARKS]
    if unknown:
        print(f"unknown benchmark {unknown[0]!r}; known: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    rows = [row for name in chosen for row in importlib.import_module(name).rows()]
    table = tabulate([row.cells() for row in rows], headers=HEADER, tablefmt="pipe", disable_numparse=True)
    print(table)
    if "--record" in words:
        record(table)
    return 0 if all(row.holds for row in rows) else 1


def record(table: str) -> None:
    from precision.grid.provenance import provenance

    where = provenance()
    facts = ", ".join(f"{key} {where[key]}" for key in ("python", "tensorflow", "keras", "numpy"))
    readme = Path(__file__).parent / "README.md"
    text = readme.read_text().split(MARK)[0]
    readme.write_text(
        f"{text}{MARK}\n\n{where['machine']}, {where['memory']}, {facts}; commit {where['commit']}.\n\n"
        f"{table}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
