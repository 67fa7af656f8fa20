"""What the labels of the test images add: which images one network alone is right about, exactly."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from precision.analysis import ReportSettings, Results
from precision.analysis.columns import ALONE, CHANGED
from precision.analysis.paired import over_images
from precision.report.sections.comparison import difference

IMAGES = 400
LABELS = np.arange(IMAGES) % 5


def said(seed, right, wrong=0):
    """Return answers that are right on a share of the images; others are wrong by so much, or by chance."""
    draws = np.random.default_rng(seed)
    answers = (LABELS + draws.integers(1, 5, IMAGES)) % 5
    return np.where(draws.random(IMAGES) < right, LABELS, answers if not wrong else (LABELS + wrong) % 5)


def accuracy(answers):
    return float((answers == LABELS).mean())


def test_images_on_which_both_are_wrong_count_for_neither():
    one, other = said(1, 0.7), said(2, 0.6)
    gap = accuracy(one) - accuracy(other)
    known, guessed = over_images(one, other, gap, LABELS), over_images(one, other, gap)
    better = int(((one == LABELS) & (other != LABELS)).sum())
    worse = int(((one != LABELS) & (other == LABELS)).sum())
    assert known.alone == better + worse < guessed.changed == known.changed
    assert guessed.low < known.low < gap < known.high < guessed.high
    assert guessed.alone is None


def test_labels_of_other_images_are_not_believed():
    one, other = said(1, 0.7), said(2, 0.6)
    gap = accuracy(one) - accuracy(other)
    for wrong in ((LABELS + 1) % 5, LABELS[:-1], LABELS[:, None]):
        assert over_images(one, other, gap, wrong) == over_images(one, other, gap)


def test_of_several_labels_an_image_is_right_where_all_of_them_are():
    labels = np.array([[0, 1], [1, 1], [0, 0], [1, 0]])
    one, other = labels.copy(), labels.copy()
    one[0, 0], other[1, 1], other[0, 1] = (
        1,
        0,
        0,
    )  # both are wrong about the first, the other about the second
    assert over_images(one, other, 0.25, labels).alone == 1


@pytest.fixture
def told(run, frame):
    """Return the results of a format and its baseline with so many seeds, with labels or without."""

    def of(seeds, labels):
        answers = {}
        for seed in range(seeds):
            answers[seed, "float32"] = said(10 + seed, 0.8)
            answers[seed, "fixed8"] = np.where(
                np.arange(IMAGES) % 13 == 0, said(50 + seed, 0.2), answers[seed, "float32"]
            )
        rows = [
            run(policy, accuracy(one), seed=seed, test_images=IMAGES)
            for (seed, policy), one in answers.items()
        ]
        by_trial = {row["trial"]: answers[row["seed"], row["policy"]] for row in rows}
        return Results(
            "g", "", pd.DataFrame(rows), {}, ReportSettings(), predictions=by_trial.get, labels=labels
        ), answers

    return of


def test_the_test_of_one_seed_is_mcnemars_on_the_right_images(told):
    results, answers = told(1, lambda trial: LABELS)
    one, other = answers[0, "fixed8"] == LABELS, answers[0, "float32"] == LABELS
    better, worse = int((one & ~other).sum()), int((~one & other).sum())
    row = results.summary().set_index("policy").loc["fixed8"]
    expected = stats.binomtest(better, better + worse).pvalue
    assert row["p_difference"] == pytest.approx(expected)
    assert row[ALONE] == better + worse < row[CHANGED]


def test_what_two_seeds_have_in_common_is_the_covariance_over_the_images(told):
    results, answers = told(2, lambda trial: LABELS)
    gains = [
        (answers[seed, "fixed8"] == LABELS).astype(int) - (answers[seed, "float32"] == LABELS)
        for seed in (0, 1)
    ]
    cells = results.cells().set_index(["policy", "seed"])
    found = cells.loc[("fixed8", 0), "accuracy_difference_shared"]
    one, other = (gain.mean() for gain in gains)
    assert found == pytest.approx((((gains[0] * gains[1]).sum() + 2) / (IMAGES + 2) - one * other) / IMAGES)


@pytest.mark.parametrize(("labels", "seeds"), [(True, 1), (False, 1), (True, 2), (False, 2)])
def test_a_report_says_where_the_labels_are_not_known(told, labels, seeds):
    results, _ = told(seeds, (lambda trial: LABELS) if labels else (lambda trial: None))
    (table,) = [part for part in difference(results).parts if hasattr(part, "columns")]
    text = "".join(span.text for note in table.notes for span in note.text)
    assert ("The labels of these images are not stored" in text) != labels
    assert results.cells()[ALONE].isna().all() != labels
