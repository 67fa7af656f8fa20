"""What a grid file may say of its report, and what it requires of the results."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, field_validator, model_validator

from precision.errors import PrecisionError
from precision.grid.file.energy import check_name
from precision.grid.file.listed import Listed, Words
from precision.grid.file.published import PublishedFigures
from precision.options import Options

LIMITS = ("min_accuracy", "max_rmse", "max_loss", "max_drop")


class Requirement(Options):
    """What cells of the grid have to reach; ``precision report`` and ``compare`` exit with 1 otherwise."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": [name]} for name in LIMITS]})

    dataset: Words = Field(default=["*"])
    architecture: Words = Field(default=["*"])
    policy: Words = Field(default=["*"])
    method: Words = Field(default=["*"])
    min_accuracy: Annotated[float, Field(ge=0, le=100)] | None = Field(
        default=None, description="Least test accuracy in percent, mean over seeds."
    )
    max_rmse: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="Largest RMSE on the test images, mean over seeds."
    )
    max_loss: Annotated[float, Field(ge=0, le=100)] | None = Field(
        default=None,
        description="Percentage points of accuracy, or per cent of the RMSE, that may be lost against the "
        "baseline.",
    )
    max_drop: Annotated[float, Field(ge=0, le=100)] | None = Field(
        default=None, description="The same against the other results of precision compare."
    )
    shown: bool = Field(
        default=False,
        description="Whether the 95 % interval has to be within max_loss and max_drop, not the mean.",
    )

    @model_validator(mode="after")
    def _requires_something(self) -> Requirement:
        if all(getattr(self, name) is None for name in LIMITS):
            raise PrecisionError(f"a requirement has at least one of {', '.join(LIMITS)}")
        return self


class ReportOptions(Options):
    """What the report shows: ``tolerance`` is in percentage points of accuracy, or per cent of the RMSE."""

    baseline: str = "float32"
    tolerance: Annotated[float, Field(ge=0, le=100)] = 1.0
    published: PublishedFigures | None = None
    notes: str = ""
    energy_table: str | None = Field(
        default=None,
        description="Energies of operations: a table that ships with the package, or the path of a YAML "
        "file, seen from the folder of this file; horowitz2014 if absent.",
    )

    require: Listed[Requirement] = Field(
        default=[], description="What cells have to reach; one that does not is named, with exit code 1."
    )

    @field_validator("energy_table")
    @classmethod
    def _a_table(cls, name: str | None) -> str | None:
        return None if name is None else check_name(name)
