"""Compare what a run-time computes with what was evaluated; nothing here knows a certain run-time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from precision.arithmetic.integer.network import IntegerNetwork
from precision.arithmetic.integer.values import Codes, Real, Value
from precision.arithmetic.requantisation.rules import RULES
from precision.data import as_float
from precision.deploy.certificate.agreement import Certificate, Compared
from precision.deploy.certificate.labels import labels

AT_ONCE = 50  # images, so that the values of all steps fit into memory
CODED = 200  # images whose codes are compared


class Runtime(Protocol):
    """What runs a file."""

    @property
    def facts(self) -> Mapping[str, str]:
        """Its name and version, its kernels, and the sha256 of the file and of the run-time's library."""

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return what the file returns, float32 (N, outputs), for a batch of images as they are stored."""

    def codes(self, images: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return the codes of every integer tensor, by the labels of the network that the file is of.

        What the file does not have is left out. They are those of the network: what a file has less an
        offset has it again.
        """


def certify(
    runtime: Runtime,
    network: IntegerNetwork | None,
    logits: Callable[[np.ndarray], np.ndarray],
    predictions: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    *,
    subject: Mapping[str, str] | None = None,
    coded: int = CODED,
    batch: int = 500,
) -> Certificate:
    """Return how far a run-time computes what was evaluated.

    Args:
        network: of integers, whose codes are compared; None compares predictions alone.
        logits: returns those that were evaluated, of a batch of images.
        predictions: returns what logits say, one for each image.
        images: for testing, as they are stored; the first ``coded`` of them have their codes compared.
        subject: what is certified.
        batch: images that are taken at once.
    """
    equal, largest = 0, 0.0
    for first in range(0, len(images), batch):
        part = images[first : first + batch]
        ours, theirs = logits(part), runtime.logits(part)
        same = predictions(ours) == predictions(theirs)
        equal += int(same.reshape(len(part), -1).all(axis=1).sum())
        largest = max(largest, float(np.abs(ours - theirs).max()))
    base = Certificate(subject or {}, runtime.facts, len(images), equal, largest)
    if network is None:
        return base
    chosen = images[:coded]
    tally: dict[str, _Tally] = {}
    absent: dict[str, None] = {}
    for first in range(0, len(chosen), AT_ONCE):
        absent |= dict.fromkeys(_compare(network, runtime, chosen[first : first + AT_ONCE], tally))
    network.forget()
    return Certificate(
        base.subject,
        base.runtime,
        base.images,
        base.equal,
        base.logits,
        len(chosen),
        tuple(one.compared(name, network.rule) for name, one in tally.items()),
        network.rule,
        tuple(absent),
    )


@dataclass
class _Tally:
    """Counts of one tensor so far; ``alone`` by rule."""

    codes: int = 0
    differing: int = 0
    largest: int = 0
    alone: dict[str, int] = field(default_factory=dict)

    def compared(self, name: str, rule: str) -> Compared:
        """Return the counts, for a network that requantises by a rule."""
        fits = tuple(other for other, differing in self.alone.items() if not differing)
        return Compared(name, self.codes, self.differing, self.largest, self.alone.get(rule, 0), fits)


def _compare(
    network: IntegerNetwork, runtime: Runtime, images: np.ndarray, tally: dict[str, _Tally]
) -> list[str]:
    """Add the codes of some images to the counts, and return which tensors there are no codes of."""
    images = np.asarray(as_float(images), np.float32)
    values = network.values(images)
    names = labels(network, values)
    theirs = runtime.codes(images)
    absent = [name for name in names.values() if name not in theirs]
    names = {place: name for place, name in names.items() if name in theirs}
    for place, name in names.items():
        value, one = values[place], tally.setdefault(name, _Tally())
        assert isinstance(value, Codes)
        apart = np.abs(value.codes.astype(np.int64) - theirs[name])
        one.codes += apart.size
        one.differing += int(np.count_nonzero(apart))
        one.largest = max(one.largest, int(apart.max(initial=0)))
    for rule in RULES:
        for place, found in _step_by_step(network, images, values, names, theirs, rule).items():
            alone = tally[names[place]].alone
            alone[rule] = alone.get(rule, 0) + found
    return absent


def _step_by_step(
    network: IntegerNetwork,
    images: np.ndarray,
    known: list[Value],
    names: Mapping[int, str],
    theirs: Mapping[str, np.ndarray],
    rule: str,
) -> dict[int, int]:
    """Return how many codes of each tensor differ where the network reads those of the run-time."""
    values: dict[int, Value] = {-1: Real(images)}
    found = {}
    for place, step in enumerate(network.steps):
        value = step.computes(*(values[read] for read in step.reads), rule=rule)
        values[place] = value
        if place not in names:
            continue
        given = theirs[names[place]]
        if isinstance(value, Codes):
            found[place] = int(np.count_nonzero(value.codes.astype(np.int64) != given))
        like = known[place]
        assert isinstance(like, Codes)
        values[place] = Codes(given.astype(like.codes.dtype), like.grid, like.scale)
    return found
