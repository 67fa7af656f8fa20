"""Images or vectors as rows of a table: columns of pixels or features, and of labels or targets."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from precision import received
from precision.data.dataset import Dataset
from precision.data.files.budget import Budget
from precision.data.files.streams import read_bytes
from precision.data.rules import Columns, FilePath, Fraction, Gibibytes, Shape, TaskName
from precision.data.sources.arrays import as_inputs
from precision.data.sources.assembly import assemble
from precision.data.sources.targets import as_targets
from precision.errors import PrecisionError, said, short, suggest
from precision.options import Flag
from precision.registry import DATASETS

if TYPE_CHECKING:
    import pandas as pd

_TIMES = 8  # bytes of memory for a byte of text: "0," becomes 64 bits, and there are copies
_LABEL = ("label", "class", "target", "y")  # what the column of the labels is called, in any case
_PIXEL = re.compile(r"(?i)(pixel|px)[ _.-]?\d+|\d+x\d+")
_UNNAMED = 8  # pixels a side, at least, of an image whose columns have no names
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")


@DATASETS.register("csv")
def csv(
    data_dir: Path | None,
    *,
    path: FilePath,
    test_path: FilePath | None = None,
    test_fraction: Fraction | None = None,
    label_column: Columns | None = None,
    task: TaskName | None = None,
    drop: Columns | None = None,
    shape: Shape | None = None,
    header: Flag | None = None,
    most_gib: Gibibytes | None = None,
) -> Dataset:
    """Vectors or flattened images of your own, and their labels, in .csv files, one per row.

    Args:
        data_dir: not used; the path says it all.
        path: a comma-separated file, also compressed (``.csv.gz``, ``.bz2`` or ``.xz``). Features are any
            numbers. Pixels are row by row, the last channel fastest: integers in 0..255 (kept as uint8) or,
            if any has a decimal point, real numbers (float32). Labels are integers or text, which are the
            names of the classes, numbered anew from 0 in ascending order.
        test_path: a file of the same columns for testing; without it a part of ``path`` is split off.
        test_fraction: without ``test_path``, how much of each class to split off for testing; 0.2 if
            not given.
        label_column: where the labels stand, by the name of the column or its index from 0, -1 for the
            last one; if not given, in the only column that is called label, class, target or y. A list
            of columns has several targets of a regression, or labels that are there (1) or not (0).
        task: what these columns are, where it may be several things: classification, multi_label or
            regression. A column of numbers with fractions is a regression in any case.
        drop: columns to leave out, such as numbers of rows and names, by their names or indices.
        shape: of an image or a vector. If not given, rows are square gray images where the columns have the
            names of pixels (pixel0, 1x1), or none and there are at least 8x8 of them; otherwise vectors.
        header: whether the first row has the names of the columns; if not given, it is guessed.
        most_gib: how much memory the tables may take, which is about eight times their text; 4 if not given.

    Raises:
        PrecisionError: if a file cannot be read or its table is anything else.
    """
    budget = Budget(path, most_gib)
    named = any(isinstance(column, str) for column in (*_listed(label_column), *_listed(drop)))
    header = True if header is None and named else header
    tables = [(path, _read(path, header, budget))]
    if test_path is not None:
        tables.append((test_path, _read(test_path, header, budget)))
        if list(tables[1][1].columns) != list(tables[0][1].columns):
            raise PrecisionError(f"{test_path}: must have the same columns as {path}, in the same order")
    columns = [_columns(file, table, label_column, drop) for file, table in tables]
    values = [_numbers(file, numbers) for (file, _), (numbers, _) in zip(tables, columns, strict=True)]
    if len({array.dtype.kind for array in values}) > 1:
        # One file may happen to have whole numbers only: both are real numbers then.
        values = [array.astype(np.float64) for array in values]
    of_one = _shape(path, columns[0][0], shape)
    files = [str(file) for file, _ in tables]
    shaped = [array.reshape(len(array), *of_one) for array in values]
    inputs = as_inputs(list(zip(files, shaped, strict=True)))
    given = [(*_targets(file, y), len(y)) for (file, _), (_, y) in zip(tables, columns, strict=True)]
    names = tuple(str(name).strip() for name in columns[0][1].columns)
    return assemble("csv", path, inputs, as_targets(given, task, names), test_fraction)


def _listed(columns: str | int | Sequence[str | int] | None) -> Sequence[str | int]:
    if columns is None:
        return ()
    return (columns,) if isinstance(columns, str | int) else columns


def _read(path: Path, header: bool | None, budget: Budget) -> pd.DataFrame:
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
            header = _names_columns(first.iloc[0].tolist())
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


def _columns(
    path: Path,
    table: pd.DataFrame,
    label: str | int | Sequence[str | int] | None,
    drop: str | int | Sequence[str | int] | None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the columns of numbers and those of labels or targets, without those that are left out."""
    names = [str(name).strip() for name in table.columns]
    left_out = [_index(path, names, column, "drop") for column in _listed(drop)]
    if label is None:
        chosen = [_usual(path, names, left_out)]
    else:
        chosen = [_index(path, names, column, "label_column") for column in _listed(label)]
    for index in chosen:
        if index in left_out or chosen.count(index) > 1:
            how = "and left out as well" if index in left_out else "twice"
            raise PrecisionError(f"{path}: column {names[index]!r} is named as a label {how}; name it once")
    if table.empty:
        raise PrecisionError(f"{path}: needs one row per image or vector, but got none")
    return table.drop(columns=table.columns[[*chosen, *left_out]]), table.iloc[:, chosen]


