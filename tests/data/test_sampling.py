"""Subsets and splits keep the share of each class and are the same every time."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from precision.data.sampling import allocate, split, subset
from precision.errors import PrecisionError


@given(st.lists(st.integers(1, 50), min_size=1, max_size=12), st.data())
def test_shares_are_proportional(counts: list[int], data: st.DataObject) -> None:
    size = data.draw(st.integers(1, sum(counts)))
    shares = allocate(np.array(counts), size)
    assert shares.sum() == size
    assert (shares <= counts).all()
    if size >= len(counts):
        assert (shares >= 1).all()
    exact = np.array(counts) * size / sum(counts)
    if exact.min() >= 1:
        assert (abs(shares - exact) < 1).all()


def test_largest_remainder_by_hand() -> None:
    # 10 of 6 + 3 + 2 images is 5.45 + 2.73 + 1.82: the two largest remainders round up.
    assert allocate(np.array([6, 3, 2]), 10).tolist() == [5, 3, 2]
    assert allocate(np.array([5, 5]), 1).tolist() == [1, 0]
    assert allocate(np.array([98, 1, 1]), 3).tolist() == [1, 1, 1]


def test_subset_keeps_proportions_and_the_order_of_the_file(rng: np.random.Generator) -> None:
    labels = rng.choice(4, 1000, p=[0.4, 0.3, 0.2, 0.1])
    taken = subset(labels, 100)
    assert len(set(taken.tolist())) == 100
    assert (np.diff(taken) > 0).all()
    assert (abs(np.bincount(labels[taken]) - np.bincount(labels) / 10) < 1).all()


def test_subset_reaches_all_of_the_file() -> None:
    taken = subset(np.repeat(np.arange(10), 100), 100)
    within_class = taken % 100
    assert within_class.min() < 10
    assert within_class.max() > 90


def test_a_smaller_subset_lies_in_a_larger_one() -> None:
    labels = np.tile(np.arange(10), 60)
    assert set(subset(labels, 100).tolist()) < set(subset(labels, 200).tolist())


def test_unstratified_subset_is_random_but_fixed() -> None:
    labels = np.repeat(np.arange(2), 50)
    taken = subset(labels, 20, stratified=False)
    assert len(taken) == 20
    np.testing.assert_array_equal(taken, subset(labels, 20, stratified=False))


def test_the_choice_never_changes() -> None:
    """These digests change only if stored results stop being comparable."""
    labels = np.tile(np.arange(10), 1000)
    digests = [
        hashlib.sha256(subset(labels, 1000, stratified).astype("<i8").tobytes()).hexdigest()[:16]
        for stratified in (True, False)
    ]
    assert digests == ["fdb84637775f2ea6", "b51e863d3532bb6f"]


@given(st.lists(st.integers(2, 30), min_size=2, max_size=6), st.floats(0.01, 0.99))
def test_split_uses_each_image_once_and_each_class_on_both_sides(counts: list[int], fraction: float) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    train, test = split(labels, fraction, "location", tuple("abcdef"))
    assert sorted([*train.tolist(), *test.tolist()]) == list(range(len(labels)))
    assert set(labels[train]) == set(labels[test]) == set(range(len(counts)))


def test_split_takes_the_fraction() -> None:
    labels = np.repeat(np.arange(5), 100)
    train, test = split(labels, 0.07, "location", tuple("abcde"))
    assert np.bincount(labels[test]).tolist() == [7] * 5
    assert len(train) == 465


def test_a_class_with_one_image_cannot_be_split() -> None:
    with pytest.raises(
        PrecisionError, match=r"location: .* at least 2 images of each class, but got 1 of class 'b'"
    ):
        split(np.array([0, 0, 1]), 0.5, "location", ("a", "b"))
