"""What docs/exploration.md says is right: options, defaults, numbers; its examples run in test_pages.py."""

import re
from pathlib import Path

import pytest
import typer.main

from precision.cli.app import app
from precision.exploration.options import IMAGES, METHODS, NSGA2_TRIALS, OBJECTIVES, SearchOptions
from precision.measure.counted.energy_table import shipped_table
from precision.measure.counted.operations import Operand

PAGE = (Path(__file__).parents[2] / "docs" / "exploration.md").read_text()


def test_every_option_is_described():
    for name in ("sensitivity", "search"):
        for parameter in typer.main.get_command(app).commands[name].params:
            for option in parameter.opts:
                assert option == "grid" or f"`{option}" in PAGE, option


def test_the_defaults():
    assert SearchOptions().tolerance == 1 and IMAGES == 5000 and NSGA2_TRIALS == 200
    assert (next(iter(OBJECTIVES)), METHODS[0]) == ("memory", "greedy")
    assert f"| {IMAGES} |" in PAGE and f"`nsga2`: {NSGA2_TRIALS} |" in PAGE


def test_the_table_of_energies():
    rows = dict(re.findall(r"\| (addition|multiplication), pJ \|(.*)\|", PAGE))
    operands = [Operand("integer", 8), Operand("integer", 32), Operand("float", 11), Operand("float", 24)]
    numbers = {name: [float(cell) for cell in row.split("|")] for name, row in rows.items()}
    assert numbers["addition"] == pytest.approx([shipped_table().add_pj(o) for o in operands])
    assert numbers["multiplication"] == pytest.approx([shipped_table().multiply_pj(o, o) for o in operands])


def test_the_python():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    lines = code.strip().splitlines()
    names: dict = {}
    for line in lines:
        expression, _, comment = line.partition("  # ")
        if not comment:
            exec(line, names)
            continue
        assert round(eval(expression, names), 3) == float(comment.split(" ")[0])
