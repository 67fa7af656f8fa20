"""The qtorch formats are the real qtorch bit for bit, and docs/formats.md says where it differs from ours."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from precision.errors import PrecisionError
from precision.formats import parse

DOCS = Path(__file__).parents[3] / "docs" / "formats.md"
FIXED = [
    (8, 4, True, False),
    (8, 0, True, True),
    (1, 0, True, False),
    (12, 15, True, False),
    (6, -3, True, False),
]
FIXED += [(24, 10, True, False), (8, 4, False, False)]
FLOATS = [(4, 3), (5, 2), (5, 10), (8, 7), (2, 1), (1, 1), (3, 2), (6, 9), (8, 22), (8, 1)]


@pytest.fixture(scope="session")
def quant():
    """The real library; compiling it the first time takes half a minute."""
    pytest.importorskip("torch")
    pytest.importorskip("qtorch")
    if not shutil.which("c++"):
        pytest.skip("qtorch is compiled by a C++ compiler, and there is none")
    from precision.formats.families import qtorch_library

    return qtorch_library.quant()


def patterns(*values: float, seed: int = 0) -> np.ndarray:
    """Return values with their neighbours, every power of two with its neighbours, specials, random bits."""
    powers = np.ldexp(np.float32(1), np.arange(-149, 128))
    middle = np.unique(np.concatenate([np.float32(values), powers]))
    middle = np.concatenate([middle, -middle])
    near = [middle, np.nextafter(middle, np.float32(np.inf)), np.nextafter(middle, np.float32(-np.inf))]
    bits = np.random.default_rng(seed).integers(0, 2**32, 200_000, np.uint64).astype(np.uint32)
    small = np.random.default_rng(seed).standard_normal(50_000) * 3
    special = [0.0, -0.0, np.nan, -np.nan, np.inf, -np.inf]
    return np.concatenate([*near, np.float32(special), np.float32(small), bits.view(np.float32)])


def values_and_ties(f) -> np.ndarray:
    values = f.values().astype(np.float64)
    return np.concatenate([values, (values[:-1] + values[1:]) / 2])


def same_bits(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a.view(np.int32) == b.view(np.int32)) | (np.isnan(a) & np.isnan(b))


def real(function, x: np.ndarray, *arguments) -> np.ndarray:
    import torch

    return function(torch.tensor(x), *arguments, rounding="nearest").numpy()


def fixed_text(wl, fl, clamp, symmetric):
    return f"qtorch_fixed({wl},{fl},clamp={clamp},symmetric={symmetric})"


@pytest.mark.parametrize("arguments", FIXED, ids=str)
def test_fixed_is_the_real_one(quant, arguments):
    f = parse(fixed_text(*arguments))
    x = patterns(*(values_and_ties(f) if f.bits <= 16 else []))
    assert same_bits(f.quantize(x), real(quant.fixed_point_quantize, x, *arguments)).all()


@pytest.mark.parametrize("arguments", FLOATS, ids=str)
def test_float_is_the_real_one(quant, arguments):
    f = parse(f"qtorch_float({arguments[0]},{arguments[1]})")
    x = patterns(*(values_and_ties(f) if f.bits <= 16 else []))
    assert same_bits(f.quantize(x), real(quant.float_quantize, x, *arguments)).all()


@pytest.mark.parametrize("wl", [2, 4, 8, 16, 22])
def test_block_is_the_real_one(quant, wl):
    f = parse(f"qtorch_block({wl})")
    for scale in (1e-38, 1e-20, 1.0, 1e30, 1e38):
        x = np.random.default_rng(wl).standard_normal((7, 5, 11)).astype(np.float32) * np.float32(scale)
        assert same_bits(f.quantize(x), real(quant.block_quantize, x, wl, -1)).all()
        for dim in range(3):
            rows = parse(f"qtorch_block({wl},dim={dim})").quantize(x)
            assert same_bits(rows, real(quant.block_quantize, x, wl, dim)).all()


@pytest.mark.parametrize(
    "text", ["qtorch_fixed(8,4)", "qtorch_fixed(8,0,symmetric=True)", "qtorch_fixed(6,-3)"]
)
def test_values_of_fixed_are_what_it_returns(quant, text):
    f = parse(text)
    returned = f.quantize(patterns(*values_and_ties(f)))
    np.testing.assert_array_equal(np.unique(returned[~np.isnan(returned)] + np.float32(0)), f.values())


@pytest.mark.parametrize(("exp", "man"), [(e, m) for e, m in FLOATS if e + m < 16])
def test_values_of_float_are_what_it_returns(quant, exp, man):
    f = parse(f"qtorch_float({exp},{man})")
    returned = f.quantize(patterns(*values_and_ties(f)))
    np.testing.assert_array_equal(np.unique(returned[np.isfinite(returned)]), f.values())
    assert f.max == f.values()[-1] == (2 - 2.0**-man) * 2.0 ** min(2 ** (exp - 1), 127)
    assert f.min_subnormal == f.values()[f.values() > 0][0]
    assert len(f.values()) <= 2**f.bits


def test_values_of_block_are_what_it_returns_beside_a_one(quant):
    f = parse("qtorch_block(6)")
    x = np.linspace(-1.999, 1.999, 4001, dtype=np.float32)
    np.testing.assert_array_equal(np.unique(f.quantize(x) + np.float32(0)), f.values())
    assert f.max == -f.lowest == np.abs(f.quantize(np.array([3.4e38], np.float32))[0])


@pytest.mark.parametrize(
    "text", ["qtorch_fixed(8,4)", "qtorch_float(4,3)", "qtorch_float(8,7)", "qtorch_block(8)"]
)
def test_what_it_says_about_nan_and_infinity(quant, text):
    f = parse(text)
    for x, expected in ((np.nan, f.nan), (np.inf, f.infinity)):
        got = f.quantize(np.array([x, 1.0], np.float32))[0]
        np.testing.assert_array_equal(got, np.float32(expected))


# What docs/formats.md says about the same and about different results.


@pytest.mark.parametrize(("wl", "fl"), [(8, 4), (8, 0), (1, 0), (12, 15), (6, -3), (16, 8), (24, 10)])
def test_fixed_agrees_with_ours_on_all_but_one_number(quant, wl, fl):
    ours, theirs = parse(f"fixed({wl},{fl})"), parse(f"qtorch_fixed({wl},{fl})")
    x = patterns(*(values_and_ties(ours) if wl <= 16 else []))
    exception = np.float32((0.5 + 2**-24) * 2.0**-fl)
    x = x[~np.isnan(x) & (x != exception)]
    different = ours.quantize(x) != theirs.quantize(x)
    assert not different.any(), x[different]


def test_fixed_agrees_on_every_float32_from_a_quarter_to_four(quant):
    bits = np.arange(np.float32(0.25).view(np.int32), np.float32(4).view(np.int32), dtype=np.int32)
    for x in (bits.view(np.float32), -bits.view(np.float32)):
        different = x[parse("fixed(8,0)").quantize(x) != parse("qtorch_fixed(8,0)").quantize(x)]
        assert different.tolist() == ([0.5 + 2**-24] if x[0] > 0 else [])


@pytest.mark.parametrize(("exp", "man"), [f for f in FLOATS if f[0] > 1])
def test_float_agrees_with_ours_on_normal_numbers(quant, exp, man):
    ours, theirs = parse(f"float({exp},{man})"), parse(f"qtorch_float({exp},{man})")
    x = patterns(*(values_and_ties(ours) if ours.bits <= 16 else []))
    x = x[(np.abs(x) >= ours.min_normal) & (np.abs(x) <= (np.inf if exp == 8 else ours.max))]
    assert len(x) > 20
    different = ~same_bits(ours.quantize(x, "nearest_away"), theirs.quantize(x))
    assert not different.any(), x[different]


@pytest.mark.parametrize("wl", [2, 4, 8, 12])
def test_block_agrees_with_ours_on_short_numbers(quant, wl):
    ours, theirs = parse(f"bfp({wl},block=16)"), parse(f"qtorch_block({wl},dim=0)")
    draws = np.random.default_rng(wl)
    steps = draws.integers(-(2**21), 2**21, (4000, 16))
    largest = np.abs(steps).max(axis=1, keepdims=True)
    x = np.ldexp(steps / 2.0 ** np.floor(np.log2(largest)), draws.integers(-126, 126, (4000, 1)))
    x = np.concatenate([x, np.round(x * 2.0 ** (wl - 1)) / 2.0 ** (wl - 1)]).astype(np.float32)  # ties
    different = ours.quantize(x, "nearest_up") != theirs.quantize(x)
    assert not different.any(), x[different.any(axis=1)]


def number(text: str) -> float:
    """Return the value of an expression of docs/formats.md, such as ``-1-2^-4``; a zero keeps its sign."""
    assert re.fullmatch(r"[-+*^.\d]+|-?nan|inf", text), text
    if text.endswith("nan"):
        return float(np.copysign(np.nan, -1.0 if text.startswith("-") else 1.0))
    if text == "-0":
        return -0.0
    return float(eval(text.replace("^", "**"), {"inf": np.inf}))


def listed_differences() -> list[list[str]]:
    section = DOCS.read_text().split("\n## qtorch\n")[1].split("**Where they differ**")[1]
    rows = [
        [cell.strip(" `") for cell in line.split("|")[1:-1]] for line in section.splitlines() if "|" in line
    ]
    return rows[2:]


def test_the_list_of_differences_is_found():
    assert len(listed_differences()) > 20


@pytest.mark.parametrize("row", listed_differences(), ids=lambda row: f"{row[0]} {row[2]}")
def test_each_listed_difference_is_real(quant, row):
    theirs, ours, text, qtorch_value, our_value, why = row
    x = np.array([number(part.strip()) for part in text.strip("[]").split(",")], np.float32)
    if text[0] != "[":
        assert x.dtype == np.float32 and (np.isnan(x[0]) or float(x[0]) == number(text) or "." in text)
    for f, expected in ((parse(theirs), qtorch_value), (parse(ours), our_value)):
        got, expected = f.quantize(x)[-1:], np.array([number(expected)], np.float32)
        assert same_bits(got, expected).all(), f"{f} gives {got}, not {expected}"
    assert qtorch_value != our_value and why


def test_what_the_list_says_in_words(quant):
    import torch

    full = np.array([0x7FFFFFFF, 0xFFFFFFFF], np.uint32).view(np.float32)
    for exp, man in FLOATS:
        assert (parse(f"qtorch_float({exp},{man})").quantize(full) == 0).all()
    assert real(quant.float_quantize, np.float32([-1.0]), 8, 23) == [1.0]
    np.testing.assert_array_equal(real(quant.block_quantize, np.float32([1.9, -0.7]), 1), [1, 0])
    default = quant.fixed_point_quantize(torch.full((1000,), 0.5), 8, 0)
    assert 300 < default.sum() < 700  # stochastic unless told otherwise
    draws = []
    for _ in range(2):
        torch.manual_seed(0)
        draws.append(quant.float_quantize(torch.full((1000,), 1.06), 4, 3, rounding="stochastic"))
    assert not torch.equal(*draws)


# Roundings, arguments.


def test_stochastic_fixed_is_repeatable_and_unbiased(quant):
    f, x = parse("qtorch_fixed(8,4)"), np.full(100_000, 0.3, np.float32)
    first = f.quantize(x, "stochastic", key=(1, 2))
    np.testing.assert_array_equal(first, f.quantize(x, "stochastic", key=(1, 2)))
    assert (first != f.quantize(x, "stochastic", key=(1, 3))).mean() > 0.2
    assert abs(first.astype(float).mean() - 0.3) < 5 * 0.0625 / np.sqrt(4 * 100_000)


def test_a_seeded_draw_leaves_torch_s_own_generator_alone(quant):
    import torch

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    parse("qtorch_fixed(8,4)").quantize(np.zeros(4, np.float32), "stochastic", key=1)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("text", ["qtorch_float(4,3)", "qtorch_block(8)"])
def test_a_stochastic_rounding_that_no_seed_reaches_is_refused(text):
    with pytest.raises(PrecisionError, match="seeds this stochastic rounding from the device"):
        parse(text).quantize(np.zeros(3, np.float32), "stochastic", key=1)


@pytest.mark.parametrize("rounding", ["floor", "odd", "nearest_up", "stochastic(random_bits=8)"])
def test_other_roundings_are_refused(rounding):
    with pytest.raises(PrecisionError):
        parse("qtorch_fixed(8,4)").quantize(np.zeros(3, np.float32), rounding, key=1)


@pytest.mark.parametrize(
    "text",
    [
        "qtorch_fixed(0,0)",
        "qtorch_fixed(25,4)",
        "qtorch_fixed(8,4,clamp=2)",
        "qtorch_fixed(1,0,symmetric=True)",
        "qtorch_fixed(8,127)",
        "qtorch_fixed(8)",
        "qtorch_float(9,3)",
        "qtorch_float(8,23)",
        "qtorch_float(0,3)",
        "qtorch_block(1)",
        "qtorch_block(23)",
        "qtorch_block(8,dim=-2)",
        "qtorch_block(8,dim=True)",
    ],
)
def test_arguments_out_of_range_are_refused(text):
    with pytest.raises(PrecisionError):
        parse(text)


def test_a_tensor_without_the_dimension_is_refused(quant):
    with pytest.raises(PrecisionError, match=r"more than 1 dimensions, but got one of shape \(3,\)"):
        parse("qtorch_block(8,dim=1)").quantize(np.zeros(3, np.float32))


@pytest.mark.parametrize("text", ["qtorch_fixed(8,4)", "qtorch_float(4,3)", "qtorch_block(8)"])
def test_empty_and_scalar_arrays(quant, text):
    f = parse(text)
    assert f.quantize(np.zeros((0, 3), np.float32)).shape == (0, 3)
    assert f.quantize(np.float32(1)).shape == ()


@pytest.mark.parametrize("text", ["qtorch_fixed(8,4)", "qtorch_fixed(8,4,clamp=False)", "qtorch_float(4,3)"])
def test_packed_and_back(quant, text):
    f, x = parse(text), np.random.default_rng(0).standard_normal((33, 7)).astype(np.float32) * 5
    data = f.pack(x)
    assert len(data) == f.packed_bytes(x.shape) == 33 * 7 * f.bits // 8
    np.testing.assert_array_equal(f.unpack(data, x.shape), f.quantize(x))


@pytest.mark.parametrize("text", ["qtorch_block(6)", "qtorch_block(8,dim=0)", "qtorch_block(2,dim=1)"])
@pytest.mark.parametrize("scale", [0.0, 1e-36, 1.0, 1e38])
def test_packed_blocks_and_back(quant, text, scale):
    f = parse(text)
    for shape in ((33, 7), (5, 2, 3), (0, 4), (1, 1)):
        x = (np.random.default_rng(0).standard_normal(shape) * scale).astype(np.float32)
        if x.size:
            x[0, 0] = np.nan if scale == 1 else x[0, 0]
        data = f.pack(x)
        exponents = 1 if f.dim < 0 else shape[f.dim]
        assert len(data) == f.packed_bytes(shape) == -(-x.size * f.bits // 8) + exponents
        np.testing.assert_array_equal(f.unpack(data, shape), f.quantize(x))
        with pytest.raises(PrecisionError):
            f.unpack(data + b"0", shape)


def test_a_tiny_block_has_no_code(quant):
    with pytest.raises(PrecisionError, match=r"below 2\^-126, here 1e-40, has no code"):
        parse("qtorch_block(8)").pack(np.array([1e-40], np.float32))


def test_nan_has_no_code_in_fixed_point(quant):
    with pytest.raises(PrecisionError, match="none of the codes stands for it"):
        parse("qtorch_fixed(8,4)").pack(np.array([np.nan], np.float32))


# On tensors; of every backend: tests/formats/engine/test_backends.py.


def test_gradient_and_shape_inside_a_graph(quant):
    import tensorflow as tf

    f = parse("qtorch_float(4,3)")

    @tf.function(input_signature=[tf.TensorSpec([None, 3])])
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = f.quantize(x)
            total = tf.reduce_sum(5 * y)
        return y, tape.gradient(total, x)

    assert step.get_concrete_function().structured_outputs[0].shape.as_list() == [None, 3]
    x = np.array([[0.3, -7.1, 900.0]], np.float32)
    y, gradient = step(x)
    np.testing.assert_array_equal(y, f.quantize(x))
    np.testing.assert_array_equal(gradient, np.full_like(x, 5))


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_a_network_trains_with_it(quant, rounding):
    import keras

    from precision.quantization import apply, parse_policy

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(2)])
    policy = parse_policy(
        {"weights": "qtorch_fixed(8,6)", "activations": "qtorch_fixed(8,4)", "rounding": rounding}
    )
    losses = []
    for _ in range(2):
        network = apply(model, policy, seed=3)
        network.compile("sgd", "mse")
        x = np.random.default_rng(0).standard_normal((64, 4)).astype(np.float32)
        losses.append(network.fit(x, x[:, :2], epochs=3, verbose=0, shuffle=False).history["loss"])
    assert losses[0] == losses[1] and losses[0][-1] < losses[0][0]
