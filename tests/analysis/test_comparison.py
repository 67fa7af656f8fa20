"""Two sets of results side by side."""

import numpy as np
import pytest

from precision.analysis import checked
from precision.analysis.comparison import Side, compare


@pytest.fixture
def frames(run):
    import pandas as pd

    def of(*rows):
        return checked(pd.DataFrame([run(*row[:2], **(row[2] if len(row) > 2 else {})) for row in rows]))

    return of


def seeds(policy, accuracies, **changes):
    return [(policy, accuracy, {"seed": seed, **changes}) for seed, accuracy in enumerate(accuracies)]


def changes(a, b, **more):
    found = compare(Side("A", a, **more), Side("B", b, **more))
    return found.cells.set_index("policy")["change"].to_dict(), found


def test_equal_results_are_the_same(frames):
    frame = frames(*seeds("float32", [0.9, 0.91]), ("fixed8", None, {"status": "diverged", "reason": "x"}))
    assert changes(frame, frame)[0] == {"float32": "same", "fixed8": "same"}


def test_noise_and_what_is_more(frames):
    before = frames(*seeds("float32", [0.90, 0.91, 0.92]), *seeds("fixed8", [0.90, 0.91, 0.92]))
    after = frames(*seeds("float32", [0.905, 0.908, 0.921]), *seeds("fixed8", [0.850, 0.861, 0.869]))
    found, whole = changes(before, after)
    assert found == {"float32": "within noise", "fixed8": "worse"}
    row = whole.cells.set_index("policy").loc["fixed8"]
    assert row["difference"] == pytest.approx(-0.05) and row["low"] < -0.05 < row["high"] < 0
    assert (row["pairs"], row["score_a"]) == (3, pytest.approx(0.91)) and row["p"] < 0.05
    assert changes(after, before)[0]["fixed8"] == "better"


def test_one_seed_is_judged_by_its_test_images(frames):
    """With predictions by the images that changed, without as if the two had seen different images."""
    labels = np.arange(10_000) % 10
    a, b = frames(("fixed8", 0.98)), frames(("fixed8", 0.977))
    assert changes(a, b)[0] == {"fixed8": "within noise"}  # 30 images of 10,000 as of two samples
    said = {"A": np.where(np.arange(10_000) < 200, labels + 1, labels)}
    said["B"] = np.where(np.arange(10_000) < 230, labels + 1, labels)
    sides = [Side(name, frame, lambda trial, n=name: said[n]) for name, frame in (("A", a), ("B", b))]
    (row,) = compare(*sides).cells.to_dict("records")
    assert row["change"] == "worse" and row["high"] < 0
    assert changes(a, frames(("fixed8", 0.9)))[0] == {"fixed8": "worse"}


def test_many_cells_take_more(frames):
    """Of ten cells one differs by a p between 0.005 and 0.05."""
    before, after = [0.90, 0.91, 0.92, 0.93], [0.890, 0.905, 0.914, 0.917]
    names = [f"net{n}" for n in range(10)]
    near = [accuracy + 0.001 * (-1) ** seed for seed, accuracy in enumerate(before)]
    a = [row for name in names for row in seeds("fixed8", before, architecture=name)]
    b = seeds("fixed8", after, architecture=names[0])
    b += [row for name in names[1:] for row in seeds("fixed8", near, architecture=name)]
    alone = compare(Side("A", frames(*a[:4])), Side("B", frames(*b[:4]))).cells["change"].tolist()
    assert alone == ["worse"]
    every = compare(Side("A", frames(*a)), Side("B", frames(*b))).cells["change"].tolist()
    assert every == ["within noise"] * 10


def test_cells_of_one_side_and_other_results(frames):
    a = frames(("float32", 0.9), ("fixed8", 0.9), ("fixed16", 0.9))
    b = frames(("float32", 0.9), ("fixed8", None, {"status": "timeout", "reason": "late"}), ("fixed4", 0.5))
    found, whole = changes(a, b)
    assert found == {
        "float32": "same",
        "fixed8": "other result",
        "fixed16": "only in A",
        "fixed4": "only in B",
    }
    row = whole.cells.set_index("policy").loc["fixed8"]
    assert (row["status_a"], row["status_b"]) == ("ok", "timeout")
    assert whole.count("only in A", "only in B") == 2


def test_the_same_trial_is_found_under_another_label(frames):
    a = frames(("fixed8", 0.9, {"architecture": "small"}))
    b = frames(("fixed8", 0.9, {"architecture": "lenet"}))
    assert compare(Side("A", a), Side("B", b)).cells["change"].tolist() == ["only in A", "only in B"]
    b["trial"] = a["trial"]
    found = compare(Side("A", a), Side("B", b)).cells
    assert found[["architecture", "change"]].to_numpy().tolist() == [["lenet", "same"]]


def test_costs_and_facts_that_differ(frames):
    a = frames(("fixed8", 0.9, {"inference_images_per_second": 100.0}))
    b = frames(("fixed8", 0.9, {"inference_images_per_second": 150.0, "weight_bytes": 900}))
    found = compare(
        Side("A", a, facts={"commit": "1", "cpu": "x"}), Side("B", b, facts={"commit": "2", "cpu": "x"})
    )
    (row,) = found.cells.to_dict("records")
    assert "weight_bytes 1000 to 900" in row["counted"]
    assert (
        row["measured"].startswith("peak_memory_bytes x 1")
        and "inference_images_per_second x 1.5" in row["measured"]
    )
    assert found.facts == {"commit": ("1", "2")}
    other = frames(("fixed8", 0.9, {"machine": "another"}))
    assert compare(Side("A", a), Side("B", other)).cells["measured"].tolist() == [""]  # never of two machines


def test_regressions_are_compared_too(frames):
    rows = [("fixed8", None, {"task": "regression", "rmse": 10.0 + 0.1 * s, "seed": s}) for s in range(3)]
    more = [(p, a, c | {"rmse": c["rmse"] * (1.2 + 0.001 * c["seed"])}) for p, a, c in rows]
    (row,) = compare(Side("A", frames(*rows)), Side("B", frames(*more))).cells.to_dict("records")
    assert row["change"] == "worse" and row["difference"] == pytest.approx(0.201)
    nothing = frames(("fixed8", None, {"task": "regression", "rmse": 12.0}))
    one = frames(rows[0])
    assert compare(Side("A", one), Side("B", nothing)).cells["change"].tolist() == ["not judged"]


def test_nothing_in_common(frames):
    a, b = frames(("fixed8", 0.9)), frames(("fixed4", 0.9))
    assert changes(a, b)[0] == {"fixed8": "only in A", "fixed4": "only in B"}
