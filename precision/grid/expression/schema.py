"""What a grid file may say. Checking it imports neither Keras nor TensorFlow."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

import architectures
import precision.data
import precision.methods  # files the methods
from precision.errors import PlacedError, PrecisionError
from precision.quantization import Policy, parse_policy
from precision.registry import METHODS
from precision.trial import Choice

OPTIMIZERS = Literal["adadelta", "adagrad", "adam", "adamw", "nadam", "rmsprop", "sgd"]


class Labelled(BaseModel):
    """A choice and the label under which tables show it."""

    model_config = ConfigDict(frozen=True)
    label: str
    choice: Choice


def _choice(check: Callable[[str, dict[str, Any]], None]) -> Callable[[Any], Any]:
    """Return a reader of ``lenet`` or ``{name: vgg, width: 0.5, label: small vgg}``."""

    def read_choice(entry: Any) -> Any:
        if isinstance(entry, Labelled):
            return entry
        options = {"name": entry} if isinstance(entry, str) else entry
        if not isinstance(options, dict) or not isinstance(options.get("name"), str):
            raise PrecisionError(f"write a name, or a mapping with 'name:' and options, but got {entry!r}")
        options = dict(options)
        name = options.pop("name")
        label = options.pop("label", None)
        label = name if label is None else label
        _check_label(label, ("label",))
        check(name, options)
        return Labelled(label=str(label), choice=Choice(name, options))

    return read_choice


def _check_label(label: Any, place: tuple[str | int, ...]) -> None:
    """Refuse what a table cannot show as the name of a row or a column."""
    text = str(label)
    if isinstance(label, list | dict) or not text.strip() or not text.isprintable() or len(text) > 64:
        raise PlacedError(place, f"a label is a printable text of 1 to 64 characters, but got {label!r}")


def _method(name: str, options: dict[str, Any]) -> None:
    METHODS.check_options(name, options)
    if name == "float32":
        raise PrecisionError("the float32 baseline is trained wherever it is needed; name ptq or qat")


def _as_list(entry: Any) -> Any:
    return entry if isinstance(entry, list) else [entry]


DatasetChoice = Annotated[Labelled, BeforeValidator(_choice(precision.data.check))]
ArchitectureChoice = Annotated[Labelled, BeforeValidator(_choice(architectures.check))]
MethodChoice = Annotated[Labelled, BeforeValidator(_choice(_method))]
Words = Annotated[list[str], BeforeValidator(_as_list)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Strict(BaseModel):
    """A part of the file: unknown keys are errors, and a text is never taken for a number."""

    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True, allow_inf_nan=False)


class TrainingOptions(Strict):
    """Options of ``trial.Training``; each may list several values, and each value is a trial of its own."""

    epochs: Annotated[list[Annotated[int, Field(ge=1)]], BeforeValidator(_as_list)] = [5]
    batch_size: Annotated[list[Annotated[int, Field(ge=1)]], BeforeValidator(_as_list)] = [128]
    optimizer: Annotated[list[OPTIMIZERS], BeforeValidator(_as_list)] = ["adam"]
    learning_rate: Annotated[list[Annotated[float, Field(gt=0)] | None], BeforeValidator(_as_list)] = [None]
    schedule: Annotated[list[Literal["constant", "cosine"]], BeforeValidator(_as_list)] = ["constant"]
    momentum: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], BeforeValidator(_as_list)] = [0.0]
    weight_decay: Annotated[list[Annotated[float, Field(ge=0)]], BeforeValidator(_as_list)] = [0.0]

    @field_validator("*")
    @classmethod
    def _some_and_different(cls, values: list[Any]) -> list[Any]:
        if not values:
            raise PrecisionError("an empty list asks for no trial; give at least one value")
        if len(set(values)) < len(values):
            raise PrecisionError(f"each value is listed once, but got {values!r}")
        return values


class TrainingAxes(TrainingOptions):
    """How networks are trained: the options, which must agree with each other."""

    @model_validator(mode="after")
    def _momentum_has_an_optimizer(self) -> TrainingAxes:
        without = [name for name in self.optimizer if name not in ("sgd", "rmsprop")]
        if any(self.momentum) and without:
            raise PrecisionError(
                f"momentum is an option of sgd and rmsprop, but the optimizer is {without[0]}"
            )
        return self


class Selection(Strict):
    """Cells of the grid, by the labels of its axes; a label may be a wildcard, no key means all."""

    dataset: Words = ["*"]
    architecture: Words = ["*"]
    policy: Words = ["*"]
    seed: Annotated[list[Seed] | None, BeforeValidator(lambda e: e if e is None else _as_list(e))] = None


class Exclusion(Selection):
    """Cells to leave out."""

    method: Words = ["*"]


class Inclusion(Selection):
    """Cells to add: by a method of their own, or one of the grid's."""

    method: MethodChoice | None = None
    training: TrainingOptions = Field(default_factory=TrainingOptions)


