"""What an audit writes down: a row for each format, and what the model and the data are, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from precision.analysis.paired import exact_p
from precision.data import Dataset
from precision.exploration.audit.ladder import Target
from precision.exploration.audit.layers import IMAGES
from precision.exploration.audit.looks import Look, Rung
from precision.grid import Cell
from precision.measure.counted.activations import handed_on_bytes
from precision.measure.counted.packed import activation_bits, weight_memory
from precision.methods.workbench import Workbench
from precision.quantization import Policy
from precision.trial import TrialResult


def rung_of(bench: Workbench, cell: Cell) -> Rung:
    """Return the format of a cell with what it takes in memory."""
    policy = Policy.from_json(cell.trial.policy)
    network = bench.source(cell.trial, policy)
    memory = weight_memory(network, policy)
    about = {
        "formats": str(policy),
        "weight_bits": memory.bits,
        "compression": memory.float32_bytes / memory.bytes,
        "activation_bytes": handed_on_bytes(network, policy),
    }
    return Rung(cell.policy, memory.bytes, activation_bits(network, policy), about)


def row_of(target: Target, rung: Rung, seen: Look) -> dict[str, Any]:
    """Return what is known of a format, with ``AUDIT_COLUMNS`` but for ``named``."""
    counts = seen.counts
    verdict = "safe" if seen.shown else "lost" if seen.lost else "not shown"
    if verdict == "not shown" and not seen.whole:
        verdict = "larger than needed"
    return {
        "target": target.title,
        "policy": rung.label,
        **rung.about,
        "weight_bytes": rung.weight_bytes,
        "activation_bits": rung.activation_bits,
        "images": counts.images,
        "accuracy": counts.right / counts.images,
        "baseline_accuracy": counts.baseline_right / counts.images,
        "accuracy_difference": (counts.better - counts.worse) / counts.images,
        "low": seen.low,
        "high": seen.high,
        "confidence": 0.95 if seen.whole else 0.999,
        "better": counts.better,
        "worse": counts.worse,
        "p": exact_p(counts.better, counts.worse),
        "verdict": verdict,
    }


def words(exact: TrialResult) -> str:
    """Return what the float32 network is worth, and what it takes."""
    metrics = exact.metrics
    accuracy = f"{100 * metrics['accuracy']:.2f} % of the test images right"
    balanced = f"{100 * metrics['balanced_accuracy']:.2f} % on average over the classes"
    return f"{accuracy}, {balanced}; {metrics['weight_bytes']:,.0f} bytes of variables"


def used(dataset: Dataset, calibration: int, assumed: Sequence[str]) -> dict[str, str]:
    """Return what the data are and what was used for what, in words, by name.

    Args:
        calibration: images by which ranges were chosen.
        assumed: what was chosen for the user, in sentences.
    """
    train, test = len(dataset.y_train), len(dataset.y_test)
    found = {
        "data": dataset.title,
        "numbers": dataset.reading,
        "test images by class": dataset.counts("test"),
        "ranges of scales": f"chosen on {calibration:,} of the {train:,} training images",
        "sensitive layers": f"found on {min(IMAGES, train):,} training images",
        "accuracies": f"of the {test:,} test images, by which nothing was chosen but the format",
    }
    return found | ({"assumed": "; ".join(assumed)} if assumed else {})
