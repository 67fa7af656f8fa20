"""What a grid file says of another work: its figures, and how far ours may be away from them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from precision.errors import LocatedError, PrecisionError
from precision.grid.file.listed import Listed, Words
from precision.options import Options

Percent = Annotated[float, Field(ge=0, le=100)]
Margin = Annotated[float, Field(ge=0, le=100)]


class PublishedFigure(Options):
    """One figure of another work, for the most accurate of the cells that it names."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["accuracy"]}, {"required": ["difference"]}]}
    )

    name: str = Field(default="", description="What the work calls it; the labels of the cell if absent.")
    dataset: Words = Field(default=["*"])
    architecture: Words = Field(default=["*"])
    policy: Words = Field(default=["*"])
    method: Words = Field(default=["*"])
    accuracy: Percent | None = Field(default=None, description="Test accuracy in percent.")
    difference: Annotated[float, Field(ge=-100, le=100)] | None = Field(
        default=None, description="Percentage points more than the baseline has; a loss is below 0."
    )
    bound: Literal["within", "at_least", "at_most"] = Field(
        default="within", description="Whether ours may also be better, or worse, by any amount."
    )
    margin: Margin | None = Field(
        default=None, description="Percentage points that ours may be away; that of all figures if absent."
    )

    @model_validator(mode="after")
    def _is_of_one_thing(self) -> PublishedFigure:
        if (self.accuracy is None) == (self.difference is None):
            raise PrecisionError("a published figure has either an accuracy or a difference")
        return self

    @property
    def stated(self) -> tuple[Literal["accuracy", "difference"], float]:
        """What the figure is of, and its value."""
        if self.accuracy is not None:
            return "accuracy", self.accuracy
        return "difference", self.difference or 0.0


class PublishedFigures(Options):
    """Figures of another work, shown beside ours: test accuracy in percent by architecture and policy."""

    source: str
    note: str = ""
    margin: Margin | None = Field(
        default=None,
        description="Percentage points that ours may be away from every figure, said before the run.",
    )
    accuracy: dict[str, dict[str, Percent]] = Field(default={})
    figures: Listed[PublishedFigure] = Field(default=[])

    @model_validator(mode="after")
    def _figures_have_margins(self) -> PublishedFigures:
        if not self.accuracy and not self.figures:
            raise PrecisionError("published figures stand under accuracy, figures or both")
        for index, figure in enumerate(self.figures):
            if figure.margin is None and self.margin is None:
                raise LocatedError(
                    ("figures", index),
                    "a published figure has a margin; say how many percentage points ours may be away, as in "
                    "margin: 1.0, here or for all figures",
                )
        return self
