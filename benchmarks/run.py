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
    "sampler",
    "epochs",
    "workers",
    "quantizer",
    "formats",
    "training_step",
    "policies",
    "format_change",
    "accumulators",
    "arithmetic",
    "integer_network",
    "convolutions",
    "effective_operations",
    "native",
    "grid",
    "audit",
    "plan",
    "store",
    "report",
    "cluster",
)
MARK = "<!-- the tables below are written by run.py --record -->"


def main() -> int:
    words = sys.argv[1:]
    chosen = [word for word in words if word != "--record"] or list(BENCHMARKS)
    unknown = [word for word in chosen if word not in BENCHMARKS]
    if unknown:
        print(f"unknown benchmark {unknown[0]!r}; known: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    kept = True
    for name in chosen:
        rows = importlib.import_module(name).rows()
        kept &= all(row.holds for row in rows)
        table = tabulate([r.cells() for r in rows], headers=HEADER, tablefmt="pipe", disable_numparse=True)
        print(f"{name}\n\n{table}\n", flush=True)
        if "--record" in words:
            record(name, table)
    return 0 if kept else 1


def record(name: str, table: str) -> None:
    """Write the table of one benchmark that ran here."""
    from precision.measure.machine.environment import environment

    where = environment()
    facts = ", ".join(f"{key} {where[key]}" for key in ("python", "tensorflow", "keras", "numpy"))
    write(name, f"{where['machine']}, {where['memory']}, {facts}; commit {where['commit']}", table)


def write(name: str, place: str, table: str, readme: Path = Path(__file__).parent / "README.md") -> None:
    """Write the table of one benchmark in the place of its former one; the others stay as they are.

    Args:
        place: where it ran, in words.
    """
    text, _, recorded = readme.read_text().partition(MARK)
    sections = dict(part.split("\n", 1) for part in recorded.split("\n### ")[1:])
    sections[name] = f"\n{place}.\n\n{table}\n"
    known = "".join(f"\n### {key}\n{sections[key]}" for key in (*BENCHMARKS, "gpu") if key in sections)
    readme.write_text(f"{text}{MARK}\n{known}")


if __name__ == "__main__":
    sys.exit(main())
