"""``precision multipliers``: list, show and compare, and the map of errors."""

import csv
import json

import numpy as np
import pytest
from commands import here
from matplotlib.image import imread

from precision.arithmetic.multipliers import errors_of, parse_multiplier, usage, write_table
from precision.registry import MULTIPLIERS
from precision.report.multipliers.description import FIELDS
from precision.report.multipliers.figure import error_map

PLUGIN = """\
from precision.arithmetic.multipliers import Multiplier, register_multiplier


@register_multiplier("one_more_of_the_test")
def one_more(bits):
    \"\"\"A product with one more.\"\"\"
    return Multiplier(f"one_more_of_the_test({bits})", (bits, bits), False, lambda a, w: a * w + 1)
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "own.py").write_text(PLUGIN)
    (tmp_path / "all").mkdir()
    for text in ("udm(8)", "xor_blocks(8,6)"):
        write_table(parse_multiplier(text), tmp_path / "all" / f"{text.partition('(')[0]}.npz")
    return tmp_path


def ran(folder, *words):
    found = here(folder, "multipliers", *words)
    assert found.returncode == 0 and not found.stderr, found.stderr
    return found.stdout


def refused(folder, *words):
    found = here(folder, "multipliers", *words)
    assert found.returncode == 2 and "Traceback" not in found.stderr
    assert found.stderr.startswith("precision: ") and found.stderr.count("\n") == 1
    return found.stderr


def test_the_list_has_every_family(folder):
    text = ran(folder)
    assert text == ran(folder, "list")
    for name in MULTIPLIERS:
        assert f"\n{usage(name)} " in text and MULTIPLIERS.summary(name) in text
    assert "one_more_of_the_test(bits)" in ran(folder, "list", "--plugin", "own.py")


def rows(text):
    return dict(line.split("  ", 1) for line in text.splitlines())


def test_what_is_shown_of_one(folder):
    found = {key: value.strip() for key, value in rows(ran(folder, "show", "mitchell(8)")).items()}
    assert found["multiplier"] == "mitchell(8)"
    assert found["activation"] == found["weight"] == "8 bits, 0 to 255"
    assert found["pairs tried"] == "all 65,536" and found["worst error"] == "4,096"
    assert found["mean relative error, without products of 0"] == "3.788 %"
    assert found["worst relative error"] == "11.11 %" and found["bias"] == "-606.4"
    assert found["rank of the products"] == "at least 128, and so modulo every prime tried"
    assert "power" not in found
    drawn = ran(folder, "show", "drum(16,6)", "--samples", "2000", "--seed", "5")
    assert "2,000 drawn, seed 5" in drawn and "not determined above 8 bits" in drawn
    own = rows(ran(folder, "show", "one_more_of_the_test(3)", "--plugin", "own.py"))
    assert own["any activation times 0"].strip() == "not always 0" and own["bias"].strip() == "1"


def test_the_comparison_of_a_folder_and_others(folder):
    text = ran(folder, "compare", "all", "exact(8)", "drum(12,3)", "--samples", "1000")
    lines = {
        line.split()[0]: line.split()
        for line in text.splitlines()
        if line[:3] in ("udm", "xor", "exa", "dru")
    }
    assert list(lines) == ["udm.npz", "xor_blocks.npz", "exact(8)", "drum(12,3)"]
    assert lines["udm.npz"][1:5] == ["8x8", "46.73", "14,450", "903.1"]
    assert lines["xor_blocks.npz"][1:5] == ["8x8", "signed", "48.9", "300"]
    assert "a sample of pairs with seed 0" in text
    assert "MRED: mean relative error distance without exact products of 0" in text


def test_the_comparison_as_a_file(folder):
    said = ran(folder, "compare", "tables(all)", "mitchell(4)", "--output", "m.json")
    assert said == "m.json: 3 multipliers\n"
    found = json.loads((folder / "m.json").read_text())
    assert [list(row) for row in found] == [list(FIELDS)] * 3
    assert found[0]["multiplier"].startswith('table("all/udm.npz",order=aw,sha256="')
    assert (found[0]["rank"], found[0]["rank_proven"], found[0]["bias"]) == (2, "yes", -903.125)
    assert found[1]["signed"] is True and found[2]["bits_weight"] == 4 and found[0]["power"] is None
    ran(folder, "compare", "tables(all)", "mitchell(4)", "--output", "m.csv")
    read = list(csv.DictReader((folder / "m.csv").read_text().splitlines()))
    assert [float(row["mean_error"]) for row in read] == [row["mean_error"] for row in found]


def test_the_map_of_errors(folder):
    ran(folder, "show", "xor_blocks(8,6)", "-o", "errors.png")
    assert imread(folder / "errors.png").std() > 0.1
    for text in ("broken_array(4,3,2)", "xor_blocks(4,3)"):
        multiplier = parse_multiplier(text)
        products = multiplier.table()
        axes = error_map(multiplier).axes[0]
        [picture] = axes.images
        rows, columns = (np.arange(low, high + 1) for low, high in multiplier.own)
        np.testing.assert_array_equal(picture.get_array(), products.table - np.outer(rows, columns))
        assert (
            picture.origin == "lower" and axes.get_ylabel() == "activation" and axes.get_xlabel() == "weight"
        )
        assert picture.get_extent() == [columns[0] - 0.5, columns[-1] + 0.5, rows[0] - 0.5, rows[-1] + 0.5]
    wide = error_map(parse_multiplier("exact(16)"))
    assert wide.axes[0].images[0].get_array().shape == (512, 512)
    assert wide._suptitle.get_text().endswith("512 x 512 evenly spaced pairs; all are exact")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("show", "drumm(8)"), "unknown multiplier 'drumm(8)'; did you mean 'drum'?"),
        (("show", "table(/none/m.bin)"), "; a path like this one is written in quotes"),
        (("show", "exact(8)", "-o", "errors.txt"), "--figure: the name must end in .png, .pdf or .svg"),
        (("show", "exact(16)", "--samples", "0"), "samples must be a whole number above 0, but got 0"),
        (("compare", "exact(8)"), "compare needs two multipliers or more, but got 'exact(8)' alone"),
        (("compare", "exact(8)", "exact( 8 )"), "different multipliers, but exact(8) is given twice"),
        (("compare", "all", "exact(4)", "--output", "m.txt"), "m.txt: the ending says the format"),
        (("compare", ".", "exact(4)"), "a folder of tables has 1 to 1000 files that end in .bin, .npy, .npz"),
    ],
)
def test_what_is_refused(folder, words, message):
    assert message in refused(folder, *words)


PUBLISHED = """\
title: Errors
works:
  - name: DRUM
    source: a paper
    margins: {mean_relative_error: 0.01}
    multipliers:
      drum(8,4): {mean_relative_error: "5.89", worst_error_share: "5.4"}
      drum(8,6): {mean_relative_error: 1.5}
