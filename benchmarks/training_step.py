"""A quantisation-aware training step against the float32 step of the same network.

Steps are those that ``precision run`` makes: batches of 128, ten steps in one call of the graph, weights,
biases, activations and inputs rounded to 8-bit fixed point. The batches lie in memory.
"""

from __future__ import annotations

import numpy as np
from timing import Row, paired, row

NETWORKS = {"lenet": 1.10}
BATCH, STEPS = 128, 40


def rows() -> list[Row]:
    import tensorflow as tf

    import architectures
    from precision.methods.training import STEPS_PER_CALL, prepare
    from precision.quantization import apply, parse_policy
    from precision.trial import Training

    rng = np.random.default_rng(0)
    images = rng.random((BATCH * STEPS, 28, 28, 1)).astype(np.float32)
    labels = rng.integers(0, 10, BATCH * STEPS)
    batches = tf.data.Dataset.from_tensor_slices((images, labels)).batch(BATCH).cache()
    found = []
    for name, limit in NETWORKS.items():
        plain = architectures.build(name)
        policy = parse_policy(
            {
                "weights": "fixed(8,6)",
                "biases": "fixed(8,6)",
                "activations": "fixed(8,3)",
                "inputs": "fixed(8,7)",
            }
        )
        quantised = apply(plain, policy)
        for model in (plain, quantised):
            prepare(model, Training(), STEPS)
            model.fit(batches, verbose=0, shuffle=False)

        ours, peer = iter(batches.repeat()), iter(batches.repeat())
        times = paired(
            lambda m=quantised, i=ours: m.train_function(i),
            lambda m=plain, i=peer: m.train_function(i),
            rounds=80,
        )
        found.append(
            row(
                f"{name} training step, fixed 8 bits",
                "float32 step",
                *times,
                limit=limit,
                rate=False,
                unit=1e3 / STEPS_PER_CALL,
            )
        )
    return found
