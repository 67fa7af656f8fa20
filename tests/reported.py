"""Grids of results made up by formula, with nothing run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from precision.analysis import ReportSettings, Results

POLICIES = {"float32": 32.0, "float16": 16.0, "bfloat16": 16.0, "fixed16": 16.0}
POLICIES |= {"fixed8": 8.0, "float8": 8.0, "fixed6": 6.0, "fixed4": 4.0}
PARAMETERS = {"basic_cnn": 34_826, "lenet": 61_706, "alexnet": 2_469_000, "vgg": 1_147_000, "resnet": 272_474}
LOSS_OF_BITS = {32: 0.0, 16: 0.0002, 8: 0.004, 6: 0.02, 4: 0.6}


def row_of(
    dataset: str, architecture: str, policy: str, method: str, training: str, seed: int, bits: float
) -> dict[str, Any]:
    """Return a cell that is ok; the accuracy falls with the bits and varies a little with the seed."""
    baseline = policy == "float32"
    key = (dataset, architecture, policy, "" if baseline else method, training, seed)
    parameters = PARAMETERS.get(architecture, 10_000)
    lost = min(LOSS_OF_BITS.items(), key=lambda item: abs(item[0] - bits))[1]
    order = list(PARAMETERS).index(architecture) if architecture in PARAMETERS else 0
    accuracy = (
        0.992 - 0.002 * order + 0.0003 * seed - lost * (1 + order / 2) * (0.3 if method == "qat" else 1)
    )
    accuracy -= 0.0001 * (len(policy) % 3) * (seed + 1) * (not baseline)
    return {
        "trial": hashlib.sha256(repr(key).encode()).hexdigest()[:12],
        "dataset": dataset,
        "dataset_title": dataset.upper(),
        "architecture": architecture,
        "policy": policy,
        "method": method,
        "training": training,
        "seed": seed,
        "status": "ok",
        "reason": "",
        "accuracy": max(accuracy, 0.098),
        "balanced_accuracy": max(accuracy, 0.098),
        "loss": 1 - accuracy,
        "train_images": 60_000,
        "test_images": 10_000,
        "epochs": 5,
        "parameters": parameters,
        "weight_bits": bits,
        "activation_bits": bits,
        "weight_bytes": int(parameters * bits / 8),
        "float32_weight_bytes": 4 * parameters,
        "compression": 32 / bits,
        "measured_train_joules": None,
        "measured_image_joules": None,
        "peak_memory_bytes": 900_000_000,
        "train_seconds": 61.25 if baseline or method == "qat" else None,
        "seconds_per_epoch": 12.25 if baseline or method == "qat" else None,
        "inference_images_per_second": 12_345.6,
        "repeats": 1,
        "timing": "native" if baseline else "emulated",
        "formats": f"weights {policy}, activations {policy}",
        "shared": baseline,
        "energy_source": "",
        "machine": "bench",
    }


def frame_of(
    architectures: Sequence[str] = ("lenet",),
    policies: dict[str, float] | None = None,
    methods: Sequence[str] = ("ptq", "qat"),
    seeds: Sequence[int] = (0,),
    datasets: Sequence[str] = ("mnist",),
    trainings: Sequence[str] = ("",),
) -> pd.DataFrame:
    """Return the cells of a full grid, all ok; the derived columns are absent."""
    rows = [
        row_of(dataset, architecture, policy, method, training, seed, bits)
        for dataset in datasets
        for architecture in architectures
        for policy, bits in (policies or POLICIES).items()
        for method in methods
        for training in trainings
        for seed in seeds
    ]
    return pd.DataFrame(rows)


def fail(frame: pd.DataFrame, status: str, reason: str, **where: Any) -> pd.DataFrame:
    """Return the frame with the cells of these labels failed."""
    frame = frame.copy()
    here = pd.Series(True, frame.index)
    for name, value in where.items():
        here &= frame[name] == value
    frame.loc[here, ["accuracy", "loss", "inference_images_per_second"]] = None
    frame.loc[here, "status"] = status
    frame.loc[here, "reason"] = reason
    return frame


def histories_of(frame: pd.DataFrame, epochs: int = 5) -> dict[str, list[dict[str, Any]]]:
    """Return a history for the baseline and every qat trial."""
    histories = {}
    for _, row in frame.iterrows():
        if row["status"] != "ok" or (row["policy"] != "float32" and row["method"] != "qat"):
            continue
        lost = 0.4 / row["weight_bits"] + 0.003 * row["seed"]
        histories[row["trial"]] = [
            {
                "epoch": epoch,
                "loss": 0.5 / epoch**1.3 + lost,
                "accuracy": 0.9,
                "val_loss": 0.4 / epoch + lost,
                "val_accuracy": 0.9,
                "seconds": 12.25,
            }
            for epoch in range(1, epochs + 1)
        ]
    return histories


def predictions_of(frame: pd.DataFrame) -> Callable[[str], np.ndarray]:
    """Return what gives the predictions of a trial: 0, which is right, but for the first images."""
    accuracies = frame.set_index("trial")["accuracy"]

    def predictions(trial: str) -> np.ndarray:
        accuracy = np.atleast_1d(accuracies[trial])[0]
        return (np.arange(10_000) >= round(10_000 * accuracy)).astype(np.uint8)

    return predictions


def results_of(
    frame: pd.DataFrame, epochs: int = 5, batches: Mapping[str, Any] | None = None, **settings: Any
) -> Results:
    """Return results around a frame."""
    return Results(
        name="mnist-formats",
        description="Formats for *small* networks.",
        frame=frame,
        histories=histories_of(frame, epochs),
        settings=ReportSettings(**settings),
        predictions=predictions_of(frame),
        environment={"cpu": "Example CPU, 2 cores", "threads": "2", "commit": "abc1234"},
        batches=batches or {},
    )
