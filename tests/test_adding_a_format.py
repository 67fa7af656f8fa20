"""docs/adding-a-format.md, done as it says: its files written, its commands and tests run.

Its package: test_packages.py.
"""

import contextlib
import io
import re
import shlex
from fractions import Fraction
from pathlib import Path

import inside
import numpy as np
import pytest
from commands import here, python

from precision import plugins
from precision.formats import parse
from precision.formats.conformance import assert_conforms

PAGE = (Path(__file__).parent.parent / "docs" / "adding-a-format.md").read_text()
FILES = dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", PAGE, re.S))
COMMANDS = [
    line for block in re.findall(r"<!-- run -->\n```sh\n(.*?)```", PAGE, re.S) for line in block.splitlines()
]
SMALL = {
    "[digits]": "[{name: digits, train_size: 64, test_size: 64}]",
    "[lenet]": "[{name: mlp, width: 0.1}]",
    "[ptq, qat]": (
        "[ptq, qat]\ntraining: {epochs: 1}\nexclude: [{method: qat, policy: [posit8, takum8, lloyd]}]"
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files of the page, the grid at reduced size."""
    folder = tmp_path_factory.mktemp("page")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    grid = FILES["takum.yaml"]
    for old, new in SMALL.items():
        assert old in grid
        grid = grid.replace(old, new)
    (folder / "takum.yaml").write_text(grid)
    done = python(folder, "lloyd_max4.py")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def formats(folder):
    """takum8 and bfloat16x2 as the page has them."""
    plugins.load([folder / "takum8.py", folder / "bfloat16x2.py"])
    yield
    plugins.load([])


def takum_by_definition(code):
    """The value of an 8-bit linear takum, bit by bit after definition 4 of the paper; None for NaR."""
    if code in (0, 0x80):
        return None if code else Fraction(0)
    bits = [int(bit) for bit in f"{code:08b}"] + [0] * 20
    sign, direction, regime = bits[0], bits[1], 4 * bits[2] + 2 * bits[3] + bits[4]
    r = regime if direction else 7 - regime
    characteristic = int("".join(map(str, bits[5 : 5 + r])) or "0", 2)
    c = 2**r - 1 + characteristic if direction else -(2 ** (r + 1)) + 1 + characteristic
    mantissa = bits[5 + r : 5 + r + 8]
    f = sum(Fraction(bit, 2 ** (i + 1)) for i, bit in enumerate(mantissa))
    exponent = c if sign == 0 else -(c + 1)
    return ((1 - 3 * sign) + f) * Fraction(2) ** exponent


@pytest.mark.usefixtures("formats")
def test_takum8_has_the_values_of_the_definition():
    takum8 = parse("takum8")
    table = takum8.table()
    found = 0
    for code in range(256):
        value = takum_by_definition(code)
        if value is None:
            assert np.isnan(table[code])
        elif value == 0 or Fraction(2) ** -126 <= abs(value) < Fraction(2) ** 128:
            assert Fraction(float(table[code])) == value
            found += 1
    assert found == len(takum8.values())
    ordered = [takum_by_definition(code) for code in [*range(0x81, 0x100), *range(0x80)]]
    assert ordered == sorted(ordered)  # as two's complement integers


@pytest.mark.usefixtures("formats")
def test_the_other_format_of_the_page_conforms():
    """That takum8 does is what the command and the test of the page say below."""
    assert_conforms("bfloat16x2")


@pytest.mark.usefixtures("formats")
def test_sixteen_bits_of_two_bfloat16():
    x = np.random.default_rng(0).standard_normal(10_000).astype(np.float32)
    y = parse("bfloat16x2").quantize(x)
    error = np.abs(y - x) / 2.0 ** np.floor(np.log2(np.abs(x)))
    assert 2.0**-16 < error.max() < 2.0**-15


def test_the_levels_of_max(folder):
    """His table I gives 0.009497 and 2.733; the integral itself is 0.009501."""
    levels = np.load(folder / "lloyd_max4.npy")
    assert levels.dtype == np.float32 and levels[-1] == pytest.approx(2.733, abs=5e-4)
    x = (np.arange(400_000) + 0.5) / 400_000
    from scipy.stats import norm

    x = norm.ppf(x)
    error = np.mean((parse(f'codebook("{folder}/lloyd_max4.npy")').quantize(x) - x) ** 2)
    assert error == pytest.approx(0.009501, abs=2e-6)


def test_the_tests_of_the_page(folder):
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as printed:
        code = pytest.main(["-q", "-p", "no:cacheprovider", "test_takum8.py"])
    plugins.load([])
    assert code == 0 and "2 passed" in printed.getvalue(), printed.getvalue()


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_of_the_page(folder, command):
    program, *words = shlex.split(command)
    assert program == "precision"
    with inside.trials():
        done = here(folder, *words)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    if words[0] == "run":
        assert "takum8" in done.stdout
        assert (folder / "reports/takum/report.md").exists()


def test_the_package_offers_what_the_page_says():
    """Each entry point of the page names a module of the package or something in it."""
    points = re.findall(r'^(\w+) = "takum_formats\.(\w+)(?::(\w+))?"', FILES["package/pyproject.toml"], re.M)
    assert [name for name, _, _ in points] == ["takum8", "bfloat16x2"]
    for _, module, factory in points:
        assert factory in FILES[f"{module}.py"]
