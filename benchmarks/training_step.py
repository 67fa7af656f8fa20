"""A quantisation-aware training step against the float32 step of the same network.

Steps are those that ``precision run`` makes: batches of 128, ten steps in one call of the graph. Weights and
activations are 8-bit integers under real scales, those of weights from the weights at hand; the batches lie
in memory. The same networks with qtorch's and Brevitas's quantisers in torch stand below, each against the
float32 step of torch, and nothing is promised of them.
"""

from __future__ import annotations

import importlib.util

import numpy as np
from timing import Row, paired, row

BATCH, STEPS = 128, 40
NETWORKS = {"lenet": {}, "resnet": {"depth": 20}}
ACTIVATIONS = {"format": "int(8)", "scaling": "real", "zero_point": True}
TENSOR = {"weights": {"format": "int(8)", "scaling": "real"}, "activations": ACTIVATIONS}
CHANNEL = {
    "weights": {"format": "int(8)", "scaling": "real", "per": "channel"},
    "activations": ACTIVATIONS,
}
GRADIENTS = {"format": "float8_e5m2", "scaling": "pow2", "dynamic": True, "rounding": "stochastic"}
POLICIES = {
    "fixed 8 bits": ({"weights": "fixed(8,6)", "activations": "fixed(8,3)", "inputs": "fixed(8,7)"}, 1.10),
    "scale per tensor": (TENSOR, 1.10),
    "scale per channel": (CHANNEL, 1.25),
    "stochastic gradients": ({**CHANNEL, "gradients": GRADIENTS}, 1.35),
}


def rows() -> list[Row]:
    return [*_ours(), *_peers()]


def _ours() -> list[Row]:
    import tensorflow as tf

    import architectures
    from precision.methods.training import STEPS_PER_CALL, prepare
    from precision.quantization import apply, calibrated, parse_policy
    from precision.quantization.calibration.calibrator import observe
    from precision.quantization.scales.base import Backward
    from precision.trial import Training

    rng = np.random.default_rng(0)
    images = rng.random((BATCH * STEPS, 28, 28, 1)).astype(np.float32)
    labels = rng.integers(0, 10, BATCH * STEPS)
    batches = tf.data.Dataset.from_tensor_slices((images, labels)).batch(BATCH).cache()
    found = []
    for name, options in NETWORKS.items():
        plain = architectures.build(name, **options)
        prepare(plain, Training(), STEPS)
        plain.fit(batches, verbose=0, shuffle=False)
        for label, (spec, limit) in POLICIES.items():
            policy = parse_policy(spec)
            observed = observe(plain, calibrated(plain, policy), images[:64])
            quantised = apply(plain, policy, observed=observed, backward=Backward(follow=True))
            prepare(quantised, Training(), STEPS)
            quantised.fit(batches, verbose=0, shuffle=False)
            ours, peer = iter(batches.repeat()), iter(batches.repeat())
            times = paired(
                lambda m=quantised, i=ours: m.train_function(i),
                lambda m=plain, i=peer: m.train_function(i),
                rounds=30 if name == "lenet" else 8,
            )
            found.append(
                row(
                    f"{name} step, {label}",
                    "float32 step",
                    *times,
                    limit=limit,
                    rate=False,
                    unit=1e3 / STEPS_PER_CALL,
                )
            )
    return found


def _peers() -> list[Row]:
    if importlib.util.find_spec("torch") is None:
        return []
    import torch_peers

    libraries = [name for name in ("qtorch", "brevitas") if importlib.util.find_spec(name)]
    found = []
    for network in NETWORKS:
        for library in libraries:
            for label, model in torch_peers.quantised(library, network).items():
                times = paired(
                    torch_peers.step(model, BATCH),
                    torch_peers.step(torch_peers.plain(network), BATCH),
                    rounds=30 if network == "lenet" else 8,
                )
                name = f"{network} step, {label}"
                found.append(row(name, f"{library}: torch step", *times, limit=None, rate=False))
    return found