"""


def test_published_errors_beside_ours(folder):
    (folder / "errors.yaml").write_text(PUBLISHED)
    found = here(folder, "multipliers", "published", "errors.yaml", "--output", "page/errors.md")
    assert found.returncode == 1 and not found.stderr  # one is not as published
    lines = [line.split() for line in found.stdout.splitlines() if "drum(8," in line]
    ours = errors_of(parse_multiplier("drum(8,4)"))
    assert [line[-1] for line in lines] == ["pass", "fail", "fail"]
    assert lines[0][3:] == ["drum(8,4)", "5.89", f"{100 * ours.relative:.4f}", lines[0][6], "0.01", "pass"]
    assert lines[1][4:6] == ["5.4", f"{100 * ours.worst / 65536:.3f}"] and lines[1][-2] == "0.05"
    text = (folder / "page" / "errors.md").read_text()
    assert "**1 of 3 figures within the margin**." in text and "| drum(8,6)" in text
    assert "precision multipliers published errors.yaml" in text
    right = PUBLISHED.replace("1.5}", "1.3}").replace(', worst_error_share: "5.4"', "")
    (folder / "errors.yaml").write_text(right)
    assert "2 of 2 figures within the margin." in ran(folder, "published", "errors.yaml")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            "5.4",
            "much",
            "errors.yaml:7: works.multipliers.drum(8,4).worst_error_share: a figure in quotes is",
        ),
        ('"5.4"', "5.4", "worst_error_share 5.4 has no margin; add 'margins: {worst_error_share: 0.01}', or"),
        (
            "worst_error_share",
            "worst_share",
            "unknown figure 'worst_share'; did you mean 'worst_error_share'?",
        ),
        ("drum(8,6)", "drumm(8,6)", "errors.yaml:8: works.multipliers.drumm(8,6): unknown multiplier"),
        ("source", "sorce", "errors.yaml:4: unknown key 'sorce'; did you mean 'source'?"),
        ("works:", "work:", "errors.yaml:2: unknown key 'work'; did you mean 'works'?"),
    ],
)
def test_what_is_refused_of_published_errors(folder, before, after, message):
    (folder / "errors.yaml").write_text(PUBLISHED.replace(before, after))
    assert message in refused(folder, "published", "errors.yaml")
