"""The model of energy: Horowitz's figures at his points, and a network summed up by hand."""

import itertools
import math

import keras
import pytest

import architectures
from precision.errors import PrecisionError
from precision.formats import parse
from precision.measure.counted.cost import layer_costs
from precision.measure.counted.energy import energy, work
from precision.measure.counted.energy_table import EnergyTable, shipped, shipped_table
from precision.measure.counted.operations import Operand, Work, operand, running_sum
from precision.quantization import parse_policy

INT8, INT32 = Operand("integer", 8), Operand("integer", 32)
TABLE = shipped_table("horowitz2014")
add_pj, multiply_pj, bit_pj, MEMORIES = TABLE.add_pj, TABLE.multiply_pj, TABLE.bit_pj, TABLE.memories
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
    assert MEMORIES["DRAM"].picojoules == (1300 + 2600) / 2


@pytest.mark.parametrize("name", shipped())
def test_a_table_is_exact_at_its_points_and_says_where_they_are_from(name):
    table = shipped_table(name)
    for kind in ("integer", "float"):
        for point in getattr(table.multiply, kind):
            one = Operand(kind, point.width)
            assert table.multiply_pj(one, one) == pytest.approx(point.picojoules)
            assert len(point.source) > 10
        for point in getattr(table.add, kind):
            assert table.add_pj(Operand(kind, point.width)) == pytest.approx(point.picojoules)
    for memory, access in table.memories.items():
        assert table.bit_pj(memory) == access.picojoules / access.bits and len(access.source) > 10
    assert "doi:" in table.source


@pytest.mark.parametrize("name", shipped())
def test_narrower_is_cheaper(name):
    table = shipped_table(name)
    for kind in ("integer", "float"):
        widths = [Operand(kind, n) for n in range(1, 33)]
        for a, b in itertools.pairwise(widths):
            assert 0 < table.add_pj(a) < table.add_pj(b)
            for other in widths:
                assert 0 < table.multiply_pj(a, other) < table.multiply_pj(b, other)
                assert table.multiply_pj(a, other) == table.multiply_pj(other, a)


def test_between_two_points_lies_what_they_say():
    """Jouppi's bfloat16 and float16: a power through both, and a line through both."""
    table = shipped_table("jouppi2021")
    nine = Operand("float", 9)
    power = math.log(0.34 / 0.21) / math.log(11**2 / 8**2)
    assert table.multiply_pj(nine, nine) == pytest.approx(0.21 * (81 / 64) ** power)
    assert table.add_pj(nine) == pytest.approx(0.11 + (0.16 - 0.11) / 3)


def test_below_the_first_point_an_adder_falls_in_proportion_at_most():
    """A line through Jouppi's bfloat16 and float16 would be below 0 at 1 bit."""
    table = shipped_table("jouppi2021")
    assert 0.11 - 7 * (0.16 - 0.11) / 3 < 0 < table.add_pj(Operand("float", 1)) == pytest.approx(0.11 / 8)


def test_a_table_of_twice_the_energies_gives_twice_the_energy():
    def doubled(part):
        if isinstance(part, dict):
            return {k: 2 * v if k == "picojoules" else doubled(v) for k, v in part.items()}
        return [doubled(one) for one in part] if isinstance(part, list) else part

    other = EnergyTable.model_validate(doubled(TABLE.model_dump()))
    for text in ("float32", "fixed(5,3)", "mxfp4_e2m1"):
        model, policy = tiny(), parse_policy(text)
        once, twice = energy(model, policy), energy(model, policy, table=other)
        assert twice.total_pj == pytest.approx(2 * once.total_pj)
        for name, layer in once.by_layer.items():
            assert twice.by_layer[name].total == pytest.approx(2 * layer.total)


def test_twice_the_width_by_hand():
    """Of an mlp with one hidden layer both layers grow with its width alone."""
    policy = parse_policy("fixed(8,4)")
    found = [energy(architectures.build("mlp", width=width), policy) for width in (0.25, 0.5)]
    bit = 100 / 64
    for hidden, one in zip((32, 64), found, strict=True):
        macs, biases = 784 * hidden + hidden * 10, hidden + 10
        moved = 784 + 2 * hidden + 10  # the images once, the hidden layer written and read, the logits
        expected = macs * 0.3 + biases * 0.1 + (macs + biases + moved) * 8 * bit
        assert one.total_pj == pytest.approx(expected)


def test_the_operations_of_a_network_tell_its_energy_under_any_table():
    policy = parse_policy(
        {"weights": "fixed(8,0)", "activations": "float16", "layers": {"conv": "fixed(4,2)"}}
    )
    found = Work.parse(work(tiny(), policy).text)
    for name in shipped():
        table = shipped_table(name)
        assert table.work_pj(found) == pytest.approx(energy(tiny(), policy, table=table).total_pj)


def test_products_of_two_activations_have_the_formats_of_both():
    images = keras.Input((4, 3))
    one = keras.layers.Dense(5, name="one")(images)
    other = keras.layers.Dense(5, name="other")(images)
    model = keras.Model(images, keras.ops.matmul(one, keras.ops.transpose(other, (0, 2, 1))))
    policy = parse_policy(
        {
            "activations": "fixed(8,4)",
            "layers": {"other": {"activations": "fixed(4,2)"}},
            "inputs": "fixed(8,4)",
        }
    )
    (cost,) = [cost for cost in layer_costs(model) if cost.kind == "Matmul"]
    assert cost.macs == 4 * 4 * 5 and cost.second == (("other", 20),)
    product, adder = TABLE.multiply_pj(INT8, Operand("integer", 4)), TABLE.add_pj(INT32)
    found = energy(model, policy).by_layer[cost.name]
    assert found.arithmetic == pytest.approx(cost.macs * (product + adder))


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
