"""The answers of ``precision audit`` for ten small models, against those of the whole grid.

Each model is trained in seconds, saved as a file, and audited. Then the grid that the audit wrote is run by
the grid engine: every format on every test image, in a store of its own. A model agrees when the format that
is named (or that none is) is the same for every kind of hardware. PRECISION_DATA names the folder of the data
sets.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from timing import Row

PROMISED = 0.9  # of the models
TRAIN, TEST = 6000, 4000


def models() -> Iterator[tuple[str, dict[str, Any], Callable[[Any], Any], int]]:
    """Yield the data set, its options, what builds a model for it, and the epochs."""
    import keras
    from keras import layers

    import architectures

    def network(name: str, **options: Any) -> Callable[[Any], Any]:
        return lambda data: architectures.build(name, data.input_shape, data.classes, **options)

    def vectors(hidden: int, end: str) -> Callable[[Any], Any]:
        return lambda data: keras.Sequential(
            [
                keras.Input(data.input_shape),
                layers.Dense(hidden, "relu"),
                layers.Dense(hidden, "tanh"),
                layers.Dense(1 if end == "sigmoid" else data.classes, end),
            ]
        )

    def separable(data: Any) -> Any:
        """Depthwise and pointwise convolutions with normalisations, as small networks of phones have them."""

        def after(x: Any) -> Any:
            # Of few steps the statistics would not follow at the usual momentum.
            return layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.9)(x))

        x = inputs = keras.Input(data.input_shape)
        x = after(layers.Conv2D(16, 3, 2, "same", use_bias=False)(x))
        for filters in (32, 48):
            x = after(layers.DepthwiseConv2D(3, 2, "same", use_bias=False)(x))
            x = after(layers.Conv2D(filters, 1, use_bias=False)(x))
        x = layers.GlobalAveragePooling2D()(x)
        return keras.Model(inputs, layers.Dense(data.classes, "softmax")(x))

    part = {"train_size": TRAIN, "test_size": TEST}
    yield "mnist", part, network("lenet"), 2
    yield "mnist", part, network("mlp", width=0.5), 3
    yield "fashion_mnist", part, network("lenet"), 2
    yield "fashion_mnist", part, network("basic_cnn", width=0.5), 2
    yield "fashion_mnist", part, separable, 3
    yield "cifar10", {"train_size": TRAIN}, network("resnet", depth=8, width=0.5), 3
    yield "digits", {}, network("two_conv"), 10
    yield "iris", {}, vectors(12, "softmax"), 60
    yield "wine", {}, vectors(16, "linear"), 40
    yield "breast_cancer", {}, vectors(16, "sigmoid"), 20


def trained(data: Any, build: Callable[[Any], Any], epochs: int, path: Path) -> None:
    """Train a model and save it; it returns logits, probabilities, or one of them."""
    import keras

    from precision.data import as_float

    keras.utils.set_random_seed(0)
    model = build(data)
    said = model(as_float(data.x_train[:64]))
    logits = bool((keras.ops.convert_to_numpy(said) < 0).any())
    single = model.output_shape[-1] == 1
    loss = keras.losses.BinaryCrossentropy if single else keras.losses.SparseCategoricalCrossentropy
    model.compile(keras.optimizers.Adam(2e-3), loss(from_logits=logits), jit_compile=False)
    model.fit(as_float(data.x_train), data.y_train, batch_size=64, epochs=epochs, verbose=0)
    model.save(path)


def whole(grid: Path, store: Path, targets: Any) -> dict[str, tuple[str, str]]:
    """Run every trial of a grid, and return verdict and format of each target by the report's own choice."""
    from precision.analysis import smallest_within_tolerance, summary
    from precision.analysis.collect import collect
    from precision.grid import Store, expand, load_grid
    from precision.methods.run import run_trial
    from precision.methods.workbench import Workbench

    parsed, source = load_grid(grid)
    cells = expand(parsed, source)
    kept = Store(store)
    kept.create()
    bench = Workbench(None, kept.weights)
    for cell in cells:
        kept.save(run_trial(cell.trial, bench))
    table = summary(collect(parsed, source, cells, kept).cells())
    found = {}
    for target in targets:
        rows_of_it = table[table["policy"].isin(["float32", *target.policies])]
        choice = smallest_within_tolerance(rows_of_it, "float32", parsed.report.tolerance).iloc[0]
        found[target.title] = (str(choice["verdict"]), str(choice["policy"]))
    return found


def rows() -> list[Row]:
    import precision
    from precision.data import load
    from precision.exploration.audit.ladder import TARGETS

    alike, looked, there = [], 0, 0
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        for number, (dataset, options, build, epochs) in enumerate(models()):
            folder = Path(str(number))
            folder.mkdir()
            data = load(dataset, **options)
            trained(data, build, epochs, folder / "model.keras")
            audit = precision.audit(
                folder / "model.keras",
                data=dataset,
                data_options=options,
                store=folder / "runs",
                output=folder / "report",
                quiet=True,
            )
            answers = {
                row["architecture"]: (str(row["verdict"]), str(row["policy"]))
                for _, row in audit.answers.iterrows()
            }
            expected = whole(folder / "report" / "audit.yaml", folder / "whole", TARGETS)
            alike.append(answers == expected)
            looked += int(audit.frame["images"].sum())
            there += len(audit.frame) * len(data.y_test)
            told = "; ".join(f"{policy} ({verdict})" for verdict, policy in answers.values())
            print(
                f"{number + 1} {dataset}: {told}; {'as' if alike[-1] else 'NOT as'} the whole grid",
                flush=True,
            )
            if not alike[-1]:
                print(f"  {expected}", flush=True)
    share, images = sum(alike) / len(alike), looked / there
    return [
        Row(
            f"answers for {len(alike)} models",
            "the whole grid",
            *[share] * 3,
            PROMISED,
            True,
            f"{sum(alike)} of {len(alike)} alike",
        ),
        Row("images looked at", "the whole grid", *[images] * 3, None, False, f"{looked:,} of {there:,}"),
    ]
