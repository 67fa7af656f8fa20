"""The confusion matrix and the curves of each class, against scikit-learn and exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from sklearn import metrics as sk

from precision.grid.store.predictions import decode_by_class, encode_by_class
from precision.tasks.by_class import MOST, details, log_odds, rates

RNG = np.random.default_rng(8)


@pytest.mark.parametrize("step", [0, 0.5, 4], ids=["float", "many equal", "hardly any values"])
def test_areas_and_counts_are_those_of_scikit_learn(step):
    """Of a narrow format many scores are equal, which count half."""
    targets = RNG.integers(0, 4, 300)
    logits = RNG.normal(0, 2, (300, 4)) + 2 * np.eye(4)[targets]
    logits = np.round(logits / step) * step if step else logits
    found = details(logits.astype(np.float32), targets)
    scores = log_odds(logits.astype(np.float32))
    expected = [sk.roc_auc_score(targets == k, scores[:, k]) for k in range(4)]
    assert found["auc"] == pytest.approx(expected, abs=1e-12)
    said = logits.astype(np.float32).argmax(axis=1)
    assert found["confusion"][:, :-1].tolist() == sk.confusion_matrix(targets, said).tolist()
    assert not found["confusion"][:, -1].any()


def test_a_curve_is_the_best_that_a_threshold_can_do():
    """By trying every threshold on every image."""
    targets = RNG.integers(0, 3, 60)
    logits = np.round(RNG.normal(0, 1, (60, 3)) + np.eye(3)[targets], 1)
    scores, found = log_odds(logits), details(logits, targets)["roc"]
    for k in range(3):
        mine, others = scores[targets == k, k], scores[targets != k, k]
        for rate, share in zip(rates(), found[k], strict=True):
            allowed = [t for t in [*scores[:, k], np.inf] if (others >= t).mean() <= rate + 1e-12]
            assert share == pytest.approx(max((mine >= t).mean() for t in allowed))


def test_odds_do_not_run_into_a_limit():
    """Two images that a probability of float64 could not tell apart: 1 - 2^-70 and 1 - 2^-71."""
    logits = np.log(2.0) * np.array([[70.0, 0.0], [71.0, 0.0], [0.0, 800.0]])
    found = log_odds(logits)
    assert found == pytest.approx(np.log(2.0) * np.array([[70, -70], [71, -71], [-800, 800]]), rel=1e-12)
    three = Fraction(1, 3) / (1 - Fraction(1, 3))
    assert np.exp(log_odds(np.zeros((1, 3)))) == pytest.approx(float(three))


def test_logits_that_are_no_numbers_are_found_last_and_no_prediction():
    logits = np.array([[np.nan, 1, 0], [np.inf, 1, 0], [0, 3, 1], [0, 0, 2.0]])
    found = details(logits, np.array([0, 0, 1, 2]))
    assert found["confusion"].tolist() == [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0]]
    assert np.isneginf(log_odds(logits)[0]).all() and log_odds(logits)[1].tolist() == [
        np.inf,
        -np.inf,
        -np.inf,
    ]
    # Of class 0: the infinite one is before all others, the other one below all.
    assert found["auc"][0] == pytest.approx(0.5)


def test_a_class_without_images_has_no_curve():
    found = details(RNG.normal(0, 1, (10, 3)), np.zeros(10, int))
    assert np.isnan(found["auc"]).all() and np.isnan(found["roc"]).all()


def test_very_many_classes_are_left_out():
    assert details(np.zeros((3, MOST + 1)), np.zeros(3, int)) == {}


def test_the_file_gives_back_the_arrays_and_is_held_to_its_form():
    found = details(RNG.normal(0, 1, (50, 3)), RNG.integers(0, 3, 50))
    content = encode_by_class(found)
    again = decode_by_class(content)
    assert all(np.array_equal(again[name], array) for name, array in found.items())
    assert content == encode_by_class(found)
    for wrong in (content[:-30], encode_by_class({"auc": found["auc"]}), b""):
        with pytest.raises(ValueError, match=r"zip|shapes"):
            decode_by_class(wrong)
    with pytest.raises(ValueError, match="at most"):
        decode_by_class(encode_by_class({"auc": np.zeros(10**6)}))
