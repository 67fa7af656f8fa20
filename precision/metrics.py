"""Every number of a trial is one entry: what it is called, what it means, and how it may be compared.

Columns and their order, medians over repeats, statistics over seeds, what a rerun compares and the report's
tables of costs derive from the entries. A new metric is one entry, and the location that measures it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from precision.errors import PrecisionError

Kind = Literal["quality", "counted", "modelled", "measured", "timed"]
Statistic = Literal["mean", "std", "ci95", "largest", "first"]
Better = Literal["higher", "lower", "neither"]
Dtype = Literal["float64", "Int64"]
KINDS: tuple[Kind, ...] = ("quality", "counted", "modelled", "measured", "timed")
_WORDS: dict[str, tuple[str, ...]] = {
    "kind": KINDS,
    "better": get_args(Better),
    "dtype": get_args(Dtype),
}


@dataclass(frozen=True)
class Metric:
    """One number of a trial.

    Attributes:
        name: in results, and of the column.
        kind: ``quality`` says how well the network does; ``counted`` follows from the trial by arithmetic;
            ``modelled`` from counts and published figures; ``measured`` is what the operating system or an
            instrument says, ``timed`` what a clock says. The last two differ from run to run: a rerun does
            not compare them. Where a trial is repeated, its times are the medians over the repeats.
        meaning: one line of explanation.
        unit: of its values.
        title: for tables and axes.
        better: which way is better.
        dtype: of the column; either may have missing values.
        summary: the statistics over seeds that summary.csv has, each with the meaning of its column; an empty
            one is that of the metric. ``first`` is for what every seed has alike; ``ci95`` is half the width
            of the 95 % interval of the mean. What is measured or timed has a mean of one machine only.
        cost: whether the report's tables of costs show it.
        computed: returns it from the other numbers of the trial, which are NaN where unknown; None where the
            trial itself tells it.
        bounds: the least and the largest value that can be.
        required: whether a trial that has it cannot leave it open; otherwise it may be NaN.
        special: whether only trials of some tasks have it; a table of results may lack its column.
        lacking: whether a table of results may lack its column though every trial may have it.
    """

    name: str
    kind: Kind
    meaning: str
    unit: str
    title: str
    better: Better = "neither"
    dtype: Dtype = "float64"
    summary: Mapping[Statistic, str] = field(default_factory=lambda: {"mean": "mean over seeds"})
    cost: bool = False
    computed: Callable[[Mapping[str, float]], float] | None = None
    bounds: tuple[float, float] = (-math.inf, math.inf)
    required: bool = False
    special: bool = False
    lacking: bool = False

    @property
    def of_machine(self) -> bool:
        """Whether the number is of the run and its machine, rather than of the trial."""
        return self.kind in ("measured", "timed")

    def column_of(self, statistic: Statistic) -> str:
        """Return the column of summary.csv for a statistic; the first of a cost has the metric's own name."""
        plain = self.kind != "quality" and statistic == next(iter(self.summary))
        return self.name if plain else f"{self.name}_{statistic}"


class Metrics(Mapping[str, Metric]):
    """Metrics by name, ordered by kind and within a kind as they were added."""

    def __init__(self, metrics: Iterable[Metric] = ()) -> None:
        self._metrics: dict[str, Metric] = {}
        for metric in metrics:
            self.add(metric)

    def add(self, metric: Metric) -> None:
        """Take up a metric.

        Raises:
            PrecisionError: when its name is in use already or cannot be that of a column, a word is none of
                those that may stand there, and for a cost without a statistic, of which the tables would have
                nothing to show.
        """
        name = metric.name
        if not name.isidentifier():
            raise PrecisionError(f"the name of a metric is letters, digits and '_', but got {name!r}")
        if name in self._metrics:
            known = self._metrics[name].meaning
            raise PrecisionError(f"metric {name!r} is already registered ({known}); choose another name")
        if metric.cost and not metric.summary:
            raise PrecisionError(f"metric {name!r} is a cost and needs a summary, such as {{'mean': '...'}}")
        for key, words in _WORDS.items():
            if getattr(metric, key) not in words:
                raise PrecisionError(
                    f"{key} of metric {name!r} is {' or '.join(words)}, but got {getattr(metric, key)!r}"
                )
        ordered = sorted([*self.values(), metric], key=lambda one: KINDS.index(one.kind))
        self._metrics = {one.name: one for one in ordered}

    def remove(self, name: str) -> None:
        """Forget a metric."""
        del self._metrics[name]

    def of(self, *kinds: Kind) -> list[Metric]:
        """Return the metrics of these kinds."""
        return [metric for metric in self.values() if metric.kind in kinds]

    def numbers(self, found: Mapping[str, float]) -> dict[str, float]:
        """Return every metric of a trial, NaN where unknown; numbers that are no metric are left out."""
        known = {name: found.get(name, math.nan) for name in self}
        return known | {m.name: m.computed(known) for m in self.values() if m.computed is not None}

    def __getitem__(self, name: str) -> Metric:
        return self._metrics[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._metrics)

    def __len__(self) -> int:
        return len(self._metrics)


def _compression(found: Mapping[str, float]) -> float:
    size = found["weight_bytes"]
    return found["float32_weight_bytes"] / size if size else math.nan


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


def _time(name: str, meaning: str, unit: str, title: str, mean: str, better: Better = "lower") -> Metric:
    """Return what a clock says, a cost; ``mean`` is the meaning of its mean over seeds."""
    summary: Mapping[Statistic, str] = {"mean": mean}
    return Metric(name, "timed", meaning, unit, title, better, summary=summary, cost=True, bounds=_POSITIVE)


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
        ),
        _time(
            "seconds_per_epoch",
            "median time of one epoch",
            "s",
            "s per epoch",
            mean="mean seconds_per_epoch, likewise",
        ),
        _time(
            "inference_images_per_second",
            "test images evaluated per second",
            "images/s",
            "Images per s",
            mean="mean over seeds, likewise",
            better="higher",
        ),
    ]
)
