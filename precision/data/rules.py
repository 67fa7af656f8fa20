"""What the options of a data set may be: integers, fractions, paths, sizes.

    @DATASETS.register("mine")
    def mine(data_dir, *, path: FilePath, test_fraction: Fraction = 0.2) -> Dataset: ...

Each type takes what YAML and Python have for it and gives a value in its final type: a path, a tuple.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from precision.data.files.locate import home
from precision.errors import PrecisionError, shown
from precision.options import Rule, location_of


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _with_channels(value: Any) -> Any:
    value = _tuple(value)
    return (*value, 1) if isinstance(value, tuple) and len(value) == 2 else value


def _different(items: tuple[int | str, ...], info: ValidationInfo) -> tuple[int | str, ...]:
    if len(set(items)) < len(items):
        raise PrecisionError(f"{location_of(info)} must name each class once, but got {shown(list(items))}")
    return items


def _path(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, str | PathLike) or not str(value):
        return value  # which is no path
    try:
        return home(value)
    except PrecisionError as error:
        raise PrecisionError(f"{location_of(info)}: {error}") from None


Count = Annotated[int, Field(ge=1), Rule("a positive integer")]
Fraction = Annotated[float, Field(gt=0, lt=1), Rule("a number above 0 and below 1, such as 0.2")]
FilePath = Annotated[  # in a grid it counts from the grid's file, ``~`` is the home
    Path,
    BeforeValidator(_path, json_schema_input_type=Annotated[str, Field(min_length=1)]),
    Rule("a path"),
]
FOLDER = Rule("the path of a folder")
FolderPath = Annotated[  # all the files below it count
    Path,
    BeforeValidator(_path, json_schema_input_type=Annotated[str, Field(min_length=1)]),
    FOLDER,
]
Size = Annotated[tuple[Count, Count], BeforeValidator(_tuple), Rule("[height, width], two positive integers")]
Shape = Annotated[
    tuple[Count] | tuple[Count, Count, Count],
    BeforeValidator(
        _with_channels,
        json_schema_input_type=tuple[Count] | tuple[Count, Count] | tuple[Count, Count, Count],
    ),
    Rule("[height, width] or [height, width, channels] of an image, or [features] of a vector"),
]
Column = Annotated[str | int, Rule("the name or the index of a column")]  # index -1 is the last one
Columns = Annotated[
    str | int | Annotated[tuple[str | int, ...], Field(min_length=1), BeforeValidator(_tuple)],
    Rule("the name or the index of a column, or a list of them"),
]
TaskName = Annotated[
    Literal["classification", "multi_label", "regression"],
    Rule("'classification', 'multi_label' or 'regression'"),
]
TargetScale = Annotated[Literal["standard", "none"], Rule("'standard' or 'none'")]
Gibibytes = Annotated[float, Field(gt=0), Rule("a number of GiB above 0, such as 16")]
Scale = Annotated[
    Literal["standard", "minmax", "none", "0..1", "-1..1", "tf", "caffe", "torch"],
    Rule("'standard', 'minmax', 'none', '0..1', '-1..1', 'tf', 'caffe' or 'torch'"),
]
Color = Annotated[Literal["rgb", "gray"], Rule("'rgb' or 'gray'")]
Background = Annotated[Literal["white", "black"], Rule("'white' or 'black'")]
Classes = Annotated[
    tuple[int | str, ...],
    Field(min_length=2, json_schema_extra={"uniqueItems": True}),
    BeforeValidator(_tuple),
    AfterValidator(_different),
    Rule("a list of at least 2 class labels or names"),
]
