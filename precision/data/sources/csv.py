"""Images as rows of a table, one column per pixel and one for the label."""

from __future__ import annotations

import io
import math
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from precision import received
from precision.data.dataset import Dataset
from precision.data.files.budget import Budget
from precision.data.files.streams import read_bytes
from precision.data.rules import Column, FilePath, Fraction, Gibibytes, Shape
from precision.data.sources.assembly import Part, assemble, check_finite
from precision.errors import PrecisionError, said, suggest
from precision.options import Flag
from precision.registry import DATASETS

if TYPE_CHECKING:
    import pandas as pd

_TIMES = 8  # bytes of memory for a byte of text: "0," becomes 64 bits, and there are copies
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")


@DATASETS.register("csv")
def csv(
    data_dir: Path | None,
    *,
    path: FilePath,
    test_path: FilePath | None = None,
    test_fraction: Fraction | None = None,
    label_column: Column | None = None,
    shape: Shape | None = None,
    header: Flag | None = None,
    most_gib: Gibibytes | None = None,
) -> Dataset:
    """Flattened images and labels of your own in .csv files, one image per row.

    Args:
        data_dir: not used; the path says it all.
        path: a comma-separated file, also compressed (``.csv.gz``, ``.bz2`` or ``.xz``). Pixels are row by
            row, the last channel fastest: integers in 0..255 (kept as uint8) or, if any has a decimal point,
            real numbers (float32). Labels are integers or text, numbered anew from 0 in ascending order.
        test_path: a file of the same columns for testing; without it a part of ``path`` is split off.
        test_fraction: without ``test_path``, how much of each class to split off for testing; 0.2 if
            not given.
        label_column: where the labels stand, by the name of the column or its index from 0, -1 for the
            last one; if not given, in the column called "label", else in the first.
        shape: of an image; may be left out for square gray images.
        header: whether the first row has the names of the columns; if not given, it is guessed.
        most_gib: how much memory the tables may take, which is about eight times their text; 4 if not given.

    Raises:
        PrecisionError: if a file cannot be read or its table is anything else.
    """
    budget = Budget(path, most_gib)
    table = _read(path, label_column, header, budget)
    train = _part(path, table, label_column, shape)
    test = None
    if test_path is not None:
        test_table = _read(test_path, label_column, header, budget)
        if list(test_table.columns) != list(table.columns):
            raise PrecisionError(f"{test_path}: must have the same columns as {path}, in the same order")
        test = _part(test_path, test_table, label_column, shape)
        if test[0].dtype != train[0].dtype:
            # One file may happen to have whole numbers only: both are real numbers then.
            train, test = (train[0].astype(np.float32), train[1]), (test[0].astype(np.float32), test[1])
    return assemble("csv", path, train, test, test_fraction)


def _read(path: Path, label: str | int | None, header: bool | None, budget: Budget) -> pd.DataFrame:
    import pandas as pd

    received.check(path, received.memory(), near="*.csv*")
    most = budget.left // _TIMES
    text = read_bytes(path, most + 1)
    if len(text) > most:
        raise budget.refusal()
    budget.take(_TIMES * len(text))
    try:
        if header is None:
            first = pd.read_csv(io.BytesIO(text), header=None, nrows=1, dtype=str, keep_default_na=False)
            header = isinstance(label, str) or _names_columns(first.iloc[0].tolist())
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a row longer than the header
            # An empty cell stays text: a pixel column with one is refused, and "None" can be a class.
            return pd.read_csv(
                io.BytesIO(text),
                header=0 if header else None,
                index_col=False,
                keep_default_na=False,
                low_memory=False,
            )
    except Exception as error:  # a parser can raise anything
        raise PrecisionError(
            f"{path}: must be a table of comma-separated values, but got: {said(error)}"
        ) from None


def _names_columns(row: list[str]) -> bool:
    """Guess whether a row has names: more than the label is no number, or the numbers only count up.

    The second is how pandas writes a table whose columns have no names.
    """
    numbers = [cell for cell in row if _NUMBER.fullmatch(cell)]
    if len(row) - len(numbers) > 1:
        return True
    counting = (list(map(str, range(start, start + len(numbers)))) for start in (0, 1))
    return len(numbers) == len(row) - 1 and numbers in counting


def _part(
    path: Path, table: pd.DataFrame, label: str | int | None, shape: tuple[int, int, int] | None
) -> Part:
    index = _label_index(path, table, label)
    pixels = table.drop(columns=table.columns[index])
    height, width, channels = shape or _square(path, pixels.shape[1])
    if height * width * channels != pixels.shape[1]:
        raise PrecisionError(
            f"{path}: images of the shape {height}x{width}x{channels} need {height * width * channels} pixel "
            f"columns, but got {pixels.shape[1]}; set the option 'shape'"
        )
    if table.empty:
        raise PrecisionError(f"{path}: needs one row per image, but got none")
    images = _pixels(path, pixels).reshape(len(table), height, width, channels)
    return images, _labels(path, table.iloc[:, index])


def _label_index(path: Path, table: pd.DataFrame, label: str | int | None) -> int:
    names = [str(name) for name in table.columns]
    if label is None:
        return names.index("label") if "label" in names else 0
    if isinstance(label, str):
        if label not in names:
            others = [name for name in names if not name[-1:].isdigit()]  # pixels are numbered
            raise PrecisionError(f"{path}: has no column {label!r}; {suggest(label, others)}")
        return names.index(label)
    if not -len(names) <= label < len(names):
        raise PrecisionError(f"{path}: the label's column must be below {len(names)}, but got {label}")
    return label % len(names)


def _square(path: Path, pixels: int) -> tuple[int, int, int]:
    side = math.isqrt(pixels)
    if side * side != pixels or not side:
        raise PrecisionError(
            f"{path}: pixels of a square gray image are a square number, but got {pixels}; "
            "set the option 'shape' to [height, width, channels]"
        )
    return side, side, 1


def _pixels(path: Path, table: pd.DataFrame) -> np.ndarray:
    """Return the pixels as uint8, or as float32 if any is not an integer."""
    for name, dtype in table.dtypes.items():
        if dtype.kind not in "iuf":
            raise PrecisionError(f"{path}: pixels must be numbers, but column {name!r} holds something else")
    values = table.to_numpy()
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what is too large becomes infinite and is refused
            values = values.astype(np.float32)
        check_finite(values, str(path))
        return values
    if values.min() < 0 or values.max() > 255:
        raise PrecisionError(
            f"{path}: integer pixels are in 0..255, but got {values.min()}..{values.max()}; "
            "write real numbers with a decimal point"
        )
    return values.astype(np.uint8)


def _labels(path: Path, column: pd.Series) -> np.ndarray:
    if column.dtype.kind in "iu":
        return column.to_numpy(np.int64)
    if column.dtype.kind == "f":
        raise PrecisionError(
            f"{path}: labels must be integers or text, but got {column.iloc[0]!r}; check 'label_column'"
        )
    labels = np.array([str(label).strip() for label in column])
    if (labels == "").any():
        raise PrecisionError(
            f"{path}: every image needs a label, but image {int((labels == '').argmax())} has none"
        )
    return labels
