"""Tensors of the backend of Keras against NumPy arrays; run in a process of its own for another backend.

Prints one line for every difference, and last how many roundings were compared. Numbers below 2^-126 are left
out: backends differ in whether they flush them to zero. On TensorFlow what test_every_format and
test_block_formats compare is not compared again.
"""

import importlib.util
import shutil
import sys
import warnings

import keras
import numpy as np
from kernels import AFFINE, POW2, REAL, setting
from oracles import patterns, ties
from oracles.blocks import BLOCKS
from oracles.catalogue import definition
from oracles.definition import MODES
from oracles.staircase import bits

from precision.formats import parse
from precision.quantization.scales.kernel import compiled_range, constants, numbers_for, program_of, range_of

ALONE = [
    *(
        "fixed(8,4)",
        "ufixed(8,4)",
        "fixed(16,10,overflow=wrap)",
        "fixed(4,60,overflow=wrap)",
        "int(4,symmetric=True)",
    ),
    *("float16", "bfloat16", "float8_e4m3fn", "float8_e5m2(overflow=saturate)", "float8_e4m3fnuz"),
    *("float6_e3m2fn", "float4_e2m1fn", "float(4,3,subnormals=False)", "bfloat16(overflow=nan)"),
    *("posit(8,2)", "posit(16,1)", "lns(8,3)", "pow2(4)", "binary", "ternary", "nf4"),
]
IN_EVERY_MODE = [
    "fixed(8,4)",
    "float8_e4m3fn",
    "fixed(8,4,overflow=wrap)",
    "posit(8,2)",
    "mxfp4_e2m1",
    "nvfp4",
]
# What torch compiles it traces slowly, instruction by instruction of the interpreter.
COMPILED = {
    "jax": ["fixed(8,4)", "float8_e4m3fnuz", "posit(8,2)", "mxfp8_e4m3", "nvfp4"],
    "torch": ["float8_e4m3fnuz"],
}
# Of the tensors with ties, those that are also rounded within a compiled function, where the numbers of the
# format are constants.
TIES_COMPILED = ["block(int(4,symmetric=True),32,scale=float32)", "nvfp4", "nvfp4(tensor_scale=False)"]
SCALED = [
    *(("int(8)", REAL), ("int(4,symmetric=True)", {**REAL, "per": "channel"}), ("uint(8)", AFFINE)),
    *(("int(8)", {**AFFINE, "per": "channel"}), ("fixed(8,4)", POW2), ("float8_e4m3fn", REAL)),
    *(("float4_e2m1fn", {**POW2, "per": "channel"}), ("posit(8,1)", REAL), ("nf4", REAL)),
]
compared = 0


def compare(what: str, got: object, expected: np.ndarray, x: np.ndarray) -> None:
    global compared
    compared += 1
    array = keras.ops.convert_to_numpy(got)
    if (array.shape, array.dtype) != (expected.shape, expected.dtype):
        print(f"{what}: {array.dtype}{array.shape}, not {expected.dtype}{expected.shape}")
        return
    wrong = patterns.differences(bits(array).ravel(), bits(expected).ravel())
    for i in wrong[:3]:
        print(
            f"{what}: {x.flat[i]!r} gives {array.flat[i]!r}, not {expected.flat[i]!r} ({len(wrong)} in all)"
        )


def inputs(text: str) -> np.ndarray:
    if text in BLOCKS or text in ("mxfp4_e2m1", "nvfp4"):
        rng = np.random.default_rng(1)
        x = np.ldexp(rng.normal(size=(16, 83)), rng.integers(-40, 40, (16, 1))).astype(np.float32)
        x[0], x[1, 3], x[2, 40], x[3, :40], x[4] = 0, np.nan, np.inf, -0.0, np.round(x[4])
        return x
    chosen = patterns.edges(definition(text)) if parse(text).bits <= 8 else patterns.random(40_000)
    x = np.concatenate([chosen, patterns.common(), patterns.random(10_000)]).view(np.float32)
    return x[~((np.abs(x) < 2.0**-126) & (x != 0))]


def compiled(function):
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True, autograph=False)
    import torch

    return torch.compile(function, backend="aot_eager")


def gradient(text: str, x: np.ndarray, upstream: np.ndarray) -> np.ndarray:
    if keras.backend.backend() == "jax":
        import jax
        import jax.numpy as jnp

        return np.asarray(jax.grad(lambda t: jnp.sum(parse(text).quantize(t) * upstream))(jnp.asarray(x)))
    import torch

    t = torch.tensor(x, requires_grad=True)
    (parse(text).quantize(t) * torch.tensor(upstream)).sum().backward()
    return t.grad.numpy()


