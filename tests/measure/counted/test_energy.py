"""The model of energy: Horowitz's figures at his points, and a network summed up by hand."""

import itertools

import keras
import pytest

import architectures
from precision.errors import PrecisionError
from precision.formats import parse
from precision.measure.counted.energy import energy
from precision.measure.counted.operations import (
    MEMORIES,
    Operand,
    add_pj,
    bit_pj,
    multiply_pj,
    operand,
    running_sum,
)
from precision.quantization import parse_policy

INT8, INT32 = Operand("integer", 8), Operand("integer", 32)
HALF, SINGLE = Operand("float", 11), Operand("float", 24)


def test_the_published_points():
    assert add_pj(INT8) == pytest.approx(0.03)
    assert add_pj(INT32) == pytest.approx(0.1)
    assert add_pj(HALF) == pytest.approx(0.4)
    assert add_pj(SINGLE) == pytest.approx(0.9)
    assert multiply_pj(INT8, INT8) == pytest.approx(0.2)
    assert multiply_pj(INT32, INT32) == pytest.approx(3.1)
    assert multiply_pj(HALF, HALF) == pytest.approx(1.1)
    assert multiply_pj(SINGLE, SINGLE) == pytest.approx(3.7)
    assert add_pj(Operand("integer", 16)) == pytest.approx(0.05, rel=0.08)  # in the talk, not used here
    assert bit_pj("1 MiB") == 100 / 64
    assert MEMORIES["DRAM"] == (1300 + 2600) / 2


def test_narrower_is_cheaper():
    for kind in ("integer", "float"):
        widths = [Operand(kind, n) for n in range(1, 33)]
        for a, b in itertools.pairwise(widths):
            assert 0 < add_pj(a) < add_pj(b)
            for other in widths:
                assert 0 < multiply_pj(a, other) < multiply_pj(b, other)
                assert multiply_pj(a, other) == multiply_pj(other, a)


@pytest.mark.parametrize(
    ("text", "kind", "width"),
    [
        ("float32", "float", 24),
        ("float16", "float", 11),
        ("bfloat16", "float", 8),
        ("float8_e4m3fn", "float", 4),
        ("float4_e2m1fn", "float", 2),
        ("fixed(8,4)", "integer", 8),
        ("ufixed(6,6)", "integer", 6),
        ("int(4)", "integer", 4),
        ("fixed(24,12)", "integer", 24),
        ("binary", "integer", 1),
        ("ternary", "integer", 2),
        ("posit(8,1)", "float", 5),  # 1 sign, 2 regime and 1 exponent bit at least; 4 bits and the hidden one
        ("posit(16,1)", "float", 13),
        ("pow2(4)", "float", 1),
        ("nf4", "float", 24),
        ("mxfp4_e2m1", "float", 2),
        ("mxint8", "integer", 8),
        ("nvfp4", "float", 2),
        ("qtorch_fixed(8,4)", "integer", 8),
    ],
)
def test_what_formats_are_to_a_multiplier(text, kind, width):
    assert operand(parse(text)) == Operand(kind, width)


def test_mixed_products_are_those_of_significands():
    assert multiply_pj(INT8, HALF) == multiply_pj(Operand("float", 7), HALF)
    assert running_sum(INT8, HALF) == SINGLE
    assert running_sum(INT8, INT8) == INT32
    assert running_sum(Operand("integer", 24), Operand("integer", 16)) == Operand("integer", 40)
    assert running_sum(INT8, INT8, parse("float16")) == HALF


def tiny():
    return keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            keras.layers.Conv2D(2, 3, activation="relu", name="conv"),
            keras.layers.MaxPooling2D(2, name="pool"),
            keras.layers.Flatten(),
            keras.layers.Dense(3, name="logits"),
        ]
    )


def test_float32_by_hand():
    found = energy(tiny(), parse_policy("float32"))
    memory = 32 * 100 / 64
    conv_macs, conv_biases = 2 * 2 * 2 * 9, 2 * 2 * 2
    conv, pool, logits = (found.by_layer[name] for name in ("conv", "pool", "logits"))
    assert conv.arithmetic == pytest.approx(conv_macs * (3.7 + 0.9) + conv_biases * 0.9)
    assert conv.weights == pytest.approx((18 + 2) * memory)
    assert conv.activations == pytest.approx(16 * memory)  # the image; its result stays in the step
    assert (pool.arithmetic, pool.weights) == (0, 0)
    assert pool.activations == pytest.approx(2 * memory)
    assert logits.arithmetic == pytest.approx(6 * 4.6 + 3 * 0.9)
    assert logits.activations == pytest.approx((2 + 3) * memory)
    assert found.total_pj == pytest.approx(sum(layer.total for layer in found.by_layer.values()))


def test_a_mixed_policy_by_hand():
    policy = parse_policy(
        {
            "weights": "fixed(8,0)",
            "biases": "fixed(16,0)",
            "activations": "fixed(8,4)",
            "inputs": "ufixed(8,8)",
            "layers": {"logits": {"weights": "float16", "biases": "float16"}},
        }
    )
    found = energy(tiny(), policy)
    conv, logits = found.by_layer["conv"], found.by_layer["logits"]
    assert conv.arithmetic == pytest.approx(72 * (0.2 + 0.1) + 8 * 0.1)
    assert conv.weights == pytest.approx((18 * 8 + 2 * 16) * 100 / 64)
    assert conv.activations == pytest.approx(16 * 8 * 100 / 64)
    # int8 activations and float16 weights: a product of 7 and 11 bits, summed in float32
    product = multiply_pj(Operand("float", 7), HALF)
    assert logits.arithmetic == pytest.approx(6 * (product + 0.9) + 3 * 0.9)
    assert logits.activations == pytest.approx((2 * 8 + 3 * 8) * 100 / 64)


def test_shared_scales_count_in_the_memory():
    found = energy(tiny(), parse_policy({"weights": "mxfp4_e2m1"}))
    assert found.by_layer["conv"].weights == pytest.approx((18 * 4.25 + 2 * 32) * 100 / 64)


def test_the_format_of_the_sums_counts():
    wide = energy(tiny(), parse_policy("float16"))
    narrow = energy(
        tiny(),
        parse_policy(
            {**dict.fromkeys(("weights", "biases", "activations", "inputs", "accumulators"), "float16")}
        ),
    )
    saved = wide.by_layer["logits"].arithmetic - narrow.by_layer["logits"].arithmetic
    assert saved == pytest.approx((6 + 3) * (0.9 - 0.4))


def test_lenet_in_eight_bits():
    """The sum over the network, from its counts: 4,796,744 MACs and 369,174 variables."""
    model = architectures.build("lenet")
    found = energy(model, parse_policy("fixed(8,0)"))
    macs, biases = 4_796_744 * 0.3, (25_088 + 4_800 + 256 + 84 + 10) * 0.1
    moved = 784 + 2 * (6272 + 1200 + 256 + 84) + 10  # once written, once read
    assert found.total_pj == pytest.approx(macs + biases + (369_174 + moved) * 8 * 100 / 64)
    assert found.total_pj < energy(model, parse_policy("float16")).total_pj / 3


def test_wider_memory_costs_more():
    totals = [energy(tiny(), parse_policy("fixed(8,0)"), memory).total_pj for memory in MEMORIES]
    assert totals == sorted(totals)


def test_what_is_not_counted_has_no_energy():
    model = keras.Sequential([keras.Input((5, 3)), keras.layers.LSTM(4, name="lstm")])
    with pytest.raises(PrecisionError, match=r"'lstm' is not known.*LSTM.*weight memory"):
        energy(model, parse_policy("float16"))