def _usual(path: Path, names: Sequence[str], left_out: Sequence[int]) -> int:
    """Return the index of the only column that is called as labels are."""
    usual = [i for i, name in enumerate(names) if name.lower() in _LABEL and i not in left_out]
    if len(usual) == 1:
        return usual[0]
    found = "no column is" if not usual else "more than one column is"
    raise PrecisionError(
        f"{path}: {found} called {', '.join(_LABEL[:-1])} or {_LABEL[-1]}; set the option 'label_column' "
        "to the one that has the labels, by name or by number (-1 is the last), of: "
        f"{short(', '.join(names), 200)}"
    )


def _index(path: Path, names: Sequence[str], column: str | int, option: str) -> int:
    if isinstance(column, str):
        if column not in names:
            others = [name for name in names if not name[-1:].isdigit()]  # pixels are numbered
            raise PrecisionError(f"{path}: has no column {column!r}; {suggest(column, others)}")
        return list(names).index(column)
    if not -len(names) <= column < len(names):
        what = "the label's column" if option == "label_column" else f"a column of {option!r}"
        raise PrecisionError(f"{path}: {what} must be below {len(names)}, but got {column}")
    return column % len(names)


def _shape(path: Path, table: pd.DataFrame, shape: tuple[int, ...] | None) -> tuple[int, ...]:
    """Return the shape of one image or vector, whose numbers are the columns of a table."""
    count = table.shape[1]
    if shape is None:
        side, names = math.isqrt(count), [str(name).strip() for name in table.columns]
        unnamed = all(map(str.isdecimal, names)) and side >= _UNNAMED
        pixels = all(map(_PIXEL.fullmatch, names))
        return (side, side, 1) if side * side == count and (unnamed or pixels) else (count,)
    if math.prod(shape) != count:
        what = "vectors" if len(shape) == 1 else "images"
        raise PrecisionError(
            f"{path}: {what} of the shape {'x'.join(map(str, shape))} need {math.prod(shape)} columns of "
            f"numbers, but got {count}; set the option 'shape'"
        )
    return shape


def _numbers(path: Path, table: pd.DataFrame) -> np.ndarray:
    """Return the numbers of a table, (rows, columns)."""
    if not table.shape[1]:
        raise PrecisionError(f"{path}: needs columns of numbers beside that of the labels, but got none")
    for name, dtype in table.dtypes.items():
        if dtype.kind not in "iufb":
            raise PrecisionError(
                f"{path}: pixels and features must be numbers, but column {name!r} holds something else"
            )
    whole = all(dtype.kind in "ib" for dtype in table.dtypes)
    return table.to_numpy(np.int64 if whole else np.float64)


def _targets(path: Path, table: pd.DataFrame) -> tuple[str, np.ndarray]:
    """Return where labels or targets stand, for messages, and their values: (rows,), or (rows, columns)."""
    location = f"{path}: column {', '.join(repr(name) for name in table.columns)}"
    if table.shape[1] == 1:
        values = table.iloc[:, 0].to_numpy()
        return location, values if values.dtype.kind in "iufb" else values.astype(str)
    for name, dtype in table.dtypes.items():
        if dtype.kind not in "iufb":
            raise PrecisionError(
                f"{path}: of several columns of targets each must hold numbers, but column {name!r} holds "
                "something else"
            )
    return location, table.to_numpy(np.float64)
