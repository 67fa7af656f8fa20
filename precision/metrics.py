"""Every number of a trial is one entry: what it is called, what it means, and how it may be compared.

Columns and their order, medians over repeats, statistics over seeds, what a rerun compares and the report's
tables of costs derive from the entries. A new metric is one entry, and the location that measures it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from precision.metric import KINDS as KINDS
from precision.metric import Better, Dtype, Kind, Metric, Metrics, Statistic


def _compression(found: Mapping[str, float]) -> float:
    size = found["weight_bytes"]
    return found["float32_weight_bytes"] / size if size else math.nan


def _disturbance(loop: str) -> Callable[[Mapping[str, float]], float]:
    """Return what computes how much longer the calibration loop took than at its best."""
    return lambda found: found[loop] / found["best_loop_ms"] if found["best_loop_ms"] else math.nan


_POSITIVE = (0.0, math.inf)


def _fact(name: str, meaning: str, unit: str, title: str, *, alike: bool = False, **more: Any) -> Metric:
    """Return a whole number that describes a trial; no summary has it if seeds are not ``alike`` in it."""
    summary: Mapping[Statistic, str] = {"first": ""} if alike else {}
    return Metric(
        name, "counted", meaning, unit, title, dtype="Int64", summary=summary, bounds=_POSITIVE, **more
    )


def _size(name: str, meaning: str, unit: str, title: str, better: Better = "lower", **more: Any) -> Metric:
    """Return what a format makes of a network, for every seed alike."""
    summary: Mapping[Statistic, str] = {"first": ""}
    return Metric(name, "counted", meaning, unit, title, better, summary=summary, bounds=_POSITIVE, **more)


def _count(kind: Kind, name: str, meaning: str, unit: str, title: str, cost: bool = False) -> Metric:
    """Return what one inference, or the training, of a network computes or holds; less is better."""
    dtype: Dtype = "float64" if "^2" in unit or kind == "modelled" else "Int64"
    summary: Mapping[Statistic, str] = {"first": ""}
    if name == "ebops":
        summary = {"mean": "mean ebops over seeds, whose weights differ"}
    more: dict[str, Any] = {"dtype": dtype, "summary": summary, "cost": cost, "lacking": True}
    return Metric(name, kind, meaning, unit, title, "lower", bounds=_POSITIVE, **more)


def _time(
    name: str, meaning: str, unit: str, title: str, mean: str, better: Better = "lower", **more: Any
) -> Metric:
    """Return what a clock says, a cost; ``mean`` is the meaning of its mean over seeds."""
    summary: Mapping[Statistic, str] = {"mean": mean}
    return Metric(
        name, "timed", meaning, unit, title, better, summary=summary, cost=True, bounds=_POSITIVE, **more
    )


def _loop(part: str, what: str) -> tuple[Metric, Metric]:
    """Return what the calibration loop took beside a part of a trial, and how disturbed the machine was."""
    loop, ratio = f"{part}_loop_ms", f"{part}_disturbance"
    taken = f"mean time of the calibration loop before and after the {what}"
    return (
        Metric(loop, "timed", taken, "ms", f"Loop ms, {what}", summary={}, bounds=_POSITIVE, special=True),
        Metric(
            name=ratio,
            kind="timed",
            meaning=f"{loop} / best_loop_ms: how disturbed the machine was",
            unit="ratio",
            title=f"Disturbance, {what}",
            better="lower",
            summary={"largest": f"largest {ratio} over seeds"},
            computed=_disturbance(loop),
            bounds=_POSITIVE,
            special=True,
        ),
    )


def _energy(name: str, meaning: str, unit: str, title: str) -> Metric:
    """Return what an instrument says of energy."""
    mean: Mapping[Statistic, str] = {"mean": "mean over seeds; empty when they ran on several machines"}
    return Metric(name, "measured", meaning, unit, title, "lower", summary=mean, bounds=_POSITIVE)


def _special(
    name: str,
    meaning: str,
    unit: str,
    title: str,
    better: Better = "higher",
    bounds: tuple[float, float] = (0.0, 1.0),
    **more: Any,
) -> Metric:
    """Return a number that says how well a network does, of some tasks only."""
    more.setdefault("summary", {"mean": f"mean {name} over seeds"})
    return Metric(name, "quality", meaning, unit, title, better, bounds=bounds, special=True, **more)


_OF_MULTIPLIERS: tuple[tuple[str, str, str, str, Better], ...] = (
    ("error_probability", "share of the pairs of operands with an error", "fraction", "Errors", "lower"),
    ("mean_error", "mean distance from the exact product", "product", "Mean error", "lower"),
    ("square_error", "mean square of the error", "product^2", "Mean square error", "lower"),
    ("relative_error", "mean of distance over exact product", "fraction", "Mean relative error", "lower"),
    ("worst_error", "largest distance", "product", "Worst error", "lower"),
    ("bias", "mean error with its sign", "product", "Bias", "neither"),
    ("power", "power as published", "mW", "Power", "lower"),
)

_COUNTS: tuple[tuple[Any, ...], ...] = (
    ("macs", "multiply-accumulates of one inference", "products", "MACs"),
    (
        "peak_activation_bytes",
        "most that activations of one image take at once",
        "byte",
        "Peak activations",
        True,
    ),
    ("bops", "bit operations of one inference: bits of both factors over all MACs", "bit^2", "BOPs"),
    ("ebops", "the same of the bits that weights need; empty unless of fixed point", "bit^2", "EBOPs"),
    ("gradient_bytes", "gradients in training; empty when nothing was trained", "byte", "Gradients"),
    ("optimizer_bytes", "state of the optimizer in training; empty likewise", "byte", "Optimizer state"),
)
_MODEL = "energy of one inference by published energies of its operations; a model, nothing is measured"
_ENERGY = ("energy_modelled_pj", _MODEL, "pJ", "Modelled energy", True)

METRICS = Metrics(
    [
        Metric(
            name="accuracy",
            kind="quality",
            meaning="test images answered correctly: the class, or every one of several labels",
            unit="fraction",
            title="Accuracy",
            better="higher",
            summary={
                "mean": "mean accuracy over seeds",
                "std": "sample standard deviation over seeds; empty below two",
                "ci95": "half width of the 95 % t-interval of the mean",
            },
            bounds=(0.0, 1.0),
            required=True,
        ),
        Metric(
            name="balanced_accuracy",
            kind="quality",
            meaning="mean over classes of the test images of a class classified correctly",
            unit="fraction",
            title="Balanced accuracy",
            better="higher",
            summary={"mean": "mean balanced_accuracy over seeds"},
        ),
        _special(
            "macro_auc",
            "of classes: mean of the areas under the ROC curves, of each class against the others; empty "
            "above 100 classes",
            "fraction",
            "Macro AUC",
        ),
        _special("macro_f1", "of several labels: mean over labels of the F1 score", "fraction", "Macro F1"),
        _special(
            "mean_average_precision",
            "of several labels: mean of the average precision of those that a test image has",
            "fraction",
            "Mean average precision",
        ),
        _special(
            "hamming_loss",
            "of several labels: labels that are wrong",
            "fraction",
            "Hamming loss",
            better="lower",
        ),
        _special(
            "rmse",
            "of a regression: root mean squared error, in the unit of the targets",
            "target",
            "RMSE",
            better="lower",
            bounds=(0.0, math.inf),
            required=True,
            summary={
                "mean": "mean rmse over seeds",
                "std": "sample standard deviation over seeds; empty below two",
                "ci95": "half width of the 95 % t-interval of the mean",
            },
        ),
        _special(
            "mae",
            "of a regression: mean absolute error, in the unit of the targets",
            "target",
            "Mean absolute error",
            better="lower",
            bounds=(0.0, math.inf),
        ),
        _special(
            "r2",
            "of a regression: 1 - squared error over variance, mean over targets",
            "ratio",
            "R2",
            bounds=(-math.inf, 1.0),
        ),
        Metric(
            name="loss",
            kind="quality",
            meaning="mean over the test images of what training minimises: the cross-entropy (of several "
            "labels the binary one), of a regression the squared error",
            unit="nat",
            title="Loss",
            better="lower",
            summary={"mean": "mean loss over seeds"},
        ),
        _fact("train_images", "images trained on", "images", "Training images"),
        _fact("test_images", "images tested on", "images", "Test images"),
        _fact("epochs", "passes over the training images", "epochs", "Epochs", alike=True),
        _fact("parameters", "parameters of the network", "values", "Parameters"),
        _size("weight_bits", "mean stored bits per parameter, shared scales included", "bit", "Weight bits"),
        _size(
            "activation_bits",
            "bits of the activation format; empty when layers differ",
            "bit",
            "Activation bits",
        ),
        _size(
            "weight_bytes",
            "size of the parameters, packed in their own formats",
            "byte",
            "Weights",
            dtype="Int64",
            cost=True,
        ),
        _size(
            "file_bytes",
            "size of the file that a run-time of devices takes; empty where none was written",
            "byte",
            "File",
            dtype="Int64",
            special=True,
        ),
        _fact(
            "register_bits",
            "width of an accumulator from which on none of a network of integers can overflow, whatever the "
            "image; empty for other networks",
            "bit",
            "Safe register",
            special=True,
        ),
        _fact(
            "overflowed_images",
            "test images with a sum that its accumulator did not hold; empty likewise",
            "images",
            "Overflowed images",
            special=True,
        ),
        *(
            Metric(
                f"multiplier_{name}",
                "counted",
                f"of the multipliers of a network of integers: {meaning}; the mean over its multiplications",
                unit,
                title,
                better,
                summary={"first": ""},
                special=True,
            )
            for name, meaning, unit, title, better in _OF_MULTIPLIERS
        ),
        *(_count("counted", *row) for row in _COUNTS),
        _fact("float32_weight_bytes", "size of the parameters in float32", "byte", "Weights in float32"),
        _size(
            "compression",
            "float32_weight_bytes / weight_bytes",
            "ratio",
            "Times smaller",
            better="higher",
            computed=_compression,
        ),
        _count("modelled", *_ENERGY),
        Metric(
            name="peak_memory_bytes",
            kind="measured",
            meaning="peak resident memory of the trial's process; empty for an emulation",
            unit="byte",
            title="Peak memory",
            better="lower",
            dtype="Int64",
            summary={"largest": "largest peak_memory_bytes over seeds"},
            cost=True,
            bounds=_POSITIVE,
        ),
        _energy(
            "measured_train_joules",
            "energy that the machine's instruments counted while the trial trained, whoever used it; empty "
            "where it trained nothing or the machine does not tell: energy_source says why",
            "J",
            "Training J",
        ),
        _energy(
            "measured_image_joules",
            "the same while the test images were evaluated, for each image",
            "J/image",
            "J per image",
        ),
        _time(
            "train_seconds",
            "the trial's own training; empty when it trained nothing",
            "s",
            "Training s",
            mean="mean train_seconds; empty when seeds ran on several machines",
            beside="train_disturbance",
        ),
        _time(
            "seconds_per_epoch",
            "median time of one epoch",
            "s",
            "s per epoch",
            mean="mean seconds_per_epoch, likewise",
            beside="train_disturbance",
        ),
        _time(
            "inference_images_per_second",
            "test images evaluated per second",
            "images/s",
            "Images per s",
            mean="mean over seeds, likewise",
            better="higher",
            beside="inference_disturbance",
        ),
        _time(
            "latency_ms",
            "median time for one image, after a warm-up; empty where the grid does not ask for latency",
            "ms",
            "Latency ms",
            mean="mean latency_ms, likewise",
            special=True,
            beside="inference_disturbance",
        ),
        _time(
            "latency_p95_ms",
            "time for one image that 95 % of the calls do not exceed, likewise",
            "ms",
            "p95 ms",
            mean="mean latency_p95_ms, likewise",
            special=True,
            beside="inference_disturbance",
        ),
        Metric(
            "best_loop_ms",
            "timed",
            "shortest time of the calibration loop on this machine, in the process of the trial; among all "
            "results of a grid where these are together",
            "ms",
            "Best loop ms",
            summary={},
            bounds=_POSITIVE,
            special=True,
        ),
        *_loop("train", "training"),
        *_loop("inference", "evaluation"),
    ]
)
