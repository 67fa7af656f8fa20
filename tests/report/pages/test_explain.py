"""The report of an explanation, of numbers that are made up."""

import math

import numpy as np
import pandas as pd
import pytest

from precision.analysis.explanation import (
    EXPLANATION_COLUMNS,
    Error,
    Explanation,
    Flips,
    Histogram,
    Reading,
    Scores,
    players,
    table,
    with_parts,
)
from precision.analysis.shapley import shapley
from precision.report.figures.flips import MOST, draw_flips
from precision.report.pages.explain import explanation_text, write_explanation
from precision.tasks import CLASSIFICATION, named

HISTOGRAM = Histogram(
    "a_b*", "weights", "int(4)", np.arange(-4, 5) / 2, np.arange(1, 9), 3, np.arange(1.0, 8), 0.1, 0.2
)
NONE, EVERY = Reading(0.9, 0.1), Reading(0.5, 2.0)


def error(layer, cause, alone, without, **options):
    text = {"setting": "fixed(8,6)", "share": 0.25, **options}
    return Error(
        layer,
        "weights",
        text["setting"],
        cause,
        text["share"],
        Reading(alone, 1.0),
        Reading(without, 1.0),
        NONE,
        EVERY,
    )


def explanation(count=3, task="classification", **options):
    errors = [error("a_b*", "overflow", 0.6, 0.8), error("conv2", "accumulation", 0.8, 0.6, share=math.nan)]
    errors += [error(f"layer{number}", "rounding", 0.9, 0.5) for number in range(count - 2)]
    frame = table(named(task), 0.9, errors)
    values = [25.0, 10.0]
    about = {
        "trial": "0123456789ab",
        "network": "digits, mlp, ptq, seed 0",
        "policy": "weights fixed(8,6)",
        "task": task,
        "images": 50,
        "scores": Scores(0.9, 0.9, 0.5, 0.5),
        "causes": {"overflow": 25.0, "rounding": 5.0, "accumulation": 10.0},
        "frame": with_parts(frame, values),
        "others": 5.0,
        "differing": 0,
        "baseline": "the float32 network",
    }
    return Explanation(**{**about, **options})


def flips(count, images=True, won=1):
    number = np.arange(count)
    truth = np.array(["$5"] * count)
    before = np.where(number < count - won, "$5", "an | other")
    after = np.where(number < count - won, "a class of many letters", "$5")
    pictures = np.random.default_rng(0).integers(0, 255, (count, 6, 6, 3), np.uint8) if images else None
    return Flips(number, truth, before, after, pictures, count - won, won)


@pytest.mark.parametrize("count", [3, 60])
def test_the_page(tmp_path, count):
    found = explanation(count, flips=flips(count), histograms=(HISTOGRAM,) * count)
    text = write_explanation(found, ["precision", "explain", "0123456789ab"], tmp_path).read_text()
    assert text.splitlines()[2].startswith(
        "weights fixed(8,6) loses 40.00 points (90.00 % to 50.00 %, 50 test images): "
        "**25.00** by overflow of the weights of a_b\\*, **10.00** by accumulation"
    )
    assert "The rounded network says of every image what the stored trial says." in text
    assert f"the {count - 2} others together" in text
    for name in ("parts", "magnitudes", "flipped"):
        assert (tmp_path / f"{name}.png").exists()
    assert len(pd.read_csv(tmp_path / "explain.csv")) == count


def test_what_cannot_be_told_is_said(tmp_path):
    found = explanation(differing=None, flips=flips(2, images=False), histograms=())
    text = write_explanation(found, ["precision"], tmp_path).read_text()
    assert "The store has no predictions of the trial" in text
    assert "flipped.png" not in text and "magnitudes.png" not in text and "an \\| other" in text
    found = explanation(differing=2)
    said = " ".join(explanation_text(found).split())
    assert "stored trial say different things of 2 test images" in said and "the store has 50.00 %" in said


def test_a_regression_and_a_gain():
    scores = Scores(2.0, 2.0, 2.5, 2.5)
    found = explanation(task="regression", scores=scores, causes={"overflow": 25.0}, others=-10.0)
    assert found.whole == pytest.approx(25)
    assert " loses 25.00 % of RMSE (RMSE 2 to RMSE 2.5," in explanation_text(found)
    better = explanation(scores=Scores(0.9, 0.9, 0.92, 0.92))
    assert "loses nothing and gains 2.00 points" in explanation_text(better)


def test_more_images_than_fit():
    assert "76 more images flipped" in str(draw_flips(flips(MOST + 76)).get_supxlabel())


def test_shapley_values_of_a_game_by_hand():
    """The glove game: one left glove (0) and two right ones; a pair is worth 1."""

    def worth(some):
        return float(0 in some and len(some) > 1)

    assert shapley(worth, 3) == pytest.approx([2 / 3, 1 / 6, 1 / 6])
    assert shapley(lambda some: 0.0, 0) == []


def test_only_errors_that_do_something_are_players():
    errors = [error(f"layer{number}", "rounding", 0.9, 0.5) for number in range(4)]
    assert players(table(CLASSIFICATION, 0.9, errors)) == 0
    errors += [error(f"bad{number}", "overflow", 0.8, 0.6) for number in range(7)]
    frame = table(CLASSIFICATION, 0.9, errors)
    assert players(frame) == 5
    assert frame["layer"].head(7).str.startswith("bad").all()
    assert list(frame.columns) == list(EXPLANATION_COLUMNS)
    assert players(frame.head(0)) == 0
