"""Format texts that YAML tears apart: inside { } and [ ] a comma ends an entry, so ``fixed(8,4)`` is two.

They are put together again, so that what is said of them is how to write them.
"""

from __future__ import annotations

from collections.abc import Sequence

import yaml

Pair = tuple[yaml.Node, yaml.Node]


def mended_items(nodes: Sequence[yaml.Node]) -> tuple[list[yaml.Node], list[yaml.ScalarNode]]:
    """Return the items of a list with torn texts put together, and those that were."""
    found: list[yaml.Node] = []
    torn: list[yaml.ScalarNode] = []
    rest = list(nodes)
    while rest:
        node = rest.pop(0)
        whole, used = _whole(node, rest)
        if whole is not None:
            torn.append(whole)
            del rest[:used]
        found.append(whole or node)
    return found, torn


def mended_pairs(pairs: Sequence[Pair]) -> tuple[list[Pair], list[yaml.ScalarNode]]:
    """Return the entries of a mapping with torn texts put together, and those that were."""
    found: list[Pair] = []
    torn: list[yaml.ScalarNode] = []
    rest = list(pairs)
    while rest:
        key, value = rest.pop(0)
        # What follows a comma is a key without a value.
        following = [k for k, v in rest if isinstance(v, yaml.ScalarNode) and not v.value]
        alone = 0
        while alone < len(following) and following[alone] is rest[alone][0]:
            alone += 1
        whole, used = _whole(value, following[:alone])
        if whole is not None:
            torn.append(whole)
            del rest[:used]
        found.append((key, whole or value))
    return found, torn


def _whole(first: yaml.Node, following: Sequence[yaml.Node]) -> tuple[yaml.ScalarNode | None, int]:
    """Return the text that begins with a node in which brackets stay open, and how many others it takes."""
    if not _plain(first) or _open(first.value) <= 0:
        return None, 0
    text = first.value
    for used, node in enumerate(following, 1):
        if not _plain(node):
            break
        text = f"{text},{node.value}"
        if _open(text) <= 0:
            return yaml.ScalarNode(first.tag, text, first.start_mark, node.end_mark), used
    return None, 0


def _plain(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style is None


def _open(text: str) -> int:
    return text.count("(") - text.count(")")
