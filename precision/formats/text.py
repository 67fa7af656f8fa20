"""Format texts: ``"fixed(8,4)"`` to a format. Read with Python's parser, literals only, never evaluated."""

from __future__ import annotations

import ast
import inspect
import warnings
from collections.abc import Callable
from typing import Any

from precision.errors import PrecisionError, shown, suggest
from precision.formats.base import NumberFormat
from precision.formats.engine import foreign
from precision.formats.names import meant
from precision.registry import FORMATS

LONGEST = 8192  # characters, of which a path takes most


def parse(text: str | NumberFormat) -> NumberFormat:
    """Return the format that a text names, for example ``"float16"``, ``"fixed(8,4)"``, ``"float(4,3)"``.

    Raises:
        PrecisionError: when the text is malformed, the name unknown, or an argument missing or out of range;
            when the format is a plugin's and the plugin broken.

    >>> import numpy as np
    >>> from precision.formats import parse
    >>> parse("fixed(8,4)").quantize(np.array([0.1, 3.14159, 100.0]))
    array([0.125 , 3.125 , 7.9375], dtype=float32)
    >>> parse("float8_e4m3fn").max
    448.0
    """
    if isinstance(text, NumberFormat):
        return text
    if not isinstance(text, str):
        raise PrecisionError(f"a format is a text such as 'fixed(8,4)', but got {shown(text)}")
    try:
        return _parsed(text)
    except RecursionError:
        raise PrecisionError(f"format {shown(text)}: formats are nested too deeply in it") from None


def _parsed(text: str) -> NumberFormat:
    name, positional, named = _call(text)
    if name not in FORMATS:
        FORMATS.load(name)
    if name not in FORMATS:
        known = meant(name) or suggest(name, [*FORMATS, *FORMATS.offers()])
        raise PrecisionError(f"unknown format {shown(text)}; {known}")
    factory = FORMATS[name]
    try:
        inspect.signature(factory).bind(*positional, **named)
    except TypeError as error:
        raise PrecisionError(f"format {shown(text)}: {error}; write it as {usage(name)}") from None
    if FORMATS.owner(name).builtin:
        result: NumberFormat = factory(*positional, **named)
        return result
    return _foreign(text, name, lambda: factory(*positional, **named))


def _foreign(text: str, name: str, make: Callable[[], Any]) -> NumberFormat:
    """Return a format of a plugin, whose name must be a text that gives the same format again."""
    owner = FORMATS.owner(name)
    result = foreign.build(text, owner, make)
    if not isinstance(result, NumberFormat):
        raise PrecisionError(
            f"{owner.file}:{owner.line}: the factory of format {shown(text)} must return a NumberFormat, but "
            f"it returned {shown(result)}; return one, for example a Codebook"
        )
    canonical = getattr(result, "name", None)
    try:
        head, positional, named = _call(canonical if isinstance(canonical, str) else "")
        again = (
            result
            if canonical == text
            else foreign.build(text, owner, lambda: FORMATS[head](*positional, **named))
        )
    except PrecisionError:
        again = None
    if type(again) is not type(result) or again.name != canonical:
        raise PrecisionError(
            f"{owner.file}:{owner.line}: the name of a format must be a text that gives the same format, but "
            f"{shown(text)} gave the name {shown(canonical)}; name it {shown(text)}"
        )
    return result


def usage(name: str) -> str:
    """Return how a format is written, with its defaults: ``float(e, m, overflow=infinity)``.

    >>> from precision.formats import usage
    >>> usage("fixed")
    'fixed(wl, fl, symmetric=False, overflow=saturate)'
    """
    parameters = inspect.signature(FORMATS[name]).parameters.values()
    words = [p.name if p.default is p.empty else f"{p.name}={p.default}" for p in parameters]
    return f"{name}({', '.join(words)})" if words else name


def _call(text: str) -> tuple[str, list[Any], dict[str, Any]]:
    """Split ``name(1, key=word)`` into its parts.

    An argument that is no literal is taken as the text that it is: a word, another format, or a path.
    """
    text = text.strip()
    malformed = PrecisionError(f"malformed format {shown(text)}; write it as 'float16' or 'fixed(8,4)'")
    if len(text) > LONGEST:
        raise malformed
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of what is Python, but surely not meant
            node = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError, Warning):
        if "\\" in text:
            raise PrecisionError(f"{malformed}; a backslash in a path is written twice") from None
        raise malformed from None
    if isinstance(node, ast.Name):
        return node.id, [], {}
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise malformed
    if any(isinstance(argument, ast.Starred) for argument in node.args):
        raise malformed
    positional = [_literal(argument, text) for argument in node.args]
    named = {str(k.arg): _literal(k.value, text) for k in node.keywords if k.arg is not None}
    if len(named) != len(node.keywords):
        raise malformed
    return node.func.id, positional, named


def _literal(node: ast.expr, text: str) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):  # no literal, or none that Python makes
        return ast.get_source_segment(text, node)
