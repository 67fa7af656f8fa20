"""Read a YAML file with the line of every entry, so that an error can name the place.

Stricter than PyYAML where its reading surprises: a duplicate key is an error, ``1e-3`` is a number, and only
``true`` and ``false`` are truth values (``no`` and ``on`` are words).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from precision.errors import PrecisionError

Place = tuple[str | int, ...]
MAX_BYTES = 1 << 20
MAX_NODES = 100_000  # aliases can blow a short file up without end
MAX_DEPTH = 40  # and an alias can contain itself
_COLLECTIONS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


class _Loader(yaml.SafeLoader):
    """SafeLoader with the numbers and truth values of YAML 1.2."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if not tag.endswith((":bool", ":float", ":int", ":timestamp"))
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?[0-9]+$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+0123456789."),
)
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(str(node.value)))


@dataclass(frozen=True)
class Source:
    """The content of a YAML file and the line on which each of its entries stands."""

    path: Path
    data: dict[str, Any]
    lines: dict[Place, int]

    def error(self, place: Iterable[str | int], text: str) -> PrecisionError:
        """Return an error that names the file and the line of ``place`` or of the nearest entry around it."""
        return PrecisionError(f"{self.path}:{self.line(place)}: {text}")

    def line(self, place: Iterable[str | int]) -> int:
        """Return the line of an entry, or of the nearest entry around it that the file has."""
        where = tuple(place)
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 1)


def read(path: str | Path) -> Source:
    """Read a YAML file whose top level is a mapping.

    Raises:
        PrecisionError: when the file is missing, unreadable, not YAML, has a duplicate key, or holds anything
            but a mapping.
    """
    path = Path(path)
    text = _text(path)
    try:
        node = yaml.compose(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error).split("\n")[0]
        line = mark.line + 1 if mark else 1
        raise PrecisionError(
            f"{path}:{line}: this is not YAML: {problem}; check the indentation and quotes"
        ) from None
    except RecursionError:
        raise PrecisionError(f"{path}: the entries are nested too deeply") from None
    if node is None:
        raise PrecisionError(
            f"{path}: the file is empty; a grid needs at least name, architectures and policies"
        )
    if not isinstance(node, yaml.MappingNode):
        raise PrecisionError(
            f"{path}:{node.start_mark.line + 1}: a grid is a mapping with keys such as 'name:', but this is "
            f"{'a list' if isinstance(node, yaml.SequenceNode) else 'a single value'}"
        )
    lines: dict[Place, int] = {}
    data = _Builder(path, lines).build(node, ())
    return Source(path, data, lines)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PrecisionError(
                f"{path}: a grid file has at most {MAX_BYTES} bytes, but got {path.stat().st_size}"
            )
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = sorted(p.name for p in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        hint = f"; {path.parent} has {', '.join(near)}" if near else ""
        raise PrecisionError(f"{path}: there is no such file{hint}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise PrecisionError(f"{path}: cannot be read as UTF-8 text ({error})") from None


class _Builder:
    """Turns YAML nodes into plain data and notes the line of each entry."""

    def __init__(self, path: Path, lines: dict[Place, int]) -> None:
        self._path, self._lines = path, lines
        self._nodes = 0
        self._scalars = _Loader("")

    def build(self, node: yaml.Node, place: Place) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._error(node, f"the file unfolds to more than {MAX_NODES} entries; check its aliases")
        if len(place) > MAX_DEPTH:
            raise self._error(node, f"the entries are nested more than {MAX_DEPTH} deep; check the aliases")
        self._lines.setdefault(place, node.start_mark.line + 1)
        if not isinstance(node, yaml.ScalarNode) and node.tag not in _COLLECTIONS:
            raise self._error(node, f"tags are not allowed, but got {node.tag!r}")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*place, i)) for i, child in enumerate(node.value)]
        try:
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError):
            raise self._error(node, f"cannot read the value {node.value!r}; tags are not allowed") from None

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        result: dict[str, Any] = {}
        given: dict[str, int] = {}  # what is merged in does not count: a mapping may override it
        for key_node, value_node in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                merged = self.build(value_node, (*place, "<<"))
                for mapping in merged if isinstance(merged, list) else [merged]:
                    if not isinstance(mapping, dict):
                        raise self._error(key_node, f"'<<' takes a mapping, but got {mapping!r}")
                    result = {**mapping, **result}
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._error(key_node, "a key must be a word")
            key = str(key_node.value)
            if key in given:
                raise self._error(
                    key_node, f"duplicate key {key!r}; it is already given on line {given[key]}"
                )
            given[key] = self._lines[(*place, key)] = key_node.start_mark.line + 1
            result[key] = self.build(value_node, (*place, key))
        return result

    def _error(self, node: yaml.Node, text: str) -> PrecisionError:
        return PrecisionError(f"{self._path}:{node.start_mark.line + 1}: {text}")
