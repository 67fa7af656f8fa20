"""Read YAML into entries that know their line.

Stricter than PyYAML where its reading surprises: a duplicate key is an error, ``1e-3`` is a number, and only
``true`` and ``false`` are truth values (``no`` and ``on`` are words).
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from precision import received
from precision.errors import Mistakes, PrecisionError, shown
from precision.grid.file.entry import Entry, Mark
from precision.grid.file.torn import Pair, mended_items, mended_pairs

MAX_BYTES = 1 << 20
NEAR = "*.y*ml"  # what lies beside a file that is not there
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


GRID = ("a grid", "name, architectures and policies")


def read_file(path: Path, what: tuple[str, str] = GRID) -> Entry:
    """Read a YAML file whose top level is a mapping.

    Args:
        what: it is, and the keys that it needs at least, in words.

    Raises:
        PrecisionError: when the file is missing, unreadable, not YAML, has a duplicate key, or holds anything
            but a mapping.
    """
    node = _compose(_text(path), Mark(path))
    if node is None:
        raise PrecisionError(f"{path}: the file is empty; {what[0]} needs at least {what[1]}")
    if not isinstance(node, yaml.MappingNode):
        raise PrecisionError(
            f"{path}:{node.start_mark.line + 1}: {what[0]} is a mapping with keys such as "
            f"'{what[1].split(',')[0]}:', but this is "
            f"{'a list' if isinstance(node, yaml.SequenceNode) else 'a single value'}"
        )
    return _built(_Builder(path), node)


def read_value(text: str, mark: Mark) -> Entry:
    """Read one YAML value that was given in an option; an empty text is null.

    Raises:
        PrecisionError: when it is not YAML.
    """
    node = _compose(text, mark)
    return Entry(None, mark) if node is None else _built(_Builder(None, mark), node)


def _built(builder: _Builder, node: yaml.Node) -> Entry:
    with builder.mistakes.noted():
        entry = builder.build(node)
    builder.mistakes.tell()
    return entry


def _compose(text: str, mark: Mark) -> yaml.Node | None:
    try:
        node: yaml.Node | None = yaml.compose(text, _Loader)
        return node
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error).split("\n")[0]
        here = mark._replace(line=where.line + 1) if where else mark
        raise here.error(f"this is not YAML: {problem}; check the indentation and quotes") from None
    except RecursionError:
        raise PrecisionError(f"{mark.path or mark}: the entries are nested too deeply") from None


def _text(path: Path) -> str:
    try:
        return received.read(path, MAX_BYTES, near=NEAR).decode()
    except UnicodeDecodeError as error:
        raise PrecisionError(f"{path}: this is no UTF-8 text ({error})") from None


class _Builder:
    """Turns YAML nodes into entries, each with the line of its key or, without one, of its own."""

    def __init__(self, path: Path | None, mark: Mark | None = None) -> None:
        self._path, self._mark = path, mark
        self.mistakes = Mistakes()  # which leave the rest readable
        self._nodes = 0
        self._scalars = _Loader("")

    def build(self, node: yaml.Node, mark: Mark | None = None, depth: int = 0) -> Entry:
        """Return the entry of a node; ``mark`` is that of its key."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._error(node, f"the file unfolds to more than {MAX_NODES} entries; check its aliases")
        if depth > MAX_DEPTH:
            raise self._error(node, f"the entries are nested more than {MAX_DEPTH} deep; check the aliases")
        mark = mark or self._location(node)
        if not isinstance(node, yaml.ScalarNode) and node.tag not in _COLLECTIONS:
            raise self._error(node, f"tags are not allowed, but got {shown(node.tag)}")
        if isinstance(node, yaml.MappingNode):
            return Entry(self._mapping(node, depth), mark)
        if isinstance(node, yaml.SequenceNode):
            return Entry([self.build(child, None, depth + 1) for child in self._items(node)], mark)
        try:
            return Entry(self._scalars.construct_object(node), mark)
        except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError):
            raise self._error(
                node, f"cannot read the value {shown(node.value)}; tags are not allowed"
            ) from None

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Entry]:
        result: dict[str, Entry] = {}
        given: dict[str, Mark] = {}  # what is merged in does not count: a mapping may override it
        for key_node, value_node in self._pairs(node):
            if key_node.tag == "tag:yaml.org,2002:merge":
                for mapping in self.build(value_node, None, depth + 1).items:
                    if not isinstance(mapping.value, dict):
                        raise self._error(key_node, f"'<<' takes a mapping, but got {shown(mapping.plain())}")
                    result = {**mapping.value, **result}
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._error(key_node, "a key must be a word")
            key = str(key_node.value)
            if key in given:
                raise self._error(
                    key_node, f"duplicate key {shown(key)}; it is already given on line {given[key].line}"
                )
            given[key] = self._location(key_node)
            result[key] = self.build(value_node, given[key], depth + 1)
        return result

    def _items(self, node: yaml.SequenceNode) -> list[yaml.Node]:
        items, torn = mended_items(node.value) if node.flow_style else (node.value, [])
        self._note(torn)
        return items

    def _pairs(self, node: yaml.MappingNode) -> list[Pair]:
        pairs, torn = mended_pairs(node.value) if node.flow_style else (node.value, [])
        self._note(torn)
        return pairs

    def _note(self, torn: list[yaml.ScalarNode]) -> None:
        for node in torn:
            with self.mistakes.noted():
                raise self._error(
                    node, f'inside {{ }} and [ ] write a format in quotes, here as "{node.value}"'
                )

    def _location(self, node: yaml.Node) -> Mark:
        return self._mark or Mark(self._path, node.start_mark.line + 1)

    def _error(self, node: yaml.Node, text: str) -> PrecisionError:
        return self._location(node).error(text)
