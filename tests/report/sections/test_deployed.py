"""Files stand beside the emulation of their format, with how often both say the same."""

import numpy as np
import pandas as pd
import pytest

from precision.analysis.deployed import Agreement, Deployed, machines
from precision.grid.store.bundles import Elsewhere
from precision.report.document import Document, Table
from precision.report.render.markdown import render
from precision.report.sections.deployed import deployed
from precision.report.sections.elsewhere import elsewhere

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


def test_threads_disturbance_and_arm_have_their_places(given):
    files = list(given.frame.loc[given.frame["method"] == "lite", "trial"])
    known = {trial: Deployed(4, Agreement(50, 48, 50) if trial in files[2:] else None) for trial in files}
    object.__setattr__(given, "deployed", known)
    given.frame.loc[given.frame["trial"] == files[3], "inference_disturbance"] = 3.0
    text = render(Document("made up", (deployed(given),)))
    rows = [
        line.split("|") for line in text.splitlines() if line.startswith(("| Format", "| int8", "| float"))
    ]
    head, *rows = [[cell.strip() for cell in row[1:-1]] for row in rows]
    (quiet,), (file,) = (
        [dict(zip(head, r, strict=True)) for r in rows if r[:2] == [p, "lite"]] for p in POLICIES
    )
    assert (quiet["Threads"], quiet["aarch64"], file["aarch64"]) == ("4", "—", "96 of 100")  # of both seeds
    assert quiet["Latency ms"] == "0.25" and file["Latency ms"] == "0.25 †"
    assert "up to 3.00 times as long" in text and "gave the very bits" in text.replace("\n", " ")


def test_a_retrained_file_is_held_against_what_was_trained_likewise(given):
    """Not against the emulation that was rounded after training, of another network."""

    def equal(of_files, of_emulations):
        frame = given.frame
        frame.loc[frame["policy"] == "int8", "epochs"] = of_emulations
        frame.loc[(frame["policy"] == "int8") & (frame["method"] == "lite"), "epochs"] = of_files
        given.__dict__.pop("_cells", None)
        (table,) = [part for part in deployed(given).parts if isinstance(part, Table)]
        return table.rows[-1][3]

    assert equal(1, 1) == pytest.approx(0.75) and equal(0, 5) == pytest.approx(0.75)
    assert equal(1, 0) is None


def sent(trial, emulated="", **more):
    model = {"file": f"{trial}.tflite", "trial": trial, "images": 50, "accuracy": 0.5, "runtime": "x 1"}
    model |= {"latency": [{"threads": 2, "median_ms": 123.4, "p95_ms": 456.7}], **more}
    machine = {"name": "a board", "architecture": "aarch64", "cores": 4, "emulated": emulated}
    return Elsewhere("ab" * 32, {"models": [model]}, machine, (model,))


def test_other_machines_have_a_table_of_their_own(given):
    trial = given.frame.loc[given.frame["method"] == "lite", "trial"].iloc[-1]
    agreement = {"images": 50, "bits": 48, "classes": 50, "largest": 0.1}
    brought = [sent(trial, agreement=agreement), sent(trial, "emulated processor"), sent("0" * 12)]
    object.__setattr__(given, "machines", machines(brought, {trial}))
    section = elsewhere(given)
    real, imitated = [
        part for part in section.parts if isinstance(part, Table)
    ]  # the third has no trial here
    assert real.title == "a board, aarch64, 4 cores, bundle abababababab"
    assert real.rows == (
        ("lenet", "int8", "lite, seed 1", "tflite", 50, 0.5, 48, 50, 2, 123.4, 456.7, None, "x 1"),
    )
    assert imitated.rows == (
        ("lenet", "int8", "lite, seed 1", "tflite", 50, 0.5, None, None, None, None, None, None, "x 1"),
    )
    assert "emulated processor" in imitated.title and "123" not in str(imitated)
    assert "123" not in render(Document("made up", (deployed(given),)))


def test_without_the_emulation_nothing_is_equal(given, results):
    frame = given.frame[(given.frame["method"] == "lite") | (given.frame["policy"] == "float32")]
    found = results(pd.DataFrame(frame))
    (table,) = [part for part in deployed(found).parts if isinstance(part, Table)]
    assert table.rows[-1][:2] == ("int8", "lite") and table.rows[-1][3] is None


def test_other_grids_have_no_such_section(results, grid):
    assert deployed(results(grid())) is None and elsewhere(results(grid())) is None
