"""``precision formats``: list, show, check and compare, and the table of the documentation."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
from commands import here, precision
from typer.testing import CliRunner

from precision.cli.app import app
from precision.errors import PrecisionError
from precision.formats import NumberFormat, parse
from precision.formats.comparison import DISTRIBUTIONS, compare, samples
from precision.formats.properties import binades, properties
from precision.report.document import Unit
from precision.report.formats.description import formats_document, show_text
from precision.report.text import number, value_text

from .test_app import refused

ROOT = Path(__file__).parents[2]
SHOWN = [
    "fixed(8,4)",
    "fixed(1,0)",
    "ufixed(8,8)",
    "float8_e4m3fn",
    "posit(8,2)",
    "nf4",
    "binary",
    "float16",
    "float32",
    "fixed(32,16)",
    "mxfp4_e2m1",
    "bfp(24)",
    "nvfp4",
]

PLUGIN = """\
import numpy as np
from precision.formats import NumberFormat, parse_rounding, register_format

@register_format("halves_of_the_test")
class Halves(NumberFormat):
    \"\"\"Multiples of 0.5 from -1.5 to 1.5 that forget to round the last one.\"\"\"

    name, bits, roundings, nan, infinity = "halves_of_the_test", 3, ("nearest",), 0.0, 1.5

    def quantize(self, x, rounding="nearest", key=None, *, axis=-1):
        parse_rounding(rounding, self.roundings, self.name)
        x = np.nan_to_num(np.asarray(x, np.float32), nan=0, posinf=9, neginf=-9)
        y = np.clip(np.rint(x * 2) / 2, -1.5, 1.5) + 0
        return np.where(x == 0.5, 1, y).astype(np.float32)

    def values(self):
        return np.arange(-3, 4, dtype=np.float32) / np.float32(2)
