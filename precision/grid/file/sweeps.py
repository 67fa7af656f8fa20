"""Options as axes: ``{name: vgg, width: {each: [0.25, 0.5]}}`` stands for two networks.

A sweep stands for an option inside an entry of datasets, architectures, methods or policies. The entry is
repeated with each value, and its label names the value: ``vgg width=0.25``.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import Any, NamedTuple

from precision.arithmetic.multipliers.several import FOLDER, tables_of
from precision.errors import PrecisionError, shown
from precision.grid.file.entry import Entry

KEY = "each"
MAX_ENTRIES = 10_000  # of one entry
MAX_LABEL = 64
_LISTS = ("datasets", "architectures", "methods")
_OPTIONS = ("training", "runtime")
Way = tuple[str, ...]


class _Word(NamedTuple):
    """What tells one variant from the others: the way to the option, and its value as text."""

    way: Way
    text: str


class _Variant(NamedTuple):
    words: tuple[_Word, ...]
    entry: Entry


def swept(tree: Entry) -> Entry:
    """Return the content of a grid without sweeps: with an entry for each value.

    Raises:
        PrecisionError: for a sweep that is malformed or yields labels that are too long or stand twice.
    """
    content = dict(tree.value)
    for key in _LISTS:
        if key in content and _sweeps(content[key]):
            content[key] = content[key].with_value(
                [named for entry in content[key].items for named in _named(entry)]
            )
    if "policies" in content:
        content["policies"] = _policies(content["policies"])
    if "include" in content and _sweeps(content["include"]):
        content["include"] = content["include"].with_value(
            [one for entry in content["include"].items for one in _inclusions(entry)]
        )
    for key in _OPTIONS:  # a list is an axis there already
        if key in content:
            options = {name: _listed(entry) for name, entry in content[key].entries.items()}
            content[key] = content[key].with_value(options or content[key].value)
    return tree.with_value(content)


def _named(entry: Entry) -> list[Entry]:
    """Return the variants of an entry with a name, each with its label."""
    if not _sweeps(entry):
        return [entry]
    if "label" in entry.entries and _sweeps(entry.entries["label"]):
        raise entry.entries["label"].mark.error("a label is one text; the values of a sweep are added to it")
    found = []
    for words, variant in _variants(entry):
        words = tuple(word for word in words if word.way not in ((), ("name",)))
        if not words or "name" not in variant.entries:
            found.append(variant)
            continue
        base = variant.entries.get("label", variant.entries["name"])
        label = _label(str(base.plain()), words, entry)
        found.append(variant.with_value({**variant.value, "label": Entry(label, entry.mark)}))
    return found


def _policies(policies: Entry) -> Entry:
    if not isinstance(policies.value, dict) or not _sweeps(policies):
        return policies
    found: dict[str, Entry] = {}
    for name, entry in policies.value.items():
        for words, variant in _variants(entry) if _sweeps(entry) else [_Variant((), entry)]:
            label = _label(name, words, entry)
            if label in found:
                raise entry.mark.error(
                    f"policies: {shown(label)} stands twice, here and at {found[label].mark}"
                )
            found[label] = variant
    return policies.with_value(found)


def _inclusions(inclusion: Entry) -> list[Entry]:
    """Return an inclusion once for each variant of its method."""
    method = inclusion.entries.get("method")
    if method is None:
        return [inclusion]
    return [inclusion.with_value({**inclusion.value, "method": one}) for one in _named(method)]


def _listed(entry: Entry) -> Entry:
    if not _is_sweep(entry):
        return entry
    return entry.with_value([value for _, value in _values(entry)])


def _is_sweep(entry: Entry) -> bool:
    return isinstance(entry.value, dict) and KEY in entry.value


def _sweeps(entry: Entry) -> bool:
    """Return whether there is a sweep at or below an entry."""
    if _is_sweep(entry):
        return True
    below = entry.value if isinstance(entry.value, list) else entry.entries.values()
    return any(_sweeps(inner) for inner in below)


def _values(entry: Entry) -> list[tuple[str | None, Entry]]:
    """Return the values of a sweep; the text is given where the values are named."""
    if len(entry.value) > 1:
        others = ", ".join(repr(key) for key in entry.value if key != KEY)
        raise entry.mark.error(f"'{KEY}' stands alone in its mapping, but got {others} beside it")
    values = entry.value[KEY]
    if isinstance(values.value, dict) and values.value:
        return list(values.value.items())
    if isinstance(values.value, list) and values.value:
        return [(None, value) for value in values.value]
    if isinstance(values.value, str) and values.value.strip().startswith(f"{FOLDER}("):
        return _tables(values)
    raise values.mark.error(
        f"'{KEY}' lists the values of an option, such as {{{KEY}: [0.25, 0.5]}}, but got "
        f"{shown(values.plain())}"
    )


def _tables(values: Entry) -> list[tuple[str | None, Entry]]:
    """Return the multipliers of a folder of tables, each by the name of its file."""
    try:
        return [(stem, Entry(text, values.mark)) for stem, text in tables_of(values.value)]
    except PrecisionError as error:
        raise values.mark.error(str(error)) from None


def _variants(entry: Entry, way: Way = ()) -> list[_Variant]:
    """Return an entry with each value of the sweeps in it; the first one changes slowest."""
    if _is_sweep(entry):
        return [
            _Variant((_Word(way, name if name is not None else _text(one.plain())),), one)
            for name, value in _values(entry)
            for _, one in _variants(value, way)
        ]
    if not isinstance(entry.value, dict | list) or not _sweeps(entry):
        return [_Variant((), entry)]
    keys: list[Any] = list(entry.value if isinstance(entry.value, dict) else range(len(entry.value)))
    inner = [_variants(entry.value[key], (*way, str(key))) for key in keys]
    if math.prod(len(variants) for variants in inner) > MAX_ENTRIES:
        raise entry.mark.error(f"the values under '{KEY}' make more than {MAX_ENTRIES} entries of this one")
    found = []
    for combination in itertools.product(*inner):
        values: Any = [variant.entry for variant in combination]
        if isinstance(entry.value, dict):  # an option without a value has its default
            pairs = zip(keys, values, strict=True)
            values = {k: v for k, v in pairs if v.value is not None or not _is_sweep(entry.value[k])}
        words = tuple(word for variant in combination for word in variant.words)
        found.append(_Variant(words, entry.with_value(values)))
    return found


def _label(base: str, words: tuple[_Word, ...], entry: Entry) -> str:
    """Return a label that names what varies: by the last key, and by all where that is not clear."""
    short = [_short(word.way) for word in words]
    counts = Counter(short)
    parts = [base]
    for word, name in zip(words, short, strict=True):
        name = name if counts[name] == 1 else ".".join(word.way)
        parts.append(f"{name}={word.text}" if name else word.text)
    label = " ".join(parts)
    if len(label) > MAX_LABEL:
        raise entry.mark.error(
            f"a label has at most {MAX_LABEL} characters, but got {shown(label)}; name the values, as in "
            f"{{{KEY}: {{short name: value}}}}"
        )
    return label


def _short(way: Way) -> str:
    if "layers" in way:  # of one layer: say of which
        return ".".join(key for key in way if key not in ("layers", "format"))
    named = [key for key in way if key != "format"]
    return named[-1] if named else ""


def _text(value: Any) -> str:
    """Return a value as a short text: ``int(8) scaling=real`` for a mapping with a format."""
    if value is None:
        return "default"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(_text(item) for item in value)
    if isinstance(value, dict):
        return " ".join(
            _text(inner) if key in ("format", "name") else f"{key}={_text(inner)}"
            for key, inner in value.items()
        )
    return str(value)
