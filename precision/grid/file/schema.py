"""What a grid file may say. Checking it imports neither Keras nor TensorFlow."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator
from typing_extensions import TypeAliasType

from precision.errors import LocatedError, Mistakes, PrecisionError, shown
from precision.grid.file.choices import (
    ArchitectureChoice,
    DatasetChoice,
    Labelled,
    MethodChoice,
    check_label,
)
from precision.grid.file.listed import Listed, Words
from precision.grid.file.report import ReportOptions
from precision.options import Options
from precision.quantization import Policy, parse_policy
from precision.quantization.policy.options import Format, PolicyEntry
from precision.startup import Backend
from precision.trial import Choice

OPTIMIZERS = Literal["adadelta", "adagrad", "adam", "adamw", "nadam", "rmsprop", "sgd"]
MAX_THREADS = 1024


class Axes(Options):
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

    epochs: Listed[Annotated[int, Field(ge=1)]] = Field(
        default=[5], description="Passes over the training images."
    )
    batch_size: Listed[Annotated[int, Field(ge=1)]] = Field(default=[128], description="Images per step.")
    optimizer: Listed[OPTIMIZERS] = Field(
        default=["adam"], description="The optimizer, by its name in Keras."
    )
    learning_rate: Listed[Annotated[float, Field(gt=0)] | None] = Field(
        default=[None], description="Initial rate; null takes the default of the optimizer in Keras."
    )
    schedule: Listed[Literal["constant", "cosine"]] = Field(
        default=["constant"], description="Of the learning rate: constant, or cosine to fall to zero."
    )
    momentum: Listed[Annotated[float, Field(ge=0, lt=1)]] = Field(
        default=[0.0], description="Of sgd and rmsprop."
    )
    weight_decay: Listed[Annotated[float, Field(ge=0)]] = Field(
        default=[0.0], description="Of every optimizer."
    )


class RuntimeAxes(Axes):
    """Options of ``trial.Runtime``; null leaves one to the run."""

    device: Listed[Literal["cpu", "gpu"] | None] = Field(
        default=[None], description="cpu or gpu; null leaves it to the run."
    )
    threads: Listed[Annotated[int, Field(ge=1, le=MAX_THREADS)] | None] = Field(
        default=[None],
        description="Of one operation; null leaves it to the run. Other threads give other bits.",
    )
    backend: Listed[Backend | None] = Field(
        default=[None],
        description="Of Keras; null takes that of the variable KERAS_BACKEND, or else tensorflow.",
    )


Seed = Annotated[int, Field(ge=0, lt=2**31)]
MAX_REPEATS = 1000
BATCHES = (1, 8, 64, 256)
MAX_BATCH = 65536


def _batches(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return BATCHES if value else ()
    if isinstance(value, list) and value and all(type(size) is int for size in value):
        return tuple(sorted({1, *value}))
    if type(value) is int:
        return tuple(sorted({1, value}))
    return value


BatchSize = Annotated[int, Field(ge=1, le=MAX_BATCH)]
Latency = Annotated[
    tuple[BatchSize, ...],
    BeforeValidator(_batches, json_schema_input_type=bool | BatchSize | list[BatchSize]),
]
NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
Axis = TypeAliasType("Axis", str)
Group = Annotated[list[Axis], Field(min_length=2)]


class Selection(Options):
    """Cells of the grid, by the labels of its axes; a label may be a wildcard, no key means all."""

    dataset: Words = Field(default=["*"])
    architecture: Words = Field(default=["*"])
    policy: Words = Field(default=["*"])
    seed: Listed[Seed] | None = Field(default=None, description="All if absent.")
    training: TrainingAxes = Field(default_factory=TrainingAxes)
    runtime: RuntimeAxes = Field(default_factory=RuntimeAxes)


class Exclusion(Selection):
    """Cells to leave out; options of training and runtime are those that a cell has."""

    method: Words = Field(default=["*"])


class Inclusion(Selection):
    """Cells to add: by a method of their own, or one of the grid's.

    Options of training and runtime take the place of the grid's.
    """

    method: MethodChoice | None = Field(
        default=None, description="An entry of its own; those of the grid if absent."
    )


class Grid(Options):
    """A grid file: axes whose product is the trials, less ``exclude``, plus ``include``.

    >>> from precision.grid import load_grid
    >>> grid, _ = load_grid("grid.yaml")
    >>> grid.name, list(grid.policies)
    ('grid', ['float32', 'fixed8', 'fixed4'])
    """

    name: str = Field(
        description="Names the folder of the report.", json_schema_extra={"pattern": f"^{NAME}$"}
    )
    description: str = Field(default="", description="Markdown at the top of the report.")
    plugins: list[str] = Field(  # loaded before the rest is read
        [],
        description="Python files with formats, networks, data sets or the like, seen from the folder of "
        "this file; they are run.",
    )
    datasets: Listed[DatasetChoice] = Field(description="What networks are trained and tested on.")
    architectures: Listed[ArchitectureChoice] = Field(description="The networks.")
    policies: dict[str, Policy] = Field(description="Which format each part of a network has, by name.")
    methods: Listed[MethodChoice] = Field(
        default_factory=lambda: [Labelled(label="ptq", choice=Choice("ptq"))],
        description="How a format enters; ptq if absent.",
    )
    training: TrainingAxes = Field(
        default_factory=TrainingAxes, description="How networks are trained; each option may be a list."
    )
    runtime: RuntimeAxes = Field(
        default_factory=RuntimeAxes, description="On what trials run; each option may be a list."
    )
    seeds: Listed[Seed] = Field(default=[0], description="Of initialisation and data order; 0 if absent.")
    repeats: int = Field(default=1, ge=1, le=MAX_REPEATS, description="Runs of each trial, for its times.")
    latency: Latency = Field(
        default=(),
        description="Sizes of batches for which each trained network is timed, one image always among them; "
        f"true for {', '.join(map(str, BATCHES))}.",
    )
    zip: list[list[str]] = Field(
        default=[],
        description="Groups of axes that are walked together, such as [[architectures, training.epochs]].",
    )
    exclude: list[Exclusion] = Field(default=[], description="Cells to leave out.")
    include: list[Inclusion] = Field(default=[], description="Cells to add.")
    report: ReportOptions = Field(default_factory=ReportOptions, description="What the report shows.")

    @model_validator(mode="before")
    @classmethod
    def _empty_sections_are_absent(cls, data: Any) -> Any:
        return {key: v for key, v in data.items() if v is not None} if isinstance(data, dict) else data

    @field_validator("zip", mode="before", json_schema_input_type=list[Group] | Group)
    @classmethod
    def _one_group_needs_no_list_of_groups(cls, value: Any) -> Any:
        flat = isinstance(value, list) and value and all(isinstance(axis, str) for axis in value)
        return [value] if flat else value

    @field_validator("name")
    @classmethod
    def _name_of_a_folder(cls, name: str) -> str:
        if not re.fullmatch(NAME, name):
            raise PrecisionError(
                "a grid's name is also that of a folder: up to 64 letters, digits, '.', '_' and '-', "
                f"but got {shown(name)}"
            )
        return name

    @field_validator(
        "policies",
        mode="before",
        json_schema_input_type=dict[str, PolicyEntry] | Annotated[list[Format], Field(min_length=1)],
    )
    @classmethod
    def _policies(cls, value: Any) -> Any:
        entries: list[tuple[str | int, str, Any]]
        if isinstance(value, list):  # of format texts, each of which is the name of its policy
            entries = [(i, str(text), text) for i, text in enumerate(value)]
        elif isinstance(value, dict):
            entries = [(name, name, spec) for name, spec in value.items()]
        else:
            raise PrecisionError(
                f"policies map a name to a format, such as 'half: float16', but got {shown(value)}"
            )
        policies: dict[str, Policy] = {}
        mistakes = Mistakes()
        for key, name, spec in entries:
            with mistakes.noted():
                if name in policies:
                    raise LocatedError((key,), f"{shown(name)} stands twice")
                check_label(name, (key,))
                try:
                    policies[name] = spec if isinstance(spec, Policy) else parse_policy(spec)
                except LocatedError as error:
                    raise LocatedError((key, *error.location), str(error)) from None
                except PrecisionError as error:
                    raise LocatedError((key,), str(error)) from None
        mistakes.tell()
        return policies

    @field_validator("datasets", "architectures", "methods")
    @classmethod
    def _labels(cls, entries: list[Labelled]) -> list[Labelled]:
        for label, count in Counter(entry.label for entry in entries).items():
            if count > 1:
                raise PrecisionError(f"{shown(label)} stands twice; tell the entries apart by 'label:'")
        return entries
