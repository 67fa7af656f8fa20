"""What a table or a panel is about, in words."""

from __future__ import annotations

from precision.analysis import Block
from precision.registry import METHODS


def method_in_words(label: str) -> str:
    """Return a method's label in a grid and, where a registered method has that name, what it does.

    That is the first line of the method's docstring up to a colon: ``ptq (post-training quantisation)``.
    """
    import precision.methods  # noqa: F401  # files the methods; half a second that only a report needs

    if label not in METHODS:
        return label
    words, colon, _ = METHODS.summary(label).partition(":")
    if not colon:
        return label
    return f"{label} ({words if words[1:2].isupper() else words[:1].lower() + words[1:]})"


def title_of(block: Block, *more: str) -> str:
    """Return dataset, method in words, training and whatever else tells one table from the next."""
    return ", ".join(
        part for part in (block.dataset, method_in_words(block.method), block.training, *more) if part
    )
