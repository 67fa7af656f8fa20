"""Every family against its definition, written here bit by bit or with fractions, one pair at a time."""

import functools
import itertools
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from precision.arithmetic.multipliers import parse_multiplier
from precision.errors import PrecisionError
from precision.registry import MULTIPLIERS


def bit(x, i):
    return x >> i & 1  # of a negative number too: Python's integers are two's complement without end


def signs(product):
    """A definition for magnitudes, for operands of either sign."""

    def signed(a, w, *rest, **options):
        return (-1 if (a < 0) != (w < 0) else 1) * product(abs(a), abs(w), *rest, **options)

    return signed


def exact(a, w, bits, signed):
    return sum(a for _ in range(abs(w))) * (1 if w >= 0 else -1)


def operand_truncated(a, w, bits, signed, activation, weight):
    def value(x, dropped):
        found = sum(bit(x, i) << i for i in range(dropped, bits - signed))
        return found - signed * (bit(x, bits - 1) << bits - 1)

    return value(a, activation) * value(w, weight)


def array(a, w, bits, signed, left_out):
    """The partial products that are not left out, one gate after the other."""
    total = 0
    for i, j in itertools.product(range(bits), repeat=2):
        gate = bit(a, i) & bit(w, j)
        if signed and (i == bits - 1) != (j == bits - 1):
            gate = 1 - gate
        total += 0 if left_out(i, j) else gate << i + j
    if signed:
        total = (total + 2**bits + 2 ** (2 * bits - 1)) % 2 ** (2 * bits)
        total -= 2 ** (2 * bits) if total >= 2 ** (2 * bits - 1) else 0
    return total


def truncated(a, w, bits, signed, columns):
    return array(a, w, bits, signed, lambda i, j: i + j < columns)


def broken_array(a, w, bits, signed, horizontal, vertical):
    return array(a, w, bits, signed, lambda i, j: j < horizontal or i + j < vertical)


@signs
def loa(a, w, bits, signed, columns):
    """A ripple of full adders, the lowest of them ORs, for each row."""
    total = [0] * (2 * bits + 1)
    for j in range(bits):
        row = [bit(a, i - j) & bit(w, j) if 0 <= i - j < bits else 0 for i in range(2 * bits + 1)]
        carry = 0
        for i in range(2 * bits + 1):
            x, y = total[i], row[i]
            if i < columns:
                total[i], carry = x | y, x & y  # the last of them is the carry of the part above
            else:
                total[i], carry = x ^ y ^ carry, (x & y) | (carry & (x ^ y))
    return sum(one << i for i, one in enumerate(total))


