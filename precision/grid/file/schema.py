"""What a grid file may say. Checking it imports neither Keras nor TensorFlow."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from precision.errors import PlacedError, PrecisionError
from precision.grid.file.choices import (
    ArchitectureChoice,
    DatasetChoice,
    Labelled,
    MethodChoice,
    check_label,
)
from precision.quantization import Policy, parse_policy
from precision.trial import Choice

OPTIMIZERS = Literal["adadelta", "adagrad", "adam", "adamw", "nadam", "rmsprop", "sgd"]
MAX_THREADS = 1024


def as_list(entry: Any) -> Any:
    """Return a list; a single value becomes a list of itself."""
    return entry if isinstance(entry, list) else [entry]


Listed = BeforeValidator(as_list)


class Strict(BaseModel):
    """A part of the file: unknown keys are errors, and a text is never taken for a number."""

    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True, allow_inf_nan=False)


class Axes(Strict):
    """Options that may list several values, and each value is a trial of its own."""

    @field_validator("*")
    @classmethod
    def _some(cls, values: list[Any]) -> list[Any]:
        if not values:
            raise PrecisionError("an empty list asks for no trial; give at least one value")
        return values

    def given(self) -> dict[str, list[Any]]:
        """Return the options that were named, with their values."""
        return {
            name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set
        }

    def values(self) -> dict[str, list[Any]]:
        """Return all options with their values."""
        return {name: getattr(self, name) for name in type(self).model_fields}


class TrainingAxes(Axes):
    """Options of ``trial.Training``."""

    epochs: Annotated[list[Annotated[int, Field(ge=1)]], Listed] = [5]
    batch_size: Annotated[list[Annotated[int, Field(ge=1)]], Listed] = [128]
    optimizer: Annotated[list[OPTIMIZERS], Listed] = ["adam"]
    learning_rate: Annotated[list[Annotated[float, Field(gt=0)] | None], Listed] = [None]
    schedule: Annotated[list[Literal["constant", "cosine"]], Listed] = ["constant"]
    momentum: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Listed] = [0.0]
    weight_decay: Annotated[list[Annotated[float, Field(ge=0)]], Listed] = [0.0]


class RuntimeAxes(Axes):
    """Options of ``trial.Runtime``; null leaves one to the run."""

    device: Annotated[list[Literal["cpu", "gpu"] | None], Listed] = [None]
    threads: Annotated[list[Annotated[int, Field(ge=1, le=MAX_THREADS)] | None], Listed] = [None]


Words = Annotated[list[str], Listed]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
MAX_REPEATS = 1000


class Selection(Strict):
    """Cells of the grid, by the labels of its axes; a label may be a wildcard, no key means all."""

    dataset: Words = ["*"]
    architecture: Words = ["*"]
    policy: Words = ["*"]
    seed: Annotated[list[Seed], Listed] | None = None
    training: TrainingAxes = Field(default_factory=TrainingAxes)
    runtime: RuntimeAxes = Field(default_factory=RuntimeAxes)


class Exclusion(Selection):
    """Cells to leave out; options of training and runtime are those that a cell has."""

    method: Words = ["*"]


class Inclusion(Selection):
    """Cells to add: by a method of their own, or one of the grid's.

    Options of training and runtime take the place of the grid's.
    """

    method: MethodChoice | None = None


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
    datasets: Annotated[list[DatasetChoice], Listed]
    architectures: Annotated[list[ArchitectureChoice], Listed]
    policies: dict[str, Policy]
    methods: Annotated[list[MethodChoice], Listed] = Field(
        default_factory=lambda: [Labelled(label="ptq", choice=Choice("ptq"))]
    )
    training: TrainingAxes = Field(default_factory=TrainingAxes)
    runtime: RuntimeAxes = Field(default_factory=RuntimeAxes)
    seeds: Annotated[list[Seed], Listed] = [0]
    repeats: Annotated[int, Field(ge=1, le=MAX_REPEATS)] = 1
    zip: list[list[str]] = []  # axes that are walked together
    exclude: list[Exclusion] = []
    include: list[Inclusion] = []
    report: ReportOptions = Field(default_factory=ReportOptions)

    @model_validator(mode="before")
    @classmethod
    def _empty_sections_are_absent(cls, data: Any) -> Any:
        return {key: v for key, v in data.items() if v is not None} if isinstance(data, dict) else data

    @field_validator("zip", mode="before")
    @classmethod
    def _one_group_needs_no_list_of_groups(cls, value: Any) -> Any:
        flat = isinstance(value, list) and value and all(isinstance(axis, str) for axis in value)
        return [value] if flat else value

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
            check_label(name, (key,))
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
        for label, count in Counter(entry.label for entry in entries).items():
            if count > 1:
                raise PrecisionError(f"{label!r} stands twice; tell the entries apart by 'label:'")
        return entries
