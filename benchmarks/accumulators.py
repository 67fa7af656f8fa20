"""Sums in a narrow accumulator: the compiled emulation against its reference, and against the plain layer.

The layer is the second convolution of LeNet (5x5, 32 to 48 channels). Then all of LeNet on 10,000 images, and
its time is set against two minutes.
"""

from __future__ import annotations

import numpy as np
from timing import Row, paired, row, seconds

SETTINGS = ("float16", {"format": "float16", "products": "float16"}, "bfloat16", "fixed(16,8)")
SLOWEST = 120.0  # seconds for LeNet


def rows() -> list[Row]:
    import keras

    from precision.arithmetic.accumulators import compiled as fast
    from precision.arithmetic.accumulators import reference as reference
    from precision.quantization.policy.accumulators import parse_accumulator
    from precision.quantization.sums import window_of

    layer = keras.layers.Conv2D(48, 5)
    layer.build((None, 14, 14, 32))
    kernel, bias, window = layer.kernel.numpy(), layer.bias.numpy(), window_of(layer)
    x = np.maximum(np.random.default_rng(0).standard_normal((200, 14, 14, 32)), 0).astype(np.float32)
    tensor = keras.ops.convert_to_tensor(x)
    found = []
    for spec in SETTINGS:
        setting = parse_accumulator(spec, ())

        def ours(x: np.ndarray, setting: object = setting) -> object:
            return fast.accumulate(x, kernel, bias, setting, window)

        times = paired(
            lambda f=ours: f(x[:10]),
            lambda s=setting: reference.accumulate(x[:10], kernel, bias, s, window),
            rounds=5,
        )
        found.append(row(f"convolution, sums in {setting}", "reference", *times, limit=20, rate=True))
        times = paired(lambda f=ours: f(x), lambda: layer(tensor).numpy(), rounds=10)
        found.append(row(f"convolution, sums in {setting}", "plain layer", *times, limit=40, rate=False))
    return found + [_lenet(spec) for spec in SETTINGS[:2]]


def _lenet(spec: object) -> Row:
    import architectures
    from precision.methods.training import prepare
    from precision.quantization import apply, parse_policy

    model = apply(architectures.build("lenet"), parse_policy({"accumulators": spec}))
    prepare(model)
    images = np.random.default_rng(0).random((10_000, 28, 28, 1)).astype(np.float32)
    model.predict(images[:500], batch_size=500, verbose=0)
    times = sorted(
        seconds(lambda: model.predict(images, batch_size=500, verbose=0)) / SLOWEST for _ in range(3)
    )
    text = spec if isinstance(spec, str) else ", products ".join(spec.values())
    name, took = f"LeNet, 10,000 images, sums in {text}", f"{times[1] * SLOWEST:.3g} s"
    return Row(name, "two minutes", times[1], times[0], times[2], 1, False, took)
