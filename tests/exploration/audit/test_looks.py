import math

import numpy as np
import pytest

from precision.analysis.paired import over_images
from precision.exploration.audit.looks import Counts, Rung, climb, look, sizes

TOTAL = 10_000


def counts(images, better=0, worse=0, both_wrong=0):
    right = images // 2
    return Counts(images, right + better - worse, right, better, worse, better + worse + both_wrong)


def test_counts_of_two_networks_add_up():
    rng = np.random.default_rng(0)
    labels, one, other = rng.integers(0, 4, (3, 300))
    whole = Counts.of(one, other, labels)
    assert whole.right == sum(a == b for a, b in zip(one, labels, strict=True))
    assert whole.better == sum(a == c != b for a, b, c in zip(one, other, labels, strict=True))
    assert whole.worse == sum(b == c != a for a, b, c in zip(one, other, labels, strict=True))
    parts = [Counts.of(one[part], other[part], labels[part]) for part in (slice(0, 90), slice(90, None))]
    assert parts[0] + parts[1] == whole
    difference = (whole.right - whole.baseline_right) / 300
    assert look(whole, 300, 1).low == over_images(one, other, difference).low  # as in a report of a grid


@pytest.mark.parametrize(
    ("seen", "shown", "lost"),
    [
        (counts(TOTAL, 20, 30), True, False),
        (counts(TOTAL, 100, 190), False, False),  # -0.9 points: neither
        (counts(TOTAL, 100, 400), False, True),
        (counts(1000, 0, 0), False, False),  # safe is said of all images alone
        (counts(1000, 5, 60), False, True),
        (counts(1000, 5, 29), False, False),  # -2.4: beyond at 95 %, not at 99.9 %
    ],
)
def test_what_a_look_tells(seen, shown, lost):
    found = look(seen, TOTAL, 1)
    assert (found.shown, found.lost) == (shown, lost)
    assert found.low < (seen.better - seen.worse) / seen.images < found.high


def test_the_looks_end_with_all_images():
    assert sizes(TOTAL) == [1000, 2000, 4000, TOTAL]
    assert sizes(1000) == [1000] and sizes(360) == [360]


def climbed(losses, total=TOTAL):
    """Climb a ladder whose rungs lose so many points, and return how far each was looked at."""
    asked = {}

    def compare(rung, until):
        for size in sizes(total):
            if size > until:
                return
            asked[rung.label] = size
            yield counts(size, size // 500, size // 500 + round(losses[rung.label] * size / 100))

    rungs = [Rung(label, 100 * len(label), math.nan) for label in losses]
    return [
        (rung.label, seen.shown, seen.lost, asked[rung.label])
        for rung, seen in climb(rungs, total, 1, compare)
    ]


def test_a_ladder_is_climbed_from_below():
    losses = {"aaaa": 0, "aaa": 0.1, "aa": 0.9, "a": 40}
    assert climbed(losses) == [
        ("a", False, True, 1000),
        ("aa", False, False, TOTAL),
        ("aaa", True, False, TOTAL),
        ("aaaa", False, False, 1000),  # larger than needed
    ]


def test_of_formats_of_one_size_all_are_compared():
    losses = {"a": 0.3, "b": 0.1, "cc": 0.1}
    assert [row[3] for row in climbed(losses)] == [TOTAL, TOTAL, 1000]


def test_with_few_images_every_format_gets_them_all():
    assert [row[3] for row in climbed({"a": 0, "aa": 0}, total=600)] == [600, 600]


def test_layers_that_differ_come_last_among_equal_weights():
    assert Rung("a", 5, math.nan).size > Rung("b", 5, 16).size
