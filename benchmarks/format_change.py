"""A change of format on a warm model: traces are counted, and the time is set against building anew."""

from __future__ import annotations

import numpy as np
from timing import Row, paired, row

TEXTS = ("fixed(8,4)", "float16", "fixed(4,3)", "float8_e4m3fn", "float(3,2)")


def rows() -> list[Row]:
    import architectures
    from precision.formats import parse
    from precision.formats.engine.program import in_graph
    from precision.methods.training import prepare
    from precision.quantization import apply, assign, parse_policy

    images = np.random.default_rng(0).random((500, 28, 28, 1)).astype(np.float32)
    model = architectures.build("lenet")
    warm = apply(model, parse_policy(TEXTS[0]))
    prepare(warm)
    warm.predict_on_batch(images)

    def counts() -> int:
        kernel = in_graph(parse("fixed(8,4)").program()[0])
        return warm.predict_function.experimental_get_tracing_count() + kernel.traces()

    before = counts()
    for text in TEXTS:
        assign(warm, model, parse_policy(text))
        warm.predict_on_batch(images)
    traces = counts() - before

    def change() -> None:
        assign(warm, model, parse_policy(TEXTS[1]))
        warm.predict_on_batch(images)

    def anew() -> None:
        fresh = apply(model, parse_policy(TEXTS[1]))
        prepare(fresh)
        fresh.predict_on_batch(images)

    times = paired(change, anew, rounds=5)
    return [
        Row(
            f"new traces over {len(TEXTS)} changes of format",
            "none",
            traces,
            traces,
            traces,
            0,
            False,
            "LeNet, warm",
        ),
        row("change of format and 500 images, LeNet", "building anew", *times, limit=1, rate=False),
    ]
