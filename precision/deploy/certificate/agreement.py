"""What a certificate says: how far the codes of a run-time are those of a network of integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

VERSION = 1  # of the layout of the JSON


@dataclass(frozen=True)
class Compared:
    """One integer tensor, compared over some images.

    Attributes:
        name: see ``labels``.
        codes: how many were compared.
        differing: how many of them differ.
        largest: the largest difference, in codes.
        alone: how many differ where the network is given what the run-time has computed before this tensor,
            so that only the step that makes it can differ.
        rules: of requantisation, under which none does: what the run-time does in this step.
    """

    name: str
    codes: int
    differing: int
    largest: int
    alone: int
    rules: tuple[str, ...]

    @property
    def share(self) -> float:
        """The share of the codes that differ."""
        return self.differing / self.codes if self.codes else 0.0

    def why(self, rule: str) -> str:
        """Return why codes differ from those of a network with a rule of requantisation; or nothing."""
        if not self.differing:
            return ""
        if not self.alone:
            return "from what it reads"
        others = [other for other in self.rules if other != rule]
        if others:
            return f"the run-time rounds sums here as {' or '.join(map(repr, others))}, not as {rule!r}"
        return "the run-time rounds sums here by a rule of its own"


@dataclass(frozen=True)
class Certificate:
    """How far a run-time computes what was evaluated.

    Attributes:
        subject: what was certified, by name: the trial, its network, its policy, its rule of requantisation.
        runtime: what ran the file, by name: its version, kernels, digests.
        images: test images whose predictions were compared.
        equal: of these, how many have the same.
        logits: the largest difference of what is returned, a real number.
        coded: test images whose codes were compared; 0 where there is no network of integers.
        tensors: every integer tensor, in the order in which they are computed.
        rule: of requantisation of the network; empty where there is none.
        absent: tensors of the network that the file does not have, as those in front of what it takes.
    """

    subject: Mapping[str, str]
    runtime: Mapping[str, str]
    images: int
    equal: int
    logits: float
    coded: int = 0
    tensors: Sequence[Compared] = field(default_factory=tuple)
    rule: str = ""
    absent: Sequence[str] = ()

    @property
    def first(self) -> Compared | None:
        """The first tensor with codes that differ."""
        return next((tensor for tensor in self.tensors if tensor.differing), None)

    @property
    def differing(self) -> int:
        """How many codes differ in all."""
        return sum(tensor.differing for tensor in self.tensors)

    @property
    def reason(self) -> str:
        """Why codes differ, as far as it is known; empty where none does."""
        return "" if self.first is None else f"layer {self.first.name!r}: {self.first.why(self.rule)}"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        data: dict[str, Any] = {
            "certificate": VERSION,
            "subject": dict(self.subject),
            "runtime": dict(self.runtime),
            "predictions": {
                "images": self.images,
                "equal": self.equal,
                "share": self.equal / self.images,
                "largest_difference_of_outputs": self.logits,
            },
        }
        if self.tensors:
            data["codes"] = {
                "images": self.coded,
                "requantisation": self.rule,
                "differing": self.differing,
                "first": None if self.first is None else self.first.name,
                "reason": self.reason,
                "not_in_the_file": list(self.absent),
                "tensors": [
                    {**asdict(t), "rules": list(t.rules), "why": t.why(self.rule)} for t in self.tensors
                ],
            }
        return data
