"""``precision report`` of a grid of 5,000 trials as a whole process: its time and its memory."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from plan import CODE
from timing import Row, seconds

from precision.grid import Store, expand, load_grid
from precision.grid.store import sums
from precision.grid.store.predictions import encode, encode_by_class
from precision.grid.store.record import encode as record
from precision.tasks.by_class import rates
from precision.trial import TrialResult

SECONDS, BYTES = 60, 1.5e9
ROUNDS = 3
IMAGES, CLASSES, EPOCHS = 10_000, 10, 10
GRID = """\
name: large
datasets: [mnist, fashion_mnist]
architectures: [lenet, mlp, basic_cnn, {name: resnet, depth: {each: [8, 14]}}]
policies:
  float32: float32
  fixed:
    weights:
      each: ["fixed(8,6)", "fixed(8,7)", "fixed(7,6)", "fixed(6,5)", "fixed(5,4)", "fixed(4,3)"]
    activations:
      each: ["fixed(8,4)", "fixed(7,3)", "fixed(6,3)", "fixed(5,2)"]
methods: [ptq, qat]
seeds: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
"""


def fill(folder: Path) -> int:
    """Write results of every trial, without waiting for the disk; return how many there are."""
    grid = folder / "large.yaml"
    grid.write_text(GRID)
    store = Store(folder / "runs")
    store.create()
    labels = np.random.default_rng(0).integers(0, CLASSES, IMAGES).astype(np.uint8)
    cells = {cell.trial.id: cell for cell in expand(*load_grid(grid))}
    for number, cell in enumerate(cells.values()):
        rng = np.random.default_rng(number)
        base = (
            np.random.default_rng([cell.seed, 1]).random(IMAGES) < 0.02
        )  # where every format of a seed is wrong
        wrong = base | (rng.random(IMAGES) < 0.003 * (cell.policy != "float32"))
        predictions = np.where(wrong, (labels + 1) % CLASSES, labels).astype(np.uint8)
        _save(store, cell, predictions, labels)
    return len(cells)


def _save(store: Store, cell, predictions: np.ndarray, labels: np.ndarray) -> None:
    accuracy = float((predictions == labels).mean())
    bits = 32 if cell.policy == "float32" else int(re.search(r"fixed\((\d)", cell.policy)[1])
    metrics = {
        **{"accuracy": accuracy, "balanced_accuracy": accuracy, "loss": 1 - accuracy},
        **{"train_images": 60_000, "test_images": IMAGES, "epochs": EPOCHS, "parameters": 61_706},
        **{"weight_bits": bits, "activation_bits": bits, "weight_bytes": 61_706 * bits // 8},
        **{"float32_weight_bytes": 4 * 61_706, "macs": 416_520, "bops": 416_520.0 * bits * bits},
        **{"peak_activation_bytes": 4704 * bits // 8, "inference_images_per_second": 20_000.0 + bits},
        **({"train_seconds": 60.0, "seconds_per_epoch": 6.0} if cell.method == "qat" or bits == 32 else {}),
    }
    confusion = np.zeros((CLASSES, CLASSES + 1), np.int64)
    np.add.at(confusion, (labels, predictions), 1)
    history = [
        {"epoch": n, "loss": 1 / n, "accuracy": 0.9, "val_loss": 1 / n, "val_accuracy": 0.9, "seconds": 6.0}
        for n in range(1, EPOCHS + 1)
    ]
    facts = {
        "timing": "native" if bits == 32 else "emulated",
        "dataset_title": cell.dataset,
        "task": "classification",
    }
    by_class = {
        "confusion": confusion,
        "auc": np.full(CLASSES, 0.999),
        "roc": np.ones((CLASSES, len(rates())), np.float32),
    }
    result = TrialResult(
        trial=cell.trial,
        status="ok",
        metrics=metrics,
        facts=facts,
        history=history if "train_seconds" in metrics else [],
        provenance={"machine": "bench", "threads": "2", "cores": "2"},
        predictions=predictions,
    )
    folder = store.folder(cell.trial.id)
    folder.mkdir(parents=True)
    contents = {sums.PREDICTIONS: encode(predictions), sums.BY_CLASS: encode_by_class(by_class)}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    found = {name: sums.of(content) for name, content in contents.items()}
    (folder / "result.json").write_text(record(result, found))


def rows() -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trials = fill(folder)
        words = ("report", str(folder / "large.yaml"), "--store", str(folder / "runs"))
        command = [sys.executable, "-c", CODE, *words, "--output", str(folder / "report")]
        outputs: list[str] = []

        def once() -> None:
            outputs.append(subprocess.run(command, capture_output=True, check=True, text=True).stdout)

        once()  # makes the index
        times = [seconds(once) for _ in range(ROUNDS)]
        written = (folder / "report" / "report.md").stat().st_size
    memory = [1024 * int(re.search(r"VmHWM:\s+(\d+) kB", output)[1]) for output in outputs]
    busy = statistics.median(float(re.search(r"CPU: (\S+)", output)[1]) for output in outputs)
    detail = f"{statistics.median(times):.3g} s, of which {busy:.3g} s on a processor"
    peak = f"{statistics.median(memory) / 1e6:.4g} MB; report.md has {written / 1e6:.2g} MB"
    what = f"report of {trials:,} trials"
    return [
        _row(f"{what}: time", f"{SECONDS} s", [t / SECONDS for t in times], detail),
        _row(f"{what}: memory", f"{BYTES / 1e9:g} GB", [m / BYTES for m in memory], peak),
    ]


def _row(what: str, limit: str, ratios: list[float], detail: str) -> Row:
    low, middle, high = statistics.quantiles(ratios, n=4)
    return Row(what, limit, middle, low, high, 1, False, detail)
