"""Figures of error: those of the tables that others published, of papers, and a plain sum over pairs."""

import math
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from precision.arithmetic.multipliers import (
    Multiplier,
    errors_of,
    of_folder,
    parse_multiplier,
    write_table,
)
from precision.arithmetic.multipliers.rank import primes, rank
from precision.errors import PrecisionError

TABLES = Path(__file__).resolve().parents[4] / "shared" / "data" / "multipliers"
LINE = re.compile(
    r"\| `(mul8u_\w+\.bin)`.*?\| ([\d.]+) \| ([\d.]+) \| (\d+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|"
)


def close(found, written):
    """Whether a number is the one that was written, rounded to its digits."""
    digits = len(written.partition(".")[2])
    return abs(found - float(written)) <= 0.5000001 * 10.0**-digits


@pytest.fixture(scope="module")
def evoapprox():
    """The published tables by name, measured, and what their README says of each."""
    if not (TABLES / "README.md").exists():
        pytest.skip("the tables of EvoApproxLib are not on this machine")
    said = {row[0]: row[1:] for row in LINE.findall((TABLES / "README.md").read_text())}
    tables = {re.search(r"mul8u_\w+\.bin", one.name)[0]: one for one in of_folder(TABLES)}
    return {name: (one, errors_of(one), said[name]) for name, one in tables.items()}


def test_the_figures_of_the_published_tables(evoapprox):
    assert len(evoapprox) == 10
    for multiplier, found, (mean, share, worst, probability, relative, power) in evoapprox.values():
        assert close(found.mean, mean) and close(100 * found.share, share), multiplier
        assert found.worst == int(worst) and close(100 * found.probability, probability), multiplier
        assert close(100 * found.relative, relative), multiplier  # zero products are left out
        assert multiplier.published.power == float(power)
        assert multiplier.published.technology == "45 nm"
        assert found.exhaustive and found.pairs == 65536


def test_what_the_reference_found_in_them(evoapprox):
    """Most are not symmetric; some make something of zero; ranks go from 1 to hundreds."""
    found = {
        name.removeprefix("mul8u_").removesuffix(".bin"): figures
        for name, (_, figures, _) in evoapprox.items()
    }
    assert {name for name, one in found.items() if one.symmetric} == {"1JFF"}
    assert {name for name, one in found.items() if not one.zero_weight} == {"2AC", "2P7"}
    assert {name for name, one in found.items() if not one.zero_activation} == {"2AC"}
    assert found["1JFF"].rank.value == 1 and found["1JFF"].error_rank.value == 0
    assert (found["2P7"].rank.value, found["2P7"].rank.proven) == (7, True)
    assert 100 < found["L40"].rank.value < 256
    assert math.isclose(100 * found["2AC"].worst_relative, 3100)  # as its C header says, of which also:
    assert round(found["2AC"].square) == 892 and round(found["1AGV"].square) == 305440
    assert evoapprox["mul8u_2AC.bin"][0].published.area == 508.3


def test_the_operand_order_of_the_published_tables(evoapprox):
    """T[a * 256 + b]: the activation is the slow index, and the order matters."""
    content = np.fromfile(TABLES / "mul8u_2AC.bin", "<u2").reshape(256, 256)
    assert (content != content.T).mean() > 0.5
    given = evoapprox["mul8u_2AC.bin"][0]
    turned = parse_multiplier(f'table("{TABLES}/mul8u_2AC.bin",order=wa)')
    np.testing.assert_array_equal(given.table().table, content)
    np.testing.assert_array_equal(turned.table().table, content.T)


DRUM = {3: 11.90, 4: 5.89, 5: 2.94, 6: 1.47, 7: 0.73, 8: 0.37}


@pytest.mark.parametrize(("k", "published"), DRUM.items())
def test_the_mean_relative_error_of_drum(k, published):
    """The paper drew 10^9 pairs; ours differ by what a draw of fewer leaves open, and by its rounding."""
    found = errors_of(parse_multiplier(f"drum(16,{k})"), samples=1 << 19)
    assert not found.exhaustive and found.pairs == 1 << 19 and found.rank is None
    assert abs(100 * found.relative - published) < 0.006 + 0.002 * published
    assert abs(found.bias) < found.mean / 50  # unbiased


def test_the_errors_of_mitchell():
    found = errors_of(parse_multiplier("mitchell(8)"))
    assert round(100 * found.relative, 2) == 3.79 and math.isclose(found.worst_relative, 1 / 9)
    assert found.bias == -found.mean  # never too large
    assert (found.rank.value, found.error_rank.value) == (128, 127)
    corrected = errors_of(parse_multiplier("mitchell(8,corrections=1)"), ranks=False)
    assert 0 < corrected.relative < 0.0013 and corrected.worst_relative < 1 / 81


def test_the_errors_of_udm():
    """22.22 % at most at every width, in one pair of sixteen at two bits: 1.39 %."""
    small = errors_of(parse_multiplier("udm(2)"))
    assert (small.probability, small.worst) == (1 / 16, 2) and math.isclose(small.relative, 2 / 9 / 9)
    assert math.isclose(small.relative_from_one, 2 / 9 / 16)
    for bits in (4, 8, 16):
        found = errors_of(parse_multiplier(f"udm({bits})"), samples=1 << 16, ranks=bits < 16)
        assert math.isclose(found.worst_relative, 2 / 9)
    assert 0.032 < found.relative < 0.034
    assert errors_of(parse_multiplier("udm(8)")).rank.value == 2


