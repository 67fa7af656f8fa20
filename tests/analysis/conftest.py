"""Frames of results written out by hand, one short call per run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

BITS = {"float32": 32.0, "float16": 16.0, "bfloat16": 16.0, "fixed16": 16.0, "fixed8": 8.0, "fixed4": 4.0}


def run_of(policy: str, accuracy: float | None, **changes: Any) -> dict[str, Any]:
    """Return one complete row: lenet with 1000 parameters on mnist by ptq, unless changed."""
    bits = BITS[policy]
    row = {
        "dataset": "mnist",
        "dataset_title": "MNIST",
        "architecture": "lenet",
        "policy": policy,
        "method": "ptq",
        "training": "",
        "seed": 0,
        "status": "ok",
        "reason": "",
        "accuracy": accuracy,
        "balanced_accuracy": accuracy,
        "loss": 0.5,
        "train_images": 60_000,
        "test_images": 10_000,
        "epochs": 5,
        "parameters": 1000,
        "weight_bits": bits,
        "activation_bits": bits,
        "weight_bytes": int(1000 * bits / 8),
        "float32_weight_bytes": 4000,
        "compression": 32 / bits,
        "measured_train_joules": None,
        "measured_image_joules": None,
        "peak_memory_bytes": 500_000_000,
        "train_seconds": None,
        "seconds_per_epoch": None,
        "inference_images_per_second": 1000.0,
        "repeats": 1,
        "timing": "native" if policy == "float32" else "emulated",
        "formats": policy,
        "shared": False,
        "energy_source": "",
        "machine": "bench",
    } | changes
    place = (row[name] for name in ("dataset", "architecture", "policy", "method", "training", "seed"))
    return {"trial": "-".join(map(str, place)), **row}


@pytest.fixture
def run() -> Callable[..., dict[str, Any]]:
    return run_of


@pytest.fixture
def frame() -> Callable[..., pd.DataFrame]:
    """Return rows as a checked frame with differences to float32."""
    from precision.analysis import checked, with_differences

    def build(*rows: dict[str, Any]) -> pd.DataFrame:
        return with_differences(checked(pd.DataFrame(rows)), "float32")

    return build