def on_ties() -> None:
    """Compare formats with shared scales where the scale or the elements of a block are ties."""
    for text in BLOCKS:
        f = parse(text)
        fused = compiled(f.quantize) if text in TIES_COMPILED and keras.backend.backend() != "torch" else None
        for x in ties.tensors(f):
            expected, tensor = f.quantize(x), keras.ops.convert_to_tensor(x)
            compare(f"{text} on ties", f.quantize(tensor), expected, x)
            if fused is not None:
                compare(f"{text} on ties, compiled", fused(tensor), expected, x)


def under_a_scale() -> None:
    """Compare what a policy does with a format whose values stand alone: rounding x / s, and finding s."""
    rng = np.random.default_rng(6)
    for text, options in SCALED:
        s = setting(text, **options)
        low, high = -np.abs(rng.normal(size=(2, 7, 1))).astype(np.float32) * np.float32([[[1]], [[-1.3]]])
        if not s.per_channel:
            low, high = low[:1], high[:1]
        numbers = numbers_for(s, low[:, 0], high[:, 0])
        found = compiled_range(range_of(s))(
            *(keras.ops.convert_to_tensor(end[:, 0]) for end in (low, high)),
            keras.ops.convert_to_tensor(constants(s)),
        )
        compare(f"the scale of {text} with {options}", found, numbers, numbers)
        # Steps and halves of steps of the range, and what lies beyond it.
        steps = rng.integers(-600, 600, (7, 400)).astype(np.float32) / np.float32(512)
        x = patterns.neighbours(steps * (high - low)).reshape(3, 7, 400)
        x[np.abs(x) < 2.0**-126] = 0
        program = program_of(s)[0]
        tensors = (keras.ops.convert_to_tensor(part) for part in (x, numbers))
        expected = program.array(x, numbers, axis=1)
        compare(f"{text} with {options}", program.tensor(*tensors, axis=1), expected, x)


def every_family() -> None:
    """Compare every family in its modes, within compiled functions, along each axis, and its gradient."""
    for text in [*ALONE, *BLOCKS]:
        f, x = parse(text), inputs(text)
        expected = f.quantize(x)
        compare(text, f.quantize(keras.ops.convert_to_tensor(x)), expected, x)
        if text in COMPILED[keras.backend.backend()]:
            compare(f"{text} compiled", compiled(f.quantize)(keras.ops.convert_to_tensor(x)), expected, x)
    for text in IN_EVERY_MODE:
        f, x = parse(text), inputs(text)
        for mode in MODES[1:]:
            compare(
                f"{text} {mode}", f.quantize(keras.ops.convert_to_tensor(x), mode), f.quantize(x, mode), x
            )
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)
            noisy = f.quantize(keras.ops.convert_to_tensor(x), "stochastic", (3, 5))
        compare(f"{text} stochastic", noisy, f.quantize(x, "stochastic", (3, 5)), x)
    x = np.linspace(-2, 2, 64, dtype=np.float32)
    upstream = np.arange(64, dtype=np.float32)
    for text in ("fixed(8,4)", "float8_e4m3fn", "posit(8,2)", "mxfp8_e4m3", "nvfp4"):
        compare(f"gradient of {text}", gradient(text, x, upstream), upstream, x)
    x = inputs("nvfp4")
    for axis in (0, 1):
        tensor = parse("mxfp8_e4m3").quantize(keras.ops.convert_to_tensor(x), axis=axis)
        compare(f"mxfp8_e4m3 along {axis}", tensor, parse("mxfp8_e4m3").quantize(x, axis=axis), x)


def of_qtorch() -> None:
    """Compare formats that call another library, where that is installed and can be compiled."""
    if not (all(map(importlib.util.find_spec, ("torch", "qtorch"))) and shutil.which("c++")):
        return
    x = np.random.default_rng(0).standard_normal((6, 5)).astype(np.float32) * 3
    tensor, twice = keras.ops.convert_to_tensor(x), np.full_like(x, 2)
    for text in ("qtorch_float(4,3)", "qtorch_block(6)", "qtorch_block(6,dim=1)", "qtorch_fixed(8,4)"):
        f = parse(text)
        compare(text, f.quantize(tensor), f.quantize(x), x)
    noisy = f.quantize(tensor, "stochastic", (3, 4))
    compare(f"{text} stochastic", noisy, f.quantize(x, "stochastic", (3, 4)), x)
    if keras.backend.backend() == "jax":
        compare(f"{text} compiled", compiled(f.quantize)(tensor), f.quantize(x), x)
        compare(f"gradient of {text}", gradient(text, x, twice), twice, x)
    if keras.backend.backend() == "torch":
        import torch

        across = torch.tensor(x.T, requires_grad=True)  # not contiguous
        y = f.quantize(across)
        (2 * y).sum().backward()
        compare(f"{text} across", y.detach(), f.quantize(x.T), x.T)
        compare(f"gradient of {text} across", across.grad, twice.T, x.T)


def main() -> int:
    if keras.backend.backend() != "tensorflow":
        every_family()
    on_ties()
    under_a_scale()
    of_qtorch()
    print(compared)
    return 0


if __name__ == "__main__":
    sys.exit(main())
