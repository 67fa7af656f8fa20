"""The effective bit operations of LeNet in fixed point: ours and those that the library HGQ2 counts.

Without HGQ2 (``pip install HGQ2``; 0.2.0 was compared) there are no rows. The ratio is the smaller of the two
counts over the larger, which is 1 where they are equal.

HGQ2 is given the same weights, and for each weight the fewest bits before and after the point that hold it.
Its layers have no biases, as it adds their bits to those of the products.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from timing import Row

WEIGHTS, FRACTION = "fixed(8,6)", 6
READ = {"conv1": (0, 0, 8), "conv2": (1, 3, 4), "dense1": (1, 3, 4), "dense2": (1, 3, 4), "logits": (1, 3, 4)}
"""Whether what a layer reads has a sign, its bits before the point, and those after it."""


def rows() -> list[Row]:
    if importlib.util.find_spec("hgq") is None:
        return []
    import architectures
    from precision.measure.counted.effective import effective_bit_operations, spans_of
    from precision.quantization import apply, parse_policy

    model, rng = architectures.build("lenet"), np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.1, w.shape) for w in model.weights])
    policy = parse_policy({"weights": WEIGHTS, "activations": "fixed(8,4)", "inputs": "ufixed(8,8)"})
    ours = effective_bit_operations(model, policy, spans_of(apply(model, policy)))
    theirs = sum(_of_hgq2(model.get_layer(name), WEIGHTS, *read) for name, read in READ.items())
    ratio, detail = min(ours, theirs) / max(ours, theirs), f"{ours:,.0f} and {theirs:,.0f} EBOPs"
    return [Row(f"LeNet, weights {WEIGHTS}", "HGQ2", ratio, ratio, ratio, 1, True, detail)]


def _of_hgq2(layer: Any, weights: str, signed: int, before: int, after: int) -> float:
    """Return what HGQ2 counts for a layer that reads fixed point."""
    import keras
    from hgq.config import QuantizerConfig
    from hgq.layers import QConv2D, QDense

    from precision.formats import parse

    kernel = parse(weights).quantize(np.asarray(layer.kernel))
    reads = QuantizerConfig(
        "kif", "datalane", k0=signed, i0=before, f0=after, overflow_mode="SAT_SYM", homogeneous_axis=(0, 1)
    )
    own = QuantizerConfig("kif", "weight", homogeneous_axis=(), ic=None, fc=None, ir=None, fr=None)
    options = {"use_bias": False, "iq_conf": reads, "kq_conf": own, "enable_ebops": True}
    shape = layer.input.shape[1:]
    if isinstance(layer, keras.layers.Conv2D):
        twin = QConv2D(layer.filters, layer.kernel_size, padding=layer.padding, **options)
    else:
        twin = QDense(layer.units, **options)
    twin.build((None, *shape))
    twin.kernel.assign(kernel)
    _fit(twin.kq.quantizer, kernel)
    np.testing.assert_array_equal(np.asarray(twin.qkernel), kernel)
    return float(twin._compute_ebops((1, *shape)))


def _fit(quantizer: Any, values: np.ndarray) -> None:
    """Give each value as many bits before and after the point as it needs."""
    after = np.full(values.shape, -99.0)
    before = np.full(values.shape, 99.0)
    for digits in range(FRACTION, -FRACTION, -1):  # the last that still hold it
        after = np.where(np.rint(values * 2.0**digits) == values * 2.0**digits, digits, after)
    for digits in range(FRACTION, -FRACTION - 1, -1):
        before = np.where(np.abs(values) < 2.0**digits, digits, before)
    zero = values == 0
    quantizer._f.assign(np.where(zero, 0.0, after))
    quantizer._i.assign(np.where(zero, 0.0, before))