"""


def run(*words):
    done = CliRunner().invoke(app, ["formats", *map(str, words)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout


def test_alone_it_lists_and_so_does_list():
    code, text = run()
    assert code == 0 and run("list") == (0, text)
    assert re.search(r"^fixed\(wl, fl.*Fixed point", text, re.M) and "posit(n, es" in text


@pytest.mark.parametrize("name", SHOWN)
def test_show_fits_a_terminal(name):
    text = show_text(parse(name))
    assert max(map(len, text.splitlines())) <= 80
    assert text.split() == run("show", name)[1].split()


def test_show_says_what_a_format_is():
    text = run("show", "float8_e4m3fn")[1]
    for label, value in [
        ("bits", "8"),
        ("largest value", "448"),
        ("least value", "-448"),
        ("smallest normal", "2^-6"),
        ("smallest subnormal", "2^-9"),
        ("epsilon", "0.125"),
        ("dynamic range", "5.4 decades"),
        ("finite values", "253"),
        ("NaN", "yes"),
        ("infinity", "no, becomes NaN"),
        ("negative zero", "yes"),
        ("beyond the range", "NaN"),
    ]:
        assert re.search(rf"^{label} +{re.escape(value)}$", text, re.M), label
    text = run("show", "nvfp4")[1]
    assert (
        "16 neighbours share a scale" in text and "float8_e4m3fn(overflow=saturate), float32 for the" in text
    )


def test_the_number_lines():
    text = show_text(parse("nf4"))
    strokes = next(line for line in text.splitlines() if line.startswith("█"))
    assert strokes.count("█") == 16
    bars = show_text(parse("posit(8,2)")).split("positive values")[1]
    drawn = [line.split("┤")[1] for line in bars.splitlines() if "┤" in line]
    # 8 values from 2^-4 to 2^3, 4 as far as 2^-8 and 2^7, 2 as far as 2^-12 and 2^11; further out one in
    # a few powers of two. One row for each doubling.
    assert [row.count("█") for row in drawn] == [8, 16, 24, 24 + 4 + 3 + 5 + 3]
    assert drawn[0] == " " * 20 + "█" * 8
    shown = show_text(parse("fixed(8,4)")).split("largest;")[1].splitlines()
    assert shown[2:4] == ["█" * 64] * 2  # evenly spaced values make an even line


@pytest.mark.parametrize(
    ("name", "beyond"),
    [
        ("fixed(8,4)", "saturates"),
        ("fixed(8,4,overflow=wrap)", "wraps around"),
        ("fixed(24,0,overflow=wrap)", "wraps around"),
        ("float16", "infinity"),
        ("bfloat16", "infinity"),
        ("float32", "infinity"),
        ("float(8,23,overflow=saturate)", "saturates"),
        ("float8_e4m3fn", "NaN"),
        ("posit(16,1)", "saturates"),
        ("mxint8", "scale follows"),
    ],
)
def test_what_happens_beyond_the_range(name, beyond):
    assert properties(parse(name)).beyond == beyond


@pytest.mark.parametrize("name", ["float(5,7)", "fixed(14,6)", "float(4,3,subnormals=False)", "ufixed(9,3)"])
def test_counts_by_spacing_are_those_by_listing(name, monkeypatch):
    f = parse(name)
    listed = binades(f)
    positive = f.values()[f.values() > 0]
    assert sum(n for _, n in listed) == len(positive)

    def too_many(self):
        raise PrecisionError("too many")

    monkeypatch.setattr(type(f), "values", too_many)
    assert binades(f) == listed


def test_how_values_are_written():
    assert [value_text(v) for v in (7.9375, -448.0, 2.0**-9, -(2.0**24), 65504.0, 2.0**-4, 1 / 3)] == [
        "7.9375",
        "-448",
        "2^-9",
        "-2^24",
        "65504",
        "0.0625",
        "0.3333",
    ]
    assert value_text(3.4028234663852886e38) == "3.403e38"
    assert [number(v, Unit.VALUE) for v in (math.nan, math.inf, 0.0)] == ["—", "infinity", "0"]


@pytest.mark.parametrize("name", ["fixed(1,0)", "posit(8,2)", "float16", "bfp(24)", "float32"])
def test_the_figure(name, tmp_path):
    from PIL import Image

    path = tmp_path / "line.png"
    assert run("show", name, "--figure", path)[0] == 0
    with Image.open(path) as image:
        assert image.size == (1080, 540)
        assert len(image.convert("RGB").getcolors(1 << 20)) > 10


def test_check_of_a_good_format():
    code, text = run("check", "float8_e4m3fn", "--no-tensors")
    assert code == 0
    assert re.search(r"^nearest +ok$", text, re.M)
    assert re.search(r"^a short last block +not applicable: every value stands alone$", text, re.M)
    assert re.search(r"^float8_e4m3fn: \d+ checks hold, 0 broken, \d+ not applicable$", text, re.M)


def test_check_of_a_broken_plugin(tmp_path):
    path = tmp_path / "halves.py"
    path.write_text(PLUGIN)
    done = here(".", "formats", "check", "halves_of_the_test", "--no-tensors", "--plugin", path)
    assert done.returncode == 1, done.stderr
    assert re.search(
        r"^exact on its own values +BROKEN: its own value 0.5 rounds \(nearest\) to 1$", done.stdout, re.M
    )
    assert re.search(r"^idempotent +not applicable: it needs what does not hold: exact", done.stdout, re.M)
    listed = here(".", "formats", "--plugin", path)
    assert "Multiples of 0.5 from -1.5 to 1.5 that forget" in listed.stdout


def test_check_with_tensors_says_nothing_else():
    done = precision(".", "formats", "check", "fixed(8,4)")  # a new process, in which TensorFlow starts
    assert done.returncode == 0, done.stdout
    assert done.stderr == ""
    assert re.search(r"^tensors run compiled as arrays +ok$", done.stdout, re.M)


def test_compare_is_what_numpy_says(tmp_path):
    x = samples("laplace", 5000, 3.0, 4)
    y = np.clip(np.rint(x.astype(float) * 16) / 16, -8, 7.9375)
    got = compare(parse("fixed(8,4)"), x)
    assert got.mean_error == pytest.approx(np.abs(y - x).mean())
    assert got.max_error == pytest.approx(np.abs(y - x).max())
    assert got.sqnr == pytest.approx(10 * np.log10((x.astype(float) ** 2).sum() / ((y - x) ** 2).sum()))
    assert got.relative_error == pytest.approx((np.abs(y - x) / np.abs(x)).mean())
    assert got.clipped == pytest.approx(((x < -8) | (x > 7.9375)).mean()) and got.clipped > 0.01
    assert got.flushed == pytest.approx((y == 0).mean()) and got.flushed > 0.005
    assert got.lost == 0


def test_compare_by_hand():
    x = np.array([0.1, 0.5, 3.0, 6.0, -8.0, 0.0], np.float32)
    lost = compare(parse("float(2,1)"), x)  # ends at 3, and goes to infinity from 3.5
    assert (lost.lost, lost.clipped, lost.max_error) == (2 / 6, 2 / 6, pytest.approx(0.1))
    fitted = compare(parse("int(8)"), x, "max")  # times 127 / 8
    assert (fitted.clipped, fitted.flushed) == (0, 0)
    assert fitted.max_error == pytest.approx(np.abs(np.rint(x * 127 / 8) * 8 / 127 - x).max(), rel=1e-6)
    exact = compare(parse("float32"), x)
    assert exact.sqnr == math.inf and exact.max_error == 0


def test_compare_tells_what_blocks_clip():
    x = np.array([7.9, 6.0, -6.1, 1.0, 0.01, 0.0], np.float32)  # scale 1, elements up to 6
    got = compare(parse("mxfp4_e2m1"), x)
    assert (got.clipped, got.flushed) == (2 / 6, 1 / 6)
    assert compare(parse("mxfp4_e2m1"), x, "max") == got


def test_compare_prints_a_table():
    words = ("compare", "fixed(8,4)", "float8_e4m3fn", "mxfp4_e2m1", "--samples", 1000, "--seed", 3)
    code, text = run(*words)
    assert code == 0 and run(*words) == (code, text)
    assert text.startswith("samples: 1,000, normal (standard deviation 1), seed 3\nas they are\n")
    assert [line.split()[0] for line in text.splitlines()[5:]] == [
        "fixed(8,4)",
        "float8_e4m3fn",
        "mxfp4_e2m1",
    ]
    assert run(*words[:-1], 4)[1].splitlines()[5:] != text.splitlines()[5:]
    assert "largest magnitude meets the format's" in run("compare", "int(8)", "nf4", "--fit", "max")[1]
    assert "lost" in run("compare", "float16", "float32", "--scale", "1e5")[1]


def test_integers_without_a_scale_are_told_with_what_to_write():
    assert "whole numbers" in run("show", "int(8)")[1]
    unfitted = run("compare", "int(8)", "nf4")[1]
    assert '{format: "int(8)", scaling: real}, and --fit max' in unfitted
    for words in (("show", "fixed(8,4)"), ("compare", "int(8)", "nf4", "--fit", "max")):
        assert "whole numbers" not in run(*words)[1]


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distributions(name):
    x = samples(name, 50_000, 1.0, 1)
    assert x.dtype == np.float32 and x.shape == (50_000,) and abs(np.sign(x).mean()) < 0.02
    np.testing.assert_array_equal(x * np.float32(2), samples(name, 50_000, 2.0, 1))
    assert (x != samples(name, 50_000, 1.0, 2)).any()


def test_samples_of_a_file(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.arange(12.0).reshape(3, 4))
    assert samples(str(path)).shape == (3, 4)
    np.testing.assert_array_equal(samples(str(path), 5, 2.0), [0, 2, 4, 6, 8])
    code, text = run("compare", "fixed(8,4)", "float16", "--dist", path)
    assert code == 0 and "samples: 12, " in text


def test_wrong_input(tmp_path):
    def sentence(*words):
        return refused(here(".", "formats", *words))

    assert "did you mean 'fixed'?" in sentence("show", "fixd(8,4)")
    assert "two formats or more, but got 'float16' alone" in sentence("compare", "float16")
    with pytest.raises(PrecisionError, match="fixed\\(8,4\\) is given twice"):
        run("compare", "fixed(8,4)", "float16", "fixed(8, 4)")
    for words, text in [
        (("--dist", "norml"), "unknown distribution 'norml'.*did you mean 'normal'"),
        (("--dist", tmp_path / "no.npy"), "no.npy: there is no such file"),
        (("--samples", 0), "must lie in 1..100,000,000, but got 0"),
        (("--samples", 10**12), "must lie in 1"),
        (("--scale", 0), "above 0, but got 0"),
        (("--scale", "nan"), "above 0, but got nan"),
        (("--scale", "1e39"), "beyond float32"),
        (("--seed", -1), "at least 0, but got -1"),
        (("--fit", "most"), "unknown --fit 'most'"),
    ]:
        with pytest.raises(PrecisionError, match=text):
            run("compare", "float16", "nf4", *words)
    for name, content in [
        ("text", np.array(["a"])),
        ("empty", np.zeros(0)),
        ("nan", np.array([1.0, np.nan])),
        ("complex", np.array([1j])),
    ]:
        np.save(tmp_path / f"{name}.npy", content)
        with pytest.raises(PrecisionError, match=f"{name}.npy: "):
            run("compare", "float16", "nf4", "--dist", tmp_path / f"{name}.npy")
    (tmp_path / "junk.npy").write_bytes(b"junk")
    with pytest.raises(PrecisionError, match=r"junk.npy: this is no array"):
        run("compare", "float16", "nf4", "--dist", tmp_path / "junk.npy")
    for path, text in [("x.xyz", "must end in .png"), ("no/x.png", "cannot be written")]:
        with pytest.raises(PrecisionError, match=text):
            run("show", "nf4", "--figure", tmp_path / path)


def test_the_table_of_the_documentation():
    """What `precision formats list --markdown` prints stands in docs/formats.md."""
    text = (ROOT / "docs" / "formats.md").read_text()
    begin, end = "<!-- generated: precision formats list --markdown -->", "<!-- end of generated -->"
    assert text.split(begin)[1].split(end)[0].strip() == formats_document()
    assert run("list", "--markdown") == (0, formats_document() + "\n")


def test_a_format_without_stochastic_or_ceil_is_shown(tmp_path):
    class Least(NumberFormat):
        name, bits, roundings, infinity = "least", 20, ("nearest",), 2.0
        max, lowest, min_subnormal, min_normal, eps = 2.0, -2.0, 0.5, 0.5, 0.5

        def quantize(self, x, rounding="nearest", key=None, *, axis=-1):
            return np.clip(np.rint(x * 2) / 2, -2, 2).astype(np.float32)

        def values(self):
            raise PrecisionError("too many")

    assert "too many to list" in show_text(Least())