def test_the_errors_of_roba():
    """The paper: 11.1 % at most, 2.9 % in the mean, errors of both signs."""
    found = errors_of(parse_multiplier("roba(8)"))
    assert math.isclose(found.worst_relative, 1 / 9) and round(100 * found.relative, 1) == 2.9
    assert abs(found.bias) < 1 and found.rank.value == 2 and found.error_rank.value == 1


def ordinary(multiplier):
    """The figures as a sum over pairs, in fractions."""
    (low_a, high_a), (low_w, high_w) = multiplier.own
    pairs = [(a, w) for a in range(low_a, high_a + 1) for w in range(low_w, high_w + 1)]
    off = {(a, w): int(multiplier.multiply(a, w)) - a * w for a, w in pairs}
    some = [pair for pair in pairs if pair[0] * pair[1]]
    n = len(pairs)
    return {
        "pairs": n,
        "probability": Fraction(sum(e != 0 for e in off.values()), n),
        "worst": max(map(abs, off.values())),
        "mean": Fraction(sum(map(abs, off.values())), n),
        "share": Fraction(sum(map(abs, off.values())), n * 2 ** sum(multiplier.bits)),
        "square": Fraction(sum(e * e for e in off.values()), n),
        "relative": sum(Fraction(abs(off[a, w]), abs(a * w)) for a, w in some) / len(some),
        "relative_from_one": sum(Fraction(abs(e), max(1, abs(a * w))) for (a, w), e in off.items()) / n,
        "worst_relative": max(Fraction(abs(off[a, w]), abs(a * w)) for a, w in some),
        "bias": Fraction(sum(off.values()), n),
        "zero_activation": all(e == 0 for (a, _), e in off.items() if a == 0),
        "zero_weight": all(e == 0 for (_, w), e in off.items() if w == 0),
        "symmetric": all(e == off.get((w, a)) for (a, w), e in off.items()),
    }


@pytest.mark.parametrize(
    "multiplier",
    [
        *map(parse_multiplier, ("exact(3)", "loa(4,3)", "broken_array(4,2,3)", "truncated(4,5,signed=True)")),
        Multiplier("rectangular", (2, 4), False, lambda a, w: a * w + (w > 7)),
        Multiplier("of zero", (3, 3), True, lambda a, w: a * w - (w == 0)),
    ],
    ids=str,
)
def test_every_figure_against_a_plain_sum(multiplier):
    found = errors_of(multiplier)
    for name, value in ordinary(multiplier).items():
        assert math.isclose(getattr(found, name), value, rel_tol=1e-12, abs_tol=1e-15), name


def test_a_sample_says_that_it_is_one():
    multiplier = parse_multiplier("broken_array(11,3,8,signed=True)")
    first, again = (errors_of(multiplier, samples=5000, seed=seed) for seed in (3, 3))
    assert first == again and first != errors_of(multiplier, samples=5000, seed=4)
    assert (first.pairs, first.exhaustive, first.symmetric) == (5000, False, False)
    assert errors_of(parse_multiplier("loa(11,8)"), samples=5000).symmetric
    with pytest.raises(PrecisionError, match="samples must be a whole number above 0, but got 0"):
        errors_of(multiplier, samples=0)


def true_rank(matrix):
    """The rank by elimination with fractions."""
    rows, found = [[Fraction(int(x)) for x in row] for row in matrix], 0
    for column in range(len(rows[0])):
        pivot = next((row for row in rows[found:] if row[column]), None)
        if pivot is None:
            continue
        rows.remove(pivot)
        rows.insert(found, pivot)
        for i in range(found + 1, len(rows)):
            factor = rows[i][column] / pivot[column]
            rows[i] = [x - factor * y for x, y in zip(rows[i], pivot, strict=True)]
        found += 1
    return found


def test_the_rank_is_the_true_one():
    draw = np.random.default_rng(0)
    for size, inner in ((1, 1), (3, 1), (6, 4), (9, 9), (12, 5)):
        matrix = draw.integers(-50, 50, (size, inner)) @ draw.integers(-50, 50, (inner, size + 2))
        found = rank(matrix)
        assert found.value == true_rank(matrix) and found.proven
    assert rank(np.zeros((3, 3), int)).value == 0 and rank(np.zeros((3, 3), int)).proven


def test_a_prime_that_divides_a_minor_deceives_nobody():
    """Of diag(p, q) either prime finds rank 1: the bound of Hadamard asks for another, which finds 2."""
    p, q = primes(2)
    assert (p, q) == (2**31 - 1, 2**31 - 19)
    found = rank(np.array([[p, 0, 0], [0, q, 0], [0, 0, 0]]))
    assert (found.value, found.proven) == (2, True)


def test_a_high_rank_is_a_bound():
    found = errors_of(parse_multiplier("mitchell(8)")).rank
    assert (found.value, found.proven) == (128, False)
    full = rank(np.random.default_rng(1).integers(0, 1000, (60, 60)))
    assert (full.value, full.proven) == (60, True)


def test_what_is_known_of_a_circuit_goes_into_its_file_and_comes_back(tmp_path, evoapprox):
    multiplier = evoapprox["mul8u_JV3.bin"][0]
    write_table(multiplier, tmp_path / "jv3.npz")
    again = parse_multiplier(f'table("{tmp_path}/jv3.npz")')
    assert again.published == multiplier.published and "mul8u_JV3" in again.published.source