def xor_blocks(a, w, bits, signed, columns, upper=None):
    total = 2**bits + 2 ** (2 * bits - 1)
    for rows, kept in (
        (range(bits // 2), columns),
        (range(bits // 2, bits), columns if upper is None else upper),
    ):
        for column in range(2 * bits):
            ones = 0
            for j in rows:
                i = column - j
                if 0 <= i < bits:
                    gate = bit(a, i) & bit(w, j)
                    ones += 1 - gate if (i == bits - 1) != (j == bits - 1) else gate
            total += (ones % 2 if column < kept else ones) << column
    total %= 2 ** (2 * bits)
    return total - 2 ** (2 * bits) if total >= 2 ** (2 * bits - 1) else total


@signs
def drum(a, w, bits, signed, k):
    def kept(x):
        digits = f"{x:b}"
        return int(digits[: k - 1] + "1" + "0" * (len(digits) - k), 2) if len(digits) > k else x

    return kept(a) * kept(w)


@signs
def ssm(a, w, bits, signed, segment):
    def kept(x):
        digits = f"{x:0{bits}b}"
        if "1" in digits[: bits - segment]:
            return int(digits[:segment] + "0" * (bits - segment), 2)
        return x

    return kept(a) * kept(w)


@signs
def mitchell(a, w, bits, signed, corrections=0):
    if not a or not w:
        return 0
    p, q = len(f"{a:b}") - 1, len(f"{w:b}") - 1
    f, g = Fraction(a, 2**p) - 1, Fraction(w, 2**q) - 1
    carries = f + g >= 1
    found = 2 ** (p + q + 1) * (f + g) if carries else 2 ** (p + q) * (1 + f + g)
    if corrections:
        left = (int((1 - f) * 2**p), int((1 - g) * 2**q)) if carries else (a - 2**p, w - 2**q)
        found += mitchell(*left, bits, signed, corrections - 1)
    assert found == int(found)
    return int(found)


@signs
def udm(a, w, bits, signed, within=None):
    n = within or bits
    if n == 2:
        return 7 if a == w == 3 else a * w
    if n % 4:  # halves of an odd number of digits: the digits one by one
        return sum(
            udm(a >> 2 * i & 3, w >> 2 * j & 3, 2, False) << 2 * (i + j)
            for i in range(n // 2)
            for j in range(n // 2)
        )
    half, low = n // 2, (1 << n // 2) - 1
    parts = {
        (i, j): udm(a >> half * i & low, w >> half * j & low, bits, False, half)
        for i in range(2)
        for j in range(2)
    }
    return sum(part << half * (i + j) for (i, j), part in parts.items())


@signs
def roba(a, w, bits, signed):
    def nearest(x):
        if x in (0, 3):
            return 2 if x else 0
        return min((2**e for e in range(bits + 1)), key=lambda power: (abs(power - x), -power))

    return nearest(a) * w + nearest(w) * a - nearest(a) * nearest(w)


@functools.cache
def spelt(bits, letters):
    """The magnitudes that quartets of shifted letters make, the uppermost quartet cut where the bits end."""
    digits = {0} | {letter << shift for letter in letters for shift in range(4)}
    quartets = [[d << low for d in digits if d < 2 ** min(4, bits - low)] for low in range(0, bits, 4)]
    return {sum(word) for word in itertools.product(*quartets)}


@signs
def alphabet(a, w, bits, signed, *letters):
    return a * min(spelt(bits - signed, letters), key=lambda known: (abs(known - w), known))


DEFINITIONS = {
    "alphabet": alphabet,
    "exact": exact, "operand_truncated": operand_truncated, "truncated": truncated,
    "broken_array": broken_array, "loa": loa, "xor_blocks": xor_blocks, "drum": drum, "ssm": ssm,
    "mitchell": mitchell, "udm": udm, "roba": roba,
}  # fmt: skip
SMALL = [
    "alphabet(3,1)", "alphabet(5,1)", "alphabet(5,1,3)", "alphabet(5,5,signed=True)",
    "alphabet(6,1,3,signed=True)", "exact(3)", "exact(4,signed=True)",
    "operand_truncated(4,1,3)", "operand_truncated(4,2,1,signed=True)",
    "truncated(4,0)", "truncated(4,3)", "truncated(4,3,signed=True)", "truncated(4,6,signed=True)",
    "truncated(4,8)", "broken_array(4,1,3)", "broken_array(5,2,0)", "broken_array(4,2,3,signed=True)",
    "broken_array(4,4,8,signed=True)", "loa(4,0)", "loa(4,3)", "loa(4,8)", "loa(5,4,signed=True)",
    "xor_blocks(4,0)", "xor_blocks(4,3)", "xor_blocks(6,5)", "xor_blocks(4,8)", "xor_blocks(4,3,upper=5)",
    "drum(5,2)", "drum(5,3)", "drum(5,5)", "drum(5,3,signed=True)", "ssm(5,3)", "ssm(4,2,signed=True)",
    "ssm(5,5)", "mitchell(5)", "mitchell(5,signed=True)", "mitchell(5,corrections=1)",
    "mitchell(5,corrections=3)", "udm(2)", "udm(4)", "udm(6)", "udm(4,signed=True)", "roba(5)",
    "roba(4,signed=True)",
]  # fmt: skip
LARGE = [
    "alphabet(8,1,signed=True)", "alphabet(8,1,3,5,7)", "alphabet(10,3,11)",
    "exact(16,signed=True)", "operand_truncated(16,5,3,signed=True)", "truncated(16,12)",
    "truncated(16,12,signed=True)", "truncated(8,8)", "broken_array(16,4,11,signed=True)",
    "broken_array(8,3,6)", "loa(16,11)", "loa(8,6)", "xor_blocks(16,9)", "xor_blocks(8,6)",
    "xor_blocks(8,11,upper=7)", "drum(16,6)", "drum(8,4)", "ssm(16,9)", "ssm(8,5)", "mitchell(16)",
    "mitchell(16,corrections=1)", "mitchell(8)", "udm(16)", "udm(8)", "roba(16)", "roba(8,signed=True)",
]  # fmt: skip


def arguments(text):
    """The numbers of a text, and its options."""
    words = text.partition("(")[2].rstrip(")").split(",")
    options = dict(word.split("=") for word in words if "=" in word)
    options.pop("signed", None)
    return [int(w) for w in words if "=" not in w], {key: int(value) for key, value in options.items()}


def product(multiplier, a, w):
    (bits, *rest), options = arguments(multiplier.name)
    definition = DEFINITIONS[multiplier.name.partition("(")[0]]
    return definition(a, w, bits, multiplier.signed, *rest, **options)


@pytest.mark.parametrize("text", SMALL)
def test_every_pair_of_a_small_member(text):
    multiplier = parse_multiplier(text)
    table = multiplier.table()
    found = {
        (a, w): int(table.of(a, w))
        for a in range(table.lowest_a, table.highest_a + 1)
        for w in range(table.lowest_w, table.highest_w + 1)
    }
    assert len(found) == 4 ** multiplier.bits[0]
    assert found == {pair: product(multiplier, *pair) for pair in found}


@pytest.mark.parametrize("text", LARGE)
def test_many_pairs_of_a_large_member(text):
    multiplier = parse_multiplier(text)
    draw = random.Random(text)
    (lowest, highest), _ = multiplier.own
    ends = [lowest, lowest + 1, 0, 1, 3, highest // 2, highest // 2 + 1, highest - 1, highest]
    pairs = [*itertools.product(ends, repeat=2)]
    pairs += [(draw.randint(lowest, highest), draw.randint(lowest, highest)) for _ in range(200)]
    a, w = np.array(pairs).T
    assert multiplier.multiply(a, w).tolist() == [product(multiplier, *pair) for pair in pairs]


@given(st.data())
def test_any_member_and_any_operands(data):
    """Parameters, signs and operands as they come; the text is that of the member."""
    bits = data.draw(st.integers(1, 8)) * 2
    members = {
        "exact": [], "operand_truncated": [(0, bits - 1), (0, bits - 1)], "truncated": [(0, 2 * bits)],
        "broken_array": [(0, bits), (0, 2 * bits)], "loa": [(0, 2 * bits)], "drum": [(2, bits)],
        "ssm": [(bits // 2, bits)], "mitchell": [], "udm": [], "roba": [], "xor_blocks": [(0, 2 * bits)],
    }  # fmt: skip
    family = data.draw(st.sampled_from(sorted(members)))
    words = [bits, *(data.draw(st.integers(*ends)) for ends in members[family])]
    words += ["signed=True"] if family != "xor_blocks" and data.draw(st.booleans()) else []
    text = f"{family}({','.join(map(str, words))})"
    multiplier = parse_multiplier(text)
    assert multiplier.name == text and parse_multiplier(multiplier.name) == multiplier
    (lowest, highest), _ = multiplier.served
    a, w = data.draw(st.integers(lowest, highest)), data.draw(st.integers(lowest, highest))
    if not multiplier.signed:
        expected = signs(lambda x, y: product(multiplier, x, y))(a, w)
    else:
        expected = product(multiplier, a, w)
    assert int(multiplier.multiply(a, w)) == expected


def test_every_family_has_a_definition_here():
    built_in = {name for name in MULTIPLIERS if MULTIPLIERS.owner(name).builtin}
    assert built_in == {*DEFINITIONS, "table"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "alphabet(8)",
            "letters are odd numbers from 1 to 15 in ascending order, but got none; write alphabet(",
        ),
        ("alphabet(8,1,4)", "letters are odd numbers from 1 to 15 in ascending order, but got (1, 4); write"),
        ("alphabet(8,3,1)", "letters are odd numbers from 1 to 15 in ascending order, but got (3, 1); write"),
        ("alphabet(8,17)", "letter must be an integer with 1 <= letter <= 15, but got 17"),
        ("exact(1)", "exact(bits): bits must be an integer with 2 <= bits <= 16, but got 1"),
        ("exact(8,signed=yes)", "exact(bits): signed must be True or False, but got 'yes'"),
        ("operand_truncated(8,8,0)", "activation must be an integer with 0 <= activation <= 7, but got 8"),
        ("truncated(8,17)", "columns must be an integer with 0 <= columns <= 16, but got 17"),
        ("broken_array(8,9,0)", "horizontal must be an integer with 0 <= horizontal <= 8, but got 9"),
        ("drum(8,9)", "k must be an integer with 2 <= k <= 8, but got 9"),
        ("ssm(9,4)", "segment must be an integer with 5 <= segment <= 9, but got 4"),
        ("mitchell(8,corrections=5)", "corrections must be an integer with 0 <= corrections <= 4, but got 5"),
        ("udm(5)", "udm(bits): bits must be even, as blocks are 2x2, but got 5"),
        ("xor_blocks(7,1)", "bits must be even, as both blocks have half of the rows, but got 7"),
        (
            "xor_blocks(8,1,signed=True)",
            "got an unexpected keyword argument 'signed'; write it as xor_blocks(",
        ),
        ("drum(8)", "multiplier 'drum(8)': missing a required argument: 'k'; write it as drum(bits, k, sig"),
        ("drumm(8,3)", "unknown multiplier 'drumm(8,3)'; did you mean 'drum'?"),
        ("drum(8,", "malformed multiplier 'drum(8,'; write it as 'exact(8)' or 'drum(8,6)'"),
    ],
)
def test_a_member_that_is_not_there(text, message):
    with pytest.raises(PrecisionError) as caught:
        parse_multiplier(text)
    assert message in str(caught.value)


def test_both_options_of_the_logarithm_are_written():
    name = "mitchell(8,corrections=1,signed=True)"
    assert parse_multiplier("mitchell(8, signed=True, corrections=1)").name == name
    assert parse_multiplier("mitchell(8,corrections=0,signed=False)").name == "mitchell(8)"


def test_the_alphabet_of_all_letters_is_exact_and_that_of_one_shifts():
    every = parse_multiplier("alphabet(8,1,3,5,7,9,11,13,15)").table().table
    np.testing.assert_array_equal(every, np.multiply.outer(np.arange(256), np.arange(256)))
    shifts = parse_multiplier("alphabet(8,1,signed=True)")  # of magnitudes of 7 bits, three and four of them
    weights = {int(shifts.multiply(1, w)) for w in range(128)}
    assert weights == {16 * p + r for p in (0, 1, 2, 4) for r in (0, 1, 2, 4, 8)}
