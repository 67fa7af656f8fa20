import numpy as np
import pytest

from precision import PrecisionError
from precision.arithmetic.accumulators.register import Register, bits_of


@pytest.mark.parametrize("bits", [8, 13, 32, 63, 64])
def test_a_register_keeps_the_lowest_bits_or_stays_at_the_end(bits):
    rng = np.random.default_rng(bits)
    values = rng.integers(-(2**63), 2**63, 200, dtype=np.int64)
    values[:100] >>= rng.integers(0, 63, 100)
    half, whole = 1 << bits - 1, 1 << bits
    assert Register(bits).put(values).tolist() == [(v + half) % whole - half for v in values.tolist()]
    assert Register(bits, "saturate").put(values).tolist() == [
        min(max(v, -half), half - 1) for v in values.tolist()
    ]


@pytest.mark.parametrize("low", [-129, -128, -1, 0, 1])
@pytest.mark.parametrize("high", [0, 1, 127, 128])
def test_the_width_of_a_range_is_the_least_that_holds_it(low, high):
    bits = bits_of(low, high)
    assert -(2 ** (bits - 1)) <= low and high < 2 ** (bits - 1)
    assert bits == 1 or not (-(2 ** (bits - 2)) <= low and high < 2 ** (bits - 2))


@pytest.mark.parametrize("bits", [7, 65, 16.0, True, "16"])
def test_another_width_is_an_error(bits):
    with pytest.raises(PrecisionError, match="has 8 to 64 bits"):
        Register(bits)


def test_another_overflow_is_an_error():
    with pytest.raises(PrecisionError, match="did you mean 'saturate'"):
        Register(16, "saturated")
