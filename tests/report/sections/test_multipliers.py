"""What a report says of multipliers and registers."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from precision.metrics import METRICS
from precision.report.document import Note, Table
from precision.report.sections.multipliers import ERRORS, accumulators, multipliers

POLICIES = {"float32": 32.0, **{f"multipliers=m{number}": 8.0 for number in range(8)}}


def words(note):
    return "".join(span.text for span in note.text)


@pytest.fixture
def given(results, grid):
    """Eight multipliers with figures of chance, of which the bias has either sign."""
    frame = grid(("lenet",), POLICIES, ("integer",))
    rng, own = np.random.default_rng(4), frame["policy"] != "float32"
    for name in ERRORS:
        values = rng.permutation(np.arange(-3.0, 5.0)) if name == "multiplier_bias" else rng.random(8)
        frame.loc[own, name] = values
    frame.loc[own, "accuracy"] = rng.random(8)
    return results(frame)


def test_figures_are_ranked_as_scipy_does(given):
    section = multipliers(given)
    (said,) = [
        words(part) for part in section.parts if isinstance(part, Note) and "Which figure" in words(part)
    ]
    cells = given.cells()
    cells = cells[cells["policy"] != "float32"]
    names = [name for name in ERRORS if name != "multiplier_power"]
    found = {name: spearmanr(cells[name].abs(), 1 - cells["accuracy"]).statistic for name in names}
    ordered = sorted(found, key=found.__getitem__, reverse=True)
    expected = ", ".join(f"{METRICS[name].title.lower()} {found[name]:.2f}" for name in ordered)
    assert f"over 8 multipliers: {expected}." in said


def test_every_multiplier_has_a_row(given):
    (table,) = [part for part in multipliers(given).parts if isinstance(part, Table)]
    assert [row[0] for row in table.rows] == list(POLICIES)[1:]
    assert accumulators(given) is None


def test_registers_stand_beside_the_width_that_is_proven(results, grid):
    frame = grid(("lenet",), {"float32": 32.0, "narrow": 8.0}, ("integer",))
    narrow = frame["policy"] == "narrow"
    frame.loc[narrow, "formats"] = "accumulators register(16)"
    frame.loc[narrow, ["register_bits", "overflowed_images"]] = [19, 7]
    (table,) = [part for part in accumulators(results(frame)).parts if isinstance(part, Table)]
    (row,) = table.rows
    shown = dict(zip([column.title for column in table.columns], row, strict=True))
    assert (shown["Safe register"], shown["Overflowed images"]) == (19, 7)
    assert multipliers(results(frame)) is None
