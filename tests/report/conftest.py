"""Grids of results made up by formula, with nothing run."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest
from reported import fail, frame_of, results_of

from precision.analysis import Published, Results


@pytest.fixture
def grid() -> Callable[..., pd.DataFrame]:
    return frame_of


@pytest.fixture
def failed() -> Callable[..., pd.DataFrame]:
    return fail


@pytest.fixture
def results() -> Callable[..., Results]:
    return results_of


@pytest.fixture
def published() -> Published:
    return Published(
        source="A. Author, *A Paper*",
        note="Trained for 20 epochs.",
        accuracy={"lenet": {"fixed8": 98.5, "float32": 99.1}, "capsnet": {"float32": 99.5}},
    )