class PublishedFigures(Strict):
    """Figures of another work, shown beside ours: test accuracy in percent by architecture and policy."""

    source: str
    note: str = ""
    accuracy: dict[str, dict[str, Annotated[float, Field(ge=0, le=100)]]]


class ReportOptions(Strict):
    """What the report shows: ``tolerance`` is in percentage points of accuracy."""

    baseline: str = "float32"
    tolerance: Annotated[float, Field(ge=0, le=100)] = 1.0
    published: PublishedFigures | None = None
    notes: str = ""


class Grid(Strict):
    """A grid file: axes whose product is the trials, less ``exclude``, plus ``include``."""

    name: str
    description: str = ""
    plugins: list[str] = []  # loaded before the rest is read
    datasets: Annotated[list[DatasetChoice], BeforeValidator(_as_list)]
    architectures: Annotated[list[ArchitectureChoice], BeforeValidator(_as_list)]
    policies: dict[str, Policy]
    methods: Annotated[list[MethodChoice], BeforeValidator(_as_list)] = Field(
        default_factory=lambda: [Labelled(label="ptq", choice=Choice("ptq"))]
    )
    training: TrainingAxes = Field(default_factory=TrainingAxes)
    seeds: Annotated[list[Seed], BeforeValidator(_as_list)] = [0]
    exclude: list[Exclusion] = []
    include: list[Inclusion] = []
    report: ReportOptions = Field(default_factory=ReportOptions)

    @model_validator(mode="before")
    @classmethod
    def _empty_sections_are_absent(cls, data: Any) -> Any:
        return {key: v for key, v in data.items() if v is not None} if isinstance(data, dict) else data

    @field_validator("name")
    @classmethod
    def _name_of_a_folder(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            raise PrecisionError(
                "a grid's name is also that of a folder: up to 64 letters, digits, '.', '_' and '-', "
                f"but got {name!r}"
            )
        return name

    @field_validator("policies", mode="before")
    @classmethod
    def _policies(cls, value: Any) -> Any:
        entries: list[tuple[str | int, str, Any]]
        if isinstance(value, list):  # of format texts, each of which is the name of its policy
            entries = [(i, str(text), text) for i, text in enumerate(value)]
        elif isinstance(value, dict):
            entries = [(name, name, spec) for name, spec in value.items()]
        else:
            raise PrecisionError(
                f"policies map a name to a format, such as 'half: float16', but got {value!r}"
            )
        policies: dict[str, Policy] = {}
        for key, name, spec in entries:
            if name in policies:
                raise PlacedError((key,), f"{name!r} stands twice")
            _check_label(name, (key,))
            try:
                policies[name] = spec if isinstance(spec, Policy) else parse_policy(spec)
            except PlacedError as error:
                raise PlacedError((key, *error.place), str(error)) from None
            except PrecisionError as error:
                raise PlacedError((key,), str(error)) from None
        return policies

    @field_validator("datasets", "architectures", "methods")
    @classmethod
    def _labels(cls, entries: list[Labelled]) -> list[Labelled]:
        labels = [entry.label for entry in entries]
        for label in labels:
            if labels.count(label) > 1:
                raise PrecisionError(f"{label!r} stands twice; tell the entries apart by 'label:'")
        return entries

    @field_validator("seeds")
    @classmethod
    def _seeds(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) < len(seeds):
            raise PrecisionError(f"each seed is listed once, but got {seeds!r}")
        return seeds
