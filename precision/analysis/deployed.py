"""Files that trials evaluated: by what they ran, and what other machines gave for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from precision.grid.store.bundles import Elsewhere
from precision.methods.deployed import EVALUATED
from precision.registry import METHODS
from precision.trial import TrialResult


@dataclass(frozen=True)
class Agreement:
    """On how many images another machine gave the bits, and the class, of the one that made the bundle."""

    images: int
    bits: int
    classes: int


@dataclass(frozen=True)
class Deployed:
    """The file that a trial evaluated.

    Attributes:
        threads: of the run-time.
        aarch64: how far ARM processors agree, real or emulated ones, at the worst of them; None where no such
            machine has sent results.
    """

    threads: int
    aarch64: Agreement | None = None


@dataclass(frozen=True)
class Sent:
    """What another machine did with the file of one trial.

    Attributes:
        trial: id.
        file: its name in the bundle.
        accuracy: a fraction, of ``images`` images.
        agreement: with the machine that made the bundle; None where that did not run the file.
        latency: a mapping for each number of threads: ``threads``, ``median_ms``, ``p95_ms``; none of an
            emulated processor, whose times are no times.
        peak_bytes: most memory of its process; None where it was not told.
    """

    trial: str
    file: str
    images: int
    accuracy: float
    agreement: Agreement | None
    latency: tuple[Mapping[str, float], ...]
    peak_bytes: int | None
    runtime: str


@dataclass(frozen=True)
class Machine:
    """Another machine that has measured a bundle.

    Attributes:
        bundle: its id.
        emulated: whether its processor was imitated by another one.
    """

    name: str
    processor: str
    architecture: str
    cores: int | None
    emulated: bool
    bundle: str
    sent: tuple[Sent, ...] = field(default=())


def machines(found: Sequence[Elsewhere], trials: set[str]) -> tuple[Machine, ...]:
    """Return what other machines sent of some trials; those that sent nothing of them are left out."""
    made = [_machine(one, trials) for one in found]
    return tuple(one for one in made if one.sent)


def deployed(results: Mapping[str, TrialResult], others: Sequence[Machine]) -> dict[str, Deployed]:
    """Return the files that trials evaluated, by the ids of the trials."""
    return {
        name: Deployed(_threads(result), _aarch64(name, EVALUATED[result.trial.method.name], others))
        for name, result in results.items()
        if result.trial.method.name in EVALUATED and result.status == "ok"
    }


def _threads(result: TrialResult) -> int:
    method = result.trial.method
    return int(method.options.get("threads", METHODS.options(method.name)["threads"].default))


def _aarch64(trial: str, suffix: str, others: Sequence[Machine]) -> Agreement | None:
    told = [
        sent.agreement
        for machine in others
        if machine.architecture in ("aarch64", "arm64")
        for sent in machine.sent
        if sent.trial == trial and sent.file.endswith(suffix) and sent.agreement is not None
    ]
    return min(told, key=lambda one: one.bits / one.images, default=None)


def _machine(found: Elsewhere, trials: set[str]) -> Machine:
    told = found.machine
    cores = told.get("cores")
    return Machine(
        str(told.get("name", "")),
        str(told.get("processor", "")),
        str(told.get("architecture", "")),
        cores if type(cores) is int else None,
        found.emulated,
        found.bundle,
        tuple(
            _sent(model, about["trial"], found.emulated)
            for model, about in zip(found.models, found.described["models"], strict=True)
            if about["trial"] in trials
        ),
    )


def _sent(model: Mapping[str, Any], trial: str, emulated: bool) -> Sent:
    agreement, memory = model.get("agreement"), model.get("resident_kb")
    peak = memory.get("peak") if isinstance(memory, Mapping) else None
    return Sent(
        trial,
        str(model["file"]),
        int(model["images"]),
        float(model["accuracy"]),
        agreement and Agreement(agreement["images"], agreement["bits"], agreement["classes"]),
        () if emulated else tuple(model["latency"]),
        1024 * peak if type(peak) is int else None,
        str(model.get("runtime", "")),
    )
