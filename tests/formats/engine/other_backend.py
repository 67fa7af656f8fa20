"""Run in a process of its own with KERAS_BACKEND set: tensors of that backend against NumPy arrays.

Prints one line for every difference, and last how many roundings were compared. Numbers below 2^-126 are left
out: backends differ in whether they flush them to zero.
"""

import sys

import keras
import numpy as np
from oracles import patterns
from oracles.catalogue import definition
from oracles.definition import MODES
from oracles.staircase import bits

from precision.formats import parse

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
BLOCKS = [
    *("mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e3m2", "mxfp6_e2m3(scale=even)", "mxfp4_e2m1(scale=ceil)"),
    *("mxint8(scale=rceil)", "nvfp4", "nvfp4(tensor_scale=False)", "bfp(8)", "bfp(4,block=7)"),
    *("nf4(block=64)", "block(posit(8,0),16)"),
]
compared = 0


def compare(what: str, got: object, expected: np.ndarray, x: np.ndarray) -> None:
    global compared
    compared += 1
    array = keras.ops.convert_to_numpy(got)
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


def main() -> int:
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
    x = np.linspace(-2, 2, 64, dtype=np.float32)
    upstream = np.arange(64, dtype=np.float32)
    for text in ("fixed(8,4)", "float8_e4m3fn", "posit(8,2)", "mxfp8_e4m3", "nvfp4"):
        compare(f"gradient of {text}", gradient(text, x, upstream), upstream, x)
    x = inputs("nvfp4")
    for axis in (0, 1):
        tensor = parse("mxfp8_e4m3").quantize(keras.ops.convert_to_tensor(x), axis=axis)
        compare(f"mxfp8_e4m3 along {axis}", tensor, parse("mxfp8_e4m3").quantize(x, axis=axis), x)
    print(compared)
    return 0


if __name__ == "__main__":
    sys.exit(main())
