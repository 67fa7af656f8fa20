"""``precision plan`` of 108,000 cells as a whole process: its time and its memory."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from timing import Row, seconds

SECONDS = 10
BYTES = 1e9
ROUNDS = 5
GRID = """\
name: large
datasets: [mnist, fashion_mnist]
architectures:
  - lenet
  - mlp
  - basic_cnn
  - {name: vgg, width: {each: [0.25, 0.5, 1]}}
  - {name: resnet, depth: {each: [8, 14, 20, 26]}}
policies:
  float32: float32
  fixed:
    weights:
      each: ["fixed(8,6)", "fixed(8,7)", "fixed(8,5)", "fixed(6,4)", "fixed(6,5)", "fixed(4,3)", "fixed(4,2)"]
    activations:
      each: ["fixed(8,4)", "fixed(8,3)", "fixed(8,2)", "fixed(6,3)", "fixed(6,2)", "fixed(4,2)", "fixed(4,1)"]
methods: [ptq, qat]
training: {epochs: [1, 2, 5], learning_rate: [1e-3, 1e-2]}
seeds: [0, 1, 2, 3, 4, 5, 6, 7, 8]
"""
# The high-water mark of Linux, because what getrusage says may be the parent's, from before the child began.
CODE = """\
import sys, time
from precision.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("CPU:", time.process_time())
print([line for line in open("/proc/self/status") if line.startswith("VmHWM")][0])
"""


def rows() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        grid = Path(folder) / "large.yaml"
        grid.write_text(GRID)
        command = [sys.executable, "-c", CODE, "plan", str(grid), "--store", str(Path(folder) / "runs")]
        outputs: list[str] = []

        def once() -> None:
            outputs.append(subprocess.run(command, capture_output=True, check=True, text=True).stdout)

        times = [seconds(once) for _ in range(ROUNDS)]
    assert "108000 cells, 106920 trials" in outputs[0], outputs[0]
    memory = [1024 * int(re.search(r"VmHWM:\s+(\d+) kB", output)[1]) for output in outputs]
    busy = [float(re.search(r"CPU: (\S+)", output)[1]) for output in outputs]
    detail = f"{statistics.median(times):.3g} s, of which {statistics.median(busy):.3g} s on a processor"
    return [
        _row("time", f"{SECONDS} s", [t / SECONDS for t in times], detail),
        _row("memory", "1 GB", [m / BYTES for m in memory], f"{statistics.median(memory) / 1e6:.3g} MB"),
    ]


def _row(what: str, limit: str, ratios: list[float], detail: str) -> Row:
    low, middle, high = statistics.quantiles(ratios, n=4)
    return Row(f"plan of 108,000 cells: {what}", limit, middle, low, high, 1, False, detail)
