"""Files stand beside the emulation of their format, with how often both say the same."""

import numpy as np
import pandas as pd
import pytest

from precision.report.document import Table
from precision.report.sections.deployed import deployed

POLICIES = {"float32": 32.0, "int8": 8.0}


@pytest.fixture
def given(results, grid):
    frame = grid(("lenet",), POLICIES, ("ptq", "lite"), seeds=(0, 1))
    files = frame["method"] == "lite"
    frame.loc[files, "trial"] = "f" + frame["trial"].str[1:] + frame["seed"].astype(str)
    frame["trial"] = frame["trial"] + frame["method"]
    frame.loc[files, "timing"] = "native"
    frame.loc[files, "file_bytes"] = frame["weight_bytes"] + 5_000
    frame.loc[files, "latency_ms"] = 0.25
    found = results(frame)
    wrong = {trial: 10 * number for number, trial in enumerate(frame.loc[files, "trial"])}

    def predictions(trial):
        answers = np.zeros(100, np.uint8)
        answers[: wrong.get(trial, 0)] = 1
        return answers

    object.__setattr__(found, "predictions", predictions)
    return found


def test_every_file_stands_under_its_emulation(given):
    (table,) = [part for part in deployed(given).parts if isinstance(part, Table)]
    shown = [dict(zip([c.title for c in table.columns], row, strict=True)) for row in table.rows]
    assert [(row["Format"], row["Method"]) for row in shown] == [
        (policy, method) for policy in POLICIES for method in ("ptq", "lite")
    ]
    emulated, file = shown[2:]
    assert emulated["File"] is None and emulated["Latency ms"] is None and emulated["Equal %"] is None
    assert file["File"] == file["Weights"] + 5_000 and file["Latency ms"] == 0.25
    assert [row["Equal %"] for row in shown if row["Method"] == "lite"] == pytest.approx([0.95, 0.75])


def test_without_the_emulation_nothing_is_equal(given, results):
    frame = given.frame[(given.frame["method"] == "lite") | (given.frame["policy"] == "float32")]
    found = results(pd.DataFrame(frame))
    (table,) = [part for part in deployed(found).parts if isinstance(part, Table)]
    assert table.rows[-1][:2] == ("int8", "lite") and table.rows[-1][3] is None


def test_other_grids_have_no_such_section(results, grid):
    assert deployed(results(grid())) is None
