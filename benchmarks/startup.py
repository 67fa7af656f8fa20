"""How long ``precision --help`` takes, as a whole process."""

from __future__ import annotations

import statistics
import subprocess
import sys

from timing import Row, seconds

LIMIT = 0.4  # seconds


def rows() -> list[Row]:
    command = [
        sys.executable,
        "-c",
        "import sys; sys.argv[1:] = ['--help']; from precision.cli import main; main()",
    ]
    times = [seconds(lambda: subprocess.run(command, capture_output=True, check=True)) for _ in range(11)]
    ratios = [t / LIMIT for t in times]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return [
        Row(
            "precision --help", f"{LIMIT} s", middle, low, high, 1, False, f"{statistics.median(times):.3g} s"
        )
    ]
