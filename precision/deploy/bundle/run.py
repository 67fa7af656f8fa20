"""Measure the models of this folder on the machine at hand: python3 run.py

It needs Python 3.9 or newer and NumPy; for .tflite files ai-edge-litert or tflite-runtime, for .onnx files
onnxruntime. It prints a table and writes results.json, which `precision results import` takes home.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import io
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

VERSION = 1  # of the bundle and of its results
EMULATED = "emulated processor"
WARM, LEAST, MOST, BUDGET = 3, 20, 1000, 2.0  # calls before, calls that count, and seconds that they may take


class BundleError(Exception):
    """What the user can correct."""


# --- the bundle


def bundle(folder: Path) -> dict[str, Any]:
    """Return what the folder says of itself, when all of its files are as they were written."""
    try:
        content = (folder / "bundle.json").read_bytes()
        described: dict[str, Any] = json.loads(content)
        files = [(model["file"], model["sha256"]) for model in described["models"]]
        parts = [described["sample"], *([described["expected"]] if "expected" in described else [])]
        files += [(part["file"], part["sha256"]) for part in parts]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{folder}: this is no bundle of precision ({error})") from None
    if described["version"] != VERSION:
        raise BundleError(
            f"{folder}: the bundle has version {described['version']}, but run.py has {VERSION}"
        )
    for name, wanted in files:
        if sha256(folder / name) != wanted:
            raise BundleError(f"{folder / name}: this file is not the one that was bundled; copy it again")
    return {**described, "id": hashlib.sha256(content).hexdigest()}


def expected_of(folder: Path, described: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return what the models gave where the bundle was made, by their files, as far as it is known."""
    if "expected" not in described:
        return {}
    with np.load(folder / described["expected"]["file"], allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def sha256(path: Path) -> str:
    """Return the sha256 of a file, 64 hexadecimal digits; empty where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


# --- the runtimes: each is opened for a number of threads and then maps one image to its logits


def open_litert(path: Path, threads: int) -> tuple[str, Callable[[np.ndarray], np.ndarray]]:
    """Return the runtime of a .tflite file, and what computes one image, float32 (1, ...)."""
    module, runtime = first_of("ai_edge_litert.interpreter", "tflite_runtime.interpreter", path=path)
    interpreter = module.Interpreter(model_path=str(path), num_threads=threads)
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    kind, (scale, zero) = taken["dtype"], taken["quantization"]

    def compute(image: np.ndarray) -> np.ndarray:
        if kind != np.float32:
            limits = np.iinfo(kind)
            codes = np.rint(image / np.float32(scale)) + zero
            image = np.clip(codes, limits.min, limits.max).astype(kind)
        interpreter.set_tensor(taken["index"], image.astype(kind))
        interpreter.invoke()
        return np.array(interpreter.get_tensor(given["index"]))

    return runtime, compute


def open_onnx(path: Path, threads: int) -> tuple[str, Callable[[np.ndarray], np.ndarray]]:
    """Return the runtime of a .onnx file, and what computes one image, float32 (1, ...)."""
    module, runtime = first_of("onnxruntime", path=path)
    options = module.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = module.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return runtime, lambda image: np.array(session.run(None, {name: image})[0])


RUNTIMES = {".tflite": open_litert, ".onnx": open_onnx}


def first_of(*names: str, path: Path) -> tuple[Any, str]:
    """Return the first of several modules that is installed, and its package with its version."""
    for name in names:
        try:
            found = importlib.import_module(name)
        except ImportError:
            continue
        package = name.split(".")[0]
        try:
            return found, f"{package.replace('_', '-')} {metadata.version(package.replace('_', '-'))}"
        except metadata.PackageNotFoundError:
            return found, f"{package} {getattr(found, '__version__', 'of unknown version')}"
    packages = " or ".join(name.split(".")[0].replace("_", "-") for name in names)
    raise BundleError(f"{path.suffix} files need {packages}; pip install it")


# --- the machine


def text_of(path: str | Path) -> str:
    """Return the content of a small file of the system; empty where there is none."""
    try:
        return Path(path).read_bytes().decode("utf-8", "replace").strip("\0\n ")
    except OSError:
        return ""


def machine(name: str = "") -> dict[str, Any]:
    """Return what the machine tells of itself."""
    processor = field(text_of("/proc/cpuinfo"), "model name", "Hardware", "cpu model") or platform.processor()
    board = text_of("/sys/firmware/devicetree/base/model") or text_of("/sys/class/dmi/id/product_name")
    return {
        "name": name or board or platform.node() or "unknown",
        "architecture": platform.machine(),
        "processor": processor,
        "cores": os.cpu_count(),
        "memory_kb": kilobytes("/proc/meminfo", "MemTotal"),
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "emulated": emulated(platform.machine(), text_of("/proc/cpuinfo"), text_of("/proc/self/comm")),
    }


def emulated(architecture: str, processors: str, process: str) -> str:
    """Return ``emulated processor`` where another processor imitates this one, else nothing.

    An emulator of a single process has its own name there, or shows the processors of the machine below it.
    """
    foreign = "vendor_id" in processors and not architecture.lower().startswith(("x86", "amd64", "i"))
    imitated = any(word in processors for word in ("QEMU TCG", "QEMU Virtual CPU"))
    return EMULATED if foreign or imitated or process.startswith("qemu-") else ""


def field(text: str, *names: str) -> str:
    """Return what stands behind the first of several names in lines of ``name : value``."""
    for name in names:
        for line in text.splitlines():
            if line.startswith(name) and ":" in line:
                return line.split(":", 1)[1].strip()
    return ""


def kilobytes(path: str, name: str) -> int | None:
    """Return a size that /proc gives in kB; None where it does not."""
    words = field(text_of(path), name).split()
    return int(words[0]) if words and words[0].isdigit() else None


def sensors() -> dict[str, dict[str, float]]:
    """Return temperatures in degrees Celsius, clocks in MHz and powers in W, as the system calls them."""
    root = Path("/sys")

    def numbers(pattern: str, unit: float, called: Callable[[Path], str]) -> dict[str, float]:
        found = {}
        for path in sorted(root.glob(pattern)):
            value = text_of(path)
            if value.lstrip("-").isdigit():
                found[called(path)] = int(value) * unit
        return found

    zones = numbers(
        "class/thermal/thermal_zone*/temp",
        1e-3,
        lambda p: f"{p.parent.name} {text_of(p.parent / 'type')}".strip(),
    )
    clocks = numbers("devices/system/cpu/cpu*/cpufreq/scaling_cur_freq", 1e-3, lambda p: p.parent.parent.name)
    powers = numbers(
        "class/hwmon/hwmon*/power*_input", 1e-6, lambda p: f"{text_of(p.parent / 'name')} {p.name[:-6]}"
    )
    powers.update(numbers("class/power_supply/*/power_now", 1e-6, lambda p: p.parent.name))
    parts = {"temperature_c": zones, "clock_mhz": clocks, "power_w": powers}
    return {name: values for name, values in parts.items() if values}


# --- the measurement


def measured(
    path: Path, images: np.ndarray, labels: np.ndarray, threads: Sequence[int], timed: bool
) -> Found:
    """Return what one model does, and its logits as the file gives them."""
    before = kilobytes("/proc/self/status", "VmRSS")
    runtime, compute = RUNTIMES[path.suffix](path, threads[0])
    first = sensors()
    logits = np.concatenate([compute(image[None]) for image in images])
    after = {name: kilobytes("/proc/self/status", key) for name, key in (("now", "VmRSS"), ("peak", "VmHWM"))}
    right = int((logits.argmax(axis=-1) == labels).sum())
    rows = []
    for count in threads if timed else ():
        if count != threads[0]:
            compute = RUNTIMES[path.suffix](path, count)[1]
        rows.append({"threads": count, **latency(compute, images)})
    found = {
        "runtime": runtime,
        "images": len(images),
        "correct": right,
        "accuracy": right / len(images),
        "logits_sha256": hashlib.sha256(np.ascontiguousarray(logits).tobytes()).hexdigest(),
        "resident_kb": {"before": before, **after},
        "latency": rows,
        "sensors": {"before": first, "after": sensors()},
    }
    return found, logits


def agreement(given: np.ndarray, expected: np.ndarray) -> dict[str, float]:
    """Return on how many images what a file gives has the bits, and the class, that it has where it was made.

    ``largest`` is the largest distance of two numbers, where that is a number.
    """
    same, classes, largest = np.zeros(len(given), bool), np.zeros(len(given), bool), float("nan")
    if (given.shape, given.dtype) == (expected.shape, expected.dtype) and len(given):
        ours, theirs = (np.ascontiguousarray(x).reshape(len(x), -1) for x in (given, expected))
        same = (ours.view(np.uint8) == theirs.view(np.uint8)).all(axis=1)
        classes = ours.argmax(axis=1) == theirs.argmax(axis=1)
        largest = float(np.abs(ours.astype(np.float64) - theirs.astype(np.float64)).max())
    counts: dict[str, float] = {"images": len(given), "bits": int(same.sum()), "classes": int(classes.sum())}
    return {**counts, "largest": largest} if largest < float("inf") else counts


def latency(
    compute: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Return the median and the 95th percentile of calls with one image, in ms."""
    times: list[float] = []
    for call in range(WARM + MOST):
        image = images[call % len(images)][None]
        began = clock()
        compute(image)
        taken = 1e3 * (clock() - began)
        if call >= WARM:
            times.append(taken)
        if len(times) >= LEAST and sum(times) >= 1e3 * BUDGET:
            break
    ordered = sorted(times)
    late = ordered[max(0, -(-95 * len(ordered) // 100) - 1)]
    return {"calls": len(times), "median_ms": statistics.median(times), "p95_ms": late}


Found = tuple[dict[str, Any], np.ndarray]


def apart(work: Callable[[], Found]) -> Found:
    """Return what a function returns that runs in a process of its own, so that its memory is its own."""
    if not hasattr(os, "fork"):
        return work()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with os.fdopen(writing, "wb") as pipe:
            try:
                found, logits = work()
            except BaseException as error:  # the parent says it
                told = str(error) if isinstance(error, BundleError) else f"{type(error).__name__}: {error}"
                pipe.write(json.dumps({"error": told}).encode())
            else:
                array = io.BytesIO()  # a pipe is no file with a position
                np.save(array, logits)
                pipe.write(json.dumps(found).encode() + b"\n" + array.getvalue())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        line, _, content = pipe.read().partition(b"\n")
    _, status = os.waitpid(child, 0)
    if not line:
        raise BundleError(f"the runtime ended the process (status {status}); try another version of it")
    found = json.loads(line)
    if "error" in found:
        raise BundleError(found["error"])
    return found, np.load(io.BytesIO(content), allow_pickle=False)


# --- the program


def as_float(images: np.ndarray) -> np.ndarray:
    """Return images as float32; bytes are divided by 255."""
    return images.astype(np.float32) / np.float32(255) if images.dtype == np.uint8 else images


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows in columns."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(widths[i]) for i, cell in enumerate(row)).rstrip() for row in rows)


def row_of(name: str, found: dict[str, Any], hidden: bool) -> list[str]:
    """Return the cells of a model; no times of an emulated processor."""
    times = [f"{t['threads']}: {t['median_ms']:.3g} / {t['p95_ms']:.3g}" for t in found["latency"]]
    peak, told = found["resident_kb"]["peak"], found.get("agreement")
    return [
        name,
        f"{100 * found['accuracy']:.2f} %",
        f"{told['bits']} of {told['images']}" if told else "-",
        "-" if hidden else ", ".join(times),
        f"{peak / 1024:.0f}" if peak else "-",
        found["runtime"],
        found["logits_sha256"][:12],
    ]


def run(argv: Sequence[str] | None = None) -> int:
    """Measure every model, print the table and write the results; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--threads", default="1", help="numbers of threads, such as 1,4 (default: 1)")
    parser.add_argument("--images", type=int, help="how many images of the sample (default: all)")
    parser.add_argument("--name", default="", help="what the machine is called in the results")
    parser.add_argument("--output", type=Path, default=Path("results.json"), help="file of the results")
    parser.add_argument("--logits", type=Path, help="also write the logits of every model to this .npz file")
    given = parser.parse_args(argv)
    folder = Path(__file__).resolve().parent
    described = bundle(folder)
    if not all(word.isdigit() and int(word) for word in given.threads.split(",")):
        raise BundleError(f"--threads takes whole numbers such as 1,4, but got {given.threads!r}")
    threads = [int(word) for word in given.threads.split(",")]
    with np.load(folder / described["sample"]["file"], allow_pickle=False) as sample:
        images, labels = as_float(sample["images"]), sample["labels"]
    if given.images is not None and not 1 <= given.images <= len(images):
        raise BundleError(f"--images is from 1 to {len(images)}, but got {given.images}")
    images, labels = images[: given.images], labels[: given.images]
    expected = expected_of(folder, described)
    here = machine(given.name)
    rows, models, all_logits = [], [], {}
    for model in described["models"]:
        path = folder / model["file"]
        try:
            found, logits = apart(partial(measured, path, images, labels, threads, not here["emulated"]))
        except BundleError as error:
            raise BundleError(f"{path.name}: {' '.join(str(error).split())}") from None
        if model["file"] in expected:
            found["agreement"] = agreement(logits, expected[model["file"]][: len(logits)])
        models.append({"file": model["file"], "sha256": model["sha256"], "trial": model["trial"], **found})
        all_logits[model["file"]] = logits
        rows.append(row_of(model["file"], found, bool(here["emulated"])))
    head = [
        "model",
        "accuracy",
        "same bits as where it was made",
        "ms by threads, median / p95",
        "MiB",
        "runtime",
        "logits",
    ]
    print(table([head, *rows]))
    if here["emulated"]:
        print("emulated processor: its times are no times, so none were taken")
    results = {"version": VERSION, "bundle": described["id"], "machine": here, "models": models}
    given.output.write_text(json.dumps(results, indent=1) + "\n")
    if given.logits is not None:
        np.savez(given.logits, **all_logits)  # type: ignore[arg-type]
    print(f"written to {given.output}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(run())
    except BundleError as error:
        print(f"run.py: {error}", file=sys.stderr)
        sys.exit(2)
