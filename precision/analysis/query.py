"""Choose rows, columns and an order by short texts: ``accuracy>=0.9``, ``policy=fixed*,half``, ``-accuracy``.

The texts are parsed, never evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import pandas as pd

from precision.analysis.columns import Column
from precision.errors import PrecisionError, shown, unknown

_CONDITION = re.compile(r"\s*([^\s<>=!]+)\s*(>=|<=|!=|==|=|<|>)\s*(.*?)\s*", re.DOTALL)
_COMMA = re.compile(r",(?![^()]*\))")  # those in fixed(8,4) belong to the format
_ORDERS: dict[str, Callable[[Any, float], Any]] = {
    "<": lambda values, number: values < number,
    "<=": lambda values, number: values <= number,
    ">": lambda values, number: values > number,
    ">=": lambda values, number: values >= number,
}
_FLAGS = {"true": True, "false": False}


def where(frame: pd.DataFrame, conditions: Sequence[str], columns: Mapping[str, Column]) -> pd.DataFrame:
    """Return the rows that meet every condition.

    A condition is a column, one of ``= != < <= > >=``, and a value. Behind ``=`` and ``!=`` stand values
    separated by commas, for texts with the wildcards ``* ? [..]``, or nothing, which means rows without a
    value. No other comparison holds of a row without a value.

    Raises:
        PrecisionError: for what is no condition, an unknown column, and a value that the column cannot have.
    """
    for text in conditions:
        frame = frame[_mask(frame, text, columns)]
    return frame.reset_index(drop=True)


def sort(frame: pd.DataFrame, keys: Sequence[str], columns: Mapping[str, Column]) -> pd.DataFrame:
    """Return the rows ordered by these columns, the first counting most; ``-`` before one turns it round.

    Rows without a value come last, and rows that are equal keep their order.

    Raises:
        PrecisionError: for an unknown column.
    """
    names = [_known(key.removeprefix("-"), columns) for key in keys]
    for name, key in reversed(list(zip(names, keys, strict=True))):
        values = frame[name]
        if columns[name].dtype == "str":
            values = values.where(values != "")
        order = values.reset_index(drop=True).sort_values(
            ascending=not key.startswith("-"), kind="stable", na_position="last"
        )
        frame = frame.iloc[order.index]
    return frame.reset_index(drop=True)


def pick(names: Sequence[str], columns: Mapping[str, Column]) -> dict[str, Column]:
    """Return these columns, each once and in this order.

    Raises:
        PrecisionError: for an unknown column.
    """
    return {_known(name, columns): columns[name] for name in names}


def telling(frame: pd.DataFrame, shown: Sequence[str], further: Sequence[str]) -> list[str]:
    """Return those of the further columns that differ between rows which are alike in all shown columns."""
    groups = frame.groupby(list(shown), sort=False, dropna=False)
    return [name for name in further if len(frame) and int(groups[name].nunique(dropna=False).max()) > 1]


def words(texts: Sequence[str]) -> list[str]:
    """Return the names in texts such as ``a,b``."""
    return [word.strip() for text in texts for word in text.split(",") if word.strip()]


def _known(name: str, columns: Mapping[str, Column]) -> str:
    if name not in columns:
        raise unknown("column", name, columns)
    return name


def _mask(frame: pd.DataFrame, text: str, columns: Mapping[str, Column]) -> pd.Series:
    parts = _CONDITION.fullmatch(text)
    if parts is None:
        raise PrecisionError(
            f"a condition is a column, one of = != < <= > >=, and a value, such as 'accuracy>=0.9', "
            f"but got {shown(text)}"
        )
    name, sign, value = parts.groups()
    dtype = columns[_known(name, columns)].dtype
    sign = "=" if sign == "==" else sign
    values = frame[name]
    try:
        if sign in _ORDERS:
            if dtype in ("str", "bool"):
                kind = "text" if dtype == "str" else "true or false"
                raise PrecisionError(f"{name} holds {kind}, which only = and != compare")
            return _ORDERS[sign](values, _number(value)).fillna(False).astype(bool)
        if dtype == "str":
            found = values.map(_text_test(value)).astype(bool)
        elif dtype == "bool":
            found = values.isin([_flag(word) for word in _alternatives(value)])
        elif not value:
            found = values.isna()
        else:
            found = values.isin([_number(word) for word in _alternatives(value)])
            if sign == "!=":
                return values.notna() & ~found
        return ~found if sign == "!=" else found
    except PrecisionError as error:
        raise PrecisionError(f"the condition {shown(text)}: {error}") from None


def _alternatives(value: str) -> list[str]:
    return [word.strip() for word in _COMMA.split(value)]


def _text_test(value: str) -> Callable[[str], bool]:
    patterns = {value, *_alternatives(value)} if value else {""}  # a label may have commas of its own
    return lambda text: text in patterns or any(fnmatchcase(text, pattern) for pattern in patterns)


def _number(text: str) -> float:
    try:
        number = float(text)
        if number == number:
            return number
    except ValueError:
        pass
    raise PrecisionError(f"a number must stand here, but got {shown(text)}")


def _flag(text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise PrecisionError(f"true or false must stand here, but got {shown(text)}")
    return _FLAGS[text.lower()]
