"""What a GPU gains: one script for a machine with JAX, perhaps torch, and neither TensorFlow nor a network.

    make gpu-wheels                                   here: wheels and data, in build/gpu, some 50 MB
    pip install --no-index --no-deps build/gpu/wheels/*.whl      there
    python benchmarks/gpu.py --output gpu.json        there, at most eight minutes
    python benchmarks/gpu.py --record gpu.json        here: the rows into README.md

Without a GPU the rows of the experiments that need one are skipped, and nothing is promised of the others;
``--reduced`` is a quick look at whether everything runs. A part that fails is told and costs no other part.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))

from tabulate import tabulate  # noqa: E402
from timing import HEADER, Row, paired, row  # noqa: E402

MINUTES = 8.0
LATTICES = ("fixed(8,4)", "float8_e4m3fn", "float16", "int(8)")
BLOCKS = ("mxfp4_e2m1", "mxfp8_e4m3", "bfp(8,block=32)")
TABLES = ("posit(8,2)", "lns(8,3)", "nf4")
GOALS = {**dict.fromkeys(LATTICES, 0.7), **dict.fromkeys(BLOCKS, 0.35), **dict.fromkeys(TABLES)}
SMALL = ("datasets=[{name: digits, train_size: 40, test_size: 20}]", "training.epochs=1", "latency=false")
CLASSES = (3, 5)  # of CIFAR-10: cat and dog


def on_gpu() -> bool:
    import jax

    return jax.default_backend() != "cpu"


def experiments(files: Path | None, reduced: bool) -> list[Row]:
    """Speed-up of each device and number of threads; this process has touched no device yet."""
    import precision
    from precision.analysis.speedup import speedups

    found = []
    for name in ("fashion_device", "threads"):
        with tempfile.TemporaryDirectory() as folder:
            results = precision.run(
                HERE.parent / "experiments" / f"{name}.yaml",
                data_dir=None if reduced else files,
                store=Path(folder) / "runs",
                output=Path(folder) / "report",
                changes=("repeats=1", *(SMALL if reduced else ())),
                quiet=True,
            )
        cells = results.cells()
        for one in speedups(cells).itertuples():
            what = f"{name}: {one.architecture}, {one.device}, {one.threads} threads"
            values = (one.speedup,) * 3
            found.append(Row(what, "cpu", *values, None, True, f"{one.value:.3g} s"))
        for one in cells[cells["status"] != "ok"].itertuples():
            found.append(_without(f"{name}: {one.architecture}, {one.training}", str(one.reason)))
    return found


def rounding(files: Path | None, reduced: bool) -> list[Row]:
    """Formats of every family on a tensor of the device, as a rate relative to a copy of it."""
    import jax
    import jax.numpy as jnp

    from precision.formats import parse

    gpu = on_gpu()
    count = 2**12 if reduced else 2**26 if gpu else 2**22
    x = jax.random.normal(jax.random.key(0), (count,), jnp.float32)
    copy = jax.jit(lambda v: jnp.copy(v))
    found = []
    for text, goal in ({"fixed(8,4)": 0.7, "mxfp4_e2m1": 0.35, "nf4": None} if reduced else GOALS).items():
        quantize = jax.jit(parse(text).quantize)
        times = paired(
            lambda f=quantize: f(x).block_until_ready(),
            lambda: copy(x).block_until_ready(),
            rounds=3 if reduced else 31,
        )
        limit = goal if gpu and not reduced else None
        found.append(row(f"{text}, {count:,} values", "device copy", *times, limit=limit, rate=True))
    return found if reduced else found + _peers(count)


def _peers(count: int) -> list[Row]:
    """The same with torch's and qtorch's kernels, where they run."""
    try:
        import torch
    except ImportError as error:
        return [_without("torch", str(error))]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    x = torch.randn(count, device=device)

    def done(value: object) -> object:
        if device == "cuda":
            torch.cuda.synchronize()
        return value

    cases: dict[str, Callable[[], object]] = {
        "torch float16 and back": lambda: x.half().float(),
        "torch float8_e4m3fn and back": lambda: x.to(torch.float8_e4m3fn).float(),
    }
    try:
        from qtorch.quant import fixed_point_quantize

        cases["qtorch fixed(8,4)"] = lambda: fixed_point_quantize(x, 8, 4, rounding="nearest")
    except Exception as error:  # it compiles its kernels when it is imported
        print(f"qtorch is left out ({type(error).__name__})", file=sys.stderr)
    found = []
    for name, call in cases.items():
        try:
            times = paired(lambda f=call: done(f()), lambda: done(x.clone()), rounds=31)
            found.append(row(f"{name}, on {device}", "device copy", *times, limit=None, rate=True))
        except Exception as error:
            found.append(_without(name, f"{type(error).__name__}: {error}"))
    return found


def step(files: Path | None, reduced: bool) -> list[Row]:
    """A training step of LeNet while it is rounded, as a multiple of the float32 step."""
    import numpy as np

    import architectures
    from precision.methods.training import prepare
    from precision.quantization import apply, parse_policy
    from precision.quantization.scales.base import Backward
    from precision.trial import Training

    batch, steps = 128, 10 if reduced else 100
    rng = np.random.default_rng(0)
    images = rng.random((batch * steps, 28, 28, 1)).astype(np.float32)
    labels = rng.integers(0, 10, batch * steps)
    policy = parse_policy({"weights": "fixed(8,6)", "activations": "fixed(8,3)", "inputs": "fixed(8,7)"})
    plain = architectures.build("lenet")
    rounded = apply(plain, policy, backward=Backward(follow=True))
    for model in (plain, rounded):
        prepare(model, Training(), steps)
    calls = [
        lambda m=model: m.fit(images, labels, batch_size=batch, verbose=0, shuffle=False)
        for model in (rounded, plain)
    ]
    times = paired(*calls, rounds=2 if reduced else 9)
    return [row("lenet step, fixed 8 bits", "float32 step", *times, None, rate=False, unit=1e3 / steps)]


def convolutions(files: Path | None, reduced: bool) -> list[Row]:
    """A step of the race of convolutions on the device, as a rate relative to ``direct`` on one core."""
    return [_two_conv(batch, steps=10 if reduced else 200, rounds=2 if reduced else 7) for batch in (64, 32)]


def _two_conv(batch: int, steps: int, rounds: int) -> Row:
    import numpy as np

    import architectures
    from precision.arithmetic.convolutions import convolution
    from precision.arithmetic.convolutions.parallel import Parallel
    from precision.arithmetic.convolutions.step import Adam
    from precision.deploy.written_out import written_out
    from precision.methods.training import prepare
    from precision.trial import Training

    rng = np.random.default_rng(0)
    images = rng.random((batch * steps, 28, 28, 1)).astype(np.float32)
    labels = rng.integers(0, 10, batch * steps)
    model = architectures.build("two_conv")
    network = written_out(model)
    adam = Adam(network.variables)
    prepare(model, Training(), steps)

    with Parallel(convolution("direct")) as own:

        def alone() -> None:
            for first in range(0, len(images), batch):
                part = slice(first, first + batch)
                adam.step(own.step(network, images[part], labels[part])[2])

        times = paired(
            lambda: model.fit(images, labels, batch_size=batch, verbose=0, shuffle=False), alone, rounds
        )
    name = f"two_conv step, {batch} images"
    return row(name, "direct on one core", *times, None, rate=True, unit=1e3 / steps)


PARTS = {"experiments": experiments, "rounding": rounding, "step": step, "convolutions": convolutions}


def _without(what: str, why: str) -> Row:
    nan = float("nan")
    return Row(what, "", nan, nan, nan, None, True, f"skipped: {' '.join(why.split())[:160]}")


def measure(files: Path | None, reduced: bool, chosen: Sequence[str] = ()) -> dict[str, object]:
    """Run the parts for which there is time left; return their rows and where they ran."""
    from precision.measure.machine.environment import environment

    began, parts = time.monotonic(), {}
    for name, part in PARTS.items():
        if chosen and name not in chosen:
            continue
        if time.monotonic() - began > 60 * (MINUTES - 2):
            parts[name] = [_without(name, "no time was left")]
            continue
        try:
            parts[name] = part(files, reduced)
        except Exception as error:
            parts[name] = [_without(name, f"{type(error).__name__}: {error}")]
        print(_table(parts[name]), flush=True)
    import jax

    gpus = ", ".join(device.device_kind for device in jax.devices() if device.platform != "cpu")
    return {
        "where": environment(backend="jax") | {"gpus": gpus or "no GPU"},
        "reduced": reduced,
        "seconds": round(time.monotonic() - began, 1),
        "rows": {name: [asdict(one) for one in rows] for name, rows in parts.items()},
    }


def _table(rows: list[Row]) -> str:
    cells = [[part.replace("nan (nan to nan)", "") for part in one.cells()] for one in rows]
    return tabulate(cells, headers=HEADER, tablefmt="pipe", disable_numparse=True)


def record(path: Path) -> None:
    """Put the rows of a JSON file into README.md."""
    import run

    found = json.loads(path.read_text())
    where = found["where"]
    facts = ", ".join(f"{key} {where[key]}" for key in ("python", "jax", "keras", "numpy"))
    rows = [Row(**one) for rows in found["rows"].values() for one in rows]
    place = f"{where['machine']}, {where['gpus']}, {where['memory']}, {facts}; commit {where['commit']}"
    run.write("gpu", place, _table(rows))


def gather(folder: Path, data_dir: Path | None) -> None:
    """Write the data that the experiments need: Fashion-MNIST, and of CIFAR-10 the two classes."""
    from precision.data.sources.cifar import find

    fashion = folder / "data" / "fashion-mnist"
    fashion.mkdir(parents=True, exist_ok=True)
    for path in ((data_dir or Path()) / "fashion-mnist").glob("*.gz"):
        shutil.copyfile(path, fashion / path.name)
    batches = find(data_dir)
    if batches is None or not any(fashion.iterdir()):
        sys.exit(f"{data_dir}: fashion-mnist and cifar10 are not both here; give another --data-dir")
    for part, paths in (("train", batches.train), ("test", batches.test)):
        content = b"".join(_records(path) for path in paths)
        target = folder / "data" / "cifar10" / f"{part}_first{len(content) // 3073}.bin.gz"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.compress(content, 6, mtime=0))


def _records(path: Path) -> bytes:
    """Return the records of the two classes; each begins with its label."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    records = [content[start : start + 3073] for start in range(0, len(content), 3073)]
    return b"".join(record for record in records if record[0] in CLASSES)


def main() -> None:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} [default: all]")
    parser.add_argument("--reduced", action="store_true", help="a quick look at whether everything runs")
    parser.add_argument("--files", type=Path, default=HERE.parent / "build/gpu/data", help="the data sets")
    parser.add_argument("--output", type=Path, default=Path("gpu.json"), help="what is measured")
    parser.add_argument("--record", type=Path, metavar="JSON", help="put a former output into README.md")
    parser.add_argument("--gather", type=Path, metavar="FOLDER", help="write the data for another machine")
    parser.add_argument("--data-dir", type=Path, help="where the data sets lie, for --gather")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"unknown part {min(unknown)!r}; known: {', '.join(PARTS)}")
    if given.record:
        record(given.record)
    elif given.gather:
        gather(given.gather, given.data_dir)
    else:
        os.environ["KERAS_BACKEND"] = "jax"
        # Workers share the device with this process.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        files = given.files if given.files.is_dir() else None
        given.output.write_text(json.dumps(measure(files, given.reduced, given.parts), indent=1) + "\n")


if __name__ == "__main__":
    main()
