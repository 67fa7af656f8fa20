"""Keep TensorFlow quiet, and make what several tests need."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the project."""
    return ROOT


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real MNIST files; tests that need it are skipped where there is none."""
    for folder in (os.environ.get("PRECISION_DATA"), ROOT.parent / "shared" / "data"):
        if folder and (Path(folder) / "mnist").is_dir():
            return Path(folder)
    pytest.skip("no real data here; name their folder in PRECISION_DATA")
