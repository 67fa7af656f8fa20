"""What tells two results of one trial apart: every number, and nothing that a clock has measured."""

from dataclasses import replace

import numpy as np
import pytest
import quick
from stored import make_samples

from precision.grid.execution.same_numbers import compare
from precision.trial import TrialResult

HISTORY = [
    {"epoch": 1, "loss": 2.0, "val_accuracy": 0.5, "seconds": 3.0},
    {"epoch": 2, "loss": 1.0, "val_accuracy": 0.6, "seconds": 2.0},
]


def result(**changes):
    one = TrialResult(
        quick.trial(),
        "ok",
        metrics={"accuracy": 0.5, "loss": 0.1, "train_seconds": 5.0, "peak_memory_bytes": 7},
        facts={"weights_digest": "ab", "timing": "emulated"},
        history=[dict(row) for row in HISTORY],
        provenance={"machine": "a", "python": "3.11", "finished": "now"},
        predictions=np.array([1, 2, 3], np.uint8),
    )
    return replace(one, **changes)


def told(before, again):
    return [(row.name, row.before, row.again) for row in compare(before, again).different]


def test_a_result_is_as_itself():
    comparison = compare(result(), result())
    assert comparison.same and not comparison.surroundings
    assert all(row.same for row in comparison.numbers)
    names = [row.name for row in comparison.numbers]
    assert names == [
        *("status", "accuracy", "loss", "weights_digest", "timing", "epochs of the history"),
        *("loss of epochs 1 to 2", "val_accuracy of epochs 1 to 2", "predictions"),
    ]


def test_times_and_the_way_it_went_do_not_count():
    slow = result(
        metrics={
            **result().metrics,
            "train_seconds": 9.0,
            "peak_memory_bytes": 1,
            "measured_train_joules": 5.0,
        },
        facts={
            **result().facts,
            "energy_source": "RAPL (package-0)",
            "resumed_after_epoch": "1",
            "checkpoint": "ignored: torn",
        },
        history=[{**row, "seconds": 0.0, "joules": 2.5} for row in HISTORY],
        samples=make_samples(),
        seconds=77.0,
        attempts=3,
    )
    assert compare(result(), slow).same


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"metrics": {**result().metrics, "loss": np.nextafter(0.1, 1)}},
            ("loss", "0.1", "0.10000000000000002"),
        ),
        ({"facts": {"weights_digest": "ac", "timing": "emulated"}}, ("weights_digest", "ab", "ac")),
        ({"status": "diverged", "reason": "in epoch 2"}, ("status", "ok", "diverged: in epoch 2")),
        ({"history": [HISTORY[0], {**HISTORY[1], "loss": 1.5}]}, ("loss of epoch 2", "1.0", "1.5")),
        ({"history": HISTORY[:1]}, ("epochs of the history", "2", "1")),
        (
            {"predictions": np.array([1, 9, 9], np.uint8)},
            ("predictions: 2 of 3 differ, first image 1", "class 2", "class 9"),
        ),
        ({"predictions": np.array([1], np.uint8)}, ("predictions", "3 images", "1 images")),
    ],
)
def test_one_difference_is_told_with_all_its_digits(changes, expected):
    assert told(result(), result(**changes)) == [expected]


def test_what_one_of_them_lacks_is_not_compared():
    bare = result(facts={"timing": "emulated"}, predictions=None)
    comparison = compare(bare, result())
    assert not comparison.same and not comparison.different
    left = {row.name: (row.before, row.again) for row in comparison.numbers if row.same is None}
    assert left == {"weights_digest": ("not recorded", "ab"), "predictions": ("not recorded", "3 images")}


def test_no_number_is_as_no_number():
    none = result(metrics={"loss": float("nan")}, history=[{"epoch": 1, "val_loss": float("nan")}])
    assert compare(none, replace(none, metrics={"loss": float("nan")})).same
    assert told(none, replace(none, metrics={"loss": 0.0})) == [("loss", "nan", "0.0")]


def test_other_versions_and_machines_are_named_but_are_no_difference():
    elsewhere = result(provenance={"machine": "b", "python": "3.11", "finished": "then", "threads": "2"})
    comparison = compare(result(), elsewhere)
    assert comparison.same
    rows = [(row.name, row.before, row.again) for row in comparison.surroundings]
    assert rows == [("machine", "a", "b"), ("threads", "not recorded", "2")]


def test_digests_are_cut_short_but_compared_whole():
    one, other = (result(facts={"weights_digest": "a" * 63 + digit}) for digit in "bc")
    assert told(one, other) == [("weights_digest", "aaaaaaaaaaaa...", "aaaaaaaaaaaa...")]
