"""Intervals and verdicts on grids with known differences: ``make statistics`` at a reduced size."""

import numpy as np
import pytest
from oracles.simulated import IMAGES, TOLERANCE, main, simulate


@pytest.mark.parametrize("seeds", [1, 3, 5, 10])
def test_intervals_hold_and_verdicts_are_seldom_false(seeds):
    found = simulate(150, seeds)
    assert 0.925 <= found.covered.share <= 0.975  # 750 intervals: 95 % and three standard errors
    assert found.false.share <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 150)
    far = found.verdicts.loc[2 * TOLERANCE / 100]
    assert far["worse"] > 0.9 and far.get("equivalent", 0) == 0


def test_the_same_entropy_gives_the_same_grids():
    assert simulate(3, 3)[:3] == simulate(3, 3)[:3]
    assert IMAGES > 0


def test_the_page_gets_the_table(tmp_path, capsys):
    page = tmp_path / "statistics.md"
    page.write_text("# Statistics\n\n<!-- the table below is written by make statistics -->\nformer\n")
    main(["--grids", "10", "--seeds", "3", "--page", str(page)])
    text = page.read_text()
    assert text.startswith("# Statistics") and "former" not in text and "| 3 | " in text
    assert text.endswith(capsys.readouterr().out.partition("\n\n")[2])
