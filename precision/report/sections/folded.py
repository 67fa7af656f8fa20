"""Long policies are folded: a table names them, and below it stands once what they are, layer by layer."""

from __future__ import annotations

from collections.abc import Iterable

from precision.report.document import Code, Inline, List, Section, Span, Words, inline, joined

LONG = 90
"""Letters of a policy that a table still shows."""
NAMED = 12  # layers of one format that are named


def is_long(text: str | None) -> bool:
    """Return whether a policy is too long for a table."""
    return text is not None and len(text) > LONG


def short(text: str | None) -> Inline | None:
    """Return what stands in a table for the text of a policy: itself, or how many layers have their own."""
    if text is None or not is_long(text):
        return text
    general, layers = _parts(text)
    count = sum(map(len, layers.values()))
    found = [*general[:1]] if general and len(general[0]) <= LONG // 2 else []
    found += [f"{count} layer{'' if count == 1 else 's'} of their own"] if count else []
    return inline("{what} (below)", what=", ".join(found) or f"{len(general)} settings")


def unfolded(policies: Iterable[tuple[str, str]]) -> list[Section]:
    """Return what long policies are, given name and text of each; nothing where none is long."""
    sections = []
    for name, text in policies:
        if not is_long(text):
            continue
        general, layers = _parts(text)
        items: list[Inline] = [*general]
        items += [
            inline("{format}: {layers}", format=setting, layers=_layers(names))
            for setting, names in layers.items()
        ]
        sections.append(Section(f"The policy {name}", (List(tuple(items)),)))
    return sections


def _parts(text: str) -> tuple[list[str], dict[str, list[str]]]:
    """Return the settings of a whole network, and the layers with one of their own, by what they have."""
    general: list[str] = []
    layers: dict[str, list[str]] = {}
    for part in text.split(", "):
        layer, colon, setting = part.partition(": ")
        if colon:
            layers.setdefault(setting, []).append(layer)
        else:
            general.append(part)
    return general, layers


def _layers(names: list[str]) -> tuple[Span, ...]:
    shown = joined((Code(name) for name in names[:NAMED]), ", ")
    more = len(names) - NAMED
    return (*shown, Words(f" and {more} more")) if more > 0 else shown
