"""What a check of the conformance kit is, and the names of those on which others build."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from precision.formats.conformance.subject import Subject


@dataclass(frozen=True)
class Check:
    """A named check.

    Attributes:
        function: takes the format under test; raises Broken or NotApplicable, or returns.
        needs: names of the checks without which this one would only repeat their finding.
        blocks: whether it is one for formats with shared scales (True), for the others (False) or for all.
        tensors: whether it runs on tensors of the Keras backend.
    """

    name: str
    function: Callable[[Subject], None]
    needs: tuple[str, ...] = ()
    blocks: bool | None = None
    tensors: bool = False


RUNS, SHAPE, LISTS = "takes every float32", "keeps shape and type", "lists its values"
LIMITS, OWN, EXACT = "limits agree with its values", "gives only its own values", "exact on its own values"
STORES = "encode and decode"
BASICS = (RUNS, SHAPE)
LISTED = (*BASICS, LISTS)
PLACED = (*LISTED, LIMITS, OWN, EXACT)
"""What must hold before it means anything between which values a number lies."""
